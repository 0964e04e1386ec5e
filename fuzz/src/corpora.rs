//! What the tests of all targets share: crashes, the targets' own files, and writing seeds. Included by
//! each crate's `replay` test.

use std::path::Path;

/// A name and what is run.
type Target = (&'static str, fn(&[u8]));

/// Over what once crashed any target.
pub fn replay_crashes(targets: &[Target]) {
    for crash in std::fs::read_dir("../../fuzz/crashes").unwrap() {
        let octets = std::fs::read(crash.unwrap().path()).unwrap();
        for (_, target) in targets {
            target(&octets);
        }
    }
}

/// Each target has a file and a program.
pub fn assert_files(targets: &[Target]) {
    let manifest = include_str!("../Cargo.toml");
    for (name, _) in targets {
        let file = format!("fuzz_targets/{name}.rs");
        assert!(manifest.contains(&format!("name = \"{name}\"\npath = \"{file}\"")), "{name}");
        let text = std::fs::read_to_string(Path::new("../../fuzz").join(file)).unwrap();
        assert!(text.contains(&format!("\"{name}\"")), "{name}");
    }
}

/// Writes seeds, each of which is for a target.
pub fn write(seeds: impl IntoIterator<Item = (impl AsRef<Path>, impl AsRef<[u8]>)>) {
    for (place, (target, octets)) in seeds.into_iter().enumerate() {
        let folder = Path::new("../../fuzz/corpus").join(target);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("seed-{place}")), octets).unwrap();
    }
}
