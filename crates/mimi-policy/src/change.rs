//! What is asked of a room: verified proposals with their senders, without a word of MLS.

use mimi_wire::MimiUri;
use mimi_wire::component::ComponentId;
use mimi_wire::room::base_policy::BaseRoomPolicy;
use mimi_wire::room::join_links::JoinLinksUpdate;
use mimi_wire::room::metadata::RoomMetadata;
use mimi_wire::room::participant_list::ParticipantListUpdate;
use mimi_wire::room::preauth::{Claim, PreAuthData};
use mimi_wire::room::roles::RoleData;
use serde::{Deserialize, Serialize};

use crate::view::LeafIndex;

/// Who a client is: user and client URI, both proven by one credential (AMB-ID-4).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ClientIdentity {
    /// The user.
    pub user: MimiUri,
    /// The client.
    pub client: MimiUri,
    /// The credential's claims, for preauthorization.
    pub claims: Vec<Claim>,
}

/// Who makes a proposal or a commit.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Actor {
    /// A member of the group.
    Member {
        /// Its leaf.
        leaf: LeafIndex,
        /// Its user.
        user: MimiUri,
    },
    /// A client that joins by itself, by external commit or external proposal.
    Joiner(ClientIdentity),
    /// An external sender, by its position in `external_senders` (the hub is 0).
    ExternalSender {
        /// Position.
        index: u32,
        /// Claims of its credential, for preauthorization (POLICY-PRE-4).
        claims: Vec<Claim>,
    },
}

impl Actor {
    /// The user it speaks for; servers speak for none.
    pub fn user(&self) -> Option<&MimiUri> {
        match self {
            Self::Member { user, .. } => Some(user),
            Self::Joiner(identity) => Some(&identity.user),
            Self::ExternalSender { .. } => None,
        }
    }
}

/// One change, in the terms of the room.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum ProposedChange {
    /// A client is added.
    AddClient(ClientIdentity),
    /// A leaf is removed by somebody.
    RemoveClient(LeafIndex),
    /// The sender removes its own leaf.
    SelfRemove,
    /// The sender joins by itself: an external commit's own leaf.
    ExternalJoin(ClientIdentity),
    /// `participant_list` is updated.
    ParticipantList(ParticipantListUpdate),
    /// `room_metadata` is replaced.
    Metadata(RoomMetadata),
    /// `roles_list` is replaced.
    Roles(RoleData),
    /// `preauth_list` is replaced.
    Preauth(PreAuthData),
    /// `base_room_policy` is replaced.
    BasePolicy(BaseRoomPolicy),
    /// `join_links` come and go.
    JoinLinks(JoinLinksUpdate),
    /// Any other component is replaced by these octets.
    OtherComponent(ComponentId, Vec<u8>),
    /// A component is removed.
    RemoveComponent(ComponentId),
    /// Other extensions of the group context are replaced.
    GroupContextExtensions,
    /// The group is closed in favour of a new one.
    ReInit,
    /// A pre-shared key is mixed in.
    PreSharedKey,
    /// A member updates its own leaf by proposal.
    UpdateOwnLeaf,
    /// A proposal type the room does not know.
    Unknown(u16),
}

/// One proposal and who answers for it (AMB-POL-21).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct StagedProposal {
    /// By reference: whoever sent it; inline: the committer.
    pub sender: Actor,
    /// Its `ProposalRef`; `None` when it stands inline in the commit (AMB-UPD-7).
    pub reference: Option<Vec<u8>>,
    /// The change.
    pub change: ProposedChange,
}

/// Everything one commit, or one bundle of proposals, would do.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct StagedChange {
    /// The epoch it was written against.
    pub epoch: u64,
    /// The committer; `None` for standalone proposals.
    pub committer: Option<Actor>,
    /// In commit order.
    pub proposals: Vec<StagedProposal>,
}
