//! What an asker knows of the matter beside the room itself (AMB-POL-20). What it does not know is
//! not asked, so that hubs and clients can run the same judge: a client cannot tell whether a join
//! code is still good, and trusts its hub to have looked.

use std::collections::BTreeMap;

use mimi_wire::MimiUri;
use mimi_wire::room::participant_list::RoleIndex;
use mimi_wire::room::preauth::Claim;

use crate::view::{LeafIndex, RoomView};

/// Inputs of the judge that no group state holds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Known<'a> {
    pub(crate) join_codes: JoinCodes<'a>,
    pub(crate) parent: Option<&'a RoomView>,
    pub(crate) claims: Option<&'a BTreeMap<LeafIndex, Vec<Claim>>>,
}

/// What is known of the join codes that joiners use (POLICY-CAP-ADD-5).
#[derive(Clone, Copy, Debug, Default)]
pub enum JoinCodes<'a> {
    /// Nobody presented one.
    #[default]
    None,
    /// Nothing: whoever may use a code is taken to have had a good one. A client's answer, never a
    /// hub's.
    Unverifiable,
    /// Those presented, by the client that joins: the hub's answer.
    Presented(&'a BTreeMap<MimiUri, JoinCode>),
}

/// A join code as the hub that issued it knows it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct JoinCode {
    /// The role it leads to.
    pub role: RoleIndex,
    /// Whether it can still be used.
    pub standing: CodeStanding,
}

/// Whether a join code can still be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CodeStanding {
    /// It can.
    Valid,
    /// It expired, was used up, was revoked, or never was.
    Spent,
}
