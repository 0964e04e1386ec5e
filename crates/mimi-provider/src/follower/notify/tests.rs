use mimi_wire::protocol::ratchet_tree::RatchetTreeOption;
use mimi_wire::protocol::update::UpdateRequest;

use super::*;
use crate::fixture::{
    NOW, application, client, commit_request, domain, proposal_message, ratchet_tree, room_uri,
    user, welcome_message,
};
use crate::follower::external_join::{ExternalJoinInput, external_join};
use crate::follower::state::RECENT_PAYLOADS_MAX;
use crate::requester::DeviceIdentity;

fn said(timestamp: u64, text: &str) -> FanoutMessage {
    let kind = FanoutKind::Application { frank: None };
    FanoutMessage { timestamp, message: application(0, text.as_bytes()), kind }
}

fn committed(timestamp: u64, marker: &str) -> FanoutMessage {
    let UpdateRequest::Commit(bundle) = commit_request(0, marker.as_bytes()) else {
        unreachable!("a commit")
    };
    let kind = FanoutKind::Commit { external_proposals: Vec::new() };
    FanoutMessage { timestamp, message: bundle.commit, kind }
}

fn welcomed(timestamp: u64, reference: &[u8]) -> FanoutMessage {
    let kind = FanoutKind::Welcome { ratchet_tree: RatchetTreeOption::Full(ratchet_tree()) };
    FanoutMessage { timestamp, message: welcome_message(reference), kind }
}

fn roster(joined: &[&str], left: &[&str], refs: &[&[u8]]) -> RosterChange {
    let clients = |shorts: &[&str]| shorts.iter().map(|short| client(short)).collect();
    RosterChange {
        joined: clients(joined),
        left: clients(left),
        welcomed: refs.iter().map(|reference| reference.to_vec()).collect(),
    }
}

/// c.example, and what it knows of a room at a.example.
#[derive(Default)]
struct Follower {
    state: Option<FollowerState>,
    owners: BTreeMap<Vec<u8>, MimiUri>,
}

impl Follower {
    fn new() -> Self {
        let owners = [
            (b"phone".to_vec(), client("c/cathy/phone")),
            (b"laptop".to_vec(), client("c/cathy/laptop")),
        ];
        Self { state: None, owners: owners.into() }
    }

    /// With the phone in the room.
    fn in_the_room() -> Self {
        let mut follower = Self::new();
        follower.receive(vec![(welcomed(NOW, b"phone"), roster(&[], &[], &[b"phone"]))]);
        follower
    }

    /// A client sends a commit through us.
    fn forward(&mut self, joiner: &str, commit: &FanoutMessage) {
        let device = DeviceIdentity { user: user("c/cathy"), client: client(joiner) };
        let input = ExternalJoinInput {
            own: &domain("c.example"),
            room: &room_uri(),
            device: &device,
            joiner: &device.client,
            commit: commit.message.octets(),
            roster: b"roster",
            now_ms: NOW,
        };
        let transition = external_join(self.state.as_ref(), &input).unwrap();
        for (event, change) in &transition.reply.appended {
            self.state.get_or_insert_default().observe(event, change);
        }
    }

    fn receive(&mut self, body: Vec<(FanoutMessage, RosterChange)>) -> Transition<Notified> {
        let (messages, changes): (Vec<_>, Vec<_>) = body.into_iter().unzip();
        let room = room_uri();
        let new = arrivals(self.state.as_ref(), &domain("a.example"), &room, messages.clone());
        let change_of = |message: &FanoutMessage| {
            let position = messages.iter().position(|known| known == message).unwrap();
            changes[position].clone()
        };
        let new = new.unwrap().into_iter().map(|it| (it.clone(), change_of(it.message())));
        let transition = notify(
            self.state.as_ref(),
            &NotifyInput {
                own: &domain("c.example"),
                room: &room,
                arrivals: &new.collect::<Vec<_>>(),
                owners: &self.owners,
                roster: b"roster",
            },
        )
        .unwrap();
        let created =
            transition.changes.iter().any(|change| matches!(change, Change::CreateRoom { .. }));
        if created {
            self.state = Some(FollowerState::default());
        }
        for (event, change) in &transition.reply.appended {
            self.state.as_mut().unwrap().observe(event, change);
        }
        transition
    }
}

fn kinds(transition: &Transition<Notified>) -> Vec<EventKind> {
    transition.reply.appended.iter().map(|(event, _)| event.kind).collect()
}

