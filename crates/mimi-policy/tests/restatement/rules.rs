//! May this change be made to this room? Re-stated from room-policy-03, protocol-06 sections 4.3.2,
//! 5.3, 7.5, 7.6, and the readings of the design decisions (AMB-…), clause by clause.
//!
//! Nothing here is clever: the list before and the list after the change are written down in full,
//! each part of the change is authorized by itself, and the limits are counted on the list after.

mod components;

use crate::form::{Change, How, HowMany, RemoveClients};
use crate::registry::*;
use crate::room::{Entry, List, NO_ROLE, Role, Room};

/// A denial: the requirement or reading that denies, and why.
#[derive(Clone, Debug)]
pub(crate) struct Denied {
    pub id: &'static str,
    pub why: String,
}

type Verdict = Result<(), Denied>;

fn deny(id: &'static str, why: impl Into<String>) -> Verdict {
    Err(Denied { id, why: why.into() })
}

fn require(condition: bool, id: &'static str, why: impl Into<String>) -> Verdict {
    if condition { Ok(()) } else { deny(id, why) }
}

/// Who asks for a change.
pub(crate) enum Actor {
    /// A participant with clients in the group.
    Member { user: String, role: Role },
    /// A participant without clients: it can do nothing but bring a client (AMB-POL-41).
    Inactive { user: String, entry: Entry },
    /// A user who is not in the list.
    Stranger { user: String },
    /// An external sender with the role it is preauthorized for.
    External { role: Role },
}

/// Judges the change.
pub(crate) fn judge(room: &Room, change: &Change) -> Verdict {
    let actor = actor(room, change)?;
    if change.how == How::Message || change.send_message == Some(true) {
        message(&actor)?;
    }
    if change.how == How::Message {
        return Ok(());
    }
    let after = list_after(room, change)?;
    fixed_membership(room, change)?;
    components::may_share_a_commit(change)?;
    match &actor {
        Actor::Stranger { user } => join(room, change, user)?,
        Actor::Inactive { user, entry } => come_back(room, change, user, *entry)?,
        Actor::Member { user, role } if change.how == How::ExternalCommit => {
            another_own_client(room, change, user, role)?;
        }
        Actor::Member { user, role } => act(room, change, Some(user), role, &after)?,
        Actor::External { role } => act(room, change, None, role, &after)?,
    }
    nobody_banned_has_clients(room, &after)?;
    pseudonyms(room, &after)?;
    role_constraints(room, &after)?;
    base_limits(room, &after)
}

/// Section 8: the actor "has a specific entry in the Participant List struct and a corresponding
/// role--or is preauthorized to take action with a specific role".
fn actor(room: &Room, change: &Change) -> Result<Actor, Denied> {
    if change.by == "external_sender" {
        // PROTO-ST-7: only clients commit, servers only propose.
        require(change.how == How::Proposal, "PROTO-ST-7", "servers only propose")?;
        // POLICY-PRE-4, AMB-ST-4: a matching preauth entry is needed.
        let Some(role) = preauthorized_role(room, change) else {
            return Err(Denied { id: "POLICY-PRE-4", why: "no entry matches".to_owned() });
        };
        return Ok(Actor::External { role: room.role(role) });
    }
    let user = change.by.clone();
    Ok(match room.list.get(&user) {
        None => Actor::Stranger { user },
        Some(entry) if entry.clients == 0 => Actor::Inactive { user, entry: *entry },
        Some(entry) => Actor::Member { user, role: room.role(entry.role) },
    })
}

/// POLICY-PRE-2: an entry matches "when every Claim.claim_id has a corresponding claim in the
/// requester's MLS Credential which exactly matches the corresponding claim_value"; the first
/// matching entry counts. No claims at all: it matches everybody (AMB-POL-41).
fn preauthorized_role(room: &Room, change: &Change) -> Option<u32> {
    room.preauth
        .iter()
        .find(|entry| entry.claims.iter().all(|claim| change.claims.contains(claim)))
        .map(|entry| entry.role)
}

/// POLICY-CAP-MSG-1: an active participant whose role holds canSendMessage (AMB-POL-40).
fn message(actor: &Actor) -> Verdict {
    match actor {
        Actor::Member { role, .. } => {
            require(role.holds(CAN_SEND_MESSAGE), "POLICY-CAP-MSG-1", "canSendMessage")
        }
        _ => deny("POLICY-CAP-MSG-1", "no active participant"),
    }
}

