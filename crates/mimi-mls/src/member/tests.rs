//! What a well-behaved client never sends: commits and proposals made with the library itself.

use std::collections::BTreeMap;

use mimi_policy::ClientIdentity;
use mimi_wire::codec::Reader;
use mimi_wire::mls::{GroupInfo, MlsMessage};
use mimi_wire::protocol::group_info::GroupInfoRatchetTreeTbe;
use mimi_wire::protocol::notify::{FanoutKind, FanoutMessage};
use mimi_wire::protocol::ratchet_tree::{GroupInfoOption, RatchetTreeOption};
use mimi_wire::protocol::update::{CommitBundle, ProposalBundle, UpdateRequest};
use mimi_wire::room::base_policy::BaseRoomPolicy;
use mimi_wire::room::metadata::RoomMetadata;
use mimi_wire::room::participant_list::ParticipantListUpdate;
use mimi_wire::room::preauth::PreAuthData;
use mimi_wire::room::roles::RoleData;
use mimi_wire::{Domain, MimiUri, UriKind, Wire};
use openmls::component::ComponentData;
use openmls::group::{AppDataDictionaryUpdater, Propose};
use openmls::messages::proposals::{
    AppDataUpdateProposal, Proposal, ProposalOrRefType, RemoveProposal,
};
use openmls::prelude::{CredentialWithKey, LeafNodeParameters};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tls_codec::Deserialize as _;

use super::{CommitPlan, Founding, MemberGroup, ReceiveError};
use crate::device::Device;
use crate::error::StageError;
use crate::hub::{HubGroup, StagedUpdate};
use crate::hub_keys::HubKeys;
use crate::identity::Issuers;
use crate::leaf;
use crate::provider::{Provider, Seeded};

mod extensions;
mod handmade;

/// Alice and bob of a.example, with basic credentials.
struct Room {
    hub: HubGroup,
    alice: MemberGroup,
    alice_device: Device,
    bob: MemberGroup,
    bob_device: Device,
    issuers: Issuers,
    rng: StdRng,
}

#[expect(clippy::disallowed_methods, reason = "the library compares with the system's clock")]
fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap()
}

fn uri(kind: UriKind, segments: &[&str]) -> MimiUri {
    MimiUri::build(&Domain::new("a.example").unwrap(), kind, segments).unwrap()
}

fn device(user: &str, rng: &mut StdRng) -> Device {
    let mut device = Device::generate(rng);
    let identity = ClientIdentity {
        user: uri(UriKind::User, &[user]),
        client: uri(UriKind::Client, &[user, "phone"]),
        claims: Vec::new(),
    };
    device.certify_basic(identity).unwrap();
    device
}

fn founding(hub_keys: &HubKeys) -> Founding {
    Founding {
        group_id: b"group".to_vec(),
        metadata: metadata("Clubhouse"),
        roles: RoleData::default(),
        others: Vec::new(),
        creator_role: 4,
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
            policy_component_ids: Vec::new(),
        },
        components: BTreeMap::new(),
        hub_sender: hub_keys.external_sender(),
    }
}

fn metadata(room_name: &str) -> RoomMetadata {
    RoomMetadata {
        room_uri: uri(UriKind::Room, &["clubhouse"]),
        room_name: room_name.to_owned(),
        room_descriptions: Vec::new(),
        room_avatar: String::new(),
        room_subject: String::new(),
        room_mood: String::new(),
    }
}

impl Room {
    fn new() -> Self {
        let mut rng = StdRng::seed_from_u64(1);
        let mut issuers = Issuers::default();
        let domain = Domain::new("a.example").unwrap();
        issuers.allow_basic(domain);
        let alice_device = device("alice", &mut rng);
        let mut bob_device = device("bob", &mut rng);
        let founding = founding(&handmade::hub_keys());
        let (mut alice, group_info, tree) =
            MemberGroup::create(&alice_device, &founding, &mut rng, now_ms()).unwrap();
        let mut hub = HubGroup::open(&group_info, &tree, &issuers, now_ms()).unwrap();
        let add = bob_device.key_packages(1, 1_000_000, now_ms(), &mut rng).unwrap();
        let plan = CommitPlan { add, ..Default::default() };
        let (bundle, _) = alice.commit(&alice_device, &plan, &mut rng, now_ms()).unwrap();
        let staged = hub.stage(&UpdateRequest::Commit(bundle), &issuers, now_ms()).unwrap();
        let StagedUpdate::Commit(commit) = &staged else { panic!("a commit") };
        let welcome = commit.welcomes()[0].message.clone();
        hub.merge(staged).unwrap();
        alice.accept_pending().unwrap();
        let tree = RatchetTreeOption::Full(hub.ratchet_tree());
        let bob =
            MemberGroup::join_by_welcome(&mut bob_device, &welcome, &tree, &issuers, now_ms());
        Self { hub, alice, alice_device, bob: bob.unwrap(), bob_device, issuers, rng }
    }

