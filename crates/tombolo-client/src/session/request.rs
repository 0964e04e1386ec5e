//! What the session asks of its provider, and what it is told: the client API without HTTP.

use bytes::Bytes;
use mimi_wire::mls::ExternalSender;
use mimi_wire::protocol::group_info::GroupInfoResponse;
use mimi_wire::protocol::identifier_query::IdentifierResponse;
use mimi_wire::protocol::key_material::KeyMaterialResponse;
use mimi_wire::protocol::submit_message::SubmitMessageResponse;
use mimi_wire::protocol::update::UpdateResponse;
use mimi_wire::{Domain, MimiUri};
use thiserror::Error;

use crate::contacts::Contacts;
use crate::profile::Profile;
use crate::secret::SecretText;
use crate::shown::DeviceEntry;

/// Names a request until it is answered.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RequestId(pub(crate) u64);

/// A request to be sent now.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// To answer it by.
    pub id: RequestId,
    /// The access token to send it with; absent before registration.
    pub token: Option<SecretText>,
    /// The request.
    pub request: Request,
}

/// A request of the client API.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Request {
    /// `POST /register`.
    Register {
        /// Local name of the user.
        user: String,
        /// Its password.
        password: SecretText,
        /// Name of the device.
        device: String,
        /// Its public signature key.
        signature_key: Vec<u8>,
    },
    /// `GET /provider`.
    Provider,
    /// `GET /issuers/{domain}`.
    Issuers(Domain),
    /// `GET /key-packages`.
    KeyPackageStock,
    /// `POST /key-packages`.
    UploadKeyPackages(Bytes),
    /// `POST /key-material/{user}`.
    KeyMaterial {
        /// The target.
        user: MimiUri,
        /// A `KeyMaterialRequest`.
        body: Bytes,
    },
    /// `PUT /rooms/{room}`.
    FoundRoom {
        /// The new room.
        room: MimiUri,
        /// A `RoomFounding`.
        body: Bytes,
    },
    /// `GET /direct/{user}`.
    DirectRoom(MimiUri),
    /// `POST /rooms/{room}/update`.
    Update {
        /// The room.
        room: MimiUri,
        /// An `UpdateRequest`.
        body: Bytes,
    },
    /// `POST /rooms/{room}/submit-message`.
    SubmitMessage {
        /// The room.
        room: MimiUri,
        /// A `SubmitMessageRequest`.
        body: Bytes,
    },
    /// `POST /rooms/{room}/group-info`.
    GroupInfo {
        /// The room.
        room: MimiUri,
        /// A `GroupInfoRequest`.
        body: Bytes,
    },
    /// `POST /rooms/{room}/report-abuse`.
    ReportAbuse {
        /// The room.
        room: MimiUri,
        /// An `AbuseReport`.
        body: Bytes,
    },
    /// `POST /consent`.
    Consent(Bytes),
    /// `GET /consent`.
    Contacts,
    /// `GET /devices`.
    Devices,
    /// `DELETE /devices/{client}`.
    SignOutDevice(MimiUri),
    /// `POST /sign-out-others`.
    SignOutOthers,
    /// `POST /delete-account`.
    DeleteAccount {
        /// The account's password.
        password: SecretText,
        /// Whether only the password is to be looked at.
        check_only: bool,
    },
    /// `POST /identifier-query/{domain}`.
    IdentifierQuery {
        /// The provider asked.
        domain: Domain,
        /// An `IdentifierRequest`.
        body: Bytes,
    },
    /// `GET /profile`.
    Profile,
    /// `PUT /profile`, in JSON.
    SetProfile(Bytes),
}

/// The answer to a request that the provider could serve; in-body refusals are answers too.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Response {
    /// To [`Request::Register`].
    Registered {
        /// The user.
        user: MimiUri,
        /// The client.
        client: MimiUri,
        /// The access token.
        token: SecretText,
        /// The device's X.509 chain, DER, leaf first.
        certificate_chain: Vec<Vec<u8>>,
    },
    /// To [`Request::Provider`].
    Provider {
        /// The provider's domain.
        domain: Domain,
        /// Its key as a hub.
        hub_sender: Box<ExternalSender>,
        /// The content of `franking_agent` in rooms there, if it franks messages.
        franking_agent: Option<Vec<u8>>,
        /// Role presets it knows.
        presets: Vec<String>,
    },
    /// To [`Request::Issuers`].
    Issuers {
        /// Whose.
        domain: Domain,
        /// PEM certificates.
        issuers: Vec<String>,
    },
    /// To [`Request::KeyPackageStock`] and [`Request::UploadKeyPackages`]: those that are valid for
    /// a while.
    Stock(u64),
    /// To [`Request::KeyMaterial`].
    KeyMaterial(Box<KeyMaterialResponse>),
    /// To [`Request::FoundRoom`] and [`Request::DirectRoom`].
    Founded {
        /// The new room, or the one that the same people have already.
        room: MimiUri,
    },
    /// To [`Request::Update`].
    Update(Box<UpdateResponse>),
    /// To [`Request::SubmitMessage`].
    SubmitMessage(Box<SubmitMessageResponse>),
    /// To [`Request::GroupInfo`].
    GroupInfo(Box<GroupInfoResponse>),
    /// To [`Request::IdentifierQuery`].
    IdentifierQuery(Box<IdentifierResponse>),
    /// To [`Request::Profile`].
    Profile(Box<Profile>),
    /// To [`Request::Devices`].
    Devices(Vec<DeviceEntry>),
    /// To [`Request::Consent`], [`Request::SetProfile`], [`Request::ReportAbuse`],
    /// [`Request::SignOutDevice`], [`Request::SignOutOthers`] and [`Request::DeleteAccount`].
    Done,
    /// To [`Request::Contacts`].
    Contacts(Box<Contacts>),
}

/// Why a request has no [`Response`].
#[derive(Clone, Debug, Error, Eq, PartialEq)]
#[non_exhaustive]
pub enum TransportError {
    /// No answer came; the request may have been carried out.
    #[error("{0}")]
    Unreachable(String),
    /// The provider, or one it depends on, cannot serve it now; the request may have been carried
    /// out.
    #[error("{message}")]
    Busy {
        /// For a person.
        message: String,
        /// How long it asks us to wait.
        retry_after_ms: Option<u64>,
    },
    /// The provider refuses; it was not carried out.
    #[error("{message}")]
    Refused {
        /// The API's word for it, e.g. `conflict`.
        code: String,
        /// For a person.
        message: String,
    },
    /// The answer is not what the API promises.
    #[error("the provider's answer cannot be read: {0}")]
    Garbled(String),
}

impl TransportError {
    /// Whether the same request may fare better later.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Busy { .. })
    }

    /// Whether the provider refuses for this reason.
    pub(crate) fn is_refusal(&self, word: &str) -> bool {
        matches!(self, Self::Refused { code, .. } if code == word)
    }
}
