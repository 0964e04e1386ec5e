//! One room of fixed membership per set of people at a hub (POLICY-BASE-2, AMB-POL-8).

use mimi_policy::RoomView;
use mimi_wire::MimiUri;

use crate::saved::sha256;

/// Names a set of people, whatever the order they are listed in.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MemberSet(pub [u8; 32]);

impl MemberSet {
    /// The set of these users.
    pub fn of<'a>(users: impl IntoIterator<Item = &'a MimiUri>) -> Self {
        let mut users: Vec<&str> = users.into_iter().map(MimiUri::as_str).collect();
        users.sort_unstable();
        users.dedup();
        // No URI holds a line end, so different sets are different texts.
        Self(sha256(users.join("\n").as_bytes()))
    }

    /// The set that a room of fixed membership takes; none for any other room.
    pub fn fixed(view: &RoomView) -> Option<Self> {
        let policy = view.base_policy.as_ref().filter(|policy| policy.fixed_membership);
        policy.map(|_| Self::of(view.participants.participants.iter().map(|pair| &pair.user)))
    }
}

#[cfg(test)]
mod tests;
