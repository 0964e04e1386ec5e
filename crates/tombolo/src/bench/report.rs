//! What a measurement found, in the fixed form that others script, and as a table for people.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value};
use tombolo_server::running::{JOURNAL_MODE, SYNCHRONOUS};

use super::federation::LIFTED;
use super::phase::{Counts, percentile_ms};
use super::usage::{self, Cores};

/// One value for the hub and one for those that follow it.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Sides {
    /// The hub.
    pub(crate) a: Option<f64>,
    /// The follower. Of several: all their processors, the memory of the largest.
    pub(crate) b: Option<f64>,
}

/// The fixed form. Fields beside these are a scenario's own.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) scenario: &'static str,
    /// Messages that the hub has accepted.
    pub(crate) sent: u64,
    /// Times one came to a device that it was for.
    pub(crate) delivered: u64,
    pub(crate) lost: u64,
    pub(crate) duplicated: u64,
    pub(crate) reordered: u64,
    pub(crate) messages_per_second: f64,
    pub(crate) deliveries_per_second: f64,
    /// From due to delivered; of commits, from request to answer.
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p99_ms: Option<f64>,
    pub(crate) server_cpu_cores: Sides,
    pub(crate) client_cpu_cores: Option<f64>,
    pub(crate) rss_mib: Sides,
    /// Whether what the hub accepted was on a disk, and synced, before it said so.
    pub(crate) durable: bool,
    #[serde(flatten)]
    pub(crate) details: Map<String, Value>,
}

impl Report {
    /// Puts together what was counted and what it took.
    pub(crate) fn new(
        scenario: &'static str,
        counts: &Counts,
        cores: &Cores,
        pids: &[u32],
        directory: &Path,
    ) -> Self {
        let per_second = |count: u64| match counts.seconds > 0.0 {
            true => rounded(as_f64(count) / counts.seconds, 1),
            false => 0.0,
        };
        let storage = Storage::of(directory);
        let memory: Vec<_> = pids.iter().map(|pid| usage::memory_mib(*pid)).collect();
        let now: Vec<_> = memory.iter().map(|memory| memory.map(|(now, _)| now)).collect();
        let most: Vec<_> = memory.iter().map(|memory| memory.map(|(_, most)| most)).collect();
        let mut report = Self {
            scenario,
            sent: counts.sent,
            delivered: counts.delivered,
            lost: counts.lost,
            duplicated: counts.duplicated,
            reordered: counts.reordered,
            messages_per_second: per_second(counts.sent),
            deliveries_per_second: per_second(counts.delivered),
            p50_ms: percentile_ms(&counts.latencies_us, 500).map(|ms| rounded(ms, 3)),
            p99_ms: percentile_ms(&counts.latencies_us, 990).map(|ms| rounded(ms, 3)),
            server_cpu_cores: sides(&cores.providers, total),
            client_cpu_cores: cores.client.map(|cores| rounded(cores, 3)),
            rss_mib: sides(&now, largest),
            durable: storage.is_durable(),
            details: Map::new(),
        };
        report.add("rss_peak_mib", sides(&most, largest));
        report.add("other_cpu_cores", cores.others.map(|cores| rounded(cores, 3)));
        report.add("seconds", rounded(counts.seconds, 3));
        report.add("refused", counts.refused);
        if let Some(why) = &counts.first_refusal {
            report.add("first_refusal", why);
        }
        report.add("durability", storage);
        let lifted =
            LIFTED.iter().map(|(section, key, value)| (format!("{section}.{key}"), *value));
        report.add("limits_lifted", lifted.collect::<BTreeMap<_, _>>());
        let build = if cfg!(debug_assertions) { "development" } else { "release" };
        report.add("build", build);
        report.add("version", env!("CARGO_PKG_VERSION"));
        report.add("cores", std::thread::available_parallelism().map_or(0, usize::from));
        report
    }

    /// Adds a field of the scenario's own.
    pub(crate) fn add(&mut self, name: &str, value: impl Serialize) {
        let value = serde_json::to_value(value).expect("numbers, texts and maps of them");
        self.details.insert(name.to_owned(), value);
    }

