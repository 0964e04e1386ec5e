//! What a provider takes from outside: its storage, time, chance and the network. A simulation hands
//! in its own.

use std::fmt;
use std::sync::Arc;

use tokio::task::JoinError;
use tombolo_store::Store;

use crate::clock::Clock;
use crate::network::{Network, Sockets};

/// What a provider runs on.
#[derive(Clone)]
pub struct Surroundings {
    /// Where it keeps everything.
    pub store: Arc<dyn Store>,
    /// Wall-clock time.
    pub clock: Clock,
    /// What decides how long it waits where all waiting alike would do harm.
    pub chance: Chance,
    /// How it listens and connects.
    pub network: Arc<dyn Network>,
    /// Where it does what takes long.
    pub toil: Toil,
}

/// Where work is done that takes long and waits for nothing: hashes of passwords, many signatures.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Toil {
    /// On threads beside the runtime's, so that it holds nobody up.
    Beside,
    /// At once. Of two pieces of work beside the runtime either may be done first, which a simulation
    /// cannot have.
    InPlace,
}

/// Randomness that decides when something happens; keys and names are never made of it.
#[derive(Clone)]
pub struct Chance(Arc<dyn Fn() -> u32 + Send + Sync>);

impl Surroundings {
    /// The machine's, with a store of the caller's.
    pub fn of_machine(store: Arc<dyn Store>) -> Self {
        let (clock, chance) = (Clock::system(), Chance::system());
        Self { store, clock, chance, network: Arc::new(Sockets), toil: Toil::Beside }
    }
}

impl Toil {
    /// Does it; fails only if it panics.
    pub(crate) async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        match self {
            Self::Beside => tokio::task::spawn_blocking(work).await,
            Self::InPlace => Ok(work()),
        }
    }
}

impl Chance {
    /// The machine's.
    pub fn system() -> Self {
        Self::from_fn(rand::random)
    }

    /// A source of one's own; the function returns numbers spread evenly over their whole range.
    pub fn from_fn(next: impl Fn() -> u32 + Send + Sync + 'static) -> Self {
        Self(Arc::new(next))
    }

    /// The next number.
    pub(crate) fn next(&self) -> u32 {
        (self.0)()
    }
}

impl fmt::Debug for Chance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Chance(..)")
    }
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { clock, network, .. } = self;
        let mut shown = formatter.debug_struct("Surroundings");
        shown.field("clock", clock).field("network", network).finish_non_exhaustive()
    }
}
