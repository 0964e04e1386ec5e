//! Tables of a policy file, read key by key. What is wrong is noted with its place and reading goes
//! on, so that whoever wrote the file is told everything at once.

use std::cell::RefCell;
use std::fmt::Display;

use toml::{Table, Value};

use super::PolicyFault;

/// What was found to be wrong so far.
#[derive(Debug, Default)]
pub(super) struct Faults(RefCell<Vec<PolicyFault>>);

impl Faults {
    pub(super) fn add(&self, field: impl Into<String>, message: impl Display) {
        let message = message.to_string();
        self.0.borrow_mut().push(PolicyFault { field: field.into(), message });
    }

    pub(super) fn into_list(self) -> Vec<PolicyFault> {
        self.0.into_inner()
    }
}

/// A table and where it stands.
#[derive(Debug)]
pub(super) struct Section<'a> {
    table: &'a Table,
    place: String,
    known: Vec<&'static str>,
    faults: &'a Faults,
}

impl<'a> Section<'a> {
    pub(super) fn of(table: &'a Table, place: impl Into<String>, faults: &'a Faults) -> Self {
        Self { table, place: place.into(), known: Vec::new(), faults }
    }

    /// Renames the place, once it is known what people call it.
    pub(super) fn renamed(mut self, place: String) -> Self {
        self.place = place;
        self
    }

    /// Where a key stands.
    pub(super) fn place_of(&self, key: &str) -> String {
        match self.place.is_empty() {
            true => key.to_owned(),
            false => format!("{}.{key}", self.place),
        }
    }

    /// Notes that something is wrong with a key.
    pub(super) fn wrong(&self, key: &str, message: impl Display) {
        self.faults.add(self.place_of(key), message);
    }

    /// A key that must be there.
    pub(super) fn missing(&self, key: &str) {
        self.wrong(key, "is missing");
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    fn value(&mut self, key: &'static str) -> Option<&'a Value> {
        self.known.push(key);
        self.table.get(key)
    }

    /// What a key says; `None` where it is absent or wrong.
    pub(super) fn read<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&'a Value) -> Result<T, String>,
    ) -> Option<T> {
        let read = read(self.value(key)?);
        read.map_err(|message| self.wrong(key, message)).ok()
    }

    pub(super) fn text(&mut self, key: &'static str) -> Option<&'a str> {
        self.read(key, text)
    }

    pub(super) fn flag(&mut self, key: &'static str) -> Option<bool> {
        self.read(key, |value| value.as_bool().ok_or_else(|| "must be true or false".to_owned()))
    }

    pub(super) fn number<N: TryFrom<i64>>(&mut self, key: &'static str) -> Option<N> {
        self.read(key, number)
    }

    /// One of some words.
    pub(super) fn one_of<T: Copy>(
        &mut self,
        key: &'static str,
        words: &[(&'static str, T)],
    ) -> Option<T> {
        self.read(key, |value| word(value, words))
    }

    /// The items of a list that can be read.
    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&'a Value) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let items = self.items(key)?;
        let item = |(number, value)| {
            read(value).map_err(|wrong| self.wrong(&format!("{key}[{number}]"), wrong)).ok()
        };
        Some(items.iter().enumerate().filter_map(item).collect())
    }

    /// The tables of a list of tables.
    pub(super) fn tables(&mut self, key: &'static str) -> Option<Vec<Self>> {
        let items = self.items(key)?;
        let place = self.place_of(key);
        let table = |(number, value): (usize, &'a Value)| match value.as_table() {
            Some(table) => Some(Self::of(table, format!("{place}[{number}]"), self.faults)),
            None => {
                self.faults.add(format!("{place}[{number}]"), "must be a table");
                None
            }
        };
        Some(items.iter().enumerate().filter_map(table).collect())
    }

    /// The items of a list of texts, tables, or both, that can be read.
    pub(super) fn texts_or_tables<T>(
        &mut self,
        key: &'static str,
        of_text: impl Fn(&'a str) -> Result<T, String>,
        of_table: impl Fn(Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let items = self.items(key)?;
        let item = |(number, value): (usize, &'a Value)| {
            let place = format!("{key}[{number}]");
            if let Some(table) = value.as_table() {
                return of_table(Self::of(table, self.place_of(&place), self.faults));
            }
            text(value).and_then(&of_text).map_err(|wrong| self.wrong(&place, wrong)).ok()
        };
        Some(items.iter().enumerate().filter_map(item).collect())
    }

    pub(super) fn table(&mut self, key: &'static str) -> Option<Self> {
        let place = self.place_of(key);
        let faults = self.faults;
        let table = self.read(key, |value| {
            value.as_table().ok_or_else(|| format!("must be a table: [{place}]"))
        })?;
        Some(Self::of(table, place, faults))
    }

    fn items(&mut self, key: &'static str) -> Option<&'a [Value]> {
        self.read(key, |value| {
            value.as_array().map(Vec::as_slice).ok_or_else(|| "must be a list".to_owned())
        })
    }

    /// Whatever was not asked for does not belong here.
    pub(super) fn finish(self) {
        for key in self.table.keys().filter(|key| !self.known.contains(&key.as_str())) {
            self.wrong(key, format!("is no key here; there are {}", self.known.join(", ")));
        }
    }
}

pub(super) fn text(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| "must be a string".to_owned())
}

pub(super) fn number<N: TryFrom<i64>>(value: &Value) -> Result<N, String> {
    let number = value.as_integer().and_then(|number| N::try_from(number).ok());
    number.ok_or_else(|| "must be a whole number, not negative and not too large".to_owned())
}

pub(super) fn word<T: Copy>(value: &Value, words: &[(&'static str, T)]) -> Result<T, String> {
    let text = value.as_str();
    let found = words.iter().find(|(word, _)| Some(*word) == text).map(|(_, value)| *value);
    found.ok_or_else(|| {
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        format!("must be one of {}", known.join(", "))
    })
}
