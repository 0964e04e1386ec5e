use mimi_policy::ProposedChange::{AddClient, ExternalJoin, RemoveClient, SelfRemove};

use mimi_wire::room::base_policy::BaseRoomPolicy;
use mimi_wire::room::capability::Capability;

use super::*;
use crate::fixture::{
    self, NOW, client, commit, domain, identity, leaf, listed, member, proposals, references,
    role_change, room_uri, unlisted, user,
};
use crate::hub::fixture::{Extras, Hub, appended, fanout, local, message_of, part, peer};
use crate::hub::state::JOIN_GRANT_LIFETIME_MS;
use crate::{Change, Effect, Expect};

const MEMBERS: &[&str] = &["a/alice/phone", "a/alice/laptop", "b/bob/phone", "c/cathy/phone"];
const KEY: &[u8] = b"signature key";

fn welcoming(parts: Vec<WelcomePart>) -> Extras<'static> {
    Extras { welcomes: parts, ..Extras::default() }
}

fn joining(key: &'static [u8]) -> Extras<'static> {
    Extras { joiner_signature_key: Some(key), ..Extras::default() }
}

/// An external commit of a client.
fn external(hub: &Hub, short: &str) -> StagedChange {
    let joiner = identity(short);
    commit(&hub.view, Actor::Joiner(joiner.clone()), vec![ExternalJoin(joiner)])
}

/// A user's wish to leave with its only client.
fn leave(hub: &Hub, short: &str, seed: u8) -> StagedChange {
    let sender = member(&hub.view, short);
    let changes = vec![unlisted(&hub.view, &identity(short).user), SelfRemove];
    proposals(&hub.view, &sender, seed, changes)
}

/// What somebody pending has to be committed as: by reference, by its sender.
fn including(hub: &Hub, mut change: StagedChange) -> StagedChange {
    let pending = hub.state.pending.iter().map(|pending| pending.proposal.clone());
    change.proposals = pending.chain(change.proposals).collect();
    change
}

fn timestamp_of(transition: &Transition<Updated>) -> u64 {
    match transition.reply.response.outcome {
        UpdateOutcome::Success { accepted_timestamp } => accepted_timestamp,
        ref other => panic!("{other:?}"),
    }
}

fn not_allowed(result: Result<Transition<Updated>, Reject>) {
    let reject = result.unwrap_err();
    let response = crate::reply::update(&reject).unwrap();
    assert_eq!(response.outcome, UpdateOutcome::NotAllowed, "{reject}");
}

/// FLOW-3, PROTO-NTF-1, PROTO-NTF-2, PROTO-KM-13, AMB-NTF-8, PROTO-UPD-13: a follower's user adds a
/// third provider's; the commit goes to everybody, the Welcome only to the new one, with the same
/// time.
#[test]
fn a_commit_then_its_welcomes() {
    let mut hub = Hub::new(&["a/alice/phone", "b/bob/phone"]);
    let changes = vec![listed(user("c/cathy")), AddClient(identity("c/cathy/phone"))];
    let change = commit(&hub.view, member(&hub.view, "b/bob/phone"), changes);
    let welcome = part("c.example", &["c/cathy/phone"]);
    let extras = welcoming(vec![welcome.clone()]);
    let transition = hub.commit(&peer("b.example"), &change, extras).unwrap();

    let [first, second] = appended(&transition)[..] else { panic!("two entries") };
    assert_eq!((first.kind, first.seq), (EventKind::Commit, 1));
    assert_eq!(first.audience, [domain("b.example"), domain("c.example")]);
    assert_eq!(fanout(first).kind, FanoutKind::Commit { external_proposals: Vec::new() });
    assert_eq!(UpdateRequest::decode(&first.detail).unwrap(), {
        fixture::commit_request(0, format!("{change:?}").as_bytes())
    });
    assert_eq!((second.kind, second.seq), (EventKind::Welcome, 2));
    assert_eq!(second.audience, [domain("c.example")]);
    assert_eq!(second.targets, Some(Vec::new()), "no client of ours");
    let tree = RatchetTreeOption::Full(fixture::ratchet_tree());
    assert_eq!(fanout(second).kind, FanoutKind::Welcome { ratchet_tree: tree });
    assert_eq!(message_of(second), welcome.message);
    assert_eq!((first.timestamp_ms, second.timestamp_ms), (NOW, NOW));
    assert_eq!(timestamp_of(&transition), NOW);
    assert_eq!(transition.reply.response.error_description, "");
    let wakes = |name| Effect::WakeFollower { stream: room_uri(), follower: domain(name) };
    let all = [wakes("b.example"), wakes("c.example"), Effect::WakeStream(room_uri())];
    assert_eq!(transition.effects, all);
    assert_eq!(transition.expect, [Expect::StreamSeq { stream: room_uri(), seq: 0 }]);
    let follow = Change::Follow { stream: room_uri(), follower: domain("c.example"), after_seq: 0 };
    assert!(transition.changes.contains(&follow));
}

/// PROTO-NTF-2: our own clients' part of a Welcome is theirs alone, and they see the room from it.
#[test]
fn a_local_client_is_welcomed() {
    let mut hub = Hub::new(&["a/alice/phone", "b/bob/phone"]);
    let changes = vec![
        listed(user("a/dora")),
        AddClient(identity("a/dora/phone")),
        AddClient(identity("a/dora/laptop")),
    ];
    let change = commit(&hub.view, member(&hub.view, "b/bob/phone"), changes);
    let extras = welcoming(vec![part("a.example", &["a/dora/phone", "a/dora/laptop"])]);
    let transition = hub.commit(&peer("b.example"), &change, extras).unwrap();
    let welcome = appended(&transition)[1];
    assert!(welcome.audience.is_empty());
    let clients = [client("a/dora/phone"), client("a/dora/laptop")];
    assert_eq!(welcome.targets.as_deref(), Some(&clients[..]));
    for client in clients {
        let join = Change::Join { client, stream: room_uri(), from_seq: 2 };
        assert!(transition.changes.contains(&join));
    }
}

/// PROTO-NTF-6, AMB-NTF-6: who is removed still gets the commit, and nothing after it.
#[test]
fn the_removed_see_it_last() {
    let mut hub = Hub::new(&["b/bob/phone", "a/dora/phone", "c/cathy/phone"]);
    let bob = member(&hub.view, "b/bob/phone");
    let changes = vec![
        ProposedChange::ParticipantList(mimi_wire::room::participant_list::ParticipantListUpdate {
            removed_indices: vec![1, 2],
            ..Default::default()
        }),
        RemoveClient(leaf(&hub.view, "a/dora/phone")),
        RemoveClient(leaf(&hub.view, "c/cathy/phone")),
    ];
    let change = commit(&hub.view, bob, changes);
    let transition = hub.commit(&peer("b.example"), &change, Extras::default()).unwrap();
    let event = appended(&transition)[0];
    assert_eq!(event.audience, [domain("b.example"), domain("c.example")]);
    let (client, stream) = (client("a/dora/phone"), room_uri());
    assert!(transition.changes.contains(&Change::Leave { client, stream, until_seq: 1 }));
    let next = hub.submit(&peer("b.example"), "b/bob", 1, b"alone").unwrap();
    assert_eq!(appended(&next)[0].audience, [domain("b.example")]);
}

/// PROTO-UPD-9: one commit per epoch; the loser learns the current one.
#[test]
fn two_commits_of_one_epoch() {
    let mut hub = Hub::new(MEMBERS);
    let alice = commit(&hub.view, member(&hub.view, "a/alice/phone"), Vec::new());
    let bob = commit(&hub.view, member(&hub.view, "b/bob/phone"), Vec::new());
    hub.commit(&local("a/alice/phone"), &alice, Extras::default()).unwrap();
    let reject = hub.commit(&peer("b.example"), &bob, Extras::default()).unwrap_err();
    assert_eq!(reject, Reject::Stale { current_epoch: 1 });
    let outcome = crate::reply::update(&reject).unwrap().outcome;
    assert_eq!(outcome, UpdateOutcome::WrongEpoch { current_epoch: 1 });
}

/// AMB-TR-6: nobody hands in what others made.
#[test]
fn the_requester_is_the_makers_provider_or_the_maker() {
    let mut hub = Hub::new(MEMBERS);
    let by_bob = commit(&hub.view, member(&hub.view, "b/bob/phone"), Vec::new());
    let by_alice = commit(&hub.view, member(&hub.view, "a/alice/phone"), Vec::new());
    not_allowed(hub.commit(&peer("c.example"), &by_bob, Extras::default()));
    not_allowed(hub.commit(&local("a/alice/phone"), &by_bob, Extras::default()));
    not_allowed(hub.commit(&local("a/alice/laptop"), &by_alice, Extras::default()));
    not_allowed(hub.commit(&peer("b.example"), &by_alice, Extras::default()));
    let by_leave = leave(&hub, "c/cathy/phone", 1);
    not_allowed(hub.propose(&peer("b.example"), &by_leave));
    let by_hub = Actor::ExternalSender { index: 0, claims: Vec::new() };
    let removal = vec![RemoveClient(leaf(&hub.view, "b/bob/phone"))];
    not_allowed(hub.propose(&peer("b.example"), &proposals(&hub.view, &by_hub, 1, removal)));
    assert_eq!(hub.state, HubState::default(), "nothing changed");
}

/// PROTO-UPD-2, PROTO-ST-8, PROTO-UPD-10: a client of an unlisted user is not let in.
#[test]
fn an_add_without_a_participant_entry() {
    let mut hub = Hub::new(MEMBERS);
    let changes = vec![AddClient(identity("c/eve/phone"))];
    let change = commit(&hub.view, member(&hub.view, "b/bob/phone"), changes);
    not_allowed(hub.commit(&peer("b.example"), &change, Extras::default()));
}

/// PROTO-UPD-3: a removal leaves no client behind.
#[test]
fn a_removal_that_leaves_a_leaf() {
    let mut hub = Hub::new(&["b/bob/phone", "a/alice/phone", "a/alice/laptop"]);
    let changes =
        vec![unlisted(&hub.view, &user("a/alice")), RemoveClient(leaf(&hub.view, "a/alice/phone"))];
    let change = commit(&hub.view, member(&hub.view, "b/bob/phone"), changes);
    not_allowed(hub.commit(&peer("b.example"), &change, Extras::default()));
}

/// PROTO-UPD-12, AMB-UPD-8, FLOW-5: a leave is kept, and no commit gets around it.
#[test]
fn cached_proposals_are_included() {
    let mut hub = Hub::new(MEMBERS);
    let change = leave(&hub, "c/cathy/phone", 1);
    let transition = hub.propose(&peer("c.example"), &change).unwrap();
    let event = appended(&transition)[0];
    assert_eq!(event.kind, EventKind::Proposal);
    assert_eq!(event.audience, [domain("b.example"), domain("c.example")]);
    // PROTO-NTF-5.
    let UpdateRequest::Proposals(bundle) = UpdateRequest::decode(&event.detail).unwrap() else {
        panic!("proposals")
    };
    let FanoutKind::Proposal { more_proposals } = fanout(event).kind else { panic!("proposals") };
    assert_eq!(more_proposals, bundle.more_proposals);
    assert_eq!(more_proposals.len(), 1);

    let bob = member(&hub.view, "b/bob/phone");
    let plain = commit(&hub.view, bob, Vec::new());
    let reject = hub.commit(&peer("b.example"), &plain, Extras::default()).unwrap_err();
    let outcome = crate::reply::update(&reject).unwrap().outcome;
    let invalid_proposals = references(&change);
    assert_eq!(outcome, UpdateOutcome::InvalidProposal { invalid_proposals });
    let mut half = including(&hub, plain.clone());
    half.proposals.remove(0);
    assert!(hub.commit(&peer("b.example"), &half, Extras::default()).is_err());

    let full = including(&hub, plain);
    hub.commit(&peer("b.example"), &full, Extras::default()).unwrap();
    assert!(hub.state.pending.is_empty());
    assert!(hub.state.leaving.is_empty());
    assert_eq!(hub.view.role_index_of(&user("c/cathy")), None);
}

/// PROTO-UPD-12: of an Add that waits the KeyPackage may expire; then no commit could have it, and none
/// must be refused for that here. What came with it is still due.
#[test]
fn an_add_that_waits_holds_up_nobody() {
    let mut hub = Hub::new(MEMBERS);
    let dan = identity("d/dan/phone");
    let changes = vec![listed(user("d/dan")), AddClient(dan)];
    let change = proposals(&hub.view, &member(&hub.view, "a/alice/phone"), 1, changes);
    hub.propose(&local("a/alice/phone"), &change).unwrap();
    let bob = member(&hub.view, "b/bob/phone");
    let neither = commit(&hub.view, bob.clone(), Vec::new());
    let mut without = including(&hub, neither.clone());
    without.proposals.pop();
    hub.commit(&peer("b.example"), &neither, Extras::default()).unwrap_err();
    hub.commit(&peer("b.example"), &without, Extras::default()).unwrap();
    assert!(hub.view.role_index_of(&user("d/dan")).is_some());
    assert!(hub.state.pending.is_empty());
}

/// PROTO-UPD-11: one bad proposal and none is kept.
#[test]
fn a_bundle_is_all_or_nothing() {
    let mut hub = Hub::new(MEMBERS);
    let cathy = member(&hub.view, "c/cathy/phone");
    let changes = vec![unlisted(&hub.view, &user("c/cathy")), SelfRemove, RemoveClient(0)];
    let change = proposals(&hub.view, &cathy, 1, changes);
    not_allowed(hub.propose(&peer("c.example"), &change));
    assert_eq!(hub.state, HubState::default());
}

/// AMB-UPD-12: one bundle, one sender.
#[test]
fn a_bundle_has_one_sender() {
    let mut hub = Hub::new(&["a/alice/phone", "b/bob/phone", "b/bella/phone"]);
    let mut change = leave(&hub, "b/bob/phone", 1);
    change.proposals.extend(leave(&hub, "b/bella/phone", 2).proposals);
    not_allowed(hub.propose(&peer("b.example"), &change));
}

/// PROTO-UPD-4: who is leaving commits nothing and proposes only to go.
#[test]
fn the_leaving_are_restricted() {
    let mut hub = Hub::new(&["a/alice/phone", "b/bob/phone", "c/cathy/phone", "c/cathy/laptop"]);
    let cathy = member(&hub.view, "c/cathy/phone");
    let changes = vec![
        unlisted(&hub.view, &user("c/cathy")),
        RemoveClient(leaf(&hub.view, "c/cathy/laptop")),
        SelfRemove,
    ];
    let change = proposals(&hub.view, &cathy, 1, changes);
    hub.propose(&peer("c.example"), &change).unwrap();
    let laptop = member(&hub.view, "c/cathy/laptop");
    let plain = commit(&hub.view, laptop.clone(), Vec::new());
    let by_laptop = including(&hub, plain);
    not_allowed(hub.commit(&peer("c.example"), &by_laptop, Extras::default()));
    let adds = proposals(&hub.view, &laptop, 2, vec![listed(user("c/eve"))]);
    not_allowed(hub.propose(&peer("c.example"), &adds));
}

/// PROTO-PL-4: what could never be committed together is not kept together.
#[test]
fn competing_proposals() {
    let mut hub = Hub::new(MEMBERS);
    let ban = vec![
        role_change(&hub.view, &user("c/cathy"), 1),
        RemoveClient(leaf(&hub.view, "c/cathy/phone")),
    ];
    let ban = proposals(&hub.view, &member(&hub.view, "a/alice/phone"), 1, ban);
    hub.propose(&local("a/alice/phone"), &ban).unwrap();
    let removal =
        vec![unlisted(&hub.view, &user("c/cathy")), RemoveClient(leaf(&hub.view, "c/cathy/phone"))];
    let removal = proposals(&hub.view, &member(&hub.view, "b/bob/phone"), 2, removal);
    let reject = hub.propose(&peer("b.example"), &removal).unwrap_err();
    assert!(matches!(reject, Reject::InvalidProposals { references, .. } if references.len() == 2));
    let roles = vec![role_change(&hub.view, &user("b/bob"), 3)];
    let roles = proposals(&hub.view, &member(&hub.view, "a/alice/phone"), 3, roles);
    hub.propose(&local("a/alice/phone"), &roles).unwrap();
    let all = commit(&hub.view, member(&hub.view, "b/bob/phone"), Vec::new());
    let all = including(&hub, all);
    hub.commit(&peer("b.example"), &all, Extras::default()).unwrap();
}

/// ARCH-3: what the operator does not host is not kept for commits that could not come then.
#[test]
fn pending_proposals_stay_within_the_envelope() {
    let mut hub = Hub::new(MEMBERS);
    let most = u32::try_from(hub.view.participants.participants.len()).unwrap() + 1;
    hub.envelope.max_users = Some(most);
    let alice = member(&hub.view, "a/alice/phone");
    let add = |hub: &mut Hub, seed: u8, name: &str| {
        let change = proposals(&hub.view, &alice, seed, vec![listed(user(name))]);
        hub.propose(&local("a/alice/phone"), &change)
    };
    add(&mut hub, 1, "d/dan").unwrap();
    let over = add(&mut hub, 2, "d/dora");
    assert!(matches!(over, Err(Reject::InvalidProposals { .. })), "{over:?}");
    let all = including(&hub, commit(&hub.view, member(&hub.view, "b/bob/phone"), Vec::new()));
    hub.commit(&peer("b.example"), &all, Extras::default()).unwrap();
}

/// POLICY-BASE-2: a room takes its set of people when its membership becomes fixed, and gives it up
/// when it no longer is.
#[test]
fn membership_that_becomes_fixed_takes_its_set() {
    let mut hub = Hub::new(MEMBERS);
    let alice = member(&hub.view, "a/alice/phone");
    for role in &mut hub.view.roles.roles {
        role.role_capabilities.retain(|it| *it != Capability::CAN_ADD_PARTICIPANT);
        if role.role_index == 4 {
            role.role_capabilities.push(Capability::CAN_CHANGE_ROOM_MEMBERSHIP_STYLE);
        }
    }
    let members = MemberSet::of(hub.view.participants.participants.iter().map(|pair| &pair.user));
    let room = hub.view.room().clone();
    let mut become_fixed = |fixed_membership| {
        let policy = BaseRoomPolicy { fixed_membership, ..mimi_policy::preset::base_policy() };
        let change = commit(&hub.view, alice.clone(), vec![ProposedChange::BasePolicy(policy)]);
        hub.commit(&local("a/alice/phone"), &change, Extras::default()).unwrap()
    };
    let taken = become_fixed(true);
    assert!(taken.changes.contains(&Change::TakeMembers { members, room: room.clone() }));
    assert!(taken.expect.contains(&Expect::MembersFree(members)));
    let freed = become_fixed(false);
    assert!(freed.changes.contains(&Change::FreeMembers { members, room }));
    assert_eq!(freed.expect.len(), 1);
}

/// The queue of an epoch has an end.
#[test]
fn pending_proposals_have_a_limit() {
    let mut hub = Hub::new(MEMBERS);
    let alice = member(&hub.view, "a/alice/phone");
    let one = |seed: usize, view: &RoomView| {
        let added = listed(user(&format!("d/user{seed}")));
        let mut change = proposals(view, &alice, 0, vec![added]);
        change.proposals[0].reference = Some(seed.to_be_bytes().to_vec());
        change
    };
    let filler = one(0, &hub.view).proposals[0].clone();
    let pending = |seed: usize| Pending {
        reference: seed.to_be_bytes().to_vec(),
        proposal: StagedProposal { change: ProposedChange::UpdateOwnLeaf, ..filler.clone() },
        bundle: 1,
        message: Vec::new(),
        accepted_ms: NOW,
    };
    let Limits { pending_proposals_max, pending_proposals_per_sender_max, .. } = Limits::DEFAULT;
    let by_bob = |seed: usize| {
        let sender = member(&hub.view, "b/bob/phone");
        let mut pending = pending(seed);
        pending.proposal.sender = sender;
        pending
    };
    // (pending, of them Alice's, whether one more of hers is taken)
    let cases = [
        (pending_proposals_max - 1, 0, true),
        (pending_proposals_max, 0, false),
        (pending_proposals_max - 1, pending_proposals_per_sender_max - 1, true),
        (pending_proposals_max - 1, pending_proposals_per_sender_max, false),
    ];
    let cases = cases.map(|(count, alices, taken)| {
        let of = |seed| if seed <= alices { pending(seed) } else { by_bob(seed) };
        ((1..=count).map(of).collect::<Vec<_>>(), taken)
    });
    for (pending, taken) in cases {
        let count = pending.len();
        hub.state.pending = pending;
        let change = one(count + 1, &hub.view);
        let outcome = hub.propose(&local("a/alice/phone"), &change);
        let refused = matches!(outcome, Err(Reject::NotAllowed(_)));
        assert_eq!(refused, !taken, "{count} pending: {outcome:?}");
    }
}

/// PROTO-GI-5, AMB-UPD-13, FLOW-6: an external commit needs the groupInfo that was asked for with
/// the same key, and uses it up.
#[test]
fn an_external_commit_needs_its_grant() {
    let mut hub = Hub::new(MEMBERS);
    let cathy = peer("c.example");
    let laptop = external(&hub, "c/cathy/laptop");
    not_allowed(hub.commit(&cathy, &laptop, joining(KEY)));
    hub.group_info(&cathy, "c/cathy/laptop", KEY).unwrap();
    not_allowed(hub.commit(&cathy, &laptop, joining(b"another key")));
    hub.now_ms += JOIN_GRANT_LIFETIME_MS;
    not_allowed(hub.commit(&cathy, &laptop, joining(KEY)));
    hub.group_info(&cathy, "c/cathy/laptop", KEY).unwrap();
    hub.now_ms += JOIN_GRANT_LIFETIME_MS - 1;
    let transition = hub.commit(&cathy, &laptop, joining(KEY)).unwrap();
    assert!(hub.state.grants.is_empty());
    let event = appended(&transition)[0];
    assert_eq!(event.audience, [domain("b.example"), domain("c.example")]);
    assert!(!transition.changes.iter().any(|change| matches!(change, Change::Join { .. })));
}

/// An external joiner of ours sees its own commit first.
#[test]
fn a_local_external_joiner() {
    let mut hub = Hub::new(&["b/bob/phone", "a/alice/phone"]);
    let tablet = local("a/alice/tablet");
    hub.group_info(&tablet, "a/alice/tablet", KEY).unwrap();
    let change = external(&hub, "a/alice/tablet");
    let transition = hub.commit(&tablet, &change, joining(KEY)).unwrap();
    let (client, stream) = (client("a/alice/tablet"), room_uri());
    let seq = appended(&transition)[0].seq;
    assert!(transition.changes.contains(&Change::Join { client, stream, from_seq: seq }));
}

/// AMB-UPD-9, AMB-UPD-10, PROTO-GI-6: an external commit must take a leaver's SelfRemove along and
/// cannot take its list change; the leaver is gone all the same.
#[test]
fn a_leaver_stays_gone_after_an_external_commit() {
    let mut hub = Hub::new(MEMBERS);
    let bob_leaves = leave(&hub, "b/bob/phone", 1);
    hub.propose(&peer("b.example"), &bob_leaves).unwrap();
    let cathy = peer("c.example");
    hub.group_info(&cathy, "c/cathy/laptop", KEY).unwrap();
    let without = external(&hub, "c/cathy/laptop");
    let reject = hub.commit(&cathy, &without, joining(KEY)).unwrap_err();
    let Reject::InvalidProposals { references: omitted, .. } = reject else { panic!("{reject}") };
    assert_eq!(omitted, [references(&bob_leaves)[1].clone()]);

    let mut with = without;
    with.proposals.push(hub.state.pending[1].proposal.clone());
    hub.commit(&cathy, &with, joining(KEY)).unwrap();
    assert!(hub.state.pending.is_empty());
    let bob = user("b/bob");
    assert!(hub.view.role_index_of(&bob).is_some() && !hub.view.is_active(&bob));
    assert!(hub.state.leaving.contains(&bob));
    assert!(hub.group_info(&peer("b.example"), "b/bob/tablet", KEY).is_err());

    // Whoever may take it in again can.
    let changes = vec![AddClient(identity("b/bob/tablet"))];
    let back = commit(&hub.view, member(&hub.view, "a/alice/phone"), changes);
    let extras = welcoming(vec![part("b.example", &["b/bob/tablet"])]);
    hub.commit(&local("a/alice/phone"), &back, extras).unwrap();
    assert!(hub.state.leaving.is_empty());
    let epoch = hub.view.epoch;
    hub.submit(&peer("b.example"), "b/bob", epoch, b"back").unwrap();
}

/// A retry after a lost answer gets the first answer, though it can no longer be staged; nobody else
/// learns that there was one.
#[test]
fn a_repeat_gets_the_first_answer() {
    let mut hub = Hub::new(MEMBERS);
    let change = commit(&hub.view, member(&hub.view, "b/bob/phone"), Vec::new());
    let octets = fixture::commit_request(0, format!("{change:?}").as_bytes()).encode();
    let from = peer("b.example");
    assert_eq!(repeat(&hub.state, &from, &octets), None);
    let first = hub.commit(&from, &change, Extras::default()).unwrap();
    assert_eq!(repeat(&hub.state, &from, &octets), Some(first.reply.response));
    assert_eq!(repeat(&hub.state, &from, &octets[1..]), None);
    assert_eq!(repeat(&hub.state, &peer("c.example"), &octets), None);
}

#[test]
fn a_snapshot_every_so_many_handshakes() {
    let mut hub = Hub::new(MEMBERS);
    let due = |hub: &mut Hub| {
        let change = commit(&hub.view, member(&hub.view, "b/bob/phone"), Vec::new());
        hub.commit(&peer("b.example"), &change, Extras::default()).unwrap().reply.snapshot
    };
    for _ in 1..SNAPSHOT_EVERY {
        assert_eq!(due(&mut hub), SnapshotDue::Later);
    }
    assert_eq!(due(&mut hub), SnapshotDue::Now);
    hub.state.snapshot_taken();
    assert_eq!(due(&mut hub), SnapshotDue::Later);
}

/// A KeyPackage's lifetime is not judged again after a restart: the snapshot is behind the Add.
#[test]
fn a_snapshot_after_every_add() {
    let mut hub = Hub::new(MEMBERS);
    let changes = vec![AddClient(identity("b/bob/tablet"))];
    let change = commit(&hub.view, member(&hub.view, "b/bob/phone"), changes);
    let extras = welcoming(vec![part("b.example", &["b/bob/tablet"])]);
    let transition = hub.commit(&peer("b.example"), &change, extras).unwrap();
    assert_eq!(transition.reply.snapshot, SnapshotDue::Now);
}

/// What the group needs to follow an Add at any time is in the log before it, for the hub alone; so no
/// snapshot has to be written.
#[test]
fn an_add_that_replays_needs_no_snapshot() {
    let mut hub = Hub::new(MEMBERS);
    let changes = vec![AddClient(identity("b/bob/tablet"))];
    let change = commit(&hub.view, member(&hub.view, "b/bob/phone"), changes);
    let welcomes = vec![part("b.example", &["b/bob/tablet"])];
    let extras = Extras { welcomes, replay: Some(vec![7; 3]), ..Extras::default() };
    let transition = hub.commit(&peer("b.example"), &change, extras).unwrap();
    assert_eq!(transition.reply.snapshot, SnapshotDue::Later);
    let events = appended(&transition);
    let kinds: Vec<_> = events.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::HubNote, EventKind::Commit, EventKind::Welcome]);
    assert_eq!(HubState::replay_in(events[0]), Some(vec![7; 3]));
    assert_eq!((events[0].audience.len(), events[0].targets.clone()), (0, Some(Vec::new())));
    assert_eq!(HubState::replay_in(events[1]), None);
}

