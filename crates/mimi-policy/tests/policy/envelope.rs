//! What an operator allows bounds what rooms are founded with and become (ARCH-3, AMB-POL-16).

use mimi_policy::preset::Preset;
use mimi_policy::{Denied, Envelope, RoomView, Rule};
use mimi_wire::Wire;
use mimi_wire::component::JOIN_LINK_POLICY;
use mimi_wire::room::capability::Capability;
use mimi_wire::room::join_links::JoinLinkPolicy;
use mimi_wire::room::preauth::PreAuthRoleEntry;

use crate::room::{BANNED, NO_ROLE, ORDINARY, Room};

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
    let mut preauth = Room::usual().granting(ORDINARY, Capability::CAN_JOIN_IF_PREAUTHORIZED);
    let target_role = preauth.role_mut(ORDINARY).clone();
    preauth.view.preauth.entries.push(PreAuthRoleEntry { claimset: Vec::new(), target_role });
    refuses("preauthorized_join = false", &preauth.view, Rule::AllowedPreauth);
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
