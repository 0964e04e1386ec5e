//! Saved state, and events that come late, early or twice.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use mimi_mls::device::Device;
use mimi_mls::hub::HubGroup;
use mimi_mls::member::{CommitPlan, MemberGroup, ReceiveError, Received};
use mimi_mls::roster::Roster;
use mimi_wire::Wire as _;
use mimi_wire::mls::MlsMessage;
use mimi_wire::protocol::notify::FanoutMessage;
use mimi_wire::protocol::update::UpdateRequest;
use tombolo_testkit::{TestMember, TestRoom, now_ms};

/// What a client's database would hold of its groups.
#[derive(Default)]
struct Stored(BTreeMap<String, BTreeMap<Vec<u8>, Vec<u8>>>);

impl Stored {
    /// Stores what changed, then loads everything anew, as after a crash.
    fn restart(&mut self, room: &mut TestRoom) {
        room.hub = HubGroup::restore(&room.hub.snapshot()).unwrap();
        for (name, member) in &mut room.members {
            let stored = self.0.entry(name.clone()).or_default();
            for (key, value) in member.group.take_state_changes() {
                match value {
                    Some(value) => stored.insert(key, value.to_vec()),
                    None => stored.remove(&key),
                };
            }
            let before = member.group.view().clone();
            member.group = MemberGroup::restore(stored.clone().into_iter().collect()).unwrap();
            assert_eq!(member.group.view(), &before, "{name} comes back as it was");
            assert!(member.group.take_state_changes().is_empty());
            member.device = Device::restore(&member.device.snapshot()).unwrap();
        }
        let waiting = room.waiting.iter();
        room.waiting = waiting.map(|it| Device::restore(&it.snapshot()).unwrap()).collect();
    }
}

fn alice_and_bob() -> TestRoom {
    let mut room = TestRoom::of_alice();
    let bob = room.federation.device("b.example", "bob", "phone");
    let plan = room.plan_to_add(vec![bob]);
    room.commit("alice/phone", &plan);
    room
}

fn receive(
    room: &mut TestRoom,
    name: &str,
    event: &FanoutMessage,
) -> Result<Received, ReceiveError> {
    let issuers = room.issuers.clone();
    room.member(name).group.receive(event, &issuers, now_ms())
}

fn text(received: Result<Received, ReceiveError>) -> Vec<u8> {
    match received.unwrap() {
        Received::Application { application_data, .. } => application_data,
        other => panic!("{other:?}"),
    }
}

/// Everybody restarts after every step of a whole life, and nobody notices.
#[test]
fn a_room_lives_through_restarts() {
    let mut stored = Stored::default();
    let mut room = TestRoom::of_alice();
    stored.restart(&mut room);
    let phone = room.federation.device("b.example", "bob", "phone");
    let laptop = room.federation.device("b.example", "bob", "laptop");
    let plan = room.plan_to_add(vec![phone, laptop]);
    stored.restart(&mut room);
    let bundle = room.build("alice/phone", &plan);
    stored.restart(&mut room);
    assert!(room.member("alice/phone").group.has_pending());
    let events = room.submit(&UpdateRequest::Commit(bundle)).unwrap();
    stored.restart(&mut room);
    room.deliver(&events);
    stored.restart(&mut room);
    room.assert_agreement();
    let first = room.message("bob/laptop", b"first");
    stored.restart(&mut room);
    assert_eq!(text(receive(&mut room, "alice/phone", &first)), b"first");
    stored.restart(&mut room);
    assert!(matches!(receive(&mut room, "alice/phone", &first), Ok(Received::Repeat)));
    let tablet = room.federation.device("a.example", "alice", "tablet");
    room.join_externally(tablet);
    stored.restart(&mut room);
    room.assert_agreement();
    let second = room.message("alice/tablet", b"second");
    let TestMember { device, group } = room.member("bob/phone");
    let leave = group.leave(device).unwrap();
    stored.restart(&mut room);
    room.propose(leave);
    stored.restart(&mut room);
    assert_eq!(room.member("alice/tablet").group.pending_change().proposals.len(), 3);
    assert_eq!(room.hub.cached_references().count(), 3);
    room.commit("alice/tablet", &CommitPlan::default());
    stored.restart(&mut room);
    room.assert_agreement();
    assert_eq!(text(receive(&mut room, "alice/phone", &second)), b"second", "from before");
    assert!(!room.member("bob/laptop").group.is_active());
    room.commit("alice/phone", &CommitPlan::default());
    room.assert_agreement();
}

