use mimi_wire::protocol::consent::{ConsentEntry, ConsentOperation};

use super::*;
use crate::consent::open_requests::{
    OPEN_REQUESTS_PER_PEER_MAX, OPEN_REQUESTS_PER_REQUESTER_MAX, OPEN_REQUESTS_PER_USER_MAX,
};
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

fn decided(target: &str, requester: &str, granted: ConsentDecision) -> ConsentRecord {
    let (target, requester) = (user(target), user(requester));
    ConsentRecord { target, requester, room: None, granted, decided_ms: NOW - 1 }
}

fn appended(transition: &Transition<()>) -> Vec<&NewEvent> {
    let appended = transition.changes.iter().filter_map(|change| match change {
        Change::Append(event) => Some(event),
        _ => None,
    });
    appended.collect()
}

/// What b.example knows when it looks at what has arrived.
#[derive(Clone)]
struct Known {
    default: ContactDefault,
    exists: bool,
    asked: Vec<ConsentRequest>,
    open: Vec<ConsentRequest>,
    consents: Vec<ConsentRecord>,
    back: Vec<ConsentRecord>,
    about: u64,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            default: ContactDefault::Ask,
            exists: true,
            asked: Vec::new(),
            open: Vec::new(),
            consents: Vec::new(),
            back: Vec::new(),
            about: 0,
        }
    }
}

impl Known {
    fn takes_in(&self, entry: &ConsentEntry) -> Transition<()> {
        take_in(&ArrivalInput {
            own: &domain("b.example"),
            entry,
            default: self.default,
            user_exists: self.exists,
            clients: &[client("b/bob/phone"), client("b/bob/laptop")],
            open_requests: &self.open,
            asked: &self.asked,
            consents: &self.consents,
            back: &self.back,
            about: self.about,
            user_seq: 4,
            answer_seq: 9,
            now_ms: NOW,
        })
    }
}

fn arrives<'a>(from: &'a Domain, own: &'a Domain, entry: &'a ConsentEntry) -> PeerEntryInput<'a> {
    PeerEntryInput { own, from, entry, now_ms: NOW }
}

/// PROTO-CON-5, PROTO-CON-10, AMB-CON-2: what is answered depends on nothing but the entry: it is
/// written down, and that is all.
#[test]
fn arriving_tells_nothing() {
    let (a, b) = (domain("a.example"), domain("b.example"));
    for (operation, requester, target) in [
        (ConsentOperation::Request, "a/alice", "b/bob"),
        (ConsentOperation::Cancel, "a/alice", "b/bob"),
    ] {
        let entry = entry(operation, requester, target);
        let transition = request_consent(&arrives(&a, &b, &entry)).unwrap();
        let arrival = Arrival { from: a.clone(), payload: entry.encode(), arrived_ms: NOW };
        assert_eq!(transition.changes, [Change::PutArrival(arrival)]);
        assert_eq!(transition.effects, [Effect::WakeArrivals]);
        assert!(transition.expect.is_empty());
    }
    for operation in [grant(), ConsentOperation::Revoke] {
        let entry = entry(operation, "b/bob", "a/alice");
        let transition = update_consent(&arrives(&a, &b, &entry)).unwrap();
        assert!(matches!(transition.changes[..], [Change::PutArrival(_)]));
    }
}

/// PROTO-CON-1, PROTO-CON-3: the right operations from the right provider.
#[test]
fn what_no_honest_peer_sends() {
    let (a, b, c) = (domain("a.example"), domain("b.example"), domain("c.example"));
    let asks = entry(ConsentOperation::Request, "a/alice", "b/bob");
    let grants = entry(grant(), "b/bob", "a/alice");
    let malformed = |result| assert!(matches!(result, Err(Reject::Malformed(_))));
    let misbehaved = |result| assert!(matches!(result, Err(Reject::PeerMisbehaved(_))));
    malformed(request_consent(&arrives(&a, &b, &grants)));
    malformed(update_consent(&arrives(&a, &b, &asks)));
    misbehaved(request_consent(&arrives(&c, &b, &asks)));
    misbehaved(request_consent(&arrives(&b, &a, &asks)));
    misbehaved(update_consent(&arrives(&c, &b, &grants)));
    misbehaved(update_consent(&arrives(&b, &a, &grants)));
    let itself = entry(ConsentOperation::Request, "a/alice", "a/alice");
    malformed(request_consent(&arrives(&a, &a, &itself)));
    let mut no_room = asks.clone();
    no_room.room_id = Some(user("a/alice"));
    malformed(request_consent(&arrives(&a, &b, &no_room)));
    let mut no_user = asks;
    no_user.requester_uri = client("a/alice/phone");
    malformed(request_consent(&arrives(&a, &b, &no_user)));
}

