//! Rooms and changes from a seed, biased towards the borders of what is allowed.

mod changes;

use serde_json::{Value, json};

use crate::form::{Base, Case, Parent, Participant, PreAuthEntry, Role, Roles, Room};
use crate::registry;
use crate::room;

/// SplitMix64: a case is its seed.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    pub(crate) fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }
}

const USERS: [&str; 9] = [
    "mimi://a.example/u/alice",
    "mimi://b.example/u/bob",
    "mimi://c.example/u/cathy",
    "mimi://a.example/u/dan",
    "mimi://b.example/u/erin",
    "mimi://c.example/p/5f2e",
    "mimi://a.example/u/grace",
    "mimi://b.example/u/heidi",
    "mimi://d.example/u/ivan",
];
const PRESETS: [&str; 5] = ["cooperative", "strict", "moderated", "multi-organization", "direct"];
const INDICES: [u32; 7] = [2, 3, 4, 5, 7, 250, u32::MAX];
const UNDEFINED_ROLE: u32 = 99;
/// The capabilities the rules ask for; canOpenJoin and canUseJoinCode belong to role 0.
const ASKED_FOR: [u16; 24] = [
    registry::CAN_ADD_PARTICIPANT,
    registry::CAN_REMOVE_PARTICIPANT,
    registry::CAN_ADD_OWN_CLIENT,
    registry::CAN_REMOVE_OWN_CLIENT,
    registry::CAN_JOIN_IF_PREAUTHORIZED,
    registry::CAN_REMOVE_SELF,
    registry::CAN_CREATE_JOIN_CODE,
    registry::CAN_DELETE_JOIN_CODE,
    registry::CAN_BAN,
    registry::CAN_UNBAN,
    registry::CAN_KICK,
    registry::CAN_CHANGE_USER_ROLE,
    registry::CAN_CHANGE_OWN_ROLE,
    registry::CAN_SEND_MESSAGE,
    registry::CAN_CHANGE_ROOM_NAME,
    registry::CAN_CHANGE_ROOM_DESCRIPTION,
    registry::CAN_CHANGE_ROOM_AVATAR,
    registry::CAN_CHANGE_ROOM_SUBJECT,
    registry::CAN_CHANGE_ROOM_MOOD,
    registry::CAN_CHANGE_ROOM_MEMBERSHIP_STYLE,
    registry::CAN_CHANGE_ROLE_DEFINITIONS,
    registry::CAN_CHANGE_PREAUTHORIZED_USER_LIST,
    registry::CAN_CHANGE_OTHER_POLICY_ATTRIBUTE,
    registry::CAN_CHANGE_MLS_OPERATIONAL_POLICIES,
];

/// The case of a seed.
pub(crate) fn case(seed: u64) -> Case {
    let mut dice = Dice::new(seed);
    let mut room = a_room(&mut dice);
    if dice.percent(3) {
        contradict(&mut dice, &mut room);
    }
    let change = changes::a_change(&mut dice, &room);
    Case { room, change }
}

/// The line of a seed: its case, now and then misspelt.
pub(crate) fn line(seed: u64) -> String {
    let line = serde_json::to_value(case(seed)).unwrap();
    let mut dice = Dice::new(!seed);
    let line = if dice.percent(3) { misspell(&mut dice, line) } else { line };
    line.to_string()
}

/// Drops a field, adds one, or gives one a value of another type, somewhere.
fn misspell(dice: &mut Dice, value: Value) -> Value {
    match value {
        Value::Object(mut fields) => {
            let names: Vec<String> = fields.keys().cloned().collect();
            if names.is_empty() || dice.percent(4) {
                fields.insert("colour".to_owned(), json!("green"));
                return Value::Object(fields);
            }
            let name = dice.pick(&names);
            let part = fields.remove(&name).unwrap();
            if !dice.percent(15) {
                fields.insert(name, misspell(dice, part));
            }
            Value::Object(fields)
        }
        Value::Array(mut items) if !items.is_empty() => {
            let at = dice.below(items.len());
            items[at] = misspell(dice, items[at].clone());
            Value::Array(items)
        }
        _ => dice.pick(&[json!(-1), json!(1.5), json!("x"), json!(true), json!(1), json!(["x"])]),
    }
}

// ---- Rooms --------------------------------------------------------------------------------------

