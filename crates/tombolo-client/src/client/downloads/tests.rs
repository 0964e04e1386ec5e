//! Downloads over a provider in memory that is relay and gateway in one.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use mimi_ohttp::message::{AssetRequest, AssetResponse};
use mimi_ohttp::{CONTENT_OCTETS_MAX, GatewayKey, KeyConfig, key_id};
use mimi_wire::Domain;
use mimi_wire::protocol::proxy_download::AssetUrl;
use mimi_wire::room::asset_policy::DownloadPrivacyType::{self, Direct, HubProxy, Ohttp};

use super::{DownloadSettings, Fetching};
use crate::client::downloads::{SETTINGS, stored};
use crate::error::ClientError;
use crate::session::request::TransportError;
use crate::store::{ClientStore, MemoryStore, StoreChange};
use crate::transport::assets::{AssetTransport, UNKNOWN_KEY, Upload};
use crate::transport::{Token, TransportFuture};

/// What it holds, and how it behaves.
#[derive(Default)]
struct Hub {
    content: Vec<u8>,
    /// It gives parts.
    has_ranges: bool,
    /// It has a gateway.
    has_gateway: bool,
    /// The key it published last, and the one it knows.
    published: u8,
    known: u8,
    /// Answers that get lost before one comes through.
    lost: usize,
    status: Option<u16>,
    /// It says this of every part.
    content_range: Option<&'static str>,
}

#[derive(Default)]
struct Wire {
    hub: Mutex<Hub>,
    asked: Mutex<Vec<String>>,
}

type Outcome = Result<Vec<u8>, TransportError>;

fn refused(code: &str) -> TransportError {
    TransportError::Refused { code: code.to_owned(), message: "no".to_owned() }
}

fn key(id: u8) -> GatewayKey {
    GatewayKey::new(id, &[id; 32]).unwrap()
}

impl Hub {
    fn published(&self) -> Outcome {
        let keys = || KeyConfig::encode_all(std::slice::from_ref(key(self.published).config()));
        self.has_gateway.then(keys).ok_or_else(|| refused("unsupported"))
    }

    fn relayed(&mut self, sealed: &[u8], asked: &Mutex<Vec<String>>) -> Outcome {
        if key_id(sealed) != Some(self.known) {
            self.published = self.known;
            return Err(refused(UNKNOWN_KEY));
        }
        if self.lost > 0 {
            self.lost -= 1;
            return Err(TransportError::Unreachable("lost".to_owned()));
        }
        let (request, sealer) = key(self.known).open_request(sealed).unwrap();
        let request = AssetRequest::decode(&request).unwrap();
        asked.lock().unwrap().push(request.range.clone().unwrap_or_else(|| "all".to_owned()));
        Ok(sealer.seal(&self.answer(&request).encode(), &[5; 32]).unwrap())
    }

    fn answer(&self, request: &AssetRequest) -> AssetResponse {
        if let Some(status) = self.status {
            return AssetResponse::of_status(status);
        }
        let whole = self.content.len();
        let Some(range) = request.range.as_deref().filter(|_| self.has_ranges) else {
            return match whole > CONTENT_OCTETS_MAX {
                true => AssetResponse::of_status(413),
                false => {
                    AssetResponse { content: self.content.clone(), ..AssetResponse::of_status(200) }
                }
            };
        };
        let (start, end) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
        let start: usize = start.parse().unwrap();
        let end = whole.min(end.parse::<usize>().unwrap() + 1);
        let range = format!("bytes {start}-{}/{whole}", end - 1);
        AssetResponse {
            status: 206,
            content_range: Some(self.content_range.map_or(range, str::to_owned)),
            content: self.content[start..end].to_vec(),
        }
    }
}

impl AssetTransport for Wire {
    fn begin(&self, _: Token, _: u64) -> TransportFuture<Upload> {
        Box::pin(async { Err(refused("never asked")) })
    }

    fn status(&self, _: Token, _: &str) -> TransportFuture<Upload> {
        Box::pin(async { Err(refused("never asked")) })
    }

    fn append(&self, _: Token, _: &str, _: u64, _: Bytes) -> TransportFuture<Upload> {
        Box::pin(async { Err(refused("never asked")) })
    }

