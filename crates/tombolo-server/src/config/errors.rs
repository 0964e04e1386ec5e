//! What is wrong with a configuration file: every fault with its key, its value and what is valid.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::DeTable;

use super::CONFIG_OCTETS_MAX;

/// Longest value that is shown whole.
const SHOWN_CHARS_MAX: usize = 80;

/// One fault.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigError {
    /// Line in the file, counted from 1, where one can be named.
    pub line: Option<usize>,
    /// Dotted key, e.g. `listen.client`; empty where the file as a whole is at fault.
    pub key: String,
    /// The value as it stands in the file; `None` when the key is missing or unknown.
    pub value: Option<String>,
    /// What would be valid, as the rest of a sentence.
    pub valid: String,
}

/// Every fault of one file, in the order of the file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigErrors {
    /// The file.
    pub file: PathBuf,
    /// At least one.
    pub errors: Vec<ConfigError>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(formatter, "line {line}: ")?;
        }
        match (&*self.key, &self.value) {
            ("", _) => write!(formatter, "{}", self.valid),
            (key, None) => write!(formatter, "{key}: {}", self.valid),
            (key, Some(value)) => write!(formatter, "{key} = {value}: {}", self.valid),
        }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        match self.errors.len() {
            1 => write!(formatter, "{file} has an error:")?,
            count => write!(formatter, "{file} has {count} errors:")?,
        }
        self.errors.iter().try_for_each(|error| write!(formatter, "\n  {error}"))
    }
}

impl std::error::Error for ConfigErrors {}

/// Faults found so far in one file.
#[derive(Debug)]
pub(super) struct Report<'a> {
    file: PathBuf,
    text: &'a str,
    errors: Vec<ConfigError>,
    /// Where the values that were read stand, by dotted key.
    places: BTreeMap<String, Range<usize>>,
}

impl<'a> Report<'a> {
    pub(super) fn new(file: &Path, text: &'a str) -> Self {
        Self { file: file.to_owned(), text, errors: Vec::new(), places: BTreeMap::new() }
    }

    /// The tables of the text; `None` once its faults of syntax are noted.
    pub(super) fn parse(&mut self) -> Option<DeTable<'a>> {
        let (table, faults) = DeTable::parse_recoverable(self.text);
        for fault in &faults {
            let line = fault.span().map(|span| self.line(&span));
            let valid = format!("not valid TOML: {}", fault.message());
            self.errors.push(ConfigError { line, key: String::new(), value: None, valid });
        }
        faults.is_empty().then(|| Spanned::into_inner(table))
    }

    /// Notes a fault. `span` is where the key or the value stands.
    pub(super) fn note(
        &mut self,
        span: Option<Range<usize>>,
        key: String,
        value: Option<String>,
        valid: &str,
    ) {
        let line = span.map(|span| self.line(&span));
        self.errors.push(ConfigError { line, key, value, valid: valid.to_owned() });
    }

    /// Remembers where a value stands, for faults that show only later.
    pub(super) fn remember(&mut self, key: String, span: Range<usize>) {
        self.places.insert(key, span);
    }

    /// Notes a fault of a value that was remembered, by its dotted key.
    pub(super) fn note_remembered(&mut self, key: &str, valid: &str) {
        let span = self.places.get(key).cloned();
        let shown = span.as_ref().map(|span| self.shown(span));
        self.note(span, key.to_owned(), shown, valid);
    }

    /// The text of a value, as it stands in the file.
    pub(super) fn shown(&self, span: &Range<usize>) -> String {
        shorten(self.text.get(span.clone()).unwrap_or_default())
    }

    /// The value if there was no fault.
    pub(super) fn finish<T>(mut self, value: Option<T>) -> Result<T, ConfigErrors> {
        match value {
            Some(value) if self.errors.is_empty() => Ok(value),
            _ => {
                self.errors.sort_by_key(|error| error.line.unwrap_or(usize::MAX));
                Err(ConfigErrors { file: self.file, errors: self.errors })
            }
        }
    }

    fn line(&self, span: &Range<usize>) -> usize {
        let before = &self.text.as_bytes()[..span.start.min(self.text.len())];
        before.iter().filter(|octet| **octet == b'\n').count() + 1
    }
}

/// A whole file as text, if it is a text of reasonable size.
/// `missing` is what to say if there is none.
pub(super) fn read_text(path: &Path, missing: &str) -> Result<String, ConfigErrors> {
    let failed = |valid: String| ConfigErrors {
        file: path.to_owned(),
        errors: vec![ConfigError { line: None, key: String::new(), value: None, valid }],
    };
    let file = std::fs::File::open(path).map_err(|error| failed(cannot_read(&error, missing)))?;
    let mut octets = Vec::new();
    let mut limited = file.take(CONFIG_OCTETS_MAX + 1);
    limited.read_to_end(&mut octets).map_err(|error| failed(cannot_read(&error, missing)))?;
    if octets.len() as u64 > CONFIG_OCTETS_MAX {
        return Err(failed(format!("it is larger than {CONFIG_OCTETS_MAX} octets")));
    }
    String::from_utf8(octets).map_err(|_| failed("it is not UTF-8 text".to_owned()))
}

fn cannot_read(error: &std::io::Error, missing: &str) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => missing.to_owned(),
        _ => format!("it cannot be read: {error}"),
    }
}

/// A value on one line, cut where it gets long.
fn shorten(text: &str) -> String {
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((cut, _)) = line.char_indices().nth(SHOWN_CHARS_MAX) {
        line.truncate(cut);
        line.push('…');
    }
    line
}