/// A pending commit survives and can be dropped afterwards.
#[test]
fn a_pending_commit_is_saved() {
    let mut stored = Stored::default();
    let mut room = alice_and_bob();
    room.build("bob/phone", &CommitPlan::default());
    stored.restart(&mut room);
    room.member("bob/phone").group.drop_pending().unwrap();
    stored.restart(&mut room);
    assert!(!room.member("bob/phone").group.has_pending());
    room.commit("bob/phone", &CommitPlan::default());
    room.assert_agreement();
}

/// Only what changed is handed out, and what is gone is named.
#[test]
fn changes_are_handed_out_once() {
    let mut room = alice_and_bob();
    let group = &mut room.member("bob/phone").group;
    assert!(!group.take_state_changes().is_empty());
    assert!(group.take_state_changes().is_empty());
    let message = room.message("bob/phone", b"hello");
    assert_eq!(room.member("bob/phone").group.take_state_changes().len(), 1, "a ratchet turned");
    assert!(matches!(receive(&mut room, "bob/phone", &message), Ok(Received::Repeat)));
    assert!(room.member("bob/phone").group.take_state_changes().is_empty());
    room.commit("bob/phone", &CommitPlan::default());
    let changes = room.member("bob/phone").group.take_state_changes();
    assert!(changes.iter().any(|(_, value)| value.is_none()), "keys of the old epoch go");
}

#[test]
fn damaged_state_is_an_error() {
    let mut room = alice_and_bob();
    assert!(MemberGroup::restore(Vec::new()).is_err());
    let changes = room.member("bob/phone").group.take_state_changes();
    let whole: Vec<(Vec<u8>, Vec<u8>)> =
        changes.into_iter().filter_map(|(key, value)| Some((key, value?.to_vec()))).collect();
    MemberGroup::restore(whole.clone()).unwrap();
    let mut newer = whole.clone();
    newer[0].1[0] = 99;
    assert!(MemberGroup::restore(newer).unwrap_err().to_string().contains("version 99"));
    let tree = whole.iter().filter(|(key, _)| key[0] != 5).cloned().collect();
    assert!(MemberGroup::restore(tree).is_err());
    let hub = room.hub.snapshot();
    for snapshot in [&hub[..0], &hub[..hub.len() / 2], &[&[9], &hub[1..]].concat()] {
        assert!(HubGroup::restore(snapshot).is_err());
        assert!(Device::restore(snapshot).is_err());
        assert!(Roster::restore(snapshot).is_err());
    }
}

/// Nothing secret shows in debug output.
#[test]
fn debug_output_is_discreet() {
    let mut room = alice_and_bob();
    let TestMember { device, .. } = room.member("bob/phone");
    let shown = format!("{device:?}");
    let seed = &device.snapshot()[1..33];
    assert!(!shown.contains(&format!("{seed:?}")[1..20]), "{shown}");
    assert!(shown.contains("mimi://b.example/d/bob/phone"));
}

/// The hub's order is kept by buffering what is early; a commit comes as its whole event.
#[test]
fn early_events_are_for_later() {
    let mut room = alice_and_bob();
    let one = room.build("alice/phone", &CommitPlan::default());
    let one = room.submit(&UpdateRequest::Commit(one)).unwrap().remove(0);
    room.member("alice/phone").group.accept_pending().unwrap();
    let two = room.build("alice/phone", &CommitPlan::default());
    let two = room.submit(&UpdateRequest::Commit(two)).unwrap().remove(0);
    room.member("alice/phone").group.accept_pending().unwrap();
    let message = room.message("alice/phone", b"in epoch 3");
    for event in [&two, &message] {
        let received = receive(&mut room, "bob/phone", event);
        assert!(matches!(received, Ok(Received::Future { .. })), "{received:?}");
    }
    for event in [&one, &two] {
        let Ok(Received::Commit(commit)) = receive(&mut room, "bob/phone", event) else {
            panic!("a commit")
        };
        room.member("bob/phone").group.merge(*commit).unwrap();
        assert!(matches!(receive(&mut room, "bob/phone", event), Ok(Received::Repeat)));
    }
    assert_eq!(text(receive(&mut room, "bob/phone", &message)), b"in epoch 3");
    room.assert_agreement();
}