    /// A commit of bob's with any proposals and any dictionary.
    fn commit(
        &mut self,
        proposals: Vec<Proposal>,
        dictionary: &BTreeMap<u16, Option<Vec<u8>>>,
        leaf: LeafNodeParameters,
    ) -> Result<CommitBundle, String> {
        let mut updater = AppDataDictionaryUpdater::new(None);
        for (id, value) in dictionary {
            match value {
                Some(value) => updater.set(ComponentData::from_parts(*id, value.clone().into())),
                None => updater.remove(id),
            }
        }
        let rand = Seeded::from_rng(&mut self.rng);
        let MemberGroup { group, pieces, crypto, .. } = &mut self.bob;
        let provider = Provider { crypto, rand: &rand, pieces };
        let mut builder = group
            .commit_builder()
            .add_proposals(proposals)
            .leaf_node_parameters(leaf)
            .load_psks(pieces)
            .unwrap()
            .create_group_info(true);
        builder.with_app_data_dictionary_updates(updater.changes());
        let signer = self.bob_device.signer();
        let built = builder.build(&rand, crypto, signer, |_| true);
        let staged = built.map_err(|error| error.to_string())?.stage_commit(&provider).unwrap();
        let (commit, welcome, group_info) = staged.into_contents();
        group.clear_pending_commit(pieces).unwrap();
        Ok(CommitBundle {
            commit: wire(&commit),
            welcome: welcome.as_ref().map(wire),
            group_info: GroupInfoOption::Full(wire(&group_info.unwrap())),
            ratchet_tree: RatchetTreeOption::DistributionService,
        })
    }

    /// What the hub says to bob's commit.
    fn refuses(&mut self, bundle: CommitBundle) -> String {
        let request = UpdateRequest::Commit(bundle);
        self.hub.stage(&request, &self.issuers, now_ms()).unwrap_err().to_string()
    }

    /// What the hub says to AppDataUpdates that bob commits as this dictionary.
    fn refuses_updates(
        &mut self,
        updates: Vec<AppDataUpdateProposal>,
        dictionary: BTreeMap<u16, Option<Vec<u8>>>,
    ) -> String {
        let proposals = updates.into_iter().map(|it| Proposal::AppDataUpdate(Box::new(it)));
        let bundle = self.commit(proposals.collect(), &dictionary, Default::default()).unwrap();
        self.refuses(bundle)
    }

    /// A standalone proposal of bob's.
    fn propose(&mut self, propose: Propose) -> ProposalBundle {
        let MemberGroup { group, pieces, crypto, .. } = &mut self.bob;
        let provider = Provider { crypto, rand: crypto, pieces };
        let by_reference = ProposalOrRefType::Reference;
        let signer = self.bob_device.signer();
        let (message, _) = group.propose(&provider, signer, propose, by_reference).unwrap();
        group.clear_pending_proposals(pieces).unwrap();
        ProposalBundle { proposal: wire(&message), more_proposals: Vec::new() }
    }

    fn refuses_proposal(&mut self, propose: Propose) -> String {
        let bundle = self.propose(propose);
        let request = UpdateRequest::Proposals(bundle);
        self.hub.stage(&request, &self.issuers, now_ms()).unwrap_err().to_string()
    }
}

fn wire<T: Wire>(object: &impl tls_codec::Serialize) -> T {
    T::decode(&object.tls_serialize_detached().unwrap()).unwrap()
}

fn update(id: u16, value: &[u8]) -> AppDataUpdateProposal {
    AppDataUpdateProposal::update(id, value.to_vec())
}

