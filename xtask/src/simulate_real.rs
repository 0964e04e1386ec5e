//! `cargo xtask simulate --layer real`: seeds of whole servers and clients in virtual time.

use crate::ci::cargo;
use crate::say;

/// Seeds that CI has never run before; those it always runs are tests.
const FRESH_SEEDS: &str = "2";

/// Runs what was asked for; the program knows the options.
pub(crate) fn run(options: &[&str]) -> Result<(), String> {
    let mut arguments = vec!["run", "--quiet", "--locked", "--package", "tombolo-simulation", "--"];
    arguments.extend(options);
    cargo(&arguments, &[]).map_err(|_| "the simulation has found something".to_owned())
}

/// In CI: a few seeds that nobody has run before.
pub(crate) fn check() -> Result<(), String> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let fresh = now.map_or(0, |since| since.as_secs()).to_string();
    say(&format!("   fresh seeds from {fresh}"));
    run(&["--seeds", FRESH_SEEDS, "--from", &fresh])
}
