//! What providers hear about rooms they have nothing to do with (AMB-UPD-15, TOM-125).

use std::sync::Arc;
use std::time::Duration;

use mimi_provider::Reject;
use mimi_provider::hub::stranger::{is_acquainted, refusal, to_stranger};
use mimi_provider::requester::Requester;
use mimi_wire::MimiUri;
use tokio::time::Instant;

use crate::provider::Provider;
use crate::rooms::HubRoom;

/// Refusals that could be of a room that exists leave at multiples of this after their requests were
/// begun with: a room is in memory, and that there is none is read from the disk.
const REFUSED_AT: Duration = Duration::from_millis(50);

/// Waits until a refusal may leave.
pub(super) async fn at_its_time(begun: Instant) {
    let periods = begun.elapsed().as_nanos() / REFUSED_AT.as_nanos() + 1;
    let periods = u32::try_from(periods).unwrap_or(u32::MAX);
    tokio::time::sleep_until(begun + REFUSED_AT.saturating_mul(periods)).await;
}

/// Refuses a peer that the room has nothing to do with, before anything it sent is looked at.
pub(super) fn turn_away(room: &HubRoom, requester: &Requester) -> Result<(), Reject> {
    match requester {
        Requester::Peer(peer) if !is_acquainted(&room.state, room.group.view(), peer) => {
            Err(refusal())
        }
        _ => Ok(()),
    }
}

/// What the requester of something refused may hear of the reason, when it may hear it. Clients of our own
/// hear all of it.
pub(super) async fn told(
    provider: &Arc<Provider>,
    requester: &Requester,
    room: &MimiUri,
    reject: Reject,
    begun: Instant,
) -> Reject {
    // Which rooms are hosted here at all is in their names.
    let Requester::Peer(peer) = requester else { return reject };
    if room.domain() != provider.domain {
        return reject;
    }
    let is_known = match provider.rooms.hub(provider, room).await {
        Ok(hub) => is_acquainted(&hub.room().state, hub.room().group.view(), peer),
        Err(_) => false,
    };
    if is_known {
        return reject;
    }
    at_its_time(begun).await;
    to_stranger(reject)
}
