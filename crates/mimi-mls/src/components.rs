//! Changes to the `app_data_dictionary`: reading AppDataUpdate proposals and computing the new
//! dictionary (PROTO-ST-6, MLSX-3, mls-extensions section 4.7).

use std::collections::BTreeMap;

use mimi_policy::{ProposedChange, RoomView, participant_list};
use mimi_wire::Wire;
use mimi_wire::component::{
    APP_COMPONENTS, BASE_ROOM_POLICY, CONTENT_MEDIA_TYPES, ComponentId, FRANKING_AGENT, JOIN_LINKS,
    MLS_OPERATIONAL_POLICY, PARTICIPANT_LIST, PREAUTH_LIST, ROLES_LIST, ROOM_METADATA, SAFE_AAD,
};
use mimi_wire::room::join_links::{JoinLinksData, JoinLinksUpdate};
use mimi_wire::room::participant_list::ParticipantListUpdate;
use openmls::component::ComponentData;
use openmls::group::{AppDataDictionaryUpdater, AppDataUpdates};
use openmls::messages::proposals::{AppDataUpdateOperation, AppDataUpdateProposal};

use crate::error::StageError;

/// Policy components that only later slices interpret; their updates replace the whole value.
/// `join_links` (0x002A) is not among them: its update is a difference.
const OTHER_WHOLE_REPLACEMENTS: [ComponentId; 10] = [
    FRANKING_AGENT,
    MLS_OPERATIONAL_POLICY,
    0x0028, // status_notification_policy
    0x0029, // join_link_policy
    0x002b, // link_preview_policy
    0x002c, // asset_policy
    0x002d, // logging_policy
    0x002e, // chat_history_policy
    0x002f, // bot_policy
    0x0030, // message_expiration_policy
];
/// Never removed: without the first four there is no room (AMB-PL-7), and the others say how all
/// messages are read, late ones of an earlier epoch too.
const INDISPENSABLE: [ComponentId; 7] = [
    PARTICIPANT_LIST,
    ROOM_METADATA,
    ROLES_LIST,
    BASE_ROOM_POLICY,
    APP_COMPONENTS,
    SAFE_AAD,
    CONTENT_MEDIA_TYPES,
];

/// What one AppDataUpdate asks, in the terms of the room.
pub(crate) fn read(
    update: &AppDataUpdateProposal,
    reference: Option<&[u8]>,
) -> Result<ProposedChange, StageError> {
    let id = update.component_id();
    let octets = match update.operation() {
        AppDataUpdateOperation::Remove => return Ok(ProposedChange::RemoveComponent(id)),
        AppDataUpdateOperation::Update(octets) => octets.as_slice(),
    };
    let change = match id {
        PARTICIPANT_LIST => Wire::decode(octets).map(ProposedChange::ParticipantList),
        ROOM_METADATA => Wire::decode(octets).map(ProposedChange::Metadata),
        ROLES_LIST => Wire::decode(octets).map(ProposedChange::Roles),
        PREAUTH_LIST => Wire::decode(octets).map(ProposedChange::Preauth),
        BASE_ROOM_POLICY => Wire::decode(octets).map(ProposedChange::BasePolicy),
        JOIN_LINKS => Wire::decode(octets).map(ProposedChange::JoinLinks),
        other => Ok(ProposedChange::OtherComponent(other, octets.to_vec())),
    };
    change.map_err(|fault| StageError::proposal(reference, format!("component {id:#06x}: {fault}")))
}

/// The dictionary entries that all AppDataUpdates of a commit change, in commit order per
/// component; `None` without any.
///
/// The library checks little here: that an absent component is removed, that one is removed twice,
/// removed and updated, or replaced twice, is for us to refuse.
pub(crate) fn resolve<'a>(
    view: &RoomView,
    updates: impl IntoIterator<Item = &'a AppDataUpdateProposal>,
) -> Result<Option<AppDataUpdates>, StageError> {
    let mut by_component: BTreeMap<ComponentId, Vec<&AppDataUpdateProposal>> = BTreeMap::new();
    for update in updates {
        by_component.entry(update.component_id()).or_default().push(update);
    }
    let mut updater = AppDataDictionaryUpdater::new(None);
    for (id, updates) in by_component {
        match new_value(view, id, &updates)? {
            Some(value) => updater.set(ComponentData::from_parts(id, value.into())),
            None => updater.remove(&id),
        }
    }
    Ok(updater.changes())
}

