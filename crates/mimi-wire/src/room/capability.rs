//! Capability codes of roles (room-policy-03 section 8, registry in section 10).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::codec::{Malformed, Reader, Wire, Writer};

/// `CapabilityType`; unknown codes are carried through (POLICY-CAP-RES-1).
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Capability(pub u16);

/// The registry's name, or the code in hexadecimal digits.
impl fmt::Display for Capability {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => formatter.write_str(name),
            None => write!(formatter, "0x{:04x}", self.0),
        }
    }
}

impl Wire for Capability {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        reader.u16("CapabilityType").map(Self)
    }

    fn write(&self, writer: &mut Writer) {
        writer.u16(self.0);
    }
}

/// Defines the constants and, from the same lines, the table of their names.
macro_rules! capabilities {
    ($($constant:ident = $code:literal, $name:literal;)*) => {
        impl Capability {
            $(
                #[doc = concat!("`", $name, "`.")]
                pub const $constant: Self = Self($code);
            )*

            /// Every code of the registry, ascending.
            pub const ALL: &[Self] = &[$(Self($code)),*];

            /// The registry's name of the code.
            pub fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($code => Some($name),)*
                    _ => None,
                }
            }
        }
    };
}

capabilities! {
    CAN_ADD_PARTICIPANT = 0x0000, "canAddParticipant";
    CAN_REMOVE_PARTICIPANT = 0x0001, "canRemoveParticipant";
    CAN_ADD_OWN_CLIENT = 0x0002, "canAddOwnClient";
    CAN_REMOVE_OWN_CLIENT = 0x0003, "canRemoveOwnClient";
    CAN_OPEN_JOIN = 0x0004, "canOpenJoin";
    CAN_JOIN_IF_PREAUTHORIZED = 0x0005, "canJoinIfPreauthorized";
    CAN_REMOVE_SELF = 0x0006, "canRemoveSelf";
    CAN_CREATE_JOIN_CODE = 0x0007, "canCreateJoinCode";
    CAN_DELETE_JOIN_CODE = 0x0008, "canDeleteJoinCode";
    CAN_USE_JOIN_CODE = 0x0009, "canUseJoinCode";
    CAN_BAN = 0x000a, "canBan";
    CAN_UNBAN = 0x000b, "canUnBan";
    CAN_KICK = 0x000c, "canKick";
    CAN_KNOCK = 0x000d, "canKnock";
    CAN_ACCEPT_KNOCK = 0x000e, "canAcceptKnock";
    CAN_CHANGE_USER_ROLE = 0x000f, "canChangeUserRole";
    CAN_CHANGE_OWN_ROLE = 0x0010, "canChangeOwnRole";
    CAN_CREATE_SUBGROUP = 0x0011, "canCreateSubgroup";
    CAN_SEND_MESSAGE = 0x0100, "canSendMessage";
    CAN_RECEIVE_MESSAGE = 0x0101, "canReceiveMessage";
    CAN_COPY_MESSAGE = 0x0102, "canCopyMessage";
    CAN_REPORT_ABUSE = 0x0103, "canReportAbuse";
    CAN_REPLY_TO_MESSAGE = 0x0104, "canReplyToMessage";
    CAN_REACT_TO_MESSAGE = 0x0105, "canReactToMessage";
    CAN_EDIT_REACTION = 0x0106, "canEditReaction";
    CAN_DELETE_OWN_REACTION = 0x0107, "canDeleteOwnReaction";
    CAN_DELETE_OTHER_REACTION = 0x0108, "canDeleteOtherReaction";
    CAN_EDIT_OWN_MESSAGE = 0x0109, "canEditOwnMessage";
    CAN_DELETE_OWN_MESSAGE = 0x010a, "canDeleteOwnMessage";
    CAN_DELETE_OTHER_MESSAGE = 0x010b, "canDeleteOtherMessage";
    CAN_START_TOPIC = 0x010c, "canStartTopic";
    CAN_REPLY_IN_TOPIC = 0x010d, "canReplyInTopic";
    CAN_EDIT_OWN_TOPIC = 0x010e, "canEditOwnTopic";
    CAN_EDIT_OTHER_TOPIC = 0x010f, "canEditOtherTopic";
    CAN_SEND_DIRECT_MESSAGE = 0x0110, "canSendDirectMessage";
    CAN_TARGET_MESSAGE = 0x0111, "canTargetMessage";
    CAN_UPLOAD_IMAGE = 0x0200, "canUploadImage";
    CAN_UPLOAD_AUDIO = 0x0201, "canUploadAudio";
    CAN_UPLOAD_VIDEO = 0x0202, "canUploadVideo";
    CAN_UPLOAD_ATTACHMENT = 0x0203, "canUploadAttachment";
    CAN_DOWNLOAD_IMAGE = 0x0204, "canDownloadImage";
    CAN_DOWNLOAD_AUDIO = 0x0205, "canDownloadAudio";
    CAN_DOWNLOAD_VIDEO = 0x0206, "canDownloadVideo";
    CAN_DOWNLOAD_ATTACHMENT = 0x0207, "canDownloadAttachment";
    CAN_SEND_LINK = 0x0208, "canSendLink";
    CAN_SEND_LINK_PREVIEW = 0x0209, "canSendLinkPreview";
    CAN_FOLLOW_LINK = 0x020a, "canFollowLink";
    CAN_COPY_LINK = 0x020b, "canCopyLink";
    CAN_CHANGE_ROOM_NAME = 0x0300, "canChangeRoomName";
    CAN_CHANGE_ROOM_DESCRIPTION = 0x0301, "canChangeRoomDescription";
    CAN_CHANGE_ROOM_AVATAR = 0x0302, "canChangeRoomAvatar";
    CAN_CHANGE_ROOM_SUBJECT = 0x0303, "canChangeRoomSubject";
    CAN_CHANGE_ROOM_MOOD = 0x0304, "canChangeRoomMood";
    CAN_CHANGE_OWN_NAME = 0x0380, "canChangeOwnName";
    CAN_CHANGE_OWN_PRESENCE = 0x0381, "canChangeOwnPresence";
    CAN_CHANGE_OWN_MOOD = 0x0382, "canChangeOwnMood";
    CAN_CHANGE_OWN_AVATAR = 0x0383, "canChangeOwnAvatar";
    CAN_START_CALL = 0x0400, "canStartCall";
    CAN_JOIN_CALL = 0x0401, "canJoinCall";
    CAN_SEND_AUDIO = 0x0402, "canSendAudio";
    CAN_RECEIVE_AUDIO = 0x0403, "canReceiveAudio";
    CAN_SEND_VIDEO = 0x0404, "canSendVideo";
    CAN_RECEIVE_VIDEO = 0x0405, "canReceiveVideo";
    CAN_SHARE_SCREEN = 0x0406, "canShareScreen";
    CAN_VIEW_SHARED_SCREEN = 0x0407, "canViewSharedScreen";
    CAN_CREATE_ROOM = 0x0500, "canCreateRoom";
    CAN_DESTROY_ROOM = 0x0501, "canDestroyRoom";
    CAN_CHANGE_ROOM_MEMBERSHIP_STYLE = 0x0502, "canChangeRoomMembershipStyle";
    CAN_CHANGE_ROLE_DEFINITIONS = 0x0503, "canChangeRoleDefinitions";
    CAN_CHANGE_PREAUTHORIZED_USER_LIST = 0x0504, "canChangePreauthorizedUserList";
    CAN_CHANGE_OTHER_POLICY_ATTRIBUTE = 0x0505, "canChangeOtherPolicyAttribute";
    CAN_CHANGE_MLS_OPERATIONAL_POLICIES = 0x0600, "canChangeMlsOperationalPolicies";
    CAN_SEND_MLS_REINIT_PROPOSAL = 0x0601, "canSendMLSReinitProposal";
    CAN_SEND_MLS_UPDATE_PROPOSAL = 0x0602, "canSendMLSUpdateProposal";
    CAN_SEND_MLS_PSK_PROPOSAL = 0x0603, "canSendMLSPSKProposal";
    CAN_SEND_MLS_EXTERNAL_PROPOSAL = 0x0604, "canSendMLSExternalProposal";
    CAN_SEND_MLS_EXTERNAL_COMMIT = 0x0605, "canSendMLSExternalCommit";
}
