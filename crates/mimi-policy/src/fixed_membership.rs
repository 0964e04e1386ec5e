//! One fixed-membership room for each set of people, at each hub (POLICY-BASE-2, AMB-POL-8): the key
//! by which a hub finds the room that two people opened at the same time.

use std::collections::BTreeSet;

use mimi_wire::MimiUri;

use crate::view::RoomView;

/// The same text for the same people in whatever order, another for others. URIs hold no space.
pub fn participant_set_key<'a>(users: impl IntoIterator<Item = &'a MimiUri>) -> String {
    let users: BTreeSet<&str> = users.into_iter().map(MimiUri::as_str).collect();
    users.into_iter().collect::<Vec<_>>().join(" ")
}

/// The key of a room with fixed membership; `None` for any other room, of which there may be
/// several. Its list never changes, so neither does the key.
pub fn fixed_membership_key(view: &RoomView) -> Option<String> {
    let is_fixed = view.base_policy.as_ref().is_some_and(|policy| policy.fixed_membership);
    let users = view.participants.participants.iter().map(|pair| &pair.user);
    is_fixed.then(|| participant_set_key(users))
}
