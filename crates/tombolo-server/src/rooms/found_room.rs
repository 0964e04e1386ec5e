//! A local client founds a room that we host (FLOW-1). A matter between a provider and its own
//! client; the first of what every other decision about a room builds on.

use std::sync::Arc;

use mimi_mls::error::StageError;
use mimi_mls::hub::HubGroup;
use mimi_mls::roster::clients_in;
use mimi_provider::Reject;
use mimi_provider::franking::FrankingAgent;
use mimi_provider::hub::found_room::{FoundRoomInput, Founded, HubSender};
use mimi_provider::requester::DeviceIdentity;
use mimi_wire::MimiUri;
use mimi_wire::protocol::found_room::RoomFounding;
use tombolo_store::StoreError;

use crate::provider::{Provider, storage_failed};

/// Founds a room from its creator's GroupInfo and tree.
pub(crate) async fn found_room(
    provider: &Arc<Provider>,
    creator: &DeviceIdentity,
    room: &MimiUri,
    founding: &RoomFounding,
) -> Result<Founded, Reject> {
    let now_ms = provider.now_ms();
    // Before anything of a large tree is verified.
    if clients_in(&founding.ratchet_tree).map_err(refused)? != [creator.client.clone()] {
        let reason = "a new room has the asking client as only member".to_owned();
        return Err(Reject::NotAllowed(reason));
    }
    let issuers = provider.peers.issuers();
    let group = HubGroup::open(&founding.group_info, &founding.ratchet_tree, &issuers, now_ms)
        .map_err(refused)?;
    let hub_sender = if *group.hub_sender() == provider.hub_keys.external_sender() {
        HubSender::Ours
    } else {
        HubSender::Foreign
    };
    let transition = mimi_provider::hub::found_room::found_room(&FoundRoomInput {
        own: &provider.domain,
        creator,
        room,
        view: group.view(),
        envelope: &provider.config.policy,
        hub_sender,
        franking_agent: &provider.franking.agent().component(),
        group: &group.snapshot(),
        now_ms,
    })?;
    // The room is loaded at its first use: nobody can use it before this is durable.
    provider.apply(transition).await.map_err(|error| match error {
        StoreError::Conflict(_) => Reject::Conflict(format!("{room} exists already")),
        failed => storage_failed(failed),
    })
}

fn refused(error: StageError) -> Reject {
    match error {
        StageError::Denied(denied) => Reject::Denied(denied),
        StageError::Internal(reason) => Reject::Internal(reason),
        other => Reject::Malformed(other.to_string()),
    }
}
