//! A federation of real processes, with people at terminals and with hostile peers.

#![expect(clippy::unwrap_used, reason = "tests")]

mod hostile;
mod keep;
#[path = "../ports/mod.rs"]
mod ports;
mod programs;
