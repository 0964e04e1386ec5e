//! What the targets of `mimi-render` ask of texts. Also run by
//! `cargo test -p mimi-render --test replay` on the stable compiler.

use mimi_render::{
    Block, HTML_OCTETS_MAX, HTML_TAGS_MAX, Inline, Link, LinkTarget, SafeHtml, Text,
    escape_html_tags,
};
use mimi_wire::MimiUri;
use mimi_wire::content::parts::PartIndex;

use crate::allocation::bounded_by;

/// A name and what is run.
pub type Target = (&'static str, fn(&[u8]));

/// Every target of `mimi-render`; each has a file of its name in `fuzz_targets/`.
pub const TARGETS: &[Target] = &[("markdown", markdown), ("html", html), ("link", link)];

/// Octets of memory for each octet of a text, and beside it: the parsers keep a tree of their own.
const PER_OCTET: u64 = 512;
const BESIDE: u64 = 1_024 * 1_024;

fn fair<T>(octets: &[u8], read: impl FnOnce() -> T) -> T {
    bounded_by(PER_OCTET * octets.len() as u64 + BESIDE, read)
}

fn markdown(octets: &[u8]) {
    let Ok(source) = str::from_utf8(octets) else { return };
    let text = fair(octets, || Text::from_markdown(source));
    assert!(levels_of_blocks(&text.blocks) <= 2 * LEVELS_MAX);
    // Nothing is shown many times: only what marks line ends is added to what was there.
    assert!(text.plain().len() <= 3 * source.len() + 16, "{text:?}");
    text.links().into_iter().for_each(is_safe);
    let _ = text.mentions(|_| true);
    let escaped = escape_html_tags(source);
    assert!(escaped.len() <= 4 * source.len());
    assert_eq!(escape_html_tags(&escaped), escaped);
}

/// As `LEVELS_MAX` of the crate, of blocks and of inlines.
const LEVELS_MAX: usize = 32;

fn levels_of_blocks(blocks: &[Block]) -> usize {
    let levels = |block: &Block| match block {
        Block::Paragraph(content) | Block::Heading { content, .. } => levels_of_inlines(content),
        Block::Quote(blocks) => levels_of_blocks(blocks),
        Block::List { items, .. } => {
            items.iter().map(|item| levels_of_blocks(&item.blocks)).max().unwrap_or(0)
        }
        Block::Table { head, rows, .. } => {
            let cells = head.iter().chain(rows.iter().flatten());
            cells.map(|cell| levels_of_inlines(cell)).max().unwrap_or(0)
        }
        Block::Code { .. } | Block::Rule => 0,
    };
    1 + blocks.iter().map(levels).max().unwrap_or(0)
}

fn levels_of_inlines(inlines: &[Inline]) -> usize {
    let levels = |inline: &Inline| match inline {
        Inline::Emphasis(inner) | Inline::Strong(inner) | Inline::Strikethrough(inner) => {
            levels_of_inlines(inner)
        }
        Inline::Link(link) | Inline::Image(link) => levels_of_inlines(&link.text),
        _ => 0,
    };
    1 + inlines.iter().map(levels).max().unwrap_or(0)
}

fn is_safe(link: &Link) {
    is_safe_target(&link.target);
    let warning = link.warning();
    assert!(!matches!(link.target, LinkTarget::Refused(_)) || warning.is_some());
}

fn is_safe_target(target: &LinkTarget) {
    match target {
        LinkTarget::Web(url) => {
            assert!(url.starts_with("https://") || url.starts_with("http://"), "{url}");
            assert!(url.is_ascii() && !url.contains(char::is_whitespace), "{url}");
            // What it is taken for is what it is: read again it is the same.
            assert_eq!(LinkTarget::parse(url), *target);
        }
        LinkTarget::Mimi(uri) => assert_eq!(MimiUri::new(uri.as_str()).as_ref(), Ok(uri)),
        LinkTarget::Part(index) => assert_eq!(PartIndex::from_cid(&index.to_cid()), Some(*index)),
        LinkTarget::Refused(_) => {}
    }
}

fn html(octets: &[u8]) {
    let Ok(source) = str::from_utf8(octets) else { return };
    let html = fair(octets, || SafeHtml::sanitize(source));
    let shown = html.as_str();
    for tag in tags(shown) {
        let name = tag.trim_start_matches('/').split(' ').next().unwrap_or_default();
        let forbidden = ["script", "style", "iframe", "form", "object", "embed", "svg", "math"];
        assert!(name.bytes().all(|octet| octet.is_ascii_alphanumeric()), "{shown}");
        assert!(!name.is_empty() && !forbidden.contains(&name), "{shown}");
        assert!(!tag.contains(" on"), "{shown}");
    }
    // Safe HTML is safe HTML, and the same, unless what was left open makes it too much to read.
    if shown.len() <= HTML_OCTETS_MAX && shown.matches('<').count() <= HTML_TAGS_MAX {
        assert_eq!(SafeHtml::sanitize(shown).as_str(), shown);
    }
    for link in html.links() {
        is_safe_target(&link.target);
        assert!(!matches!(link.target, LinkTarget::Refused(_)), "{shown}");
        let _ = link.warning();
    }
    let _ = html.mentions(|_| true);
}

/// What is between `<` and `>`, without the values of attributes.
fn tags(html: &str) -> Vec<String> {
    let mut tags: Vec<String> = Vec::new();
    let (mut in_tag, mut in_value) = (false, false);
    for character in html.chars() {
        match character {
            '<' if !in_tag => {
                in_tag = true;
                tags.push(String::new());
            }
            '>' if in_tag && !in_value => in_tag = false,
            '"' if in_tag => in_value = !in_value,
            other if in_tag && !in_value => tags.last_mut().expect("in a tag").push(other),
            _ => {}
        }
    }
    tags
}

/// The first line is the text of a link, the rest its destination.
fn link(octets: &[u8]) {
    let Ok(source) = str::from_utf8(octets) else { return };
    let (text, destination) = source.split_once('\n').unwrap_or((source, source));
    let target = LinkTarget::parse(destination);
    is_safe_target(&target);
    let link = Link { target: target.clone(), text: vec![Inline::Text(text.to_owned())] };
    let warning = link.warning();
    if let LinkTarget::Web(url) = &target
        && warning.is_none()
    {
        // Only a text that is the address itself goes without a warning.
        let read = LinkTarget::parse(text);
        let completed = LinkTarget::parse(&format!("https://{}", text.trim()));
        assert!(
            text.trim() == url || read == target || completed == target || same(&completed, url)
        );
    }
}

/// The same address, whatever the scheme.
fn same(one: &LinkTarget, other: &str) -> bool {
    let rest = |url: &str| url.split_once("://").map(|(_, rest)| rest.to_owned());
    matches!(one, LinkTarget::Web(one) if rest(one) == rest(other))
}