/// What no body can hold is refused.
#[test]
fn a_fanout_fits_a_body() {
    let mut hub = Hub::new(MEMBERS);
    let change = commit(&hub.view, member(&hub.view, "b/bob/phone"), Vec::new());
    let transition = hub.commit(&peer("b.example"), &change, Extras::default()).unwrap();
    let with = |octets: usize| {
        let mut transition = transition.clone();
        for change in &mut transition.changes {
            if let Change::Append(event) = change {
                event.payload = vec![0; octets];
            }
        }
        within_a_body(transition)
    };
    assert!(with(FANOUT_OCTETS_MAX).is_ok());
    not_allowed(with(FANOUT_OCTETS_MAX + 1));
}

/// AMB-UPD-17: somebody must supply the tree.
#[test]
fn a_welcome_without_a_tree_is_our_fault() {
    let UpdateRequest::Commit(bundle) = fixture::commit_request(0, b"x") else { panic!("commit") };
    let tree = fixture::ratchet_tree();
    assert_eq!(tree_after(&bundle, Some(&tree)).unwrap(), &tree);
    assert!(matches!(tree_after(&bundle, None), Err(Reject::Internal(_))));
    let ratchet_tree = RatchetTreeOption::Full(tree.clone());
    assert_eq!(tree_after(&CommitBundle { ratchet_tree, ..bundle }, None).unwrap(), &tree);
}

