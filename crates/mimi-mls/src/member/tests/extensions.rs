//! What the MLS extensions ask beyond what the library looks at (MLSX-…): hub and members refuse the
//! same things.

use mimi_wire::codec::Writer;
use mimi_wire::media::{MediaType, MediaTypeList};
use mimi_wire::mls::KeyPackage;
use mimi_wire::registry::WireFormats;
use openmls::extensions::{
    AppDataDictionary, AppDataDictionaryExtension, Extension, ExtensionType, Extensions,
    RequiredCapabilitiesExtension, UnknownExtension,
};
use openmls::group::GroupContext;
use openmls::prelude::{Capabilities, LeafNode, ProposalType};
use tls_codec::Serialize as _;

use super::handmade::{
    NEW_MEMBER_PROPOSAL, NOTHING, SELF_REMOVE, app_data, proposal, reference, with_more,
};
use super::*;

const ASSET_POLICY: u16 = 0x002c;
const STATUS_POLICY: u16 = 0x0028;
const PARTICIPANTS: u16 = 0x0022;
/// Of components that mean nothing to anybody.
const PRIVATE: u16 = 0xf00d;
const GREASE: u16 = 0x1a1a;

fn name(text: &str) -> Vec<u8> {
    app_data(ROOM_METADATA, Some(&metadata(text).encode()))
}

/// MLSX-3: a component is removed once or updated, what is absent is not removed, and what nobody
/// knows is not touched; by reference, and whoever of members or servers asks.
#[test]
fn app_data_updates_that_do_not_go_together() {
    let status: &[u8] = &[0, 0];
    let bad: [(&str, Vec<Vec<u8>>); 12] = [
        (
            "remove and update",
            vec![app_data(STATUS_POLICY, None), name("x"), app_data(STATUS_POLICY, Some(status))],
        ),
        (
            "update and remove",
            vec![app_data(STATUS_POLICY, Some(status)), app_data(STATUS_POLICY, None)],
        ),
        ("two removes", vec![app_data(STATUS_POLICY, None), app_data(STATUS_POLICY, None)]),
        ("absent", vec![app_data(ASSET_POLICY, None)]),
        ("absent beside another", vec![name("x"), app_data(ASSET_POLICY, None)]),
        ("unknown", vec![app_data(PRIVATE, Some(b"x"))]),
        ("grease", vec![app_data(GREASE, Some(b"x"))]),
        ("list removed", vec![app_data(PARTICIPANTS, None)]),
        // What says how messages are read never changes.
        ("app_components", vec![app_data(0x0001, None)]),
        ("safe_aad", vec![app_data(0x0002, None)]),
        ("content_media_types", vec![app_data(0x0003, None)]),
        ("another content_media_types", vec![app_data(0x0003, Some(&[3, 1, b'x', 0]))]),
    ];
    for (case, proposals) in &bad {
        let mut room = Room::new();
        let commit = room.commit_of_bob(NOTHING, proposals);
        let (hub, alice) = room.both_on_commit(&commit);
        assert!(hub.contains("invalid proposal"), "{case}: {hub}");
        assert!(alice.contains("invalid proposal"), "{case}: {alice}");
        assert_eq!(room.hub.view().epoch, 1);
    }
    // What is refused in one commit does not wait for one, whoever proposes it.
    for (case, proposals) in &bad {
        let mut room = Room::new();
        let results = proposals.iter().map(|proposal| {
            let of_hub = room.proposal_of_hub(NOTHING, proposal);
            let staged = room.hub_on(&of_hub)?;
            room.hub.merge(staged)
        });
        let results: Vec<_> = results.collect();
        assert!(results.iter().any(Result::is_err), "{case}");
    }
}

/// MLSX-3: several updates of one component are for the component to take or not: the list of
/// participants and the links take them, in the order of the commit, all else does not.
#[test]
fn several_updates_of_one_component() {
    let mut room = Room::new();
    let commit = room.commit_of_bob(NOTHING, &[name("One"), name("Two")]);
    let (hub, alice) = room.both_on_commit(&commit);
    assert!(hub.contains("more than once") && alice.contains("more than once"));
    let added = |text: &str| {
        let entry = mimi_wire::room::participant_list::UserRolePair {
            user: uri(UriKind::User, &[text]),
            role_index: 2,
        };
        ParticipantListUpdate { added_participants: vec![entry], ..Default::default() }.encode()
    };
    let (zoe, abe) = (added("zoe"), added("abe"));
    let mut list = room.hub.view().participants.clone();
    for user in ["zoe", "abe"] {
        let user = uri(UriKind::User, &[user]);
        list.participants
            .push(mimi_wire::room::participant_list::UserRolePair { user, role_index: 2 });
    }
    let updates = [update(PARTICIPANTS, &zoe), update(PARTICIPANTS, &abe)];
    let proposals = updates.into_iter().map(|it| Proposal::AppDataUpdate(Box::new(it)));
    let dictionary = BTreeMap::from([(PARTICIPANTS, Some(list.encode()))]);
    let bundle = room.commit(proposals.collect(), &dictionary, Default::default()).unwrap();
    let staged = room.hub.stage(&UpdateRequest::Commit(bundle), &room.issuers, now_ms()).unwrap();
    let StagedUpdate::Commit(commit) = staged else { panic!("a commit") };
    assert_eq!(commit.after().participants, list);
}

