use std::sync::Arc;

use axum::body::Body;
use http::HeaderValue;
use mimi_provider::Reject;
use mimi_wire::{Domain, MimiUri};
use tempfile::TempDir;

use super::uploads::{ARRIVAL_MAX_S, ASSET_COST_MIN};
use super::{AssetId, ByteRange, DirectoryBlobs, Uploads};
use crate::config::AssetsConfig;
use crate::http_error::HttpError;

const NOW_S: u64 = 1_700_000_000;

fn config() -> AssetsConfig {
    AssetsConfig {
        host: Domain::new("a.example").unwrap(),
        asset_octets_max: 100_000,
        user_octets_max: 150_000,
        kept_s: 10 * ARRIVAL_MAX_S,
        proxied_octets_max: 100_000,
        peer_hosts: Vec::new(),
        use_peer_addresses: false,
    }
}

fn open(directory: &TempDir) -> Uploads {
    let blobs = DirectoryBlobs::new(directory.path().join("assets"));
    Uploads::open(Arc::new(blobs), &config(), crate::surroundings::Toil::Beside).unwrap()
}

fn user(name: &str) -> MimiUri {
    MimiUri::new(&format!("mimi://a.example/u/{name}")).unwrap()
}

fn octets(count: usize) -> Vec<u8> {
    (0..count).map(|index| u8::try_from(index % 251).unwrap()).collect()
}

/// A body that breaks off after some octets.
fn broken(octets: Vec<u8>) -> Body {
    let parts = [Ok(octets), Err(std::io::Error::other("gone"))];
    Body::from_stream(futures_util::stream::iter(parts))
}

#[tokio::test]
async fn uploads_go_on_where_they_broke_off() {
    let directory = tempfile::tempdir().unwrap();
    let (alice, sent) = (user("alice"), octets(60_000));
    let uploads = open(&directory);
    let id = uploads.begin(&alice, 60_000, NOW_S).await.unwrap().id;
    let answer = uploads.append(&alice, id, 0, broken(sent[..20_000].to_vec())).await;
    assert!(answer.is_err());
    assert_eq!(uploads.status(&alice, id).unwrap().offset, 20_000);
    assert!(uploads.published(id, NOW_S).is_none(), "not whole, not there");
    // What was said to have arrived has, also after a restart.
    let uploads = open(&directory);
    assert_eq!(uploads.status(&alice, id).unwrap().offset, 20_000);
    assert_eq!(uploads.used(&alice), 60_000);
    let wrong = uploads.append(&alice, id, 19_999, Body::empty()).await;
    assert!(matches!(wrong, Err(HttpError::Reject(Reject::Conflict(_)))), "{wrong:?}");
    let body = Body::from(sent[20_000..].to_vec());
    let status = uploads.append(&alice, id, 20_000, body).await.unwrap();
    assert!(status.is_whole);
    let again = uploads.append(&alice, id, 60_000, Body::empty()).await;
    assert!(matches!(again, Err(HttpError::Reject(Reject::Conflict(_)))), "{again:?}");
    let uploads = open(&directory);
    assert_eq!(uploads.published(id, NOW_S).unwrap().octets, 60_000);
    assert_eq!(uploads.read(id, 0, 60_000).await.unwrap(), sent);
    assert_eq!(uploads.read(id, 59_999, 100).await.unwrap(), sent[59_999..]);
}

#[tokio::test]
async fn no_more_octets_than_announced() {
    let directory = tempfile::tempdir().unwrap();
    let (alice, uploads) = (user("alice"), open(&directory));
    let id = uploads.begin(&alice, 10, NOW_S).await.unwrap().id;
    let answer = uploads.append(&alice, id, 0, Body::from(octets(11))).await;
    assert_eq!(answer, Err(HttpError::TooLarge(10)));
    assert_eq!(uploads.status(&alice, id).unwrap().offset, 0);
    assert!(uploads.append(&alice, id, 0, Body::from(octets(10))).await.unwrap().is_whole);
}

