//! A room in memory: its hub's group and its members, with events carried by hand.

use std::collections::BTreeMap;

use mimi_mls::CIPHERSUITE;
use mimi_mls::device::Device;
use mimi_mls::error::StageError;
use mimi_mls::hub::{HubGroup, StagedUpdate};
use mimi_mls::hub_keys::HubKeys;
use mimi_mls::identity::Issuers;
use mimi_mls::member::{CommitPlan, Founding, MemberGroup, Received};
use mimi_policy::LeafIndex;
use mimi_wire::mls::MlsMessage;
use mimi_wire::protocol::group_info::{GroupInfoRatchetTreeTbe, PendingProposal};
use mimi_wire::protocol::notify::{FanoutKind, FanoutMessage};
use mimi_wire::protocol::ratchet_tree::RatchetTreeOption;
use mimi_wire::protocol::update::{CommitBundle, ProposalBundle, UpdateRequest};
use mimi_wire::room::base_policy::BaseRoomPolicy;
use mimi_wire::room::metadata::RoomMetadata;
use mimi_wire::room::participant_list::{ParticipantListUpdate, UserIndexRolePair, UserRolePair};
use mimi_wire::room::preauth::PreAuthData;
use mimi_wire::room::roles::{Role, RoleData};
use mimi_wire::{Domain, MimiUri, UriKind};

use crate::{Federation, now_ms};

/// A device with its state of the room's group.
#[derive(Debug)]
pub struct TestMember {
    /// The device.
    pub device: Device,
    /// Its group.
    pub group: MemberGroup,
}

/// A hub's group and its members, by the last two segments of their client URIs (`alice/phone`).
#[derive(Debug)]
pub struct TestRoom {
    /// The hub's view.
    pub hub: HubGroup,
    /// The hub's keys.
    pub hub_keys: HubKeys,
    /// Who is in.
    pub members: BTreeMap<String, TestMember>,
    /// Devices with KeyPackages out, waiting for a Welcome.
    pub waiting: Vec<Device>,
    /// What everybody verifies credentials with.
    pub issuers: Issuers,
    /// All providers.
    pub federation: Federation,
    /// Everything the hub has fanned out.
    pub log: Vec<FanoutMessage>,
    pending: Vec<PendingProposal>,
    timestamp: u64,
}

impl TestRoom {
    /// Role of the creator in rooms made here.
    pub const ADMIN: u32 = 4;
    /// Role of everybody else.
    pub const MEMBER: u32 = 2;
    /// Role of the banned.
    pub const BANNED: u32 = 1;

    /// A room at the creator's provider, with the creator's device as its only member.
    pub fn found(mut federation: Federation, creator: Device) -> Self {
        let domain = creator.identity().expect("certified").user.domain();
        let hub_keys = federation.hub_keys(domain.as_str());
        Self::try_found(federation, creator, &hub_keys).expect("a good founding")
    }

    /// [`found`](Self::found) with any hub.
    pub fn try_found(
        mut federation: Federation,
        creator: Device,
        hub_keys: &HubKeys,
    ) -> Result<Self, StageError> {
        let issuers = federation.issuers();
        let domain = creator.identity().expect("certified").user.domain();
        let founding = founding(&domain, hub_keys);
        let (group, group_info, tree) =
            MemberGroup::create(&creator, &founding, &mut federation.rng, now_ms())?;
        let mut room = Self {
            hub: HubGroup::open(&group_info, &tree, &issuers, now_ms())?,
            hub_keys: hub_keys.clone(),
            members: BTreeMap::new(),
            waiting: Vec::new(),
            issuers,
            federation,
            log: Vec::new(),
            pending: Vec::new(),
            timestamp: 0,
        };
        room.take_in(TestMember { device: creator, group });
        Ok(room)
    }

    /// A room of alice's phone at a.example, with b.example and c.example around.
    pub fn of_alice() -> Self {
        let mut federation = Federation::new(&["a.example", "b.example", "c.example"]);
        let alice = federation.device("a.example", "alice", "phone");
        Self::found(federation, alice)
    }

