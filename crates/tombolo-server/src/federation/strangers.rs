//! What providers hear about rooms they have nothing to do with (AMB-UPD-15, TOM-125).

use std::sync::Arc;

use mimi_provider::Reject;
use mimi_provider::hub::stranger::{is_acquainted, refusal, to_stranger};
use mimi_provider::requester::Requester;
use mimi_wire::MimiUri;

use crate::provider::Provider;
use crate::rooms::HubRoom;

/// Refuses a peer that the room has nothing to do with, before anything it sent is looked at.
pub(super) fn turn_away(room: &HubRoom, requester: &Requester) -> Result<(), Reject> {
    match requester {
        Requester::Peer(peer) if !is_acquainted(&room.state, room.group.view(), peer) => {
            Err(refusal())
        }
        _ => Ok(()),
    }
}

/// What the requester of something refused may hear of the reason. Clients of our own hear all of it.
pub(super) async fn told(
    provider: &Arc<Provider>,
    requester: &Requester,
    room: &MimiUri,
    reject: Reject,
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
    if is_known { reject } else { to_stranger(reject) }
}
