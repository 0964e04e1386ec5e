//! One table of a configuration file, read key by key; every fault goes to the report.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use mimi_wire::Domain;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::errors::Report;

/// A key was perhaps meant to be another one if at most one character in so many is a slip.
const SLIPS_ONE_IN: usize = 3;

/// A table, and which of its keys have been asked for.
#[derive(Debug)]
pub(super) struct Section<'a> {
    /// Dotted name with a final dot; empty for the file itself.
    prefix: String,
    table: Option<&'a DeTable<'a>>,
    base: PathBuf,
    known: BTreeSet<String>,
}

impl<'a> Section<'a> {
    /// The file itself; its paths are relative to `base`.
    pub(super) fn root(table: &'a DeTable<'a>, base: &Path) -> Self {
        let known = BTreeSet::new();
        Self { prefix: String::new(), table: Some(table), base: base.to_owned(), known }
    }

    /// A table inside; an absent one is read as an empty one.
    pub(super) fn section(&mut self, report: &mut Report<'_>, key: &str) -> Self {
        let table = self.value(key).and_then(|value| match value.get_ref() {
            DeValue::Table(table) => Some(table),
            _ => {
                self.refuse(report, key, &format!("must be a table, written as [{key}]"));
                None
            }
        });
        let prefix = format!("{}{}.", self.prefix, quoted(key));
        Self { prefix, table, base: self.base.clone(), known: BTreeSet::new() }
    }

    /// All keys of this table, which are then all known.
    pub(super) fn keys(&mut self) -> Vec<&'a str> {
        let keys: Vec<_> =
            self.table.into_iter().flatten().map(|(key, _)| &**key.get_ref()).collect();
        self.known.extend(keys.iter().map(|key| (*key).to_owned()));
        keys
    }

    /// A text that must be there and that `parse` takes; its error says what would be valid.
    pub(super) fn parsed<T>(
        &mut self,
        report: &mut Report<'_>,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        if self.value(key).is_none() {
            let wanted = parse("").err().unwrap_or_default();
            report.note(None, self.dotted(key), None, &format!("is missing; it {wanted}"));
            return None;
        }
        self.text(report, key, parse)
    }

    /// The same for a text that may be absent; `None` after a fault.
    pub(super) fn parsed_or<T>(
        &mut self,
        report: &mut Report<'_>,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
        default: T,
    ) -> Option<T> {
        match self.value(key) {
            None => Some(default),
            Some(_) => self.text(report, key, parse),
        }
    }

    /// A path that must be there; `what` says of what.
    pub(super) fn path(
        &mut self,
        report: &mut Report<'_>,
        key: &str,
        what: &str,
    ) -> Option<PathBuf> {
        let base = self.base.clone();
        self.parsed(report, key, |text| path(&base, text, what))
    }

    /// A path that may be absent.
    pub(super) fn optional_path(
        &mut self,
        report: &mut Report<'_>,
        key: &str,
        what: &str,
    ) -> Option<PathBuf> {
        let base = self.base.clone();
        self.parsed_or(report, key, |text| path(&base, text, what).map(Some), None).flatten()
    }

    /// A list of PEM files that may be absent, but not empty.
    pub(super) fn optional_paths(
        &mut self,
        report: &mut Report<'_>,
        key: &str,
    ) -> Option<Vec<PathBuf>> {
        let value = self.value(key)?;
        report.remember(self.dotted(key), value.span());
        let texts: Option<Vec<&str>> = match value.get_ref() {
            DeValue::Array(list) => list.iter().map(|item| item.get_ref().as_str()).collect(),
            _ => None,
        };
        match texts {
            Some(texts) if !texts.is_empty() && !texts.contains(&"") => {
                Some(texts.iter().map(|text| self.base.join(text)).collect())
            }
            _ => {
                self.refuse(report, key, "must be a list of PEM files, for example [\"ca.pem\"]");
                None
            }
        }
    }

    /// A yes or no; `None` after a fault.
    pub(super) fn boolean_or(
        &mut self,
        report: &mut Report<'_>,
        key: &str,
        default: bool,
    ) -> Option<bool> {
        let Some(value) = self.value(key) else { return Some(default) };
        report.remember(self.dotted(key), value.span());
        match value.get_ref() {
            DeValue::Boolean(value) => Some(*value),
            _ => {
                self.refuse(report, key, "must be true or false, without quotes");
                None
            }
        }
    }

    /// A number from 1 that may be absent; the outer `None` after a fault.
    pub(super) fn optional_number(
        &mut self,
        report: &mut Report<'_>,
        key: &str,
    ) -> Option<Option<u32>> {
        let number = self.number_in(report, key, 1..=u64::from(u32::MAX))?;
        Some(number.and_then(|number| u32::try_from(number).ok()))
    }

    /// A number of a range that may be absent; the outer `None` after a fault.
    pub(super) fn number_in(
        &mut self,
        report: &mut Report<'_>,
        key: &str,
        range: RangeInclusive<u64>,
    ) -> Option<Option<u64>> {
        let Some(value) = self.value(key) else { return Some(None) };
        report.remember(self.dotted(key), value.span());
        let number = match value.get_ref() {
            DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            let (least, most) = (range.start(), range.end());
            self.refuse(report, key, &format!("must be a number from {least} to {most}"));
        }
        number.map(Some)
    }

    /// A list of texts that `parse` takes; its error says what would be valid. `None` after a
    /// fault.
    pub(super) fn list_or<T>(
        &mut self,
        report: &mut Report<'_>,
        key: &str,
        parse: impl Fn(&str) -> Result<T, String>,
        default: Vec<T>,
    ) -> Option<Vec<T>> {
        let Some(value) = self.value(key) else { return Some(default) };
        report.remember(self.dotted(key), value.span());
        let texts: Option<Vec<&str>> = match value.get_ref() {
            DeValue::Array(list) => list.iter().map(|item| item.get_ref().as_str()).collect(),
            _ => None,
        };
        // A value that is no list of texts has no valid entry.
        let texts = texts.unwrap_or_else(|| vec![""]);
        let parsed: Result<Vec<T>, String> = texts.into_iter().map(parse).collect();
        parsed.map_err(|valid| self.refuse(report, key, &valid)).ok()
    }

    /// Notes that the value of a key is not valid, or the key missing.
    pub(super) fn refuse(&self, report: &mut Report<'_>, key: &str, valid: &str) {
        let span = self.peek(key).map(Spanned::span);
        let value = span.as_ref().map(|span| report.shown(span));
        report.note(span, self.dotted(key), value, valid);
    }

    /// Notes that a key is not one the table may have.
    pub(super) fn refuse_key(&self, report: &mut Report<'_>, key: &str, valid: &str) {
        let found = self.table.into_iter().flatten().find(|(name, _)| **name.get_ref() == *key);
        let span = found.map(|(name, _)| name.span());
        report.note(span, self.dotted(key), None, &format!("the key {valid}"));
    }

    /// Notes every key that nobody asked for.
    pub(super) fn finish(self, report: &mut Report<'_>) {
        for (key, _) in self.table.into_iter().flatten() {
            let name = &**key.get_ref();
            if self.known.contains(name) {
                continue;
            }
            let nearest = self
                .known
                .iter()
                .map(|known| (strsim::damerau_levenshtein(known, name), known))
                .filter(|(slips, known)| *slips <= known.len().div_ceil(SLIPS_ONE_IN))
                .min();
            let valid = match nearest {
                Some((_, known)) => format!("unknown key; did you mean {known:?}?"),
                None => format!("unknown key; valid here: {}", self.known_list()),
            };
            report.note(Some(key.span()), self.dotted(name), None, &valid);
        }
    }

    fn known_list(&self) -> String {
        let known: Vec<_> = self.known.iter().map(String::as_str).collect();
        known.join(", ")
    }

    fn text<T>(
        &mut self,
        report: &mut Report<'_>,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.value(key)?;
        report.remember(self.dotted(key), value.span());
        let outcome = match value.get_ref().as_str() {
            Some(text) => parse(text),
            None => {
                let wanted = parse("").err().unwrap_or_default();
                Err(format!("must be a text in quotes; it {wanted}"))
            }
        };
        outcome.map_err(|valid| self.refuse(report, key, &valid)).ok()
    }

    fn value(&mut self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.known.insert(key.to_owned());
        self.peek(key)
    }

    fn peek(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        let found = self.table?.iter().find(|(name, _)| **name.get_ref() == *key);
        found.map(|(_, value)| value)
    }

    /// A key of this table as the report names it.
    pub(super) fn dotted(&self, key: &str) -> String {
        format!("{}{}", self.prefix, quoted(key))
    }
}

