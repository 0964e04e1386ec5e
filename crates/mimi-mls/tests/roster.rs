//! A follower tells from handshakes alone which clients are in a room.
#![expect(clippy::unwrap_used, reason = "tests")]

use mimi_mls::hub::HubProposals;
use mimi_mls::member::CommitPlan;
use mimi_mls::roster::{Roster, RosterChange, clients_in, external_joiner, takes_a_place};
use mimi_wire::MimiUri;
use mimi_wire::mls::MessageKind;
use mimi_wire::protocol::notify::{FanoutKind, FanoutMessage};
use mimi_wire::protocol::ratchet_tree::RatchetTreeOption;
use mimi_wire::protocol::update::UpdateRequest;
use tombolo_testkit::{TestMember, TestRoom};

/// b.example's view of a room, restarted before every event.
#[derive(Default)]
struct Follower {
    roster: Roster,
    seen: usize,
}

impl Follower {
    /// Follows what the hub has fanned out since, Welcomes of other providers left out.
    fn follow(&mut self, room: &TestRoom, welcomes: bool) -> Vec<RosterChange> {
        let fresh = room.log[self.seen..].to_vec();
        self.seen = room.log.len();
        let ours =
            |event: &&FanoutMessage| welcomes || event.message.kind() != MessageKind::Welcome;
        fresh.iter().filter(ours).map(|event| self.take(event)).collect()
    }

    fn take(&mut self, event: &FanoutMessage) -> RosterChange {
        self.roster = Roster::restore(&self.roster.snapshot()).unwrap();
        self.roster.follow(event)
    }

    fn assert_knows(&self, room: &TestRoom) {
        let clients: Vec<&MimiUri> = room.hub.view().clients.iter().map(|it| &it.client).collect();
        assert_eq!(self.roster.clients().collect::<Vec<_>>(), clients);
    }
}

fn uris(names: &[&str]) -> Vec<MimiUri> {
    names.iter().map(|name| MimiUri::new(&format!("mimi://{name}")).unwrap()).collect()
}

fn bob_joins(room: &mut TestRoom) -> Follower {
    let phone = room.federation.device("b.example", "bob", "phone");
    let laptop = room.federation.device("b.example", "bob", "laptop");
    let plan = room.plan_to_add(vec![phone, laptop]);
    room.commit("alice/phone", &plan);
    // A new follower gets the Welcome alone.
    let mut follower = Follower { seen: 1, ..Default::default() };
    let changes = follower.follow(room, true);
    let everybody = ["a.example/d/alice/phone", "b.example/d/bob/laptop", "b.example/d/bob/phone"];
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].joined, uris(&everybody));
    assert_eq!(changes[0].welcomed.len(), 2);
    follower.assert_knows(room);
    follower
}

/// PROTO-NTF-11: the Welcome names the KeyPackages, its tree the clients.
#[test]
fn the_first_welcome_tells_everything() {
    bob_joins(&mut TestRoom::of_alice());
}

#[test]
fn adds_count_when_their_welcome_comes() {
    let mut room = TestRoom::of_alice();
    let mut follower = bob_joins(&mut room);
    // Of c.example only the commit is seen here.
    let cathy = room.federation.device("c.example", "cathy", "phone");
    let plan = room.plan_to_add(vec![cathy]);
    room.commit("bob/phone", &plan);
    let changes = follower.follow(&room, false);
    assert_eq!(changes, [RosterChange::default()]);
    follower.assert_knows(&room);
    let tablet = room.federation.device("b.example", "bob", "tablet");
    let plan = room.plan_to_add(vec![tablet]);
    room.commit("bob/phone", &plan);
    let changes = follower.follow(&room, true);
    assert_eq!(changes[0], RosterChange::default(), "the commit");
    assert_eq!(changes[1].joined, uris(&["b.example/d/bob/tablet"]));
    assert!(changes[1].left.is_empty());
    follower.assert_knows(&room);
}

#[test]
fn joins_leaves_and_removals_are_followed() {
    let mut room = TestRoom::of_alice();
    let mut follower = bob_joins(&mut room);
    let tablet = room.federation.device("b.example", "bob", "tablet");
    room.join_externally(tablet);
    let changes = follower.follow(&room, true);
    assert_eq!(changes[0].joined, uris(&["b.example/d/bob/tablet"]));
    follower.assert_knows(&room);
    // Again in place of its old leaf: it comes in, and has not left.
    let tablet = room.members.remove("bob/tablet").unwrap().device;
    room.join_externally(tablet);
    let changes = follower.follow(&room, true);
    assert_eq!(changes[0].joined, uris(&["b.example/d/bob/tablet"]));
    assert!(changes[0].left.is_empty());
    let removed = room.leaf("bob/laptop");
    room.commit("alice/phone", &CommitPlan { remove: vec![removed], ..Default::default() });
    assert_eq!(follower.follow(&room, true)[0].left, uris(&["b.example/d/bob/laptop"]));
    follower.assert_knows(&room);
    let TestMember { device, group } = room.member("bob/phone");
    let leave = group.leave(device).unwrap();
    room.propose(leave);
    let leaf = room.leaf("bob/tablet");
    let wanted = HubProposals { remove: &[leaf], participants: None };
    let bundle = room.hub.propose(&room.hub_keys, wanted).unwrap();
    let events = room.submit(&UpdateRequest::Proposals(bundle)).unwrap();
    room.deliver(&events);
    let changes = follower.follow(&room, true);
    assert!(changes.iter().all(|change| *change == RosterChange::default()));
    // The gap that a removal leaves is filled from the left.
    let cathy = room.federation.device("c.example", "cathy", "phone");
    let plan = room.plan_to_add(vec![cathy]);
    room.commit("alice/phone", &plan);
    let changes = follower.follow(&room, false);
    let gone = uris(&["b.example/d/bob/phone", "b.example/d/bob/tablet"]);
    assert_eq!(changes[0].left, gone);
    follower.assert_knows(&room);
}

