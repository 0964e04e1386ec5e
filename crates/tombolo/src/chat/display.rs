//! A message as a person reads it in the terminal: its texts rendered, what is no text named, where
//! links lead, who is meant, what has become of it (CONTENT-GFM-1, CONTENT-LINK-1, CONTENT-EDIT-3).
//!
//! Whatever comes from others loses what would steer the terminal before it is styled here.

use std::collections::BTreeSet;

use mimi_wire::MimiUri;
use mimi_wire::content::{Disposition, MessageId};
use mimi_wire::media::TextFormat;
use mimi_wire::status::MessageStatus;
use tombolo_client::render::{Block, Inline, Item, Link, LinkTarget, LinkWarning, SafeHtml, Text};
use tombolo_client::{RoomState, ShownMessage, ShownPart};

use crate::chat::words::{clock, counted, duration, short};
use crate::chat::{files, refused};
use crate::plain::{one_line, plain};

/// What a line that belongs to the one above begins with: nobody's message can look like a line of
/// somebody else's.
const CONTINUES: &str = "\n      | ";

/// Who reads, where.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reader {
    /// The best first.
    pub(crate) languages: Vec<String>,
    /// Who can be mentioned.
    pub(crate) members: BTreeSet<MimiUri>,
    /// Whether the terminal shows styles.
    pub(crate) styled: bool,
}

impl Reader {
    /// Of the people in a room.
    pub(crate) fn in_room(&self, state: &RoomState) -> Self {
        let members = state.participants.iter().map(|it| it.user.clone()).collect();
        Self { members, ..self.clone() }
    }

    fn style(&self, text: &str, style: Style) -> String {
        let (begin, end, mark) = match style {
            Style::Emphasis => ("3", "23", "*"),
            Style::Strong => ("1", "22", "**"),
            Style::Struck => ("9", "29", "~~"),
        };
        match self.styled {
            true => format!("\u{1b}[{begin}m{text}\u{1b}[{end}m"),
            false => format!("{mark}{text}{mark}"),
        }
    }
}

#[derive(Clone, Copy)]
enum Style {
    Emphasis,
    Strong,
    Struck,
}

/// The languages that the environment names, e.g. `fr_CA.UTF-8` or `fr:en`.
pub(crate) fn languages(variables: impl IntoIterator<Item = Option<String>>) -> Vec<String> {
    let named = variables.into_iter().flatten().find(|value| !value.is_empty());
    let tag = |locale: &str| locale.split(['.', '@']).next().unwrap_or_default().replace('_', "-");
    let tags = named.iter().flat_map(|value| value.split(':')).map(tag);
    tags.filter(|tag| !matches!(tag.as_str(), "" | "C" | "POSIX")).collect()
}

/// One message, with its number.
pub(crate) fn told(
    reader: &Reader,
    number: usize,
    message: &ShownMessage,
    now_ms: u64,
    mut number_of: impl FnMut(MessageId) -> usize,
) -> String {
    let (sender, time) = (short(&message.sender), clock(message.timestamp_ms));
    if let Some(refused) = &message.refused {
        return format!("[{number}] {time} {sender} {}", refused::told(refused, number_of));
    }
    let mut about = match message.in_reply_to {
        Some(_) if message.answers_expired => " (to a message that is gone)".to_owned(),
        Some(id) => format!(" (to [{}])", number_of(id)),
        None => String::new(),
    };
    if !message.topic.is_empty() {
        about.push_str(&format!(" (in {})", refused::topic_name(&message.topic)));
    }
    let body = match message.deleted {
        true => "(taken back)".to_owned(),
        false => body(reader, number, message),
    };
    format!("[{number}] {time} {sender}{about}: {body}{}", notes(number, message, now_ms))
}

