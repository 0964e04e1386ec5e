//! The pure layer: state machines of providers and devices with real MLS, on one queue of events.

mod call;
mod device;
mod disk;
mod node;
pub(crate) mod planted;
pub(crate) mod runner;
pub(crate) mod seen;
mod world;