    /// A member.
    pub fn member(&mut self, name: &str) -> &mut TestMember {
        self.members.get_mut(name).expect("a member of the room")
    }

    /// Position of a user in the participant list.
    pub fn user_index(&self, user: &MimiUri) -> u32 {
        let list = &self.hub.view().participants.participants;
        let position = list.iter().position(|listed| listed.user == *user);
        u32::try_from(position.expect("a participant")).expect("a short list")
    }

    /// A user's URI by the name of a member of theirs, or of a device that was one.
    pub fn user(&self, name: &str) -> MimiUri {
        let clients = self.hub.view().clients.iter();
        let client = clients.into_iter().find(|client| name_of(&client.client) == name);
        client.expect("a member of the room").user.clone()
    }

    /// The leaf of a member.
    pub fn leaf(&self, name: &str) -> LeafIndex {
        let mut clients = self.hub.view().clients.iter();
        clients.find(|client| name_of(&client.client) == name).expect("a member").leaf
    }

    /// A plan that adds a new user with these devices; they wait for their Welcome.
    pub fn plan_to_add(&mut self, mut devices: Vec<Device>) -> CommitPlan {
        let mut plan = CommitPlan::default();
        let mut update = ParticipantListUpdate::default();
        for device in &mut devices {
            plan.add.push(self.federation.key_package(device));
            let user = device.identity().expect("certified").user.clone();
            let listed = self.hub.view().role_index_of(&user).is_some();
            let pair = UserRolePair { user, role_index: Self::MEMBER };
            if !listed && !update.added_participants.contains(&pair) {
                update.added_participants.push(pair);
            }
        }
        plan.participants = Some(update).filter(|it| !it.added_participants.is_empty());
        self.waiting.extend(devices);
        plan
    }

    /// A plan that bans a user and removes all their clients.
    pub fn plan_to_ban(&self, user: &MimiUri) -> CommitPlan {
        let ban = UserIndexRolePair { user_index: self.user_index(user), role_index: Self::BANNED };
        let update =
            ParticipantListUpdate { changed_role_participants: vec![ban], ..Default::default() };
        let leaves = self.hub.view().clients_of(user).map(|client| client.leaf).collect();
        CommitPlan { remove: leaves, participants: Some(update), ..Default::default() }
    }

    /// A commit as its committer would send it; it stays pending there.
    pub fn build(&mut self, name: &str, plan: &CommitPlan) -> CommitBundle {
        let TestMember { device, group } = self.members.get_mut(name).expect("a member");
        let built = group.commit(device, plan, &mut self.federation.rng, now_ms());
        built.expect("a commit that can be made").0
    }

    /// Commits a plan all the way: to the hub, back to the committer, out to everybody.
    pub fn commit(&mut self, name: &str, plan: &CommitPlan) {
        let bundle = self.build(name, plan);
        let events = self.submit(&UpdateRequest::Commit(bundle)).expect("a commit the hub takes");
        self.member(name).group.accept_pending().expect("our own commit");
        self.deliver(&events);
    }

    /// A member's proposals all the way.
    pub fn propose(&mut self, bundle: ProposalBundle) {
        let request = UpdateRequest::Proposals(bundle);
        let events = self.submit(&request).expect("proposals the hub takes");
        self.deliver(&events);
    }

