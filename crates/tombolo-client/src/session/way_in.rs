//! As what this device comes into a room by itself: a participant's device as what its user is, a
//! newcomer in a role that the room's rules, its credential or its link open to it.

use mimi_policy::preset::Preset;
use mimi_policy::{ClientIdentity, JoinCodes, Judge, RoomView, WaysIn, ways_in};
use mimi_wire::MimiUri;
use mimi_wire::room::join_code::JoinCode;
use mimi_wire::room::participant_list::RoleIndex;
use serde::{Deserialize, Serialize};

use crate::error::ClientError;

/// What a person is told whose link does not work, whatever the reason: the hub does not say.
pub(crate) const LINK_IS_SPENT: &str = "this link is no longer good: ask for a new one";

/// How somebody wants to come in.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Wish {
    /// The code of a link: ours, or opaque.
    pub(crate) code: Option<String>,
    /// The role, where there is a choice (AMB-POL-27).
    pub(crate) role: Option<RoleIndex>,
    /// Nothing but a room of fixed membership with this user will do.
    pub(crate) direct_with: Option<MimiUri>,
}

/// The role to be listed in; `None` for who is listed. `view` may hold the device already.
pub(crate) fn role_to_join(
    view: &RoomView,
    own: &ClientIdentity,
    wish: &Wish,
) -> Result<Option<RoleIndex>, ClientError> {
    let codes = match wish.code {
        Some(_) => JoinCodes::Unverifiable,
        None => JoinCodes::None,
    };
    let roles = match ways_in(&Judge::of(view).with_join_codes(codes), view, own, &[]) {
        Ok(WaysIn::AsParticipant) => return Ok(None),
        Ok(WaysIn::AsNewcomer(roles)) => roles,
        Err(denied) => return Err(ClientError::Denied(denied)),
    };
    let code = wish.code.as_ref().and_then(|code| code.parse::<JoinCode>().ok());
    if let Some(code) = code {
        return match roles.contains(&code.role) {
            true => Ok(Some(code.role)),
            false => Err(ClientError::Refused(LINK_IS_SPENT.to_owned())),
        };
    }
    match wish.role {
        Some(role) if roles.contains(&role) => Ok(Some(role)),
        Some(_) => Err(ClientError::Refused(choices(view, &roles))),
        None => Ok(Some(chosen(view, own, &roles))),
    }
}

/// What the credential alone opens, else the ordinary role, else the lowest.
fn chosen(view: &RoomView, own: &ClientIdentity, roles: &[RoleIndex]) -> RoleIndex {
    let nobody = ClientIdentity { claims: Vec::new(), ..own.clone() };
    let open = match ways_in(&Judge::of(view), view, &nobody, &[]) {
        Ok(WaysIn::AsNewcomer(open)) => open,
        Ok(WaysIn::AsParticipant) | Err(_) => Vec::new(),
    };
    let claimed = ways_in(&Judge::of(view), view, own, &[]);
    let claimed = match &claimed {
        Ok(WaysIn::AsNewcomer(all)) => all.iter().find(|role| !open.contains(role)),
        Ok(WaysIn::AsParticipant) | Err(_) => None,
    };
    let ordinary = preset_of(view).map(Preset::ordinary_role).filter(|role| roles.contains(role));
    let lowest = roles.iter().min().copied().unwrap_or_default();
    claimed.copied().or(ordinary).unwrap_or(lowest)
}

/// The preset whose roles a room has.
pub(crate) fn preset_of(view: &RoomView) -> Option<Preset> {
    Preset::of_roles(&view.roles)
}

fn choices(view: &RoomView, roles: &[RoleIndex]) -> String {
    let names: Vec<String> = roles.iter().map(|index| role_name(view, *index)).collect();
    format!("one may come in as {}", names.join(" or as "))
}

/// A role's name, or its number.
pub(crate) fn role_name(view: &RoomView, index: RoleIndex) -> String {
    match view.role(index).map(|role| role.role_name.as_str()) {
        None | Some("") => format!("role {index}"),
        Some(name) => name.to_owned(),
    }
}

#[cfg(test)]
mod tests;
