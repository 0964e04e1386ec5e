//! The registry of capabilities, room-policy section 10.2.

// The ones the rules ask for.
pub(crate) const CAN_ADD_PARTICIPANT: u16 = 0x0000;
pub(crate) const CAN_REMOVE_PARTICIPANT: u16 = 0x0001;
pub(crate) const CAN_ADD_OWN_CLIENT: u16 = 0x0002;
pub(crate) const CAN_REMOVE_OWN_CLIENT: u16 = 0x0003;
pub(crate) const CAN_OPEN_JOIN: u16 = 0x0004;
pub(crate) const CAN_JOIN_IF_PREAUTHORIZED: u16 = 0x0005;
pub(crate) const CAN_REMOVE_SELF: u16 = 0x0006;
pub(crate) const CAN_CREATE_JOIN_CODE: u16 = 0x0007;
pub(crate) const CAN_DELETE_JOIN_CODE: u16 = 0x0008;
pub(crate) const CAN_USE_JOIN_CODE: u16 = 0x0009;
pub(crate) const CAN_BAN: u16 = 0x000a;
pub(crate) const CAN_UNBAN: u16 = 0x000b;
pub(crate) const CAN_KICK: u16 = 0x000c;
pub(crate) const CAN_CHANGE_USER_ROLE: u16 = 0x000f;
pub(crate) const CAN_CHANGE_OWN_ROLE: u16 = 0x0010;
pub(crate) const CAN_SEND_MESSAGE: u16 = 0x0100;
pub(crate) const CAN_CHANGE_ROOM_NAME: u16 = 0x0300;
pub(crate) const CAN_CHANGE_ROOM_DESCRIPTION: u16 = 0x0301;
pub(crate) const CAN_CHANGE_ROOM_AVATAR: u16 = 0x0302;
pub(crate) const CAN_CHANGE_ROOM_SUBJECT: u16 = 0x0303;
pub(crate) const CAN_CHANGE_ROOM_MOOD: u16 = 0x0304;
pub(crate) const CAN_CHANGE_ROOM_MEMBERSHIP_STYLE: u16 = 0x0502;
pub(crate) const CAN_CHANGE_ROLE_DEFINITIONS: u16 = 0x0503;
pub(crate) const CAN_CHANGE_PREAUTHORIZED_USER_LIST: u16 = 0x0504;
pub(crate) const CAN_CHANGE_OTHER_POLICY_ATTRIBUTE: u16 = 0x0505;
pub(crate) const CAN_CHANGE_MLS_OPERATIONAL_POLICIES: u16 = 0x0600;

/// Every registered code with its name.
pub(crate) const REGISTRY: [(u16, &str); 77] = [
    (0x0000, "canAddParticipant"),
    (0x0001, "canRemoveParticipant"),
    (0x0002, "canAddOwnClient"),
    (0x0003, "canRemoveOwnClient"),
    (0x0004, "canOpenJoin"),
    (0x0005, "canJoinIfPreauthorized"),
    (0x0006, "canRemoveSelf"),
    (0x0007, "canCreateJoinCode"),
    (0x0008, "canDeleteJoinCode"),
    (0x0009, "canUseJoinCode"),
    (0x000a, "canBan"),
    (0x000b, "canUnBan"),
    (0x000c, "canKick"),
    (0x000d, "canKnock"),
    (0x000e, "canAcceptKnock"),
    (0x000f, "canChangeUserRole"),
    (0x0010, "canChangeOwnRole"),
    (0x0011, "canCreateSubgroup"),
    (0x0100, "canSendMessage"),
    (0x0101, "canReceiveMessage"),
    (0x0102, "canCopyMessage"),
    (0x0103, "canReportAbuse"),
    (0x0104, "canReplyToMessage"),
    (0x0105, "canReactToMessage"),
    (0x0106, "canEditReaction"),
    (0x0107, "canDeleteOwnReaction"),
    (0x0108, "canDeleteOtherReaction"),
    (0x0109, "canEditOwnMessage"),
    (0x010a, "canDeleteOwnMessage"),
    (0x010b, "canDeleteOtherMessage"),
    (0x010c, "canStartTopic"),
    (0x010d, "canReplyInTopic"),
    (0x010e, "canEditOwnTopic"),
    (0x010f, "canEditOtherTopic"),
    (0x0110, "canSendDirectMessage"),
    (0x0111, "canTargetMessage"),
    (0x0200, "canUploadImage"),
    (0x0201, "canUploadAudio"),
    (0x0202, "canUploadVideo"),
    (0x0203, "canUploadAttachment"),
    (0x0204, "canDownloadImage"),
    (0x0205, "canDownloadAudio"),
    (0x0206, "canDownloadVideo"),
    (0x0207, "canDownloadAttachment"),
    (0x0208, "canSendLink"),
    (0x0209, "canSendLinkPreview"),
    (0x020a, "canFollowLink"),
    (0x020b, "canCopyLink"),
    (0x0300, "canChangeRoomName"),
    (0x0301, "canChangeRoomDescription"),
    (0x0302, "canChangeRoomAvatar"),
    (0x0303, "canChangeRoomSubject"),
    (0x0304, "canChangeRoomMood"),
    (0x0380, "canChangeOwnName"),
    (0x0381, "canChangeOwnPresence"),
    (0x0382, "canChangeOwnMood"),
    (0x0383, "canChangeOwnAvatar"),
    (0x0400, "canStartCall"),
    (0x0401, "canJoinCall"),
    (0x0402, "canSendAudio"),
    (0x0403, "canReceiveAudio"),
    (0x0404, "canSendVideo"),
    (0x0405, "canReceiveVideo"),
    (0x0406, "canShareScreen"),
    (0x0407, "canViewSharedScreen"),
    (0x0500, "canCreateRoom"),
    (0x0501, "canDestroyRoom"),
    (0x0502, "canChangeRoomMembershipStyle"),
    (0x0503, "canChangeRoleDefinitions"),
    (0x0504, "canChangePreauthorizedUserList"),
    (0x0505, "canChangeOtherPolicyAttribute"),
    (0x0600, "canChangeMlsOperationalPolicies"),
    (0x0601, "canSendMLSReinitProposal"),
    (0x0602, "canSendMLSUpdateProposal"),
    (0x0603, "canSendMLSPSKProposal"),
    (0x0604, "canSendMLSExternalProposal"),
    (0x0605, "canSendMLSExternalCommit"),
];

/// The code of a name, or none if the registry does not know it.
pub(crate) fn code(name: &str) -> Option<u16> {
    // AMB-POL-32: the draft spells this one two ways.
    let name = if name == "canUnban" { "canUnBan" } else { name };
    REGISTRY.iter().find(|(_, known)| *known == name).map(|(code, _)| *code)
}

/// The name of a registered code.
pub(crate) fn name(code: u16) -> &'static str {
    REGISTRY.iter().find(|(known, _)| *known == code).expect("a registered code").1
}

/// The policy components a change can name and a base policy lists (room-policy sections 6 and 7);
/// roles and preauthorizations are there from the beginning.
pub(crate) const POLICY_COMPONENTS: [(&str, u16); 9] = [
    ("operational", 0x0024),
    ("status", 0x0028),
    ("join_link", 0x0029),
    ("link_preview", 0x002b),
    ("asset", 0x002c),
    ("logging", 0x002d),
    ("history", 0x002e),
    ("bot", 0x002f),
    ("expiration", 0x0030),
];
