//! What a room's roles let people do and read, written down a second time and without the judge: whatever a
//! hub has made durable is held against it.

use std::collections::BTreeSet;

use mimi_policy::{Actor, ClientView, ProposedChange, RoomView, StagedChange};
use mimi_provider::Change;
use mimi_provider::hub::state::{Evicted, HubState, Pending};
use mimi_provider::record::{EventKind, NewEvent};
use mimi_wire::component::JOIN_LINKS;
use mimi_wire::room::capability::Capability;
use mimi_wire::room::join_code::{JoinCode, RoomLink};
use mimi_wire::room::join_links::JoinLinksData;
use mimi_wire::room::participant_list::RoleIndex;
use mimi_wire::room::roles::Role;
use mimi_wire::{Domain, MimiUri, Wire as _};

/// Index and name of the role that bans.
const BANNED: (RoleIndex, &str) = (1, "banned");

/// Who stands behind a change.
struct Acting<'a> {
    /// None: the hub.
    user: Option<&'a MimiUri>,
    role: Option<&'a Role>,
    comes_in: bool,
}

/// Who is on the way out, as the hub knows.
pub(crate) struct Going {
    users: BTreeSet<MimiUri>,
    clients: BTreeSet<MimiUri>,
    /// Leaves that go by their own wish with the next commit.
    by_themselves: BTreeSet<u32>,
    /// Leaves that go by the wish of anybody.
    put_out: BTreeSet<u32>,
}

impl Going {
    pub(crate) fn of(state: &HubState) -> Self {
        let mut users = state.leaving.clone();
        let mut clients = BTreeSet::new();
        for evicted in &state.evicting {
            match evicted {
                Evicted::User(user) => users.insert(user.clone()),
                Evicted::Client(client) => clients.insert(client.clone()),
            };
        }
        let leaf = |pending: &Pending| match (&pending.proposal.change, &pending.proposal.sender) {
            (ProposedChange::SelfRemove, Actor::Member { leaf, .. }) => Some(*leaf),
            _ => None,
        };
        let removed = |pending: &Pending| match pending.proposal.change {
            ProposedChange::RemoveClient(leaf) => Some(leaf),
            _ => None,
        };
        let by_themselves = state.pending.iter().filter_map(leaf).collect();
        let put_out = state.pending.iter().filter_map(removed).collect();
        Self { users, clients, by_themselves, put_out }
    }

    fn may_read(&self, client: &ClientView) -> bool {
        !self.users.contains(&client.user)
    }

    fn must_read(&self, client: &ClientView) -> bool {
        self.may_read(client)
            && !self.clients.contains(&client.client)
            && !self.by_themselves.contains(&client.leaf)
            && !self.put_out.contains(&client.leaf)
    }
}

/// Whether a user is on the way out.
pub(crate) fn is_going(state: &HubState, user: &MimiUri) -> bool {
    Going::of(state).users.contains(user)
}

fn holds(role: Option<&Role>, capability: Capability) -> bool {
    role.is_some_and(|role| role.role_capabilities.contains(&capability))
}

fn leads(role: Option<&Role>, from: RoleIndex, to: RoleIndex) -> bool {
    let mut ways = role.into_iter().flat_map(|role| &role.authorized_role_changes);
    ways.any(|way| way.from_role_index == from && way.target_role_indexes.contains(&to))
}

fn is_banned(view: &RoomView, index: RoleIndex) -> bool {
    index == BANNED.0 && view.role(index).is_some_and(|role| role.role_name == BANNED.1)
}

fn acting<'a>(view: &'a RoomView, actor: &'a Actor) -> Acting<'a> {
    let user = actor.user();
    let index = user.and_then(|user| view.role_index_of(user));
    let comes_in = matches!(actor, Actor::Joiner(_));
    let index = index.or(comes_in.then_some(0));
    Acting { user, role: index.and_then(|index| view.role(index)), comes_in }
}

/// Whether somebody who is not listed comes in as this by having been given a code, and no other way.
pub(crate) fn needs_code(view: &RoomView, to: RoleIndex) -> bool {
    let outside = view.role(0);
    let open = holds(outside, Capability::CAN_OPEN_JOIN) && leads(outside, 0, to);
    let preauthorized = holds(view.role(to), Capability::CAN_JOIN_IF_PREAUTHORIZED)
        && view.preauth.entries.iter().any(|entry| entry.target_role.role_index == to);
    !open && !preauthorized
}

fn takes_code(view: &RoomView, to: RoleIndex) -> bool {
    let outside = view.role(0);
    holds(outside, Capability::CAN_USE_JOIN_CODE) && leads(outside, 0, to)
}

