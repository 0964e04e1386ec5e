//! By what right somebody who is not listed may join, and as what: the room is open
//! (POLICY-CAP-ADD-3), the credential is preauthorized (POLICY-CAP-ADD-4), or a join code leads
//! there (POLICY-CAP-ADD-5).

use mimi_wire::room::capability::Capability;
use mimi_wire::room::participant_list::RoleIndex;

use crate::change::{Actor, ClientIdentity};
use crate::denied::Denied;
use crate::judge::authority::{allows_move, capability_name, holds, role_name};
use crate::judge::reading::Reading;
use crate::known::{CodeStanding, JoinCode, JoinCodes};
use crate::preauth::{Claims, first_match};
use crate::rule::Rule;

/// Whether somebody who is not listed may join as a role.
pub(super) fn may_join_as(
    reading: &Reading<'_>,
    joiner: &ClientIdentity,
    to: RoleIndex,
) -> Result<(), Denied> {
    let outside = Outside { reading, joiner, to };
    if outside.is_open() || outside.is_preauthorized() {
        return Ok(());
    }
    outside.by_code().unwrap_or_else(|| Err(outside.why_not()))
}

/// Whether there is any role somebody may join as.
pub(super) fn may_join_at_all(
    reading: &Reading<'_>,
    joiner: &ClientIdentity,
) -> Result<(), Denied> {
    let mut denied = None;
    for role in reading.view.roles.roles.iter().filter(|role| role.role_index != 0) {
        match may_join_as(reading, joiner, role.role_index) {
            Ok(()) => return Ok(()),
            Err(denial) => denied = Some(denial),
        }
    }
    Err(denied.unwrap_or_else(|| {
        Denied::new(Rule::OpenJoin, Some(&joiner.user), "the room has no roles").about("anything")
    }))
}

/// Somebody outside, and the role it wants.
#[derive(Clone, Copy)]
struct Outside<'a> {
    reading: &'a Reading<'a>,
    joiner: &'a ClientIdentity,
    to: RoleIndex,
}

impl Outside<'_> {
    /// Whether role 0 holds a capability (AMB-POL-15: absent, it holds none).
    fn holds(&self, capability: Capability) -> bool {
        self.reading.view.role(0).is_some_and(|role| holds(role, capability))
    }

    /// Whether role 0's table leads to the role wanted (AMB-POL-26, AMB-POL-27).
    fn has_way(&self) -> bool {
        self.reading.view.role(0).is_some_and(|role| allows_move(role, 0, self.to))
    }

    fn is_open(&self) -> bool {
        self.holds(Capability::CAN_OPEN_JOIN) && self.has_way()
    }

    /// No table is consulted.
    fn is_preauthorized(&self) -> bool {
        let matched = first_match(self.reading.view, Claims::Known(&self.joiner.claims));
        matched.is_some_and(|role| {
            role.role_index == self.to && holds(role, Capability::CAN_JOIN_IF_PREAUTHORIZED)
        })
    }

    /// The verdict on a join code; `None` where no code is in play. AMB-UPD-14: a proposal to join
    /// has no place for one, so that nobody can claim there was one.
    fn by_code(&self) -> Option<Result<(), Denied>> {
        if !self.commits_itself() {
            return None;
        }
        let usable = self.holds(Capability::CAN_USE_JOIN_CODE);
        let JoinCode { role, standing } = match self.reading.known.join_codes {
            JoinCodes::None => return None,
            JoinCodes::Unverifiable if usable && self.has_way() => return Some(Ok(())),
            JoinCodes::Unverifiable => return None,
            JoinCodes::Presented(codes) => *codes.get(&self.joiner.client)?,
        };
        let name = |index| role_name(&self.reading.view.roles, index);
        let needed = if !usable {
            let lacking = capability_name(Capability::CAN_USE_JOIN_CODE);
            format!("the room takes no join codes: outside it nobody holds {lacking}")
        } else if standing == CodeStanding::Spent {
            "the code expired, was used up or was revoked".to_owned()
        } else if role != self.to {
            format!("the code is for {}", name(role))
        } else if !self.has_way() {
            format!("no join code may lead to {}", name(role))
        } else {
            return Some(Ok(()));
        };
        Some(Err(self.deny(Rule::JoinByCode, needed)))
    }

    fn commits_itself(&self) -> bool {
        matches!(self.reading.committer, Some(Actor::Joiner(joiner)) if joiner == self.joiner)
    }

    fn why_not(&self) -> Denied {
        let name = |index| role_name(&self.reading.view.roles, index);
        let matched = first_match(self.reading.view, Claims::Known(&self.joiner.claims));
        let (rule, needed) = match matched {
            _ if self.holds(Capability::CAN_OPEN_JOIN) => {
                (Rule::OpenJoin, "the room is open, but not for this role".to_owned())
            }
            Some(role) if role.role_index == self.to => {
                let lacking = capability_name(Capability::CAN_JOIN_IF_PREAUTHORIZED);
                (Rule::PreauthorizedJoin, format!("the role lacks {lacking}"))
            }
            Some(role) => {
                let name = name(role.role_index);
                let needed = format!("their credential is preauthorized for {name}");
                (Rule::PreauthorizedJoin, needed)
            }
            None if self.holds(Capability::CAN_USE_JOIN_CODE) && !self.commits_itself() => {
                (Rule::JoinByCode, "join codes go with an external commit".to_owned())
            }
            None if self.holds(Capability::CAN_USE_JOIN_CODE) => {
                (Rule::JoinByCode, "a join code that leads there is needed".to_owned())
            }
            None => {
                let needed = "the room is not open, and no preauthorization entry matches";
                (Rule::OpenJoin, needed.to_owned())
            }
        };
        self.deny(rule, needed)
    }

    fn deny(&self, rule: Rule, needed: String) -> Denied {
        let target = role_name(&self.reading.view.roles, self.to);
        Denied::new(rule, Some(&self.joiner.user), needed).about(target)
    }
}
