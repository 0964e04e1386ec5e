//! Providers and their peers over real TLS sockets.

#![expect(clippy::unwrap_used, reason = "tests")]

mod assets;
mod authentication;
mod bodies;
mod contact;
mod deleted_accounts;
mod delivery;
mod direct_rooms;
mod directory;
mod downloads;
mod faults;
mod flood;
mod flows;
mod franking;
mod hostile;
mod identifier_query;
mod joining;
mod kept_in_order;
mod key_packages;
mod limits;
mod oblivious;
mod peers;
mod restarts;
mod rooms;
mod rules;
mod silence;
mod slow;
mod support;
mod timing;
