//! The values that are well formed and make no sense: a receiver logs and discards such a message
//! (CONTENT-SEC-1). Those of size, depth, number, part semantics and hash function stop the decoder
//! already.

use std::collections::BTreeSet;

use thiserror::Error;

use crate::codec::Malformed;
use crate::content::extension;
use crate::content::view::ExtensionView;
use crate::content::{Expiration, ExtensionKey, ExtensionValue, MessageId, MimiContent, Part};
use crate::limits::{CLOCK_SKEW_MS_MAX, EXPIRY_SECONDS_MAX};
use crate::uri::MimiUri;

/// Why a message is to be discarded, one reason each.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
#[non_exhaustive]
pub enum Nonsense {
    /// `senderUri` is not the true sender (AMB-CNT-4).
    #[error("senderUri is not the sender")]
    OtherSender,
    /// `roomUri` is not the true room (AMB-CNT-4).
    #[error("roomUri is not the room")]
    OtherRoom,
    /// The sender is not a member of the group.
    #[error("the sender is not a member")]
    NotAMember,
    /// The ID is already known. An exact repeat of a delivery is dropped in silence by who keeps
    /// the deliveries (AMB-CNT-16).
    #[error("the message ID is already there")]
    DuplicateId,
    /// Accepted more than a few minutes from now.
    #[error("accepted in the future")]
    FutureTimestamp,
    /// Accepted before the room was there (AMB-CNT-15).
    #[error("accepted before the room was created")]
    BeforeRoom,
    /// Expired more than a year before it was accepted.
    #[error("expired more than a year ago")]
    ExpiredLongAgo,
    /// Expires in more than a year, from reading or from acceptance.
    #[error("expires in more than a year")]
    ExpiresTooLate,
    /// A known extension has a value of another kind.
    #[error("the extension {0}")]
    Extension(Malformed),
}

/// What the receiver of a message knows of its room.
pub trait RoomView {
    /// Whether the user has a client in the group.
    fn is_member(&self, user: &MimiUri) -> bool;
    /// Whether a message of this ID was received before.
    fn knows(&self, id: &MessageId) -> bool;
    /// When the room was created, if known, in milliseconds since the UNIX epoch.
    fn created_at_ms(&self) -> Option<u64>;
}

/// What the hub and MLS say of a message, as opposed to what it claims.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// The user whose client encrypted it.
    pub sender: &'a MimiUri,
    /// The room it came in.
    pub room: &'a MimiUri,
    /// When the hub accepted it, in milliseconds since the UNIX epoch.
    pub accepted_at_ms: u64,
}

impl Nonsense {
    /// The field at fault, in the draft's terms.
    pub fn field(&self) -> &'static str {
        match self {
            Self::OtherSender | Self::OtherRoom => "mimiContent.mimiExtensions",
            Self::NotAMember => "sender",
            Self::DuplicateId => "messageId",
            Self::FutureTimestamp | Self::BeforeRoom => "hubAcceptedTimestamp",
            Self::ExpiredLongAgo | Self::ExpiresTooLate => "mimiContent.expires",
            Self::Extension(fault) => fault.field,
        }
    }

    /// The key of the extension at fault.
    pub fn extension(&self) -> Option<ExtensionKey> {
        match self {
            Self::OtherSender => Some(ExtensionKey::SENDER_URI),
            Self::OtherRoom => Some(ExtensionKey::ROOM_URI),
            Self::Extension(fault) => match fault.field {
                "senderTimestamp" => Some(ExtensionKey::SENDER_TIMESTAMP),
                "externalMessageId" => Some(ExtensionKey::EXTERNAL_MESSAGE_ID),
                "subject" => Some(ExtensionKey::SUBJECT),
                _ => Some(ExtensionKey::LAST_SEEN),
            },
            _ => None,
        }
    }
}

impl MimiContent {
    /// All rules for a message that was just received.
    pub fn check(
        &self,
        id: &MessageId,
        delivery: Delivery<'_>,
        room: &impl RoomView,
        now_ms: u64,
    ) -> Result<(), Nonsense> {
        self.check_claims(Some(delivery.sender), Some(delivery.room))?;
        self.check_values()?;
        if !room.is_member(delivery.sender) {
            return Err(Nonsense::NotAMember);
        }
        if room.knows(id) {
            return Err(Nonsense::DuplicateId);
        }
        check_acceptance(delivery.accepted_at_ms, Some(now_ms), room.created_at_ms())?;
        self.check_expiry(delivery.accepted_at_ms)
    }

    /// The rules that need neither a clock nor a room but the truth about sender and room, where it
    /// is known. What a message does not claim is not false.
    pub fn check_claims(
        &self,
        sender: Option<&MimiUri>,
        room: Option<&MimiUri>,
    ) -> Result<(), Nonsense> {
        check_claims(|key| self.extension(key), sender, room)
    }

    /// The rules that need nothing else.
    pub fn check_values(&self) -> Result<(), Nonsense> {
        check_values(self.expires, |key| self.extension(key))
    }

    /// The rule of absolute expiry, which needs the time of acceptance.
    pub fn check_expiry(&self, accepted_at_ms: u64) -> Result<(), Nonsense> {
        check_expiry(self.expires, accepted_at_ms)
    }

