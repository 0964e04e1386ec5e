//! A follower's decisions, one file per endpoint.

pub mod external_join;
pub mod notify;
pub mod state;
