//! Rooms and MLS objects for tests: well formed, nothing in them is signed. Shared with the
//! simulation, which includes this file.

use mimi_policy::{
    Actor, Allowed, ClientIdentity, ClientView, ProposedChange, RoomView, StagedChange,
    StagedProposal, preset::Preset,
};
use mimi_wire::codec::Writer;
use mimi_wire::component::JOIN_LINKS;
use mimi_wire::mls::{Credential, KeyPackage, MlsMessage, RatchetTree, RequiredCapabilities};
use mimi_wire::protocol::CipherSuite;
use mimi_wire::protocol::key_material::{KeyMaterialRequest, KeyMaterialRequestTbs};
use mimi_wire::protocol::ratchet_tree::{
    GroupInfoOption, PartialGroupInfo, RatchetTreeOption, RatchetTreePresence,
};
use mimi_wire::protocol::update::{CommitBundle, ProposalBundle, UpdateRequest};
use mimi_wire::room::join_links::JoinLinksData;
use mimi_wire::room::metadata::RoomMetadata;
use mimi_wire::room::participant_list::{
    ParticipantListData, ParticipantListUpdate, UserIndexRolePair, UserRolePair,
};
use mimi_wire::room::preauth::PreAuthData;
use mimi_wire::{Domain, MimiUri, Wire};

pub(crate) const GROUP: &[u8] = b"mimi://a.example/g/1";
pub(crate) const NOW: u64 = 1_700_000_000_000;

pub(crate) fn domain(name: &str) -> Domain {
    Domain::new(name).unwrap()
}

pub(crate) fn uri(text: &str) -> MimiUri {
    MimiUri::new(text).unwrap()
}

pub(crate) fn room_uri() -> MimiUri {
    uri("mimi://a.example/r/1")
}

/// `a/alice` is `mimi://a.example/u/alice`.
pub(crate) fn user(short: &str) -> MimiUri {
    let (host, name) = short.split_once('/').unwrap();
    uri(&format!("mimi://{host}.example/u/{name}"))
}

/// `a/alice/phone` is `mimi://a.example/d/alice/phone`.
pub(crate) fn client(short: &str) -> MimiUri {
    let (host, rest) = short.split_once('/').unwrap();
    uri(&format!("mimi://{host}.example/d/{rest}"))
}

/// The identity of `a/alice/phone`.
pub(crate) fn identity(short: &str) -> ClientIdentity {
    let (user_short, _) = short.rsplit_once('/').unwrap();
    ClientIdentity { user: user(user_short), client: client(short), claims: Vec::new() }
}

/// A cooperative room at a.example: the first client's user administers it, the others take part.
pub(crate) fn room(clients: &[&str]) -> RoomView {
    let mut view = RoomView {
        epoch: 0,
        participants: ParticipantListData::default(),
        roles: Preset::Cooperative.roles(),
        metadata: RoomMetadata {
            room_uri: room_uri(),
            room_name: "Tea".into(),
            room_descriptions: Vec::new(),
            room_avatar: String::new(),
            room_subject: String::new(),
            room_mood: String::new(),
        },
        preauth: PreAuthData::default(),
        base_policy: None,
        other_components: std::collections::BTreeMap::new(),
        clients: Vec::new(),
    };
    for (leaf, short) in (0..).zip(clients) {
        let ClientIdentity { user, client, .. } = identity(short);
        let role_index = match leaf {
            0 => Preset::Cooperative.creator_role(),
            _ => Preset::Cooperative.ordinary_role(),
        };
        if view.role_index_of(&user).is_none() {
            view.participants.participants.push(UserRolePair { user: user.clone(), role_index });
        }
        view.clients.push(ClientView { leaf, user, client });
    }
    view
}

/// The member whose client is `a/alice/phone`.
pub(crate) fn member(view: &RoomView, short: &str) -> Actor {
    let client = client(short);
    let view = view.clients.iter().find(|known| known.client == client).unwrap();
    Actor::Member { leaf: view.leaf, user: view.user.clone() }
}

pub(crate) fn leaf(view: &RoomView, short: &str) -> u32 {
    match member(view, short) {
        Actor::Member { leaf, .. } => leaf,
        _ => unreachable!("a member"),
    }
}

pub(crate) fn index(view: &RoomView, user: &MimiUri) -> u32 {
    let listed = &view.participants.participants;
    u32::try_from(listed.iter().position(|pair| pair.user == *user).unwrap()).unwrap()
}

