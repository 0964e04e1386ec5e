//! A denial as a value: which rule, whom it names, what would have been needed.

use std::fmt;

use mimi_wire::MimiUri;

pub use crate::rule::Rule;

/// Why a change is not allowed, for a person and for a log.
///
/// It prints as one sentence: "carol may not remove bob: their role ordinary_user lacks canKick".
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
            (Some(actor), Some(target)) => actor != target && short(actor) == short(target),
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
            (Some(uri), _) => write!(formatter, " {}", say(uri))?,
            (None, Some(words)) => write!(formatter, " {words}")?,
            (None, None) => {}
        }
        write!(formatter, ": {}", self.needed)
    }
}

/// What people call it: `alice`, `alice/phone`, or the whole URI where it names no person.
fn short(uri: &MimiUri) -> String {
    let segments = uri.segments();
    match segments.is_empty() {
        true => uri.to_string(),
        false => segments.join("/"),
    }
}

#[cfg(test)]
mod tests;