fn a_room(dice: &mut Dice) -> Room {
    let mut base = dice.percent(50).then(Base::default);
    let (roles, indices) = if dice.percent(35) {
        let name = dice.pick(&PRESETS);
        let rows = match name {
            "cooperative" => crate::presets::COOPERATIVE,
            "strict" => crate::presets::STRICT,
            "moderated" => crate::presets::MODERATED,
            "multi-organization" => crate::presets::MULTI_ORGANIZATION,
            _ => crate::presets::DIRECT,
        };
        if name == "direct"
            && let Some(base) = base.as_mut()
        {
            base.fixed_membership = true;
        }
        (Roles::Preset(name.to_owned()), rows.iter().map(|row| row.0).collect::<Vec<u32>>())
    } else {
        if let Some(base) = base.as_mut() {
            base.fixed_membership = dice.percent(15);
        }
        let fixed = base.as_ref().is_some_and(|base| base.fixed_membership);
        let table = a_table(dice, fixed);
        let indices = table.iter().map(|role| role.role_index).collect();
        (Roles::Table(table), indices)
    };
    let mut room = Room { roles, base, preauth: Vec::new(), participants: Vec::new() };
    let listable: Vec<u32> = indices.iter().copied().filter(|role| *role != 0).collect();
    for user in &USERS[..1 + dice.below(6)] {
        let role = dice.pick(&listable);
        let clients =
            if role == room::BANNED { 0 } else { dice.pick(&[0, 0, 1, 1, 1, 1, 2, 2, 3]) };
        room.participants.push(Participant { user: (*user).to_owned(), role, clients });
    }
    if dice.percent(60) {
        let able: Vec<u32> = listable.iter().copied().filter(|role| *role != 1).collect();
        for _ in 0..=dice.below(3) {
            if !able.is_empty() {
                let claims = changes::some_claims(dice);
                room.preauth.push(PreAuthEntry { claims, role: dice.pick(&able) });
            }
        }
    }
    constrain(dice, &mut room);
    room
}

fn is_banned_role(room: &Room, index: u32) -> bool {
    match &room.roles {
        Roles::Preset(name) => index == room::BANNED && name != "direct",
        Roles::Table(table) => table
            .iter()
            .any(|role| role.role_index == index && index == 1 && role.role_name == "banned"),
    }
}

fn a_table(dice: &mut Dice, fixed: bool) -> Vec<Role> {
    let mut indices: Vec<u32> = Vec::new();
    if dice.percent(80) {
        indices.push(0);
    }
    if dice.percent(75) {
        indices.push(1);
    }
    let start = dice.below(INDICES.len());
    for step in 0..=dice.below(4) {
        indices.push(INDICES[(start + step) % INDICES.len()]);
    }
    let generous = dice.pick(&[40, 70, 85, 95, 100]);
    let mut table = Vec::new();
    for index in &indices {
        let mut capabilities: Vec<u16> = match index {
            0 => {
                let own = [registry::CAN_OPEN_JOIN, registry::CAN_USE_JOIN_CODE];
                own.into_iter().filter(|_| dice.percent(50)).collect()
            }
            1 if dice.percent(75) => Vec::new(),
            _ => ASKED_FOR.into_iter().filter(|_| dice.percent(generous)).collect(),
        };
        if *index == 0 && dice.percent(10) {
            capabilities.extend(ASKED_FOR.into_iter().filter(|_| dice.percent(30)));
        }
        if *index > 1 && dice.percent(10) {
            capabilities.push(registry::CAN_USE_JOIN_CODE);
        }
        if *index > 1 && dice.percent(10) {
            capabilities.push(registry::CAN_OPEN_JOIN);
        }
        let name = match index {
            0 => "no_role".to_owned(),
            1 if dice.percent(80) => "banned".to_owned(),
            1 => dice.pick(&["Banned", "ordinary", "banned "]).to_owned(),
            _ => format!("role_{index}"),
        };
        if fixed && *index != 0 && !(*index == 1 && name == "banned") {
            capabilities.retain(|code| *code != registry::CAN_ADD_PARTICIPANT);
        }
        let mut changes = Vec::new();
        let mut sources = indices.clone();
        if !sources.contains(&0) {
            sources.push(0);
        }
        for from in &sources {
            let targets: Vec<u32> =
                sources.iter().copied().filter(|_| dice.percent(generous)).collect();
            if dice.percent(85) {
                changes.push((*from, targets));
            }
            if dice.percent(2) {
                // A role that is not there.
                changes.push((*from, vec![UNDEFINED_ROLE]));
            }
            if dice.percent(4) {
                // A second entry for the same source.
                changes.push((*from, vec![dice.pick(&sources)]));
            }
        }
        table.push(Role {
            role_index: *index,
            role_name: name,
            capabilities: capabilities
                .into_iter()
                .map(|code| registry::name(code).to_owned())
                .collect(),
            minimum_participants: 0,
            maximum_participants: None,
            minimum_active_participants: 0,
            maximum_active_participants: None,
            authorized_role_changes: changes,
        });
    }
    table
}

