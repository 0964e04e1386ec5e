//! Assets to and from the provider, over HTTPS: too large to go through the session. And, where room
//! and user want it, straight from their hosts.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use mimi_ohttp::{KEY_CONFIGS_OCTETS_MAX, PROBLEM_TYPE, REQUEST_TYPE, SEALED_RESPONSE_OCTETS_MAX};
use mimi_wire::Domain;
use mimi_wire::protocol::proxy_download::AssetUrl;
use mimi_wire::public_address::is_public;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Method, RequestBuilder, Url};
use serde::Deserialize;
use serde_json::json;

use super::api::{REQUEST_TIMEOUT, SILENCE_TIMEOUT, segment};
use super::exchange::{Octets, successful};
use super::https::{HttpsTransport, sent, success};
use super::{Token, TransportFuture};
use crate::session::request::TransportError;

/// How far an upload has come.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct Upload {
    /// Its name at the provider.
    pub id: String,
    /// Where it can be fetched once it is complete.
    pub url: String,
    /// How many octets have arrived for good.
    pub offset: u64,
    /// Whether that is all of them.
    pub complete: bool,
    /// When the provider forgets it, in seconds since the epoch.
    pub expires_s: u64,
}

/// The way of assets to one provider, and back through hubs.
pub trait AssetTransport: Send + Sync + 'static {
    /// Makes room for so many octets.
    fn begin(&self, token: Token, octets: u64) -> TransportFuture<Upload>;
    /// How far an upload has come.
    fn status(&self, token: Token, id: &str) -> TransportFuture<Upload>;
    /// Sends the octets from an offset on.
    fn append(&self, token: Token, id: &str, offset: u64, octets: Bytes)
    -> TransportFuture<Upload>;
    /// Fetches an asset through a hub: at most so many octets.
    fn fetch(
        &self,
        token: Token,
        hub: &Domain,
        url: &AssetUrl,
        octets_max: u64,
    ) -> TransportFuture<Vec<u8>>;
    /// The keys of a hub's Oblivious HTTP gateway, as our provider has them for all of its people.
    fn ohttp_keys(&self, token: Token, hub: &Domain) -> TransportFuture<Vec<u8>>;
    /// Lets our provider bring a sealed request to a hub's gateway. Refused with
    /// [`UNKNOWN_KEY`] if the gateway does not know the key.
    fn ohttp_relay(&self, token: Token, hub: &Domain, sealed: Bytes) -> TransportFuture<Vec<u8>>;
    /// Fetches an asset from its host, which learns our address: at most so many octets. The host is
    /// at `address`, else where DNS says, but never in a private network.
    fn fetch_directly(
        &self,
        url: &AssetUrl,
        address: Option<SocketAddr>,
        octets_max: u64,
    ) -> TransportFuture<Vec<u8>>;
}

/// The word for a refusal of a request that is sealed to a key which the gateway does not know.
pub const UNKNOWN_KEY: &str = "ohttp-key";
/// How long a direct download may take.
const DIRECT_TIMEOUT: Duration = Duration::from_secs(10 * 60);

impl HttpsTransport {
    fn upload(&self, method: Method, id: &str, token: &Token) -> RequestBuilder {
        let request = self.builder(method, &format!("/client/v1/assets/{}", segment(id)));
        request.bearer_auth(token.reveal()).timeout(REQUEST_TIMEOUT)
    }
}

impl AssetTransport for HttpsTransport {
    fn begin(&self, token: Token, octets: u64) -> TransportFuture<Upload> {
        let request = self
            .builder(Method::POST, "/client/v1/assets")
            .timeout(REQUEST_TIMEOUT)
            .header("content-type", "application/json")
            .body(json!({ "octets": octets }).to_string())
            .bearer_auth(token.reveal());
        Box::pin(read(request))
    }

    fn status(&self, token: Token, id: &str) -> TransportFuture<Upload> {
        Box::pin(read(self.upload(Method::GET, id, &token)))
    }

    fn append(
        &self,
        token: Token,
        id: &str,
        offset: u64,
        octets: Bytes,
    ) -> TransportFuture<Upload> {
        let request = self
            .upload(Method::PATCH, id, &token)
            .header("content-type", "application/octet-stream")
            .header("upload-offset", offset)
            .body(octets);
        Box::pin(read(request))
    }

    fn fetch(
        &self,
        token: Token,
        hub: &Domain,
        url: &AssetUrl,
        octets_max: u64,
    ) -> TransportFuture<Vec<u8>> {
        // The URL stands in the path as one segment (AMB-DL-3).
        let path = format!("/client/v1/proxy-download/{hub}/{}", url.to_path());
        let request = self.builder(Method::GET, &path).bearer_auth(token.reveal());
        Box::pin(async move { bounded(success(request).await?, octets_max).await })
    }

