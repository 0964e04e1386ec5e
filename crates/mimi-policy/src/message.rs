//! Message capabilities: what the hub asks before it accepts a message, and what a receiver asks
//! before it applies one (POLICY-CAP-MSG-1, -2, AMB-POL-40).

use mimi_wire::MimiUri;
use mimi_wire::room::capability::Capability;
use mimi_wire::room::participant_list::RoleIndex;
use mimi_wire::room::roles::Role;

use crate::denied::Denied;
use crate::judge::{capability_name, holds, role_name};
use crate::rule::Rule;
use crate::view::RoomView;

/// What an application message is, seen by a receiver that has decrypted it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MessageAction<'a> {
    /// A plain message.
    Send,
    /// A reply.
    Reply,
    /// A message that opens a topic.
    StartTopic,
    /// A reply within a topic.
    ReplyInTopic,
    /// A reaction.
    React,
    /// A message with something to fetch.
    Upload(Asset),
    /// A message with a link in it.
    SendLink,
    /// A message with a preview of a link.
    SendLinkPreview,
    /// An edit of a message.
    Edit {
        /// Who sent the message that is edited.
        original_sender: &'a MimiUri,
    },
    /// A message's topic is changed, and nothing else of it.
    EditTopic {
        /// Who sent the message.
        original_sender: &'a MimiUri,
    },
    /// A deletion of a message.
    Delete {
        /// Who sent the message that is deleted.
        original_sender: &'a MimiUri,
    },
    /// Another reaction in the place of an earlier one.
    EditReaction {
        /// Who sent the earlier reaction.
        original_sender: &'a MimiUri,
    },
    /// Taking back a reaction.
    DeleteReaction {
        /// Who sent the reaction.
        original_sender: &'a MimiUri,
    },
}

/// What a message offers to fetch (POLICY-CAP-ASSET-1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Asset {
    /// `image/*`, to be rendered.
    Image,
    /// `audio/*`, to be rendered.
    Audio,
    /// `video/*`, to be rendered.
    Video,
    /// Whatever is attached.
    Attachment,
}

impl Asset {
    /// By disposition and media type: what is attached is an attachment, what is rendered goes by
    /// its top-level type, and what is neither is no asset.
    pub fn of(is_attached: bool, media_type: &str) -> Option<Self> {
        let top = media_type.split('/').next().unwrap_or_default().to_ascii_lowercase();
        match (is_attached, top.as_str()) {
            (true, _) => Some(Self::Attachment),
            (false, "image") => Some(Self::Image),
            (false, "audio") => Some(Self::Audio),
            (false, "video") => Some(Self::Video),
            (false, _) => None,
        }
    }

    /// What offering it takes.
    pub fn upload(self) -> Capability {
        match self {
            Self::Image => Capability::CAN_UPLOAD_IMAGE,
            Self::Audio => Capability::CAN_UPLOAD_AUDIO,
            Self::Video => Capability::CAN_UPLOAD_VIDEO,
            Self::Attachment => Capability::CAN_UPLOAD_ATTACHMENT,
        }
    }

    /// What fetching it takes; [`may_use`] asks.
    pub fn download(self) -> Capability {
        match self {
            Self::Image => Capability::CAN_DOWNLOAD_IMAGE,
            Self::Audio => Capability::CAN_DOWNLOAD_AUDIO,
            Self::Video => Capability::CAN_DOWNLOAD_VIDEO,
            Self::Attachment => Capability::CAN_DOWNLOAD_ATTACHMENT,
        }
    }
}

/// The hub's question: may this user submit application messages at all (PROTO-SUB-2)?
///
/// It cannot see what an encrypted message is, so any kind a role may send opens the door
/// (AMB-POL-40).
pub fn may_submit(view: &RoomView, sender: &MimiUri) -> Result<(), Denied> {
    let is_active = view.clients_of(sender).next().is_some();
    submit(view, sender, view.role_index_of(sender), is_active)
}

/// [`may_submit`] of a sender whose standing has been looked up.
pub(crate) fn submit(
    view: &RoomView,
    sender: &MimiUri,
    role: Option<RoleIndex>,
    is_active: bool,
) -> Result<(), Denied> {
    let role = role.and_then(|index| view.role(index)).ok_or_else(|| not_listed(sender))?;
    if !is_active {
        let needed = "none of their clients is in the group";
        return Err(Denied::new(Rule::SenderActive, Some(sender), needed));
    }
    if may_send_something(role) {
        return Ok(());
    }
    let name = role_name(&view.roles, role.role_index);
    let lacking = capability_name(Capability::CAN_SEND_MESSAGE);
    let needed = format!("their role {name} lacks {lacking} and whatever else sends a message");
    Err(Denied::new(Rule::SendMessages, Some(sender), needed))
}

