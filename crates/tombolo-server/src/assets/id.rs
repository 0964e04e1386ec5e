//! The names of assets.

use std::fmt;
use std::str::FromStr;

/// Octets of randomness in a name: whoever knows one was told it.
const ID_OCTETS: usize = 32;

/// The name of an asset: random, and in lower-case hexadecimal, so that it is one path segment and
/// one file name on every platform.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct AssetId([u8; ID_OCTETS]);

impl AssetId {
    /// A fresh one.
    pub(crate) fn generate() -> Self {
        Self(rand::random())
    }
}

impl FromStr for AssetId {
    type Err = ();

    /// Takes the one spelling that [`Display`](fmt::Display) writes.
    fn from_str(text: &str) -> Result<Self, ()> {
        let is_hex = |octet: u8| matches!(octet, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 2 * ID_OCTETS || !text.bytes().all(is_hex) {
            return Err(());
        }
        let mut octets = [0; ID_OCTETS];
        for (index, octet) in octets.iter_mut().enumerate() {
            let pair = text.get(2 * index..2 * index + 2).ok_or(())?;
            *octet = u8::from_str_radix(pair, 16).map_err(|_| ())?;
        }
        Ok(Self(octets))
    }
}

impl fmt::Display for AssetId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(formatter, "{octet:02x}"))
    }
}

/// Logs must not hold what opens a download.
impl fmt::Debug for AssetId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "AssetId({:02x}…)", self.0[0])
    }
}
