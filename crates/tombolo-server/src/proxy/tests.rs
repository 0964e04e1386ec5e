use std::time::Duration;

use bytes::Bytes;
use mimi_wire::room::asset_policy::{
    AssetPolicy, AssetUploadLocation, DownloadPrivacy, DownloadPrivacyType,
    ProviderAssetUploadDomains,
};
use mimi_wire::{Domain, MimiUri};

use super::cache::Cache;
use super::targets::{HOSTS_PER_ROOM_MAX, RoomHosts, self_and_parents};
use super::{AssetProxy, DOWNLOADS_MAX, DOWNLOADS_PER_PEER_MAX};
use crate::http_error::HttpError;

fn domain(name: &str) -> Domain {
    Domain::new(name).unwrap()
}

fn policy(domains: Vec<(&str, Vec<Domain>)>) -> AssetPolicy {
    let upload_domains = domains.into_iter().map(|(provider, asset_upload_destinations)| {
        ProviderAssetUploadDomains { provider: domain(provider), asset_upload_destinations }
    });
    AssetPolicy {
        asset_upload_location: AssetUploadLocation::LocalProvider,
        upload_domains: upload_domains.collect(),
        download_privacy: DownloadPrivacy {
            allowed_download_types: vec![DownloadPrivacyType::HubProxy],
            forbidden_download_types: Vec::new(),
            default_download_type: DownloadPrivacyType::HubProxy,
        },
        max_image: u64::MAX,
        max_audio: u64::MAX,
        max_video: u64::MAX,
        max_attachment: u64::MAX,
        forbidden_media_types: Vec::new(),
        permitted_media_types: None,
    }
}

/// AMB-DL-2: the union of what the rooms say now.
#[test]
fn hosts_are_those_of_all_rooms() {
    let hosts = RoomHosts::default();
    let room = |name: &str| MimiUri::new(&format!("mimi://a.example/r/{name}")).unwrap();
    let files = domain("files.example");
    let naming = policy(vec![("b.example", vec![files.clone(), domain("b.example")])]);
    hosts.set(&room("one"), Some(&naming));
    hosts.set(&room("one"), Some(&naming));
    hosts.set(&room("two"), Some(&policy(vec![("c.example", vec![files.clone()])])));
    assert_eq!(hosts.owners(&files), [domain("b.example"), domain("c.example")]);
    assert!(hosts.owners(&domain("a.example")).is_empty());
    hosts.set(&room("one"), None);
    assert_eq!(hosts.owners(&files), [domain("c.example")]);
    hosts.set(&room("two"), Some(&policy(Vec::new())));
    assert!(hosts.owners(&files).is_empty());
    let many = |count: usize| (0..count).map(|n| domain(&format!("h{n}.example"))).collect();
    let most = HOSTS_PER_ROOM_MAX;
    hosts.set(&room("one"), Some(&policy(vec![("b.example", many(most + 1))])));
    assert_eq!(hosts.owners(&domain(&format!("h{}.example", most - 1))).len(), 1);
    assert!(hosts.owners(&domain(&format!("h{most}.example"))).is_empty());
}

#[test]
fn parents_are_domains() {
    let host = domain("x.assets.b.example");
    let found: Vec<_> = self_and_parents(&host).map(|found| found.to_string()).collect();
    assert_eq!(found, ["x.assets.b.example", "assets.b.example", "b.example", "example"]);
}

/// Each limit at n and n + 1; a place that is given back is there again.
#[test]
fn downloads_at_once_are_limited() {
    let proxy = AssetProxy::default();
    let peer = |n: usize| domain(&format!("p{n}.example"));
    let mut places: Vec<_> =
        (0..DOWNLOADS_PER_PEER_MAX).map(|_| proxy.places(&peer(0)).unwrap()).collect();
    assert!(matches!(proxy.places(&peer(0)), Err(HttpError::TooMany(_))));
    for n in DOWNLOADS_PER_PEER_MAX..DOWNLOADS_MAX {
        places.push(proxy.places(&peer(n)).unwrap());
    }
    assert!(matches!(proxy.places(&peer(1)), Err(HttpError::TooMany(_))));
    places.pop();
    assert!(proxy.places(&peer(1)).is_ok());
}

/// PROTO-DL-7: bounded in all and in each.
#[test]
fn the_cache_is_bounded() {
    let cache = Cache::new(10, 6, Duration::from_secs(60));
    let octets = |count: usize| Bytes::from(vec![7; count]);
    cache.keep("six".to_owned(), octets(6));
    cache.keep("seven".to_owned(), octets(7));
    assert_eq!(cache.find("six"), Some(octets(6)));
    assert_eq!(cache.find("seven"), None);
    cache.keep("four".to_owned(), octets(4));
    assert!(cache.find("six").is_some() && cache.find("four").is_some());
    cache.keep("one".to_owned(), octets(1));
    assert!(cache.find("six").is_none() && cache.find("four").is_some());
    cache.keep("four".to_owned(), octets(3));
    assert_eq!(cache.find("four"), Some(octets(3)));
    let stale = Cache::new(10, 6, Duration::ZERO);
    stale.keep("one".to_owned(), octets(1));
    assert_eq!(stale.find("one"), None);
}
