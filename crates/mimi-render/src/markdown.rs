//! GFM-MIMI Markdown as a tree (CONTENT-GFM-1).

use std::ops::Range;

use mimi_wire::MimiUri;
use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag};

use crate::link::{Link, LinkTarget, Mention};

/// Levels of nested blocks and inlines that the tree shows; what is deeper is shown at that level.
const LEVELS_MAX: usize = 32;
/// Rounds of escaping after which every `<` is taken for one of a tag.
const ESCAPE_ROUNDS_MAX: usize = 4;

/// A text to be shown. There is no HTML in it: tags are text.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Text {
    /// Its blocks.
    pub blocks: Vec<Block>,
}

/// A block.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Block {
    /// A paragraph.
    Paragraph(Vec<Inline>),
    /// A heading of level 1 to 6.
    Heading {
        /// The level.
        level: u8,
        /// The heading.
        content: Vec<Inline>,
    },
    /// Code.
    Code {
        /// What the sender says it is; may be empty.
        language: String,
        /// The code.
        text: String,
    },
    /// A quotation.
    Quote(Vec<Self>),
    /// A list.
    List {
        /// The first number of an ordered list.
        start: Option<u64>,
        /// The items.
        items: Vec<Item>,
    },
    /// A table.
    Table {
        /// Of each column.
        alignments: Vec<Alignment>,
        /// Cells of the head.
        head: Vec<Vec<Inline>>,
        /// Cells of each row.
        rows: Vec<Vec<Vec<Inline>>>,
    },
    /// A thematic break.
    Rule,
}

/// An item of a list.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Item {
    /// Of a task: whether it is done.
    pub checked: Option<bool>,
    /// Its blocks.
    pub blocks: Vec<Block>,
}

/// How a column is aligned.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Alignment {
    /// In no special way.
    None,
    /// Left.
    Left,
    /// To the middle.
    Center,
    /// Right.
    Right,
}

/// Part of a line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Inline {
    /// Text, to be shown as it is.
    Text(String),
    /// Code.
    Code(String),
    /// Emphasis.
    Emphasis(Vec<Self>),
    /// Strong emphasis.
    Strong(Vec<Self>),
    /// Struck through.
    Strikethrough(Vec<Self>),
    /// A link.
    Link(Link),
    /// An image; only those of the same message are to be loaded without asking.
    Image(Link),
    /// The end of a line in the source.
    SoftBreak,
    /// A new line.
    HardBreak,
}

/// Tables, task lists and strikethrough; no other extension (CONTENT-GFM-1).
fn options() -> Options {
    Options::ENABLE_TABLES | Options::ENABLE_TASKLISTS | Options::ENABLE_STRIKETHROUGH
}

impl Text {
    /// Reads GFM-MIMI. Every text is Markdown, so nothing is refused.
    pub fn from_markdown(markdown: &str) -> Self {
        let mut builder = Builder { open: vec![Open::new(Kind::Root)] };
        for event in Parser::new_ext(markdown, options()) {
            builder.event(event);
        }
        builder.finish()
    }

    /// A text without any markup.
    pub fn from_plain(text: &str) -> Self {
        Self { blocks: vec![Block::Paragraph(vec![Inline::Text(text.to_owned())])] }
    }

    /// What can be read, without markup.
    pub fn plain(&self) -> String {
        let mut lines = Vec::new();
        each_line(&self.blocks, &mut |inlines| lines.push(plain_of(inlines)));
        lines.join("\n")
    }

    /// Every link and image, in order.
    pub fn links(&self) -> Vec<&Link> {
        let mut links = Vec::new();
        each_line(&self.blocks, &mut |inlines| collect_links(inlines, &mut links));
        links
    }

    /// Members who are mentioned, in order, as often as they are (CONTENT-LINK-2).
    pub fn mentions(&self, is_member: impl Fn(&MimiUri) -> bool) -> Vec<Mention> {
        self.links().into_iter().filter_map(|link| link.mention(&is_member)).collect()
    }
}

fn each_line<'a>(blocks: &'a [Block], line: &mut impl FnMut(&'a [Inline])) {
    for block in blocks {
        match block {
            Block::Paragraph(content) | Block::Heading { content, .. } => line(content),
            Block::Code { .. } | Block::Rule => {}
            Block::Quote(blocks) => each_line(blocks, line),
            Block::List { items, .. } => {
                items.iter().for_each(|item| each_line(&item.blocks, line));
            }
            Block::Table { head, rows, .. } => {
                head.iter().chain(rows.iter().flatten()).for_each(|cell| line(cell));
            }
        }
    }
}

fn collect_links<'a>(inlines: &'a [Inline], links: &mut Vec<&'a Link>) {
    for inline in inlines {
        match inline {
            Inline::Link(link) | Inline::Image(link) => {
                links.push(link);
                collect_links(&link.text, links);
            }
            Inline::Emphasis(inner) | Inline::Strong(inner) | Inline::Strikethrough(inner) => {
                collect_links(inner, links);
            }
            _ => {}
        }
    }
}

