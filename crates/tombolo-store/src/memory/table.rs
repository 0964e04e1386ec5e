//! A map that can take back what was changed since it was last settled.

use std::collections::BTreeMap;
use std::ops::Deref;

/// A map with a journal: writes go through [`set`](Self::set) and [`remove`](Self::remove), reads
/// see the map as it is.
#[derive(Clone, Debug)]
pub(super) struct Table<K, V> {
    rows: BTreeMap<K, V>,
    /// Keys that were written, oldest first, with what they held before.
    journal: Vec<(K, Option<V>)>,
}

impl<K: Clone + Ord, V> Table<K, V> {
    pub(super) fn set(&mut self, key: K, value: V) {
        let before = self.rows.insert(key.clone(), value);
        self.journal.push((key, before));
    }

    pub(super) fn remove(&mut self, key: &K) {
        if let Some(before) = self.rows.remove(key) {
            self.journal.push((key.clone(), Some(before)));
        }
    }
}

/// What every table does when a commit is over.
pub(super) trait Settle {
    /// What was written stays.
    fn keep(&mut self);
    /// What was written since the last settlement never happened.
    fn revert(&mut self);
}

impl<K: Clone + Ord, V> Settle for Table<K, V> {
    fn keep(&mut self) {
        self.journal.clear();
    }

    fn revert(&mut self) {
        while let Some((key, before)) = self.journal.pop() {
            match before {
                Some(value) => self.rows.insert(key, value),
                None => self.rows.remove(&key),
            };
        }
    }
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), journal: Vec::new() }
    }
}

impl<K, V> Deref for Table<K, V> {
    type Target = BTreeMap<K, V>;

    fn deref(&self) -> &Self::Target {
        &self.rows
    }
}
