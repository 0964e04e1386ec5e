//! What a field is found by: keys of exact queries, and the three-letter pieces of texts that are
//! searched by a part (PROTO-IDQ-3, AMB-IDQ-6).

use std::collections::BTreeSet;

use mimi_wire::MimiUri;
use mimi_wire::protocol::identifier_query::{QueryElement, SearchIdentifier};
use sha2::{Digest, Sha256};

use super::{FieldName, ProfileEntry};

/// The start of a SHA-256 hash: what the store's index knows of a key. Two keys may share one, so
/// what the index finds is compared again.
pub type Term = u64;

/// Characters of a text searched for in part, after folding: the length of an indexed piece.
pub const TEXT_CHARS_MIN: usize = 3;
/// Digits of an international phone number (E.164).
const PHONE_DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

/// What must be equal for an exact match.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Key {
    /// A whole URI.
    Handle(String),
    /// A nickname, or the user part of a handle.
    Nick(String),
    /// An addr-spec, its domain in lower case.
    Email(String),
    /// `+` and digits.
    Phone(String),
    /// A named field.
    Field(FieldName, String),
}

/// What kind of value a field has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Form {
    Handle,
    Nick,
    Email,
    Phone,
    Text,
}

pub(super) fn form_of(name: &FieldName) -> Form {
    let is_property = |property| FieldName::property(property) == Some(*name);
    match *name {
        FieldName::HANDLE => Form::Handle,
        FieldName::NICK => Form::Nick,
        FieldName::EMAIL => Form::Email,
        FieldName::PHONE => Form::Phone,
        _ if is_property("NICKNAME") => Form::Nick,
        _ if is_property("EMAIL") => Form::Email,
        _ if is_property("TEL") => Form::Phone,
        _ => Form::Text,
    }
}

impl ProfileEntry {
    /// Every key that this field answers to.
    pub(crate) fn keys(&self) -> Vec<Key> {
        let value = self.value.as_str();
        let mut keys = vec![Key::Field(self.name, self.value.clone())];
        match form_of(&self.name) {
            Form::Handle => {
                keys.push(Key::Handle(self.value.clone()));
                keys.extend(user_part(value).map(Key::Nick));
            }
            Form::Nick => keys.push(Key::Nick(self.value.clone())),
            Form::Email => keys.extend(email(value).map(Key::Email)),
            Form::Phone => keys.extend(phone(value).map(Key::Phone)),
            Form::Text => {}
        }
        keys
    }
}

impl Key {
    /// What an element asks for; `None` if it is not exact, or nothing can equal it.
    pub(crate) fn of_element(element: &QueryElement) -> Option<Self> {
        let value = element.search_value.clone();
        match &element.identifier {
            SearchIdentifier::Handle => Some(Self::Handle(value)),
            SearchIdentifier::Nick => Some(Self::Nick(value)),
            SearchIdentifier::Email => email(&value).map(Self::Email),
            SearchIdentifier::Phone => phone(&value).map(Self::Phone),
            SearchIdentifier::OidcStdClaim(name) => {
                FieldName::claim(name).map(|name| Self::Field(name, value))
            }
            SearchIdentifier::VcardField(name) => {
                FieldName::property(name).map(|name| Self::Field(name, value))
            }
            SearchIdentifier::PartialName | SearchIdentifier::WholeProfile => None,
        }
    }

    /// In the index.
    pub(crate) fn term(&self) -> Term {
        match self {
            Self::Handle(value) => hashed(1, "", value),
            Self::Nick(value) => hashed(2, "", value),
            Self::Email(value) => hashed(3, "", value),
            Self::Phone(value) => hashed(4, "", value),
            Self::Field(name, value) => hashed(name.source().code(), name.as_str(), value),
        }
    }
}

/// The pieces of a text in the index: every three characters that follow each other. What contains
/// a text contains its pieces.
pub(crate) fn grams(text: &str) -> BTreeSet<Term> {
    let folded: Vec<char> = folded(text).chars().collect();
    let gram = |piece: &[char]| hashed(5, "", &piece.iter().collect::<String>());
    folded.windows(TEXT_CHARS_MIN).map(gram).collect()
}

/// Unicode's simple case folding (AMB-IDQ-6).
pub(crate) fn folded(text: &str) -> String {
    let fold = |character: char| {
        let folded = unicode_case_mapping::case_folded(character);
        folded.and_then(|code| char::from_u32(code.get())).unwrap_or(character)
    };
    text.chars().map(fold).collect()
}

/// An addr-spec: equal whatever the case of its domain.
pub(super) fn email(text: &str) -> Option<String> {
    let (local, domain) = text.rsplit_once('@')?;
    let is_plain = |part: &str| !part.is_empty() && !part.contains(char::is_whitespace);
    (is_plain(local) && is_plain(domain))
        .then(|| format!("{local}@{}", domain.to_ascii_lowercase()))
}

/// An international number, however its digits are grouped.
pub(super) fn phone(text: &str) -> Option<String> {
    let number = text.strip_prefix("tel:").unwrap_or(text).strip_prefix('+')?;
    let is_grouping = |character: char| matches!(character, ' ' | '-' | '.' | '(' | ')' | '/');
    let digits: String = number.chars().filter(|character| !is_grouping(*character)).collect();
    let is_number =
        PHONE_DIGITS.contains(&digits.len()) && digits.bytes().all(|octet| octet.is_ascii_digit());
    is_number.then(|| format!("+{digits}"))
}

/// `alice.smith` of `im:alice.smith@a.example` and of `mimi://a.example/u/alice.smith`.
fn user_part(handle: &str) -> Option<String> {
    if let Ok(uri) = MimiUri::new(handle) {
        return Some(uri.segments().concat());
    }
    let (_, rest) = handle.split_once(':')?;
    rest.rsplit_once('@').map(|(user, _)| user.to_owned())
}

fn hashed(kind: u8, name: &str, value: &str) -> Term {
    let mut hash = Sha256::new();
    hash.update([kind]);
    hash.update(name);
    hash.update([0]);
    hash.update(value);
    let [a, b, c, d, e, f, g, h, ..]: [u8; 32] = hash.finalize().into();
    Term::from_be_bytes([a, b, c, d, e, f, g, h])
}
