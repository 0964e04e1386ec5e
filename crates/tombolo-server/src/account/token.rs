//! Access tokens: random, shown once, and kept as hashes only.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

#[cfg(test)]
mod tests;

/// Octets of randomness in a token.
const TOKEN_OCTETS: usize = 32;
/// Longest token that is looked at.
const TOKEN_CHARS_MAX: usize = 256;

/// A fresh token, base64url.
pub(crate) fn generate() -> Zeroizing<String> {
    let octets: Zeroizing<[u8; TOKEN_OCTETS]> = Zeroizing::new(rand::random());
    Zeroizing::new(URL_SAFE_NO_PAD.encode(*octets))
}

/// What is kept of a token. Tokens are random enough that a plain hash cannot be undone, and a
/// lookup by hash tells a guesser nothing through its time.
pub(crate) fn sha256(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// Whether a token that a device has made up is one that [`generate`] could have made.
pub(crate) fn is_proper(token: &str) -> bool {
    URL_SAFE_NO_PAD.decode(token).is_ok_and(|octets| octets.len() == TOKEN_OCTETS)
}

/// The bearer token of a request (RFC 6750 section 2.1).
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    let valid = !token.is_empty() && token.len() <= TOKEN_CHARS_MAX;
    (scheme.eq_ignore_ascii_case("bearer") && valid).then_some(token)
}