/// AMB-NTF-11: only the room's hub notifies.
#[test]
fn only_the_hub_notifies() {
    let from = |name| arrivals(None, &domain(name), &room_uri(), vec![said(NOW, "hi")]);
    assert!(from("a.example").is_ok());
    assert!(matches!(from("b.example"), Err(Reject::PeerMisbehaved(_))));
    let no_room = arrivals(None, &domain("a.example"), &user("a/alice"), vec![said(NOW, "hi")]);
    assert!(no_room.is_err());
    assert!(arrivals(None, &domain("a.example"), &room_uri(), Vec::new()).is_err());
}

/// PROTO-NTF-11, PROTO-KM-12, FLOW-3: the first Welcome makes the room known and is for the clients
/// whose KeyPackages it uses; the commit before it is for those who were there.
#[test]
fn a_first_welcome() {
    let mut follower = Follower::new();
    let body = vec![
        (committed(NOW, "add"), RosterChange::default()),
        (welcomed(NOW, b"phone"), roster(&["c/cathy/phone"], &[], &[b"phone", b"of others"])),
        (said(NOW + 1, "welcome!"), RosterChange::default()),
    ];
    let transition = follower.receive(body.clone());
    assert_eq!(kinds(&transition), [EventKind::Welcome, EventKind::Application]);
    assert_eq!(transition.expect, [Expect::NoRoom(room_uri())]);
    let Change::CreateRoom { kind, snapshot, .. } = &transition.changes[0] else {
        panic!("a room")
    };
    assert_eq!(*kind, RoomKind::Follower);
    let snapshot = FollowerSnapshot::decode(snapshot).unwrap();
    assert_eq!((snapshot.roster, snapshot.state), (b"roster".to_vec(), FollowerState::default()));
    let (welcome, _) = &transition.reply.appended[0];
    assert_eq!((welcome.seq, welcome.timestamp_ms), (1, NOW));
    assert_eq!(welcome.targets, Some(vec![client("c/cathy/phone")]));
    assert!(welcome.audience.is_empty());
    let (phone, stream) = (client("c/cathy/phone"), room_uri());
    assert!(transition.changes.contains(&Change::Join { client: phone, stream, from_seq: 1 }));
    // PROTO-NTF-10: the whole body again changes nothing; neither does the dropped commit.
    assert!(follower.receive(body).changes.is_empty());
}

/// A hub that sends what concerns nobody here costs nothing.
#[test]
fn a_room_that_concerns_nobody() {
    let mut follower = Follower::new();
    let body = vec![
        (said(NOW, "hi"), RosterChange::default()),
        (welcomed(NOW + 1, b"unknown"), roster(&[], &[], &[b"unknown"])),
        (committed(NOW + 2, "joins"), roster(&["b/bob/laptop"], &[], &[])),
    ];
    let transition = follower.receive(body);
    let nothing = Notified { appended: Vec::new(), snapshot: SnapshotDue::Later };
    assert_eq!(transition, Transition::unchanged(nothing));
}

/// PROTO-NTF-10: repeats are told message by message, also within one body.
#[test]
fn repeats() {
    let mut follower = Follower::in_the_room();
    let (one, two, three) = (said(NOW + 1, "1"), said(NOW + 2, "2"), said(NOW + 3, "3"));
    let none = RosterChange::default;
    let first = follower.receive(vec![(one.clone(), none()), (two.clone(), none())]);
    assert_eq!(first.reply.appended.len(), 2);
    let second = follower.receive(vec![
        (two, none()),
        (three.clone(), none()),
        (three, none()),
        (one, none()),
    ]);
    let [(event, _)] = &second.reply.appended[..] else { panic!("one is new") };
    assert_eq!((event.seq, event.timestamp_ms), (4, NOW + 3));
    assert_eq!(second.expect, [Expect::StreamSeq { stream: room_uri(), seq: 3 }]);
    assert_eq!(second.effects, [Effect::WakeStream(room_uri())]);
}

/// The same text at another time is another message (AMB-NTF-8).
#[test]
fn the_same_words_again_are_new() {
    let mut follower = Follower::in_the_room();
    follower.receive(vec![(said(NOW + 1, "ok"), RosterChange::default())]);
    let again = follower.receive(vec![(said(NOW + 2, "ok"), RosterChange::default())]);
    assert_eq!(again.reply.appended.len(), 1);
}

