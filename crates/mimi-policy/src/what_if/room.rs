//! The room form: roles, base policy, preauthorizations, participants.

use std::collections::{BTreeMap, BTreeSet};

use mimi_wire::component::{ComponentId, JOIN_LINKS};
use mimi_wire::room::base_policy::BaseRoomPolicy;
use mimi_wire::room::capability::Capability;
use mimi_wire::room::join_links::{JoinLink, JoinLinksData};
use mimi_wire::room::metadata::RoomMetadata;
use mimi_wire::room::participant_list::{ParticipantListData, RoleIndex, UserRolePair};
use mimi_wire::room::preauth::{PreAuthData, PreAuthRoleEntry};
use mimi_wire::room::roles::{Role, RoleData, SingleSourceRoleChangeTargets};
use mimi_wire::uri::UriKind;
use mimi_wire::{MimiUri, Wire};
use serde_json::Value;

use super::Malformed;
use super::read::{Field, Fields};
use crate::judge::{BANNED, capability_by_name, holds, is_banned_role};
use crate::preset::Preset;
use crate::view::{ClientView, RoomView};

/// Clients a form may speak of, all together.
pub(super) const CLIENTS_MAX: u32 = 100_000;

/// A room as a form describes it, sound enough to be judged.
#[derive(Clone, Debug)]
pub(super) struct Room {
    pub(super) view: RoomView,
}

/// Reads a room.
pub(super) fn read(value: &Value) -> Result<Room, Malformed> {
    let fields = Fields::of(value, "room", &["roles", "base", "preauth", "participants"])?;
    let roles = roles(&fields.required("roles")?)?;
    let base_policy = match fields.optional("base") {
        Some(base) => base_policy(&base, &roles)?,
        None => all_absent(),
    };
    let preauth = fields.list("preauth", |field| entry(&field, &roles))?;
    let mut view = RoomView {
        epoch: 0,
        participants: ParticipantListData::default(),
        metadata: metadata(),
        preauth: PreAuthData { entries: preauth },
        base_policy: Some(base_policy),
        // A link to take back.
        other_components: BTreeMap::from([(
            JOIN_LINKS,
            JoinLinksData { links: vec![JoinLink(b"link".to_vec())] }.encode(),
        )]),
        clients: Vec::new(),
        roles,
    };
    if let Some(field) = fields.optional("participants") {
        participants(&field, &mut view)?;
    }
    Ok(Room { view })
}

/// The name of a user's client, by number.
pub(super) fn client_uri(user: &MimiUri, number: u32) -> MimiUri {
    let mark = if user.kind() == UriKind::Pseudonym { "~" } else { "" };
    let parts: Vec<&str> = user.as_str().splitn(5, '/').collect();
    let device = match parts.as_slice() {
        [scheme, _, domain, _, name] => {
            MimiUri::new(&format!("{scheme}//{domain}/d/{name}/{mark}{number}")).ok()
        }
        _ => None,
    };
    // A name that is too long for one more number still tells clients apart from users.
    device.unwrap_or_else(|| user.clone())
}

/// How many clients a field adds to those spoken of so far.
pub(super) fn client_count(field: &Field<'_>, before: usize) -> Result<u32, Malformed> {
    let count = field.number()?;
    let before = u32::try_from(before).unwrap_or(u32::MAX);
    match before.checked_add(count).is_some_and(|all| all <= CLIENTS_MAX) {
        true => Ok(count),
        false => Err(field.wrong(format!("a form speaks of at most {CLIENTS_MAX} clients"))),
    }
}

fn roles(field: &Field<'_>) -> Result<RoleData, Malformed> {
    if field.value().is_string() {
        let preset = Preset::by_name(field.text()?).map(Preset::roles);
        return preset.ok_or_else(|| {
            let names: Vec<&str> = Preset::ALL.iter().map(|preset| preset.name()).collect();
            field.wrong(format!("is no preset; there are {}", names.join(", ")))
        });
    }
    let mut indices = BTreeSet::new();
    let mut roles = Vec::new();
    for field in field.items()? {
        let role = role(&field)?;
        if !indices.insert(role.role_index) {
            return Err(field.wrong(format!("role {} is defined already", role.role_index)));
        }
        roles.push(role);
    }
    Ok(RoleData { roles })
}

