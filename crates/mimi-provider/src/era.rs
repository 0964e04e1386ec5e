//! Where a client's event stream goes on, and what can be told from its cursor: whether the
//! provider, or the client, was put back to an earlier state.
//!
//! A cursor is a position in the log *as it was*. A provider whose database was put back gives the
//! same numbers to other entries; a client that went on from its old cursor would pass over them
//! without a word. So clients keep the era of their cursor beside it.

use mimi_wire::MimiUri;

use crate::record::{EraId, LogHistory, StoredKeyPackage};
use crate::{Change, Transition};

/// A client opens its event stream.
#[derive(Clone, Copy, Debug)]
pub struct ResumeInput<'a> {
    /// The client.
    pub client: &'a MimiUri,
    /// The log.
    pub history: &'a LogHistory,
    /// The era of its cursor, if it knows one.
    pub era: Option<EraId>,
    /// Its cursor.
    pub after: u64,
    /// The last entry it has acknowledged.
    pub acknowledged: u64,
    /// Its KeyPackages in stock.
    pub stock: &'a [StoredKeyPackage],
}

/// Where its stream begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Resumed {
    /// The entry before the first.
    pub after: u64,
    /// Which of the two was put back.
    pub put_back: Option<PutBack>,
}

/// Who has lost its latest state.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PutBack {
    /// The provider: the client has seen what is no longer part of the log.
    Provider,
    /// The client: it has acknowledged what it does not know any more.
    Client,
}

/// Decides where a stream goes on.
///
/// KeyPackages of a client where either was put back may have been handed out before, or their
/// private halves are gone: they are released (PROTO-KM-10), and the client brings new ones.
pub fn resume(input: &ResumeInput<'_>) -> Transition<Resumed> {
    let ResumeInput { history, after, acknowledged, .. } = *input;
    let parted = match input.era {
        // Nothing is known but that there is nothing beyond the end.
        None => history.last_id,
        Some(era) => shared_until(history, era).unwrap_or(acknowledged),
    };
    let resumed = if after > parted {
        Resumed { after: parted, put_back: Some(PutBack::Provider) }
    } else if input.era.is_some() && after < acknowledged {
        Resumed { after, put_back: Some(PutBack::Client) }
    } else {
        Resumed { after, put_back: None }
    };
    let mut transition = Transition::unchanged(resumed);
    if resumed.put_back.is_some() {
        let stock = input.stock.iter().filter(|package| package.client == *input.client);
        let release =
            |package: &StoredKeyPackage| Change::ReleaseKeyPackage(package.reference.clone());
        transition.changes.extend(stock.map(release));
    }
    transition
}

/// Up to where the log is the same as in an era; `None` for an era that is not known.
fn shared_until(history: &LogHistory, era: EraId) -> Option<u64> {
    let place = history.eras.iter().position(|known| known.id == era)?;
    match history.eras.get(place + 1) {
        // What was appended in an era after the backup was made is not in it, and the next era
        // begins where the backup ends.
        Some(next) => Some(next.after_id),
        None => Some(history.last_id),
    }
}

#[cfg(test)]
mod tests;
