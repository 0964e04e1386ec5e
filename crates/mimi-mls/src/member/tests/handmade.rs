//! Handshakes put together octet by octet, properly signed and tagged: what a member with a library
//! of its own could send. The library refuses to make most of them.

use mimi_wire::codec::Writer;
use mimi_wire::mls::MlsMessage;
use mimi_wire::protocol::notify::{FanoutKind, FanoutMessage};
use mimi_wire::protocol::update::{ProposalBundle, UpdateRequest};
use openmls::prelude::OpenMlsCrypto as _;
use openmls_traits::types::HashType;
use tls_codec::Serialize as _;

use super::*;
use crate::framing::PublicFrame;
use crate::pieces::Piece;

/// `authenticated_data` with nothing to say.
pub(super) const NOTHING: &[u8] = &[0];
/// Version and wire format of a PublicMessage.
const HEADER: [u8; 4] = [0, 1, 0, 1];
const SHA256_OCTETS: usize = 32;
const PROPOSAL: u8 = 2;
const COMMIT: u8 = 3;

/// A proposal by its type and content.
pub(super) fn proposal(kind: u16, content: &[u8]) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.u16(kind);
    writer.raw(content);
    writer.into_octets()
}

/// AppDataUpdate: a new value, or `None` to remove it.
pub(super) fn app_data(id: u16, value: Option<&[u8]>) -> Vec<u8> {
    let update = match value {
        Some(value) => AppDataUpdateProposal::update(id, value.to_vec()),
        None => AppDataUpdateProposal::remove(id),
    };
    proposal(8, &update.tls_serialize_detached().unwrap())
}

pub(super) const SELF_REMOVE: &[u8] = &[0, 10];

/// `Commit.proposals` of inline proposals.
fn proposals_of(listed: &[Vec<u8>]) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.vector(listed, |writer, proposal| {
        writer.u8(1);
        writer.raw(proposal);
    });
    writer.into_octets()
}

/// Who sends it: the octets of `Sender`.
pub(super) fn member(leaf: u32) -> Vec<u8> {
    [&[1][..], &leaf.to_be_bytes()].concat()
}

pub(super) fn external_sender() -> Vec<u8> {
    vec![2, 0, 0, 0, 0]
}

pub(super) const NEW_MEMBER_PROPOSAL: &[u8] = &[3];

impl Room {
    /// The start of a message, up to where its signature follows.
    pub(super) fn content(&self, sender: &[u8], aad: &[u8], kind: u8, body: &[u8]) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.raw(&HEADER);
        writer.opaque(self.hub.group_id());
        writer.u64(self.hub.view().epoch);
        writer.raw(sender);
        writer.opaque(aad);
        writer.u8(kind);
        writer.raw(body);
        writer.into_octets()
    }

    fn context(&self) -> Vec<u8> {
        let context = self.bob.group.public_group().group_context();
        context.tls_serialize_detached().unwrap()
    }

    /// The epoch's membership key, from what bob has stored: behind the number of epochs kept, no
    /// past epoch, and the sender data secret. `a_handmade_proposal_is_as_good_as_any` breaks if
    /// that changes.
    fn membership_key(&self) -> Vec<u8> {
        let all = self.bob.pieces.all();
        let secrets = all.iter().find(|(key, _)| key[0] == Piece::MessageSecrets as u8);
        let octets = &secrets.unwrap().1;
        assert_eq!((octets[1], octets[2]), (0, 32), "no past epoch, then a secret of 32 octets");
        octets[2 + 33 + 1..][..SHA256_OCTETS].to_vec()
    }

    /// A message of bob's: signed, tagged, with any confirmation tag.
    fn of_bob(&self, kind: u8, aad: &[u8], body: &[u8]) -> MlsMessage {
        let content = self.content(&member(self.bob.own_leaf()), aad, kind, body);
        let mut tag = Writer::default();
        if kind == COMMIT {
            tag.opaque(&[7; SHA256_OCTETS]);
        }
        self.finished_by_bob(&content, &tag.into_octets())
    }

    /// Signature, confirmation tag and membership tag behind a content.
    fn finished_by_bob(&self, content: &[u8], confirmation_tag: &[u8]) -> MlsMessage {
        let signed = [content, &self.context()].concat();
        let mut auth = Writer::default();
        auth.opaque(&self.bob_device.signer().sign_with_label("FramedContentTBS", &signed));
        auth.raw(confirmation_tag);
        let auth = auth.into_octets();
        let tagged = [signed.as_slice(), &auth].concat();
        let key = self.membership_key();
        let tag = self.bob.crypto.hmac(HashType::Sha2_256, &key, &tagged).unwrap();
        let mut message = Writer::default();
        message.raw(content);
        message.raw(&auth);
        message.opaque(tag.as_slice());
        MlsMessage::decode(&message.into_octets()).unwrap()
    }

    pub(super) fn proposal_of_bob(&self, aad: &[u8], proposal: &[u8]) -> MlsMessage {
        self.of_bob(PROPOSAL, aad, proposal)
    }

    /// A commit of bob's without a path and with a confirmation tag that is none: what is in it is
    /// looked at before.
    pub(super) fn commit_of_bob(&self, aad: &[u8], listed: &[Vec<u8>]) -> MlsMessage {
        self.of_bob(COMMIT, aad, &[proposals_of(listed), vec![0]].concat())
    }

    /// A commit of bob's with more listed than he has built it with.
    pub(super) fn commit_of_bob_with(&self, commit: &MlsMessage, more: &[Vec<u8>]) -> MlsMessage {
        let (content, after) = with_more(commit, more);
        self.finished_by_bob(&content, &after[..1 + SHA256_OCTETS])
    }

    /// A proposal from outside, signed by anybody.
    pub(super) fn proposal_from(
        &self,
        sender: &[u8],
        aad: &[u8],
        proposal: &[u8],
        sign: impl FnOnce(&[u8]) -> Vec<u8>,
    ) -> MlsMessage {
        let mut content = self.content(sender, aad, PROPOSAL, proposal);
        let mut signature = Writer::default();
        signature.opaque(&sign(&content));
        content.extend(signature.into_octets());
        MlsMessage::decode(&content).unwrap()
    }

    pub(super) fn proposal_of_hub(&self, aad: &[u8], proposal: &[u8]) -> MlsMessage {
        let sign = |octets: &[u8]| hub_keys().sign_with_label("FramedContentTBS", octets);
        self.proposal_from(&external_sender(), aad, proposal, sign)
    }

    /// What the hub says to a standalone proposal.
    pub(super) fn hub_on(&self, proposal: &MlsMessage) -> Result<StagedUpdate, StageError> {
        let bundle = ProposalBundle { proposal: proposal.clone(), more_proposals: Vec::new() };
        self.hub.stage(&UpdateRequest::Proposals(bundle), &self.issuers, now_ms())
    }

    /// What alice says to it.
    pub(super) fn alice_on(
        &mut self,
        proposal: &MlsMessage,
    ) -> Result<super::super::Received, ReceiveError> {
        let kind = FanoutKind::Proposal { more_proposals: Vec::new() };
        let event = FanoutMessage { timestamp: now_ms(), message: proposal.clone(), kind };
        self.alice.receive(&event, &self.issuers, now_ms())
    }

    /// Why hub and alice refuse a commit whose contents are at fault; alice freezes.
    pub(super) fn both_on_commit(&mut self, commit: &MlsMessage) -> (String, String) {
        let group_info = GroupInfoOption::Full(self.hub.group_info().clone());
        let bundle = CommitBundle {
            commit: commit.clone(),
            welcome: None,
            group_info,
            ratchet_tree: RatchetTreeOption::DistributionService,
        };
        let hub = self.refuses(bundle);
        let kind = FanoutKind::Commit { external_proposals: Vec::new() };
        let event = FanoutMessage { timestamp: now_ms(), message: commit.clone(), kind };
        let alice = match self.alice.receive(&event, &self.issuers, now_ms()) {
            Err(ReceiveError::Stage(error)) => error.to_string(),
            other => panic!("alice: {other:?}"),
        };
        (hub, alice)
    }
}

