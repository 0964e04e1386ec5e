//! What must hold when everything has been put right.

use std::collections::BTreeSet;

use mimi_policy::Actor;
use mimi_provider::record::{EventKind, NewEvent};
use mimi_wire::MimiUri;
use mimi_wire::protocol::update::UpdateRequest;
use mimi_wire::{Domain, Wire};

use crate::actors::{HUB, Request};
use crate::fixture::domain;
use crate::follower::{self, message};
use crate::hub::{self, Outcome};
use crate::world::World;

pub(crate) fn check(world: &mut World) {
    the_log_is_in_order(&world.hub.disk.log);
    what_was_accepted_is_there_once(world);
    for follower in 0..world.followers.len() {
        the_follower_has_all_of_it(world, follower);
    }
    the_disk_gives_back_what_was_in_memory(world);
    memberships_are_right(world);
}

/// What a run met, for the run that makes sure of it.
pub(crate) fn count(world: &mut World) {
    for event in &world.hub.disk.log {
        match event.kind {
            EventKind::Application => world.seen.messages += 1,
            EventKind::Commit => {
                world.seen.commits += 1;
                let committer = &world.mls.meanings[&event.detail].change.committer;
                let external = matches!(committer, Some(Actor::Joiner(_)));
                world.seen.external_joins += usize::from(external);
            }
            EventKind::Welcome => world.seen.welcomes += 1,
            EventKind::Proposal => world.seen.proposals += 1,
            _ => {}
        }
    }
}

/// AMB-NTF-8: strictly increasing, but that a Welcome has its commit's time.
fn the_log_is_in_order(log: &[NewEvent]) {
    for (position, pair) in log.windows(2).enumerate() {
        let [before, after] = pair else { unreachable!("windows of two") };
        assert_eq!(before.seq, u64::try_from(position).unwrap() + 1);
        let increases = before.timestamp_ms < after.timestamp_ms;
        let tie = after.kind == EventKind::Welcome && before.timestamp_ms == after.timestamp_ms;
        assert!(increases || tie, "{before:?} then {after:?}");
    }
}

/// PROTO-UPD-14, PROTO-SUB-4: every success is in the log, once, with the time that was answered.
fn what_was_accepted_is_there_once(world: &World) {
    for call in &world.calls {
        let outcome = call.outcome.as_ref().expect("everybody has been answered");
        let octets = match &call.request {
            Request::Submit { message, .. } => message.octets().to_vec(),
            Request::Update { octets } => first_message(octets),
            Request::GroupInfo { .. } => continue,
        };
        let entries: Vec<&NewEvent> = world
            .hub
            .disk
            .log
            .iter()
            .filter(|event| event.kind != EventKind::HubNote)
            .filter(|event| message(event).message.octets() == octets)
            .collect();
        match outcome {
            Outcome::Accepted(timestamp) => {
                let [entry] = entries[..] else { panic!("{} entries", entries.len()) };
                assert_eq!(entry.timestamp_ms, *timestamp);
            }
            // What was refused may have been accepted where the answer to a repeat was other than
            // the lost first one; never twice.
            _ => assert!(entries.len() <= 1),
        }
    }
}

fn first_message(request: &[u8]) -> Vec<u8> {
    match UpdateRequest::decode(request).unwrap() {
        UpdateRequest::Commit(bundle) => bundle.commit.octets().to_vec(),
        UpdateRequest::Proposals(bundle) => bundle.proposal.octets().to_vec(),
    }
}

/// PROTO-NTF-1, PROTO-NTF-10: exactly once and in order, while it has clients in the room.
fn the_follower_has_all_of_it(world: &World, follower: usize) {
    let node = &world.followers[follower];
    let log = world.hub.disk.log.iter();
    let sent: Vec<&NewEvent> = log.filter(|event| event.audience.contains(&node.own)).collect();
    let notes = |event: &&NewEvent| event.kind == EventKind::HubNote;
    let mut kept = node.disk.log.iter().filter(|event| !notes(event)).peekable();
    for (position, event) in sent.iter().enumerate() {
        if kept.next_if(|kept| kept.payload == event.payload).is_some() {
            continue;
        }
        // All that may be left out is a commit that a Welcome for its only clients belongs to.
        let welcome = sent[position + 1];
        assert_eq!((event.kind, welcome.kind), (EventKind::Commit, EventKind::Welcome));
        assert_eq!(event.timestamp_ms, welcome.timestamp_ms);
        assert_eq!(kept.peek().map(|kept| &kept.payload), Some(&welcome.payload));
    }
    assert_eq!(kept.next(), None, "nothing but what the hub has sent");
    for (position, event) in node.disk.log.iter().enumerate() {
        assert_eq!(event.seq, u64::try_from(position).unwrap() + 1);
        if !notes(&event) {
            assert_eq!(event.timestamp_ms, message(event).timestamp, "the hub's time");
        }
    }
    let cursor = world.hub.disk.cursors.get(&node.own).copied().unwrap_or_default();
    let log = world.hub.disk.log.iter();
    let after = log.filter(|event| event.seq > cursor && event.audience.contains(&node.own));
    assert_eq!(after.count(), 0, "nothing waits");
}

fn the_disk_gives_back_what_was_in_memory(world: &mut World) {
    let loaded = hub::load(&world.hub.disk, &world.mls);
    let hot = world.hub.hot(&world.mls);
    assert_eq!(hot.state, loaded.state);
    assert_eq!(hot.view, loaded.view);
    for node in &mut world.followers {
        let loaded = follower::load(&node.disk, &world.mls);
        assert_eq!(*node.state(&world.mls), loaded);
    }
}

/// Who is in the group sees the room, at every provider, and nobody else.
fn memberships_are_right(world: &mut World) {
    let view = world.hub.hot(&world.mls).view.clone();
    let members = |own: &Domain| {
        let clients = view.clients.iter().map(|client| &client.client);
        clients.filter(|client| client.domain() == *own).cloned().collect::<BTreeSet<MimiUri>>()
    };
    let own = domain(HUB);
    let inside: BTreeSet<_> = world.hub.disk.inside().into_iter().cloned().collect();
    assert_eq!(inside, members(&own));
    for node in &world.followers {
        let inside: BTreeSet<_> = node.disk.inside().into_iter().cloned().collect();
        assert_eq!(inside, members(&node.own), "at {}", node.own);
    }
}
