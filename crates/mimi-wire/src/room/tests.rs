mod policies;

use proptest::prelude::{any, prop_assert_eq, proptest};

use super::base_policy::BaseRoomPolicy;
use super::capability::Capability;
use super::metadata::{RichDescription, RoomMetadata};
use super::participant_list::{
    ParticipantListData, ParticipantListUpdate, UserIndexRolePair, UserRolePair,
};
use super::preauth::{Claim, PreAuthData, PreAuthRoleEntry};
use super::roles::{Role, RoleData, SingleSourceRoleChangeTargets};
use crate::Wire;
use crate::fixtures::{assert_octets, octets, text, vector};
use crate::limits::{LIST_ELEMENTS_MAX, PARTICIPANTS_MAX, TEXT_OCTETS_MAX};
use crate::uri::MimiUri;

const ALICE: &str = "mimi://a.example/u/alice";
const ROOM: &str = "mimi://a.example/r/clubhouse";

fn alice(role_index: u32) -> UserRolePair {
    UserRolePair { user: MimiUri::new(ALICE).unwrap(), role_index }
}

#[test]
fn participant_lists() {
    assert_octets(&ParticipantListData::default(), &[0]);
    let pair = octets!(text(ALICE), "00000004");
    assert_octets(&alice(4), &pair);
    let list = ParticipantListData { participants: vec![alice(4), alice(1)] };
    assert_octets(&list, &vector(&octets!(pair, text(ALICE), "00000001")));
    let many = |count| ParticipantListData { participants: vec![alice(2); count] }.encode();
    assert!(ParticipantListData::decode(&many(PARTICIPANTS_MAX)).is_ok());
    assert!(ParticipantListData::decode(&many(PARTICIPANTS_MAX + 1)).is_err());
}

/// AMB-PL-3.
#[test]
fn nobody_has_role_0() {
    let role_0 = octets!(text(ALICE), "00000000");
    assert_eq!(UserRolePair::decode(&role_0).unwrap_err().reason, "role 0 is reserved");
    assert!(UserIndexRolePair::decode(&octets!("00000001 00000000")).is_err());
}

/// PROTO-PL-2, AMB-PL-2.
#[test]
fn participant_list_updates() {
    assert_octets(&ParticipantListUpdate::default(), &octets!("00 00 00"));
    let update = ParticipantListUpdate {
        changed_role_participants: vec![UserIndexRolePair { user_index: 3, role_index: 2 }],
        removed_indices: vec![1, 0x0102_0304],
        added_participants: vec![alice(2)],
    };
    let octets = octets!(
        "08 00000003 00000002",
        "08 00000001 01020304",
        vector(&octets!(text(ALICE), "00000002")),
    );
    assert_octets(&update, &octets);
    let unsorted = ParticipantListUpdate { removed_indices: vec![2, 1], ..Default::default() };
    assert_octets(&unsorted, &octets!("00 08 00000002 00000001 00"));
    let twice = octets!("00 08 00000001 00000001 00");
    let fault = ParticipantListUpdate::decode(&twice).unwrap_err();
    assert_eq!((fault.offset, fault.reason.as_str()), (6, "index 1 is there twice"));
}

fn metadata() -> RoomMetadata {
    RoomMetadata {
        room_uri: MimiUri::new(ROOM).unwrap(),
        room_name: "Clubhouse".to_owned(),
        room_descriptions: vec![
            RichDescription::default(),
            RichDescription {
                media_type: "text/markdown".to_owned(),
                language_tag: "fr-CA".to_owned(),
                description_content: vec![0xff, 0x00],
            },
        ],
        room_avatar: "https://a.example/avatar.png".to_owned(),
        room_subject: "é".to_owned(),
        room_mood: String::new(),
    }
}

/// PROTO-RM-1, PROTO-RM-2.
#[test]
fn room_metadata() {
    let descriptions = octets!("00 00 00", text("text/markdown"), text("fr-CA"), "02 ff00");
    let octets = octets!(
        text(ROOM),
        text("Clubhouse"),
        vector(&descriptions),
        text("https://a.example/avatar.png"),
        "02 c3a9",
        "00",
    );
    assert_octets(&metadata(), &octets);
}

