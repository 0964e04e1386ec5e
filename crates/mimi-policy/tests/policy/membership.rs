//! Adding and removing participants and their clients.

use mimi_policy::preset::Preset;
use mimi_policy::{
    Actor, ClientIdentity, Judge, ProposedChange, RoomIndex, RoomView, Rule, StagedChange, check,
    check_founding,
};
use mimi_wire::room::capability::Capability;

use crate::room::{
    ADMIN, BANNED, ENFORCER, ORDINARY, Room, SUPER, add_client, assert_allowed, assert_denied, by,
    client, hub, server, user,
};

#[test]
fn a_participant_adds_another_with_clients() {
    // POLICY-CAP-ADD-1, PROTO-UPD-2
    let room = Room::usual();
    let change = [room.list_add("dave", ORDINARY), add_client("dave", 1), add_client("dave", 2)];
    let allowed = assert_allowed(room.commit("bob", change));
    let last = allowed.participants().participants.last().unwrap();
    assert_eq!((&last.user, last.role_index), (&user("dave"), ORDINARY));
}

#[test]
fn adding_asks_capability_and_table() {
    // POLICY-CAP-ADD-1, AMB-POL-23: both are needed.
    let room = Room::usual();
    let as_admin = room.commit("bob", [room.list_add("dave", ADMIN)]);
    let denied = assert_denied(as_admin, Rule::AddParticipant);
    assert_eq!(
        denied.to_string(),
        "bob may not add dave: their role ordinary_user may not add anybody as group_admin"
    );
    assert_eq!(denied.rule.id(), "POLICY-CAP-ADD-1");
    assert_allowed(room.commit("alice", [room.list_add("dave", ADMIN)]));
    let room = room.denying(ORDINARY, Capability::CAN_ADD_PARTICIPANT);
    let change = [room.list_add("dave", ORDINARY)];
    assert_denied(room.commit("bob", change), Rule::AddParticipant);
}

#[test]
fn a_client_needs_a_listed_user() {
    // PROTO-UPD-2, PROTO-ST-8
    let room = Room::usual();
    let stray = room.commit("alice", [add_client("dave", 1)]);
    assert_eq!(assert_denied(stray, Rule::ListedFirst).rule.id(), "PROTO-UPD-2");
    let other = room.commit("alice", [room.list_add("erin", ORDINARY), add_client("dave", 1)]);
    assert_denied(other, Rule::ListedFirst);
    assert_denied(room.propose(&room.member("bob"), [add_client("dave", 1)]), Rule::ListedFirst);
    assert_denied(room.propose(&hub(), [add_client("dave", 1)]), Rule::ListedFirst);
}

#[test]
fn a_listed_user_without_clients_gets_them_back() {
    // AMB-POL-39, PROTO-PL-6
    let room = Room::usual().with("dave", ORDINARY, 0);
    assert_allowed(room.commit("bob", [add_client("dave", 1)]));
    let room = room.denying(ORDINARY, Capability::CAN_ADD_PARTICIPANT);
    assert_denied(room.commit("bob", [add_client("dave", 1)]), Rule::AddParticipant);
}

#[test]
fn the_banned_and_the_clientless_roles_get_no_clients() {
    // PROTO-UPD-3, POLICY-ROLE-2: max_active 0 means no clients.
    let room = Room::usual().with("mallory", BANNED, 0).with("warden", ENFORCER, 0);
    assert_denied(room.commit("alice", [add_client("mallory", 1)]), Rule::BannedClient);
    assert_denied(room.commit("alice", [add_client("warden", 1)]), Rule::MaximumActive);
    let change = [room.list_add("dave", BANNED), add_client("dave", 1)];
    assert_denied(room.commit("alice", change), Rule::BannedClient);
}

