//! Direct messages, a preset of our own (AMB-POL-42): the participants are fixed when the room is
//! made, and none of them may do anything to another. The hub may take clients away, those of an
//! account that is gone and lost devices, and nothing else (TOM-126).

use mimi_wire::room::capability::Capability;
use mimi_wire::room::participant_list::RoleIndex;
use mimi_wire::room::roles::RoleData;

use super::{Line, Table};

pub(super) const TABLE: Table = Table {
    name: "direct",
    creator_role: 2,
    ordinary_role: 2,
    policy_enforcer_role: POLICY_ENFORCER_ROLE,
    fixed_membership: true,
    roles: &[
        Line {
            index: 0,
            name: "no_role",
            includes: None,
            capabilities: &[],
            minimum_participants: 0,
            maximum_participants: None,
            minimum_active: 0,
            maximum_active: Some(0),
            changes: &[],
        },
        Line {
            index: 2,
            name: "participant",
            includes: None,
            capabilities: PARTICIPANT,
            minimum_participants: 0,
            maximum_participants: None,
            minimum_active: 0,
            maximum_active: None,
            changes: &[],
        },
        Line {
            index: POLICY_ENFORCER_ROLE,
            name: "policy_enforcer",
            includes: None,
            // Not canRemoveParticipant: the list stays as it is, so there is no move to role 0.
            capabilities: &[Capability::CAN_KICK],
            minimum_participants: 0,
            maximum_participants: Some(0),
            minimum_active: 0,
            maximum_active: Some(0),
            changes: &[],
        },
    ],
};

const POLICY_ENFORCER_ROLE: RoleIndex = 3;

/// The roles of rooms that were founded before the preset let its hub do anything.
pub(super) fn earlier_roles(mut roles: RoleData) -> RoleData {
    roles.roles.retain(|role| role.role_index != POLICY_ENFORCER_ROLE);
    roles
}

const PARTICIPANT: &[Capability] = &[
    Capability::CAN_ADD_OWN_CLIENT,
    Capability::CAN_REMOVE_OWN_CLIENT,
    Capability::CAN_SEND_MESSAGE,
    Capability::CAN_RECEIVE_MESSAGE,
    Capability::CAN_COPY_MESSAGE,
    Capability::CAN_REPORT_ABUSE,
    Capability::CAN_REPLY_TO_MESSAGE,
    Capability::CAN_REACT_TO_MESSAGE,
    Capability::CAN_EDIT_REACTION,
    Capability::CAN_DELETE_OWN_REACTION,
    Capability::CAN_EDIT_OWN_MESSAGE,
    Capability::CAN_DELETE_OWN_MESSAGE,
    Capability::CAN_START_TOPIC,
    Capability::CAN_REPLY_IN_TOPIC,
    Capability::CAN_EDIT_OWN_TOPIC,
    Capability::CAN_UPLOAD_IMAGE,
    Capability::CAN_UPLOAD_AUDIO,
    Capability::CAN_UPLOAD_VIDEO,
    Capability::CAN_UPLOAD_ATTACHMENT,
    Capability::CAN_DOWNLOAD_IMAGE,
    Capability::CAN_DOWNLOAD_AUDIO,
    Capability::CAN_DOWNLOAD_VIDEO,
    Capability::CAN_DOWNLOAD_ATTACHMENT,
    Capability::CAN_SEND_LINK,
    Capability::CAN_SEND_LINK_PREVIEW,
    Capability::CAN_FOLLOW_LINK,
    Capability::CAN_COPY_LINK,
];
