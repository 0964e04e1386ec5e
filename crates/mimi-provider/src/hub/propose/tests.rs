use mimi_policy::ProposedChange::{AddClient, ExternalJoin, RemoveClient, SelfRemove};
use mimi_policy::preset::{Preset, hub_preauth};
use mimi_wire::protocol::notify::FanoutKind;
use mimi_wire::protocol::update::UpdateOutcome;

use super::*;
use crate::fixture::{
    NOW, client, commit, domain, identity, leaf, member, proposals, unlisted, user,
};
use crate::hub::fixture::{Extras, Hub, appended, fanout, local, part, peer};
use crate::hub::update::is_gone;
use crate::requester::Requester;
use crate::{Change, Reject};

const MEMBERS: &[&str] = &["a/alice/phone", "b/bob/phone", "b/bob/laptop", "c/cathy/phone"];
const KEY: &[u8] = b"signature key";

/// A room that preauthorizes its hub (AMB-ST-4).
fn hub(clients: &[&str]) -> Hub {
    let mut hub = Hub::new(clients);
    hub.view.preauth = hub_preauth(&domain("a.example"), Preset::Cooperative);
    hub
}

/// Everything pending, by reference, in a member's commit.
fn all_pending(hub: &Hub, short: &str) -> StagedChange {
    let mut change = commit(&hub.view, member(&hub.view, short), Vec::new());
    let pending = hub.state.pending.iter().map(|pending| pending.proposal.clone());
    change.proposals = pending.collect();
    change
}

fn kinds(transition: &Transition<Updated>) -> Vec<EventKind> {
    appended(transition).iter().map(|entry| entry.kind).collect()
}

fn bob() -> Evicted {
    Evicted::User(user("b/bob"))
}

/// The tablet of alice comes by itself.
fn external_commit(hub: &mut Hub, short: &str) -> Transition<Updated> {
    let domain = identity(short).client.domain();
    let requester = Requester::Peer(domain);
    hub.group_info(&requester, short, KEY).unwrap();
    let joiner = identity(short);
    let mut change = commit(&hub.view, Actor::Joiner(joiner.clone()), vec![ExternalJoin(joiner)]);
    let selves = hub.state.pending.iter().map(|pending| pending.proposal.clone());
    let selves = selves.filter(|proposal| proposal.change == SelfRemove);
    change.proposals.splice(0..0, selves);
    let extras = Extras { joiner_signature_key: Some(KEY), ..Extras::default() };
    hub.commit(&requester, &change, extras).unwrap()
}

/// PROTO-NTF-3, AMB-ST-4: what the hub proposes is fanned out, bites at once, and is committed by
/// any member.
#[test]
fn a_user_is_removed_by_the_hub() {
    let mut hub = hub(MEMBERS);
    let transition = hub.evict(&[bob()]).unwrap();
    assert_eq!(kinds(&transition), [EventKind::HubNote, EventKind::Proposal]);
    let [note, proposal] = appended(&transition)[..] else { panic!("two entries") };
    // AMB-NTF-8: no two entries of one time.
    assert_eq!((note.timestamp_ms, proposal.timestamp_ms), (NOW, NOW + 1));
    assert_eq!(proposal.audience, [domain("b.example"), domain("c.example")]);
    assert_eq!(proposal.targets, None);
    let FanoutKind::Proposal { more_proposals } = fanout(proposal).kind else {
        panic!("{proposal:?}")
    };
    assert_eq!(more_proposals.len(), 2, "two devices and the list entry");
    assert!(hub.submit(&peer("b.example"), "b/bob", 0, b"still here?").is_err());
    let forgetful = commit(&hub.view, member(&hub.view, "c/cathy/phone"), Vec::new());
    let refused = hub.commit(&peer("c.example"), &forgetful, Extras::default());
    assert!(matches!(refused, Err(Reject::InvalidProposals { .. })), "{refused:?}");
    assert!(hub.evict(&[bob()]).unwrap().changes.is_empty(), "it has been said");
    let all = all_pending(&hub, "c/cathy/phone");
    let transition = hub.commit(&peer("c.example"), &all, Extras::default()).unwrap();
    assert_eq!(kinds(&transition), [EventKind::Commit]);
    assert_eq!(hub.view.role_index_of(&user("b/bob")), None);
    assert!(hub.state.evicting.is_empty());
}