fn may_move(
    view: &RoomView,
    by: &Acting<'_>,
    user: &MimiUri,
    from: RoleIndex,
    to: RoleIndex,
) -> bool {
    use Capability as C;
    if by.user.is_none() {
        // The hub takes people out, and nothing else.
        return to == 0;
    }
    let has = |capability| holds(by.role, capability);
    let any = has(C::CAN_CHANGE_USER_ROLE);
    if by.user == Some(user) {
        return match (by.comes_in, to) {
            (true, to) => from == 0 && (!needs_code(view, to) || takes_code(view, to)),
            (false, 0) => has(C::CAN_REMOVE_SELF) && leads(by.role, from, to),
            (false, _) => has(C::CAN_CHANGE_OWN_ROLE),
        };
    }
    let right = match (from, to) {
        (0, to) if is_banned(view, to) => has(C::CAN_BAN) || has(C::CAN_ADD_PARTICIPANT),
        (0, _) => has(C::CAN_ADD_PARTICIPANT),
        (_, 0) => has(C::CAN_REMOVE_PARTICIPANT),
        (_, to) if is_banned(view, to) => has(C::CAN_BAN) || any,
        (from, _) if is_banned(view, from) => has(C::CAN_UNBAN) || any,
        _ => any,
    };
    right && !by.comes_in && leads(by.role, from, to)
}

/// What a commit does that nobody behind it may do.
pub(crate) fn broken(
    before: &RoomView,
    change: &StagedChange,
    after: &RoomView,
    state: &HubState,
) -> Vec<String> {
    let actors = change.committer.iter().chain(change.proposals.iter().map(|it| &it.sender));
    let acting: Vec<Acting<'_>> = actors.map(|actor| acting(before, actor)).collect();
    let mut broken = Vec::new();
    lists(before, after, &acting, &mut broken);
    comings(before, after, &acting, &mut broken);
    goings(before, after, &acting, &mut broken);
    let renames = |by: &Acting<'_>| holds(by.role, Capability::CAN_CHANGE_ROOM_NAME);
    if before.metadata.room_name != after.metadata.room_name && !acting.iter().any(renames) {
        broken.push("renamed by nobody who may".to_owned());
    }
    let going = Going::of(state);
    if let Some(Actor::Member { user, leaf }) = &change.committer {
        if going.users.contains(user) {
            broken.push(format!("{user} commits and is on the way out"));
        }
        if before.client_at(*leaf).is_none_or(|client| client.user != *user) {
            broken.push(format!("{user} commits by a leaf of somebody else"));
        }
    }
    for leaf in going.by_themselves {
        let client = before.client_at(leaf);
        let stays = |it: &&ClientView| after.clients.contains(it);
        if let Some(client) = client.filter(stays) {
            broken.push(format!("{} has left, and the commit does not say so", client.client));
        }
    }
    broken
}

/// What of a commit nobody behind it may do.
pub(crate) fn forbidden(view: &RoomView, change: &StagedChange) -> Vec<String> {
    let mut after = view.clone();
    let updates = change.proposals.iter().filter_map(|proposal| match &proposal.change {
        ProposedChange::ParticipantList(update) => Some(update.clone()),
        _ => None,
    });
    let updates: Vec<_> = updates.collect();
    let Ok(participants) = mimi_policy::participant_list::apply(&view.participants, &updates)
    else {
        return vec!["a list that cannot be".to_owned()];
    };
    after.participants = participants;
    for proposal in &change.proposals {
        match &proposal.change {
            ProposedChange::RemoveClient(leaf) => after.clients.retain(|it| it.leaf != *leaf),
            ProposedChange::SelfRemove => {
                if let Actor::Member { leaf, .. } = &proposal.sender {
                    after.clients.retain(|it| it.leaf != *leaf);
                }
            }
            ProposedChange::AddClient(identity) => after.clients.push(ClientView {
                leaf: u32::MAX,
                user: identity.user.clone(),
                client: identity.client.clone(),
            }),
            ProposedChange::Metadata(metadata) => after.metadata = metadata.clone(),
            _ => {}
        }
    }
    broken(view, change, &after, &HubState::default())
}

