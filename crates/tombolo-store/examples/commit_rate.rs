//! How many durable commits per second a file takes, with so many in flight:
//!
//! ```text
//! cargo run --release -p tombolo-store --example commit_rate [folder]
//! ```
//!
//! Each commit is what accepting a message writes: an entry of 400 octets for two peers, under the
//! condition that its room has not moved.

use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mimi_provider::record::{EventKind, NewEvent};
use mimi_provider::{Change, Expect};
use mimi_wire::{Domain, MimiUri};
use tombolo_store::sqlite::{Options, SqliteStore};
use tombolo_store::{Commit, Store, StoreError};

const DURATION: Duration = Duration::from_secs(3);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = folder.join(format!("tombolo-commit-rate-{}", std::process::id()));
    std::fs::create_dir(&folder)?;
    let mut out = std::io::stdout();
    for in_flight in [1, 16, 128] {
        let path = folder.join(format!("{in_flight}.sqlite"));
        let store = Arc::new(SqliteStore::open(path, Options::default())?);
        let (latencies, seconds) = measure(&store, in_flight).await?;
        let statistics = store.statistics();
        let millis = |place: usize| latencies[place].as_secs_f64() * 1000.0;
        writeln!(
            out,
            "{in_flight:>4} in flight: {:>7.0} commits/s in {:>6.0} transactions/s, \
             median {:.2} ms, 99 % within {:.2} ms",
            latencies.len() as f64 / seconds,
            statistics.transactions as f64 / seconds,
            millis(latencies.len() / 2),
            millis(latencies.len() * 99 / 100),
        )?;
    }
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

/// Sorted latencies, and how long it took.
async fn measure(
    store: &Arc<SqliteStore>,
    in_flight: usize,
) -> Result<(Vec<Duration>, f64), Box<dyn Error>> {
    let begin = Instant::now();
    let mut tasks = Vec::new();
    for number in 0..in_flight {
        let room = MimiUri::new(&format!("mimi://a.example/r/room-{number}"))?;
        tasks.push(tokio::spawn(write_to(Arc::clone(store), room, begin)));
    }
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await??);
    }
    let seconds = begin.elapsed().as_secs_f64();
    latencies.sort_unstable();
    Ok((latencies, seconds))
}

async fn write_to(
    store: Arc<SqliteStore>,
    room: MimiUri,
    begin: Instant,
) -> Result<Vec<Duration>, StoreError> {
    let peers: Vec<_> =
        ["b.example", "c.example"].iter().filter_map(|name| Domain::new(name).ok()).collect();
    let mut latencies = Vec::new();
    for seq in 1.. {
        let asked = Instant::now();
        if asked - begin > DURATION {
            break;
        }
        let event = NewEvent {
            stream: room.clone(),
            seq,
            kind: EventKind::Application,
            timestamp_ms: seq,
            payload: vec![0x5a; 400],
            audience: peers.clone(),
            targets: None,
            detail: Vec::new(),
        };
        let expect = vec![Expect::StreamSeq { stream: room.clone(), seq: seq - 1 }];
        store.commit(Commit { expect, changes: vec![Change::Append(event)] }).await?;
        latencies.push(asked.elapsed());
    }
    Ok(latencies)
}