/// MLSX-3: in an external commit the same rules count.
#[test]
fn app_data_updates_of_a_joiner() {
    let mut room = Room::new();
    let carol = device("carol", &mut room.rng);
    for (proposals, fault) in [
        (vec![app_data(STATUS_POLICY, None)], "not there"),
        (vec![name("One"), name("Two")], "more than once"),
        (vec![app_data(PRIVATE, Some(b"x"))], "not known here"),
        // MLSX-6: never inline.
        (vec![SELF_REMOVE.to_vec()], "by reference only"),
    ] {
        let bundle = room.external_commit_with(&carol, &proposals);
        let commit = bundle.commit.clone();
        let hub = room.refuses(bundle);
        assert!(hub.contains(fault), "{fault}: {hub}");
        let kind = FanoutKind::Commit { external_proposals: Vec::new() };
        let event = FanoutMessage { timestamp: now_ms(), message: commit, kind };
        let received = room.alice.receive(&event, &room.issuers, now_ms());
        let Err(ReceiveError::Stage(alice)) = received else { panic!("{fault}: {received:?}") };
        assert!(alice.to_string().contains(fault), "{fault}: {alice}");
    }
}

impl Room {
    /// An external commit of a device with more inline proposals than the library would put in.
    fn external_commit_with(&mut self, device: &Device, proposals: &[Vec<u8>]) -> CommitBundle {
        let material = self.join_material(Vec::new());
        let (issuers, rng) = (&self.issuers, &mut self.rng);
        let joined =
            MemberGroup::join_by_external_commit(device, &material, None, issuers, rng, now_ms());
        let (_, bundle) = joined.unwrap();
        let (content, after) = with_more(&bundle.commit, proposals);
        let context = self.bob.group.public_group().group_context();
        let tbs = [content.as_slice(), &context.tls_serialize_detached().unwrap()].concat();
        let mut message = Writer::default();
        message.raw(&content);
        message.opaque(&device.sign_with_label("FramedContentTBS", &tbs));
        message.raw(after);
        CommitBundle { commit: MlsMessage::decode(&message.into_octets()).unwrap(), ..bundle }
    }

    fn join_material(
        &self,
        pending_proposals: Vec<mimi_wire::protocol::group_info::PendingProposal>,
    ) -> GroupInfoRatchetTreeTbe {
        GroupInfoRatchetTreeTbe {
            group_info: self.hub.group_info().clone(),
            ratchet_tree: RatchetTreeOption::Full(self.hub.ratchet_tree()),
            pending_proposals,
        }
    }
}

/// MLSX-4: the dictionary changes by AppDataUpdate alone, in commits and in what waits for one.
#[test]
fn group_context_extensions_leave_the_dictionary() {
    let mut room = Room::new();
    let current = room.bob.group.extensions().clone();
    let with = |dictionary: Option<AppDataDictionary>| {
        let mut extensions = current.clone();
        extensions.remove(ExtensionType::AppDataDictionary);
        if let Some(dictionary) = dictionary {
            let dictionary = AppDataDictionaryExtension::new(dictionary);
            extensions.add_or_replace(Extension::AppDataDictionary(dictionary)).unwrap();
        }
        proposal(7, &extensions.tls_serialize_detached().unwrap())
    };
    let dictionary = current.app_data_dictionary().unwrap().dictionary().clone();
    let mut added = dictionary.clone();
    added.insert(PRIVATE, vec![1]);
    let mut changed = dictionary.clone();
    changed.insert(ROOM_METADATA, metadata("Mine").encode());
    let mut removed = dictionary;
    removed.remove(&0x0026);
    for (case, touched) in
        [("add", Some(added)), ("change", Some(changed)), ("remove", Some(removed)), ("all", None)]
    {
        let gce = with(touched);
        let commit = room.commit_of_bob(NOTHING, std::slice::from_ref(&gce));
        let (hub, alice) = room.both_on_commit(&commit);
        assert!(hub.contains("invalid proposal"), "{case}: {hub}");
        assert!(alice.contains("invalid proposal"), "{case}: {alice}");
        for message in [room.proposal_of_bob(NOTHING, &gce), room.proposal_of_hub(NOTHING, &gce)] {
            room.hub_on(&message).unwrap_err();
            let alice = room.alice_on(&message);
            let Err(ReceiveError::Unreadable(reason)) = alice else { panic!("{case}: {alice:?}") };
            assert!(reason.contains("MLSX-4"), "{case}: {reason}");
        }
    }
    assert!(room.alice.pending_change().proposals.is_empty());
    // One that leaves it alone is a matter of policy, where another hub lets it wait.
    let harmless = proposal(7, &current.tls_serialize_detached().unwrap());
    let harmless = room.proposal_of_hub(NOTHING, &harmless);
    room.alice_on(&harmless).unwrap();
}

