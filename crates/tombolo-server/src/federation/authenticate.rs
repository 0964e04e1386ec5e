//! Who calls, and whether we are the one called (PROTO-TR-2..4, AMB-TR-1).

use http::Request;
use http::header::{FROM, HOST};
use mimi_provider::Reject;
use mimi_wire::Domain;

use crate::config::PeerPolicy;
use crate::http_error::HttpError;
use crate::provider::Provider;
use crate::tls::PeerChain;

/// The peer that `From` names, proven by its TLS certificate and not blocked.
pub(super) fn peer<B>(
    provider: &Provider,
    chain: Option<&PeerChain>,
    request: &Request<B>,
) -> Result<Domain, HttpError> {
    host(&provider.domain, request)?;
    let domain = from(request)?;
    let misbehaved = |reason: String| HttpError::Reject(Reject::PeerMisbehaved(reason));
    let chain = chain.ok_or_else(|| misbehaved("a TLS client certificate is needed".to_owned()))?;
    if domain == provider.domain {
        return Err(misbehaved("a provider is not its own peer".to_owned()));
    }
    let table = provider.peers.tables().current();
    let roots = table.roots_for(&domain);
    chain.proves(&domain, &roots, table.generation(), provider.now_ms()).map_err(|error| {
        tracing::debug!(%error, "a peer is not who it says");
        misbehaved(format!("the TLS certificate does not prove {domain}"))
    })?;
    match table.policy(&domain) {
        PeerPolicy::Allow => Ok(domain),
        PeerPolicy::Block => Err(HttpError::Reject(Reject::NotAllowed(
            "this provider does not federate with you".to_owned(),
        ))),
    }
}

/// The domain in `From`: exactly one, `mimi@<domain>` and nothing around it (PROTO-TR-3).
fn from<B>(request: &Request<B>) -> Result<Domain, HttpError> {
    let malformed = |reason: &str| HttpError::Reject(Reject::Malformed(reason.to_owned()));
    let mut values = request.headers().get_all(FROM).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(malformed("exactly one From header is needed, mimi@<domain>"));
    };
    let address = value.to_str().unwrap_or_default();
    let domain = address.strip_prefix("mimi@").unwrap_or_default();
    Domain::new(&domain.to_ascii_lowercase()).map_err(|_| malformed("From must be mimi@<domain>"))
}

/// Whether the request is for us: its host is our domain, on whatever port (PROTO-TR-2).
pub(super) fn host<B>(own: &Domain, request: &Request<B>) -> Result<(), HttpError> {
    let header = request.headers().get(HOST).map(|value| value.to_str().unwrap_or_default());
    let authority = request.uri().authority().map(http::uri::Authority::as_str);
    let mut named = authority.into_iter().chain(header).peekable();
    if named.peek().is_none() {
        let reason = "the Host header is missing".to_owned();
        return Err(HttpError::Reject(Reject::Malformed(reason)));
    }
    if named.all(|host| without_port(host).eq_ignore_ascii_case(own.as_str())) {
        return Ok(());
    }
    let reason = format!("the Host header is for another provider, this is {own}");
    Err(HttpError::Reject(Reject::PeerMisbehaved(reason)))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|octet| octet.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests;
