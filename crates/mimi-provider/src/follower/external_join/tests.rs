use super::*;
use crate::fixture::{NOW, client, domain, room_uri, user};
use crate::follower::state::{FORWARDED_MAX, FORWARDED_PER_CLIENT_MAX};

fn asks(
    state: Option<&FollowerState>,
    room: &MimiUri,
    joiner: &str,
    commit: &[u8],
) -> Result<Transition<Notified>, Reject> {
    let device = DeviceIdentity { user: user("c/cathy"), client: client("c/cathy/laptop") };
    external_join(
        state,
        &ExternalJoinInput {
            own: &domain("c.example"),
            room,
            device: &device,
            joiner: &client(joiner),
            commit,
            roster: b"roster",
            now_ms: NOW,
        },
    )
}

/// The request is in the log before it is forwarded, for nobody to be sent.
#[test]
fn a_request_is_remembered_once() {
    let transition = asks(None, &room_uri(), "c/cathy/laptop", b"commit").unwrap();
    assert_eq!(transition.expect, [Expect::NoRoom(room_uri())]);
    let [Change::CreateRoom { kind: RoomKind::Follower, .. }, Change::Append(event)] =
        &transition.changes[..]
    else {
        panic!("a room and its first entry")
    };
    assert_eq!((event.seq, event.kind), (1, EventKind::HubNote));
    assert_eq!((event.targets.clone(), event.audience.len()), (Some(Vec::new()), 0));
    let mut state = FollowerState::default();
    state.observe(event, &RosterChange::default());
    assert_eq!((state.last_seq, state.seen_until_ms, state.is_present()), (1, 0, false));
    let again = asks(Some(&state), &room_uri(), "c/cathy/laptop", b"commit").unwrap();
    assert!(again.changes.is_empty());
    let other = asks(Some(&state), &room_uri(), "c/cathy/laptop", b"another").unwrap();
    assert_eq!(other.expect, [Expect::StreamSeq { stream: room_uri(), seq: 1 }]);
    assert_eq!(other.changes.len(), 1);
}

/// AMB-TR-6: a device joins as itself, and rooms of our own are not followed.
#[test]
fn nobody_joins_for_another() {
    let refused = asks(None, &room_uri(), "c/cathy/phone", b"commit");
    assert!(matches!(refused, Err(Reject::NotAllowed(_))));
    let ours = MimiUri::new("mimi://c.example/r/own").unwrap();
    assert!(asks(None, &ours, "c/cathy/laptop", b"commit").is_err());
    assert!(asks(None, &user("a/alice"), "c/cathy/laptop", b"commit").is_err());
}

#[test]
fn the_memory_is_bounded() {
    let mut state = FollowerState::default();
    let mut note = |client: MimiUri, number: usize| {
        let forwarded = Forwarded { client, sha256: sha256(&number.to_be_bytes()) };
        let event = NewEvent {
            stream: room_uri(),
            seq: state.last_seq + 1,
            kind: EventKind::HubNote,
            timestamp_ms: NOW,
            payload: Vec::new(),
            audience: Vec::new(),
            targets: Some(Vec::new()),
            detail: Note::Forwarded(forwarded).write(),
        };
        state.observe(&event, &RosterChange::default());
        state.forwarded.len()
    };
    for number in 0..FORWARDED_PER_CLIENT_MAX {
        assert_eq!(note(client("c/cathy/laptop"), number), number + 1);
    }
    let full = note(client("c/cathy/laptop"), FORWARDED_PER_CLIENT_MAX);
    assert_eq!(full, FORWARDED_PER_CLIENT_MAX);
    for number in full..FORWARDED_MAX {
        assert_eq!(note(client(&format!("c/cathy/{number}")), number), number + 1);
    }
    assert_eq!(note(client("c/cathy/last"), FORWARDED_MAX), FORWARDED_MAX);
}
