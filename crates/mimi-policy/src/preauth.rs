//! Preauthorization: which role a credential's claims lead to (room-policy section 6.2).
//!
//! Claims arrive as octets, already read from the credential; reading them is the identity's
//! business, so a new claim syntax changes nothing here.

use mimi_wire::room::preauth::{Claim, PreAuthRoleEntry};
use mimi_wire::room::roles::Role;

use crate::view::RoomView;

/// What is known of a requester's claims.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Claims<'a> {
    /// All of them.
    Known(&'a [Claim]),
    /// Nothing: a member's leaf is described without its credential. Only an entry that asks for
    /// nothing is certain to match.
    Unknown,
}

/// The role of the first matching entry (POLICY-PRE-2). Only the entry's index counts (AMB-POL-2);
/// it must name a defined role other than 0 and 1.
pub(crate) fn first_match<'a>(view: &'a RoomView, claims: Claims<'_>) -> Option<&'a Role> {
    let entry = view.preauth.entries.iter().find_map(|entry| matches(entry, claims))?;
    let index = entry?.target_role.role_index;
    if index <= 1 { None } else { view.role(index) }
}

/// `None`: does not match. `Some(None)`: cannot be told, so nothing after it may win either.
fn matches<'a>(
    entry: &'a PreAuthRoleEntry,
    claims: Claims<'_>,
) -> Option<Option<&'a PreAuthRoleEntry>> {
    match claims {
        // AMB-POL-41: an entry that asks for nothing matches everyone.
        _ if entry.claimset.is_empty() => Some(Some(entry)),
        Claims::Unknown => Some(None),
        Claims::Known(claims) => {
            entry.claimset.iter().all(|wanted| claims.contains(wanted)).then_some(Some(entry))
        }
    }
}

#[cfg(test)]
mod tests;
