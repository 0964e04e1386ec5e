//! `identifierQuery`: who of our users matches (protocol section 5.8).
//!
//! In two steps, because an index finds only candidates: [`lookup`] says what to look up, or answers
//! at once; [`answer`] compares what was found again and says what may be said.
//!
//! A user that cannot be found is answered for octet by octet as one that does not exist, and the
//! same is looked up for both. Rooms are found by nobody, whether they are `discoverable` or not
//! (POLICY-BASE-8): only profiles of users are looked up, and no other endpoint lists any. The asker is a provider, whoever its user is (AMB-IDQ-4).

mod budget;

use std::collections::BTreeSet;

use mimi_wire::MimiUri;
use mimi_wire::protocol::AppDataDictionary;
use mimi_wire::protocol::identifier_query::{
    IdentifierQueryCode, IdentifierRequest, IdentifierResponse, ProfileField, QueryElement,
    SearchIdentifier, UserProfile,
};

pub use budget::{Asker, QUERIES_PER_PEER, QUERIES_PER_USER, QueryBudgets, QueryRates, cost};

use crate::profile::{
    FieldName, Key, Profile, ProfileEntry, Searchability, TEXT_CHARS_MIN, Term, Visibility, folded,
};

/// Elements of one query.
pub const QUERY_ELEMENTS_MAX: usize = 8;
/// Octets of the value of one element: those of a field's.
pub const SEARCH_VALUE_OCTETS_MAX: usize = crate::profile::VALUE_OCTETS_MAX;
/// Users in an answer. Where more match, the query has to be more exact.
pub const MATCHES_MAX: usize = 20;
/// Profiles that are compared for one query.
pub const CANDIDATES_MAX: usize = 200;
/// Pieces of texts that are looked up for one query; the comparison sees to the rest.
const GRAMS_MAX: usize = 12;

/// What the operator lets others ask.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct QueryPolicy {
    /// How others may search.
    pub scope: QueryScope,
    /// In which fields.
    pub fields: QueryableFields,
}

/// How others may search.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum QueryScope {
    /// Not at all.
    Off,
    /// By whole values.
    Exact,
    /// Also by parts of names and of whole profiles, where users allow it.
    Partial,
}

/// In which fields others may search.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum QueryableFields {
    /// In all that users let be searched.
    All,
    /// In these alone.
    Only(BTreeSet<FieldName>),
}

impl Default for QueryPolicy {
    /// Whatever users allow.
    fn default() -> Self {
        Self { scope: QueryScope::Partial, fields: QueryableFields::All }
    }
}

impl QueryableFields {
    fn has(&self, name: &FieldName) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(name),
        }
    }
}

/// What to do about a query.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Lookup {
    /// Look for profiles with all of these terms, at most [`CANDIDATES_MAX`].
    Terms(BTreeSet<Term>),
    /// Nothing can match, or nothing may.
    Answered(IdentifierQueryCode),
}

/// What to look up.
pub fn lookup(policy: &QueryPolicy, request: &IdentifierRequest) -> Lookup {
    use IdentifierQueryCode::{Ambiguous, Forbidden, NotFound, UnsupportedField};
    let elements = &request.query_elements;
    let sized = |element: &QueryElement| {
        (1..=SEARCH_VALUE_OCTETS_MAX).contains(&element.search_value.len())
    };
    // PROTO-IDQ-5: forbidden by us, or in this combination; without any element (AMB-IDQ-6) a query
    // would ask for everybody.
    if policy.scope == QueryScope::Off
        || !(1..=QUERY_ELEMENTS_MAX).contains(&elements.len())
        || !elements.iter().all(sized)
    {
        return Lookup::Answered(Forbidden);
    }
    if !elements.iter().all(|element| is_supported(&policy.fields, &element.identifier)) {
        return Lookup::Answered(UnsupportedField);
    }
    let mut terms = BTreeSet::new();
    let mut grams = BTreeSet::new();
    for element in elements {
        if !is_partial(&element.identifier) {
            let Some(key) = Key::of_element(element) else { return Lookup::Answered(NotFound) };
            terms.insert(key.term());
            continue;
        }
        // PROTO-IDQ-5: ambiguous, what would have to match exactly.
        let too_short = folded(&element.search_value).chars().count() < TEXT_CHARS_MIN;
        if policy.scope != QueryScope::Partial || too_short {
            return Lookup::Answered(Ambiguous);
        }
        grams.extend(crate::profile::grams(&element.search_value));
    }
    terms.extend(grams.into_iter().take(GRAMS_MAX));
    Lookup::Terms(terms)
}

