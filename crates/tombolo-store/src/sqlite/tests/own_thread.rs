//! Blocking work is done where it may block.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::conformance::facts::{entries, room};
use crate::conformance::{Subject, write};
use crate::sqlite::readers::READERS_MAX;
use crate::sqlite::writer::{BATCH_MAX, WAITING_MAX};
use crate::sqlite::{Options, SqliteStore, Threads};
use crate::{Store, StoreError};

/// On a runtime with a single thread.
#[tokio::test]
async fn reads_leave_the_runtimes_threads_alone() {
    let scratch = super::own();
    let store = scratch.open();
    let here = thread::current().id();
    let there = store.read(|_| Ok(thread::current().id())).await.unwrap();
    assert_ne!(here, there);
    let scratch = super::inline();
    let store = scratch.open();
    assert_eq!(store.read(|_| Ok(thread::current().id())).await, Ok(here));
}

#[test]
fn without_threads_no_runtime_is_needed() {
    let scratch = super::inline();
    let store = scratch.open();
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let mut commit = write(&store, entries(&room("club"), 1, 1));
    assert!(commit.as_mut().poll(&mut context).is_ready());
    let mut read = store.accounts();
    assert!(read.as_mut().poll(&mut context).is_ready());
}

#[test]
fn a_read_without_a_runtime_is_an_error() {
    let scratch = super::own();
    let store = scratch.open();
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let mut read = store.accounts();
    let std::task::Poll::Ready(outcome) = read.as_mut().poll(&mut context) else { panic!() };
    assert!(matches!(outcome, Err(StoreError::Failed(_))));
}

/// At most so many connections, whatever is asked at once; none is lost when nobody waits for it.
#[tokio::test]
async fn reads_take_turns() {
    let scratch = super::own();
    let store = Arc::new(scratch.open());
    let slow = || {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            store
                .read(|_| {
                    thread::sleep(Duration::from_millis(2));
                    Ok(())
                })
                .await
        })
    };
    let reads: Vec<_> = (0..READERS_MAX * 5).map(|_| slow()).collect();
    for (number, read) in reads.into_iter().enumerate() {
        match number % 3 {
            0 => read.abort(),
            _ => read.await.unwrap().unwrap(),
        }
    }
    let idle = store.readers.idle().len();
    assert!((1..=READERS_MAX).contains(&idle), "{idle}");
}

/// N commits at once take far fewer than N transactions.
#[tokio::test]
async fn whatever_waits_is_one_transaction() {
    let scratch = super::own();
    let store = scratch.open();
    // Another connection keeps the writer from the first; the rest comes meanwhile.
    let other = scratch.raw();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let commits: Vec<_> =
        (1..=400).map(|seq| write(&store, entries(&room("club"), seq, seq))).collect();
    other.execute_batch("COMMIT").unwrap();
    for commit in commits {
        commit.await.unwrap();
    }
    let statistics = store.statistics();
    assert_eq!(statistics.commits, 400);
    assert!(statistics.transactions <= 2, "{statistics:?}");
}

/// The queue is bounded: one more than it holds is refused, and nothing of the rest is lost.
#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    let scratch = super::own();
    let store = scratch.open();
    let club = room("club");
    // Another connection keeps the writer busy with its first commit.
    let other = scratch.raw();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut waiting = vec![write(&store, entries(&club, 1, 1))];
    while queued(&store) > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for seq in 2..=WAITING_MAX as u64 + 1 {
        waiting.push(write(&store, entries(&club, seq, seq)));
    }
    assert_eq!(queued(&store), WAITING_MAX);
    let refused = write(&store, entries(&room("attic"), 1, 1)).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))));
    other.execute_batch("COMMIT").unwrap();
    for commit in waiting {
        commit.await.unwrap();
    }
    assert_eq!(store.last_seq(&club).await, Ok(WAITING_MAX as u64 + 1));
    assert_eq!(store.last_seq(&room("attic")).await, Ok(0));
    assert_eq!(store.statistics().transactions, 1 + (WAITING_MAX / BATCH_MAX) as u64);
}

fn queued(store: &SqliteStore) -> usize {
    match &store.writes {
        crate::sqlite::Writes::Own { queue: Some(queue), .. } => WAITING_MAX - queue.capacity(),
        _ => panic!("a store with its own thread"),
    }
}

/// What is queued when the store is dropped is written all the same.
#[tokio::test]
async fn dropping_the_store_writes_what_waits() {
    let scratch = super::own();
    let store = scratch.open();
    let last = (1..=200).map(|seq| write(&store, entries(&room("club"), seq, seq))).last();
    drop(store);
    last.unwrap().await.unwrap();
    assert_eq!(scratch.open().last_seq(&room("club")).await, Ok(200));
}

#[test]
fn the_default_is_a_thread_of_its_own() {
    assert_eq!(Options::default().threads, Threads::Own);
}
