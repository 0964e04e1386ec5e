//! What survives a crash: one room's log, snapshot, cursors and memberships, written atomically.

use std::collections::{BTreeMap, VecDeque};

use mimi_provider::record::{NewEvent, Seq};
use mimi_provider::{Change, Expect};
use mimi_wire::{Domain, MimiUri};

#[derive(Default)]
pub(crate) struct Disk {
    pub(crate) log: Vec<NewEvent>,
    pub(crate) snapshot: Option<(Vec<u8>, Seq)>,
    pub(crate) cursors: BTreeMap<Domain, Seq>,
    /// By client: first entry it sees, last one if it is out.
    pub(crate) memberships: BTreeMap<MimiUri, Vec<(Seq, Option<Seq>)>>,
}

/// One atomic write and whom it lets answer.
pub(crate) struct Write<A> {
    pub(crate) changes: Vec<Change>,
    pub(crate) expect: Vec<Expect>,
    pub(crate) answer: Option<A>,
}

/// Writes in order, durable only once taken out.
pub(crate) struct Queue<A>(VecDeque<Write<A>>);

impl<A> Default for Queue<A> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<A> Queue<A> {
    pub(crate) fn push(&mut self, changes: Vec<Change>, expect: Vec<Expect>, answer: Option<A>) {
        self.0.push_back(Write { changes, expect, answer });
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// A crash: what was queued is gone, and so are the answers that waited for it.
    pub(crate) fn lose(&mut self) {
        self.0.clear();
    }

    /// The oldest write becomes durable; its answer may go out.
    pub(crate) fn flush(&mut self, disk: &mut Disk) -> Option<A> {
        let write = self.0.pop_front()?;
        for expect in &write.expect {
            match expect {
                Expect::StreamSeq { seq, .. } => assert_eq!(*seq, disk.last_seq(), "{expect:?}"),
                Expect::NoRoom(_) => assert!(disk.snapshot.is_none(), "{expect:?}"),
                other => panic!("{other:?} in a room"),
            }
        }
        for change in write.changes {
            disk.write(change);
        }
        write.answer
    }
}

impl Disk {
    pub(crate) fn last_seq(&self) -> Seq {
        self.log.last().map_or(0, |event| event.seq)
    }

    /// Clients that see the room now.
    pub(crate) fn inside(&self) -> Vec<&MimiUri> {
        let inside = self
            .memberships
            .iter()
            .filter(|(_, intervals)| intervals.last().is_some_and(|(_, until)| until.is_none()));
        inside.map(|(client, _)| client).collect()
    }

    fn write(&mut self, change: Change) {
        match change {
            Change::CreateRoom { snapshot, .. } => self.snapshot = Some((snapshot, 0)),
            Change::PutSnapshot { seq, snapshot, .. } => {
                assert_eq!(seq, self.last_seq());
                self.snapshot = Some((snapshot, seq));
            }
            Change::Append(event) => {
                assert_eq!(event.seq, self.last_seq() + 1);
                self.log.push(event);
            }
            Change::Join { client, from_seq, .. } => {
                let intervals = self.memberships.entry(client.clone()).or_default();
                let inside = intervals.last().is_some_and(|(_, until)| until.is_none());
                assert!(!inside, "{client} joins twice");
                intervals.push((from_seq, None));
            }
            Change::Leave { client, until_seq, .. } => {
                let intervals = self.memberships.entry(client.clone()).or_default();
                let Some((_, until @ None)) = intervals.last_mut() else {
                    panic!("{client} leaves and is not in")
                };
                *until = Some(until_seq);
            }
            Change::Follow { follower, after_seq, .. } => {
                let earlier = self.cursors.insert(follower, after_seq);
                assert_eq!(earlier, None, "followed twice");
            }
            Change::Delivered { follower, seq, .. } => {
                let cursor = self.cursors.entry(follower).or_default();
                *cursor = seq.max(*cursor);
            }
            // Nobody is signed out here.
            Change::OweRemovalIfGone { .. } => {}
            other => panic!("{other:?} in a room"),
        }
    }
}