pub(crate) fn listed(user: MimiUri) -> ProposedChange {
    let role_index = Preset::Cooperative.ordinary_role();
    ProposedChange::ParticipantList(ParticipantListUpdate {
        added_participants: vec![UserRolePair { user, role_index }],
        ..ParticipantListUpdate::default()
    })
}

pub(crate) fn unlisted(view: &RoomView, user: &MimiUri) -> ProposedChange {
    ProposedChange::ParticipantList(ParticipantListUpdate {
        removed_indices: vec![index(view, user)],
        ..ParticipantListUpdate::default()
    })
}

pub(crate) fn role_change(view: &RoomView, user: &MimiUri, role_index: u32) -> ProposedChange {
    let user_index = index(view, user);
    ProposedChange::ParticipantList(ParticipantListUpdate {
        changed_role_participants: vec![UserIndexRolePair { user_index, role_index }],
        ..ParticipantListUpdate::default()
    })
}

/// A commit whose proposals all stand inline.
pub(crate) fn commit(
    view: &RoomView,
    committer: Actor,
    changes: Vec<ProposedChange>,
) -> StagedChange {
    let inline = |change| StagedProposal { sender: committer.clone(), reference: None, change };
    let proposals = changes.into_iter().map(inline).collect();
    StagedChange { epoch: view.epoch, committer: Some(committer), proposals }
}

/// Standalone proposals, with references made of a seed.
pub(crate) fn proposals(
    view: &RoomView,
    sender: &Actor,
    seed: u8,
    changes: Vec<ProposedChange>,
) -> StagedChange {
    let numbered = (0u8..).zip(changes);
    let proposals = numbered
        .map(|(position, change)| StagedProposal {
            sender: sender.clone(),
            reference: Some(vec![seed, position]),
            change,
        })
        .collect();
    StagedChange { epoch: view.epoch, committer: None, proposals }
}

pub(crate) fn references(change: &StagedChange) -> Vec<Vec<u8>> {
    change.proposals.iter().filter_map(|proposal| proposal.reference.clone()).collect()
}

/// The room once a commit is merged, as MLS and the judge would have it.
pub(crate) fn after(view: &RoomView, change: &StagedChange, allowed: &Allowed) -> RoomView {
    let mut after = view.clone();
    after.epoch += 1;
    after.participants = allowed.participants().clone();
    for proposal in &change.proposals {
        match (&proposal.change, &proposal.sender) {
            (ProposedChange::RemoveClient(leaf), _)
            | (ProposedChange::SelfRemove, Actor::Member { leaf, .. }) => {
                after.clients.retain(|client| client.leaf != *leaf);
            }
            (ProposedChange::AddClient(new) | ProposedChange::ExternalJoin(new), _) => {
                let taken = |leaf: &u32| after.clients.iter().any(|client| client.leaf == *leaf);
                let leaf = (0..).find(|leaf| !taken(leaf)).unwrap();
                let (user, client) = (new.user.clone(), new.client.clone());
                after.clients.push(ClientView { leaf, user, client });
                after.clients.sort_by_key(|client| client.leaf);
            }
            (ProposedChange::BasePolicy(policy), _) => after.base_policy = Some(policy.clone()),
            (ProposedChange::JoinLinks(update), _) => {
                let links = after.other_components.get(&JOIN_LINKS);
                let links = links.map(|octets| JoinLinksData::decode(octets).unwrap());
                let links = links.unwrap_or_default().updated(update).unwrap();
                after.other_components.insert(JOIN_LINKS, links.encode());
            }
            _ => {}
        }
    }
    after
}

fn framed(wire_format: u16, body: impl FnOnce(&mut Writer)) -> MlsMessage {
    let mut writer = Writer::default();
    writer.u16(1);
    writer.u16(wire_format);
    body(&mut writer);
    MlsMessage::decode(&writer.into_octets()).unwrap()
}

/// A PrivateMessage with application content.
pub(crate) fn application(epoch: u64, ciphertext: &[u8]) -> MlsMessage {
    framed(2, |writer| {
        writer.opaque(GROUP);
        writer.u64(epoch);
        writer.u8(1);
        writer.opaque(&[0]);
        writer.opaque(b"sender data");
        writer.opaque(ciphertext);
    })
}

