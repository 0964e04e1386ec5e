use super::*;
use crate::fixture::{NOW, client, domain, key_package, room_uri, uri, user};
use crate::record::{EventKind, NewEvent};

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
    asked: Vec<ConsentRequest>,
    open: Vec<ConsentRequest>,
    consents: Vec<ConsentRecord>,
    back: Vec<ConsentRecord>,
    counts: ConsentCounts,
    key_packages: Vec<OfferedKeyPackage>,
}

impl Known {
    fn says(&self, actor: &str, entry: &ConsentEntry) -> Result<Transition<()>, Reject> {
        local_consent(&LocalConsentInput {
            own: &domain("b.example"),
            actor: &DeviceIdentity { user: user(actor), client: client(&format!("{actor}/phone")) },
            entry,
            key_packages: &self.key_packages,
            asked: &self.asked,
            open_requests: &self.open,
            consents: &self.consents,
            back: &self.back,
            counts: self.counts,
            other_clients: &[client("b/bella/phone"), client("b/bella/laptop")],
            last_seq: 4,
            now_ms: NOW,
        })
    }
}

fn removed(transition: &Transition<()>) -> Vec<ConsentRequest> {
    let removed = transition.changes.iter().filter_map(|change| match change {
        Change::RemoveConsentRequest(request) => Some(request.clone()),
        _ => None,
    });
    removed.collect()
}

/// PROTO-CON-2, PROTO-CON-3, FLOW-12: a request to another provider goes straight to it, through
/// our own provider's stream, and is remembered for its user's own list.
#[test]
fn a_request_travels() {
    let asks = entry(ConsentOperation::Request, "b/bob", "a/alice");
    let transition = Known::default().says("b/bob", &asks).unwrap();
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
    let asked = ConsentRequest { requested_ms: NOW, ..open("b/bob", "a/alice", None) };
    assert!(transition.changes.contains(&Change::PutConsentAsked(asked)));
    assert_eq!(transition.expect, [Expect::StreamSeq { stream: stream.clone(), seq: 4 }]);
    let follower = domain("a.example");
    assert_eq!(transition.effects, [Effect::WakeFollower { stream, follower }]);
}

/// PROTO-CON-4: taking a request back travels likewise.
#[test]
fn a_cancel_travels() {
    let mut cancel = entry(ConsentOperation::Cancel, "b/bob", "a/alice");
    cancel.room_id = Some(room_uri());
    let transition = Known::default().says("b/bob", &cancel).unwrap();
    assert!(matches!(&transition.changes[0], Change::RemoveConsentAsked(asked)
        if asked.room == Some(room_uri())));
    let [event] = appended(&transition)[..] else { panic!("one entry") };
    assert_eq!(ConsentEntry::decode(&event.payload), Ok(cancel));
}

/// PROTO-CON-10: between users of one provider nothing travels, and nothing depends on whether the
/// other one exists: the request is written down like one that a peer brings.
#[test]
fn a_local_request_is_an_arrival() {
    for operation in [ConsentOperation::Request, ConsentOperation::Cancel] {
        let says = entry(operation, "b/bob", "b/bella");
        let transition = Known::default().says("b/bob", &says).unwrap();
        let from = domain("b.example");
        let arrival = Arrival { from, payload: says.encode(), arrived_ms: NOW };
        assert_eq!(transition.changes[1..], [Change::PutArrival(arrival)]);
        assert_eq!(transition.effects, [Effect::WakeArrivals]);
        assert!(appended(&transition).is_empty());
    }
}

