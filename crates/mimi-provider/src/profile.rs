//! What a local user lets others know and find of itself (protocol section 5.8, PROTO-IDQ-4).
//!
//! Nobody can be found who did not say so: without a profile, or with one that is hidden, a user is
//! answered for as one that does not exist.

mod field;
mod key;

use std::collections::BTreeSet;

use mimi_wire::MimiUri;
use serde::{Deserialize, Serialize};

pub use field::FieldName;
pub use key::{Key, TEXT_CHARS_MIN, Term};
pub(crate) use key::{folded, grams};

use crate::saved::{StateError, read_versioned, versioned};
use crate::{Change, Reject, Transition};

/// Fields of one profile; a name may stand there more than once.
pub const FIELDS_MAX: usize = 32;
/// Octets of a field's value.
pub const VALUE_OCTETS_MAX: usize = 256;
/// Version of a saved profile.
const VERSION: u8 = 1;

/// Whether a user can be found at all.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Findability {
    /// Not even by an exact handle.
    #[default]
    Hidden,
    /// As its fields say.
    Findable,
}

/// How a field may be searched.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Searchability {
    /// Not at all.
    #[default]
    NotFindable,
    /// By who knows the whole value.
    ExactOnly,
    /// Also by a part of it.
    Searchable,
}

/// Whether who finds the user sees a field, by whatever it was found.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub enum Visibility {
    /// No.
    #[default]
    Concealed,
    /// Yes.
    Shown,
}

/// One field.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProfileEntry {
    /// Its name.
    pub name: FieldName,
    /// Its value: 1 to [`VALUE_OCTETS_MAX`] octets without control characters.
    pub value: String,
    /// How it may be searched.
    pub searchability: Searchability,
    /// Whether it is shown.
    pub visibility: Visibility,
}

/// What a user says of itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Profile {
    /// The user.
    pub user: MimiUri,
    /// Whether it can be found.
    pub findability: Findability,
    /// Its fields, in the user's order.
    pub entries: Vec<ProfileEntry>,
}

/// A profile as the store has it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredProfile {
    /// The user.
    pub user: MimiUri,
    /// Opaque to the store.
    pub octets: Vec<u8>,
}

/// As it is saved.
#[derive(Deserialize, Serialize)]
struct SavedProfile {
    findable: bool,
    entries: Vec<SavedEntry>,
}

/// Source, name, value, and how it may be used.
type SavedEntry = (u8, String, String, Searchability, Visibility);

impl Profile {
    /// The profile of a user that has none: it cannot be found.
    pub fn empty(user: MimiUri) -> Self {
        Self { user, findability: Findability::Hidden, entries: Vec::new() }
    }

    /// Reads a stored one.
    pub fn restore(stored: &StoredProfile) -> Result<Self, StateError> {
        let saved: SavedProfile = read_versioned(VERSION, &stored.octets)?;
        let entry = |(source, name, value, searchability, visibility): SavedEntry| {
            let name = FieldName::of_source(source, &name)
                .ok_or_else(|| StateError(format!("a profile with a field {name:?}")))?;
            Ok(ProfileEntry { name, value, searchability, visibility })
        };
        let findability = match saved.findable {
            true => Findability::Findable,
            false => Findability::Hidden,
        };
        let entries: Result<_, StateError> = saved.entries.into_iter().map(entry).collect();
        Ok(Self { user: stored.user.clone(), findability, entries: entries? })
    }

    fn store(&self) -> StoredProfile {
        let entry = |entry: &ProfileEntry| {
            let (source, name) = (entry.name.source().code(), entry.name.as_str().to_owned());
            (source, name, entry.value.clone(), entry.searchability, entry.visibility)
        };
        let saved = SavedProfile {
            findable: self.findability == Findability::Findable,
            entries: self.entries.iter().map(entry).collect(),
        };
        StoredProfile { user: self.user.clone(), octets: versioned(VERSION, &saved) }
    }

    /// What the user may be found by, for the store's index. Nothing if it cannot be found
    /// (PROTO-IDQ-4).
    pub fn terms(&self) -> BTreeSet<Term> {
        let mut terms = BTreeSet::new();
        for entry in self.findable_entries(Searchability::ExactOnly) {
            terms.extend(entry.keys().iter().map(Key::term));
        }
        for entry in self.findable_entries(Searchability::Searchable) {
            terms.extend(grams(&entry.value));
        }
        terms
    }

    /// Fields that count for a search of at least this kind.
    pub(crate) fn findable_entries(
        &self,
        at_least: Searchability,
    ) -> impl Iterator<Item = &ProfileEntry> {
        let findable = self.findability == Findability::Findable;
        self.entries.iter().filter(move |entry| findable && entry.searchability >= at_least)
    }
}

/// A user's new profile, in place of the one it had.
pub fn set_profile(profile: &Profile) -> Result<Transition<()>, Reject> {
    if profile.entries.len() > FIELDS_MAX {
        return Err(Reject::Malformed(format!("a profile has at most {FIELDS_MAX} fields")));
    }
    for entry in &profile.entries {
        check(&profile.user, entry)?;
    }
    let (stored, terms) = (profile.store(), profile.terms().into_iter().collect());
    let changes = vec![Change::PutProfile { profile: stored, terms }];
    Ok(Transition { changes, expect: Vec::new(), effects: Vec::new(), reply: () })
}

fn check(user: &MimiUri, entry: &ProfileEntry) -> Result<(), Reject> {
    let (name, value) = (entry.name.as_str(), &entry.value);
    if value.is_empty() || value.len() > VALUE_OCTETS_MAX {
        let text = format!("{name} must have 1 to {VALUE_OCTETS_MAX} octets");
        return Err(Reject::Malformed(text));
    }
    if value.chars().any(char::is_control) {
        return Err(Reject::Malformed(format!("{name} holds a control character")));
    }
    let is_valid = match key::form_of(&entry.name) {
        key::Form::Handle => return own_handle(user, value),
        key::Form::Email => key::email(value).is_some(),
        key::Form::Phone => key::phone(value).is_some(),
        key::Form::Nick | key::Form::Text => true,
    };
    match is_valid {
        true => Ok(()),
        false => {
            let text = format!(
                "{name} must be an address like bob@b.example, or a number like +12125551212"
            );
            Err(Reject::Malformed(text))
        }
    }
}

/// A handle leads others to a user, so nobody takes another's: it is the user's URI, or one of
/// another scheme with the user's name and provider, as `im:bob@b.example`.
fn own_handle(user: &MimiUri, handle: &str) -> Result<(), Reject> {
    let name = user.segments().concat();
    let own = format!("{name}@{}", user.domain());
    let is_other_scheme = handle.split_once(':').is_some_and(|(scheme, rest)| {
        let letters = scheme.bytes().all(|octet| octet.is_ascii_lowercase());
        !scheme.is_empty() && letters && rest == own
    });
    if handle == user.as_str() || is_other_scheme {
        return Ok(());
    }
    Err(Reject::NotAllowed(format!("your handle is {user} or im:{own}, not {handle}")))
}

#[cfg(test)]
mod tests;
