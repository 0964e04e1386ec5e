//! Rooms and changes in few words. `alice` is `mimi://a.example/u/alice`; her clients are
//! `mimi://a.example/d/alice/1`, `…/2` and so on.

use std::collections::BTreeMap;

use mimi_policy::preset::{Preset, hub_preauth};
use mimi_policy::{
    Actor, Allowed, ClientIdentity, ClientView, Denied, LeafIndex, ProposedChange, RoomView, Rule,
    StagedChange, StagedProposal, check,
};
use mimi_wire::component::{
    ASSET_POLICY, BOT_POLICY, CHAT_HISTORY_POLICY, ComponentId, JOIN_LINK_POLICY, JOIN_LINKS,
    LINK_PREVIEW_POLICY, LOGGING_POLICY, MESSAGE_EXPIRATION_POLICY, MLS_OPERATIONAL_POLICY,
    STATUS_NOTIFICATION_POLICY,
};
use mimi_wire::room::asset_policy::{
    AssetPolicy, AssetUploadLocation, DownloadPrivacy, DownloadPrivacyType,
};
use mimi_wire::room::base_policy::BaseRoomPolicy;
use mimi_wire::room::capability::Capability;
use mimi_wire::room::join_links::JoinLinkPolicy;
use mimi_wire::room::metadata::RoomMetadata;
use mimi_wire::room::operational_policy::OperationalParameters;
use mimi_wire::room::participant_list::{
    ParticipantListData, ParticipantListUpdate, RoleIndex, UserIndexRolePair, UserRolePair,
};
use mimi_wire::room::preauth::Claim;
use mimi_wire::room::roles::{Role, RoleData, SingleSourceRoleChangeTargets};
use mimi_wire::{Domain, MimiUri, Wire};

pub(crate) const NO_ROLE: RoleIndex = 0;
pub(crate) const BANNED: RoleIndex = 1;
pub(crate) const ORDINARY: RoleIndex = 2;
pub(crate) const ADMIN: RoleIndex = 3;
pub(crate) const SUPER: RoleIndex = 4;
pub(crate) const ENFORCER: RoleIndex = 5;

/// A room of the cooperative preset, unless changed by hand.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    pub(crate) view: RoomView,
}

impl Room {
    /// Nobody in it yet; the hub is preauthorized.
    pub(crate) fn new() -> Self {
        Self::of(Preset::Cooperative)
    }

    /// An empty room of any preset.
    pub(crate) fn of(preset: Preset) -> Self {
        let view = RoomView {
            epoch: 7,
            participants: ParticipantListData::default(),
            roles: preset.roles(),
            metadata: RoomMetadata {
                room_uri: uri("mimi://a.example/r/clubhouse"),
                room_name: "Clubhouse".to_owned(),
                room_descriptions: Vec::new(),
                room_avatar: String::new(),
                room_subject: String::new(),
                room_mood: String::new(),
            },
            preauth: hub_preauth(&Domain::new("a.example").unwrap(), preset),
            base_policy: Some(preset.base_policy()),
            other_components: BTreeMap::new(),
            clients: Vec::new(),
        };
        Self { view }
    }

    /// alice is the creator, bob and carol ordinary users; alice and bob have two clients.
    pub(crate) fn usual() -> Self {
        Self::new().with("alice", SUPER, 2).with("bob", ORDINARY, 2).with("carol", ORDINARY, 1)
    }

    /// Adds a participant with so many clients.
    pub(crate) fn with(mut self, name: &str, role_index: RoleIndex, clients: u32) -> Self {
        let pair = UserRolePair { user: user(name), role_index };
        self.view.participants.participants.push(pair);
        for number in 1..=clients {
            self = self.with_client(name, number);
        }
        self
    }

    /// Adds a client, whoever it belongs to.
    pub(crate) fn with_client(mut self, name: &str, number: u32) -> Self {
        let ClientIdentity { user, client, .. } = client(name, number);
        let leaf = self.view.clients.last().map_or(0, |last| last.leaf + 1);
        self.view.clients.push(ClientView { leaf, user, client });
        self
    }

    pub(crate) fn roles_mut(&mut self) -> &mut Vec<Role> {
        &mut self.view.roles.roles
    }

    pub(crate) fn role_mut(&mut self, index: RoleIndex) -> &mut Role {
        self.roles_mut().iter_mut().find(|role| role.role_index == index).unwrap()
    }

    pub(crate) fn policy_mut(&mut self) -> &mut BaseRoomPolicy {
        self.view.base_policy.as_mut().unwrap()
    }

    /// Gives a role a capability.
    pub(crate) fn granting(mut self, index: RoleIndex, capability: Capability) -> Self {
        self.role_mut(index).role_capabilities.push(capability);
        self
    }