/// A user's own list of requests is bounded; asking again for the same is always possible.
#[test]
fn requests_that_are_not_answered() {
    let to = |number| open("b/bob", &format!("a/user{number}"), None);
    let mut known = Known { asked: (0..ASKED_PER_USER_MAX).map(to).collect(), ..Known::default() };
    let one_more = entry(ConsentOperation::Request, "b/bob", "a/alice");
    assert!(matches!(known.says("b/bob", &one_more), Err(Reject::NotAllowed(_))));
    let again = entry(ConsentOperation::Request, "b/bob", "a/user7");
    assert!(known.says("b/bob", &again).is_ok());
    known.asked.pop();
    assert!(known.says("b/bob", &one_more).is_ok());
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
    let transition = known.says("b/bob", &grants).unwrap();
    let record =
        ConsentRecord { decided_ms: NOW, ..decided("a/alice", None, ConsentDecision::Granted) };
    assert_eq!(transition.changes[0], Change::PutConsent(record));
    assert_eq!(removed(&transition), known.open[..2]);
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
    let transition = known.says("b/bob", &here).unwrap();
    assert_eq!(removed(&transition), known.open[1..]);
    assert!(transition.changes.contains(&Change::RemoveConsentAsked(known.open[1].clone())));
    assert_eq!(appended(&transition)[0].stream, user("b/bella"));
    assert_eq!(stream_of_local(&domain("b.example"), &here), user("b/bella"));
}

/// A local user hears of a grant that it asked for, or of somebody it has let in itself: what
/// strangers allow unasked is no news.
#[test]
fn an_unasked_grant_to_a_local_user() {
    let grants = entry(grant(), "b/bella", "b/bob");
    let mut known = Known::default();
    assert!(appended(&known.says("b/bob", &grants).unwrap()).is_empty());
    known.back = vec![ConsentRecord {
        target: user("b/bella"),
        ..decided("b/bob", None, ConsentDecision::Granted)
    }];
    assert_eq!(appended(&known.says("b/bob", &grants).unwrap()).len(), 1);
}

/// PROTO-CON-8, PROTO-CON-9: a refusal, asked for or not, stays with who refuses.
#[test]
fn a_revocation_is_not_told() {
    for requester in ["a/alice", "b/bella"] {
        let revokes = entry(ConsentOperation::Revoke, requester, "b/bob");
        let waiting = open(requester, "b/bob", None);
        for open in [vec![], vec![waiting]] {
            let known = Known { open, ..Known::default() };
            let transition = known.says("b/bob", &revokes).unwrap();
            assert!(matches!(&transition.changes[0], Change::PutConsent(record)
                if record.granted == ConsentDecision::Revoked));
            assert_eq!(removed(&transition), known.open);
            assert!(appended(&transition).is_empty() && transition.effects.is_empty());
            let tells = |change: &Change| matches!(change, Change::RemoveConsentAsked(_));
            assert!(!transition.changes.iter().any(tells), "nor by the requester's own list");
        }
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
        assert!(matches!(known.says("b/bob", &entry), Err(Reject::NotAllowed(_))), "{entry:?}");
    }
}

/// Decisions are bounded; one of a scope there is can always be changed.
#[test]
fn decisions_of_a_user() {
    let mut known = Known::default();
    known.counts.decided = DECISIONS_PER_USER_MAX;
    let grants = entry(grant(), "a/alice", "b/bob");
    assert!(matches!(known.says("b/bob", &grants), Err(Reject::NotAllowed(_))));
    known.consents = vec![decided("a/alice", None, ConsentDecision::Revoked)];
    assert!(known.says("b/bob", &grants).is_ok());
    known.consents.clear();
    known.counts.decided -= 1;
    assert!(known.says("b/bob", &grants).is_ok());
}

fn offered(reference: u8) -> OfferedKeyPackage {
    OfferedKeyPackage {
        reference: vec![reference; 32],
        identity: DeviceIdentity { user: user("b/bob"), client: client("b/bob/phone") },
        octets: key_package(&[reference]).octets().to_vec(),
        ciphersuite: 1,
        capabilities: Vec::new(),
        not_after_ms: NOW + 1,
        usage: KeyPackageUsage::Once,
    }
}

