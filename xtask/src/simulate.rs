//! `cargo xtask simulate`: seeds of the simulator, which is built with optimisation for it.

use std::path::Path;

use crate::ci::cargo;
use crate::say;

/// Seeds that CI runs always, and as many that nobody has run before.
const CI_SEEDS: &str = "150";
/// The simulation's own crates are optimised like what they stand on, and share its build.
const OPTIMISED: &str = "profile.dev.opt-level=1";
const PROGRAM: &str = "debug/examples/simulate";

/// Runs the pure layer with what was asked for; the binary knows the options.
pub(crate) fn run(options: &[&str]) -> Result<(), String> {
    let mut arguments = vec!["--config", OPTIMISED, "build", "--workspace", "--locked"];
    arguments.extend(["--example", "simulate"]);
    cargo(&arguments, &[])?;
    started(PROGRAM, options)
}

/// Starts a simulator that was built, by its place among what is built.
pub(crate) fn started(program: &str, options: &[&str]) -> Result<(), String> {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let mut command = std::process::Command::new(Path::new(&target).join(program));
    match command.args(options).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err("the simulation has found something".to_owned()),
        Err(error) => Err(format!("the simulation cannot be started: {error}")),
    }
}

/// In CI: the same seeds each time, then fresh ones.
pub(crate) fn check() -> Result<(), String> {
    run(&["--seeds", CI_SEEDS])?;
    let fresh = fresh().to_string();
    say(&format!("   fresh seeds from {fresh}"));
    run(&["--seeds", CI_SEEDS, "--from", &fresh])
}

/// Another number each day and commit is not needed: the time will do.
fn fresh() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |since| since.as_secs()) * 1_000
}
