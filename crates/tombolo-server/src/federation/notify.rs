//! `notify`: what the hub of a room tells its followers (protocol section 5.5).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::body::Body;
use http::Response;
use mimi_mls::roster::Roster;
use mimi_provider::Reject;
use mimi_provider::follower::notify::{Arrival, NotifyInput, arrivals, notify};
use mimi_provider::follower::state::RosterChange;
use mimi_provider::requester::Requester;
use mimi_wire::limits::LIST_ELEMENTS_MAX;
use mimi_wire::protocol::directory::identifier_from_path;
use mimi_wire::protocol::notify::{FanoutKind, FanoutMessage};
use mimi_wire::{Domain, MimiUri};

use super::staging::{Obstacle, Retries};
use super::{Call, created, malformed};
use crate::http_error::HttpError;
use crate::provider::{Provider, storage_failed};
use crate::rooms::{FollowerLock, follow, place_for_a_room};

/// KeyPackageRefs in the Welcomes of one body: as many as two whole Welcomes may have.
const WELCOMED_MAX: usize = 2 * LIST_ELEMENTS_MAX;

/// PROTO-NTF-8: 201 for all of the body, or nothing of it is accepted.
pub(super) async fn handle(
    provider: &Arc<Provider>,
    call: Call,
) -> Result<Response<Body>, HttpError> {
    let room = identifier_from_path(&call.variable).map_err(malformed)?;
    accept(provider, &call.peer, &room, &call.body).await?;
    Ok(created())
}

/// Keeps what is new of the hub's messages for the clients it concerns.
async fn accept(
    provider: &Arc<Provider>,
    from: &Domain,
    room: &MimiUri,
    body: &[u8],
) -> Result<(), Reject> {
    let mut retries = Retries::default();
    loop {
        match attempt(provider, from, room, body).await {
            Ok(()) => return Ok(()),
            Err(obstacle) => retries.overcome(provider, obstacle).await?,
        }
    }
}

async fn attempt(
    provider: &Arc<Provider>,
    from: &Domain,
    room: &MimiUri,
    body: &[u8],
) -> Result<(), Obstacle> {
    let requester = Requester::Peer(from.clone());
    let _turn = provider.working.turn(&requester).await;
    // Decoded again after a lost race, which is rare, rather than copied each time.
    let messages = FanoutMessage::decode_all(body).map_err(malformed)?;
    let follower = provider.rooms.follower(provider, room).await?;
    let state = follower.room().map(|known| &known.state);
    let new = arrivals(state, from, room, messages)?;
    if new.is_empty() {
        // All repeats; the first may still be on its way to the disk (PROTO-NTF-10).
        return Ok(follower.barrier(provider).await?);
    }
    provider.growth.check(&requester, room, provider.now_ms())?;
    let before = roster_before(&follower);
    let (moved, roster) = move_roster(&follower, new);
    let owners = owners(provider, &moved).await?;
    let input = NotifyInput {
        own: &provider.domain,
        room,
        arrivals: &moved,
        owners: &owners,
        roster: &before,
    };
    let transition = notify(state, &input)?;
    if state.is_none() && !transition.changes.is_empty() {
        provider.growth.follow(from, provider.now_ms())?;
        place_for_a_room(provider).await?;
    }
    provider.growth.add(&requester, room, &transition.changes, provider.now_ms());
    let recorded = follower.record(provider, transition, roster);
    recorded.durable().await?;
    Ok(())
}

/// The roster a room begins with; a room we know has its own.
fn roster_before(follower: &FollowerLock) -> Vec<u8> {
    match follower.room() {
        Some(_) => Vec::new(),
        None => Roster::default().snapshot(),
    }
}

/// What each arrival does to the roster, and the roster after them; `None` if they leave it as it is,
/// as messages do: it names everybody in the room, and is not copied for those.
fn move_roster(
    follower: &FollowerLock,
    new: Vec<Arrival>,
) -> (Vec<(Arrival, RosterChange)>, Option<Roster>) {
    let is_application =
        |arrival: &Arrival| matches!(arrival.message().kind, FanoutKind::Application { .. });
    if new.iter().all(is_application) {
        let moved = new.into_iter().map(|arrival| (arrival, RosterChange::default()));
        return (moved.collect(), None);
    }
    let mut roster = follower.roster();
    let moved = new.into_iter().map(|arrival| {
        let change = follow(&mut roster, arrival.message());
        (arrival, change)
    });
    let moved = moved.collect();
    (moved, Some(roster))
}

/// Our clients by the KeyPackageRefs of the Welcomes (PROTO-KM-12, PROTO-NTF-11).
async fn owners(
    provider: &Provider,
    moved: &[(Arrival, RosterChange)],
) -> Result<BTreeMap<Vec<u8>, MimiUri>, Reject> {
    let references: BTreeSet<&Vec<u8>> =
        moved.iter().flat_map(|(_, change)| &change.welcomed).collect();
    if references.len() > WELCOMED_MAX {
        return Err(malformed("too many clients are welcomed in one body"));
    }
    let mut owners = BTreeMap::new();
    for reference in references {
        let owner = provider.store.key_package_owner(reference).await.map_err(storage_failed)?;
        owners.extend(owner.map(|owner| (reference.clone(), owner)));
    }
    Ok(owners)
}
