//! The session against a hub in memory: the flows, and the same flows with losses, repeats, odd
//! orders and crashes.

mod astray;
mod contents;
mod deleting;
mod direct;
mod expiring;
mod faults;
mod flows;
mod franking;
pub(crate) mod hub;
mod judging;
mod links;
mod racing;
mod receipts;
mod rejoining;
mod rules;
pub(crate) mod world;
