//! The walls of ARCHITECTURE.md: which crate may depend on which.

use std::process::Command;

use serde_json::Value;

/// Each crate and the workspace crates it may depend on.
const MAY_DEPEND: &[(&str, &[&str])] = &[
    ("mimi-wire", &[]),
    ("mimi-render", &["mimi-wire"]),
    ("mimi-ohttp", &["mimi-wire"]),
    ("mimi-policy", &["mimi-wire"]),
    ("mimi-mls", &["mimi-wire", "mimi-policy"]),
    ("mimi-provider", &["mimi-wire", "mimi-policy"]),
    ("tombolo-store", &["mimi-wire", "mimi-provider"]),
    (
        "tombolo-server",
        &["mimi-wire", "mimi-ohttp", "mimi-policy", "mimi-mls", "mimi-provider", "tombolo-store"],
    ),
    ("tombolo-client", &["mimi-wire", "mimi-render", "mimi-ohttp", "mimi-policy", "mimi-mls"]),
    ("tombolo", &["mimi-wire", "mimi-policy", "mimi-mls", "tombolo-server", "tombolo-client"]),
    (
        "tombolo-simulation",
        &[
            "mimi-wire",
            "mimi-policy",
            "mimi-mls",
            "mimi-provider",
            "tombolo-disk",
            "tombolo-store",
            "tombolo-server",
            "tombolo-client",
            "tombolo-testkit",
        ],
    ),
    ("tombolo-testkit", &["mimi-wire", "mimi-policy", "mimi-mls"]),
    ("tombolo-disk", &[]),
    ("xtask", &[]),
];

/// Crates that see no clock, socket, database, environment or randomness of their own.
const PURE: &[&str] =
    &["mimi-wire", "mimi-render", "mimi-ohttp", "mimi-policy", "mimi-mls", "mimi-provider"];

/// What a pure crate must not depend on.
const IMPURE: &[&str] = &[
    "axum",
    "getrandom",
    "hyper",
    "hyper-util",
    "object_store",
    "reqwest",
    "rusqlite",
    "rustls",
    "tokio",
    "tokio-rustls",
    "tracing-subscriber",
];

/// Only these may name the MLS library at all; `mimi-wire` uses its message types.
const MLS: &[&str] = &["mimi-wire", "mimi-mls"];

/// Fails with every dependency that crosses a wall.
pub(crate) fn check() -> Result<(), String> {
    let mut faults = Vec::new();
    for package in packages()? {
        let name = text(&package, "name");
        let Some((_, allowed)) = MAY_DEPEND.iter().find(|(known, _)| *known == name) else {
            faults.push(format!("{name} is not drawn in the walls: add it to ARCHITECTURE.md"));
            continue;
        };
        let dependencies = package["dependencies"].as_array().cloned().unwrap_or_default();
        for dependency in dependencies.iter().filter(|dependency| dependency["kind"].is_null()) {
            let on = text(dependency, "name");
            let ours = MAY_DEPEND.iter().any(|(known, _)| *known == on);
            if ours && !allowed.contains(&on.as_str()) {
                faults.push(format!("{name} must not depend on {on}"));
            }
            if PURE.contains(&name.as_str()) && IMPURE.contains(&on.as_str()) {
                faults.push(format!("{name} is pure and must not depend on {on}"));
            }
            if on.starts_with("openmls") && !MLS.contains(&name.as_str()) {
                faults.push(format!("only mimi-mls drives the MLS library, not {name}"));
            }
        }
        if PURE.contains(&name.as_str()) {
            let conf = format!("crates/{name}/clippy.toml");
            let forbids = std::fs::read_to_string(&conf).unwrap_or_default();
            if !forbids.contains("std::time::SystemTime::now") {
                faults.push(format!("{conf} must forbid clocks, environment and files"));
            }
        }
    }
    wasm()?;
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
}

fn packages() -> Result<Vec<Value>, String> {
    let program = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(program)
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .output()
        .map_err(|error| format!("cargo metadata: {error}"))?;
    let metadata: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("cargo metadata printed no JSON: {error}"))?;
    Ok(metadata["packages"].as_array().cloned().unwrap_or_default())
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

/// Pure crates build for wasm32; checked where the target is installed.
fn wasm() -> Result<(), String> {
    let listed = Command::new("rustup").args(["target", "list", "--installed"]).output();
    let installed = listed.is_ok_and(|output| {
        String::from_utf8_lossy(&output.stdout).contains("wasm32-unknown-unknown")
    });
    if !installed {
        crate::say("   the wasm32 target is not installed: pure crates not built for it");
        return Ok(());
    }
    let program = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(program);
    command.args(["check", "--target", "wasm32-unknown-unknown"]);
    for name in ["mimi-wire", "mimi-render", "mimi-policy", "mimi-provider"] {
        command.args(["--package", name]);
    }
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        _ => Err("a pure crate does not build for wasm32".to_owned()),
    }
}