/// Late messages of the last three epochs can be read, older ones are gone.
#[test]
fn late_messages_are_read_for_three_epochs() {
    let mut room = alice_and_bob();
    let old = room.message("alice/phone", b"old");
    let older = room.message("alice/phone", b"older");
    for _ in 0..3 {
        room.commit("bob/phone", &CommitPlan::default());
    }
    assert_eq!(text(receive(&mut room, "bob/phone", &old)), b"old");
    room.commit("bob/phone", &CommitPlan::default());
    let received = receive(&mut room, "bob/phone", &older);
    assert!(matches!(received, Err(ReceiveError::Unreadable(_))), "{received:?}");
}

/// A sender that repeats a failed submission changes the order of its messages a little.
#[test]
fn messages_of_one_sender_may_change_places() {
    let mut room = alice_and_bob();
    let texts: Vec<Vec<u8>> = (0..17).map(|number| vec![number]).collect();
    let messages: Vec<_> = texts.iter().map(|text| room.message("alice/phone", text)).collect();
    for (message, expected) in messages.iter().zip(&texts).rev().take(16) {
        assert_eq!(&text(receive(&mut room, "bob/phone", message)), expected);
    }
}

/// A message nobody in the group has sent changes nothing.
#[test]
fn tampered_messages_are_unreadable() {
    let mut room = alice_and_bob();
    let message = room.message("alice/phone", b"hello");
    let octets = message.message.octets();
    for position in 4..octets.len() {
        let mut tampered = octets.to_vec();
        tampered[position] ^= 1;
        let Ok(tampered) = MlsMessage::decode(&tampered) else { continue };
        let tampered = FanoutMessage { message: tampered, ..message.clone() };
        let received = receive(&mut room, "bob/phone", &tampered);
        let harmless =
            matches!(received, Err(ReceiveError::Unreadable(_)) | Ok(Received::Future { .. }));
        assert!(harmless, "octet {position}: {received:?}");
    }
    assert_eq!(text(receive(&mut room, "bob/phone", &message)), b"hello");
}

/// A commit with a wrong membership tag passes the hub, which cannot tell; members refuse it.
#[test]
fn members_verify_what_the_hub_cannot() {
    let mut room = alice_and_bob();
    let bundle = room.build("alice/phone", &CommitPlan::default());
    let mut octets = bundle.commit.octets().to_vec();
    *octets.last_mut().unwrap() ^= 1;
    let mut event = room.submit(&UpdateRequest::Commit(bundle)).unwrap().remove(0);
    event.message = MlsMessage::decode(&octets).unwrap();
    let received = receive(&mut room, "bob/phone", &event);
    assert!(matches!(received, Err(ReceiveError::RejoinNeeded(_))), "{received:?}");
    assert_eq!(room.member("bob/phone").group.view().epoch, 1);
}

/// A device keeps the private halves of its KeyPackages until they are used, each once.
#[test]
fn a_key_package_is_used_once() {
    let mut room = TestRoom::of_alice();
    let mut bob = room.federation.device("b.example", "bob", "phone");
    let spare = room.federation.key_packages(&mut bob, 2);
    assert_ne!(spare[0], spare[1]);
    let plan = room.plan_to_add(vec![bob]);
    room.commit("alice/phone", &plan);
    let welcome = room.log.last().unwrap().clone();
    let issuers = room.issuers.clone();
    let device = &mut room.member("bob/phone").device;
    assert!(!device.is_welcomed_by(&welcome.message));
    let again = MemberGroup::join_by_event(device, &welcome, &issuers, now_ms());
    assert!(again.unwrap_err().to_string().contains("no KeyPackage"));
    let mut stranger = room.federation.device("c.example", "cathy", "phone");
    MemberGroup::join_by_event(&mut stranger, &welcome, &issuers, now_ms()).unwrap_err();
}

/// A join that fails, say because issuers are not known yet, can be tried again.
#[test]
fn a_failed_join_keeps_the_key_package() {
    let mut room = TestRoom::of_alice();
    let bob = room.federation.device("b.example", "bob", "phone");
    let plan = room.plan_to_add(vec![bob]);
    let mut bob = room.waiting.remove(0);
    room.commit("alice/phone", &plan);
    let welcome = room.log.last().unwrap().clone();
    let unknown = MemberGroup::join_by_event(&mut bob, &welcome, &Default::default(), now_ms());
    assert!(unknown.unwrap_err().to_string().contains("not known"));
    let group = MemberGroup::join_by_event(&mut bob, &welcome, &room.issuers, now_ms()).unwrap();
    assert_eq!(group.view(), room.hub.view());
}
