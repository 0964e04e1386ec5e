//! The names a field may have: standard claims of OpenID Connect, properties of vCards.

use mimi_wire::protocol::identifier_query::FieldSource;

/// Standard claims (OpenID Connect Core section 5.1) whose values are texts that a user may state.
const CLAIMS: [&str; 15] = [
    "birthdate",
    "email",
    "family_name",
    "gender",
    "given_name",
    "locale",
    "middle_name",
    "name",
    "nickname",
    "phone_number",
    "picture",
    "preferred_username",
    "profile",
    "website",
    "zoneinfo",
];

/// Properties (RFC 6350 and its registry) whose values are texts.
const PROPERTIES: [&str; 20] = [
    "ADR",
    "ANNIVERSARY",
    "BDAY",
    "CATEGORIES",
    "EMAIL",
    "FN",
    "GENDER",
    "GEO",
    "IMPP",
    "LANG",
    "N",
    "NICKNAME",
    "NOTE",
    "ORG",
    "RELATED",
    "ROLE",
    "TEL",
    "TITLE",
    "TZ",
    "URL",
];

/// A field's name. Handle, nick, e-mail and phone are claims (AMB-IDQ-5).
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct FieldName(Name);

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Name {
    Claim(&'static str),
    Property(&'static str),
}

impl FieldName {
    /// The handle: a whole URI.
    pub const HANDLE: Self = Self(Name::Claim("preferred_username"));
    /// The nickname.
    pub const NICK: Self = Self(Name::Claim("nickname"));
    /// The e-mail address.
    pub const EMAIL: Self = Self(Name::Claim("email"));
    /// The phone number.
    pub const PHONE: Self = Self(Name::Claim("phone_number"));
    /// The whole name.
    pub const FULL_NAME: Self = Self(Name::Claim("name"));

    /// A standard claim, as its name is written.
    pub fn claim(name: &str) -> Option<Self> {
        let known = CLAIMS.into_iter().find(|known| *known == name)?;
        Some(Self(Name::Claim(known)))
    }

    /// A property of vCards, in capitals or not.
    pub fn property(name: &str) -> Option<Self> {
        let known = PROPERTIES.into_iter().find(|known| known.eq_ignore_ascii_case(name))?;
        Some(Self(Name::Property(known)))
    }

    /// By source number and name, as on the wire.
    pub fn of_source(source: u8, name: &str) -> Option<Self> {
        match source {
            7 => Self::claim(name),
            8 => Self::property(name),
            _ => None,
        }
    }

    /// A claim by its name, a property by its name in capitals: no name is both.
    pub fn of_either(name: &str) -> Option<Self> {
        let capitals = !name.bytes().any(|octet| octet.is_ascii_lowercase());
        if capitals { Self::property(name) } else { Self::claim(name) }
    }

    /// Where the name is from.
    pub fn source(&self) -> FieldSource {
        match self.0 {
            Name::Claim(_) => FieldSource::OidcStdClaim,
            Name::Property(_) => FieldSource::VcardField,
        }
    }

    /// The name alone.
    pub fn as_str(&self) -> &'static str {
        match self.0 {
            Name::Claim(name) | Name::Property(name) => name,
        }
    }

    /// Whether it holds the name of a person, or a part of it (PROTO-IDQ-3).
    pub(crate) fn is_of_name(&self) -> bool {
        matches!(
            self.0,
            Name::Claim("name" | "given_name" | "middle_name" | "family_name" | "nickname")
                | Name::Property("FN" | "N" | "NICKNAME")
        )
    }
}