/// Who is listed as what.
fn lists(before: &RoomView, after: &RoomView, acting: &[Acting<'_>], broken: &mut Vec<String>) {
    let listed = |view: &RoomView| -> BTreeSet<MimiUri> {
        view.participants.participants.iter().map(|pair| pair.user.clone()).collect()
    };
    let fixed = before.base_policy.as_ref().is_some_and(|policy| policy.fixed_membership);
    for user in listed(before).union(&listed(after)) {
        let role = |view: &RoomView| view.role_index_of(user).unwrap_or_default();
        let (from, to) = (role(before), role(after));
        if from == to {
            continue;
        }
        if fixed {
            broken.push(format!("{user} goes from role {from} to {to} where all is fixed"));
        }
        if !acting.iter().any(|by| may_move(before, by, user, from, to)) {
            broken.push(format!("{user} goes from role {from} to {to} by nobody who may do that"));
        }
    }
    let count = after.participants.participants.len();
    if listed(after).len() != count {
        broken.push("somebody is listed twice".to_owned());
    }
}

/// Which clients come in.
fn comings(before: &RoomView, after: &RoomView, acting: &[Acting<'_>], broken: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for client in &after.clients {
        if !seen.insert(&client.client) {
            broken.push(format!("{} is in twice", client.client));
        }
        match after.role_index_of(&client.user) {
            None => broken.push(format!("{} is in, and its user is not listed", client.client)),
            Some(role) if is_banned(after, role) => {
                broken.push(format!("{} is in, and its user is banned", client.client));
            }
            Some(_) => {}
        }
        if before.clients.iter().any(|it| it.client == client.client) {
            continue;
        }
        let was_listed = before.role_index_of(&client.user).is_some();
        let may = acting.iter().any(|by| match by.user == Some(&client.user) {
            true if was_listed => holds(by.role, Capability::CAN_ADD_OWN_CLIENT),
            true => by.comes_in,
            false => !by.comes_in && holds(by.role, Capability::CAN_ADD_PARTICIPANT),
        });
        if !may {
            broken.push(format!("{} comes in by nobody who may let it in", client.client));
        }
    }
}

/// Which clients go.
fn goings(before: &RoomView, after: &RoomView, acting: &[Acting<'_>], broken: &mut Vec<String>) {
    for client in &before.clients {
        let is_in = after.clients.iter().any(|it| it.client == client.client);
        let role = after.role_index_of(&client.user);
        if is_in || role.is_none_or(|role| is_banned(after, role)) {
            // With its user, which is looked at there.
            continue;
        }
        let may = acting.iter().any(|by| match by.user {
            None => true,
            Some(user) if *user == client.user => {
                holds(by.role, Capability::CAN_REMOVE_OWN_CLIENT)
                    || holds(by.role, Capability::CAN_REMOVE_SELF)
            }
            Some(_) => !by.comes_in && holds(by.role, Capability::CAN_KICK),
        });
        if !may {
            broken.push(format!("{} goes by nobody who may put it out", client.client));
        }
    }
}

/// Why somebody should not have been told what it takes to come in.
pub(crate) fn may_not_come_in(
    view: &RoomView,
    state: &HubState,
    user: &MimiUri,
    code: Option<&[u8]>,
    now_ms: u64,
) -> Option<String> {
    match view.role_index_of(user) {
        Some(role) => {
            let may = holds(view.role(role), Capability::CAN_ADD_OWN_CLIENT);
            let gone = Going::of(state).users.contains(user) || is_banned(view, role);
            (!may || gone).then(|| format!("{user} is listed as {role} and may not come in"))
        }
        None => {
            let roles = || view.roles.roles.iter().map(|role| role.role_index);
            let invited = code.is_some_and(|code| {
                roles().any(|to| takes_code(view, to) && spent(view, code, to, now_ms).is_none())
            });
            let may = invited || roles().any(|to| to != 0 && !needs_code(view, to));
            (!may).then(|| format!("{user} is not listed, and has no way in"))
        }
    }
}

/// Whether a user may bring in clients of another one, or of its own.
pub(crate) fn may_add(view: &RoomView, state: &HubState, user: &MimiUri, target: &MimiUri) -> bool {
    let role = view.role_index_of(user).and_then(|role| view.role(role));
    let needed = match user == target {
        true => Capability::CAN_ADD_OWN_CLIENT,
        false => Capability::CAN_ADD_PARTICIPANT,
    };
    holds(role, needed) && !is_going(state, user)
}

/// Whether a link of the room carries a code.
pub(crate) fn stands(view: &RoomView, code: &[u8]) -> bool {
    let links = view.other_components.get(&JOIN_LINKS);
    let links = links.and_then(|octets| JoinLinksData::decode(octets).ok()).unwrap_or_default();
    let mut links = links.links.iter().filter_map(|link| RoomLink::of_room(view.room(), link));
    links.any(|link| link.code.as_bytes() == code)
}

/// Who came in by a commit and needed a code for it, and with which role.
pub(crate) fn came_by_code<'a>(
    before: &RoomView,
    change: &'a StagedChange,
    after: &RoomView,
) -> Option<(&'a MimiUri, RoleIndex)> {
    let Some(Actor::Joiner(joiner)) = &change.committer else { return None };
    let role = after.role_index_of(&joiner.user)?;
    let is_new = before.role_index_of(&joiner.user).is_none();
    (is_new && needs_code(before, role)).then_some((&joiner.client, role))
}

/// Why a code is no way in as this.
pub(crate) fn spent(view: &RoomView, code: &[u8], role: RoleIndex, now_ms: u64) -> Option<String> {
    let read = JoinCode::from_octets(code).ok();
    match read {
        _ if !stands(view, code) => Some("a code that stands no more lets somebody in".to_owned()),
        Some(read) if read.expires_ms.is_some_and(|expires_ms| expires_ms <= now_ms) => {
            Some("a code lets somebody in whose time is over".to_owned())
        }
        Some(read) if read.role == role => None,
        _ => Some(format!("a code lets somebody in as {role} that is for another role")),
    }
}

/// How many may come in by it.
pub(crate) fn uses(code: &[u8]) -> Option<u32> {
    JoinCode::from_octets(code).ok()?.uses.map(u32::from)
}

fn domains<'a>(clients: impl Iterator<Item = &'a ClientView>, own: &Domain) -> BTreeSet<Domain> {
    clients.map(|client| client.client.domain()).filter(|domain| domain != own).collect()
}

