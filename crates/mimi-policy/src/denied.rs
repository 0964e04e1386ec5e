//! A denial as a value: which rule, whom it names, what would have been needed.

use std::fmt;

use mimi_wire::MimiUri;

/// Why a change is not allowed, for a person and for a log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Denied {
    /// The rule.
    pub rule: Rule,
    /// Who asked, when a user did.
    pub actor: Option<MimiUri>,
    /// Whom or what it would have changed.
    pub target: Option<String>,
    /// What would have been needed, as a sentence.
    pub needed: String,
}

/// The rules of the judge. Names and requirement ids are stable; others log and count them.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Rule {
    /// To be replaced by the rules of the judge.
    Unspecified,
}

impl std::error::Error for Denied {}

impl fmt::Display for Denied {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.needed)
    }
}
