//! The judge: may this change be made to this room? The same answer on hubs and clients.
//!
//! Pure and deterministic (AMB-POL-19): no MLS, no storage, no clock, and no idea who the hub is.
//! A caller describes the room ([`RoomView`]) and what is asked ([`StagedChange`]); [`check`] says
//! [`Allowed`] or [`Denied`], and only `check` can make an [`Allowed`].
//!
//! Where to look: `judge` for what a commit or a bundle may do, by area below it; [`rule`] for the
//! rules by name and requirement; [`mod@restrictions`] for what accepted proposals forbid before they
//! are committed; [`message`] for application messages; [`preset`] for ready role tables and
//! [`policy_file`] for one's own; [`envelope`] for what an operator allows.

#![warn(missing_docs)]

pub mod change;
pub mod denied;
pub mod envelope;
pub mod fixed_membership;
pub mod index;
pub mod judge;
pub mod known;
pub mod message;
pub mod parent;
pub mod participant_list;
pub mod policy_file;
pub mod preset;
pub mod restrictions;
pub mod rule;
pub mod skipped;
pub mod view;
pub mod way_in;
pub mod what_if;

mod policy_component;
mod preauth;

pub use change::{Actor, ClientIdentity, ProposedChange, StagedChange, StagedProposal};
pub use denied::Denied;
pub use envelope::Envelope;
pub use fixed_membership::{fixed_membership_key, participant_set_key};
pub use index::RoomIndex;
pub use judge::{Allowed, Judge, check, check_founding};
pub use known::{CodeStanding, JoinCode, JoinCodes};
pub use policy_file::{PolicyFault, RoomPolicy};
pub use restrictions::{Restrictions, restrictions};
pub use rule::Rule;
pub use view::{ClientView, LeafIndex, RoomView};
pub use way_in::{WaysIn, preauthorized_role, ways_in};
