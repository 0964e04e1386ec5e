//! Who comes and who goes: participants and their clients (room-policy section 8.1, ARCH-6).

use mimi_wire::component::MLS_OPERATIONAL_POLICY;
use mimi_wire::room::capability::Capability;
use mimi_wire::room::operational_policy::OperationalParameters;
use mimi_wire::room::participant_list::RoleIndex;
use mimi_wire::uri::UriKind;
use mimi_wire::{MimiUri, Wire};

use crate::change::{Actor, ClientIdentity, StagedChange};
use crate::denied::Denied;
use crate::judge::authority::Authority;
use crate::judge::joining::{may_join_as, may_join_at_all};
use crate::judge::reading::{ProposalSet, Reading, RemovedClient};
use crate::judge::roles::{is_banned_role, no_own_unban};
use crate::participant_list::ListChange;
use crate::rule::Rule;

/// Who may commit, and what an external commit looks like.
pub(super) fn check_committer(reading: &Reading<'_>, change: &StagedChange) -> Result<(), Denied> {
    external_operations(reading)?;
    let Some(committer) = reading.committer else {
        return no_external_join(reading);
    };
    match committer {
        // PROTO-ST-7
        Actor::ExternalSender { .. } => {
            Err(Denied::new(Rule::OnlyClientsCommit, None, "servers propose, clients commit"))
        }
        Actor::Member { leaf, .. } => {
            Authority::of(reading.view, &reading.roster, reading.known, committer)?;
            no_external_join(reading)?;
            // POLICY-CAP-REM-2, -3: whoever goes cannot commit it.
            let gone = reading.sets.iter().flat_map(|set| &set.removed);
            match gone.map(|removed| removed.client).find(|client| client.leaf == *leaf) {
                None => Ok(()),
                Some(client) => {
                    let needed = "somebody who stays must commit it";
                    let user = committer.user();
                    Err(Denied::new(Rule::CommitOwnRemoval, user, needed).about(&client.client))
                }
            }
        }
        Actor::Joiner(identity) => external_commit(reading, change, identity),
    }
}

/// POLICY-OP-2: where the room says so, nobody from outside the group commits or proposes.
fn external_operations(reading: &Reading<'_>) -> Result<(), Denied> {
    let from_outside = |actor: &Actor| !matches!(actor, Actor::Member { .. });
    let commits = reading.committer.filter(|actor| from_outside(actor));
    let mut senders = reading.sets.iter().map(|set| set.authority.actor());
    let proposes = senders.find(|actor| from_outside(actor) && Some(*actor) != commits);
    if commits.or(proposes).is_none() {
        return Ok(());
    }
    let octets = reading.view.other_components.get(&MLS_OPERATIONAL_POLICY);
    let policy = octets.and_then(|octets| OperationalParameters::decode(octets).ok());
    let Some(policy) = policy else { return Ok(()) };
    if let Some(actor) = commits.filter(|_| !policy.external_commit_allowed) {
        let needed = "the room takes no external commits";
        return Err(Denied::new(Rule::ExternalCommits, actor.user(), needed).about("this way"));
    }
    if let Some(actor) = proposes.filter(|_| !policy.external_proposal_allowed) {
        let needed = "the room takes proposals of its members only";
        return Err(Denied::new(Rule::ExternalProposals, actor.user(), needed));
    }
    Ok(())
}

/// AMB-UPD-16: exactly one new client, the committer's own.
fn external_commit(
    reading: &Reading<'_>,
    change: &StagedChange,
    joiner: &ClientIdentity,
) -> Result<(), Denied> {
    let joins: Vec<&ClientIdentity> =
        reading.sets.iter().flat_map(|set| set.joins.iter().copied()).collect();
    let own = |identity: &ClientIdentity| {
        identity.user == joiner.user && identity.client == joiner.client
    };
    let inline_by_others = change.proposals.iter().any(|proposal| {
        proposal.reference.is_none() && Some(&proposal.sender) != change.committer.as_ref()
    });
    match joins.as_slice() {
        [only] if own(only) && !inline_by_others => Ok(()),
        _ => {
            let needed = "an external commit brings in exactly its own client";
            let denied = Denied::new(Rule::ExternalCommitShape, Some(&joiner.user), needed);
            Err(denied.about("this way"))
        }
    }
}

fn no_external_join(reading: &Reading<'_>) -> Result<(), Denied> {
    match reading.sets.iter().find(|set| !set.joins.is_empty()) {
        None => Ok(()),
        Some(set) => {
            let needed = "only an external commit brings in its own client";
            Err(set.authority.deny(Rule::ExternalCommitShape, needed).about("this way"))
        }
    }
}

/// Judges what a set does to the membership.
pub(super) fn check(reading: &Reading<'_>, set: &ProposalSet<'_>) -> Result<(), Denied> {
    for change in &set.list {
        match *change {
            ListChange::Removal { user, from, .. } => removal(reading, set, user, from)?,
            ListChange::Addition { user, to } => addition(reading, set, user, to)?,
            ListChange::Role { .. } => {}
        }
    }
    for removed in &set.removed {
        removed_client(reading, set, *removed)?;
    }
    for identity in &set.added {
        added_client(reading, set, identity)?;
    }
    for identity in &set.joins {
        external_join(reading, set, identity)?;
    }
    Ok(())
}

