//! What nodes and devices say to each other. Bodies are the octets of the protocol.

use bytes::Bytes;
use mimi_provider::Reject;
use mimi_wire::protocol::group_info::GroupInfoResponse;
use mimi_wire::protocol::key_material::KeyMaterialResponse;
use mimi_wire::protocol::submit_message::SubmitMessageResponse;
use mimi_wire::protocol::update::UpdateResponse;
use mimi_wire::{Domain, MimiUri, Wire as _};
use tombolo_client::session::request::{Request, RequestId, Response, TransportError};
use tombolo_client::session::stream_event::LogPosition;
use tombolo_testkit::simulation::plan::{Misdeed, Trick};

/// Who asks, as the transport proves it.
#[derive(Clone, Debug)]
pub(crate) enum By {
    Peer(Domain),
    /// By access token; none before registration.
    Client(Option<String>),
    /// The provider itself, behind an earlier request.
    Own,
}

/// Where the answer goes.
#[derive(Clone, Debug)]
pub(crate) enum Back {
    Client {
        device: usize,
        life: u64,
        id: RequestId,
    },
    Stream {
        device: usize,
        life: u64,
        conn: u64,
    },
    Peer {
        node: usize,
        life: u64,
        rpc: u64,
    },
    /// Whoever tries what is forbidden, and what it is.
    Trick(Trick),
    /// A message of a user that was no member of a room when it was sent.
    Outsider {
        room: MimiUri,
        user: MimiUri,
    },
    Misdeed(Misdeed),
    Nobody,
}

/// A request that arrives at a provider.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) by: By,
    pub(crate) op: Op,
    pub(crate) back: Back,
    pub(crate) tries: u32,
}

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Client(Request),
    OpenStream {
        after: u64,
        era: Option<String>,
    },
    Acknowledge(u64),
    KeyMaterial(Bytes),
    Update {
        room: MimiUri,
        body: Bytes,
    },
    SubmitMessage {
        room: MimiUri,
        body: Bytes,
    },
    GroupInfo {
        room: MimiUri,
        body: Bytes,
    },
    Notify {
        room: MimiUri,
        body: Bytes,
    },
    RequestConsent(Bytes),
    UpdateConsent(Bytes),
    /// A consent entry that has arrived is looked at.
    TakeIn,
    /// The hub wants a client out, or looks at what a room's parent means for it.
    Evict {
        room: MimiUri,
        gone: Option<MimiUri>,
    },
}

impl Op {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Client(request) => client_name(request),
            Self::OpenStream { .. } => "open stream",
            Self::Acknowledge(_) => "acknowledge",
            Self::KeyMaterial(_) => "key material",
            Self::Update { .. } => "update",
            Self::SubmitMessage { .. } => "submit message",
            Self::GroupInfo { .. } => "group info",
            Self::Notify { .. } => "notify",
            Self::RequestConsent(_) => "request consent",
            Self::UpdateConsent(_) => "update consent",
            Self::TakeIn => "take in",
            Self::Evict { .. } => "evict",
        }
    }

    /// The room that it is about.
    pub(crate) fn room(&self) -> Option<&MimiUri> {
        match self {
            Self::Client(
                Request::Update { room, .. }
                | Request::SubmitMessage { room, .. }
                | Request::GroupInfo { room, .. },
            )
            | Self::Update { room, .. }
            | Self::SubmitMessage { room, .. }
            | Self::GroupInfo { room, .. }
            | Self::Notify { room, .. }
            | Self::Evict { room, .. } => Some(room),
            _ => None,
        }
    }

    /// Whether a packet with it may be seen twice: what a proxy, or a client of another
    /// implementation, may repeat.
    pub(crate) fn may_double(&self) -> bool {
        let client = |request: &Request| {
            matches!(
                request,
                Request::Update { .. }
                    | Request::SubmitMessage { .. }
                    | Request::GroupInfo { .. }
                    | Request::Consent(_)
            )
        };
        match self {
            Self::Client(request) => client(request),
            Self::Update { .. }
            | Self::SubmitMessage { .. }
            | Self::GroupInfo { .. }
            | Self::Notify { .. }
            | Self::RequestConsent(_)
            | Self::UpdateConsent(_) => true,
            _ => false,
        }
    }
}

