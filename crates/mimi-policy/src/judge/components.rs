//! Everything that is neither membership nor somebody's role: metadata, definitions, policies, and
//! what MLS itself offers. Which of them may share a commit, and who may change them.

use std::collections::BTreeMap;

use mimi_wire::component::{
    ASSET_POLICY, BASE_ROOM_POLICY, BOT_POLICY, CHAT_HISTORY_POLICY, ComponentId, JOIN_LINK_POLICY,
    JOIN_LINKS, LINK_PREVIEW_POLICY, LOGGING_POLICY, MESSAGE_EXPIRATION_POLICY,
    MLS_OPERATIONAL_POLICY, PARTICIPANT_LIST, PREAUTH_LIST, ROLES_LIST, ROOM_METADATA,
    STATUS_NOTIFICATION_POLICY,
};
use mimi_wire::room::capability::Capability;
use mimi_wire::room::join_links::JoinLinksUpdate;

use crate::change::{Actor, ProposedChange, StagedChange};
use crate::denied::Denied;
use crate::judge::authority::Authority;
use crate::judge::metadata;
use crate::judge::reading::{ProposalSet, Reading};
use crate::participant_list::ListChange;
use crate::rule::Rule;

/// Judges which changes stand beside which in one commit.
pub(super) fn check_company(reading: &Reading<'_>, change: &StagedChange) -> Result<(), Denied> {
    let mut updated: BTreeMap<ComponentId, &Actor> = BTreeMap::new();
    let mut removed: BTreeMap<ComponentId, &Actor> = BTreeMap::new();
    for proposal in &change.proposals {
        let sender = &proposal.sender;
        if let ProposedChange::RemoveComponent(id) = proposal.change {
            if removed.insert(id, sender).is_some() {
                return Err(once(sender, id));
            }
        } else if let Some(id) = updated_component(&proposal.change) {
            let again = updated.insert(id, sender).is_some();
            // Only these two are changed by differences; everything else is replaced as a whole,
            // and one replacement would silently undo the other (AMB-RM-3).
            if again && id != PARTICIPANT_LIST && id != JOIN_LINKS {
                return Err(once(sender, id));
            }
        }
    }
    // MLSX-3: one removal or updates, not both.
    if let Some((id, sender)) = removed.iter().find(|(id, _)| updated.contains_key(id)) {
        return Err(once(sender, *id));
    }
    apart_from_list(reading, &updated, &removed)
}

/// POLICY-ROLE-3, POLICY-PRE-3: definitions hold still while the list changes.
fn apart_from_list(
    reading: &Reading<'_>,
    updated: &BTreeMap<ComponentId, &Actor>,
    removed: &BTreeMap<ComponentId, &Actor>,
) -> Result<(), Denied> {
    let mut changes = reading.sets.iter().flat_map(|set| &set.list);
    if let Some(sender) = updated.get(&ROLES_LIST)
        && changes.clone().next().is_some()
    {
        let needed = "the participant list changes in the same commit";
        let denied = Denied::new(Rule::RolesApartFromList, sender.user(), needed);
        return Err(denied.about("the role definitions"));
    }
    let preauth = updated.get(&PREAUTH_LIST).or_else(|| removed.get(&PREAUTH_LIST));
    if let Some(sender) = preauth
        && changes.any(|change| !matches!(change, ListChange::Removal { .. }))
    {
        let needed = "the same commit does more to the participant list than removing users";
        let denied = Denied::new(Rule::PreauthApartFromList, sender.user(), needed);
        return Err(denied.about("the preauthorization list"));
    }
    Ok(())
}

/// The component a change updates.
fn updated_component(change: &ProposedChange) -> Option<ComponentId> {
    match change {
        ProposedChange::ParticipantList(_) => Some(PARTICIPANT_LIST),
        ProposedChange::Metadata(_) => Some(ROOM_METADATA),
        ProposedChange::Roles(_) => Some(ROLES_LIST),
        ProposedChange::Preauth(_) => Some(PREAUTH_LIST),
        ProposedChange::BasePolicy(_) => Some(BASE_ROOM_POLICY),
        ProposedChange::JoinLinks(_) => Some(JOIN_LINKS),
        ProposedChange::OtherComponent(id, _) => Some(*id),
        _ => None,
    }
}

fn once(sender: &Actor, id: ComponentId) -> Denied {
    let rule = if id == ROOM_METADATA { Rule::MetadataOnce } else { Rule::ComponentOnce };
    Denied::new(rule, sender.user(), "a commit changes it only once").about(component_name(id))
}

/// Judges everything of a set that has no area of its own.
pub(super) fn check(reading: &Reading<'_>, set: &ProposalSet<'_>) -> Result<(), Denied> {
    let by = &set.authority;
    for change in &set.others {
        match change {
            ProposedChange::Metadata(new) => metadata::check(&reading.view.metadata, new, by)?,
            ProposedChange::Roles(_) => may_change(by, ROLES_LIST)?,
            ProposedChange::Preauth(_) => may_change(by, PREAUTH_LIST)?,
            ProposedChange::BasePolicy(_) => may_change(by, BASE_ROOM_POLICY)?,
            ProposedChange::JoinLinks(update) => join_links(by, update)?,
            ProposedChange::OtherComponent(id, _) => other_component(by, *id)?,
            ProposedChange::RemoveComponent(id) => removed_component(reading, by, *id)?,
            ProposedChange::GroupContextExtensions => by.require(
                Rule::ChangeOperationalPolicy,
                "the group context's extensions",
                Capability::CAN_CHANGE_MLS_OPERATIONAL_POLICIES,
            )?,
            ProposedChange::ReInit => {
                by.require(Rule::ReInit, "a new group", Capability::CAN_SEND_MLS_REINIT_PROPOSAL)?
            }
            ProposedChange::UpdateOwnLeaf if !by.is_server() => {}
            other => return Err(unknown(by, other)),
        }
    }
    Ok(())
}