/// Whether there is a field that we have and may search (PROTO-IDQ-4, PROTO-IDQ-5).
fn is_supported(fields: &QueryableFields, identifier: &SearchIdentifier) -> bool {
    let has = |names: &[Option<FieldName>]| names.iter().flatten().any(|name| fields.has(name));
    let property = FieldName::property;
    match identifier {
        SearchIdentifier::Handle => has(&[Some(FieldName::HANDLE)]),
        SearchIdentifier::Nick => {
            has(&[Some(FieldName::NICK), Some(FieldName::HANDLE), property("NICKNAME")])
        }
        SearchIdentifier::Email => has(&[Some(FieldName::EMAIL), property("EMAIL")]),
        SearchIdentifier::Phone => has(&[Some(FieldName::PHONE), property("TEL")]),
        SearchIdentifier::PartialName => match fields {
            QueryableFields::All => true,
            QueryableFields::Only(names) => names.iter().any(FieldName::is_of_name),
        },
        SearchIdentifier::WholeProfile => match fields {
            QueryableFields::All => true,
            QueryableFields::Only(names) => !names.is_empty(),
        },
        SearchIdentifier::OidcStdClaim(name) => has(&[FieldName::claim(name)]),
        SearchIdentifier::VcardField(name) => has(&[property(name)]),
    }
}

fn is_partial(identifier: &SearchIdentifier) -> bool {
    matches!(identifier, SearchIdentifier::PartialName | SearchIdentifier::WholeProfile)
}

/// The answer, from the profiles that have every term.
pub fn answer(
    policy: &QueryPolicy,
    request: &IdentifierRequest,
    candidates: &[Profile],
) -> IdentifierResponse {
    let mut found: Vec<&Profile> = candidates
        .iter()
        // PROTO-IDQ-2: every element.
        .filter(|profile| {
            request.query_elements.iter().all(|element| matches(policy, profile, element))
        })
        .collect();
    if found.len() > MATCHES_MAX || candidates.len() >= CANDIDATES_MAX {
        return without_matches(IdentifierQueryCode::Ambiguous);
    }
    if found.is_empty() {
        return without_matches(IdentifierQueryCode::NotFound);
    }
    found.sort_by(|left, right| left.user.cmp(&right.user));
    let shown = found.iter().map(|profile| shown(profile));
    IdentifierResponse {
        response_code: IdentifierQueryCode::Success,
        // AMB-IDQ-1: every match here, those with something to show below as well.
        uri: found.iter().map(|profile| profile.user.clone()).collect::<Vec<MimiUri>>(),
        found_profiles: shown.filter(|profile| !profile.fields.is_empty()).collect(),
        id_response_extensions: AppDataDictionary::default(),
    }
}

/// An answer that names nobody.
pub fn without_matches(response_code: IdentifierQueryCode) -> IdentifierResponse {
    IdentifierResponse {
        response_code,
        uri: Vec::new(),
        found_profiles: Vec::new(),
        id_response_extensions: AppDataDictionary::default(),
    }
}

/// Whether a profile matches one element, by a field of which user and operator allow it
/// (PROTO-IDQ-3, PROTO-IDQ-4).
fn matches(policy: &QueryPolicy, profile: &Profile, element: &QueryElement) -> bool {
    let may = |entry: &&ProfileEntry| policy.fields.has(&entry.name);
    match &element.identifier {
        SearchIdentifier::PartialName | SearchIdentifier::WholeProfile => {
            let wanted = folded(&element.search_value);
            let anywhere = element.identifier == SearchIdentifier::WholeProfile;
            profile
                .findable_entries(Searchability::Searchable)
                .filter(may)
                .filter(|entry| anywhere || entry.name.is_of_name())
                .any(|entry| folded(&entry.value).contains(&wanted))
        }
        _ => Key::of_element(element).is_some_and(|key| {
            let mut entries = profile.findable_entries(Searchability::ExactOnly).filter(may);
            entries.any(|entry| entry.keys().contains(&key))
        }),
    }
}

fn shown(profile: &Profile) -> UserProfile {
    let visible = profile.entries.iter().filter(|entry| entry.visibility == Visibility::Shown);
    let field = |entry: &ProfileEntry| ProfileField {
        field_source: entry.name.source(),
        // AMB-IDQ-5: handle, nick, e-mail and phone are claims.
        field_name: entry.name.as_str().to_owned(),
        field_value: entry.value.clone().into_bytes(),
    };
    UserProfile { stable_uri: profile.user.clone(), fields: visible.map(field).collect() }
}

#[cfg(test)]
mod tests;