#[test]
fn own_clients_come_and_go() {
    // POLICY-CAP-ADD-2, POLICY-CAP-REM-2
    let room = Room::usual();
    assert_allowed(room.commit("bob", [add_client("bob", 3)]));
    assert_allowed(room.propose(&room.member("bob"), [add_client("bob", 3)]));
    assert_allowed(room.commit("bob", [room.drop_client("bob", 2)]));
    assert_allowed(room.propose(&room.member("bob"), [ProposedChange::SelfRemove]));
    let poor = room
        .denying(ORDINARY, Capability::CAN_ADD_OWN_CLIENT)
        .denying(ORDINARY, Capability::CAN_REMOVE_OWN_CLIENT);
    assert_denied(poor.commit("bob", [add_client("bob", 3)]), Rule::AddOwnClient);
    assert_denied(poor.commit("bob", [poor.drop_client("bob", 2)]), Rule::RemoveOwnClient);
    let going = poor.propose(&poor.member("bob"), [ProposedChange::SelfRemove]);
    assert_denied(going, Rule::RemoveOwnClient);
}

#[test]
fn a_client_is_in_the_group_once() {
    // PROTO-UPD-10
    let room = Room::usual();
    assert_denied(room.commit("bob", [add_client("bob", 2)]), Rule::ClientOnce);
    let twice = [add_client("bob", 3), add_client("bob", 3)];
    assert_denied(room.commit("bob", twice), Rule::ClientOnce);
    let renewed = [room.drop_client("bob", 2), add_client("bob", 2)];
    assert_allowed(room.commit("bob", renewed));
}

#[test]
fn leaves_are_removed_once_and_only_where_they_are() {
    // PROTO-UPD-10, AMB-UPD-11
    let room = Room::usual();
    let twice = [room.drop_client("bob", 2), room.drop_client("bob", 2)];
    assert_denied(room.commit("bob", twice), Rule::RemovedLeaf);
    let nowhere = [ProposedChange::RemoveClient(99)];
    assert_denied(room.commit("bob", nowhere), Rule::RemovedLeaf);
    let competing = by(&room.member("bob"), [ProposedChange::SelfRemove]);
    let inline = [room.drop_client("bob", 1)];
    let verdict = room.judge_commit(room.member("alice"), competing, inline);
    assert_denied(verdict, Rule::RemovedLeaf);
}

#[test]
fn removal_takes_list_entry_and_clients_together() {
    // POLICY-CAP-REM-1, PROTO-UPD-3, ARCH-6, AMB-POL-41
    let room = Room::usual();
    let allowed = assert_allowed(room.commit("alice", room.removal("bob")));
    assert_eq!(allowed.participants().participants.len(), 2);
    let mut behind = room.removal("bob");
    behind.pop();
    let denied = assert_denied(room.commit("alice", behind), Rule::ClientsLeftBehind);
    assert_eq!(denied.rule.id(), "PROTO-UPD-3");
    assert_denied(room.commit("alice", [room.list_remove("bob")]), Rule::ClientsLeftBehind);
    let bundle = room.propose(&room.member("carol"), [room.list_remove("bob")]);
    assert_denied(bundle, Rule::ClientsLeftBehind);
}

#[test]
fn one_action_is_one_sender() {
    // AMB-POL-21, AMB-POL-41: what another sends does not complete a removal.
    let room = Room::usual();
    let kicks = by(&room.member("alice"), room.drop_all("bob"));
    let verdict = room.judge_commit(room.member("carol"), kicks, [room.list_remove("bob")]);
    assert_denied(verdict, Rule::ClientsLeftBehind);
    // What the removed user takes away itself is gone all the same.
    let goes = by(&room.member("bob"), [ProposedChange::SelfRemove]);
    let rest = [room.list_remove("bob"), room.drop_client("bob", 2)];
    assert_allowed(room.judge_commit(room.member("carol"), goes, rest));
}