/// Whatever the room has no rule for is refused: a pre-shared key that some members lack would
/// shut them out, and 0x0603 that might allow it is reserved (POLICY-CAP-RES-1).
fn unknown(by: &Authority<'_>, change: &ProposedChange) -> Denied {
    let (what, needed) = match change {
        ProposedChange::PreSharedKey => ("a pre-shared key", "rooms do not use them".to_owned()),
        ProposedChange::UpdateOwnLeaf => ("a new leaf", "servers have none".to_owned()),
        ProposedChange::Unknown(code) => {
            ("this", format!("nobody here knows proposals of type {code:#06x}"))
        }
        _ => ("this", "it belongs elsewhere".to_owned()),
    };
    by.deny(Rule::UnknownProposal, needed).about(what)
}

/// AMB-POL-13: a right for links that come, another for links that go.
fn join_links(by: &Authority<'_>, update: &JoinLinksUpdate) -> Result<(), Denied> {
    let target = component_name(JOIN_LINKS);
    let comes = !update.added_links.is_empty();
    let goes = !update.removed_indices.is_empty();
    if comes || !goes {
        by.require(Rule::ChangeJoinLinks, &target, Capability::CAN_CREATE_JOIN_CODE)?;
    }
    if goes {
        by.require(Rule::ChangeJoinLinks, &target, Capability::CAN_DELETE_JOIN_CODE)?;
    }
    Ok(())
}

/// Components that arrive as octets only.
fn other_component(by: &Authority<'_>, id: ComponentId) -> Result<(), Denied> {
    match id {
        PARTICIPANT_LIST | ROOM_METADATA | ROLES_LIST | PREAUTH_LIST | BASE_ROOM_POLICY
        | JOIN_LINKS => {
            let denied = by.deny(Rule::UnknownProposal, "its content was not understood");
            Err(denied.about(format!("an update of {}", component_name(id))))
        }
        _ => may_change(by, id),
    }
}

fn removed_component(
    reading: &Reading<'_>,
    by: &Authority<'_>,
    id: ComponentId,
) -> Result<(), Denied> {
    match id {
        // AMB-PL-7; without metadata nothing binds the group to its room (AMB-RM-1).
        PARTICIPANT_LIST | ROOM_METADATA | ROLES_LIST | BASE_ROOM_POLICY => {
            let denied = by.deny(Rule::ComponentRequired, "a room always has it");
            return Err(denied.about(component_name(id)));
        }
        PREAUTH_LIST => {}
        _ if reading.view.other_components.contains_key(&id) => {}
        // MLSX-3: what is absent cannot be removed.
        _ => {
            let denied = by.deny(Rule::ComponentOnce, "the room does not have it");
            return Err(denied.about(component_name(id)));
        }
    }
    may_change(by, id)
}

/// Who may change a component (POLICY-CAP-POL-1, AMB-POL-13).
fn may_change(by: &Authority<'_>, id: ComponentId) -> Result<(), Denied> {
    let (rule, needed): (Rule, &[Capability]) = match id {
        ROLES_LIST => (Rule::ChangeRoleDefinitions, &[Capability::CAN_CHANGE_ROLE_DEFINITIONS]),
        PREAUTH_LIST => (Rule::ChangePreauth, &[Capability::CAN_CHANGE_PREAUTHORIZED_USER_LIST]),
        BASE_ROOM_POLICY => {
            (Rule::ChangeBasePolicy, &[Capability::CAN_CHANGE_ROOM_MEMBERSHIP_STYLE])
        }
        MLS_OPERATIONAL_POLICY => {
            (Rule::ChangeOperationalPolicy, &[Capability::CAN_CHANGE_MLS_OPERATIONAL_POLICIES])
        }
        // Whether links come or go was not read: both rights.
        JOIN_LINKS => (
            Rule::ChangeJoinLinks,
            &[Capability::CAN_CREATE_JOIN_CODE, Capability::CAN_DELETE_JOIN_CODE],
        ),
        _ => (Rule::ChangeOtherPolicy, &[Capability::CAN_CHANGE_OTHER_POLICY_ATTRIBUTE]),
    };
    for capability in needed {
        by.require(rule, component_name(id), *capability)?;
    }
    Ok(())
}

/// A component in words.
pub(super) fn component_name(id: ComponentId) -> String {
    match id {
        PARTICIPANT_LIST => "the participant list".to_owned(),
        ROOM_METADATA => "the room's metadata".to_owned(),
        ROLES_LIST => "the role definitions".to_owned(),
        PREAUTH_LIST => "the preauthorization list".to_owned(),
        BASE_ROOM_POLICY => "the base policy".to_owned(),
        MLS_OPERATIONAL_POLICY => "the operational policy".to_owned(),
        JOIN_LINKS => "the join links".to_owned(),
        STATUS_NOTIFICATION_POLICY => "the policy of delivery and read receipts".to_owned(),
        JOIN_LINK_POLICY => "the join link policy".to_owned(),
        LINK_PREVIEW_POLICY => "the link preview policy".to_owned(),
        ASSET_POLICY => "the asset policy".to_owned(),
        LOGGING_POLICY => "the logging policy".to_owned(),
        CHAT_HISTORY_POLICY => "the chat history policy".to_owned(),
        BOT_POLICY => "the bot policy".to_owned(),
        MESSAGE_EXPIRATION_POLICY => "the message expiration policy".to_owned(),
        _ => format!("component {id:#06x}"),
    }
}