#[test]
fn room_metadata_that_is_refused() {
    let decodes = |change: &dyn Fn(&mut RoomMetadata)| {
        let mut metadata = metadata();
        change(&mut metadata);
        RoomMetadata::decode(&metadata.encode()).is_ok()
    };
    assert!(decodes(&|metadata| metadata.room_avatar = String::new()));
    for avatar in ["http://a.example/x", "x", "https://a.example/a b", "https://a.example/é"] {
        assert!(!decodes(&|metadata| metadata.room_avatar = avatar.to_owned()), "{avatar}");
    }
    assert!(!decodes(&|metadata| metadata.room_name = "a\0b".to_owned()));
    assert!(!decodes(&|metadata| metadata.room_subject = "\0".to_owned()));
    assert!(!decodes(&|metadata| metadata.room_mood = "\0".to_owned()));
    assert!(decodes(&|metadata| metadata.room_name = "x".repeat(TEXT_OCTETS_MAX)));
    assert!(!decodes(&|metadata| metadata.room_name = "x".repeat(TEXT_OCTETS_MAX + 1)));
    let description = RichDescription::default();
    let many = |count| vec![description.clone(); count];
    assert!(decodes(&|metadata| metadata.room_descriptions = many(LIST_ELEMENTS_MAX)));
    assert!(!decodes(&|metadata| metadata.room_descriptions = many(LIST_ELEMENTS_MAX + 1)));
    let bad_uri = octets!(text("mimi://A.example/r/x"), "00 00 00 00 00");
    assert_eq!(RoomMetadata::decode(&bad_uri).unwrap_err().field, "RoomMetaData.room_uri");
}

fn role() -> Role {
    Role {
        role_index: 4,
        role_name: "admin".to_owned(),
        role_description: String::new(),
        role_capabilities: vec![Capability::CAN_ADD_PARTICIPANT, Capability(0xf123)],
        minimum_participants_constraint: 1,
        maximum_participants_constraint: None,
        minimum_active_participants_constraint: 0,
        maximum_active_participants_constraint: Some(0),
        authorized_role_changes: vec![
            SingleSourceRoleChangeTargets { from_role_index: 0, target_role_indexes: vec![1, 2] },
            SingleSourceRoleChangeTargets { from_role_index: 2, target_role_indexes: vec![] },
        ],
    }
}

fn role_octets() -> Vec<u8> {
    octets!(
        "00000004",
        text("admin"),
        "00",
        "04 0000 f123",
        "00000001 00 00000000 01 00000000",
        "12 00000000 08 00000001 00000002 00000002 00",
    )
}

/// POLICY-ROLE-1, POLICY-ROLE-2, POLICY-CAP-RES-1: codes nobody knows are kept.
#[test]
fn roles() {
    assert_octets(&role(), &role_octets());
    let mut swapped = role();
    swapped.maximum_participants_constraint = Some(9);
    swapped.maximum_active_participants_constraint = None;
    let octets = octets!(
        "00000004",
        text("admin"),
        "00",
        "04 0000 f123",
        "00000001 01 00000009 00000000 00",
        "12 00000000 08 00000001 00000002 00000002 00",
    );
    assert_octets(&swapped, &octets);
    assert_octets(&RoleData::default(), &[0]);
    let data = RoleData { roles: vec![role(), role()] };
    assert_octets(&data, &vector(&role_octets().repeat(2)));
    let many = |count| RoleData { roles: vec![role(); count] }.encode();
    assert!(RoleData::decode(&many(LIST_ELEMENTS_MAX)).is_ok());
    assert!(RoleData::decode(&many(LIST_ELEMENTS_MAX + 1)).is_err());
    let capable = |count| Role { role_capabilities: vec![Capability(1); count], ..role() }.encode();
    assert!(Role::decode(&capable(LIST_ELEMENTS_MAX)).is_ok());
    assert!(Role::decode(&capable(LIST_ELEMENTS_MAX + 1)).is_err());
}

/// AMB-POL-2: the whole role is on the wire.
#[test]
fn preauthorized_roles() {
    assert_octets(&PreAuthData::default(), &[0]);
    let claim = Claim { credential_type: 1, id: vec![], claim_value: b"mimi://a.example".to_vec() };
    let claim_octets = octets!("0001 00", text("mimi://a.example"));
    assert_octets(&claim, &claim_octets);
    let everyone = PreAuthRoleEntry { claimset: vec![], target_role: role() };
    assert_octets(&everyone, &octets!("00", role_octets()));
    let entry = PreAuthRoleEntry { claimset: vec![claim.clone(), claim], target_role: role() };
    let entry_octets = octets!(vector(&claim_octets.repeat(2)), role_octets());
    assert_octets(&entry, &entry_octets);
    let data = PreAuthData { entries: vec![entry] };
    assert_octets(&data, &vector(&entry_octets));
}