    fn extension(&self, key: &ExtensionKey) -> Option<ExtensionView<'_>> {
        self.extensions.get(key).map(ExtensionValue::view)
    }

    /// Whether there is nothing to do with the message: it takes something back and does not say
    /// what (AMB-CNT-14), or reacts and does not say to what (AMB-CNT-22). It is ignored, not
    /// malicious.
    pub fn is_void(&self) -> bool {
        let takes_back = matches!(self.body.part, Part::Null);
        let is_about_nothing = takes_back || (self.is_reaction() && self.in_reply_to.is_none());
        is_about_nothing && self.replaces.is_none()
    }
}

/// Of a message with these extensions.
pub(super) fn check_claims<'a>(
    extension: impl Fn(&ExtensionKey) -> Option<ExtensionView<'a>>,
    sender: Option<&MimiUri>,
    room: Option<&MimiUri>,
) -> Result<(), Nonsense> {
    let claims = [
        (ExtensionKey::SENDER_URI, sender, Nonsense::OtherSender),
        (ExtensionKey::ROOM_URI, room, Nonsense::OtherRoom),
    ];
    for (key, truth, nonsense) in claims {
        let (Some(claim), Some(truth)) = (extension(&key), truth) else { continue };
        // The truth is canonical, so what is spelled otherwise is something else.
        if claim != ExtensionView::Text(truth.as_str()) {
            return Err(nonsense);
        }
    }
    Ok(())
}

/// Of a message that expires so and has these extensions.
pub(super) fn check_values<'a>(
    expires: Option<Expiration>,
    extension: impl Fn(&ExtensionKey) -> Option<ExtensionView<'a>>,
) -> Result<(), Nonsense> {
    match expires {
        Some(Expiration { relative: true, time }) if time > EXPIRY_SECONDS_MAX => {
            return Err(Nonsense::ExpiresTooLate);
        }
        _ => {}
    }
    extension::check(extension).map_err(Nonsense::Extension)
}

/// Of a message that expires so.
pub(super) fn check_expiry(
    expires: Option<Expiration>,
    accepted_at_ms: u64,
) -> Result<(), Nonsense> {
    let Some(Expiration { relative: false, time }) = expires else { return Ok(()) };
    let (accepted, year) = (accepted_at_ms / 1_000, u64::from(EXPIRY_SECONDS_MAX));
    let time = u64::from(time);
    if time.saturating_add(year) < accepted {
        return Err(Nonsense::ExpiredLongAgo);
    }
    if time > accepted.saturating_add(year) {
        return Err(Nonsense::ExpiresTooLate);
    }
    Ok(())
}

/// The rules of the time of acceptance, as far as it is known now and when the room was created; all
/// times in milliseconds since the UNIX epoch.
pub fn check_acceptance(
    accepted_at_ms: u64,
    now_ms: Option<u64>,
    room_created_at_ms: Option<u64>,
) -> Result<(), Nonsense> {
    if now_ms.is_some_and(|now_ms| accepted_at_ms > now_ms.saturating_add(CLOCK_SKEW_MS_MAX)) {
        return Err(Nonsense::FutureTimestamp);
    }
    if room_created_at_ms.is_some_and(|created_ms| accepted_at_ms < created_ms) {
        return Err(Nonsense::BeforeRoom);
    }
    Ok(())
}

impl Expiration {
    /// When the message is to be deleted, in milliseconds since the UNIX epoch; none while it is
    /// unread and its time starts with reading (CONTENT-EXP-1, AMB-CNT-20).
    pub fn deletes_at_ms(self, read_at_ms: Option<u64>) -> Option<u64> {
        let time_ms = u64::from(self.time) * 1_000;
        match self.relative {
            true => read_at_ms.map(|read_ms| read_ms.saturating_add(time_ms)),
            false => Some(time_ms),
        }
    }
}

/// Whether a message that answers `in_reply_to` would close a loop of replies (CONTENT-REP-1).
/// `answered` gives what a known message answers; what is not known ends the chain, since it may
/// have been sent before this client joined (CONTENT-SEC-2).
pub fn is_reply_loop(
    message: MessageId,
    in_reply_to: Option<MessageId>,
    answered: impl Fn(&MessageId) -> Option<MessageId>,
) -> bool {
    let mut seen = BTreeSet::from([message]);
    let mut next = in_reply_to;
    while let Some(id) = next {
        if !seen.insert(id) {
            return true;
        }
        next = answered(&id);
    }
    false
}

/// The first version of a message, which is what `replaces` is to name (CONTENT-MSG-2). `replaced`
/// gives what a known message replaces. A sender that names a later version means the first one
/// (AMB-CNT-12); what is not known is taken at its word (CONTENT-SEC-2), and so is the end of a
/// loop.
pub fn first_version(
    id: MessageId,
    replaced: impl Fn(&MessageId) -> Option<MessageId>,
) -> MessageId {
    let mut seen = BTreeSet::from([id]);
    let mut first = id;
    while let Some(earlier) = replaced(&first).filter(|earlier| seen.insert(*earlier)) {
        first = earlier;
    }
    first
}

/// Where a message stands among the others of its room or topic: by the hub's time, ties by the
/// lowest ID (CONTENT-MSG-4, CONTENT-TS-1). Derived order of the fields, so sorting sorts messages.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Position {
    /// When the hub accepted it, in milliseconds since the UNIX epoch.
    pub accepted_at_ms: u64,
    /// Its ID.
    pub id: MessageId,
}
