//! Decodes anything of MIMI for a person or a program to look at: a tree of what every octet is,
//! and messages as JSON.
//!
//! The tree is the trace that the ordinary decoders leave, so it shows how this library reads the
//! octets, and refuses what this library refuses.
//!
//! ```
//! use mimi_wire::inspect::{Kind, guess, inspect};
//!
//! let octets = [2, 1];
//! let kind: Kind = "component 0x0028".parse()?;
//! let inspection = inspect(kind, &octets)?;
//! assert_eq!(
//!     inspection.to_string(),
//!     "component 0x0028 (status_notification_policy), 2 octets\n\
//!      0000  StatusNotificationPolicy.delivery_notifications = 2\n\
//!      0001  StatusNotificationPolicy.read_receipts = 1\n"
//! );
//! assert_eq!(guess(&[0x80]).first(), Some(&Kind::Status));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;
use std::str::FromStr;

use serde_json::{Value, json};

use crate::codec::{Malformed, Reader, Wire};
use crate::component::{self, AppDataUpdate, AppEphemeral, ComponentId, ComponentsList};
use crate::content::derived::MessageDerivedValues;
use crate::content::view::ContentView;
use crate::experimental::{
    DomainList, PerMessageKeyAndNonces, SemiPrivateMessage, SemiPrivateMessageContext,
};
use crate::experimental::{ExternalReceivers, IdentityLinkTbe, PseudonymousCredential};
use crate::franking::{
    FrankAad, FrankingAgentData, FrankingIntegrityTbs, SafeAad, ServerFrankingContext,
};
use crate::media::{ApplicationFraming, MediaTypeList};
use crate::mls;
use crate::protocol::Extensions;
use crate::protocol::consent::{ConsentEntry, ConsentScope};
use crate::protocol::directory::{CLIENT_ISSUERS_KEY, Directory, DirectoryError};
use crate::protocol::found_room::RoomFounding;
use crate::protocol::group_info::{GroupInfoRatchetTreeTbe, GroupInfoRequest, GroupInfoResponse};
use crate::protocol::identifier_query::{IdentifierRequest, IdentifierResponse};
use crate::protocol::key_material::{KeyMaterialRequest, KeyMaterialResponse, KeyPackageList};
use crate::protocol::notify::FanoutMessage;
use crate::protocol::ratchet_tree::{PartialGroupInfo, RatchetTreeOption};
use crate::protocol::report_abuse::AbuseReport;
use crate::protocol::submit_message::{Frank, SubmitMessageRequest, SubmitMessageResponse};
use crate::protocol::update::{UpdateRequest, UpdateResponse};
use crate::registry::WireFormats;
use crate::room::asset_policy::AssetPolicy;
use crate::room::base_policy::BaseRoomPolicy;
use crate::room::bot_policy::BotPolicy;
use crate::room::chat_history_policy::HistoryPolicy;
use crate::room::join_links::{JoinLinkPolicy, JoinLinksData, JoinLinksUpdate};
use crate::room::link_preview_policy::LinkPreviewPolicy;
use crate::room::logging_policy::LoggingPolicy;
use crate::room::message_expiration_policy::MessageExpiration;
use crate::room::metadata::RoomMetadata;
use crate::room::operational_policy::OperationalParameters;
use crate::room::participant_list::{ParticipantListData, ParticipantListUpdate};
use crate::room::preauth::PreAuthData;
use crate::room::roles::RoleData;
use crate::room::status_notification_policy::StatusNotificationPolicy;
use crate::status::MessageStatusReport;
use crate::trace::{Record, Trace};

mod cbor_json;
mod content;
mod mls_objects;
mod tree;

pub use content::{Claims, content_json};
pub use tree::{Node, NodeValue};

/// Defines the kinds, their names and how each is decoded.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal, $decode:expr;)*) => {
        /// What octets may be.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        #[non_exhaustive]
        pub enum Kind {
            $($(#[$doc])* $kind,)*
            /// The data of a component of the `app_data_dictionary`.
            Component(ComponentId),
            /// An update of a component, where its format is not that of the data.
            ComponentUpdate(ComponentId),
        }

        impl Kind {
            /// All but components.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// The name, of all but components.
            pub fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$kind => Some($name),)*
                    Self::Component(_) | Self::ComponentUpdate(_) => None,
                }
            }

            fn decode(self, octets: &[u8], trace: &Trace) -> Result<(), Malformed> {
                match self {
                    $(Self::$kind => $decode(octets, trace),)*
                    Self::Component(id) => decode_component(id, octets, trace),
                    Self::ComponentUpdate(id) => decode_component_update(id, octets, trace),
                }
            }
        }
    };
}