    /// Lets the hub stage and merge a request, and gives what it would fan out.
    pub fn submit(&mut self, request: &UpdateRequest) -> Result<Vec<FanoutMessage>, StageError> {
        let staged = self.hub.stage(request, &self.issuers, now_ms())?;
        self.timestamp += 1;
        let timestamp = self.timestamp;
        let welcomes: Vec<MlsMessage> = match &staged {
            StagedUpdate::Commit(commit) => {
                commit.welcomes().iter().map(|slice| slice.message.clone()).collect()
            }
            StagedUpdate::Proposals(_) => Vec::new(),
        };
        self.assert_replays(request, &staged);
        let foreseen = match &staged {
            StagedUpdate::Commit(commit) => commit.ratchet_tree().cloned(),
            StagedUpdate::Proposals(_) => None,
        };
        self.hub.merge(staged)?;
        if let Some(foreseen) = foreseen {
            assert_eq!(foreseen, self.hub.ratchet_tree(), "the tree that a Welcome comes with");
        }
        let first = match request {
            UpdateRequest::Commit(bundle) => {
                self.pending.clear();
                let kind = FanoutKind::Commit { external_proposals: Vec::new() };
                FanoutMessage { timestamp, message: bundle.commit.clone(), kind }
            }
            UpdateRequest::Proposals(bundle) => {
                self.remember(bundle);
                let kind = FanoutKind::Proposal { more_proposals: bundle.more_proposals.clone() };
                FanoutMessage { timestamp, message: bundle.proposal.clone(), kind }
            }
        };
        let tree = RatchetTreeOption::Full(self.hub.ratchet_tree());
        let welcome = |message| FanoutMessage {
            timestamp,
            message,
            kind: FanoutKind::Welcome { ratchet_tree: tree.clone() },
        };
        let events: Vec<_> =
            std::iter::once(first).chain(welcomes.into_iter().map(welcome)).collect();
        self.log.extend(events.iter().cloned());
        Ok(events)
    }

    /// Hands events to every member and to waiting devices; commits are merged without a judge.
    pub fn deliver(&mut self, events: &[FanoutMessage]) {
        for event in events {
            for member in self.members.values_mut() {
                if member.group.is_active() {
                    take(&mut member.group, event, &self.issuers);
                }
            }
            let waiting = std::mem::take(&mut self.waiting);
            for mut device in waiting {
                if device.is_welcomed_by(&event.message) {
                    let issuers = &self.issuers;
                    let group = MemberGroup::join_by_event(&mut device, event, issuers, now_ms());
                    let group = group.expect("a good Welcome");
                    self.take_in(TestMember { device, group });
                } else {
                    self.waiting.push(device);
                }
            }
        }
    }

    /// An application message of a member, as the hub fans it out.
    pub fn message(&mut self, name: &str, application_data: &[u8]) -> FanoutMessage {
        self.timestamp += 1;
        let timestamp = self.timestamp;
        let TestMember { device, group } = self.member(name);
        let message = group.encrypt(device, application_data).expect("a member may write");
        FanoutMessage { timestamp, message, kind: FanoutKind::Application { frank: None } }
    }

    /// What the hub hands to a client that wants to join by itself.
    pub fn join_material(&self) -> GroupInfoRatchetTreeTbe {
        GroupInfoRatchetTreeTbe {
            group_info: self.hub.group_info().clone(),
            ratchet_tree: RatchetTreeOption::Full(self.hub.ratchet_tree()),
            pending_proposals: self.pending.clone(),
        }
    }

    /// A device joins by external commit, all the way.
    pub fn join_externally(&mut self, device: Device) {
        let material = self.join_material();
        let rng = &mut self.federation.rng;
        let issuers = &self.issuers;
        let joined =
            MemberGroup::join_by_external_commit(&device, &material, None, issuers, rng, now_ms());
        let (group, bundle) = joined.expect("good material");
        let events = self.submit(&UpdateRequest::Commit(bundle)).expect("a commit the hub takes");
        self.deliver(&events);
        self.take_in(TestMember { device, group });
    }

    /// Every member and the hub see the same room and the same tree.
    pub fn assert_agreement(&self) {
        for (name, member) in &self.members {
            if member.group.is_active() {
                assert_eq!(member.group.view(), self.hub.view(), "the room as {name} sees it");
                assert_eq!(member.group.tree_hash(), self.hub.tree_hash(), "the tree of {name}");
                assert!(!member.group.has_pending(), "a commit of {name} is pending");
            }
        }
        // The view is kept along with the tree; read back, it comes from the tree alone.
        let read_back = HubGroup::restore(&self.hub.snapshot()).expect("its own snapshot");
        assert_eq!(read_back.view(), self.hub.view(), "the room and its tree");
        let leaves = mimi_mls::identity::claimed_domains(&self.hub.ratchet_tree());
        let domains = self.hub.view().clients.iter().map(|client| client.client.domain());
        assert_eq!(leaves, domains.collect(), "the tree and the room name the same providers");
        assert_eq!(self.hub.ciphersuite(), CIPHERSUITE);
    }

