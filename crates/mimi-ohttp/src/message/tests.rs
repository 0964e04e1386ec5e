//! RFC 9292's examples, and what is no GET of an asset.

use std::io::Cursor;

use bhttp::{Message, Mode};
use mimi_wire::limits::TEXT_OCTETS_MAX;
use mimi_wire::protocol::proxy_download::AssetUrl;
use proptest::prelude::{any, proptest};

use super::{AssetRequest, AssetResponse, REQUEST_PADDED_TO_OCTETS, padded_octets};
use crate::{
    CONTENT_OCTETS_MAX, GatewayKey, OhttpFault, SEALED_REQUEST_OCTETS_MAX,
    SEALED_RESPONSE_OCTETS_MAX, seal_request,
};

/// RFC 9292 section 5.1, of known and of indeterminate length.
const KNOWN_REQUEST: &str = "00034745540568747470 73000a2f68656c6c6f2e747874406c0a757365722d61\
    67656e74346375726c2f372e31362e33206c69626375726c2f372e31362e33204f70656e53534c2f302e392e376c\
    207a6c69622f312e322e3304686f73740f7777772e6578616d706c652e636f6d0f6163636570742d6c616e677561\
    676506656e2c206d690000";
const INDETERMINATE_REQUEST: &str = "02034745540568747470 73000a2f68656c6c6f2e7478740a757365722d61\
    67656e74346375726c2f372e31362e33206c69626375726c2f372e31362e33204f70656e53534c2f302e392e376c\
    207a6c69622f312e322e3304686f73740f7777772e6578616d706c652e636f6d0f6163636570742d6c616e677561\
    676506656e2c206d6900000000000000000000000000";
/// RFC 9292 section 5.2: a response with interim ones before it.
const INTERIM_RESPONSE: &str = "0340660772756e6e696e670a22736c656570203135220040 67046c696e6b233c\
    2f7374796c652e6373733e3b2072656c3d7072656c6f61643b2061733d7374796c65046c696e6b243c2f73637269\
    70742e6a733e3b2072656c3d7072656c6f61643b2061733d7363726970740040c804646174651d4d6f6e2c203237\
    204a756c20323030392031323a32383a353320474d540673657276657206417061636865 0d6c6173742d6d6f6469\
    666965641d5765642c203232204a756c20323030392031393a31353a353620474d540465746167142233346161333\
    8372d642d31353638656230302 20d6163636570742d72616e6765730562797465730e636f6e74656e742d6c656e67\
    74680235310476617279 0f4163636570742d456e636f64696e670c636f6e74656e742d747970650a746578742f70\
    6c61696e003348656c6c6f20576f726c6421204d7920636f6e74656e7420696e636c75646573206120747261696c\
    696e672043524c462e0d0a0000";
/// RFC 9292 section 5.2: what was chunked, with a trailer.
const CHUNKED_RESPONSE: &str = "0140c8001d5468697320636f6e74656e7420636f6e7461696e732043524c462e\
    0d0a0d07747261696c65720474657874";

fn octets(text: &str) -> Vec<u8> {
    hex::decode(text.replace(' ', "")).unwrap()
}

fn asset(path: &str) -> AssetUrl {
    AssetUrl::new(&format!("https://c.example{path}")).unwrap()
}

fn rewritten(octets: &[u8], mode: Mode) -> Vec<u8> {
    let mut written = Vec::new();
    let message = Message::read_bhttp(&mut Cursor::new(octets)).unwrap();
    message.write_bhttp(mode, &mut written).unwrap();
    written
}