/// The receiver's question: may this message be applied as what it is (CONTENT-EDIT-1)?
pub fn may_apply(
    view: &RoomView,
    sender: &MimiUri,
    action: MessageAction<'_>,
) -> Result<(), Denied> {
    let role = sender_role(view, sender)?;
    let (what, capability, others) = needed_capability(sender, action);
    let rule = match action {
        // POLICY-CAP-MSG-1: the one kind that has a rule of its own.
        MessageAction::Send => Rule::SendMessages,
        _ if others => Rule::OthersMessage,
        _ => Rule::MessageKind,
    };
    let Some(capability) = capability else {
        let denied = Denied::new(rule, Some(sender), "only who sent it may do that");
        return Err(denied.about(what));
    };
    if holds(role, capability) {
        return Ok(());
    }
    let denied = lacks(view, rule, sender, role, capability);
    match action {
        MessageAction::Send => Err(denied),
        _ => Err(denied.about(what)),
    }
}

/// Whether a user may do what only itself and its client see: copying, following links, fetching
/// assets, joining calls (POLICY-CAP-MSG-2, POLICY-CAP-ASSET-1, POLICY-CAP-RT-1).
pub fn may_use(view: &RoomView, user: &MimiUri, capability: Capability) -> Result<(), Denied> {
    let role = sender_role(view, user)?;
    if holds(role, capability) {
        return Ok(());
    }
    Err(lacks(view, Rule::OwnUse, user, role, capability).about(capability_name(capability)))
}

/// The hub's question before it fans an application message out (POLICY-CAP-MSG-1, AMB-POL-29):
/// handshakes always reach everybody.
pub fn may_receive(view: &RoomView, user: &MimiUri) -> bool {
    let index = view.role_index_of(user);
    let role = index.and_then(|index| view.role(index));
    role.is_some_and(|role| holds(role, Capability::CAN_RECEIVE_MESSAGE))
}

fn lacks(
    view: &RoomView,
    rule: Rule,
    user: &MimiUri,
    role: &Role,
    capability: Capability,
) -> Denied {
    let name = role_name(&view.roles, role.role_index);
    let needed = format!("their role {name} lacks {}", capability_name(capability));
    Denied::new(rule, Some(user), needed)
}

/// Whether a role may send any kind of application message (AMB-POL-40).
pub(crate) fn may_send_something(role: &Role) -> bool {
    let kinds = Capability::CAN_REPLY_TO_MESSAGE..=Capability::CAN_EDIT_OTHER_TOPIC;
    role.role_capabilities
        .iter()
        .any(|capability| *capability == Capability::CAN_SEND_MESSAGE || kinds.contains(capability))
}

/// What it is in words, what it takes, and whether it is about what somebody else wrote. No
/// capability lets anybody rewrite the words or the reaction of another.
fn needed_capability(
    sender: &MimiUri,
    action: MessageAction<'_>,
) -> (&'static str, Option<Capability>, bool) {
    use MessageAction as A;
    let own = |original: &MimiUri| original == sender;
    match action {
        A::Send => ("plain messages", Some(Capability::CAN_SEND_MESSAGE), false),
        A::Reply => ("replies", Some(Capability::CAN_REPLY_TO_MESSAGE), false),
        A::StartTopic => ("messages that open a topic", Some(Capability::CAN_START_TOPIC), false),
        A::ReplyInTopic => ("replies in a topic", Some(Capability::CAN_REPLY_IN_TOPIC), false),
        A::React => ("reactions", Some(Capability::CAN_REACT_TO_MESSAGE), false),
        A::Upload(asset) => ("messages with such an asset", Some(asset.upload()), false),
        A::SendLink => ("links", Some(Capability::CAN_SEND_LINK), false),
        A::SendLinkPreview => ("previews of links", Some(Capability::CAN_SEND_LINK_PREVIEW), false),
        A::Edit { original_sender } if own(original_sender) => {
            ("edits of own messages", Some(Capability::CAN_EDIT_OWN_MESSAGE), false)
        }
        A::Edit { .. } => ("the message of somebody else", None, true),
        A::EditTopic { original_sender } if own(original_sender) => {
            ("new topics of own messages", Some(Capability::CAN_EDIT_OWN_TOPIC), false)
        }
        A::EditTopic { .. } => {
            ("the topic of somebody else's message", Some(Capability::CAN_EDIT_OTHER_TOPIC), true)
        }
        A::Delete { original_sender } if own(original_sender) => {
            ("deletions of own messages", Some(Capability::CAN_DELETE_OWN_MESSAGE), false)
        }
        A::Delete { .. } => {
            ("the message of somebody else", Some(Capability::CAN_DELETE_OTHER_MESSAGE), true)
        }
        A::EditReaction { original_sender } if own(original_sender) => {
            ("changed reactions", Some(Capability::CAN_EDIT_REACTION), false)
        }
        A::EditReaction { .. } => ("the reaction of somebody else", None, true),
        A::DeleteReaction { original_sender } if own(original_sender) => {
            ("deletions of own reactions", Some(Capability::CAN_DELETE_OWN_REACTION), false)
        }
        A::DeleteReaction { .. } => {
            ("the reaction of somebody else", Some(Capability::CAN_DELETE_OTHER_REACTION), true)
        }
    }
}

fn sender_role<'a>(view: &'a RoomView, sender: &MimiUri) -> Result<&'a Role, Denied> {
    let index = view.role_index_of(sender);
    index.and_then(|index| view.role(index)).ok_or_else(|| not_listed(sender))
}

fn not_listed(sender: &MimiUri) -> Denied {
    Denied::new(Rule::SenderActive, Some(sender), "they are not in the participant list")
}
