//! Downloads by Oblivious HTTP (protocol section 5.10.3): what comes, what each side sees of it, and
//! what a gateway must not be made to do.

use bytes::Bytes;
use http::{Method, Response};
use mimi_ohttp::message::{AssetRequest, AssetResponse};
use mimi_ohttp::{
    CONTENT_OCTETS_MAX, GATEWAY_PATH, GatewayKey, KeyConfig, PendingResponse,
    SEALED_REQUEST_OCTETS_MAX, UNKNOWN_KEY_PROBLEM, seal_request,
};
use mimi_wire::protocol::directory::Directory;
use mimi_wire::protocol::proxy_download::AssetUrl;
use tombolo_server::admin_api::AdminClient;
use tombolo_server::running::Running;
use tombolo_store::memory::MemoryStore;

use crate::assets::{NEARBY, asset_peer, octets, start, upload};
use crate::support::{Caller, FakePeer, Federation, LocalUser, Reply, captured, status};

const REQUEST_TYPE: (&str, &str) = ("content-type", "message/ohttp-req");

fn ask(url: &str) -> AssetRequest {
    AssetRequest::new(AssetUrl::new(url).unwrap())
}

fn sealed(keys: &[u8], request: &AssetRequest) -> (Vec<u8>, PendingResponse) {
    seal_request(&KeyConfig::choose(keys).unwrap(), &request.encode()).unwrap()
}

fn opened(pending: PendingResponse, reply: &Reply) -> AssetResponse {
    assert_eq!(reply.status.as_u16(), 200, "{:?}", reply.body);
    assert_eq!(reply.headers["content-type"], "message/ohttp-res");
    AssetResponse::decode(&pending.open(&reply.body).unwrap()).unwrap()
}

/// A user's own provider as its relay to a hub.
struct Relay<'a> {
    federation: &'a Federation,
    provider: &'a Running,
    user: &'a LocalUser,
    hub: &'static str,
}

