//! Runs seeds at a terminal; `cargo xtask simulate --layer real` builds and runs it.
//!
//! `--seed S` runs one in this process, with `--trace` for what happened and `--log` for what the
//! product logs (`RUST_LOG`). `--seeds N`, `--from S` and `--jobs J` run many, each in a process of its
//! own. `--faults none|honest|all`, `--large` and `--plant DEFECT` say which kind of life.

use std::io::{Read, Seek, SeekFrom};
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tombolo_simulation::disk::Planted;
use tombolo_simulation::federation::{Outcome, Setting, run};
use tombolo_testkit::simulation::plan::{Faults, Size};

/// Violations that are listed; what is broken once is often seen at every look.
const VIOLATIONS_SHOWN_MAX: usize = 12;
/// Time that one may take on a busy machine: who never waits keeps virtual time from passing.
const SEED_MAX: Duration = Duration::from_secs(180);
/// How often it is looked whether it has ended.
const LOOKED_EVERY: Duration = Duration::from_millis(10);
/// Seeds that are run unless it is said how many.
const SEEDS: u64 = 20;

/// Options without a value. The last one is the other layer's.
const FLAGS: [&str; 4] = ["--large", "--trace", "--log", "--keep-going"];

/// The words of the command line.
struct Words(Vec<String>);

impl Words {
    fn has(&self, word: &str) -> bool {
        self.0.iter().any(|it| it == word)
    }

    fn value(&self, name: &str) -> Option<&str> {
        let at = self.0.iter().position(|it| it == name)?;
        self.0.get(at + 1).map(String::as_str)
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.value(name)?.parse().ok()
    }

    /// What cannot be meant, if there is something: a slip must not look like a clean run.
    fn mistake(&self) -> Option<String> {
        let mut words = self.0.iter();
        while let Some(word) = words.next() {
            if FLAGS.contains(&word.as_str()) {
                continue;
            }
            let Some(value) = words.next() else { return Some(format!("{word} needs a value")) };
            let is_right = match word.as_str() {
                "--faults" => faults(value).is_some(),
                "--plant" => Planted::by_name(value).is_some(),
                "--seed" | "--seeds" | "--from" | "--jobs" => value.parse::<u64>().is_ok(),
                _ => return Some(format!("{word} is no option")),
            };
            if !is_right {
                return Some(format!("{word} cannot be {value}"));
            }
        }
        None
    }

    fn setting(&self) -> Setting {
        let faults = self.value("--faults").and_then(faults).unwrap_or(Faults::Honest);
        let size = if self.has("--large") { Size::LARGE } else { Size::SMALL };
        let planted = self.value("--plant").and_then(Planted::by_name);
        Setting { size, faults, planted }
    }

    /// What says which kind of life, for a process of its own or a person.
    fn kind(&self) -> Vec<String> {
        let mut kind = Vec::new();
        for name in ["--faults", "--plant"] {
            if let Some(value) = self.value(name) {
                kind.extend([name.to_owned(), value.to_owned()]);
            }
        }
        kind.extend(self.has("--large").then(|| "--large".to_owned()));
        kind
    }
}

/// Who keeps no rule is in this layer always.
fn faults(name: &str) -> Option<Faults> {
    Faults::by_name(name).filter(|faults| *faults != Faults::Crooked)
}

fn main() -> ExitCode {
    let words = Words(std::env::args().skip(1).collect());
    if let Some(mistake) = words.mistake() {
        say(&format!("{mistake}; docs/simulation.md has what there is"));
        return ExitCode::from(2);
    }
    match words.number("--seed") {
        Some(seed) => one(seed, &words),
        None => many(&words),
    }
}

fn one(seed: u64, words: &Words) -> ExitCode {
    if words.has("--log") {
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    }
    let outcome = run(seed, words.setting());
    let broken = !outcome.violations.is_empty();
    let mut text = String::new();
    if broken || words.has("--trace") {
        text.push_str(&outcome.trace);
    }
    for violation in outcome.violations.iter().take(VIOLATIONS_SHOWN_MAX) {
        text.push_str(&format!("seed {seed}: {violation}\n"));
    }
    text.push_str(&summary(seed, &outcome));
    say(&text);
    ExitCode::from(u8::from(broken))
}

fn summary(seed: u64, outcome: &Outcome) -> String {
    let Outcome { messages, epochs, checks, lasted, fingerprint, .. } = outcome;
    let ([done, not_done], seconds) = (outcome.actions, lasted.as_secs());
    format!(
        "seed {seed}: {messages} messages, {epochs} epochs, {done} actions done and {not_done} not, \
         {checks} checks, {seconds} s, fingerprint {fingerprint:016x}"
    )
}

/// A process for each seed; ends with the first ones that fail.
fn many(words: &Words) -> ExitCode {
    let (seeds, from) = (words.number("--seeds").unwrap_or(SEEDS), words.number("--from"));
    let from = from.unwrap_or(1);
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = words.number("--jobs").and_then(|it| usize::try_from(it).ok()).unwrap_or(jobs);
    let (next, failed, began) = (AtomicU64::new(0), AtomicBool::new(false), Instant::now());
    let said = Mutex::new(());
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while !failed.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= seeds {
                        return;
                    }
                    if let Err(text) = apart(from + number, words) {
                        failed.store(true, Ordering::Relaxed);
                        let _one_by_one = said.lock();
                        say(&text);
                    }
                }
            });
        }
    });
    let seconds = began.elapsed().as_secs_f64();
    let ran = next.into_inner().min(seeds);
    say(&format!("{ran} seeds from {from} in {seconds:.1} s"));
    ExitCode::from(u8::from(failed.into_inner()))
}

/// One seed in a process of its own; what it says if it fails.
fn apart(seed: u64, words: &Words) -> Result<(), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let (number, kind) = (seed.to_string(), words.kind());
    let mut command = Command::new(program);
    command.args(["--seed", &number]).args(&kind);
    let said = match ended(&mut command) {
        Ok(Some((true, _))) => return Ok(()),
        Ok(Some((false, said))) => said,
        Ok(None) => format!("seed {seed}: it does not end: somebody never waits\n"),
        Err(error) => format!("seed {seed} cannot be run: {error}\n"),
    };
    let kind = kind.iter().map(|word| format!(" {word}")).collect::<String>();
    Err(format!("{said}again: cargo xtask simulate --layer real --seed {seed}{kind} --trace"))
}

/// Whether a process succeeds, and what it says; `None`: it does not end in time, and is ended.
fn ended(command: &mut Command) -> std::io::Result<Option<(bool, String)>> {
    let mut said = tempfile::tempfile()?;
    let mut process = command.stdout(said.try_clone()?).stderr(said.try_clone()?).spawn()?;
    let began = Instant::now();
    let status = loop {
        match process.try_wait()? {
            Some(status) => break status,
            None if began.elapsed() > SEED_MAX => {
                process.kill()?;
                process.wait()?;
                return Ok(None);
            }
            None => std::thread::sleep(LOOKED_EVERY),
        }
    };
    let mut text = String::new();
    said.seek(SeekFrom::Start(0))?;
    said.read_to_string(&mut text)?;
    Ok(Some((status.success(), text)))
}

/// A text, and the end of its line, for the person at the terminal.
#[expect(clippy::print_stdout, reason = "a program for the terminal")]
fn say(text: &str) {
    println!("{text}");
}
