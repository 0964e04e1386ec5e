//! One GET at an asset's host.
//!
//! The name is resolved once and the connection goes to what it was resolved to, so that a name that
//! changes its mind in between (rebinding) gains nothing. No client certificate is shown and nothing
//! says who asks: the hub's own standing with its peers is not for hire.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::header::{ACCEPT_ENCODING, HOST, LOCATION, RANGE};
use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use mimi_provider::Reject;
use mimi_wire::Domain;
use mimi_wire::protocol::proxy_download::AssetUrl;
use rustls_pki_types::ServerName;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::targets;
use crate::clock;
use crate::network::Connection;
use crate::peers::{is_public, wire};
use crate::provider::Provider;
use crate::tls::anonymous_client_config;

/// Redirects that are followed, each to an asset host again.
pub(super) const REDIRECTS_MAX: usize = 3;
/// Port of every asset URL.
const HTTPS_PORT: u16 = 443;

/// Fetches; `owner` is the peer whose asset host it is, by whose trusted roots the host is proven.
pub(super) async fn get(
    provider: &Arc<Provider>,
    url: &AssetUrl,
    owner: &Domain,
    range: Option<HeaderValue>,
) -> Result<Response<Incoming>, Reject> {
    let (mut url, mut owner) = (url.clone(), owner.clone());
    for _ in 0..=REDIRECTS_MAX {
        let answer = ask(provider, &url, &owner, range.as_ref()).await?;
        if !answer.status().is_redirection() {
            return Ok(answer);
        }
        let location = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let astray = || Reject::Unavailable("the asset's host redirects to nowhere".to_owned());
        url = url.redirected(location.ok_or_else(astray)?).map_err(|_| astray())?;
        owner = targets::owner(provider, url.host()).await?;
    }
    Err(Reject::Unavailable("the asset's host redirects too often".to_owned()))
}

async fn ask(
    provider: &Arc<Provider>,
    url: &AssetUrl,
    owner: &Domain,
    range: Option<&HeaderValue>,
) -> Result<Response<Incoming>, Reject> {
    let unreachable = |what: String| {
        // How our network looks is not for whoever asks.
        tracing::debug!(host = %url.host(), what, "an asset is not fetched");
        Reject::Unavailable("the asset's host does not answer".to_owned())
    };
    let started = clock::monotonic();
    let limits = provider.config.limits.proxy;
    let connect_max = Duration::from_millis(limits.connect_ms_max);
    let connecting = tokio::time::timeout(connect_max, connect(provider, url.host(), owner)).await;
    let stream = connecting.map_err(|_| unreachable("no connection in time".to_owned()))?;
    let stream = stream.map_err(|error| unreachable(error.to_string()))?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| unreachable(error.to_string()))?;
    // Ends with the answer's body.
    tokio::spawn(connection);
    let mut request = Request::get(url.path_and_query())
        .header(HOST, url.host().as_str())
        // Hashes are of the octets as they are stored.
        .header(ACCEPT_ENCODING, "identity");
    if let Some(range) = range {
        request = request.header(RANGE, range);
    }
    let request = request.body(Body::empty());
    let request = request.map_err(|error| Reject::Malformed(error.to_string()))?;
    let head_max = Duration::from_millis(limits.head_ms_max);
    let answer = tokio::time::timeout(head_max, sender.send_request(request)).await;
    let answer = answer.map_err(|_| unreachable("no answer in time".to_owned()))?;
    let answer = answer.map_err(|error| unreachable(error.to_string()))?;
    wire::passed_on(wire::ASSET, (&provider.domain, owner), &answer, started);
    Ok(answer)
}

async fn connect(
    provider: &Provider,
    host: &Domain,
    owner: &Domain,
) -> std::io::Result<TlsStream<Connection>> {
    let addresses = addresses(provider, host).await?;
    let roots = provider.peers.tables().current().roots_for(owner);
    let tls = anonymous_client_config(roots, &provider.clock).map_err(std::io::Error::other)?;
    let name = ServerName::try_from(host.as_str().to_owned()).map_err(std::io::Error::other)?;
    let stream = provider.network.connect(addresses).await?;
    TlsConnector::from(tls).connect(name, stream).await
}

/// Where a host is: in the public network, or where the operator says and only if the operator says
/// that assets are there as well.
async fn addresses(provider: &Provider, host: &Domain) -> std::io::Result<Vec<SocketAddr>> {
    if provider.config.assets.use_peer_addresses {
        let table = provider.peers.tables().current();
        if let Some(configured) = table.address_of(host.as_str()) {
            return provider.network.resolve(configured.to_owned()).await;
        }
    }
    let found = provider.network.resolve(format!("{host}:{HTTPS_PORT}")).await?;
    let public: Vec<_> = found.into_iter().filter(|address| is_public(address.ip())).collect();
    match public.is_empty() {
        true => Err(std::io::Error::other("the host has no public address")),
        false => Ok(public),
    }
}