/// MLSX-5: nothing here takes ephemeral data, in whatever order it comes; our leaves say so, and a
/// group whose members say otherwise is told.
#[test]
fn ephemeral_data_is_for_nobody() {
    let ephemeral = proposal(9, &[0xf0, 0x0d, 1, 7]);
    for proposals in [
        vec![ephemeral.clone()],
        vec![ephemeral.clone(), name("x")],
        vec![name("x"), ephemeral.clone()],
    ] {
        let mut room = Room::new();
        let commit = room.commit_of_bob(NOTHING, &proposals);
        let (hub, alice) = room.both_on_commit(&commit);
        assert!(hub.contains("invalid proposal") && alice.contains("invalid proposal"), "{hub}");
    }
    let mut room = Room::new();
    for message in
        [room.proposal_of_bob(NOTHING, &ephemeral), room.proposal_of_hub(NOTHING, &ephemeral)]
    {
        room.hub_on(&message).unwrap_err();
        assert!(matches!(room.alice_on(&message), Err(ReceiveError::Unreadable(_))));
    }
    // Bob, alone with a leaf that knows the proposal.
    let leaf = LeafNodeParameters::builder()
        .with_capabilities(knowing_ephemeral(&room.bob.crypto))
        .with_extensions(leaf::extensions(&room.bob.crypto))
        .build();
    let alone = RemoveProposal::tls_deserialize_exact([0; 4]).unwrap();
    let alone = Proposal::Remove(Box::new(alone));
    let bundle = room.commit_and_merge(vec![alone], leaf);
    let staged = room.hub.stage(&UpdateRequest::Commit(bundle), &room.issuers, now_ms()).unwrap();
    room.hub.merge(staged).unwrap();
    let known = openmls::messages::proposals::AppEphemeralProposal::new(PRIVATE, vec![7]);
    let known = Proposal::AppEphemeral(Box::new(known));
    let bundle = room.commit(vec![known], &BTreeMap::new(), Default::default()).unwrap();
    assert!(room.refuses(bundle).contains("MLSX-5"));
}

fn knowing_ephemeral(crypto: &openmls_rust_crypto::RustCrypto) -> Capabilities {
    let own = leaf::capabilities(crypto);
    let mut proposals = own.proposals().to_vec();
    proposals.push(ProposalType::AppEphemeral);
    let extensions = own.extensions();
    let credentials = own.credentials();
    Capabilities::new(None, None, Some(extensions), Some(&proposals), Some(credentials))
}

impl Room {
    /// A commit of bob's that he follows himself.
    fn commit_and_merge(
        &mut self,
        proposals: Vec<Proposal>,
        leaf: LeafNodeParameters,
    ) -> CommitBundle {
        let rand = Seeded::from_rng(&mut self.rng);
        let MemberGroup { group, pieces, crypto, .. } = &mut self.bob;
        let provider = Provider { crypto, rand: &rand, pieces };
        let builder = group.commit_builder().add_proposals(proposals).leaf_node_parameters(leaf);
        let builder = builder.load_psks(pieces).unwrap().create_group_info(true);
        let built = builder.build(&rand, crypto, self.bob_device.signer(), |_| true).unwrap();
        let (commit, _, group_info) = built.stage_commit(&provider).unwrap().into_contents();
        self.bob.accept_pending().unwrap();
        CommitBundle {
            commit: wire(&commit),
            welcome: None,
            group_info: GroupInfoOption::Full(wire(&group_info.unwrap())),
            ratchet_tree: RatchetTreeOption::DistributionService,
        }
    }
}

/// MLSX-6: one SelfRemove of a client in an epoch. Several that differ only in what nobody reads
/// could not be committed together, and none may be left out: the room would stand still.
#[test]
fn a_client_leaves_once_in_an_epoch() {
    let mut room = Room::new();
    let first = room.proposal_of_bob(NOTHING, SELF_REMOVE);
    let second = room.proposal_of_bob(&[4, 0xf0, 0x0d, 1, 7], SELF_REMOVE);
    assert_ne!(reference(&first), reference(&second));
    let both = ProposalBundle { proposal: first.clone(), more_proposals: vec![second.clone()] };
    let request = UpdateRequest::Proposals(both);
    let refused = room.hub.stage(&request, &room.issuers, now_ms()).unwrap_err();
    assert!(refused.to_string().contains("MLSX-6"), "{refused}");
    let staged = room.hub_on(&first).unwrap();
    room.hub.merge(staged).unwrap();
    let refused = room.hub_on(&second).unwrap_err();
    let StageError::InvalidProposal { references, .. } = &refused else { panic!("{refused}") };
    assert_eq!(*references, [reference(&second)]);
    room.alice_on(&first).unwrap();
    let alice = room.alice_on(&second);
    assert!(matches!(&alice, Err(ReceiveError::Unreadable(it)) if it.contains("MLSX-6")));
    // The room goes on, without bob.
    let (included, staged) = room.alice_commits(now_ms());
    assert!(included);
    let staged = staged.unwrap();
    let StagedUpdate::Commit(commit) = &staged else { panic!("a commit") };
    assert_eq!(commit.removed(), [room.bob.own_leaf()]);
}

