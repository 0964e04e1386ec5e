//! Assets across providers: uploaded at one, fetched through another by a third (protocol section
//! 5.10), and everything that the hub's proxy must not be made to do.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Response};
use mimi_wire::protocol::directory::Directory;
use mimi_wire::protocol::proxy_download::AssetUrl;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tombolo_server::clock::Clock;
use tombolo_server::running::Running;
use tombolo_store::memory::MemoryStore;

use crate::support::{
    Caller, FakePeer, Federation, LocalUser, Reply, Seen, SharedStore, Slow, domain, status,
};

pub(crate) const NEARBY: &str = "[assets]\nuse_peer_addresses = true\n";

pub(crate) async fn start(
    federation: &Federation,
    name: &str,
    assets: &str,
    store: &MemoryStore,
) -> Running {
    let config = federation.config(name, assets);
    Running::start_with(config, store.shared(), Clock::system()).await.unwrap()
}

pub(crate) fn octets(count: usize) -> Bytes {
    (0..count).map(|index| u8::try_from(index % 251).unwrap()).collect()
}

/// Uploads in two bodies, and gives the URL.
pub(crate) async fn upload(
    federation: &Federation,
    running: &Running,
    user: &LocalUser,
    octets: &Bytes,
) -> String {
    let new = json!({ "octets": octets.len() }).to_string();
    let begun = user.send(federation, running, Method::POST, "/assets", &[], new).await;
    assert_eq!(begun.status.as_u16(), 201);
    let begun: Value = serde_json::from_slice(&begun.body).unwrap();
    let path = format!("/assets/{}", begun["id"].as_str().unwrap());
    let half = octets.len() / 2;
    for (start, end, complete) in [(0, half, false), (half, octets.len(), true)] {
        let offset = start.to_string();
        let headers = [("upload-offset", offset.as_str())];
        let body = octets.slice(start..end);
        let sent = user.send(federation, running, Method::PATCH, &path, &headers, body).await;
        assert_eq!(sent.status.as_u16(), 200);
        let sent: Value = serde_json::from_slice(&sent.body).unwrap();
        assert_eq!(
            (sent["offset"].as_u64(), &sent["complete"]),
            (Some(end as u64), &json!(complete))
        );
    }
    begun["url"].as_str().unwrap().to_owned()
}

/// `proxyDownload` of a hub, as a peer asks for it.
async fn proxied(caller: &Caller, hub: &Running, from: &str, url: &str) -> Reply {
    let variable = utf8_percent_encode(url, NON_ALPHANUMERIC);
    let path = format!("/mimi/v1/proxyDownload/{variable}");
    let mut connection = caller.connect(hub.addresses().federation, "a.example").await.unwrap();
    let from = format!("mimi@{from}");
    connection
        .send(Method::GET, &path, &[("host", "a.example"), ("from", &from)], "")
        .await
        .unwrap()
}

/// A peer that serves assets to anyone, and says so in its directory.
pub(crate) async fn asset_peer(
    federation: &Federation,
    name: &'static str,
    hosts: &'static [&'static str],
    respond: impl Fn(&Seen) -> Response<Bytes> + Send + Sync + 'static,
) -> FakePeer {
    FakePeer::start_public(federation, name, move |seen| {
        if !seen.target.starts_with("/.well-known/") {
            return respond(seen);
        }
        let mut directory = Directory::standard(&format!("https://{name}"));
        directory.asset_hosts = hosts.iter().map(|host| domain(host)).collect();
        Response::new(directory.to_json().into())
    })
    .await
}

fn redirect(to: &str) -> Response<Bytes> {
    Response::builder().status(302).header("location", to).body(Bytes::new()).unwrap()
}

