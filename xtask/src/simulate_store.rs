//! `cargo xtask simulate --layer store`: lives of the store alone, on a disk that crashes.

use crate::ci::cargo;
use crate::say;

/// What runs them: a test of the store's own, which CI runs with fewer seeds.
const TEST: &str = "sqlite::tests::crashes::what_is_answered_survives_every_crash";
/// Where it finds which seeds to run.
const SEEDS: &str = "TOMBOLO_STORE_SEEDS";
/// Seeds that are run unless it is said how many.
const SEEDS_COUNT: u64 = 1_000;

/// Runs what was asked for: `--seeds N`, `--from SEED`, `--seed SEED`. Other options are not for it.
pub(crate) fn run(options: &[&str]) -> Result<(), String> {
    let (from, count) = match number(options, "--seed")? {
        Some(seed) => (seed, 1),
        None => (
            number(options, "--from")?.unwrap_or(0),
            number(options, "--seeds")?.unwrap_or(SEEDS_COUNT),
        ),
    };
    let to = from.saturating_add(count);
    say(&format!("   the store: seeds {from} to {}", to.saturating_sub(1)));
    let arguments = ["test", "--quiet", "--locked", "--package", "tombolo-store", "--lib", TEST];
    let arguments = [&arguments[..], &["--", "--exact"]].concat();
    cargo(&arguments, &[(SEEDS, &format!("{from}..{to}")), ("RUST_BACKTRACE", "0")])
}

fn number(options: &[&str], name: &str) -> Result<Option<u64>, String> {
    let Some(at) = options.iter().position(|option| *option == name) else { return Ok(None) };
    let value = options.get(at + 1).and_then(|value| value.parse().ok());
    value.map(Some).ok_or_else(|| format!("{name} needs a number"))
}
