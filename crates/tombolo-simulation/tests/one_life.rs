//! The same seed is the same life, to the millisecond, in every process.

use std::process::Command;

/// Everything a seed has to say, its trace included.
fn life(seed: &str, faults: &str) -> String {
    let program = env!("CARGO_BIN_EXE_tombolo-simulation");
    let ran = Command::new(program)
        .args(["--seed", seed, "--faults", faults, "--trace"])
        .output()
        .expect("the program can be run");
    let said = String::from_utf8(ran.stdout).expect("it says text");
    assert!(said.lines().count() > 20, "{said}{}", String::from_utf8_lossy(&ran.stderr));
    said
}

#[test]
fn a_seed_is_one_life() {
    for (seed, faults) in [("1", "none"), ("2", "honest"), ("3", "all")] {
        assert_eq!(life(seed, faults), life(seed, faults));
    }
    assert_ne!(life("1", "none"), life("2", "none"));
}