/// MLSX-6: by reference and by a member only, in the clear, and not beside a Remove of that leaf.
#[test]
fn a_self_remove_out_of_its_place() {
    let mut room = Room::new();
    let plain = room.commit(Vec::new(), &BTreeMap::new(), Default::default()).unwrap().commit;
    let inlined = room.commit_of_bob_with(&plain, &[SELF_REMOVE.to_vec()]);
    let (hub, alice) = room.both_on_commit(&inlined);
    assert!(hub.contains("invalid proposal") && alice.contains("invalid proposal"), "{hub}");
    let of_hub = room.proposal_of_hub(NOTHING, SELF_REMOVE);
    room.hub_on(&of_hub).unwrap_err();
    assert!(matches!(room.alice_on(&of_hub), Err(ReceiveError::Unreadable(_))));
    // Alice asks to go; bob commits that, and that she goes.
    let asked = room.alice.leave_alone(&room.alice_device).unwrap().proposal;
    let staged = room.hub_on(&asked).unwrap();
    room.hub.merge(staged).unwrap();
    room.alice_on(&asked).unwrap();
    let kind = FanoutKind::Proposal { more_proposals: Vec::new() };
    let event = FanoutMessage { timestamp: now_ms(), message: asked, kind };
    room.bob.receive(&event, &room.issuers, now_ms()).unwrap();
    let once = room.commit(Vec::new(), &BTreeMap::new(), Default::default()).unwrap().commit;
    let remove = proposal(3, &0_u32.to_be_bytes());
    let twice = room.commit_of_bob_with(&once, &[remove]);
    let (hub, alice) = room.both_on_commit(&twice);
    assert!(hub.contains("invalid proposal"), "{hub}");
    assert!(alice.contains("invalid proposal"), "{alice}");
}

/// MLSX-6: who joins takes pending SelfRemoves along, after a look at them.
#[test]
fn a_joiner_verifies_what_it_takes_along() {
    let mut room = Room::new();
    let carol = device("carol", &mut room.rng);
    let good = room.proposal_of_bob(NOTHING, SELF_REMOVE);
    let mut octets = good.octets().to_vec();
    // The signature stands before the membership tag.
    let position = octets.len() - TAG_OCTETS - 1;
    octets[position] ^= 1;
    let forged = MlsMessage::decode(&octets).unwrap();
    let join = |room: &mut Room, proposal: MlsMessage| {
        let pending =
            mimi_wire::protocol::group_info::PendingProposal { proposal, hub_accepted_time: 1 };
        let material = room.join_material(vec![pending]);
        let (issuers, rng) = (&room.issuers, &mut room.rng);
        MemberGroup::join_by_external_commit(&carol, &material, None, issuers, rng, now_ms())
    };
    join(&mut room, forged).unwrap_err();
    let (joined, _) = join(&mut room, good).unwrap();
    assert_eq!(joined.view().clients.len(), 2, "alice and carol");
}

/// MLSX-7: with `safe_aad` in the group, authenticated data is a SafeAAD, ascending and unique, and
/// nothing but one; the library would take what stands behind it.
#[test]
fn authenticated_data_is_safe_aad() {
    let item = |id: u16| [&id.to_be_bytes()[..], &[1, 7]].concat();
    let items = |ids: &[u16]| {
        let items: Vec<u8> = ids.iter().flat_map(|id| item(*id)).collect();
        [&[u8::try_from(items.len()).unwrap()][..], &items].concat()
    };
    let bad: [(&str, Vec<u8>); 6] = [
        ("nothing at all", Vec::new()),
        ("something behind it", vec![0, 1]),
        ("descending", items(&[0x0021, 0x0020])),
        ("one twice", items(&[PRIVATE, PRIVATE])),
        ("cut short", vec![4, 0, 0x20]),
        ("text", b"hello".to_vec()),
    ];
    let remove = proposal(3, &0_u32.to_be_bytes());
    for (case, aad) in &bad {
        let mut room = Room::new();
        for message in [room.proposal_of_bob(aad, &remove), room.proposal_of_hub(aad, &remove)] {
            assert!(room.hub_on(&message).is_err(), "{case}");
            let alice = room.alice_on(&message);
            assert!(matches!(alice, Err(ReceiveError::Unreadable(_))), "{case}: {alice:?}");
        }
        let commit = room.commit_of_bob(aad, &[name("x")]);
        let (hub, alice) = room.both_on_commit(&commit);
        assert!(!hub.contains("GroupInfo") && !alice.contains("tag"), "{case}: {hub}, {alice}");
    }
    // Items of components that nobody here knows are fine (MLSX-12).
    for aad in [items(&[]), items(&[PRIVATE]), items(&[0x0020, GREASE, PRIVATE])] {
        let mut room = Room::new();
        let message = room.proposal_of_bob(&aad, &remove);
        room.hub_on(&message).unwrap();
        room.alice_on(&message).unwrap();
    }
}

/// MLSX-7: in application messages too.
#[test]
fn authenticated_data_of_messages_is_safe_aad() {
    let mut room = Room::new();
    let mut say = |tail: &[u8]| {
        let MemberGroup { group, pieces, crypto, .. } = &mut room.bob;
        group.set_aad(tail.to_vec());
        let provider = Provider { crypto, rand: crypto, pieces };
        let message = group.create_message(&provider, room.bob_device.signer(), b"x").unwrap();
        let kind = FanoutKind::Application { frank: None };
        let event = FanoutMessage { timestamp: now_ms(), message: wire(&message), kind };
        room.alice.receive(&event, &room.issuers, now_ms())
    };
    let behind = say(b"behind it");
    let Err(ReceiveError::Unreadable(_)) = behind else { panic!("{behind:?}") };
    say(b"").unwrap();
}

