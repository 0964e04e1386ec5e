//! Where logs end, as their only writer knows it without asking the file: a message is checked
//! against the end of its log and appended there, and nobody else moves it.

use std::collections::HashMap;

use mimi_provider::record::Seq;
use mimi_wire::MimiUri;
use rusqlite::Connection;

use super::Failure;
use super::intern::{self, last_seq};

/// Logs remembered.
pub(super) const ENDS_MAX: usize = 4_096;

/// A log's number in the file, and its last entry; 0 when it has none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct End {
    pub(super) stream: i64,
    pub(super) last_seq: Seq,
}

/// The ends of the logs that were written lately. What it knows is of the transaction under way:
/// whoever undoes anything of that calls [`forget`](Self::forget).
#[derive(Debug, Default)]
pub(super) struct Ends(HashMap<MimiUri, End>);

impl Ends {
    /// The end of a log, if anything is known of its stream.
    pub(super) fn of(&mut self, db: &Connection, stream: &MimiUri) -> Result<Option<End>, Failure> {
        if let Some(end) = self.0.get(stream) {
            return Ok(Some(*end));
        }
        let Some(number) = intern::known_stream(db, stream)? else { return Ok(None) };
        Ok(Some(self.learn(db, stream, number)?))
    }

    /// The end of a log, which begins here if it has not yet.
    pub(super) fn of_any(&mut self, db: &Connection, stream: &MimiUri) -> Result<End, Failure> {
        match self.of(db, stream)? {
            Some(end) => Ok(end),
            None => {
                let number = intern::stream(db, stream)?;
                self.learn(db, stream, number)
            }
        }
    }

    /// An entry was appended.
    pub(super) fn moved(&mut self, stream: &MimiUri, seq: Seq) {
        if let Some(end) = self.0.get_mut(stream) {
            end.last_seq = seq;
        }
    }

    /// Something was undone.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }

    fn learn(&mut self, db: &Connection, uri: &MimiUri, stream: i64) -> Result<End, Failure> {
        if self.0.len() >= ENDS_MAX {
            self.0.clear();
        }
        let end = End { stream, last_seq: last_seq(db, stream)? };
        self.0.insert(uri.clone(), end);
        Ok(end)
    }
}
