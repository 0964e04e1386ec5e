use mimi_wire::component::{FRANKING_AGENT, SAFE_AAD};
use mimi_wire::content::ExtensionKey;
use mimi_wire::media::MediaType;
use mimi_wire::protocol::notify::FanoutKind;
use mimi_wire::protocol::submit_message::SubmitMessageResponse;

use super::*;
use crate::fixture::{NOW, member, proposals, room_uri, uri, user};
use crate::hub::fixture::{Hub, appended, fanout, peer};

const MEMBERS: &[&str] = &["a/alice/phone", "b/bob/phone"];
const SUITE: CipherSuite = 1;

/// Signs with a hash: whether a signature is good is for others to test.
#[derive(Debug)]
pub(crate) struct HashAgent;

impl FrankingAgent for HashAgent {
    fn component(&self) -> Vec<u8> {
        b"agent".to_vec()
    }

    fn signs_for(&self, suite: CipherSuite) -> bool {
        suite == SUITE
    }

    fn sign(&self, tbs: &[u8]) -> Vec<u8> {
        crate::saved::sha256(&[b"a private key", tbs].concat()).to_vec()
    }

    fn verifies(&self, suite: CipherSuite, tbs: &[u8], signature: &[u8]) -> bool {
        suite == SUITE && self.sign(tbs) == signature
    }
}

pub(crate) fn hub_keys(keys: &[(u64, u8)]) -> HubKeyRing {
    let key = |&(from_ms, octet)| HubKey { from_ms, secret: Zeroizing::new([octet; 32]) };
    HubKeyRing::new(keys.iter().map(key).collect())
}

/// A text with what commits its sender, framed or not.
pub(crate) fn application_data(
    sender: &MimiUri,
    room: &MimiUri,
    text: &str,
    framed: bool,
) -> Vec<u8> {
    let content = MimiContent::text([5; 16], sender, room, text).encode().unwrap();
    match framed {
        false => content,
        true => ApplicationFraming {
            media_type: MediaType::default(),
            inner_application_content: content,
        }
        .encode(),
    }
}

fn tag_of(application_data: &[u8]) -> [u8; 32] {
    FrankAad::compute(&[5; 16], application_data).franking_tag
}

fn franking_room() -> Hub {
    let mut hub = Hub::new(MEMBERS);
    hub.view.other_components.insert(SAFE_AAD, vec![2, 0, 0x20]);
    hub.view.other_components.insert(FRANKING_AGENT, HashAgent.component());
    hub
}

/// What the hub answers to bob's message with this authenticated data.
fn submitted(hub: &mut Hub, keys: &HubKeyRing, aad: &[u8], text: &[u8]) -> Option<Frank> {
    let franking =
        Franking { agent: &HashAgent, hub_keys: keys, suite: SUITE, authenticated_data: aad };
    let transition =
        hub.submit_franked(&peer("b.example"), "b/bob", 0, text, Some(franking)).unwrap();
    let SubmitMessageResponse::Accepted { frank, .. } = transition.reply.clone() else {
        panic!("not accepted")
    };
    if let [event] = appended(&transition)[..] {
        assert_eq!(fanout(event).kind, FanoutKind::Application { frank: frank.clone() });
        // FRANK-6: who sent it is nowhere in what goes out.
        let sender = user("b/bob");
        let name = sender.as_bytes();
        assert!(!event.payload.windows(name.len()).any(|octets| octets == name));
    }
    frank
}

/// A message that this hub has franked.
pub(crate) fn franked(
    keys: &HubKeyRing,
    sender: &MimiUri,
    room: &MimiUri,
    message_content: Vec<u8>,
    accepted_timestamp: u64,
) -> AbusiveMessage {
    let mut view = franking_room().view;
    view.metadata.room_uri = room.clone();
    let aad = SafeAad::frank(tag_of(&message_content)).encode();
    let franking =
        Franking { agent: &HashAgent, hub_keys: keys, suite: SUITE, authenticated_data: &aad };
    let frank = franking.frank(&view, sender, accepted_timestamp).unwrap().unwrap();
    AbusiveMessage { message_content, frank, accepted_timestamp }
}

