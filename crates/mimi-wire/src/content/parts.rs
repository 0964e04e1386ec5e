//! Finding parts: their indices, references to them, and which of them to show.

use std::collections::BTreeSet;

use crate::content::{MimiContent, NestedPart, Part, PartSemantics};
use crate::media::{ContentType, TextFormat};

/// What a reference begins with, and what follows its number (CONTENT-PART-3).
const CID: &str = "cid:";
const LOCAL: &str = "@local.invalid";

/// The implicit number of a part: from 0, depth first, a part before its own parts
/// (CONTENT-PART-2).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PartIndex(pub usize);

/// A part with its place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct IndexedPart<'a> {
    /// Its number.
    pub index: PartIndex,
    /// 1 for the body.
    pub level: u32,
    /// The part.
    pub part: &'a NestedPart,
}

/// Why a `cid:` reference leads nowhere (CONTENT-PART-3). It is ignored, not malicious.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ReferenceFault {
    /// Not `cid:<part index>@local.invalid`.
    NotAReference,
    /// There are fewer parts.
    NoSuchPart,
    /// Only parts with content of their own can be referred to.
    NotAContent,
}

/// What a receiver makes of parts.
pub trait Receiver {
    /// How much it likes a single or external part: the lowest is best, None is for what it cannot
    /// show at all.
    fn rank(&self, part: &NestedPart) -> Option<u32>;
}

/// A receiver that likes media types in this order and languages in that order, types first. Types
/// are compared without their parameters; languages by their start, so that `fr` takes `fr-CA`.
#[derive(Clone, Debug, Default)]
pub struct Preferences {
    /// E.g. `text/markdown`; anything else cannot be shown.
    pub media_types: Vec<String>,
    /// E.g. `fr`; what is in no language or another one comes last.
    pub languages: Vec<String>,
}

impl PartIndex {
    /// The part that `cid:<part index>@local.invalid` names (CONTENT-PART-3).
    pub fn from_cid(uri: &str) -> Option<Self> {
        Self::from_digits(uri.strip_prefix(CID)?.strip_suffix(LOCAL)?)
    }

    fn from_digits(index: &str) -> Option<Self> {
        let canonical = index == "0" || !index.starts_with('0');
        let digits = !index.is_empty() && index.bytes().all(|octet| octet.is_ascii_digit());
        (canonical && digits).then(|| index.parse().ok().map(Self)).flatten()
    }

    /// The reference to this part.
    pub fn to_cid(self) -> String {
        format!("{CID}{}{LOCAL}", self.0)
    }
}

impl MimiContent {
    /// All parts in the order of their indices.
    pub fn parts(&self) -> Vec<IndexedPart<'_>> {
        let mut parts = Vec::new();
        collect(&self.body, 1, &mut parts);
        parts
    }

    /// The part that a `cid:` URI refers to (CONTENT-PART-3).
    pub fn referred_part(&self, uri: &str) -> Result<IndexedPart<'_>, ReferenceFault> {
        let index = PartIndex::from_cid(uri).ok_or(ReferenceFault::NotAReference)?;
        let part = self.parts().get(index.0).copied().ok_or(ReferenceFault::NoSuchPart)?;
        match part.part.part {
            Part::Single { .. } | Part::External(_) => Ok(part),
            Part::Null | Part::Multi { .. } => Err(ReferenceFault::NotAContent),
        }
    }

    /// The parts to show, in order: exactly one of each choice, all or none of each unit, as many
    /// as can be of the others (CONTENT-PART-1); without those that another of them refers to,
    /// which are shown where they are referred to (CONTENT-PART-3).
    pub fn chosen_parts(&self, receiver: &impl Receiver) -> Vec<IndexedPart<'_>> {
        self.body.chosen_parts(receiver)
    }
}

impl NestedPart {
    /// As [`MimiContent::chosen_parts`], of a message's body.
    pub fn chosen_parts(&self, receiver: &impl Receiver) -> Vec<IndexedPart<'_>> {
        let mut chosen = Vec::new();
        choose(self, 1, &mut 0, receiver, &mut chosen);
        let referred: BTreeSet<PartIndex> =
            chosen.iter().flat_map(|part| references(part.part)).collect();
        chosen.retain(|part| !referred.contains(&part.index));
        chosen
    }
}

