//! What the targets of `mimi-ohttp` ask of octets. Also run by `cargo test -p mimi-ohttp --test replay`
//! on the stable compiler.
//!
//! No fuzzer gets past a seal, so each target takes its octets twice: as what comes from outside, and as
//! what somebody has sealed in due form.

use mimi_ohttp::message::{AssetRequest, AssetResponse, REQUEST_PADDED_TO_OCTETS};
use mimi_ohttp::{
    CONTENT_OCTETS_MAX, GatewayKey, KEY_CONFIGS_OCTETS_MAX, KeyConfig, OhttpFault, PendingResponse,
    SEALED_REQUEST_OCTETS_MAX, key_id, seal_request,
};

use crate::allocation::bounded_by;

/// A name and what is run.
pub type Target = (&'static str, fn(&[u8]));

/// Every target of `mimi-ohttp`; each has a file of its name in `fuzz_targets/`.
pub const TARGETS: &[Target] =
    &[("ohttp_keys", keys), ("ohttp_request", request), ("ohttp_response", response)];

/// Octets of memory for each octet of a message, and beside it: Binary HTTP has fields of two octets.
const PER_OCTET: u64 = 192;
const BESIDE: u64 = 64 * 1_024;
/// Name and secret of the gateway's key: those of RFC 9458 Appendix A.
const KEY_ID: u8 = 1;
pub const SECRET: [u8; 32] = [
    0x3c, 0x16, 0x89, 0x75, 0x67, 0x4b, 0x2f, 0xa8, 0xe4, 0x65, 0x97, 0x0b, 0x79, 0xc8, 0xdc, 0xf0,
    0x9f, 0x1c, 0x74, 0x16, 0x26, 0x48, 0x0b, 0xd4, 0xc6, 0x16, 0x2f, 0xc5, 0xb6, 0xa9, 0x8e, 0x1a,
];

fn fair<T>(octets: &[u8], read: impl FnOnce() -> T) -> T {
    bounded_by(PER_OCTET * octets.len() as u64 + BESIDE, read)
}

fn gateway() -> GatewayKey {
    GatewayKey::new(KEY_ID, &SECRET).expect("a key")
}

/// Key configurations at a client or relay: what is chosen means the same written again, and can be
/// sealed to or is refused.
fn keys(octets: &[u8]) {
    let chosen = fair(octets, || KeyConfig::choose(octets));
    let Ok(config) = chosen else { return };
    assert!(octets.len() <= KEY_CONFIGS_OCTETS_MAX && !config.suites.is_empty());
    assert_eq!(KeyConfig::decode(&config.encode()), Ok(config.clone()));
    assert_eq!(
        KeyConfig::choose(&KeyConfig::encode_all(std::slice::from_ref(&config))),
        Ok(config.clone())
    );
    match seal_request(&config, b"request") {
        Ok((sealed, _)) => assert_eq!(key_id(&sealed), Some(config.key_id)),
        Err(fault) => assert_eq!(fault, OhttpFault::NotSealed, "its key is none"),
    }
}

/// A request at the gateway.
fn request(octets: &[u8]) {
    let gateway = gateway();
    for sealed in [octets.to_vec(), under_header(&gateway, octets)] {
        match fair(&sealed, || gateway.open_request(&sealed).map(|(request, _)| request)) {
            Ok(opened) => {
                assert!(sealed.len() <= SEALED_REQUEST_OCTETS_MAX && opened.len() < sealed.len());
                inner_request(&opened);
            }
            Err(OhttpFault::UnknownKey) => assert_ne!(key_id(&sealed), Some(KEY_ID)),
            Err(_) => {}
        }
    }
    inner_request(octets);
    // Whatever somebody seals comes out as it went in.
    if let Ok((sealed, _)) = seal_request(gateway.config(), octets) {
        let (opened, _) = gateway.open_request(&sealed).expect("it is sealed to this key");
        assert_eq!(opened, octets);
    }
}

/// Key, algorithms, and then what the fuzzer wants.
fn under_header(gateway: &GatewayKey, octets: &[u8]) -> Vec<u8> {
    let (sealed, _) = seal_request(gateway.config(), b"").expect("it is small");
    [&sealed[..7], octets].concat()
}

fn inner_request(octets: &[u8]) {
    let Ok(request) = fair(octets, || AssetRequest::decode(octets)) else { return };
    // It names the host that is asked, and nothing in it leads elsewhere.
    let (host, path) = (request.url.host().as_str(), request.url.path_and_query());
    assert_eq!(request.url.as_str(), format!("https://{host}{path}"));
    assert!(path.starts_with('/') && !path.contains(char::is_whitespace), "{path}");
    let printable = |range: &String| range.bytes().all(|octet| matches!(octet, b' '..=b'~'));
    assert!(request.range.iter().all(printable));
    let encoded = request.encode();
    assert_eq!(encoded.len() % REQUEST_PADDED_TO_OCTETS, 0);
    assert_eq!(AssetRequest::decode(&encoded), Ok(request));
}

/// A response at the client: nothing that the gateway has not sealed for this very request opens.
fn response(octets: &[u8]) {
    let gateway = gateway();
    let exchange = || seal_request(gateway.config(), b"request").expect("it is small");
    let (sealed, pending): (Vec<u8>, PendingResponse) = exchange();
    assert!(fair(octets, || pending.open(octets)).is_err());
    inner_response(octets);
    // The gateway's answer to another request does not open here, its answer to this one does.
    let (other, pending) = exchange();
    let sealed_for = |request: &[u8]| {
        let (_, sealer) = gateway.open_request(request).expect("it is sealed to this key");
        sealer.seal(octets, &[7; 32]).expect("it is small")
    };
    assert_eq!(pending.open(&sealed_for(&sealed)), Err(OhttpFault::NotSealed));
    let (own, pending) = exchange();
    assert_ne!(other, own);
    assert_eq!(pending.open(&sealed_for(&own)).as_deref(), Ok(octets));
}

fn inner_response(octets: &[u8]) {
    let Ok(response) = fair(octets, || AssetResponse::decode(octets)) else { return };
    assert!(response.content.len() <= CONTENT_OCTETS_MAX);
    let again = AssetResponse::decode(&response.encode()).expect("what was read can be written");
    assert_eq!(
        (&again.content_range, &again.content),
        (&response.content_range, &response.content)
    );
    assert!(again.status == response.status || !(200..=599).contains(&response.status));
}