/// Puts limits close to what the list has: one below, at it, one above.
fn constrain(dice: &mut Dice, room: &mut Room) {
    let counts = |index: u32, participants: &[Participant]| {
        let of_role = participants.iter().filter(|participant| participant.role == index);
        let active = of_role.clone().filter(|participant| participant.clients > 0).count();
        (of_role.count() as u32, active as u32)
    };
    let around = |dice: &mut Dice, count: u32| (count + dice.below(3) as u32).saturating_sub(1);
    if let Roles::Table(table) = &mut room.roles {
        for role in table {
            let (listed, active) = counts(role.role_index, &room.participants);
            if dice.percent(25) {
                role.minimum_participants = around(dice, listed);
            }
            if dice.percent(25) {
                role.minimum_active_participants = around(dice, active);
            }
            if dice.percent(25) {
                let most = around(dice, listed);
                role.maximum_participants = Some(most.max(role.minimum_participants));
            }
            if dice.percent(25) {
                let most = if dice.percent(15) { 0 } else { around(dice, active) };
                role.maximum_active_participants = Some(most.max(role.minimum_active_participants));
            }
        }
    }
    let clients: u32 = room.participants.iter().map(|participant| participant.clients).sum();
    let users: Vec<&Participant> = room
        .participants
        .iter()
        .filter(|participant| !is_banned_role(room, participant.role))
        .collect();
    let users = users.len() as u32;
    let Some(base) = room.base.as_mut() else { return };
    if dice.percent(30) {
        base.max_clients = Some(around(dice, clients));
    }
    if dice.percent(30) {
        base.max_users = Some(around(dice, users));
    }
    if dice.percent(25) {
        base.multi_device = false;
        if dice.percent(80) {
            for participant in &mut room.participants {
                participant.clients = participant.clients.min(1);
            }
        }
    }
    base.parent_dependant = dice.percent(10);
    if dice.percent(10) {
        base.parent_room = Some(Parent::Itself("mimi://a.example/r/parent".to_owned()));
    }
    base.pseudonyms_allowed = dice.percent(60);
    if dice.percent(15) {
        let ids = (0x24..=0x30).filter(|_| dice.percent(60));
        base.policy_component_ids = ids.collect();
    }
    base.persistent_room = dice.percent(30);
    base.discoverable = dice.percent(30);
}

/// Makes a room contradict itself, or nearly.
fn contradict(dice: &mut Dice, room: &mut Room) {
    let kind = dice.below(10);
    if let Roles::Table(table) = &mut room.roles {
        let at = dice.below(table.len());
        match kind {
            0 => table.push(table[at].clone()),
            1 => {
                table[at].minimum_participants = 3;
                table[at].maximum_participants = Some(2 + dice.below(2) as u32);
            }
            2 => {
                table[at].minimum_active_participants = 2;
                table[at].maximum_active_participants = Some(1 + dice.below(2) as u32);
            }
            3 => {
                table[at].capabilities.push("canAddParticipant".to_owned());
                room.base.get_or_insert_default().fixed_membership = true;
            }
            4 => table[at].capabilities.push("canFly".to_owned()),
            5 => table[at].capabilities.push("canOpenJoin".to_owned()),
            _ => {}
        }
    }
    match kind {
        6 => room.participants[0].role = dice.pick(&[0, UNDEFINED_ROLE]),
        7 => {
            room.participants[0].role = 1;
            room.participants[0].clients = dice.below(2) as u32;
        }
        8 => room
            .preauth
            .push(PreAuthEntry { claims: Vec::new(), role: dice.pick(&[0, 1, UNDEFINED_ROLE]) }),
        9 => room.participants.push(room.participants[0].clone()),
        _ => {}
    }
}
