//! The judge: may this change be made to this room? The same answer on hubs and clients.
//!
//! Pure and deterministic (AMB-POL-19): no MLS, no storage, no clock, and no idea who the hub is.
//! A caller describes the room ([`RoomView`]) and what is asked ([`StagedChange`]); [`check`] says
//! [`Allowed`] or [`Denied`], and only `check` can make an [`Allowed`].

#![warn(missing_docs)]

pub mod change;
pub mod denied;
pub mod judge;
pub mod message;
pub mod participant_list;
pub mod preset;
pub mod view;

pub use change::{Actor, ClientIdentity, ProposedChange, StagedChange, StagedProposal};
pub use denied::{Denied, Rule};
pub use judge::{Allowed, check};
pub use view::{ClientView, LeafIndex, RoomView};