/// Whom an application message should have been written for, and was not, or the reverse.
pub(crate) fn misses(
    view: &RoomView,
    state: &HubState,
    event: &NewEvent,
    own: &Domain,
) -> Option<String> {
    let going = Going::of(state);
    let hears = |client: &&ClientView| {
        let role = view.role_index_of(&client.user).and_then(|role| view.role(role));
        holds(role, Capability::CAN_RECEIVE_MESSAGE)
    };
    let clients = || view.clients.iter().filter(hears);
    let must = domains(clients().filter(|it| going.must_read(it)), own);
    let may = domains(clients().filter(|it| going.may_read(it)), own);
    let audience: BTreeSet<Domain> = event.audience.iter().cloned().collect();
    if !audience.is_subset(&may) || !audience.is_superset(&must) {
        return Some(format!("a message goes to {audience:?}, and should to {must:?}"));
    }
    let ours = || clients().filter(|client| client.client.domain() == *own);
    let is_for = |client: &ClientView| match &event.targets {
        None => true,
        Some(targets) => targets.contains(&client.client),
    };
    if let Some(lacks) = ours().find(|client| going.must_read(client) && !is_for(client)) {
        return Some(format!("a message is not for {}", lacks.client));
    }
    let all = view.clients.iter().filter(|client| client.client.domain() == *own);
    let mut others = all.filter(|client| !hears(client) || !going.may_read(client));
    others.find(|client| is_for(client)).map(|client| format!("a message is for {}", client.client))
}

/// The same of what a commit leads to.
pub(crate) fn commit_misses(
    before: &RoomView,
    after: &RoomView,
    changes: &[Change],
    own: &Domain,
) -> Option<String> {
    let both = domains(before.clients.iter().chain(&after.clients), own);
    let new = |client: &&ClientView| !before.clients.iter().any(|it| it.client == client.client);
    let welcomed = domains(after.clients.iter().filter(new), own);
    let mut welcomes = BTreeSet::new();
    let (mut targets, mut is_welcoming) = (Vec::new(), false);
    for change in changes {
        let Change::Append(event) = change else { continue };
        let audience: BTreeSet<Domain> = event.audience.iter().cloned().collect();
        match event.kind {
            EventKind::Commit if audience != both => {
                return Some(format!("a commit goes to {audience:?}, and should to {both:?}"));
            }
            EventKind::Welcome => {
                is_welcoming = true;
                welcomes.extend(audience);
                targets.extend(event.targets.clone().unwrap_or_default());
            }
            _ => {}
        }
    }
    if !is_welcoming {
        return None;
    }
    if welcomes != welcomed {
        return Some(format!("Welcomes go to {welcomes:?}, and should to {welcomed:?}"));
    }
    let ours = after.clients.iter().filter(new).filter(|it| it.client.domain() == *own);
    let lacks = ours.map(|it| &it.client).find(|client| !targets.contains(client));
    lacks.map(|client| format!("a Welcome is not for {client}"))
}
