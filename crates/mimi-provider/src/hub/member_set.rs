//! One room of fixed membership per set of people at a hub (POLICY-BASE-2, AMB-POL-8).

use mimi_policy::{RoomView, fixed_membership_key, participant_set_key};
use mimi_wire::MimiUri;

use crate::saved::sha256;

/// Names a set of people, whatever the order they are listed in.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MemberSet(pub [u8; 32]);

impl MemberSet {
    /// The set of these users.
    pub fn of<'a>(users: impl IntoIterator<Item = &'a MimiUri>) -> Self {
        Self(sha256(participant_set_key(users).as_bytes()))
    }

    /// The set that a room of fixed membership takes; none for any other room.
    pub fn fixed(view: &RoomView) -> Option<Self> {
        fixed_membership_key(view).map(|key| Self(sha256(key.as_bytes())))
    }
}

#[cfg(test)]
mod tests;