/// The value of one component after its updates; `None` when it is removed.
fn new_value(
    view: &RoomView,
    id: ComponentId,
    updates: &[&AppDataUpdateProposal],
) -> Result<Option<Vec<u8>>, StageError> {
    let fault =
        |reason: &str| Err(StageError::proposal(None, format!("component {id:#06x}: {reason}")));
    if id == PARTICIPANT_LIST {
        return participants(view, updates).map(Some);
    }
    let removes = |update: &AppDataUpdateProposal| {
        matches!(update.operation(), AppDataUpdateOperation::Remove)
    };
    if id == JOIN_LINKS && !updates.iter().any(|update| removes(update)) {
        return join_links(view, updates).map(Some);
    }
    let [update] = updates else {
        return fault("changed more than once in a commit");
    };
    match update.operation() {
        AppDataUpdateOperation::Remove if INDISPENSABLE.contains(&id) => fault("never removed"),
        AppDataUpdateOperation::Remove if !is_present(view, id) => fault("removed, but not there"),
        AppDataUpdateOperation::Remove => Ok(None),
        AppDataUpdateOperation::Update(octets) => {
            let ours = [ROOM_METADATA, ROLES_LIST, PREAUTH_LIST, BASE_ROOM_POLICY];
            if !ours.contains(&id) && !OTHER_WHOLE_REPLACEMENTS.contains(&id) {
                return fault("how it is updated is not known here");
            }
            read(update, None)?;
            Ok(Some(octets.as_slice().to_vec()))
        }
    }
}

/// All list updates of a commit apply to the list of its epoch (AMB-PL-1).
fn participants(
    view: &RoomView,
    updates: &[&AppDataUpdateProposal],
) -> Result<Vec<u8>, StageError> {
    let mut list_updates: Vec<ParticipantListUpdate> = Vec::new();
    for update in updates {
        match read(update, None)? {
            ProposedChange::ParticipantList(update) => list_updates.push(update),
            _ => return Err(StageError::proposal(None, "participant_list is never removed")),
        }
    }
    Ok(participant_list::apply(&view.participants, &list_updates)?.encode())
}

/// Likewise of the epoch's links (AMB-POL-12).
fn join_links(view: &RoomView, updates: &[&AppDataUpdateProposal]) -> Result<Vec<u8>, StageError> {
    let fault = |reason: &str| StageError::proposal(None, format!("join_links: {reason}"));
    let octets = view.other_components.get(&JOIN_LINKS);
    let links = octets.map(|octets| JoinLinksData::decode(octets)).transpose();
    let links = links.map_err(|malformed| fault(&malformed.to_string()))?.unwrap_or_default();
    let mut whole = JoinLinksUpdate::default();
    for update in updates {
        let ProposedChange::JoinLinks(update) = read(update, None)? else {
            return Err(fault("not an update"));
        };
        for index in update.removed_indices {
            if whole.removed_indices.contains(&index) {
                return Err(fault("a link is removed twice"));
            }
            whole.removed_indices.push(index);
        }
        whole.added_links.extend(update.added_links);
    }
    let after =
        links.updated(&whole).ok_or_else(|| fault("a link that is not there is removed"))?;
    Ok(after.encode())
}

fn is_present(view: &RoomView, id: ComponentId) -> bool {
    match id {
        PREAUTH_LIST => !view.preauth.entries.is_empty(),
        BASE_ROOM_POLICY => view.base_policy.is_some(),
        _ => view.other_components.contains_key(&id),
    }
}
