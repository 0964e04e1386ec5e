//! What a device takes from the machine it runs on: time and randomness. A simulation hands in its own.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rand::SeedableRng;
use rand::rngs::StdRng;

/// Wall-clock time and randomness. Cheap to clone.
#[derive(Clone)]
pub struct Surroundings {
    now_ms: Arc<dyn Fn() -> u64 + Send + Sync>,
    seed: Arc<dyn Fn() -> [u8; 32] + Send + Sync>,
}

impl Surroundings {
    /// The machine's.
    pub fn of_machine() -> Self {
        let now_ms = || {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        };
        Self::new(now_ms, rand::random)
    }

    /// Of one's own: `now_ms` returns milliseconds since the UNIX epoch, `seed` what keys and names
    /// are made of; whoever can guess a seed can read everything.
    pub fn new(
        now_ms: impl Fn() -> u64 + Send + Sync + 'static,
        seed: impl Fn() -> [u8; 32] + Send + Sync + 'static,
    ) -> Self {
        Self { now_ms: Arc::new(now_ms), seed: Arc::new(seed) }
    }

    /// Milliseconds since the UNIX epoch.
    pub(crate) fn now_ms(&self) -> u64 {
        (self.now_ms)()
    }

    /// A generator of its own for whoever asks.
    pub(crate) fn rng(&self) -> StdRng {
        StdRng::from_seed((self.seed)())
    }
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Surroundings({} ms)", self.now_ms())
    }
}