#[test]
fn removal_asks_capability_and_table() {
    // POLICY-CAP-REM-1
    let room = Room::usual().with("dora", ADMIN, 1).with("erin", ADMIN, 1);
    assert_allowed(room.commit("bob", room.removal("carol")));
    let upwards = assert_denied(room.commit("bob", room.removal("dora")), Rule::RemoveParticipant);
    assert_eq!(
        upwards.to_string(),
        "bob may not remove dora: their role ordinary_user may not remove anybody who is \
         group_admin"
    );
    assert_allowed(room.commit("erin", room.removal("dora")));
    let room = room.denying(ORDINARY, Capability::CAN_REMOVE_PARTICIPANT);
    let verdict = room.commit("bob", room.removal("carol"));
    let denied = assert_denied(verdict, Rule::RemoveParticipant);
    let sentence = "bob may not remove carol: their role ordinary_user lacks canRemoveParticipant";
    assert_eq!(denied.to_string(), sentence);
}

#[test]
fn kicking_leaves_the_list_alone() {
    // POLICY-CAP-REM-4, AMB-POL-28
    let room = Room::usual().with("dora", ADMIN, 1);
    assert_allowed(room.commit("dora", room.drop_all("bob")));
    assert_allowed(room.commit("dora", [room.drop_client("bob", 1)]));
    let denied = assert_denied(room.commit("carol", room.drop_all("bob")), Rule::Kick);
    let sentence = "carol may not remove client 1 of bob: their role ordinary_user lacks canKick";
    assert_eq!(denied.to_string(), sentence);
}

#[test]
fn proposals_are_judged_by_their_sender() {
    // AMB-POL-21: the committer's authority does not help, and is not needed.
    let room = Room::usual();
    let by_carol = by(&room.member("carol"), room.drop_all("bob"));
    assert_denied(room.judge_commit(room.member("alice"), by_carol, []), Rule::Kick);
    let by_alice = by(&room.member("alice"), room.drop_all("bob"));
    assert_allowed(room.judge_commit(room.member("carol"), by_alice, []));
}

#[test]
fn the_clients_of_a_user_speak_as_one() {
    // AMB-POL-21: authority is the user's.
    let room = Room::usual();
    let second = Actor::Member { leaf: room.leaf("alice", 2), user: user("alice") };
    let listed = by(&second, [room.list_remove("bob")]);
    let verdict = room.judge_commit(room.member("alice"), listed, room.drop_all("bob"));
    assert_allowed(verdict);
}

#[test]
fn only_clients_of_participants_have_a_say() {
    // PROTO-ST-8, AMB-POL-41
    let room = Room::usual().with_client("mallory", 1);
    let nothing: [ProposedChange; 0] = [];
    assert_denied(room.commit("mallory", nothing.clone()), Rule::UnknownSender);
    let absent = Actor::Member { leaf: 99, user: user("bob") };
    assert_denied(room.judge_commit(absent, [], nothing.clone()), Rule::UnknownSender);
    let pretender = Actor::Member { leaf: room.leaf("bob", 1), user: user("alice") };
    assert_denied(room.judge_commit(pretender.clone(), [], nothing), Rule::UnknownSender);
    assert_denied(room.propose(&pretender, [add_client("alice", 3)]), Rule::UnknownSender);
    let second = by(&pretender, room.drop_all("carol"));
    let verdict = room.judge_commit(room.member("alice"), second, [add_client("alice", 3)]);
    assert_denied(verdict, Rule::UnknownSender);
}

#[test]
fn servers_propose_and_never_commit() {
    // PROTO-ST-7, POLICY-PRE-4, AMB-ST-4
    let room = Room::usual();
    assert_denied(room.judge_commit(hub(), [], []), Rule::OnlyClientsCommit);
    assert_allowed(room.propose(&hub(), room.removal("bob")));
    assert_allowed(room.propose(&hub(), room.drop_all("bob")));
    assert_allowed(room.propose(&hub(), room.ban("bob")));
    let stranger = server("mimi://x.example");
    assert_denied(room.propose(&stranger, room.removal("bob")), Rule::NotPreauthorized);
    let mut bare = room.clone();
    bare.view.preauth.entries.clear();
    assert_denied(bare.propose(&hub(), room.removal("bob")), Rule::NotPreauthorized);
    let added = [room.list_add("dave", ORDINARY), add_client("dave", 1)];
    let denied = assert_denied(room.propose(&hub(), added), Rule::AddParticipant);
    assert_eq!(
        denied.to_string(),
        "not allowed to add dave: the server's role policy_enforcer lacks canAddParticipant"
    );
}

