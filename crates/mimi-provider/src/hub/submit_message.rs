//! `submitMessage` at the hub: may this application message enter the room's log
//! (PROTO-SUB-1..5)?
//!
//! That the message is a PrivateMessage with application content was read off its framing before
//! this is asked (PROTO-SUB-1). What franks it is handed in.

use mimi_policy::{Judge, RoomIndex, RoomView};
use mimi_wire::protocol::notify::{FanoutKind, FanoutMessage};
use mimi_wire::protocol::submit_message::{Frank, SubmitMessageRequest, SubmitMessageResponse};
use mimi_wire::{Domain, Wire};

use crate::franking::Franking;
use crate::hub::audience::Readership;
use crate::hub::log::{Entry, LogWriter};
use crate::hub::restriction;
use crate::hub::state::{EPOCH_TOLERANCE, HubState, note_submitter};
use crate::record::EventKind;
use crate::requester::Requester;
use crate::saved::sha256;
use crate::{Reject, Transition};

/// An application message and the room it is for.
#[derive(Clone, Copy, Debug)]
pub struct SubmitMessageInput<'a> {
    /// This provider, the hub.
    pub own: &'a Domain,
    /// Who hands it in.
    pub requester: &'a Requester,
    /// The room.
    pub view: &'a RoomView,
    /// The room, looked up by name.
    pub index: &'a RoomIndex,
    /// Who reads in this epoch.
    pub readership: &'a Readership,
    /// The room's MLS group id.
    pub group_id: &'a [u8],
    /// The request.
    pub request: &'a SubmitMessageRequest,
    /// The group id in the message's framing.
    pub frame_group_id: &'a [u8],
    /// The epoch in the message's framing.
    pub frame_epoch: u64,
    /// What the message is franked with (PROTO-SUB-5); `None`: nothing is.
    pub franking: Option<Franking<'a>>,
    /// The time.
    pub now_ms: u64,
}

/// Decides on an application message; the reply is always
/// [`SubmitMessageResponse::Accepted`].
pub fn submit_message(
    state: &HubState,
    input: &SubmitMessageInput<'_>,
) -> Result<Transition<SubmitMessageResponse>, Reject> {
    let sender = &input.request.sending_uri;
    // PROTO-SUB-2, AMB-SUB-2, AMB-TR-6: the provider vouches for its own users only.
    if !sender.is_user() || !input.requester.speaks_for(sender) {
        return Err(Reject::NotAllowed("sendingUri is no user of the requester's".into()));
    }
    // A lost answer is given again, whatever has happened in the room since.
    let message = &input.request.app_message;
    let from = input.requester.domain();
    let octets = sha256(message.octets());
    if let Some(accepted_timestamp) = state.accepted_before(&octets, &from) {
        return Ok(Transition::unchanged(accepted(
            accepted_timestamp,
            state.frank_before(&octets, &from),
        )));
    }
    if input.frame_group_id != input.group_id {
        return Err(Reject::NotAllowed("the message is for another MLS group".into()));
    }
    let restrictions = restriction::of(state, input.view);
    Judge::of(input.view).with_index(input.index).may_submit(sender)?;
    // PROTO-UPD-4: removals and bans count before they are committed.
    if !restrictions.may_send(sender) {
        return Err(Reject::NotAllowed("the sender is losing the right to send".into()));
    }
    sent_by_a_member(input)?;
    in_epoch_window(input)?;

    let timestamp = state.next_timestamp(input.now_ms);
    // FRANK-4, FRANK-6: the sender is in what is signed, and nowhere in what is fanned out.
    let franked = input.franking.map(|franking| franking.frank(input.view, sender, timestamp));
    let frank = franked.transpose()?.flatten();
    let fanout = FanoutMessage {
        timestamp,
        message: message.clone(),
        kind: FanoutKind::Application { frank: frank.clone() },
    };
    let readers = input.readership.now(input.view, &restrictions, input.own);
    let mut log = LogWriter::new(state, input.view.room());
    log.append(Entry {
        kind: EventKind::Application,
        timestamp_ms: timestamp,
        payload: fanout.encode(),
        audience: readers.audience,
        targets: readers.targets,
        detail: note_submitter(&from),
    });
    Ok(log.finish(accepted(timestamp, frank)))
}

fn accepted(accepted_timestamp: u64, frank: Option<Frank>) -> SubmitMessageResponse {
    SubmitMessageResponse::Accepted { accepted_timestamp, frank }
}

/// A client of our own must itself be in the group; peers answer for theirs (AMB-SUB-2).
fn sent_by_a_member(input: &SubmitMessageInput<'_>) -> Result<(), Reject> {
    let Requester::Local(device) = input.requester else { return Ok(()) };
    if input.index.has_client(input.view, &device.client) {
        Ok(())
    } else {
        Err(Reject::NotAllowed("the client is not in the group".into()))
    }
}

/// PROTO-SUB-3, AMB-SUB-3: the current epoch and the one before.
fn in_epoch_window(input: &SubmitMessageInput<'_>) -> Result<(), Reject> {
    let current_epoch = input.view.epoch;
    if input.frame_epoch > current_epoch {
        return Err(Reject::NotAllowed("the message is from an epoch yet to come".into()));
    }
    if current_epoch - input.frame_epoch > EPOCH_TOLERANCE {
        return Err(Reject::Stale { current_epoch });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
