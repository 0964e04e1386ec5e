//! `tombolo bench`, every scenario with tiny numbers: real processes and sockets, the fixed form, and
//! every message counted.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::process::{Command, Stdio};

use serde_json::Value;

/// Fields that scripts of others rely on, in their order.
const FIELDS: [&str; 14] = [
    "scenario",
    "sent",
    "delivered",
    "lost",
    "duplicated",
    "reordered",
    "messages_per_second",
    "deliveries_per_second",
    "p50_ms",
    "p99_ms",
    "server_cpu_cores",
    "client_cpu_cores",
    "rss_mib",
    "durable",
];

fn bench(arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_tombolo"))
        .arg("bench")
        .args(arguments)
        .args(["--duration", "0.4", "--warm-up", "0.2", "--json"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("standard output holds one object ({error}):\n{told}"));
    assert!(output.status.success(), "{report}\n{told}");
    check(arguments[0], &report);
    report
}

/// The fixed form, and that nothing went wrong.
fn check(scenario: &str, report: &Value) {
    for field in FIELDS {
        assert!(report.get(field).is_some(), "{field} is missing: {report}");
    }
    assert_eq!(report["scenario"], scenario);
    for none in ["lost", "duplicated", "reordered", "refused"] {
        assert_eq!(report[none], 0, "{none}: {report}");
    }
    assert!(report["sent"].as_u64().unwrap() > 0, "{report}");
    for rate in ["messages_per_second", "deliveries_per_second"] {
        assert!(report[rate].as_f64().unwrap() > 0.0, "{rate}: {report}");
    }
    let (p50, p99) = (report["p50_ms"].as_f64().unwrap(), report["p99_ms"].as_f64().unwrap());
    assert!(p50 > 0.0 && p99 >= p50, "{report}");
    assert!(report["durable"].is_boolean());
    assert_eq!(report["durability"]["synchronous"], "full");
    for sides in ["server_cpu_cores", "rss_mib"] {
        for side in ["a", "b"] {
            let value = &report[sides][side];
            match cfg!(target_os = "linux") {
                true => assert!(value.as_f64().is_some_and(|value| value >= 0.0), "{report}"),
                false => assert!(value.is_null(), "{report}"),
            }
        }
    }
}

/// Every message came to so many devices.
fn came_to(report: &Value, devices: u64) {
    let sent = report["sent"].as_u64().unwrap();
    assert_eq!(report["delivered"].as_u64().unwrap(), devices * sent, "{report}");
}

#[test]
fn one_to_one() {
    came_to(&bench(&["one-to-one"]), 1);
}

#[test]
fn one_to_one_with_several_senders() {
    let report = bench(&["one-to-one", "--senders", "2"]);
    assert_eq!(report["senders"], 2);
    came_to(&report, 1);
}

#[test]
fn fan_out_to_many_devices() {
    came_to(&bench(&["fan-out", "--devices", "3"]), 3);
}

#[test]
fn latency_at_a_rate() {
    let report = bench(&["latency", "--rate", "25"]);
    assert_eq!(report["sent"], 10, "25 a second for 0.4 s");
    came_to(&report, 1);
}

#[test]
fn many_rooms() {
    let report = bench(&["rooms", "--rooms", "3"]);
    assert_eq!(report["rooms"], 3);
    came_to(&report, 1);
}

#[test]
fn several_followers() {
    came_to(&bench(&["followers", "--followers", "2"]), 2);
}

#[test]
fn commits_in_a_room() {
    let report = bench(&["commits", "--members", "3"]);
    came_to(&report, 1);
    for positive in ["welcome_octets", "welcome_event_octets", "first_message_ms", "join_p50_ms"] {
        assert!(report[positive].as_f64().unwrap() > 0.0, "{positive}: {report}");
    }
}

#[test]
fn a_cold_start() {
    let report = bench(&["cold-start", "--rooms", "3"]);
    assert_eq!(report["sent"], 3, "one to each room");
    came_to(&report, 1);
    assert!(report["start_ms"].as_f64().unwrap() > 0.0);
}

#[test]
fn the_footprint() {
    let report = bench(&["footprint"]);
    let octets = &report["octets_per_message_by_devices"];
    for devices in ["1", "20"] {
        for side in ["a", "b"] {
            assert!(octets[devices][side].as_f64().unwrap() > 0.0, "{report}");
        }
    }
}

#[test]
fn what_cannot_be_measured_is_an_error_and_no_number() {
    for arguments in [
        &["commits", "--members", "1", "--json"][..],
        &["latency", "--rate", "0", "--json"],
        &["fan-out", "--devices", "0", "--json"],
        &["one-to-one", "--duration", "0", "--json"],
    ] {
        let output =
            Command::new(env!("CARGO_BIN_EXE_tombolo")).arg("bench").args(arguments).output();
        let output = output.unwrap();
        assert!(!output.status.success(), "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}");
    }
}
