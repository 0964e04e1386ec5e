//! Who may call the federation listener, over real TLS sockets (PROTO-TR-1..4, AMB-TR-1, AMB-TR-2).

use std::net::SocketAddr;

use crate::support::{Caller, Federation};
use http::{Method, StatusCode};
use tombolo_server::running::Running;

const UPDATE: &str = "/mimi/v1/update/mimi%3A%2F%2Fa.example%2Fr%2Fclub";

async fn provider(federation: &Federation) -> (Running, SocketAddr) {
    let running = federation.start("a.example").await;
    let address = running.addresses().federation;
    (running, address)
}

/// A body that no endpoint takes: whoever is let in is told so with 400.
const GARBAGE: &[u8] = b"garbage";

#[tokio::test]
async fn a_peer_with_the_right_certificate_is_heard() {
    let federation = Federation::new();
    let (_running, address) = provider(&federation).await;
    let caller = federation.caller("b.example");
    let reply = caller.post(address, "b.example", UPDATE, GARBAGE).await.unwrap();
    assert_eq!((reply.status, reply.code().as_str()), (StatusCode::BAD_REQUEST, "malformed"));
}

/// PROTO-TR-4: the certificate proves another domain than `From` claims.
#[tokio::test]
async fn a_certificate_of_another_domain_is_refused() {
    let federation = Federation::new();
    let (_running, address) = provider(&federation).await;
    let caller = federation.caller("c.example");
    let reply = caller.post(address, "b.example", UPDATE, GARBAGE).await.unwrap();
    assert_eq!((reply.status, reply.code().as_str()), (StatusCode::FORBIDDEN, "peer_misbehaved"));
}

/// What a connection has proven for one domain says nothing of another.
#[tokio::test]
async fn one_connection_speaks_for_one_domain() {
    let federation = Federation::new();
    let (_running, address) = provider(&federation).await;
    let caller = federation.caller("b.example");
    let mut connection = caller.connect(address, "a.example").await.unwrap();
    for (from, status) in [("b.example", 400), ("c.example", 403), ("b.example", 400)] {
        let reply = connection.post("a.example", from, UPDATE, GARBAGE).await.unwrap();
        assert_eq!(reply.status.as_u16(), status, "{from}");
    }
}

/// PROTO-TR-4: without a client certificate there is only the directory (AMB-TR-2).
#[tokio::test]
async fn no_client_certificate() {
    let federation = Federation::new();
    let (_running, address) = provider(&federation).await;
    let caller = federation.anonymous();
    let reply = caller.post(address, "b.example", UPDATE, GARBAGE).await.unwrap();
    assert_eq!((reply.status, reply.code().as_str()), (StatusCode::FORBIDDEN, "peer_misbehaved"));
}

/// A stranger's authority is refused in the handshake, before any request.
#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused() {
    let federation = Federation::new();
    let (_running, address) = provider(&federation).await;
    let stranger = federation.other_ca("stranger");
    let certificate =
        stranger.issue(&crate::support::domain("b.example"), crate::support::now_ms()).unwrap();
    let caller = Caller::new(federation.ca.root_pem(), Some(&certificate));
    assert!(caller.post(address, "b.example", UPDATE, GARBAGE).await.is_err());
}

/// We are nobody's peer but others'.
#[tokio::test]
async fn our_own_domain_is_no_peer() {
    let federation = Federation::new();
    let (_running, address) = provider(&federation).await;
    let caller = federation.caller("a.example");
    let reply = caller.post(address, "a.example", UPDATE, GARBAGE).await.unwrap();
    assert_eq!(reply.status, StatusCode::FORBIDDEN);
}

/// PROTO-TR-2 and PROTO-TR-3 at the socket.
#[tokio::test]
async fn host_and_from() {
    let federation = Federation::new();
    let (_running, address) = provider(&federation).await;
    let caller = federation.caller("b.example");
    let from = ("from", "mimi@b.example");
    let host = ("host", "a.example");
    let cases = [
        (vec![host], 400, "malformed"),
        (vec![host, ("from", "Mimi <mimi@b.example>")], 400, "malformed"),
        (vec![host, ("from", "bob@b.example")], 400, "malformed"),
        (vec![host, from, from], 400, "malformed"),
        (vec![from, ("host", "b.example")], 403, "peer_misbehaved"),
        (vec![from], 400, "malformed"),
        (vec![from, ("host", "a.example:8443"), ("x-unknown", "ignored")], 400, "malformed"),
    ];
    for (headers, status, code) in cases {
        let mut connection = caller.connect(address, "a.example").await.unwrap();
        let reply = connection.send(Method::POST, UPDATE, &headers, GARBAGE).await.unwrap();
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (status, code), "{headers:?}");
    }
}

