//! How often something secret may be guessed at: budgets per whoever tries, which refill with time.

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
        let budget = self.budgets.get(&key).copied().unwrap_or_default();
        let whole_at_ms = budget.whole_at_ms.max(now_ms) + self.refill_ms;
        self.make_room(now_ms);
        self.budgets.insert(key, Budget { whole_at_ms });
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
