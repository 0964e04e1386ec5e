//! The terminal: lines come in while others are printed above the prompt.

use std::borrow::Cow;
use std::io::{BufRead, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustyline::completion::Completer;
use rustyline::config::Config;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::Validator;
use rustyline::{ColorMode, Editor, ExternalPrinter, Helper};
use tokio::sync::mpsc;

/// Lines typed and not yet read.
const LINES_MAX: usize = 16;

/// Where lines are printed and where they come from.
pub(crate) struct Terminal {
    lines: mpsc::Receiver<String>,
    printer: Option<Box<dyn ExternalPrinter + Send>>,
    hides: Arc<AtomicBool>,
}

/// Hides a line while it is typed, when that is wanted.
struct Hiding(Arc<AtomicBool>);

impl Highlighter for Hiding {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        match self.0.load(Ordering::SeqCst) {
            true => Cow::Owned("*".repeat(line.chars().count())),
            false => Cow::Borrowed(line),
        }
    }

    fn highlight_char(&self, _: &str, _: usize, kind: CmdKind) -> bool {
        kind != CmdKind::MoveCursor && self.0.load(Ordering::SeqCst)
    }
}

impl Completer for Hiding {
    type Candidate = String;
}

impl Hinter for Hiding {
    type Hint = String;
}

impl Validator for Hiding {}

impl Helper for Hiding {}

impl Terminal {
    /// With line editing at a terminal; plain lines from a pipe.
    pub(crate) fn open() -> Result<Self, String> {
        let (sender, lines) = mpsc::channel(LINES_MAX);
        let hides = Arc::new(AtomicBool::new(false));
        if !std::io::stdin().is_terminal() {
            std::thread::spawn(move || {
                for line in std::io::stdin().lock().lines().map_while(Result::ok) {
                    if sender.blocking_send(line).is_err() {
                        break;
                    }
                }
            });
            return Ok(Self { lines, printer: None, hides });
        }
        let failed = |error| format!("the terminal cannot be used: {error}");
        // What is to be hidden is, whatever the terminal is said to show.
        let config = Config::builder().color_mode(ColorMode::Forced).build();
        let mut editor = Editor::<Hiding, DefaultHistory>::with_config(config).map_err(failed)?;
        editor.set_helper(Some(Hiding(hides.clone())));
        let printer = editor.create_external_printer().map_err(failed)?;
        let hidden = hides.clone();
        std::thread::spawn(move || {
            while let Ok(line) = editor.readline("> ") {
                if !hidden.swap(false, Ordering::SeqCst) {
                    let _ = editor.add_history_entry(&line);
                }
                if sender.blocking_send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self { lines, printer: Some(Box::new(printer)), hides })
    }

    /// Whether styles are shown: not where the output may be read by a program.
    pub(crate) fn is_styled(&self) -> bool {
        self.printer.is_some()
    }

    /// The next line; `None` when the person is done.
    pub(crate) async fn line(&mut self) -> Option<String> {
        self.lines.recv().await
    }

    /// The line that is typed next is neither shown nor kept.
    pub(crate) fn hide_next_line(&mut self) {
        self.hides.store(self.printer.is_some(), Ordering::SeqCst);
    }

    /// Prints lines above the prompt.
    pub(crate) fn print(&mut self, text: &str) {
        // Nobody to tell when the terminal has gone away.
        let _ = match &mut self.printer {
            Some(printer) => printer.print(format!("{text}\n")).is_ok(),
            None => writeln!(std::io::stdout().lock(), "{text}").is_ok(),
        };
    }
}
