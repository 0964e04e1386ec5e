//! Budgets that refill with time: how much somebody may do at once, and how fast it comes back.
//!
//! Whose they are depends on the request alone, never on what it would find: users that do not exist
//! have budgets like those who do, so that a budget tells nothing.

use std::collections::BTreeMap;

/// Budgets remembered of one kind; beyond that, those with the most left are forgotten.
pub const REMEMBERED_MAX: usize = 16_384;

/// So much at once, and one more each time so long has passed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rate {
    /// What may be spent at once; at least 1.
    pub most: u64,
    /// Milliseconds after which one more may be spent; at least 1.
    pub refill_ms: u64,
}

impl Rate {
    /// Both numbers are at least 1.
    pub const fn new(most: u64, refill_ms: u64) -> Self {
        let most = if most == 0 { 1 } else { most };
        let refill_ms = if refill_ms == 0 { 1 } else { refill_ms };
        Self { most, refill_ms }
    }
}

/// What everybody has left of one kind of budget.
#[derive(Clone, Debug)]
pub struct Budgets<K> {
    /// When each is whole again, in milliseconds since the epoch.
    whole_at_ms: BTreeMap<K, u64>,
}

impl<K> Default for Budgets<K> {
    fn default() -> Self {
        Self { whole_at_ms: BTreeMap::new() }
    }
}

impl<K: Ord> Budgets<K> {
    /// In how many milliseconds so much can be spent; 0: now.
    pub fn wait_ms(&self, key: &K, rate: Rate, cost: u64, now_ms: u64) -> u64 {
        let limit = now_ms.saturating_add(rate.most.saturating_mul(rate.refill_ms));
        self.after(key, rate, cost, now_ms).saturating_sub(limit)
    }

    /// Spends, or says in how many milliseconds it could.
    pub fn take(&mut self, key: K, rate: Rate, cost: u64, now_ms: u64) -> Result<(), u64> {
        match self.wait_ms(&key, rate, cost, now_ms) {
            0 => {
                self.spend(key, rate, cost, now_ms);
                Ok(())
            }
            wait_ms => Err(wait_ms),
        }
    }

    /// Spends of several budgets, of all or of none.
    pub fn take_all<const N: usize>(
        &mut self,
        wanted: [(K, Rate); N],
        now_ms: u64,
    ) -> Result<(), u64> {
        let waits = wanted.iter().map(|(key, rate)| self.wait_ms(key, *rate, 1, now_ms));
        match waits.max().unwrap_or_default() {
            0 => {
                for (key, rate) in wanted {
                    self.spend(key, rate, 1, now_ms);
                }
                Ok(())
            }
            wait_ms => Err(wait_ms),
        }
    }

    /// When it would be whole again if so much were spent now.
    fn after(&self, key: &K, rate: Rate, cost: u64, now_ms: u64) -> u64 {
        let whole_at_ms = self.whole_at_ms.get(key).copied().unwrap_or_default().max(now_ms);
        whole_at_ms.saturating_add(cost.saturating_mul(rate.refill_ms))
    }

    /// Spends, whether or not so much is left.
    pub fn spend(&mut self, key: K, rate: Rate, cost: u64, now_ms: u64) {
        let whole_at_ms = self.after(&key, rate, cost, now_ms);
        self.make_room(now_ms);
        self.whole_at_ms.insert(key, whole_at_ms);
    }

    /// One that was spent was not: it is there again.
    pub fn give_back(&mut self, key: &K, rate: Rate) {
        if let Some(whole_at_ms) = self.whole_at_ms.get_mut(key) {
            *whole_at_ms = whole_at_ms.saturating_sub(rate.refill_ms);
        }
    }

    /// How many are remembered: at most [`REMEMBERED_MAX`].
    pub fn remembered(&self) -> usize {
        self.whole_at_ms.len()
    }

    /// First those that are whole go, then the fuller half.
    fn make_room(&mut self, now_ms: u64) {
        if self.whole_at_ms.len() < REMEMBERED_MAX {
            return;
        }
        self.whole_at_ms.retain(|_, whole_at_ms| *whole_at_ms > now_ms);
        if self.whole_at_ms.len() >= REMEMBERED_MAX {
            let mut ends: Vec<u64> = self.whole_at_ms.values().copied().collect();
            let middle = ends.len() / 2;
            let (_, median, _) = ends.select_nth_unstable(middle);
            let median = *median;
            self.whole_at_ms.retain(|_, whole_at_ms| *whole_at_ms > median);
        }
    }
}

#[cfg(test)]
mod tests;