/// PROTO-DL-2: B's user fetches through hub A what C's user has uploaded at C.
#[tokio::test]
async fn a_file_goes_through_the_hub() {
    let federation = Federation::new();
    let (at_a, at_b, at_c) = (MemoryStore::new(), MemoryStore::new(), MemoryStore::new());
    let a = start(&federation, "a.example", NEARBY, &at_a).await;
    let b = start(&federation, "b.example", "", &at_b).await;
    let c = start(&federation, "c.example", "", &at_c).await;
    let address = |running: &Running| running.addresses().federation;
    federation
        .publish_addresses(&[
            ("a.example", address(&a)),
            ("b.example", address(&b)),
            ("c.example", address(&c)),
        ])
        .await;
    let carol = LocalUser::sign_up(&at_c, "c.example", "carol").await;
    let bob = LocalUser::sign_up(&at_b, "b.example", "bob").await;
    let sent = octets(300_001);
    let url = upload(&federation, &c, &carol, &sent).await;
    let path = format!("/proxy-download/a.example/{}", AssetUrl::new(&url).unwrap().to_path());
    // The second time out of memory (PROTO-DL-7).
    for _ in 0..2 {
        let got = bob.send(&federation, &b, Method::GET, &path, &[], "").await;
        assert_eq!(got.status.as_u16(), 200);
        assert_eq!(got.body, sent);
        assert_eq!(got.headers["content-type"], "application/octet-stream");
        assert_eq!(got.headers["x-content-type-options"], "nosniff");
    }
    let range = [("range", "bytes=300000-")];
    let part = bob.send(&federation, &b, Method::GET, &path, &range, "").await;
    assert_eq!(part.status.as_u16(), 206);
    assert_eq!(part.headers["content-range"], "bytes 300000-300000/300001");
    assert_eq!(part.body, sent.slice(300_000..));
    // The asset's own provider as the hub, and the hub's own assets.
    let own = path.replace("a.example", "c.example");
    let got = carol.send(&federation, &c, Method::GET, &own, &[], "").await;
    assert_eq!(got.body, sent);
    let other = format!("{}x", &url[..url.len() - 1]);
    let other = format!("/proxy-download/a.example/{}", AssetUrl::new(&other).unwrap().to_path());
    let missing = bob.send(&federation, &b, Method::GET, &other, &[], "").await;
    assert_eq!(missing.status.as_u16(), 404);
}

/// What anybody can ask of an asset's host.
#[tokio::test]
async fn assets_are_served_to_who_knows_their_names() {
    let federation = Federation::new();
    let store = MemoryStore::new();
    let running = start(&federation, "a.example", "[assets]\nhost = \"a.example\"\n", &store).await;
    let alice = LocalUser::sign_up(&store, "a.example", "alice").await;
    let sent = octets(1_000);
    let url = upload(&federation, &running, &alice, &sent).await;
    let path = url.strip_prefix("https://a.example").unwrap();
    let caller = federation.anonymous();
    let ask = async |method: Method, host: &str, path: &str, range: &str| {
        let address = running.addresses().federation;
        let mut connection = caller.connect(address, "a.example").await.unwrap();
        let headers = [("host", host), ("range", range)];
        connection.send(method, path, &headers, "").await.unwrap()
    };
    let whole = ask(Method::GET, "a.example", path, "").await;
    assert_eq!((whole.status.as_u16(), &whole.body), (200, &sent));
    for (name, value) in [
        ("content-type", "application/octet-stream"),
        ("x-content-type-options", "nosniff"),
        ("content-disposition", "attachment"),
        ("content-length", "1000"),
        ("accept-ranges", "bytes"),
    ] {
        assert_eq!(whole.headers[name], value);
    }
    let head = ask(Method::HEAD, "a.example", path, "").await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    assert_eq!(head.headers["content-length"], "1000");
    let part = ask(Method::GET, "a.example", path, "bytes=-10").await;
    assert_eq!((part.status.as_u16(), part.body), (206, sent.slice(990..)));
    let beyond = ask(Method::GET, "a.example", path, "bytes=1000-").await;
    assert_eq!(beyond.status.as_u16(), 416);
    assert_eq!(ask(Method::DELETE, "a.example", path, "").await.status.as_u16(), 405);
    assert_eq!(ask(Method::GET, "b.example", path, "").await.status.as_u16(), 403);
    for path in ["/assets/v1/", "/assets/v1", "/assets/", "/assets/v1/../../tombolo.db"] {
        assert_eq!(ask(Method::GET, "a.example", path, "").await.status.as_u16(), 404, "{path}");
    }
    let id = path.rsplit('/').next().unwrap();
    let deleted = format!("/assets/{id}");
    let gone = alice.send(&federation, &running, Method::DELETE, &deleted, &[], "").await;
    assert_eq!(gone.status.as_u16(), 204);
    assert_eq!(ask(Method::GET, "a.example", path, "").await.status.as_u16(), 404);
}

