//! Slow-loris clients: by the dozen they send a handshake, headers or a body octet by octet, or read an
//! answer so. All of them are cut off in time, and whoever is not slow is served beside them
//! (docs/limits.md). The admin listener's part is in its own module.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use http::Method;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tombolo_server::clock::Clock;
use tombolo_server::running::Running;
use tombolo_store::memory::MemoryStore;

use crate::support::{Caller, Federation, Phone, SharedStore};

/// Slow connections of each kind, all at once.
const SLOW: usize = 30;
/// Between two octets.
const PAUSE: Duration = Duration::from_millis(50);
/// Every time limit of the tests.
const TIME_MAX: Duration = Duration::from_secs(3);
/// Handshakes of so many on a busy machine take this long by themselves.
const GRACE: Duration = Duration::from_secs(20);
const DIRECTORY: &str = "/.well-known/mimi-protocol-directory";
const PATH: &str = "/mimi/v1/submitMessage/mimi%3A%2F%2Fa.example%2Fr%2Fclub";

/// At which listener, and what is slow there.
#[derive(Clone, Copy, Debug)]
enum Slow {
    Handshake,
    Headers,
    Body,
}

fn limits() -> String {
    let ms = TIME_MAX.as_millis();
    format!(
        "[limits.connections]\nhandshake_ms_max = {ms}\nanswer_ms_max = {ms}\n\
         unproven_idle_ms_max = {ms}\n\
         unproven_per_network_max = 900\nper_peer_max = 300\nopenings_per_network_max = 10000\n\
         [limits.requests]\nbody_ms_max = {ms}\nanonymous_per_network_max = 300"
    )
}

/// Sends octet by octet until it is cut off, or for much too long.
async fn drip(stream: &mut (impl AsyncWrite + Unpin), octet: u8, since: Instant) -> Duration {
    while since.elapsed() < TIME_MAX + GRACE {
        let sent = async {
            stream.write_all(&[octet]).await?;
            stream.flush().await
        };
        if sent.await.is_err() {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    since.elapsed()
}

/// How long one connection lasts that is slow.
async fn is_slow(slow: Slow, address: SocketAddr, caller: &Caller, path: &str) -> Duration {
    let since = Instant::now();
    if let Slow::Handshake = slow {
        let Ok(mut stream) = TcpStream::connect(address).await else { return since.elapsed() };
        // A ClientHello of 512 octets, by its first ones.
        let hello = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
        if stream.write_all(&hello).await.is_err() {
            return since.elapsed();
        }
        return drip(&mut stream, 0, since).await;
    }
    let Ok(stream) = caller.connect_raw(address).await else { return since.elapsed() };
    let since = Instant::now();
    let (mut reading, mut writing) = tokio::io::split(stream);
    let head = match slow {
        Slow::Body => "content-type: application/octet-stream\r\ncontent-length: 9000\r\n\r\n",
        Slow::Headers | Slow::Handshake => "x: ",
    };
    let head = format!("POST {path} HTTP/1.1\r\nhost: a.example\r\nfrom: mimi@b.example\r\n{head}");
    if writing.write_all(head.as_bytes()).await.is_err() {
        return since.elapsed();
    }
    // Cut off is who reads the end, or cannot write any more.
    let ended = async {
        let _ = reading.read_to_end(&mut Vec::new()).await;
        since.elapsed()
    };
    tokio::select! {
        lasted = ended => lasted,
        lasted = drip(&mut writing, b'x', since) => lasted,
    }
}

#[tokio::test]
async fn who_sends_octet_by_octet_is_cut_off_and_holds_nobody_up() {
    let federation = Federation::new();
    let config = federation.config_with("a.example", &limits());
    let store = MemoryStore::new();
    let running = Running::start_with(config, store.shared(), Clock::system()).await.unwrap();
    let phone = Phone::sign_up(&federation, &running, &store, "a.example/alice/phone").await;
    let addresses = running.addresses();
    let mut slow = JoinSet::new();
    for kind in [Slow::Handshake, Slow::Headers, Slow::Body] {
        for _ in 0..SLOW {
            let peer = federation.caller("b.example");
            slow.spawn(
                async move { (kind, is_slow(kind, addresses.federation, &peer, PATH).await) },
            );
            let nobody = federation.anonymous();
            slow.spawn(async move {
                (kind, is_slow(kind, addresses.client, &nobody, "/client/v1/register").await)
            });
        }
    }
    // Good clients beside them, new and known ones.
    let good = federation.caller("c.example");
    let (mut served, mut over) = (0, 0);
    while over < 6 * SLOW {
        let reply = phone.call(Method::GET, "/provider", Vec::new()).await;
        assert_eq!(reply.status, 200);
        let mut connection = good.connect(addresses.federation, "a.example").await.unwrap();
        let reply = connection.post("a.example", "c.example", PATH, "").await.unwrap();
        assert_eq!(reply.status, 400, "it is read, and malformed");
        served += 1;
        while let Some(ended) = slow.try_join_next() {
            let (kind, lasted) = ended.unwrap();
            assert!(lasted < TIME_MAX + GRACE, "{kind:?} lasts");
            over += 1;
        }
        tokio::time::sleep(PAUSE).await;
    }
    assert!(served > 3, "{served}");
    running.shutdown().await;
}

/// The answer is there; who takes it octet by octet does not get it all, and holds nobody up. As small as
/// it is, it waits in the connection's buffer, and nothing else goes on there.
#[tokio::test]
async fn who_reads_octet_by_octet_is_cut_off() {
    let federation = Federation::new();
    let config = federation.config_with("a.example", &limits());
    let running =
        Running::start_with(config, MemoryStore::new().shared(), Clock::system()).await.unwrap();
    let address = running.addresses().federation;
    let nobody = federation.anonymous();
    let mut good = nobody.connect_http2(address, 65_535).await.unwrap();
    let whole = good.send(Method::GET, None, DIRECTORY, Some(Vec::new().into())).await.unwrap();
    assert_eq!(whole.status, 200);
    let begun = Instant::now();
    let sips = join_all((0..SLOW).map(|_| async {
        let mut slow = nobody.connect_http2(address, 1).await.unwrap();
        slow.sip(DIRECTORY, PAUSE).await
    }));
    let others = async {
        for _ in 0..10 {
            let body = Some(Vec::new().into());
            assert_eq!(good.send(Method::GET, None, DIRECTORY, body).await.unwrap().status, 200);
            tokio::time::sleep(PAUSE).await;
        }
    };
    let (sips, ()) = tokio::join!(sips, others);
    assert!(begun.elapsed() < TIME_MAX + GRACE, "{:?}", begun.elapsed());
    for octets in sips {
        assert!(octets < whole.body.len(), "{octets} of {}", whole.body.len());
    }
    running.shutdown().await;
}
