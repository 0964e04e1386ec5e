//! A local client founds a room that we host (FLOW-1). A matter between a provider and its own
//! client; the first of what every other decision about a room builds on.

use std::collections::BTreeSet;
use std::sync::Arc;

use mimi_mls::error::StageError;
use mimi_mls::hub::HubGroup;
use mimi_mls::identity::IdentityError;
use mimi_mls::roster::clients_in;
use mimi_provider::Reject;
use mimi_provider::hub::found_room::{FoundRoomInput, Founded, HubSender};
use mimi_provider::hub::member_set::MemberSet;
use mimi_provider::hub::update::parent_of;
use mimi_provider::requester::DeviceIdentity;
use mimi_wire::protocol::found_room::RoomFounding;
use mimi_wire::{Domain, MimiUri};
use tombolo_store::StoreError;

use super::dependent::{keep_inside_parent, view_of};
use crate::federation::update::welcome_part;
use crate::provider::{Provider, storage_failed};

/// How often a founding is decided anew after a lost race.
const RACES_MAX: u32 = 5;

/// Founds a room from its creator's GroupInfo and tree.
pub(crate) async fn found_room(
    provider: &Arc<Provider>,
    creator: &DeviceIdentity,
    room: &MimiUri,
    founding: &RoomFounding,
) -> Result<Founded, Reject> {
    let now_ms = provider.now_ms();
    let welcomed = founding.welcome.as_ref().map_or(&[][..], |it| &it.welcomed);
    // Before anything of a large tree is verified.
    let clients = clients_in(&founding.ratchet_tree).map_err(refused)?;
    let expected: BTreeSet<&MimiUri> =
        welcomed.iter().map(|(client, _)| client).chain([&creator.client]).collect();
    if clients.len() != expected.len() || clients.iter().collect::<BTreeSet<_>>() != expected {
        let reason = "a new room has the asking client and the welcomed as its only members";
        return Err(Reject::NotAllowed(reason.to_owned()));
    }
    let limits = &provider.config.limits.rooms;
    let most = limits.founding_clients_max;
    if clients.len() > most {
        return Err(Reject::NotAllowed(format!("a room begins with {most} clients at most")));
    }
    place_for_a_room(provider).await?;
    let group = open(provider, founding, &clients, now_ms).await?;
    let welcome = founding.welcome.as_ref().map(|it| &it.welcome);
    let welcomes = group.founding_welcomes(welcome, welcomed).map_err(refused)?;
    let welcomes: Vec<_> = welcomes.iter().map(welcome_part).collect();
    let parent = match parent_of(group.view()) {
        Some(parent) if parent != *room => Some(view_of(provider, &parent).await?),
        _ => None,
    };
    let hub_sender = if *group.hub_sender() == provider.hub_keys.external_sender() {
        HubSender::Ours
    } else {
        HubSender::Foreign
    };
    let members = MemberSet::fixed(group.view());
    let snapshot = group.snapshot();
    for _ in 0..RACES_MAX {
        let same_members = match members {
            Some(members) => {
                provider.store.room_of_members(members).await.map_err(storage_failed)?
            }
            None => None,
        };
        let transition = mimi_provider::hub::found_room::found_room(&FoundRoomInput {
            own: &provider.domain,
            creator,
            room,
            view: group.view(),
            envelope: &provider.config.policy,
            hub_sender,
            franking_agent: &provider.franking.agent().component(),
            parent: parent.as_ref(),
            same_members: same_members.as_ref(),
            welcomes: &welcomes,
            ratchet_tree: &founding.ratchet_tree,
            group: &snapshot,
            now_ms,
        })?;
        // The room is loaded at its first use: nobody can use it before this is durable.
        match provider.apply(transition).await {
            Ok(founded) => {
                if parent.is_some() {
                    keep_inside_parent(provider, room);
                }
                return Ok(founded);
            }
            // Perhaps the same people have just founded theirs.
            Err(StoreError::Conflict(_)) if members.is_some() => {}
            Err(StoreError::Conflict(_)) => break,
            Err(failed) => return Err(storage_failed(failed)),
        }
    }
    Err(Reject::Conflict(format!("{room} exists already")))
}

/// Whether one more room may be known here, hosted or followed.
pub(crate) async fn place_for_a_room(provider: &Provider) -> Result<(), Reject> {
    let known = provider.store.room_count().await.map_err(storage_failed)?;
    if known >= provider.config.limits.rooms.known_max {
        return Err(Reject::Unavailable("this provider has no place for more rooms".to_owned()));
    }
    Ok(())
}

/// Opens the group, once the issuers of all its members are known.
async fn open(
    provider: &Arc<Provider>,
    founding: &RoomFounding,
    clients: &[MimiUri],
    now_ms: u64,
) -> Result<HubGroup, Reject> {
    let domains: BTreeSet<Domain> = clients.iter().map(MimiUri::domain).collect();
    for _ in 0..=domains.len() {
        let issuers = provider.peers.issuers();
        let (group_info, tree) = (&founding.group_info, &founding.ratchet_tree);
        match HubGroup::open(group_info, tree, &issuers, now_ms) {
            Ok(group) => return Ok(group),
            Err(StageError::Identity(IdentityError::IssuerUnknown(domain))) => {
                let learned = provider.peers.learn_issuers(&domain).await;
                learned.map_err(|error| error.into_reject(&domain))?;
            }
            Err(error) => return Err(refused(error)),
        }
    }
    Err(Reject::NotAllowed("the client issuers of a member cannot be learned".to_owned()))
}

fn refused(error: StageError) -> Reject {
    match error {
        StageError::Denied(denied) => Reject::Denied(denied),
        StageError::Internal(reason) => Reject::Internal(reason),
        other => Reject::Malformed(other.to_string()),
    }
}
