//! The judge against an independent re-statement of the rules.
//!
//! `rules` says in plain code what room-policy-03, protocol-06 and our readings of them say;
//! nothing of it comes from the judge. `generate` makes rooms and changes from seeds. Both answer
//! every case and must agree; where they do not, the smallest case found is printed.
//!
//! `RESTATEMENT_CASES` and `RESTATEMENT_FIRST_SEED` ask for more than the cases of every run.

mod form;
mod generate;
mod left_open;
mod presets;
mod registry;
mod room;
mod rules;
mod shrink;

use std::collections::BTreeMap;
use std::fmt;

use mimi_policy::{Rule, what_if};
use serde_json::Value;

/// How many cases every run judges.
const CASES: u64 = 20_000;
/// How many disagreements are printed.
const SHOWN: usize = 12;

/// An answer to a case, reduced to what both sides can say, and the rule for whoever looks.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub kind: Kind,
    pub rule: String,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Kind {
    Allowed,
    Denied,
    Malformed,
}

impl fmt::Display for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?} {}", self.kind, self.rule)
    }
}

/// What the texts say.
pub(crate) fn restated(line: &str) -> Answer {
    let malformed = |why: String| Answer { kind: Kind::Malformed, rule: why };
    let case: form::Case = match serde_json::from_str(line) {
        Ok(case) => case,
        Err(error) => return malformed(error.to_string()),
    };
    let room = match room::Room::read(&case.room) {
        Ok(room) => room,
        Err(why) => return malformed(why),
    };
    if let Err(why) = case.change.check() {
        return malformed(why);
    }
    match rules::judge(&room, &case.change) {
        Ok(()) => Answer { kind: Kind::Allowed, rule: String::new() },
        Err(denied) => {
            Answer { kind: Kind::Denied, rule: format!("{}: {}", denied.id, denied.why) }
        }
    }
}

/// What the judge says.
pub(crate) fn judged(line: &str) -> Answer {
    match what_if::answer_line(line) {
        Err(malformed) => Answer { kind: Kind::Malformed, rule: malformed.to_string() },
        Ok(answer) if answer["allowed"] == Value::Bool(true) => {
            Answer { kind: Kind::Allowed, rule: String::new() }
        }
        Ok(answer) => Answer {
            kind: Kind::Denied,
            rule: format!("{}: {}", answer["rule"].as_str().unwrap(), answer["message"]),
        },
    }
}

/// The rules no case can break, by name: what one change of one sender in this form cannot say.
const NOT_TOLD: &[&str] = &[
    // Several senders, several epochs, pending proposals, parent rooms.
    "stale",
    "restricted",
    "metadata-once",
    "in-parent",
    // What the form cannot spell: it names users, its clients are new, its components known.
    "participant-is-user",
    "list-full",
    "client-once",
    "external-commit-shape",
    "unknown-proposal",
    "component-required",
    "reinit",
    "unlisted-client",
    // The form does not say what a component becomes.
    "role-indices",
    "role-in-use",
    "open-join-elsewhere",
    "preauth-role",
    "parent-room",
    "policy-component-listed",
    "join-link-present",
    "join-link-kept",
    // Not compared: `left_open`.
    "component-once",
    // What receivers ask of messages they read.
    "message-kind",
    "own-use",
    "others-message",
];

#[expect(clippy::disallowed_methods, reason = "a longer run is asked for from outside")]
fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().expect("a number"))
}

#[test]
fn the_judge_says_what_the_texts_say() {
    let first = from_environment("RESTATEMENT_FIRST_SEED").unwrap_or(0);
    let cases = from_environment("RESTATEMENT_CASES").unwrap_or(CASES);
    let mut kinds: BTreeMap<Kind, u64> = BTreeMap::new();
    let mut rules: BTreeMap<String, u64> = BTreeMap::new();
    let mut classes: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut open: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in first..first + cases {
        let line = generate::line(seed);
        let case: Option<form::Case> = serde_json::from_str(&line).ok();
        if let Some(name) = case.as_ref().and_then(left_open::left_open) {
            *open.entry(name).or_default() += 1;
            continue;
        }
        let (ours, theirs) = (restated(&line), judged(&line));
        *kinds.entry(theirs.kind).or_default() += 1;
        if theirs.kind == Kind::Denied {
            let rule = theirs.rule.split(':').next().unwrap();
            *rules.entry(rule.to_owned()).or_default() += 1;
        }
        if ours.kind != theirs.kind {
            classes.entry(class(&ours, &theirs)).or_insert((seed, 0)).1 += 1;
        }
    }
    println!("{cases} cases from seed {first}: {kinds:?}, not compared: {open:?}");
    for (rule, times) in &rules {
        println!("{times:8} {rule}");
    }
    let silent: Vec<&str> = Rule::ALL
        .iter()
        .map(|rule| rule.name())
        .filter(|rule| !rules.contains_key(*rule) && !NOT_TOLD.contains(rule))
        .collect();
    for (class, (seed, times)) in classes.iter().take(SHOWN * 4) {
        let small = shrink::shrink(&generate::line(*seed));
        println!("\n{times} times, first by seed {seed}: {class}");
        println!("  ours:  {}\n  judge: {}\n  {small}", restated(&small), judged(&small));
    }
    assert!(cases < CASES || silent.is_empty(), "no case broke {silent:?}");
    assert!(classes.is_empty(), "{} kinds of disagreement", classes.len());
}

/// A disagreement, by the rules the two name.
pub(crate) fn class(ours: &Answer, theirs: &Answer) -> String {
    let short = |answer: &Answer| {
        let rule = answer.rule.split(':').next().unwrap_or_default();
        let rule = if answer.kind == Kind::Malformed { "" } else { rule };
        format!("{:?} {rule}", answer.kind)
    };
    format!("ours {} / judge {}", short(ours), short(theirs))
}
