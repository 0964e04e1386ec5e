//! Something that answers in a provider's place: a proxy whose backend is away, or a program that
//! takes connections and never answers.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{FROM, RETRY_AFTER};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tombolo_testkit::simulation::ledger::Rule;
use turmoil::net::{TcpListener, TcpStream};

use crate::book::Book;
use crate::provider::{CLIENT_PORT, FEDERATION_PORT};

/// So often in a row nobody comes too soon: once is who was stopped in between.
const EARLY_MAX: u32 = 2;

/// What answers in a provider's place, to other providers and to its own devices.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Facade {
    /// A proxy without its backend.
    BadGateway,
    /// The same, and it says when to come again.
    ComeAgain,
    /// Too much is asked, it says.
    TooMuch,
    /// Peers are told that there is nothing here, and devices as by a proxy.
    NothingHere,
    /// Peers are told that they may not, and devices as by a proxy.
    Forbidden,
    /// It takes connections and requests, and never answers.
    Silence,
}

impl Facade {
    /// All.
    pub const ALL: &[Self] = &[
        Self::BadGateway,
        Self::ComeAgain,
        Self::TooMuch,
        Self::NothingHere,
        Self::Forbidden,
        Self::Silence,
    ];

    /// After how long somebody is told to come again.
    fn pause(self) -> Option<Duration> {
        match self {
            Self::ComeAgain => Some(Duration::from_secs(2)),
            Self::TooMuch => Some(Duration::from_secs(3)),
            _ => None,
        }
    }

    /// What is answered; `None`: nothing, ever.
    fn answer(self, port: u16) -> Option<Response<Full<Bytes>>> {
        let status = match self {
            Self::ComeAgain => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooMuch => StatusCode::TOO_MANY_REQUESTS,
            Self::NothingHere if port == FEDERATION_PORT => StatusCode::NOT_FOUND,
            Self::Forbidden if port == FEDERATION_PORT => StatusCode::FORBIDDEN,
            Self::BadGateway | Self::NothingHere | Self::Forbidden => StatusCode::BAD_GATEWAY,
            Self::Silence => return None,
        };
        let answer = Response::builder().status(status);
        let again = self.pause().into_iter().map(|pause| pause.as_secs());
        let answer = again.fold(answer, |it, after_s| it.header(RETRY_AFTER, after_s));
        let body = Full::new(Bytes::from_static(b"<html>not now</html>"));
        Some(answer.body(body).expect("plain headers"))
    }

    /// Answers at both of a provider's ports, with its certificate, until the host stops.
    pub async fn live(
        self,
        book: &Book,
        certificate_pem: &[u8],
        key_pem: &[u8],
    ) -> turmoil::Result {
        let tls = TlsAcceptor::from(Arc::new(server_config(certificate_pem, key_pem)));
        let door = Door { facade: self, tls, callers: Arc::new(Callers::new(book.clone())) };
        tokio::try_join!(door.serve(FEDERATION_PORT), door.serve(CLIENT_PORT))?;
        Ok(())
    }
}

/// Where a facade stands.
#[derive(Clone)]
struct Door {
    facade: Facade,
    tls: TlsAcceptor,
    callers: Arc<Callers>,
}

/// Who has been told to come again, and when it did.
struct Callers {
    book: Book,
    /// By who delivers what: when it called last, and how often too soon.
    known: Mutex<BTreeMap<String, (Instant, u32)>>,
}

impl Callers {
    fn new(book: Book) -> Self {
        Self { book, known: Mutex::default() }
    }

    /// A peer delivers something, and is told to come again after so long.
    fn note(&self, from: &str, path: &str, pause: Duration) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let caller = format!("{from} with {path}");
        let (last, early) = known.entry(caller).or_insert((now - pause, 0));
        // On the way both took their time.
        let is_early = now.duration_since(*last) < pause / 2;
        *early = if is_early { *early + 1 } else { 0 };
        *last = now;
        if *early == EARLY_MAX {
            let what = format!("{from} with {path} comes again and again, before it was told to");
            self.book.pages().ledger.broken(Rule::Drain, what);
        }
    }
}

impl Door {
    async fn serve(&self, port: u16) -> std::io::Result<()> {
        let here = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
        let listener = TcpListener::bind(here).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(self.clone().receive(port, stream));
        }
    }

    async fn receive(self, port: u16, stream: TcpStream) {
        // Whoever hangs up early has had no answer either.
        let Ok(stream) = self.tls.accept(stream).await else { return };
        let (facade, callers) = (self.facade, self.callers);
        let service = service_fn(move |request: Request<Incoming>| {
            let from = request.headers().get(FROM).and_then(|from| from.to_str().ok());
            if let (Some(from), Some(pause)) = (from, facade.pause())
                && request.uri().path().contains("/notify/")
            {
                callers.note(from, request.uri().path(), pause);
            }
            async move {
                match facade.answer(port) {
                    Some(answer) => Ok::<_, Infallible>(answer),
                    None => std::future::pending().await,
                }
            }
        });
        let serving = Builder::new(TokioExecutor::new());
        drop(serving.serve_connection(TokioIo::new(stream), service).await);
    }
}

fn server_config(certificate_pem: &[u8], key_pem: &[u8]) -> ServerConfig {
    let chain = CertificateDer::pem_slice_iter(certificate_pem);
    let chain = chain.map(|certificate| certificate.expect("the authority's own PEM")).collect();
    let key = PrivateKeyDer::from_pem_slice(key_pem).expect("the authority's own PEM");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider supports TLS 1.3 and 1.2")
        .with_no_client_auth();
    let mut config = builder.with_single_cert(chain, key).expect("the key is the certificate's");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}