// ---- The list, and the list after the change ----------------------------------------------------

/// Applies the change to a copy of the list (protocol section 7.5), if it can be applied at all.
fn list_after(room: &Room, change: &Change) -> Result<List, Denied> {
    let mut after = room.list.clone();
    let mut touched: Vec<&String> = Vec::new();
    for set in &change.set_role {
        role_exists(room, set.role)?;
        let Some(entry) = after.get_mut(&set.user) else {
            return Err(Denied { id: "PROTO-PL-5", why: format!("{} is not listed", set.user) });
        };
        require(entry.role != set.role, "AMB-PL-5", "the role it has already")?;
        entry.role = set.role;
        touched.push(&set.user);
    }
    for user in &change.remove {
        // Clients stay for the moment: they need a Remove of their own.
        require(room.list.contains_key(user), "PROTO-PL-5", format!("{user} is not listed"))?;
        touched.push(user);
    }
    for added in &change.add {
        role_exists(room, added.role)?;
        require(!room.list.contains_key(&added.user), "AMB-PL-4", "listed already")?;
        after.insert(added.user.clone(), Entry { role: added.role, clients: added.clients });
        touched.push(&added.user);
    }
    // PROTO-PL-4: "any combination of Participant list updates that operate on … the same user in
    // the participant list more than once".
    touched.sort();
    let times = touched.len();
    touched.dedup();
    require(touched.len() == times, "PROTO-PL-4", "the same user twice")?;

    for removal in &change.remove_clients {
        // "all" is whatever is left of those that were there.
        let there = after.get(&removal.user).map_or(0, |entry| entry.clients);
        let there = if room.list.contains_key(&removal.user) { there } else { 0 };
        let number = match removal.clients {
            HowMany::All(_) => there,
            HowMany::Number(number) => number,
        };
        if number == 0 {
            continue;
        }
        let entry = after.get_mut(&removal.user).filter(|_| number <= there);
        let Some(entry) = entry else {
            return Err(Denied { id: "PROTO-UPD-10", why: "no such client".to_owned() });
        };
        entry.clients -= number;
    }
    for addition in change.add_clients.iter().filter(|addition| addition.clients > 0) {
        // PROTO-UPD-2, PROTO-ST-8: only clients of users who are listed, now or with this change.
        let Some(entry) = after.get_mut(&addition.user) else {
            return Err(Denied { id: "PROTO-UPD-2", why: "a client of nobody listed".to_owned() });
        };
        entry.clients += addition.clients;
    }
    // "add its own client (via an external commit …)": the form need not name it once more.
    let named = change.add.iter().map(|added| (&added.user, added.clients));
    let named = named.chain(change.add_clients.iter().map(|added| (&added.user, added.clients)));
    let own: u32 = named.filter(|(user, _)| **user == change.by).map(|(_, number)| number).sum();
    if change.how == How::ExternalCommit
        && own == 0
        && let Some(entry) = after.get_mut(&change.by)
    {
        entry.clients += 1;
    }
    for user in &change.remove {
        // PROTO-UPD-3: "There MUST NOT be any clients of the removed user in the MLS group after
        // the corresponding commit."
        let left = after.remove(user).map_or(0, |entry| entry.clients);
        require(left == 0, "PROTO-UPD-3", format!("clients of {user} are left"))?;
    }
    Ok(after)
}

/// Role 0 is nobody's (AMB-PL-3); the role must be defined (PROTO-PL-5).
fn role_exists(room: &Room, role: u32) -> Verdict {
    require(role != NO_ROLE, "AMB-PL-3", "role 0")?;
    require(room.is_defined(role), "PROTO-PL-5", format!("role {role} is undefined"))
}

/// AMB-POL-10: "after creation no list change at all except role changes".
fn fixed_membership(room: &Room, change: &Change) -> Verdict {
    let list_changes = !change.add.is_empty() || !change.remove.is_empty();
    require(!(room.base.fixed_membership && list_changes), "POLICY-BASE-1", "fixed membership")
}

// ---- Those who come from outside ----------------------------------------------------------------