/// What the memory has lost is known to be old.
#[test]
fn the_memory_has_an_end() {
    let mut follower = Follower::in_the_room();
    let numbered =
        |number: usize| (said(NOW + u64::try_from(number).unwrap(), "x"), RosterChange::default());
    let is_repeat = |follower: &mut Follower, number| {
        follower.receive(vec![numbered(number)]).reply.appended.is_empty()
    };
    // Timestamps 2, 4 and so on, after the Welcome at 0.
    follower.receive((1..RECENT_PAYLOADS_MAX).map(|number| numbered(2 * number)).collect());
    assert_eq!(follower.state.as_ref().unwrap().recent.len(), RECENT_PAYLOADS_MAX);
    assert_eq!(follower.state.as_ref().unwrap().seen_until_ms, NOW);
    follower.receive((0..2).map(|it| numbered(2 * (RECENT_PAYLOADS_MAX + it))).collect());
    assert_eq!(follower.state.as_ref().unwrap().seen_until_ms, NOW + 2);
    assert!(is_repeat(&mut follower, 2), "forgotten, but too old to be new");
    assert!(is_repeat(&mut follower, 4), "remembered");
    assert!(!is_repeat(&mut follower, 2 * (RECENT_PAYLOADS_MAX + 2)));
}

/// A commit from before our time that comes once more, by a slow way, is not taken for new.
#[test]
fn what_was_before_us_stays_out() {
    let mut follower = Follower::new();
    let add = (committed(NOW, "add"), RosterChange::default());
    assert!(follower.receive(vec![add.clone()]).changes.is_empty());
    let welcome = (welcomed(NOW, b"phone"), roster(&[], &[], &[b"phone"]));
    assert_eq!(follower.receive(vec![welcome]).reply.appended.len(), 1);
    assert!(follower.receive(vec![add]).changes.is_empty());
}

/// PROTO-NTF-6: a removed client still sees the commit that removes it.
#[test]
fn a_client_goes() {
    let mut follower = Follower::in_the_room();
    let body =
        vec![(committed(NOW + 1, "ban"), roster(&[], &["c/cathy/phone", "b/bob/phone"], &[]))];
    let transition = follower.receive(body);
    let leaves: Vec<_> =
        transition.changes.iter().filter(|change| matches!(change, Change::Leave { .. })).collect();
    let (phone, stream) = (client("c/cathy/phone"), room_uri());
    assert_eq!(leaves, [&Change::Leave { client: phone, stream, until_seq: 2 }]);
    assert!(follower.state.unwrap().clients_in.is_empty());
}

/// FLOW-6: a client of ours that came by its own commit sees the room from it on; one that only
/// replaced its leaf is in already.
#[test]
fn an_external_joiner() {
    let mut follower = Follower::in_the_room();
    let joins =
        vec![(committed(NOW + 1, "join"), roster(&["c/cathy/laptop", "b/bob/x"], &[], &[]))];
    follower.forward("c/cathy/laptop", &joins[0].0);
    let transition = follower.receive(joins);
    let joined = |transition: &Transition<Notified>| {
        let joins = transition.changes.iter().filter_map(|change| match change {
            Change::Join { client, from_seq, .. } => Some((client.clone(), *from_seq)),
            _ => None,
        });
        joins.collect::<Vec<_>>()
    };
    assert_eq!(joined(&transition), [(client("c/cathy/laptop"), 3)]);
    assert!(follower.state.as_ref().unwrap().forwarded.is_empty());
    let both = roster(&["c/cathy/laptop"], &["c/cathy/laptop"], &[]);
    let transition = follower.receive(vec![(committed(NOW + 2, "rejoin"), both)]);
    assert_eq!(joined(&transition), []);
    assert!(!transition.changes.iter().any(|change| matches!(change, Change::Leave { .. })));
    let mut unknown = Follower::new();
    let joins = vec![(committed(NOW + 1, "join"), roster(&["c/cathy/laptop"], &[], &[]))];
    unknown.forward("c/cathy/laptop", &joins[0].0);
    assert_eq!(joined(&unknown.receive(joins)), [(client("c/cathy/laptop"), 2)]);
}