/// AMB-UPD-16: a joiner brings itself, its own list entry and its own old leaf, nothing else.
pub(super) fn check_joiner(set: &ProposalSet<'_>) -> Result<(), Denied> {
    let Some(joiner) = set.authority.joiner() else { return Ok(()) };
    let own = |client: &MimiUri, user: &MimiUri| *client == joiner.client && *user == joiner.user;
    let foreign = set
        .list
        .iter()
        .map(ListChange::user)
        .find(|user| **user != joiner.user)
        .map(ToString::to_string)
        .or_else(|| {
            let gone = set.removed.iter().map(|removed| removed.client);
            let coming = set.added.iter().chain(&set.joins);
            gone.map(|client| (&client.client, &client.user))
                .chain(coming.map(|identity| (&identity.client, &identity.user)))
                .find(|(client, user)| !own(client, user))
                .map(|(client, _)| client.to_string())
        })
        .or_else(|| (!set.others.is_empty()).then(|| "the room".to_owned()));
    match foreign {
        None => Ok(()),
        Some(target) => {
            let needed = "a client that joins changes only what concerns itself";
            Err(set.authority.deny(Rule::JoinerOnlyItself, needed).about(target))
        }
    }
}

/// A user goes from the list: by itself (POLICY-CAP-REM-3) or by others (POLICY-CAP-REM-1).
fn removal(
    reading: &Reading<'_>,
    set: &ProposalSet<'_>,
    user: &MimiUri,
    from: RoleIndex,
) -> Result<(), Denied> {
    let by = &set.authority;
    fixed_membership(reading, by, user)?;
    if by.is(user) {
        by.require(Rule::Leave, reading.view.room(), Capability::CAN_REMOVE_SELF)?;
        by.require_move(Rule::Leave, reading.view.room(), from, 0)?;
        no_own_unban(reading, set, from)?;
    } else {
        by.require(Rule::RemoveParticipant, user, Capability::CAN_REMOVE_PARTICIPANT)?;
        by.require_move(Rule::RemoveParticipant, user, from, 0)?;
    }
    none_left_behind(reading, set, user)
}

/// PROTO-UPD-3, AMB-POL-41: list entry and clients go together, by the same sender.
pub(super) fn none_left_behind(
    reading: &Reading<'_>,
    set: &ProposalSet<'_>,
    user: &MimiUri,
) -> Result<(), Denied> {
    match reading.left_behind(set, user) {
        0 => Ok(()),
        left => {
            let needed = format!("all clients must go in the same action, {left} would stay");
            Err(set.authority.deny(Rule::ClientsLeftBehind, needed).about(user))
        }
    }
}

/// A user comes onto the list.
fn addition(
    reading: &Reading<'_>,
    set: &ProposalSet<'_>,
    user: &MimiUri,
    to: RoleIndex,
) -> Result<(), Denied> {
    let by = &set.authority;
    fixed_membership(reading, by, user)?;
    real_name(reading, by, user)?;
    role_defined(reading, by, to)?;
    if let Some(joiner) = by.joiner() {
        return may_join_as(reading, joiner, to);
    }
    if is_banned_role(&reading.view.roles, to) {
        // AMB-POL-24: a ban ahead of time needs no right to add.
        let either = [Capability::CAN_BAN, Capability::CAN_ADD_PARTICIPANT];
        by.require_any(Rule::Ban, user, &either)?;
        return by.require_move(Rule::Ban, user, 0, to);
    }
    let add = || {
        by.require(Rule::AddParticipant, user, Capability::CAN_ADD_PARTICIPANT)?;
        by.require_move(Rule::AddParticipant, user, 0, to)
    };
    // AMB-UPD-14: an external proposal to join cannot carry its list entry, so whoever commits it
    // writes the entry by the joiner's right.
    let mut joiners = reading.sets.iter().filter_map(|set| set.authority.joiner());
    let joining = joiners.find(|joiner| joiner.user == *user);
    add().or_else(|denied| match joining.map(|joiner| may_join_as(reading, joiner, to)) {
        Some(Ok(())) => Ok(()),
        Some(Err(_)) | None => Err(denied),
    })
}

