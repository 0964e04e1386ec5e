//! `tombolo bench soak`, short: real processes are killed, frozen and restarted, and every message is
//! counted.

use std::process::{Command, Stdio};

use serde_json::Value;

#[test]
fn a_short_soak_loses_doubles_and_reorders_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_tombolo"))
        .args(["bench", "soak", "--duration", "12", "--seed", "7", "--rooms", "3"])
        .args(["--devices", "3", "--rate", "15", "--fault-every", "1", "--json", "--dir"])
        .arg(directory.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    let summary: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("standard output holds one object ({error}):\n{told}"));
    assert!(output.status.success(), "{summary:#}\n{told}");
    assert_eq!(summary["ok"], true, "{summary:#}");
    for none in ["lost", "duplicated", "reordered", "invented", "waiting"] {
        assert_eq!(summary[none], 0, "{none}: {summary:#}");
    }
    for some in ["accepted", "delivered", "joins", "recoveries"] {
        assert!(summary[some].as_u64().unwrap() > 0, "{some}: {summary:#}");
    }
    for kind in ["providers_killed", "devices_killed", "providers_frozen"] {
        assert!(summary["faults"][kind].as_u64().unwrap() > 0, "{kind}: {summary:#}");
    }
    let journal = std::fs::read_to_string(directory.path().join("soak.log")).unwrap();
    assert!(journal.contains(" is killed") && !journal.contains("WRONG"), "{journal}");
}
