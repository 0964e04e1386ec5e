//! What an operator allows bounds what rooms are founded with and become (ARCH-3, AMB-POL-16).

use mimi_policy::preset::Preset;
use mimi_policy::{
    Denied, Envelope, Judge, ProposedChange, RoomView, Rule, StagedChange, StagedProposal,
};
use mimi_wire::Wire;
use mimi_wire::component::{JOIN_LINK_POLICY, PREAUTH_LIST};
use mimi_wire::room::capability::Capability;
use mimi_wire::room::join_links::JoinLinkPolicy;
use mimi_wire::room::preauth::PreAuthRoleEntry;

use crate::room::{BANNED, NO_ROLE, ORDINARY, Room, SUPER, add_client, by};

fn envelope(text: &str) -> Envelope {
    toml::from_str(text).unwrap()
}

fn rule(verdict: Result<(), Denied>) -> Option<Rule> {
    verdict.err().map(|denied| {
        assert_eq!(denied.rule.id(), "ARCH-3");
        denied.rule
    })
}

/// What the envelope says of a room that becomes another, and of the other by itself.
#[track_caller]
fn asked(text: &str, before: &RoomView, after: &RoomView) -> [Option<Rule>; 2] {
    let envelope = envelope(text);
    // What does not change is not asked again.
    assert_eq!(envelope.check_after(after, after), Ok(()));
    [rule(envelope.check_founding(after)), rule(envelope.check_after(before, after))]
}

#[track_caller]
fn refuses(text: &str, after: &RoomView, by: Rule) {
    let before = Room::usual().view;
    assert_eq!(asked(text, &before, after), [Some(by); 2]);
    assert_eq!(asked("", &before, after), [None; 2]);
}

#[test]
fn everything_is_allowed_unless_said_otherwise() {
    assert_eq!(envelope(""), Envelope::default());
    for preset in Preset::ALL {
        assert_eq!(Envelope::default().check_founding(&Room::of(*preset).view), Ok(()));
    }
    assert!(toml::from_str::<Envelope>("max_user = 1").is_err());
    assert!(toml::from_str::<Envelope>("presets = [\"chaotic\"]").is_err());
}

#[test]
fn presets_and_roles_of_ones_own() {
    // ARCH-3
    let only = "presets = [\"strict\"]\ncustom_policies = false";
    let founding = |text: &str, view: &RoomView| rule(envelope(text).check_founding(view));
    assert_eq!(founding(only, &Room::of(Preset::Strict).view), None);
    assert_eq!(founding(only, &Room::new().view), Some(Rule::AllowedPreset));
    let mut own = Room::usual();
    own.role_mut(ORDINARY).role_capabilities.push(Capability::CAN_KICK);
    refuses("custom_policies = false", &own.view, Rule::AllowedPreset);
    assert_eq!(founding("presets = [\"strict\"]", &own.view), None);
    assert_eq!(founding("presets = [\"strict\"]", &Room::new().view), Some(Rule::AllowedPreset));
    let denied = envelope(only).check_founding(&Room::new().view).unwrap_err();
    assert_eq!(
        denied.to_string(),
        "not allowed to use the preset cooperative: this provider offers strict"
    );
}

#[test]
fn settings_of_the_base_policy() {
    // ARCH-3
    let with = |change: fn(&mut Room)| {
        let mut room = Room::usual();
        change(&mut room);
        room.view
    };
    let persistent = with(|room| room.policy_mut().persistent_room = true);
    refuses("persistent_rooms = false", &persistent, Rule::AllowedPersistence);
    let discoverable = with(|room| room.policy_mut().discoverable = true);
    refuses("discoverable_rooms = false", &discoverable, Rule::AllowedDiscovery);
    let pseudonyms = with(|room| room.policy_mut().pseudonyms_allowed = true);
    refuses("pseudonyms = false", &pseudonyms, Rule::AllowedPseudonyms);
    // AMB-POL-38
    let silent = with(|room| room.view.base_policy = None);
    refuses("pseudonyms = false", &silent, Rule::AllowedPseudonyms);
    let users = with(|room| room.policy_mut().max_users = Some(11));
    refuses("max_users = 10", &users, Rule::AllowedUsers);
    assert_eq!(asked("max_users = 11", &Room::usual().view, &users), [None; 2]);
    let clients = with(|room| room.policy_mut().max_clients = Some(11));
    refuses("max_clients = 10", &clients, Rule::AllowedClients);
    assert_eq!(asked("max_clients = 11", &Room::usual().view, &clients), [None; 2]);
    // Whoever gives something up is not asked about it.
    let usual = Room::usual().view;
    let none = "persistent_rooms = false\ndiscoverable_rooms = false\npseudonyms = false";
    for before in [&persistent, &discoverable, &pseudonyms] {
        assert_eq!(asked(none, before, &usual), [None; 2]);
    }
    // Less than before, and still too much.
    let more = with(|room| room.policy_mut().max_users = Some(12));
    assert_eq!(asked("max_users = 10", &more, &users), [Some(Rule::AllowedUsers); 2]);
}