    fn ohttp_keys(&self, token: Token, hub: &Domain) -> TransportFuture<Vec<u8>> {
        let path = format!("/client/v1/ohttp-relay/{hub}");
        let request = self.builder(Method::GET, &path).bearer_auth(token.reveal());
        let request = request.timeout(REQUEST_TIMEOUT);
        Box::pin(
            async move { bounded(success(request).await?, KEY_CONFIGS_OCTETS_MAX as u64).await },
        )
    }

    fn ohttp_relay(&self, token: Token, hub: &Domain, sealed: Bytes) -> TransportFuture<Vec<u8>> {
        let path = format!("/client/v1/ohttp-relay/{hub}");
        let request = self
            .builder(Method::POST, &path)
            .header("content-type", REQUEST_TYPE)
            .body(sealed)
            .bearer_auth(token.reveal())
            .timeout(REQUEST_TIMEOUT + REQUEST_TIMEOUT);
        Box::pin(async move {
            let answer = sent(request).await?;
            let media_type = answer.headers().get("content-type").map(|value| value.as_bytes());
            if answer.status().as_u16() == 400 && media_type == Some(PROBLEM_TYPE.as_bytes()) {
                let message = "the hub does not know the key any more".to_owned();
                return Err(TransportError::Refused { code: UNKNOWN_KEY.to_owned(), message });
            }
            bounded(successful(answer).await?, SEALED_RESPONSE_OCTETS_MAX as u64).await
        })
    }

    fn fetch_directly(
        &self,
        url: &AssetUrl,
        address: Option<SocketAddr>,
        octets_max: u64,
    ) -> TransportFuture<Vec<u8>> {
        let request = self.direct(url, address);
        Box::pin(async move { bounded(success(request?).await?, octets_max).await })
    }
}

impl HttpsTransport {
    /// A request of nobody: a connection of its own, no token, no redirects, no name of ours.
    fn direct(
        &self,
        url: &AssetUrl,
        address: Option<SocketAddr>,
    ) -> Result<RequestBuilder, TransportError> {
        let garbled = |error: &dyn std::fmt::Display| TransportError::Garbled(error.to_string());
        let mut target = Url::parse(url.as_str()).map_err(|error| garbled(&error))?;
        let mut client = self.anonymous().map_err(|error| garbled(&error))?;
        match address {
            Some(address) => {
                // The port comes from the URL alone.
                let set = target.set_port(Some(address.port()));
                set.map_err(|()| garbled(&"the URL takes no port"))?;
                client = client.resolve(url.host().as_str(), address);
            }
            None => client = client.dns_resolver(Arc::new(PublicOnly)),
        }
        let client = client.build().map_err(|error| garbled(&error))?;
        let request = client.get(target).header("accept-encoding", "identity");
        Ok(request.timeout(DIRECT_TIMEOUT))
    }
}

/// Resolves a name, and gives what of it is public: the connection goes there and nowhere else.
#[derive(Debug)]
struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<_> = found.filter(|address| is_public(address.ip())).collect();
            match public.is_empty() {
                true => Err("the file's host has no public address".into()),
                false => Ok(Box::new(public.into_iter()) as Addrs),
            }
        })
    }
}

/// A body that may take long, but not be silent for long.
async fn bounded(
    answer: http::Response<Octets>,
    octets_max: u64,
) -> Result<Vec<u8>, TransportError> {
    // What it grows into is there at once, so that it does not move: then there were two of it.
    let announced = answer.headers().get(http::header::CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let announced = announced.unwrap_or_default().min(octets_max);
    let mut body = Vec::with_capacity(usize::try_from(announced).unwrap_or_default());
    let mut pieces = answer.into_body();
    loop {
        let piece = tokio::time::timeout(SILENCE_TIMEOUT, pieces.next()).await;
        let late = |_| TransportError::Unreachable("the asset does not come".to_owned());
        let Some(piece) = piece.map_err(late)? else {
            return Ok(body);
        };
        let piece = piece?;
        if body.len() as u64 + piece.len() as u64 > octets_max {
            return Err(TransportError::Garbled("it is larger than it may be".to_owned()));
        }
        body.extend_from_slice(&piece);
    }
}

async fn read(request: RequestBuilder) -> Result<Upload, TransportError> {
    let body = super::https::success_body(request).await?;
    serde_json::from_slice(&body).map_err(|error| TransportError::Garbled(error.to_string()))
}
