//! A follower's decisions, one file per endpoint.

pub mod notify;
pub mod state;
