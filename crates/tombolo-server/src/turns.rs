//! Requests about the same user take turns. Without, those that come at once would all decide on the
//! same state, one of them would win, and the others would have to try again and again.
//!
//! Only a courtesy: the store's conditions are what keeps decisions sound.

use std::array;
use std::hash::{DefaultHasher, Hash, Hasher};

use mimi_wire::MimiUri;
use tokio::sync::{Mutex, MutexGuard};

/// Users that share a turn by chance wait for each other; with so many they rarely do.
const STRIPES: usize = 64;

/// Whose turn it is.
#[derive(Debug)]
pub(crate) struct Turns([Mutex<()>; STRIPES]);

impl Default for Turns {
    fn default() -> Self {
        Self(array::from_fn(|_| Mutex::new(())))
    }
}

impl Turns {
    /// Waits for a turn; it ends when the guard is dropped. Nobody takes two at a time.
    pub(crate) async fn take(&self, user: &MimiUri) -> MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        user.hash(&mut hasher);
        let stripe = usize::try_from(hasher.finish() % STRIPES as u64).unwrap_or_default();
        self.0[stripe].lock().await
    }
}
