//! External parts (content-08 section 4.5): what is fetched from a URL, checked and decrypted.
//!
//! Nothing here fetches. Who has fetched hands the octets in; what comes out is the content, or the
//! reason why it must not be used. The other way, [`seal`] makes the octets to upload and the part
//! that refers to them.
//!
//! ```
//! use mimi_wire::content::external::{Encryption, Upload, seal};
//!
//! let upload = Upload { content_type: "image/png", url: "https://a.example/1", filename: "a.png" };
//! // Key and nonce are fresh from a CSPRNG for every upload.
//! let (part, octets) = seal(upload, b"an image", &Encryption::Aes128Gcm { key: [7; 16], nonce: [9; 12] })?;
//! assert_eq!(part.open(&octets, 1_700_000_000)?, b"an image");
//! assert!(part.open(b"something else", 1_700_000_000).is_err());
//! # Ok::<(), mimi_wire::content::external::ExternalFault>(())
//! ```

use aes_gcm::aead::consts::U12;
use aes_gcm::aead::{AeadCore, AeadInPlace, KeyInit};
use aes_gcm::{Aes128Gcm, Aes256Gcm, Nonce};
use sha2::{Digest, Sha256, Sha384, Sha512};
use thiserror::Error;

use crate::content::ExternalPart;

/// `AEAD_AES_128_GCM` of the IANA AEAD registry, which everyone must implement (CONTENT-XP-2).
pub const AES_128_GCM: u16 = 1;
/// `AEAD_AES_256_GCM`.
pub const AES_256_GCM: u16 = 2;
/// `sha-256` of the IANA Named Information Hash registry.
pub const SHA_256: u8 = 1;
/// `sha-384`.
pub const SHA_384: u8 = 7;
/// `sha-512`.
pub const SHA_512: u8 = 8;

/// Octets that encryption adds.
pub const TAG_OCTETS: usize = 16;
/// Octets of the nonce of both AEADs.
const NONCE_OCTETS: usize = 12;

/// Why an external part cannot be used.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
#[non_exhaustive]
pub enum ExternalFault {
    /// Its time has passed.
    #[error("the external content has expired")]
    Expired,
    /// Neither `http` nor `https`.
    #[error("the URL is neither http nor https")]
    UrlScheme,
    /// As many octets were served as the part does not say.
    #[error("{served} octets were served, {promised} were promised")]
    Size {
        /// Octets that the part promises.
        promised: u64,
        /// Octets that were served.
        served: u64,
    },
    /// A hash function of which nothing is known here, so that nothing can be verified.
    #[error("unknown hash function {0}")]
    UnknownHash(u8),
    /// The octets are not those that the sender hashed.
    #[error("the content is not what the sender hashed")]
    OtherContent,
    /// An AEAD of which nothing is known here.
    #[error("unknown AEAD {0}")]
    UnknownAead(u16),
    /// The key or the nonce is not as long as the AEAD's.
    #[error("the key or the nonce has a length that the AEAD does not know")]
    KeyLength,
    /// The octets do not decrypt: another key, or changed on the way.
    #[error("the content does not decrypt")]
    Decryption,
}

/// How a content is protected where it is uploaded to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Encryption {
    /// Not at all: the content is not private, or the URL is a service.
    None,
    /// By the AEAD that everyone knows. A key is never used with a second content.
    Aes128Gcm {
        /// From a CSPRNG.
        key: [u8; 16],
        /// From a CSPRNG.
        nonce: [u8; NONCE_OCTETS],
    },
}

/// What a part says of its content beside how it is protected.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Upload<'a> {
    /// The media type of the content, not of the ciphertext.
    pub content_type: &'a str,
    /// Where it will be fetched from; `https` (AMB-DL-4).
    pub url: &'a str,
    /// How a receiver may call the file; empty for nothing.
    pub filename: &'a str,
}

impl ExternalPart {
    /// Whether it may be fetched at all: it has not expired, and a client knows how to fetch it
    /// (CONTENT-XP-1, CONTENT-XP-2). `now_s` is in seconds since the UNIX epoch.
    ///
    /// # Errors
    /// [`ExternalFault::Expired`] and [`ExternalFault::UrlScheme`].
    pub fn check_before_fetching(&self, now_s: u64) -> Result<(), ExternalFault> {
        if self.expires != 0 && u64::from(self.expires) <= now_s {
            return Err(ExternalFault::Expired);
        }
        let scheme = self.url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        match scheme.as_deref() {
            Some("http" | "https") => Ok(()),
            _ => Err(ExternalFault::UrlScheme),
        }
    }

    /// The content, from the octets that were served at the URL: all of them, since an AEAD is
    /// verified as a whole. The hash and the size are those of the served octets, before they are
    /// decrypted (CONTENT-XP-3, AMB-CNT-9). `now_s` is in seconds since the UNIX epoch.
    ///
    /// Without a hash and without an AEAD nothing vouches for the content but its host; see
    /// [`is_authenticated`](Self::is_authenticated).
    ///
    /// # Errors
    /// The first [`ExternalFault`] in the order of this description.
    pub fn open(&self, served: &[u8], now_s: u64) -> Result<Vec<u8>, ExternalFault> {
        self.check_served(served, now_s)?;
        self.decrypted(served.to_vec())
    }

