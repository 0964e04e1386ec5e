use super::*;
use crate::fixture::{NOW, client, domain, key_package, room_uri, uri, user};

fn entry(operation: ConsentOperation, requester: &str, target: &str) -> ConsentEntry {
    ConsentEntry {
        operation,
        requester_uri: user(requester),
        target_uri: user(target),
        room_id: None,
        consent_extensions: Default::default(),
    }
}

fn grant() -> ConsentOperation {
    ConsentOperation::Grant { client_key_packages: Vec::new() }
}

fn open(requester: &str, target: &str, room: Option<MimiUri>) -> ConsentRequest {
    ConsentRequest { target: user(target), requester: user(requester), room, requested_ms: NOW - 1 }
}

fn decided(requester: &str, room: Option<MimiUri>, granted: ConsentDecision) -> ConsentRecord {
    ConsentRecord {
        target: user("b/bob"),
        requester: user(requester),
        room,
        granted,
        decided_ms: NOW - 1,
    }
}

fn appended(transition: &Transition<()>) -> Vec<&NewEvent> {
    let appended = transition.changes.iter().filter_map(|change| match change {
        Change::Append(event) => Some(event),
        _ => None,
    });
    appended.collect()
}

/// What b.example knows when something happens there.
#[derive(Clone, Default)]
struct Known {
    open: Vec<ConsentRequest>,
    consents: Vec<ConsentRecord>,
}

impl Known {
    fn local(
        &self,
        actor: &str,
        entry: &ConsentEntry,
        other: OtherUser,
    ) -> Result<Transition<()>, Reject> {
        local_consent(&LocalConsentInput {
            own: &domain("b.example"),
            actor: &DeviceIdentity { user: user(actor), client: client(&format!("{actor}/phone")) },
            entry,
            other,
            open_requests: &self.open,
            consents: &self.consents,
            last_seq: 4,
            now_ms: NOW,
        })
    }

    fn peer<'a>(
        &'a self,
        from: &'a Domain,
        own: &'a Domain,
        entry: &'a ConsentEntry,
    ) -> PeerConsentInput<'a> {
        PeerConsentInput {
            own,
            from,
            entry,
            user: OtherUser::Local,
            open_requests: &self.open,
            consents: &self.consents,
            last_seq: 4,
            now_ms: NOW,
        }
    }

    fn asked_by_a(&self, entry: &ConsentEntry) -> Transition<()> {
        request_consent(&self.peer(&domain("a.example"), &domain("b.example"), entry)).unwrap()
    }

    fn told_by_a(&self, entry: &ConsentEntry) -> Transition<()> {
        update_consent(&self.peer(&domain("a.example"), &domain("b.example"), entry)).unwrap()
    }
}

/// PROTO-CON-2, PROTO-CON-3, FLOW-12: a request to another provider goes straight to it, through
/// our own provider's stream.
#[test]
fn a_request_travels() {
    let asks = entry(ConsentOperation::Request, "b/bob", "a/alice");
    let transition = Known::default().local("b/bob", &asks, OtherUser::Remote).unwrap();
    let stream = uri("mimi://b.example");
    assert_eq!(stream_of_local(&domain("b.example"), &asks), stream);
    let [event] = appended(&transition)[..] else { panic!("one entry") };
    assert_eq!((&event.stream, event.seq, event.kind), (&stream, 5, EventKind::RequestConsent));
    assert_eq!(event.audience, [domain("a.example")]);
    assert_eq!(event.targets, Some(Vec::new()));
    assert_eq!(ConsentEntry::decode(&event.payload), Ok(asks));
    let follower = domain("a.example");
    let follow = Change::Follow { stream: stream.clone(), follower, after_seq: 4 };
    assert!(transition.changes.contains(&follow));
    assert_eq!(transition.expect, [Expect::StreamSeq { stream: stream.clone(), seq: 4 }]);
    let follower = domain("a.example");
    assert_eq!(transition.effects, [Effect::WakeFollower { stream, follower }]);
}

/// A request that arrives is kept and shown to the target's devices.
#[test]
fn a_request_arrives() {
    let asks = entry(ConsentOperation::Request, "a/alice", "b/bob");
    let transition = Known::default().asked_by_a(&asks);
    let request = open("a/alice", "b/bob", None);
    let kept = Change::PutConsentRequest(ConsentRequest { requested_ms: NOW, ..request.clone() });
    assert!(transition.changes.contains(&kept));
    let [event] = appended(&transition)[..] else { panic!("one entry") };
    assert_eq!((&event.stream, &event.targets), (&user("b/bob"), &None));
    assert!(event.audience.is_empty());
    // A repeat changes nothing.
    let known = Known { open: vec![request], ..Known::default() };
    assert_eq!(known.asked_by_a(&asks), Transition::unchanged(()));
}