fn collect<'a>(part: &'a NestedPart, level: u32, parts: &mut Vec<IndexedPart<'a>>) {
    parts.push(IndexedPart { index: PartIndex(parts.len()), level, part });
    if let Part::Multi { parts: nested, .. } = &part.part {
        for part in nested {
            collect(part, level + 1, parts);
        }
    }
}

/// How good a choice is, the least being the best: parts that cannot be shown, then the rank.
type Merit = (u32, u32);

/// Appends what is chosen of a part and gives its merit, or appends nothing and gives None.
fn choose<'a>(
    part: &'a NestedPart,
    level: u32,
    next: &mut usize,
    receiver: &impl Receiver,
    chosen: &mut Vec<IndexedPart<'a>>,
) -> Option<Merit> {
    let index = PartIndex(*next);
    *next += 1;
    let Part::Multi { semantics, parts } = &part.part else {
        let rank = match part.part {
            Part::Null => Some(0),
            _ => receiver.rank(part),
        };
        if rank.is_some() {
            chosen.push(IndexedPart { index, level, part });
        }
        return rank.map(|rank| (0, rank));
    };
    let options: Vec<_> = parts
        .iter()
        .map(|part| {
            let mut own = Vec::new();
            let merit = choose(part, level + 1, next, receiver, &mut own);
            (merit, own)
        })
        .collect();
    let merits = || options.iter().map(|(merit, _)| *merit);
    let missing = || merits().map(|merit| merit.map_or(1, |(missing, _)| missing)).sum();
    let ranks = || merits().flatten().map(|(_, rank)| rank);
    let merit = match semantics {
        PartSemantics::ChooseOne => merits().flatten().min()?,
        PartSemantics::SingleUnit if merits().any(|merit| merit.is_none()) => return None,
        // As good as its worst part.
        PartSemantics::SingleUnit => (missing(), ranks().max()?),
        PartSemantics::ProcessAll => (missing(), ranks().min()?),
    };
    // Of equals the first: the sender may have put them in an order.
    let best = merits().position(|own| own == Some(merit));
    for (at, (_, own)) in options.into_iter().enumerate() {
        if *semantics != PartSemantics::ChooseOne || Some(at) == best {
            chosen.extend(own);
        }
    }
    Some(merit)
}

/// The parts a text refers to.
fn references(part: &NestedPart) -> Vec<PartIndex> {
    let Part::Single { content_type, content } = &part.part else { return Vec::new() };
    let can_refer =
        ContentType::parse(content_type).text_format().is_some_and(|it| it != TextFormat::Plain);
    let Ok(text) = str::from_utf8(content) else { return Vec::new() };
    if !can_refer {
        return Vec::new();
    }
    // A reference ends where its digits end, so each is looked at once, however many begin.
    let after = text.match_indices(CID).map(|(start, _)| &text[start + CID.len()..]);
    after
        .filter_map(|after| {
            let digits = after.bytes().take_while(u8::is_ascii_digit).count();
            let (index, end) = after.split_at(digits);
            end.starts_with(LOCAL).then(|| PartIndex::from_digits(index)).flatten()
        })
        .collect()
}

impl Receiver for Preferences {
    fn rank(&self, part: &NestedPart) -> Option<u32> {
        let content_type = match &part.part {
            Part::Single { content_type, .. } => content_type,
            Part::External(external) => &external.content_type,
            Part::Null | Part::Multi { .. } => return None,
        };
        let essence = ContentType::parse(content_type).essence;
        let known = |known: &String| known.eq_ignore_ascii_case(&essence);
        let by_type = self.media_types.iter().position(known)?;
        let tags = || part.language.split(',').map(|tag| tag.trim().to_ascii_lowercase());
        let by_language = self
            .languages
            .iter()
            .position(|language| {
                let language = language.to_ascii_lowercase();
                let is_or_starts = |tag: String| match tag.strip_prefix(&language) {
                    Some(rest) => rest.is_empty() || rest.starts_with('-'),
                    None => false,
                };
                tags().any(is_or_starts)
            })
            .unwrap_or(self.languages.len());
        let rank = by_type * (self.languages.len() + 1) + by_language;
        Some(u32::try_from(rank).unwrap_or(u32::MAX))
    }
}
