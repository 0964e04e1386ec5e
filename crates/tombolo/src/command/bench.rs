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
use crate::bench::soak::{self, Plan};
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

#[derive(Clone, Debug, Subcommand)]
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
    /// Providers and devices under load that are killed, frozen and restarted at random
    ///
    /// Every provider and every device is a process of its own, with its file on disk; people come and
    /// go, and new devices come. Every message is counted: accepted is shown exactly once by every device
    /// that was in the room, in one order; what a killed writer did not hear about, by all or none.
    /// `--duration` is of load and faults; a summary follows once everything has arrived. If anything is
    /// wrong, the directory with all files, logs and `soak.log` stays.
    Soak(Soak),
    #[command(hide = true)]
    SoakDevice(soak::SoakDevice),
}

#[derive(Args, Clone, Debug)]
struct Soak {
    /// Of when who is killed, and of who writes where [default: another each time]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Providers
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(2..=20))]
    providers: u32,
    /// Devices that stay, each of a user of its own; at least one at each provider
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = count(200))]
    devices: u32,
    /// Rooms, hosted by all of the providers
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = count(1_000))]
    rooms: u32,
    /// Messages a second, of all devices together
    #[arg(long, value_name = "N", default_value = "20", value_parser = rate)]
    rate: f64,
    /// Seconds between two faults, on average
    #[arg(long, value_name = "S", default_value = "2", value_parser = seconds)]
    fault_every: Duration,
}

impl Bench {
    pub(crate) async fn run(self) -> ExitCode {
        let mut interrupt = match Interrupt::listen() {
            Ok(interrupt) => interrupt,
            Err(error) => return Failure::from(error).complain(),
        };
        if let Scenario::SoakDevice(device) = self.scenario {
            return match device.run().await {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => Failure::from(error).complain(),
            };
        }
        let progress = Progress::new();
        let measured = tokio::select! {
            measured = self.found(&progress) => measured,
            () = interrupt.received() => Err("stopped".to_owned()),
        };
        measured.unwrap_or_else(|error| Failure::from(error).complain())
    }

    async fn found(&self, progress: &Progress) -> Result<ExitCode, String> {
        let Scenario::Soak(soak) = &self.scenario else {
            return self.measure(progress).await.map(|report| self.print(&report));
        };
        let summary = soak::run(&soak.plan(self)?, progress).await?;
        match self.json {
            true => say(&serde_json::to_string(&summary).expect("numbers, texts and maps of them")),
            false => say(&summary.in_words()),
        }
        Ok(match summary.is_whole() {
            true => ExitCode::SUCCESS,
            false => Failure::new(&"something is not as it must be").complain(),
        })
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
        match self.scenario.clone() {
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
            Scenario::Soak(_) | Scenario::SoakDevice(_) => Err("no measurement".to_owned()),
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

impl Soak {
    fn plan(&self, bench: &Bench) -> Result<Plan, String> {
        if self.devices < self.providers {
            return Err("--devices: at least one at each provider".to_owned());
        }
        Ok(Plan {
            duration: bench.duration,
            seed: self.seed.unwrap_or_else(rand::random),
            providers: as_usize(self.providers),
            devices: as_usize(self.devices),
            rooms: as_usize(self.rooms),
            rate: self.rate,
            fault_every: self.fault_every,
            directory: bench.dir.clone(),
        })
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
