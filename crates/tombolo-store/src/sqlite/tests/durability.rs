//! What was acknowledged survives the death of the process, at any moment.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::Scratch;
use crate::Store;
use crate::conformance::facts::{entries, event, room};
use crate::conformance::{Subject, write};
use crate::sqlite::{OpenError, Options, SqliteStore};

/// Where the child finds its file.
const CHILD: &str = "TOMBOLO_STORE_TEST_FILE";
const ROOMS: usize = 8;

fn room_number(number: usize) -> mimi_wire::MimiUri {
    room(&format!("room-{number}"))
}

/// Not a test of its own: what [`acknowledged_is_durable`] starts, to be killed.
#[test]
fn the_child() {
    let Ok(path) = env::var(CHILD) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let store = std::sync::Arc::new(SqliteStore::open(path, Options::default()).unwrap());
    let mut tasks = Vec::new();
    for number in 0..ROOMS {
        let store = std::sync::Arc::clone(&store);
        tasks.push(runtime.spawn(async move {
            let room = room_number(number);
            let mut seq = store.last_seq(&room).await.unwrap();
            loop {
                seq += 1;
                write(&*store, entries(&room, seq, seq)).await.unwrap();
                let mut out = std::io::stdout();
                out.write_all(format!("\nacknowledged {number} {seq}\n").as_bytes()).unwrap();
                out.flush().unwrap();
            }
        }));
    }
    for task in tasks {
        // Ends when the pipe breaks, should nobody kill us.
        let _ = runtime.block_on(task);
    }
}

fn start_child(path: &Path) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["sqlite::tests::durability::the_child", "--exact", "--nocapture"])
        .env(CHILD, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn acknowledgement(line: &str) -> Option<(usize, u64)> {
    let (number, seq) = line.strip_prefix("acknowledged ")?.split_once(' ')?;
    Some((number.parse().ok()?, seq.parse().ok()?))
}

#[tokio::test]
async fn acknowledged_is_durable() {
    let scratch: Scratch = super::own();
    let mut acknowledged = [0; ROOMS];
    for round in 1..=4_u64 {
        let mut child = start_child(&scratch.path());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut note = |line: &str| {
            let found = acknowledgement(line);
            if let Some((number, seq)) = found {
                acknowledged[number] = acknowledged[number].max(seq);
            }
            u64::from(found.is_some())
        };
        let mut count = 0;
        while count < 37 * round {
            count += note(&lines.next().unwrap().unwrap());
        }
        let second = SqliteStore::open(scratch.path(), Options::default());
        assert!(matches!(second, Err(OpenError::InUse(_))), "another process writes");
        child.kill().unwrap();
        // What was on its way when it died was acknowledged, too; the last line may be cut.
        while let Some(Ok(line)) = lines.next() {
            note(&line);
        }
        child.wait().unwrap();

        let store = scratch.open();
        for (number, seq) in (0..).zip(acknowledged) {
            let room = room_number(number);
            let log = store.log(&room, 0, usize::MAX).await.unwrap();
            assert!(log.len() as u64 >= seq, "{} of {seq} in room {number}", log.len());
            for (seq, entry) in (1..).zip(log) {
                assert_eq!(entry.event, event(&room, seq));
            }
        }
        assert!(acknowledged.iter().sum::<u64>() >= 37);
    }
}
