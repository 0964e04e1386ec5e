//! The one mapping from refusals to what MIMI's own bodies can say. `None`: the body has no word
//! for it, the answer is an HTTP status, which the server chooses by [`Reject::code`].

use mimi_wire::MimiUri;
use mimi_wire::protocol::group_info::GroupInfoResponse;
use mimi_wire::protocol::key_material::KeyMaterialResponse;
use mimi_wire::protocol::submit_message::SubmitMessageResponse;
use mimi_wire::protocol::update::UpdateResponse;

use crate::Reject;

/// A refused `update`.
pub fn update(reject: &Reject) -> Option<UpdateResponse> {
    let _ = reject;
    todo!()
}

/// A refused `submitMessage`.
pub fn submit_message(reject: &Reject) -> Option<SubmitMessageResponse> {
    let _ = reject;
    todo!()
}

/// A refused `keyMaterial` for a target user.
pub fn key_material(target: &MimiUri, reject: &Reject) -> Option<KeyMaterialResponse> {
    let _ = (target, reject);
    todo!()
}

/// A refused `groupInfo` for a room. Unknown rooms look like closed ones (PROTO-GI-2).
pub fn group_info(room: &MimiUri, reject: &Reject) -> Option<GroupInfoResponse> {
    let _ = (room, reject);
    todo!()
}

impl Reject {
    /// Its short, stable name, as in the client API's errors.
    pub fn code(&self) -> &'static str {
        todo!()
    }

    /// What the other side may read; the whole text is for the log.
    pub fn peer_message(&self) -> String {
        todo!()
    }
}
