//! What runs have met: nobody shall believe in an idle simulator.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

/// Counts by name.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Seen(BTreeMap<String, u64>);

impl Seen {
    pub(crate) fn one(&mut self, what: impl Into<String>) {
        self.some(what, 1);
    }

    pub(crate) fn some(&mut self, what: impl Into<String>, count: u64) {
        if count > 0 {
            *self.0.entry(what.into()).or_default() += count;
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (what, count) in &other.0 {
            self.some(what.clone(), *count);
        }
    }

    pub(crate) fn count(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or_default()
    }
}

impl Display for Seen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, count) in &self.0 {
            writeln!(formatter, "{count:>12}  {what}")?;
        }
        Ok(())
    }
}
