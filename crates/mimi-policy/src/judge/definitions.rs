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
use mimi_wire::room::join_links::{JoinLink, JoinLinkPolicy, JoinLinksData};
use mimi_wire::room::participant_list::ParticipantListData;
use mimi_wire::room::preauth::PreAuthRoleEntry;
use mimi_wire::room::roles::{Role, RoleData};
use mimi_wire::uri::UriKind;

use crate::change::ProposedChange;
use crate::denied::Denied;
use crate::judge::authority::{Authority, holds, role_name};
use crate::judge::components::component_name;
use crate::judge::metadata::is_avatar;
use crate::judge::reading::Reading;
use crate::judge::roles::is_banned_role;
use crate::policy_component::{self, Beside};
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
                ProposedChange::OtherComponent(id, octets) => {
                    component(*id, octets, reading.roles, reading.view.room())
                        .and_then(
                            |()| if *id == JOIN_LINK_POLICY { links(reading) } else { Ok(()) },
                        )
                        .and_then(|()| components_listed(reading))
                }
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
    for (id, octets) in &view.other_components {
        component(*id, octets, &view.roles, view.room())?;
    }
    let links = links_in(octets_of(view, JOIN_LINKS)).len();
    one_link_on_request(links, octets_of(view, JOIN_LINK_POLICY))?;
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
    components_keep_their_roles(reading)?;
    match reading.base_policy {
        Some(policy) => base_policy(policy, reading.roles, reading.view.room()),
        None => Ok(()),
    }
}

/// The roles in themselves.
fn roles(roles: &RoleData) -> Result<(), Denied> {
    role_faults(roles).into_iter().next().map_or(Ok(()), |(_, denied)| Err(denied))
}

/// POLICY-ROLE-1, POLICY-ROLE-2, POLICY-CAP-ADD-3, with the role that is at fault.
fn role_faults(roles: &RoleData) -> Vec<(&Role, Denied)> {
    let mut indices = BTreeSet::new();
    let mut faults = Vec::new();
    for role in &roles.roles {
        if !indices.insert(role.role_index) {
            let denied = Denied::new(Rule::RoleIndices, None, "a role index is given only once");
            faults.push((role, denied.about(format!("role {} twice", role.role_index))));
        }
        let limits = [
            (
                role.minimum_participants_constraint,
                role.maximum_participants_constraint,
                "its minimum of participants is over its maximum",
            ),
            (
                role.minimum_active_participants_constraint,
                role.maximum_active_participants_constraint,
                "its minimum of active participants is over its maximum",
            ),
        ];
        for (_, _, needed) in
            limits.into_iter().filter(|(least, most, _)| most.is_some_and(|most| *least > most))
        {
            let denied = Denied::new(Rule::RoleConstraints, None, needed);
            faults.push((role, denied.about(role_name(roles, role.role_index))));
        }
        if role.role_index != 0 && holds(role, Capability::CAN_OPEN_JOIN) {
            let needed = "canOpenJoin belongs to role 0 alone";
            let denied = Denied::new(Rule::OpenJoinElsewhere, None, needed);
            faults.push((role, denied.about(role_name(roles, role.role_index))));
        }
    }
    faults
}

/// Everything that is wrong with roles and a base policy for them, each with its place.
pub(crate) fn definition_faults(
    roles: &RoleData,
    policy: Option<&BaseRoomPolicy>,
) -> Vec<(String, Denied)> {
    let roles_at_fault = role_faults(roles).into_iter().map(|(role, denied)| {
        let place = match role.role_name.as_str() {
            "" => format!("roles, role {}", role.role_index),
            name => format!("roles.{name}"),
        };
        (place, denied)
    });
    let parent = policy.and_then(|policy| parent_named(policy).err());
    let fixed = policy.and_then(|policy| fixed_membership(policy, roles).err());
    let parent = parent.map(|denied| ("base.parent_room".to_owned(), denied));
    let fixed = fixed.map(|denied| ("base.fixed_membership".to_owned(), denied));
    roles_at_fault.chain(parent).chain(fixed).collect()
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
    parent_named(policy)?;
    if let Some(parent) = &policy.parent_room {
        let same_hub = MimiUri::new(parent).is_ok_and(|parent| {
            parent.kind() == UriKind::Room && parent.domain() == room.domain() && parent != *room
        });
        if !same_hub {
            let needed = "a parent is another room of the same hub";
            return Err(Denied::new(Rule::ParentRoom, None, needed).about("this parent"));
        }
    }
    fixed_membership(policy, roles)
}

