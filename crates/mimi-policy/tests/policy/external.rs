//! Joining by oneself: external commits and external proposals.

use mimi_policy::{Actor, Allowed, ClientIdentity, Denied, ProposedChange, Rule};
use mimi_wire::room::capability::Capability;
use mimi_wire::room::preauth::{Claim, PreAuthRoleEntry};

use crate::room::{
    ADMIN, BANNED, NO_ROLE, ORDINARY, Room, add_client, assert_allowed, assert_denied, by, client,
    user,
};

/// Judges an external commit with these proposals beside the join.
fn join(
    room: &Room,
    joiner: &ClientIdentity,
    beside: impl IntoIterator<Item = ProposedChange>,
) -> Result<Allowed, Denied> {
    let own = [ProposedChange::ExternalJoin(joiner.clone())];
    room.judge_commit(Actor::Joiner(joiner.clone()), [], own.into_iter().chain(beside))
}

/// A room that anybody may join as an ordinary user.
fn open_room() -> Room {
    Room::usual().granting(NO_ROLE, Capability::CAN_OPEN_JOIN).moving(NO_ROLE, 0, ORDINARY)
}

fn claim(id: u8, value: &str) -> Claim {
    Claim { credential_type: 2, id: vec![id], claim_value: value.as_bytes().to_vec() }
}

/// A room that preauthorizes some claims, in order.
fn preauthorizing(entries: &[(&[Claim], u32)]) -> Room {
    let mut room = Room::usual()
        .granting(ORDINARY, Capability::CAN_JOIN_IF_PREAUTHORIZED)
        .granting(ADMIN, Capability::CAN_JOIN_IF_PREAUTHORIZED);
    for (claims, role) in entries {
        let target_role = room.view.role(*role).unwrap().clone();
        let entry = PreAuthRoleEntry { claimset: claims.to_vec(), target_role };
        room.view.preauth.entries.push(entry);
    }
    room
}

fn with_claims(name: &str, claims: &[Claim]) -> ClientIdentity {
    ClientIdentity { claims: claims.to_vec(), ..client(name, 1) }
}

#[test]
fn an_own_client_joins() {
    // POLICY-CAP-ADD-2
    let room = Room::usual();
    assert_allowed(join(&room, &client("carol", 2), []));
    let room = room.denying(ORDINARY, Capability::CAN_ADD_OWN_CLIENT);
    assert_denied(join(&room, &client("carol", 2), []), Rule::AddOwnClient);
}

#[test]
fn an_inactive_participant_comes_back() {
    // POLICY-CAP-ADD-2, AMB-POL-30
    let mut room = Room::usual().with("dave", ORDINARY, 0);
    assert_allowed(join(&room, &client("dave", 1), []));
    room.role_mut(ORDINARY).maximum_active_participants_constraint = Some(2);
    assert_denied(join(&room, &client("dave", 1), []), Rule::MaximumActive);
}

#[test]
fn strangers_and_the_banned_stay_out() {
    // PROTO-ST-8, POLICY-PRE-1
    let room = Room::usual().with("mallory", BANNED, 0);
    assert_denied(join(&room, &client("dave", 1), []), Rule::ListedFirst);
    let listing = [room.list_add("dave", ORDINARY)];
    assert_denied(join(&room, &client("dave", 1), listing), Rule::OpenJoin);
    let denied = assert_denied(join(&room, &client("mallory", 1), []), Rule::AddOwnClient);
    assert!(denied.to_string().contains("banned"), "{denied}");
}

#[test]
fn an_external_commit_brings_exactly_its_own_client() {
    // AMB-UPD-16
    let room = Room::usual();
    let carol = client("carol", 2);
    let joiner = Actor::Joiner(carol.clone());
    assert_denied(room.judge_commit(joiner.clone(), [], []), Rule::ExternalCommitShape);
    let other = [ProposedChange::ExternalJoin(client("carol", 3))];
    assert_denied(room.judge_commit(joiner, [], other), Rule::ExternalCommitShape);
    let twice = [ProposedChange::ExternalJoin(client("carol", 3))];
    assert_denied(join(&room, &carol, twice), Rule::ExternalCommitShape);
    assert_denied(join(&room, &carol, [add_client("carol", 3)]), Rule::JoinerOnlyItself);
    assert_denied(join(&room, &carol, room.drop_all("bob")), Rule::JoinerOnlyItself);
    assert_denied(join(&room, &carol, [room.drop_client("carol", 1)]), Rule::JoinerOnlyItself);
    assert_denied(join(&room, &carol, [room.list_role("bob", ADMIN)]), Rule::JoinerOnlyItself);
    let metadata = ProposedChange::Metadata(room.view.metadata.clone());
    assert_denied(join(&room, &carol, [metadata]), Rule::JoinerOnlyItself);
    let inside = [ProposedChange::ExternalJoin(client("bob", 3))];
    assert_denied(room.commit("bob", inside.clone()), Rule::ExternalCommitShape);
    assert_denied(room.propose(&room.member("bob"), inside), Rule::ExternalCommitShape);
}

