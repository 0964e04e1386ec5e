//! How much may be asked: a budget per asker that refills with time. Searching by a part costs
//! more, for whoever wants to list everybody has to do it that way (AMB-IDQ-4).

use mimi_wire::protocol::identifier_query::IdentifierRequest;
use mimi_wire::{Domain, MimiUri};

use super::is_partial;
use crate::budget::{Budgets, Rate};

/// What a peer may spend, for all its users together.
pub const QUERIES_PER_PEER: Rate = Rate::new(600, 100);
/// What a local user may spend.
pub const QUERIES_PER_USER: Rate = Rate::new(60, 1_000);
/// An exact query.
const EXACT_COST: u64 = 1;
/// A query with a part of a text.
const PARTIAL_COST: u64 = 10;

/// Whose budget a query takes from.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Asker {
    /// Another provider.
    Peer(Domain),
    /// A user of ours, wherever the query goes.
    Local(MimiUri),
}

/// The budgets as an operator sets them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct QueryRates {
    /// Of each peer.
    pub per_peer: Rate,
    /// Of each local user.
    pub per_user: Rate,
}

impl Default for QueryRates {
    fn default() -> Self {
        Self { per_peer: QUERIES_PER_PEER, per_user: QUERIES_PER_USER }
    }
}

/// What everybody has left.
#[derive(Clone, Debug, Default)]
pub struct QueryBudgets(Budgets<Asker>);

/// What a query costs.
pub fn cost(request: &IdentifierRequest) -> u64 {
    let partial = request.query_elements.iter().any(|element| is_partial(&element.identifier));
    if partial { PARTIAL_COST } else { EXACT_COST }
}

impl QueryBudgets {
    /// Takes the cost of a query, or says how many milliseconds from now it fits.
    pub fn take(
        &mut self,
        rates: &QueryRates,
        asker: &Asker,
        cost: u64,
        now_ms: u64,
    ) -> Result<(), u64> {
        let rate = match asker {
            Asker::Peer(_) => rates.per_peer,
            Asker::Local(_) => rates.per_user,
        };
        // An operator may allow so little at once that a costly query takes all of it.
        self.0.take(asker.clone(), rate, cost.min(rate.most), now_ms)
    }
}
