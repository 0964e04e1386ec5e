//! The judge against an independent re-statement of the rules.
//!
//! `rules` says in plain code what room-policy-03, protocol-06 and our readings of them say;
//! nothing of it comes from the judge. `generate` makes rooms and changes from seeds. Both answer
//! every case and must agree; where they do not, the smallest case found is printed.
//!
//! `RESTATEMENT_CASES` and `RESTATEMENT_FIRST_SEED` ask for more than the cases of every run.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::cast_possible_truncation, reason = "tests, whose numbers are small")]

mod form;
mod generate;
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
const CASES: u64 = 12_000;
/// How many kinds of disagreement are printed.
const SHOWN: usize = 50;

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
    "join-link-present",
    "join-link-kept",
    "join-link-policy",
    "status-policy",
    "link-preview-policy",
    "asset-policy",
    "logging-policy",
    "history-policy",
    "bot-policy",
    "expiration-policy",
    "operational-policy",
    // The form has no operational policy: whoever is outside may commit and propose.
    "external-commits",
    "external-proposals",
    // A form that contradicts itself is malformed.
    "role-constraints",
    // A question of its own: what an operator offers.
    "allowed-preset",
    "allowed-users",
    "allowed-clients",
    "allowed-persistence",
    "allowed-discovery",
    "allowed-pseudonyms",
    "allowed-open-join",
    "allowed-join-codes",
    "allowed-preauth",
    "allowed-link-lifetime",
    // What receivers ask of messages they read.
    "message-kind",
    "own-use",
    "others-message",
];

#[expect(clippy::disallowed_methods, reason = "a longer run is asked for from outside")]
fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().expect("a number"))
}

/// What a run has seen.
#[derive(Default)]
struct Tally {
    kinds: BTreeMap<Kind, u64>,
    /// The rules the judge denied by.
    rules: BTreeMap<String, u64>,
    /// Disagreements: the first seed, and how many.
    disagreements: BTreeMap<String, (u64, u64)>,
}

impl Tally {
    fn judge(&mut self, seed: u64) {
        let line = generate::line(seed);
        let theirs = judged(&line);
        let ours = restated(&line);
        *self.kinds.entry(theirs.kind).or_default() += 1;
        if theirs.kind == Kind::Denied {
            let rule = theirs.rule.split(':').next().unwrap();
            *self.rules.entry(rule.to_owned()).or_default() += 1;
        }
        if ours.kind != theirs.kind {
            self.disagreements.entry(class(&ours, &theirs)).or_insert((seed, 0)).1 += 1;
        }
    }

    /// The rules that no case broke although one could.
    fn silent(&self) -> Vec<&'static str> {
        let names = Rule::ALL.iter().map(|rule| rule.name());
        names.filter(|name| !self.rules.contains_key(*name) && !NOT_TOLD.contains(name)).collect()
    }

    #[expect(clippy::print_stdout, reason = "which rules were broken how often is worth a look")]
    fn report(&self) {
        println!("{:?}", self.kinds);
        for (rule, times) in &self.rules {
            println!("{times:8} {rule}");
        }
        for (class, (seed, times)) in self.disagreements.iter().take(SHOWN) {
            let small = shrink::shrink(&generate::line(*seed));
            println!("\n{times} times, first by seed {seed}: {class}");
            println!("  ours:  {}\n  judge: {}\n  {small}", restated(&small), judged(&small));
        }
    }
}

#[test]
fn the_judge_says_what_the_texts_say() {
    let first = from_environment("RESTATEMENT_FIRST_SEED").unwrap_or(0);
    let cases = from_environment("RESTATEMENT_CASES").unwrap_or(CASES);
    let mut tally = Tally::default();
    for seed in first..first + cases {
        tally.judge(seed);
    }
    tally.report();
    if cases >= CASES {
        let silent = tally.silent();
        assert!(silent.is_empty(), "no case broke {silent:?}");
        let allowed = tally.kinds[&Kind::Allowed];
        assert!(allowed > cases / 6 && allowed < cases / 2, "{allowed} of {cases} are allowed");
    }
    let disagreements = tally.disagreements.len();
    assert!(disagreements == 0, "{disagreements} kinds of disagreement");
}

/// "a sequence of valid UTF8 without nulls" (protocol section 7.6): denied or malformed, as one
/// likes.
#[test]
fn no_text_of_the_metadata_contains_a_nul() {
    for field in ["room_name", "room_subject", "room_mood"] {
        let user = "mimi://a.example/u/alice";
        let line = serde_json::json!({
            "room": {
                "roles": "strict",
                "participants": [{ "user": user, "role": 4, "clients": 1 }],
            },
            "change": { "by": user, "how": "commit", "metadata": { field: "a\0b" } },
        });
        assert_ne!(judged(&line.to_string()).kind, Kind::Allowed, "{field}");
    }
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