/// Members judge a bundle by itself when it comes, so it must be right by itself: of a user one of
/// whose devices is on its way out already, the clients go first and the entry later.
#[test]
fn a_user_half_of_whom_is_on_the_way_out() {
    let mut hub = hub(MEMBERS);
    let change = proposals(&hub.view, &member(&hub.view, "b/bob/laptop"), 1, vec![SelfRemove]);
    hub.propose(&peer("b.example"), &change).unwrap();
    let transition = hub.evict(&[bob()]).unwrap();
    assert_eq!(kinds(&transition), [EventKind::HubNote, EventKind::Proposal]);
    let all = all_pending(&hub, "c/cathy/phone");
    let transition = hub.commit(&peer("c.example"), &all, Extras::default()).unwrap();
    assert_eq!(kinds(&transition), [EventKind::Commit, EventKind::Proposal]);
    let all = all_pending(&hub, "c/cathy/phone");
    hub.commit(&peer("c.example"), &all, Extras::default()).unwrap();
    assert_eq!(hub.view.role_index_of(&user("b/bob")), None);
}

#[test]
fn a_lost_device_is_removed_and_its_user_stays() {
    let mut hub = hub(MEMBERS);
    hub.evict(&[Evicted::Client(client("b/bob/laptop"))]).unwrap();
    let [pending] = hub.state.pending.as_slice() else { panic!("one proposal") };
    assert_eq!(pending.proposal.change, RemoveClient(leaf(&hub.view, "b/bob/laptop")));
    assert!(hub.submit(&peer("b.example"), "b/bob", 0, b"by phone").is_ok());
    let all = all_pending(&hub, "a/alice/phone");
    hub.commit(&local("a/alice/phone"), &all, Extras::default()).unwrap();
    assert!(hub.view.is_active(&user("b/bob")));
    assert!(hub.state.evicting.is_empty());
}

/// PROTO-NTF-4, FLOW-15: an external commit voids the hub's proposals; they are stapled to it anew,
/// and the log has them for the next start.
#[test]
fn voided_proposals_are_stapled_to_the_commit_that_voids_them() {
    let mut hub = hub(MEMBERS);
    hub.evict(&[bob()]).unwrap();
    let transition = external_commit(&mut hub, "c/cathy/tablet");
    assert_eq!(kinds(&transition), [EventKind::Commit, EventKind::Proposal]);
    let [voiding, anew] = appended(&transition)[..] else { panic!("two entries") };
    let FanoutKind::Commit { external_proposals } = fanout(voiding).kind else {
        panic!("a commit")
    };
    assert_eq!(external_proposals.len(), 3);
    assert_eq!((anew.audience.as_slice(), anew.targets.as_deref()), (&[][..], Some(&[][..])));
    assert_eq!(hub.state.pending.len(), 3);
    assert!(hub.submit(&peer("b.example"), "b/bob", 1, b"still here?").is_err());
    let all = all_pending(&hub, "c/cathy/tablet");
    hub.commit(&peer("c.example"), &all, Extras::default()).unwrap();
    assert_eq!(hub.view.role_index_of(&user("b/bob")), None);
}

/// AMB-UPD-9: of a leave an external commit carries the SelfRemove alone; the hub sees to the rest.
#[test]
fn a_leave_cut_short_is_completed() {
    let mut hub = hub(MEMBERS);
    let laptop = leaf(&hub.view, "b/bob/laptop");
    let changes = vec![unlisted(&hub.view, &user("b/bob")), RemoveClient(laptop), SelfRemove];
    let leave = proposals(&hub.view, &member(&hub.view, "b/bob/phone"), 1, changes);
    hub.propose(&peer("b.example"), &leave).unwrap();
    let transition = external_commit(&mut hub, "c/cathy/tablet");
    assert_eq!(kinds(&transition), [EventKind::Commit, EventKind::Proposal]);
    let changes: Vec<_> = hub.state.pending.iter().map(|it| it.proposal.change.clone()).collect();
    assert_eq!(changes, [RemoveClient(laptop), unlisted(&hub.view, &user("b/bob"))]);
    let all = all_pending(&hub, "a/alice/phone");
    hub.commit(&local("a/alice/phone"), &all, Extras::default()).unwrap();
    assert_eq!(hub.view.role_index_of(&user("b/bob")), None);
    assert!(hub.state.leaving.is_empty());
}