/// RFC 9292's examples are read, and written as they are there.
#[test]
fn the_examples_of_the_rfc() {
    let (known, indeterminate) = (octets(KNOWN_REQUEST), octets(INDETERMINATE_REQUEST));
    let request = AssetRequest::decode(&known).unwrap();
    assert_eq!(request.url.as_str(), "https://www.example.com/hello.txt");
    assert_eq!(request.range, None);
    // Truncated and padded, it means the same.
    for padding in 0..=12 {
        let end = indeterminate.len() - padding;
        assert_eq!(AssetRequest::decode(&indeterminate[..end]).unwrap(), request, "{padding}");
    }
    for padding in 0..=2 {
        assert_eq!(AssetRequest::decode(&known[..known.len() - padding]).unwrap(), request);
    }
    assert_eq!(rewritten(&indeterminate, Mode::KnownLength), known);
    assert_eq!(
        rewritten(&known, Mode::IndeterminateLength),
        indeterminate[..indeterminate.len() - 10]
    );

    let interim = octets(INTERIM_RESPONSE);
    let response = AssetResponse::decode(&interim).unwrap();
    assert_eq!(response.status, 200);
    assert_eq!(response.content, b"Hello World! My content includes a trailing CRLF.\r\n");
    assert_eq!(rewritten(&interim, Mode::IndeterminateLength), interim);
    let chunked = octets(CHUNKED_RESPONSE);
    let response = AssetResponse::decode(&chunked).unwrap();
    assert_eq!(response.content, b"This content contains CRLF.\r\n");
    assert_eq!(rewritten(&chunked, Mode::KnownLength), chunked);
}

#[test]
fn requests_and_responses_go_around() {
    for (path, range) in [("/assets/v1/1f", None), ("/?x=%2F", Some("bytes=0-1048575"))] {
        let request = AssetRequest { url: asset(path), range: range.map(str::to_owned) };
        let octets = request.encode();
        assert_eq!(octets.len(), REQUEST_PADDED_TO_OCTETS);
        assert_eq!(AssetRequest::decode(&octets), Ok(request));
    }
    let response = AssetResponse {
        status: 206,
        content_range: Some("bytes 0-5/7".to_owned()),
        content: b"octets".to_vec(),
    };
    assert_eq!(AssetResponse::decode(&response.encode()), Ok(response));
    let none = AssetResponse::of_status(404);
    assert_eq!(AssetResponse::decode(&none.encode()), Ok(none));
    assert_eq!(AssetResponse::decode(&AssetResponse::of_status(7).encode()).unwrap().status, 500);
}

fn request(method: &str, scheme: &str, authority: &str, path: &str) -> Message {
    let octets = |text: &str| text.as_bytes().to_vec();
    Message::request(octets(method), octets(scheme), octets(authority), octets(path))
}

fn decoded(message: &Message) -> Result<AssetRequest, OhttpFault> {
    let mut octets = Vec::new();
    message.write_bhttp(Mode::KnownLength, &mut octets).unwrap();
    AssetRequest::decode(&octets)
}

/// PROTO-DL-4: a gateway is asked for assets, and for nothing else in the world.
#[test]
fn what_is_no_asset_is_refused() {
    assert!(decoded(&request("GET", "https", "c.example", "/1")).is_ok());
    for (method, scheme, authority, path) in [
        ("POST", "https", "c.example", "/1"),
        ("HEAD", "https", "c.example", "/1"),
        ("CONNECT", "https", "c.example:443", ""),
        ("GET", "http", "c.example", "/1"),
        ("GET", "https", "", "/1"),
        ("GET", "https", "c.example:22", "/1"),
        ("GET", "https", "127.0.0.1", "/1"),
        ("GET", "https", "[::1]", "/1"),
        ("GET", "https", "c.example@d.example", "/1"),
        ("GET", "https", "c.example/x", "/1"),
        ("GET", "https", "c.example?x", "/1"),
        ("GET", "https", "c.example", "@d.example/1"),
        ("GET", "https", "c.example", ".d.example/1"),
        ("GET", "https", "c.example", ""),
        ("GET", "https", "c.example", "*"),
        ("GET", "https://d.example/x?", "c.example", "/1"),
        ("GET", "https", "c.example", "/1\r\nX: y"),
        ("GET", "https", "c.example", "/ä"),
    ] {
        let message = request(method, scheme, authority, path);
        let fault = decoded(&message);
        assert!(matches!(fault, Err(OhttpFault::NotAnAsset(_))), "{method} {authority} {path}");
    }
    let mut content = request("GET", "https", "c.example", "/1");
    content.write_content(b"x");
    assert!(decoded(&content).is_err());
    let mut two_hosts = request("GET", "https", "c.example", "/1");
    two_hosts.put_header("host", "d.example");
    assert!(decoded(&two_hosts).is_err());
    let mut by_field = request("GET", "https", "", "/1");
    by_field.put_header("host", "c.example");
    assert_eq!(decoded(&by_field).unwrap().url, asset("/1"));
    assert!(AssetRequest::decode(&AssetResponse::of_status(200).encode()).is_err());
    assert!(AssetResponse::decode(&AssetRequest::new(asset("/1")).encode()).is_err());
    let mut behind = AssetRequest::new(asset("/1")).encode();
    behind.push(1);
    assert_eq!(AssetRequest::decode(&behind), Err(OhttpFault::Format("a request")));
}