/// The library lets these pass (and a wrong dictionary is for us to notice).
#[test]
fn changes_the_library_does_not_check_are_refused() {
    let mut room = Room::new();
    let (one, two) = (metadata("One").encode(), metadata("Two").encode());
    let set = |id, value: &[u8]| BTreeMap::from([(id, Some(value.to_vec()))]);
    let gone = |id| BTreeMap::from([(id, None)]);
    // PROTO-RM-1.
    let twice = vec![update(ROOM_METADATA, &one), update(ROOM_METADATA, &two)];
    assert!(room.refuses_updates(twice, set(ROOM_METADATA, &two)).contains("more than once"));
    let absent = vec![AppDataUpdateProposal::remove(0x0024)];
    assert!(room.refuses_updates(absent, gone(0x0024)).contains("not there"));
    // AMB-PL-7.
    for id in [0x0022, ROOM_METADATA, 0x0025, 0x0027] {
        let remove = vec![AppDataUpdateProposal::remove(id)];
        assert!(room.refuses_updates(remove, gone(id)).contains("never removed"), "{id:#x}");
    }
    let unknown = vec![update(0x7777, b"x")];
    assert!(room.refuses_updates(unknown, set(0x7777, b"x")).contains("not known here"));
    let malformed = vec![update(0x0025, b"\x05no")];
    assert!(room.refuses_updates(malformed, set(0x0025, b"\x05no")).contains("component 0x0025"));
    let lie = vec![update(ROOM_METADATA, &one)];
    assert!(room.refuses_updates(lie, set(ROOM_METADATA, &two)).contains("GroupInfo"));
    let elsewhere =
        RoomMetadata { room_uri: uri(UriKind::Room, &["other"]), ..metadata("x") }.encode();
    let moved = vec![update(ROOM_METADATA, &elsewhere)];
    let refused = room.refuses_updates(moved, set(ROOM_METADATA, &elsewhere));
    assert!(refused.contains("room_uri never changes"), "AMB-RM-1: {refused}");
    let fine = vec![update(ROOM_METADATA, &one)];
    let proposals = fine.into_iter().map(|it| Proposal::AppDataUpdate(Box::new(it))).collect();
    let bundle = room.commit(proposals, &set(ROOM_METADATA, &one), Default::default()).unwrap();
    room.hub.stage(&UpdateRequest::Commit(bundle), &room.issuers, now_ms()).unwrap();
}

const ROOM_METADATA: u16 = 0x0023;

/// AMB-PL-1: one commit's list updates all refer to the epoch's list.
#[test]
fn a_wrongly_applied_list_is_noticed() {
    let mut room = Room::new();
    let update_octets =
        ParticipantListUpdate { removed_indices: vec![0], ..Default::default() }.encode();
    let list = room.hub.view().participants.encode();
    let dictionary = BTreeMap::from([(0x0022, Some(list))]);
    let refused = room.refuses_updates(vec![update(0x0022, &update_octets)], dictionary);
    assert!(refused.contains("GroupInfo"), "{refused}");
}

/// AMB-ID-4: a path may renew a leaf's credential, not whose it is.
#[test]
fn a_leaf_does_not_change_hands() {
    let mut room = Room::new();
    let stolen = room.alice_device.credential_with_key().unwrap().credential;
    let signature_key = room.bob_device.credential_with_key().unwrap().signature_key;
    let credential = CredentialWithKey { credential: stolen, signature_key };
    let leaf = LeafNodeParameters::builder().with_credential_with_key(credential).build();
    let bundle = room.commit(Vec::new(), &BTreeMap::new(), leaf).unwrap();
    let refused = room.refuses(bundle);
    assert!(refused.contains("would become mimi://a.example/d/alice/phone"), "{refused}");
}

/// mls-extensions section 4.7: a new leaf knows the components the group requires.
#[test]
fn a_leaf_keeps_knowing_the_room_s_components() {
    let mut room = Room::new();
    let leaf = LeafNodeParameters::builder()
        .with_capabilities(leaf::capabilities(&room.alice.crypto))
        .with_extensions(openmls::extensions::Extensions::empty())
        .build();
    let bundle = room.commit(Vec::new(), &BTreeMap::new(), leaf).unwrap();
    assert!(room.refuses(bundle).contains("does not know component 0x0002"));
}