fn evidence<'a>(
    keys: &'a HubKeyRing,
    room: &'a MimiUri,
    alleged_abuser: &'a MimiUri,
) -> Evidence<'a> {
    Evidence { agent: &HashAgent, hub_keys: keys, room, is_framed: true, alleged_abuser }
}

/// PROTO-SUB-5, FRANK-3, FRANK-4, FRANK-6: with tag and agent there is a frank, in the answer and in
/// the fanout; a repeat gets the very same, whatever key there is by then.
#[test]
fn an_accepted_message_is_franked() {
    let mut hub = franking_room();
    let keys = hub_keys(&[(0, 1)]);
    let content = application_data(&user("b/bob"), &room_uri(), "hello", true);
    let aad = SafeAad::frank(tag_of(&content)).encode();
    let frank = submitted(&mut hub, &keys, &aad, b"hello").unwrap();
    assert_eq!(frank.franking_signature_ciphersuite, SUITE);
    let reported =
        AbusiveMessage { message_content: content, frank: frank.clone(), accepted_timestamp: NOW };
    let (room, bob) = (room_uri(), user("b/bob"));
    let verdict = evidence(&keys, &room, &bob).verdict(&reported);
    assert_eq!(verdict, Verdict::Proven { sender: bob });
    hub.now_ms += 5;
    let other_keys = hub_keys(&[(0, 9)]);
    assert_eq!(submitted(&mut hub, &other_keys, &aad, b"hello"), Some(frank));
}

/// FRANK-4: nothing is franked without tag, agent or SafeAAD, or for another agent than ours.
#[test]
fn what_is_not_franked() {
    let keys = hub_keys(&[(0, 1)]);
    let with_tag = SafeAad::frank([7; 32]).encode();
    let no_tag = SafeAad::default().encode();
    assert_eq!(submitted(&mut franking_room(), &keys, &no_tag, b"x"), None);
    for id in [SAFE_AAD, FRANKING_AGENT] {
        let mut hub = franking_room();
        hub.view.other_components.remove(&id);
        assert_eq!(submitted(&mut hub, &keys, &with_tag, b"x"), None);
    }
    let mut hub = franking_room();
    hub.view.other_components.insert(FRANKING_AGENT, b"somebody else".to_vec());
    assert_eq!(submitted(&mut hub, &keys, &with_tag, b"x"), None);
    assert_eq!(submitted(&mut franking_room(), &hub_keys(&[]), &with_tag, b"x"), None);
    // FRANK-5: a group of another signature scheme.
    let franking =
        Franking { agent: &HashAgent, hub_keys: &keys, suite: 2, authenticated_data: &with_tag };
    assert_eq!(franking.frank(&franking_room().view, &user("b/bob"), NOW), Ok(None));
    assert!(submitted(&mut franking_room(), &keys, &with_tag, b"x").is_some());
}

/// AMB-FRK-13: in a room with `safe_aad` the authenticated data is a SafeAAD, and its item is a tag.
#[test]
fn other_authenticated_data_is_malformed() {
    let hub = franking_room();
    let keys = hub_keys(&[(0, 1)]);
    for aad in [&b""[..], b"free text", &[4, 0, 0x20, 1, 7]] {
        let franking =
            Franking { agent: &HashAgent, hub_keys: &keys, suite: SUITE, authenticated_data: aad };
        let refused = franking.frank(&hub.view, &user("b/bob"), NOW);
        assert!(matches!(refused, Err(Reject::Malformed(_))), "{refused:?}");
    }
}

/// FRANK-7, FRANK-10: nobody makes a room name another agent, and so no agent's key is exchanged; to
/// name ours where there is none, or none, is for the room.
#[test]
fn a_room_names_no_other_agent() {
    let view = franking_room().view;
    let alice = member(&view, "a/alice/phone");
    let asks = |change| check_agent(&proposals(&view, &alice, 1, vec![change]), b"agent");
    let named = |octets: &[u8]| ProposedChange::OtherComponent(FRANKING_AGENT, octets.to_vec());
    assert_eq!(asks(named(b"agent")), Ok(()));
    assert_eq!(asks(ProposedChange::RemoveComponent(FRANKING_AGENT)), Ok(()));
    assert!(matches!(asks(named(b"another")), Err(Reject::NotAllowed(_))));
}

