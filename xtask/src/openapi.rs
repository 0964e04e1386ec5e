//! The client API against its OpenAPI document: stock linters read the document, and a stock fuzzer
//! hammers a provider by it. A test of `tombolo-server` says when `docs/openapi.json` is old.

use std::process::Command;

use crate::ci::{cargo, cargo_program, in_ci, present, skipped};
use crate::say;

/// Where it lies.
const DOCUMENT: &str = "docs/openapi.json";

/// Writes it anew.
pub(crate) fn write() -> Result<(), String> {
    let mut command = Command::new(cargo_program());
    command.args(["run", "--quiet", "--package", "tombolo", "--", "openapi"]);
    let output = command.output().map_err(|error| format!("cargo cannot be started: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    std::fs::write(DOCUMENT, output.stdout).map_err(|error| format!("{DOCUMENT}: {error}"))
}

/// Lints the document and hammers a provider.
pub(crate) fn check() -> Result<(), String> {
    if !present("python3") {
        return skipped("python3 is not installed", "the client API's checks");
    }
    let libraries = ["-c", "import schemathesis, openapi_spec_validator"];
    if Command::new("python3").args(libraries).output().is_ok_and(|tried| !tried.status.success()) {
        return skipped("its libraries are not installed", "the client API's checks");
    }
    run("python3", &["-m", "openapi_spec_validator", DOCUMENT])?;
    // Another opinion, where there is a node and a registry to have it from.
    if in_ci() && can_be_fetched(REDOCLY) {
        run("npx", &["--yes", REDOCLY, "lint", "--config", "docs/redocly.yaml", DOCUMENT])?;
    } else {
        say("   the second linter runs in CI only, where it can be fetched");
    }
    // Each as the tests have built it, so that nothing is built twice.
    cargo(&["build", "--package", "tombolo", "--locked"], &[])?;
    cargo(&["build", "--workspace", "--example", "record_bodies", "--locked"], &[])?;
    run("python3", &["fuzz/client_api/run.py"])
}

/// The second linter, pinned.
const REDOCLY: &str = "@redocly/cli@2.77.0";

fn can_be_fetched(package: &str) -> bool {
    let mut command = Command::new("npx");
    command.args(["--yes", package, "--version"]).env("REDOCLY_TELEMETRY", "off");
    present("npx") && command.output().is_ok_and(|tried| tried.status.success())
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let mut command = Command::new(program);
    match command.args(arguments).env("REDOCLY_TELEMETRY", "off").status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{program} {} ended with {status}", arguments.join(" "))),
        Err(error) => Err(format!("{program} cannot be started: {error}")),
    }
}
