//! Founding a room at its hub, a matter between a provider and its own client (FLOW-1).

use std::collections::BTreeSet;

use mimi_policy::RoomView;
use mimi_policy::envelope::Envelope;
use mimi_policy::parent::takes_part;
use mimi_wire::component::FRANKING_AGENT;
use mimi_wire::mls::RatchetTree;
use mimi_wire::{Domain, MimiUri, UriKind};

use crate::hub::log::LogWriter;
use crate::hub::member_set::MemberSet;
use crate::hub::state::{HubSnapshot, HubState};
use crate::hub::update::{WelcomePart, parent_of, welcome};
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
    /// The room it depends on, where it depends on one that is hosted here (POLICY-BASE-3).
    pub parent: Option<&'a RoomView>,
    /// The room of fixed membership that has the same members, if there is one.
    pub same_members: Option<&'a MimiUri>,
    /// The Welcome for the first members, cut per provider (AMB-NTF-13).
    pub welcomes: &'a [WelcomePart],
    /// The tree the founder handed in.
    pub ratchet_tree: &'a RatchetTree,
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

/// What became of a founding.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Founded {
    /// The room exists.
    New {
        /// Milliseconds since the epoch.
        accepted_timestamp: u64,
    },
    /// These people have a room of fixed membership already, and have one only: this (POLICY-BASE-2).
    Existing(MimiUri),
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
    // The judge has no say in how a room begins but that it is sound and that its creator is in it.
    if !view.clients.iter().any(|it| it.client == creator.client && it.user == creator.user) {
        let reason = "the asking client is no member of its new room".to_owned();
        return Err(Reject::NotAllowed(reason));
    }
    mimi_policy::check_founding(view)?;
    // ARCH-3, AMB-POL-16
    input.envelope.check_founding(view)?;
    welcomed(input)?;
    among_parents(view, &creator.user, input.parent)?;
    if let Some(existing) = input.same_members {
        return Ok(Transition::unchanged(Founded::Existing(existing.clone())));
    }
    Ok(new_room(input))
}

/// Every member but the creator's client comes by Welcome, and nobody is listed for nothing: in a
/// room that anybody may join, people are added once it is there.
fn welcomed(input: &FoundRoomInput<'_>) -> Result<(), Reject> {
    let FoundRoomInput { view, creator, .. } = *input;
    let clients = input.welcomes.iter().flat_map(|part| &part.clients);
    let welcomed: BTreeSet<&MimiUri> = clients.map(|(client, _)| client).collect();
    let others = view.clients.iter().map(|it| &it.client).filter(|it| **it != creator.client);
    if others.collect::<BTreeSet<_>>() != welcomed {
        let reason = "a Welcome is for every first member but the asking client".to_owned();
        return Err(Reject::NotAllowed(reason));
    }
    let fixed = view.base_policy.as_ref().is_some_and(|policy| policy.fixed_membership);
    let has_clients = |user: &MimiUri| view.clients_of(user).next().is_some();
    let mut listed = view.participants.participants.iter();
    match listed.find(|pair| !fixed && pair.user != creator.user && !has_clients(&pair.user)) {
        None => Ok(()),
        Some(pair) => {
            Err(Reject::NotAllowed(format!("{} is listed in a new room, but not in it", pair.user)))
        }
    }
}

/// POLICY-BASE-3, AMB-POL-9. Who is not in the parent does not learn that there is such a room, nor
/// who is in it.
fn among_parents(
    view: &RoomView,
    creator: &MimiUri,
    parent: Option<&RoomView>,
) -> Result<(), Reject> {
    let Some(named) = parent_of(view) else { return Ok(()) };
    let parent = parent.filter(|parent| *parent.room() == named && takes_part(parent, creator));
    let Some(parent) = parent else {
        let reason = format!("there is no parent room {named} here that the founder is in");
        return Err(Reject::NotAllowed(reason));
    };
    Ok(mimi_policy::parent::check_founding(view, parent)?)
}

fn new_room(input: &FoundRoomInput<'_>) -> Transition<Founded> {
    let FoundRoomInput { own, creator, room, view, now_ms, .. } = *input;
    let state = HubState { last_timestamp_ms: now_ms, ..HubState::default() };
    let snapshot = HubSnapshot { group: input.group.to_vec(), state: state.clone() }.encode();
    let mut changes =
        vec![Change::CreateRoom { room: room.clone(), kind: RoomKind::Hub, snapshot }];
    let mut expect = vec![Expect::NoRoom(room.clone())];
    if let Some(members) = MemberSet::fixed(view) {
        expect.push(Expect::MembersFree(members));
        changes.push(Change::TakeMembers { members, room: room.clone() });
    }
    if let Some(parent) = parent_of(view) {
        changes.push(Change::PutParent { room: room.clone(), parent: Some(parent) });
    }
    let mut log = LogWriter::new(&state, room);
    log.join(&creator.client, 1);
    let timestamp = state.next_timestamp(now_ms);
    welcome(&mut log, own, &|_| true, input.welcomes, input.ratchet_tree, timestamp);
    let mut transition = log.finish(Founded::New { accepted_timestamp: now_ms });
    // The room is not there yet, so nothing has been written to it.
    transition.expect = expect;
    changes.append(&mut transition.changes);
    Transition { changes, ..transition }
}

#[cfg(test)]
mod tests;
