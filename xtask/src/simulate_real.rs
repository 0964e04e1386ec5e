//! `cargo xtask simulate --layer real`: seeds of whole servers and clients in virtual time.

use crate::ci::cargo;
use crate::say;
use crate::simulate::started;

/// Seeds that CI has never run before; those it always runs are tests.
const FRESH_SEEDS: &str = "2";
/// One of them for so many of the pure layer, where both are run: it takes that much longer.
const PURE_SEEDS_PER_SEED: u64 = 5;

/// Runs what was asked for; the program knows the options. Built with the workspace, whose features the
/// tests have as well: alone it would be another build of everything.
pub(crate) fn run(options: &[&str]) -> Result<(), String> {
    cargo(&["build", "--quiet", "--locked", "--workspace", "--bin", "tombolo-simulation"], &[])?;
    started("debug/tombolo-simulation", options)
}

/// After the pure layer has run as many as were asked for: some of these, which take longer.
pub(crate) fn run_some(options: &[&str]) -> Result<(), String> {
    let value = |name: &str| {
        let at = options.iter().position(|option| *option == name)?;
        options.get(at + 1)?.parse::<u64>().ok()
    };
    let seeds = value("--seeds").unwrap_or_default().div_ceil(PURE_SEEDS_PER_SEED).to_string();
    let from = value("--from").unwrap_or(1).to_string();
    say(&format!("   whole servers and clients: {seeds} seeds from {from}"));
    let mut chosen = vec!["--seeds", &seeds, "--from", &from];
    let jobs = value("--jobs").map(|jobs| jobs.to_string());
    if let Some(jobs) = &jobs {
        chosen.extend(["--jobs", jobs]);
    }
    run(&chosen)
}

/// In CI: a few seeds that nobody has run before.
pub(crate) fn check() -> Result<(), String> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let fresh = now.map_or(0, |since| since.as_secs()).to_string();
    say(&format!("   fresh seeds from {fresh}"));
    run(&["--seeds", FRESH_SEEDS, "--from", &fresh])
}
