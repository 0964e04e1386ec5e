//! How much may be asked: a budget per asker that refills with time. Searching by a part costs
//! more, for whoever wants to list everybody has to do it that way (AMB-IDQ-4).

use std::collections::BTreeMap;

use mimi_wire::protocol::identifier_query::IdentifierRequest;
use mimi_wire::{Domain, MimiUri};

use super::is_partial;

/// What a peer may spend at once, for all its users together.
pub const PEER_COST_MAX: u64 = 600;
/// After this long it may spend one more.
pub const PEER_REFILL_MS: u64 = 100;
/// What a local user may spend at once.
pub const LOCAL_COST_MAX: u64 = 60;
/// After this long it may spend one more.
pub const LOCAL_REFILL_MS: u64 = 1_000;
/// An exact query.
const EXACT_COST: u64 = 1;
/// A query with a part of a text.
const PARTIAL_COST: u64 = 10;
/// Askers remembered; beyond that, those with the most left are forgotten.
pub(super) const REMEMBERED_MAX: usize = 16_384;

/// Whose budget a query takes from.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Asker {
    /// Another provider.
    Peer(Domain),
    /// A user of ours, wherever the query goes.
    Local(MimiUri),
}

/// What everybody has left.
#[derive(Clone, Debug, Default)]
pub struct QueryBudgets {
    /// When each is whole again, in milliseconds since the epoch.
    whole_at_ms: BTreeMap<Asker, u64>,
}

/// What a query costs.
pub fn cost(request: &IdentifierRequest) -> u64 {
    let partial = request.query_elements.iter().any(|element| is_partial(&element.identifier));
    if partial { PARTIAL_COST } else { EXACT_COST }
}

impl Asker {
    fn most(&self) -> (u64, u64) {
        match self {
            Self::Peer(_) => (PEER_COST_MAX, PEER_REFILL_MS),
            Self::Local(_) => (LOCAL_COST_MAX, LOCAL_REFILL_MS),
        }
    }
}

impl QueryBudgets {
    /// Takes the cost of a query, or says how many milliseconds from now it fits.
    pub fn take(&mut self, asker: &Asker, cost: u64, now_ms: u64) -> Result<(), u64> {
        let (most, refill_ms) = asker.most();
        let taken_until = self.whole_at_ms.get(asker).copied().unwrap_or_default().max(now_ms);
        let then = taken_until.saturating_add(cost.saturating_mul(refill_ms));
        let limit = now_ms.saturating_add(most.saturating_mul(refill_ms));
        if then > limit {
            return Err(then - limit);
        }
        self.make_room(now_ms);
        self.whole_at_ms.insert(asker.clone(), then);
        Ok(())
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