#[test]
fn ways_in() {
    // ARCH-3
    let open = Room::usual().granting(NO_ROLE, Capability::CAN_OPEN_JOIN).view;
    refuses("open_join = false", &open, Rule::AllowedOpenJoin);
    let codes = Room::usual().granting(NO_ROLE, Capability::CAN_USE_JOIN_CODE).view;
    refuses("join_codes = false", &codes, Rule::AllowedJoinCodes);
    // What those who are listed may do lets nobody in.
    let usual = Room::usual().view;
    let listed = Room::usual().granting(ORDINARY, Capability::CAN_OPEN_JOIN);
    let listed = listed.granting(ORDINARY, Capability::CAN_USE_JOIN_CODE).view;
    assert_eq!(asked("open_join = false\njoin_codes = false", &usual, &listed), [None; 2]);
    let mut preauth = Room::usual().granting(ORDINARY, Capability::CAN_JOIN_IF_PREAUTHORIZED);
    let target_role = preauth.role_mut(ORDINARY).clone();
    preauth.view.preauth.entries.push(PreAuthRoleEntry { claimset: Vec::new(), target_role });
    refuses("preauthorized_join = false", &preauth.view, Rule::AllowedPreauth);
    // The role was there before the entry, or the entry before the role.
    let roles = Room { view: RoomView { preauth: usual.preauth.clone(), ..preauth.view.clone() } };
    let entry = Room { view: RoomView { roles: usual.roles.clone(), ..preauth.view.clone() } };
    for before in [&roles.view, &entry.view] {
        let asked = asked("preauthorized_join = false", before, &preauth.view);
        assert_eq!(asked, [Some(Rule::AllowedPreauth); 2]);
        assert_eq!(rule(envelope("preauthorized_join = false").check_founding(before)), None);
    }
    let mut links = Room::usual().view;
    let policy = JoinLinkPolicy { expiration: 61, ..JoinLinkPolicy::default() };
    links.other_components.insert(JOIN_LINK_POLICY, policy.encode());
    refuses("join_link_lifetime_seconds_max = 60", &links, Rule::AllowedLinkLifetime);
    let before = Room::usual().view;
    assert_eq!(asked("join_link_lifetime_seconds_max = 61", &before, &links), [None; 2]);
}

#[test]
fn sizes_that_no_policy_states() {
    // ARCH-3
    let room = Room::usual().with("mallory", BANNED, 0);
    let grown = room.clone().with("dave", ORDINARY, 1);
    let asked = |text| asked(text, &room.view, &grown.view);
    assert_eq!(asked("max_users = 4"), [None; 2]);
    assert_eq!(asked("max_users = 3"), [Some(Rule::AllowedUsers); 2]);
    assert_eq!(asked("max_clients = 6"), [None; 2]);
    assert_eq!(asked("max_clients = 5"), [Some(Rule::AllowedClients); 2]);
    // Whoever goes from a room that is too large is not held back.
    let envelope = envelope("max_users = 1\nmax_clients = 1");
    assert_eq!(envelope.check_after(&grown.view, &room.view), Ok(()));
    let denied = envelope.check_after(&room.view, &grown.view).unwrap_err();
    assert_eq!(
        denied.to_string(),
        "not allowed to have 6 clients: this provider hosts at most 1 in a room"
    );
}

/// What the envelope says of proposals that wait for a commit, all of them together.
#[track_caller]
fn waiting(room: &Room, text: &str, proposals: Vec<StagedProposal>) -> Option<Rule> {
    let change = StagedChange { epoch: room.view.epoch, committer: None, proposals };
    let delta = Judge::of(&room.view).decide(&change).unwrap();
    let check = |text| rule(envelope(text).check_pending(&room.view, &change, &delta));
    assert_eq!(check(""), None);
    check(text)
}

