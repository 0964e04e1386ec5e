//! Components, definitions and what MLS offers beside them.

use mimi_policy::preset::{Preset, hub_preauth};
use mimi_policy::{ProposedChange, Rule};
use mimi_wire::Domain;
use mimi_wire::component::{
    ASSET_POLICY, BASE_ROOM_POLICY, BOT_POLICY, CHAT_HISTORY_POLICY, JOIN_LINK_POLICY,
    LINK_PREVIEW_POLICY, LOGGING_POLICY, MESSAGE_EXPIRATION_POLICY, MLS_OPERATIONAL_POLICY,
    PARTICIPANT_LIST, PREAUTH_LIST, ROLES_LIST, ROOM_METADATA,
};
use mimi_wire::room::base_policy::BaseRoomPolicy;
use mimi_wire::room::capability::Capability;
use mimi_wire::room::join_links::JoinLinksUpdate;
use mimi_wire::room::preauth::PreAuthData;

use crate::room::{
    BANNED, ORDINARY, Room, SUPER, add_client, assert_allowed, assert_denied, by, component, hub,
};

const STATUS_POLICY: u16 = 0x0028;
const JOIN_LINKS: u16 = 0x002a;

#[test]
fn components_change_by_capability() {
    // POLICY-CAP-POL-1, POLICY-CAP-RES-1, AMB-POL-13, AMB-ST-5
    let mut room = Room::usual();
    room.policy_mut().policy_component_ids.extend([MLS_OPERATIONAL_POLICY, STATUS_POLICY]);
    room.view.other_components.insert(JOIN_LINKS, vec![0]);
    let other = component;
    let cases = [
        (
            ProposedChange::Preauth(PreAuthData::default()),
            vec![Capability::CAN_CHANGE_PREAUTHORIZED_USER_LIST],
            Rule::ChangePreauth,
        ),
        (
            ProposedChange::BasePolicy(room.view.base_policy.clone().unwrap()),
            vec![Capability::CAN_CHANGE_ROOM_MEMBERSHIP_STYLE],
            Rule::ChangeBasePolicy,
        ),
        (
            ProposedChange::Roles(room.view.roles.clone()),
            vec![Capability::CAN_CHANGE_ROLE_DEFINITIONS],
            Rule::ChangeRoleDefinitions,
        ),
        (
            other(MLS_OPERATIONAL_POLICY),
            vec![Capability::CAN_CHANGE_MLS_OPERATIONAL_POLICIES],
            Rule::ChangeOperationalPolicy,
        ),
        (
            ProposedChange::GroupContextExtensions,
            vec![Capability::CAN_CHANGE_MLS_OPERATIONAL_POLICIES],
            Rule::ChangeOperationalPolicy,
        ),
        (
            ProposedChange::RemoveComponent(JOIN_LINKS),
            vec![Capability::CAN_CREATE_JOIN_CODE, Capability::CAN_DELETE_JOIN_CODE],
            Rule::ChangeJoinLinks,
        ),
        (
            other(STATUS_POLICY),
            vec![Capability::CAN_CHANGE_OTHER_POLICY_ATTRIBUTE],
            Rule::ChangeOtherPolicy,
        ),
        (ProposedChange::ReInit, vec![Capability::CAN_SEND_MLS_REINIT_PROPOSAL], Rule::ReInit),
    ];
    for (change, needed, rule) in cases {
        let mut room = room.clone();
        room.role_mut(ORDINARY).role_capabilities = needed.clone();
        assert_allowed(room.commit("bob", [change.clone()]));
        let all = Capability::ALL.iter().copied();
        room.role_mut(ORDINARY).role_capabilities =
            all.filter(|capability| !needed.contains(capability)).collect();
        let denied = assert_denied(room.commit("bob", [change]), rule);
        assert!(denied.to_string().contains(needed[0].name().unwrap()), "{denied}");
    }
}

#[test]
fn what_the_room_has_no_rule_for_is_refused() {
    // PROTO-UPD-10
    let mut room = Room::usual();
    room.role_mut(SUPER).role_capabilities = Capability::ALL.to_vec();
    let refuse = |change| assert_denied(room.commit("alice", [change]), Rule::UnknownProposal);
    let denied = refuse(ProposedChange::PreSharedKey);
    let sentence = "alice may not propose a pre-shared key: rooms do not use them";
    assert_eq!(denied.to_string(), sentence);
    let denied = refuse(ProposedChange::Unknown(0x0a0a));
    let sentence = "alice may not propose this: nobody here knows proposals of type 0x0a0a";
    assert_eq!(denied.to_string(), sentence);
    refuse(component(ROLES_LIST));
    refuse(component(JOIN_LINKS));
    assert_allowed(room.propose(&room.member("alice"), [ProposedChange::UpdateOwnLeaf]));
    let leaf = room.propose(&hub(), [ProposedChange::UpdateOwnLeaf]);
    let denied = assert_denied(leaf, Rule::UnknownProposal);
    assert_eq!(denied.to_string(), "not allowed to propose a new leaf: servers have none");
    assert_denied(room.propose(&hub(), [ProposedChange::SelfRemove]), Rule::UnknownProposal);
}

