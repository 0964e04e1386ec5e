//! A provider that answers what a test wants and remembers what it was sent.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tombolo_server::dev_ca::ServerCertificate;

use super::Federation;

/// A request it was sent.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Path and query as they came.
    pub(crate) target: String,
    pub(crate) host: String,
    pub(crate) from: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) at: std::time::Instant,
}

/// Goes with an answer as its extension: how long each of it takes.
#[derive(Clone)]
pub(crate) struct Slow {
    pub(crate) head: Duration,
    /// Before each octet of the body.
    pub(crate) octets: Vec<Duration>,
}

type Respond = dyn Fn(&Seen) -> Response<Bytes> + Send + Sync;

/// A listening peer; it stops when dropped.
pub(crate) struct FakePeer {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl FakePeer {
    /// A peer with a certificate of the federation's authority, for one or other names.
    pub(crate) async fn start(
        federation: &Federation,
        name: &str,
        respond: impl Fn(&Seen) -> Response<Bytes> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::start_on(federation, &federation.certificate(name), listener, respond)
    }

    pub(crate) fn start_on(
        federation: &Federation,
        certificate: &ServerCertificate,
        listener: TcpListener,
        respond: impl Fn(&Seen) -> Response<Bytes> + Send + Sync + 'static,
    ) -> Self {
        let tls = tls(federation.ca.root_pem(), certificate, false);
        Self::run(tls, listener, respond)
    }

    /// One that answers who shows no certificate as well.
    pub(crate) async fn start_public(
        federation: &Federation,
        name: &str,
        respond: impl Fn(&Seen) -> Response<Bytes> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tls = tls(federation.ca.root_pem(), &federation.certificate(name), true);
        Self::run(tls, listener, respond)
    }

    fn run(
        tls: ServerConfig,
        listener: TcpListener,
        respond: impl Fn(&Seen) -> Response<Bytes> + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let respond: Arc<Respond> = Arc::new(respond);
        let task = tokio::spawn(accept(listener, acceptor, Arc::clone(&seen), respond));
        Self { address, seen, task }
    }

    /// Everything it was sent so far, but for the directory.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|seen| !seen.target.starts_with("/.well-known/")).cloned().collect()
    }

    /// How often its directory was fetched.
    pub(crate) fn directory_fetches(&self) -> usize {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|seen| seen.target.starts_with("/.well-known/")).count()
    }
}

impl Drop for FakePeer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An answer without a body.
pub(crate) fn status(status: u16) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

/// TLS as a peer does it, without anything behind it; HTTP/1.1 only.
pub(crate) fn acceptor(federation: &Federation, name: &str) -> TlsAcceptor {
    let mut tls = tls(federation.ca.root_pem(), &federation.certificate(name), false);
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(tls))
}

/// Peers present themselves: a stock verifier is content with the certificates of the tests.
fn tls(root_pem: &str, certificate: &ServerCertificate, is_public: bool) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(root_pem.as_bytes()).unwrap()).unwrap();
    let mut verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    if is_public {
        verifier = verifier.allow_unauthenticated();
    }
    let pem = certificate.certificate_pem.as_bytes();
    let chain = CertificateDer::pem_slice_iter(pem).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(certificate.key_pem.as_str().as_bytes()).unwrap();
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    seen: Arc<Mutex<Vec<Seen>>>,
    respond: Arc<Respond>,
) {
    // Open connections end with the task.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (acceptor, seen, respond) = (acceptor.clone(), Arc::clone(&seen), Arc::clone(&respond));
        connections.spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = service_fn(move |request| {
                let (seen, respond) = (Arc::clone(&seen), Arc::clone(&respond));
                async move { Ok::<_, Infallible>(answer(request, &seen, respond.as_ref()).await) }
            });
            let builder = Builder::new(TokioExecutor::new());
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    seen: &Mutex<Vec<Seen>>,
    respond: &Respond,
) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
    let (head, body) = request.into_parts();
    let header = |name: &str| {
        head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    let host = head.uri.authority().map_or_else(|| header("host"), ToString::to_string);
    let target = head.uri.path_and_query().unwrap().to_string();
    let Ok(body) = body.collect().await else {
        return status(400).map(|body| Full::new(body).boxed_unsync());
    };
    let at = std::time::Instant::now();
    let (from, body) = (header("from"), body.to_bytes());
    let request = Seen { target, host, from, headers: head.headers, body, at };
    seen.lock().unwrap().push(request.clone());
    let response = respond(&request);
    let Some(slow) = response.extensions().get::<Slow>().cloned() else {
        return response.map(|body| Full::new(body).boxed_unsync());
    };
    tokio::time::sleep(slow.head).await;
    response.map(|body| {
        let octets = slow.octets.into_iter().enumerate();
        let frames = futures_util::stream::unfold((octets, body), async |(mut octets, body)| {
            let (index, pause) = octets.next()?;
            tokio::time::sleep(pause).await;
            Some((Ok(Frame::data(body.slice(index..=index))), (octets, body)))
        });
        BodyExt::boxed_unsync(StreamBody::new(frames))
    })
}
