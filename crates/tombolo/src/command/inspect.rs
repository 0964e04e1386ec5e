//! `tombolo inspect`: what octets are.

mod certificate;
mod input;

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use mimi_wire::component;
use mimi_wire::inspect::{Claims, Fault, Inspection, Kind, content_json, guess, inspect};
use mimi_wire::uri::MimiUri;
use serde_json::{Value, json};

use crate::command::say;
use crate::plain::plain;
use input::{Format, Input};

/// Other kinds that are named beside the one that was guessed.
const ALTERNATIVES_MAX: usize = 8;
/// Octets up to which the kinds that nearly fit are compared when none does.
const COMPARED_OCTETS_MAX: usize = 1024 * 1024;

/// Decode anything of MIMI and show what every octet is
#[derive(Args, Debug)]
#[command(
    override_usage = "tombolo inspect [KIND] [FILE] [OPTIONS]\n       \
                      tombolo inspect component ID [FILE] [OPTIONS]",
    after_help = after_help()
)]
pub(crate) struct Inspect {
    /// What it is (guessed where it is not said), and the file; without a file, or with `-`,
    /// standard input
    #[arg(value_name = "WORD", num_args = 0..=3, hide = true)]
    words: Vec<OsString>,
    /// The octets, as hex
    #[arg(long, value_name = "HEX", conflicts_with_all = ["base64", "format"])]
    hex: Option<String>,
    /// The octets, as Base64 or base64url
    #[arg(long, value_name = "TEXT", conflicts_with = "format")]
    base64: Option<String>,
    /// How the file is written
    #[arg(long, value_enum, default_value_t = Format::Auto)]
    format: Format,
    /// Print one JSON object for programs
    #[arg(long)]
    json: bool,
    /// The true sender of a message, for its ID
    #[arg(long, value_name = "URI")]
    sender: Option<String>,
    /// The true room of a message, for its ID
    #[arg(long, value_name = "URI")]
    room: Option<String>,
    /// When the hub accepted the message, in milliseconds since 1970: applies the rules of time
    #[arg(long, value_name = "MS")]
    accepted_at: Option<u64>,
    /// What time it is, for whether the message was accepted in the future
    #[arg(long, value_name = "MS", requires = "accepted_at")]
    now: Option<u64>,
    /// When the room was created, for whether the message is older
    #[arg(long, value_name = "MS", requires = "accepted_at")]
    room_created_at: Option<u64>,
}

/// What octets may be, for this command.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum What {
    Mimi(Kind),
    Certificate,
}

/// What octets turned out to be.
struct Found {
    text: String,
    json: Value,
}

fn after_help() -> String {
    let mut help = String::from(
        "\
Prints a tree: offset, field, value. With --json one object: of content the message itself
(message_id, salt, replaces, topic_id, expires, in_reply_to, extensions, body), of certificates
what they say, of anything else {\"kind\",\"octets\",\"nodes\":[{\"field\",\"offset\",\"length\",
\"value\",\"meaning\",\"children\"}]}. What is refused exits 2 with
{\"error\":{\"class\",\"offset\",\"field\",\"message\"}}; class is malformed, nonsensical (well formed,
to be discarded all the same), input or usage.

Examples:
  tombolo inspect message.cbor
  tombolo inspect content message.cbor --sender mimi://a.example/u/alice \\
                                       --room mimi://a.example/r/clubhouse --json
  tombolo inspect component 0x0022 list.bin
  tombolo inspect component participant_list --hex 00
  curl … | tombolo inspect directory

Kinds:
",
    );
    let names = Kind::ALL.iter().filter_map(|kind| kind.name()).chain(["certificate"]);
    let components = component::ALL.iter().filter_map(|id| component::name(*id));
    wrap(&mut help, names);
    help.push_str(
        "  component ID, component-update ID, where ID is a number (0x0022, 34) or one of\n",
    );
    wrap(&mut help, components);
    help
}

/// Words in lines of a terminal's width.
fn wrap<'a>(text: &mut String, words: impl Iterator<Item = &'a str>) {
    const COLUMNS: usize = 90;

    let mut line = String::from(" ");
    for word in words {
        if line.len() + 1 + word.len() > COLUMNS {
            text.push_str(&line);
            text.push('\n');
            line = String::from(" ");
        }
        line.push(' ');
        line.push_str(word);
    }
    text.push_str(&line);
    text.push('\n');
}

impl Inspect {
    pub(crate) fn run(self) -> ExitCode {
        let found = match self.look() {
            Ok(found) => found,
            Err(fault) => return complain(&fault, self.json),
        };
        let text = if self.json { format!("{}\n", found.json) } else { plain(&found.text) };
        // Whoever stops reading (`| head`) has seen enough.
        let _ = std::io::stdout().lock().write_all(text.as_bytes());
        ExitCode::SUCCESS
    }