/// A user who is not in the list adds itself, with one client.
fn join(room: &Room, change: &Change, user: &str) -> Verdict {
    require(change.how != How::Commit, "PROTO-ST-8", "no member of the group")?;
    // AMB-UPD-16: exactly one new client, and no list change but the joiner's own entry.
    let alone = change.remove.is_empty()
        && change.set_role.is_empty()
        && change.add_clients.iter().all(|more| more.clients == 0 || more.user == user)
        && change.remove_clients.iter().all(|removal| removes_nothing(room, removal))
        && change.metadata.is_none()
        && change.components.is_empty();
    require(alone, "AMB-UPD-16", "a joiner changes nothing but its own entry")?;
    let [added] = change.add.as_slice() else {
        return deny("AMB-UPD-16", "a joiner adds itself, once");
    };
    require(added.user == user, "AMB-UPD-16", "a joiner adds itself only")?;
    let more: u32 = change.add_clients.iter().map(|addition| addition.clients).sum();
    let clients = added.clients + more;
    let one = clients == 1 || (clients == 0 && change.how == How::ExternalCommit);
    require(one, "AMB-UPD-16", "a joiner brings one client")?;

    let may = may_join_openly(room, added.role)
        || may_join_preauthorized(room, change, added.role)
        || may_join_by_code(room, change, added.role);
    require(may, "POLICY-CAP-ADD-3/4/5", "no way to join with this role")
}

/// POLICY-CAP-ADD-3: canOpenJoin on role zero; "any non-zero target_role_indexes" of its entry.
fn may_join_openly(room: &Room, role: u32) -> bool {
    let nobody = room.role(NO_ROLE);
    nobody.holds(CAN_OPEN_JOIN) && nobody.may_change(NO_ROLE, role)
}

/// POLICY-CAP-ADD-4: the first matching preauth role is the target role, and holds
/// canJoinIfPreauthorized. "The authorized_role_changes list is not consulted".
fn may_join_preauthorized(room: &Room, change: &Change, role: u32) -> bool {
    preauthorized_role(room, change) == Some(role)
        && room.role(role).holds(CAN_JOIN_IF_PREAUTHORIZED)
}

/// POLICY-CAP-ADD-5, AMB-POL-26: canUseJoinCode on role zero, a valid code that names the target
/// role, and role zero's table. Proposals have no place for a code (AMB-UPD-14).
fn may_join_by_code(room: &Room, change: &Change, role: u32) -> bool {
    let nobody = room.role(NO_ROLE);
    change.how == How::ExternalCommit
        && nobody.holds(CAN_USE_JOIN_CODE)
        && nobody.may_change(NO_ROLE, role)
        && change.join_code.is_some_and(|code| code.valid && code.role == role)
}

/// A participant without clients brings one: canAddOwnClient "via an external commit or external
/// proposal" (POLICY-CAP-ADD-2); it proposes nothing as a member (AMB-POL-41).
fn come_back(room: &Room, change: &Change, user: &str, entry: Entry) -> Verdict {
    require(change.how != How::Commit, "AMB-POL-41", "an inactive participant commits nothing")?;
    // A ban ends only by its removal (section 2.1).
    require(!room.is_banned_role(entry.role), "POLICY-PRE-1", "banned")?;
    another_own_client(room, change, user, &room.role(entry.role))
}

/// One client of one's own from outside the group, and nothing else (AMB-UPD-16). In an external
/// commit it may take the place of an old one (RFC 9420 section 12.4.3.2: "at most one Remove
/// proposal, with which the joiner removes an old version of themselves").
fn another_own_client(room: &Room, change: &Change, user: &str, role: &Role) -> Verdict {
    let alone = change.add.is_empty()
        && change.remove.is_empty()
        && replaces_one_at_most(room, change, user)
        && change.metadata.is_none()
        && change.components.is_empty();
    require(alone, "AMB-UPD-16", "a new client changes nothing else")?;
    let mut named = change.add_clients.clone();
    named.retain(|addition| addition.clients > 0);
    match named.as_slice() {
        // An external commit brings its client whether it is named or not.
        [] if change.how == How::ExternalCommit => {}
        [added] if added.user == user && added.clients == 1 => {}
        _ => return deny("AMB-UPD-16", "exactly one own client"),
    }
    require(role.holds(CAN_ADD_OWN_CLIENT), "POLICY-CAP-ADD-2", "canAddOwnClient")?;
    for set in &change.set_role {
        // "no list change but the joiner's own entry": its own role may change with it.
        require(set.user == user, "AMB-UPD-16", "a joiner changes its own entry only")?;
        change_own_role(room, change, role, set.role)?;
    }
    Ok(())
}