/// A hub cannot pull a client of ours into a room by a commit that names it: only the client's own
/// request lets it in, and only by this very commit.
#[test]
fn nobody_is_pulled_into_a_room() {
    let nothing = Notified { appended: Vec::new(), snapshot: SnapshotDue::Later };
    let forged = || vec![(committed(NOW + 1, "forged"), roster(&["c/cathy/laptop"], &[], &[]))];
    let mut follower = Follower::new();
    assert_eq!(follower.receive(forged()), Transition::unchanged(nothing.clone()));
    // Not by another commit than it sent, and not as another client than the one that sent it.
    follower.forward("c/cathy/laptop", &committed(0, "sent"));
    assert_eq!(follower.receive(forged()), Transition::unchanged(nothing.clone()));
    follower.forward("c/cathy/phone", &committed(0, "forged"));
    assert_eq!(follower.receive(forged()), Transition::unchanged(nothing));
    // In a room we are in the commit is kept, and lets nobody in.
    let mut follower = Follower::in_the_room();
    let transition = follower.receive(forged());
    assert_eq!(kinds(&transition), [EventKind::Commit]);
    assert!(!transition.changes.iter().any(|change| matches!(change, Change::Join { .. })));
    assert_eq!(follower.state.unwrap().clients_in, [client("c/cathy/phone")].into());
}

/// When the last of our clients has gone nothing more is kept, until one comes back.
#[test]
fn a_room_that_we_have_left() {
    let mut follower = Follower::in_the_room();
    let gone = || roster(&[], &["c/cathy/phone"], &[]);
    follower.receive(vec![(committed(NOW + 1, "ban"), gone())]);
    let none = RosterChange::default;
    let body = vec![(said(NOW + 2, "x"), none()), (committed(NOW + 3, "add"), none())];
    assert!(follower.receive(body.clone()).changes.is_empty());
    let welcome = (welcomed(NOW + 3, b"laptop"), roster(&[], &[], &[b"laptop"]));
    let transition = follower.receive(vec![welcome]);
    assert_eq!(kinds(&transition), [EventKind::Welcome]);
    assert_eq!(transition.changes.len(), 2, "an entry and who sees it");
    assert!(follower.receive(body).changes.is_empty(), "from before our time");
}

/// Each kind of message becomes its kind of entry, for everybody here.
#[test]
fn kinds_of_entries() {
    let mut follower = Follower::in_the_room();
    let kind = FanoutKind::Proposal { more_proposals: Vec::new() };
    let proposed =
        FanoutMessage { timestamp: NOW + 2, message: proposal_message(0, 1, b"x"), kind };
    let none = RosterChange::default;
    let transition = follower.receive(vec![
        (committed(NOW + 1, "x"), none()),
        (proposed, none()),
        (said(NOW + 3, "x"), none()),
    ]);
    let expected = [EventKind::Commit, EventKind::Proposal, EventKind::Application];
    assert_eq!(kinds(&transition), expected);
    assert!(transition.reply.appended.iter().all(|(event, _)| event.targets.is_none()));
}

#[test]
fn our_own_rooms_are_not_followed() {
    let arrived = arrivals(None, &domain("a.example"), &room_uri(), vec![said(NOW, "x")]).unwrap();
    let input = NotifyInput {
        own: &domain("a.example"),
        room: &room_uri(),
        arrivals: &[(arrived[0].clone(), RosterChange::default())],
        owners: &BTreeMap::new(),
        roster: &[],
    };
    assert!(matches!(notify(None, &input), Err(Reject::PeerMisbehaved(_))));
}

#[test]
fn a_snapshot_is_read_back_and_due_in_time() {
    let mut follower = Follower::in_the_room();
    for number in 2..SNAPSHOT_EVERY {
        let body = vec![(committed(NOW + u64::from(number), "x"), RosterChange::default())];
        assert_eq!(follower.receive(body).reply.snapshot, SnapshotDue::Later);
    }
    let body = vec![(committed(NOW + 900, "x"), RosterChange::default())];
    assert_eq!(follower.receive(body).reply.snapshot, SnapshotDue::Now);
    let mut state = follower.state.unwrap();
    state.snapshot_taken();
    assert_eq!(state.handshakes_since_snapshot, 0);
    let snapshot = FollowerSnapshot { roster: b"roster".to_vec(), state };
    assert_eq!(FollowerSnapshot::decode(&snapshot.encode()), Ok(snapshot));
}

/// PROTO-NTF-11: a client that is in comes in once.
#[test]
fn who_is_in_the_room_is_not_let_in_again() {
    let mut follower = Follower::in_the_room();
    let again = (welcomed(NOW + 1, b"phone"), roster(&[], &[], &[b"phone"]));
    let joins = |transition: &Transition<Notified>| {
        transition.changes.iter().any(|change| matches!(change, Change::Join { .. }))
    };
    assert!(!joins(&follower.receive(vec![again])));
    let laptop = (welcomed(NOW + 2, b"laptop"), roster(&[], &[], &[b"laptop"]));
    assert!(joins(&follower.receive(vec![laptop])));
}
