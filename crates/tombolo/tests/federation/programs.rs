//! Programs that are started, listened to and typed at.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How long anything may take that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn tombolo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tombolo"));
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).stdin(Stdio::piped());
    command
}

/// A program that talks: its lines as they come.
pub(crate) struct Talking {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    heard: Vec<String>,
}

impl Talking {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut child = tombolo(arguments).spawn().unwrap();
        let (sender, lines) = channel();
        let output = child.stdout.take().unwrap();
        let errors = child.stderr.take().unwrap();
        listen(output, sender.clone());
        listen(errors, sender);
        Self { input: child.stdin.take(), child, lines, heard: Vec::new() }
    }

    pub(crate) fn types(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Waits for a line that contains a text, heard before or not.
    pub(crate) fn says(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(line) = self.heard.iter().find(|line| line.contains(text)) {
                return line.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.heard.push(line),
                Err(_) => panic!("never said {text:?}, but:\n{}", self.heard.join("\n")),
            }
        }
    }

    /// How many lines heard so far contain a text.
    pub(crate) fn said(&mut self, text: &str) -> usize {
        self.heard.extend(self.lines.try_iter());
        self.heard.iter().filter(|line| line.contains(text)).count()
    }

    pub(crate) fn quits(mut self) {
        self.types("/quit");
        drop(self.input.take());
        self.ended_well();
    }

    /// Waits until it ends by itself.
    pub(crate) fn ends(mut self) {
        self.ended_well();
    }

    pub(crate) fn terminate(mut self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").arg(id).status().unwrap().success());
        self.ended_well();
    }

    /// The program ends with success; what it said to the last is in the complaint otherwise.
    fn ended_well(&mut self) {
        let status = self.child.wait().unwrap();
        // Both ends of the channel are gone once both outputs are closed.
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.heard.push(line);
        }
        assert!(status.success(), "{status}:\n{}", self.heard.join("\n"));
    }
}

impl Drop for Talking {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listen(output: impl Read + Send + 'static, sender: std::sync::mpsc::Sender<String>) {
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
}

pub(crate) fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
