use mimi_wire::MimiUri;
use proptest::prelude::{prop_assert, proptest};

use super::SafeHtml;
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
    ] {
        assert_eq!(SafeHtml::sanitize(html).as_str(), safe);
    }
    for href in ["javascript:alert(1)", " java\tscript:alert(1)", "data:x", "/x", "mimi://A.b/u/x"]
    {
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

proptest! {
    #[test]
    fn nothing_runs(html in "[ -~]{0,200}") {
        let safe = SafeHtml::sanitize(&format!("<a href=\"{html}\">{html}<img src={html}>"));
        let _ = safe.links();
        prop_assert!(!safe.as_str().contains("<script"));
        prop_assert!(!safe.as_str().contains("href=\"javascript"));
    }
}
