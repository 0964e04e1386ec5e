//! HTTPS to one provider, natively.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http::Response as HttpResponse;
use reqwest::{Client, ClientBuilder, Method, RequestBuilder, Url};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::api::{ApiTransport, SILENCE_TIMEOUT, base};
use super::exchange::{Exchange, Octets, bounded_body, successful};
use crate::client::ProviderAddress;
use crate::error::ClientError;
use crate::session::request::{Outgoing, Response, TransportError};
use crate::transport::assets::AssetTransport;
use crate::transport::{OpenStream, Token, Transport, TransportFuture};

/// How long a connection may take to come about.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// HTTPS to one provider.
#[derive(Clone, Debug)]
pub struct HttpsTransport {
    api: ApiTransport,
    client: Client,
    base: Url,
    roots_pem: Option<String>,
}

impl HttpsTransport {
    /// For the provider at an address.
    pub fn new(address: &ProviderAddress) -> Result<Self, ClientError> {
        Self::from_local(address, None)
    }

    /// The same from a local address of one's own choice: for many devices on one machine, of which
    /// a provider takes only so many connections an address.
    pub fn from_local(
        address: &ProviderAddress,
        local: Option<IpAddr>,
    ) -> Result<Self, ClientError> {
        let at_fault = |what: &str| ClientError::Other(format!("{}: {what}", address.url));
        let mut base = base(&address.url)?;
        let host = base.host_str().unwrap_or_default().to_owned();
        let roots_pem = address.roots_pem.clone();
        let mut builder = builder(roots_pem.as_deref())?
            .local_address(local)
            .http2_keep_alive_interval(Duration::from_secs(15))
            .http2_keep_alive_timeout(Duration::from_secs(10))
            .http2_keep_alive_while_idle(true);
        if let Some(address) = address.resolve {
            // The port comes from the URL alone, so it is put there.
            base.set_port(Some(address.port())).map_err(|()| at_fault("it takes no port"))?;
            builder = builder.resolve(&host, address);
        }
        let client = builder.build().map_err(|error| at_fault(&error.to_string()))?;
        let api = ApiTransport::new(base.as_str(), Arc::new(client.clone()))?;
        Ok(Self { api, client, base, roots_pem })
    }

    /// A client for other hosts, that says nothing of us.
    pub(super) fn anonymous(&self) -> Result<ClientBuilder, ClientError> {
        builder(self.roots_pem.as_deref())
    }

    pub(super) fn builder(&self, method: Method, path: &str) -> RequestBuilder {
        let mut url = self.base.clone();
        url.set_path(path);
        self.client.request(method, url)
    }
}

impl Transport for HttpsTransport {
    fn request(&self, outgoing: Outgoing) -> TransportFuture<Response> {
        self.api.request(outgoing)
    }

    fn events(&self, token: Token, after: u64, era: Option<String>) -> TransportFuture<OpenStream> {
        self.api.events(token, after, era)
    }

    fn acknowledge(&self, token: Token, id: u64) -> TransportFuture<()> {
        self.api.acknowledge(token, id)
    }

    fn assets(&self) -> Option<Arc<dyn AssetTransport>> {
        Some(Arc::new(self.clone()))
    }
}

impl Exchange for Client {
    fn send(&self, request: http::Request<Bytes>) -> TransportFuture<HttpResponse<Octets>> {
        let client = self.clone();
        Box::pin(async move {
            let request = request.map(reqwest::Body::from).try_into().map_err(unreachable)?;
            Ok(answer(client.execute(request).await.map_err(unreachable)?))
        })
    }
}

fn answer(mut answer: reqwest::Response) -> HttpResponse<Octets> {
    let (status, headers) = (answer.status(), std::mem::take(answer.headers_mut()));
    let octets: Octets = Box::pin(answer.bytes_stream().map(|piece| piece.map_err(unreachable)));
    let mut answer = HttpResponse::new(octets);
    (*answer.status_mut(), *answer.headers_mut()) = (status, headers);
    answer
}

/// HTTPS alone, to where it is asked to and no further.
fn builder(roots_pem: Option<&str>) -> Result<ClientBuilder, ClientError> {
    Ok(Client::builder()
        .tls_backend_preconfigured(tls(roots_pem)?)
        .https_only(true)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(SILENCE_TIMEOUT))
}

fn tls(roots_pem: Option<&str>) -> Result<ClientConfig, ClientError> {
    let mut roots = RootCertStore::empty();
    match roots_pem {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                let added = certificate
                    .map_err(|error| error.to_string())
                    .and_then(|der| roots.add(der).map_err(|error| error.to_string()));
                added.map_err(|error| {
                    ClientError::Other(format!("a root certificate cannot be used: {error}"))
                })?;
            }
            if roots.is_empty() {
                return Err(ClientError::Other("the roots hold no certificate".to_owned()));
            }
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ClientError::Other(error.to_string()))?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

pub(super) async fn success_body(builder: RequestBuilder) -> Result<Vec<u8>, TransportError> {
    bounded_body(success(builder).await?).await
}

/// Sends; an answer that is no success becomes its error.
pub(super) async fn success(
    builder: RequestBuilder,
) -> Result<HttpResponse<Octets>, TransportError> {
    successful(sent(builder).await?).await
}

/// Sends; resolves with an answer of whatever status.
pub(super) async fn sent(builder: RequestBuilder) -> Result<HttpResponse<Octets>, TransportError> {
    Ok(answer(builder.send().await.map_err(unreachable)?))
}

/// The innermost cause says most: "connection refused" rather than "error sending request".
fn unreachable(error: reqwest::Error) -> TransportError {
    if error.is_timeout() {
        return TransportError::Unreachable("no answer in time".to_owned());
    }
    let mut cause: &dyn std::error::Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    TransportError::Unreachable(cause.to_string())
}