fn replaces_one_at_most(room: &Room, change: &Change, user: &str) -> bool {
    let removals: Vec<&RemoveClients> =
        change.remove_clients.iter().filter(|removal| !removes_nothing(room, removal)).collect();
    let all = room.list[user].clients;
    removals.iter().all(|removal| removal.user == user)
        && (removals.is_empty()
            || (change.how == How::ExternalCommit && removed_clients(change, user, all) == 1))
}

// ---- Members and external senders ---------------------------------------------------------------

/// Each part of the change is authorized separately (PROTO-PL-3).
fn act(room: &Room, change: &Change, me: Option<&String>, role: &Role, after: &List) -> Verdict {
    for added in &change.add {
        add_participant(room, role, added.role, added.clients)?;
    }
    for user in &change.remove {
        if Some(user) == me {
            leave(room, change, role, user)?;
        } else {
            remove_participant(room, role, user)?;
        }
    }
    for set in &change.set_role {
        let from = room.list[&set.user].role;
        if Some(&set.user) == me {
            change_own_role(room, change, role, set.role)?;
        } else {
            change_user_role(room, role, from, set.role)?;
        }
        if room.is_banned_role(set.role) {
            // POLICY-CAP-ROLE-3, AMB-POL-25, PROTO-UPD-3: a ban removes all the user's clients.
            require(after[&set.user].clients == 0, "PROTO-UPD-3", "clients of a banned user")?;
        }
    }
    for addition in change.add_clients.iter().filter(|addition| addition.clients > 0) {
        if Some(&addition.user) == me {
            require(role.holds(CAN_ADD_OWN_CLIENT), "POLICY-CAP-ADD-2", "canAddOwnClient")?;
        } else {
            add_clients_of_another(room, role, &addition.user, after)?;
        }
    }
    for removal in &change.remove_clients {
        if removes_nothing(room, removal) {
            continue;
        }
        if Some(&removal.user) == me {
            remove_own_clients(room, change, role, &removal.user)?;
        } else {
            remove_clients_of_another(room, change, role, me.is_none(), &removal.user)?;
        }
    }
    components::metadata(change, role)?;
    components::components(change, role)?;
    components::policy_components_are_listed(room, change)
}

/// POLICY-CAP-ADD-1: canAddParticipant and an entry from 0 to the target role (AMB-POL-23); it also
/// authorizes the added user's clients. A pre-emptive ban needs canBan instead (AMB-POL-24).
fn add_participant(room: &Room, role: &Role, target: u32, clients: u32) -> Verdict {
    require(role.may_change(NO_ROLE, target), "POLICY-CAP-ADD-1", "no entry from 0")?;
    if room.is_banned_role(target) {
        require(clients == 0, "PROTO-UPD-3", "clients of a banned user")?;
        let may = role.holds(CAN_BAN) || role.holds(CAN_ADD_PARTICIPANT);
        return require(may, "AMB-POL-24", "canBan");
    }
    require(role.holds(CAN_ADD_PARTICIPANT), "POLICY-CAP-ADD-1", "canAddParticipant")
}

/// POLICY-CAP-REM-1: canRemoveParticipant and an entry from the target's role to 0.
fn remove_participant(room: &Room, role: &Role, user: &str) -> Verdict {
    require(role.holds(CAN_REMOVE_PARTICIPANT), "POLICY-CAP-REM-1", "canRemoveParticipant")?;
    let from = room.list[user].role;
    require(role.may_change(from, NO_ROLE), "POLICY-CAP-REM-1", format!("no entry {from} to 0"))
}

/// POLICY-CAP-REM-3: canRemoveSelf and an entry from the own role to 0; "this action cannot be
/// committed by the leaving user".
fn leave(room: &Room, change: &Change, role: &Role, user: &str) -> Verdict {
    require(change.how == How::Proposal, "POLICY-CAP-REM-3", "a leaver cannot commit it")?;
    require(role.holds(CAN_REMOVE_SELF), "POLICY-CAP-REM-3", "canRemoveSelf")?;
    let from = room.list[user].role;
    require(role.may_change(from, NO_ROLE), "POLICY-CAP-REM-3", format!("no entry {from} to 0"))
}