/// A leaf with anything for the components it says it knows.
fn leaf_saying(
    crypto: &openmls_rust_crypto::RustCrypto,
    media: Option<&[&str]>,
) -> LeafNodeParameters {
    let own = leaf::extensions(crypto);
    let mut dictionary = own.app_data_dictionary().unwrap().dictionary().clone();
    dictionary.remove(&0x0003);
    if let Some(media) = media {
        let list = MediaTypeList(media.iter().map(|it| MediaType::new(it)).collect());
        dictionary.insert(0x0003, list.encode());
    }
    leaf_with(crypto, dictionary, own.unknown(7).cloned())
}

fn leaf_with(
    crypto: &openmls_rust_crypto::RustCrypto,
    dictionary: AppDataDictionary,
    formats: Option<UnknownExtension>,
) -> LeafNodeParameters {
    let dictionary = Extension::AppDataDictionary(AppDataDictionaryExtension::new(dictionary));
    let mut extensions: Extensions<LeafNode> = Extensions::single(dictionary).unwrap();
    if let Some(formats) = formats {
        extensions.add_or_replace(Extension::Unknown(7, formats)).unwrap();
    }
    LeafNodeParameters::builder()
        .with_capabilities(leaf::capabilities(crypto))
        .with_extensions(extensions)
        .build()
}

/// MLSX-8: every member takes the media types of the group; who says nothing of what it takes is
/// believed to.
#[test]
fn a_leaf_takes_the_group_s_media_types() {
    for (media, is_fine) in [
        (None, true),
        (Some(&["text/plain"][..]), false),
        (Some(&["text/plain", "application/mimi-content"][..]), true),
        (Some(&["Application/MIMI-content"][..]), true),
    ] {
        let mut room = Room::new();
        let leaf = leaf_saying(&room.bob.crypto, media);
        let bundle = room.commit(Vec::new(), &BTreeMap::new(), leaf).unwrap();
        let commit = bundle.commit.clone();
        let staged = room.hub.stage(&UpdateRequest::Commit(bundle), &room.issuers, now_ms());
        let kind = FanoutKind::Commit { external_proposals: Vec::new() };
        let event = FanoutMessage { timestamp: now_ms(), message: commit, kind };
        let received = room.alice.receive(&event, &room.issuers, now_ms());
        assert_eq!(staged.is_ok(), is_fine, "{media:?}: {staged:?}");
        assert_eq!(received.is_ok(), is_fine, "{media:?}: {received:?}");
        if !is_fine {
            assert!(staged.unwrap_err().to_string().contains("application/mimi-content"));
        }
    }
}

/// MLSX-9: both marks of a last-resort KeyPackage are seen, and ours have neither.
#[test]
fn last_resort_key_packages_are_told() {
    let mut room = Room::new();
    let mut carol = device("carol", &mut room.rng);
    let own = carol.key_packages(1, 1_000_000, now_ms(), &mut room.rng).unwrap().remove(0);
    let is_last_resort = |package: &KeyPackage| {
        let facts = crate::key_package::inspect(package, &room.issuers, now_ms());
        facts.unwrap().last_resort
    };
    assert!(!is_last_resort(&own));
    let mut dictionary = AppDataDictionary::new();
    dictionary.insert(0x0004, Vec::new());
    let dictionary = AppDataDictionaryExtension::new(dictionary);
    for extension in [
        Extension::AppDataDictionary(dictionary),
        Extension::LastResort(openmls::extensions::LastResortExtension::default()),
    ] {
        let crypto = openmls_rust_crypto::RustCrypto::default();
        let pieces = crate::pieces::Pieces::default();
        let provider = Provider { crypto: &crypto, rand: &crypto, pieces: &pieces };
        let own = leaf::capabilities(&crypto);
        let extensions = [own.extensions(), &[extension.extension_type()]].concat();
        let (proposals, credentials) = (own.proposals(), own.credentials());
        let capabilities =
            Capabilities::new(None, None, Some(&extensions), Some(proposals), Some(credentials));
        let bundle = openmls::prelude::KeyPackage::builder()
            .leaf_node_capabilities(capabilities)
            .leaf_node_extensions(leaf::extensions(&crypto))
            .key_package_extensions(Extensions::single(extension).unwrap())
            .key_package_lifetime(openmls::prelude::Lifetime::new(1_000_000))
            .build(leaf::SUITE, &provider, carol.signer(), carol.credential_with_key().unwrap())
            .unwrap();
        assert!(is_last_resort(&wire(bundle.key_package())));
    }
}