/// FRANK-11, AMB-FRK-10: an old message is proven by the key of its time, and by no other.
#[test]
fn old_keys_prove_old_messages() {
    let (room, bob) = (room_uri(), user("b/bob"));
    let content = application_data(&bob, &room, "long ago", true);
    let first = hub_keys(&[(0, 1)]);
    let old = franked(&first, &bob, &room, content.clone(), NOW);
    let rotated_ms = NOW + 10 * HUB_KEY_OVERLAP_MS;
    let both = hub_keys(&[(rotated_ms, 2), (0, 1)]);
    let proven = Verdict::Proven { sender: bob.clone() };
    assert_eq!(evidence(&both, &room, &bob).verdict(&old), proven);
    let new = franked(&both, &bob, &room, content.clone(), rotated_ms);
    assert_eq!(evidence(&both, &room, &bob).verdict(&new), proven);
    // The old key, should it have leaked, is good for the past only.
    let late = rotated_ms + HUB_KEY_OVERLAP_MS;
    let forged = franked(&first, &bob, &room, content.clone(), late);
    assert_eq!(
        evidence(&both, &room, &bob).verdict(&forged),
        Verdict::NotProven(Fault::ForgedContent)
    );
    // A room's clock may have been ahead of ours when the key changed.
    let ahead = franked(&first, &bob, &room, content.clone(), late - 1);
    assert_eq!(evidence(&both, &room, &bob).verdict(&ahead), proven);
    // The new key is not for the past.
    let backdated = franked(&hub_keys(&[(0, 2)]), &bob, &room, content, rotated_ms - 1);
    assert!(matches!(evidence(&both, &room, &bob).verdict(&backdated), Verdict::NotProven(_)));
    let none = hub_keys(&[(rotated_ms, 2)]);
    let verdict = evidence(&none, &room, &bob).verdict(&old);
    assert_eq!(verdict, Verdict::NotProven(Fault::UnknownKey));
}

/// PROTO-ABU-2, AMB-ABU-4: each kind of fault has its name.
#[test]
fn why_a_message_is_not_proven() {
    let (room, bob, alice) = (room_uri(), user("b/bob"), user("a/alice"));
    let keys = hub_keys(&[(0, 1)]);
    let content = |sender: &MimiUri, text: &str| application_data(sender, &room, text, true);
    let good = franked(&keys, &bob, &room, content(&bob, "hello"), NOW);
    let fault = |message: &AbusiveMessage, abuser: &MimiUri| match evidence(&keys, &room, abuser)
        .verdict(message)
    {
        Verdict::NotProven(fault) => fault,
        Verdict::Proven { .. } => panic!("proven"),
    };
    let edited = AbusiveMessage { message_content: content(&bob, "hellO"), ..good.clone() };
    assert_eq!(fault(&edited, &bob), Fault::ForgedContent);
    let redated = AbusiveMessage { accepted_timestamp: NOW + 1, ..good.clone() };
    assert_eq!(fault(&redated, &bob), Fault::NeverFranked);
    let reattributed = AbusiveMessage { message_content: content(&alice, "hello"), ..good.clone() };
    assert_eq!(fault(&reattributed, &alice), Fault::NeverFranked);
    assert_eq!(fault(&good, &alice), Fault::OtherSender(bob.clone()));
    let mut resigned = good.clone();
    resigned.frank.franking_integrity_signature[0] ^= 1;
    assert_eq!(fault(&resigned, &bob), Fault::BadSignature);
    let mut other_suite = good.clone();
    other_suite.frank.franking_signature_ciphersuite = 3;
    assert_eq!(fault(&other_suite, &bob), Fault::BadSignature);
    let elsewhere = uri("mimi://a.example/r/2");
    let there = evidence(&keys, &elsewhere, &bob).verdict(&good);
    assert_eq!(there, Verdict::NotProven(Fault::OtherRoom));
    let garbled = AbusiveMessage { message_content: b"garbled".to_vec(), ..good.clone() };
    assert!(matches!(fault(&garbled, &bob), Fault::Unreadable(_)));
    // Whoever names itself as somebody else has franked its own lie as itself (PROTO-SUB-6).
    let lie = franked(&keys, &bob, &room, content(&alice, "I am alice"), NOW);
    assert_eq!(fault(&lie, &alice), Fault::NeverFranked);
}

