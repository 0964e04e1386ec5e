//! The presets are the tables of room-policy appendix A (POLICY-PRESET-1).

use mimi_policy::check_founding;
use mimi_policy::preset::{Preset, base_policy, hub_preauth};
use mimi_wire::room::roles::{Role, RoleData};
use mimi_wire::{Domain, Wire};

use crate::room::Room;

/// A role as requirements section 24 prints it: capabilities in hexadecimal, then
/// minP maxP minA maxA, then the role changes.
fn line(role: &Role) -> String {
    let codes: Vec<String> =
        role.role_capabilities.iter().map(|code| format!("{:04x}", code.0)).collect();
    let most = |most: Option<u32>| most.map_or("-".to_owned(), |most| most.to_string());
    let changes: Vec<String> = role
        .authorized_role_changes
        .iter()
        .map(|entry| format!("({},{:?})", entry.from_role_index, entry.target_role_indexes))
        .collect();
    format!(
        "{} {} | {} | {} {} {} {} | {}",
        role.role_index,
        role.role_name,
        codes.join(" "),
        role.minimum_participants_constraint,
        most(role.maximum_participants_constraint),
        role.minimum_active_participants_constraint,
        most(role.maximum_active_participants_constraint),
        changes.join(" "),
    )
}

#[test]
fn cooperative_is_as_printed() {
    // POLICY-PRESET-1, AMB-PRE-1
    let ordinary = "0000 0001 0002 0003 0006 0100 0101 0102 0103 0104 0105 0107 0109 010a 010c \
                    010d 010e 0200 0202 0201 0203 0204 0206 0205 0207 0208 0209 020a 020b 0300 \
                    0302 0303 0304 0380 0381 0382 0383";
    let admin = "000a 000b 000c 000f 010b 010f 0301";
    let expected = [
        "0 no_role |  | 0 - 0 0 | ".to_owned(),
        "1 banned |  | 0 - 0 0 | ".to_owned(),
        format!("2 ordinary_user | {ordinary} | 0 - 0 - | (0,[2]) (2,[0])"),
        format!(
            "3 group_admin | {ordinary} {admin} | 1 - 0 - | \
             (0,[1, 2, 3]) (1,[0, 2, 3]) (2,[0, 1, 3]) (3,[0, 1, 2])"
        ),
        format!(
            "4 super_admin | {ordinary} {admin} 0502 0504 0501 | 0 - 0 - | (0,[1, 2, 3, 4]) \
             (1,[0, 2, 3, 4]) (2,[0, 1, 3, 4]) (3,[0, 1, 2, 4]) (4,[0, 1, 2, 3])"
        ),
        "5 policy_enforcer | 0001 000f 000a 000b 0503 0504 0600 0501 0601 | 1 2 0 0 | \
         (0,[1]) (1,[0]) (2,[0, 1]) (3,[0, 1]) (4,[0, 1])"
            .to_owned(),
    ];
    assert_table(Preset::Cooperative, &expected, (4, 2, 5));
}

/// The table, then the roles of the creator, of the ordinary and of the hub.
#[track_caller]
fn assert_table(preset: Preset, expected: &[String], roles: (u32, u32, u32)) {
    let lines: Vec<String> = preset.roles().roles.iter().map(line).collect();
    assert_eq!(lines, expected);
    let special = (preset.creator_role(), preset.ordinary_role(), preset.policy_enforcer_role());
    assert_eq!(special, roles);
}

#[test]
fn presets_survive_the_wire() {
    // POLICY-PRESET-1
    for preset in Preset::ALL {
        let roles = preset.roles();
        assert_eq!(RoleData::decode(&roles.encode()).unwrap(), roles);
        assert_eq!(Preset::by_name(preset.name()), Some(*preset));
    }
    assert_eq!(Preset::by_name("Cooperative"), None);
}

#[test]
fn a_normal_room_preauthorizes_its_hub() {
    // AMB-ST-4
    let hub = Domain::new("a.example").unwrap();
    let preauth = hub_preauth(&hub, Preset::Cooperative);
    let [entry] = preauth.entries.as_slice() else { panic!("one entry") };
    let [claim] = entry.claimset.as_slice() else { panic!("one claim") };
    assert_eq!((claim.credential_type, claim.id.as_slice()), (1, &[][..]));
    assert_eq!(claim.claim_value, b"mimi://a.example");
    assert_eq!(entry.target_role, Preset::Cooperative.roles().roles[5]);
    assert_eq!(base_policy().policy_component_ids, [0x0025, 0x0026, 0x0027]);
    for preset in Preset::ALL {
        let room = Room::of(*preset).with("alice", preset.creator_role(), 1);
        assert_eq!(check_founding(&room.view), Ok(()));
        assert_eq!(preset.base_policy().fixed_membership, *preset == Preset::Direct);
    }
}

