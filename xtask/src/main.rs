//! Tasks of the repository. `cargo xtask ci` is what CI runs and what a contributor runs.

mod ci;
mod fuzz;
mod openapi;
mod requirements;
mod simulate;
mod simulate_real;
mod simulate_store;
mod style;
mod walls;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask TASK

  ci            everything below and every check CI makes; the test command
  walls         which crate may depend on which, and what pure crates must not know
  requirements  every fulfilled requirement is named by code and by a test
  style         file sizes and names
  fuzz          each fuzz target for a moment, where the nightly compiler is; `fuzz SECONDS` for
                so long each, `fuzz SECONDS TARGET` for one

  simulate      runs simulated federations: `--seeds N`, `--from SEED`, `--seed S --trace`,
                `--faults none|honest|all|crooked`, `--jobs J`, `--large`, `--plant FAULT`
                (docs/simulation.md); with `--seeds N` and neither faults nor plants as many lives of the
                store as well, and a fifth of it in the real layer; `--layer pure` for this one alone

  simulate --layer store
                the SQLite store on a disk that is full, fails, and loses its power in the midst of
                anything: `--seeds N`, `--from SEED`, `--seed S`

  simulate --layer real
                the same of real servers and clients on such disks, far fewer: `--seeds N`, `--from SEED`,
                `--seed S --trace`, `--faults none|honest|all`, `--jobs J`, `--large`, `--plant DEFECT`

  openapi       writes docs/openapi.json anew, when the client API has changed; `openapi check` lints it
                and hammers a provider by it (Python with fuzz/client_api/requirements.txt)

  cargo xtask ci --from STEP   starts at a step: fmt, walls, requirements, style, clippy, doc,
                               deny, test, doctest, simulate, simulate-real, fuzz,
                               vectors, client-api
";

/// What only the pure layer knows.
fn is_special(options: &[&str]) -> bool {
    ["--plant", "--faults"].iter().any(|option| options.contains(option))
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["ci"] => ci::run(None),
        ["ci", "--from", step] => ci::run(Some(step)),
        ["walls"] => walls::check(),
        ["requirements"] => requirements::check(),
        ["style"] => style::check(),
        ["simulate", "--layer", "real", options @ ..] => simulate_real::run(options),
        ["simulate", "--layer", "store", options @ ..] => simulate_store::run(options),
        ["simulate", "--layer", "pure", options @ ..] => simulate::run(options),
        ["simulate", options @ ..] if options.contains(&"--seeds") && !is_special(options) => {
            simulate::run(options)
                .and_then(|()| simulate_store::run(options))
                .and_then(|()| simulate_real::run_some(options))
        }
        ["simulate", options @ ..] => simulate::run(options),
        ["openapi"] => openapi::write(),
        ["openapi", "check"] => openapi::check(),
        ["fuzz"] => fuzz::check(),
        ["fuzz", seconds] => fuzz::run(seconds, None),
        ["fuzz", seconds, target] => fuzz::run(seconds, Some(target)),
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            say(&format!("\n{message}"));
            ExitCode::FAILURE
        }
    }
}

/// One line for the person at the terminal.
#[expect(clippy::print_stderr, reason = "a task runner talks to a terminal")]
fn say(line: &str) {
    eprintln!("{line}");
}