/// PROTO-DL-3: no open proxy. Nobody is connected to for any of these.
#[tokio::test]
async fn other_hosts_are_refused() {
    let federation = Federation::new();
    let a = start(&federation, "a.example", NEARBY, &MemoryStore::new()).await;
    // C says that D's hosts are its own; D says nothing.
    let c = asset_peer(&federation, "c.example", &["d.example", "c.example.d.example"], |_| {
        Response::new(Bytes::from_static(b"asset"))
    })
    .await;
    let d = asset_peer(&federation, "d.example", &[], |_| {
        Response::new(Bytes::from_static(b"internal"))
    })
    .await;
    federation.publish_addresses(&[("c.example", c.address), ("d.example", d.address)]).await;
    let b = federation.caller("b.example");
    for (url, code) in [
        ("https://d.example/", 403),
        ("https://c.example/", 403),
        ("https://c.example.d.example/", 403),
        ("https://evil.example/", 403),
        ("https://localhost/", 403),
        ("https://b.example/", 403),
        ("https://a.example/.well-known/mimi-protocol-directory", 404),
        ("https://127.0.0.1/", 400),
        ("https://[::1]/", 400),
        ("https://2130706433/", 400),
        ("https://c.example@d.example/", 400),
        ("https://c.example:8443/", 400),
        ("http://c.example/", 400),
        ("file:///etc/passwd", 400),
        ("", 400),
    ] {
        let reply = proxied(&b, &a, "b.example", url).await;
        assert_eq!(reply.status.as_u16(), code, "{url}");
    }
    assert!(c.seen().is_empty() && d.seen().is_empty());
    let stranger = proxied(&federation.anonymous(), &a, "b.example", "https://c.example/").await;
    assert_eq!(stranger.status.as_u16(), 403);
}

/// PROTO-DL-3: redirects lead nowhere but to assets.
#[tokio::test]
async fn redirects_stay_within_the_set() {
    let federation = Federation::new();
    let a = start(&federation, "a.example", NEARBY, &MemoryStore::new()).await;
    let c =
        asset_peer(&federation, "c.example", &["c.example"], |seen| match seen.target.as_str() {
            "/near" => redirect("/asset"),
            "/far" => redirect("https://d.example/secret"),
            "/plain" => redirect("http://c.example/asset"),
            "/inside" => redirect("https://10.0.0.1/"),
            "/port" => redirect("https://c.example:22/"),
            "/loop" => redirect("/loop"),
            "/nowhere" => status(302),
            "/hop-4" => redirect("/hop-3"),
            "/hop-3" => redirect("/hop-2"),
            "/hop-2" => redirect("/hop-1"),
            "/hop-1" => redirect("/asset"),
            "/asset" => Response::new(Bytes::from_static(b"asset")),
            _ => status(404),
        })
        .await;
    let d = asset_peer(&federation, "d.example", &[], |_| status(200)).await;
    federation.publish_addresses(&[("c.example", c.address), ("d.example", d.address)]).await;
    let b = federation.caller("b.example");
    for (path, code) in [
        ("near", 200),
        ("far", 403),
        ("plain", 503),
        ("inside", 503),
        ("port", 503),
        ("nowhere", 503),
        ("hop-3", 200),
        ("hop-4", 503),
        ("unknown", 404),
    ] {
        let reply = proxied(&b, &a, "b.example", &format!("https://c.example/{path}")).await;
        assert_eq!(reply.status.as_u16(), code, "{path}");
    }
    let before = c.seen().len();
    let reply = proxied(&b, &a, "b.example", "https://c.example/loop").await;
    assert_eq!((reply.status.as_u16(), c.seen().len() - before), (503, 4));
    assert!(d.seen().is_empty());
    // The hub asks as nobody: neither its name nor its certificate opens anything.
    assert!(c.seen().iter().all(|seen| seen.from.is_empty() && seen.host == "c.example"));
}

/// As large as the operator allows, and no octet more.
#[tokio::test]
async fn large_assets_are_refused() {
    const MIB: usize = 1024 * 1024;
    let federation = Federation::new();
    let limited = format!("{NEARBY}proxied_mib_max = 1\n");
    let a = start(&federation, "a.example", &limited, &MemoryStore::new()).await;
    let c = asset_peer(&federation, "c.example", &["c.example"], |seen| {
        let count = if seen.target == "/large" { MIB + 1 } else { MIB };
        Response::new(octets(count))
    })
    .await;
    federation.publish_addresses(&[("c.example", c.address)]).await;
    let b = federation.caller("b.example");
    let most = proxied(&b, &a, "b.example", "https://c.example/most").await;
    assert_eq!((most.status.as_u16(), most.body.len()), (200, MIB));
    let large = proxied(&b, &a, "b.example", "https://c.example/large").await;
    assert_eq!(large.status.as_u16(), 413);
    // PROTO-DL-7.
    let again = proxied(&b, &a, "b.example", "https://c.example/most").await;
    assert_eq!((again.status.as_u16(), again.body.len()), (200, MIB));
    assert_eq!(c.seen().iter().filter(|seen| seen.target == "/most").count(), 1);
}

