//! What the person watching the demo reads.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Where the story is told: standard output, or standard error when a program reads the output.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Voice {
    Output,
    Error,
}

/// Prints the story, with the seconds since its beginning.
#[derive(Debug)]
pub(crate) struct Narrator {
    voice: Voice,
    colour: bool,
    begun: Instant,
    turn: Mutex<()>,
}

impl Narrator {
    pub(crate) fn new(voice: Voice) -> Self {
        let terminal = match voice {
            Voice::Output => std::io::stdout().is_terminal(),
            Voice::Error => std::io::stderr().is_terminal(),
        };
        let colour = terminal && std::env::var_os("NO_COLOR").is_none();
        Self { voice, colour, begun: Instant::now(), turn: Mutex::new(()) }
    }

    /// Time since the beginning.
    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// A new act.
    pub(crate) fn act(&self, title: &str) {
        self.line("");
        self.line(&self.paint("1", title));
    }

    /// Something somebody did.
    pub(crate) fn did(&self, what: &str) {
        let seconds = self.paint("2", &format!("{:6.2} s", self.elapsed().as_secs_f64()));
        self.line(&format!("{seconds}  {what}"));
    }

    /// Something that crossed a wire.
    pub(crate) fn wire(&self, what: &str) {
        self.line(&self.paint("36", &format!("            ~ {what}")));
    }

    /// Progress of something that takes long.
    pub(crate) fn waiting(&self, what: &str, since: Duration) {
        let text = format!("            … {what} ({:.0} s)", since.as_secs_f64());
        self.line(&self.paint("2", &text));
    }

    /// A line as it is.
    pub(crate) fn line(&self, text: &str) {
        let _turn = self.turn.lock();
        // Nobody to tell when the reader has gone away.
        let _ = match self.voice {
            Voice::Output => writeln!(std::io::stdout().lock(), "{text}"),
            Voice::Error => writeln!(std::io::stderr().lock(), "{text}"),
        };
    }

    /// A mark for something that holds or does not.
    pub(crate) fn mark(&self, holds: Holds) -> String {
        match holds {
            Holds::Yes => self.paint("32", "ok  "),
            Holds::No => self.paint("31", "FAIL"),
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// Whether a check holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Holds {
    Yes,
    No,
}

impl From<bool> for Holds {
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}
