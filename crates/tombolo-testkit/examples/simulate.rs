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

#[expect(clippy::print_stdout, reason = "a program for the terminal")]
fn main() -> ExitCode {
    let mut options = Options {
        from: 0,
        seeds: 1_000,
        jobs: std::thread::available_parallelism().map_or(1, usize::from),
        size: Size::SMALL,
        faults: Faults::Honest,
        // Unless said otherwise, whatever may happen to a seed.
        and: Some(Faults::Crooked),
        planted: Planted::Nothing,
        progress: true,
        keeps_going: false,
    };
    let mut traced = false;
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let number = |words: &mut dyn Iterator<Item = String>| {
            words.next().and_then(|text| text.parse::<u64>().ok()).unwrap_or_default()
        };
        match word.as_str() {
            "--seeds" => options.seeds = number(&mut words),
            "--from" => options.from = number(&mut words),
            "--jobs" => options.jobs = usize::try_from(number(&mut words)).unwrap_or(1),
            "--seed" => (options.from, options.seeds) = (number(&mut words), 1),
            "--trace" => traced = true,
            "--log" => log(),
            "--keep-going" => options.keeps_going = true,
            "--large" => options.size = Size::LARGE,
            "--faults" => {
                options.and = None;
                options.faults = match words.next().as_deref() {
                    Some("none") => Faults::None,
                    Some("all") => Faults::All,
                    Some("crooked") => Faults::Crooked,
                    _ => Faults::Honest,
                }
            }
            "--plant" => {
                let name = words.next().unwrap_or_default();
                options.planted = Planted::by_name(&name).unwrap_or_default();
            }
            _ => {}
        }
    }
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