/// AMB-CON-3, AMB-CON-4, PROTO-CON-7: KeyPackages of a grant are known as given, so that nobody
/// else gets them and their Welcomes find their client.
#[test]
fn key_packages_in_a_grant() {
    let client_key_packages = vec![key_package(&[1]), key_package(&[2])];
    let grants = entry(ConsentOperation::Grant { client_key_packages }, "a/alice", "b/bob");
    let mut known = Known { key_packages: vec![offered(1), offered(2)], ..Known::default() };
    let transition = known.says("b/bob", &grants).unwrap();
    for reference in [vec![1; 32], vec![2; 32]] {
        assert!(transition.expect.contains(&Expect::KeyPackageUnused(reference.clone())));
        assert!(transition.changes.contains(&Change::ReleaseKeyPackage(reference)));
    }
    let [event] = appended(&transition)[..] else { panic!("one entry") };
    assert_eq!(ConsentEntry::decode(&event.payload), Ok(grants.clone()));

    let mut refused = |change: fn(&mut OfferedKeyPackage)| {
        known.key_packages = vec![offered(1), offered(2)];
        change(&mut known.key_packages[1]);
        known.says("b/bob", &grants).unwrap_err()
    };
    let of_another = refused(|it| it.identity.client = client("b/bob/laptop"));
    assert!(matches!(of_another, Reject::NotAllowed(_)));
    let last_resort = refused(|it| it.usage = KeyPackageUsage::LastResort);
    assert!(matches!(last_resort, Reject::NotAllowed(_)));
    assert!(matches!(refused(|it| it.not_after_ms = NOW), Reject::Malformed(_)));
    assert!(matches!(refused(|it| it.reference = vec![1; 32]), Reject::Malformed(_)));
}

/// KeyPackages are for one of the requester's devices: two would both use them.
#[test]
fn key_packages_for_a_local_user() {
    let client_key_packages = vec![key_package(&[1])];
    let grants = entry(ConsentOperation::Grant { client_key_packages }, "b/bella", "b/bob");
    let known = Known {
        open: vec![open("b/bella", "b/bob", None)],
        key_packages: vec![offered(1)],
        ..Known::default()
    };
    let transition = known.says("b/bob", &grants).unwrap();
    let [first, others] = appended(&transition)[..] else { panic!("two entries") };
    assert_eq!((first.seq, others.seq), (5, 6));
    assert_eq!(first.targets, Some(vec![client("b/bella/phone")]));
    assert_eq!(ConsentEntry::decode(&first.payload), Ok(grants));
    assert_eq!(others.targets, Some(vec![client("b/bella/laptop")]));
    let bare = entry(grant(), "b/bella", "b/bob");
    assert_eq!(ConsentEntry::decode(&others.payload), Ok(bare));
}

/// AMB-CON-5: the latest of a scope wins, whatever the order of the records.
#[test]
fn the_latest_decision_wins() {
    use ConsentDecision::{Granted, Revoked};
    let ask = ContactDefault::Ask;
    let older = ConsentRecord { decided_ms: 1, ..decided("a/alice", None, Granted) };
    let newer = ConsentRecord { decided_ms: 2, ..decided("a/alice", None, Revoked) };
    let room = room_uri();
    for records in [[older.clone(), newer.clone()], [newer, older]] {
        assert_eq!(consent_for(&records, &user("a/alice"), None, ask), Consent::Missing);
        assert_eq!(consent_for(&records, &user("a/alice"), Some(&room), ask), Consent::Missing);
        assert_eq!(consent_for(&records, &user("a/eve"), None, ask), Consent::Missing);
    }
}

/// An answer to a user of a peer goes out to the peer: it stands in our own stream.
#[test]
fn answers_to_others_stand_in_our_stream() {
    let answer = entry(grant(), "a/alice", "b/bob");
    let own = domain("b.example");
    assert_eq!(stream_of_local(&own, &answer), own.provider_uri());
    assert_eq!(other_user(&user("a/alice"), &answer), &user("b/bob"));
    assert_eq!(other_user(&user("b/bob"), &answer), &user("a/alice"));
}
