//! What of a message is shown to a person who reads certain languages (CONTENT-PART-1).

use mimi_wire::content::parts::Receiver;
use mimi_wire::content::{Disposition, ExternalPart, NestedPart, Part};
use mimi_wire::media::{ContentType, TextFormat};

use crate::shown::ShownMessage;

/// Formats of text, the one that is liked best first.
const FORMATS: [TextFormat; 4] =
    [TextFormat::GfmMimi, TextFormat::CommonMark, TextFormat::Html, TextFormat::Plain];

/// A part of a message that is shown.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ShownPart {
    /// A text. `render` makes all but plain text safe to show.
    Text {
        /// What it is written in.
        format: TextFormat,
        /// The text.
        text: String,
        /// What it is for, e.g. the preview of a link.
        disposition: Disposition,
    },
    /// Something to be fetched.
    External {
        /// Where it is and what it is said to be.
        part: Box<ExternalPart>,
        /// What it is for.
        disposition: Disposition,
    },
    /// Something in the message itself that is no text.
    Other {
        /// Its media type.
        content_type: String,
        /// How many octets it has.
        octets: usize,
        /// What it is for.
        disposition: Disposition,
    },
}

/// Somebody who reads languages, the best first: text before what is none, a language before the
/// next, what names none after those, and what is in another one last.
struct Reader<'a>(&'a [String]);

impl Receiver for Reader<'_> {
    fn rank(&self, part: &NestedPart) -> Option<u32> {
        let format = match &part.part {
            Part::Single { content_type, content } => {
                let is_text = std::str::from_utf8(content).is_ok();
                let format = ContentType::parse(content_type).text_format();
                format.filter(|_| is_text)
            }
            Part::External(_) => None,
            Part::Null | Part::Multi { .. } => return None,
        };
        let place = format.and_then(|format| FORMATS.iter().position(|it| *it == format));
        // What is no text is shown as what it is said to be.
        let by_format = place.unwrap_or(FORMATS.len());
        let no_text = usize::from(place.is_none());
        let languages = self.0.len() + 2;
        let rank = (no_text * languages + self.by_language(&part.language)) * (FORMATS.len() + 1);
        u32::try_from(rank + by_format).ok()
    }
}

impl Reader<'_> {
    fn by_language(&self, tags: &str) -> usize {
        if tags.trim().is_empty() {
            return self.0.len();
        }
        let tags = || tags.split(',').map(|tag| tag.trim().to_ascii_lowercase());
        let reads = |language: &String| {
            let language = language.to_ascii_lowercase();
            tags().any(|tag| match tag.strip_prefix(&language) {
                Some(rest) => rest.is_empty() || rest.starts_with('-'),
                None => false,
            })
        };
        self.0.iter().position(reads).unwrap_or(self.0.len() + 1)
    }
}

impl ShownMessage {
    /// What of the newest version is shown to somebody who reads these languages, the best first
    /// (`en`, `fr-CA`): one of each choice, all or none of each unit, in order. Nothing once it is
    /// deleted, and nothing of what was refused.
    pub fn parts(&self, languages: &[String]) -> Vec<ShownPart> {
        let body = self.body.as_ref();
        body.map_or_else(Vec::new, |body| {
            let chosen = body.chosen_parts(&Reader(languages));
            chosen.into_iter().filter_map(|chosen| shown(chosen.part)).collect()
        })
    }
}

fn shown(part: &NestedPart) -> Option<ShownPart> {
    let disposition = part.disposition;
    Some(match &part.part {
        Part::Null | Part::Multi { .. } => return None,
        Part::External(part) => ShownPart::External { part: part.clone(), disposition },
        Part::Single { content_type, content } => {
            let text = std::str::from_utf8(content).ok();
            match (ContentType::parse(content_type).text_format(), text) {
                (Some(format), Some(text)) => {
                    ShownPart::Text { format, text: text.to_owned(), disposition }
                }
                _ => ShownPart::Other {
                    content_type: content_type.clone(),
                    octets: content.len(),
                    disposition,
                },
            }
        }
    })
}

#[cfg(test)]
mod tests;