/// A key as it is written in TOML.
fn quoted(key: &str) -> String {
    let bare = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_';
    match !key.is_empty() && key.bytes().all(bare) {
        true => key.to_owned(),
        false => format!("{key:?}"),
    }
}

/// A provider's domain.
pub(super) fn domain(text: &str) -> Result<Domain, String> {
    Domain::new(text).map_err(|error| {
        let reason = if text.is_empty() { "" } else { error.reason };
        let given = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
        format!(
            "must be a domain name in lower case without a port, for example \"a.example\"{given}"
        )
    })
}

/// Where to listen.
pub(super) fn listen_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "must be an IP address with a port, for example \"127.0.0.1:8443\" or \"[::]:8443\""
            .to_owned()
    })
}

/// Where to listen for the operator: whoever can connect may try tokens, so nobody from outside.
pub(super) fn loopback_address(text: &str) -> Result<SocketAddr, String> {
    let address = listen_address(text).ok().filter(|address| address.ip().is_loopback());
    address.ok_or_else(|| {
        "must be a loopback address with a port, for example \"127.0.0.1:8445\"".to_owned()
    })
}

/// `host:port`, where the host is a name or an address.
pub(super) fn host_and_port(text: &str) -> Result<String, String> {
    let host_is_valid = |host: &str| {
        !host.is_empty() && host.bytes().all(|octet| octet.is_ascii_graphic() && octet != b'/')
    };
    let port_is_valid = |port: &str| port.parse::<u16>().is_ok_and(|port| port != 0);
    match text.rsplit_once(':') {
        Some((host, port)) if port_is_valid(port) && host_is_valid(host) => Ok(text.to_owned()),
        _ => Err("must be a host with a port, for example \"127.0.0.1:9443\"".to_owned()),
    }
}

fn path(base: &Path, text: &str, what: &str) -> Result<PathBuf, String> {
    match text {
        "" => Err(format!("must be {what}")),
        _ => Ok(base.join(text)),
    }
}
