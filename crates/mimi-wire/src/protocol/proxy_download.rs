//! `proxyDownload` (protocol-06 section 5.10.2): which URLs may name an asset at all.
//!
//! An asset is served by HTTPS, on its usual port, by a host that has a name. Everything else that a
//! URL can say is a way to make a hub talk to somebody it should not: user information that hides
//! the host, addresses inside its own network, ports of other services.
//!
//! ```
//! use mimi_wire::protocol::proxy_download::AssetUrl;
//!
//! let url = AssetUrl::new("https://b.example/assets/v1/1f")?;
//! assert_eq!(AssetUrl::from_path(&url.to_path())?, url);
//! assert!(AssetUrl::new("https://127.0.0.1/").is_err());
//! # Ok::<(), mimi_wire::protocol::proxy_download::AssetUrlFault>(())
//! ```

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use thiserror::Error;

use crate::limits::TEXT_OCTETS_MAX;
use crate::uri::Domain;

/// The whole URL stands in one segment of the path (AMB-DL-3).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// What an asset URL begins with (AMB-DL-4).
const SCHEME: &str = "https://";

/// Why a URL is none of an asset.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
#[non_exhaustive]
pub enum AssetUrlFault {
    /// Longer than [`TEXT_OCTETS_MAX`].
    #[error("the URL is too long")]
    TooLong,
    /// It does not begin with `https://`.
    #[error("only https URLs name assets")]
    Scheme,
    /// A character that no URL has, or a fragment.
    #[error("the URL holds characters that an asset's URL cannot have")]
    Characters,
    /// User information before the host.
    #[error("the URL holds user information")]
    UserInformation,
    /// Another port than that of HTTPS.
    #[error("the URL names another port than 443")]
    Port,
    /// An address, or no canonical domain name.
    #[error("the URL's host is not a domain name")]
    Host,
    /// The path's variable does not decode.
    #[error("the path holds no URL")]
    Encoding,
}

/// A URL of an asset: `https`, a domain name, port 443, no user information, no fragment.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct AssetUrl {
    text: String,
    host: Domain,
    /// Where the path begins.
    path: usize,
}

impl AssetUrl {
    /// Takes a URL.
    ///
    /// # Errors
    /// [`AssetUrlFault`] says what an asset's URL cannot have.
    pub fn new(url: &str) -> Result<Self, AssetUrlFault> {
        if url.len() > TEXT_OCTETS_MAX {
            return Err(AssetUrlFault::TooLong);
        }
        let rest = url.strip_prefix(SCHEME).ok_or(AssetUrlFault::Scheme)?;
        let in_url = |octet: u8| octet.is_ascii_graphic() && !b"\"<>\\^`{|}#".contains(&octet);
        if !rest.bytes().all(in_url) {
            return Err(AssetUrlFault::Characters);
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, after) = rest.split_at(end);
        if authority.contains('@') {
            return Err(AssetUrlFault::UserInformation);
        }
        let host = match authority.rsplit_once(':') {
            // An IPv6 address has colons, too, and is refused as a host.
            Some((host, "443")) => host,
            Some((host, _)) if !host.contains(':') => return Err(AssetUrlFault::Port),
            _ => authority,
        };
        // No domain's last label begins with a digit, so no resolver reads one as an address.
        let host = Domain::new(host).map_err(|_| AssetUrlFault::Host)?;
        // One spelling for one asset: caches and comparisons go by the text.
        let after = if after.starts_with('/') { after.to_owned() } else { format!("/{after}") };
        let path = SCHEME.len() + host.as_str().len();
        Ok(Self { text: format!("{SCHEME}{host}{after}"), host, path })
    }

    /// From the raw, still encoded variable of a request's path (AMB-DL-3).
    ///
    /// # Errors
    /// As for [`new`](Self::new); [`AssetUrlFault::Encoding`] if it does not decode.
    pub fn from_path(raw: &str) -> Result<Self, AssetUrlFault> {
        let decoded = percent_decode_str(raw).decode_utf8();
        Self::new(&decoded.map_err(|_| AssetUrlFault::Encoding)?)
    }

