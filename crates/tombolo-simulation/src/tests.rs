use tombolo_testkit::simulation::ledger::Rule;
use tombolo_testkit::simulation::plan::{Faults, Size};

use crate::disk::Planted;
use crate::federation::{Outcome, Setting, run};

const SETTING: Setting = Setting { size: Size::SMALL, faults: Faults::Honest, planted: None };

/// A life in which nothing was broken, and something happened.
fn holds(seed: u64, setting: Setting) -> Outcome {
    let outcome = run(seed, setting);
    let broken: Vec<_> = outcome.violations.iter().map(ToString::to_string).collect();
    assert!(broken.is_empty(), "{}seed {seed}: {broken:#?}", outcome.trace);
    assert!(outcome.checks > 0, "seed {seed} shows nothing");
    outcome
}

/// The first of these seeds in which a defect shows.
fn found(planted: Planted, faults: Faults, seeds: u64) -> Rule {
    let setting = Setting { faults, planted: Some(planted), ..SETTING };
    let broken = (1..=seeds).find_map(|seed| run(seed, setting).violations.first().cloned());
    broken.unwrap_or_else(|| panic!("{planted:?} is not found in {seeds} seeds")).rule
}

#[test]
fn without_faults() {
    let setting = Setting { faults: Faults::None, ..SETTING };
    let outcomes: Vec<_> = (1..=4).map(|seed| holds(seed, setting)).collect();
    assert!(outcomes.iter().map(|it| it.messages).sum::<usize>() > 20);
}

#[test]
fn under_faults() {
    (1..=6).for_each(|seed| drop(holds(seed, SETTING)));
}

#[test]
fn with_backups_put_back_and_hubs_that_cheat() {
    let setting = Setting { faults: Faults::All, ..SETTING };
    (1..=4).for_each(|seed| drop(holds(seed, setting)));
}

#[test]
fn an_entry_that_is_not_sent_to_a_device_is_found() {
    found(Planted::DropsEntry, Faults::None, 12);
}

#[test]
fn an_entry_that_is_not_delivered_is_found() {
    found(Planted::DropsDelivery, Faults::None, 12);
}

#[test]
fn entries_that_change_places_are_found() {
    found(Planted::SwapsEntries, Faults::None, 20);
}

#[test]
fn an_answer_before_the_write_is_durable_is_found() {
    found(Planted::AnswersEarly, Faults::Honest, 12);
}
