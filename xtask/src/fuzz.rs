//! The fuzz targets, where the nightly compiler and a C++ compiler are. `cargo fuzz` is not needed:
//! one program holds every target, and this builds it with what `cargo fuzz` would set.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::{ci, say};

/// What the fuzzer's library needs of the compiler. No address sanitizer: there is no unsafe code,
/// and it would double the time to build.
const RUSTFLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";
/// What one target may do in CI, beside its seeds.
const CHECK_RUNS: &str = "-runs=2000";
/// CI starts no further target after this.
const CHECK_TIME_MAX: Duration = Duration::from_secs(30);
/// Octets of one input.
const OCTETS_MAX: &str = "-max_len=4096";

/// Every target for a moment.
pub(crate) fn check() -> Result<(), String> {
    if let Some(missing) = missing() {
        say(&format!("   {missing}: the fuzz targets are not run, only replayed by the tests"));
        return Ok(());
    }
    let program = prepare()?;
    let start = Instant::now();
    let targets = targets()?;
    let mut ran = 0;
    for target in targets.iter().take_while(|_| start.elapsed() < CHECK_TIME_MAX) {
        fuzz(&program, target, &[CHECK_RUNS, "-max_total_time=1"])?;
        ran += 1;
    }
    say(&format!("   {ran} of {} targets ran in the time they have", targets.len()));
    Ok(())
}

/// Every target, or one, for so many seconds; a line each.
pub(crate) fn run(seconds: &str, only: Option<&str>) -> Result<(), String> {
    if let Some(missing) = missing() {
        return Err(missing.to_owned());
    }
    let program = prepare()?;
    let time = format!("-max_total_time={seconds}");
    for target in targets()?.iter().filter(|target| only.is_none_or(|only| only == *target)) {
        let done = fuzz(&program, target, &[&time])?;
        say(&format!("   {target}: {done}"));
    }
    Ok(())
}

fn missing() -> Option<&'static str> {
    if nightly("cargo", &["--version"]).is_none() {
        return Some("no nightly compiler");
    }
    (!ci::present("c++")).then_some("no C++ compiler")
}

/// Builds the program and writes the seeds.
fn prepare() -> Result<String, String> {
    let version = nightly("rustc", &["-vV"]).ok_or("the nightly compiler does not start")?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.ok_or("the nightly compiler names no host")?;
    let status = Command::new("cargo")
        .args(["+nightly", "build", "--locked", "--manifest-path", "fuzz/Cargo.toml"])
        // With a target of their own, build scripts and macros are not instrumented.
        .args(["--profile", "smoke", "--bin", "any", "--target", host])
        .env("RUSTFLAGS", RUSTFLAGS)
        .status();
    if !status.is_ok_and(|status| status.success()) {
        return Err("the fuzz targets cannot be built".to_owned());
    }
    // As the step of the tests has built them.
    let seeds = ["test", "--workspace", "--locked", "--test", "replay", "--"];
    ci::cargo(&[&seeds[..], &["--ignored", "--quiet", "write_corpora"]].concat(), &[])?;
    Ok(format!("fuzz/target/{host}/smoke/any"))
}

/// The names in the table of programs.
fn targets() -> Result<Vec<String>, String> {
    let path = Path::new("fuzz/fuzz_targets");
    let entries =
        std::fs::read_dir(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let name = |entry: std::fs::DirEntry| {
        entry.path().file_stem().map(|stem| stem.to_string_lossy().into_owned())
    };
    let mut names: Vec<String> = entries.flatten().filter_map(name).collect();
    names.retain(|name| name != "any");
    names.sort();
    Ok(names)
}

/// Runs one target and gives the fuzzer's last words.
fn fuzz(program: &str, target: &str, limits: &[&str]) -> Result<String, String> {
    let found = format!("fuzz/artifacts/{target}/");
    let corpus = format!("fuzz/corpus/{target}");
    for folder in [&found, &corpus] {
        std::fs::create_dir_all(folder).map_err(|error| format!("{folder}: {error}"))?;
    }
    let output = Command::new(program)
        .args([&corpus, OCTETS_MAX, "-timeout=10", "-rss_limit_mb=1024"])
        .arg(format!("-artifact_prefix={found}"))
        .args(limits)
        .env("TARGET", target)
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    let words = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let lines: Vec<&str> = words.lines().collect();
        let last = lines[lines.len().saturating_sub(40)..].join("\n");
        return Err(format!("{last}\n{target} crashed; what crashed it is in {found}"));
    }
    let done = words.lines().rev().find(|line| line.starts_with("Done "));
    Ok(done.unwrap_or_default().trim_start_matches("Done ").to_owned())
}

/// What a program of the nightly toolchain says, if it is there; it is not to be fetched.
fn nightly(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .arg("+nightly")
        .args(arguments)
        .env("RUSTUP_AUTO_INSTALL", "0")
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