impl Relay<'_> {
    async fn keys(&self) -> Reply {
        let path = format!("/ohttp-relay/{}", self.hub);
        self.user.send(self.federation, self.provider, Method::GET, &path, &[], "").await
    }

    async fn post(&self, sealed: Vec<u8>) -> Reply {
        let path = format!("/ohttp-relay/{}", self.hub);
        let (federation, provider) = (self.federation, self.provider);
        self.user.send(federation, provider, Method::POST, &path, &[REQUEST_TYPE], sealed).await
    }

    async fn fetch(&self, request: &AssetRequest) -> AssetResponse {
        let (sealed, pending) = sealed(&self.keys().await.body, request);
        opened(pending, &self.post(sealed).await)
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// PROTO-DL-4, PROTO-DL-5: B's user fetches through gateway A, by way of relay B, what C's user has
/// uploaded at C. The captures say what A and B saw of it.
#[tokio::test]
async fn a_file_comes_obliviously() {
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
    let hub = "a.example";
    let relay = Relay { federation: &federation, provider: &b, user: &bob, hub };
    let got = relay.fetch(&ask(&url)).await;
    assert_eq!((got.status, &got.content[..]), (200, &sent[..]));
    let part = AssetRequest { range: Some("bytes=300000-".to_owned()), ..ask(&url) };
    let got = relay.fetch(&part).await;
    assert_eq!((got.status, &got.content[..]), (206, &sent[300_000..]));
    assert_eq!(got.content_range.as_deref(), Some("bytes 300000-300000/300001"));
    let last = if url.ends_with('0') { '1' } else { '0' };
    let other = format!("{}{last}", &url[..url.len() - 1]);
    assert_eq!(relay.fetch(&ask(&other)).await.status, 404);

    // Through B went nothing but what is sealed: neither the asset's host nor its name nor octets.
    let id = url.rsplit('/').next().unwrap();
    let through_b = captured(&federation, "b.example", "ohttpGateway-");
    assert!(through_b.len() >= 7, "the keys, three requests, as many answers");
    for body in &through_b {
        for secret in [b"c.example".as_slice(), id.as_bytes(), &sent[1_000..1_020]] {
            assert!(!contains(body, secret));
        }
    }
    // To A came no word of the user: three sealed bodies of one length.
    let at_hub = captured(&federation, "a.example", "in-b.example-ohttpGateway-request");
    assert_eq!(at_hub.len(), 3);
    assert!(at_hub.iter().all(|body| body.len() == at_hub[0].len() && !contains(body, b"bob")));

    // The hub's own people, for whom it is relay and gateway in one.
    let alice = LocalUser::sign_up(&at_a, "a.example", "alice").await;
    let own = Relay { federation: &federation, provider: &a, user: &alice, hub };
    assert_eq!(own.fetch(&ask(&url)).await.content, sent);
}

/// PROTO-DL-5: what a hub is sent does not depend on who asks, and the keys it gives are one copy for
/// all (RFC 9458 section 7).
#[tokio::test]
async fn the_hub_cannot_tell_who_asks() {
    let federation = Federation::new();
    let at_b = MemoryStore::new();
    let b = start(&federation, "b.example", "", &at_b).await;
    // A hub that gives everybody a key of their own, if it can.
    let fetches = std::sync::atomic::AtomicU8::new(0);
    let a = FakePeer::start(&federation, "a.example", move |seen| {
        let key = |id: u8| GatewayKey::new(id, &[id; 32]).unwrap();
        if seen.target == "/keys" && seen.body.is_empty() {
            let id = fetches.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let keys = KeyConfig::encode_all(std::slice::from_ref(key(id).config()));
            return Response::builder()
                .header("cache-control", "no-store")
                .body(keys.into())
                .unwrap();
        }
        if seen.target == "/keys" {
            let (request, sealer) = key(seen.body[0]).open_request(&seen.body).unwrap();
            let asked = AssetRequest::decode(&request).unwrap();
            let content = asked.url.as_str().as_bytes().to_vec();
            let response = AssetResponse { content, ..AssetResponse::of_status(200) };
            return Response::new(sealer.seal(&response.encode(), &[7; 32]).unwrap().into());
        }
        let mut directory = Directory::standard("https://a.example");
        directory.ohttp_gateway = Some("https://a.example/keys".to_owned());
        Response::new(directory.to_json().into())
    })
    .await;
    federation.publish_addresses(&[("a.example", a.address)]).await;
    let hub = "a.example";
    for name in ["bob", "benedict-with-a-long-name"] {
        let user = LocalUser::sign_up(&at_b, "b.example", name).await;
        let relay = Relay { federation: &federation, provider: &b, user: &user, hub };
        let got = relay.fetch(&ask("https://c.example/1")).await;
        assert_eq!(got.content, b"https://c.example/1");
        // Whatever else a client says about itself.
        let (sealed, pending) = sealed(&relay.keys().await.body, &ask("https://c.example/2"));
        let mut headers = vec![REQUEST_TYPE];
        headers.extend([("x-forwarded-for", "192.0.2.7"), ("user-agent", name), ("cookie", name)]);
        let path = "/ohttp-relay/a.example";
        let reply = user.send(&federation, &b, Method::POST, path, &headers, sealed).await;
        assert_eq!(opened(pending, &reply).content, b"https://c.example/2");
    }
    let seen = a.seen();
    let (keys, requests): (Vec<_>, Vec<_>) = seen.iter().partition(|seen| seen.body.is_empty());
    assert_eq!((keys.len(), requests.len()), (1, 4));
    for request in &requests {
        assert_eq!(request.headers, requests[0].headers);
        assert_eq!((&request.host[..], &request.from[..]), ("a.example", "mimi@b.example"));
        assert_eq!((request.body[0], request.body.len()), (0, requests[0].body.len()));
        let mut names: Vec<_> = request.headers.keys().map(|name| name.as_str()).collect();
        names.sort_unstable();
        let mine: &[_] = &["content-length", "content-type", "from"];
        assert!(names == mine || names == ["content-length", "content-type", "from", "host"]);
    }
}

/// A hub that knows its own keys no more, and one that has no gateway.
#[tokio::test]
async fn hubs_say_what_they_cannot() {
    let federation = Federation::new();
    let at_b = MemoryStore::new();
    let b = start(&federation, "b.example", "", &at_b).await;
    let a = FakePeer::start(&federation, "a.example", |seen| {
        let key = GatewayKey::new(3, &[3; 32]).unwrap();
        match (seen.target.as_str(), seen.body.is_empty()) {
            (GATEWAY_PATH, true) => {
                Response::new(KeyConfig::encode_all(std::slice::from_ref(key.config())).into())
            }
            (GATEWAY_PATH, false) => {
                let problem = serde_json::json!({ "type": UNKNOWN_KEY_PROBLEM }).to_string();
                let problem = Response::builder().status(400).body(problem.into());
                problem.unwrap()
            }
            _ => Response::new(Directory::standard("https://a.example").to_json().into()),
        }
    })
    .await;
    let c = FakePeer::start(&federation, "c.example", |seen| match seen.target.as_str() {
        GATEWAY_PATH => status(404),
        _ => Response::new(Directory::standard("https://c.example").to_json().into()),
    })
    .await;
    federation.publish_addresses(&[("a.example", a.address), ("c.example", c.address)]).await;
    let bob = LocalUser::sign_up(&at_b, "b.example", "bob").await;
    let relay = |hub| Relay { federation: &federation, provider: &b, user: &bob, hub };
    let to_a = relay("a.example");
    let (request, _) = sealed(&to_a.keys().await.body, &ask("https://c.example/1"));
    let refused = to_a.post(request.clone()).await;
    assert_eq!(refused.status.as_u16(), 400);
    assert_eq!(refused.headers["content-type"], "application/problem+json");
    assert!(contains(&refused.body, UNKNOWN_KEY_PROBLEM.as_bytes()));
    let without = relay("c.example").keys().await;
    assert_eq!((without.status.as_u16(), without.code()), (501, "unsupported".to_owned()));
    assert_eq!(relay("c.example").post(request.clone()).await.status.as_u16(), 501);
    let longest = vec![9; SEALED_REQUEST_OCTETS_MAX];
    assert_eq!(to_a.post(longest.clone()).await.status.as_u16(), 400);
    assert_eq!(to_a.post([longest, vec![9]].concat()).await.status.as_u16(), 413);
    let path = "/client/v1/ohttp-relay/a.example";
    let mut anybody =
        federation.anonymous().connect(b.addresses().client, "b.example").await.unwrap();
    let reply = anybody.send(Method::POST, path, &[("host", "b.example")], request).await.unwrap();
    assert_eq!(reply.status.as_u16(), 401, "a relay for its own people alone");
}

/// What a relay brings to a gateway.
struct Gateway<'a> {
    caller: Caller,
    hub: &'a Running,
    keys: Bytes,
}

