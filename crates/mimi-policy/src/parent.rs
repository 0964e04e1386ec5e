//! Rooms that depend on a parent (POLICY-BASE-3): their participants are among the parent's, all of
//! them at most (AMB-POL-9), and go when they go there.

use mimi_wire::MimiUri;

use crate::judge::is_banned_role;
use crate::view::RoomView;

/// Whether a user takes part in a room: listed, and not as banned.
pub(crate) fn takes_part(room: &RoomView, user: &MimiUri) -> bool {
    room.role_index_of(user).is_some_and(|role| !is_banned_role(&room.roles, role))
}

/// Whether a room depends on this one.
pub(crate) fn is_parent(parent: &RoomView, child: &RoomView) -> bool {
    let policy = child.base_policy.as_ref().filter(|policy| policy.parent_dependant);
    let named = policy.and_then(|policy| policy.parent_room.as_deref());
    named == Some(parent.room().as_str())
}

/// Whom the hub removes from a dependent room because they take no part in its parent any more, in
/// the order of the list. The banned of the dependent room stay banned.
pub fn orphans<'a>(child: &'a RoomView, parent: &RoomView) -> Vec<&'a MimiUri> {
    if !is_parent(parent, child) {
        return Vec::new();
    }
    let pairs = child.participants.participants.iter();
    let users =
        pairs.filter(|pair| !is_banned_role(&child.roles, pair.role_index)).map(|pair| &pair.user);
    users.filter(|user| !takes_part(parent, user)).collect()
}