/// POLICY-CAP-ROLE-1, -3 and -4: canChangeUserRole, or canBan to the banned role, or canUnBan from
/// it (AMB-POL-25); always with the entry in the holder's table.
fn change_user_role(room: &Room, role: &Role, from: u32, to: u32) -> Verdict {
    require(role.may_change(from, to), "POLICY-CAP-ROLE-1", format!("no entry {from} to {to}"))?;
    let may = role.holds(CAN_CHANGE_USER_ROLE)
        || (role.holds(CAN_BAN) && room.is_banned_role(to))
        || (role.holds(CAN_UNBAN) && room.is_banned_role(from));
    require(may, "POLICY-CAP-ROLE-1/3/4", format!("{from} to {to}"))
}

/// POLICY-CAP-ROLE-2: canChangeOwnRole to the first matching preauth role; the table is not
/// consulted.
fn change_own_role(room: &Room, change: &Change, role: &Role, to: u32) -> Verdict {
    require(role.holds(CAN_CHANGE_OWN_ROLE), "POLICY-CAP-ROLE-2", "canChangeOwnRole")?;
    require(preauthorized_role(room, change) == Some(to), "POLICY-CAP-ROLE-2", "another role")
}

/// AMB-POL-39: "a holder of canAddParticipant may add clients of a listed user whose role is not
/// banned and may be active"; and those of a user it adds (POLICY-CAP-ADD-1).
fn add_clients_of_another(room: &Room, role: &Role, user: &str, after: &List) -> Verdict {
    require(role.holds(CAN_ADD_PARTICIPANT), "AMB-POL-39", "canAddParticipant")?;
    let banned = after.get(user).is_some_and(|entry| room.is_banned_role(entry.role));
    require(!banned, "AMB-POL-39", "a banned user has no clients")
}

/// POLICY-CAP-REM-2: canRemoveOwnClient, and the last own client, the committer's, cannot go by its
/// own commit; whoever leaves does so by canRemoveSelf.
fn remove_own_clients(room: &Room, change: &Change, role: &Role, user: &String) -> Verdict {
    if change.remove.contains(user) {
        return Ok(());
    }
    require(role.holds(CAN_REMOVE_OWN_CLIENT), "POLICY-CAP-REM-2", "canRemoveOwnClient")?;
    if change.how == How::Commit {
        let removed = removed_clients(change, user, room.list[user].clients);
        let others = room.list[user].clients - 1;
        require(removed <= others, "POLICY-CAP-REM-2", "the committer cannot remove itself")?;
    }
    Ok(())
}

/// Zero clients, or all of none.
fn removes_nothing(room: &Room, removal: &RemoveClients) -> bool {
    match removal.clients {
        HowMany::All(_) => room.list.get(&removal.user).is_none_or(|entry| entry.clients == 0),
        HowMany::Number(number) => number == 0,
    }
}

/// How many of all a user's clients go; "all" beside a number is the rest.
fn removed_clients(change: &Change, user: &str, all: u32) -> u32 {
    let of_user = change.remove_clients.iter().filter(|removal| removal.user == user);
    of_user
        .map(|removal| match removal.clients {
            HowMany::All(_) => all,
            HowMany::Number(number) => number,
        })
        .sum::<u32>()
        .min(all)
}

/// The clients of whoever is removed or banned go with that action. Otherwise it is a kick
/// (POLICY-CAP-REM-4), or for an external sender canRemoveParticipant with an entry from the
/// target's role to 0 (AMB-ST-4).
fn remove_clients_of_another(
    room: &Room,
    change: &Change,
    role: &Role,
    external: bool,
    user: &String,
) -> Verdict {
    let banned = |user: &String| {
        change.set_role.iter().any(|set| set.user == *user && room.is_banned_role(set.role))
    };
    if change.remove.contains(user) || banned(user) || role.holds(CAN_KICK) {
        return Ok(());
    }
    let plain_remove = external
        && role.holds(CAN_REMOVE_PARTICIPANT)
        && role.may_change(room.list[user].role, NO_ROLE);
    require(plain_remove, "POLICY-CAP-REM-4", "canKick")
}

// ---- Limits, counted on the list after ----------------------------------------------------------

/// A banned user has no clients, by whatever road it got there.
fn nobody_banned_has_clients(room: &Room, after: &List) -> Verdict {
    let banned = |entry: &Entry| room.is_banned_role(entry.role) && entry.clients > 0;
    require(!after.values().any(banned), "PROTO-UPD-3", "clients of a banned user")
}

