use std::collections::BTreeSet;

use mimi_wire::MimiUri;
use mimi_wire::content::external::{Encryption, Upload, seal};
use mimi_wire::content::{Disposition, MessageId, MimiContent, NestedPart, Part, PartSemantics};
use mimi_wire::status::MessageStatus;
use tombolo_client::{ShownMessage, ShownVersion};

use super::{Reader, languages, markdown, told, versions, who_read, with_mentions};

fn uri(text: &str) -> MimiUri {
    MimiUri::new(text).unwrap()
}

fn bob() -> MimiUri {
    uri("mimi://b.example/u/bob")
}

fn reader() -> Reader {
    Reader { members: BTreeSet::from([bob()]), ..Reader::default() }
}

fn message(body: NestedPart) -> ShownMessage {
    ShownMessage {
        id: MessageId([1; 32]),
        sender: uri("mimi://a.example/u/alice"),
        timestamp_ms: 14 * 3_600_000,
        text: None,
        body: Some(body),
        in_reply_to: None,
        answers_expired: false,
        topic: Vec::new(),
        attachments: Vec::new(),
        edited: false,
        deleted: false,
        versions: Vec::new(),
        reactions: Vec::new(),
        statuses: Vec::new(),
        ends_ms: None,
        refused: None,
        unfrankable: None,
    }
}

fn text(text: &str) -> ShownMessage {
    let (alice, room) = (uri("mimi://a.example/u/alice"), uri("mimi://a.example/r/room"));
    message(MimiContent::text([1; 16], &alice, &room, text).body)
}

fn line(message: &ShownMessage) -> String {
    told(&reader(), 1, message, 0, |_| 7)
}

/// CONTENT-GFM-1: Markdown is shown as what it means, and HTML in it as text.
#[test]
fn markdown_is_rendered() {
    let shown = |source: &str| markdown(&reader(), source);
    assert_eq!(shown("*a* **b** ~~c~~ `d`"), ["*a* **b** ~~c~~ `d`"]);
    assert_eq!(shown("\\*a\\* &lt;b&gt;"), ["*a* <b>"]);
    assert_eq!(shown("<b>a</b>"), ["<b>a</b>"]);
    assert_eq!(shown("- a\n- [x] b\n\n3. c\n4. d"), ["• a", "• ☑ b", "3. c", "4. d"]);
    assert_eq!(shown("> a\n> b"), ["> a", "> b"]);
    assert_eq!(shown("# a\n\n---\n\n```rust\nx < y\n```"), ["**a**", "———", "    x < y"]);
    assert_eq!(shown("| a | b |\n|---|---|\n| c | d |"), ["**a │ b**", "c │ d"]);
    let styled = Reader { styled: true, ..reader() };
    assert_eq!(markdown(&styled, "**b**"), ["\u{1b}[1mb\u{1b}[22m"]);
}

/// CONTENT-LINK-1, CONTENT-LINK-2: where a link leads stands beside it, with a warning where its text
/// says otherwise; who is meant is shown by the true name.
#[test]
fn links_and_mentions() {
    let shown = |source: &str| markdown(&reader(), source).join("|");
    let evil = "[https://a.example/](https://evil.example/)";
    assert_eq!(
        shown(evil),
        "https://a.example/ <https://evil.example/> (beware: it leads elsewhere than it says)"
    );
    assert_eq!(shown("[here](https://a.example/)"), "here <https://a.example/>");
    assert_eq!(shown("[https://a.example](https://a.example/)"), "https://a.example");
    assert!(shown("[x](javascript:alert)").ends_with("(not to be followed)"));
    assert_eq!(shown("[the boss](mimi://b.example/u/bob)"), "**@bob@b.example**");
    let cathy = "[cathy](mimi://c.example/u/cathy)";
    assert_eq!(shown(cathy), "cathy <mimi://c.example/u/cathy>", "not in the room");
    let members = BTreeSet::from([bob()]);
    let typed = "@bob@b.example, @cathy@c.example and a@b.example";
    let expected = "[@bob](mimi://b.example/u/bob), @cathy@c.example and a@b.example";
    assert_eq!(with_mentions(typed, &members), expected);
    assert_eq!(shown(&with_mentions("hi @bob@b.example!", &members)), "hi **@bob@b.example**!");
}

/// What is an address stays one, whatever Markdown makes of its characters; what is code stays code.
#[test]
fn what_is_typed_is_what_is_read() {
    let typed = |source: &str| with_mentions(source, &BTreeSet::from([bob()]));
    let shown = |source: &str| markdown(&reader(), &typed(source)).join("|");
    for address in
        ["https://a.example/_x_/y", "https://a.example/*x*?q=~~y~~", "https://a.example/_x_(y)"]
    {
        assert_eq!(shown(&format!("see {address}, please")), format!("see {address}, please"));
    }
    for same in [
        "https://a.example/x",
        "`https://a.example/_x_`",
        "```\n@bob@b.example https://a.example/_x_\n```",
        "[x](https://a.example/_x_)",
        "<https://a.example/_x_>",
        "*https*",
        "https://a.example/é",
    ] {
        assert_eq!(typed(same), same);
    }
    assert_eq!(typed("`x` @bob@b.example"), "`x` [@bob](mimi://b.example/u/bob)");
}