/// A host that is silent is given up after the silence, one that trickles at the end of its time; what
/// was slow and in time arrives.
#[tokio::test(flavor = "multi_thread")]
async fn slow_hosts_are_cut_off() {
    const LIMITS: &str =
        "[limits.proxy]\nhead_ms_max = 1000\nsilence_ms_max = 1500\ndownload_ms_max = 4000\n";
    let federation = Federation::new();
    let at_b = MemoryStore::new();
    let limited = format!("{NEARBY}{LIMITS}");
    let a = start(&federation, "a.example", &limited, &MemoryStore::new()).await;
    let b = start(&federation, "b.example", "", &at_b).await;
    let (never, soon) = (Duration::from_secs(3600), Duration::from_millis(100));
    let c = asset_peer(&federation, "c.example", &["c.example"], move |seen| {
        let (head, octets) = match seen.target.as_str() {
            "/slow-head" => (5 * soon, vec![Duration::ZERO]),
            "/no-head" => (never, vec![Duration::ZERO]),
            "/slow-start" => (Duration::ZERO, vec![9 * soon, soon]),
            "/no-start" => (Duration::ZERO, vec![never]),
            "/stops" => (Duration::ZERO, vec![soon, never]),
            "/trickles-in-time" => (Duration::ZERO, vec![soon; 10]),
            _ => (Duration::ZERO, vec![soon; 1000]),
        };
        let response = Response::builder().header("content-length", octets.len());
        let body = self::octets(octets.len());
        response.extension(Slow { head, octets }).body(body).unwrap()
    })
    .await;
    let address = |running: &Running| running.addresses().federation;
    federation
        .publish_addresses(&[
            ("a.example", address(&a)),
            ("b.example", address(&b)),
            ("c.example", c.address),
        ])
        .await;
    let caller = federation.caller("b.example");
    let ms = Duration::from_millis;
    let in_time = |path: &str, took: Duration, least: Duration| {
        assert!(took >= least && took < least + ms(1500), "{path}: {took:?}, {least:?}");
    };
    for (path, code, least) in [
        ("slow-head", 200, ms(500)),
        ("no-head", 503, ms(1000)),
        ("slow-start", 200, ms(1000)),
        ("no-start", 503, ms(1500)),
        ("trickles-in-time", 200, ms(1000)),
    ] {
        let before = Instant::now();
        let reply = proxied(&caller, &a, "b.example", &format!("https://c.example/{path}")).await;
        assert_eq!(reply.status.as_u16(), code, "{path}");
        in_time(path, before.elapsed(), least);
    }
    for (path, least) in [("stops", ms(1600)), ("trickles", ms(4000))] {
        let before = Instant::now();
        let variable = utf8_percent_encode("https://c.example/", NON_ALPHANUMERIC);
        let path = format!("/mimi/v1/proxyDownload/{variable}{path}");
        let headers = [("host", "a.example"), ("from", "mimi@b.example")];
        let mut connection = caller.connect(address(&a), "a.example").await.unwrap();
        let cut = connection.send(Method::GET, &path, &headers, "").await;
        assert!(cut.is_err(), "it breaks off, and does not look whole: {cut:?}");
        in_time(&path, before.elapsed(), least);
    }
    // Whoever asks through the own provider hears the same.
    let bob = LocalUser::sign_up(&at_b, "b.example", "bob").await;
    let url = AssetUrl::new("https://c.example/no-start").unwrap().to_path();
    let path = format!("/proxy-download/a.example/{url}");
    let got = bob.send(&federation, &b, Method::GET, &path, &[], "").await;
    assert_eq!(got.status.as_u16(), 503);
}

