//! What a device shows, in the ledger's words.

use mimi_policy::RoomView;
use tombolo_client::{RoomState, RoomStatus, ShownMessage};
use tombolo_testkit::simulation::ledger::{Line, Room, Standing};

/// Nobody has touched it since it was sent.
pub(crate) fn is_untouched(message: &ShownMessage) -> bool {
    !message.edited
        && !message.deleted
        && message.reactions.is_empty()
        && message.statuses.is_empty()
        && message.refused.is_none()
        && message.text.is_some()
}

pub(crate) fn is_inside(state: &RoomState) -> bool {
    matches!(state.status, RoomStatus::Joined | RoomStatus::Superseded { .. })
}

pub(crate) fn standing(state: &RoomState) -> Standing {
    match &state.status {
        RoomStatus::Frozen { .. } => Standing::Frozen,
        RoomStatus::Left => Standing::Leaving,
        _ if is_inside(state) => Standing::Inside,
        _ => Standing::Outside,
    }
}

pub(crate) fn line(message: &ShownMessage) -> Line {
    let first = match message.versions.first() {
        Some(version) => version.text.clone(),
        None => message.text.clone(),
    };
    let ShownMessage { text, edited, deleted, reactions, .. } = message;
    Line {
        id: message.id,
        sender: message.sender.clone(),
        timestamp_ms: message.timestamp_ms,
        text: first,
        all: format!("{text:?} edited {edited} deleted {deleted} {reactions:?}"),
        is_refused: message.refused.is_some(),
    }
}

/// The same for a hub's view and a member's.
pub(crate) fn room(view: &RoomView, tree_hash: &[u8]) -> Room {
    let participants = view.participants.participants.iter();
    let mut participants: Vec<_> =
        participants.map(|pair| format!("{}: {}", pair.user, pair.role_index)).collect();
    participants.sort_unstable();
    let facts = vec![
        format!("epoch {}", view.epoch),
        format!("tree {tree_hash:02x?}"),
        format!("participants {participants:?}"),
        format!("roles {:?}", view.roles),
        format!("name {:?}", view.metadata.room_name),
    ];
    Room { room: view.room().clone(), facts }
}