/// Only what every later commit can include may wait.
#[test]
fn standalone_proposals_are_few_kinds() {
    let mut room = Room::new();
    let update = Propose::Update(LeafNodeParameters::default());
    assert!(room.refuses_proposal(update).contains("type 2"));
    let extensions = room.bob.group.extensions().clone();
    let extensions = Propose::GroupContextExtensions(extensions);
    assert!(room.refuses_proposal(extensions).contains("type 7"));
    let absent = Propose::RemoveAppDataComponent { component_id: 0x0024 };
    assert!(room.refuses_proposal(absent).contains("not there"));
    let leaf = RemoveProposal::tls_deserialize_exact(1_u32.to_be_bytes()).unwrap();
    let fine = room.propose(Propose::Remove(leaf.removed().u32()));
    room.hub.stage(&UpdateRequest::Proposals(fine), &room.issuers, now_ms()).unwrap();
}

/// A client is in a group once, however it asks.
#[test]
fn a_member_is_not_added_again() {
    let mut room = Room::new();
    let mut twin = device("alice", &mut room.rng);
    let package = twin.key_packages(1, 1_000_000, now_ms(), &mut room.rng).unwrap().remove(0);
    let verified = crate::key_package::verify(&package, now_ms()).unwrap();
    assert!(room.refuses_proposal(Propose::Add(verified)).contains("already"));
    let plan = CommitPlan { add: vec![package], ..Default::default() };
    let Room { alice, alice_device, rng, .. } = &mut room;
    let refused = alice.commit(alice_device, &plan, rng, now_ms()).unwrap_err();
    assert!(refused.to_string().contains("in the group twice"), "{refused}");
    assert!(!alice.has_pending());
}

/// External senders, required capabilities and the dictionary stay what makes this a MIMI room.
#[test]
fn the_group_stays_a_room() {
    let mut room = Room::new();
    let mut extensions = room.bob.group.extensions().clone();
    extensions.remove(openmls::extensions::ExtensionType::ExternalSenders);
    let MemberGroup { group, pieces, crypto, .. } = &mut room.bob;
    let provider = Provider { crypto, rand: crypto, pieces };
    let staged = group
        .commit_builder()
        .propose_group_context_extensions(extensions)
        .unwrap()
        .load_psks(pieces)
        .unwrap()
        .create_group_info(true)
        .build(crypto, crypto, room.bob_device.signer(), |_| true)
        .unwrap()
        .stage_commit(&provider)
        .unwrap();
    let (commit, _, group_info) = staged.into_contents();
    let bundle = CommitBundle {
        commit: wire(&commit),
        welcome: None,
        group_info: GroupInfoOption::Full(wire(&group_info.unwrap())),
        ratchet_tree: RatchetTreeOption::DistributionService,
    };
    assert!(room.refuses(bundle).contains("external_senders"), "PROTO-ST-4");
}

/// AMB-FRK-13: in these groups every handshake carries an empty SafeAAD, which is one octet.
#[test]
fn handshakes_carry_an_empty_safe_aad() {
    let mut room = Room::new();
    let bundle = room.propose(Propose::Remove(0));
    let aad = |message: &MlsMessage| {
        let mut reader = Reader::new(message.octets());
        reader.array::<4>("header").unwrap();
        reader.opaque(100, "group_id").unwrap();
        reader.u64("epoch").unwrap();
        reader.array::<5>("sender").unwrap();
        reader.opaque(100, "aad").unwrap().to_vec()
    };
    assert_eq!(aad(&bundle.proposal), [0]);
    let commit = room.commit(Vec::new(), &BTreeMap::new(), Default::default()).unwrap();
    assert_eq!(aad(&commit.commit), [0]);
    let message = room.bob.encrypt(&room.bob_device, b"x").unwrap();
    let openmls::prelude::MlsMessageBodyIn::PrivateMessage(message) =
        message.parsed().clone().extract()
    else {
        panic!("a PrivateMessage")
    };
    assert_eq!(message.aad(), [0]);
}

/// Octets of a confirmation tag with its length; of a signature; of a leaf index.
const TAG_OCTETS: usize = 33;
const SIGNATURE_OCTETS: usize = 66;
const INDEX_OCTETS: usize = 4;