/// PROTO-UPD-12: an Update of a leaf is due in everybody's commit but its own and that of whoever
/// removes the leaf (RFC 9420, section 12.2).
#[test]
fn updates_of_leaves_are_due_where_they_can_be() {
    let waiting = || {
        let mut hub = Hub::new(MEMBERS);
        let bob = member(&hub.view, "b/bob/phone");
        let change = proposals(&hub.view, &bob, 1, vec![ProposedChange::UpdateOwnLeaf]);
        hub.propose(&peer("b.example"), &change).unwrap();
        hub
    };
    let by = |hub: &Hub, short: &str, changes: Vec<ProposedChange>| {
        commit(&hub.view, member(&hub.view, short), changes)
    };
    let mut hub = waiting();
    let omitting = by(&hub, "c/cathy/phone", Vec::new());
    let reject = hub.commit(&peer("c.example"), &omitting, Extras::default()).unwrap_err();
    assert!(matches!(reject, Reject::InvalidProposals { .. }), "{reject}");
    let whole = including(&hub, omitting);
    hub.commit(&peer("c.example"), &whole, Extras::default()).unwrap();
    let mut hub = waiting();
    let own = by(&hub, "b/bob/phone", Vec::new());
    hub.commit(&peer("b.example"), &own, Extras::default()).unwrap();
    let mut hub = waiting();
    let phone = RemoveClient(leaf(&hub.view, "b/bob/phone"));
    let gone = by(&hub, "a/alice/phone", vec![unlisted(&hub.view, &user("b/bob")), phone]);
    hub.commit(&local("a/alice/phone"), &gone, Extras::default()).unwrap();
}