/// With a member's commit they follow the Welcomes: the welcomed hear of nothing before.
#[test]
fn the_welcomed_hear_of_what_is_pending() {
    let mut hub = hub(MEMBERS);
    hub.state.leaving.insert(user("c/cathy"));
    let added = vec![AddClient(identity("b/bob/tablet"))];
    let change = commit(&hub.view, member(&hub.view, "b/bob/phone"), added);
    let extras =
        Extras { welcomes: vec![part("b.example", &["b/bob/tablet"])], ..Extras::default() };
    let transition = hub.commit(&peer("b.example"), &change, extras).unwrap();
    assert_eq!(kinds(&transition), [EventKind::Commit, EventKind::Welcome, EventKind::Proposal]);
    let entries = appended(&transition);
    let FanoutKind::Commit { external_proposals } = fanout(entries[0]).kind else { panic!() };
    assert!(external_proposals.is_empty());
    assert_eq!(entries[2].targets, None);
    assert!(entries[2].timestamp_ms > entries[1].timestamp_ms, "AMB-NTF-8");
}

/// POLICY-PRE-4: without an entry that matches it the hub has no say. It still passes nothing on.
#[test]
fn a_room_that_does_not_preauthorize_its_hub() {
    let mut hub = Hub::new(MEMBERS);
    let transition = hub.evict(&[bob()]).unwrap();
    assert_eq!(kinds(&transition), [EventKind::HubNote]);
    assert!(hub.state.pending.is_empty());
    assert!(hub.submit(&peer("b.example"), "b/bob", 0, b"still here?").is_err());
    let mut elsewhere = Hub::new(MEMBERS);
    elsewhere.view.preauth = hub_preauth(&domain("b.example"), Preset::Cooperative);
    elsewhere.evict(&[bob()]).unwrap();
    assert!(elsewhere.state.pending.is_empty());
}

/// Where somebody would refuse a list change of the hub, the clients go and the entry waits for
/// somebody entitled.
#[test]
fn the_list_is_left_alone_where_changes_of_the_hub_are_refused() {
    let hub = hub(MEMBERS);
    let due = |list_changes| {
        due(&hub.state, Judge::of(&hub.view), &domain("a.example"), &[bob()], list_changes).unwrap()
    };
    assert_eq!(due(ListChanges::Refused), HubChange { remove: vec![1, 2], unlist: Vec::new() });
    assert_eq!(due(ListChanges::Taken), HubChange { remove: vec![1, 2], unlist: vec![1] });
}

/// A bundle has 256 proposals at most (AMB-UPD-12); the rest follows with the next commit.
#[test]
fn a_bundle_is_bounded() {
    let names: Vec<String> =
        (0..=BUNDLE_PROPOSALS_MAX).map(|at| format!("b/u{at}/phone")).collect();
    let mut clients = vec!["a/alice/phone"];
    clients.extend(names.iter().map(String::as_str));
    let hub = hub(&clients);
    let gone: Vec<_> = names.iter().map(|name| Evicted::Client(client(name))).collect();
    let due =
        due(&hub.state, Judge::of(&hub.view), &domain("a.example"), &gone, ListChanges::Refused)
            .unwrap();
    assert_eq!(due.remove.len(), BUNDLE_PROPOSALS_MAX);
    let fewer = super::due(
        &hub.state,
        Judge::of(&hub.view),
        &domain("a.example"),
        &gone[1..],
        ListChanges::Refused,
    );
    assert_eq!(fewer.unwrap().remove.len(), BUNDLE_PROPOSALS_MAX);
}

