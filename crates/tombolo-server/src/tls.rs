//! TLS: who we are, whom we believe, and the listener both public APIs stand on.
//!
//! Providers authenticate each other on every request (PROTO-TR-4). The handshake refuses whoever has
//! no chain to any trusted root; which domain a chain may speak for is checked per request, once
//! `From` is known.

mod activity;
mod admission;
mod configuration;
mod identity;
mod lingering;
mod listener;
mod peer_chain;
mod peer_verifier;
mod roots;

pub(crate) use admission::{Holder, Standing, network};
pub(crate) use configuration::{
    anonymous_client_config, client_api_server_config, client_config, crypto,
    federation_server_config,
};
pub use identity::{Identity, IdentityError};
pub(crate) use lingering::Unread;
pub(crate) use listener::serve;
pub(crate) use peer_chain::PeerChain;
pub(crate) use peer_verifier::HandshakeRoots;
pub use roots::RootsError;
pub(crate) use roots::{public_roots, read_roots};
