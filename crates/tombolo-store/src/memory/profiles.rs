//! Profiles in the store in memory.

use mimi_provider::profile::{StoredProfile, Term};
use mimi_wire::MimiUri;

use super::state::State;

/// A profile, and what it is found by.
#[derive(Clone, Debug)]
pub(super) struct KeptProfile {
    /// When it first came, among all.
    number: usize,
    stored: StoredProfile,
    /// Ascending.
    terms: Vec<Term>,
}

impl State {
    pub(super) fn profile(&self, user: &MimiUri) -> Option<StoredProfile> {
        self.profiles.get(user).map(|kept| kept.stored.clone())
    }

    pub(super) fn find_profiles(&self, terms: &[Term], limit: usize) -> Vec<StoredProfile> {
        if terms.is_empty() {
            return Vec::new();
        }
        let has =
            |kept: &&KeptProfile| terms.iter().all(|term| kept.terms.binary_search(term).is_ok());
        let mut found: Vec<&KeptProfile> = self.profiles.values().filter(has).collect();
        found.sort_by_key(|kept| kept.number);
        found.into_iter().take(limit).map(|kept| kept.stored.clone()).collect()
    }

    pub(super) fn put_profile(&mut self, stored: StoredProfile, mut terms: Vec<Term>) {
        terms.sort_unstable();
        let known = self.profiles.get(&stored.user).map(|kept| kept.number);
        let after_all =
            || self.profiles.values().map(|kept| kept.number).max().map_or(0, |number| number + 1);
        let number = known.unwrap_or_else(after_all);
        self.profiles.set(stored.user.clone(), KeptProfile { number, stored, terms });
    }
}
