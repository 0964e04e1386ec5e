//! Whether roles, preauthorizations and base policy hold together, with each other and with the
//! participants: asked of what a change touches, and of a room at its founding.

use std::collections::{BTreeMap, BTreeSet};

use mimi_wire::MimiUri;
use mimi_wire::Wire;
use mimi_wire::component::{
    ComponentId, JOIN_LINK_POLICY, JOIN_LINKS, MLS_OPERATIONAL_POLICY, PREAUTH_LIST, ROLES_LIST,
};
use mimi_wire::room::base_policy::BaseRoomPolicy;
use mimi_wire::room::capability::Capability;
use mimi_wire::room::join_links::{JoinLinkPolicy, JoinLinksData};
use mimi_wire::room::participant_list::ParticipantListData;
use mimi_wire::room::preauth::PreAuthRoleEntry;
use mimi_wire::room::roles::RoleData;
use mimi_wire::uri::UriKind;

use crate::change::ProposedChange;
use crate::denied::Denied;
use crate::judge::authority::{Authority, holds, role_name};
use crate::judge::components::component_name;
use crate::judge::metadata::is_avatar;
use crate::judge::reading::Reading;
use crate::judge::roles::is_banned_role;
use crate::rule::Rule;
use crate::view::RoomView;

/// Last of the policy components (message expiration, room-policy section 7.8).
const POLICY_COMPONENT_LAST: ComponentId = 0x0030;
/// First of the policy components behind the base policy (status notification).
const POLICY_COMPONENT_FIRST: ComponentId = 0x0028;

/// Judges the definitions a change leaves behind, as far as it touches them.
pub(super) fn check(reading: &Reading<'_>) -> Result<(), Denied> {
    for set in &reading.sets {
        let by = &set.authority;
        for change in &set.others {
            let checked = match change {
                ProposedChange::Roles(_) => roles_replaced(reading),
                ProposedChange::Preauth(_) => preauth_roles(reading.preauth, reading.roles)
                    .and_then(|()| components_listed(reading)),
                ProposedChange::BasePolicy(policy) => {
                    base_policy(policy, reading.roles, reading.view.room())
                        .and_then(|()| components_listed(reading))
                }
                ProposedChange::JoinLinks(_) => links(reading),
                ProposedChange::OtherComponent(_) => components_listed(reading),
                _ => Ok(()),
            };
            checked.map_err(|denied| blame(denied, by))?;
        }
    }
    Ok(())
}

/// Judges the definitions a room starts with.
pub(super) fn check_founding(view: &RoomView) -> Result<(), Denied> {
    roles(&view.roles)?;
    roles_in_use(&view.participants, &view.roles)?;
    participants(&view.participants)?;
    preauth_roles(&view.preauth.entries, &view.roles)?;
    if let Some(policy) = &view.base_policy {
        base_policy(policy, &view.roles, view.room())?;
        let present = present(&view.preauth.entries, view.other_components.keys().copied());
        if let Some(id) = unlisted(policy, &present).first() {
            return Err(not_listed(*id));
        }
    }
    let metadata = &view.metadata;
    if metadata.room_uri.kind() != UriKind::Room {
        let denied = Denied::new(Rule::MetadataValue, None, "a room is named by a room URI");
        return Err(denied.about(&metadata.room_uri));
    }
    if !is_avatar(&metadata.room_avatar) {
        let needed = "an avatar is an https URI or empty";
        return Err(Denied::new(Rule::MetadataValue, None, needed).about("this avatar"));
    }
    Ok(())
}

fn blame(mut denied: Denied, by: &Authority<'_>) -> Denied {
    denied.actor = by.user().cloned();
    denied
}

fn roles_replaced(reading: &Reading<'_>) -> Result<(), Denied> {
    roles(reading.roles)?;
    // POLICY-ROLE-3: the list is the epoch's, it holds still.
    roles_in_use(&reading.view.participants, reading.roles)?;
    still_banned(reading)?;
    preauth_roles(reading.preauth, reading.roles)?;
    match reading.base_policy {
        Some(policy) => base_policy(policy, reading.roles, reading.view.room()),
        None => Ok(()),
    }
}

