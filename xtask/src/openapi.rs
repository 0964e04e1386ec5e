//! The OpenAPI document of the client API in `docs/`. A test of `tombolo-server` says when it is old.

use std::process::Command;

use crate::ci::cargo_program;

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