pub(super) fn role(field: &Field<'_>) -> Result<Role, Malformed> {
    let fields = field.fields(&[
        "role_index",
        "role_name",
        "capabilities",
        "minimum_participants",
        "maximum_participants",
        "minimum_active_participants",
        "maximum_active_participants",
        "authorized_role_changes",
    ])?;
    let role = Role {
        role_index: fields.required("role_index")?.number()?,
        role_name: fields
            .read("role_name", String::new(), |field| field.text().map(str::to_owned))?,
        role_description: String::new(),
        role_capabilities: fields.list("capabilities", capability)?,
        minimum_participants_constraint: fields.number("minimum_participants")?,
        maximum_participants_constraint: fields.optional_number("maximum_participants")?,
        minimum_active_participants_constraint: fields.number("minimum_active_participants")?,
        maximum_active_participants_constraint: fields
            .optional_number("maximum_active_participants")?,
        authorized_role_changes: fields.list("authorized_role_changes", role_changes)?,
    };
    let over = |least: u32, most: Option<u32>| most.is_some_and(|most| least > most);
    let contradiction = [
        (
            "minimum_participants",
            role.minimum_participants_constraint,
            role.maximum_participants_constraint,
        ),
        (
            "minimum_active_participants",
            role.minimum_active_participants_constraint,
            role.maximum_active_participants_constraint,
        ),
    ];
    for (name, least, most) in contradiction {
        if over(least, most) {
            return Err(fields.required(name)?.wrong("is over the maximum"));
        }
    }
    Ok(role)
}

fn capability(field: Field<'_>) -> Result<Capability, Malformed> {
    let name = field.text()?;
    capability_by_name(name).ok_or_else(|| field.wrong("is no capability of the registry"))
}

/// `[from, [to, …]]`
fn role_changes(field: Field<'_>) -> Result<SingleSourceRoleChangeTargets, Malformed> {
    let pair: Vec<Field<'_>> = field.items()?.collect();
    let [from, to] = pair.as_slice() else {
        return Err(field.wrong("must be [from, [to, …]]"));
    };
    Ok(SingleSourceRoleChangeTargets {
        from_role_index: from.number()?,
        target_role_indexes: to.list(|field| field.number())?,
    })
}

/// A base policy that says nothing. Every policy component counts as listed, so that one that does
/// not speak of them forbids none (POLICY-BASE-9).
pub(super) fn all_absent() -> BaseRoomPolicy {
    let first = mimi_wire::component::MLS_OPERATIONAL_POLICY;
    BaseRoomPolicy {
        fixed_membership: false,
        parent_dependant: false,
        parent_room: None,
        multi_device: true,
        max_clients: None,
        max_users: None,
        pseudonyms_allowed: false,
        persistent_room: false,
        discoverable: false,
        policy_component_ids: (first..=POLICY_COMPONENT_LAST).collect(),
    }
}

/// Message expiration (room-policy section 7.8).
const POLICY_COMPONENT_LAST: ComponentId = 0x0030;