#[tokio::test]
async fn unknown_and_unsupported_endpoints() {
    let federation = Federation::new();
    let (_running, address) = provider(&federation).await;
    let caller = federation.caller("b.example");
    let cases = [
        (Method::POST, "/mimi/v1/teleport/x", 404, "unknown"),
        (Method::POST, "/mimi/v1/", 404, "unknown"),
        (Method::POST, "/", 404, "unknown"),
        (Method::POST, "/mimi/v1/identifierQuery/a.example", 400, "malformed"),
        (Method::POST, "/mimi/v1/reportAbuse/mimi%3A%2F%2Fa.example%2Fr%2Fx", 400, "malformed"),
        (Method::GET, "/mimi/v1/proxyDownload/https%3A%2F%2Fx.example", 403, "not_allowed"),
        (Method::GET, UPDATE, 405, "malformed"),
        (Method::PUT, "/.well-known/mimi-protocol-directory", 405, "malformed"),
    ];
    let headers = [("host", "a.example"), ("from", "mimi@b.example")];
    let mut connection = caller.connect(address, "a.example").await.unwrap();
    for (method, path, status, code) in cases {
        let reply = connection.send(method, path, &headers, "").await.unwrap();
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (status, code), "{path}");
    }
}

/// Blocking takes effect on connections that are open.
#[tokio::test]
async fn a_blocked_peer_is_refused_at_once() {
    let federation = Federation::new();
    let (_running, address) = provider(&federation).await;
    let caller = federation.caller("b.example");
    let mut connection = caller.connect(address, "a.example").await.unwrap();
    let reply = connection.post("a.example", "b.example", UPDATE, GARBAGE).await.unwrap();
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    federation.publish("[peers.\"b.example\"]\npolicy = \"block\"\n").await;
    let reply = connection.post("a.example", "b.example", UPDATE, GARBAGE).await.unwrap();
    assert_eq!((reply.status, reply.code().as_str()), (StatusCode::FORBIDDEN, "not_allowed"));
}

/// A pin is bound to its domain: the pinned authority speaks for that domain alone, and nobody else
/// speaks for it.
#[tokio::test]
async fn pinned_roots() {
    let federation = Federation::new();
    let (_running, address) = provider(&federation).await;
    let pinned = federation.other_ca("pinned");
    let roots = "[peers.\"b.example\"]\nroots = [\"pinned/ca.pem\"]\n";
    federation.publish(roots).await;
    let of_pinned = |name: &str| {
        let certificate =
            pinned.issue(&crate::support::domain(name), crate::support::now_ms()).unwrap();
        Caller::new(federation.ca.root_pem(), Some(&certificate))
    };
    let cases = [
        (of_pinned("b.example"), "b.example", 400),
        (federation.caller("b.example"), "b.example", 403),
        (of_pinned("c.example"), "c.example", 403),
        (federation.caller("c.example"), "c.example", 400),
    ];
    for (number, (caller, from, status)) in cases.iter().enumerate() {
        let reply = caller.post(address, from, UPDATE, GARBAGE).await.unwrap();
        assert_eq!(reply.status.as_u16(), *status, "case {number}");
    }
}

/// PROTO-TR-1: there is nothing but TLS on the federation's port.
#[tokio::test]
async fn plain_http_is_refused() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let federation = Federation::new();
    let (_running, address) = provider(&federation).await;
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = "GET /.well-known/mimi-protocol-directory HTTP/1.1\r\nHost: a.example\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/"), "{answer:?}");
}

/// A renewed certificate is served without a restart; the old one is not, even to who comes back.
#[tokio::test]
async fn a_certificate_is_replaced_while_running() {
    let federation = Federation::new();
    let (_running, address) = provider(&federation).await;
    let (old, new) = (federation.anonymous(), federation.other_ca("new"));
    let renewed =
        new.issue(&crate::support::domain("a.example"), crate::support::now_ms()).unwrap();
    let trusting_new = Caller::new(new.root_pem(), None);
    assert!(trusting_new.connect(address, "a.example").await.is_err());
    assert!(old.connect(address, "a.example").await.is_ok());
    let file = |ending: &str| federation.directory.path().join(format!("a.example.{ending}"));
    std::fs::write(file("key"), renewed.key_pem.as_str()).unwrap();
    std::fs::write(file("pem"), &renewed.certificate_pem).unwrap();
    let served = async || trusting_new.connect(address, "a.example").await.ok();
    crate::support::eventually(served).await;
    assert!(old.connect(address, "a.example").await.is_err());
}
