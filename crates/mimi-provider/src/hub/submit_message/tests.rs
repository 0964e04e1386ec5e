use mimi_policy::{ProposedChange, StagedProposal};
use mimi_wire::protocol::notify::FanoutKind;
use mimi_wire::room::capability::Capability;

use super::*;
use crate::fixture::{
    self, GROUP, NOW, application, client, domain, leaf, member, proposals, role_change, room_uri,
    unlisted, user,
};
use crate::hub::fixture::{Hub, appended, fanout, local, message_of, peer};
use crate::{Change, Effect, Expect};

const MEMBERS: &[&str] = &["a/alice/phone", "a/alice/laptop", "b/bob/phone", "c/cathy/phone"];

/// PROTO-SUB-4, AMB-NTF-5: one entry for everybody, the sender's provider included.
#[test]
fn an_accepted_message_is_one_entry_for_all() {
    let mut hub = Hub::new(MEMBERS);
    let transition = hub.submit(&peer("b.example"), "b/bob", 0, b"hello").unwrap();
    assert_eq!(
        transition.reply,
        SubmitMessageResponse::Accepted { accepted_timestamp: NOW, frank: None }
    );
    let [event] = appended(&transition)[..] else { panic!("one entry") };
    assert_eq!(event.audience, [domain("b.example"), domain("c.example")]);
    assert_eq!((event.seq, event.timestamp_ms, &event.targets), (1, NOW, &None));
    assert_eq!(event.detail, b"b.example");
    let fanned_out = fanout(event);
    assert_eq!(fanned_out.timestamp, NOW);
    assert_eq!(fanned_out.message, application(0, b"hello"));
    assert_eq!(fanned_out.kind, FanoutKind::Application { frank: None });
    assert_eq!(transition.expect, [Expect::StreamSeq { stream: room_uri(), seq: 0 }]);
    assert!(transition.effects.contains(&Effect::WakeStream(room_uri())));
    let follows = |transition: &Transition<_>| {
        transition.changes.iter().filter(|it| matches!(it, Change::Follow { .. })).count()
    };
    assert_eq!(follows(&transition), 2);
    let next = hub.submit(&peer("b.example"), "b/bob", 0, b"again").unwrap();
    assert_eq!(follows(&next), 0, "a follower is given a cursor once");
}

/// AMB-NTF-8: timestamps strictly increase, also when the clock stands still or goes back.
#[test]
fn timestamps_increase() {
    let mut hub = Hub::new(MEMBERS);
    let mut last = 0;
    for (clock, text) in [(NOW, b"1"), (NOW, b"2"), (NOW - 5_000, b"3"), (NOW + 9, b"4")] {
        hub.now_ms = clock;
        let transition = hub.submit(&peer("b.example"), "b/bob", 0, text).unwrap();
        let timestamp = appended(&transition)[0].timestamp_ms;
        assert!(timestamp > last);
        last = timestamp;
    }
    assert_eq!(last, NOW + 9);
}

/// A client that lost the answer gets it again, and the room no second entry.
#[test]
fn a_repeat_gets_the_first_answer() {
    let mut hub = Hub::new(MEMBERS);
    let first = hub.submit(&peer("b.example"), "b/bob", 0, b"hello").unwrap();
    hub.now_ms += 60_000;
    hub.submit(&peer("c.example"), "c/cathy", 0, b"other").unwrap();
    hub.view.epoch += 9;
    let again = hub.submit(&peer("b.example"), "b/bob", 0, b"hello").unwrap();
    assert_eq!(again, Transition::unchanged(first.reply));
}

/// PROTO-SUB-2, AMB-TR-6: the sender is a listed, active user of the requesting provider.
#[test]
fn only_participants_of_the_requester_send() {
    let mut hub = Hub::new(MEMBERS);
    let mut refused = |requester: &Requester, sender| {
        let result = hub.submit(requester, sender, 0, b"hello");
        assert_eq!(
            crate::reply::submit_message(&result.unwrap_err()),
            Some(SubmitMessageResponse::NotAllowed)
        );
    };
    refused(&peer("c.example"), "b/bob");
    refused(&peer("b.example"), "b/eve");
    refused(&local("a/alice/phone"), "b/bob");
    refused(&local("a/alice/tablet"), "a/alice");
    refused(&local("a/mallory/phone"), "a/alice");
    hub.submit(&local("a/alice/laptop"), "a/alice", 0, b"hello").unwrap();
}

/// PROTO-SUB-2: an inactive participant cannot send.
#[test]
fn inactive_participants_do_not_send() {
    let mut hub = Hub::new(MEMBERS);
    let bob = user("b/bob");
    hub.view.clients.retain(|client| client.user != bob);
    assert!(hub.submit(&peer("b.example"), "b/bob", 0, b"hello").is_err());
}