/// A request is kept and shown to the target's devices, once.
#[test]
fn a_request_is_shown_once() {
    let asks = entry(ConsentOperation::Request, "a/alice", "b/bob");
    let transition = Known::default().takes_in(&asks);
    let request = open("a/alice", "b/bob", None);
    let kept = Change::PutConsentRequest(ConsentRequest { requested_ms: NOW, ..request.clone() });
    assert!(transition.changes.contains(&kept));
    let [event] = appended(&transition)[..] else { panic!("one entry") };
    assert_eq!((&event.stream, event.seq), (&user("b/bob"), 5));
    assert_eq!((event.kind, &event.targets), (EventKind::RequestConsent, &None));
    assert!(event.audience.is_empty());
    // PROTO-CON-5: a repeat changes nothing.
    let known = Known { open: vec![request], ..Known::default() };
    assert_eq!(known.takes_in(&asks), Transition::unchanged(()));
}

/// PROTO-CON-4: a cancel undoes exactly its own scope, and otherwise nothing.
#[test]
fn a_cancel_has_its_scope() {
    let mut known = Known { open: vec![open("a/alice", "b/bob", None)], ..Known::default() };
    let mut cancel = entry(ConsentOperation::Cancel, "a/alice", "b/bob");
    let transition = known.takes_in(&cancel);
    assert_eq!(transition.changes[0], Change::RemoveConsentRequest(known.open[0].clone()));
    assert_eq!(appended(&transition)[0].kind, EventKind::RequestConsent);
    cancel.room_id = Some(room_uri());
    assert_eq!(known.takes_in(&cancel), Transition::unchanged(()));
    known.open.push(open("a/alice", "b/bob", Some(room_uri())));
    let transition = known.takes_in(&cancel);
    assert_eq!(transition.changes[0], Change::RemoveConsentRequest(known.open[1].clone()));
}

/// PROTO-CON-9: unknown, refusing and closed users are left alone.
#[test]
fn who_is_not_asked() {
    let asks = entry(ConsentOperation::Request, "a/alice", "b/bob");
    let nothing = Transition::unchanged(());
    let unknown = Known { exists: false, ..Known::default() };
    assert_eq!(unknown.takes_in(&asks), nothing);
    let revoked = vec![decided("b/bob", "a/alice", ConsentDecision::Revoked)];
    let closed = Known { default: ContactDefault::Deny, ..Known::default() };
    assert_eq!(closed.takes_in(&asks), nothing);
    for default in [ContactDefault::Ask, ContactDefault::Deny, ContactDefault::Allow] {
        let refusing = Known { consents: revoked.clone(), default, ..Known::default() };
        assert_eq!(refusing.takes_in(&asks), nothing);
    }
}

/// What is granted already, by the user or by the provider's default, is answered without anybody
/// being shown anything.
#[test]
fn what_is_granted_already() {
    let granted = vec![decided("b/bob", "a/alice", ConsentDecision::Granted)];
    let known = Known { consents: granted, ..Known::default() };
    let open_house = Known { default: ContactDefault::Allow, ..Known::default() };
    for known in [known, open_house] {
        let asks = entry(ConsentOperation::Request, "a/alice", "b/bob");
        let transition = known.takes_in(&asks);
        let [event] = appended(&transition)[..] else { panic!("one entry") };
        assert_eq!((&event.stream, event.seq), (&uri("mimi://b.example"), 10));
        assert_eq!(event.audience, [domain("a.example")]);
        let answer = entry(grant(), "a/alice", "b/bob");
        assert_eq!(ConsentEntry::decode(&event.payload), Ok(answer));
        assert!(!transition.effects.contains(&Effect::WakeStream(user("b/bob"))));
    }
    let open_house = Known { default: ContactDefault::Allow, ..Known::default() };
    let transition = open_house.takes_in(&entry(ConsentOperation::Request, "b/bella", "b/bob"));
    let [event] = appended(&transition)[..] else { panic!("one entry") };
    assert_eq!((&event.stream, event.seq), (&user("b/bella"), 10));
    assert_eq!(
        answer_stream(&domain("b.example"), &entry(grant(), "b/bella", "b/bob")),
        event.stream
    );
}

/// One requester, one provider, all together: at each limit and one beyond. Who has most gives way.
#[test]
fn open_requests_are_shared_out() {
    let asks = |requester: &str| {
        let mut asks = entry(ConsentOperation::Request, requester, "b/bob");
        asks.room_id = Some(uri("mimi://x.example/r/new"));
        asks
    };
    let kept = |open: &[ConsentRequest], requester: &str| {
        let known = Known { open: open.to_vec(), ..Known::default() };
        let transition = known.takes_in(&asks(requester));
        let keeps = |change: &Change| matches!(change, Change::PutConsentRequest(_));
        let kept = transition.changes.iter().any(keeps);
        assert_eq!(kept, !transition.changes.is_empty());
        (kept, transition)
    };
    let of_rooms =
        |number: usize| open("a/eve", "b/bob", Some(uri(&format!("mimi://a.example/r/{number}"))));
    let by_eve: Vec<_> = (0..OPEN_REQUESTS_PER_REQUESTER_MAX).map(of_rooms).collect();
    assert!(!kept(&by_eve, "a/eve").0);
    assert!(kept(&by_eve[1..], "a/eve").0);
    assert!(kept(&by_eve, "a/alice").0);

    let from = |host: &str, count: usize| -> Vec<ConsentRequest> {
        let request = |number: usize| ConsentRequest {
            requested_ms: NOW - 1_000 + number as u64,
            ..open(&format!("{host}/user{number}"), "b/bob", None)
        };
        (0..count).map(request).collect()
    };
    let by_a = from("a", OPEN_REQUESTS_PER_PEER_MAX);
    assert!(!kept(&by_a, "a/alice").0);
    assert!(kept(&by_a[1..], "a/alice").0);
    assert!(kept(&by_a, "c/cathy").0);

    let mut all = by_a.clone();
    for (host, less) in [("d", 1), ("e", 1), ("f", 1)] {
        all.extend(from(host, OPEN_REQUESTS_PER_PEER_MAX - less));
    }
    all.extend(from("g", 3));
    assert_eq!(all.len(), OPEN_REQUESTS_PER_USER_MAX);
    let (was_kept, transition) = kept(&all, "c/cathy");
    assert!(was_kept);
    let newest_of_a = by_a.last().unwrap().clone();
    assert_eq!(transition.changes[0], Change::RemoveConsentRequest(newest_of_a));
    assert!(!kept(&all, "a/alice").0);
    assert!(!kept(&all, "d/doris").0, "it has as many as any other but one");
    let even = from("a", OPEN_REQUESTS_PER_USER_MAX / 64);
    assert_eq!(room_for(&even, &user("c/cathy")), Room::There);
}