kinds! {
    /// `application/mimi-content`.
    Content = "content", |octets, trace| ContentView::decode_traced(octets, trace).map(drop);
    /// `application/mimi-message-status`.
    Status = "status", |octets, trace| MessageStatusReport::decode_traced(octets, trace).map(drop);
    /// `keyMaterial`.
    KeyMaterialRequest = "key-material-request", wire::<KeyMaterialRequest>;
    /// `keyMaterial`.
    KeyMaterialResponse = "key-material-response", wire::<KeyMaterialResponse>;
    /// `update`.
    UpdateRequest = "update-request", wire::<UpdateRequest>;
    /// `update`.
    UpdateResponse = "update-response", wire::<UpdateResponse>;
    /// `submitMessage`.
    SubmitMessageRequest = "submit-message-request", wire::<SubmitMessageRequest>;
    /// `submitMessage`.
    SubmitMessageResponse = "submit-message-response", wire::<SubmitMessageResponse>;
    /// `notify`: one message or several.
    Fanout = "fanout", fanout;
    /// `groupInfo`.
    GroupInfoRequest = "group-info-request", wire::<GroupInfoRequest>;
    /// `groupInfo`.
    GroupInfoResponse = "group-info-response", wire::<GroupInfoResponse>;
    /// What a successful answer of `groupInfo` encrypts.
    GroupInfoRatchetTree = "group-info-ratchet-tree", wire::<GroupInfoRatchetTreeTbe>;
    /// `requestConsent` and `updateConsent`.
    Consent = "consent", wire::<ConsentEntry>;
    /// `identifierQuery`.
    IdentifierRequest = "identifier-request", wire::<IdentifierRequest>;
    /// `identifierQuery`.
    IdentifierResponse = "identifier-response", wire::<IdentifierResponse>;
    /// `reportAbuse`.
    AbuseReport = "abuse-report", wire::<AbuseReport>;
    /// The directory document, JSON.
    Directory = "directory", |octets, _| directory(octets);
    /// An `MLSMessage`.
    MlsMessage = "mls-message", wire::<mls::MlsMessage>;
    /// A `Welcome` without frame.
    Welcome = "welcome", wire::<mls::Welcome>;
    /// A `KeyPackage` without frame.
    KeyPackage = "key-package", wire::<mls::KeyPackage>;
    /// A `GroupInfo` without frame.
    GroupInfo = "group-info", wire::<mls::GroupInfo>;
    /// A `Credential`.
    Credential = "credential", wire::<mls::Credential>;
    /// A list of KeyPackages, of the client API.
    KeyPackageList = "key-package-list", wire::<KeyPackageList>;
    /// The founding of a room, of the client API.
    RoomFounding = "room-founding", wire::<RoomFounding>;
    /// `RatchetTreeOption`.
    RatchetTreeOption = "ratchet-tree-option", wire::<RatchetTreeOption>;
    /// `PartialGroupInfo`.
    PartialGroupInfo = "partial-group-info", wire::<PartialGroupInfo>;
    /// `ApplicationFraming`.
    ApplicationFraming = "application-framing", wire::<ApplicationFraming>;
    /// `SafeAAD`.
    SafeAad = "safe-aad", wire::<SafeAad>;
    /// `AppDataDictionary`.
    AppDataDictionary = "app-data-dictionary", wire::<Extensions>;
    /// `Frank`.
    Frank = "frank", wire::<Frank>;
    /// `ServerFrankingContext`.
    FrankingContext = "franking-context", wire::<ServerFrankingContext>;
    /// `FrankingIntegrityTBS`.
    FrankingIntegrity = "franking-integrity", wire::<FrankingIntegrityTbs>;
    /// `PseudonymousCredential`, experimental.
    PseudonymousCredential = "pseudonymous-credential", wire::<PseudonymousCredential>;
    /// `IdentityLinkTBE`, experimental.
    IdentityLink = "identity-link", wire::<IdentityLinkTbe>;
    /// `SemiPrivateMessage`, experimental.
    SemiPrivateMessage = "semi-private-message", wire::<SemiPrivateMessage>;
    /// `SemiPrivateMessageContext`, experimental.
    SemiPrivateContext = "semi-private-context", wire::<SemiPrivateMessageContext>;
    /// `PerMessageKeyAndNonces`, experimental.
    SemiPrivateKeys = "semi-private-keys", wire::<PerMessageKeyAndNonces>;
    /// `DomainList` of `ratchet_tree_source_domains`, experimental.
    DomainList = "domain-list", wire::<DomainList>;
    /// `MessageDerivedValues`.
    DerivedValues = "derived-values", |octets, trace| {
        MessageDerivedValues::decode_traced(octets, trace).map(drop)
    };
    /// `ConsentScope`.
    ConsentScope = "consent-scope", wire::<ConsentScope>;
    /// `AppDataUpdate`, the content of a proposal.
    AppDataUpdate = "app-data-update", wire::<AppDataUpdate>;
    /// `AppEphemeral`, the content of a proposal.
    AppEphemeral = "app-ephemeral", wire::<AppEphemeral>;
    /// `WireFormats` of two MLS extensions.
    WireFormats = "wire-formats", wire::<WireFormats>;
}