/// Whatever was missed, the next Welcome's tree puts right.
#[test]
fn a_welcome_mends_what_was_missed() {
    let mut room = TestRoom::of_alice();
    let mut follower = bob_joins(&mut room);
    let removed = room.leaf("bob/laptop");
    room.commit("alice/phone", &CommitPlan { remove: vec![removed], ..Default::default() });
    follower.seen = room.log.len();
    let tablet = room.federation.device("b.example", "bob", "tablet");
    let plan = room.plan_to_add(vec![tablet]);
    room.commit("alice/phone", &plan);
    let changes = follower.follow(&room, true);
    assert_eq!(changes[1].left, uris(&["b.example/d/bob/laptop"]));
    assert_eq!(changes[1].joined, uris(&["b.example/d/bob/tablet"]));
    follower.assert_knows(&room);
}

/// Messages, Welcomes without a tree and misplaced kinds do no harm.
#[test]
fn what_cannot_be_followed_is_ignored() {
    let mut room = TestRoom::of_alice();
    let mut follower = bob_joins(&mut room);
    let message = room.message("alice/phone", b"hello");
    let before = follower.roster.snapshot();
    assert_eq!(follower.take(&message), RosterChange::default());
    let commit = FanoutKind::Commit { external_proposals: vec![message.message.clone()] };
    let proposal = FanoutKind::Proposal { more_proposals: vec![message.message.clone()] };
    let ratchet_tree = RatchetTreeOption::DistributionService;
    for kind in [commit, proposal, FanoutKind::Welcome { ratchet_tree }] {
        let odd = FanoutMessage { kind, ..message.clone() };
        assert_eq!(follower.take(&odd), RosterChange::default());
        assert_eq!(follower.roster.snapshot(), before);
    }
}

/// Without a tree nobody is taken for the owner of a leaf: who goes is not guessed.
#[test]
fn an_external_joiner_without_a_tree_has_no_leaf() {
    let mut room = TestRoom::of_alice();
    let phone = room.federation.device("b.example", "bob", "phone");
    let plan = room.plan_to_add(vec![phone]);
    room.commit("alice/phone", &plan);
    let mut follower = Follower { seen: room.log.len(), ..Default::default() };
    let tablet = room.federation.device("b.example", "bob", "tablet");
    room.join_externally(tablet);
    let commit = &room.log.last().unwrap().message;
    assert_eq!(external_joiner(commit), uris(&["b.example/d/bob/tablet"]).pop());
    assert_eq!(follower.follow(&room, true)[0].joined, uris(&["b.example/d/bob/tablet"]));
    let removed = room.leaf("bob/phone");
    room.commit("alice/phone", &CommitPlan { remove: vec![removed], ..Default::default() });
    assert_eq!(follower.follow(&room, true), [RosterChange::default()]);
    let known: Vec<&MimiUri> = follower.roster.clients().collect();
    assert_eq!(known, uris(&["b.example/d/bob/tablet"]).iter().collect::<Vec<_>>());
    let cathy = room.federation.device("c.example", "cathy", "phone");
    let plan = room.plan_to_add(vec![cathy]);
    room.commit("alice/phone", &plan);
    assert_eq!(external_joiner(&room.log[room.log.len() - 2].message), None);
    follower.follow(&room, true);
    follower.assert_knows(&room);
}

/// Who joins by itself and was in the group is put in its own place, which the commit shows.
#[test]
fn a_joiner_that_was_in_the_group() {
    let mut room = TestRoom::of_alice();
    let tablet = room.federation.device("a.example", "alice", "tablet");
    room.join_externally(tablet);
    assert!(!takes_a_place(&room.log.last().unwrap().message));
    let tablet = room.members.remove("alice/tablet").unwrap().device;
    room.join_externally(tablet);
    assert!(takes_a_place(&room.log.last().unwrap().message));
    let removed = room.leaf("alice/tablet");
    room.commit("alice/phone", &CommitPlan { remove: vec![removed], ..Default::default() });
    assert!(!takes_a_place(&room.log.last().unwrap().message));
}

/// Who is in a tree is known before anything of it is verified.
#[test]
fn the_clients_of_a_tree() {
    let mut room = TestRoom::of_alice();
    let tree = |room: &TestRoom| room.join_material().ratchet_tree;
    let RatchetTreeOption::Full(alone) = tree(&room) else { panic!("a tree") };
    assert_eq!(clients_in(&alone).unwrap(), uris(&["a.example/d/alice/phone"]));
    bob_joins(&mut room);
    let RatchetTreeOption::Full(together) = tree(&room) else { panic!("a tree") };
    assert_eq!(clients_in(&together).unwrap().len(), 3);
}
