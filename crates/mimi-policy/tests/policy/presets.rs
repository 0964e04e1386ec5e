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
    let lines: Vec<String> = Preset::Cooperative.roles().roles.iter().map(line).collect();
    assert_eq!(lines, expected);
    assert_eq!(Preset::Cooperative.creator_role(), 4);
    assert_eq!(Preset::Cooperative.ordinary_role(), 2);
    assert_eq!(Preset::Cooperative.policy_enforcer_role(), Some(5));
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
        let room = Room::new().with("alice", preset.creator_role(), 1);
        assert_eq!(check_founding(&room.view), Ok(()));
    }
}
