//! What a room says of itself and what holds in it: metadata (PROTO-RM-1) and policy, changed by
//! commits that are rebuilt from the room as it then is.

use std::collections::BTreeMap;

use mimi_mls::member::CommitPlan;
use mimi_policy::policy_file::RoomPolicy;
use mimi_policy::{RoomView, StagedChange};
use mimi_wire::component::{
    ASSET_POLICY, BOT_POLICY, CHAT_HISTORY_POLICY, ComponentId, JOIN_LINK_POLICY,
    LINK_PREVIEW_POLICY, LOGGING_POLICY, MESSAGE_EXPIRATION_POLICY, MLS_OPERATIONAL_POLICY,
    STATUS_NOTIFICATION_POLICY,
};
use mimi_wire::room::base_policy::BaseRoomPolicy;
use mimi_wire::room::metadata::{RichDescription, RoomMetadata};
use mimi_wire::room::preauth::PreAuthData;
use mimi_wire::room::roles::RoleData;
use mimi_wire::{MimiUri, Wire};
use serde::{Deserialize, Serialize};

use crate::error::ClientError;
use crate::session::command::{Command, MetadataChange};
use crate::session::commit::{Intent, Step};

/// The components a policy file speaks of, beside those that are judged by what they say. One that
/// the file leaves out goes.
const POLICY_COMPONENTS: [ComponentId; 9] = [
    MLS_OPERATIONAL_POLICY,
    STATUS_NOTIFICATION_POLICY,
    JOIN_LINK_POLICY,
    LINK_PREVIEW_POLICY,
    ASSET_POLICY,
    LOGGING_POLICY,
    CHAT_HISTORY_POLICY,
    BOT_POLICY,
    MESSAGE_EXPIRATION_POLICY,
];

/// The policy a room is to have.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct WantedPolicy {
    roles: RoleData,
    preauth: PreAuthData,
    base: Option<BaseRoomPolicy>,
    components: BTreeMap<ComponentId, Vec<u8>>,
}

impl WantedPolicy {
    /// Of a room at its hub.
    pub(crate) fn of(policy: RoomPolicy, room: &MimiUri) -> Self {
        let preauth = policy.preauth_at(&room.domain());
        let RoomPolicy { roles, base, components, .. } = policy;
        Self { roles, preauth, base, components }
    }
}

/// What a command wants of a room by a commit; `None` for commands that want something else.
pub(crate) fn wanted(command: Command) -> Option<(MimiUri, Intent)> {
    Some(match command {
        Command::RemoveUser { room, user } => (room, Intent::RemoveUser(user)),
        Command::KickUser { room, user } => (room, Intent::KickUser(user)),
        Command::BanUser { room, user } => (room, Intent::BanUser(user)),
        Command::UnbanUser { room, user, role } => (room, Intent::UnbanUser { user, role }),
        Command::ChangeRole { room, user, role } => (room, Intent::ChangeRole { user, role }),
        Command::RenameRoom { room, name } => (room, Intent::Rename(name)),
        Command::ChangeMetadata { room, change } => (room, Intent::ChangeMetadata(change)),
        Command::ChangePolicy { room, policy } => {
            let wanted = WantedPolicy::of(*policy, &room);
            (room, Intent::ChangePolicy(Box::new(wanted)))
        }
        Command::CommitPending(room) => (room, Intent::CommitPending),
        _ => return None,
    })
}

/// What is to be done so that one field of the metadata says something else, whatever others have
/// changed of it meanwhile.
pub(crate) fn metadata_step(view: &RoomView, change: &MetadataChange) -> Step {
    let mut metadata = view.metadata.clone();
    match change.clone() {
        MetadataChange::Name(name) => metadata.room_name = name,
        MetadataChange::Description(text) => metadata.room_descriptions = described(&text),
        MetadataChange::Descriptions(all) => metadata.room_descriptions = all,
        MetadataChange::Avatar(uri) => metadata.room_avatar = uri,
        MetadataChange::Subject(subject) => metadata.room_subject = subject,
        MetadataChange::Mood(mood) => metadata.room_mood = mood,
    }
    if metadata == view.metadata {
        return Step::Fulfilled;
    }
    // PROTO-RM-2: the avatar's form, and texts that are too long or hold a NUL.
    if let Err(malformed) = RoomMetadata::decode(&metadata.encode()) {
        return Step::Refused(ClientError::Refused(match change {
            MetadataChange::Avatar(_) => "an avatar is an https URI".to_owned(),
            _ => format!("that cannot be said of a room: {malformed}"),
        }));
    }
    Step::commit(CommitPlan { metadata: Some(metadata), ..CommitPlan::default() })
}

fn described(text: &str) -> Vec<RichDescription> {
    let description = RichDescription {
        description_content: text.as_bytes().to_vec(),
        ..RichDescription::default()
    };
    if text.is_empty() { Vec::new() } else { vec![description] }
}

/// What is to be done so that a policy holds: only what differs is changed. Definitions hold still
/// while the list changes (POLICY-ROLE-3, POLICY-PRE-3), so what is pending goes first.
pub(crate) fn policy_step(view: &RoomView, pending: &StagedChange, wanted: &WantedPolicy) -> Step {
    let differs = |wanted: &Option<BaseRoomPolicy>| wanted.is_some() && *wanted != view.base_policy;
    let mut plan = CommitPlan {
        roles: (wanted.roles != view.roles).then(|| wanted.roles.clone()),
        preauth: (wanted.preauth != view.preauth).then(|| wanted.preauth.clone()),
        base_policy: wanted.base.clone().filter(|_| differs(&wanted.base)),
        ..CommitPlan::default()
    };
    for id in POLICY_COMPONENTS {
        let (now, then) = (view.other_components.get(&id), wanted.components.get(&id));
        if now != then {
            plan.components.insert(id, then.cloned());
        }
    }
    let nothing = plan.roles.is_none()
        && plan.preauth.is_none()
        && plan.base_policy.is_none()
        && plan.components.is_empty();
    match (nothing, pending.proposals.is_empty()) {
        (true, _) => Step::Fulfilled,
        (false, false) => Step::pending_first(),
        (false, true) => Step::commit(plan),
    }
}