/// What stands behind a message.
fn notes(number: usize, message: &ShownMessage, now_ms: u64) -> String {
    let mut notes = String::new();
    if message.edited && !message.deleted {
        let times = message.versions.len().saturating_sub(1);
        let how_often = if times > 1 { format!(" {times} times") } else { String::new() };
        notes.push_str(&format!(" (edited{how_often}; /versions {number})"));
    }
    if let Some(ends_ms) = message.ends_ms {
        let left_s = ends_ms.saturating_sub(now_ms).div_ceil(1_000);
        notes.push_str(&format!(" (gone in {})", duration(left_s)));
    }
    // AMB-FRK-8.
    if let Some(reason) = &message.unfrankable {
        notes.push_str(&format!(" (cannot be reported: {reason})"));
    }
    if let Some(receipts) = receipts(message) {
        notes.push_str(&format!(" ({receipts})"));
    }
    let reaction =
        |(who, reaction): &(MimiUri, String)| format!("{} {}", one_line(reaction), short(who));
    let reactions: Vec<String> = message.reactions.iter().map(reaction).collect();
    if !reactions.is_empty() {
        notes.push_str(&format!("   {{{}}}", reactions.join(", ")));
    }
    notes
}

/// How many have told that a message has arrived, or that they have read it.
fn receipts(message: &ShownMessage) -> Option<String> {
    let count = |wanted: MessageStatus| {
        message.statuses.iter().filter(|(_, status)| *status == wanted).count()
    };
    match (count(MessageStatus::READ), count(MessageStatus::DELIVERED)) {
        (0, 0) => None,
        (0, delivered) => Some(format!("✓ {delivered}")),
        (read, 0) => Some(format!("✓✓ {read}")),
        (read, delivered) => Some(format!("✓✓ {read}, ✓ {delivered}")),
    }
}

/// What each has told of a message.
pub(crate) fn who_read(number: usize, message: &ShownMessage) -> String {
    if message.statuses.is_empty() {
        return format!("-- nobody has told what became of [{number}]");
    }
    let lines = message.statuses.iter().map(|(user, status)| {
        let status = match status.name() {
            Some(_) => status.to_string(),
            None => format!("something this client does not know ({status})"),
        };
        format!("  {}: {status}", short(user))
    });
    let lines: Vec<String> = lines.collect();
    format!("-- [{number}]\n{}", lines.join("\n"))
}

/// All versions of a message, with who has reacted to which (CONTENT-EDIT-3).
pub(crate) fn versions(reader: &Reader, number: usize, message: &ShownMessage) -> String {
    if message.versions.len() < 2 {
        return format!("-- [{number}] has one version");
    }
    let lines = message.versions.iter().enumerate().map(|(at, version)| {
        let text = version.text.as_deref().unwrap_or("(no text)");
        let text = markdown(reader, text).join(CONTINUES);
        let reacted: Vec<String> = version.reacted.iter().map(short).collect();
        let reacted = match reacted.is_empty() {
            true => String::new(),
            false => format!("   {{reacted: {}}}", reacted.join(", ")),
        };
        format!("  {}. {} {text}{reacted}", at + 1, clock(version.timestamp_ms))
    });
    let lines: Vec<String> = lines.collect();
    format!("-- [{number}] in {}\n{}", counted(lines.len(), "version"), lines.join("\n"))
}

/// Everything of a message that can be shown, in order; of what cannot, what it is.
fn body(reader: &Reader, number: usize, message: &ShownMessage) -> String {
    let parts = message.parts(&reader.languages);
    let mut lines: Vec<String> =
        parts.iter().flat_map(|part| part_lines(reader, number, message, part)).collect();
    if lines.is_empty() {
        lines.push("(nothing this client can show)".to_owned());
    }
    lines.join(CONTINUES)
}

