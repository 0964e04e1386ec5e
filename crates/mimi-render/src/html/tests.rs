use mimi_wire::MimiUri;
use proptest::prelude::{prop_assert, proptest};

use super::{HTML_OCTETS_MAX, HTML_TAGS_MAX, SafeHtml};
use crate::link::{LinkTarget, LinkWarning};

#[test]
fn what_is_dangerous_is_taken_out() {
    for (html, safe) in [
        ("<script>alert(1)</script>hi", "hi"),
        ("<b onclick=x>hi</b>", "<b>hi</b>"),
        ("<style>*{}</style>hi", "hi"),
        ("<iframe src=https://a.example></iframe>hi", "hi"),
        ("<form action=x><input>hi</form>", "hi"),
        ("<!-- x -->hi", "hi"),
        ("<img src=\"https://a.example/pixel.png\">", "<img>"),
        ("<img src=\"cid:1@local.invalid\">", "<img src=\"cid:1@local.invalid\">"),
        ("<p style=\"position:fixed\">hi</p>", "<p>hi</p>"),
        ("<p style=\"background:url(https://a.example/pixel)\">hi</p>", "<p>hi</p>"),
        ("<img srcset=\"https://a.example/pixel.png 1x\">", "<img>"),
        ("<img src=\"//a.example/pixel.png\">", "<img>"),
        ("<img src=\"data:image/svg+xml,<svg onload=alert(1)>\">", "<img>"),
        ("<img src=x onerror=alert(1)>", "<img>"),
        ("<video poster=https://a.example/x autoplay></video>hi", "hi"),
        ("<link rel=stylesheet href=https://a.example/x>hi", "hi"),
        ("<meta http-equiv=refresh content=0>hi", "hi"),
        ("<base href=https://a.example/>hi", "hi"),
        ("<svg><script>alert(1)</script></svg>hi", "hi"),
        ("<math><mtext></mtext></math>hi", "hi"),
        ("<object data=x></object><embed src=x>hi", "hi"),
        (
            "<blockquote cite=\"https://a.example/pixel\">hi</blockquote>",
            "<blockquote>hi</blockquote>",
        ),
        ("<bdo dir=rtl>hi</bdo>", "hi"),
        (
            "<a id=x name=y class=z target=_top>hi</a>",
            "<a rel=\"noopener noreferrer nofollow\">hi</a>",
        ),
    ] {
        assert_eq!(SafeHtml::sanitize(html).as_str(), safe);
    }
    for href in [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        " java\tscript:alert(1)",
        "java&#10;script:alert(1)",
        "&#106;avascript:alert(1)",
        "vbscript:x",
        "data:text/html,x",
        "blob:x",
        "file:///x",
        "//a.example/x",
        "/x",
        "mimi://A.b/u/x",
    ] {
        let safe = SafeHtml::sanitize(&format!("<a href=\"{href}\">x</a>"));
        assert!(!safe.as_str().contains("href"), "{href}: {}", safe.as_str());
    }
}

/// CONTENT-LINK-1, CONTENT-LINK-2: the draft's mention in HTML.
#[test]
fn links_and_mentions() {
    let html = "<p>Kudos to <a href=\"mimi://example.com/u/alice-smith\">@Alice <i>Smith</i></a>, \
                see <a href='https://evil.example/?a=1&amp;b=2'>https://good.example/</a></p>";
    let safe = SafeHtml::sanitize(html);
    let alice = MimiUri::new("mimi://example.com/u/alice-smith").unwrap();
    let mentions = safe.mentions(|user| *user == alice);
    assert_eq!(mentions.len(), 1);
    assert_eq!(mentions[0].hint, "@Alice Smith");
    let links = safe.links();
    assert_eq!(links.len(), 2);
    assert_eq!(links[1].warning(), Some(LinkWarning::OtherTarget));
    assert!(safe.as_str().contains("rel=\"noopener noreferrer nofollow\""));
}

/// A title that ends like an attribute is a title.
#[test]
fn links_lead_where_their_own_attribute_says() {
    let html = "<a title='> href=' href='https://a.example/'>https://a.example/</a>";
    let links = SafeHtml::sanitize(html).links();
    assert_eq!(links[0].target, LinkTarget::Web("https://a.example/".to_owned()));
}

