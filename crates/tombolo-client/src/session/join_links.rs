//! Links into a room: making them, listing them, taking them back (AMB-POL-12, TOM-9).

use std::num::NonZeroU32;

use mimi_mls::member::CommitPlan;
use mimi_policy::RoomView;
use mimi_wire::Wire;
use mimi_wire::component::{JOIN_LINK_POLICY, JOIN_LINKS};
use mimi_wire::room::capability::Capability;
use mimi_wire::room::join_code::{JOIN_CODE_SECRET_OCTETS, JoinCode, RoomLink};
use mimi_wire::room::join_links::{JoinLink, JoinLinkPolicy, JoinLinksData, JoinLinksUpdate};
use mimi_wire::room::participant_list::RoleIndex;

use crate::error::ClientError;
use crate::session::commit::Step;
use crate::session::effects::Moment;
use crate::session::way_in::{preset_of, role_name};
use crate::shown::ShownJoinLink;

/// What a new link is to be worth.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct NewJoinLink {
    /// The role it leads to; else the ordinary one.
    pub role: Option<RoleIndex>,
    /// How many may come in by it.
    pub uses: Option<NonZeroU32>,
    /// For how long.
    pub lasts_ms: Option<u64>,
}

/// A fresh link into a room, within what its policy lets links be.
pub(crate) fn fresh(
    view: &RoomView,
    wish: &NewJoinLink,
    at: &mut Moment<'_>,
) -> Result<RoomLink, ClientError> {
    let role = role_for_link(view, wish.role)?;
    let mut secret = [0; JOIN_CODE_SECRET_OCTETS];
    at.rng.fill_bytes(&mut secret);
    let policy = policy(view);
    let uses = match &policy {
        Some(policy) if !policy.multiuser => Some(NonZeroU32::MIN),
        _ => wish.uses,
    };
    // POLICY-JL-1: the hub takes none that lasts longer.
    let most_ms = policy.map(|policy| u64::from(policy.expiration) * 1_000);
    let lasts_ms = match (wish.lasts_ms, most_ms) {
        (Some(wish), Some(most)) => Some(wish.min(most)),
        (wish, most) => wish.or(most),
    };
    let expires_ms = lasts_ms.map(|lasts_ms| at.now_ms.saturating_add(lasts_ms));
    Ok(RoomLink::new(view.room().clone(), &JoinCode { secret, role, uses, expires_ms }))
}

/// A role that codes can lead to (AMB-POL-26).
fn role_for_link(view: &RoomView, wish: Option<RoleIndex>) -> Result<RoleIndex, ClientError> {
    let refused = |text: String| Err(ClientError::Refused(text));
    let outside = view.role(0);
    let usable =
        outside.is_some_and(|role| role.role_capabilities.contains(&Capability::CAN_USE_JOIN_CODE));
    if !usable {
        return refused(
            "nobody can come into this room by a link: its roles do not let them".into(),
        );
    }
    let entries = outside.map(|role| role.authorized_role_changes.as_slice()).unwrap_or_default();
    let from_outside = entries.iter().filter(|entry| entry.from_role_index == 0);
    let roles: Vec<RoleIndex> =
        from_outside.flat_map(|entry| entry.target_role_indexes.iter().copied()).collect();
    let ordinary = preset_of(view).map(|preset| preset.ordinary_role());
    let ordinary = ordinary.filter(|role| roles.contains(role)).or(roles.iter().min().copied());
    match wish.or(ordinary) {
        Some(role) if roles.contains(&role) => Ok(role),
        _ => {
            let names: Vec<String> = roles.iter().map(|role| role_name(view, *role)).collect();
            refused(format!("links into this room can lead to {}", names.join(" or ")))
        }
    }
}

/// What is to be done so that a link stands.
pub(crate) fn add_step(view: &RoomView, link: &str) -> Step {
    let links = links(view);
    if links.iter().any(|known| known.0 == link.as_bytes()) {
        return Step::Fulfilled;
    }
    // Where one is kept at most, the new one takes the place of the old (POLICY-JL-1).
    let one_only = policy(view).is_some_and(|policy| policy.on_request);
    let removed_indices = match one_only {
        true => (0..).zip(&links).map(|(position, _)| position).collect(),
        false => Vec::new(),
    };
    let added_links = vec![JoinLink(link.as_bytes().to_vec())];
    changed(JoinLinksUpdate { removed_indices, added_links })
}

/// What is to be done so that a link no longer stands.
pub(crate) fn remove_step(view: &RoomView, link: &[u8]) -> Step {
    let links = links(view);
    let positions = (0..).zip(&links).filter(|(_, known)| known.0 == link);
    let removed_indices: Vec<u32> = positions.map(|(position, _)| position).collect();
    if removed_indices.is_empty() {
        return Step::Fulfilled;
    }
    changed(JoinLinksUpdate { removed_indices, added_links: Vec::new() })
}

fn changed(update: JoinLinksUpdate) -> Step {
    Step::commit(CommitPlan { join_links: Some(update), ..CommitPlan::default() })
}

/// The links of a room as a person sees them.
pub(crate) fn shown(view: &RoomView) -> Vec<ShownJoinLink> {
    let show = |link: JoinLink| {
        let code = RoomLink::of_room(view.room(), &link).and_then(|link| link.join_code());
        ShownJoinLink {
            role: code.as_ref().map(|code| (code.role, role_name(view, code.role))),
            uses: code.as_ref().and_then(|code| code.uses).map(u32::from),
            expires_ms: code.and_then(|code| code.expires_ms),
            link: link.0,
        }
    };
    links(view).into_iter().map(show).collect()
}

fn links(view: &RoomView) -> Vec<JoinLink> {
    let links = view.other_components.get(&JOIN_LINKS);
    let links = links.and_then(|octets| JoinLinksData::decode(octets).ok());
    links.unwrap_or_default().links
}

fn policy(view: &RoomView) -> Option<JoinLinkPolicy> {
    let policy = view.other_components.get(&JOIN_LINK_POLICY);
    policy.and_then(|octets| JoinLinkPolicy::decode(octets).ok())
}
