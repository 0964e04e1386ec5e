//! Assets to and from the provider, over HTTPS: too large to go through the session.

use bytes::Bytes;
use mimi_wire::Domain;
use mimi_wire::protocol::proxy_download::AssetUrl;
use reqwest::{Method, RequestBuilder};
use serde::Deserialize;
use serde_json::json;

use super::https::{
    HttpsTransport, REQUEST_TIMEOUT, SILENCE_TIMEOUT, segment, success, unreachable,
};
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
}

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
        // The URL stands in the path as one segment (AMB-DL-3). It may take long, but not be silent
        // for long.
        let path = format!("/client/v1/proxy-download/{hub}/{}", url.to_path());
        let request = self.builder(Method::GET, &path).bearer_auth(token.reveal());
        Box::pin(async move {
            let mut answer = success(request).await?;
            let mut body = Vec::new();
            loop {
                let piece = tokio::time::timeout(SILENCE_TIMEOUT, answer.chunk()).await;
                let late = |_| TransportError::Unreachable("the asset does not come".to_owned());
                let Some(piece) = piece.map_err(late)?.map_err(unreachable)? else {
                    return Ok(body);
                };
                if body.len() as u64 + piece.len() as u64 > octets_max {
                    return Err(TransportError::Garbled("it is larger than it may be".to_owned()));
                }
                body.extend_from_slice(&piece);
            }
        })
    }
}

async fn read(request: RequestBuilder) -> Result<Upload, TransportError> {
    let body = super::https::success_body(request).await?;
    serde_json::from_slice(&body).map_err(|error| TransportError::Garbled(error.to_string()))
}
