//! Join codes at their hub: which stand, and what each is still worth (AMB-GI-8, AMB-GI-9,
//! TOM-9).
//!
//! A code is good as long as its link stands in the room's `join_links`, its time is not over, and
//! fewer have come in by it than may. Links of other forms than ours are kept in the room and let
//! nobody in here.

use std::collections::BTreeSet;

use mimi_policy::{CodeStanding, JoinCode, ProposedChange, RoomView, StagedChange};
use mimi_wire::component::{JOIN_LINK_POLICY, JOIN_LINKS};
use mimi_wire::limits::CLOCK_SKEW_MS_MAX;
use mimi_wire::room::join_code::{JoinCode as CodeText, RoomLink};
use mimi_wire::room::join_links::{JoinLink, JoinLinkPolicy, JoinLinksData};
use mimi_wire::{MimiUri, Wire};
use subtle::{Choice, ConstantTimeEq};

use crate::hub::state::HubState;
use crate::saved::sha256;
use crate::{Limits, Reject};

/// What somebody's `joiningCode` is worth now. A code that nobody made, that was revoked, or that is
/// of another form is spent.
pub(super) fn presented(state: &HubState, view: &RoomView, octets: &[u8], now_ms: u64) -> JoinCode {
    let Ok(code) = CodeText::from_octets(octets) else {
        return JoinCode { role: 0, standing: CodeStanding::Spent };
    };
    let used = state.code_uses.get(&sha256(octets)).copied().unwrap_or_default();
    let left = uses_max(view, &code).is_none_or(|most| used < most);
    let good = stands(view, octets) && left && !code.has_expired(now_ms);
    let standing = if good { CodeStanding::Valid } else { CodeStanding::Spent };
    JoinCode { role: code.role, standing }
}

/// Whether a link of the room carries the code. How long this takes tells nothing about the codes
/// that stand.
fn stands(view: &RoomView, octets: &[u8]) -> bool {
    let found =
        links(view).fold(Choice::from(0), |found, link| found | link.code.as_bytes().ct_eq(octets));
    found.into()
}

/// How many may come in by a code (POLICY-JL-1): where links are not for many, one.
fn uses_max(view: &RoomView, code: &CodeText) -> Option<u32> {
    let own = code.uses.map(u32::from);
    match policy(view) {
        Some(policy) if !policy.multiuser => Some(1),
        _ => own,
    }
}

/// The codes whose links stand, by SHA-256.
pub(super) fn standing_codes(view: &RoomView) -> BTreeSet<[u8; 32]> {
    links(view).map(|link| sha256(link.code.as_bytes())).collect()
}

/// Judges the links a change brings by what only a hub knows: the time (AMB-POL-20), and how much
/// it is willing to carry.
pub(super) fn check_new(
    view: &RoomView,
    change: &StagedChange,
    limits: &Limits,
    now_ms: u64,
) -> Result<(), Reject> {
    let updates = change.proposals.iter().filter_map(|proposal| match &proposal.change {
        ProposedChange::JoinLinks(update) => Some(update),
        _ => None,
    });
    let mut count = all(view).len();
    let mut grows = false;
    for update in updates {
        count = count.saturating_sub(update.removed_indices.len()) + update.added_links.len();
        grows |= !update.added_links.is_empty();
        for link in &update.added_links {
            lasts_no_longer(view, link, now_ms)?;
        }
    }
    let most = limits.join_links_max;
    if grows && count > most {
        let reason = format!("a room keeps at most {most} join links");
        return Err(Reject::NotAllowed(reason));
    }
    Ok(())
}

/// POLICY-JL-1: a new link lasts at most as long as the room's policy says. It is refused, not cut:
/// what stands in it is what its holders read.
fn lasts_no_longer(view: &RoomView, link: &JoinLink, now_ms: u64) -> Result<(), Reject> {
    let Some(policy) = policy(view) else { return Ok(()) };
    let Some(code) = RoomLink::of_room(view.room(), link).and_then(|link| link.join_code()) else {
        return Ok(());
    };
    let most_ms = u64::from(policy.expiration) * 1_000 + CLOCK_SKEW_MS_MAX;
    let lasts =
        code.expires_ms.is_none_or(|expires_ms| expires_ms > now_ms.saturating_add(most_ms));
    if lasts {
        let seconds = policy.expiration;
        let reason = format!("join links of this room expire within {seconds} seconds");
        return Err(Reject::NotAllowed(reason));
    }
    Ok(())
}

/// The links into this room; those of other forms are none.
fn links(view: &RoomView) -> impl Iterator<Item = RoomLink> {
    let room: MimiUri = view.room().clone();
    all(view).into_iter().filter_map(move |link| RoomLink::of_room(&room, &link))
}

fn all(view: &RoomView) -> Vec<JoinLink> {
    let links = view.other_components.get(&JOIN_LINKS);
    let links = links.and_then(|octets| JoinLinksData::decode(octets).ok());
    links.unwrap_or_default().links
}

/// AMB-POL-38: no limits where there is no policy.
fn policy(view: &RoomView) -> Option<JoinLinkPolicy> {
    let policy = view.other_components.get(&JOIN_LINK_POLICY);
    policy.and_then(|octets| JoinLinkPolicy::decode(octets).ok())
}

#[cfg(test)]
mod tests;
