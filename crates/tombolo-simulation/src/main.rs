//! Runs one seed: `tombolo-simulation SEED [none|honest|all] [large] [trace] [log]`. Ends with 1 if
//! anything was wrong. `cargo xtask simulate --layer real` calls it once for each seed.

use std::io::Write;
use std::process::ExitCode;

use tombolo_simulation::federation::{Setting, run};
use tombolo_testkit::simulation::plan::{Faults, Size};

/// Violations that are listed; what is broken once is often seen at every look.
const VIOLATIONS_SHOWN_MAX: usize = 12;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let has = |word: &str| words.iter().any(|it| it == word);
    let Some(seed) = words.first().and_then(|seed| seed.parse().ok()) else {
        let _ = writeln!(std::io::stderr(), "which seed?");
        return ExitCode::from(2);
    };
    let faults = match (has("none"), has("all")) {
        (true, _) => Faults::None,
        (_, true) => Faults::All,
        _ => Faults::Honest,
    };
    let size = if has("large") { Size::LARGE } else { Size::SMALL };
    if has("log") {
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    }
    let outcome = run(seed, Setting { size, faults, planted: None });
    let mut out = std::io::stdout().lock();
    let broken = !outcome.violations.is_empty();
    if broken || has("trace") {
        let _ = write!(out, "{}", outcome.trace);
    }
    for violation in outcome.violations.iter().take(VIOLATIONS_SHOWN_MAX) {
        let _ = writeln!(out, "seed {seed}: {violation}");
    }
    let [done, not_done] = outcome.actions;
    let _ = writeln!(
        out,
        "seed {seed}: {} messages, {} epochs, {done} actions done and {not_done} not, {} checks, \
         {} s, fingerprint {:016x}",
        outcome.messages,
        outcome.epochs,
        outcome.checks,
        outcome.lasted.as_secs(),
        outcome.fingerprint,
    );
    ExitCode::from(u8::from(broken))
}