/// POLICY-BASE-3
fn parent_named(policy: &BaseRoomPolicy) -> Result<(), Denied> {
    if policy.parent_dependant == policy.parent_room.is_some() {
        return Ok(());
    }
    let needed = "a parent is named if and only if the room depends on one";
    Err(Denied::new(Rule::ParentRoom, None, needed).about("this parent"))
}

/// POLICY-BASE-1
fn fixed_membership(policy: &BaseRoomPolicy, roles: &RoleData) -> Result<(), Denied> {
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
    let links = links_in(octets_of(reading.view, JOIN_LINKS));
    let mut kept: BTreeSet<u32> = (0..).zip(&links).map(|(position, _)| position).collect();
    let mut added = 0;
    let mut policy = octets_of(reading.view, JOIN_LINK_POLICY);
    let mut sets_policy = false;
    for change in reading.sets.iter().flat_map(|set| &set.others) {
        let update = match change {
            ProposedChange::JoinLinks(update) => update,
            ProposedChange::OtherComponent(JOIN_LINK_POLICY, octets) => {
                policy = Some(octets);
                sets_policy = true;
                continue;
            }
            ProposedChange::RemoveComponent(JOIN_LINK_POLICY) => {
                policy = None;
                continue;
            }
            _ => continue,
        };
        added += update.added_links.len();
        for position in &update.removed_indices {
            if !kept.remove(position) {
                let denied = Denied::new(Rule::JoinLinkPresent, None, "there is no such link");
                return Err(denied.about(format!("join link {position}")));
            }
        }
    }
    match sets_policy || added > 0 {
        true => one_link_on_request(kept.len() + added, policy),
        false => Ok(()),
    }
}

fn links_in(octets: Option<&[u8]>) -> Vec<JoinLink> {
    octets.and_then(|octets| JoinLinksData::decode(octets).ok()).unwrap_or_default().links
}

/// POLICY-JL-1
fn one_link_on_request(links: usize, policy: Option<&[u8]>) -> Result<(), Denied> {
    let policy = policy.and_then(|octets| JoinLinkPolicy::decode(octets).ok());
    if links > 1 && policy.is_some_and(|policy| policy.on_request) {
        let needed = "links are made on request here, and one at most is kept";
        return Err(Denied::new(Rule::JoinLinkKept, None, needed).about("several join links"));
    }
    Ok(())
}

fn octets_of(view: &RoomView, id: ComponentId) -> Option<&[u8]> {
    view.other_components.get(&id).map(Vec::as_slice)
}

/// What a component holds, as far as the room is concerned.
fn component(
    id: ComponentId,
    octets: &[u8],
    roles: &RoleData,
    room: &MimiUri,
) -> Result<(), Denied> {
    let beside = Beside { roles, hub: Some(&room.domain()) };
    let fault = policy_component::faults(id, octets, beside).into_iter().next();
    match (fault, policy_component::rule(id)) {
        (Some(fault), Some(rule)) => {
            let needed = match fault.field.is_empty() {
                true => fault.needed,
                false => format!("{}: {}", fault.field, fault.needed),
            };
            Err(Denied::new(rule, None, needed).about(format!("{} so", component_name(id))))
        }
        _ => Ok(()),
    }
}

/// POLICY-HIST-1, POLICY-BOT-1: new roles leave those to the components that name them.
fn components_keep_their_roles(reading: &Reading<'_>) -> Result<(), Denied> {
    let room = reading.view.room();
    let replaced = |id: ComponentId| {
        reading.sets.iter().flat_map(|set| &set.others).any(|change| match change {
            ProposedChange::OtherComponent(other, _) | ProposedChange::RemoveComponent(other) => {
                *other == id
            }
            _ => false,
        })
    };
    for (id, octets) in &reading.view.other_components {
        if replaced(*id) || component(*id, octets, &reading.view.roles, room).is_err() {
            continue;
        }
        component(*id, octets, reading.roles, room).map_err(|denied| {
            let needed = format!("{} needs it: {}", component_name(*id), denied.needed);
            Denied::new(Rule::RoleInUse, None, needed).about("a role that is in use")
        })?;
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
            ProposedChange::OtherComponent(id, _) => {
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