/// MLSX-11: what becomes required, everybody in the group supports; who comes in, too.
#[test]
fn required_wire_formats_are_supported() {
    const SEMI_PRIVATE: u16 = 0xf0aa;
    for (required, is_fine) in [(vec![1, 2], true), (vec![1, SEMI_PRIVATE], false)] {
        let mut room = Room::new();
        let mut extensions = room.bob.group.extensions().clone();
        let formats = UnknownExtension(WireFormats(required).encode());
        extensions.add_or_replace(Extension::Unknown(8, formats)).unwrap();
        let capabilities = RequiredCapabilitiesExtension::new(
            &[ExtensionType::AppDataDictionary, ExtensionType::Unknown(8)],
            &[ProposalType::AppDataUpdate, ProposalType::SelfRemove],
            &[],
        );
        extensions.add_or_replace(Extension::RequiredCapabilities(capabilities)).unwrap();
        let bundle = room.commit_extensions(extensions);
        let commit = bundle.commit.clone();
        let staged = room.hub.stage(&UpdateRequest::Commit(bundle), &room.issuers, now_ms());
        let kind = FanoutKind::Commit { external_proposals: Vec::new() };
        let event = FanoutMessage { timestamp: now_ms(), message: commit, kind };
        let received = room.alice.receive(&event, &room.issuers, now_ms());
        assert_eq!(staged.is_ok(), is_fine, "{staged:?}");
        assert_eq!(received.is_ok(), is_fine, "{received:?}");
        if !is_fine {
            assert!(staged.unwrap_err().to_string().contains("wire format 0xf0aa"));
            continue;
        }
        // The group requires it now, and a newcomer of ours supports it.
        room.hub.merge(staged.unwrap()).unwrap();
        let carol = device("carol", &mut room.rng);
        let material = room.join_material(Vec::new());
        let (issuers, rng) = (&room.issuers, &mut room.rng);
        let joined =
            MemberGroup::join_by_external_commit(&carol, &material, None, issuers, rng, now_ms());
        let (_, bundle) = joined.unwrap();
        room.hub.stage(&UpdateRequest::Commit(bundle), &room.issuers, now_ms()).unwrap();
    }
}

impl Room {
    fn commit_extensions(&mut self, extensions: Extensions<GroupContext>) -> CommitBundle {
        let MemberGroup { group, pieces, crypto, .. } = &mut self.bob;
        let provider = Provider { crypto, rand: crypto, pieces };
        let builder = group.commit_builder().propose_group_context_extensions(extensions).unwrap();
        let builder = builder.load_psks(pieces).unwrap().create_group_info(true);
        let built = builder.build(crypto, crypto, self.bob_device.signer(), |_| true).unwrap();
        let (commit, _, group_info) = built.stage_commit(&provider).unwrap().into_contents();
        group.clear_pending_commit(pieces).unwrap();
        CommitBundle {
            commit: wire(&commit),
            welcome: None,
            group_info: GroupInfoOption::Full(wire(&group_info.unwrap())),
            ratchet_tree: RatchetTreeOption::DistributionService,
        }
    }
}

/// MLSX-2, MLSX-11, MLSX-12: what a leaf of ours says, with a number that means nothing in each list.
#[test]
fn our_leaves_say_what_they_know_and_more() {
    let mut room = Room::new();
    let leaves: Vec<LeafNode> = {
        let tree = room.bob.group.public_group().export_ratchet_tree();
        tree.leaves().cloned().collect()
    };
    assert_eq!(leaves.len(), 2, "a creator's and a KeyPackage's");
    let is_grease = |id: &u16| openmls::grease::is_grease_value(*id);
    for leaf in &leaves {
        let capabilities = leaf.capabilities();
        let extensions: Vec<u16> =
            capabilities.extensions().iter().map(|it| (*it).into()).collect();
        let proposals: Vec<u16> = capabilities.proposals().iter().map(|it| (*it).into()).collect();
        assert_eq!(extensions[..3], [6, 7, 8]);
        assert_eq!(proposals[..2], [8, 10]);
        assert!(!proposals.contains(&9), "MLSX-5");
        assert!(extensions.iter().any(is_grease) && proposals.iter().any(is_grease));
        assert!(capabilities.credentials().iter().any(|it| is_grease(&(*it).into())));
        assert!(capabilities.ciphersuites().iter().any(|it| it.is_grease()));
        let dictionary = leaf.extensions().app_data_dictionary().unwrap().dictionary();
        assert!(dictionary.entries().any(|entry| is_grease(&entry.id())));
        for list in [1, 2] {
            let ids = crate::context::component_list(Some(dictionary), list).unwrap();
            assert!(ids.iter().any(is_grease), "list {list}");
            assert!(ids.is_sorted());
            let required = room.hub.view().other_components.get(&list).unwrap();
            let required = mimi_wire::component::ComponentsList::decode(required).unwrap().0;
            assert!(required.iter().all(|id| ids.contains(id)), "list {list}");
            assert!(!required.iter().any(is_grease), "groups require what means something");
        }
        let formats = leaf.extensions().unknown(7).unwrap();
        assert_eq!(WireFormats::decode(&formats.0).unwrap().0, [1, 2]);
    }
    // Another one each time, or somebody would come to know it.
    let packages = room.bob_device.key_packages(8, 1_000_000, now_ms(), &mut room.rng).unwrap();
    let said = packages.iter().map(|package| {
        let facts = crate::key_package::inspect(package, &room.issuers, now_ms()).unwrap();
        facts.capabilities.octets().to_vec()
    });
    assert!(said.collect::<std::collections::BTreeSet<_>>().len() > 1);
}