/// PROTO-SUB-3, AMB-SUB-3: the current epoch and one before.
#[test]
fn the_epoch_window() {
    let mut hub = Hub::new(MEMBERS);
    hub.view.epoch = 7;
    let bob = peer("b.example");
    hub.submit(&bob, "b/bob", 7, b"current").unwrap();
    hub.submit(&bob, "b/bob", 6, b"previous").unwrap();
    let stale = hub.submit(&bob, "b/bob", 5, b"older").unwrap_err();
    assert_eq!(stale, Reject::Stale { current_epoch: 7 });
    assert_eq!(
        crate::reply::submit_message(&stale),
        Some(SubmitMessageResponse::EpochTooOld { current_epoch: 7 })
    );
    let newer = hub.submit(&bob, "b/bob", 8, b"newer").unwrap_err();
    assert!(matches!(newer, Reject::NotAllowed(_)));
}

#[test]
fn another_group_is_refused() {
    let hub = Hub::new(MEMBERS);
    let request =
        SubmitMessageRequest { app_message: application(0, b"x"), sending_uri: user("b/bob") };
    let input = SubmitMessageInput {
        own: &domain("a.example"),
        requester: &peer("b.example"),
        view: &hub.view,
        index: &RoomIndex::of(&hub.view),
        readership: &Readership::of(&hub.view, &domain("a.example")),
        group_id: b"another group",
        request: &request,
        frame_group_id: GROUP,
        frame_epoch: 0,
        franking: None,
        now_ms: NOW,
    };
    assert!(matches!(submit_message(&hub.state, &input), Err(Reject::NotAllowed(_))));
}

/// PROTO-UPD-4, PROTO-ST-2: who leaves or is banned neither sends nor is sent anything more, before
/// any commit.
#[test]
fn pending_removals_silence_at_once() {
    let mut hub = Hub::new(MEMBERS);
    let sender = member(&hub.view, "c/cathy/phone");
    let leave = vec![unlisted(&hub.view, &user("c/cathy")), ProposedChange::SelfRemove];
    let leave = proposals(&hub.view, &sender, 1, leave);
    hub.propose(&peer("c.example"), &leave).unwrap();
    assert!(hub.submit(&peer("c.example"), "c/cathy", 0, b"still here").is_err());
    let transition = hub.submit(&peer("b.example"), "b/bob", 0, b"is she gone?").unwrap();
    let event = appended(&transition)[0];
    assert_eq!(event.audience, [domain("b.example")]);
    assert_eq!(event.targets, Some(vec![client("a/alice/phone"), client("a/alice/laptop")]));
}

/// The same for a local user who is banned: its clients are no targets.
#[test]
fn a_banned_local_user_is_no_target() {
    let mut hub = Hub::new(&["b/bob/phone", "a/alice/phone", "a/dora/phone"]);
    let banned = vec![
        role_change(&hub.view, &user("a/dora"), 1),
        ProposedChange::RemoveClient(leaf(&hub.view, "a/dora/phone")),
    ];
    let ban = proposals(&hub.view, &member(&hub.view, "b/bob/phone"), 1, banned);
    hub.propose(&peer("b.example"), &ban).unwrap();
    assert!(hub.submit(&local("a/dora/phone"), "a/dora", 0, b"why").is_err());
    let transition = hub.submit(&peer("b.example"), "b/bob", 0, b"bye").unwrap();
    assert_eq!(appended(&transition)[0].targets, Some(vec![client("a/alice/phone")]));
}

/// AMB-POL-29: a role that may not receive is sent no application messages.
#[test]
fn roles_that_may_not_receive_are_left_out() {
    let mut hub = Hub::new(MEMBERS);
    let alice = user("a/alice");
    let index = fixture::index(&hub.view, &alice) as usize;
    let role_index = hub.view.participants.participants[index].role_index;
    for role in hub.view.roles.roles.iter_mut().filter(|role| role.role_index == role_index) {
        role.role_capabilities.retain(|held| *held != Capability::CAN_RECEIVE_MESSAGE);
    }
    let transition = hub.submit(&peer("b.example"), "b/bob", 0, b"psst").unwrap();
    let event = appended(&transition)[0];
    assert_eq!(event.targets, Some(Vec::new()));
    assert_eq!(event.audience.len(), 2);
    assert!(!transition.effects.contains(&Effect::WakeStream(room_uri())));
}

/// AMB-ST-8: grants wait for the commit; a proposal to list somebody lets nobody speak.
#[test]
fn grants_wait_for_the_commit() {
    let mut hub = Hub::new(&MEMBERS[..3]);
    let pending = StagedProposal {
        sender: member(&hub.view, "b/bob/phone"),
        reference: Some(vec![1]),
        change: fixture::listed(user("c/cathy")),
    };
    let change = mimi_policy::StagedChange { epoch: 0, committer: None, proposals: vec![pending] };
    hub.propose(&peer("b.example"), &change).unwrap();
    assert!(hub.submit(&peer("c.example"), "c/cathy", 0, b"hello").is_err());
    let sent = hub.submit(&peer("b.example"), "b/bob", 0, b"hello").unwrap();
    assert_eq!(message_of(appended(&sent)[0]), application(0, b"hello"));
}