#[test]
fn nobody_holds_a_capability_twice() {
    // POLICY-PRESET-1
    for role in Preset::ALL.iter().flat_map(|preset| preset.roles().roles) {
        let mut codes = role.role_capabilities.clone();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), role.role_capabilities.len(), "{}", role.role_name);
    }
}

#[test]
fn strict_is_as_printed() {
    // POLICY-PRESET-1, AMB-PRE-3
    let ordinary_user = "0002 0005 0003 0006 0010 0100 0101 0102 0103 0105 0107 0109 010a 010c 010d \
          0200 0202 0201 0203 0204 0206 0205 0207 0208 0209 020a 020b 0380 0381 0382 \
          0383";
    let group_admin = "0000 0001 000a 000b 000c 000f 0007 0008 0108 010b 010e 010f 0301 0300 0302 \
          0303 0304";
    let super_admin = "0502 0503 0504 0501 0601";
    let policy_enforcer = "0001 000f 000a 000b 0503 0504 0600 0501 0601";
    let expected = [
        "0 no_role | 0009 | 0 - 0 0 | (0,[2])".to_owned(),
        "1 banned |  | 0 - 0 0 | ".to_owned(),
        format!("2 ordinary_user | {ordinary_user} | 0 - 0 - | (0,[2]) (2,[0])"),
        format!(
            "3 group_admin | {ordinary_user} {group_admin} | 1 - 0 - | (0,[1, 2, 3]) \
              (1,[0, 2, 3]) (2,[0, 1, 3]) (3,[0, 1, 2])"
        ),
        format!(
            "4 super_admin | {ordinary_user} {group_admin} {super_admin} | 0 - 0 - | \
              (0,[1, 2, 3, 4]) (1,[0, 2, 3, 4]) (2,[0, 1, 3, 4]) (3,[0, 1, 2, 4]) (4,[0, \
              1, 2, 3])"
        ),
        format!(
            "5 policy_enforcer | {policy_enforcer} | 1 2 0 0 | (0,[1]) (1,[0]) (2,[0, \
              1]) (3,[0, 1]) (4,[0, 1])"
        ),
    ];
    assert_table(Preset::Strict, &expected, (4, 2, 5));
}

#[test]
fn moderated_is_as_printed() {
    // POLICY-PRESET-1, AMB-PRE-2
    let guest = "0006 0101 0102 0105 0107 020a 020b 0204 0206 0205";
    let attendee = "0002 0005 0003 0010 0103 010d 0207 0380 0381 0383";
    let speaker = "0100 0109 010a 010c 0200 0202 0201 0203 0208 0209";
    let moderator = "0000 0001 000a 000b 000c 000f 0007 0008 0108 010b 010e 010f 0300 0302 0303 \
          0304";
    let super_admin = "0301 0502 0503 0504 0501 0601";
    let policy_enforcer = "0001 000f 000a 000b 0503 0504 0600 0501 0601";
    let expected = [
        "0 no_role | 0009 | 0 - 0 - | (0,[2, 3])".to_owned(),
        "1 banned |  | 0 - 0 0 | ".to_owned(),
        format!("2 guest | {guest} | 0 - 0 - | (0,[2]) (2,[0])"),
        format!("3 attendee | {guest} {attendee} | 0 - 0 - | (0,[3]) (3,[0])"),
        format!("4 speaker | {guest} {attendee} {speaker} | 0 - 0 - | (0,[4]) (4,[0])"),
        format!(
            "5 moderator | {guest} {attendee} {speaker} {moderator} | 1 - 0 - | (0,[1, \
              2, 3, 4, 5]) (1,[0, 2, 3, 4, 5]) (2,[0, 1, 3, 4, 5]) (3,[0, 1, 2, 4, 5]) \
              (4,[0, 1, 2, 3, 5]) (5,[0, 1, 2, 3, 4])"
        ),
        format!(
            "6 super_admin | {guest} {attendee} {speaker} {moderator} {super_admin} | 0 \
              - 0 - | (0,[1, 2, 3, 4, 5, 6]) (1,[0, 2, 3, 4, 5, 6]) (2,[0, 1, 3, 4, 5, \
              6]) (3,[0, 1, 2, 4, 5, 6]) (4,[0, 1, 2, 3, 5, 6]) (5,[0, 1, 2, 3, 4, 6]) \
              (6,[0, 1, 2, 3, 4, 5])"
        ),
        format!(
            "7 policy_enforcer | {policy_enforcer} | 1 2 0 0 | (0,[1]) (1,[0]) (2,[0, \
              1]) (3,[0, 1]) (4,[0, 1]) (5,[0, 1]) (6,[0, 1])"
        ),
    ];
    assert_table(Preset::Moderated, &expected, (6, 3, 7));
}