    /// What is saved of a commit leads to the same room.
    fn assert_replays(&self, request: &UpdateRequest, staged: &StagedUpdate) {
        let StagedUpdate::Commit(commit) = staged else { return };
        let Some(saved) = commit.saved().expect("what is saved of a commit") else { return };
        let mut again = HubGroup::restore(&self.hub.snapshot()).expect("its own snapshot");
        let replayed = again.stage_saved(request, &saved).expect("what was accepted before");
        assert_eq!(replayed.change(), commit.change(), "what a replayed commit asks");
        again.merge(replayed).expect("just staged");
        assert_eq!(again.view(), commit.after(), "the room after a replayed commit");
    }

    fn take_in(&mut self, member: TestMember) {
        let name = name_of(&member.device.identity().expect("certified").client);
        self.members.insert(name, member);
    }

    fn remember(&mut self, bundle: &ProposalBundle) {
        let hub_accepted_time = self.timestamp;
        for proposal in std::iter::once(&bundle.proposal).chain(&bundle.more_proposals) {
            let proposal = proposal.clone();
            self.pending.push(PendingProposal { proposal, hub_accepted_time });
        }
    }
}

fn take(group: &mut MemberGroup, event: &FanoutMessage, issuers: &Issuers) {
    match group.receive(event, issuers, now_ms()).expect("an event of this room") {
        Received::Commit(commit) => group.merge(*commit).expect("just staged"),
        Received::Future { epoch } => panic!("an event for epoch {epoch} came too early"),
        _ => {}
    }
}

fn name_of(client: &MimiUri) -> String {
    client.segments().join("/")
}

fn founding(domain: &Domain, hub_keys: &HubKeys) -> Founding {
    let room = MimiUri::build(domain, UriKind::Room, &["clubhouse"]).expect("a URI");
    let group = MimiUri::build(domain, UriKind::Group, &["0123456789abcdef"]).expect("a URI");
    Founding {
        group_id: group.as_bytes().to_vec(),
        metadata: RoomMetadata {
            room_uri: room,
            room_name: "Clubhouse".to_owned(),
            room_descriptions: Vec::new(),
            room_avatar: String::new(),
            room_subject: String::new(),
            room_mood: String::new(),
        },
        roles: roles(),
        creator_role: TestRoom::ADMIN,
        others: Vec::new(),
        preauth: PreAuthData::default(),
        base_policy: BaseRoomPolicy {
            fixed_membership: false,
            parent_dependant: false,
            parent_room: None,
            multi_device: true,
            max_clients: None,
            max_users: None,
            pseudonyms_allowed: true,
            persistent_room: true,
            discoverable: false,
            policy_component_ids: vec![0x0025, 0x0026],
        },
        components: BTreeMap::new(),
        hub_sender: hub_keys.external_sender(),
    }
}

/// Roles without meaning, for tests that do not judge.
pub fn roles() -> RoleData {
    let role = |role_index, role_name: &str| Role {
        role_index,
        role_name: role_name.to_owned(),
        role_description: String::new(),
        role_capabilities: Vec::new(),
        minimum_participants_constraint: 0,
        maximum_participants_constraint: None,
        minimum_active_participants_constraint: 0,
        maximum_active_participants_constraint: None,
        authorized_role_changes: Vec::new(),
    };
    let roles = vec![
        role(TestRoom::BANNED, "banned"),
        role(TestRoom::MEMBER, "member"),
        role(TestRoom::ADMIN, "admin"),
    ];
    RoleData { roles }
}
