//! How often passwords may be tried, per user and per address.
//!
//! Every attempt takes a share of a budget that refills with time; a right password gives it back.
//! So a person who knows the password is not held up, and a guesser soon is.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use mimi_wire::MimiUri;

use crate::budgets::Budgets;
use crate::config::SignInLimits;
use crate::tls::network;

#[cfg(test)]
mod tests;

/// Budgets of everyone who has tried lately.
#[derive(Debug)]
pub(crate) struct LoginLimit(Mutex<Limits>);

#[derive(Debug)]
struct Limits {
    users: Budgets<MimiUri>,
    addresses: Budgets<IpAddr>,
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
    pub(crate) fn new(limits: &SignInLimits) -> Self {
        Self(Mutex::new(Limits {
            users: Budgets::new(limits.wrong_per_user_max, limits.refill_ms),
            addresses: Budgets::new(limits.wrong_per_network_max, limits.refill_ms),
        }))
    }

    /// Takes one attempt for a user from an address.
    pub(crate) fn attempt(
        &self,
        user: &MimiUri,
        address: IpAddr,
        now_ms: u64,
    ) -> Result<Attempt<'_>, TooMany> {
        let address = network(address);
        let mut budgets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wait_ms = budgets.users.wait_ms(user, now_ms);
        let wait_ms = wait_ms.max(budgets.addresses.wait_ms(&address, now_ms));
        if wait_ms > 0 {
            return Err(TooMany { retry_after_s: wait_ms.div_ceil(1_000) });
        }
        budgets.users.take(user.clone(), now_ms);
        budgets.addresses.take(address, now_ms);
        Ok(Attempt { limit: self, user: user.clone(), address })
    }
}

impl Attempt<'_> {
    /// The password was right: the attempt does not count.
    pub(crate) fn succeeded(self) {
        let mut budgets = self.limit.0.lock().unwrap_or_else(PoisonError::into_inner);
        budgets.users.give_back(&self.user);
        budgets.addresses.give_back(&self.address);
    }
}
