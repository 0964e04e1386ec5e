//! Rooms that this node follows.

use std::collections::{BTreeMap, BTreeSet};

use mimi_mls::roster::Roster;
use mimi_provider::follower::external_join::{ExternalJoinInput, external_join};
use mimi_provider::follower::notify::{Notified, NotifyInput, arrivals, notify};
use mimi_provider::follower::state::FollowerState;
use mimi_provider::hub::update::SnapshotDue;
use mimi_provider::requester::DeviceIdentity;
use mimi_provider::{Change, Expect, Transition};
use mimi_wire::protocol::notify::FanoutMessage;
use mimi_wire::{Domain, MimiUri};
use tombolo_store::Store as _;
use tombolo_testkit::simulation::ledger::Rule;

use super::rooms::{FollowerRoom, follow};
use super::{Done, Fact, Node, Obstacle, Op, Out, Said, Write, malformed};
use crate::pure::disk::now;

impl Node {
    pub(crate) fn notify(
        &mut self,
        from: &Domain,
        room: &MimiUri,
        body: &[u8],
    ) -> Result<Done, Obstacle> {
        let own = self.domain().clone();
        let messages = FanoutMessage::decode_all(body).map_err(malformed)?;
        let state = self.follower(room).map(|known| known.state.clone());
        let new = arrivals(state.as_ref(), from, room, messages)?;
        if new.is_empty() {
            return Ok(Done::Write(Box::new(self.follower_barrier(room))));
        }
        let before = if state.is_some() { Vec::new() } else { Roster::default().snapshot() };
        let mut roster = self.roster(room);
        let moved: Vec<_> = new
            .into_iter()
            .map(|arrival| {
                let change = follow(&mut roster, arrival.message());
                (arrival, change)
            })
            .collect();
        let references: BTreeSet<&Vec<u8>> =
            moved.iter().flat_map(|(_, change)| &change.welcomed).collect();
        let owners: BTreeMap<Vec<u8>, MimiUri> = references
            .into_iter()
            .filter_map(|reference| {
                let owner = now(self.disk.store.key_package_owner(reference))?;
                Some((reference.clone(), owner))
            })
            .collect();
        let input =
            NotifyInput { own: &own, room, arrivals: &moved, owners: &owners, roster: &before };
        let transition = notify(state.as_ref(), &input)?;
        Ok(Done::Write(Box::new(self.follow_notified(room, transition, roster))))
    }

    /// Remembers that a client of ours is about to join, then lets the commit go on.
    pub(crate) fn expect_join(
        &mut self,
        device: &DeviceIdentity,
        room: &MimiUri,
        joiner: &MimiUri,
        commit: &[u8],
        forward: Op,
    ) -> Result<Done, Obstacle> {
        let own = self.domain().clone();
        let now_ms = self.now_ms;
        let state = self.follower(room).map(|known| known.state.clone());
        let input = ExternalJoinInput {
            own: &own,
            room,
            device,
            joiner,
            commit,
            roster: &Roster::default().snapshot(),
            now_ms,
        };
        let transition = external_join(state.as_ref(), &input)?;
        if *joiner != device.client {
            let what = format!("{} brings {joiner} into {room}", device.client);
            self.out.push(Out::Fact(Fact::Broken { rule: Rule::Write, what }));
        }
        let mut write = if transition.changes.is_empty() {
            self.follower_barrier(room)
        } else {
            let roster = self.roster(room);
            self.follow_notified(room, transition, roster)
        };
        write.said = Said::Created;
        write.forward = Some((room.domain(), forward));
        Ok(Done::Write(Box::new(write)))
    }

    fn roster(&mut self, room: &MimiUri) -> Roster {
        let present = self.follower(room).filter(|room| room.state.is_present());
        present.map(|room| room.roster.clone()).unwrap_or_default()
    }

    fn follow_notified(
        &mut self,
        room: &MimiUri,
        transition: Transition<Notified>,
        roster: Roster,
    ) -> Write {
        let Transition { mut changes, expect, effects, reply } = transition;
        let creates = changes.iter().any(|change| matches!(change, Change::CreateRoom { .. }));
        if self.follower(room).is_none() && creates {
            let fresh = FollowerRoom { roster: Roster::default(), state: FollowerState::default() };
            self.put_follower(room, fresh);
        }
        if let Some(known) = self.follower(room) {
            known.roster = roster;
            for (event, change) in &reply.appended {
                known.state.observe(event, change);
            }
            if reply.snapshot == SnapshotDue::Now {
                changes.push(known.snapshot(room));
            }
        }
        let mut write =
            Write::of(Transition { changes, expect, effects, reply: () }, |()| Said::Created);
        write.room = Some(room.clone());
        write
    }

    fn follower_barrier(&mut self, room: &MimiUri) -> Write {
        let expect = self
            .follower(room)
            .map(|known| Expect::StreamSeq { stream: room.clone(), seq: known.state.last_seq });
        let mut write = Write::of(Transition::unchanged(()), |()| Said::Created);
        write.expect.extend(expect);
        write.room = Some(room.clone());
        write
    }
}