/// PROTO-CON-6, PROTO-CON-7: an answer that was asked for is kept and told to the requester's
/// devices, and asks no longer.
#[test]
fn an_answer_arrives() {
    let mut known = Known {
        asked: vec![
            open("b/bob", "a/alice", None),
            open("b/bob", "a/alice", Some(room_uri())),
            open("b/bob", "a/adam", None),
        ],
        ..Known::default()
    };
    let grants = entry(grant(), "b/bob", "a/alice");
    let transition = known.takes_in(&grants);
    let Change::PutConsent(record) = &transition.changes[0] else { panic!("a record") };
    assert_eq!((&record.target, &record.requester), (&user("a/alice"), &user("b/bob")));
    for asked in &known.asked[..2] {
        assert!(transition.changes.contains(&Change::RemoveConsentAsked(asked.clone())));
    }
    let [event] = appended(&transition)[..] else { panic!("one entry") };
    assert_eq!((&event.stream, event.kind), (&user("b/bob"), EventKind::UpdateConsent));
    // A repeat tells nothing new.
    known.consents.push(record.clone());
    known.asked.clear();
    assert_eq!(known.takes_in(&grants), Transition::unchanged(()));
    // For a room, the request for that room is answered.
    let mut here = grants;
    here.room_id = Some(room_uri());
    known.asked = vec![open("b/bob", "a/alice", None), open("b/bob", "a/alice", Some(room_uri()))];
    let transition = known.takes_in(&here);
    assert!(transition.changes.contains(&Change::RemoveConsentAsked(known.asked[1].clone())));
    assert!(!transition.changes.contains(&Change::RemoveConsentAsked(known.asked[0].clone())));
}

/// PROTO-CON-6: what a stranger decides unasked is kept, so far as there is room, and not shown; of
/// somebody whom our user has let in, it is.
#[test]
fn an_unasked_answer() {
    use ConsentDecision::Granted;
    let grants = entry(grant(), "b/bob", "a/alice");
    let kept = |known: &Known| {
        let transition = known.takes_in(&grants);
        let keeps = |change: &Change| matches!(change, Change::PutConsent(_));
        (transition.changes.iter().any(keeps), appended(&transition).len())
    };
    let mut known = Known::default();
    assert_eq!(kept(&known), (true, 0));
    known.about = TOLD_PER_USER_MAX;
    assert_eq!(kept(&known), (false, 0));
    known.asked = vec![open("b/bob", "a/alice", None)];
    assert_eq!(kept(&known), (true, 1), "who is asked may always answer");
    known = Known { about: TOLD_PER_USER_MAX - 1, ..Known::default() };
    assert_eq!(kept(&known), (true, 0));
    known.back = vec![decided("b/bob", "a/alice", Granted)];
    assert_eq!(kept(&known), (true, 1));
    let unknown = Known { exists: false, ..known };
    assert_eq!(kept(&unknown), (false, 0));
}

/// AMB-CON-3: KeyPackages of a grant are for one of the requester's devices.
#[test]
fn key_packages_arrive_at_one_device() {
    let client_key_packages = vec![key_package(b"1")];
    let grants = entry(ConsentOperation::Grant { client_key_packages }, "b/bob", "a/alice");
    let asked = vec![open("b/bob", "a/alice", None)];
    let transition = Known { asked, ..Known::default() }.takes_in(&grants);
    let [first, others] = appended(&transition)[..] else { panic!("two entries") };
    assert_eq!(first.targets, Some(vec![client("b/bob/phone")]));
    assert_eq!(ConsentEntry::decode(&first.payload), Ok(grants));
    assert_eq!(others.targets, Some(vec![client("b/bob/laptop")]));
    let bare = entry(grant(), "b/bob", "a/alice");
    assert_eq!(ConsentEntry::decode(&others.payload), Ok(bare));
}
