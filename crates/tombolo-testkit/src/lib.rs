//! Fixtures for Tombolo's tests: client issuers, devices, and whole rooms in memory. Never shipped.

#![warn(missing_docs)]
#![expect(clippy::missing_panics_doc, reason = "fixtures fail the test they are used in")]

mod federation;
mod issuer;
mod room;
pub mod simulation;

pub use federation::Federation;
pub use issuer::TestIssuer;
pub use room::{TestMember, TestRoom, roles};

use rand::SeedableRng as _;
use rand::rngs::StdRng;

/// A generator that yields the same for the same seed.
pub fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

/// Now, in milliseconds since the epoch. The MLS library compares lifetimes with the system's
/// clock, so tests with groups cannot invent their own.
pub fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    u64::try_from(now.expect("after 1970").as_millis()).expect("before the year 500 million")
}
