//! The hub wants somebody out of a room: it remembers that, and proposes it (PROTO-NTF-3).

use std::sync::Arc;

use mimi_mls::hub::{HubProposals, StagedUpdate};
use mimi_policy::{Judge, RoomView};
use mimi_provider::Reject;
use mimi_provider::hub::propose::{
    HubChange, HubProposalsInput, ListChanges, due, newly_evicted, propose,
};
use mimi_provider::hub::state::Evicted;
use mimi_provider::hub::update::{SnapshotDue, is_gone};
use mimi_wire::protocol::update::{ProposalBundle, UpdateRequest};
use mimi_wire::{MimiUri, Wire};
use tombolo_store::StoreError;

use super::{HubLock, follow_parent};
use crate::provider::{Provider, storage_failed};

/// How often it is decided anew after a lost race.
const RACES_MAX: u32 = 5;

/// Proposals of the hub's own, staged.
pub(crate) struct Proposed {
    pub(crate) bundle: ProposalBundle,
    pub(crate) octets: Vec<u8>,
}

impl Proposed {
    pub(crate) fn new(bundle: ProposalBundle) -> Self {
        let octets = UpdateRequest::Proposals(bundle.clone()).encode();
        Self { bundle, octets }
    }
}

/// Wants whom `gone` names out of a room.
pub(crate) async fn evict(
    provider: &Arc<Provider>,
    room: &MimiUri,
    gone: impl Fn(&RoomView) -> Vec<Evicted>,
) -> Result<(), Reject> {
    for _ in 0..RACES_MAX {
        let mut hub = match provider.rooms.hub(provider, room).await {
            Ok(hub) => hub,
            Err(Reject::Unknown(_)) => return Ok(()),
            Err(reject) => return Err(reject),
        };
        let evicted = newly_evicted(
            &hub.room().state,
            hub.room().group.view(),
            &gone(hub.room().group.view()),
        );
        let Some(recorded) = record(provider, &mut hub, evicted)? else { return Ok(()) };
        let died = has_died(&hub);
        drop(hub);
        match recorded.durable().await {
            Ok(_) => {
                if died {
                    follow_parent(provider, room);
                }
                return Ok(());
            }
            Err(StoreError::Conflict(_)) => {}
            Err(failed) => return Err(storage_failed(failed)),
        }
    }
    Err(Reject::Unavailable("too many changes of the room at once".to_owned()))
}

fn record(
    provider: &Arc<Provider>,
    hub: &mut HubLock,
    evicted: Vec<Evicted>,
) -> Result<Option<crate::provider::Enqueued>, Reject> {
    let room = hub.room();
    let (envelope, now_ms) = (&provider.config.policy, provider.now_ms());
    let pending = room.state.pending.iter().map(|pending| &pending.proposal);
    let claims = room.group.claims_of_senders(pending);
    let judge = Judge::of(room.group.view()).with_index(room.group.index()).with_claims(&claims);
    let list_changes = list_changes(room.group.takes_list_changes());
    let change = due(&room.state, judge, &provider.domain, &evicted, list_changes);
    if evicted.is_empty() && change.is_none() {
        return Ok(None);
    }
    let staged = change.map(|change| stage(provider, hub, &change)).transpose()?;
    let transition = match &staged {
        None => propose(&room.state, judge, envelope, &provider.domain, evicted, None, now_ms)?,
        Some((proposed, StagedUpdate::Proposals(staged))) => {
            let input = HubProposalsInput {
                bundle: &proposed.bundle,
                octets: &proposed.octets,
                change: staged.change(),
                references: staged.references(),
                limits: &provider.limits,
            };
            propose(&room.state, judge, envelope, &provider.domain, evicted, Some(&input), now_ms)?
        }
        Some(_) => return Err(Reject::Internal("proposals are staged as proposals".to_owned())),
    };
    let (updated, recorded) = hub.record(provider, transition, staged.map(|(_, staged)| staged))?;
    if updated.snapshot == SnapshotDue::Now {
        hub.save_snapshot(provider);
    }
    Ok(Some(recorded))
}

/// Signs a change and stages it as anybody's.
fn stage(
    provider: &Provider,
    hub: &HubLock,
    change: &HubChange,
) -> Result<(Proposed, StagedUpdate), Reject> {
    let group = &hub.room().group;
    let internal = |error: mimi_mls::error::StageError| Reject::Internal(error.to_string());
    let participants = change.participants();
    let wanted = HubProposals { remove: &change.remove, participants: participants.as_ref() };
    let bundle = group.propose(&provider.hub_keys, wanted).map_err(internal)?;
    let proposed = Proposed::new(bundle.clone());
    let request = UpdateRequest::Proposals(bundle);
    let staged = group.stage(&request, &provider.peers.issuers(), provider.now_ms());
    Ok((proposed, staged.map_err(internal)?))
}

pub(crate) fn list_changes(taken: bool) -> ListChanges {
    match taken {
        true => ListChanges::Taken,
        false => ListChanges::Refused,
    }
}

/// Whether a room has died with its group.
pub(crate) fn has_died(hub: &HubLock) -> bool {
    is_gone(&hub.room().state, hub.room().group.view())
}
