//! Fair shares of something limited: nobody holds more than so many at once.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many each holder has.
#[derive(Clone, Debug)]
pub(crate) struct Shares<K> {
    max: usize,
    taken: Arc<Mutex<HashMap<K, usize>>>,
}

/// One of them, given back on drop.
#[derive(Debug)]
pub(crate) struct Share<K: Eq + Hash> {
    key: K,
    taken: Arc<Mutex<HashMap<K, usize>>>,
}

impl<K: Clone + Eq + Hash> Shares<K> {
    /// At most `max` for each.
    pub(crate) fn new(max: usize) -> Self {
        Self { max, taken: Arc::default() }
    }

    /// One more for this holder, unless it has all it may have.
    pub(crate) fn take(&self, key: &K) -> Option<Share<K>> {
        let mut taken = locked(&self.taken);
        let count = taken.get(key).copied().unwrap_or_default();
        if count >= self.max {
            return None;
        }
        taken.insert(key.clone(), count + 1);
        Some(Share { key: key.clone(), taken: Arc::clone(&self.taken) })
    }
}

impl<K: Eq + Hash> Share<K> {
    /// Whose it is.
    pub(crate) fn holder(&self) -> &K {
        &self.key
    }
}

impl<K: Eq + Hash> Drop for Share<K> {
    fn drop(&mut self) {
        let mut taken = locked(&self.taken);
        if let Some(count) = taken.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.key);
            }
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Counts are consistent between statements, so a panic elsewhere does not spoil them.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
