//! Role tables ready to use (room-policy appendix A, POLICY-PRESET-1).

use mimi_wire::room::participant_list::RoleIndex;
use mimi_wire::room::roles::RoleData;

/// A named role table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Preset {
    /// Cooperatively administered: every participant may add others.
    Cooperative,
}

impl Preset {
    /// By the name used in configuration and commands.
    pub fn by_name(_name: &str) -> Option<Self> {
        todo!()
    }

    /// The name.
    pub fn name(self) -> &'static str {
        todo!()
    }

    /// The roles.
    pub fn roles(self) -> RoleData {
        todo!()
    }

    /// The role of a room's creator: the highest administrative role (AMB-RM-1).
    pub fn creator_role(self) -> RoleIndex {
        todo!()
    }

    /// The role a participant is added with when nobody says otherwise.
    pub fn ordinary_role(self) -> RoleIndex {
        todo!()
    }

    /// The role the hub's preauthorization entry names (AMB-ST-4).
    pub fn policy_enforcer_role(self) -> Option<RoleIndex> {
        todo!()
    }
}
