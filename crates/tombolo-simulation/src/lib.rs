//! Whole federations of real servers and real clients, in virtual time and from one seed.
//!
//! Everything runs in one thread on `turmoil`: providers are [`tombolo_server`] with its listeners,
//! TLS and delivery, devices are [`tombolo_client`] with its driver and its HTTP API. What is
//! simulated is what they stand on: [`wires`], [`disk`], [`pocket`], time and chance. What people do,
//! what goes wrong and what must hold is `tombolo_testkit::simulation`, shared with the layer of pure
//! state machines. `docs/simulation.md` has the rest.

#![warn(missing_docs)]

pub mod book;
pub mod device;
pub mod disk;
pub mod extra;
pub mod facade;
pub mod federation;
pub mod late;
pub mod mallory;
pub mod pocket;
pub mod provider;
pub mod wires;
pub mod witness;

#[cfg(test)]
mod tests;