#[test]
fn some_components_cannot_be_removed() {
    // AMB-PL-7, AMB-RM-1, PROTO-ST-6
    let mut room = Room::usual();
    room.role_mut(SUPER).role_capabilities = Capability::ALL.to_vec();
    room.view.other_components.insert(STATUS_POLICY, vec![0, 0]);
    let remove = |id| room.commit("alice", [ProposedChange::RemoveComponent(id)]);
    for id in [PARTICIPANT_LIST, ROOM_METADATA, ROLES_LIST, BASE_ROOM_POLICY] {
        assert_denied(remove(id), Rule::ComponentRequired);
    }
    assert_allowed(remove(STATUS_POLICY));
    assert_allowed(remove(PREAUTH_LIST));
    // MLSX-3: what is absent cannot go.
    assert_denied(remove(0x002c), Rule::ComponentOnce);
    let bob = room.commit("bob", [ProposedChange::RemoveComponent(STATUS_POLICY)]);
    assert_denied(bob, Rule::ChangeOtherPolicy);
}

#[test]
fn one_update_or_one_removal_per_component() {
    // PROTO-ST-6, MLSX-3
    let mut room = Room::usual();
    room.role_mut(SUPER).role_capabilities = Capability::ALL.to_vec();
    room.policy_mut().policy_component_ids.push(STATUS_POLICY);
    room.view.other_components.insert(STATUS_POLICY, vec![0, 0]);
    let update = component(STATUS_POLICY);
    let removal = ProposedChange::RemoveComponent(STATUS_POLICY);
    for pair in [
        [update.clone(), update.clone()],
        [removal.clone(), removal.clone()],
        [update.clone(), removal.clone()],
    ] {
        assert_denied(room.commit("alice", pair), Rule::ComponentOnce);
    }
    let links = ProposedChange::JoinLinks(JoinLinksUpdate::default());
    assert_allowed(room.commit("alice", [links.clone(), links.clone()]));
    // What is changed by differences is not removed beside them either.
    room.view.other_components.insert(JOIN_LINKS, vec![0]);
    assert_allowed(room.commit("alice", [ProposedChange::RemoveComponent(JOIN_LINKS)]));
    let list = room.list_add("dave", ORDINARY);
    for (update, id) in [(links, JOIN_LINKS), (list, PARTICIPANT_LIST)] {
        let both = [update, ProposedChange::RemoveComponent(id)];
        assert_denied(room.commit("alice", both), Rule::ComponentOnce);
    }
}

#[test]
fn denials_name_components() {
    let room = Room::usual();
    for (id, name) in [
        (PARTICIPANT_LIST, "the participant list"),
        (ROOM_METADATA, "the room's metadata"),
        (ROLES_LIST, "the role definitions"),
        (PREAUTH_LIST, "the preauthorization list"),
        (BASE_ROOM_POLICY, "the base policy"),
        (MLS_OPERATIONAL_POLICY, "the operational policy"),
        (JOIN_LINKS, "the join links"),
        (STATUS_POLICY, "the policy of delivery and read receipts"),
        (JOIN_LINK_POLICY, "the join link policy"),
        (LINK_PREVIEW_POLICY, "the link preview policy"),
        (ASSET_POLICY, "the asset policy"),
        (LOGGING_POLICY, "the logging policy"),
        (CHAT_HISTORY_POLICY, "the chat history policy"),
        (BOT_POLICY, "the bot policy"),
        (MESSAGE_EXPIRATION_POLICY, "the message expiration policy"),
        (0xf0f0, "component 0xf0f0"),
    ] {
        let denied = room.commit("bob", [ProposedChange::RemoveComponent(id)]).unwrap_err();
        assert_eq!(denied.target.as_deref(), Some(name));
    }
}

#[test]
fn preauthorizations_change_beside_removals_only() {
    // POLICY-PRE-3
    let room = Room::usual().with("mallory", BANNED, 0);
    let preauth = ProposedChange::Preauth(PreAuthData::default());
    let with = |others: Vec<ProposedChange>| {
        room.commit("alice", [vec![preauth.clone()], others].concat())
    };
    assert_allowed(with(room.removal("bob")));
    assert_allowed(with(vec![add_client("alice", 3)]));
    assert_denied(with(vec![room.list_add("dave", ORDINARY)]), Rule::PreauthApartFromList);
    assert_denied(with(room.ban("bob")), Rule::PreauthApartFromList);
    let removed = ProposedChange::RemoveComponent(PREAUTH_LIST);
    let verdict = room.commit("alice", [removed, room.list_add("dave", ORDINARY)]);
    assert_denied(verdict, Rule::PreauthApartFromList);
    let cached = by(&room.member("bob"), [room.list_add("dave", ORDINARY)]);
    let verdict = room.judge_commit(room.member("alice"), cached, [preauth]);
    assert_denied(verdict, Rule::PreauthApartFromList);
}

