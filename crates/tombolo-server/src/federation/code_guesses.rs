//! How often join codes may be guessed at, by one user and through one provider.
//!
//! Nobody guesses 128 bits; this is for whoever tries all the same, and for codes of other forms
//! that may come. A good code gives its attempt back.

use std::sync::{Mutex, PoisonError};

use mimi_wire::{Domain, MimiUri};

use crate::budgets::Budgets;
use crate::config::RoomLimits;

/// Who has guessed lately.
#[derive(Debug)]
pub(crate) struct CodeGuesses(Mutex<Limits>);

#[derive(Debug)]
struct Limits {
    users: Budgets<MimiUri>,
    providers: Budgets<Domain>,
}

impl CodeGuesses {
    pub(crate) fn new(limits: &RoomLimits) -> Self {
        let refill_ms = limits.wrong_code_refill_ms;
        Self(Mutex::new(Limits {
            users: Budgets::new(limits.wrong_codes_per_user_max, refill_ms),
            providers: Budgets::new(limits.wrong_codes_per_provider_max, refill_ms),
        }))
    }

    /// Takes an attempt for a user; false if none is left for now.
    pub(crate) fn take(&self, user: &MimiUri, now_ms: u64) -> bool {
        let mut limits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let provider = user.domain();
        let wait_ms = limits.users.wait_ms(user, now_ms);
        if wait_ms.max(limits.providers.wait_ms(&provider, now_ms)) > 0 {
            return false;
        }
        limits.users.take(user.clone(), now_ms);
        limits.providers.take(provider, now_ms);
        true
    }

    /// The code was good.
    pub(crate) fn give_back(&self, user: &MimiUri) {
        let mut limits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        limits.users.give_back(user);
        limits.providers.give_back(&user.domain());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_790_000_000_000;
    const GUESSES_PER_USER_MAX: u32 = 20;
    const GUESSES_PER_PROVIDER_MAX: u32 = 2_000;
    const GUESS_REFILL_MS: u64 = 60_000;

    fn user(number: u32) -> MimiUri {
        format!("mimi://b.example/u/{number}").parse().unwrap()
    }

    /// n and n + 1, and one more when time has passed.
    #[test]
    fn a_user_guesses_so_often() {
        let guesses = CodeGuesses::new(&RoomLimits::default());
        for _ in 0..GUESSES_PER_USER_MAX {
            assert!(guesses.take(&user(1), NOW_MS));
        }
        assert!(!guesses.take(&user(1), NOW_MS));
        assert!(guesses.take(&user(2), NOW_MS));
        assert!(guesses.take(&user(1), NOW_MS + GUESS_REFILL_MS));
        assert!(!guesses.take(&user(1), NOW_MS + GUESS_REFILL_MS));
        guesses.give_back(&user(1));
        assert!(guesses.take(&user(1), NOW_MS + GUESS_REFILL_MS));
    }

    /// A provider that makes up users gets no further.
    #[test]
    fn a_provider_guesses_so_often() {
        let guesses = CodeGuesses::new(&RoomLimits::default());
        for number in 0..GUESSES_PER_PROVIDER_MAX {
            assert!(guesses.take(&user(number), NOW_MS));
        }
        assert!(!guesses.take(&user(GUESSES_PER_PROVIDER_MAX), NOW_MS));
        let elsewhere = "mimi://c.example/u/cathy".parse().unwrap();
        assert!(guesses.take(&elsewhere, NOW_MS));
    }
}
