//! A follower's decisions, one file per endpoint.