/// A commit with more listed, up to where its signature follows; and what followed the old one.
pub(super) fn with_more<'a>(commit: &'a MlsMessage, more: &[Vec<u8>]) -> (Vec<u8>, &'a [u8]) {
    let octets = commit.octets();
    let signed = PublicFrame::parse(commit).unwrap().signed.len();
    let mut reader = Reader::new(octets);
    reader.array::<4>("header").unwrap();
    reader.opaque(100, "group_id").unwrap();
    reader.u64("epoch").unwrap();
    if reader.u8("sender_type").unwrap() == 1 {
        reader.u32("leaf_index").unwrap();
    }
    reader.opaque(100, "aad").unwrap();
    reader.u8("content_type").unwrap();
    let before = reader.offset();
    let listed = reader.opaque(10_000, "proposals").unwrap();
    let more = proposals_of(more);
    let more = Reader::new(&more).opaque(10_000, "proposals").unwrap().to_vec();
    let mut content = Writer::default();
    content.raw(&octets[..before]);
    content.opaque(&[listed, &more].concat());
    content.raw(&octets[reader.offset()..signed]);
    (content.into_octets(), &octets[signed + SIGNATURE_OCTETS..])
}

/// The hub of these rooms.
pub(super) fn hub_keys() -> HubKeys {
    HubKeys::from_seed(Domain::new("a.example").unwrap(), [5; 32])
}

/// The reference of a proposal.
pub(super) fn reference(message: &MlsMessage) -> Vec<u8> {
    PublicFrame::parse(message).unwrap().proposal_ref(leaf::SUITE).unwrap()
}

/// The others here mean something: what is made by hand is taken by everybody where it is right, and
/// a commit that is right but for its confirmation tag gets as far as that.
#[test]
fn a_handmade_proposal_is_as_good_as_any() {
    let mut room = Room::new();
    let remove = proposal(3, &0_u32.to_be_bytes());
    let of_bob = room.proposal_of_bob(NOTHING, &remove);
    let of_hub = room.proposal_of_hub(NOTHING, &remove);
    for message in [&of_bob, &of_hub] {
        room.hub_on(message).unwrap();
        room.alice_on(message).unwrap();
    }
    let mut room = Room::new();
    let name = app_data(ROOM_METADATA, Some(&metadata("One").encode()));
    let commit = room.commit_of_bob(NOTHING, &[name]);
    let bundle = CommitBundle {
        commit: commit.clone(),
        welcome: None,
        group_info: GroupInfoOption::Full(room.hub.group_info().clone()),
        ratchet_tree: RatchetTreeOption::DistributionService,
    };
    let refused = room.refuses(bundle);
    assert!(refused.contains("GroupInfo is not of the epoch"), "{refused}");
    let kind = FanoutKind::Commit { external_proposals: Vec::new() };
    let event = FanoutMessage { timestamp: now_ms(), message: commit, kind };
    let received = room.alice.receive(&event, &room.issuers, now_ms());
    let Err(ReceiveError::RejoinNeeded(reason)) = received else { panic!("{received:?}") };
    assert!(reason.contains("confirmation tag"), "{reason}");
}
