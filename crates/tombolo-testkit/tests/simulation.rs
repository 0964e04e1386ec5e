//! Whole federations in the pure layer of the simulator: `docs/simulation.md`.
//!
//! `cargo xtask simulate` runs as many seeds as one likes, CI some hundreds. Here are a few, the seeds
//! that have found something, and the proof that planted faults are found.

mod pure;

use pure::planted::Planted;
use pure::runner::{Options, Report, cast, run, run_many};
use tombolo_testkit::simulation::plan::{Faults, Size};

const OPTIONS: Options = Options {
    from: 0,
    seeds: 12,
    jobs: 2,
    size: Size::SMALL,
    faults: Faults::Honest,
    and: None,
    planted: Planted::Nothing,
    progress: false,
    keeps_going: false,
};

/// A planted fault must be found within so many seeds.
const PLANTED_SEEDS_MAX: u64 = 1_000;

fn holds(options: &Options) -> Report {
    let report = run_many(options);
    assert!(report.failures.is_empty(), "{:?}", report.failures);
    assert_eq!(report.seeds, options.seeds);
    report
}

fn seed(from: u64, faults: Faults) {
    holds(&Options { from, seeds: 1, faults, ..OPTIONS });
}

#[test]
fn without_faults() {
    let report = holds(&Options { faults: Faults::None, ..OPTIONS });
    for what in ["messages accepted", "epochs", "KeyPackages handed out", "comparisons"] {
        assert!(report.seen.count(what) > 0, "no {what}:\n{}", report.seen);
    }
}

#[test]
fn with_faults() {
    let report = holds(&OPTIONS);
    for what in ["fault: CrashProvider", "packets on cut ways", "streams broken"] {
        assert!(report.seen.count(what) > 0, "no {what}:\n{}", report.seen);
    }
}

/// Where somebody keeps no rule, much is refused, and what a hub that cheats makes of its own rooms is held
/// against nobody else.
#[test]
fn with_crooks() {
    let report = holds(&Options { faults: Faults::Crooked, from: 24, seeds: 8, ..OPTIONS });
    for what in ["misdeed refused: ChangesUnasked", "fault: CrookedHub"] {
        assert!(report.seen.count(what) > 0, "no {what}:\n{}", report.seen);
    }
    let cheated = ["cheated: notify", "cheated: events", "cheated: KeyPackages"];
    let cheated: u64 = cheated.iter().map(|what| report.seen.count(what)).sum();
    assert!(cheated > 0, "nobody cheats:\n{}", report.seen);
}

/// The seed decides everything: also what is traced of it, line by line.
#[test]
fn a_seed_is_one_run() {
    let prints = || (0..3).map(|seed| run(&cast(), &OPTIONS, seed, true).0.trace.fingerprint());
    assert_eq!(prints().collect::<Vec<_>>(), prints().collect::<Vec<_>>());
}

/// A device that comes in by itself is added at the same time: its request for the GroupInfo is
/// refused, and the Welcome that waits for issuers was forgotten with it.
#[test]
fn seed_404_a_refused_join_keeps_the_welcome() {
    seed(404, Faults::Honest);
}

/// The same, when the GroupInfo is given: the external commit cut off what was written before it.
#[test]
fn seed_19_a_welcome_comes_before_an_external_commit() {
    seed(19, Faults::None);
}

/// A full disk keeps a cursor from moving: the last entry of a stream waited until the next start.
#[test]
fn seed_2029_a_cursor_that_is_not_stored_is_read_again() {
    seed(2029, Faults::Honest);
}

/// A Welcome comes while the external commit of the device that it welcomes is on its way: what was
/// written in between was lost, and nobody was told.
#[test]
fn seed_50495_who_is_added_waits_for_the_welcome() {
    seed(50_495, Faults::Honest);
}

/// A device that looks at its hub leaves commits for later, one that puts it out among them. The Welcome
/// behind that was dropped: it was in, after all.
#[test]
fn seed_100627_a_welcome_does_not_overtake_what_waits() {
    seed(100_627, Faults::All);
}

