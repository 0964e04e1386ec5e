//! The moderators' queue: reports of abuse about rooms of this hub, as received, with what each of
//! their messages is worth.
//!
//! Reports are entries of a stream of their own, which nobody is sent; a report is closed by a
//! later entry. So what was received is never changed, and is kept.

use std::collections::BTreeMap;

use mimi_wire::protocol::report_abuse::AbuseReport;
use mimi_wire::{Domain, MimiUri, Wire};
use serde::{Deserialize, Serialize};

use crate::franking::Verdict;
use crate::record::{EventKind, NewEvent, Seq};
use crate::saved::{StateError, read_versioned, versioned};
use crate::{Change, Expect, Reject, Transition};

/// First octet of what is kept beside a report.
const NOTE_VERSION: u8 = 1;

/// A report's number: its position in the stream.
pub type ReportId = Seq;

/// What is kept of a report beside its octets.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ReportNote {
    /// The provider it came from, proven by the transport.
    pub from: Domain,
    /// Of a client of our own: its user.
    pub local_user: Option<MimiUri>,
    /// The room it is about.
    pub room: MimiUri,
    /// What each message was worth when the report came, in the report's order.
    pub verdicts: Vec<Verdict>,
}

/// An open report in short.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OpenReport {
    /// See [`ReportNote`].
    pub note: ReportNote,
    /// Who is reported.
    pub alleged_abuser: MimiUri,
    /// When it came, in milliseconds since the epoch.
    pub received_ms: u64,
    /// Octets of it.
    pub octets: usize,
}

/// What is open. Derived from the stream, entry by entry.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ReportQueue {
    last_seq: Seq,
    open: BTreeMap<ReportId, OpenReport>,
}

/// The stream of a provider's reports.
pub fn stream_of(own: &Domain) -> MimiUri {
    let text = format!("mimi://{own}/x/abuse-reports");
    MimiUri::new(&text).expect("a canonical domain and letters")
}

/// Reads what a report's entry holds.
pub fn read_report(event: &NewEvent) -> Result<(ReportNote, AbuseReport), StateError> {
    if event.kind != EventKind::ReportAbuse {
        return Err(StateError("no report is at this place".to_owned()));
    }
    Ok((read_versioned(NOTE_VERSION, &event.detail)?, AbuseReport::decode(&event.payload)?))
}

impl ReportQueue {
    /// Follows one entry of the stream.
    pub fn observe(&mut self, event: &NewEvent) -> Result<(), StateError> {
        if event.seq != self.last_seq + 1 {
            return Err(StateError(format!("entry {} follows {}", event.seq, self.last_seq)));
        }
        match event.kind {
            EventKind::ReportAbuse => {
                let (note, report) = read_report(event)?;
                let (received_ms, octets) = (event.timestamp_ms, event.payload.len());
                let alleged_abuser = report.alleged_abuser_uri;
                let open = OpenReport { note, alleged_abuser, received_ms, octets };
                self.open.insert(event.seq, open);
            }
            EventKind::ReportClosed => {
                let id: ReportId = read_versioned(NOTE_VERSION, &event.detail)?;
                self.open.remove(&id);
            }
            other => return Err(StateError(format!("an entry {other:?} among reports"))),
        }
        self.last_seq = event.seq;
        Ok(())
    }

    /// [`observe`](Self::observe) for what a decision appends.
    pub fn apply(&mut self, changes: &[Change]) -> Result<(), StateError> {
        for change in changes {
            if let Change::Append(event) = change {
                self.observe(event)?;
            }
        }
        Ok(())
    }

    /// The last entry of the stream.
    pub fn last_seq(&self) -> Seq {
        self.last_seq
    }

    /// Open reports, oldest first.
    pub fn open(&self) -> &BTreeMap<ReportId, OpenReport> {
        &self.open
    }

    /// How many open reports came from a provider, and their octets.
    pub(crate) fn open_of(&self, from: &Domain) -> (usize, usize) {
        let of = self.open.values().filter(|open| open.note.from == *from);
        of.fold((0, 0), |(count, octets), open| (count + 1, octets + open.octets))
    }

    /// A new report at the end.
    pub(crate) fn append(
        &self,
        own: &Domain,
        note: &ReportNote,
        octets: &[u8],
        now_ms: u64,
    ) -> Transition<ReportId> {
        let detail = versioned(NOTE_VERSION, note);
        self.entry(own, EventKind::ReportAbuse, octets.to_vec(), detail, now_ms)
    }

    /// A moderator is done with a report. It is kept all the same.
    pub fn close(
        &self,
        own: &Domain,
        id: ReportId,
        now_ms: u64,
    ) -> Result<Transition<ReportId>, Reject> {
        if !self.open.contains_key(&id) {
            return Err(Reject::Unknown(format!("there is no open report {id}")));
        }
        let detail = versioned(NOTE_VERSION, &id);
        Ok(self.entry(own, EventKind::ReportClosed, Vec::new(), detail, now_ms))
    }

    /// A queue with one report in it.
    #[cfg(test)]
    pub(crate) fn holding(report: OpenReport) -> Self {
        Self { last_seq: 1, open: BTreeMap::from([(1, report)]) }
    }

    fn entry(
        &self,
        own: &Domain,
        kind: EventKind,
        payload: Vec<u8>,
        detail: Vec<u8>,
        timestamp_ms: u64,
    ) -> Transition<ReportId> {
        let stream = stream_of(own);
        let seq = self.last_seq + 1;
        let event = NewEvent {
            stream: stream.clone(),
            seq,
            kind,
            timestamp_ms,
            payload,
            audience: Vec::new(),
            targets: Some(Vec::new()),
            detail,
        };
        Transition {
            changes: vec![Change::Append(event)],
            expect: vec![Expect::StreamSeq { stream, seq: self.last_seq }],
            effects: Vec::new(),
            reply: seq,
        }
    }
}
