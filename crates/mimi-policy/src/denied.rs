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

impl std::error::Error for Denied {}

impl fmt::Display for Denied {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = self.target.as_deref();
        let target_uri = target.and_then(|target| MimiUri::new(target).ok());
        let namesakes = match (&self.actor, &target_uri) {
            (Some(actor), Some(target)) => {
                actor.domain() != target.domain() && person(actor) == person(target)
            }
            _ => false,
        };
        let say = |uri: &MimiUri| match namesakes {
            true => format!("{} of {}", short(uri), uri.domain()),
            false => short(uri),
        };
        match &self.actor {
            Some(actor) => write!(formatter, "{} may not {}", say(actor), self.rule.phrase())?,
            None => write!(formatter, "not allowed to {}", self.rule.phrase())?,
        }
        match (&target_uri, target) {
            (Some(uri), _) if self.actor.as_ref() == Some(uri) => {
                formatter.write_str(" themselves")?;
            }
            (Some(uri), _) if self.actor.as_ref().is_some_and(|actor| is_client_of(uri, actor)) => {
                write!(formatter, " their own client {}", device(uri))?;
            }
            (Some(uri), _) => write!(formatter, " {}", say(uri))?,
            (None, Some(words)) => write!(formatter, " {words}")?,
            (None, None) => {}
        }
        write!(formatter, ": {}", self.needed)
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
