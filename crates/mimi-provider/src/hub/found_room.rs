//! Founding a room at its hub, a matter between a provider and its own client (FLOW-1).

use mimi_policy::RoomView;
use mimi_policy::envelope::Envelope;
use mimi_wire::component::FRANKING_AGENT;
use mimi_wire::{Domain, MimiUri, UriKind};

use crate::hub::state::{HubSnapshot, HubState};
use crate::record::RoomKind;
use crate::requester::DeviceIdentity;
use crate::{Change, Expect, Reject, Transition};

/// A client asks its provider to host a room.
#[derive(Clone, Copy, Debug)]
pub struct FoundRoomInput<'a> {
    /// This provider.
    pub own: &'a Domain,
    /// The client that asks.
    pub creator: &'a DeviceIdentity,
    /// The room named in the request's path.
    pub room: &'a MimiUri,
    /// The room as the verified GroupInfo and tree say it.
    pub view: &'a RoomView,
    /// What the operator lets rooms be.
    pub envelope: &'a Envelope,
    /// Whether the group's first external sender is this hub's own, key and credential.
    pub hub_sender: HubSender,
    /// Content of `franking_agent` in rooms of this hub.
    pub franking_agent: &'a [u8],
    /// The group's blob.
    pub group: &'a [u8],
    /// The time.
    pub now_ms: u64,
}

/// What the first entry of a group's `external_senders` is (PROTO-ST-4, AMB-ST-1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HubSender {
    /// This hub's own key and credential.
    Ours,
    /// Another one, or none.
    Foreign,
}

/// The room exists.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Founded {
    /// Milliseconds since the epoch.
    pub accepted_timestamp: u64,
}

/// Decides whether this provider hosts the room.
pub fn found_room(input: &FoundRoomInput<'_>) -> Result<Transition<Founded>, Reject> {
    let FoundRoomInput { own, creator, room, view, .. } = *input;
    // ID-URI-4, AMB-ID-3: the hub is the host of the room's URI.
    if room.kind() != UriKind::Room || room.domain() != *own {
        return Err(Reject::NotAllowed("the room's URI is not one of this provider's".into()));
    }
    // AMB-ID-5: the group context binds the group to the room.
    if view.room() != room {
        return Err(Reject::NotAllowed("room_metadata names another room".into()));
    }
    if input.hub_sender == HubSender::Foreign {
        return Err(Reject::NotAllowed("the first external sender is not this hub".into()));
    }
    // FRANK-7: members would hold every frank of ours to be forged. A room without an agent has no
    // franks.
    let agent = view.other_components.get(&FRANKING_AGENT);
    if agent.is_some_and(|agent| agent != input.franking_agent) {
        return Err(Reject::NotAllowed("the franking agent is not this hub's".into()));
    }
    // The judge has no say in how a room begins but that it is sound and alone its creator's.
    let alone = view.participants.participants.iter().all(|pair| pair.user == creator.user);
    let only_client = match view.clients.as_slice() {
        [client] => client.user == creator.user && client.client == creator.client,
        _ => false,
    };
    if !alone || !only_client || !view.is_active(&creator.user) {
        let needed = "a new room has its creator as only participant and the asking client as only";
        return Err(Reject::NotAllowed(format!("{needed} member")));
    }
    mimi_policy::check_founding(view)?;
    // ARCH-3, AMB-POL-16
    input.envelope.check_founding(view)?;
    let state = HubState { last_timestamp_ms: input.now_ms, ..HubState::default() };
    let snapshot = HubSnapshot { group: input.group.to_vec(), state }.encode();
    Ok(Transition {
        changes: vec![
            Change::CreateRoom { room: room.clone(), kind: RoomKind::Hub, snapshot },
            Change::Join { client: creator.client.clone(), stream: room.clone(), from_seq: 1 },
        ],
        expect: vec![Expect::NoRoom(room.clone())],
        effects: Vec::new(),
        reply: Founded { accepted_timestamp: input.now_ms },
    })
}

#[cfg(test)]
mod tests;
