//! The demo as a whole: FLOW-1 to FLOW-8, FLOW-12 to FLOW-14 and FLOW-16 over real processes and
//! sockets.

use std::process::{Command, Stdio};

#[test]
fn the_demo_holds_every_promise_and_says_so_in_the_fixed_form() {
    let output = Command::new(env!("CARGO_BIN_EXE_tombolo"))
        .args(["demo", "--exit", "--json"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let story = String::from_utf8_lossy(&output.stderr);
    let verdict: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("standard output holds one object ({error}):\n{story}"));
    let checks = verdict["checks"].as_array().unwrap();
    let failed: Vec<_> = checks.iter().filter(|check| check["ok"] != true).collect();
    assert!(failed.is_empty(), "{failed:#?}\n{story}");
    assert!(checks.iter().all(|check| check["name"].is_string() && check["detail"].is_string()));
    // FLOW-13, FLOW-14 and what a stranger learns.
    for made in [
        "a file comes obliviously",
        "a file comes through the hub",
        "a file comes directly",
        "a reported message is proven",
        "an edited message is not proven",
        "a stranger learns nothing, not even who exists",
    ] {
        assert!(checks.iter().any(|check| check["name"] == made), "{made} is not checked");
    }
    assert_eq!(verdict["ok"], true);
    assert!(verdict["seconds"].as_f64().unwrap() > 0.0);
    assert!(output.status.success());
    for said in [
        "keyMaterial",
        "submitMessage",
        "notify",
        "groupInfo",
        "requestConsent",
        "updateConsent",
        "identifierQuery",
        "ohttpGateway",
        "proxyDownload",
        "reportAbuse",
    ] {
        assert!(story.contains(said), "{said} is not told:\n{story}");
    }
}

#[test]
fn json_and_exit_are_in_the_help() {
    let output = Command::new(env!("CARGO_BIN_EXE_tombolo")).args(["demo", "--help"]).output();
    let help = String::from_utf8(output.unwrap().stdout).unwrap();
    for flag in ["--exit", "--json", "--keep", "--dir"] {
        assert!(help.contains(flag), "{help}");
    }
}
