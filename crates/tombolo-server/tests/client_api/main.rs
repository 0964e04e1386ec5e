//! The local half of a provider over real sockets: client API, admin API, start and shutdown.

#![expect(clippy::unwrap_used, reason = "tests")]

mod accounts;
mod admin;
mod devices;
mod documented;
mod endpoints;
mod events;
mod harness;
mod hostile;
mod rooms;
mod shutdown;