#[test]
fn a_servers_plain_remove_follows_the_table() {
    // AMB-ST-4: canRemoveParticipant and a way from the role to 0.
    let room = Room::usual().with("warden", ENFORCER, 0).with_client("warden", 1);
    assert_denied(room.propose(&hub(), room.drop_all("warden")), Rule::Kick);
    assert_allowed(room.propose(&hub(), room.drop_all("alice")));
}

#[test]
fn a_change_is_for_its_epoch() {
    // PROTO-UPD-9
    let room = Room::usual();
    let stale = StagedChange {
        epoch: room.view.epoch - 1,
        committer: Some(room.member("bob")),
        proposals: Vec::new(),
    };
    assert_denied(check(&room.view, &stale), Rule::Stale);
}

#[test]
fn fixed_membership_keeps_everybody() {
    // POLICY-BASE-1, AMB-POL-10
    let mut room = Room::usual();
    room.policy_mut().fixed_membership = true;
    assert_denied(room.commit("alice", room.removal("bob")), Rule::FixedMembership);
    assert_denied(room.commit("alice", [room.list_add("dave", ORDINARY)]), Rule::FixedMembership);
    assert_denied(room.propose(&room.member("bob"), room.leave("bob")), Rule::FixedMembership);
    assert_allowed(room.commit("bob", [add_client("bob", 3)]));
    assert_allowed(room.commit("bob", [room.drop_client("bob", 2)]));
    assert_allowed(room.commit("alice", [room.list_role("bob", ADMIN)]));
}

#[test]
fn base_policy_limits_hold() {
    // POLICY-BASE-4, POLICY-BASE-5
    let mut room = Room::usual();
    room.policy_mut().max_clients = Some(5);
    assert_denied(room.commit("bob", [add_client("bob", 3)]), Rule::MaximumClients);
    let swapped = [room.drop_client("bob", 2), add_client("bob", 3)];
    assert_allowed(room.commit("bob", swapped));
    room.policy_mut().max_clients = Some(6);
    assert_allowed(room.commit("bob", [add_client("bob", 3)]));

    let mut room = Room::usual().with("mallory", BANNED, 0);
    room.policy_mut().max_users = Some(3);
    let denied = room.commit("alice", [room.list_add("dave", ORDINARY)]);
    assert_denied(denied, Rule::MaximumUsers);
    // The banned do not count: another ban is fine, lifting one is not.
    assert_allowed(room.commit("alice", [room.list_add("dave", BANNED)]));
    assert_denied(room.commit("alice", [room.list_role("mallory", ORDINARY)]), Rule::MaximumUsers);

    let mut room = Room::usual();
    room.policy_mut().multi_device = false;
    assert_denied(room.commit("carol", [add_client("carol", 2)]), Rule::SingleDevice);
    assert_allowed(room.commit("alice", [room.list_add("dave", ORDINARY), add_client("dave", 1)]));
    let two = [room.list_add("dave", ORDINARY), add_client("dave", 1), add_client("dave", 2)];
    assert_denied(room.commit("alice", two), Rule::SingleDevice);
}

#[test]
fn a_room_without_base_policy_has_no_limits() {
    // AMB-POL-38
    let mut room = Room::usual();
    room.view.base_policy = None;
    let change = [room.list_add("dave", ORDINARY), add_client("dave", 1), add_client("dave", 2)];
    assert_allowed(room.commit("bob", change));
}

