//! The fuzz targets on the stable compiler: over seeds, their cuts and changes, and over what once
//! crashed one.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "corpora are files")]
#![expect(unreachable_pub, reason = "public in the crate of the fuzz targets")]

#[path = "../../../fuzz/src/allocation.rs"]
#[expect(dead_code, reason = "the decoders' bound is for mimi-wire")]
mod allocation;
#[path = "../../../fuzz/src/corpora.rs"]
mod corpora;
#[path = "../../../fuzz/src/ohttp.rs"]
mod ohttp;

use mimi_ohttp::message::{AssetRequest, AssetResponse};
use mimi_ohttp::{GatewayKey, KEY_CONFIGS_OCTETS_MAX, KeyConfig};
use mimi_wire::protocol::proxy_download::AssetUrl;

/// RFC 9458 Appendix A: a request sealed to the key of the targets, what is in it, a response.
const SEALED_REQUEST: &str = "010020000100014b28f881333e7c164ffc499ad9796f877f4e1051ee6d31bad1\
                              9dec96c208b4726374e469135906992e1268c594d2a10c695d858c40a026e796\
                              5e7d86b83dd440b2c0185204b4d63525";
const REQUEST: &str = "00034745540568747470730b6578616d706c652e636f6d012f";
const SEALED_RESPONSE: &str =
    "c789e7151fcba46158ca84b04464910d86f9013e404feea014e7be4a441f234f857fbd";
/// A request of indeterminate length, with a field.
const INDETERMINATE: &str = "02034745540568747470730f7777772e6578616d706c652e636f6d022f780568656c\
                             6c6f05776f726c64000000";
/// An answer with an informational one before it, of known length.
const INFORMED: &str = "0140660040c800026f6b00";

fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let octets = |text: &str| hex::decode(text).unwrap();
    let key = GatewayKey::new(1, &ohttp::SECRET).unwrap();
    let config = key.config().clone();
    // One with algorithms that nobody here knows, and one whose key is of no order.
    let foreign = vec![0, 5, 9, 0, 0x10, 1, 2];
    let weak = KeyConfig { public_key: [0; 32], ..config.clone() };
    let url = AssetUrl::new("https://c.example/assets/v1/1f?a=b").unwrap();
    let whole = AssetRequest::new(url.clone());
    let part = AssetRequest { url, range: Some("bytes=0-1048575".to_owned()) };
    let content_range = Some("bytes 0-5/6".to_owned());
    let response = AssetResponse { status: 206, content_range, content: b"octets".to_vec() };
    vec![
        ("ohttp_keys", KeyConfig::encode_all(std::slice::from_ref(&config))),
        ("ohttp_keys", [foreign, KeyConfig::encode_all(std::slice::from_ref(&config))].concat()),
        ("ohttp_keys", KeyConfig::encode_all(&[weak, config])),
        ("ohttp_request", octets(SEALED_REQUEST)),
        ("ohttp_request", octets(REQUEST)),
        ("ohttp_request", octets(INDETERMINATE)),
        ("ohttp_request", whole.encode()),
        ("ohttp_request", part.encode()),
        ("ohttp_response", octets(SEALED_RESPONSE)),
        ("ohttp_response", octets(INFORMED)),
        ("ohttp_response", response.encode()),
        ("ohttp_response", AssetResponse::of_status(404).encode()),
    ]
}

fn run(name: &str, octets: &[u8]) {
    let (_, target) = ohttp::TARGETS.iter().find(|(known, _)| *known == name).unwrap();
    target(octets);
}

#[test]
fn every_target_takes_every_seed() {
    for (_, seed) in seeds() {
        ohttp::TARGETS.iter().for_each(|(_, target)| target(&seed));
    }
}

/// Seeds are what they are said to be: those of a target do more than fail.
#[test]
fn seeds_are_read() {
    let read = |target: &str, reads: fn(&[u8]) -> bool| {
        seeds().iter().filter(|(name, seed)| *name == target && reads(seed)).count()
    };
    let opens = |seed: &[u8]| {
        let key = GatewayKey::new(1, &ohttp::SECRET).unwrap();
        key.open_request(seed).is_ok()
    };
    assert_eq!(read("ohttp_keys", |seed| KeyConfig::choose(seed).is_ok()), 3);
    assert_eq!(read("ohttp_request", opens), 1);
    assert_eq!(read("ohttp_request", |seed| AssetRequest::decode(seed).is_ok()), 4);
    assert_eq!(read("ohttp_response", |seed| AssetResponse::decode(seed).is_ok()), 3);
}

/// One octet more or less, and each of the first octets changed: lengths, codes and presences.
#[test]
fn targets_take_what_is_almost_a_seed() {
    for (target, seed) in seeds() {
        // Behind it is padding.
        let meant = seed.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1);
        for end in 0..meant {
            run(target, &seed[..end]);
        }
        run(target, &[&seed[..], &[0]].concat());
        run(target, &[&seed[..], &[1]].concat());
        for at in 0..meant {
            for change in [1, 0x40, 0x80, 0xff] {
                let mut changed = seed.clone();
                changed[at] ^= change;
                run(target, &changed);
            }
        }
    }
}

/// As many configurations and fields as there can be, and lengths that lie.
#[test]
fn nothing_grows_out_of_bounds() {
    let config = GatewayKey::new(1, &ohttp::SECRET).unwrap().config().clone();
    let many = KeyConfig::encode_all(&vec![config; KEY_CONFIGS_OCTETS_MAX / 32]);
    run("ohttp_keys", &many[..KEY_CONFIGS_OCTETS_MAX]);
    run("ohttp_keys", &many[..KEY_CONFIGS_OCTETS_MAX + 1]);
    let request = hex::decode(REQUEST).unwrap();
    let response = [0x01, 0x40, 0xc8];
    for length in [0x3f_u64, 0x7fff, 0xbfff_ffff, u64::MAX] {
        let lying = length.to_be_bytes();
        for lying in [&lying[6..], &lying[4..], &lying[..]] {
            run("ohttp_request", &[&request[..], lying].concat());
            run("ohttp_response", &[&response[..], lying].concat());
        }
    }
    // Fields of one octet and no value, some thousands of them.
    let fields = [1, b'a', 0].repeat(2_600);
    let length = (0x4000 + u16::try_from(fields.len()).unwrap()).to_be_bytes();
    run("ohttp_request", &[&request[..], &length, &fields].concat());
    run("ohttp_response", &[&response[..], &length, &fields].concat());
    run("ohttp_request", &[&[2], &request[1..], &fields].concat());
}

#[test]
fn what_once_crashed_does_so_no_more() {
    corpora::replay_crashes(ohttp::TARGETS);
}

#[test]
fn every_target_has_a_file() {
    corpora::assert_files(ohttp::TARGETS);
}

#[test]
#[ignore = "writes the seeds of the fuzz targets"]
fn write_corpora() {
    corpora::write(seeds());
}