pub(crate) fn plain_of(inlines: &[Inline]) -> String {
    let plain = |inline: &Inline| match inline {
        Inline::Text(text) | Inline::Code(text) => text.clone(),
        Inline::Emphasis(inner) | Inline::Strong(inner) | Inline::Strikethrough(inner) => {
            plain_of(inner)
        }
        Inline::Link(link) | Inline::Image(link) => plain_of(&link.text),
        Inline::SoftBreak => " ".to_owned(),
        Inline::HardBreak => "\n".to_owned(),
    };
    inlines.iter().map(plain).collect()
}

/// Replaces the `<` of every HTML tag by `&lt;`, as must be done before sending (CONTENT-GFM-1).
/// Code and links in angle brackets stay as they are.
pub fn escape_html_tags(markdown: &str) -> String {
    let mut text = markdown.to_owned();
    // What was inside of an HTML block is read as Markdown once the block is none.
    for _ in 0..ESCAPE_ROUNDS_MAX {
        let tags = html_ranges(&text);
        if tags.is_empty() {
            return text;
        }
        let mut escaped = String::with_capacity(text.len() + 3 * tags.len());
        let mut at = 0;
        for Range { start, end } in tags {
            escaped.push_str(&text[at..start]);
            escaped.push_str(&text[start..end].replace('<', "&lt;"));
            at = end;
        }
        escaped.push_str(&text[at..]);
        text = escaped;
    }
    match html_ranges(&text).is_empty() {
        true => text,
        false => text.replace('<', "&lt;"),
    }
}

/// Where HTML is, in order and without overlaps.
fn html_ranges(text: &str) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for (event, range) in Parser::new_ext(text, options()).into_offset_iter() {
        let is_html = matches!(event, Event::Html(_) | Event::InlineHtml(_));
        let follows = ranges.last().is_none_or(|last| last.end <= range.start);
        if is_html && follows && text[range.clone()].contains('<') {
            ranges.push(range);
        }
    }
    ranges
}

/// What is being read.
enum Kind {
    Root,
    Paragraph,
    Heading(u8),
    Code(String),
    Quote,
    List(Option<u64>),
    Item,
    Table(Vec<Alignment>),
    Row,
    Cell,
    Emphasis,
    Strong,
    Strikethrough,
    Link(LinkTarget),
    Image(LinkTarget),
    /// Something whose content is shown as if it were not there.
    Transparent,
}

struct Open {
    kind: Kind,
    blocks: Vec<Block>,
    inlines: Vec<Inline>,
    items: Vec<Item>,
    /// Of a row its cells; of a table its rows, the head being the first.
    cells: Vec<Vec<Inline>>,
    rows: Vec<Vec<Vec<Inline>>>,
    checked: Option<bool>,
}

impl Open {
    fn new(kind: Kind) -> Self {
        let (blocks, inlines, items) = (Vec::new(), Vec::new(), Vec::new());
        let (cells, rows) = (Vec::new(), Vec::new());
        Self { kind, blocks, inlines, items, cells, rows, checked: None }
    }

    /// Inlines outside of a paragraph, as in a tight list, make one.
    fn push_block(&mut self, block: Block) {
        self.flush();
        self.blocks.push(block);
    }

    fn flush(&mut self) {
        if !self.inlines.is_empty() {
            self.blocks.push(Block::Paragraph(std::mem::take(&mut self.inlines)));
        }
    }

    fn into_blocks(mut self) -> Vec<Block> {
        self.flush();
        self.blocks
    }

    fn push_text(&mut self, text: &str) {
        match self.inlines.last_mut() {
            Some(Inline::Text(last)) => last.push_str(text),
            _ => self.inlines.push(Inline::Text(text.to_owned())),
        }
    }
}

struct Builder {
    /// What is open, the root first.
    open: Vec<Open>,
}