/// Nothing in a message steers the terminal or looks like a line of its own, however it is written.
#[test]
fn nothing_forges_a_line() {
    let forged = "ok\n[9] 14:00 bob@b.example: yes";
    for source in [forged.to_owned(), format!("```\n{forged}\n```"), format!("> {forged}")] {
        let told = line(&text(&source));
        assert!(told.lines().skip(1).all(|line| line.starts_with("      | ")), "{told}");
    }
    let evil = "a\u{1b}[2J &#27;[2J `\u{1b}[2J` [\u{1b}[2J](https://a.example/) \u{202e}";
    assert!(!line(&text(evil)).contains(['\u{1b}', '\u{202e}']));
    let html = NestedPart::single(Disposition::RENDER, "text/html", evil.as_bytes());
    assert!(!line(&message(html)).contains(['\u{1b}', '\u{202e}']));
}

/// What is no text is told by what it is: files with name and size, previews, calls, the rest.
#[test]
fn what_is_no_text_is_named() {
    let upload =
        Upload { content_type: "image/png", url: "https://a.example/x", filename: "cat.png" };
    let encryption = Encryption::Aes128Gcm { key: [1; 16], nonce: [1; 12] };
    let (file, _) = seal(upload, b"meow", &encryption).unwrap();
    let part = |disposition, part| NestedPart { disposition, language: String::new(), part };
    let attached = part(Disposition::ATTACHMENT, Part::External(Box::new(file.clone())));
    let single = |disposition, kind: &str| NestedPart::single(disposition, kind, b"\x00\xff");
    let parts = vec![
        NestedPart::single(Disposition::RENDER, "text/markdown;variant=GFM-MIMI", b"look:"),
        attached,
        NestedPart::single(Disposition::PREVIEW, "text/plain", b"A page\nof cats"),
        single(Disposition::SESSION, "application/sdp"),
        single(Disposition::RENDER, "model/obj"),
    ];
    let all = Part::Multi { semantics: PartSemantics::ProcessAll, parts };
    let mut shown = message(part(Disposition::RENDER, all));
    shown.attachments = vec![file];
    let told = line(&shown);
    let lines: Vec<&str> = told.split("\n      | ").collect();
    assert_eq!(lines[0], "[1] 14:00 alice@a.example: look:");
    assert!(lines[1].starts_with("(file cat.png, image/png, 20 octets"), "{}", lines[1]);
    assert_eq!(lines[2..4], ["preview: A page", "         of cats"]);
    assert!(lines[4].contains("invitation to a call"), "{}", lines[4]);
    assert_eq!(lines[5], "(something this client cannot show: model/obj, 2 octets)");
    let nothing = message(NestedPart::null(Disposition::RENDER));
    assert!(line(&nothing).ends_with("(nothing this client can show)"));
}

#[test]
fn html_is_told_as_text() {
    let html = "<p>hello <b>you</b></p><script>evil()</script><ul><li>a</li><li>b</li></ul>";
    let body = NestedPart::single(Disposition::RENDER, "text/html", html.as_bytes());
    let told = line(&message(body));
    let expected = "[1] 14:00 alice@a.example: hello you\n      | a\n      | b";
    assert_eq!(told, expected);
}

/// CONTENT-EDIT-3: that a message was edited, what it said before, and to which version somebody has
/// reacted; what was taken back is told as that.
#[test]
fn edits_and_what_became_of_it() {
    let mut shown = text("hello");
    shown.edited = true;
    let version = |text: &str, reacted: Vec<MimiUri>| ShownVersion {
        id: MessageId([2; 32]),
        timestamp_ms: 14 * 3_600_000,
        text: Some(text.to_owned()),
        reacted,
    };
    shown.versions = vec![version("helo", vec![bob()]), version("hello", Vec::new())];
    shown.reactions = vec![(bob(), "👍".to_owned())];
    shown.statuses =
        vec![(bob(), MessageStatus::READ), (uri("mimi://c.example/u/cathy"), MessageStatus(1))];
    shown.ends_ms = Some(90_000);
    let expected = "[1] 14:00 alice@a.example: hello (edited; /versions 1) (gone in 2m) \
                    (✓✓ 1, ✓ 1)   {👍 bob@b.example}";
    assert_eq!(line(&shown), expected);
    let told = versions(&reader(), 1, &shown);
    let expected = "-- [1] in 2 versions\n  1. 14:00 helo   {reacted: bob@b.example}\n  \
                    2. 14:00 hello";
    assert_eq!(told, expected);
    assert!(who_read(1, &shown).contains("  cathy@c.example: delivered"));
    let gone = ShownMessage { deleted: true, body: None, versions: Vec::new(), ..shown };
    assert!(line(&gone).contains("(taken back)") && !line(&gone).contains("edited"));
    let mut answer = text("why?");
    answer.in_reply_to = Some(MessageId([3; 32]));
    assert!(line(&answer).contains("alice@a.example (to [7]): why?"));
    answer.answers_expired = true;
    assert!(line(&answer).contains("(to a message that is gone)"));
}

#[test]
fn languages_of_the_environment() {
    let set = |value: &str| Some(value.to_owned());
    assert_eq!(languages([None, set("fr_CA.UTF-8"), set("en")]), ["fr-CA"]);
    assert_eq!(languages([set("de:en_GB")]), ["de", "en-GB"]);
    assert!(languages([set(""), set("C.UTF-8")]).is_empty());
}
