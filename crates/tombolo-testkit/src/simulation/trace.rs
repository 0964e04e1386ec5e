//! What happened, for a person to read: the last lines, with the simulation's time.

use std::collections::VecDeque;
use std::fmt::{self, Display};

/// Lines that are kept; older ones are counted.
pub const LINES_MAX: usize = 400;

/// See the module. One that is off costs nothing: lines are not even made.
#[derive(Debug, Default)]
pub struct Trace {
    is_on: bool,
    lines: VecDeque<String>,
    dropped: usize,
    /// Milliseconds at which the simulation begins; lines tell those since.
    start_ms: u64,
    hash: u64,
}

impl Trace {
    /// A trace that keeps what it is told.
    pub fn on(start_ms: u64) -> Self {
        Self { is_on: true, start_ms, ..Self::default() }
    }

    /// A trace that keeps nothing.
    pub fn off() -> Self {
        Self::default()
    }

    /// Whether anything is kept.
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// Notes that something happened.
    pub fn note(&mut self, now_ms: u64, what: impl FnOnce() -> String) {
        if !self.is_on {
            return;
        }
        let line = format!("{:>9} {}", now_ms.saturating_sub(self.start_ms), what());
        // FNV-1a: the same run has the same number, and nothing leans on more than that.
        for octet in line.bytes() {
            self.hash = (self.hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3);
        }
        if self.lines.len() == LINES_MAX {
            self.lines.pop_front();
            self.dropped += 1;
        }
        self.lines.push_back(line);
    }

    /// A number that two runs with the same lines share, dropped ones included.
    pub fn fingerprint(&self) -> u64 {
        self.hash
    }
}

impl Display for Trace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.dropped > 0 {
            writeln!(formatter, "          … {} earlier lines", self.dropped)?;
        }
        for line in &self.lines {
            writeln!(formatter, "{line}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{LINES_MAX, Trace};

    #[test]
    fn the_last_lines_are_kept_and_the_others_counted() {
        let mut trace = Trace::on(10);
        for line in 0..=LINES_MAX {
            trace.note(11, || format!("line {line}"));
        }
        let text = trace.to_string();
        assert!(text.contains("… 1 earlier lines"), "{text}");
        assert!(!text.contains("line 0\n"));
        assert!(text.contains("        1 line 1\n"));
        assert_eq!(text.lines().count(), LINES_MAX + 1);
    }

    #[test]
    fn runs_that_differ_in_a_dropped_line_differ() {
        let run = |first: &str| {
            let mut trace = Trace::on(0);
            trace.note(0, || first.to_owned());
            (0..LINES_MAX).for_each(|_| trace.note(1, || "same".to_owned()));
            trace.fingerprint()
        };
        assert_eq!(run("a"), run("a"));
        assert_ne!(run("a"), run("b"));
    }
}
