//! POLICY-PRE-2, AMB-POL-2, AMB-POL-41.

use std::collections::BTreeMap;

use mimi_wire::MimiUri;
use mimi_wire::room::metadata::RoomMetadata;
use mimi_wire::room::participant_list::{ParticipantListData, RoleIndex};
use mimi_wire::room::preauth::{Claim, PreAuthData, PreAuthRoleEntry};

use super::{Claims, first_match};
use crate::preset::Preset;
use crate::view::RoomView;

fn view(entries: &[(&[Claim], RoleIndex)]) -> RoomView {
    let roles = Preset::Cooperative.roles();
    let entries = entries.iter().map(|(claimset, role)| {
        let mut target_role = roles.roles[2].clone();
        target_role.role_index = *role;
        PreAuthRoleEntry { claimset: claimset.to_vec(), target_role }
    });
    RoomView {
        epoch: 0,
        participants: ParticipantListData::default(),
        preauth: PreAuthData { entries: entries.collect() },
        roles,
        metadata: RoomMetadata {
            room_uri: MimiUri::new("mimi://a.example/r/clubhouse").unwrap(),
            room_name: String::new(),
            room_descriptions: Vec::new(),
            room_avatar: String::new(),
            room_subject: String::new(),
            room_mood: String::new(),
        },
        base_policy: None,
        other_components: BTreeMap::new(),
        clients: Vec::new(),
    }
}

fn claim(id: u8, value: u8) -> Claim {
    Claim { credential_type: 2, id: vec![id], claim_value: vec![value] }
}

fn found(view: &RoomView, claims: &[Claim]) -> Option<RoleIndex> {
    first_match(view, Claims::Known(claims)).map(|role| role.role_index)
}

#[test]
fn all_claims_of_the_first_match() {
    let view = view(&[(&[claim(1, 1), claim(2, 1)], 3), (&[claim(1, 1)], 2), (&[], 4)]);
    assert_eq!(found(&view, &[claim(2, 1), claim(1, 1), claim(3, 3)]), Some(3));
    assert_eq!(found(&view, &[claim(1, 1)]), Some(2));
    assert_eq!(found(&view, &[claim(1, 2)]), Some(4));
    let mut other_type = claim(1, 1);
    other_type.credential_type = 1;
    assert_eq!(found(&view, &[other_type]), Some(4));
}

#[test]
fn several_values_of_one_claim_match_any() {
    // AMB-POL-3
    let view = view(&[(&[claim(1, 2)], 2)]);
    assert_eq!(found(&view, &[claim(1, 1), claim(1, 2)]), Some(2));
}

#[test]
fn the_role_is_the_rooms_own() {
    let view = view(&[(&[], 4)]);
    let role = first_match(&view, Claims::Known(&[])).unwrap();
    assert_eq!(role.role_name, "super_admin");
}

#[test]
fn a_first_match_without_a_usable_role_leads_nowhere() {
    for unusable in [0, 1, 77] {
        assert_eq!(found(&view(&[(&[], unusable), (&[], 2)]), &[]), None);
    }
}

#[test]
fn unknown_claims_match_only_what_matches_everyone() {
    let unknown = |view: &RoomView| first_match(view, Claims::Unknown).map(|role| role.role_index);
    assert_eq!(unknown(&view(&[(&[], 2)])), Some(2));
    assert_eq!(unknown(&view(&[(&[claim(1, 1)], 3), (&[], 2)])), None);
    assert_eq!(unknown(&view(&[])), None);
}
