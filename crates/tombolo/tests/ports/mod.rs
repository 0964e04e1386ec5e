//! Ports for the listeners of providers that tests start as processes.

use std::net::{Ipv4Addr, TcpListener};

/// A port nobody listens at now, below those that systems hand out for outgoing connections: those
/// would now and then take it before the provider does.
pub(crate) fn free_port() -> u16 {
    let mut tried = (0..100).map(|_| rand::random_range(12_000..32_000));
    tried.find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()).unwrap()
}
