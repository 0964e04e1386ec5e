//! The directory: where our endpoints are, and who certifies our clients (PROTO-DIR-1, -2, AMB-ID-1).
//!
//! Served to everyone, also without a client certificate (AMB-TR-2), and without touching a room: who
//! asks may be holding one of its own.

use axum::body::Body;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Response};
use mimi_ohttp::GATEWAY_PATH;
use mimi_wire::protocol::directory::Directory;

use crate::http_error::HttpError;
use crate::provider::Provider;

/// How long others may keep our directory (AMB-DIR-5).
const CACHING: &str = "max-age=3600";

pub(super) fn handle(provider: &Provider, method: &Method) -> Result<Response<Body>, HttpError> {
    if method != Method::GET && method != Method::HEAD {
        return Err(HttpError::MethodNotAllowed("GET".into()));
    }
    let mut response = Response::new(Body::from(own(provider).to_json()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(CACHING));
    Ok(response)
}

/// Our own directory.
fn own(provider: &Provider) -> Directory {
    let mut directory = Directory::standard(&format!("https://{}", provider.domain));
    directory.client_issuers = vec![provider.client_issuer.certificate_pem().to_owned()];
    directory.ohttp_gateway = Some(format!("https://{}{GATEWAY_PATH}", provider.domain));
    directory.asset_hosts = vec![provider.config.assets.host.clone()];
    directory
}
