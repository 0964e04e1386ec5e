//! Component 0x0025, `roles_list` (room-policy-03 section 3). The update format is the data format.

use serde::{Deserialize, Serialize};

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::limits::{LIST_ELEMENTS_MAX, TEXT_OCTETS_MAX};
use crate::room::capability::Capability;
use crate::room::participant_list::RoleIndex;

/// `SingleSourceRoleChangeTargets`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SingleSourceRoleChangeTargets {
    /// The role a user has.
    pub from_role_index: RoleIndex,
    /// The roles it may be changed to.
    pub target_role_indexes: Vec<RoleIndex>,
}

/// `Role`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Role {
    /// Unique, may be sparse (POLICY-ROLE-1).
    pub role_index: RoleIndex,
    /// Name.
    pub role_name: String,
    /// Description.
    pub role_description: String,
    /// What holders may do.
    pub role_capabilities: Vec<Capability>,
    /// 0 means none (POLICY-ROLE-2), as for the other minimum.
    pub minimum_participants_constraint: u32,
    /// Absent means none, as for the other maximum.
    pub maximum_participants_constraint: Option<u32>,
    /// Participants with at least one client.
    pub minimum_active_participants_constraint: u32,
    /// 0 means that no clients are allowed.
    pub maximum_active_participants_constraint: Option<u32>,
    /// Which role changes holders may make.
    pub authorized_role_changes: Vec<SingleSourceRoleChangeTargets>,
}

/// `RoleData`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct RoleData {
    /// The roles.
    pub roles: Vec<Role>,
}

impl Wire for SingleSourceRoleChangeTargets {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let field = "SingleSourceRoleChangeTargets.target_role_indexes";
        Ok(Self {
            from_role_index: reader.u32("SingleSourceRoleChangeTargets.from_role_index")?,
            target_role_indexes: reader
                .vector(LIST_ELEMENTS_MAX, field, |reader| reader.u32(field))?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.u32(self.from_role_index);
        writer.vector(&self.target_role_indexes, |writer, index| writer.u32(*index));
    }
}

impl Wire for Role {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            role_index: reader.u32("Role.role_index")?,
            role_name: reader.text(TEXT_OCTETS_MAX, "Role.role_name")?,
            role_description: reader.text(TEXT_OCTETS_MAX, "Role.role_description")?,
            role_capabilities: reader.vector(
                LIST_ELEMENTS_MAX,
                "Role.role_capabilities",
                Capability::read,
            )?,
            minimum_participants_constraint: reader.u32("Role.minimum_participants_constraint")?,
            maximum_participants_constraint: reader
                .optional_u32("Role.maximum_participants_constraint")?,
            minimum_active_participants_constraint: reader
                .u32("Role.minimum_active_participants_constraint")?,
            maximum_active_participants_constraint: reader
                .optional_u32("Role.maximum_active_participants_constraint")?,
            authorized_role_changes: reader.vector(
                LIST_ELEMENTS_MAX,
                "Role.authorized_role_changes",
                SingleSourceRoleChangeTargets::read,
            )?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.u32(self.role_index);
        writer.opaque(self.role_name.as_bytes());
        writer.opaque(self.role_description.as_bytes());
        writer.vector(&self.role_capabilities, |writer, capability| capability.write(writer));
        writer.u32(self.minimum_participants_constraint);
        writer.optional_u32(self.maximum_participants_constraint);
        writer.u32(self.minimum_active_participants_constraint);
        writer.optional_u32(self.maximum_active_participants_constraint);
        writer.vector(&self.authorized_role_changes, |writer, targets| targets.write(writer));
    }
}

impl Wire for RoleData {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { roles: reader.vector(LIST_ELEMENTS_MAX, "RoleData.roles", Role::read)? })
    }

    fn write(&self, writer: &mut Writer) {
        writer.vector(&self.roles, |writer, role| role.write(writer));
    }
}
