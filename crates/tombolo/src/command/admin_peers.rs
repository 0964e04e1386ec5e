//! `tombolo admin peers`: the other providers that something waits for.

use clap::Subcommand;
use tombolo_server::admin_api::PeerStatus;
use tombolo_server::admin_api::operate;
use tombolo_server::clock::Clock;
use tombolo_server::config::Config;

use super::admin::counted;
use super::{Failure, say};

#[derive(Debug, Subcommand)]
pub(crate) enum PeersCommand {
    /// List the providers that something waits for, since when and why (without a command)
    List {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Try now what waits for a provider, however long the pause would be
    Retry {
        /// Its domain
        name: String,
    },
    /// Give up what waits for a provider; once it is back it gets what is new, and its devices come
    /// into their rooms again by themselves
    #[command(after_help = "\
Example:
  tombolo admin peers drop gone.example

This happens by itself after federation.keep_days.")]
    Drop {
        /// Its domain
        name: String,
    },
}

impl PeersCommand {
    pub(crate) async fn run(self, config: &Config) -> Result<(), Failure> {
        match self {
            Self::List { json } => list(config, json).await,
            Self::Retry { name } => {
                let acted = operate::retry_peer(config, &name).await;
                let acted = acted.map_err(|error| Failure::new(&error))?;
                say(&match acted.streams {
                    0 => format!("Nothing waits for {name}."),
                    streams => format!("Trying {} for {name} now.", counted(streams, "stream")),
                });
                Ok(())
            }
            Self::Drop { name } => {
                let acted = operate::drop_peer(config, &name).await;
                let acted = acted.map_err(|error| Failure::new(&error))?;
                say(&match acted.streams {
                    0 => format!("Nothing waits for {name}."),
                    streams => format!("Gave up {} for {name}.", counted(streams, "stream")),
                });
                Ok(())
            }
        }
    }
}

async fn list(config: &Config, json: bool) -> Result<(), Failure> {
    let list = operate::peers(config).await.map_err(|error| Failure::new(&error))?;
    if json {
        say(&serde_json::to_string(&list).expect("strings and numbers"));
        return Ok(());
    }
    if list.peers.is_empty() {
        say("Nothing waits for other providers.");
    }
    let now_ms = Clock::system().now_ms();
    for peer in &list.peers {
        told(peer, now_ms).iter().for_each(|line| say(line));
    }
    Ok(())
}

/// What there is to say about a peer.
fn told(status: &PeerStatus, now_ms: u64) -> Vec<String> {
    let peer = &status.peer;
    let mut lines = Vec::new();
    if status.waiting > 0 {
        let entries = match status.waiting {
            1 => "1 entry waits".to_owned(),
            entries => format!("{entries} entries wait"),
        };
        let streams = counted(status.streams, "stream");
        let since = status.oldest_ms.map(|ms| format!(", the oldest for {}", span(now_ms, ms)));
        lines.push(format!("{peer}: {entries} in {streams}{}", since.unwrap_or_default()));
    }
    if let Some(error) = &status.last_error {
        let again = status.next_attempt_ms.map(|ms| format!("; again in {}", span(ms, now_ms)));
        let again = again.unwrap_or_default();
        let times = counted(u64::from(status.attempts), "time");
        lines.push(format!("{peer}: failed {times}, last: {error}{again}"));
    }
    if let Some(since_ms) = status.stale_since_ms {
        let (streams, since) = (counted(status.stale_streams, "stream"), span(now_ms, since_ms));
        lines.push(format!("{peer}: stale in {streams} for {since}: what waited was given up"));
    }
    if status.left_out > 0 {
        let left_out = status.left_out;
        lines.push(format!("{peer}: {left_out} not sent, as it called them malformed for a day"));
    }
    lines
}

/// The time from the earlier to the later moment, in the largest unit of which there are two.
fn span(later_ms: u64, earlier_ms: u64) -> String {
    let seconds = later_ms.saturating_sub(earlier_ms) / 1_000;
    let units = [("day", 86_400), ("hour", 3_600), ("minute", 60)];
    let unit = units.into_iter().find(|(_, length)| seconds >= 2 * length);
    let (name, length) = unit.unwrap_or(("second", 1));
    counted(seconds / length, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_operator_reads() {
        let mut status: PeerStatus = serde_json::from_str(
            r#"{"peer": "b.example", "waiting": 3, "streams": 2, "oldest_ms": 1000, "attempts": 4,
                "next_attempt_ms": 400000, "last_error": "no answer", "stale_since_ms": null,
                "stale_streams": 0, "left_out": 0}"#,
        )
        .unwrap();
        let lines = told(&status, 301_000);
        assert_eq!(lines[0], "b.example: 3 entries wait in 2 streams, the oldest for 5 minutes");
        assert_eq!(lines[1], "b.example: failed 4 times, last: no answer; again in 99 seconds");
        status = PeerStatus { stale_since_ms: Some(0), stale_streams: 1, left_out: 2, ..status };
        let lines = told(&status, 3 * 86_400_000);
        assert_eq!(lines[2], "b.example: stale in 1 stream for 3 days: what waited was given up");
        assert!(lines[3].starts_with("b.example: 2 not sent"));
    }
}