#[test]
fn what_no_commit_may_hold_does_not_wait_for_one() {
    // ARCH-3
    let room = Room::usual().granting(SUPER, Capability::CAN_CHANGE_ROLE_DEFINITIONS);
    let mut room = room.granting(SUPER, Capability::CAN_CHANGE_OTHER_POLICY_ATTRIBUTE);
    room.policy_mut().policy_component_ids.push(JOIN_LINK_POLICY);
    let waits =
        |text, change: ProposedChange| waiting(&room, text, by(&room.member("alice"), [change]));
    let open = room.clone().granting(NO_ROLE, Capability::CAN_OPEN_JOIN).view.roles;
    let open = ProposedChange::Roles(open);
    assert_eq!(waits("open_join = false", open.clone()), Some(Rule::AllowedOpenJoin));
    assert_eq!(waits("join_codes = false", open), None);
    let mut base = room.view.base_policy.clone().unwrap();
    base.discoverable = true;
    let base = ProposedChange::BasePolicy(base);
    assert_eq!(waits("discoverable_rooms = false", base), Some(Rule::AllowedDiscovery));
    let links = JoinLinkPolicy { expiration: 61, ..JoinLinkPolicy::default() }.encode();
    let links = ProposedChange::OtherComponent(JOIN_LINK_POLICY, links);
    let text = "join_link_lifetime_seconds_max = 60";
    assert_eq!(waits(text, links), Some(Rule::AllowedLinkLifetime));
}

#[test]
fn ways_in_by_credentials_do_not_wait_for_a_commit() {
    // ARCH-3
    let text = "preauthorized_join = false";
    let mut room = Room::usual().granting(SUPER, Capability::CAN_CHANGE_ROLE_DEFINITIONS);
    let lets_in = room.clone().granting(ORDINARY, Capability::CAN_JOIN_IF_PREAUTHORIZED);
    let with_entry = |room: &Room| {
        let target_role = room.view.role(ORDINARY).unwrap().clone();
        let mut preauth = room.view.preauth.clone();
        preauth.entries.push(PreAuthRoleEntry { claimset: Vec::new(), target_role });
        preauth
    };
    let entry = by(&lets_in.member("alice"), [ProposedChange::Preauth(with_entry(&lets_in))]);
    assert_eq!(waiting(&lets_in, text, entry), Some(Rule::AllowedPreauth));
    // The entry goes together with what made it harmless.
    room.view.preauth = with_entry(&room);
    let roles = ProposedChange::Roles(lets_in.view.roles);
    let gone = [roles, ProposedChange::RemoveComponent(PREAUTH_LIST)];
    assert_eq!(waiting(&room, text, by(&room.member("alice"), gone)), None);
}

#[test]
fn those_who_wait_for_a_commit_are_counted() {
    // ARCH-3
    let room = Room::usual();
    let alice = room.member("alice");
    let dave = || by(&alice, [room.list_add("dave", ORDINARY), add_client("dave", 1)]);
    assert_eq!(waiting(&room, "max_users = 3", dave()), Some(Rule::AllowedUsers));
    assert_eq!(waiting(&room, "max_users = 4", dave()), None);
    assert_eq!(waiting(&room, "max_clients = 5", dave()), Some(Rule::AllowedClients));
    assert_eq!(waiting(&room, "max_clients = 6", dave()), None);
    // Whoever goes makes room for somebody.
    let goes = by(&alice, [room.drop_client("bob", 2)]);
    assert_eq!(waiting(&room, "max_clients = 5", [dave(), goes.clone()].concat()), None);
    let tablet = by(&alice, [add_client("alice", 3)]);
    let two = waiting(&room, "max_clients = 5", [dave(), tablet, goes].concat());
    assert_eq!(two, Some(Rule::AllowedClients), "for one of two only");
    let goes = by(&room.member("bob"), [ProposedChange::SelfRemove]);
    assert_eq!(waiting(&room, "max_clients = 5", [dave(), goes].concat()), None);
    let goes = by(&alice, room.removal("carol"));
    let text = "max_users = 3\nmax_clients = 5";
    assert_eq!(waiting(&room, text, [dave(), goes].concat()), None);
}
