use super::{Domain, MimiUri, UriKind};
use crate::Wire;
use crate::limits::URI_OCTETS_MAX;

fn reason(uri: &str) -> &'static str {
    MimiUri::new(uri).unwrap_err().reason
}

/// ID-URI-1, ID-URI-2, ID-URI-3: the examples of the protocol draft and the identity draft.
#[test]
fn examples_name_what_the_drafts_say() {
    let examples = [
        ("mimi://a.example", UriKind::Provider, vec![]),
        ("mimi://a.example/u/alice", UriKind::User, vec!["alice"]),
        ("mimi://a.example/d/alice/ClientA1", UriKind::Client, vec!["alice", "ClientA1"]),
        (
            "mimi://a.example/d/3b52249d-68f9-45ce-8bf5-c799f3cad7ec/0003",
            UriKind::Client,
            vec!["3b52249d-68f9-45ce-8bf5-c799f3cad7ec", "0003"],
        ),
        ("mimi://a.example/r/clubhouse", UriKind::Room, vec!["clubhouse"]),
        ("mimi://a.example/g/clubhouse", UriKind::Group, vec!["clubhouse"]),
        ("mimi://a.example/p/9f0c", UriKind::Pseudonym, vec!["9f0c"]),
        ("mimi://a.example/t/team", UriKind::Team, vec!["team"]),
        ("mimi://a.example/x", UriKind::Other, vec![]),
    ];
    for (text, kind, segments) in examples {
        let uri = MimiUri::new(text).unwrap();
        assert_eq!(uri.kind(), kind, "{text}");
        assert_eq!(uri.segments(), segments, "{text}");
        assert_eq!(uri.domain().as_str(), "a.example");
        assert_eq!(uri.to_string(), text);
        assert_eq!(uri.is_user(), matches!(kind, UriKind::User | UriKind::Pseudonym));
        if kind != UriKind::Other {
            assert_eq!(MimiUri::build(&uri.domain(), kind, &segments).unwrap(), uri);
        }
    }
}

/// ID-URI-5: one spelling.
#[test]
fn other_spellings_are_refused() {
    for uri in [
        "",
        "mimi:",
        "mimi://",
        "MIMI://a.example/u/alice",
        "mimi://A.example/u/alice",
        "im://a.example/u/alice",
        "mimi:/a.example",
        "mimi://a.example/",
        "mimi://a.example/u",
        "mimi://a.example/u/",
        "mimi://a.example//u/alice",
        "mimi://a.example/u//alice",
        "mimi://a.example/u/alice/",
        "mimi://a.example:443/u/alice",
        "mimi://alice@a.example/u/alice",
        "mimi://a.example/u/alice?x=1",
        "mimi://a.example?x",
        "mimi://a.example/u/alice#x",
        "mimi://a.example#x",
        "mimi://a.example/u/.",
        "mimi://a.example/u/..",
        "mimi://a.example/u/%2E%2E",
        "mimi://a.example/u/%61lice",
        "mimi://a.example/u/%c3%a9",
        "mimi://a.example/u/a%",
        "mimi://a.example/u/a%2",
        "mimi://a.example/u/a%zz",
        "mimi://a.example/u/a b",
        "mimi://a.example/u/a\\b",
        "mimi://a.example/u/a%40b",
        "mimi://a.example/u/é",
        "mimi://a.example/u/%FF",
        "mimi://a.example/u/a%0Ab",
        "mimi://a.example/u/a%00",
        "mimi://a.example/u/%C2%85",
        "mimi://a.example./u/alice",
        "mimi://.a.example/u/alice",
        "mimi://a..example/u/alice",
        "mimi://-a.example",
        "mimi://a-.example",
        "mimi://a_b.example",
        "mimi://bücher.example",
        "mimi://127.0.0.1",
        "mimi://127.0.0.0x1",
        "mimi://[::1]",
        " mimi://a.example",
        "mimi://a.example\n",
    ] {
        assert!(MimiUri::new(uri).is_err(), "{uri:?} is accepted");
    }
    assert_eq!(reason("mimi://a.example/u/%61"), reason("mimi://a.example/u/%c3%a9"));
}