    /// Whether every message came, once and in order.
    pub(crate) fn is_whole(&self) -> bool {
        self.lost == 0 && self.duplicated == 0 && self.reordered == 0
    }

    /// One line a field.
    pub(crate) fn table(&self) -> String {
        let value = serde_json::to_value(self).expect("numbers, texts and maps of them");
        let Value::Object(fields) = value else { return String::new() };
        let lines = fields.iter().map(|(name, value)| format!("{name:<24}{}", shown(value)));
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// A value as a person reads it.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "unknown".to_owned(),
        Value::String(text) => text.clone(),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| format!("{name}: {}", shown(value)));
            fields.collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

/// How the providers keep what they have answered for.
#[derive(Clone, Debug, Serialize)]
struct Storage {
    journal_mode: &'static str,
    synchronous: &'static str,
    /// Of the directory with the databases; unknown where there is no `/proc/mounts`.
    file_system: Option<String>,
}

/// File systems that forget everything when the machine stops.
const VOLATILE: [&str; 2] = ["tmpfs", "ramfs"];

impl Storage {
    fn of(directory: &Path) -> Self {
        let mounts = std::fs::read_to_string("/proc/mounts").ok();
        let path = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
        let file_system = mounts.and_then(|mounts| file_system_of(&mounts, &path));
        Self { journal_mode: JOURNAL_MODE, synchronous: SYNCHRONOUS, file_system }
    }

    fn is_durable(&self) -> bool {
        let volatile = self.file_system.as_deref().is_some_and(|name| VOLATILE.contains(&name));
        matches!(self.synchronous, "full" | "extra") && !volatile
    }
}

/// The type of the innermost mount a path is in.
fn file_system_of(mounts: &str, path: &Path) -> Option<String> {
    let mounts = mounts.lines().filter_map(|line| {
        let mut columns = line.split_whitespace();
        let (_, at, kind) = (columns.next()?, columns.next()?, columns.next()?);
        path.starts_with(at).then(|| (at.len(), kind.to_owned()))
    });
    // Of two mounts at one place the later one counts.
    mounts.max_by_key(|(length, _)| *length).map(|(_, kind)| kind)
}

fn sides(values: &[Option<f64>], of: impl Fn(&[f64]) -> Option<f64>) -> Sides {
    let (hub, followers) = values.split_first().map_or((None, [].as_slice()), |it| (*it.0, it.1));
    let followers: Option<Vec<f64>> = followers.iter().copied().collect();
    let round = |value| rounded(value, 3);
    Sides { a: hub.map(round), b: followers.and_then(|values| of(&values)).map(round) }
}

fn total(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum())
}

fn largest(values: &[f64]) -> Option<f64> {
    values.iter().copied().reduce(f64::max)
}

/// So many digits behind the point.
pub(crate) fn rounded(value: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (value * scale).round() / scale
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(crate) fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Storage, file_system_of, largest, sides, total};

    #[test]
    fn the_innermost_mount_says_the_file_system() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/b /tmp/disk xfs rw 0 0";
        assert_eq!(file_system_of(mounts, Path::new("/home/x")).as_deref(), Some("ext4"));
        assert_eq!(file_system_of(mounts, Path::new("/tmp/disk/y")).as_deref(), Some("xfs"));
        let kind = file_system_of(mounts, Path::new("/tmp/y"));
        assert_eq!(kind.as_deref(), Some("tmpfs"));
        let kept = |synchronous, file_system: Option<&str>| Storage {
            journal_mode: "wal",
            synchronous,
            file_system: file_system.map(str::to_owned),
        };
        assert!(kept("full", Some("ext4")).is_durable());
        assert!(!kept("full", Some("tmpfs")).is_durable());
        assert!(!kept("normal", Some("ext4")).is_durable());
    }

    #[test]
    fn followers_are_put_together() {
        let values = [Some(1.0), Some(2.0), Some(3.0)];
        assert_eq!(sides(&values, total).b, Some(5.0));
        assert_eq!(sides(&values, largest).b, Some(3.0));
        let unknown = [Some(1.0), None];
        assert_eq!((sides(&unknown, total).a, sides(&unknown, total).b), (Some(1.0), None));
    }
}
