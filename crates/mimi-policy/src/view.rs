//! What the judge sees of a room: the state of one epoch.

use std::collections::BTreeMap;

use mimi_wire::MimiUri;
use mimi_wire::component::ComponentId;
use mimi_wire::room::base_policy::BaseRoomPolicy;
use mimi_wire::room::metadata::RoomMetadata;
use mimi_wire::room::participant_list::{ParticipantListData, RoleIndex};
use mimi_wire::room::preauth::PreAuthData;
use mimi_wire::room::roles::{Role, RoleData};
use serde::{Deserialize, Serialize};

/// Position of a client's leaf in the ratchet tree.
pub type LeafIndex = u32;

/// A client that is a member of the group.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ClientView {
    /// Its leaf.
    pub leaf: LeafIndex,
    /// Its user, as its credential proves.
    pub user: MimiUri,
    /// The client.
    pub client: MimiUri,
}

/// The state of a room in one epoch, as group context and tree say it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct RoomView {
    /// MLS epoch.
    pub epoch: u64,
    /// Participants and their roles.
    pub participants: ParticipantListData,
    /// Role definitions.
    pub roles: RoleData,
    /// Metadata, `room_uri` included.
    pub metadata: RoomMetadata,
    /// Preauthorization entries; empty when the component is absent.
    pub preauth: PreAuthData,
    /// Base policy; absent means no limits (AMB-POL-38).
    pub base_policy: Option<BaseRoomPolicy>,
    /// Every other component, as octets.
    pub other_components: BTreeMap<ComponentId, Vec<u8>>,
    /// Members, by ascending leaf.
    pub clients: Vec<ClientView>,
}

impl RoomView {
    /// The room.
    pub fn room(&self) -> &MimiUri {
        &self.metadata.room_uri
    }

    /// The role of a listed user; `None` for everyone else.
    pub fn role_index_of(&self, user: &MimiUri) -> Option<RoleIndex> {
        let mut listed = self.participants.participants.iter();
        listed.find(|pair| pair.user == *user).map(|pair| pair.role_index)
    }

    /// A role by its index.
    pub fn role(&self, index: RoleIndex) -> Option<&Role> {
        self.roles.roles.iter().find(|role| role.role_index == index)
    }

    /// The clients of a user.
    pub fn clients_of<'a>(&'a self, user: &'a MimiUri) -> impl Iterator<Item = &'a ClientView> {
        self.clients.iter().filter(move |client| client.user == *user)
    }

    /// The client at a leaf.
    pub fn client_at(&self, leaf: LeafIndex) -> Option<&ClientView> {
        self.clients.iter().find(|client| client.leaf == leaf)
    }

    /// Whether a user is listed and has a client in the group (PROTO-PL-6).
    pub fn is_active(&self, user: &MimiUri) -> bool {
        self.role_index_of(user).is_some() && self.clients_of(user).next().is_some()
    }
}
