//! Memory before anybody has proven who it is: bounded by the number of connections times what one of
//! them may hold. In a program of its own, because it is measured as this process's memory.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test that tells its figures")]

#[path = "federation/support/tls.rs"]
mod client;

use std::net::SocketAddr;
use std::time::Duration;

use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tombolo_server::config::Config;
use tombolo_server::dev_ca::{DevCa, ServerCertificate};
use tombolo_server::init::{InitOptions, init};
use tombolo_server::running::Running;

use client::client_tls;

/// Connections on which nothing is proven.
const CONNECTIONS: usize = 400;
/// What one of them may cost: a TLS handshake of 64 KiB, received and put together, and buffers. With
/// TLS, the test's own half is counted too.
const HANDSHAKE_OCTETS_MAX: usize = 192 * 1024;
const HEADERS_OCTETS_MAX: usize = 256 * 1024;
/// What comes and goes in the process beside.
const OTHERS_OCTETS_MAX: usize = 16 * 1024 * 1024;

/// Octets of this process that are in memory.
fn resident_octets() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    let kib: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}

/// A handshake that is as large as one may be and lacks its last octets: records of 16 KiB that are
/// parts of one ClientHello of nearly 64 KiB.
fn large_handshake() -> Vec<u8> {
    let hello_octets = 0xff00_u32;
    let [_, high, middle, low] = hello_octets.to_be_bytes();
    let mut message = vec![1, high, middle, low];
    message.resize(usize::try_from(hello_octets).unwrap() - 64, 0);
    let mut octets = Vec::new();
    for part in message.chunks(16 * 1024) {
        let [high, low] = u16::try_from(part.len()).unwrap().to_be_bytes();
        octets.extend_from_slice(&[22, 3, 1, high, low]);
        octets.extend_from_slice(part);
    }
    octets
}

fn tls(root_pem: &str, certificate: Option<&ServerCertificate>) -> TlsConnector {
    TlsConnector::from(client_tls(root_pem, certificate))
}

async fn secure(tls: &TlsConnector, address: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    tls.connect(ServerName::try_from("a.example").unwrap(), stream).await
}

/// The status of a peer's request on a connection that stays open.
async fn status(stream: &mut TlsStream<TcpStream>) -> String {
    let request = "POST /mimi/v1/submitMessage/x HTTP/1.1\r\nhost: a.example\r\n\
                   from: mimi@b.example\r\ncontent-length: 0\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut octets = vec![0; 4_096];
    let count = stream.read(&mut octets).await.unwrap();
    String::from_utf8_lossy(&octets[9..12.min(count)]).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_before_authentication_is_bounded() {
    let home = tempfile::tempdir().unwrap();
    let mut options = InitOptions::new("a.example".parse().unwrap(), home.path().to_owned());
    for address in
        [&mut options.listen.federation, &mut options.listen.client, &mut options.listen.admin]
    {
        address.set_port(0);
    }
    let mut config = Config::load(&init(&options).unwrap().config).unwrap();
    let limits = &mut config.limits.connections;
    limits.unproven_max = CONNECTIONS;
    limits.unproven_per_network_max = CONNECTIONS;
    limits.openings_per_network_max = 1_000_000;
    limits.handshake_ms_max = 600_000;
    let running = Running::start(config).await.unwrap();
    let address = running.addresses().federation;
    let now_ms = tombolo_server::clock::Clock::system().now_ms();
    let ca = DevCa::open_or_create(&home.path().join("dev-ca"), now_ms).unwrap();
    let peer = tls(ca.root_pem(), Some(&ca.issue(&"b.example".parse().unwrap(), now_ms).unwrap()));
    let mut proven = secure(&peer, address).await.unwrap();
    assert_eq!(status(&mut proven).await, "400");

    // Half of a handshake each: nothing of it is the test's own.
    let handshake = large_handshake();
    let before = resident_octets();
    let mut open = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&handshake).await.unwrap();
        open.push(stream);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let grown = resident_octets().saturating_sub(before);
    println!("{CONNECTIONS} handshakes: {} octets each", grown / CONNECTIONS);
    assert!(grown <= CONNECTIONS * HANDSHAKE_OCTETS_MAX + OTHERS_OCTETS_MAX, "{grown}");
    // One more is closed; who is known goes on.
    assert!(secure(&peer, address).await.is_err());
    assert_eq!(status(&mut proven).await, "400");
    drop(open);

    // Headers that do not end, as long as they may be.
    let nobody = tls(ca.root_pem(), None);
    let before = resident_octets();
    let mut open = Vec::new();
    let padding = "x".repeat(15 * 1024);
    while open.len() < CONNECTIONS / 4 {
        let Ok(mut stream) = secure(&nobody, address).await else {
            // The first ones are still being closed.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let head = format!("GET / HTTP/1.1\r\nhost: a.example\r\nx: {padding}");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        open.push(stream);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let grown = resident_octets().saturating_sub(before);
    println!("{} headers: {} octets each", open.len(), grown / open.len());
    assert!(grown <= open.len() * HEADERS_OCTETS_MAX + OTHERS_OCTETS_MAX, "{grown}");
    assert_eq!(status(&mut proven).await, "400");
    drop(open);
    running.shutdown().await;
}
