use mimi_wire::MimiUri;
use proptest::prelude::proptest;

use super::{Link, LinkTarget, LinkWarning, Mention};
use crate::markdown::{Inline, Text};

fn link(text: &str, destination: &str) -> Link {
    Link { target: LinkTarget::parse(destination), text: vec![Inline::Text(text.to_owned())] }
}

/// CONTENT-LINK-1: the draft's five examples first.
#[test]
fn texts_that_lie_are_flagged() {
    let cases = [
        ("example.com/foobar", "https://example.com/foobar", None),
        ("https://example.com/foobar", "https://example.com/foobar", None),
        ("https://example.com:443/foobar", "https://example.com/foobar", None),
        (
            "https://example.com/foobar",
            "https://spearphishers.example/foobar",
            Some(LinkWarning::OtherTarget),
        ),
        ("https://example.com/foobar", "http://example.com/foobar", Some(LinkWarning::Downgrade)),
        ("HTTPS://Example.COM", "https://example.com/", None),
        ("http://example.com/", "https://example.com/", None),
        ("example.com", "http://example.com/", None),
        ("click here", "https://example.com/", Some(LinkWarning::Text)),
        ("", "https://example.com/", Some(LinkWarning::Text)),
        ("example.com/a", "https://example.com/b", Some(LinkWarning::OtherTarget)),
        ("example.com:8443", "https://example.com/", Some(LinkWarning::OtherTarget)),
        (
            "https://example.com@evil.example/",
            "https://evil.example/",
            Some(LinkWarning::Deceptive),
        ),
        ("mimi://a.example/u/x", "https://a.example/", Some(LinkWarning::OtherTarget)),
        ("https://a.example/", "mimi://a.example/u/alice", Some(LinkWarning::OtherTarget)),
        ("mimi://a.example/u/bob", "mimi://a.example/u/alice", Some(LinkWarning::OtherTarget)),
        ("Alice", "mimi://a.example/u/alice", None),
        ("the club", "mimi://a.example/r/club", Some(LinkWarning::Text)),
        ("x", "javascript:alert(1)", Some(LinkWarning::Refused)),
        ("x", "data:text/html,x", Some(LinkWarning::Refused)),
        ("x", "/relative", Some(LinkWarning::Refused)),
        ("x", "mimi://A.example/u/x", Some(LinkWarning::Refused)),
        ("picture", "cid:3@local.invalid", None),
    ];
    for (text, destination, warning) in cases {
        assert_eq!(link(text, destination).warning(), warning, "[{text}]({destination})");
    }
}

/// CONTENT-LINK-1: texts and addresses that are made to be misread.
#[test]
fn what_looks_like_something_else_is_flagged() {
    let deceptive = Some(LinkWarning::Deceptive);
    let cases = [
        // A name before the host.
        ("https://bank.example@evil.example/", "https://bank.example@evil.example/", deceptive),
        ("log in", "https://bank.example:x@evil.example/", deceptive),
        // Cyrillic letters that look like Latin ones, among Latin ones or alone.
        ("p\u{430}ypal.example", "https://p\u{430}ypal.example/", deceptive),
        ("https://xn--pypal-4ve.example/", "https://xn--pypal-4ve.example/", deceptive),
        (
            "\u{455}\u{441}\u{43e}\u{440}\u{435}.example",
            "https://\u{455}\u{441}\u{43e}\u{440}\u{435}.example/",
            deceptive,
        ),
        ("click", "https://p\u{430}ypal.example/", deceptive),
        // Directions and characters that nobody sees.
        ("\u{202e}moc.elpmaxe//:sptth", "https://example.com/", deceptive),
        ("https://exa\u{200b}mple.com/", "https://example.com/", deceptive),
        ("\u{2066}Alice\u{2069}", "mimi://a.example/u/alice", deceptive),
        // Names of their own scripts.
        ("b\u{fc}cher.example", "https://b\u{fc}cher.example/", None),
        ("\u{4f8b}\u{3048}.example", "https://\u{4f8b}\u{3048}.example/", None),
        (
            "\u{43f}\u{440}\u{438}\u{43c}\u{435}\u{440}.example",
            "https://\u{43f}\u{440}\u{438}\u{43c}\u{435}\u{440}.example/",
            None,
        ),
        ("https://xn--bcher-kva.example/", "https://b\u{fc}cher.example/", None),
    ];
    for (text, destination, warning) in cases {
        assert_eq!(link(text, destination).warning(), warning, "[{text}]({destination})");
    }
}

/// CONTENT-LINK-2: the draft's four examples.
#[test]
fn links_to_members_are_mentions() {
    let alice = MimiUri::new("mimi://example.com/u/alice-smith").unwrap();
    for (markdown, hint) in [
        ("<mimi://example.com/u/alice-smith>", alice.as_str()),
        ("[mimi://example.com/u/alice-smith](mimi://example.com/u/alice-smith)", alice.as_str()),
        ("[@AliceSmith](mimi://example.com/u/alice-smith)", "@AliceSmith"),
        ("[Alice](mimi://example.com/u/alice-smith)", "Alice"),
    ] {
        let text = Text::from_markdown(markdown);
        let mentions = text.mentions(|user| *user == alice);
        assert_eq!(mentions, [Mention { user: alice.clone(), hint: hint.to_owned() }]);
        assert!(text.mentions(|_| false).is_empty());
        assert_eq!(text.links()[0].warning(), None);
    }
    let room = Text::from_markdown("[club](mimi://example.com/r/club)");
    assert!(room.mentions(|_| true).is_empty());
}

proptest! {
    #[test]
    fn any_link_is_judged_without_panic(text: String, destination: String) {
        let _ = link(&text, &destination).warning();
        let _ = link(&text, &format!("https://{destination}")).warning();
    }
}