    fn look(&self) -> Result<Found, Fault> {
        let (what, file) = self.words()?;
        let truth = Truth::of(self)?;
        let input = self.input(file.as_deref())?;
        let mut found = match what {
            Some(what) => show(what, &input.octets, &truth)?,
            None => show_guessed(&input, &truth)?,
        };
        let is_recognised = self.hex.is_none() && self.base64.is_none();
        if is_recognised && self.format == Format::Auto && input.format != Format::Raw {
            let name = input.format.name();
            found.text.insert_str(0, &format!("read as {name}\n"));
            found.json["format"] = json!(name);
        }
        Ok(found)
    }

    /// The kind and the file that were named.
    fn words(&self) -> Result<(Option<What>, Option<PathBuf>), Fault> {
        let mut words = self.words.iter();
        let Some(first) = words.next() else { return Ok((None, None)) };
        let name = first.to_str().unwrap_or_default();
        let what = match name {
            "component" | "component-update" => {
                let id = words.next().and_then(|id| id.to_str()).unwrap_or_default();
                let kind = format!("{name} {id}").parse();
                Some(What::Mimi(kind.map_err(|_| unknown_component(name, id))?))
            }
            "certificate" => Some(What::Certificate),
            _ => name.parse().ok().map(What::Mimi),
        };
        let file = match what {
            Some(_) => words.next(),
            None => Some(first),
        };
        if what.is_none() && (words.len() > 0 || !is_there(Path::new(first))) {
            return Err(unknown_kind(name, words.len() == 0));
        }
        match words.next() {
            None => Ok((what, file.map(PathBuf::from))),
            Some(more) => Err(usage("FILE", format!("one file only, not also {more:?}"))),
        }
    }

    fn input(&self, file: Option<&Path>) -> Result<Input, Fault> {
        let given = match (&self.hex, &self.base64) {
            (Some(text), _) => Some((text, Format::Hex)),
            (_, Some(text)) => Some((text, Format::Base64)),
            _ => None,
        };
        if let Some((text, format)) = given {
            return match file {
                None => input::given(text, format),
                Some(_) => Err(usage("FILE", "a file, and octets on the command line as well")),
            };
        }
        if file.is_none() && std::io::stdin().is_terminal() {
            hint("reads standard input; Ctrl-D ends it, --help says more");
        }
        input::decode(input::read(file)?, self.format)
    }
}

/// Whether a word can only be meant as a file.
fn is_there(path: &Path) -> bool {
    path.as_os_str() == "-" || path.components().count() > 1 || path.exists()
}

fn usage(field: &str, message: impl Into<String>) -> Fault {
    Fault { class: "usage", offset: 0, field: field.to_owned(), message: message.into() }
}

fn unknown_kind(name: &str, may_be_file: bool) -> Fault {
    let names = Kind::ALL.iter().filter_map(|kind| kind.name()).chain(["certificate", "component"]);
    let near = names.filter(|known| known.contains(name) || name.contains(known));
    let near: Vec<&str> = near.take(ALTERNATIVES_MAX).collect();
    let mut message = match may_be_file {
        true => format!("{name:?} is neither a file nor a kind"),
        false => format!("there is no kind {name:?}"),
    };
    match near.is_empty() {
        true => message.push_str("; tombolo inspect --help lists the kinds"),
        false => message.push_str(&format!("; is {} meant?", near.join(" or "))),
    }
    // A missing file is the likelier mistake, and the input's fault.
    let class = if may_be_file && near.is_empty() { "input" } else { "usage" };
    Fault { class, ..usage(if may_be_file { "FILE" } else { "KIND" }, message) }
}

fn unknown_component(what: &str, id: &str) -> Fault {
    let message = match id {
        "" => format!("{what} needs a number or name, e.g. {what} 0x0022"),
        id => format!("there is no component {id:?}; tombolo inspect --help lists them"),
    };
    usage("ID", message)
}

/// What is known of a message beside its octets.
#[derive(Default)]
struct Truth {
    sender: Option<MimiUri>,
    room: Option<MimiUri>,
    accepted_at_ms: Option<u64>,
    now_ms: Option<u64>,
    room_created_at_ms: Option<u64>,
}

impl Truth {
    fn of(inspect: &Inspect) -> Result<Self, Fault> {
        let uri = |text: &Option<String>, field| {
            let uri = text.as_ref().map(|text| MimiUri::new(text)).transpose();
            uri.map_err(|error| usage(field, error.to_string()))
        };
        Ok(Self {
            sender: uri(&inspect.sender, "--sender")?,
            room: uri(&inspect.room, "--room")?,
            accepted_at_ms: inspect.accepted_at,
            now_ms: inspect.now,
            room_created_at_ms: inspect.room_created_at,
        })
    }

