use mimi_policy::preset::base_policy;
use mimi_policy::{ClientView, RoomView};
use mimi_wire::MimiUri;
use mimi_wire::room::capability::Capability;
use mimi_wire::room::metadata::RoomMetadata;
use mimi_wire::room::participant_list::{ParticipantListData, UserRolePair};
use mimi_wire::room::preauth::{Claim, PreAuthData, PreAuthRoleEntry};
use mimi_wire::room::roles::SingleSourceRoleChangeTargets;

use super::*;
use crate::session::own_role;

fn uri(text: &str) -> MimiUri {
    MimiUri::new(text).unwrap()
}

fn organization(name: &str) -> Claim {
    let id = b"\x55\x04\x0a".to_vec();
    Claim { credential_type: 2, id, claim_value: name.as_bytes().to_vec() }
}

fn bob(claims: Vec<Claim>) -> ClientIdentity {
    let (user, client) = (uri("mimi://b.example/u/bob"), uri("mimi://b.example/d/bob/phone"));
    ClientIdentity { user, client, claims }
}

/// A room of alice's without anybody's clients.
fn room(preset: Preset) -> RoomView {
    let alice =
        UserRolePair { user: uri("mimi://a.example/u/alice"), role_index: preset.creator_role() };
    RoomView {
        epoch: 3,
        participants: ParticipantListData { participants: vec![alice] },
        roles: preset.roles(),
        metadata: RoomMetadata {
            room_uri: uri("mimi://a.example/r/tea"),
            room_name: String::new(),
            room_descriptions: Vec::new(),
            room_avatar: String::new(),
            room_subject: String::new(),
            room_mood: String::new(),
        },
        preauth: PreAuthData::default(),
        base_policy: Some(base_policy()),
        other_components: std::collections::BTreeMap::new(),
        clients: Vec::new(),
    }
}

fn open(view: &mut RoomView, targets: &[RoleIndex]) {
    for role in view.roles.roles.iter_mut().filter(|role| role.role_index == 0) {
        role.role_capabilities.push(Capability::CAN_OPEN_JOIN);
        let target_role_indexes = targets.to_vec();
        role.authorized_role_changes =
            vec![SingleSourceRoleChangeTargets { from_role_index: 0, target_role_indexes }];
    }
}

fn preauthorize(view: &mut RoomView, name: &str, role: RoleIndex) {
    let target_role = view.role(role).unwrap().clone();
    view.preauth.entries.push(PreAuthRoleEntry { claimset: vec![organization(name)], target_role });
}

fn with_role(role: RoleIndex) -> Wish {
    Wish { role: Some(role), ..Wish::default() }
}

/// POLICY-CAP-ADD-3, AMB-POL-27: in an open room the joiner has the choice.
#[test]
fn open_rooms_leave_the_choice() {
    let mut view = room(Preset::Cooperative);
    let own = bob(Vec::new());
    assert!(matches!(role_to_join(&view, &own, &Wish::default()), Err(ClientError::Denied(_))));
    open(&mut view, &[3, 2]);
    // No longer the preset's roles: the lowest.
    assert_eq!(role_to_join(&view, &own, &Wish::default()).unwrap(), Some(2));
    assert_eq!(role_to_join(&view, &own, &with_role(3)).unwrap(), Some(3));
    let text = role_to_join(&view, &own, &with_role(4)).unwrap_err().to_string();
    assert_eq!(text, "refused: one may come in as ordinary_user or as group_admin");
    // A link that leads nowhere is not made up for.
    let code = Wish { code: Some("1.ABCDEFGHIJKLMNOPQRST-w.4".to_owned()), ..Wish::default() };
    let text = role_to_join(&view, &own, &code).unwrap_err().to_string();
    assert!(text.contains("no longer good"), "{text}");
}

/// POLICY-CAP-ADD-4, POLICY-PRE-2: what the credential gives is what is taken, no code needed.
#[test]
fn a_credential_leads_in() {
    let mut view = room(Preset::Strict);
    preauthorize(&mut view, "Tea Society", 2);
    let member = bob(vec![organization("Tea Society")]);
    assert_eq!(role_to_join(&view, &member, &Wish::default()).unwrap(), Some(2));
    let stranger = bob(vec![organization("Coffee Society")]);
    assert!(role_to_join(&view, &stranger, &Wish::default()).is_err());
}

/// Links of other implementations do not say where they lead: the ordinary role.
#[test]
fn an_opaque_code_leads_to_the_ordinary_role() {
    let view = room(Preset::Moderated);
    let wish = Wish { code: Some("opaque".to_owned()), ..Wish::default() };
    let own = bob(Vec::new());
    let ordinary = Preset::Moderated.ordinary_role();
    assert_eq!(role_to_join(&view, &own, &wish).unwrap(), Some(ordinary));
    let wish = Wish { role: Some(2), ..wish };
    assert_eq!(role_to_join(&view, &own, &wish).unwrap(), Some(2));
}

/// Whoever is listed has its role; whoever is banned has no way.
#[test]
fn the_listed_have_their_role() {
    let mut view = room(Preset::Cooperative);
    let own = bob(Vec::new());
    view.participants.participants.push(UserRolePair { user: own.user.clone(), role_index: 2 });
    assert_eq!(role_to_join(&view, &own, &Wish::default()).unwrap(), None);
    view.participants.participants[1].role_index = 1;
    assert!(role_to_join(&view, &own, &Wish::default()).is_err());
}

/// POLICY-CAP-ROLE-2: the role that the own certificate gives.
#[test]
fn the_role_a_credential_offers() {
    let mut view = room(Preset::MultiOrganization);
    preauthorize(&mut view, "Tea Society", 2);
    let member = bob(vec![organization("Tea Society")]);
    assert_eq!(own_role::offered(&view, &member).unwrap(), 2);
    assert!(own_role::offered(&view, &bob(Vec::new())).is_err());
    // Offered to who is in with another role that lets it change.
    assert_eq!(own_role::offer(&view, &member), None);
    let (user, client) = (member.user.clone(), member.client.clone());
    view.participants.participants.push(UserRolePair { user: user.clone(), role_index: 5 });
    view.clients.push(ClientView { leaf: 0, user, client });
    let name = view.role(2).unwrap().role_name.clone();
    assert_eq!(own_role::offer(&view, &member), Some((2, name)));
    assert_eq!(own_role::offer(&view, &bob(Vec::new())), None);
    view.participants.participants[1].role_index = 2;
    assert_eq!(own_role::offer(&view, &member), None);
}