#[tokio::test]
async fn sizes_and_quotas_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let (alice, uploads) = (user("alice"), open(&directory));
    let begin = async |who: &MimiUri, octets| uploads.begin(who, octets, NOW_S).await;
    assert!(matches!(begin(&alice, 0).await, Err(HttpError::Reject(Reject::Malformed(_)))));
    assert_eq!(begin(&alice, 100_001).await, Err(HttpError::TooLarge(100_000)));
    let large = begin(&alice, 100_000).await.unwrap();
    let over = begin(&alice, 50_001).await;
    assert!(matches!(over, Err(HttpError::Reject(Reject::NotAllowed(_)))), "{over:?}");
    begin(&alice, 50_000 - ASSET_COST_MIN).await.unwrap();
    // The smallest costs something, too.
    let small = begin(&alice, 1).await.unwrap();
    assert_eq!(uploads.used(&alice), 150_000);
    assert!(begin(&alice, 1).await.is_err());
    assert!(begin(&user("bob"), 100_000).await.is_ok());
    uploads.remove(&alice, small.id).await.unwrap();
    uploads.remove(&alice, large.id).await.unwrap();
    assert!(begin(&alice, 100_000).await.is_ok());
}

/// An upload of somebody else is as unknown as one that never was.
#[tokio::test]
async fn uploads_are_their_owners() {
    let directory = tempfile::tempdir().unwrap();
    let (alice, bob, uploads) = (user("alice"), user("bob"), open(&directory));
    let id = uploads.begin(&alice, 10, NOW_S).await.unwrap().id;
    for id in [id, AssetId::generate()] {
        let unknown = uploads.status(&bob, id).unwrap_err();
        assert_eq!(unknown, Reject::Unknown("there is no such upload".to_owned()));
        assert_eq!(uploads.remove(&bob, id).await.unwrap_err(), unknown);
        let appended = uploads.append(&bob, id, 0, Body::from(octets(10))).await;
        assert_eq!(appended, Err(HttpError::Reject(unknown)));
    }
}

#[tokio::test]
async fn what_is_over_is_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let (alice, uploads) = (user("alice"), open(&directory));
    let whole = uploads.begin(&alice, 10, NOW_S).await.unwrap().id;
    uploads.append(&alice, whole, 0, Body::from(octets(10))).await.unwrap();
    let partial = uploads.begin(&alice, 10, NOW_S).await.unwrap().id;
    assert_eq!(uploads.forget_expired(NOW_S + ARRIVAL_MAX_S - 1).await.unwrap(), 0);
    assert_eq!(uploads.forget_expired(NOW_S + ARRIVAL_MAX_S).await.unwrap(), 1);
    assert!(uploads.status(&alice, partial).is_err());
    let end_s = NOW_S + config().kept_s;
    assert!(uploads.published(whole, end_s - 1).is_some());
    assert!(uploads.published(whole, end_s).is_none(), "also before anybody has cleaned up");
    assert_eq!(uploads.forget_expired(end_s).await.unwrap(), 1);
    assert_eq!(uploads.used(&alice), 0);
    let left = std::fs::read_dir(directory.path().join("assets")).unwrap();
    let files = left.map(|shard| std::fs::read_dir(shard.unwrap().path()).unwrap().count());
    assert_eq!(files.sum::<usize>(), 0);
}

#[test]
fn names_have_one_spelling() {
    let id = AssetId::generate();
    assert_eq!(id.to_string().parse(), Ok(id));
    let name = id.to_string();
    let wrong = [
        name.to_uppercase() + "A",
        name[1..].to_owned(),
        format!("{name}0"),
        format!("../{}", &name[3..]),
        format!("+{}", &name[1..]),
        format!("ä{}", &name[2..]),
        String::new(),
    ];
    for name in wrong {
        assert!(name.parse::<AssetId>().is_err(), "{name}");
    }
}

#[test]
fn ranges() {
    let of = |value: &str| ByteRange::of(Some(&HeaderValue::from_str(value).unwrap()), 100);
    assert_eq!(ByteRange::of(None, 100), ByteRange::Whole);
    for (value, start, end) in [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=10-", 10, 100),
        ("bytes=-10", 90, 100),
        ("bytes=-1000", 0, 100),
        ("bytes=99-1000", 99, 100),
        ("bytes=0-18446744073709551615", 0, 100),
    ] {
        assert_eq!(of(value), ByteRange::Part(start, end), "{value}");
    }
    for value in ["bytes=100-", "bytes=100-200", "bytes=-0"] {
        assert_eq!(of(value), ByteRange::Beyond, "{value}");
    }
    for value in ["bytes=0-1,3-4", "bytes=5-4", "bytes=-", "bytes=a-b", "octets=0-1", "bytes=+1-2"]
    {
        assert_eq!(of(value), ByteRange::Whole, "{value}");
    }
}