#[test]
fn pseudonyms_where_they_are_allowed() {
    // POLICY-BASE-6
    let mut room = Room::usual();
    let shadow = crate::room::uri("mimi://s.example/p/shadow");
    let update = mimi_wire::room::participant_list::ParticipantListUpdate {
        added_participants: vec![mimi_wire::room::participant_list::UserRolePair {
            user: shadow,
            role_index: ORDINARY,
        }],
        ..Default::default()
    };
    let change = [ProposedChange::ParticipantList(update)];
    assert_denied(room.commit("bob", change.clone()), Rule::Pseudonyms);
    let mut founded = room.clone();
    founded.view.participants.participants[2].user = crate::room::uri("mimi://s.example/p/shadow");
    founded.view.clients.retain(|client| client.user != user("carol"));
    assert_eq!(check_founding(&founded.view).unwrap_err().rule, Rule::Pseudonyms);
    founded.policy_mut().pseudonyms_allowed = true;
    assert_eq!(check_founding(&founded.view), Ok(()));
    room.policy_mut().pseudonyms_allowed = true;
    assert_allowed(room.commit("bob", change));
}

#[test]
fn a_listed_pseudonym_gets_no_further_client() {
    // POLICY-BASE-6: what is required is a real identifier in every credential of the group.
    let shadow = crate::room::uri("mimi://s.example/p/shadow");
    let client = |number| crate::room::uri(&format!("mimi://s.example/d/shadow/~{number}"));
    let identity = |number| ClientIdentity {
        user: shadow.clone(),
        client: client(number),
        claims: Vec::new(),
    };
    let mut room = Room::usual();
    room.view.participants.participants[2].user = shadow.clone();
    let at_carols = room.view.clients.iter_mut().find(|it| it.user == user("carol")).unwrap();
    (at_carols.user, at_carols.client) = (shadow.clone(), client(1));
    let leaf = at_carols.leaf;
    let added = room.commit("bob", [ProposedChange::AddClient(identity(2))]);
    assert_denied(added, Rule::Pseudonyms);
    let join = |number, beside: Vec<ProposedChange>| {
        let own = ProposedChange::ExternalJoin(identity(number));
        let changes = [own].into_iter().chain(beside);
        room.judge_commit(Actor::Joiner(identity(number)), [], changes)
    };
    assert_denied(join(2, Vec::new()), Rule::Pseudonyms);
    // The one that is there comes in again, acts and goes.
    assert_allowed(join(1, vec![ProposedChange::RemoveClient(leaf)]));
    assert_allowed(room.commit("alice", [ProposedChange::RemoveClient(leaf)]));
}

#[test]
fn a_founding_holds_together() {
    // PROTO-ST-8, PROTO-PL-1, POLICY-BASE-9, AMB-POL-17: role minimums are not asked.
    let room = Room::new().with("alice", Preset::Cooperative.creator_role(), 1);
    assert_eq!(check_founding(&room.view), Ok(()));
    let denied = |room: &Room| check_founding(&room.view).unwrap_err().rule;
    assert_eq!(denied(&room.clone().with_client("bob", 1)), Rule::UnlistedClient);
    assert_eq!(denied(&room.clone().with("alice", ORDINARY, 0)), Rule::AlreadyListed);
    assert_eq!(denied(&room.clone().with("bob", 77, 0)), Rule::RoleInUse);
    assert_eq!(denied(&room.clone().with("bob", BANNED, 1)), Rule::BannedClient);
    let mut unlisted = room.clone();
    unlisted.policy_mut().policy_component_ids.clear();
    assert_eq!(denied(&unlisted), Rule::PolicyComponentListed);
    let mut nameless = room.clone();
    nameless.view.metadata.room_uri = user("alice");
    assert_eq!(denied(&nameless), Rule::MetadataValue);
    let mut double = room;
    let role = double.role_mut(SUPER).clone();
    double.roles_mut().push(role);
    assert_eq!(denied(&double), Rule::RoleIndices);
}

#[test]
fn clients_are_named_in_denials() {
    let room = Room::usual();
    let denied = assert_denied(room.commit("alice", [add_client("dave", 1)]), Rule::ListedFirst);
    assert_eq!(denied.target, Some(client("dave", 1).client.to_string()));
    assert_eq!(denied.actor, Some(user("alice")));
}