/// PROTO-CON-4: a cancel undoes exactly its own scope.
#[test]
fn a_cancel_has_its_scope() {
    let mut known = Known { open: vec![open("a/alice", "b/bob", None)], ..Known::default() };
    let mut cancel = entry(ConsentOperation::Cancel, "a/alice", "b/bob");
    let transition = known.asked_by_a(&cancel);
    assert_eq!(transition.changes[0], Change::RemoveConsentRequest(known.open[0].clone()));
    assert_eq!(appended(&transition)[0].kind, EventKind::RequestConsent);
    cancel.room_id = Some(room_uri());
    assert_eq!(known.asked_by_a(&cancel), Transition::unchanged(()));
    known.open.push(open("a/alice", "b/bob", Some(room_uri())));
    let transition = known.asked_by_a(&cancel);
    assert_eq!(transition.changes[0], Change::RemoveConsentRequest(known.open[1].clone()));
}

/// PROTO-CON-1, PROTO-CON-3: the right operations from the right provider.
#[test]
fn what_no_honest_peer_sends() {
    let known = Known::default();
    let (a, b) = (domain("a.example"), domain("b.example"));
    let asks = entry(ConsentOperation::Request, "a/alice", "b/bob");
    let grants = entry(grant(), "b/bob", "a/alice");
    let malformed = |result| assert!(matches!(result, Err(Reject::Malformed(_))));
    let misbehaved = |result| assert!(matches!(result, Err(Reject::PeerMisbehaved(_))));
    malformed(request_consent(&known.peer(&a, &b, &grants)));
    malformed(update_consent(&known.peer(&a, &b, &asks)));
    misbehaved(request_consent(&known.peer(&domain("c.example"), &b, &asks)));
    misbehaved(request_consent(&known.peer(&b, &a, &asks)));
    misbehaved(update_consent(&known.peer(&domain("c.example"), &b, &grants)));
    misbehaved(update_consent(&known.peer(&b, &a, &grants)));
    let itself = entry(ConsentOperation::Request, "a/alice", "a/alice");
    malformed(request_consent(&known.peer(&a, &a, &itself)));
    let mut no_room = asks.clone();
    no_room.room_id = Some(user("a/alice"));
    malformed(request_consent(&known.peer(&a, &b, &no_room)));
    let mut no_user = asks;
    no_user.requester_uri = client("a/alice/phone");
    malformed(request_consent(&known.peer(&a, &b, &no_user)));
}

/// PROTO-CON-5, PROTO-CON-9, PROTO-CON-10, AMB-CON-2: unknown, refusing and overwhelmed targets all
/// look the same to who asks: 201.
#[test]
fn silence_tells_nothing() {
    let asks = entry(ConsentOperation::Request, "a/alice", "b/bob");
    let nothing = Transition::unchanged(());
    let known = Known::default();
    let (a, b) = (domain("a.example"), domain("b.example"));
    let input = PeerConsentInput { user: OtherUser::Unknown, ..known.peer(&a, &b, &asks) };
    assert_eq!(request_consent(&input).unwrap(), nothing);
    let refusing = Known {
        consents: vec![decided("a/alice", None, ConsentDecision::Revoked)],
        ..Known::default()
    };
    assert_eq!(refusing.asked_by_a(&asks), nothing);
    let of_others = |number| open(&format!("a/user{number}"), "b/bob", None);
    let open = (0..CONSENT_REQUESTS_PER_USER_MAX).map(of_others).collect();
    let mut overwhelmed = Known { open, ..Known::default() };
    assert_eq!(overwhelmed.asked_by_a(&asks), nothing);
    overwhelmed.open.pop();
    assert_ne!(overwhelmed.asked_by_a(&asks), nothing);
}