/// A leaf goes while its user stays listed, unless a removal or ban in the set covers it.
fn removed_client(
    reading: &Reading<'_>,
    set: &ProposalSet<'_>,
    removed: RemovedClient<'_>,
) -> Result<(), Denied> {
    let by = &set.authority;
    let RemovedClient { client, by_itself } = removed;
    let covered = set.list.iter().any(|change| match *change {
        ListChange::Removal { user, .. } => *user == client.user,
        ListChange::Role { user, to, .. } => {
            *user == client.user && is_banned_role(&reading.view.roles, to)
        }
        ListChange::Addition { .. } => false,
    });
    // A joiner's old leaf gives way to its new one: nothing is removed.
    if covered || by.joiner().is_some() {
        return Ok(());
    }
    if by.is(&client.user) {
        // AMB-UPD-9, -10: an external commit carries the SelfRemove of a leave and nothing more.
        let leaving =
            by_itself && reading.is_external_commit() && by.holds(Capability::CAN_REMOVE_SELF);
        return match leaving {
            true => Ok(()),
            false => {
                by.require(Rule::RemoveOwnClient, &client.client, Capability::CAN_REMOVE_OWN_CLIENT)
            }
        };
    }
    // AMB-ST-4: a server cannot always change the list, so it may remove the clients of whom it
    // may remove.
    let role = reading.roster.before(&client.user).role;
    let as_removal = by.is_server()
        && by.holds(Capability::CAN_REMOVE_PARTICIPANT)
        && role.is_some_and(|role| by.may_move(role, 0));
    match as_removal {
        true => Ok(()),
        false => by.require(Rule::Kick, &client.client, Capability::CAN_KICK),
    }
}

/// A client is added by proposal.
fn added_client(
    reading: &Reading<'_>,
    set: &ProposalSet<'_>,
    identity: &ClientIdentity,
) -> Result<(), Denied> {
    let by = &set.authority;
    let listed = reading.roster.before(&identity.user).role.is_some();
    let after = reading.roster.after(&identity.user).role;
    if by.is(&identity.user) {
        if listed {
            let own = Capability::CAN_ADD_OWN_CLIENT;
            return by.require(Rule::AddOwnClient, &identity.client, own);
        }
        // An outsider's external proposal (AMB-UPD-14): alone, any role it may join as will do.
        return match (reading.committer, after) {
            (_, Some(to)) => may_join_as(reading, identity, to),
            (None, None) => may_join_at_all(reading, identity),
            (Some(_), None) => Err(not_listed(by, identity)),
        };
    }
    // PROTO-UPD-2
    let Some(role) = after else { return Err(not_listed(by, identity)) };
    banned_stays_out(reading, by, identity, role)?;
    // POLICY-CAP-ADD-1 with its list addition, AMB-POL-39 for whoever is listed already.
    by.require(Rule::AddParticipant, &identity.client, Capability::CAN_ADD_PARTICIPANT)
}

/// A client commits itself into the group (POLICY-CAP-ADD-2, -3, -4).
fn external_join(
    reading: &Reading<'_>,
    set: &ProposalSet<'_>,
    identity: &ClientIdentity,
) -> Result<(), Denied> {
    let by = &set.authority;
    if reading.roster.before(&identity.user).role.is_some() {
        // POLICY-PRE-1: whoever is listed, and be it as banned, has its role and no other way in.
        return by.require(Rule::AddOwnClient, &identity.client, Capability::CAN_ADD_OWN_CLIENT);
    }
    match reading.roster.after(&identity.user).role {
        Some(_) => Ok(()),
        None => Err(not_listed(by, identity)),
    }
}

fn not_listed(by: &Authority<'_>, identity: &ClientIdentity) -> Denied {
    let needed = "its user must be in the participant list before or with it";
    by.deny(Rule::ListedFirst, needed).about(&identity.client)
}

fn banned_stays_out(
    reading: &Reading<'_>,
    by: &Authority<'_>,
    identity: &ClientIdentity,
    role: RoleIndex,
) -> Result<(), Denied> {
    if !is_banned_role(&reading.view.roles, role) {
        return Ok(());
    }
    Err(by.deny(Rule::BannedClient, "that user is banned").about(&identity.user))
}

/// POLICY-BASE-1, AMB-POL-10: nobody comes, nobody goes; clients and roles may.
fn fixed_membership(
    reading: &Reading<'_>,
    by: &Authority<'_>,
    user: &MimiUri,
) -> Result<(), Denied> {
    match reading.fixed_membership() {
        false => Ok(()),
        true => {
            let needed = "the room's participants are fixed";
            Err(by.deny(Rule::FixedMembership, needed).about(user))
        }
    }
}

/// POLICY-BASE-6 as far as a URI tells; the rest the provider asserts (AMB-POL-37).
fn real_name(reading: &Reading<'_>, by: &Authority<'_>, user: &MimiUri) -> Result<(), Denied> {
    let forbidden = reading.base_policy.is_some_and(|policy| !policy.pseudonyms_allowed);
    if forbidden && user.kind() == UriKind::Pseudonym {
        let needed = "the room does not allow pseudonyms";
        return Err(by.deny(Rule::Pseudonyms, needed).about(user));
    }
    Ok(())
}

/// PROTO-PL-5: every role given to somebody is defined.
pub(super) fn role_defined(
    reading: &Reading<'_>,
    by: &Authority<'_>,
    to: RoleIndex,
) -> Result<(), Denied> {
    match reading.view.role(to) {
        Some(_) => Ok(()),
        None => {
            let needed = "the room has no such role";
            Err(by.deny(Rule::RoleDefined, needed).about(format!("role {to}")))
        }
    }
}
