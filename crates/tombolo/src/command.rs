//! One file per subcommand.

pub(crate) mod admin;
mod admin_peers;
mod admin_reports;
pub(crate) mod bench;
pub(crate) mod chat;
pub(crate) mod demo;
pub(crate) mod init;
pub(crate) mod inspect;
pub(crate) mod openapi;
pub(crate) mod policy;
pub(crate) mod serve;

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

/// Why a command did not do what it was asked, as a sentence for whoever asked.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    exit_code: u8,
}

impl Failure {
    /// It did not work: exit code 1.
    pub(crate) fn new(why: &dyn Display) -> Self {
        Self { message: why.to_string(), exit_code: 1 }
    }

    /// The command line or the configuration is at fault: exit code 2, as for arguments.
    pub(crate) fn usage(why: &dyn Display) -> Self {
        Self { message: why.to_string(), exit_code: 2 }
    }

    /// Says what went wrong.
    #[expect(clippy::print_stderr, reason = "a command line program says what went wrong")]
    pub(crate) fn complain(&self) -> ExitCode {
        eprintln!("tombolo: {}", self.message);
        ExitCode::from(self.exit_code)
    }
}

/// One line on standard output. Whoever stops reading (`| head`) has seen enough.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self { message, exit_code: 1 }
    }
}
