//! Many seeds, one after another or on several threads, and what came of them.

use std::fmt::{self, Display};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use tombolo_testkit::now_ms;
use tombolo_testkit::simulation::plan::{Faults, Size, plan};
use tombolo_testkit::simulation::trace::Trace;

use super::planted::Planted;
use super::seen::Seen;
use super::world::{Cast, World};

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// The MLS library compares lifetimes with the machine's clock, so a simulation begins on a day that is
/// not too long ago: the first of so many days.
const DAYS: u64 = 30;

/// What to run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) from: u64,
    pub(crate) seeds: u64,
    pub(crate) jobs: usize,
    pub(crate) size: Size,
    pub(crate) faults: Faults,
    /// Each seed also with these.
    pub(crate) and: Option<Faults>,
    pub(crate) planted: Planted,
    pub(crate) progress: bool,
    /// Goes on after a failure.
    pub(crate) keeps_going: bool,
}

/// One seed that has broken a rule.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) seed: u64,
    pub(crate) faults: Faults,
    pub(crate) what: String,
}

impl Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults = format!("{:?}", self.faults).to_lowercase();
        write!(formatter, "seed {} with faults {faults}: {}", self.seed, self.what)
    }
}

/// What came of many.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) seeds: u64,
    pub(crate) seen: Seen,
    /// Seeds that have failed, as they came.
    pub(crate) failures: Vec<Failure>,
}

impl Report {
    /// The failing seed with the lowest number of those that were run.
    pub(crate) fn failure(&self) -> Option<&Failure> {
        self.failures.iter().min_by_key(|failure| failure.seed)
    }
}

/// When simulations begin.
pub(crate) fn start_ms() -> u64 {
    now_ms() / (DAYS * DAY_MS) * (DAYS * DAY_MS)
}

/// Runs one seed; with `traced` the trace is kept.
pub(crate) fn run(
    cast: &Cast,
    options: &Options,
    seed: u64,
    traced: bool,
) -> (World, Option<String>) {
    let start_ms = start_ms();
    let trace = if traced { Trace::on(start_ms) } else { Trace::off() };
    let plan = plan(seed, options.size, options.faults);
    let mut world = World::new(cast, plan, seed, start_ms, options.planted, trace);
    let outcome = catch_unwind(AssertUnwindSafe(|| world.run()));
    let what = match outcome {
        Ok(()) => {
            let violations = world.ledger.violations();
            let lines: Vec<_> = violations.iter().take(5).map(ToString::to_string).collect();
            (!lines.is_empty()).then(|| lines.join("\n"))
        }
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|it| (*it).to_owned()));
            Some(format!("panic: {}", text.unwrap_or_default()))
        }
    };
    (world, what)
}

/// Runs seeds until one fails or all are done.
pub(crate) fn run_many(options: &Options) -> Report {
    let next = AtomicU64::new(options.from);
    let stop = AtomicBool::new(false);
    let report = Mutex::new(Report::default());
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.max(1) {
            scope.spawn(|| {
                let cast = Cast::new();
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= options.from + options.seeds {
                        return;
                    }
                    let mut failures = Vec::new();
                    for faults in std::iter::once(options.faults).chain(options.and) {
                        let options = Options { faults, ..*options };
                        let (mut world, what) = run(&cast, &options, seed, false);
                        world.count();
                        let mut report = report.lock().expect("no panic while it is held");
                        report.seen.add(&world.seen);
                        failures.extend(what.map(|what| Failure { seed, faults, what }));
                    }
                    let mut report = report.lock().expect("no panic while it is held");
                    report.seeds += 1;
                    for failure in failures {
                        if !options.keeps_going {
                            stop.store(true, Ordering::Relaxed);
                        }
                        if options.progress {
                            say(&failure.to_string());
                        }
                        report.failures.push(failure);
                    }
                    if options.progress && report.seeds.is_multiple_of(100) {
                        progress(report.seeds, begun);
                    }
                }
            });
        }
    });
    report.into_inner().expect("no panic while it is held")
}

#[expect(clippy::cast_precision_loss, reason = "a rate for a person")]
fn progress(seeds: u64, begun: Instant) {
    let seconds = begun.elapsed().as_secs_f64();
    say(&format!("{seeds} seeds, {:.1} a second", seeds as f64 / seconds));
}

#[expect(clippy::print_stderr, reason = "for the person at a terminal")]
fn say(line: &str) {
    eprintln!("{line}");
}

/// Keys of all providers.
pub(crate) fn cast() -> Cast {
    Cast::new()
}