/// In a direct room one leaves with all devices and stays listed: the other device did not know, and its
/// message waited for a commit that nobody was left to make.
#[test]
fn seed_500345_who_leaves_a_direct_room_leaves_with_all_devices() {
    seed(500_345, Faults::Honest);
}

/// A device that wanted to leave, and waited for a commit of its own, heard nothing more when another
/// device of its user was faster.
#[test]
fn seed_400823_both_devices_of_a_person_leave() {
    seed(400_823, Faults::All);
}

/// A message waited for proposals to be committed, its device was signed out: it asked as fast as it was
/// refused, for ever.
#[test]
fn seed_710041_a_commit_that_is_refused_is_not_asked_for_at_once() {
    seed(710_041, Faults::None);
}

/// Who was signed out while a message was on its way heard that it was not sent; all had it.
#[test]
fn seed_621309_what_became_of_a_message_is_in_doubt() {
    seed(621_309, Faults::Honest);
}

/// A request for a simulated stream came twice, and the answer to the later life set back the time from
/// which on events may come.
#[test]
fn seed_621452_no_event_overtakes_the_stream_it_comes_by() {
    seed(621_452, Faults::Honest);
}

/// Octets that were altered on the way name another epoch: nobody can read them.
#[test]
fn seed_620562_altered_octets_are_nobodys() {
    seed(620_562, Faults::Honest);
}

/// The hub wants a lost device out; its user leaves by another one, and a lost answer hid that both do
/// not go together. It was told that it had left, and had not.
#[test]
fn seed_640904_who_cannot_leave_yet_leaves_behind_others() {
    seed(640_904, Faults::Honest);
}

/// Somebody who was no member wrote, and was taken in before that arrived.
#[test]
fn seed_640015_an_outsider_may_be_taken_in() {
    seed(640_015, Faults::Honest);
}

/// The simulated provider told who founded a room twice to try again, for ever.
#[test]
fn seed_70004_a_founding_that_is_repeated_ends() {
    seed(70_004, Faults::All);
}

/// A simulated stream that broke before its device heard of it stayed silent for ever.
#[test]
fn seed_102_a_stream_that_breaks_early_is_noticed() {
    seed(102, Faults::Honest);
}

/// The ledger looked for the words in the room that had given way (TOM-67).
#[test]
fn seed_310024_words_go_to_the_room_that_stays() {
    seed(310_024, Faults::None);
}

#[expect(clippy::print_stderr, reason = "how many seeds it took is the result")]
fn found(planted: Planted) {
    let report = run_many(&Options { planted, seeds: PLANTED_SEEDS_MAX, ..OPTIONS });
    let failure = report.failure().expect("a planted fault is found");
    eprintln!("{planted:?} is found after {} seeds: {}", report.seeds, failure.what);
}

/// `--plant` takes each by its name.
#[test]
fn planted_faults_have_names() {
    for planted in Planted::ALL {
        assert_eq!(Planted::by_name(&format!("{planted:?}")), Some(*planted));
    }
}

#[test]
fn a_dropped_outbox_row_is_found() {
    found(Planted::DropsOutboxRow);
}

#[test]
fn a_swapped_order_is_found() {
    found(Planted::SwapsOrder);
}

#[test]
fn an_answer_before_the_disk_has_it_is_found() {
    found(Planted::AnswersBeforeSync);
}

#[test]
fn a_judge_that_is_not_asked_is_found() {
    found(Planted::SkipsTheJudge);
}

#[test]
fn a_sender_that_is_not_checked_is_found() {
    found(Planted::BelievesAnySender);
}

#[test]
fn a_key_package_that_stays_in_stock_is_found() {
    found(Planted::KeepsKeyPackages);
}

#[test]
fn a_cursor_that_moves_before_the_answer_is_found() {
    found(Planted::MovesCursorEarly);
}

#[test]
fn a_stream_that_does_not_end_is_found() {
    found(Planted::KeepsSending);
}

#[test]
fn a_device_that_stores_late_is_found() {
    found(Planted::StoresLate);
}
