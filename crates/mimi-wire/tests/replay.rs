//! The fuzz targets on the stable compiler: over the vectors, their cuts and changes, and over what
//! once crashed one.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "corpora are files")]

#[path = "../../../fuzz/src/targets.rs"]
#[expect(unreachable_pub, reason = "public in the crate of the fuzz targets")]
mod targets;

use std::path::Path;

use serde_json::Value;

/// Longer vectors are limits, which other tests try.
const OCTETS_MAX: usize = 4_096;

const FILES: &[&str] = &[
    include_str!("../../../vectors/protocol.json"),
    include_str!("../../../vectors/room-policy.json"),
    include_str!("../../../vectors/content.json"),
    include_str!("../../../vectors/content-extensions.json"),
    include_str!("../../../vectors/message-status.json"),
    include_str!("../../../vectors/mls-extensions.json"),
    include_str!("../../../vectors/ratchet-tree-options.json"),
    include_str!("../../../vectors/semiprivatemessage.json"),
];

/// Kind and octets of every vector that is not a limit, the invalid ones too.
fn vectors() -> Vec<(String, Vec<u8>)> {
    let mut vectors = Vec::new();
    for file in FILES {
        let file: Value = serde_json::from_str(file).unwrap();
        for vector in file["vectors"].as_array().unwrap() {
            let Some(hex) = vector["hex"].as_str() else { continue };
            let octets = hex::decode(hex).unwrap();
            if octets.len() <= OCTETS_MAX {
                vectors.push((vector["kind"].as_str().unwrap().to_owned(), octets));
            }
        }
    }
    vectors
}

/// The target that reads the kind.
fn target_of(kind: &str) -> &'static str {
    match kind.split(' ').next().unwrap() {
        "content" => "content",
        "status" => "status",
        "key-material-request" | "key-material-response" | "key-package-list" => "key_material",
        "update-request" | "update-response" => "update",
        "submit-message-request" | "submit-message-response" => "submit_message",
        "fanout" => "notify",
        "group-info-request" | "group-info-response" | "group-info-ratchet-tree" => "group_info",
        "consent" => "consent",
        "identifier-request" | "identifier-response" => "identifier_query",
        "abuse-report" => "report_abuse",
        "room-founding" => "found_room",
        "ratchet-tree-option" | "partial-group-info" => "ratchet_tree",
        _ => {
            let state = ["participant", "metadata", "roles", "preauth", "base_room"];
            if state.iter().any(|name| kind.contains(name)) {
                return "room_state";
            }
            let policy = kind.contains("policy") || kind.contains("join_links");
            if policy { "policies" } else { "mls_extensions" }
        }
    }
}

#[test]
fn every_target_takes_every_vector() {
    let vectors = vectors();
    assert!(vectors.len() > 300);
    for (_, target) in targets::TARGETS {
        vectors.iter().for_each(|(_, octets)| target(octets));
    }
}

/// One octet more or less, and each of the first octets changed: lengths, codes and presences.
#[test]
fn targets_take_what_is_almost_a_vector() {
    for (kind, octets) in vectors() {
        let target = target_of(&kind);
        for end in 0..octets.len().min(300) {
            targets::run(target, &octets[..end]);
        }
        for at in 0..octets.len().min(120) {
            for change in [1, 0x40, 0x80, 0xff] {
                let mut changed = octets.clone();
                changed[at] ^= change;
                targets::run(target, &changed);
            }
        }
    }
}

#[test]
fn what_once_crashed_does_so_no_more() {
    let Ok(crashes) = std::fs::read_dir("../../fuzz/crashes") else { return };
    for crash in crashes {
        let octets = std::fs::read(crash.unwrap().path()).unwrap();
        for (_, target) in targets::TARGETS {
            target(&octets);
        }
    }
}

/// As many targets as files of targets.
#[test]
fn every_target_has_a_file() {
    let manifest = include_str!("../../../fuzz/Cargo.toml");
    assert_eq!(manifest.matches("[[bin]]").count(), targets::TARGETS.len());
    for (name, _) in targets::TARGETS {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
    }
}

#[test]
#[ignore = "writes the seeds of the fuzz targets"]
fn write_corpora() {
    for (place, (kind, octets)) in vectors().into_iter().enumerate() {
        for target in [target_of(&kind), "inspect"] {
            let folder = Path::new("../../fuzz/corpus").join(target);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(format!("vector-{place}")), &octets).unwrap();
        }
    }
}
