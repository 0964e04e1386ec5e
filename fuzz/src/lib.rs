//! The targets, shared with the replay on the stable compiler.

pub mod targets;