/// Of a request's fields, one counts, and at most once.
#[test]
fn other_fields_are_left_behind() {
    let mut message = request("GET", "https", "c.example", "/1");
    for name in ["cookie", "authorization", "x-forwarded-for", "user-agent", "from"] {
        message.put_header(name, "me");
    }
    assert_eq!(decoded(&message), Ok(AssetRequest::new(asset("/1"))));
    message.put_header("range", "bytes=1-");
    assert_eq!(decoded(&message).unwrap().range.as_deref(), Some("bytes=1-"));
    message.put_header("range", "bytes=2-");
    assert!(decoded(&message).is_err());
    for range in ["bytes=1-\r\nX: y".to_owned(), "1".repeat(301)] {
        let mut message = request("GET", "https", "c.example", "/1");
        message.put_header("range", range);
        assert!(decoded(&message).is_err());
    }
}

/// Lengths tell little: as many as there are sizes, there are few of padded ones, and none is a
/// lot larger.
#[test]
fn responses_are_padded() {
    assert_eq!(padded_octets(0), 512);
    assert_eq!(padded_octets(512), 512);
    assert_eq!(padded_octets(513), 544);
    assert_eq!(padded_octets(100_000), 100_352);
    assert_eq!(padded_octets(1_000_000), 1_015_808);
    for octets in (0..3_000).chain((0..500).map(|n| 4_000 + 2_111 * n)) {
        let padded = padded_octets(octets);
        assert!(padded >= octets && padded <= (octets + octets / 8).max(512), "{octets}");
        assert_eq!(padded_octets(padded), padded);
    }
    let empty = AssetResponse::of_status(404).encode().len();
    let small = AssetResponse { content: vec![1; 300], ..AssetResponse::of_status(200) };
    assert_eq!(small.encode().len(), empty);
}

/// The largest of both fit into what is allowed for them.
#[test]
fn the_largest_fit() {
    let path = format!("/{}", "a".repeat(TEXT_OCTETS_MAX - "https://c.example/".len()));
    let longest = AssetRequest { url: asset(&path), range: Some("bytes=0-1".to_owned()) };
    let key = GatewayKey::new(0, &[7; 32]).unwrap();
    let (sealed, pending) = seal_request(key.config(), &longest.encode()).unwrap();
    assert!(sealed.len() <= SEALED_REQUEST_OCTETS_MAX);
    let (request, sealer) = key.open_request(&sealed).unwrap();
    assert_eq!(AssetRequest::decode(&request).unwrap(), longest);
    let mut largest = AssetResponse {
        status: 206,
        content_range: Some("1".repeat(300)),
        content: vec![1; CONTENT_OCTETS_MAX],
    };
    let sealed = sealer.seal(&largest.encode(), &[3; 32]).unwrap();
    assert!(sealed.len() <= SEALED_RESPONSE_OCTETS_MAX);
    assert_eq!(AssetResponse::decode(&pending.open(&sealed).unwrap()).unwrap(), largest);
    largest.content.push(1);
    assert_eq!(AssetResponse::decode(&largest.encode()), Err(OhttpFault::TooLarge));
}

proptest! {
    #[test]
    fn nothing_panics(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = AssetRequest::decode(&octets);
        let _ = AssetResponse::decode(&octets);
        let _ = crate::KeyConfig::choose(&octets);
        let _ = crate::KeyConfig::decode(&octets);
        let key = GatewayKey::new(0, &[7; 32]).unwrap();
        let _ = key.open_request(&octets);
    }
}