fn part_lines(
    reader: &Reader,
    number: usize,
    message: &ShownMessage,
    part: &ShownPart,
) -> Vec<String> {
    match part {
        ShownPart::Text { format, text, disposition } => {
            let lines = match format {
                TextFormat::Plain => text.lines().map(plain).collect(),
                TextFormat::Html => {
                    let safe = SafeHtml::sanitize(text).to_text();
                    safe.lines().map(plain).collect()
                }
                TextFormat::GfmMimi | TextFormat::CommonMark => markdown(reader, text),
            };
            match *disposition {
                Disposition::PREVIEW => prefixed(&lines, "preview: ", "         "),
                _ => lines,
            }
        }
        ShownPart::External { part, disposition } => {
            let index = message.attachments.iter().position(|it| it == &**part).unwrap_or_default();
            // One command fetches the first file only; the others are named.
            let fetch = if index == 0 { format!("; /save {number}") } else { String::new() };
            let what = match *disposition {
                Disposition::PREVIEW => "preview ",
                Disposition::SESSION => "invitation to a call, which this client cannot join: ",
                Disposition::ICON => "icon ",
                _ => "file ",
            };
            let mut lines = vec![format!("({what}{}{fetch})", files::described(part))];
            if !part.description.is_empty() {
                lines.push(one_line(&part.description));
            }
            lines
        }
        ShownPart::Other { content_type, octets, disposition } => {
            let what = match *disposition {
                Disposition::SESSION => "an invitation to a call, which this client cannot join",
                Disposition::PREVIEW => "a preview that this client cannot show",
                _ => "something this client cannot show",
            };
            let kind = one_line(content_type);
            vec![format!("({what}: {kind}, {})", counted(*octets, "octet"))]
        }
        _ => Vec::new(),
    }
}

/// The lines of a text in Markdown.
pub(crate) fn markdown(reader: &Reader, text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let blocks = Text::from_markdown(text).blocks;
    for block in &blocks {
        lines.extend(block_lines(reader, block));
    }
    lines
}

fn block_lines(reader: &Reader, block: &Block) -> Vec<String> {
    match block {
        Block::Paragraph(content) => inline_lines(reader, content),
        Block::Heading { content, .. } => {
            let lines = inline_lines(reader, content);
            lines.iter().map(|line| reader.style(line, Style::Strong)).collect()
        }
        Block::Code { text, .. } => {
            text.lines().map(|line| format!("    {}", plain(line))).collect()
        }
        Block::Quote(blocks) => {
            let lines: Vec<_> = blocks.iter().flat_map(|it| block_lines(reader, it)).collect();
            prefixed(&lines, "> ", "> ")
        }
        Block::List { start, items } => {
            let numbers = start.map_or(0, |start| start)..;
            let marked = items.iter().zip(numbers).flat_map(|(item, number)| {
                let mark = if start.is_some() { format!("{number}. ") } else { "• ".to_owned() };
                item_lines(reader, item, &mark)
            });
            marked.collect()
        }
        Block::Table { head, rows, .. } => {
            let row = |cells: &Vec<Vec<Inline>>| {
                let cells = cells.iter().map(|cell| inline_lines(reader, cell).join(" "));
                cells.collect::<Vec<_>>().join(" │ ")
            };
            let head = reader.style(&row(head), Style::Strong);
            std::iter::once(head).chain(rows.iter().map(row)).collect()
        }
        Block::Rule => vec!["———".to_owned()],
    }
}

fn item_lines(reader: &Reader, item: &Item, mark: &str) -> Vec<String> {
    let task = match item.checked {
        Some(true) => "☑ ",
        Some(false) => "☐ ",
        None => "",
    };
    let lines: Vec<_> = item.blocks.iter().flat_map(|it| block_lines(reader, it)).collect();
    let lines = if lines.is_empty() { vec![String::new()] } else { lines };
    prefixed(&lines, &format!("{mark}{task}"), "  ")
}

fn prefixed(lines: &[String], first: &str, others: &str) -> Vec<String> {
    let prefix = |at: usize| if at == 0 { first } else { others };
    lines.iter().enumerate().map(|(at, line)| format!("{}{line}", prefix(at))).collect()
}

