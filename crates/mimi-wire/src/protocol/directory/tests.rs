use super::{
    ASSET_HOSTS_MAX, CLIENT_ISSUERS_MAX, DIRECTORY_PATH, Directory, DirectoryError, Endpoint,
    identifier_from_path,
};
use crate::limits::{DIRECTORY_OCTETS_MAX, TEXT_OCTETS_MAX, URI_OCTETS_MAX};
use crate::uri::MimiUri;

const ROOM: &str = "mimi://a.example/r/clubhouse";

/// The draft's example, with its two typing errors mended (AMB-DIR-1).
const EXAMPLE: &str = r#"{
    "keyMaterial": "https://mimi.example.com/v1/keyMaterial/{targetUser}",
    "update": "https://mimi.example.com/v1/update{roomId}",
    "notify": "https://mimi.example.com/v1/notify/{roomId}",
    "submitMessage": "https://mimi.example.com/v1/submitMessage/{roomId}",
    "groupInfo": "https://mimi.example.com/v1/groupInfo/{roomId}",
    "requestConsent": "https://mimi.example.com/v1/requestConsent/{targetUser}",
    "updateConsent": "https://mimi.example.com/v1/updateConsent/{requesterUser}",
    "identifierQuery": "https://mimi.example.com/v1/identifierQuery/{domain}",
    "reportAbuse": "https://mimi.example.com/v1/reportAbuse/{roomId}",
    "proxyDownload": "https://mimi.example.com/v1/proxyDownload/{downloadUrl}",
    "somethingNew": {"of": ["another", "kind"]}
}"#;

/// PROTO-DIR-1, PROTO-DIR-2, AMB-DIR-1.
#[test]
fn the_drafts_example() {
    let directory = Directory::from_json(EXAMPLE.as_bytes()).unwrap();
    assert_eq!(directory.templates.len(), Endpoint::ALL.len());
    assert_eq!(
        directory.expand(Endpoint::Update, ROOM).unwrap(),
        "https://mimi.example.com/v1/updatemimi%3A%2F%2Fa.example%2Fr%2Fclubhouse",
    );
    assert_eq!(Directory::from_json(directory.to_json().as_bytes()).unwrap(), directory);
    assert_eq!(DIRECTORY_PATH, "/.well-known/mimi-protocol-directory");
}

/// PROTO-DIR-3, AMB-DIR-2: RFC 6570 simple string expansion.
#[test]
fn expansion_encodes_all_but_the_unreserved() {
    let json = br#"{"notify": "https://x.example:8443/a%20b?c=(d)&room={roomId}&e=1"}"#;
    let directory = Directory::from_json(json).unwrap();
    for (value, encoded) in [
        ("aZ09-._~", "aZ09-._~"),
        ("a b", "a%20b"),
        ("mimi://a.example/r/%C3%A9", "mimi%3A%2F%2Fa.example%2Fr%2F%25C3%25A9"),
        ("!$&'()*+,;=:@/?#[]{}", "%21%24%26%27%28%29%2A%2B%2C%3B%3D%3A%40%2F%3F%23%5B%5D%7B%7D"),
        ("é", "%C3%A9"),
        ("", ""),
    ] {
        let expected = format!("https://x.example:8443/a%20b?c=(d)&room={encoded}&e=1");
        assert_eq!(directory.expand(Endpoint::Notify, value).unwrap(), expected);
    }
    let missing = directory.expand(Endpoint::Update, ROOM).unwrap_err();
    assert_eq!(missing, DirectoryError::Missing("update"));
}