/// FRANK-1: without salt, sender and room nothing can be rebuilt.
#[test]
fn content_without_what_it_commits_to_proves_nothing() {
    let (room, bob) = (room_uri(), user("b/bob"));
    for key in [ExtensionKey::SENDER_URI, ExtensionKey::ROOM_URI] {
        let mut content = MimiContent::text([5; 16], &bob, &room, "hello");
        content.extensions.remove(&key);
        let octets = content.encode().unwrap();
        assert!(matches!(Committed::read(&octets, false), Err(Fault::Unreadable(_))));
    }
}

/// FRANK-2, AMB-FRK-5: framed and unframed content is found either way; the tag is over all of it.
#[test]
fn framing_is_recognised() {
    let (room, bob) = (room_uri(), user("b/bob"));
    let keys = hub_keys(&[(0, 1)]);
    for framed in [false, true] {
        let content = application_data(&bob, &room, "hello", framed);
        let message = franked(&keys, &bob, &room, content, NOW);
        for is_framed in [false, true] {
            let evidence = Evidence { is_framed, ..evidence(&keys, &room, &bob) };
            assert_eq!(evidence.verdict(&message), Verdict::Proven { sender: bob.clone() });
        }
        let reframed = application_data(&bob, &room, "hello", !framed);
        let reframed = AbusiveMessage { message_content: reframed, ..message };
        let verdict = evidence(&keys, &room, &bob).verdict(&reframed);
        assert_eq!(verdict, Verdict::NotProven(Fault::ForgedContent));
    }
}

/// Where chance comes from: the same seed gives the same run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }

    fn octets(&mut self, octets: &mut Vec<u8>) {
        match self.below(4) {
            0 if !octets.is_empty() => octets.truncate(self.below(octets.len())),
            1 => {
                let at = self.below(octets.len() + 1);
                octets.insert(at, u8::try_from(self.below(256)).unwrap());
            }
            2 if !octets.is_empty() => drop(octets.remove(self.below(octets.len()))),
            _ if !octets.is_empty() => {
                let at = self.below(octets.len());
                octets[at] ^= 1 << self.below(8);
            }
            _ => {}
        }
    }
}

/// How many mutations are tried: 4 s of a core. The million takes 37 s; it is run with
/// `TOMBOLO_REPORT_MUTATIONS=1000000`.
const MUTATIONS: usize = 100_000;

/// Forges a report: octets, edits that are well formed, other times, senders and rooms, and parts of
/// other franked messages.
fn mutate(
    message: &mut AbusiveMessage,
    alleged: &mut MimiUri,
    room: &mut MimiUri,
    others: &[(MimiUri, AbusiveMessage)],
    chance: &mut Chance,
) {
    let people = [user("a/alice"), user("b/bob"), user("a/mallory")];
    let rooms = [room_uri(), uri("mimi://a.example/r/2")];
    let (_, other) = &others[chance.below(others.len())];
    match chance.below(14) {
        0 | 1 => chance.octets(&mut message.message_content),
        2 => message.frank.server_frank[chance.below(32)] ^= 1 << chance.below(8),
        3 => chance.octets(&mut message.frank.franking_integrity_signature),
        4 => message.accepted_timestamp ^= 1 << chance.below(64),
        5 => message.frank.franking_signature_ciphersuite ^= 1 << chance.below(16),
        6 => message.frank.clone_from(&other.frank),
        7 => message.message_content.clone_from(&other.message_content),
        8 => message.accepted_timestamp = other.accepted_timestamp,
        9 => {
            let signature = &other.frank.franking_integrity_signature;
            message.frank.franking_integrity_signature.clone_from(signature);
        }
        10 => alleged.clone_from(&people[chance.below(people.len())]),
        11 => room.clone_from(&rooms[chance.below(rooms.len())]),
        12 => message.frank.server_frank = other.frank.server_frank,
        _ => {
            let text = ["hello", "you", "I will", "send money"][chance.below(4)];
            let sender = people[chance.below(people.len())].clone();
            let named = &rooms[chance.below(rooms.len())];
            let framed = chance.below(2) == 0;
            message.message_content = application_data(&sender, named, text, framed);
            if chance.below(2) == 0 {
                *alleged = sender;
            }
        }
    }
}

