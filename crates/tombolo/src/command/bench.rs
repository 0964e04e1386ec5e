//! `tombolo bench`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::{Failure, say};
use crate::bench::Settings;
use crate::bench::progress::Progress;
use crate::bench::report::Report;
use crate::bench::scenario::one_room::{self, People};
use crate::bench::scenario::{Load, cold_start, commits, footprint, rooms};
use crate::demo::interrupt::Interrupt;

/// Messages sent and not yet delivered: as many as the harness beside (`bench/peers`) gives others.
const WINDOW: usize = 500;
/// The same where each has to come to many devices.
const WINDOW_FAN_OUT: usize = 100;
/// How long the load runs before it is measured, if the measurement is not shorter.
const WARM_UP_S: f64 = 2.0;
/// Longest measurement: a day.
const SECONDS_MAX: f64 = 86_400.0;

/// Measure providers under load: messages per second, latency, memory, and that nothing is lost
#[derive(Args, Debug)]
#[command(after_help = "\
Starts its own providers (the hub is `a`, who follows is `b`) with their usual configuration, loads them,
counts what becomes of every message, and stops them. Progress goes to standard error. Messages have
256 octets of text and are encrypted before the measurement. Use a release build.

`p50_ms` and `p99_ms` are from the moment a message was due to its delivery; with `latency` it is due at
its time even if nobody was free to send it. With several followers, `server_cpu_cores.b` is of all and
`rss_mib.b` of the largest. What the operating system does not tell is null.

Exit status 1 if anything was lost, doubled or reordered, or the measurement could not be made.

Examples:
  tombolo bench one-to-one --duration 5
  tombolo bench latency --rate 50 --json
  tombolo bench fan-out --devices 100 --json")]
pub(crate) struct Bench {
    #[command(subcommand)]
    scenario: Scenario,
    /// Print one JSON object on standard output
    #[arg(long, global = true)]
    json: bool,
    /// How long to measure, in seconds
    #[arg(long, value_name = "S", default_value = "10", global = true, value_parser = seconds)]
    duration: Duration,
    /// How long the load runs before that [default: 2, or the duration if that is shorter]
    #[arg(long, value_name = "S", global = true, value_parser = seconds)]
    warm_up: Option<Duration>,
    /// Messages that may be sent and not yet delivered [default: 500; to many devices 100]
    #[arg(long, value_name = "N", global = true, value_parser = clap::value_parser!(u16).range(1..))]
    window: Option<u16>,
    /// Keep the providers here instead of in a temporary directory; must not exist or be empty
    #[arg(long, value_name = "DIRECTORY", global = true)]
    dir: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Scenario {
    /// One room: users of the hub write, one device at another provider receives
    OneToOne {
        /// Devices that write, each of its own user
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = count(1_000))]
        senders: u32,
    },
    /// One room with many devices at another provider
    FanOut {
        /// Devices that receive
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = count(3_000))]
        devices: u32,
    },
    /// One room written to at a fixed rate: latency end to end
    Latency {
        /// Messages a second
        #[arg(long, value_name = "N", default_value = "50", value_parser = rate)]
        rate: f64,
    },
    /// Many rooms written at once
    Rooms {
        /// Rooms
        #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = count(20_000))]
        rooms: u32,
    },
    /// One room that many providers follow, with one device each
    Followers {
        /// Providers besides the hub
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = count(200))]
        followers: u32,
    },
    /// Members added one by one to a large room
    ///
    /// `sent` counts commits, and `p50_ms` is from a commit's request to its answer. `join_p50_ms` has
    /// the committer's own work in it; `first_message_ms` is from there until a newcomer's first
    /// message is accepted.
    Commits {
        /// Members of the room
        #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = count(50_000))]
        members: u32,
    },
    /// A hub with many rooms starts, and rooms that are not in its memory are written to
    ///
    /// `start_ms` is until it takes requests.
    ColdStart {
        /// Rooms
        #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = count(1_000_000))]
        rooms: u32,
    },
    /// Memory without and with load, and octets on disk of a message with few and many local devices
    Footprint,
}

impl Bench {
    pub(crate) async fn run(self) -> ExitCode {
        let mut interrupt = match Interrupt::listen() {
            Ok(interrupt) => interrupt,
            Err(error) => return Failure::from(error).complain(),
        };
        let progress = Progress::new();
        let measured = tokio::select! {
            measured = self.measure(&progress) => measured,
            () = interrupt.received() => Err("stopped".to_owned()),
        };
        match measured {
            Ok(report) => self.print(&report),
            Err(error) => Failure::from(error).complain(),
        }
    }

    async fn measure(&self, progress: &Progress) -> Result<Report, String> {
        let warm_up = self.warm_up.unwrap_or(Duration::from_secs_f64(WARM_UP_S));
        let settings = &Settings {
            duration: self.duration,
            warm_up: warm_up.min(self.duration),
            directory: self.dir.clone(),
        };
        let window = self.window.map_or(WINDOW, usize::from);
        let to_one = People { senders: 1, followers: 1, devices: 1 };
        match self.scenario {
            Scenario::OneToOne { senders } => {
                let people = People { senders: as_usize(senders), ..to_one };
                let load = Load::Window(window);
                let mut report =
                    one_room::run("one-to-one", people, load, settings, progress).await?;
                report.add("senders", senders);
                Ok(report)
            }
            Scenario::FanOut { devices } => {
                let people = People { devices: as_usize(devices), ..to_one };
                let load = Load::Window(self.window.map_or(WINDOW_FAN_OUT, usize::from));
                let mut report = one_room::run("fan-out", people, load, settings, progress).await?;
                report.add("devices", devices);
                Ok(report)
            }
            Scenario::Latency { rate } => {
                let load = Load::Rate(rate);
                let mut report = one_room::run("latency", to_one, load, settings, progress).await?;
                report.add("rate", rate);
                Ok(report)
            }
            Scenario::Followers { followers } => {
                let people = People { followers: as_usize(followers), ..to_one };
                let load = Load::Window(self.window.map_or(WINDOW_FAN_OUT, usize::from));
                let mut report =
                    one_room::run("followers", people, load, settings, progress).await?;
                report.add("followers", followers);
                Ok(report)
            }
            Scenario::Rooms { rooms } => {
                rooms::run(as_usize(rooms), window, settings, progress).await
            }
            Scenario::Commits { members } => {
                commits::run(as_usize(members), settings, progress).await
            }
            Scenario::ColdStart { rooms } => {
                cold_start::run(as_usize(rooms), settings, progress).await
            }
            Scenario::Footprint => footprint::run(window, settings, progress).await,
        }
    }

    fn print(&self, report: &Report) -> ExitCode {
        match self.json {
            true => say(&serde_json::to_string(report).expect("numbers, texts and maps of them")),
            false => say(&report.table()),
        }
        match report.is_whole() {
            true => ExitCode::SUCCESS,
            false => Failure::new(&"something was lost, doubled or reordered").complain(),
        }
    }
}

fn as_usize(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn count(max: i64) -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=max)
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    match seconds > 0.0 && seconds <= SECONDS_MAX {
        true => Ok(Duration::from_secs_f64(seconds)),
        false => Err(format!("more than 0, at most {SECONDS_MAX}")),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    match (0.1..=100_000.0).contains(&rate) {
        true => Ok(rate),
        false => Err("from 0.1 to 100000 messages a second".to_owned()),
    }
}
