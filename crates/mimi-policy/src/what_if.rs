//! What if? A room and a change as JSON, and the judge's answer: for operators, moderators and
//! scripts.
//!
//! The forms are fixed; a field that is `null` is as good as absent, but for the metadata, where a
//! field that is there changes. The room is read before the change; of each object, fields that do
//! not belong there are told first, then what is wrong in the order of the form. `read` says what
//! each field means and names the one that is wrong, and `stage` turns what was read into what the
//! judge is asked. One change comes from one sender: several senders, pending proposals and parent
//! rooms are not told this way.

mod read;
mod room;
mod stage;

use std::fmt;

use serde_json::{Value, json};

use crate::denied::Denied;

/// What is wrong with a form.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Malformed {
    /// Which field: `room.participants[3].role`.
    pub field: String,
    /// What it should be.
    pub message: String,
}

impl Malformed {
    /// A form that is no JSON, or none that can be read.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }

    /// `{"error":{"field","message"}}`.
    pub fn to_json(&self) -> Value {
        json!({ "error": { "field": self.field, "message": self.message } })
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field.is_empty() {
            true => self.message.fmt(formatter),
            false => write!(formatter, "{}: {}", self.field, self.message),
        }
    }
}

impl std::error::Error for Malformed {}

/// Judges one change of one room, both as JSON.
pub fn answer(room: &str, change: &str) -> Result<Value, Malformed> {
    let room = room::read(&parse(room, "room")?)?;
    let verdict = stage::judge(&room, &parse(change, "change")?)?;
    Ok(to_json(verdict))
}

/// Judges one line of a batch: `{"room":…,"change":…}`.
pub fn answer_line(line: &str) -> Result<Value, Malformed> {
    let line = parse(line, "")?;
    let fields = read::Fields::of(&line, "", &["room", "change"])?;
    let room = room::read(fields.required("room")?.value())?;
    let verdict = stage::judge(&room, fields.required("change")?.value())?;
    Ok(to_json(verdict))
}

fn parse(text: &str, field: &str) -> Result<Value, Malformed> {
    serde_json::from_str(text).map_err(|error| Malformed::new(field, format!("no JSON: {error}")))
}

/// `{"allowed":true}`, or what forbids it and why.
fn to_json(verdict: Result<(), Denied>) -> Value {
    match verdict {
        Ok(()) => json!({ "allowed": true }),
        Err(denied) => json!({
            "allowed": false,
            "rule": denied.rule.name(),
            "requirement": denied.rule.id(),
            "message": denied.to_string(),
        }),
    }
}
