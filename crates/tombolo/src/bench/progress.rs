//! What the person waiting reads, on standard error.

use std::io::Write;
use std::time::Instant;

/// Says what is being done, with the seconds since the beginning.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    begun: Instant,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { begun: Instant::now() }
    }

    /// One line.
    pub(crate) fn say(&self, what: &str) {
        let seconds = self.begun.elapsed().as_secs_f64();
        // Nobody to tell when the reader has gone away.
        let _ = writeln!(std::io::stderr().lock(), "{seconds:7.1} s  {what}");
    }
}