/// PROTO-CON-6, PROTO-CON-7: a grant is recorded, answers the requests it covers, and is told.
#[test]
fn a_grant() {
    let grants = entry(grant(), "a/alice", "b/bob");
    let known = Known {
        open: vec![
            open("a/alice", "b/bob", None),
            open("a/alice", "b/bob", Some(room_uri())),
            open("a/eve", "b/bob", None),
        ],
        ..Known::default()
    };
    let transition = known.local("b/bob", &grants, OtherUser::Remote).unwrap();
    let record =
        ConsentRecord { decided_ms: NOW, ..decided("a/alice", None, ConsentDecision::Granted) };
    assert_eq!(transition.changes[0], Change::PutConsent(record));
    let removed: Vec<_> = transition
        .changes
        .iter()
        .filter_map(|change| match change {
            Change::RemoveConsentRequest(request) => Some(request.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(removed, known.open[..2]);
    let [event] = appended(&transition)[..] else { panic!("one entry") };
    assert_eq!(event.kind, EventKind::UpdateConsent);
    assert_eq!(
        (&event.stream, &event.audience[..]),
        (&uri("mimi://b.example"), &[domain("a.example")][..])
    );

    // For one room only that room's request is answered, and a local requester is told directly.
    let mut here = entry(grant(), "b/bella", "b/bob");
    here.room_id = Some(room_uri());
    let known = Known {
        open: vec![open("b/bella", "b/bob", None), open("b/bella", "b/bob", Some(room_uri()))],
        ..Known::default()
    };
    let transition = known.local("b/bob", &here, OtherUser::Local).unwrap();
    assert!(transition.changes.contains(&Change::RemoveConsentRequest(known.open[1].clone())));
    assert!(!transition.changes.contains(&Change::RemoveConsentRequest(known.open[0].clone())));
    assert_eq!(appended(&transition)[0].stream, user("b/bella"));
    assert_eq!(stream_of_local(&domain("b.example"), &here), user("b/bella"));
}

/// PROTO-CON-8: a refusal stays with who refuses.
#[test]
fn a_revocation_is_not_told() {
    let revokes = entry(ConsentOperation::Revoke, "a/alice", "b/bob");
    for other in [OtherUser::Remote, OtherUser::Local, OtherUser::Unknown] {
        let transition = Known::default().local("b/bob", &revokes, other).unwrap();
        assert!(matches!(&transition.changes[..], [Change::PutConsent(record)]
            if record.granted == ConsentDecision::Revoked));
        assert!(transition.effects.is_empty());
    }
}

/// A client speaks for its own user only.
#[test]
fn nobody_speaks_for_others() {
    let known = Known::default();
    for (operation, requester, target) in [
        (ConsentOperation::Request, "b/bella", "a/alice"),
        (ConsentOperation::Request, "a/alice", "b/bob"),
        (ConsentOperation::Cancel, "b/bella", "b/bob"),
        (grant(), "a/alice", "b/bella"),
        (ConsentOperation::Revoke, "b/bob", "a/alice"),
    ] {
        let entry = entry(operation, requester, target);
        let result = known.local("b/bob", &entry, OtherUser::Remote);
        assert!(matches!(result, Err(Reject::NotAllowed(_))), "{entry:?}");
    }
}

/// AMB-CON-3: a client's grant carries no KeyPackages; what a peer's carries is passed on.
#[test]
fn key_packages_in_a_grant() {
    let client_key_packages = vec![key_package(b"1")];
    let with = ConsentOperation::Grant { client_key_packages };
    let known = Known::default();
    let ours = known.local("b/bob", &entry(with.clone(), "a/alice", "b/bob"), OtherUser::Remote);
    assert!(matches!(ours, Err(Reject::Unsupported(_))));
    let theirs = entry(with, "b/bob", "a/alice");
    let known = Known {
        consents: vec![ConsentRecord {
            target: user("a/alice"),
            ..decided("b/bob", None, ConsentDecision::Granted)
        }],
        ..Known::default()
    };
    let transition = known.told_by_a(&theirs);
    assert_eq!(ConsentEntry::decode(&appended(&transition)[0].payload), Ok(theirs));
}

/// An update that arrives is remembered and shown to the requester's devices, once.
#[test]
fn an_update_arrives() {
    let mut known = Known::default();
    let grants = entry(grant(), "b/bob", "a/alice");
    let transition = known.told_by_a(&grants);
    let Change::PutConsent(record) = &transition.changes[0] else { panic!("a record") };
    assert_eq!((&record.target, &record.requester), (&user("a/alice"), &user("b/bob")));
    assert_eq!(appended(&transition)[0].stream, user("b/bob"));
    known.consents.push(record.clone());
    assert_eq!(known.told_by_a(&grants), Transition::unchanged(()));
    let revokes = entry(ConsentOperation::Revoke, "b/bob", "a/alice");
    assert_eq!(appended(&known.told_by_a(&revokes)).len(), 1);
    let (a, b) = (domain("a.example"), domain("b.example"));
    let unknown = PeerConsentInput { user: OtherUser::Unknown, ..known.peer(&a, &b, &revokes) };
    assert_eq!(update_consent(&unknown).unwrap(), Transition::unchanged(()));
}

/// AMB-CON-5: the latest of a scope wins, whatever the order of the records.
#[test]
fn the_latest_decision_wins() {
    use ConsentDecision::{Granted, Revoked};
    let older = ConsentRecord { decided_ms: 1, ..decided("a/alice", None, Granted) };
    let newer = ConsentRecord { decided_ms: 2, ..decided("a/alice", None, Revoked) };
    let room = room_uri();
    for records in [[older.clone(), newer.clone()], [newer, older]] {
        assert_eq!(consent_for(&records, &user("a/alice"), None), Consent::Missing);
        assert_eq!(consent_for(&records, &user("a/alice"), Some(&room)), Consent::Missing);
        assert_eq!(consent_for(&records, &user("a/eve"), None), Consent::Missing);
    }
}

/// Between two users of one provider nothing travels.
#[test]
fn a_local_request() {
    let asks = entry(ConsentOperation::Request, "b/bob", "b/bella");
    let known = Known::default();
    let transition = known.local("b/bob", &asks, OtherUser::Local).unwrap();
    assert!(matches!(transition.changes[0], Change::PutConsentRequest(_)));
    assert_eq!(appended(&transition)[0].stream, user("b/bella"));
    let unknown = known.local("b/bob", &asks, OtherUser::Unknown).unwrap();
    assert_eq!(unknown, Transition::unchanged(()));
}