pub(super) fn base_policy(
    field: &Field<'_>,
    roles: &RoleData,
) -> Result<BaseRoomPolicy, Malformed> {
    let fields = field.fields(&[
        "fixed_membership",
        "parent_dependant",
        "parent_room",
        "multi_device",
        "max_clients",
        "max_users",
        "pseudonyms_allowed",
        "persistent_room",
        "discoverable",
        "policy_component_ids",
    ])?;
    // A vector of at most one, as the draft has it, or the one itself (AMB-POL-4).
    let parent = |field: Field<'_>| match field.value().as_array().map(Vec::len) {
        Some(0) => Ok(()),
        Some(1) => field.list(|field| field.text().map(drop)).map(drop),
        Some(_) => Err(field.wrong("there is one parent at most")),
        None => field.text().map(drop),
    };
    let absent = all_absent();
    let policy = BaseRoomPolicy {
        fixed_membership: fields.flag("fixed_membership", false)?,
        // One change cannot express parent rooms: what is said of them is read and left at that.
        parent_dependant: fields.flag("parent_dependant", false).map(|_| false)?,
        parent_room: fields.read("parent_room", (), parent).map(|()| None)?,
        multi_device: fields.flag("multi_device", true)?,
        max_clients: fields.optional_number("max_clients")?,
        max_users: fields.optional_number("max_users")?,
        pseudonyms_allowed: fields.flag("pseudonyms_allowed", false)?,
        persistent_room: fields.flag("persistent_room", false)?,
        discoverable: fields.flag("discoverable", false)?,
        policy_component_ids: match fields.list("policy_component_ids", |field| field.code())? {
            none if none.is_empty() => absent.policy_component_ids,
            ids => ids,
        },
    };
    // POLICY-BASE-1
    let adds = |role: &&Role| {
        role.role_index != 0
            && !is_banned_role(roles, role.role_index)
            && holds(role, Capability::CAN_ADD_PARTICIPANT)
    };
    match roles.roles.iter().find(adds) {
        Some(role) if policy.fixed_membership => {
            let message =
                format!("contradicts role {}: it holds canAddParticipant", role.role_index);
            Err(fields.required("fixed_membership")?.wrong(message))
        }
        _ => Ok(policy),
    }
}

fn entry(field: &Field<'_>, roles: &RoleData) -> Result<PreAuthRoleEntry, Malformed> {
    let fields = field.fields(&["claims", "role"])?;
    let target = fields.required("role")?;
    let index = target.number()?;
    let role = roles.roles.iter().find(|role| role.role_index == index && index > 1);
    let Some(role) = role else {
        return Err(target.wrong("must be a defined role other than 0 and 1"));
    };
    let claimset = fields.list("claims", Field::claim)?;
    Ok(PreAuthRoleEntry { claimset, target_role: role.clone() })
}

fn participants(field: &Field<'_>, view: &mut RoomView) -> Result<(), Malformed> {
    let mut seen = BTreeSet::new();
    for field in field.items()? {
        let fields = field.fields(&["user", "role", "clients"])?;
        let user = fields.required("user")?;
        let (user, place) = (user.user()?, user);
        if !seen.insert(user.clone()) {
            return Err(place.wrong("is listed already"));
        }
        let role = fields.required("role")?;
        let role_index: RoleIndex = role.number()?;
        if role_index == 0 || view.role(role_index).is_none() {
            return Err(role.wrong("must be a defined role other than 0"));
        }
        let clients = match fields.optional("clients") {
            Some(field) => client_count(&field, view.clients.len())?,
            None => 0,
        };
        // Of whatever name: what is no ban in a room of ours is a mistake in a form (TOM-51).
        if clients > 0 && role_index == BANNED {
            return Err(fields.required("clients")?.wrong("whoever has role 1 has none"));
        }
        for number in 1..=clients {
            let leaf = u32::try_from(view.clients.len()).unwrap_or(u32::MAX);
            let client = client_uri(&user, number);
            view.clients.push(ClientView { leaf, user: user.clone(), client });
        }
        view.participants.participants.push(UserRolePair { user, role_index });
    }
    Ok(())
}

/// A room that has a name and no more.
fn metadata() -> RoomMetadata {
    RoomMetadata {
        room_uri: MimiUri::new("mimi://room.example/r/what-if").expect("a plain name makes a URI"),
        room_name: String::new(),
        room_descriptions: Vec::new(),
        room_avatar: String::new(),
        room_subject: String::new(),
        room_mood: String::new(),
    }
}
