//! What a room's operational parameters ask of a client (POLICY-OP-2). What they ask of the group's
//! membership and of outsiders is the judge's.

use mimi_policy::RoomView;
use mimi_wire::Wire;
use mimi_wire::component::MLS_OPERATIONAL_POLICY;
use mimi_wire::room::operational_policy::{OperationalParameters, PendingProposalPolicy};

use crate::error::ClientError;

/// Shortest and longest wait before somebody else's proposals are committed, where the room does not
/// say: of many devices, one need do it.
const COMMIT_PENDING_DELAY_MS: (u64, u64) = (200, 1_500);
/// The form of our handshakes in the registry of MLS wire formats: PublicMessage.
const PUBLIC_MESSAGE: u16 = 1;

fn parameters(view: &RoomView) -> Option<OperationalParameters> {
    let octets = view.other_components.get(&MLS_OPERATIONAL_POLICY)?;
    OperationalParameters::decode(octets).ok()
}

/// Shortest and longest wait before somebody else's proposals are committed.
pub(crate) fn commit_pending_delay_ms(view: &RoomView) -> (u64, u64) {
    match parameters(view).map(|parameters| parameters.pending_proposal_policy) {
        None | Some(PendingProposalPolicy::Unspecified) => COMMIT_PENDING_DELAY_MS,
        Some(PendingProposalPolicy::ImmediateCommit) => (0, 0),
        Some(PendingProposalPolicy::RandomDelay { minimum_delay_ms, maximum_delay_ms }) => {
            (minimum_delay_ms, maximum_delay_ms.max(minimum_delay_ms))
        }
    }
}

/// Whether a message of an epoch is still taken in the present one.
pub(crate) fn takes_message_of(view: &RoomView, epoch: u64) -> bool {
    let behind = view.epoch.saturating_sub(epoch);
    parameters(view).is_none_or(|it| behind <= u64::from(it.app_message_policy.epoch_tolerance))
}

/// Whether commits of ours have a form that the room takes.
///
/// # Errors
/// [`ClientError::Refused`] where it wants another one; without a word it takes any.
pub(crate) fn takes_our_handshakes(view: &RoomView) -> Result<(), ClientError> {
    let formats = parameters(view).map(|it| it.handshake_formats).unwrap_or_default();
    match formats.is_empty() || formats.contains(&PUBLIC_MESSAGE) {
        true => Ok(()),
        false => {
            let text = "this room wants its changes in a form that this client does not make";
            Err(ClientError::Refused(text.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests;
