//! Simulated federations: what all layers of the simulator share.
//!
//! [`plan`] says what people do and what goes wrong, [`ledger`] knows what must hold whatever
//! happens, [`trace`] keeps what happened for a person to read. None of them knows how a federation
//! is made: pure state machines and real servers are driven by the same plan and held to the same
//! ledger. `docs/simulation.md` has the rest.

pub mod ledger;
pub mod plan;
pub mod trace;
