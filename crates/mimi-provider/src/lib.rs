//! A provider's brain: what to do with a request, as pure functions over what is known.
//!
//! Every decision has the form `decide(&what_is_known, &input) -> Result<Transition, Reject>`; the
//! input holds the time.
//! A [`Transition`] says what to store, who to wake and what to answer; nothing here stores, wakes
//! or answers. No sockets, no SQL, no futures, and nothing of MLS but a verified
//! [`StagedChange`](mimi_policy::StagedChange).

#![warn(missing_docs)]

pub mod abuse;
pub mod account;
pub mod budget;
pub mod consent;
pub mod contact_budget;
pub mod delivery;
pub mod era;
pub mod follower;
pub mod franking;
pub mod hub;
pub mod identifier_query;
pub mod key_material;
pub mod limits;
pub mod profile;
pub mod record;
pub mod reject;
pub mod reply;
pub mod requester;
pub mod saved;
pub mod transition;

pub use limits::Limits;
pub use reject::Reject;
pub use transition::{Change, Effect, Expect, Transition};

#[cfg(test)]
mod fixture;