/// A joiner may lie about the confirmation tag to the hub as well, which has no key to tell. Then
/// nobody can follow, and everybody can join again.
#[test]
fn a_wrong_confirmation_tag_ends_with_rejoins() {
    let mut room = Room::new();
    let carol_device = device("carol", &mut room.rng);
    let material = |hub: &HubGroup| GroupInfoRatchetTreeTbe {
        group_info: hub.group_info().clone(),
        ratchet_tree: RatchetTreeOption::Full(hub.ratchet_tree()),
        pending_proposals: Vec::new(),
    };
    let joined = MemberGroup::join_by_external_commit(
        &carol_device,
        &material(&room.hub),
        None,
        &room.issuers,
        &mut room.rng,
        now_ms(),
    );
    let (_, bundle) = joined.unwrap();
    let mut commit = bundle.commit.octets().to_vec();
    *commit.last_mut().unwrap() ^= 1;
    let GroupInfoOption::Full(group_info) = &bundle.group_info else { panic!("it is whole") };
    let mut group_info = group_info.octets().to_vec();
    group_info.truncate(group_info.len() - SIGNATURE_OCTETS);
    let end_of_tag = group_info.len() - INDEX_OCTETS;
    let tag_is_the_same = commit[commit.len() - TAG_OCTETS..commit.len() - 1]
        == group_info[end_of_tag - TAG_OCTETS..end_of_tag - 1];
    assert!(tag_is_the_same);
    group_info[end_of_tag - 1] ^= 1;
    let signature = carol_device.signer().sign_with_label("GroupInfoTBS", &group_info);
    let mut writer = mimi_wire::codec::Writer::default();
    writer.raw(&group_info);
    writer.opaque(&signature);
    let lie = CommitBundle {
        commit: MlsMessage::decode(&commit).unwrap(),
        group_info: GroupInfoOption::Full(GroupInfo::decode(&writer.into_octets()).unwrap()),
        ..bundle
    };
    let event = FanoutMessage {
        timestamp: now_ms(),
        message: lie.commit.clone(),
        kind: FanoutKind::Commit { external_proposals: Vec::new() },
    };
    let staged = room.hub.stage(&UpdateRequest::Commit(lie), &room.issuers, now_ms()).unwrap();
    room.hub.merge(staged).unwrap();
    let received = room.alice.receive(&event, &room.issuers, now_ms());
    let Err(ReceiveError::RejoinNeeded(reason)) = received else { panic!("{received:?}") };
    assert!(reason.contains("confirmation tag"), "{reason}");
    for (member, device) in
        [(&mut room.alice, &room.alice_device), (&mut room.bob, &room.bob_device)]
    {
        let (again, bundle) = MemberGroup::join_by_external_commit(
            device,
            &material(&room.hub),
            None,
            &room.issuers,
            &mut room.rng,
            now_ms(),
        )
        .unwrap();
        let request = UpdateRequest::Commit(bundle);
        let staged = room.hub.stage(&request, &room.issuers, now_ms()).unwrap();
        room.hub.merge(staged).unwrap();
        *member = again;
    }
    assert_eq!(room.bob.tree_hash(), room.hub.tree_hash());
    assert_eq!(room.bob.view(), room.hub.view());
}

impl Room {
    /// Bob proposes to add carol's phone, whose KeyPackage is valid for this long; the hub caches
    /// that.
    fn carol_waits(&mut self, mut carol: Device, valid_s: u64) -> FanoutMessage {
        let skew_s = 60 * 60;
        let packages = carol.key_packages(1, skew_s + valid_s, now_ms(), &mut self.rng);
        let verified = crate::key_package::verify(&packages.unwrap()[0], now_ms()).unwrap();
        let bundle = self.propose(Propose::Add(verified));
        let event = FanoutMessage {
            timestamp: now_ms(),
            message: bundle.proposal.clone(),
            kind: FanoutKind::Proposal { more_proposals: Vec::new() },
        };
        let request = UpdateRequest::Proposals(bundle);
        let staged = self.hub.stage(&request, &self.issuers, now_ms()).unwrap();
        self.hub.merge(staged).unwrap();
        event
    }