/// POLICY-ROLE-1, POLICY-CAP-ADD-3.
fn roles(roles: &RoleData) -> Result<(), Denied> {
    let mut indices = BTreeSet::new();
    for role in &roles.roles {
        if !indices.insert(role.role_index) {
            let denied = Denied::new(Rule::RoleIndices, None, "a role index is given only once");
            return Err(denied.about(format!("role {} twice", role.role_index)));
        }
        if role.role_index != 0 && holds(role, Capability::CAN_OPEN_JOIN) {
            let needed = "canOpenJoin belongs to role 0 alone";
            let denied = Denied::new(Rule::OpenJoinElsewhere, None, needed);
            return Err(denied.about(role_name(roles, role.role_index)));
        }
    }
    Ok(())
}

/// AMB-POL-14, PROTO-PL-5: nobody is left with a role that does not exist.
fn roles_in_use(list: &ParticipantListData, roles: &RoleData) -> Result<(), Denied> {
    let defined: BTreeSet<u32> = roles.roles.iter().map(|role| role.role_index).collect();
    let homeless = list
        .participants
        .iter()
        .find(|pair| pair.role_index == 0 || !defined.contains(&pair.role_index));
    match homeless {
        None => Ok(()),
        Some(pair) => {
            let needed = format!("{} has it", pair.user);
            let denied = Denied::new(Rule::RoleInUse, None, needed);
            Err(denied.about(format!("role {}", pair.role_index)))
        }
    }
}

/// AMB-POL-14: new definitions do not free the banned.
fn still_banned(reading: &Reading<'_>) -> Result<(), Denied> {
    let before = |index| is_banned_role(&reading.view.roles, index);
    let after = |index| is_banned_role(reading.roles, index);
    let mut pairs = reading.view.participants.participants.iter();
    match pairs.find(|pair| before(pair.role_index) && !after(pair.role_index)) {
        None => Ok(()),
        Some(pair) => {
            let needed = format!("{} is banned", pair.user);
            Err(Denied::new(Rule::RoleInUse, None, needed).about("the role named banned"))
        }
    }
}

/// PROTO-PL-1 for a list that no update made.
fn participants(list: &ParticipantListData) -> Result<(), Denied> {
    let mut seen: BTreeSet<&MimiUri> = BTreeSet::new();
    for pair in &list.participants {
        if !pair.user.is_user() {
            let denied = Denied::new(Rule::ParticipantIsUser, None, "participants are users");
            return Err(denied.about(&pair.user));
        }
        if !seen.insert(&pair.user) {
            let denied = Denied::new(Rule::AlreadyListed, None, "each user is listed once");
            return Err(denied.about(&pair.user));
        }
    }
    Ok(())
}

/// AMB-POL-2: entries lead to defined roles, never out of the room or to the banned.
fn preauth_roles(entries: &[PreAuthRoleEntry], roles: &RoleData) -> Result<(), Denied> {
    let defined: BTreeSet<u32> = roles.roles.iter().map(|role| role.role_index).collect();
    let wrong = entries
        .iter()
        .map(|entry| entry.target_role.role_index)
        .find(|index| *index <= 1 || !defined.contains(index));
    match wrong {
        None => Ok(()),
        Some(index) => {
            let needed = "entries name defined roles other than 0 and 1";
            let denied = Denied::new(Rule::PreauthRole, None, needed);
            Err(denied.about(format!("role {index}")))
        }
    }
}

/// POLICY-BASE-1, POLICY-BASE-3 as far as the room itself tells.
fn base_policy(policy: &BaseRoomPolicy, roles: &RoleData, room: &MimiUri) -> Result<(), Denied> {
    if policy.parent_dependant != policy.parent_room.is_some() {
        let needed = "a parent is named if and only if the room depends on one";
        return Err(Denied::new(Rule::ParentRoom, None, needed).about("this parent"));
    }
    if let Some(parent) = &policy.parent_room {
        let same_hub = MimiUri::new(parent).is_ok_and(|parent| {
            parent.kind() == UriKind::Room && parent.domain() == room.domain() && parent != *room
        });
        if !same_hub {
            let needed = "a parent is another room of the same hub";
            return Err(Denied::new(Rule::ParentRoom, None, needed).about("this parent"));
        }
    }
    if !policy.fixed_membership {
        return Ok(());
    }
    let adding = roles.roles.iter().find(|role| {
        role.role_index != 0
            && !is_banned_role(roles, role.role_index)
            && holds(role, Capability::CAN_ADD_PARTICIPANT)
    });
    match adding {
        None => Ok(()),
        Some(role) => {
            let name = role_name(roles, role.role_index);
            let needed = format!("participants are fixed, so {name} cannot hold canAddParticipant");
            Err(Denied::new(Rule::FixedMembership, None, needed).about("participants"))
        }
    }
}