#[test]
fn a_client_replaces_its_old_leaf() {
    // AMB-UPD-16; a resynchronisation is no second client (POLICY-BASE-4) and no removal.
    let mut room = Room::usual().denying(ORDINARY, Capability::CAN_REMOVE_OWN_CLIENT);
    room.policy_mut().multi_device = false;
    let carol = client("carol", 1);
    assert_denied(join(&room, &carol, []), Rule::ClientOnce);
    assert_allowed(join(&room, &carol, [room.drop_client("carol", 1)]));
    assert_denied(join(&room, &client("carol", 2), []), Rule::SingleDevice);
}

#[test]
fn an_open_room_is_open_for_its_roles() {
    // POLICY-CAP-ADD-3, AMB-POL-27
    let room = open_room();
    assert_allowed(join(&room, &client("dave", 1), [room.list_add("dave", ORDINARY)]));
    let too_high = join(&room, &client("dave", 1), [room.list_add("dave", ADMIN)]);
    let denied = assert_denied(too_high, Rule::OpenJoin);
    assert_eq!(denied.needed, "the room is open, but not for this role");
    let for_another = join(&room, &client("dave", 1), [room.list_add("erin", ORDINARY)]);
    assert_denied(for_another, Rule::JoinerOnlyItself);
    let undefined = join(&room, &client("dave", 1), [room.list_add("dave", 77)]);
    assert_denied(undefined, Rule::RoleDefined);
}

#[test]
fn an_open_room_respects_maximums() {
    // POLICY-CAP-ADD-3
    let mut room = open_room();
    room.role_mut(ORDINARY).maximum_participants_constraint = Some(2);
    let verdict = join(&room, &client("dave", 1), [room.list_add("dave", ORDINARY)]);
    assert_denied(verdict, Rule::MaximumParticipants);
}

#[test]
fn joining_by_proposal_waits_for_its_entry() {
    // AMB-UPD-14: the entry is written by whoever commits, by the joiner's right.
    let room = open_room().denying(ORDINARY, Capability::CAN_ADD_PARTICIPANT);
    let dave = Actor::Joiner(client("dave", 1));
    assert_allowed(room.propose(&dave, [add_client("dave", 1)]));
    let cached = by(&dave, [add_client("dave", 1)]);
    let bob = room.member("bob");
    assert_denied(room.judge_commit(bob.clone(), cached.clone(), []), Rule::ListedFirst);
    let entry = [room.list_add("dave", ORDINARY)];
    assert_allowed(room.judge_commit(bob.clone(), cached.clone(), entry));
    let too_high = [room.list_add("dave", ADMIN)];
    assert_denied(room.judge_commit(bob.clone(), cached.clone(), too_high), Rule::OpenJoin);
    let more = [room.list_add("dave", ORDINARY), add_client("dave", 2)];
    assert_denied(room.judge_commit(bob, cached, more), Rule::AddParticipant);
    let closed = Room::usual();
    assert_denied(closed.propose(&dave, [add_client("dave", 1)]), Rule::OpenJoin);
    assert_denied(closed.propose(&dave, [add_client("erin", 1)]), Rule::JoinerOnlyItself);
    let carol = Actor::Joiner(client("carol", 2));
    assert_allowed(closed.propose(&carol, [add_client("carol", 2)]));
}

#[test]
fn the_first_matching_entry_names_the_role() {
    // POLICY-CAP-ADD-4, POLICY-PRE-2
    let (staff, boss) = (claim(1, "staff"), claim(2, "boss"));
    let room = preauthorizing(&[
        (&[staff.clone(), boss.clone()], ADMIN),
        (std::slice::from_ref(&staff), ORDINARY),
    ]);
    let dave = with_claims("dave", &[staff.clone(), boss]);
    assert_allowed(join(&room, &dave, [room.list_add("dave", ADMIN)]));
    let lower = join(&room, &dave, [room.list_add("dave", ORDINARY)]);
    let denied = assert_denied(lower, Rule::PreauthorizedJoin);
    assert_eq!(denied.needed, "their credential is preauthorized for group_admin");
    let erin = with_claims("erin", std::slice::from_ref(&staff));
    assert_allowed(join(&room, &erin, [room.list_add("erin", ORDINARY)]));
    let frank = with_claims("frank", &[claim(1, "staf")]);
    assert_denied(join(&room, &frank, [room.list_add("frank", ORDINARY)]), Rule::OpenJoin);
    let room = room.denying(ORDINARY, Capability::CAN_JOIN_IF_PREAUTHORIZED);
    let lacking = join(&room, &erin, [room.list_add("erin", ORDINARY)]);
    let denied = assert_denied(lacking, Rule::PreauthorizedJoin);
    assert_eq!(denied.needed, "the role lacks canJoinIfPreauthorized");
}