/// What would take long to read is shown as its source, at n and n + 1.
#[test]
fn html_of_any_size_takes_little_time() {
    let tags = |count| SafeHtml::sanitize(&"<div>".repeat(count));
    assert!(tags(HTML_TAGS_MAX).as_str().starts_with("<div><div>"));
    assert!(tags(HTML_TAGS_MAX + 1).as_str().starts_with("&lt;div&gt;"));
    let octets = |count: usize| SafeHtml::sanitize(&format!("<b>{}</b>", "x".repeat(count - 7)));
    assert!(octets(HTML_OCTETS_MAX).as_str().starts_with("<b>x"));
    assert!(octets(HTML_OCTETS_MAX + 1).as_str().starts_with("&lt;b&gt;x"));
    let misnested = SafeHtml::sanitize(&"<a><b><p></a></b>".repeat(HTML_TAGS_MAX / 5));
    assert!(misnested.links().is_empty());
}

/// CONTENT-LINK-1: no attribute hides a link from those who ask for all of them.
#[test]
fn links_are_found_whatever_their_attributes() {
    for html in [
        "<a title='>' href='https://evil.example/'>https://good.example/</a>",
        "<a title='<a href=\"https://good.example/\">' href='https://evil.example/'>https://good.example/</a>",
        "<a hreflang='</a>' href='https://evil.example/'>https://good.example/</a>",
        "<a title='href=\"https://good.example/\"' href='https://evil.example/'>https://good.example/</a>",
        "<a title=\"x href='https://good.example/'\" href=https://evil.example/>https://good.example/</a>",
        "<A HREF=https://evil.example/><b title='</a>'>https://good.example/</b></A>",
    ] {
        let safe = SafeHtml::sanitize(html);
        let links = safe.links();
        assert_eq!(links.len(), 1, "{html}: {}", safe.as_str());
        assert_eq!(links[0].target, LinkTarget::Web("https://evil.example/".to_owned()), "{html}");
        assert_eq!(links[0].warning(), Some(LinkWarning::OtherTarget), "{html}");
    }
    // What is shown to be the target is the target, in one spelling.
    let safe = SafeHtml::sanitize("<a href='https://a.example/?\"<b>#>'>x</a>");
    assert_eq!(safe.links().len(), 1);
    assert!(
        safe.as_str().contains("href=\"https://a.example/?%22%3Cb%3E#%3E\""),
        "{}",
        safe.as_str()
    );
    let image = SafeHtml::sanitize("<img alt='a > b <a ' src='cid:1@local.invalid'>");
    assert!(image.links().is_empty(), "{}", image.as_str());
}

/// CONTENT-LINK-1: look-alikes in HTML, too.
#[test]
fn deceptive_links() {
    for html in [
        "<a href=\"https://bank.example@evil.example/\">https://bank.example</a>",
        "<a href=\"https://p\u{430}ypal.example/\">paypal</a>",
        "<a href=\"https://evil.example/\">\u{202e}elpmaxe.knab</a>",
    ] {
        let safe = SafeHtml::sanitize(html);
        assert_eq!(safe.links()[0].warning(), Some(LinkWarning::Deceptive), "{html}");
    }
}

proptest! {
    #[test]
    fn nothing_runs(html in "[ -~]{0,200}") {
        let safe = SafeHtml::sanitize(&format!("<a href=\"{html}\">{html}<img src={html}>"));
        let _ = safe.links();
        prop_assert!(!safe.as_str().contains("<script"));
        prop_assert!(!safe.as_str().contains("href=\"javascript"));
    }
}

/// Texts are read line by line, entities as what they stand for, links with where they lead.
#[test]
fn html_as_text() {
    let text = |html: &str| SafeHtml::sanitize(html).to_text();
    assert_eq!(text("<h1>a</h1><p>b<br>c &lt;d&gt; &amp;lt;</p>"), "a\nb\nc <d> &lt;");
    assert_eq!(text("<ul><li>a</li><li>b</li></ul><script>x</script>"), "a\nb");
    let link = "see <a href=\"https://evil.example/?a=1&amp;b=2\">https://a.example/</a> now";
    assert_eq!(text(link), "see https://a.example/ <https://evil.example/?a=1&b=2> now");
    assert_eq!(text("<a href=\"https://a.example/\">https://a.example/</a>"), "https://a.example/");
    assert_eq!(text("plain"), "plain");
    assert_eq!(text(""), "");
}
