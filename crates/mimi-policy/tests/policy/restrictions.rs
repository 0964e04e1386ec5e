//! What accepted proposals forbid before they are committed (PROTO-UPD-4, PROTO-ST-2, AMB-ST-8).

use mimi_policy::{
    Actor, ProposedChange, Restrictions, Rule, StagedChange, StagedProposal, restrictions,
};
use mimi_wire::room::capability::Capability;

use crate::room::{ADMIN, BANNED, ENFORCER, ORDINARY, Room, add_client, by, hub, user};

fn pending(room: &Room, sender: &Actor, changes: Vec<ProposedChange>) -> Restrictions {
    restrictions(&room.view, &by(sender, changes))
}

fn change(room: &Room, committer: Option<Actor>, proposals: Vec<StagedProposal>) -> StagedChange {
    StagedChange { epoch: room.view.epoch, committer, proposals }
}

#[test]
fn removal_ban_and_leave_restrict_at_once() {
    // PROTO-UPD-4, PROTO-ST-2
    let room = Room::usual();
    for pending in [
        pending(&room, &room.member("alice"), room.removal("bob")),
        pending(&room, &room.member("alice"), room.ban("bob")),
        pending(&room, &hub(), room.ban("bob")),
        pending(&room, &room.member("bob"), room.leave("bob")),
        pending(&room, &hub(), room.drop_all("bob")),
    ] {
        let bob = &user("bob");
        assert!(!pending.may_send(bob));
        assert!(!pending.may_receive(bob));
        assert!(!pending.may_commit(bob));
        assert!(pending.may_only_remove_own(bob));
        let carol = &user("carol");
        assert!(pending.may_send(carol) && pending.may_receive(carol) && pending.may_commit(carol));
        assert!(!pending.may_only_remove_own(carol));
    }
}

#[test]
fn one_client_less_restricts_nobody() {
    let room = Room::usual();
    let going = pending(&room, &room.member("bob"), vec![ProposedChange::SelfRemove]);
    assert_eq!(going, Restrictions::default());
    assert!(going.is_empty());
}

#[test]
fn the_last_client_that_goes_takes_its_user_along() {
    // PROTO-UPD-4
    let room = Room::usual();
    let going = pending(&room, &room.member("carol"), vec![ProposedChange::SelfRemove]);
    assert!(!going.is_empty() && going.may_only_remove_own(&user("carol")));
    let both = [
        by(&room.member("bob"), [ProposedChange::SelfRemove]),
        by(&room.member("alice"), [room.drop_client("bob", 2)]),
    ];
    assert!(restrictions(&room.view, &both.concat()).may_only_remove_own(&user("bob")));
}

#[test]
fn demotions_bite_and_promotions_wait() {
    // AMB-ST-8
    let room = Room::usual().with("mallory", BANNED, 0).with("dora", ADMIN, 1);
    let silent = room.clone().with("erin", 6, 1);
    let mut silent = silent;
    let mut guest = silent.view.role(ORDINARY).unwrap().clone();
    (guest.role_index, guest.role_name) = (6, "guest".to_owned());
    guest.role_capabilities = vec![Capability::CAN_RECEIVE_MESSAGE];
    silent.roles_mut().push(guest);
    let alice = silent.member("alice");
    let demoted = pending(&silent, &alice, vec![silent.list_role("bob", 6)]);
    assert!(!demoted.may_send(&user("bob")));
    assert!(demoted.may_receive(&user("bob")) && demoted.may_commit(&user("bob")));
    let promoted = pending(&silent, &alice, vec![silent.list_role("erin", ORDINARY)]);
    assert_eq!(promoted, Restrictions::default());
    let milder = pending(&room, &room.member("alice"), vec![room.list_role("dora", ORDINARY)]);
    assert_eq!(milder, Restrictions::default());
    let unbanned = pending(&room, &room.member("alice"), vec![room.list_role("mallory", ORDINARY)]);
    assert_eq!(unbanned, Restrictions::default());
    let shelved = pending(&room, &room.member("alice"), vec![room.list_role("bob", ENFORCER)]);
    assert!(shelved.may_only_remove_own(&user("bob")));
}

#[test]
fn the_restricted_only_take_their_own_clients_away() {
    // PROTO-UPD-4
    let room = Room::usual();
    let bob = room.member("bob");
    let restricted = pending(&room, &room.member("alice"), room.ban("bob"));
    let propose = |sender: &Actor, changes: Vec<ProposedChange>| {
        restricted.check(&room.view, &change(&room, None, by(sender, changes)))
    };
    assert_eq!(propose(&bob, vec![ProposedChange::SelfRemove]), Ok(()));
    assert_eq!(propose(&bob, vec![room.drop_client("bob", 2)]), Ok(()));
    for forbidden in [
        add_client("bob", 3),
        room.drop_client("carol", 1),
        room.list_add("dave", ORDINARY),
        ProposedChange::UpdateOwnLeaf,
    ] {
        let denied = propose(&bob, vec![ProposedChange::SelfRemove, forbidden]).unwrap_err();
        assert_eq!(denied.rule, Rule::Restricted);
        assert_eq!(denied.rule.id(), "PROTO-UPD-4");
    }
    assert_eq!(propose(&room.member("carol"), vec![add_client("carol", 2)]), Ok(()));
    let commit = |committer| restricted.check(&room.view, &change(&room, Some(committer), vec![]));
    assert_eq!(commit(bob).unwrap_err().rule, Rule::Restricted);
    let joiner = Actor::Joiner(crate::room::client("bob", 3));
    assert_eq!(commit(joiner).unwrap_err().rule, Rule::Restricted);
    assert_eq!(commit(room.member("carol")), Ok(()));
}

#[test]
fn a_hub_remembers_who_is_leaving() {
    // AMB-UPD-9
    let room = Room::usual();
    let mut marked = restrictions(&room.view, &[]);
    assert!(marked.may_send(&user("bob")));
    marked.mark_gone(&user("bob"));
    assert!(!marked.may_send(&user("bob")) && marked.may_only_remove_own(&user("bob")));
}

#[test]
fn unreadable_proposals_restrict_nobody() {
    let room = Room::usual();
    let update = mimi_wire::room::participant_list::ParticipantListUpdate {
        removed_indices: vec![99],
        ..Default::default()
    };
    let pending = pending(&room, &hub(), vec![ProposedChange::ParticipantList(update)]);
    assert_eq!(pending, Restrictions::default());
}

#[test]
fn the_stricter_restriction_holds() {
    let mut room = Room::usual().with("erin", 6, 1);
    for (index, name) in [(6, "guest"), (7, "listener")] {
        let mut silent = room.view.role(ORDINARY).unwrap().clone();
        (silent.role_index, silent.role_name) = (index, name.to_owned());
        silent.role_capabilities.clear();
        room.roles_mut().push(silent);
    }
    let alice = room.member("alice");
    let sidewards = pending(&room, &alice, vec![room.list_role("erin", 7)]);
    assert_eq!(sidewards, Restrictions::default());
    let twice = vec![room.list_role("bob", BANNED), room.list_role("bob", 6)];
    assert!(pending(&room, &alice, twice).may_only_remove_own(&user("bob")));
}
