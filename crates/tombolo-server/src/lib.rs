//! A provider that runs: listeners, handlers, delivery, and what MIMI leaves to the provider itself.
//!
//! A handler authenticates, decodes, loads, asks `mimi-provider` to decide, commits and answers; it
//! decides nothing. Two halves share the state in [`provider`]: the federation half ([`federation`],
//! [`peers`], [`tls`], [`rooms`], [`delivery`]) talks to other providers, the local half
//! ([`client_api`], [`admin_api`], [`account`], [`issuer`]) to the provider's own people.
//! [`running::Running`] starts and stops both; [`init`] writes what a new provider needs.

#![warn(missing_docs)]

pub mod account;
pub mod admin_api;
mod answers;
mod assets;
mod bodies;
mod budgets;
pub mod capture;
mod certificate_authority;
pub mod client_api;
pub mod clock;
pub mod config;
mod contact;
mod crowd;
pub mod delivery;
pub mod dev_ca;
pub mod federation;
pub mod franking_keys;
mod growth;
pub mod http_error;
pub mod init;
pub mod issuer;
pub mod keys;
pub mod network;
mod oblivious;
pub mod ohttp_keys;
pub mod peers;
mod private_file;
pub mod provider;
mod proxy;
mod reports;
pub mod rooms;
pub mod running;
mod shares;
pub mod surroundings;
pub mod tls;
mod turns;
pub mod wake;
mod working;