    fn fetch(&self, _: Token, _: &Domain, _: &AssetUrl, _: u64) -> TransportFuture<Vec<u8>> {
        self.asked.lock().unwrap().push("hub".to_owned());
        let content = self.hub.lock().unwrap().content.clone();
        Box::pin(async { Ok(content) })
    }

    fn ohttp_keys(&self, _: Token, _: &Domain) -> TransportFuture<Vec<u8>> {
        self.asked.lock().unwrap().push("keys".to_owned());
        let keys = self.hub.lock().unwrap().published();
        Box::pin(async { keys })
    }

    fn ohttp_relay(&self, _: Token, _: &Domain, sealed: Bytes) -> TransportFuture<Vec<u8>> {
        let relayed = self.hub.lock().unwrap().relayed(&sealed, &self.asked);
        Box::pin(async { relayed })
    }

    fn fetch_directly(
        &self,
        _: &AssetUrl,
        _: Option<SocketAddr>,
        _: u64,
    ) -> TransportFuture<Vec<u8>> {
        self.asked.lock().unwrap().push("direct".to_owned());
        let content = self.hub.lock().unwrap().content.clone();
        Box::pin(async { Ok(content) })
    }
}

fn octets(count: usize) -> Vec<u8> {
    (0..count).map(|index| u8::try_from(index % 253).unwrap()).collect()
}

fn holding(count: usize) -> Hub {
    Hub { content: octets(count), has_ranges: true, has_gateway: true, ..Hub::default() }
}

/// Fetches a file of at most this many octets.
async fn fetch(
    hub: Hub,
    ways: &[DownloadPrivacyType],
    size: Option<u64>,
    octets_max: u64,
) -> (Result<(Vec<u8>, DownloadPrivacyType), ClientError>, Vec<String>) {
    let wire = Arc::new(Wire { hub: Mutex::new(hub), ..Wire::default() });
    let fetching = Fetching {
        transport: wire.clone(),
        token: Token::new("token".to_owned()),
        hub: "a.example".parse().unwrap(),
        url: AssetUrl::new("https://c.example/1").unwrap(),
        address: None,
        octets_max,
    };
    let fetched = fetching.by_first_of(ways, size).await;
    let asked = wire.asked.lock().unwrap().clone();
    (fetched, asked)
}

/// What fits into one response comes in one; what does not, in parts.
#[tokio::test]
async fn files_come_in_as_many_responses_as_they_need() {
    const MOST: u64 = CONTENT_OCTETS_MAX as u64;
    let (got, asked) = fetch(holding(7), &[Ohttp], Some(7), 7).await;
    assert_eq!(got.unwrap(), (octets(7), Ohttp));
    assert_eq!(asked, ["keys", "all"]);
    let (got, asked) = fetch(holding(CONTENT_OCTETS_MAX), &[Ohttp], Some(MOST), MOST).await;
    assert_eq!((got.unwrap().0.len(), asked.len()), (CONTENT_OCTETS_MAX, 2));
    let count = 2 * CONTENT_OCTETS_MAX + 1;
    for size in [Some(count as u64), None] {
        let (got, asked) = fetch(holding(count), &[Ohttp], size, count as u64).await;
        assert!(got.unwrap().0 == octets(count));
        assert_eq!(
            asked,
            ["keys", "bytes=0-1048575", "bytes=1048576-2097151", "bytes=2097152-3145727"]
        );
    }
    let (got, _) = fetch(holding(count), &[Ohttp], None, count as u64 - 1).await;
    assert!(matches!(got, Err(ClientError::Other(_))), "more than there may be");
}

/// A host without parts: small files come whole, large ones by another way, if one is allowed.
#[tokio::test]
async fn a_host_without_parts() {
    let without = |count| Hub { has_ranges: false, ..holding(count) };
    let (got, _) = fetch(without(9), &[Ohttp], None, 9).await;
    assert_eq!(got.unwrap(), (octets(9), Ohttp));
    let count = CONTENT_OCTETS_MAX + 1;
    let size = Some(count as u64);
    let (got, _) = fetch(without(count), &[Ohttp], size, count as u64).await;
    assert!(got.unwrap_err().to_string().contains("too large for an oblivious download"));
    let (got, asked) = fetch(without(count), &[Ohttp, HubProxy], size, count as u64).await;
    assert_eq!(got.unwrap().1, HubProxy);
    assert_eq!(asked.last().unwrap(), "hub");
}

