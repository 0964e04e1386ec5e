//! `tombolo demo`: a whole federation on this machine, played and then checked.
//!
//! Three providers run as processes of their own and meet only over mutually authenticated HTTPS;
//! the devices are SDK instances that know only their provider's client API. The story follows the
//! drafts' example flow; the checks compare what every device shows and search everything the
//! providers stored, logged or sent for the messages' text.

pub(crate) mod cast;
pub(crate) mod checks;
pub(crate) mod chronicle;
pub(crate) mod federation;
pub(crate) mod interrupt;
pub(crate) mod keep;
pub(crate) mod narrator;
pub(crate) mod search;
pub(crate) mod story;
pub(crate) mod wires;
