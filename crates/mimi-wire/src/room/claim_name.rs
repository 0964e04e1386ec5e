//! Names of X.509 claims for people (AMB-POL-3): the id of a claim of credential type 2 is the DER
//! content of an object identifier, which nobody types.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::room::preauth::Claim;

/// Numbers of one object identifier.
pub const OID_ARCS_MAX: usize = 32;
/// Octets of a claim's value that a person gives.
pub const CLAIM_VALUE_OCTETS_MAX: usize = 256;

/// MLS credential type `x509`.
const X509_CREDENTIAL: u16 = 2;
/// Attributes of subjects' names that have a name themselves (RFC 4519, RFC 5280 appendix A).
const NAMED: [(&str, &[u64]); 3] =
    [("O", &[2, 5, 4, 10]), ("OU", &[2, 5, 4, 11]), ("title", &[2, 5, 4, 12])];

/// Which claim: `O`, `OU`, `title`, or an object identifier in dots.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct ClaimName(Vec<u64>);

/// A claim as people write it, `O=Tea Society`: an attribute of the subject's name in a certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NamedClaim {
    /// Which.
    pub name: ClaimName,
    /// Its value; not empty, without control characters.
    pub value: String,
}

/// The text is no claim.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
#[error("{0:?} is no claim: write it as O=NAME, OU=NAME, title=NAME or 1.3.6.1.4.1.99999.1=VALUE")]
pub struct NotAClaim(String);

impl ClaimName {
    /// The numbers of the object identifier, at least two.
    pub fn arcs(&self) -> &[u64] {
        &self.0
    }

    /// The content of its DER encoding, a claim's id.
    pub fn id(&self) -> Vec<u8> {
        let first = self.0[0] * 40 + self.0[1];
        std::iter::once(first).chain(self.0[2..].iter().copied()).flat_map(base_128).collect()
    }
}

/// A number in sevens of bits, all but the last with the eighth set.
fn base_128(number: u64) -> Vec<u8> {
    let mut octets = vec![u8::try_from(number & 0x7f).unwrap_or_default()];
    let mut rest = number >> 7;
    while rest > 0 {
        octets.push(u8::try_from(rest & 0x7f).unwrap_or_default() | 0x80);
        rest >>= 7;
    }
    octets.reverse();
    octets
}

impl NamedClaim {
    /// What a room's preauthorization asks for.
    pub fn to_claim(&self) -> Claim {
        Claim {
            credential_type: X509_CREDENTIAL,
            id: self.name.id(),
            claim_value: self.value.as_bytes().to_vec(),
        }
    }
}

impl fmt::Display for ClaimName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((name, _)) = NAMED.iter().find(|(_, arcs)| *arcs == self.0) {
            return formatter.write_str(name);
        }
        let arcs: Vec<String> = self.0.iter().map(u64::to_string).collect();
        formatter.write_str(&arcs.join("."))
    }
}

impl FromStr for ClaimName {
    type Err = NotAClaim;

    fn from_str(text: &str) -> Result<Self, NotAClaim> {
        let wrong = || NotAClaim(text.to_owned());
        if let Some((_, arcs)) = NAMED.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)) {
            return Ok(Self(arcs.to_vec()));
        }
        let number = |arc: &str| {
            let plain = !arc.is_empty() && arc.bytes().all(|octet| octet.is_ascii_digit());
            let arc = arc.parse::<u64>().ok().filter(|_| plain);
            // Room for the first number, which stands for two.
            arc.filter(|arc| *arc <= u64::MAX - 80)
        };
        let arcs: Option<Vec<u64>> = text.split('.').map(number).collect();
        let arcs =
            arcs.filter(|arcs| (2..=OID_ARCS_MAX).contains(&arcs.len())).ok_or_else(wrong)?;
        // X.660: three roots, the first two with at most 40 children.
        let sound = arcs[0] == 2 || arcs[0] < 2 && arcs[1] < 40;
        if sound { Ok(Self(arcs)) } else { Err(wrong()) }
    }
}

impl fmt::Display for NamedClaim {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}={}", self.name, self.value)
    }
}

impl FromStr for NamedClaim {
    type Err = NotAClaim;

    fn from_str(text: &str) -> Result<Self, NotAClaim> {
        let wrong = || NotAClaim(text.chars().take(CLAIM_VALUE_OCTETS_MAX).collect());
        let (name, value) = text.split_once('=').ok_or_else(wrong)?;
        let name = name.trim().parse().map_err(|_| wrong())?;
        let value = value.trim();
        let long = value.len() > CLAIM_VALUE_OCTETS_MAX;
        if value.is_empty() || long || value.chars().any(char::is_control) {
            return Err(wrong());
        }
        Ok(Self { name, value: value.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_their_ids() {
        let id = |text: &str| text.parse::<ClaimName>().unwrap().id();
        assert_eq!(id("O"), b"\x55\x04\x0a");
        assert_eq!(id("ou"), b"\x55\x04\x0b");
        assert_eq!(id("2.5.4.12"), b"\x55\x04\x0c");
        assert_eq!(id("1.3.6.1.4.1.99999.1"), b"\x2b\x06\x01\x04\x01\x86\x8d\x1f\x01");
        assert_eq!(id("2.999.3"), b"\x88\x37\x03");
        assert_eq!("2.5.4.10".parse::<ClaimName>().unwrap().to_string(), "O");
        assert_eq!("1.2.3".parse::<ClaimName>().unwrap().to_string(), "1.2.3");
        for text in ["", "X", "1", "3.1", "1.40", "1..2", "1.-2", "1.+2", "1.18446744073709551615"]
        {
            assert!(text.parse::<ClaimName>().is_err(), "{text}");
        }
        let arcs = |count: usize| format!("2{}", ".1".repeat(count - 1));
        assert!(arcs(OID_ARCS_MAX).parse::<ClaimName>().is_ok());
        assert!(arcs(OID_ARCS_MAX + 1).parse::<ClaimName>().is_err());
    }

    #[test]
    fn claims_as_people_write_them() {
        let claim: NamedClaim = " O = Tea Society ".parse().unwrap();
        assert_eq!(claim.to_string(), "O=Tea Society");
        let expected = Claim {
            credential_type: 2,
            id: b"\x55\x04\x0a".to_vec(),
            claim_value: b"Tea Society".to_vec(),
        };
        assert_eq!(claim.to_claim(), expected);
        let long = |length: usize| format!("O={}", "x".repeat(length)).parse::<NamedClaim>();
        assert!(long(CLAIM_VALUE_OCTETS_MAX).is_ok());
        assert!(long(CLAIM_VALUE_OCTETS_MAX + 1).is_err());
        for text in ["O", "O=", "=x", "O=a\nb", "colour=red"] {
            assert!(text.parse::<NamedClaim>().is_err(), "{text}");
        }
    }
}