/// POLICY-BASE-6: without pseudonyms_allowed, "real" identifiers "are required in MLS credentials",
/// so no client of a pseudonym comes in; nor is one listed, who could never have a client.
fn pseudonyms(room: &Room, after: &List) -> Verdict {
    let more_clients = |user: &String, entry: &Entry| {
        room.list.get(user).is_none_or(|before| entry.clients > before.clients)
    };
    let comes =
        |(user, entry): (&String, &Entry)| user.contains("/p/") && more_clients(user, entry);
    let pseudonym_comes = after.iter().any(comes);
    require(room.base.pseudonyms_allowed || !pseudonym_comes, "POLICY-BASE-6", "a pseudonym")
}

/// AMB-POL-17: "only for roles a change leaves (min) or enters (max), on the commit's final state";
/// touched includes active counts that change without a role change.
fn role_constraints(room: &Room, after: &List) -> Verdict {
    let role_of = |list: &List, user: &String| list.get(user).map_or(NO_ROLE, |entry| entry.role);
    let is_active = |list: &List, user: &String| list.get(user).is_some_and(|e| e.clients > 0);

    for (index, role) in &room.roles {
        // Role 0 is never counted (AMB-PRE-6).
        if *index == NO_ROLE {
            continue;
        }
        let users = || room.list.keys().chain(after.keys());
        let left = users()
            .any(|user| role_of(&room.list, user) == *index && role_of(after, user) != *index);
        let entered = users()
            .any(|user| role_of(&room.list, user) != *index && role_of(after, user) == *index);
        let stays =
            |user: &String| role_of(&room.list, user) == *index && role_of(after, user) == *index;
        let stays_with_more = users().any(|user| {
            let clients = |list: &List| list.get(user).map_or(0, |entry| entry.clients);
            stays(user) && clients(after) > clients(&room.list)
        });
        // POLICY-ROLE-2: with an active maximum of zero "no participants are allowed to have
        // clients in the room's MLS group", so nobody gets one more.
        let none = role.maximum_active == Some(0);
        require(!(none && stays_with_more), "POLICY-ROLE-2", "no clients in this role")?;
        let less_active = users()
            .any(|user| stays(user) && is_active(&room.list, user) && !is_active(after, user));
        let more_active = users()
            .any(|user| stays(user) && !is_active(&room.list, user) && is_active(after, user));

        let participants = after.values().filter(|entry| entry.role == *index).count() as u32;
        let active =
            after.values().filter(|entry| entry.role == *index && entry.clients > 0).count() as u32;
        if left {
            require(participants >= role.minimum_participants, "AMB-POL-17 minimum", "minimum")?;
        }
        if left || less_active {
            require(active >= role.minimum_active, "AMB-POL-17 active minimum", "active minimum")?;
        }
        // "Bans consult minimums only, as printed: a full banned role never prevents a ban."
        if entered && !room.is_banned_role(*index) {
            let most = role.maximum_participants;
            require(most.is_none_or(|most| participants <= most), "AMB-POL-17 maximum", "maximum")?;
        }
        if (entered && !room.is_banned_role(*index)) || more_active {
            let most = role.maximum_active;
            require(
                most.is_none_or(|most| active <= most),
                "AMB-POL-17 active maximum",
                "active maximum",
            )?;
        }
    }
    Ok(())
}

/// POLICY-BASE-4 and POLICY-BASE-5, for what the change makes more of.
fn base_limits(room: &Room, after: &List) -> Verdict {
    let clients = |list: &List| list.values().map(|entry| u64::from(entry.clients)).sum::<u64>();
    let users =
        |list: &List| list.values().filter(|entry| !room.is_banned_role(entry.role)).count() as u64;
    if !room.base.multi_device {
        for (user, entry) in after {
            let before = room.list.get(user).map_or(0, |entry| entry.clients);
            require(entry.clients <= 1.max(before), "POLICY-BASE-4", "several clients")?;
        }
    }
    if let Some(most) = room.base.max_clients {
        let now = clients(after);
        let more = now > clients(&room.list);
        require(!more || now <= u64::from(most), "POLICY-BASE-5", "max_clients")?;
    }
    if let Some(most) = room.base.max_users {
        let now = users(after);
        let more = now > users(&room.list);
        require(!more || now <= u64::from(most), "POLICY-BASE-5", "max_users")?;
    }
    Ok(())
}
