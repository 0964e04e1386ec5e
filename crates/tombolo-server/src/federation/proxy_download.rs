//! `proxyDownload`: fetches an asset for a peer, which hides from the asset's host who wants it
//! (protocol section 5.10.2).

use std::sync::Arc;

use axum::body::Body;
use http::Response;
use mimi_wire::protocol::proxy_download::AssetUrl;

use super::{Call, malformed};
use crate::http_error::HttpError;
use crate::provider::Provider;
use crate::proxy;

/// The URL stands in the path, percent-encoded whole (AMB-DL-3).
pub(super) async fn handle(
    provider: &Arc<Provider>,
    call: Call,
) -> Result<Response<Body>, HttpError> {
    let url = AssetUrl::from_path(&call.variable).map_err(malformed)?;
    proxy::download(provider, &call.peer, &url, call.range).await
}