#[test]
fn an_entry_without_claims_matches_everyone_but_the_banned() {
    // AMB-POL-41, POLICY-PRE-1
    let room = preauthorizing(&[(&[], ORDINARY)]).with("mallory", BANNED, 0);
    assert_allowed(join(&room, &client("dave", 1), [room.list_add("dave", ORDINARY)]));
    let again = join(&room, &client("mallory", 1), [room.list_add("mallory", ORDINARY)]);
    assert_denied(again, Rule::AlreadyListed);
    let unbanning = join(&room, &client("mallory", 1), [room.list_role("mallory", ORDINARY)]);
    assert_denied(unbanning, Rule::ChangeOwnRole);
    assert_denied(join(&room, &client("mallory", 1), []), Rule::AddOwnClient);
}

#[test]
fn nobody_joins_without_a_code_where_one_is_needed() {
    // POLICY-CAP-ADD-5
    let room =
        Room::usual().granting(NO_ROLE, Capability::CAN_USE_JOIN_CODE).moving(NO_ROLE, 0, ORDINARY);
    let verdict = join(&room, &client("dave", 1), [room.list_add("dave", ORDINARY)]);
    let denied = assert_denied(verdict, Rule::JoinByCode);
    assert_eq!(denied.needed, "a join code that leads there is needed");
    // AMB-UPD-14: a proposal has no place for one.
    let dave = Actor::Joiner(client("dave", 1));
    let denied = assert_denied(room.propose(&dave, [add_client("dave", 1)]), Rule::JoinByCode);
    assert_eq!(denied.needed, "join codes go with an external commit");
}

#[test]
fn a_joiner_takes_its_preauthorized_role() {
    // POLICY-CAP-ROLE-2, POLICY-PRE-1: the own entry may change with the join.
    let boss = claim(2, "boss");
    let room = preauthorizing(&[(std::slice::from_ref(&boss), ADMIN)])
        .granting(ORDINARY, Capability::CAN_CHANGE_OWN_ROLE);
    let carol = ClientIdentity { claims: vec![boss], ..client("carol", 2) };
    let allowed = assert_allowed(join(&room, &carol, [room.list_role("carol", ADMIN)]));
    let mut list = allowed.participants().participants.iter();
    assert!(list.any(|pair| pair.user == user("carol") && pair.role_index == ADMIN));
    let without = join(&room, &client("carol", 2), [room.list_role("carol", ADMIN)]);
    assert_denied(without, Rule::ChangeOwnRole);
}

#[test]
fn nobody_else_speaks_inside_an_external_commit() {
    // AMB-UPD-16: what stands inline is the joiner's, what is referred to may be others'.
    let room = Room::usual();
    let carol = client("carol", 2);
    let mut foreign = by(&room.member("alice"), room.drop_all("bob"));
    let committer = Actor::Joiner(carol.clone());
    let own = [ProposedChange::ExternalJoin(carol)];
    assert_allowed(room.judge_commit(committer.clone(), foreign.clone(), own.clone()));
    foreign[0].reference = None;
    assert_denied(room.judge_commit(committer, foreign, own), Rule::ExternalCommitShape);
}

#[test]
fn a_joiner_lends_its_right_to_nobody_else() {
    // AMB-UPD-14
    let room = open_room().denying(ORDINARY, Capability::CAN_ADD_PARTICIPANT);
    let cached = by(&Actor::Joiner(client("dave", 1)), [add_client("dave", 1)]);
    let entries = [room.list_add("dave", ORDINARY), room.list_add("frank", ORDINARY)];
    let verdict = room.judge_commit(room.member("bob"), cached, entries);
    assert_denied(verdict, Rule::AddParticipant);
}

#[test]
fn whoever_is_removed_does_not_come_in_beside_it() {
    // PROTO-ST-8: only somebody who was never listed waits for an entry.
    let room = Room::usual().with("dave", ORDINARY, 0);
    let removal = by(&room.member("alice"), [room.list_remove("dave")]);
    let coming = by(&Actor::Joiner(client("dave", 1)), [add_client("dave", 1)]);
    let denied = room.judge_bundle([removal, coming].concat()).unwrap_err();
    assert_eq!(denied.rule, Rule::ClientsLeftBehind);
    assert_eq!(denied.needed, "all clients must go with the list entry");
}

#[test]
fn two_clients_of_one_user_come_each_for_itself() {
    // AMB-UPD-14, AMB-POL-21
    let room = Room::usual();
    let coming =
        |number| by(&Actor::Joiner(client("carol", number)), [add_client("carol", number)]);
    assert_allowed(room.judge_bundle([coming(2), coming(3)].concat()));
}

#[test]
fn nobody_lifts_a_ban_from_itself() {
    // POLICY-PRE-1: whatever the role may hold, and whoever is preauthorized.
    let room = preauthorizing(&[(&[], ORDINARY)])
        .granting(BANNED, Capability::CAN_CHANGE_OWN_ROLE)
        .granting(BANNED, Capability::CAN_REMOVE_SELF)
        .moving(BANNED, BANNED, NO_ROLE)
        .with("mallory", BANNED, 0);
    let mallory = Actor::Joiner(client("mallory", 1));
    let lifting = room.propose(&mallory, [room.list_role("mallory", ORDINARY)]);
    assert_denied(lifting, Rule::Unban);
    let leaving = room.propose(&mallory, [room.list_remove("mallory")]);
    assert_denied(leaving, Rule::Unban);
}