/// PROTO-ABU-2: of everything that can be made of franked messages, only the messages themselves are
/// ever proven.
#[test]
#[expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "whoever runs it says how much is to be tried, and reads how much was"
)]
fn no_forged_edited_redated_or_reattributed_report_is_proven() {
    let mutations = std::env::var("TOMBOLO_REPORT_MUTATIONS");
    let mutations = mutations.map_or(MUTATIONS, |text| text.parse().unwrap());
    let keys = hub_keys(&[(0, 1), (NOW + 1_000_000, 2), (NOW + 2_000_000, 3)]);
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let mut originals = Vec::new();
    for (index, sender) in (0..).zip(["a/alice", "b/bob"].repeat(4)) {
        let sender = user(sender);
        let text = ["hello", "you", "I will"][usize::try_from(index % 3).unwrap()];
        let content = application_data(&sender, &room_uri(), text, index % 4 < 2);
        let at = NOW + index * 400_000;
        let message = franked(&keys, &sender, &room_uri(), content, at);
        originals.push((sender, message));
    }
    let (mut proven, mut refused) = (0_usize, 0_usize);
    for _ in 0..mutations {
        let (sender, message) = &originals[chance.below(originals.len())];
        let (mut sender, mut message, mut room) = (sender.clone(), message.clone(), room_uri());
        for _ in 0..=chance.below(3) {
            mutate(&mut message, &mut sender, &mut room, &originals, &mut chance);
        }
        match evidence(&keys, &room, &sender).verdict(&message) {
            Verdict::NotProven(_) => refused += 1,
            Verdict::Proven { sender: proven_sender } => {
                // It has been mutated back into what was franked.
                assert_eq!((&proven_sender, &room), (&sender, &room_uri()), "{message:?}");
                assert!(originals.contains(&(sender, message.clone())), "{message:?}");
                proven += 1;
            }
        }
    }
    assert_eq!(proven + refused, mutations);
    // Most mutations change something; were nothing ever proven, the test would show nothing.
    assert!(refused > mutations / 2 && proven > 0, "{refused} refused, {proven} proven");
    println!("{mutations} mutations: {refused} not proven, {proven} were no change at all");
}

/// FRANK-4: differences that would cancel each other out are differences.
#[test]
fn tags_are_compared_octet_by_octet() {
    let tag = [7; 32];
    assert!(same(&tag, &tag));
    for (one, other) in [(0, 1), (0, 31), (15, 16)] {
        let mut forged = tag;
        forged[one] ^= 1;
        assert!(!same(&tag, &forged));
        forged[other] ^= 1;
        assert!(!same(&tag, &forged));
    }
}

#[test]
fn keys_are_kept_in_order_and_to_themselves() {
    let ring = hub_keys(&[(2_000, 2), (1_000, 1)]);
    let times: Vec<u64> = ring.keys().iter().map(|key| key.from_ms).collect();
    assert_eq!(times, [1_000, 2_000]);
    assert_eq!(format!("{:?}", ring.keys()[0]), "HubKey { from_ms: 1000, .. }");
}

/// Whoever handles a report reads what is wrong with it.
#[test]
fn faults_are_said_in_words() {
    let said = [Fault::ForgedContent, Fault::BadSignature, Fault::NeverFranked]
        .map(|fault| fault.to_string());
    assert!(said.iter().all(|words| !words.is_empty()), "{said:?}");
    assert!(said[0] != said[1] && said[1] != said[2] && said[0] != said[2], "{said:?}");
}