impl<'a> Gateway<'a> {
    async fn of(federation: &Federation, hub: &'a Running) -> Self {
        let keys = send(&federation.anonymous(), hub, Method::GET, &[], "").await;
        assert_eq!(keys.headers["content-type"], "application/ohttp-keys");
        assert_eq!(keys.headers["cache-control"], "max-age=3600");
        Self { caller: federation.caller("b.example"), hub, keys: keys.body }
    }

    async fn post(&self, sealed: impl Into<Bytes>) -> Reply {
        let headers = [("from", "mimi@b.example"), REQUEST_TYPE];
        send(&self.caller, self.hub, Method::POST, &headers, sealed).await
    }

    async fn ask(&self, url: &str) -> AssetResponse {
        let (sealed, pending) = sealed(&self.keys, &ask(url));
        opened(pending, &self.post(sealed).await)
    }
}

async fn send(
    caller: &Caller,
    hub: &Running,
    method: Method,
    more_headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Reply {
    let mut connection = caller.connect(hub.addresses().federation, "a.example").await.unwrap();
    let mut headers = vec![("host", "a.example")];
    headers.extend(more_headers);
    connection.send(method, GATEWAY_PATH, &headers, body).await.unwrap()
}

/// PROTO-DL-4: no open proxy. What is refused inside is refused inside, and nobody is connected to.
#[tokio::test]
async fn the_gateway_asks_asset_hosts_alone() {
    let federation = Federation::new();
    let a = start(&federation, "a.example", NEARBY, &MemoryStore::new()).await;
    let c =
        asset_peer(&federation, "c.example", &["c.example"], |seen| match seen.target.as_str() {
            "/astray" => Response::builder()
                .status(302)
                .header("location", "https://d.example/")
                .body(Bytes::new())
                .unwrap(),
            "/most" => Response::new(octets(CONTENT_OCTETS_MAX)),
            "/more" => Response::new(octets(CONTENT_OCTETS_MAX + 1)),
            "/missing" => status(404),
            _ => Response::new(Bytes::from_static(b"asset")),
        })
        .await;
    let d = asset_peer(&federation, "d.example", &[], |_| status(200)).await;
    federation.publish_addresses(&[("c.example", c.address), ("d.example", d.address)]).await;
    let gateway = Gateway::of(&federation, &a).await;
    for url in ["https://d.example/", "https://evil.example/", "https://b.example/"] {
        assert_eq!(gateway.ask(url).await.status, 403, "{url}");
    }
    assert!(c.seen().is_empty() && d.seen().is_empty());
    assert_eq!(gateway.ask("https://c.example/1").await.content, b"asset");
    assert_eq!(gateway.ask("https://c.example/astray").await.status, 403);
    assert_eq!(gateway.ask("https://c.example/missing").await.status, 404);
    assert_eq!(gateway.ask("https://c.example/most").await.content, octets(CONTENT_OCTETS_MAX));
    let more = gateway.ask("https://c.example/more").await;
    assert_eq!((more.status, more.content.len()), (413, 0));
    assert!(d.seen().is_empty());
    assert!(c.seen().iter().all(|seen| seen.from.is_empty() && !seen.headers.contains_key("via")));

    // The same request brought again is answered again, sealed anew (RFC 9458 section 6.5).
    let (request, pending) = sealed(&gateway.keys, &ask("https://c.example/1"));
    let (first, second) = (gateway.post(request.clone()).await, gateway.post(request).await);
    assert_eq!(opened(pending, &first).content, b"asset");
    assert_ne!(first.body[..32], second.body[..32]);
}

/// What is answered in the open: who is no peer, what is not sealed, what is sealed to other keys.
#[tokio::test]
async fn what_is_not_sealed_is_refused_in_the_open() {
    let federation = Federation::new();
    let a = start(&federation, "a.example", NEARBY, &MemoryStore::new()).await;
    let gateway = Gateway::of(&federation, &a).await;
    let (request, _) = sealed(&gateway.keys, &ask("https://c.example/1"));
    let from = ("from", "mimi@b.example");
    let stranger = federation.anonymous();
    for (caller, headers, code) in [
        (&stranger, vec![from, REQUEST_TYPE], 403),
        (&gateway.caller, vec![REQUEST_TYPE], 400),
        (&gateway.caller, vec![("from", "mimi@c.example"), REQUEST_TYPE], 403),
        (&gateway.caller, vec![from], 415),
        (&gateway.caller, vec![from, ("content-type", "application/octet-stream")], 415),
    ] {
        let reply = send(caller, &a, Method::POST, &headers, request.clone()).await;
        assert_eq!(reply.status.as_u16(), code, "{headers:?}");
    }
    assert_eq!(send(&stranger, &a, Method::DELETE, &[], "").await.status.as_u16(), 405);
    let mut altered = request.clone();
    *altered.last_mut().unwrap() ^= 1;
    for body in [altered, Vec::new(), request[..40].to_vec()] {
        let reply = gateway.post(body).await;
        assert_eq!((reply.status.as_u16(), reply.code()), (400, "malformed".to_owned()));
    }
    let mut longest = request.clone();
    longest.resize(SEALED_REQUEST_OCTETS_MAX, 0);
    assert_eq!(gateway.post(longest.clone()).await.status.as_u16(), 400);
    longest.push(0);
    assert_eq!(gateway.post(longest).await.status.as_u16(), 413);
    let mut other_key = request.clone();
    other_key[0] = 77;
    let unknown = gateway.post(other_key).await;
    assert_eq!(unknown.status.as_u16(), 400);
    assert_eq!(unknown.headers["content-type"], "application/problem+json");
    assert!(contains(&unknown.body, UNKNOWN_KEY_PROBLEM.as_bytes()));

    // A fresh key is published at once; what is sealed to the old one is still answered.
    let data_dir = federation.directory.path().join("a.example");
    let admin = AdminClient::new(a.addresses().admin, &data_dir).unwrap();
    assert_eq!(admin.rotate_ohttp_key().await.unwrap().key_id, 1);
    let rotated = Gateway::of(&federation, &a).await;
    assert_ne!(rotated.keys, gateway.keys);
    for keys in [&rotated, &gateway] {
        assert_eq!(keys.ask("https://c.example/1").await.status, 403);
    }
}