/// A queue that members have filled does not keep the hub from proposing, and one of them who cannot
/// go does not keep the others (AMB-ST-4).
#[test]
fn a_full_queue_has_room_for_the_hub() {
    let mut hub = hub(&["a/alice/phone", "b/bob/phone", "c/cathy/phone"]);
    let alice = member(&hub.view, "a/alice/phone");
    let waiting = |seed: usize| Pending {
        reference: seed.to_be_bytes().to_vec(),
        proposal: StagedProposal {
            sender: alice.clone(),
            reference: Some(seed.to_be_bytes().to_vec()),
            change: ProposedChange::UpdateOwnLeaf,
        },
        bundle: 1,
        message: Vec::new(),
        accepted_ms: NOW,
    };
    let most = Limits::DEFAULT.pending_proposals_max;
    let own = Actor::ExternalSender { index: 0, claims: Vec::new() };
    for (count, fits) in [(most, true), (most + BUNDLE_PROPOSALS_MAX, false)] {
        hub.state.pending = (0..count).map(waiting).collect();
        let outcome = crate::hub::pending::not_too_many(
            &hub.state,
            &Limits::DEFAULT,
            &[StagedProposal { sender: own.clone(), reference: None, change: RemoveClient(1) }],
        );
        assert_eq!(outcome.is_ok(), fits, "{count}");
    }
}

/// POLICY-BASE-3, AMB-POL-9: who is not in the parent goes from the child; the hub's policy is the
/// judge's.
#[test]
fn who_leaves_the_parent_goes_from_the_child() {
    let parent = hub(MEMBERS);
    let mut child = hub(&["a/alice/phone", "b/bob/phone"]);
    child.view.metadata.room_uri = crate::fixture::uri("mimi://a.example/r/child");
    let mut policy = mimi_policy::preset::base_policy();
    policy.parent_dependant = true;
    policy.parent_room = Some(parent.view.room().as_str().to_owned());
    child.view.base_policy = Some(policy);
    assert_eq!(orphaned(&child.view, &parent.view), []);
    let mut smaller = parent.view.clone();
    smaller.participants.participants.retain(|pair| pair.user != user("b/bob"));
    let change = commit(
        &parent.view,
        member(&parent.view, "a/alice/phone"),
        vec![unlisted(&parent.view, &user("b/bob"))],
    );
    assert!(has_lost(&change, &parent.view, &smaller));
    assert!(!has_lost(&change, &smaller, &parent.view));
    assert_eq!(orphaned(&child.view, &smaller), [bob()]);
    child.evict(&[bob()]).unwrap();
    let all = all_pending(&child, "a/alice/phone");
    child.commit(&local("a/alice/phone"), &all, Extras::default()).unwrap();
    assert_eq!(child.view.role_index_of(&user("b/bob")), None);
    // Nor does anybody bring him back while he is not in the parent.
    child.parent = Some(smaller);
    let back = vec![crate::fixture::listed(user("b/bob")), AddClient(identity("b/bob/phone"))];
    let back = commit(&child.view, member(&child.view, "a/alice/phone"), back);
    let extras =
        Extras { welcomes: vec![part("b.example", &["b/bob/phone"])], ..Extras::default() };
    let refused = child.commit(&local("a/alice/phone"), &back, extras);
    assert!(matches!(refused, Err(Reject::Denied(_))), "{refused:?}");
}

/// Whoever was proposed and has gone from the parent since does not stop the room: what is pending can
/// be committed, and the hub wants them out then. Nobody brings them in anew.
#[test]
fn who_goes_from_the_parent_meanwhile_stops_no_commit() {
    let mut child = hub(&["a/alice/phone", "b/bob/phone"]);
    let mut parent = hub(MEMBERS).view;
    parent.metadata.room_uri = crate::fixture::uri("mimi://a.example/r/parent");
    let mut policy = mimi_policy::preset::base_policy();
    policy.parent_dependant = true;
    policy.parent_room = Some(parent.room().as_str().to_owned());
    child.view.base_policy = Some(policy);
    child.parent = Some(parent.clone());
    let alice = member(&child.view, "a/alice/phone");
    let add = vec![crate::fixture::listed(user("c/cathy"))];
    let proposed = proposals(&child.view, &alice, 1, add.clone());
    child.propose(&local("a/alice/phone"), &proposed).unwrap();
    parent.participants.participants.retain(|pair| pair.user != user("c/cathy"));
    child.parent = Some(parent.clone());
    let inline = commit(&child.view, alice, add);
    let refused = child.commit(&local("a/alice/phone"), &inline, Extras::default());
    assert!(matches!(refused, Err(Reject::Denied(_))), "{refused:?}");
    let all = all_pending(&child, "a/alice/phone");
    child.commit(&local("a/alice/phone"), &all, Extras::default()).unwrap();
    assert_eq!(orphaned(&child.view, &parent), [Evicted::User(user("c/cathy"))]);
}