/// The links a change leaves behind, all its updates together.
fn links(reading: &Reading<'_>) -> Result<(), Denied> {
    let octets = |id| reading.view.other_components.get(&id).map(Vec::as_slice);
    let links = octets(JOIN_LINKS).and_then(|octets| JoinLinksData::decode(octets).ok());
    let links = links.unwrap_or_default().links;
    let mut kept: BTreeSet<u32> = (0..).zip(&links).map(|(position, _)| position).collect();
    let mut added = 0;
    for change in reading.sets.iter().flat_map(|set| &set.others) {
        let ProposedChange::JoinLinks(update) = change else { continue };
        added += update.added_links.len();
        for position in &update.removed_indices {
            if !kept.remove(position) {
                let denied = Denied::new(Rule::JoinLinkPresent, None, "there is no such link");
                return Err(denied.about(format!("join link {position}")));
            }
        }
    }
    let policy = octets(JOIN_LINK_POLICY).and_then(|octets| JoinLinkPolicy::decode(octets).ok());
    if policy.is_some_and(|policy| policy.on_request) && added > 0 && kept.len() + added > 1 {
        let needed = "links are made on request here, and one at most is kept";
        return Err(Denied::new(Rule::JoinLinkKept, None, needed).about("join links"));
    }
    Ok(())
}

/// POLICY-BASE-9: what a change brings in is listed; a base policy it brings in lists everything.
fn components_listed(reading: &Reading<'_>) -> Result<(), Denied> {
    let Some(policy) = reading.base_policy else { return Ok(()) };
    let mut others: BTreeMap<ComponentId, ()> =
        reading.view.other_components.keys().map(|id| (*id, ())).collect();
    let mut replaced = false;
    for change in reading.sets.iter().flat_map(|set| &set.others) {
        match change {
            ProposedChange::OtherComponent(id) => {
                others.insert(*id, ());
            }
            ProposedChange::RemoveComponent(id) => {
                others.remove(id);
            }
            ProposedChange::BasePolicy(_) => replaced = true,
            _ => {}
        }
    }
    let after = unlisted(policy, &present(reading.preauth, others.into_keys()));
    let known = match (&reading.view.base_policy, replaced) {
        (Some(old), false) => {
            let view = reading.view;
            let others = view.other_components.keys().copied();
            unlisted(old, &present(&view.preauth.entries, others))
        }
        _ => Vec::new(),
    };
    match after.iter().find(|id| !known.contains(id)) {
        None => Ok(()),
        Some(id) => Err(not_listed(*id)),
    }
}

/// The policy components of a room.
fn present(
    preauth: &[PreAuthRoleEntry],
    others: impl Iterator<Item = ComponentId>,
) -> Vec<ComponentId> {
    let policy = |id: &ComponentId| {
        *id == MLS_OPERATIONAL_POLICY
            || ((POLICY_COMPONENT_FIRST..=POLICY_COMPONENT_LAST).contains(id) && *id != JOIN_LINKS)
    };
    let preauth = (!preauth.is_empty()).then_some(PREAUTH_LIST);
    [ROLES_LIST].into_iter().chain(preauth).chain(others.filter(policy)).collect()
}

fn unlisted(policy: &BaseRoomPolicy, present: &[ComponentId]) -> Vec<ComponentId> {
    let listed = &policy.policy_component_ids;
    present.iter().copied().filter(|id| !listed.contains(id)).collect()
}

fn not_listed(id: ComponentId) -> Denied {
    let needed = "the base policy's policy_component_ids must list it";
    Denied::new(Rule::PolicyComponentListed, None, needed).about(component_name(id))
}
