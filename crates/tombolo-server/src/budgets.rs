//! How often something may be tried: budgets of one rate, per whoever tries. The unit of time is the
//! caller's; what a budget is, `mimi_provider::budget` decides.

use mimi_provider::budget::{self, Rate};

/// Budgets of everyone who has tried lately.
#[derive(Debug)]
pub(crate) struct Budgets<K> {
    rate: Rate,
    left: budget::Budgets<K>,
}

impl<K: Ord> Budgets<K> {
    pub(crate) fn new(most: u32, refill_ms: u64) -> Self {
        Self { rate: Rate::new(most.into(), refill_ms), left: budget::Budgets::default() }
    }

    /// How long until one more attempt is left.
    pub(crate) fn wait_ms(&self, key: &K, now_ms: u64) -> u64 {
        self.left.wait_ms(key, self.rate, 1, now_ms)
    }

    /// Takes an attempt.
    pub(crate) fn take(&mut self, key: K, now_ms: u64) {
        self.take_many(key, 1, now_ms);
    }

    /// Takes several, whether or not there are as many.
    pub(crate) fn take_many(&mut self, key: K, count: u32, now_ms: u64) {
        self.left.spend(key, self.rate, count.into(), now_ms);
    }

    /// Takes as many as `count` says, which is told how long it is until one is left.
    pub(crate) fn spend<T>(
        &mut self,
        key: &K,
        now_ms: u64,
        count: impl FnOnce(u64) -> (u32, T),
    ) -> T
    where
        K: Clone,
    {
        let (count, outcome) = count(self.wait_ms(key, now_ms));
        if count > 0 {
            self.take_many(key.clone(), count, now_ms);
        }
        outcome
    }

    /// An attempt does not count.
    pub(crate) fn give_back(&mut self, key: &K) {
        self.left.give_back(key, self.rate);
    }

    #[cfg(test)]
    pub(crate) fn remembered(&self) -> usize {
        self.left.remembered()
    }
}
