//! The pure layer of the simulator at a terminal; `cargo xtask simulate` builds and runs it.

#[path = "../tests/pure/mod.rs"]
mod pure;

use std::process::ExitCode;

use pure::planted::Planted;
use pure::runner::{Options, run, run_many};
use tombolo_testkit::simulation::plan::{Faults, Size};

/// What the product says of itself, by `RUST_LOG`, on standard error.
fn log() {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    let lines = tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter);
    lines.without_time().init();
}

/// What was asked for, and whether a trace is wanted.
fn read(options: &mut Options, mut words: impl Iterator<Item = String>) -> Result<bool, String> {
    let mut traced = false;
    while let Some(word) = words.next() {
        match word.as_str() {
            "--trace" => traced = true,
            "--log" => log(),
            "--keep-going" => options.keeps_going = true,
            "--large" => options.size = Size::LARGE,
            _ => {
                let value =
                    words.next().ok_or_else(|| format!("{word} is no option, or needs a value"))?;
                set(options, &word, &value)?;
            }
        }
    }
    Ok(traced)
}

fn set(options: &mut Options, name: &str, value: &str) -> Result<(), String> {
    let number = || value.parse::<u64>().map_err(|_| format!("{name} needs a number"));
    match name {
        "--seeds" => options.seeds = number()?,
        "--from" => options.from = number()?,
        "--jobs" => options.jobs = usize::try_from(number()?).unwrap_or(1),
        "--seed" => (options.from, options.seeds) = (number()?, 1),
        "--faults" => {
            options.and = None;
            options.faults =
                Faults::by_name(value).ok_or_else(|| format!("no faults are called {value}"))?;
        }
        "--plant" => {
            options.planted = Planted::by_name(value).ok_or_else(|| {
                format!("nothing is planted by the name {value}; there are {:?}", Planted::ALL)
            })?;
        }
        _ => return Err(format!("{name} is no option")),
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a program for the terminal")]
fn main() -> ExitCode {
    let mut options = Options {
        from: 0,
        seeds: 1_000,
        jobs: std::thread::available_parallelism().map_or(1, usize::from),
        size: Size::SMALL,
        faults: Faults::Honest,
        // What `crooked` finds has to be read: its own accounting is wrong now and then.
        and: None,
        planted: Planted::Nothing,
        progress: true,
        keeps_going: false,
    };
    let traced = match read(&mut options, std::env::args().skip(1)) {
        Ok(traced) => traced,
        Err(what) => {
            println!("{what}; docs/simulation.md has what there is");
            return ExitCode::from(2);
        }
    };
    let report = run_many(&options);
    println!("{}", report.seen);
    println!("{} seeds, {} messages", report.seeds, report.seen.count("messages accepted"));
    for failure in &report.failures {
        println!("{failure}");
    }
    let seed = match (report.failure(), traced) {
        (Some(failure), _) => {
            options.faults = failure.faults;
            failure.seed
        }
        (None, true) => options.from,
        (None, false) => return ExitCode::SUCCESS,
    };
    let cast = pure::runner::cast();
    let (world, again) = run(&cast, &options, seed, true);
    println!("{}", world.trace);
    match report.failure() {
        None => ExitCode::SUCCESS,
        Some(failure) => {
            println!("{failure}");
            if again.as_ref() != Some(&failure.what) {
                println!("the same seed again: {again:?}");
            }
            let faults = format!("{:?}", failure.faults).to_lowercase();
            println!("again: cargo xtask simulate --seed {seed} --faults {faults} --trace");
            ExitCode::FAILURE
        }
    }
}