#[test]
fn preauthorizations_name_defined_roles() {
    // POLICY-PRE-2, AMB-POL-2
    let room = Room::usual();
    let hub = Domain::new("a.example").unwrap();
    for index in [0, BANNED, 77] {
        let mut preauth = hub_preauth(&hub, Preset::Cooperative);
        preauth.entries[0].target_role.role_index = index;
        let verdict = room.commit("alice", [ProposedChange::Preauth(preauth)]);
        assert_denied(verdict, Rule::PreauthRole);
    }
    let same = ProposedChange::Preauth(room.view.preauth.clone());
    assert_allowed(room.commit("alice", [same]));
}

fn base(room: &Room, change: impl FnOnce(&mut BaseRoomPolicy)) -> ProposedChange {
    let mut policy = room.view.base_policy.clone().unwrap();
    change(&mut policy);
    ProposedChange::BasePolicy(policy)
}

#[test]
fn a_base_policy_holds_together() {
    // POLICY-BASE-1, POLICY-BASE-3, POLICY-BASE-9
    let room = Room::usual();
    let commit = |change| room.commit("alice", [change]);
    assert_denied(commit(base(&room, |it| it.fixed_membership = true)), Rule::FixedMembership);
    assert_denied(commit(base(&room, |it| it.parent_dependant = true)), Rule::ParentRoom);
    let parent = Some("mimi://a.example/r/parent".to_owned());
    let named = base(&room, |it| it.parent_room = parent.clone());
    assert_denied(commit(named), Rule::ParentRoom);
    assert_allowed(commit(base(&room, |it| {
        it.parent_dependant = true;
        it.parent_room = parent;
    })));
    let silent = base(&room, |it| it.policy_component_ids = vec![ROLES_LIST]);
    assert_denied(commit(silent), Rule::PolicyComponentListed);
}

#[test]
fn new_limits_fit_the_room() {
    // POLICY-BASE-4, POLICY-BASE-5
    let room = Room::usual();
    let commit = |change| room.commit("alice", [change]);
    assert_denied(commit(base(&room, |it| it.max_clients = Some(4))), Rule::MaximumClients);
    assert_allowed(commit(base(&room, |it| it.max_clients = Some(5))));
    assert_denied(commit(base(&room, |it| it.max_users = Some(2))), Rule::MaximumUsers);
    assert_allowed(commit(base(&room, |it| it.max_users = Some(3))));
    assert_denied(commit(base(&room, |it| it.multi_device = false)), Rule::SingleDevice);
}

#[test]
fn a_limit_that_is_exceeded_already_may_stay_as_it_was() {
    // AMB-POL-17: what is violated blocks only what makes it worse.
    let mut room = Room::usual();
    *room.policy_mut() = BaseRoomPolicy {
        max_clients: Some(3),
        max_users: Some(1),
        multi_device: false,
        ..room.policy_mut().clone()
    };
    let commit = |change| room.commit("alice", [change]);
    assert_allowed(commit(base(&room, |it| it.persistent_room = true)));
    assert_allowed(commit(base(&room, |it| it.max_clients = Some(4))));
    assert_allowed(commit(base(&room, |it| it.max_users = Some(2))));
    assert_denied(commit(base(&room, |it| it.max_clients = Some(2))), Rule::MaximumClients);
    assert_denied(commit(base(&room, |it| it.max_users = Some(0))), Rule::MaximumUsers);
    let newcomer = [base(&room, |_| {}), room.list_add("dave", ORDINARY)];
    assert_denied(room.commit("alice", newcomer), Rule::MaximumUsers);
}

#[test]
fn policy_components_are_listed_before_they_are_used() {
    // POLICY-BASE-9
    let mut room = Room::usual();
    room.role_mut(SUPER).role_capabilities = Capability::ALL.to_vec();
    let update = component(STATUS_POLICY);
    let alone = room.commit("alice", [update.clone()]);
    assert_denied(alone, Rule::PolicyComponentListed);
    let listing = base(&room, |it| it.policy_component_ids.push(STATUS_POLICY));
    assert_allowed(room.commit("alice", [update, listing]));
    // What is no policy needs no listing; what was missing before blocks nothing else.
    assert_allowed(room.commit("alice", [component(0x0021)]));
    room.view.other_components.insert(0x002c, Vec::new());
    assert_allowed(room.commit("alice", [component(0x0021)]));
    // Whoever writes a base policy lists everything that stays.
    let same = base(&room, |_| {});
    assert_denied(room.commit("alice", [same.clone()]), Rule::PolicyComponentListed);
    assert_allowed(room.commit("alice", [same, ProposedChange::RemoveComponent(0x002c)]));
}