fn public(
    epoch: u64,
    leaf: u32,
    content_type: u8,
    content: impl FnOnce(&mut Writer),
) -> MlsMessage {
    framed(1, |writer| {
        writer.opaque(GROUP);
        writer.u64(epoch);
        writer.u8(1);
        writer.u32(leaf);
        writer.opaque(&[0]);
        writer.u8(content_type);
        content(writer);
    })
}

/// A PublicMessage with a Remove proposal. The marker tells it from others.
pub(crate) fn proposal_message(epoch: u64, leaf: u32, marker: &[u8]) -> MlsMessage {
    public(epoch, leaf, 2, |writer| {
        writer.u16(3);
        writer.u32(7);
        writer.opaque(marker);
        writer.opaque(&[0; 32]);
    })
}

fn commit_message(epoch: u64, leaf: u32, marker: &[u8]) -> MlsMessage {
    public(epoch, leaf, 3, |writer| {
        writer.opaque(&[]);
        writer.u8(0);
        writer.opaque(marker);
        writer.opaque(&[0; 32]);
        writer.opaque(&[0; 32]);
    })
}

/// A Welcome for one KeyPackageRef.
pub(crate) fn welcome_message(reference: &[u8]) -> MlsMessage {
    framed(3, |writer| {
        writer.u16(1);
        let mut secrets = Writer::default();
        secrets.opaque(reference);
        secrets.opaque(b"kem");
        secrets.opaque(b"ciphertext");
        writer.opaque(&secrets.into_octets());
        writer.opaque(b"group info");
    })
}

/// A tree of one blank leaf.
pub(crate) fn ratchet_tree() -> RatchetTree {
    RatchetTree::decode(&[1, 0]).unwrap()
}

/// A commit as the request it comes in.
pub(crate) fn commit_request(epoch: u64, marker: &[u8]) -> UpdateRequest {
    UpdateRequest::Commit(CommitBundle {
        commit: commit_message(epoch, 0, marker),
        welcome: None,
        group_info: GroupInfoOption::Partial(PartialGroupInfo {
            ratchet_tree_presence: RatchetTreePresence::NoRatchetTree,
            group_info_extensions: Vec::new(),
            signature: vec![1; 64],
        }),
        ratchet_tree: RatchetTreeOption::DistributionService,
    })
}

/// A bundle of proposals as the request it comes in.
pub(crate) fn proposal_request(epoch: u64, marker: &[u8], count: usize) -> UpdateRequest {
    let message = |position: usize| {
        let number = u32::try_from(position).unwrap();
        proposal_message(epoch, number, marker)
    };
    UpdateRequest::Proposals(ProposalBundle {
        proposal: message(0),
        more_proposals: (1..count).map(message).collect(),
    })
}

/// A request of a user for another's key material.
pub(crate) fn key_material_request(
    requester: &str,
    target: &str,
    room_id: Option<MimiUri>,
    suites: &[CipherSuite],
) -> KeyMaterialRequest {
    KeyMaterialRequest {
        tbs: KeyMaterialRequestTbs {
            requesting_user: user(requester),
            target_user: user(target),
            room_id,
            acceptable_ciphersuites: suites.to_vec(),
            required_capabilities: RequiredCapabilities::decode(&[0, 0, 0]).unwrap(),
            requester_signature_key: vec![1; 32],
            requester_credential: Credential::decode(&[0, 1, 1, b'x']).unwrap(),
        },
        signature: vec![2; 64],
    }
}

/// A KeyPackage. The marker tells it from others.
pub(crate) fn key_package(marker: &[u8]) -> KeyPackage {
    let mut writer = Writer::default();
    writer.u16(1);
    writer.u16(1);
    writer.opaque(marker);
    // The leaf node: keys, credential, capabilities, lifetime, extensions, signature.
    writer.opaque(&[3; 32]);
    writer.opaque(&[4; 32]);
    writer.u16(1);
    writer.opaque(b"x");
    for _ in 0..5 {
        writer.opaque(&[]);
    }
    writer.u8(1);
    writer.u64(0);
    writer.u64(u64::MAX);
    writer.opaque(&[]);
    writer.opaque(&[5; 64]);
    // The KeyPackage's own extensions and signature.
    writer.opaque(&[]);
    writer.opaque(&[6; 64]);
    KeyPackage::decode(&writer.into_octets()).unwrap()
}