/// POLICY-BASE-3: the hub knows of every room on which one it depends, and asks about proposals the
/// one it will depend on.
#[test]
fn a_room_comes_to_depend_on_another() {
    let mut hub = Hub::new(MEMBERS);
    let mut parent = hub.view.clone();
    let dependent = |name: &str| {
        let mut policy = mimi_policy::preset::base_policy();
        policy.parent_dependant = true;
        policy.parent_room = Some(fixture::uri(name).as_str().to_owned());
        policy
    };
    let (one, other) = ("mimi://a.example/r/parent", "mimi://a.example/r/other");
    parent.metadata.room_uri = fixture::uri(one);
    hub.parent = Some(parent);
    let set = |name| vec![ProposedChange::BasePolicy(dependent(name))];
    let alice = member(&hub.view, "a/alice/phone");
    let change = proposals(&hub.view, &alice, 1, set(one));
    let after = |hub: &Hub, change: &StagedChange| parent_after(&hub.state, &hub.view, change);
    let nothing = proposals(&hub.view, &alice, 2, Vec::new());
    assert_eq!(after(&hub, &nothing), None);
    assert_eq!(after(&hub, &change), Some(fixture::uri(one)));
    hub.propose(&local("a/alice/phone"), &change).unwrap();
    assert_eq!(after(&hub, &nothing), Some(fixture::uri(one)));
    let later = proposals(&hub.view, &alice, 2, set(other));
    assert_eq!(after(&hub, &later), Some(fixture::uri(other)));
    let whole = including(&hub, commit(&hub.view, alice.clone(), Vec::new()));
    let transition = hub.commit(&local("a/alice/phone"), &whole, Extras::default()).unwrap();
    let put = Change::PutParent { room: room_uri(), parent: Some(fixture::uri(one)) };
    assert!(transition.changes.contains(&put));
    assert_eq!(after(&hub, &nothing), Some(fixture::uri(one)));
    // What it depends on already is not written again.
    let nothing = commit(&hub.view, member(&hub.view, "a/alice/phone"), Vec::new());
    let transition = hub.commit(&local("a/alice/phone"), &nothing, Extras::default()).unwrap();
    let puts = |change: &Change| matches!(change, Change::PutParent { .. });
    assert!(!transition.changes.iter().any(puts));
}
