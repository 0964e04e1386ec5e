//! How often passwords may be tried, per user and per address.
//!
//! Every attempt takes a share of a budget that refills with time; a right password gives it back.
//! So a person who knows the password is not held up, and a guesser soon is.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use mimi_wire::MimiUri;

#[cfg(test)]
mod tests;

/// Wrong passwords in a row for one user.
pub(crate) const ATTEMPTS_PER_USER_MAX: u32 = 10;
/// Wrong passwords in a row from one address.
pub(crate) const ATTEMPTS_PER_ADDRESS_MAX: u32 = 100;
/// One attempt comes back after this long.
pub(crate) const ATTEMPT_REFILL_MS: u64 = 60_000;
/// Users and addresses remembered, each; beyond that, those with the most left are forgotten.
const REMEMBERED_MAX: usize = 10_000;

/// Budgets of everyone who has tried lately.
#[derive(Debug, Default)]
pub(crate) struct LoginLimit(Mutex<Budgets>);

#[derive(Debug, Default)]
struct Budgets {
    users: HashMap<MimiUri, Budget>,
    addresses: HashMap<IpAddr, Budget>,
}

/// Attempts made, as of a time; they fade at one per [`ATTEMPT_REFILL_MS`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Budget {
    /// Milliseconds at which the budget is whole again.
    whole_at_ms: u64,
}

/// An attempt that may be made. Dropping it leaves it counted.
#[derive(Debug)]
#[must_use = "a successful attempt is given back"]
pub(crate) struct Attempt<'a> {
    limit: &'a LoginLimit,
    user: MimiUri,
    address: IpAddr,
}

/// No attempt for now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct TooMany {
    /// Seconds until the next one.
    pub(crate) retry_after_s: u64,
}

impl LoginLimit {
    /// Takes one attempt for a user from an address.
    pub(crate) fn attempt(
        &self,
        user: &MimiUri,
        address: IpAddr,
        now_ms: u64,
    ) -> Result<Attempt<'_>, TooMany> {
        let address = network(address);
        let mut budgets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_user = budgets.users.get(user).copied().unwrap_or_default();
        let of_address = budgets.addresses.get(&address).copied().unwrap_or_default();
        let wait_ms = of_user
            .wait_ms(ATTEMPTS_PER_USER_MAX, now_ms)
            .max(of_address.wait_ms(ATTEMPTS_PER_ADDRESS_MAX, now_ms));
        if wait_ms > 0 {
            return Err(TooMany { retry_after_s: wait_ms.div_ceil(1_000) });
        }
        remember(&mut budgets.users, user.clone(), of_user.taken(now_ms), now_ms);
        remember(&mut budgets.addresses, address, of_address.taken(now_ms), now_ms);
        Ok(Attempt { limit: self, user: user.clone(), address })
    }
}

impl Attempt<'_> {
    /// The password was right: the attempt does not count.
    pub(crate) fn succeeded(self) {
        let mut budgets = self.limit.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(budget) = budgets.users.get_mut(&self.user) {
            budget.give_back();
        }
        if let Some(budget) = budgets.addresses.get_mut(&self.address) {
            budget.give_back();
        }
    }
}

impl Budget {
    /// How long until one more attempt fits into a budget of `most`.
    fn wait_ms(self, most: u32, now_ms: u64) -> u64 {
        let taken_ms = self.whole_at_ms.saturating_sub(now_ms);
        (taken_ms + ATTEMPT_REFILL_MS).saturating_sub(u64::from(most) * ATTEMPT_REFILL_MS)
    }

    fn taken(self, now_ms: u64) -> Self {
        Self { whole_at_ms: self.whole_at_ms.max(now_ms) + ATTEMPT_REFILL_MS }
    }

    fn give_back(&mut self) {
        self.whole_at_ms = self.whole_at_ms.saturating_sub(ATTEMPT_REFILL_MS);
    }
}

/// Keeps a budget; when there are too many, first those that are whole go, then the fuller half.
fn remember<K: Eq + Hash>(budgets: &mut HashMap<K, Budget>, key: K, budget: Budget, now_ms: u64) {
    if budgets.len() >= REMEMBERED_MAX {
        budgets.retain(|_, budget| budget.whole_at_ms > now_ms);
    }
    if budgets.len() >= REMEMBERED_MAX {
        let mut ends: Vec<u64> = budgets.values().map(|budget| budget.whole_at_ms).collect();
        let middle = ends.len() / 2;
        let (_, median, _) = ends.select_nth_unstable(middle);
        let median = *median;
        budgets.retain(|_, budget| budget.whole_at_ms > median);
    }
    budgets.insert(key, budget);
}

/// Whoever has one IPv6 address has a whole /64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let prefix = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(prefix))
        }
        address => address,
    }
}