fn client_name(request: &Request) -> &'static str {
    match request {
        Request::Register { .. } => "client: register",
        Request::Provider => "client: provider",
        Request::Issuers(_) => "client: issuers",
        Request::KeyPackageStock => "client: stock",
        Request::UploadKeyPackages(_) => "client: upload",
        Request::KeyMaterial { .. } => "client: key material",
        Request::FoundRoom { .. } => "client: found room",
        Request::DirectRoom(_) => "client: direct room",
        Request::Update { .. } => "client: update",
        Request::SubmitMessage { .. } => "client: submit message",
        Request::GroupInfo { .. } => "client: group info",
        Request::Consent(_) => "client: consent",
        Request::Contacts => "client: contacts",
        Request::Devices => "client: devices",
        Request::SignOutDevice(_) => "client: sign out",
        _ => "client: other",
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) enum Said {
    Update(UpdateResponse),
    SubmitMessage(SubmitMessageResponse),
    GroupInfo(GroupInfoResponse),
    KeyMaterial(KeyMaterialResponse),
    /// 201, or another success without a body.
    Created,
    Position(LogPosition),
    Client(Response),
}

impl Said {
    /// The octets that another provider gets.
    pub(crate) fn octets(&self) -> Vec<u8> {
        match self {
            Self::Update(it) => it.encode(),
            Self::SubmitMessage(it) => it.encode(),
            Self::GroupInfo(it) => it.encode(),
            Self::KeyMaterial(it) => it.encode(),
            Self::Created | Self::Position(_) | Self::Client(_) => Vec::new(),
        }
    }

    pub(crate) fn to_client(&self) -> Response {
        match self.clone() {
            Self::Update(it) => Response::Update(Box::new(it)),
            Self::SubmitMessage(it) => Response::SubmitMessage(Box::new(it)),
            Self::GroupInfo(it) => Response::GroupInfo(Box::new(it)),
            Self::KeyMaterial(it) => Response::KeyMaterial(Box::new(it)),
            Self::Created | Self::Position(_) => Response::Done,
            Self::Client(response) => response,
        }
    }

    /// Whether it says yes.
    pub(crate) fn is_success(&self) -> bool {
        use mimi_wire::protocol::group_info::GroupInfoOutcome;
        use mimi_wire::protocol::key_material::KeyMaterialUserCode;
        use mimi_wire::protocol::update::UpdateOutcome;
        match self {
            Self::Update(it) => matches!(it.outcome, UpdateOutcome::Success { .. }),
            Self::SubmitMessage(it) => matches!(it, SubmitMessageResponse::Accepted { .. }),
            Self::GroupInfo(it) => matches!(it.outcome, GroupInfoOutcome::Success(_)),
            Self::KeyMaterial(it) => it.user_status == KeyMaterialUserCode::Success,
            Self::Created | Self::Position(_) | Self::Client(_) => true,
        }
    }
}

/// What a client makes of a refusal.
pub(crate) fn to_client(reject: &Reject) -> TransportError {
    let message = reject.peer_message();
    match reject {
        Reject::Unavailable(_) => TransportError::Busy { message, retry_after_ms: Some(5_000) },
        Reject::TooMuch { after_s } => {
            TransportError::Busy { message, retry_after_ms: Some(after_s * 1_000) }
        }
        Reject::Internal(_) => TransportError::Busy { message, retry_after_ms: None },
        _ => TransportError::Refused { code: reject.code().to_owned(), message },
    }
}

/// What a provider makes of a peer's refusal.
pub(crate) fn of_peer(reject: Reject) -> Reject {
    let text = reject.to_string();
    match reject {
        Reject::Malformed(_) | Reject::InvalidProposals { .. } => Reject::Malformed(text),
        Reject::PeerMisbehaved(_) | Reject::Denied(_) | Reject::NotAllowed(_) => {
            Reject::NotAllowed(text)
        }
        Reject::Unknown(_) => Reject::Unknown(text),
        Reject::Conflict(_) | Reject::Stale { .. } => Reject::Conflict(text),
        Reject::Unsupported(_) => Reject::Unsupported(text),
        _ => Reject::Unavailable(text),
    }
}