/// What octets turned out to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Inspection {
    /// What they were taken for.
    pub kind: Kind,
    /// How many there are.
    pub octets: usize,
    /// What they hold, in their order.
    pub nodes: Vec<Node>,
}

/// Why octets are not what they were taken for, or make no sense, for programs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault {
    /// `malformed`: cannot be decoded; `nonsensical`: well formed, to be discarded all the same.
    pub class: &'static str,
    /// Where.
    pub offset: usize,
    /// In which field, in the draft's terms.
    pub field: String,
    /// What is wrong, for a person.
    pub message: String,
}

impl Fault {
    /// `{"error":{"class","offset","field","message"}}`.
    pub fn to_json(&self) -> Value {
        json!({
            "error": {
                "class": self.class,
                "offset": self.offset,
                "field": self.field,
                "message": self.message,
            }
        })
    }
}

impl From<Malformed> for Fault {
    fn from(malformed: Malformed) -> Self {
        Self {
            class: "malformed",
            offset: malformed.offset,
            field: malformed.field.to_owned(),
            message: malformed.reason,
        }
    }
}

impl std::error::Error for Fault {}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { class, offset, field, message } = self;
        write!(formatter, "{class}: {field} at offset {offset}: {message}")
    }
}

/// Decodes octets as that kind. Of a message it checks what every receiver can see in the octets
/// alone; [`content_json`] checks the rest.
pub fn inspect(kind: Kind, octets: &[u8]) -> Result<Inspection, Fault> {
    let records = look(kind, octets)?;
    let mut nodes = match kind {
        Kind::Directory => tree::of_json(octets),
        _ => tree::build(octets, records),
    };
    tree::expand(octets, &mut nodes);
    Ok(Inspection { kind, octets: octets.len(), nodes })
}

/// What was read, or the fault with its class: values of a message that make no sense stop the
/// ordinary decoder like any other fault (CONTENT-SEC-1), and are told apart here.
fn look(kind: Kind, octets: &[u8]) -> Result<Vec<Record>, Fault> {
    let trace = Trace::default();
    let malformed = kind.decode(octets, &trace).err();
    match (malformed, trace.nonsense()) {
        (Some(malformed), nonsense) if Some(&malformed) != nonsense.as_ref() => {
            Err(malformed.into())
        }
        (_, Some(nonsense)) => Err(Fault { class: "nonsensical", ..nonsense.into() }),
        (_, None) => Ok(trace.into_records()),
    }
}

/// Every kind the octets decode as, the likeliest first. What is short decodes as much: the guess
/// prefers kinds that say the most about the octets.
pub fn guess(octets: &[u8]) -> Vec<Kind> {
    let components = component::ALL.iter().map(|id| Kind::Component(*id));
    let updates = [component::PARTICIPANT_LIST, component::JOIN_LINKS].map(Kind::ComponentUpdate);
    let known = Kind::ALL.iter().copied().chain(components).chain(updates);
    let mut kinds: Vec<(usize, Kind)> = known
        .filter(|kind| !matches!(kind, Kind::Component(id) if !has_layout(*id)))
        .filter_map(|kind| Some((look(kind, octets).ok()?.len(), kind)))
        .collect();
    // Messages and documents are hardly ever anything else.
    let certain = |kind| matches!(kind, Kind::Content | Kind::Status | Kind::Directory);
    kinds.sort_by_key(|(records, kind)| (!certain(*kind), std::cmp::Reverse(*records)));
    kinds.into_iter().map(|(_, kind)| kind).collect()
}

fn wire<T: Wire>(octets: &[u8], trace: &Trace) -> Result<(), Malformed> {
    T::decode_from(Reader::traced(octets, 0, trace)).map(drop)
}

fn fanout(octets: &[u8], trace: &Trace) -> Result<(), Malformed> {
    FanoutMessage::decode_all_from(Reader::traced(octets, 0, trace)).map(drop)
}

fn directory(octets: &[u8]) -> Result<(), Malformed> {
    let of_key = |key: &'static str| {
        let quoted = format!("\"{key}\"");
        let found = octets.windows(quoted.len()).position(|window| window == quoted.as_bytes());
        (key, found.unwrap_or_default())
    };
    let fault = |error: DirectoryError| {
        let (field, offset) = match &error {
            DirectoryError::Template { endpoint, .. } => of_key(endpoint),
            DirectoryError::ClientIssuers => of_key(CLIENT_ISSUERS_KEY),
            DirectoryError::NotAnObject(_) => ("directory", json_fault_offset(octets)),
            _ => ("directory", 0),
        };
        Malformed { offset, field, reason: error.to_string() }
    };
    Directory::from_json(octets).map(drop).map_err(fault)
}