/// MLSX-12: whatever else stands in a leaf or a GroupInfo is nobody's concern.
#[test]
fn unknown_values_are_ignored() {
    let mut room = Room::new();
    let own = leaf::extensions(&room.bob.crypto);
    let mut dictionary = own.app_data_dictionary().unwrap().dictionary().clone();
    let known = crate::context::component_list(Some(&dictionary), 1).unwrap();
    let known = [known.as_slice(), &[0x7abc, 0x8001, GREASE, PRIVATE]].concat();
    dictionary.insert(1, leaf::component_list(&known));
    for id in [0x0777, 0x8001, 0xeaea, PRIVATE] {
        dictionary.insert(id, vec![0xff; 9]);
    }
    let leaf = leaf_with(&room.bob.crypto, dictionary, None);
    let bundle = room.commit(Vec::new(), &BTreeMap::new(), leaf).unwrap();
    let commit = bundle.commit.clone();
    let GroupInfoOption::Full(group_info) = &bundle.group_info else { panic!("it is whole") };
    let group_info = with_unknown_extensions(group_info, &room.bob_device);
    let bundle = CommitBundle { group_info: GroupInfoOption::Full(group_info), ..bundle };
    let staged = room.hub.stage(&UpdateRequest::Commit(bundle), &room.issuers, now_ms()).unwrap();
    room.hub.merge(staged).unwrap();
    let kind = FanoutKind::Commit { external_proposals: Vec::new() };
    let event = FanoutMessage { timestamp: now_ms(), message: commit, kind };
    let received = room.alice.receive(&event, &room.issuers, now_ms()).unwrap();
    assert!(matches!(received, super::super::Received::Commit(_)));
    let carol = device("carol", &mut room.rng);
    let material = room.join_material(Vec::new());
    let (issuers, rng) = (&room.issuers, &mut room.rng);
    MemberGroup::join_by_external_commit(&carol, &material, None, issuers, rng, now_ms()).unwrap();
}

/// The same GroupInfo with a dictionary of unknown components and an unknown extension.
fn with_unknown_extensions(group_info: &GroupInfo, signer: &Device) -> GroupInfo {
    let octets = group_info.octets();
    let mut reader = Reader::new(octets);
    reader.mls::<GroupContext>("group_context").unwrap();
    let context = &octets[..reader.offset()];
    let extensions = reader.opaque(10_000, "extensions").unwrap();
    let rest = &octets[reader.offset()..octets.len() - SIGNATURE_OCTETS];
    let mut more = Writer::default();
    more.raw(extensions);
    more.u16(6);
    more.opaque(&[&[6][..], &GREASE.to_be_bytes(), &[3, 1, 2, 3]].concat());
    more.u16(PRIVATE);
    more.opaque(b"private");
    let mut tbs = Writer::default();
    tbs.raw(context);
    tbs.opaque(&more.into_octets());
    tbs.raw(rest);
    let tbs = tbs.into_octets();
    let mut whole = Writer::default();
    whole.raw(&tbs);
    whole.opaque(&signer.sign_with_label("GroupInfoTBS", &tbs));
    GroupInfo::decode(&whole.into_octets()).unwrap()
}

/// MLSX-13: somebody outside asks to be added, proving itself by the KeyPackage alone; what else it
/// asks, or in another's name, is refused.
#[test]
fn a_new_member_asks_to_be_added() {
    let mut room = Room::new();
    let mut carol = device("carol", &mut room.rng);
    let package = carol.key_packages(1, 1_000_000, now_ms(), &mut room.rng).unwrap().remove(0);
    let add = proposal(1, package.octets());
    let of = |room: &Room, device: &Device, proposal: &[u8]| {
        let sign = |octets: &[u8]| device.sign_with_label("FramedContentTBS", octets);
        room.proposal_from(NEW_MEMBER_PROPOSAL, NOTHING, proposal, sign)
    };
    let stolen = of(&room, &room.bob_device, &add);
    let other = of(&room, &carol, &proposal(3, &0_u32.to_be_bytes()));
    for message in [&stolen, &other] {
        room.hub_on(message).unwrap_err();
        assert!(matches!(room.alice_on(message), Err(ReceiveError::Unreadable(_))));
    }
    let good = of(&room, &carol, &add);
    let staged = room.hub_on(&good).unwrap();
    let asker = &staged.change().proposals[0].sender;
    assert!(
        matches!(asker, mimi_policy::Actor::Joiner(it) if it.user == uri(UriKind::User, &["carol"]))
    );
    room.hub.merge(staged).unwrap();
    room.alice_on(&good).unwrap();
    let (included, staged) = room.alice_commits(now_ms());
    assert!(included);
    let StagedUpdate::Commit(commit) = staged.unwrap() else { panic!("a commit") };
    assert_eq!(commit.welcomes().len(), 1);
}