/// AMB-DIR-3, AMB-DIR-4.
#[test]
fn consent_templates_get_what_their_variable_names() {
    let bob = MimiUri::new("mimi://b.example/u/bob").unwrap();
    for (endpoint, variable, expected) in [
        (Endpoint::RequestConsent, "targetUser", "mimi%3A%2F%2Fb.example%2Fu%2Fbob"),
        (Endpoint::RequestConsent, "targetDomain", "b.example"),
        (Endpoint::UpdateConsent, "requesterUser", "mimi%3A%2F%2Fb.example%2Fu%2Fbob"),
        (Endpoint::UpdateConsent, "requesterDomain", "b.example"),
        (Endpoint::IdentifierQuery, "domain", "b.example"),
        (Endpoint::KeyMaterial, "targetUser", "mimi%3A%2F%2Fb.example%2Fu%2Fbob"),
    ] {
        let json = format!(r#"{{"{}": "https://b.example/x/{{{variable}}}"}}"#, endpoint.key());
        let directory = Directory::from_json(json.as_bytes()).unwrap();
        let url = directory.expand_for(endpoint, &bob).unwrap();
        assert_eq!(url, format!("https://b.example/x/{expected}"));
    }
}

#[test]
fn templates_that_cannot_be_used() {
    let long = format!("https://b.example/{{roomId}}{}", "x".repeat(TEXT_OCTETS_MAX));
    for template in [
        "http://b.example/{roomId}",
        "HTTPS://b.example/{roomId}",
        "b.example/{roomId}",
        "",
        "https://b.example/",
        "https://b.example/{roomId}/{roomId}",
        "https://b.example/{roomId}}",
        "https://b.example/}{roomId}",
        "https://b.example/{roomId",
        "https://b.example/{}",
        "https://b.example/{targetUser}",
        "https://b.example/{+roomId}",
        "https://b.example/{?roomId}",
        "https://b.example/{roomId*}",
        "https://b.example/{roomId:3}",
        "https://{roomId}.example/",
        "https://b.example{roomId}",
        "https:///{roomId}",
        "https://c.example@b.example/{roomId}",
        "https://b.example/{roomId}#x",
        "https://b.example/ {roomId}",
        "https://b.example/{roomId}\\r\\nHost: c.example",
        "https://b.example/é/{roomId}",
        "https://b.example\\\\@c.example/{roomId}",
        long.as_str(),
    ] {
        let json = format!(r#"{{"update": "{template}"}}"#);
        let fault = Directory::from_json(json.as_bytes()).unwrap_err();
        assert!(matches!(fault, DirectoryError::Template { endpoint: "update", .. }), "{template}");
    }
    let fault = Directory::from_json(br#"{"update": 1}"#).unwrap_err();
    assert!(matches!(fault, DirectoryError::Template { reason: "not a string", .. }));
}

#[test]
fn documents_that_are_no_directories() {
    for document in ["", "[]", "null", "{", "\"\"", "{\"update\"}"] {
        let fault = Directory::from_json(document.as_bytes()).unwrap_err();
        assert!(matches!(fault, DirectoryError::NotAnObject(_)), "{document}");
    }
    assert_eq!(Directory::from_json(b"{}").unwrap(), Directory::default());
    let mut large = b"{}".to_vec();
    large.resize(DIRECTORY_OCTETS_MAX, b' ');
    assert!(Directory::from_json(&large).is_ok());
    large.push(b' ');
    let fault = Directory::from_json(&large).unwrap_err();
    assert_eq!(fault, DirectoryError::TooLarge(DIRECTORY_OCTETS_MAX + 1));
}

/// AMB-ID-1.
#[test]
fn client_issuers() {
    let mut directory = Directory::standard("https://a.example");
    let pem = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
    directory.client_issuers.push(pem.to_owned());
    assert_eq!(Directory::from_json(directory.to_json().as_bytes()).unwrap(), directory);
    for issuers in ["1", "\"x\"", "[1]", "{}"] {
        let json = format!(r#"{{"clientIssuers": {issuers}}}"#);
        let fault = Directory::from_json(json.as_bytes()).unwrap_err();
        assert_eq!(fault, DirectoryError::ClientIssuers);
    }
    directory.client_issuers = vec![pem.to_owned(); CLIENT_ISSUERS_MAX];
    assert!(Directory::from_json(directory.to_json().as_bytes()).is_ok());
    directory.client_issuers.push(pem.to_owned());
    assert!(Directory::from_json(directory.to_json().as_bytes()).is_err());
}

/// PROTO-DIR-2, AMB-DIR-1, AMB-DIR-3.
#[test]
fn our_own_directory() {
    for base in ["https://a.example:8443", "https://a.example:8443/"] {
        let directory = Directory::standard(base);
        let listed: Vec<_> = directory.templates.keys().copied().collect();
        let mut served = Endpoint::ALL.to_vec();
        served.sort();
        assert_eq!(listed, served);
        let template = |endpoint| directory.templates[&endpoint].as_str();
        let base = "https://a.example:8443/mimi/v1";
        assert_eq!(template(Endpoint::Update), format!("{base}/update/{{roomId}}"));
        let consent = template(Endpoint::RequestConsent);
        assert_eq!(consent, format!("{base}/requestConsent/{{targetDomain}}"));
        let consent = template(Endpoint::UpdateConsent);
        assert_eq!(consent, format!("{base}/updateConsent/{{requesterDomain}}"));
        assert_eq!(Directory::from_json(directory.to_json().as_bytes()).unwrap(), directory);
    }
    for endpoint in Endpoint::ALL {
        assert_eq!(Endpoint::from_key(endpoint.key()), Some(endpoint));
    }
    assert_eq!(Endpoint::from_key("somethingNew"), None);
}

/// AMB-DIR-2: both readings, and what proxies make of them.
#[test]
fn identifiers_in_paths() {
    for (raw, uri) in [
        ("mimi%3A%2F%2Fa.example%2Fr%2Fclubhouse", ROOM),
        ("mimi%3a%2f%2fa.example%2fr%2fclubhouse", ROOM),
        ("mimi://a.example/r/clubhouse", ROOM),
        ("mimi:%2F%2Fa.example/r/clubhouse", ROOM),
        ("a.example/r/clubhouse", ROOM),
        ("a.example%2Fr%2Fclubhouse", ROOM),
        ("mimi%3A%2F%2Fa.example%2Fr%2F%25C3%25A9", "mimi://a.example/r/%C3%A9"),
        ("mimi://a.example/r/%C3%A9", "mimi://a.example/r/%C3%A9"),
        ("a.example/r/%C3%A9", "mimi://a.example/r/%C3%A9"),
        ("a.example/r/a%2Fb", "mimi://a.example/r/a%2Fb"),
        ("mimi%3A%2F%2Fa.example%2Fr%2Fa%252Fb", "mimi://a.example/r/a%2Fb"),
        ("b.example", "mimi://b.example"),
    ] {
        assert_eq!(identifier_from_path(raw).unwrap().as_str(), uri, "{raw}");
    }
    for raw in [
        "",
        "%",
        "%FF",
        "/a.example/r/clubhouse",
        "MIMI%3A%2F%2Fa.example%2Fr%2Fclubhouse",
        "mimi%3A%2F%2FA.example%2Fr%2Fclubhouse",
        "a.example/r/clubhouse/",
        "a.example//r/clubhouse",
        "a.example/../r/clubhouse",
        "https%3A%2F%2Fa.example",
    ] {
        assert!(identifier_from_path(raw).is_err(), "{raw}");
    }
    assert!(identifier_from_path(&"x".repeat(URI_OCTETS_MAX)).is_err());
}

/// What we expand we understand.
#[test]
fn expansion_and_reading_are_inverse() {
    let directory = Directory::standard("https://a.example");
    for uri in [ROOM, "mimi://a.example/r/a%2Fb%25c%20%C3%A9", "mimi://a.example/r/!$&'()*+,;=:@"] {
        let uri = MimiUri::new(uri).unwrap();
        let url = directory.expand_for(Endpoint::Update, &uri).unwrap();
        let raw = url.strip_prefix("https://a.example/mimi/v1/update/").unwrap();
        assert_eq!(identifier_from_path(raw).unwrap(), uri);
    }
}

/// Our additional key names hosts; what is none is passed over.
#[test]
fn asset_hosts() {
    let json =
        br#"{"assetHosts": ["b.example", "10.0.0.1", 7, "Assets.b.example", "x.b.example"]}"#;
    let directory = Directory::from_json(json).unwrap();
    let hosts: Vec<_> = directory.asset_hosts.iter().map(|host| host.as_str()).collect();
    assert_eq!(hosts, ["b.example", "x.b.example"]);
    assert_eq!(Directory::from_json(directory.to_json().as_bytes()).unwrap(), directory);
    let many = serde_json::json!({ "assetHosts": vec!["b.example"; ASSET_HOSTS_MAX + 1] });
    let directory = Directory::from_json(many.to_string().as_bytes()).unwrap();
    assert_eq!(directory.asset_hosts.len(), ASSET_HOSTS_MAX);
    let other = Directory::from_json(br#"{"assetHosts": {"of": "another kind"}}"#).unwrap();
    assert!(other.asset_hosts.is_empty());
}

/// AMB-DL-1: our additional key names the gateway; what is no https URL is passed over.
#[test]
fn ohttp_gateway() {
    let named = |url: serde_json::Value| {
        let document = serde_json::json!({ "ohttpGateway": url }).to_string();
        Directory::from_json(document.as_bytes()).unwrap()
    };
    let directory = named("https://ohttp.b.example:8443/gateway?x=1".into());
    assert!(directory.ohttp_gateway.is_some());
    assert_eq!(Directory::from_json(directory.to_json().as_bytes()).unwrap(), directory);
    for other in ["http://b.example/", "https://", "https://me@b.example/", "https://b.example/ä"]
    {
        assert_eq!(named(other.into()).ohttp_gateway, None, "{other}");
    }
    assert_eq!(named(7.into()).ohttp_gateway, None);
}