impl Builder {
    fn current(&mut self) -> &mut Open {
        self.open.last_mut().expect("the root is never closed")
    }

    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.open.push(Open::new(kind(tag))),
            Event::End(_) => self.close(),
            // Tags are text (CONTENT-GFM-1), and so is whatever else no option turned on.
            Event::Text(text)
            | Event::Html(text)
            | Event::InlineHtml(text)
            | Event::InlineMath(text)
            | Event::DisplayMath(text)
            | Event::FootnoteReference(text) => self.current().push_text(&text),
            Event::Code(text) => self.current().inlines.push(Inline::Code(text.into_string())),
            Event::SoftBreak => self.current().inlines.push(Inline::SoftBreak),
            Event::HardBreak => self.current().inlines.push(Inline::HardBreak),
            Event::Rule => self.current().push_block(Block::Rule),
            Event::TaskListMarker(checked) => {
                let item = self.open.iter_mut().rfind(|open| matches!(open.kind, Kind::Item));
                if let Some(item) = item {
                    item.checked = Some(checked);
                }
            }
        }
    }

    fn close(&mut self) {
        if self.open.len() < 2 {
            return;
        }
        let Some(closed) = self.open.pop() else { return };
        let deep = self.open.len() > LEVELS_MAX;
        let parent = self.current();
        match closed.kind {
            Kind::Row => parent.rows.push(closed.cells),
            Kind::Cell => parent.cells.push(closed.inlines),
            Kind::Item => {
                let checked = closed.checked;
                parent.items.push(Item { checked, blocks: closed.into_blocks() });
            }
            _ if deep => merge(parent, closed),
            Kind::Root | Kind::Transparent => merge(parent, closed),
            Kind::Paragraph => parent.push_block(Block::Paragraph(closed.inlines)),
            Kind::Heading(level) => {
                parent.push_block(Block::Heading { level, content: closed.inlines });
            }
            Kind::Code(language) => {
                parent.push_block(Block::Code { language, text: plain_of(&closed.inlines) });
            }
            Kind::Quote => parent.push_block(Block::Quote(closed.into_blocks())),
            Kind::List(start) => parent.push_block(Block::List { start, items: closed.items }),
            Kind::Table(alignments) => {
                let mut rows = closed.rows.into_iter();
                let head = rows.next().unwrap_or_default();
                parent.push_block(Block::Table { alignments, head, rows: rows.collect() });
            }
            Kind::Emphasis => parent.inlines.push(Inline::Emphasis(closed.inlines)),
            Kind::Strong => parent.inlines.push(Inline::Strong(closed.inlines)),
            Kind::Strikethrough => parent.inlines.push(Inline::Strikethrough(closed.inlines)),
            Kind::Link(target) => {
                parent.inlines.push(Inline::Link(Link { target, text: closed.inlines }));
            }
            Kind::Image(target) => {
                parent.inlines.push(Inline::Image(Link { target, text: closed.inlines }));
            }
        }
    }

    fn finish(mut self) -> Text {
        while self.open.len() > 1 {
            self.close();
        }
        let root = self.open.pop().expect("the root is never closed");
        Text { blocks: root.into_blocks() }
    }
}

/// Shows what is in the closed one as if it were in its parent.
fn merge(parent: &mut Open, mut closed: Open) {
    let items = std::mem::take(&mut closed.items);
    let rows = std::mem::take(&mut closed.rows);
    let only_inlines = closed.blocks.is_empty() && items.is_empty() && rows.is_empty();
    if only_inlines {
        parent.inlines.append(&mut closed.inlines);
        return;
    }
    parent.flush();
    parent.blocks.append(&mut closed.into_blocks());
    parent.blocks.extend(items.into_iter().flat_map(|item| item.blocks));
    parent.blocks.extend(rows.into_iter().flatten().map(Block::Paragraph));
}

fn kind(tag: Tag<'_>) -> Kind {
    match tag {
        Tag::Paragraph | Tag::HtmlBlock => Kind::Paragraph,
        Tag::Heading { level, .. } => Kind::Heading(level_number(level)),
        Tag::BlockQuote(_) => Kind::Quote,
        Tag::CodeBlock(CodeBlockKind::Indented) => Kind::Code(String::new()),
        Tag::CodeBlock(CodeBlockKind::Fenced(language)) => Kind::Code(language.into_string()),
        Tag::List(start) => Kind::List(start),
        Tag::Item => Kind::Item,
        Tag::Table(alignments) => Kind::Table(alignments.into_iter().map(alignment).collect()),
        Tag::TableHead | Tag::TableRow => Kind::Row,
        Tag::TableCell => Kind::Cell,
        Tag::Emphasis => Kind::Emphasis,
        Tag::Strong => Kind::Strong,
        Tag::Strikethrough => Kind::Strikethrough,
        Tag::Link { dest_url, .. } => Kind::Link(LinkTarget::parse(&dest_url)),
        Tag::Image { dest_url, .. } => Kind::Image(LinkTarget::parse(&dest_url)),
        _ => Kind::Transparent,
    }
}

fn level_number(level: HeadingLevel) -> u8 {
    match level {
        HeadingLevel::H1 => 1,
        HeadingLevel::H2 => 2,
        HeadingLevel::H3 => 3,
        HeadingLevel::H4 => 4,
        HeadingLevel::H5 => 5,
        HeadingLevel::H6 => 6,
    }
}

fn alignment(alignment: pulldown_cmark::Alignment) -> Alignment {
    match alignment {
        pulldown_cmark::Alignment::None => Alignment::None,
        pulldown_cmark::Alignment::Left => Alignment::Left,
        pulldown_cmark::Alignment::Center => Alignment::Center,
        pulldown_cmark::Alignment::Right => Alignment::Right,
    }
}

#[cfg(test)]
mod tests;
