//! The form of stored values, and taking up a device where it was.

use std::collections::BTreeMap;
use std::fmt;

use mimi_policy::{ClientIdentity, RoomView};
use mimi_wire::MimiUri;
use mimi_wire::content::MessageId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::ClientError;
use crate::secret::Secret;

/// The first octet of every packed value.
const VERSION: u8 = 1;

/// Name of the device's own keys.
pub(crate) const DEVICE: &str = "device";
/// Name of the [`SavedAccount`].
pub(crate) const ACCOUNT: &str = "account";
/// Name of the event cursor.
pub(crate) const CURSOR: &str = "cursor";
/// Name of the KeyPackages that came with grants.
pub(crate) const GIFTS: &str = "gifts";
/// Name of the era of the provider's log that the cursor is of.
pub(crate) const ERA: &str = "era";
/// Name of what is told of messages that arrive.
pub(crate) const RECEIPTS: &str = "receipts";
/// Prefix of the names of issuers, by domain.
pub(crate) const ISSUERS: &str = "issuers/";

/// Names of a room's values.
pub(crate) mod room_value {
    /// The [`Standing`](crate::session::room::Standing).
    pub(crate) const STANDING: &str = "standing";
    /// The [`Footing`](super::Footing).
    pub(crate) const FOOTING: &str = "footing";
    /// The [`LastView`](super::LastView) of a group that is gone.
    pub(crate) const LAST_VIEW: &str = "last view";
    /// Prefix of earlier epochs' views.
    pub(crate) const VIEW: &str = "view/";
    /// The id of that group, while this device comes in again.
    pub(crate) const LAST_GROUP: &str = "last group";
    /// The room that has taken this one's place.
    pub(crate) const SUPERSEDED_BY: &str = "superseded by";
    /// The founding under way.
    pub(crate) const FOUNDING: &str = "founding";
    /// The commit under way.
    pub(crate) const COMMIT: &str = "commit";
    /// The proposals to leave under way.
    pub(crate) const LEAVE: &str = "leave";
    /// The external commit under way.
    pub(crate) const JOIN: &str = "join";
    /// Prefix of messages under way.
    pub(crate) const SEND: &str = "send/";
    /// Prefix of the verdicts on messages that are not wholly applied.
    pub(crate) const VERDICT: &str = "verdict/";
    /// Prefix of what is kept of messages' franks.
    pub(crate) const FRANK: &str = "frank/";
    /// Prefix of what members have reported of messages, by message and user.
    pub(crate) const STATUS: &str = "status/";
    /// Prefix of what a device of the user has reported of others' messages.
    pub(crate) const TOLD: &str = "told/";
    /// Prefix of what is still to be reported of messages.
    pub(crate) const OWED: &str = "owed/";
    /// Prefix of the times at which messages were read.
    pub(crate) const READ: &str = "read/";
    /// For how long the messages that are written here are to live.
    pub(crate) const LIFETIME: &str = "lifetime";
    /// Prefix of the lives of messages that the room's policy has made others.
    pub(crate) const OTHER_LIFE: &str = "life/";
    /// Prefix of messages whose time is over.
    pub(crate) const EXPIRED: &str = "expired/";
    /// The hub's time of the event by which this device came in.
    pub(crate) const BEGAN: &str = "began";
    /// Prefix of what is kept of events that were not followed.
    pub(crate) const EVIDENCE: &str = "evidence/";
}

/// Name of one message's value among those of a kind.
pub(crate) fn of_message(prefix: &str, id: &MessageId) -> String {
    format!("{prefix}{id}")
}

/// The message that a value's name tells.
pub(crate) fn message_of(name: &str, prefix: &str) -> Option<MessageId> {
    name.strip_prefix(prefix)?.parse().ok()
}

/// Name of the evidence that an event is.
pub(crate) fn evidence_name(event_id: u64) -> String {
    format!("{}{event_id:016x}", room_value::EVIDENCE)
}

/// Name of what is kept of a message's frank.
pub(crate) fn frank_name(id: &MessageId) -> String {
    format!("{}{id}", room_value::FRANK)
}

/// Name of the verdict on a message.
pub(crate) fn verdict_name(id: &MessageId) -> String {
    format!("{}{id}", room_value::VERDICT)
}

/// Who the device is, once the provider has certified it.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct SavedAccount {
    pub(crate) identity: ClientIdentity,
    pub(crate) token: String,
    /// Whether the certificate proves the identity, checked as every other client will.
    pub(crate) proven: bool,
}

impl fmt::Debug for SavedAccount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("SavedAccount").field(&self.identity).finish_non_exhaustive()
    }
}

/// What has led to the epoch a device is in.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Footing {
    /// When the hub accepted it, in milliseconds since the epoch; 0 when that is not known.
    pub(crate) accepted_ms: u64,
    /// The last handshake in the event stream; `None` while the latest is known from an answer.
    pub(crate) event_id: Option<u64>,
}

/// A room's state when its group was given up.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct LastView {
    pub(crate) view: RoomView,
    pub(crate) tree_hash: Vec<u8>,
}

/// A value as it is stored.
pub(crate) fn pack<T: Serialize>(value: &T) -> Secret {
    let packed = postcard::to_extend(value, vec![VERSION]);
    packed.expect("stored types have no shape that postcard refuses").into()
}

/// A stored value.
pub(crate) fn unpack<T: DeserializeOwned>(value: &Secret, what: &str) -> Result<T, ClientError> {
    let unreadable = || ClientError::Storage(format!("{what} cannot be read"));
    match value.octets().split_first() {
        Some((&VERSION, rest)) => postcard::from_bytes(rest).map_err(|_| unreadable()),
        _ => Err(unreadable()),
    }
}

/// A room's value, if it is stored.
pub(crate) fn room_value_of<T: DeserializeOwned>(
    values: &BTreeMap<String, Secret>,
    name: &str,
    room: &MimiUri,
) -> Result<Option<T>, ClientError> {
    let value = values.get(name);
    value.map(|value| unpack(value, &format!("{name} of {room}"))).transpose()
}