#[test]
fn multi_organization_is_as_printed() {
    // POLICY-PRESET-1, AMB-PRE-4
    let org_a_user = "0010 0005";
    let org_b_user = "0006 0002 0003 0100 0101 0102 0103 010d 0105 0107 0109 0208 0209 020a 020b \
          0204 0206 0205 0207 0380 0381 0383";
    let org_a_admin = "0010 0005";
    let org_b_admin = "010a 010c 0200 0202 0201 0203 0000 0001 000a 000c 000f";
    let super_admin = "000b 0108 010b 010e 010f 0301 0300 0302 0303 0304 0502 0503 0504 0501 0601";
    let policy_enforcer = "0001 000f 000a 000b 0503 0504 0600 0501 0601";
    let expected = [
        "0 no_role |  | 0 - 0 0 | ".to_owned(),
        "1 banned |  | 0 - 0 0 | ".to_owned(),
        format!("2 org_a_user | {org_b_user} {org_a_user} | 0 - 0 - | (0,[2]) (2,[0])"),
        format!("3 org_b_user | {org_b_user} | 0 - 0 - | (0,[3]) (3,[0])"),
        format!("4 org_c_user | {org_b_user} | 0 - 0 - | (0,[4]) (4,[0])"),
        format!(
            "5 org_a_admin | {org_b_user} {org_b_admin} {org_a_admin} | 0 - 0 - | \
              (0,[2, 5]) (2,[0, 1, 5]) (5,[0, 1, 2])"
        ),
        format!(
            "6 org_b_admin | {org_b_user} {org_b_admin} | 1 3 1 - | (0,[3, 6]) (3,[0, \
              1, 6]) (6,[0, 1, 3])"
        ),
        format!(
            "7 org_c_admin | {org_b_user} {org_b_admin} | 1 3 1 - | (0,[4, 7]) (4,[0, \
              1, 7]) (7,[0, 1, 4])"
        ),
        format!(
            "8 super_admin | {org_b_user} {org_b_admin} {org_a_admin} {super_admin} | 1 \
              - 1 - | (0,[1, 2, 3, 4, 5, 6, 7, 8]) (1,[0, 2, 3, 4, 5, 6, 7, 8]) (2,[0, \
              1, 5, 8]) (3,[0, 1, 6]) (4,[0, 1, 7]) (5,[0, 1, 2, 8]) (6,[0, 1, 3]) \
              (7,[0, 1, 4]) (8,[0, 1, 2, 5])"
        ),
        format!(
            "9 policy_enforcer | {policy_enforcer} | 1 2 0 0 | (0,[1]) (1,[0]) (3,[0, \
              1]) (4,[0, 1]) (5,[0, 1]) (6,[0, 1]) (7,[0, 1]) (8,[0, 1])"
        ),
    ];
    assert_table(Preset::MultiOrganization, &expected, (8, 2, 9));
}

#[test]
fn direct_is_as_decided() {
    // AMB-POL-42, TOM-126
    let participant = "0002 0003 0100 0101 0102 0103 0104 0105 0106 0107 0109 010a 010c 010d 010e \
          0200 0201 0202 0203 0204 0205 0206 0207 0208 0209 020a 020b";
    let expected = [
        "0 no_role |  | 0 - 0 0 | ".to_owned(),
        format!("2 participant | {participant} | 0 - 0 - | "),
        "3 policy_enforcer | 000c | 0 0 0 0 | ".to_owned(),
    ];
    assert_table(Preset::Direct, &expected, (2, 2, 3));
}