/// One that takes the connection and says nothing in TLS; one that is not there at all.
#[tokio::test]
async fn a_host_that_does_not_answer() {
    let federation = Federation::new();
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hosts = [("c.example", silent.local_addr()), ("d.example", gone.local_addr())];
    drop(gone);
    federation.publish_addresses(&hosts.map(|(name, address)| (name, address.unwrap()))).await;
    let limited = format!(
        "{NEARBY}peer_hosts = [\"c.example\", \"d.example\"]\n\
         [limits.proxy]\nconnect_ms_max = 700\n"
    );
    let a = start(&federation, "a.example", &limited, &MemoryStore::new()).await;
    let b = federation.caller("b.example");
    for (host, least) in [("c.example", 700), ("d.example", 0)] {
        let before = Instant::now();
        let reply = proxied(&b, &a, "b.example", &format!("https://{host}/1")).await;
        assert_eq!(reply.status.as_u16(), 503, "{host}");
        let (took, least) = (before.elapsed(), Duration::from_millis(least));
        assert!(took >= least && took < least + Duration::from_secs(2), "{host}: {took:?}");
    }
}

/// PROTO-DL-7: what is kept is an asset that came whole, by its URL and by where it came from; an error
/// is asked for again.
#[tokio::test]
async fn errors_are_not_kept() {
    let federation = Federation::new();
    let at_b = MemoryStore::new();
    let a = start(&federation, "a.example", NEARBY, &MemoryStore::new()).await;
    let b = start(&federation, "b.example", "", &at_b).await;
    let asked = AtomicUsize::new(0);
    let c = asset_peer(&federation, "c.example", &["c.example"], move |seen| {
        match (seen.target.as_str(), asked.fetch_add(1, Ordering::SeqCst)) {
            ("/1", 0) => status(404),
            ("/1", 1) => status(500),
            (target, _) => Response::new(Bytes::copy_from_slice(target.as_bytes())),
        }
    })
    .await;
    let address = |running: &Running| running.addresses().federation;
    federation
        .publish_addresses(&[
            ("a.example", address(&a)),
            ("b.example", address(&b)),
            ("c.example", c.address),
        ])
        .await;
    let bob = LocalUser::sign_up(&at_b, "b.example", "bob").await;
    let get = async |path: &str, range: &[(&str, &str)]| {
        let url = AssetUrl::new(&format!("https://c.example{path}")).unwrap();
        let path = format!("/proxy-download/a.example/{}", url.to_path());
        bob.send(&federation, &b, Method::GET, &path, range, "").await
    };
    assert_eq!(get("/1", &[]).await.status.as_u16(), 404);
    assert_eq!(get("/1", &[]).await.status.as_u16(), 503);
    for _ in 0..2 {
        assert_eq!(get("/1", &[]).await.body, "/1");
    }
    assert_eq!(get("/1?x", &[]).await.body, "/1?x");
    assert_eq!(c.seen().len(), 4, "the last one of /1 came out of memory");
    let part = get("/1", &[("range", "bytes=1-1")]).await;
    assert_eq!((part.status.as_u16(), part.body), (206, Bytes::from_static(b"1")));
    let beyond = get("/1", &[("range", "bytes=2-")]).await;
    assert_eq!(
        (beyond.status.as_u16(), &beyond.headers["content-range"]),
        (416, &"bytes */2".parse().unwrap())
    );
    assert_eq!(c.seen().len(), 4);
    // What does not come whole is not kept either: a part is no asset.
    assert_eq!(get("/2", &[("range", "bytes=0-0")]).await.body, "/2", "its host gives no parts");
    assert_eq!(get("/2", &[]).await.body, "/2");
    assert_eq!(c.seen().len(), 6);
}

/// Where peers are is not where assets are, unless the operator says so: a private address stays
/// out of reach whatever a peer's directory names.
#[tokio::test]
async fn private_addresses_need_the_operator() {
    let federation = Federation::new();
    let lists = "[assets]\npeer_hosts = [\"localhost\"]\n";
    let a = start(&federation, "a.example", lists, &MemoryStore::new()).await;
    let c = asset_peer(&federation, "c.example", &["c.example"], |_| status(200)).await;
    federation.publish_addresses(&[("c.example", c.address)]).await;
    let b = federation.caller("b.example");
    for url in ["https://c.example/", "https://localhost/"] {
        let reply = proxied(&b, &a, "b.example", url).await;
        assert_eq!(reply.status.as_u16(), 503, "{url}");
    }
    assert!(c.seen().is_empty());
}