/// A break in what somebody has written is one here.
fn inline_lines(reader: &Reader, inlines: &[Inline]) -> Vec<String> {
    inlines_told(reader, inlines).split('\n').map(str::to_owned).collect()
}

fn inlines_told(reader: &Reader, inlines: &[Inline]) -> String {
    let told = |inline: &Inline| match inline {
        Inline::Text(text) => plain(text),
        Inline::Code(text) => format!("`{}`", one_line(text)),
        Inline::Emphasis(inner) => reader.style(&inlines_told(reader, inner), Style::Emphasis),
        Inline::Strong(inner) => reader.style(&inlines_told(reader, inner), Style::Strong),
        Inline::Strikethrough(inner) => reader.style(&inlines_told(reader, inner), Style::Struck),
        Inline::Link(link) => link_told(reader, link),
        Inline::Image(link) => format!("(image {})", link_told(reader, link)),
        Inline::SoftBreak | Inline::HardBreak => "\n".to_owned(),
    };
    inlines.iter().map(told).collect()
}

/// The text, and where it leads to if that is not the same; a member is a mention, by the name it
/// has, whatever the sender would show (CONTENT-LINK-2).
fn link_told(reader: &Reader, link: &Link) -> String {
    if let Some(mention) = link.mention(|user| reader.members.contains(user)) {
        return reader.style(&format!("@{}", short(&mention.user)), Style::Strong);
    }
    let text = inlines_told(reader, &link.text);
    let target = match &link.target {
        LinkTarget::Mimi(uri) => uri.to_string(),
        LinkTarget::Web(url) => one_line(url),
        LinkTarget::Part(_) => return text,
        LinkTarget::Refused(target) => one_line(target),
    };
    let warning = match link.warning() {
        // Where it leads stands there.
        None | Some(LinkWarning::Text) => "",
        Some(LinkWarning::Downgrade) => " (beware: not encrypted)",
        Some(LinkWarning::OtherTarget) => " (beware: it leads elsewhere than it says)",
        Some(LinkWarning::Refused) => " (not to be followed)",
        Some(_) => " (beware: made to be misread)",
    };
    match text == target || format!("{text}/") == target {
        true => format!("{text}{warning}"),
        false => format!("{text} <{target}>{warning}"),
    }
}

/// What a person has typed, with those who are named (`@bob@b.example`) and in the room as mentions,
/// and with addresses of the web that Markdown would change in brackets. Code stays as it is.
pub(crate) fn with_mentions(text: &str, members: &BTreeSet<MimiUri>) -> String {
    let mention = |word: &str| {
        let end = word.rfind(|it: char| it.is_ascii_alphanumeric())? + 1;
        let (name, domain) = word[..end].strip_prefix('@')?.split_once('@')?;
        let user = MimiUri::new(&format!("mimi://{domain}/u/{name}")).ok()?;
        let known = members.contains(&user);
        known.then(|| format!("[@{name}]({user}){}", &word[end..]))
    };
    let mut is_code = false;
    let pieces = text.split_inclusive(char::is_whitespace).map(|piece| {
        let word = piece.trim_end();
        let space = &piece[word.len()..];
        let was_code = is_code;
        is_code ^= piece.matches('`').count() % 2 == 1;
        let marked = if was_code { None } else { mention(word).or_else(|| address(word)) };
        marked.map_or_else(|| piece.to_owned(), |marked| marked + space)
    });
    pieces.collect()
}

/// An address of the web in brackets, if it has what is emphasis in Markdown.
fn address(word: &str) -> Option<String> {
    let closes = |it| it == ')' && !word.contains('(');
    let address = word.trim_end_matches(|it| ".,;:!?".contains(it) || closes(it));
    let is_address = address.starts_with("https://") || address.starts_with("http://");
    let is_changed = address.contains(['*', '_', '~']) && !address.contains(['<', '>', '`']);
    (is_address && is_changed).then(|| format!("<{address}>{}", &word[address.len()..]))
}

#[cfg(test)]
mod tests;