fn policy() -> BaseRoomPolicy {
    BaseRoomPolicy {
        fixed_membership: true,
        parent_dependant: false,
        parent_room: None,
        multi_device: true,
        max_clients: None,
        max_users: Some(258),
        pseudonyms_allowed: false,
        persistent_room: true,
        discoverable: false,
        policy_component_ids: vec![0x0025, 0x0026],
    }
}

/// POLICY-BASE-9, AMB-POL-4, AMB-POL-5, AMB-W-7.
#[test]
fn base_policies() {
    let octets = octets!("01 00 00 01 00 01 00000102 00 01 00 04 0025 0026");
    assert_octets(&policy(), &octets);
    let child = BaseRoomPolicy {
        parent_dependant: true,
        parent_room: Some(ROOM.to_owned()),
        max_clients: Some(1),
        max_users: None,
        policy_component_ids: vec![],
        ..policy()
    };
    let parent = vector(&text(ROOM));
    assert_octets(&child, &octets!("01 01", parent, "01 01 00000001 00 00 01 00 00"));
    let two_parents = octets!("01 01", vector(&text(ROOM).repeat(2)), "01 00 00 00 01 00 00");
    let fault = BaseRoomPolicy::decode(&two_parents).unwrap_err();
    assert_eq!(fault.field, "BaseRoomPolicy.parent_room");
    for boolean in [0, 1, 3, 10, 11, 12] {
        let mut octets = octets.clone();
        octets[boolean] = 2;
        assert!(BaseRoomPolicy::decode(&octets).is_err(), "octet {boolean}");
    }
    let many = |count| BaseRoomPolicy { policy_component_ids: vec![1; count], ..policy() }.encode();
    assert!(BaseRoomPolicy::decode(&many(LIST_ELEMENTS_MAX)).is_ok());
    assert!(BaseRoomPolicy::decode(&many(LIST_ELEMENTS_MAX + 1)).is_err());
}

/// Requirements section 23.
#[test]
fn the_registry_of_capabilities() {
    assert_eq!(Capability::ALL.len(), 77);
    assert!(Capability::ALL.is_sorted_by(|left, right| left < right));
    assert_eq!(Capability::CAN_SEND_MESSAGE, Capability(0x0100));
    assert_eq!(Capability::CAN_UNBAN, Capability(0x000b));
    assert_eq!(Capability::CAN_SEND_MLS_REINIT_PROPOSAL, Capability(0x0601));
    assert_eq!(Capability(0x0605).name(), Some("canSendMLSExternalCommit"));
    assert_eq!(Capability(0x0012).name(), None);
    assert!(Capability::ALL.iter().all(|capability| capability.name().is_some()));
    assert_octets(&Capability::CAN_OPEN_JOIN, &octets!("0004"));
}

proptest! {
    #[test]
    fn updates_round_trip(
        changed: Vec<(u32, u32)>,
        removed in any::<std::collections::BTreeSet<u32>>(),
        added in proptest::collection::vec(1..u32::MAX, 0..20),
    ) {
        let changed_role_participants = changed
            .into_iter()
            .map(|(user_index, role)| UserIndexRolePair { user_index, role_index: role | 1 })
            .collect();
        let update = ParticipantListUpdate {
            changed_role_participants,
            removed_indices: removed.into_iter().collect(),
            added_participants: added.into_iter().map(alice).collect(),
        };
        prop_assert_eq!(ParticipantListUpdate::decode(&update.encode()), Ok(update));
    }

    #[test]
    fn roles_round_trip(
        role_index: u32,
        role_name: String,
        capabilities: Vec<u16>,
        limits: (u32, Option<u32>, u32, Option<u32>),
        changes: Vec<(u32, Vec<u32>)>,
    ) {
        let targets = |(from_role_index, target_role_indexes)| SingleSourceRoleChangeTargets {
            from_role_index,
            target_role_indexes,
        };
        let role = Role {
            role_index,
            role_description: role_name.clone(),
            role_name,
            role_capabilities: capabilities.into_iter().map(Capability).collect(),
            minimum_participants_constraint: limits.0,
            maximum_participants_constraint: limits.1,
            minimum_active_participants_constraint: limits.2,
            maximum_active_participants_constraint: limits.3,
            authorized_role_changes: changes.into_iter().map(targets).collect(),
        };
        prop_assert_eq!(Role::decode(&role.encode()), Ok(role));
    }
}
