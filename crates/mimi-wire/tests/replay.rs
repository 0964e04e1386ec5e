//! The fuzz targets on the stable compiler: over the vectors, their cuts and changes, and over what
//! once crashed one.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "corpora are files")]
#![expect(unreachable_pub, reason = "public in the crate of the fuzz targets")]

#[path = "../../../fuzz/src/allocation.rs"]
mod allocation;
#[path = "../../../fuzz/src/built.rs"]
mod built;
#[path = "../../../fuzz/src/corpora.rs"]
mod corpora;
#[path = "../../../fuzz/src/wire.rs"]
mod wire;

use std::collections::BTreeSet;

use mimi_wire::inspect::Kind;
use mimi_wire::protocol::directory::Directory;
use serde_json::Value;

/// Longer vectors are limits, which other tests try.
const OCTETS_MAX: usize = 4_096;

const FILES: &[&str] = &[
    include_str!("../../../vectors/protocol.json"),
    include_str!("../../../vectors/room-policy.json"),
    include_str!("../../../vectors/content.json"),
    include_str!("../../../vectors/content-extensions.json"),
    include_str!("../../../vectors/content-derived.json"),
    include_str!("../../../vectors/message-status.json"),
    include_str!("../../../vectors/mls-extensions.json"),
    include_str!("../../../vectors/ratchet-tree-options.json"),
    include_str!("../../../vectors/semiprivatemessage.json"),
];

/// Kind and octets of every vector that is not a limit, the invalid ones too.
fn vectors() -> Vec<(Kind, Vec<u8>)> {
    let mut vectors = Vec::new();
    for file in FILES {
        let file: Value = serde_json::from_str(file).unwrap();
        for vector in file["vectors"].as_array().unwrap() {
            let Some(hex) = vector["hex"].as_str() else { continue };
            let octets = hex::decode(hex).unwrap();
            if octets.len() <= OCTETS_MAX {
                // Without the name in parentheses.
                let kind = vector["kind"].as_str().unwrap().split(" (").next().unwrap();
                vectors.push((kind.parse().unwrap(), octets));
            }
        }
    }
    vectors
}

/// The objects of MLS, by the target that reads them.
fn objects() -> Vec<(&'static str, Vec<u8>)> {
    let objects: Value =
        serde_json::from_str(include_str!("../../../vectors/mls-objects.json")).unwrap();
    let objects = objects.as_object().unwrap().iter().map(|(name, hex)| {
        let target = match name.as_str() {
            "application" | "commit" | "framed_welcome" | "private_commit" | "proposal" => {
                "mls_message"
            }
            "group_info_with_tree" => "group_info",
            name => name_of(name).unwrap_or("mls_parts"),
        };
        (target, hex::decode(hex.as_str().unwrap()).unwrap())
    });
    objects.collect()
}

fn name_of(target: &str) -> Option<&'static str> {
    wire::TARGETS.iter().map(|(name, _)| *name).find(|name| *name == target)
}

fn run(name: &str, octets: &[u8]) {
    let (_, target) = wire::TARGETS.iter().find(|(known, _)| *known == name).unwrap();
    target(octets);
}

/// What each target starts from: the vectors it reads, and for the targets that build things some
/// octets to build them from.
fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let mut seeds = objects();
    for (kind, octets) in vectors() {
        for target in wire::targets_of(kind).into_iter().chain(["inspect"]) {
            seeds.push((target, octets.clone()));
        }
    }
    let uris = ["mimi://a.example/u/alice", "mimi://a.example/r/club%20house", "a.example"];
    seeds.extend(uris.map(|uri| ("uri", uri.as_bytes().to_vec())));
    for content_type in ["text/markdown;variant=GFM-MIMI", "text/plain; charset=\"utf-8\""] {
        seeds.push(("content_type", content_type.as_bytes().to_vec()));
    }
    seeds.push(("directory", Directory::standard("https://a.example:8443").to_json().into()));
    let peers =
        r#"{"keyMaterial":"https://b.example/k/{targetUser}","clientIssuers":["PEM"],"x":0}"#;
    seeds.push(("directory", peers.as_bytes().to_vec()));
    for target in ["built_content", "built_room", "built_body"] {
        seeds.extend((0..64).map(|place| (target, noise(place, 600))));
    }
    seeds
}

/// Octets without a pattern, the same in every run.
fn noise(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()[0]
    };
    (0..count).map(|_| next()).collect()
}

#[test]
fn every_target_takes_every_vector() {
    let vectors = vectors();
    assert!(vectors.len() > 300);
    for (_, target) in wire::TARGETS {
        vectors.iter().for_each(|(_, octets)| target(octets));
    }
}

/// A target without a seed would start from nothing.
#[test]
fn every_target_has_seeds() {
    let seeded: BTreeSet<&str> = seeds().into_iter().map(|(target, _)| target).collect();
    let without = wire::TARGETS.iter().map(|(name, _)| *name).filter(|name| !seeded.contains(name));
    assert_eq!(without.collect::<Vec<_>>(), Vec::<&str>::new());
}

/// One octet more or less, and each of the first octets changed: lengths, codes and presences.
#[test]
fn targets_take_what_is_almost_a_seed() {
    for (target, octets) in seeds() {
        if target == "inspect" {
            continue;
        }
        for end in 0..octets.len().min(300) {
            run(target, &octets[..end]);
        }
        run(target, &[&octets[..], &[0]].concat());
        for at in 0..octets.len().min(120) {
            for change in [1, 0x40, 0x80, 0xff] {
                let mut changed = octets.clone();
                changed[at] ^= change;
                run(target, &changed);
            }
        }
    }
}

#[test]
fn what_once_crashed_does_so_no_more() {
    corpora::replay_crashes(wire::TARGETS);
}

#[test]
fn every_target_has_a_file() {
    corpora::assert_files(wire::TARGETS);
}

#[test]
#[ignore = "writes the seeds of the fuzz targets"]
fn write_corpora() {
    corpora::write(seeds());
}
