//! Peers that take connections and never answer, each in its way: who waits for them hears of it in
//! time, nobody else waits, and no more is on its way to them than may be.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use http::Method;
use mimi_wire::Wire;
use mimi_wire::protocol::AppDataDictionary;
use mimi_wire::protocol::directory::Directory;
use mimi_wire::protocol::identifier_query::{IdentifierRequest, QueryElement, SearchIdentifier};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tombolo_server::admin_api::operate;
use tombolo_server::clock::Clock;
use tombolo_server::running::Running;
use tombolo_store::Store;
use tombolo_store::memory::MemoryStore;

use crate::delivery::{append, room};
use crate::support::{
    FakePeer, Federation, Phone, SharedStore, acceptor, domain, eventually, status,
};

/// Longest exchange with a peer, in these tests.
const EXCHANGE_MS_MAX: u64 = 400;
/// Requests of a peer that may be on their way, in these tests.
const DELIVERIES_MAX: usize = 3;

/// How a peer does not answer.
#[derive(Clone, Copy, Debug)]
enum Silence {
    /// It accepts, and no more.
    BeforeTls,
    /// It speaks TLS, and no HTTP.
    BeforeHttp,
    /// It reads the request.
    AfterRequest,
    /// The answer begins, and comes octet by octet.
    Trickling,
}

/// A peer that listens and does not answer.
struct Silent {
    address: std::net::SocketAddr,
    open: Arc<AtomicUsize>,
    most_open: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Silent {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Silent {
    async fn start(federation: &Federation, silence: Silence) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = acceptor(federation, "b.example");
        let (open, most_open) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let (now, most) = (open.clone(), most_open.clone());
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, now, most) = (acceptor.clone(), now.clone(), most.clone());
                connections.spawn(async move {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    let _ = is_silent(stream, &acceptor, silence).await;
                    now.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, open, most_open, task }
    }
}

/// Until the other side goes.
async fn is_silent(
    mut stream: TcpStream,
    acceptor: &TlsAcceptor,
    silence: Silence,
) -> std::io::Result<()> {
    if let Silence::BeforeTls = silence {
        return until_closed(&mut stream).await;
    }
    let mut stream = acceptor.accept(stream).await?;
    if let Silence::BeforeHttp = silence {
        return until_closed(&mut stream).await;
    }
    // Its directory can be had: what it does not answer is what it is sent.
    while read_head(&mut stream).await?.contains("/.well-known/") {
        let directory = Directory::standard("https://b.example").to_json();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", directory.len());
        stream.write_all(&[head.into_bytes(), directory.into()].concat()).await?;
    }
    if let Silence::Trickling = silence {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10000\r\n\r\n").await?;
        loop {
            stream.write_all(b"x").await?;
            stream.flush().await?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    until_closed(&mut stream).await
}

async fn until_closed(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<()> {
    tokio::io::copy(stream, &mut tokio::io::sink()).await.map(drop)
}

/// The head of a request, as far as its blank line.
async fn read_head(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// Something that only the peer knows.
fn query() -> Vec<u8> {
    let identifier = SearchIdentifier::Nick;
    let element = QueryElement { identifier, search_value: "bob".to_owned() };
    let id_request_extensions = AppDataDictionary::default();
    IdentifierRequest { query_elements: vec![element], id_request_extensions }.encode()
}

#[tokio::test]
async fn a_peer_that_never_answers_holds_nobody_else() {
    for silence in
        [Silence::BeforeTls, Silence::BeforeHttp, Silence::AfterRequest, Silence::Trickling]
    {
        let federation = Federation::new();
        let silent = Silent::start(&federation, silence).await;
        let peer = FakePeer::start(&federation, "c.example", |seen| {
            match seen.target.starts_with("/.well-known/") {
                true => {
                    http::Response::new(Directory::standard("https://c.example").to_json().into())
                }
                false => status(201),
            }
        })
        .await;
        let both = [("b.example", silent.address), ("c.example", peer.address)];
        federation.publish_addresses(&both).await;
        let store = MemoryStore::new();
        for seq in 1..=5 {
            append(&store, seq, b"to both,", &["b.example", "c.example"]).await;
        }
        let config = federation.config_with(
            "a.example",
            &format!(
                "[limits.peers]\nexchange_ms_max = {EXCHANGE_MS_MAX}\n\
                 directory_ms_max = {EXCHANGE_MS_MAX}\n\
                 deliveries_per_peer_max = {DELIVERIES_MAX}"
            ),
        );
        let running =
            Running::start_with(config.clone(), store.shared(), Clock::system()).await.unwrap();
        // What is for others arrives at once.
        let started = Instant::now();
        let arrived = async || {
            let cursor = store.follower_cursor(&room(), &domain("c.example")).await.unwrap();
            (cursor.unwrap().cursor == 5).then_some(())
        };
        eventually(arrived).await;
        let others_took = started.elapsed();
        // Who depends on it is told in time that it does not answer, and served beside that.
        let phone = Phone::sign_up(&federation, &running, &store, "a.example/alice/phone").await;
        let asked = Instant::now();
        let ask = || phone.call(Method::POST, "/identifier-query/b.example", query());
        let waiting = join_all((0..4).map(|_| ask()));
        let served = async {
            let reply = phone.call(Method::GET, "/provider", Vec::new()).await;
            (reply.status, asked.elapsed())
        };
        let (waiting, (served, served_after)) = tokio::join!(waiting, served);
        let waited = asked.elapsed();
        assert_eq!(served, 200, "{silence:?}");
        assert!(served_after < waited, "{silence:?}: served first");
        assert!(waiting.iter().all(|reply| reply.status == 503), "{silence:?}: {waiting:?}");
        assert!(waited < Duration::from_secs(8), "{silence:?}: {waited:?}");
        // It is tried again, after pauses that grow, and never by more than may be on their way.
        let waiting = eventually(async || {
            let peers = operate::peers(&config).await.unwrap().peers;
            peers.into_iter().find(|peer| peer.attempts >= 3)
        })
        .await;
        assert_eq!((waiting.peer.as_str(), waiting.waiting), ("b.example", 5), "{silence:?}");
        assert!(waiting.next_attempt_ms.is_some() && waiting.last_error.is_some());
        // Beside what is delivered, four queries.
        let most = silent.most_open.load(Ordering::SeqCst);
        assert!(most <= DELIVERIES_MAX + 4, "{silence:?}: {most} connections");
        assert!(others_took < Duration::from_secs(5), "{silence:?}: {others_took:?}");
        running.shutdown().await;
        eventually(async || (silent.open.load(Ordering::SeqCst) == 0).then_some(())).await;
    }
}