#[test]
fn canonical_escapes_are_kept_and_decoded() {
    for (text, decoded) in [
        ("mimi://a.example/u/%C3%A9", "é"),
        ("mimi://a.example/u/a%20b", "a b"),
        ("mimi://a.example/u/a%2Fb", "a/b"),
        ("mimi://a.example/u/a%25b", "a%b"),
        ("mimi://a.example/u/a%3Fb%23", "a?b#"),
        ("mimi://a.example/u/!$&'()*+,;=:@-._~", "!$&'()*+,;=:@-._~"),
    ] {
        let uri = MimiUri::new(text).unwrap();
        assert_eq!(uri.segments(), [decoded]);
        assert_eq!(MimiUri::build(&uri.domain(), UriKind::User, &[decoded]).unwrap(), uri);
    }
}

#[test]
fn nothing_odd_can_be_built() {
    let domain = Domain::new("a.example").unwrap();
    assert!(MimiUri::build(&domain, UriKind::User, &[]).is_err());
    assert!(MimiUri::build(&domain, UriKind::User, &[""]).is_err());
    assert!(MimiUri::build(&domain, UriKind::User, &[".."]).is_err());
    assert!(MimiUri::build(&domain, UriKind::User, &["a\u{7}"]).is_err());
    assert!(MimiUri::build(&domain, UriKind::Provider, &["a"]).is_err());
    assert!(MimiUri::build(&domain, UriKind::Other, &["a"]).is_err());
    assert!(MimiUri::build(&domain, UriKind::Other, &[]).is_err());
    assert_eq!(MimiUri::build(&domain, UriKind::Provider, &[]).unwrap(), domain.provider_uri());
}

#[test]
fn lengths_at_the_limit_and_beyond() {
    let at = format!("mimi://a.example/u/{}", "x".repeat(URI_OCTETS_MAX - 19));
    assert_eq!(at.len(), URI_OCTETS_MAX);
    assert!(MimiUri::new(&at).is_ok());
    assert!(MimiUri::new(&format!("{at}x")).is_err());

    let label = "x".repeat(63);
    assert!(Domain::new(&format!("{label}.example")).is_ok());
    assert!(Domain::new(&format!("{label}x.example")).is_err());
    let long = format!("{label}.{label}.{label}.{}", "x".repeat(61));
    assert_eq!(long.len(), 253);
    assert!(Domain::new(&long).is_ok());
    assert!(Domain::new(&format!("{long}x")).is_err());
}

/// WIRE-5, AMB-W-4: `opaque uri<V>`.
#[test]
fn on_the_wire() {
    let uri = MimiUri::new("mimi://a.example").unwrap();
    let octets = [&[16][..], b"mimi://a.example"].concat();
    assert_eq!(uri.encode(), octets);
    assert_eq!(MimiUri::decode(&octets).unwrap(), uri);
    assert!(MimiUri::decode(&[0]).is_err());
    assert!(MimiUri::decode(&[1, 0xff]).is_err());
    let too_long = [&[0x44, 0x01][..], &[b'x'; 1025]].concat();
    assert!(MimiUri::decode(&too_long).unwrap_err().reason.contains("at most 1024"));
}

#[test]
fn errors_repeat_little_of_the_input() {
    assert_eq!(MimiUri::new(&"é".repeat(5000)).unwrap_err().input.chars().count(), 200);
}

#[test]
fn serde_refuses_what_new_refuses() {
    let uri: MimiUri = serde_json::from_str("\"mimi://a.example/u/alice\"").unwrap();
    assert_eq!(serde_json::to_string(&uri).unwrap(), "\"mimi://a.example/u/alice\"");
    assert!(serde_json::from_str::<MimiUri>("\"mimi://A.example\"").is_err());
    assert!(serde_json::from_str::<Domain>("\"a.example:1\"").is_err());
}
