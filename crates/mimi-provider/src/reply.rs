//! The one mapping from refusals to what MIMI's own bodies can say. `None`: the body has no word
//! for it, the answer is an HTTP status, which the server chooses by [`Reject::code`].

use mimi_wire::MimiUri;
use mimi_wire::protocol::group_info::{GroupInfoOutcome, GroupInfoResponse};
use mimi_wire::protocol::key_material::{KeyMaterialResponse, KeyMaterialUserCode};
use mimi_wire::protocol::submit_message::SubmitMessageResponse;
use mimi_wire::protocol::update::{UpdateOutcome, UpdateResponse};

use crate::Reject;

/// Characters of a refusal's text for the other side.
const MESSAGE_CHARS_MAX: usize = 500;

/// A refused `update` (PROTO-UPD-9, PROTO-UPD-10).
pub fn update(reject: &Reject) -> Option<UpdateResponse> {
    let outcome = match reject {
        Reject::Stale { current_epoch } => {
            UpdateOutcome::WrongEpoch { current_epoch: *current_epoch }
        }
        Reject::InvalidProposals { references, .. } => {
            UpdateOutcome::InvalidProposal { invalid_proposals: references.clone() }
        }
        Reject::Denied(_) | Reject::NotAllowed(_) | Reject::Unsupported(_) => {
            UpdateOutcome::NotAllowed
        }
        Reject::Malformed(_)
        | Reject::PeerMisbehaved(_)
        | Reject::Unknown(_)
        | Reject::Conflict(_)
        | Reject::Unavailable(_)
        | Reject::TooMuch { .. }
        | Reject::Internal(_) => return None,
    };
    Some(UpdateResponse { outcome, error_description: reject.peer_message() })
}

/// A refused `submitMessage` (PROTO-SUB-2, PROTO-SUB-3).
pub fn submit_message(reject: &Reject) -> Option<SubmitMessageResponse> {
    match reject {
        Reject::Stale { current_epoch } => {
            Some(SubmitMessageResponse::EpochTooOld { current_epoch: *current_epoch })
        }
        Reject::Denied(_) | Reject::NotAllowed(_) | Reject::Unsupported(_) => {
            Some(SubmitMessageResponse::NotAllowed)
        }
        Reject::InvalidProposals { .. }
        | Reject::Malformed(_)
        | Reject::PeerMisbehaved(_)
        | Reject::Unknown(_)
        | Reject::Conflict(_)
        | Reject::Unavailable(_)
        | Reject::TooMuch { .. }
        | Reject::Internal(_) => None,
    }
}

/// A refused `keyMaterial` for a target user: outsiders, unknown rooms and unknown users all look
/// like a lack of consent (PROTO-KM-6, AMB-KM-8).
pub fn key_material(target: &MimiUri, reject: &Reject) -> Option<KeyMaterialResponse> {
    let user_status = match reject {
        Reject::Denied(_) | Reject::NotAllowed(_) | Reject::Unknown(_) => {
            KeyMaterialUserCode::NoConsent
        }
        Reject::Unsupported(_) => KeyMaterialUserCode::IncompatibleProtocol,
        Reject::Stale { .. }
        | Reject::InvalidProposals { .. }
        | Reject::Malformed(_)
        | Reject::PeerMisbehaved(_)
        | Reject::Conflict(_)
        | Reject::Unavailable(_)
        | Reject::TooMuch { .. }
        | Reject::Internal(_) => return None,
    };
    let user_uri = target.clone();
    Some(KeyMaterialResponse { user_status, user_uri, clients: Vec::new() })
}

/// A refused `groupInfo` for a room. Unknown rooms look like closed ones (PROTO-GI-2), and so do
/// those asked about with a bad signature or for a suite we cannot sign in (PROTO-GI-1, AMB-GI-2).
pub fn group_info(room: &MimiUri, reject: &Reject) -> Option<GroupInfoResponse> {
    match reject {
        Reject::Denied(_)
        | Reject::NotAllowed(_)
        | Reject::Unknown(_)
        | Reject::Unsupported(_)
        | Reject::PeerMisbehaved(_) => Some(GroupInfoResponse {
            room_id: room.clone(),
            outcome: GroupInfoOutcome::NotAuthorized,
        }),
        Reject::Stale { .. }
        | Reject::InvalidProposals { .. }
        | Reject::Malformed(_)
        | Reject::Conflict(_)
        | Reject::Unavailable(_)
        | Reject::TooMuch { .. }
        | Reject::Internal(_) => None,
    }
}

impl Reject {
    /// Its short, stable name, as in the client API's errors.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::PeerMisbehaved(_) => "peer_misbehaved",
            Self::Stale { .. } => "stale",
            Self::InvalidProposals { .. } => "invalid_proposals",
            Self::Denied(_) => "denied",
            Self::NotAllowed(_) => "not_allowed",
            Self::Unknown(_) => "unknown",
            Self::Conflict(_) => "conflict",
            Self::Unsupported(_) => "unsupported",
            Self::Unavailable(_) | Self::TooMuch { .. } => "unavailable",
            Self::Internal(_) => "internal",
        }
    }

    /// What the other side may read; the whole text is for the log.
    pub fn peer_message(&self) -> String {
        match self {
            Self::Internal(_) => "internal error".into(),
            Self::Unavailable(_) => "temporarily unavailable, try again".into(),
            Self::Unknown(_) => "unknown".into(),
            other => other.to_string().chars().take(MESSAGE_CHARS_MAX).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
