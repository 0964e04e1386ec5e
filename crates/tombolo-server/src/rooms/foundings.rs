//! How often a user may found a room, or join one that nobody here has been in: each one stays on the
//! disk for good.

use std::sync::{Mutex, PoisonError};

use mimi_wire::MimiUri;

use crate::budgets::Budgets;
use crate::config::RoomLimits;

/// Who has founded rooms lately.
#[derive(Debug)]
pub(crate) struct Foundings(Mutex<Budgets<MimiUri>>);

impl Foundings {
    pub(crate) fn new(limits: &RoomLimits) -> Self {
        let budgets = Budgets::new(limits.foundings_per_user_max, limits.founding_refill_ms);
        Self(Mutex::new(budgets))
    }

    /// Takes one for a user, or says in how many seconds there is one. What fails counts as well: it
    /// is as much work.
    pub(crate) fn take(&self, user: &MimiUri, now_ms: u64) -> Result<(), u64> {
        let mut budgets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match budgets.wait_ms(user, now_ms) {
            0 => {
                budgets.take(user.clone(), now_ms);
                Ok(())
            }
            wait_ms => Err(wait_ms.div_ceil(1_000)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// n and n + 1, others unaffected, and one more when time has passed.
    #[test]
    fn a_user_founds_so_many_rooms() {
        let limits = RoomLimits {
            foundings_per_user_max: 2,
            founding_refill_ms: 1_500,
            ..RoomLimits::default()
        };
        let foundings = Foundings::new(&limits);
        let user = |name: &str| format!("mimi://a.example/u/{name}").parse::<MimiUri>().unwrap();
        let take = |name: &str, now_ms| foundings.take(&user(name), now_ms);
        assert_eq!(take("alice", 10_000), Ok(()));
        assert_eq!(take("alice", 10_000), Ok(()));
        assert_eq!(take("alice", 10_000), Err(2));
        assert_eq!(take("bob", 10_000), Ok(()));
        assert_eq!(take("alice", 11_500), Ok(()));
        assert_eq!(take("alice", 11_500), Err(2));
    }
}