/// POLICY-BASE-4, POLICY-BASE-5: limits hold for whoever comes by itself too.
#[test]
fn limits_hold_for_external_joins() {
    let policy = mimi_policy::preset::base_policy;
    let single = || {
        let mut policy = policy();
        policy.multi_device = false;
        policy
    };
    let at_most = |clients| {
        let mut policy = policy();
        policy.max_clients = Some(clients);
        policy
    };
    for (policy, allowed) in
        [(policy(), true), (single(), false), (at_most(4), false), (at_most(5), true)]
    {
        let mut hub = hub(MEMBERS);
        let requester = peer("c.example");
        // Asked for before the limit was there: the commit is judged by what is then.
        hub.group_info(&requester, "c/cathy/tablet", KEY).unwrap();
        // The limit comes after the GroupInfo was given; once it is there, none is.
        hub.view.base_policy = Some(policy);
        let asked_again = hub.group_info(&requester, "c/cathy/tablet", b"another key");
        assert_eq!(asked_again.is_ok(), allowed, "{asked_again:?}");
        let joiner = identity("c/cathy/tablet");
        let change = commit(&hub.view, Actor::Joiner(joiner.clone()), vec![ExternalJoin(joiner)]);
        let extras = Extras { joiner_signature_key: Some(KEY), ..Extras::default() };
        let result = hub.commit(&requester, &change, extras);
        assert_eq!(result.is_ok(), allowed, "{result:?}");
    }
}

/// A direct room of alice and bob.
fn direct(clients: &[&str]) -> Hub {
    let mut hub = Hub::new(clients);
    let preset = Preset::Direct;
    hub.view.roles = preset.roles();
    hub.view.preauth = hub_preauth(&domain("a.example"), preset);
    hub.view.base_policy = Some(preset.base_policy());
    for pair in &mut hub.view.participants.participants {
        pair.role_index = preset.ordinary_role();
    }
    hub
}

/// Somebody's device goes by itself.
fn goes(hub: &mut Hub, short: &str, seed: u8) -> Transition<Updated> {
    let change = proposals(&hub.view, &member(&hub.view, short), seed, vec![SelfRemove]);
    let requester = Requester::Peer(client(short).domain());
    hub.propose(&requester, &change).unwrap()
}

fn frees_its_people(transition: &Transition<Updated>) -> bool {
    transition.changes.iter().any(|change| matches!(change, Change::FreeMembers { .. }))
}

fn alice() -> Evicted {
    Evicted::User(user("a/alice"))
}

/// TOM-126, TOM-127: of a deleted account the clients go and the entry stays. Whoever has
/// the name next does not come in by it, and may have another room with the one who is left; that one
/// stays as long as it likes.
#[test]
fn a_deleted_account_goes_from_a_direct_room() {
    let mut hub = direct(&["a/alice/phone", "a/alice/laptop", "b/bob/phone"]);
    let transition = hub.evict(&[alice()]).unwrap();
    assert_eq!(kinds(&transition), [EventKind::HubNote, EventKind::Proposal]);
    assert!(frees_its_people(&transition));
    let changes: Vec<_> = hub.state.pending.iter().map(|it| it.proposal.change.clone()).collect();
    let leaves = ["a/alice/phone", "a/alice/laptop"].map(|it| RemoveClient(leaf(&hub.view, it)));
    assert_eq!(changes, leaves, "nobody changes the list");
    let all = all_pending(&hub, "b/bob/phone");
    let transition = hub.commit(&peer("b.example"), &all, Extras::default()).unwrap();
    assert_eq!(kinds(&transition), [EventKind::Commit]);
    assert!(hub.view.role_index_of(&user("a/alice")).is_some());
    assert!(!hub.view.is_active(&user("a/alice")) && !is_gone(&hub.state, &hub.view));
    assert!(hub.submit(&peer("b.example"), "b/bob", 1, b"a note for myself").is_ok());
    let again = hub.group_info(&local("a/alice/phone"), "a/alice/phone", KEY);
    assert!(matches!(again, Err(Reject::NotAllowed(_))), "{again:?}");
    assert!(hub.evict(&[alice()]).unwrap().changes.is_empty(), "all is said");
    let transition = goes(&mut hub, "b/bob/phone", 1);
    assert!(is_gone(&hub.state, &hub.view) && frees_its_people(&transition));
}