    /// Whether alice's commit has the Add, and what the hub says to the commit at a time.
    fn alice_commits(&mut self, hub_ms: u64) -> (bool, Result<StagedUpdate, StageError>) {
        let Self { alice, alice_device, rng, .. } = self;
        let plan = CommitPlan::default();
        let (bundle, change) = alice.commit(alice_device, &plan, rng, now_ms()).unwrap();
        alice.drop_pending().unwrap();
        let staged = self.hub.stage(&UpdateRequest::Commit(bundle), &self.issuers, hub_ms);
        (!change.proposals.is_empty(), staged)
    }
}

/// PROTO-UPD-12 ends where nobody can comply: the library commits no expired KeyPackage.
#[test]
fn a_pending_add_that_expires_is_left_out() {
    let mut room = Room::new();
    let carol = device("carol", &mut room.rng);
    let event = room.carol_waits(carol, 60);
    room.alice.receive(&event, &room.issuers, now_ms()).unwrap();
    assert_eq!(room.alice.pending_change().proposals.len(), 1);
    let (included, staged) = room.alice_commits(now_ms());
    assert!(!included);
    staged.unwrap();
    let mut room = Room::new();
    let carol = device("carol", &mut room.rng);
    let event = room.carol_waits(carol, 60 * 60);
    let (_, refused) = room.alice_commits(now_ms());
    assert!(refused.unwrap_err().to_string().contains("omits"), "it has not come to alice");
    room.alice.receive(&event, &room.issuers, now_ms()).unwrap();
    let (included, _) = room.alice_commits(now_ms());
    assert!(included);
}

/// What waits has been proven; if its certificate expires meanwhile, commits may have it or not.
#[test]
fn a_pending_add_with_an_expired_certificate_blocks_nobody() {
    const HOUR_MS: u64 = 60 * 60 * 1_000;
    let mut room = Room::new();
    let issuer = tombolo_testkit::TestIssuer::new("a.example");
    room.issuers.trust(issuer.domain().clone(), &[issuer.pem().to_owned()]).unwrap();
    let mut carol = Device::generate(&mut room.rng);
    let (client, user) =
        (uri(UriKind::Client, &["carol", "phone"]), uri(UriKind::User, &["carol"]));
    let names = [client.as_str(), user.as_str()];
    let chain = vec![issuer.issue_with(carol.signature_key(), &names, |params| {
        let end = std::time::Duration::from_millis(now_ms() + HOUR_MS);
        params.not_after = rcgen::date_time_ymd(1970, 1, 1) + end;
    })];
    carol.certify(&chain, ClientIdentity { user, client, claims: Vec::new() }).unwrap();
    let event = room.carol_waits(carol, 1_000_000);
    let later = now_ms() + 2 * HOUR_MS;
    let (_, refused) = room.alice_commits(now_ms());
    assert!(refused.unwrap_err().to_string().contains("omits"));
    let (included, staged) = room.alice_commits(later);
    assert!(!included);
    staged.unwrap();
    room.alice.receive(&event, &room.issuers, later).unwrap();
    let (included, staged) = room.alice_commits(later);
    assert!(included);
    // A Welcome comes along, so it is a commit that the hub can take.
    staged.unwrap();
}

/// An Add by reference, too, is compared with the system's clock when its commit is read.
#[test]
#[expect(clippy::disallowed_methods, reason = "the library knows the system's clock only")]
fn a_committed_add_that_expires_unread_freezes_nobody() {
    let mut room = Room::new();
    let carol = device("carol", &mut room.rng);
    let valid_s = 4;
    let event = room.carol_waits(carol, valid_s);
    for member in [&mut room.alice, &mut room.bob] {
        member.receive(&event, &room.issuers, now_ms()).unwrap();
    }
    let bundle = room.commit(Vec::new(), &BTreeMap::new(), Default::default()).unwrap();
    let event = FanoutMessage {
        timestamp: now_ms(),
        message: bundle.commit.clone(),
        kind: FanoutKind::Commit { external_proposals: Vec::new() },
    };
    let request = UpdateRequest::Commit(bundle);
    let staged = room.hub.stage(&request, &room.issuers, now_ms()).unwrap();
    assert_eq!(staged.change().proposals.len(), 1);
    std::thread::sleep(std::time::Duration::from_secs(valid_s + 1));
    let received = room.alice.receive(&event, &room.issuers, now_ms());
    assert!(matches!(received, Err(ReceiveError::Expired(_))), "{received:?}");
}
