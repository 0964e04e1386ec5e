//! `tombolo policy`: what the judge would say, and policies to found rooms with.

use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use mimi_policy::RoomPolicy;
use mimi_policy::policy_file::{self, POLICY_FILE_OCTETS_MAX};
use mimi_policy::preset::Preset;
use mimi_policy::what_if::{Malformed, answer, answer_line};

use super::Failure;

/// Ask what a room's policy allows, and write policies
#[derive(Args, Debug)]
pub(crate) struct Policy {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Check(Check),
    Show(Show),
    Validate(Validate),
}

/// Print a preset as a policy file to start from
#[derive(Args, Debug)]
#[command(after_help = "\
Presets: cooperative, strict, moderated, multi-organization, direct.

Example:
  tombolo policy show moderated > my-room.toml")]
struct Show {
    /// Which preset
    #[arg(value_name = "PRESET")]
    preset: Preset,
}

/// Say everything that is wrong with a policy file
#[derive(Args, Debug)]
#[command(after_help = "\
Exits 0 when rooms can be founded with the policy, and 2 when it must be changed first.")]
struct Validate {
    /// The file
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Say whether a room would allow a change, and if not, why
#[derive(Args, Debug)]
#[command(after_help = "\
Prints one JSON object: {\"allowed\":true}, or {\"allowed\":false,\"rule\":…,\"requirement\":…,
\"message\":…}. Malformed input prints {\"error\":{\"field\":…,\"message\":…}} and exits 2.

Examples:
  tombolo policy check room.json change.json
  tombolo policy check --batch < questions.jsonl

A room:    {\"roles\":\"moderated\",\"participants\":[
             {\"user\":\"mimi://a.example/u/alice\",\"role\":5,\"clients\":1},
             {\"user\":\"mimi://b.example/u/bob\",\"role\":3,\"clients\":1}]}
A change:  {\"by\":\"mimi://a.example/u/alice\",\"how\":\"commit\",
             \"set_role\":[{\"user\":\"mimi://b.example/u/bob\",\"role\":4}]}")]
struct Check {
    /// File with the room
    #[arg(value_name = "ROOM.json", required_unless_present = "batch")]
    room: Option<PathBuf>,
    /// File with the change
    #[arg(value_name = "CHANGE.json", required_unless_present = "batch")]
    change: Option<PathBuf>,
    /// Read {"room":…,"change":…} lines on standard input and answer each with a line
    #[arg(long, conflicts_with_all = ["room", "change"])]
    batch: bool,
}

/// Octets of one form, or of one line of a batch: several times a room of 100,000 participants.
const FORM_OCTETS_MAX: usize = 32 * 1024 * 1024;

impl Policy {
    pub(crate) fn run(self) -> ExitCode {
        match self.action {
            Action::Check(check) => check.run(),
            Action::Show(show) => {
                let text = RoomPolicy::of_preset(show.preset).to_toml();
                written(std::io::stdout().write_all(text.as_bytes()))
            }
            Action::Validate(validate) => validate.run(),
        }
    }
}

impl Validate {
    fn run(self) -> ExitCode {
        let text = match policy_text(&self.file) {
            Ok(text) => text,
            Err(error) => return Failure::usage(&error).complain(),
        };
        let mut output = std::io::stdout().lock();
        match policy_file::parse(&text) {
            Ok(policy) => {
                let count = policy.roles.roles.len();
                let parts = policy.components.len();
                written(writeln!(output, "a good policy: {count} roles, {parts} more components"))
            }
            Err(faults) => {
                // Nobody is left to be told when the reader has gone.
                let told = faults.iter().try_for_each(|fault| writeln!(output, "{fault}"));
                told.map_or(ExitCode::FAILURE, |()| ExitCode::from(2))
            }
        }
    }
}

fn policy_text(path: &Path) -> Result<String, String> {
    let wrong = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let limit = u64::try_from(POLICY_FILE_OCTETS_MAX).unwrap_or(u64::MAX);
    let mut text = String::new();
    // One octet over the limit is enough to be told of it.
    let file = std::fs::File::open(path).map_err(wrong)?;
    file.take(limit.saturating_add(1)).read_to_string(&mut text).map_err(wrong)?;
    Ok(text)
}

fn written(result: std::io::Result<()>) -> ExitCode {
    result.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
}

impl Check {
    fn run(self) -> ExitCode {
        let output = BufWriter::new(std::io::stdout().lock());
        let done = match (self.room, self.change) {
            (Some(room), Some(change)) => once(&room, &change, output),
            _ => batch(
                BufReader::with_capacity(1 << 16, std::io::stdin().lock()),
                output,
                FORM_OCTETS_MAX,
            ),
        };
        // Nobody is left to be told when the reader of the answers has gone.
        done.unwrap_or(ExitCode::FAILURE)
    }
}

fn once(room: &Path, change: &Path, mut output: impl Write) -> std::io::Result<ExitCode> {
    let answered = read(room, "room").and_then(|room| answer(&room, &read(change, "change")?));
    let (text, code) = match answered {
        Ok(answer) => (answer, ExitCode::SUCCESS),
        Err(malformed) => (malformed.to_json(), ExitCode::from(2)),
    };
    writeln!(output, "{text}")?;
    output.flush()?;
    Ok(code)
}

fn read(path: &Path, field: &str) -> Result<String, Malformed> {
    let wrong = |error: &dyn std::fmt::Display| {
        Malformed::new(field, format!("cannot read {}: {error}", path.display()))
    };
    let file = std::fs::File::open(path).map_err(|error| wrong(&error))?;
    let mut octets = Vec::new();
    file.take(one_more(FORM_OCTETS_MAX)).read_to_end(&mut octets).map_err(|error| wrong(&error))?;
    if octets.len() > FORM_OCTETS_MAX {
        return Err(too_long(field, FORM_OCTETS_MAX));
    }
    String::from_utf8(octets).map_err(|_| Malformed::new(field, "is not UTF-8"))
}

/// Enough to see that there is more than the limit.
fn one_more(limit: usize) -> u64 {
    u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1)
}

fn too_long(field: &str, limit: usize) -> Malformed {
    Malformed::new(field, format!("is longer than {limit} octets"))
}

/// An answer for each line that is not blank, and the run goes on whatever a line holds.
fn batch(
    mut input: BufReader<impl Read>,
    mut output: impl Write,
    line_octets_max: usize,
) -> std::io::Result<ExitCode> {
    let mut line = Vec::new();
    loop {
        line.clear();
        // The end of the line may stand behind the limit.
        if input.by_ref().take(one_more(line_octets_max)).read_until(b'\n', &mut line)? == 0 {
            output.flush()?;
            return Ok(ExitCode::SUCCESS);
        }
        let ended = line.last() == Some(&b'\n');
        if line.len() > line_octets_max && !ended {
            input.skip_until(b'\n')?;
            writeln!(output, "{}", too_long("", line_octets_max).to_json())?;
            continue;
        }
        if !line.iter().all(u8::is_ascii_whitespace) {
            let answered = match std::str::from_utf8(&line) {
                Ok(text) => answer_line(text),
                Err(_) => Err(Malformed::new("", "is not UTF-8")),
            };
            let answer = answered.unwrap_or_else(|malformed| malformed.to_json());
            writeln!(output, "{answer}")?;
        }
        // Whoever asks line by line is answered before it asks again.
        if input.buffer().is_empty() {
            output.flush()?;
        }
    }
}

#[cfg(test)]
mod tests;