    /// Takes a capability from a role.
    pub(crate) fn denying(mut self, index: RoleIndex, capability: Capability) -> Self {
        self.role_mut(index).role_capabilities.retain(|held| *held != capability);
        self
    }

    /// Takes a capability from every role.
    pub(crate) fn denied_to_all(mut self, capability: Capability) -> Self {
        for role in self.roles_mut() {
            role.role_capabilities.retain(|held| *held != capability);
        }
        self
    }

    /// Lets a role make a role change.
    pub(crate) fn moving(mut self, index: RoleIndex, from: RoleIndex, to: RoleIndex) -> Self {
        self.role_mut(index).authorized_role_changes.push(SingleSourceRoleChangeTargets {
            from_role_index: from,
            target_role_indexes: vec![to],
        });
        self
    }

    pub(crate) fn leaf(&self, name: &str, number: u32) -> LeafIndex {
        let client = client(name, number).client;
        self.view.clients.iter().find(|view| view.client == client).unwrap().leaf
    }

    /// The first client of a participant.
    pub(crate) fn member(&self, name: &str) -> Actor {
        Actor::Member { leaf: self.leaf(name, 1), user: user(name) }
    }

    fn position(&self, name: &str) -> u32 {
        let mut list = self.view.participants.participants.iter();
        u32::try_from(list.position(|pair| pair.user == user(name)).unwrap()).unwrap()
    }

    /// A list update that adds somebody.
    pub(crate) fn list_add(&self, name: &str, role_index: RoleIndex) -> ProposedChange {
        ProposedChange::ParticipantList(ParticipantListUpdate {
            added_participants: vec![UserRolePair { user: user(name), role_index }],
            ..ParticipantListUpdate::default()
        })
    }

    /// A list update that removes somebody.
    pub(crate) fn list_remove(&self, name: &str) -> ProposedChange {
        ProposedChange::ParticipantList(ParticipantListUpdate {
            removed_indices: vec![self.position(name)],
            ..ParticipantListUpdate::default()
        })
    }

    /// A list update that changes somebody's role.
    pub(crate) fn list_role(&self, name: &str, role_index: RoleIndex) -> ProposedChange {
        ProposedChange::ParticipantList(ParticipantListUpdate {
            changed_role_participants: vec![UserIndexRolePair {
                user_index: self.position(name),
                role_index,
            }],
            ..ParticipantListUpdate::default()
        })
    }

    /// Removal of one client.
    pub(crate) fn drop_client(&self, name: &str, number: u32) -> ProposedChange {
        ProposedChange::RemoveClient(self.leaf(name, number))
    }

    /// Removal of every client.
    pub(crate) fn drop_all(&self, name: &str) -> Vec<ProposedChange> {
        let user = user(name);
        let leaves = self.view.clients_of(&user).map(|client| client.leaf);
        leaves.map(ProposedChange::RemoveClient).collect()
    }

    /// The list update with the removal of every client.
    pub(crate) fn removal(&self, name: &str) -> Vec<ProposedChange> {
        [vec![self.list_remove(name)], self.drop_all(name)].concat()
    }

    /// The role change with the removal of every client.
    pub(crate) fn ban(&self, name: &str) -> Vec<ProposedChange> {
        [vec![self.list_role(name, BANNED)], self.drop_all(name)].concat()
    }

    /// What a client sends to leave with all clients of its user (AMB-UPD-9).
    pub(crate) fn leave(&self, name: &str) -> Vec<ProposedChange> {
        let own = self.leaf(name, 1);
        let user = user(name);
        let others = self.view.clients_of(&user).map(|client| client.leaf);
        [self.list_remove(name)]
            .into_iter()
            .chain(others.filter(|leaf| *leaf != own).map(ProposedChange::RemoveClient))
            .chain([ProposedChange::SelfRemove])
            .collect()
    }

    /// Judges a commit of inline proposals.
    pub(crate) fn commit(
        &self,
        name: &str,
        changes: impl IntoIterator<Item = ProposedChange>,
    ) -> Result<Allowed, Denied> {
        self.judge_commit(self.member(name), [], changes)
    }

    /// Judges a commit of proposals by others, referred to, and inline ones.
    pub(crate) fn judge_commit(
        &self,
        committer: Actor,
        referred: impl IntoIterator<Item = StagedProposal>,
        inline: impl IntoIterator<Item = ProposedChange>,
    ) -> Result<Allowed, Denied> {
        let sender = committer.clone();
        let inline = inline.into_iter().map(|change| StagedProposal {
            sender: sender.clone(),
            reference: None,
            change,
        });
        let proposals = referred.into_iter().chain(inline).collect();
        check(
            &self.view,
            &StagedChange { epoch: self.view.epoch, committer: Some(committer), proposals },
        )
    }

