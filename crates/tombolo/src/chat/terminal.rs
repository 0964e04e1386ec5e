//! The terminal: lines come in while others are printed above the prompt.

use std::io::{BufRead, IsTerminal, Write};

use rustyline::{DefaultEditor, ExternalPrinter};
use tokio::sync::mpsc;

/// Lines typed and not yet read.
const LINES_MAX: usize = 16;

/// Where lines are printed and where they come from.
pub(crate) struct Terminal {
    lines: mpsc::Receiver<String>,
    printer: Option<Box<dyn ExternalPrinter + Send>>,
}

impl Terminal {
    /// With line editing at a terminal; plain lines from a pipe.
    pub(crate) fn open() -> Result<Self, String> {
        let (sender, lines) = mpsc::channel(LINES_MAX);
        if !std::io::stdin().is_terminal() {
            std::thread::spawn(move || {
                for line in std::io::stdin().lock().lines().map_while(Result::ok) {
                    if sender.blocking_send(line).is_err() {
                        break;
                    }
                }
            });
            return Ok(Self { lines, printer: None });
        }
        let failed = |error| format!("the terminal cannot be used: {error}");
        let mut editor = DefaultEditor::new().map_err(failed)?;
        let printer = editor.create_external_printer().map_err(failed)?;
        std::thread::spawn(move || {
            while let Ok(line) = editor.readline("> ") {
                let _ = editor.add_history_entry(&line);
                if sender.blocking_send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self { lines, printer: Some(Box::new(printer)) })
    }

    /// Whether styles are shown: not where the output may be read by a program.
    pub(crate) fn is_styled(&self) -> bool {
        self.printer.is_some()
    }

    /// The next line; `None` when the person is done.
    pub(crate) async fn line(&mut self) -> Option<String> {
        self.lines.recv().await
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