    /// As one segment of a path: percent-encoded whole (AMB-DL-3).
    pub fn to_path(&self) -> String {
        utf8_percent_encode(&self.text, SEGMENT).to_string()
    }

    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Who serves it.
    pub fn host(&self) -> &Domain {
        &self.host
    }

    /// Path and query, what a request to the host asks for.
    pub fn path_and_query(&self) -> &str {
        &self.text[self.path..]
    }

    /// Where a redirect leads: another URL, or another path of the same host. A path without a
    /// leading slash is refused like everything else that is no URL of an asset.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn redirected(&self, location: &str) -> Result<Self, AssetUrlFault> {
        if location.starts_with('/') && !location.starts_with("//") {
            return Self::new(&format!("{SCHEME}{}{location}", self.host));
        }
        Self::new(location)
    }
}

impl fmt::Debug for AssetUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl fmt::Display for AssetUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each trick by what it is refused for (PROTO-DL-3).
    #[test]
    fn tricks_are_refused() {
        use AssetUrlFault::{Characters, Encoding, Host, Port, Scheme, TooLong, UserInformation};
        let long = format!("https://b.example/{}", "a".repeat(TEXT_OCTETS_MAX));
        let tricks = [
            ("http://b.example/1", Scheme),
            ("HTTPS://b.example/1", Scheme),
            ("file:///etc/passwd", Scheme),
            ("//b.example/1", Scheme),
            ("", Scheme),
            ("https://b.example@127.0.0.1/1", UserInformation),
            ("https://user:pass@b.example/1", UserInformation),
            ("https://b.example:8443/1", Port),
            ("https://b.example:22/1", Port),
            ("https://b.example:/1", Port),
            ("https://127.0.0.1/1", Host),
            ("https://2130706433/1", Host),
            ("https://0x7f000001/1", Host),
            ("https://0x7f.1/1", Host),
            ("https://127.1/1", Host),
            ("https://[::1]/1", Host),
            ("https://[::ffff:127.0.0.1]:443/1", Host),
            ("https:///1", Host),
            ("https://B.example/1", Host),
            ("https://b.example./1", Host),
            ("https://b.example\\@evil.example/1", Characters),
            ("https://b.example/1#@evil.example", Characters),
            ("https://b.example/1\r\nX: y", Characters),
            ("https://b.example/ä", Characters),
            (&long, TooLong),
        ];
        for (url, fault) in tricks {
            assert_eq!(AssetUrl::new(url), Err(fault), "{url}");
        }
        assert_eq!(AssetUrl::from_path("https%3A%2F%2Fb.example%2F%ff"), Err(Encoding));
        // Encoded twice is not decoded twice.
        assert_eq!(AssetUrl::from_path("https%253A%252F%252Fb.example%252F1"), Err(Scheme));
    }

    /// AMB-DL-3.
    #[test]
    fn urls_go_through_a_path() {
        for text in
            ["https://b.example/a/1?x=%2F&y", "https://b.example:443/a/1", "https://b.example"]
        {
            let url = AssetUrl::new(text).unwrap();
            let path = url.to_path();
            assert!(!path.contains(['/', '?', ':']), "{path}");
            assert_eq!(AssetUrl::from_path(&path).unwrap(), url);
            assert_eq!(url.host().as_str(), "b.example");
            assert!(url.path_and_query().starts_with('/'));
        }
        assert_eq!(AssetUrl::new("https://b.example?x").unwrap().path_and_query(), "/?x");
    }

    #[test]
    fn redirects_stay_urls_of_assets() {
        let url = AssetUrl::new("https://b.example/1").unwrap();
        let to = |location: &str| url.redirected(location).map(|url| url.as_str().to_owned());
        assert_eq!(to("/2").as_deref(), Ok("https://b.example/2"));
        assert_eq!(to("https://c.example/2").as_deref(), Ok("https://c.example/2"));
        for location in
            ["//c.example/2", "2", "http://b.example/2", "https://10.0.0.1/", "gopher://x"]
        {
            assert!(to(location).is_err(), "{location}");
        }
    }
}