/// MLSX-1: the entries of a dictionary ascend and stand there once, in leaves and KeyPackages as in
/// the group context and so in every GroupInfo.
#[test]
fn dictionaries_ascend() {
    let mut room = Room::new();
    let package = room.bob_device.key_packages(1, 1_000_000, now_ms(), &mut room.rng).unwrap();
    let mut reader = Reader::new(package[0].octets());
    let (_, parsed) = reader.mls::<openmls::prelude::KeyPackageIn>("key_package").unwrap();
    let leaf = parsed.validate(&room.bob.crypto, openmls::prelude::ProtocolVersion::Mls10).unwrap();
    let in_leaf = leaf.leaf_node().extensions().app_data_dictionary().unwrap().dictionary().clone();
    let in_group = room.bob.group.extensions().app_data_dictionary().unwrap().dictionary().clone();
    let damaged =
        |octets: &[u8], dictionary: &AppDataDictionary, damage: &dyn Fn(&mut Vec<Vec<u8>>)| {
            let entries = dictionary.entries().map(|entry| entry.tls_serialize_detached().unwrap());
            let mut entries: Vec<Vec<u8>> = entries.collect();
            let sound = entries.concat();
            damage(&mut entries);
            let damaged = entries.concat();
            assert_eq!(sound.len(), damaged.len());
            let start = octets.windows(sound.len()).position(|window| window == sound).unwrap();
            [&octets[..start], &damaged, &octets[start + sound.len()..]].concat()
        };
    let swap: &dyn Fn(&mut Vec<Vec<u8>>) = &|entries| entries.swap(0, 1);
    // The identifier of the first, twice.
    let twice: &dyn Fn(&mut Vec<Vec<u8>>) = &|entries| {
        let first = entries[0][..2].to_vec();
        entries[1][..2].copy_from_slice(&first);
    };
    let same: &dyn Fn(&mut Vec<Vec<u8>>) = &|_| ();
    for (damage, is_sound) in [(same, true), (swap, false), (twice, false)] {
        let octets = damaged(package[0].octets(), &in_leaf, damage);
        assert_eq!(KeyPackage::decode(&octets).is_ok(), is_sound);
        let octets = damaged(room.hub.group_info().octets(), &in_group, damage);
        assert_eq!(GroupInfo::decode(&octets).is_ok(), is_sound);
    }
}

/// RTO-2, AMB-RTO-3, AMB-RTO-5: no tree is fetched from a URL, whoever names one; one that comes along
/// is the group's, or no client joins.
#[test]
fn a_tree_elsewhere_is_not_fetched() {
    let mut room = Room::new();
    let carol = device("carol", &mut room.rng);
    let elsewhere = RatchetTreeOption::HttpsUri {
        url: "https://a.example/tree".to_owned(),
        tree_signature: vec![7; 64],
    };
    let sound = room.join_material(Vec::new());
    for (tree, reason) in [
        (elsewhere, "not fetched from elsewhere"),
        (RatchetTreeOption::OutOfBand { tree_signature: vec![7; 64] }, "did not come along"),
        (RatchetTreeOption::DistributionService, "did not come along"),
    ] {
        let material = GroupInfoRatchetTreeTbe { ratchet_tree: tree, ..sound.clone() };
        let (issuers, rng) = (&room.issuers, &mut room.rng);
        let refused =
            MemberGroup::join_by_external_commit(&carol, &material, None, issuers, rng, now_ms());
        assert!(refused.unwrap_err().to_string().contains(reason), "{reason}");
    }
    let mut other = Room::new();
    let bundle = other.commit(Vec::new(), &BTreeMap::new(), Default::default()).unwrap();
    let staged = other.hub.stage(&UpdateRequest::Commit(bundle), &other.issuers, now_ms()).unwrap();
    other.hub.merge(staged).unwrap();
    let ratchet_tree = RatchetTreeOption::Full(other.hub.ratchet_tree());
    let material = GroupInfoRatchetTreeTbe { ratchet_tree, ..sound };
    let (issuers, rng) = (&room.issuers, &mut room.rng);
    MemberGroup::join_by_external_commit(&carol, &material, None, issuers, rng, now_ms())
        .unwrap_err();
}

/// PROTO-ST-4, AMB-ST-1: the hub's entry among the external senders stays what it was, its key too:
/// whoever could put in another one would speak for the hub.
#[test]
fn the_hub_keeps_its_key() {
    use openmls::extensions::Extension::ExternalSenders;
    let sender = |seed: u8| {
        let domain = Domain::new("a.example").unwrap();
        HubKeys::from_seed(domain, [seed; 32]).external_sender().parsed().clone()
    };
    for (senders, is_fine) in [
        (vec![sender(5)], true),
        (vec![sender(5), sender(6)], true),
        (vec![sender(6)], false),
        (vec![sender(6), sender(5)], false),
    ] {
        let mut room = Room::new();
        let mut extensions = room.bob.group.extensions().clone();
        extensions.add_or_replace(ExternalSenders(senders)).unwrap();
        let bundle = room.commit_extensions(extensions);
        let commit = bundle.commit.clone();
        let staged = room.hub.stage(&UpdateRequest::Commit(bundle), &room.issuers, now_ms());
        let kind = FanoutKind::Commit { external_proposals: Vec::new() };
        let event = FanoutMessage { timestamp: now_ms(), message: commit, kind };
        let received = room.alice.receive(&event, &room.issuers, now_ms());
        assert_eq!((staged.is_ok(), received.is_ok()), (is_fine, is_fine));
    }
}
