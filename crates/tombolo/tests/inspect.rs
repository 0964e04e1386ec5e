//! `tombolo inspect` as programs and people meet it: what it prints, and how it ends.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

const ALICE: &str = "mimi://example.com/u/alice-smith";
const ROOM: &str = "mimi://example.com/r/engineering_team";
/// The draft's own time of acceptance of its examples.
const ACCEPTED_AT_MS: &str = "1644387225019";

fn vectors(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors").join(file)
}

fn original() -> String {
    vectors("content/original.cbor").to_str().unwrap().to_owned()
}

fn inspect(arguments: &[&str]) -> Output {
    inspect_input(arguments, b"")
}

fn inspect_input(arguments: &[&str], input: &[u8]) -> Output {
    let mut process = Command::new(env!("CARGO_BIN_EXE_tombolo"))
        .arg("inspect")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // What reads a file leaves its standard input alone.
    let _ = process.stdin.take().unwrap().write_all(input);
    process.wait_with_output().unwrap()
}

fn text(octets: &[u8]) -> &str {
    std::str::from_utf8(octets).unwrap()
}

/// One JSON object on one line, and nothing said beside it.
fn answer(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    assert_eq!(text(&output.stdout).lines().count(), 1);
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The error, whose form is fixed.
fn error(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert_eq!(text(&output.stdout).lines().count(), 1, "{output:?}");
    let whole: Value = serde_json::from_slice(&output.stdout).unwrap();
    let error = whole["error"].clone();
    let names: Vec<&String> = error.as_object().unwrap().keys().collect();
    assert_eq!(names.len(), 4, "{error}");
    assert_eq!(whole.as_object().unwrap().len(), 1);
    assert!(error["offset"].is_u64() && error["message"].is_string(), "{error}");
    // A person is told as well where the command line or the file is at fault.
    let is_told = matches!(error["class"].as_str(), Some("usage" | "input"));
    assert_eq!(!output.stderr.is_empty(), is_told, "{output:?}");
    error
}

/// CONTENT-ID-1, in the fixed form: the IDs of all examples of the draft.
#[test]
fn the_drafts_messages_in_the_fixed_form() {
    let ids = std::fs::read(vectors("content/ids.json")).unwrap();
    let ids: Vec<Value> = serde_json::from_slice(&ids).unwrap();
    assert_eq!(ids.len(), 14);
    for id in ids {
        let of = |name: &str| id[name].as_str().unwrap();
        let file = vectors("content").join(of("file"));
        let arguments = ["content", file.to_str().unwrap(), "--sender", of("sender")];
        let output = inspect(&[&arguments[..], &["--room", of("room"), "--json"]].concat());
        assert_eq!(answer(&output)["message_id"], id["message_id"], "{id}");
    }
}

#[test]
fn a_message_as_json() {
    let arguments = ["content", &original(), "--sender", ALICE, "--room", ROOM, "--json"];
    let expected = json!({
        "kind": "content",
        "message_id": "017ce54837404c3696e0c747b985cb172716d0ed0a3d249ca63ace7d82a096f4",
        "salt": "5eed9406c2545547ab6f09f20a18b003",
        "replaces": null,
        "topic_id": "",
        "expires": null,
        "in_reply_to": null,
        "extensions": { "1": ALICE, "2": ROOM },
        "body": {
            "part_index": 0,
            "disposition": "render",
            "language": "",
            "cardinality": "single",
            "content_type": "text/markdown;variant=GFM-MIMI",
            "content": "48692065766572796f6e652c207765206a75737420736869707065642072656c6561736520322e302e205f5f476f6f642020776f726b5f5f21",
            "text": "Hi everyone, we just shipped release 2.0. __Good  work__!",
        },
    });
    assert_eq!(answer(&inspect(&arguments)), expected);
    let unknown = answer(&inspect(&["content", &original(), "--json"]));
    assert_eq!(unknown["message_id"], Value::Null);
}

/// CONTENT-SEC-1: what is malformed and what makes no sense, each with class, offset and field.
#[test]
fn faults_in_the_fixed_form() {
    let octets = std::fs::read(original()).unwrap();
    let cut = error(&inspect_input(&["content", "--json"], &octets[..40]));
    assert_eq!(cut["class"], "malformed");
    assert_eq!(cut["field"], "mimiContent.mimiExtensions");
    assert_eq!(cut["offset"], 24);
    let other = ["content", &original(), "--sender", "mimi://example.com/u/bob", "--json"];
    let other = error(&inspect(&other));
    assert_eq!(other["class"], "nonsensical");
    assert_eq!(other["field"], "mimiContent.mimiExtensions.senderUri");
    assert_eq!(other["offset"], 24);
    assert_eq!(other["message"], "senderUri is not the sender");
    let elsewhere = ["content", &original(), "--room", ALICE, "--json"];
    assert_eq!(error(&inspect(&elsewhere))["field"], "mimiContent.mimiExtensions.roomUri");
    // To a person.
    let output = inspect_input(&["content"], &octets[..40]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    let told = text(&output.stderr);
    assert!(
        told.starts_with("tombolo: malformed: mimiContent.mimiExtensions at offset 24"),
        "{told}"
    );
}

/// The rules of time apply where a time is given, and only there.
#[test]
fn rules_of_time() {
    let expiring = vectors("content/expiring.cbor");
    let expiring = expiring.to_str().unwrap();
    let with = |times: &[&str]| inspect(&[&["content", expiring, "--json"], times].concat());
    answer(&with(&[]));
    answer(&with(&["--accepted-at", ACCEPTED_AT_MS]));
    let late = error(&with(&["--accepted-at", "1767225600000"]));
    assert_eq!(
        (&late["class"], &late["field"]),
        (&json!("nonsensical"), &json!("mimiContent.expires"))
    );
    let future = ["--accepted-at", ACCEPTED_AT_MS, "--now", "1644386925018"];
    assert_eq!(error(&with(&future))["message"], "accepted in the future");
    answer(&with(&["--accepted-at", ACCEPTED_AT_MS, "--now", "1644386925019"]));
    let older = ["--accepted-at", ACCEPTED_AT_MS, "--room-created-at", "1644387225020"];
    assert_eq!(error(&with(&older))["message"], "accepted before the room was created");
}

/// All vectors of messages, as anybody would hold this command against them.
#[test]
fn the_vectors_of_messages_hold() {
    let mut counts = (0, 0);
    for file in ["content.json", "content-extensions.json"] {
        let document: Value =
            serde_json::from_slice(&std::fs::read(vectors(file)).unwrap()).unwrap();
        for vector in document["vectors"].as_array().unwrap() {
            let Some(hex) = vector["hex"].as_str() else { continue };
            let mut arguments = vec!["content".to_owned(), "--json".to_owned()];
            for (name, value) in vector["given"].as_object().into_iter().flatten() {
                arguments.push(format!("--{}", name.trim_end_matches("_ms").replace('_', "-")));
                arguments.push(value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            }
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let output = inspect_input(&arguments, hex.as_bytes());
            if vector["valid"] == true {
                answer(&output);
                counts.0 += 1;
            } else {
                let error = error(&output);
                for name in ["class", "offset", "field"] {
                    assert_eq!(error[name], vector["error"][name], "{}", vector["name"]);
                }
                counts.1 += 1;
            }
        }
    }
    assert!(counts.0 > 50 && counts.1 > 50, "{counts:?}");
}

#[test]
fn octets_come_from_anywhere() {
    let octets = std::fs::read(original()).unwrap();
    let hex: String = octets.iter().map(|octet| format!("{octet:02X} ")).collect();
    let expected = answer(&inspect(&["content", &original(), "--json"]));
    let texts = [
        ("hex", format!("0x{hex}\n# the draft's first example\n")),
        ("base64", STANDARD.encode(&octets)),
        ("base64", format!("{}\n", URL_SAFE_NO_PAD.encode(&octets))),
        (
            "pem",
            format!("-----BEGIN MIMI-----\n{}\n-----END MIMI-----\n", STANDARD.encode(&octets)),
        ),
    ];
    for (format, written) in &texts {
        let mut found = answer(&inspect_input(&["content", "-", "--json"], written.as_bytes()));
        assert_eq!(found["format"].take(), *format);
        found.as_object_mut().unwrap().remove("format");
        assert_eq!(found, expected);
        let forced = ["content", "--json", "--format", format];
        assert_eq!(answer(&inspect_input(&forced, written.as_bytes())), expected);
        let raw = ["content", "--json", "--format", "raw"];
        assert_eq!(error(&inspect_input(&raw, written.as_bytes()))["class"], "malformed");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("message.hex");
    std::fs::write(&file, &texts[0].1).unwrap();
    let found = answer(&inspect(&["content", file.to_str().unwrap(), "--json"]));
    assert_eq!(found["format"], "hex");
    assert_eq!(answer(&inspect(&["content", "--hex", &hex, "--json"])), expected);
    let encoded = STANDARD.encode(&octets);
    assert_eq!(answer(&inspect(&["content", "--base64", &encoded, "--json"])), expected);
    assert_eq!(error(&inspect(&["--hex", "840", "--json"]))["class"], "input");
}

#[test]
fn kinds_are_guessed_and_said() {
    let guessed = answer(&inspect(&[&original(), "--json"]));
    assert_eq!((&guessed["kind"], &guessed["guessed"]), (&json!("content"), &json!(true)));
    let output = inspect(&[&original(), "--sender", ALICE, "--room", ROOM]);
    let tree = text(&output.stdout);
    assert!(
        tree.starts_with("guessed: content\ncontent, 193 octets\nmessage ID 017ce548"),
        "{tree}"
    );
    assert!(
        tree.contains("0001    mimiContent.salt = h'5eed9406c2545547ab6f09f20a18b003'"),
        "{tree}"
    );
    let directory = br#"{"keyMaterial":"https://a.example/keyMaterial/{targetUser}"}"#;
    assert_eq!(answer(&inspect_input(&["--json"], directory))["kind"], "directory");
    let short = answer(&inspect(&["--hex", "00", "--json"]));
    assert!(!short["alternatives"].as_array().unwrap().is_empty());
    let nothing = error(&inspect(&["--hex", "87ff", "--json"]));
    assert!(nothing["message"].as_str().unwrap().starts_with("no kind fits; as content: "));
    // What is said of a message needs one.
    let status = vectors("status/status.cbor");
    let status = status.to_str().unwrap();
    assert_eq!(answer(&inspect(&[status, "--json"]))["kind"], "status");
    assert_eq!(error(&inspect(&[status, "--sender", ALICE, "--json"]))["field"], "--sender");
}

#[test]
fn components_by_number_and_by_name() {
    for id in ["0x0028", "40", "status_notification_policy"] {
        let found = answer(&inspect(&["component", id, "--hex", "0201", "--json"]));
        assert_eq!(found["kind"], "component 0x0028 (status_notification_policy)");
        assert_eq!(found["nodes"][1]["field"], "StatusNotificationPolicy.read_receipts");
        assert_eq!(found["nodes"][1]["value"], 1);
    }
    let malformed = error(&inspect(&["component", "0x0028", "--hex", "0203", "--json"]));
    assert_eq!((&malformed["class"], &malformed["offset"]), (&json!("malformed"), &json!(1)));
    for arguments in [&["component"][..], &["component", "nothing", "--hex", "00"]] {
        let error = error(&inspect(&[arguments, &["--json"]].concat()));
        assert_eq!((&error["class"], &error["field"]), (&json!("usage"), &json!("ID")));
    }
}

#[test]
fn wrong_usage_and_missing_files_end_with_2() {
    for (arguments, class) in [
        (&["content", "no/such/file"][..], "input"),
        (&["no-such-file"], "input"),
        (&["contents"], "usage"),
        (&["contents", "file"], "usage"),
        (&["content", "a", "b"], "usage"),
        (&["content", "a", "b", "c"], "usage"),
        (&["content", "--nothing"], "usage"),
        (&["content", "--sender", "alice"], "usage"),
        (&["content", "--accepted-at", "soon"], "usage"),
        (&["content", "--format", "morse"], "usage"),
        (&["content", "file", "--hex", "00"], "usage"),
        (&["status", "--hex", "80", "--accepted-at", "1"], "usage"),
    ] {
        let output = inspect(&[arguments, &["--json"]].concat());
        assert_eq!(error(&output)["class"], class, "{arguments:?}");
        let output = inspect(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{output:?}");
    }
    let help = inspect(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    for word in ["key-material-request", "certificate", "participant_list", "Examples:"] {
        assert!(text(&help.stdout).contains(word), "{word}");
    }
}

/// One octet more than can be looked at.
#[test]
fn input_is_bounded() {
    const OCTETS_MAX: usize = 3 * 16 * 1024 * 1024;
    let at = error(&inspect_input(&["content", "--json"], &vec![0x87; OCTETS_MAX]));
    assert_eq!(at["class"], "nonsensical");
    let beyond = error(&inspect_input(&["content", "--json"], &vec![0x87; OCTETS_MAX + 1]));
    assert_eq!((&beyond["class"], &beyond["offset"]), (&json!("input"), &json!(OCTETS_MAX)));
}

#[test]
fn certificates() {
    let folder = tempfile::tempdir().unwrap();
    let init = Command::new(env!("CARGO_BIN_EXE_tombolo"))
        .args(["init", "a.example", "--dir"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(init.status.success(), "{init:?}");
    let file = folder.path().join("dev-ca/ca.pem");
    let file = file.to_str().unwrap();
    let found = answer(&inspect(&[file, "--json"]));
    assert_eq!((&found["kind"], &found["guessed"]), (&json!("certificate"), &json!(true)));
    let authority = &found["certificates"][0];
    assert_eq!(authority["is_ca"], true);
    assert_eq!(authority["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(authority["issuer"], authority["subject"]);
    let tree = inspect(&["certificate", file]);
    assert!(text(&tree.stdout).contains("CA = yes"), "{tree:?}");
    let fault = error(&inspect(&["certificate", "--hex", "30030201", "--json"]));
    assert_eq!((&fault["class"], &fault["field"]), (&json!("malformed"), &json!("Certificate")));
    let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    assert_eq!(error(&inspect_input(&["--json"], key.as_bytes()))["class"], "input");
}

/// Octets of strangers do not steer the terminal of whoever looks at them.
#[test]
fn the_tree_is_harmless() {
    let label = "61 1b 5b 32 4a e2 80 ae";
    let message = format!("87 50 {} f6 40 f6 f6 a1 05 68 {label} 83 01 60 00", "00".repeat(16));
    let output = inspect(&["content", "--hex", &message]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let tree = text(&output.stdout);
    assert!(!tree.contains(['\u{1b}', '\u{202e}']), "{tree:?}");
}
