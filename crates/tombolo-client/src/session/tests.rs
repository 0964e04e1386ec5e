//! The session against a hub in memory: the flows, and the same flows with losses, repeats, odd
//! orders and crashes.

#![expect(clippy::panic_in_result_fn, reason = "tests")]

mod faults;
mod flows;
mod hub;
mod judging;
mod racing;
mod world;