    /// As [`open`](Self::open), in the memory that the octets are in: a large content is there only once.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_owned(&self, served: Vec<u8>, now_s: u64) -> Result<Vec<u8>, ExternalFault> {
        self.check_served(&served, now_s)?;
        self.decrypted(served)
    }

    fn check_served(&self, served: &[u8], now_s: u64) -> Result<(), ExternalFault> {
        self.check_before_fetching(now_s)?;
        let octets = served.len() as u64;
        // 0 stands for a size that is not known (CONTENT-XP-1).
        if self.size != 0 && self.size != octets {
            return Err(ExternalFault::Size { promised: self.size, served: octets });
        }
        self.check_hash(served)
    }

    fn decrypted(&self, served: Vec<u8>) -> Result<Vec<u8>, ExternalFault> {
        match self.enc_alg {
            0 => Ok(served),
            AES_128_GCM => self.decrypt::<Aes128Gcm>(served),
            AES_256_GCM => self.decrypt::<Aes256Gcm>(served),
            other => Err(ExternalFault::UnknownAead(other)),
        }
    }

    /// Whether the sender of the message vouches for every octet of the content.
    pub fn is_authenticated(&self) -> bool {
        self.hash_alg != 0 || self.enc_alg != 0
    }

    /// The suggested file name, fit to be used as one: the last component of a path without what
    /// steers terminals or hides an ending; none where nothing is left.
    pub fn safe_filename(&self) -> Option<String> {
        let last = self.filename.rsplit(['/', '\\']).next().unwrap_or_default();
        let kept = |character: &char| !character.is_control() && !is_invisible(*character);
        let name: String = last.chars().filter(kept).collect();
        let name = name.trim().trim_start_matches('.');
        (!name.is_empty()).then(|| name.to_owned())
    }

    fn check_hash(&self, served: &[u8]) -> Result<(), ExternalFault> {
        let is_right = match self.hash_alg {
            0 => true,
            SHA_256 => Sha256::digest(served).as_slice() == self.content_hash,
            SHA_384 => Sha384::digest(served).as_slice() == self.content_hash,
            SHA_512 => Sha512::digest(served).as_slice() == self.content_hash,
            other => return Err(ExternalFault::UnknownHash(other)),
        };
        if is_right { Ok(()) } else { Err(ExternalFault::OtherContent) }
    }

    /// RFC 5116: ciphertext and tag, in one piece (AMB-CNT-9).
    fn decrypt<A>(&self, mut octets: Vec<u8>) -> Result<Vec<u8>, ExternalFault>
    where
        A: KeyInit + AeadInPlace + AeadCore<NonceSize = U12>,
    {
        let cipher = A::new_from_slice(&self.key).map_err(|_| ExternalFault::KeyLength)?;
        if self.nonce.len() != NONCE_OCTETS {
            return Err(ExternalFault::KeyLength);
        }
        let nonce = Nonce::from_slice(&self.nonce);
        let opened = cipher.decrypt_in_place(nonce, &self.aad, &mut octets);
        opened.map(|()| octets).map_err(|_| ExternalFault::Decryption)
    }
}

/// The octets to upload, and the part that refers to them, with their size and their SHA-256.
///
/// # Errors
/// [`ExternalFault::UrlScheme`] if nobody could fetch the URL.
pub fn seal(
    upload: Upload<'_>,
    content: &[u8],
    encryption: &Encryption,
) -> Result<(ExternalPart, Vec<u8>), ExternalFault> {
    let mut octets = Vec::with_capacity(content.len() + TAG_OCTETS);
    octets.extend_from_slice(content);
    seal_owned(upload, octets, encryption)
}

/// As [`seal`], in the memory that the content is in, which had better have room for the tag: a large
/// content is there only once.
///
/// # Errors
/// As [`seal`].
pub fn seal_owned(
    upload: Upload<'_>,
    mut octets: Vec<u8>,
    encryption: &Encryption,
) -> Result<(ExternalPart, Vec<u8>), ExternalFault> {
    let (enc_alg, key, nonce) = match encryption {
        Encryption::None => (0, Vec::new(), Vec::new()),
        Encryption::Aes128Gcm { key, nonce } => {
            Aes128Gcm::new(key.into())
                .encrypt_in_place(nonce.into(), &[], &mut octets)
                .expect("far below the 64 GiB that the AEAD takes");
            (AES_128_GCM, key.to_vec(), nonce.to_vec())
        }
    };
    let part = ExternalPart {
        content_type: upload.content_type.to_owned(),
        url: upload.url.to_owned(),
        expires: 0,
        size: octets.len() as u64,
        enc_alg,
        key,
        nonce,
        aad: Vec::new(),
        hash_alg: SHA_256,
        content_hash: Sha256::digest(&octets).to_vec(),
        description: String::new(),
        filename: upload.filename.to_owned(),
    };
    part.check_before_fetching(0)?;
    Ok((part, octets))
}

/// Characters that change how others are shown, or that are not shown at all.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
}

#[cfg(test)]
mod tests;