/// Where a text stops being JSON; the start of one that is.
fn json_fault_offset(octets: &[u8]) -> usize {
    let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(octets) else { return 0 };
    let lines = octets.split_inclusive(|octet| *octet == b'\n');
    let before: usize = lines.take(error.line().saturating_sub(1)).map(<[u8]>::len).sum();
    (before + error.column().saturating_sub(1)).min(octets.len())
}

/// Whether this crate knows what is in the component.
fn has_layout(id: ComponentId) -> bool {
    component::name(id).is_some()
        && !matches!(id, component::LAST_RESORT_KEY_PACKAGE | component::APP_ACK)
}

fn decode_component(id: ComponentId, octets: &[u8], trace: &Trace) -> Result<(), Malformed> {
    let decode = match id {
        component::APP_COMPONENTS | component::SAFE_AAD => wire::<ComponentsList>,
        component::CONTENT_MEDIA_TYPES => wire::<MediaTypeList>,
        component::EXTERNAL_RECEIVERS => wire::<ExternalReceivers>,
        component::FRANK_AAD => wire::<FrankAad>,
        component::FRANKING_AGENT => wire::<FrankingAgentData>,
        component::PARTICIPANT_LIST => wire::<ParticipantListData>,
        component::ROOM_METADATA => wire::<RoomMetadata>,
        component::MLS_OPERATIONAL_POLICY => wire::<OperationalParameters>,
        component::ROLES_LIST => wire::<RoleData>,
        component::PREAUTH_LIST => wire::<PreAuthData>,
        component::BASE_ROOM_POLICY => wire::<BaseRoomPolicy>,
        component::STATUS_NOTIFICATION_POLICY => wire::<StatusNotificationPolicy>,
        component::JOIN_LINK_POLICY => wire::<JoinLinkPolicy>,
        component::JOIN_LINKS => wire::<JoinLinksData>,
        component::LINK_PREVIEW_POLICY => wire::<LinkPreviewPolicy>,
        component::ASSET_POLICY => wire::<AssetPolicy>,
        component::LOGGING_POLICY => wire::<LoggingPolicy>,
        component::CHAT_HISTORY_POLICY => wire::<HistoryPolicy>,
        component::BOT_POLICY => wire::<BotPolicy>,
        component::MESSAGE_EXPIRATION_POLICY => wire::<MessageExpiration>,
        // Carried through, whatever is in it (MLSX-12).
        _ => wire::<Unknown>,
    };
    decode(octets, trace)
}

fn decode_component_update(id: ComponentId, octets: &[u8], trace: &Trace) -> Result<(), Malformed> {
    match id {
        component::PARTICIPANT_LIST => wire::<ParticipantListUpdate>(octets, trace),
        component::JOIN_LINKS => wire::<JoinLinksUpdate>(octets, trace),
        _ => decode_component(id, octets, trace),
    }
}

/// Octets of which nothing is known.
struct Unknown;

impl Wire for Unknown {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let count = reader.rest().len();
        reader.octets(count, "unknown").map(|_| Self)
    }

    fn write(&self, _: &mut crate::codec::Writer) {}
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, id) = match self {
            Self::Component(id) => ("component", *id),
            Self::ComponentUpdate(id) => ("component-update", *id),
            named => return formatter.write_str(named.name().unwrap_or_default()),
        };
        write!(formatter, "{what} {id:#06x}")?;
        component::name(id).map_or(Ok(()), |name| write!(formatter, " ({name})"))
    }
}

/// No such kind.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("there is no kind {0:?}")]
pub struct UnknownKind(pub String);

/// A name, or `component <id>` or `component-update <id>` with the number or name of the component.
impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(name: &str) -> Result<Self, UnknownKind> {
        let unknown = || UnknownKind(name.chars().take(80).collect());
        if let Some(kind) = Self::ALL.iter().find(|kind| kind.name() == Some(name)) {
            return Ok(*kind);
        }
        let (what, id) = name.split_once([' ', ':']).ok_or_else(unknown)?;
        let id = component_id(id.trim()).ok_or_else(unknown)?;
        match what {
            "component" => Ok(Self::Component(id)),
            "component-update" => Ok(Self::ComponentUpdate(id)),
            _ => Err(unknown()),
        }
    }
}

fn component_id(text: &str) -> Option<ComponentId> {
    let named = component::ALL.iter().find(|id| component::name(**id) == Some(text));
    let hex = || text.strip_prefix("0x").and_then(|hex| u16::from_str_radix(hex, 16).ok());
    named.copied().or_else(hex).or_else(|| text.parse().ok())
}

#[cfg(test)]
mod tests;
