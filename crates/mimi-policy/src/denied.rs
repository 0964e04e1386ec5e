//! A denial as a value: which rule, whom it names, what would have been needed.

use std::fmt;

use mimi_wire::{MimiUri, UriKind};

pub use crate::rule::Rule;

/// Why a change is not allowed, for a person and for a log.
///
/// It prints as one sentence: "carol may not ban bob: their role ordinary_user lacks canBan".
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Denied {
    /// The rule.
    pub rule: Rule,
    /// Who asked, when a user did.
    pub actor: Option<MimiUri>,
    /// Whom or what it would have changed: a URI, or words.
    pub target: Option<String>,
    /// What stood in the way, and so what would have been needed.
    pub needed: String,
}

impl Denied {
    pub(crate) fn new(rule: Rule, actor: Option<&MimiUri>, needed: impl Into<String>) -> Self {
        Self { rule, actor: actor.cloned(), target: None, needed: needed.into() }
    }

    pub(crate) fn about(mut self, target: impl ToString) -> Self {
        self.target = Some(target.to_string());
        self
    }
}

impl Denied {
    /// The sentence as the reader is told it: "you" where it speaks of them as who asked.
    pub fn told_to<'a>(&'a self, reader: &'a MimiUri) -> impl fmt::Display + 'a {
        Told { denied: self, reader: Some(reader) }
    }
}

impl std::error::Error for Denied {}

impl fmt::Display for Denied {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        Told { denied: self, reader: None }.fmt(formatter)
    }
}

/// A denial and who reads it.
struct Told<'a> {
    denied: &'a Denied,
    reader: Option<&'a MimiUri>,
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Denied { rule, actor, target, needed } = self.denied;
        let is_reader = self.reader.is_some_and(|reader| actor.as_ref() == Some(reader));
        let target = target.as_deref();
        let target_uri = target.and_then(|target| MimiUri::new(target).ok());
        let namesakes = match (actor, &target_uri) {
            (Some(actor), Some(target)) => {
                actor.domain() != target.domain() && person(actor) == person(target)
            }
            _ => false,
        };
        let say = |uri: &MimiUri| match namesakes {
            true => format!("{} of {}", short(uri), uri.domain()),
            false => short(uri),
        };
        match actor {
            Some(_) if is_reader => {
                write!(
                    formatter,
                    "you may not {}",
                    rule.phrase().replace("their own", "your own")
                )?;
            }
            Some(actor) => write!(formatter, "{} may not {}", say(actor), rule.phrase())?,
            None => write!(formatter, "not allowed to {}", rule.phrase())?,
        }
        let (themselves, their) =
            if is_reader { ("yourself", "your") } else { ("themselves", "their") };
        match (&target_uri, target) {
            (Some(uri), _) if actor.as_ref() == Some(uri) => write!(formatter, " {themselves}")?,
            (Some(uri), _) if actor.as_ref().is_some_and(|actor| is_client_of(uri, actor)) => {
                write!(formatter, " {their} own client {}", device(uri))?;
            }
            (Some(uri), _) => write!(formatter, " {}", say(uri))?,
            (None, Some(words)) => write!(formatter, " {words}")?,
            (None, None) => {}
        }
        // What is needed begins with whom it speaks of, where it speaks of the actor.
        match needed.strip_prefix("their ") {
            Some(rest) => write!(formatter, ": {their} {rest}"),
            None => write!(formatter, ": {needed}"),
        }
    }
}

/// What people call it: `alice`, `client phone of alice`, or the whole URI where it names nothing.
fn short(uri: &MimiUri) -> String {
    match (uri.kind(), person(uri)) {
        (UriKind::Client, Some(user)) => format!("client {} of {user}", device(uri)),
        (_, None) => uri.to_string(),
        (_, Some(_)) => clean(&uri.segments().join("/")),
    }
}

/// The name in it.
fn person(uri: &MimiUri) -> Option<String> {
    uri.segments().first().map(|name| clean(name))
}

/// What follows the user's name in a client's URI.
fn device(uri: &MimiUri) -> String {
    clean(&uri.segments().get(1..).unwrap_or_default().join("/"))
}

fn is_client_of(client: &MimiUri, user: &MimiUri) -> bool {
    client.kind() == UriKind::Client
        && client.domain() == user.domain()
        && client.segments().first() == user.segments().first()
}

/// Names come from strangers and end in logs and terminals.
fn clean(name: &str) -> String {
    name.replace(char::is_control, "\u{fffd}")
}

#[cfg(test)]
mod tests;