/// PROTO-DL-6: another way is taken only where one is not offered at all, and only one that is
/// allowed.
#[tokio::test]
async fn other_ways_are_for_what_is_not_offered() {
    let without = || Hub { has_gateway: false, ..holding(9) };
    let (got, asked) = fetch(without(), &[Ohttp, HubProxy, Direct], Some(9), 9).await;
    assert_eq!(got.unwrap().1, HubProxy);
    assert_eq!(asked, ["keys", "hub"]);
    let (got, asked) = fetch(without(), &[Ohttp], Some(9), 9).await;
    assert!(matches!(got, Err(ClientError::Refused(_))));
    assert_eq!(asked, ["keys"]);
    for (status, text) in [(404, "no such file"), (403, "does not fetch"), (400, "with 400")] {
        let refusing = Hub { status: Some(status), ..holding(9) };
        let (got, asked) = fetch(refusing, &[Ohttp, HubProxy, Direct], Some(9), 9).await;
        assert!(got.unwrap_err().to_string().contains(text), "{status}");
        assert_eq!(asked, ["keys", "all"]);
    }
    let (got, asked) = fetch(holding(9), &[Direct], Some(9), 9).await;
    assert_eq!((got.unwrap().1, asked), (Direct, vec!["direct".to_owned()]));
}

/// A key that is rotated away is fetched anew, once; answers that get lost are asked for again.
#[tokio::test(start_paused = true)]
async fn forgotten_keys_and_lost_answers() {
    let rotated = Hub { known: 1, ..holding(9) };
    let (got, asked) = fetch(rotated, &[Ohttp], Some(9), 9).await;
    assert_eq!(got.unwrap().0, octets(9));
    assert_eq!(asked, ["keys", "keys", "all"]);
    let (got, _) = fetch(Hub { lost: 5, ..holding(9) }, &[Ohttp], Some(9), 9).await;
    assert_eq!(got.unwrap().0, octets(9));
    let (got, _) = fetch(Hub { lost: 6, ..holding(9) }, &[Ohttp, HubProxy], Some(9), 9).await;
    assert!(matches!(got, Err(ClientError::Unreachable(_))), "not by another way");
    let (got, asked) = fetch(Hub { status: Some(503), ..holding(9) }, &[Ohttp], None, 9).await;
    assert!(matches!(got, Err(ClientError::Unreachable(_))));
    assert_eq!(asked.iter().filter(|asked| *asked != "keys").count(), 6);
}

/// A hub that says other things of its parts than it was asked gets nowhere.
#[tokio::test]
async fn parts_are_those_asked_for() {
    for range in [
        "bytes 1-9/10",
        "bytes 0-7/10",
        "bytes 0-8/9",
        "bytes 0-9/9",
        "bytes 0-9/11",
        "bytes 0-9/*",
        "bytes 0-18446744073709551615/0",
        "0-9/10",
        "",
    ] {
        let lying = Hub { content_range: Some(range), ..holding(10) };
        let (got, asked) = fetch(lying, &[Ohttp], None, 1_000).await;
        assert!(matches!(got, Err(ClientError::Other(_))), "{range}: {got:?}");
        assert_eq!(asked.len(), 2);
    }
}

/// PROTO-DL-1: nothing is fetched directly unless the user has said so; what was said stays.
#[tokio::test]
async fn settings_stay() {
    let store = MemoryStore::default();
    let usual = stored(&store.load().await.unwrap()).unwrap();
    assert_eq!(usual.ways, [Ohttp, HubProxy]);
    let settings = DownloadSettings {
        ways: vec![Direct],
        addresses: [("c.example".to_owned(), "127.0.0.1:7".parse().unwrap())].into(),
    };
    let value = serde_json::to_vec(&settings).unwrap();
    let put = StoreChange::Put { name: SETTINGS.to_owned(), value: value.into() };
    store.commit(vec![put]).await.unwrap();
    assert_eq!(stored(&store.load().await.unwrap()).unwrap(), settings);
    let broken = StoreChange::Put { name: SETTINGS.to_owned(), value: b"{".to_vec().into() };
    store.commit(vec![broken]).await.unwrap();
    assert!(stored(&store.load().await.unwrap()).is_err());
}
