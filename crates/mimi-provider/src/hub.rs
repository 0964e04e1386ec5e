//! A hub's decisions, one file per endpoint.
//!
//! The server holds a hot room: the MLS group's public state and a [`state::HubState`]. Each
//! decision reads both and leaves them untouched; what it appends to the room's log is then shown
//! to [`state::HubState::observe`], live and after a restart alike, so that log and state never
//! tell two stories.

pub mod audience;
pub mod found_room;
pub mod group_info;
pub mod join_links;
pub mod key_material;
mod log;
pub mod member_set;
mod pending;
pub mod propose;
pub mod report_abuse;
mod restriction;
pub mod state;
pub mod stranger;
pub mod submit_message;
pub mod update;

#[cfg(test)]
pub(crate) mod fixture;