    fn claims(&self) -> Claims<'_> {
        Claims {
            sender: self.sender.as_ref(),
            room: self.room.as_ref(),
            accepted_at_ms: self.accepted_at_ms,
            now_ms: self.now_ms,
            room_created_at_ms: self.room_created_at_ms,
        }
    }

    /// Fails if anything is said of a message where there is none.
    fn is_unused(&self, what: What) -> Result<(), Fault> {
        let said = [
            (self.sender.is_some(), "--sender"),
            (self.room.is_some(), "--room"),
            (self.accepted_at_ms.is_some(), "--accepted-at"),
        ];
        match said.iter().find(|(is_said, _)| *is_said) {
            None => Ok(()),
            Some((_, option)) => {
                let message = format!("is for content, and this is taken for {}", what.name());
                Err(usage(option, message))
            }
        }
    }
}

impl What {
    fn name(self) -> String {
        match self {
            Self::Mimi(kind) => kind.to_string(),
            Self::Certificate => "certificate".to_owned(),
        }
    }
}

fn show(what: What, octets: &[u8], truth: &Truth) -> Result<Found, Fault> {
    if what != What::Mimi(Kind::Content) {
        truth.is_unused(what)?;
    }
    match what {
        What::Certificate => {
            let (text, json) = certificate::show(octets)?;
            Ok(Found { text, json })
        }
        What::Mimi(Kind::Content) => show_content(octets, truth),
        What::Mimi(kind) => {
            let mut inspection = inspect(kind, octets)?;
            certificate::annotate(&mut inspection.nodes);
            Ok(Found { text: inspection.to_string(), json: inspection.to_json() })
        }
    }
}

fn show_content(octets: &[u8], truth: &Truth) -> Result<Found, Fault> {
    let mut json = content_json(octets, truth.claims())?;
    let Inspection { nodes, .. } = inspect(Kind::Content, octets)?;
    let id = match json["message_id"].as_str() {
        Some(id) => format!("message ID {id}"),
        None => "message ID: needs --sender and --room".to_owned(),
    };
    let tree = Inspection { kind: Kind::Content, octets: octets.len(), nodes }.to_string();
    json["kind"] = json!("content");
    Ok(Found { text: tree.replacen('\n', &format!("\n{id}\n"), 1), json })
}

fn show_guessed(input: &Input, truth: &Truth) -> Result<Found, Fault> {
    let octets = &input.octets;
    let is_certificate = input.is_certificate || certificate::is_likely(octets);
    let mut whats: Vec<What> = guess(octets).into_iter().map(What::Mimi).collect();
    if is_certificate {
        whats.insert(0, What::Certificate);
    }
    let Some((what, others)) = whats.split_first() else { return Err(nearest(octets)) };
    let mut found = show(*what, octets, truth)?;
    let others: Vec<String> =
        others.iter().take(ALTERNATIVES_MAX).map(|what| what.name()).collect();
    let mut guessed = format!("guessed: {}", what.name());
    if !others.is_empty() {
        let _ = write!(guessed, "; these octets are also {}", others.join(", "));
    }
    found.text.insert_str(0, &format!("{guessed}\n"));
    found.json["guessed"] = json!(true);
    found.json["alternatives"] = json!(others);
    Ok(found)
}

/// What keeps the octets from being what they are nearest to.
fn nearest(octets: &[u8]) -> Fault {
    let likely = match octets.first() {
        Some(0x87) => Some(Kind::Content),
        Some(b'{') => Some(Kind::Directory),
        _ => None,
    };
    let of = |kind: Kind| Some((kind, inspect(kind, octets).err()?));
    let furthest = || {
        // Of equals the first: the common kinds come first.
        let all = Kind::ALL.iter().rev().filter(|_| octets.len() <= COMPARED_OCTETS_MAX);
        all.filter_map(|kind| of(*kind)).max_by_key(|(_, fault)| fault.offset)
    };
    match likely.and_then(of).or_else(furthest) {
        Some((kind, fault)) => {
            let message = format!("no kind fits; as {kind}: {}", fault.message);
            Fault { message, ..fault }
        }
        None => Fault {
            class: "malformed",
            offset: 0,
            field: "octets".to_owned(),
            message: "no kind fits".to_owned(),
        },
    }
}

/// Says what is wrong: to a program on standard output, to a person on standard error, and what is
/// wrong with the command line to both.
fn complain(fault: &Fault, json: bool) -> ExitCode {
    if json {
        say(&fault.to_json().to_string());
    }
    match fault.class {
        "usage" | "input" => hint(&format!("{}: {}", fault.field, fault.message)),
        _ if json => {}
        _ => hint(&fault.to_string()),
    }
    ExitCode::from(2)
}

#[expect(clippy::print_stderr, reason = "a command line program says what went wrong")]
fn hint(message: &str) {
    eprintln!("tombolo: {}", plain(message));
}

/// Arguments that cannot be understood are answered in JSON too where JSON was asked for.
pub(crate) fn answer_in_json(error: &clap::Error) {
    let mut arguments = std::env::args_os().skip(1);
    let is_inspect = arguments.next().is_some_and(|command| command == "inspect");
    if error.use_stderr() && is_inspect && arguments.any(|argument| argument == "--json") {
        let told = error.to_string();
        let message = told.lines().next().unwrap_or_default().trim_start_matches("error: ");
        say(&usage("arguments", message).to_json().to_string());
    }
}
