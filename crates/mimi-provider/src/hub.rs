//! A hub's decisions, one file per endpoint.
