//! `cargo xtask simulate`: seeds of the simulator, which is built with optimisation for it.

use crate::ci::{cargo, cargo_program};
use crate::say;

/// Seeds that CI runs always, and as many that nobody has run before.
const CI_SEEDS: &str = "150";
/// The simulation's own crates are optimised like what they stand on, and share its build.
const OPTIMISED: &str = "profile.dev.opt-level=1";

/// Runs the pure layer with what was asked for; the binary knows the options.
pub(crate) fn run(options: &[&str]) -> Result<(), String> {
    let mut arguments = vec!["--config", OPTIMISED, "build", "--workspace", "--locked"];
    arguments.extend(["--example", "simulate"]);
    cargo(&arguments, &[])?;
    let program = cargo_program();
    let mut command = std::process::Command::new(program);
    command.args(["--config", OPTIMISED, "run", "--workspace", "--locked", "--quiet"]);
    command.args(["--example", "simulate", "--"]).args(options);
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err("the simulation has found something".to_owned()),
        Err(error) => Err(format!("cargo cannot be started: {error}")),
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