/// TOM-127: in a room from before, which lets its hub do nothing, its client stays until the
/// other one goes; that room keeps nobody from having another, and dies with the last who belongs
/// there.
#[test]
fn a_deleted_account_in_an_earlier_direct_room() {
    let mut hub = direct(&["a/alice/phone", "b/bob/phone"]);
    hub.view.roles.roles.retain(|role| role.role_name != "policy_enforcer");
    hub.view.preauth.entries.clear();
    let transition = hub.evict(&[alice()]).unwrap();
    assert_eq!(kinds(&transition), [EventKind::HubNote]);
    assert!(frees_its_people(&transition));
    assert!(hub.group_info(&local("a/alice/phone"), "a/alice/phone", KEY).is_err());
    assert!(!is_gone(&hub.state, &hub.view));
    goes(&mut hub, "b/bob/phone", 1);
    assert!(is_gone(&hub.state, &hub.view));
}

/// A device is lost: its user comes back with another one, into the room if somebody is in it still.
#[test]
fn a_lost_device_goes_from_a_direct_room() {
    let phone = || Evicted::Client(client("a/alice/phone"));
    let mut hub = direct(&["a/alice/phone", "b/bob/phone"]);
    let transition = hub.evict(&[phone()]).unwrap();
    assert_eq!(kinds(&transition), [EventKind::HubNote, EventKind::Proposal]);
    assert!(!frees_its_people(&transition));
    let all = all_pending(&hub, "b/bob/phone");
    hub.commit(&peer("b.example"), &all, Extras::default()).unwrap();
    assert!(hub.state.evicting.is_empty() && !hub.view.is_active(&user("a/alice")));
    assert!(hub.group_info(&local("a/alice/tablet"), "a/alice/tablet", KEY).is_ok());

    let mut alone = direct(&["a/alice/phone"]);
    alone.view.preauth.entries.clear();
    let transition = alone.evict(&[phone()]).unwrap();
    assert!(is_gone(&alone.state, &alone.view) && frees_its_people(&transition));
}

/// AMB-PL-8, POLICY-BASE-7: a room dies with its last member, unless it is to persist; a set of
/// people is free again then (POLICY-BASE-2).
#[test]
fn a_deserted_room_is_gone() {
    for persistent in [false, true] {
        let mut hub = direct(&["a/alice/phone", "b/bob/phone"]);
        hub.view.base_policy.as_mut().unwrap().persistent_room = persistent;
        let transition = goes(&mut hub, "b/bob/phone", 1);
        assert!(matches!(transition.reply.response.outcome, UpdateOutcome::Success { .. }));
        assert!(!is_gone(&hub.state, &hub.view));
        let transition = goes(&mut hub, "a/alice/phone", 2);
        assert_eq!(is_gone(&hub.state, &hub.view), !persistent);
        assert_eq!(frees_its_people(&transition), !persistent);
    }
}

/// Somebody entitled who takes them in again says that they are to stay.
#[test]
fn whoever_is_taken_in_again_is_not_wanted_out_any_more() {
    let mut hub = Hub::new(MEMBERS);
    assert_eq!(kinds(&hub.evict(&[bob()]).unwrap()), [EventKind::HubNote]);
    assert!(hub.state.evicting.contains(&bob()));
    let alice = member(&hub.view, "a/alice/phone");
    let nothing = commit(&hub.view, alice.clone(), Vec::new());
    hub.commit(&local("a/alice/phone"), &nothing, Extras::default()).unwrap();
    assert!(hub.state.evicting.contains(&bob()), "he is still in it");
    let again = commit(&hub.view, alice, vec![AddClient(identity("b/bob/tablet"))]);
    let welcomes = vec![part("b.example", &["b/bob/tablet"])];
    let extras = Extras { welcomes, ..Extras::default() };
    hub.commit(&local("a/alice/phone"), &again, extras).unwrap();
    assert!(hub.state.evicting.is_empty());
}
