//! How many requests wait for a user's answer, and whose give way: no requester and no provider can
//! keep the others out.

use std::collections::BTreeMap;

use mimi_wire::MimiUri;

use crate::record::ConsentRequest;

/// Open requests to one user.
pub const OPEN_REQUESTS_PER_USER_MAX: usize = 256;
/// Of them, from users of one provider.
pub const OPEN_REQUESTS_PER_PEER_MAX: usize = 64;
/// Of them, from one user, for different rooms.
pub const OPEN_REQUESTS_PER_REQUESTER_MAX: usize = 4;

/// What happens to one more request. Whatever it is, the requester is told the same.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Room {
    /// It is kept.
    There,
    /// It is kept, and this one goes: the newest of the provider that has most.
    Instead(ConsentRequest),
    /// It is dropped.
    None,
}

pub(super) fn room_for(open: &[ConsentRequest], requester: &MimiUri) -> Room {
    let of_requester = open.iter().filter(|request| request.requester == *requester).count();
    let own = requester.domain();
    let mut per_peer: BTreeMap<_, Vec<&ConsentRequest>> = BTreeMap::new();
    for request in open {
        per_peer.entry(request.requester.domain()).or_default().push(request);
    }
    let of_peer = per_peer.get(&own).map_or(0, Vec::len);
    if of_requester >= OPEN_REQUESTS_PER_REQUESTER_MAX || of_peer >= OPEN_REQUESTS_PER_PEER_MAX {
        return Room::None;
    }
    if open.len() < OPEN_REQUESTS_PER_USER_MAX {
        return Room::There;
    }
    let most = per_peer.into_values().max_by_key(Vec::len).unwrap_or_default();
    // It would only be displaced itself if its provider had as many.
    if most.len() <= of_peer + 1 {
        return Room::None;
    }
    let newest = most.into_iter().max_by_key(|request| request.requested_ms);
    newest.cloned().map_or(Room::None, Room::Instead)
}