    /// Judges standalone proposals.
    pub(crate) fn propose(
        &self,
        sender: &Actor,
        changes: impl IntoIterator<Item = ProposedChange>,
    ) -> Result<Allowed, Denied> {
        self.judge_bundle(by(sender, changes))
    }

    /// Judges standalone proposals of several senders.
    pub(crate) fn judge_bundle(&self, proposals: Vec<StagedProposal>) -> Result<Allowed, Denied> {
        check(&self.view, &StagedChange { epoch: self.view.epoch, committer: None, proposals })
    }
}

/// Proposals by reference.
pub(crate) fn by(
    sender: &Actor,
    changes: impl IntoIterator<Item = ProposedChange>,
) -> Vec<StagedProposal> {
    let changes = changes.into_iter().enumerate();
    let proposals = changes.map(|(number, change)| StagedProposal {
        sender: sender.clone(),
        reference: Some(vec![u8::try_from(number).unwrap(); 32]),
        change,
    });
    proposals.collect()
}

pub(crate) fn uri(text: &str) -> MimiUri {
    MimiUri::new(text).unwrap()
}

/// `alice` lives at `a.example`.
pub(crate) fn user(name: &str) -> MimiUri {
    uri(&format!("mimi://{}.example/u/{name}", &name[..1]))
}

pub(crate) fn client(name: &str, number: u32) -> ClientIdentity {
    ClientIdentity {
        user: user(name),
        client: uri(&format!("mimi://{}.example/d/{name}/{number}", &name[..1])),
        claims: Vec::new(),
    }
}

pub(crate) fn add_client(name: &str, number: u32) -> ProposedChange {
    ProposedChange::AddClient(client(name, number))
}

/// The hub, with the credential that [`Room::new`] preauthorizes.
pub(crate) fn hub() -> Actor {
    server("mimi://a.example")
}

/// An external sender with a basic credential.
pub(crate) fn server(identity: &str) -> Actor {
    let claim_value = identity.as_bytes().to_vec();
    let claims = vec![Claim { credential_type: 1, id: Vec::new(), claim_value }];
    Actor::ExternalSender { index: 0, claims }
}

pub(crate) fn roles(room: &Room) -> RoleData {
    room.view.roles.clone()
}

/// Fails with what was said instead.
#[track_caller]
pub(crate) fn assert_allowed(verdict: Result<Allowed, Denied>) -> Allowed {
    match verdict {
        Ok(allowed) => allowed,
        Err(denied) => panic!("{} ({:?})", denied, denied.rule),
    }
}

/// Fails unless exactly this rule said no.
#[track_caller]
pub(crate) fn assert_denied(verdict: Result<Allowed, Denied>, rule: Rule) -> Denied {
    match verdict {
        Ok(_) => panic!("allowed, though {rule:?} forbids it"),
        Err(denied) => {
            assert_eq!(denied.rule, rule, "{denied}");
            denied
        }
    }
}

/// A component replaced by something any room may hold.
pub(crate) fn component(id: ComponentId) -> ProposedChange {
    ProposedChange::OtherComponent(id, plain(id))
}

/// A value of a component that contradicts nothing.
pub(crate) fn plain(id: ComponentId) -> Vec<u8> {
    match id {
        MLS_OPERATIONAL_POLICY => OperationalParameters {
            external_commit_allowed: true,
            external_proposal_allowed: true,
            ..OperationalParameters::default()
        }
        .encode(),
        JOIN_LINK_POLICY => JoinLinkPolicy::default().encode(),
        STATUS_NOTIFICATION_POLICY => vec![0, 0],
        LINK_PREVIEW_POLICY => vec![0, 0, 0, 2],
        ASSET_POLICY => AssetPolicy {
            asset_upload_location: AssetUploadLocation::Unspecified,
            upload_domains: Vec::new(),
            download_privacy: DownloadPrivacy {
                allowed_download_types: vec![DownloadPrivacyType::Direct],
                forbidden_download_types: Vec::new(),
                default_download_type: DownloadPrivacyType::Direct,
            },
            max_image: u64::MAX,
            max_audio: u64::MAX,
            max_video: u64::MAX,
            max_attachment: u64::MAX,
            forbidden_media_types: Vec::new(),
            permitted_media_types: None,
        }
        .encode(),
        LOGGING_POLICY | CHAT_HISTORY_POLICY | MESSAGE_EXPIRATION_POLICY => vec![2],
        BOT_POLICY | JOIN_LINKS => vec![0],
        _ => Vec::new(),
    }
}
