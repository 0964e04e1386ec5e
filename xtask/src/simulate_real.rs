//! `cargo xtask simulate --layer real`: seeds of whole servers and clients in virtual time.

use crate::ci::cargo;
use crate::say;
use crate::simulate::started;

/// Seeds that CI has never run before; those it always runs are tests.
const FRESH_SEEDS: &str = "2";

/// Runs what was asked for; the program knows the options. Built with the workspace, whose features the
/// tests have as well: alone it would be another build of everything.
pub(crate) fn run(options: &[&str]) -> Result<(), String> {
    cargo(&["build", "--quiet", "--locked", "--workspace", "--bin", "tombolo-simulation"], &[])?;
    started("debug/tombolo-simulation", options)
}

/// In CI: a few seeds that nobody has run before.
pub(crate) fn check() -> Result<(), String> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let fresh = now.map_or(0, |since| since.as_secs()).to_string();
    say(&format!("   fresh seeds from {fresh}"));
    run(&["--seeds", FRESH_SEEDS, "--from", &fresh])
}
