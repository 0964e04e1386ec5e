//! How often something may be tried: budgets per whoever tries, which refill with time. The unit of
//! time is the caller's.

use std::collections::HashMap;
use std::hash::Hash;

/// Budgets remembered of one kind; beyond that, those with the most left are forgotten.
pub(crate) const REMEMBERED_MAX: usize = 10_000;

/// Budgets of everyone who has tried lately. Nobody's is larger than `most`, and what was taken comes
/// back one by one.
#[derive(Debug)]
pub(crate) struct Budgets<K> {
    most: u32,
    refill_ms: u64,
    budgets: HashMap<K, Budget>,
}

/// Attempts made, as of a time; they fade at one per refill.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Budget {
    /// Milliseconds at which the budget is whole again.
    whole_at_ms: u64,
}

impl<K: Eq + Hash> Budgets<K> {
    pub(crate) fn new(most: u32, refill_ms: u64) -> Self {
        Self { most, refill_ms, budgets: HashMap::new() }
    }

    /// How long until one more attempt is left.
    pub(crate) fn wait_ms(&self, key: &K, now_ms: u64) -> u64 {
        let budget = self.budgets.get(key).copied().unwrap_or_default();
        let taken_ms = budget.whole_at_ms.saturating_sub(now_ms);
        (taken_ms + self.refill_ms).saturating_sub(u64::from(self.most) * self.refill_ms)
    }

    /// Takes an attempt.
    pub(crate) fn take(&mut self, key: K, now_ms: u64) {
        self.take_many(key, 1, now_ms);
    }

    /// Takes several, whether or not there are as many.
    pub(crate) fn take_many(&mut self, key: K, count: u32, now_ms: u64) {
        let budget = self.budgets.get(&key).copied().unwrap_or_default();
        let taken_ms = u64::from(count) * self.refill_ms;
        let whole_at_ms = budget.whole_at_ms.max(now_ms) + taken_ms;
        self.make_room(now_ms);
        self.budgets.insert(key, Budget { whole_at_ms });
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
        if let Some(budget) = self.budgets.get_mut(key) {
            budget.whole_at_ms = budget.whole_at_ms.saturating_sub(self.refill_ms);
        }
    }

    #[cfg(test)]
    pub(crate) fn remembered(&self) -> usize {
        self.budgets.len()
    }

    /// When there are too many, first those that are whole go, then the fuller half.
    fn make_room(&mut self, now_ms: u64) {
        if self.budgets.len() >= REMEMBERED_MAX {
            self.budgets.retain(|_, budget| budget.whole_at_ms > now_ms);
        }
        if self.budgets.len() >= REMEMBERED_MAX {
            let mut ends: Vec<u64> = self.budgets.values().map(|it| it.whole_at_ms).collect();
            let middle = ends.len() / 2;
            let (_, median, _) = ends.select_nth_unstable(middle);
            let median = *median;
            self.budgets.retain(|_, budget| budget.whole_at_ms > median);
        }
    }
}