#[test]
fn only_what_leaves_by_itself_counts_beside_the_action() {
    // AMB-POL-41: even a Remove by the removed user's other client is another action.
    let room = Room::usual();
    let dropped = by(&room.member("bob"), [room.drop_client("bob", 2)]);
    let rest = [room.list_remove("bob"), room.drop_client("bob", 1)];
    let verdict = room.judge_commit(room.member("alice"), dropped, rest);
    assert_denied(verdict, Rule::ClientsLeftBehind);
}

#[test]
fn membership_is_fixed_before_and_after() {
    // POLICY-BASE-1: neither lifting nor setting it lets anybody slip through.
    let mut room = Room::usual();
    for role in room.roles_mut() {
        role.role_capabilities.retain(|held| *held != Capability::CAN_ADD_PARTICIPANT);
    }
    for fixed in [true, false] {
        let mut room = room.clone();
        room.policy_mut().fixed_membership = fixed;
        let mut policy = room.view.base_policy.clone().unwrap();
        policy.fixed_membership = !fixed;
        let switch = ProposedChange::BasePolicy(policy);
        assert_allowed(room.commit("alice", [switch.clone()]));
        let change = [vec![switch], room.removal("bob")].concat();
        assert_denied(room.commit("alice", change), Rule::FixedMembership);
    }
}

#[test]
fn what_is_wrong_already_does_not_grow() {
    // POLICY-ROLE-2: a role without clients, and somebody in it who has one.
    let room = Room::usual().granting(ENFORCER, Capability::CAN_ADD_OWN_CLIENT);
    let room = room.with("warden", ENFORCER, 1);
    assert_denied(room.commit("warden", [add_client("warden", 2)]), Rule::MaximumActive);
    assert_allowed(room.commit("alice", room.drop_all("warden")));
    assert_allowed(room.commit("alice", [add_client("alice", 3)]));
}

#[test]
fn nobody_speaks_through_the_client_of_somebody_else() {
    // AMB-POL-21, AMB-POL-41: not even beside one that is its own.
    let room = Room::usual();
    let bob = |leaf| Actor::Member { leaf, user: user("bob") };
    let own = by(&bob(room.leaf("bob", 1)), [room.list_add("dave", ORDINARY)]);
    let second = |leaf| by(&bob(leaf), [room.list_add("erin", ORDINARY)]);
    let bundle = |leaf| room.judge_bundle([own.clone(), second(leaf)].concat());
    assert_allowed(bundle(room.leaf("bob", 2)));
    assert_denied(bundle(room.leaf("carol", 1)), Rule::UnknownSender);
    assert_denied(bundle(99), Rule::UnknownSender);
}

#[test]
fn a_client_that_goes_by_itself_goes_for_its_own_user_only() {
    // PROTO-UPD-3, MLSX-6
    let room = Room::usual();
    let cached = by(&room.member("carol"), [ProposedChange::SelfRemove]);
    let behind = [room.list_remove("bob"), room.drop_client("bob", 2)];
    let verdict = room.judge_commit(room.member("alice"), cached, behind.clone());
    let denied = assert_denied(verdict, Rule::ClientsLeftBehind);
    assert_eq!(denied.needed, "all clients must go in the same action, 1 would stay");
    let cached = by(&room.member("bob"), [ProposedChange::SelfRemove]);
    assert_allowed(room.judge_commit(room.member("alice"), cached, behind));
}

#[test]
fn an_index_of_another_epoch_is_not_asked() {
    let room = Room::usual();
    let (sender, changes) = (room.member("bob"), [room.list_add("dave", ORDINARY)]);
    let change = StagedChange { epoch: 7, committer: None, proposals: by(&sender, changes) };
    let other = RoomIndex::of(&RoomView { epoch: 8, ..Room::new().view });
    let judge = Judge::of(&room.view);
    let delta = judge.decide(&change).unwrap();
    assert_eq!(judge.with_index(&other).decide(&change), Ok(delta));
}
