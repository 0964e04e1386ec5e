//! The checks in the order that fails fastest.

use std::process::{Command, Stdio};
use std::time::Instant;

use crate::{fuzz, openapi, requirements, say, simulate, simulate_real, style, walls};

type Step = (&'static str, fn() -> Result<(), String>);

const STEPS: &[Step] = &[
    ("fmt", fmt),
    ("walls", walls::check),
    ("requirements", requirements::check),
    ("style", style::check),
    ("clippy", clippy),
    ("doc", doc),
    ("deny", deny),
    ("test", test),
    ("doctest", doctest),
    ("simulate", simulate::check),
    ("simulate-real", simulate_real::check),
    ("fuzz", fuzz::check),
    ("vectors", vectors),
    ("client-api", openapi::check),
];

/// Runs every step, or those from a named one on.
pub(crate) fn run(from: Option<&str>) -> Result<(), String> {
    let first = match from {
        None => 0,
        Some(name) => STEPS
            .iter()
            .position(|(step, _)| *step == name)
            .ok_or_else(|| format!("no step is called {name}"))?,
    };
    for (name, step) in &STEPS[first..] {
        say(&format!("== {name}"));
        let start = Instant::now();
        step().map_err(|reason| format!("{name} failed: {reason}"))?;
        say(&format!("== {name}: ok, {:.1} s", start.elapsed().as_secs_f64()));
    }
    say("all checks passed");
    Ok(())
}

fn fmt() -> Result<(), String> {
    cargo(&["fmt", "--all", "--check"], &[])
}

fn clippy() -> Result<(), String> {
    let arguments = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
    cargo(&arguments, &[])
}

fn doc() -> Result<(), String> {
    let arguments = ["doc", "--workspace", "--no-deps", "--locked", "--document-private-items"];
    cargo(&arguments, &[("RUSTDOCFLAGS", "-D warnings")])
}

/// cargo-deny where it is installed; advisories need the network and are checked elsewhere.
fn deny() -> Result<(), String> {
    if !present("cargo-deny") {
        say("   cargo-deny is not installed: skipped");
        return Ok(());
    }
    cargo(&["deny", "--offline", "check", "bans", "licenses", "sources"], &[])
}

fn test() -> Result<(), String> {
    // The server's tests start the binary.
    cargo(&["build", "--package", "tombolo", "--locked"], &[])?;
    if present("cargo-nextest") {
        cargo(&["nextest", "run", "--workspace", "--locked", "--no-fail-fast"], &[])
    } else {
        cargo(&["test", "--workspace", "--locked", "--lib", "--bins", "--tests"], &[])
    }
}

fn doctest() -> Result<(), String> {
    cargo(&["test", "--workspace", "--locked", "--doc"], &[])
}

/// The vectors, checked by another language's libraries. Who has none of them is told; CI must.
fn vectors() -> Result<(), String> {
    const SCRIPTS: [&str; 2] = ["vectors/check_derivations.py", "vectors/check.py"];
    /// What the script ends with when its libraries are missing.
    const SKIPPED: i32 = 77;

    if !present("python3") {
        return skipped("python3 is not installed", "vectors/check.py");
    }
    for script in SCRIPTS {
        match Command::new("python3").arg(script).status() {
            Ok(status) if status.success() => {}
            Ok(status) if status.code() == Some(SKIPPED) => {
                skipped("its libraries are not installed", script)?;
            }
            Ok(status) => return Err(format!("{script} ended with {status}")),
            Err(error) => return Err(format!("python3 cannot be started: {error}")),
        }
    }
    Ok(())
}

/// Whether CI runs this.
pub(crate) fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|ci| ci == "true")
}

/// Who lacks something is told that a check is left out; CI must not.
pub(crate) fn skipped(what: &str, check: &str) -> Result<(), String> {
    if in_ci() {
        return Err(format!("{what}, and CI must run {check}"));
    }
    say(&format!("   {what}: {check} is SKIPPED"));
    Ok(())
}

pub(crate) fn present(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// The cargo that runs us.
pub(crate) fn cargo_program() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

pub(crate) fn cargo(arguments: &[&str], environment: &[(&str, &str)]) -> Result<(), String> {
    let mut command = Command::new(cargo_program());
    command.args(arguments).envs(environment.iter().copied());
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("cargo {} ended with {status}", arguments.join(" "))),
        Err(error) => Err(format!("cargo cannot be started: {error}")),
    }
}
