use proptest::prelude::{prop_assert, proptest};

use super::{Alignment, Block, Inline, Item, Text, escape_html_tags, html_ranges};
use crate::link::LinkTarget;

fn text(text: &str) -> Inline {
    Inline::Text(text.to_owned())
}

fn paragraph(content: &str) -> Block {
    Block::Paragraph(vec![text(content)])
}

/// CONTENT-GFM-1: HTML of every sort is shown as text.
#[test]
fn there_is_no_html() {
    for html in [
        "<b>bold</b>",
        "<!-- a comment -->",
        "<![CDATA[ data ]]>",
        "<?php run ?>",
        "<!DOCTYPE html>",
        "<script>alert(1)</script>",
        "<div>\nblock\n</div>",
        "a <img src=x onerror=alert(1)> b",
    ] {
        let shown = Text::from_markdown(html).plain();
        assert_eq!(shown.trim_end(), html, "{html}");
    }
}

/// CONTENT-GFM-1: what is sent holds no tags, and reads as what was written.
#[test]
fn tags_are_escaped_before_sending() {
    for (written, sent) in [
        ("<b>bold</b>", "&lt;b>bold&lt;/b>"),
        ("<!-- x -->", "&lt;!-- x -->"),
        ("<![CDATA[x]]>", "&lt;![CDATA[x]]>"),
        ("1 < 2", "1 < 2"),
        ("`<b>`", "`<b>`"),
        ("<https://a.example/>", "<https://a.example/>"),
        ("<mimi://a.example/u/alice>", "<mimi://a.example/u/alice>"),
        ("```\n<b>\n```", "```\n<b>\n```"),
    ] {
        assert_eq!(escape_html_tags(written), sent);
    }
    let block = "<div>\n<i>inner</i>\n</div>\n\nafter <u>it</u>";
    let sent = escape_html_tags(block);
    assert!(html_ranges(&sent).is_empty());
    assert!(Text::from_markdown(&sent).plain().contains("<i>inner</i>"));
}

#[test]
fn the_tree_of_each_construct() {
    let of = |markdown| Text::from_markdown(markdown).blocks;
    assert_eq!(of("plain"), [paragraph("plain")]);
    let inlines = vec![
        Inline::Emphasis(vec![text("a")]),
        text(" "),
        Inline::Strong(vec![text("b")]),
        text(" "),
        Inline::Strikethrough(vec![text("c")]),
        text(" "),
        Inline::Code("d".to_owned()),
        Inline::SoftBreak,
        text("e"),
        Inline::HardBreak,
        text("f"),
    ];
    assert_eq!(of("*a* **b** ~~c~~ `d`\ne\\\nf"), [Block::Paragraph(inlines)]);
    assert_eq!(of("## h"), [Block::Heading { level: 2, content: vec![text("h")] }]);
    let code = Block::Code { language: "rust".to_owned(), text: "x\n".to_owned() };
    assert_eq!(of("```rust\nx\n```"), [code]);
    assert_eq!(of("> q"), [Block::Quote(vec![paragraph("q")])]);
    assert_eq!(of("---"), [Block::Rule]);
    let item = |checked, block| Item { checked, blocks: vec![block] };
    let tasks = vec![item(Some(true), paragraph("done")), item(Some(false), paragraph("open"))];
    assert_eq!(of("- [x] done\n- [ ] open"), [Block::List { start: None, items: tasks }]);
    let numbered = vec![item(None, paragraph("one")), item(None, paragraph("two"))];
    assert_eq!(of("3. one\n4. two"), [Block::List { start: Some(3), items: numbered }]);
    let table = Block::Table {
        alignments: vec![Alignment::Left, Alignment::Right],
        head: vec![vec![text("a")], vec![text("b")]],
        rows: vec![vec![vec![text("1")], vec![text("2")]]],
    };
    assert_eq!(of("| a | b |\n|:--|--:|\n| 1 | 2 |"), [table]);
    let image = Text::from_markdown("![a cat](cid:1@local.invalid)");
    assert!(matches!(image.links()[0].target, LinkTarget::Part(_)));
    assert_eq!(image.plain(), "a cat");
}

/// CONTENT-GFM-1: no other extension.
#[test]
fn nothing_else_is_understood() {
    for markdown in ["www.a.example", "https://a.example/", "x[^1]", "$x$", "a^b^", ":smile:"] {
        let text = Text::from_markdown(markdown);
        assert_eq!(text.blocks, [paragraph(markdown)]);
    }
}

/// CONTENT-GFM-1: every kind of HTML tag of GFM section 6.10 is shown, and escaped before sending.
#[test]
fn each_kind_of_html_tag() {
    for html in [
        "<a>",
        "</a>",
        "<br/>",
        "<a href=\"x\" b='y' c=z d>",
        "<!-- comment -->",
        "<?processing instruction?>",
        "<!DECLARATION x>",
        "<![CDATA[<b>]]>",
    ] {
        for written in [html.to_owned(), format!("a {html} b"), format!("{html}\n\nafter")] {
            let text = Text::from_markdown(&written);
            assert!(text.plain().contains(html), "{written}: {text:?}");
            let sent = escape_html_tags(&written);
            assert!(!sent.contains(html), "{sent}");
            let received = Text::from_markdown(&sent).plain();
            assert!(received.contains(html), "{sent}: {received}");
        }
    }
}

/// Input that other parsers take long for.
#[test]
fn markdown_of_any_size_takes_little_time() {
    let repeat = |text: &str| text.repeat(10_000);
    for markdown in [
        repeat("["),
        repeat("![[]()"),
        repeat("*a **a "),
        repeat("<"),
        repeat("a<![CDATA["),
        repeat("a<!--"),
        repeat("`") + "a",
        format!("{}|\n{}|\n{}", repeat("|a"), repeat("|-"), repeat("|\n")),
    ] {
        let text = Text::from_markdown(&markdown);
        assert!(text.plain().len() <= 2 * markdown.len());
    }
}

/// What is nested without end neither overflows the stack nor hides anything.
#[test]
fn deep_nesting_is_flattened() {
    fn depth(blocks: &[Block]) -> usize {
        let inner = |block: &Block| match block {
            Block::Quote(blocks) => 1 + depth(blocks),
            Block::List { items, .. } => {
                1 + items.iter().map(|item| depth(&item.blocks)).max().unwrap_or_default()
            }
            _ => 0,
        };
        blocks.iter().map(inner).max().unwrap_or_default()
    }
    for markdown in [">".repeat(5_000) + " deep", "- ".repeat(5_000) + "deep"] {
        let text = Text::from_markdown(&markdown);
        assert!(depth(&text.blocks) <= super::LEVELS_MAX + 1);
        assert!(text.plain().contains("deep"));
    }
    let stars = "*a **b ".repeat(2_000) + &"** *".repeat(2_000);
    assert!(Text::from_markdown(&stars).plain().contains('b'));
}

proptest! {
    #[test]
    fn any_text_is_shown_and_escaped(markdown in "[ -~\n<>*_`\\[\\]()&;]{0,200}") {
        let _ = Text::from_markdown(&markdown).plain();
        let sent = escape_html_tags(&markdown);
        prop_assert!(html_ranges(&sent).is_empty(), "{sent}");
    }
}
