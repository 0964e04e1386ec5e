//! `tombolo policy`: what the judge would say.

use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use mimi_policy::what_if::{Malformed, answer, answer_line};

/// Ask what a room's policy allows
#[derive(Args, Debug)]
pub(crate) struct Policy {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Check(Check),
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

/// Octets of one form, or of one line of a batch.
const FORM_OCTETS_MAX: u64 = 64 * 1024 * 1024;

impl Policy {
    pub(crate) fn run(self) -> ExitCode {
        let Action::Check(check) = self.action;
        let output = BufWriter::new(std::io::stdout().lock());
        let done = match (check.room, check.change) {
            (Some(room), Some(change)) => once(&room, &change, output),
            _ => batch(BufReader::with_capacity(1 << 16, std::io::stdin().lock()), output),
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
    let mut text = String::new();
    file.take(FORM_OCTETS_MAX).read_to_string(&mut text).map_err(|error| wrong(&error))?;
    Ok(text)
}

/// An answer for each line, and the run goes on whatever a line holds.
fn batch(mut input: BufReader<impl Read>, mut output: impl Write) -> std::io::Result<ExitCode> {
    let mut line = Vec::new();
    loop {
        line.clear();
        let limit = FORM_OCTETS_MAX;
        if input.by_ref().take(limit).read_until(b'\n', &mut line)? == 0 {
            output.flush()?;
            return Ok(ExitCode::SUCCESS);
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
