//! What cannot be decoded is refused clearly on every endpoint, and changes nothing (WIRE-6,
//! AMB-TR-4, AMB-TR-5).

use std::net::SocketAddr;

use crate::support::{Caller, Federation};
use bytes::Bytes;
use mimi_wire::limits::{APPLICATION_BODY_OCTETS_MAX, HANDSHAKE_BODY_OCTETS_MAX};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tombolo_store::memory::MemoryStore;

const ROOM: &str = "mimi%3A%2F%2Fa.example%2Fr%2Fclub";
const USER: &str = "mimi%3A%2F%2Fa.example%2Fu%2Falice";
const HEADERS: [(&str, &str); 2] = [("host", "a.example"), ("from", "mimi@b.example")];

/// Paths of all endpoints, with the limit of their bodies.
fn endpoints() -> Vec<(String, usize)> {
    let (large, small) = (HANDSHAKE_BODY_OCTETS_MAX, APPLICATION_BODY_OCTETS_MAX);
    vec![
        (format!("/mimi/v1/keyMaterial/{USER}"), small),
        (format!("/mimi/v1/update/{ROOM}"), large),
        (format!("/mimi/v1/submitMessage/{ROOM}"), small),
        (format!("/mimi/v1/notify/{ROOM}"), large),
        (format!("/mimi/v1/groupInfo/{ROOM}"), small),
        ("/mimi/v1/requestConsent/a.example".to_owned(), small),
        ("/mimi/v1/updateConsent/a.example".to_owned(), small),
    ]
}

#[tokio::test]
async fn garbage_is_malformed() {
    let federation = Federation::new();
    let store = MemoryStore::new();
    let running = federation.start_on("a.example", &store).await;
    let before = format!("{store:?}");
    let caller = federation.caller("b.example");
    let mut connection = caller.connect(running.addresses().federation, "a.example").await.unwrap();
    let bodies: [&[u8]; 6] =
        [b"", b"\x01", b"\x00", &[0xff; 100], &[0; 1000], b"{\"json\": \"is not MIMI\"}"];
    for (path, _) in endpoints() {
        for body in bodies {
            let reply = connection
                .post("a.example", "b.example", &path, Bytes::copy_from_slice(body))
                .await
                .unwrap();
            assert_eq!(reply.status.as_u16(), 400, "{path}: {body:?}");
            assert_eq!(reply.code(), "malformed", "{path}");
        }
    }
    assert!(format!("{store:?}") == before, "nothing has changed");
}

#[tokio::test]
async fn what_is_too_large_is_refused_unread() {
    let federation = Federation::new();
    let running = federation.start("a.example").await;
    let caller = federation.caller("b.example");
    for (path, limit) in endpoints() {
        let address = running.addresses().federation;
        let mut connection = caller.connect(address, "a.example").await.unwrap();
        let body = Bytes::from(vec![0; limit + 1]);
        // The answer comes before the body is through.
        let reply = connection.post("a.example", "b.example", &path, body).await.unwrap();
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (413, "too_large"));
    }
}

/// A request written to its end before anything is read, as simple clients do; the answer's first line.
async fn written_first(caller: &Caller, address: SocketAddr, head: &str, body: &[u8]) -> String {
    let mut connection = caller.connect_raw(address).await.unwrap();
    let head = format!("{head}\r\nhost: a.example\r\ncontent-length: {}\r\n\r\n", body.len());
    connection.write_all(head.as_bytes()).await.unwrap();
    connection.write_all(body).await.unwrap();
    connection.flush().await.unwrap();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
}

/// Whoever is refused before its request has arrived reads why, every time.
#[tokio::test(flavor = "multi_thread")]
async fn early_refusals_arrive() {
    const MIB: usize = 1024 * 1024;
    let federation = Federation::new();
    let running = federation.start("a.example").await;
    let tombolo_server::running::Addresses { federation: for_peers, client, .. } =
        running.addresses();
    let (peer, nobody) = (federation.caller("b.example"), federation.anonymous());
    let message = format!(
        "POST /mimi/v1/submitMessage/{ROOM} HTTP/1.1\r\nfrom: mimi@b.example\r\nconnection: close"
    );
    let limit = APPLICATION_BODY_OCTETS_MAX;
    for (octets, status) in [(limit, "400 Bad Request"), (limit + 1, "413 Payload Too Large")] {
        let answer = written_first(&peer, for_peers, &message, &vec![0; octets]).await;
        assert_eq!(answer, format!("HTTP/1.1 {status}"));
    }
    let register = "POST /client/v1/register HTTP/1.1\r\nconnection: close";
    let long_path = format!("GET /{} HTTP/1.1", "x".repeat(MIB));
    let (larger, none) = (vec![0; limit + MIB], []);
    for round in 0..50 {
        for (caller, address, head, body, status) in [
            (&peer, for_peers, message.as_str(), larger.as_slice(), "413 Payload Too Large"),
            (&nobody, client, register, &larger, "413 Payload Too Large"),
            (&nobody, client, &long_path, &none, "431 Request Header Fields Too Large"),
        ] {
            let answer = written_first(caller, address, head, body).await;
            assert_eq!(answer, format!("HTTP/1.1 {status}"), "round {round}");
        }
    }
}

/// Of a body that does not say how large it is, no more than the limit is read.
#[tokio::test]
async fn what_turns_out_too_large_is_refused() {
    let federation = Federation::new();
    let running = federation.start("a.example").await;
    let caller = federation.caller("b.example");
    let path = format!("/mimi/v1/submitMessage/{ROOM}");
    let chunk = Bytes::from(vec![0; 64 * 1024]);
    let chunks = APPLICATION_BODY_OCTETS_MAX / chunk.len();
    for (chunks, status) in [(chunks, 400), (chunks + 1, 413)] {
        let address = running.addresses().federation;
        let mut connection = caller.connect(address, "a.example").await.unwrap();
        let reply = connection.stream(&path, &HEADERS, chunk.clone(), chunks).await.unwrap();
        assert_eq!(reply.status.as_u16(), status);
    }
}

/// AMB-DIR-2: the path names no room, or one that cannot be here.
#[tokio::test]
async fn paths_that_name_nothing() {
    let federation = Federation::new();
    let running = federation.start("a.example").await;
    let caller = federation.caller("b.example");
    let mut connection = caller.connect(running.addresses().federation, "a.example").await.unwrap();
    for variable in ["", "%FF", "https%3A%2F%2Fa.example", "mimi%3A%2F%2FA.example%2Fr%2Fclub"] {
        let path = format!("/mimi/v1/update/{variable}");
        let reply = connection.post("a.example", "b.example", &path, "").await.unwrap();
        assert_eq!(reply.status.as_u16(), 400, "{variable}");
    }
}
