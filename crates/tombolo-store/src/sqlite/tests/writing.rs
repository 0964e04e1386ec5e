//! The writer alone, on a disk that fills up.

use std::sync::Arc;

use mimi_provider::Change;

use super::Scratch;
use crate::conformance::facts::{entries, event, room};
use crate::sqlite::ends::ENDS_MAX;
use crate::sqlite::files::{self, FileLock, Native};
use crate::sqlite::schema;
use crate::sqlite::tail::Tail;
use crate::sqlite::writer::{Counters, Work, Writer};
use crate::{Commit, StoreError};

fn commit(changes: Vec<Change>) -> Work {
    Work::Commit(Commit { expect: Vec::new(), changes })
}

/// An entry that takes about so many pages.
fn large(seq: u64, pages: usize) -> Work {
    let mut event = event(&room("club"), seq);
    event.payload = vec![b'S'; pages * 4096];
    commit(vec![Change::Append(event)])
}

fn seqs(scratch: &Scratch) -> Vec<u64> {
    let db = scratch.raw();
    let mut statement = db.prepare("SELECT seq FROM events ORDER BY id").unwrap();
    let found = statement.query_map([], |row| row.get::<_, i64>(0)).unwrap();
    found.map(|seq| seq.unwrap().cast_unsigned()).collect()
}

#[test]
fn a_full_disk_acknowledges_nothing_that_is_not_there() {
    let scratch = super::inline();
    let path = files::create(&Native, &scratch.path()).unwrap();
    let lock = FileLock::take(&Native, &path).unwrap();
    let db = schema::open_writer(&path, None).unwrap();
    let pages: i64 = db.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    db.pragma_update(None, "max_page_count", pages + 20).unwrap();
    let counters = Arc::new(Counters::default());
    let mut writer = Writer::new(db, lock, Arc::clone(&counters), Arc::new(Tail::new(0)));

    let outcomes = writer.write(&[large(1, 2), large(2, 2)]);
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    let outcomes = writer.write(&[large(3, 2), large(4, 100), large(3, 1), large(4, 1)]);
    let kept: Vec<_> = outcomes.iter().map(Result::is_ok).collect();
    for outcome in outcomes.iter().filter(|outcome| outcome.is_err()) {
        let text = format!("{outcome:?}");
        assert!(!text.contains("SSSS"), "no payload in an error: {text}");
    }
    assert!(matches!(outcomes[1], Err(StoreError::Unavailable(_))), "{outcomes:?}");
    // Those that were acknowledged are there, and no others, however SQLite undid the large one.
    let acknowledged = 2 + kept.iter().filter(|kept| **kept).count();
    assert_eq!(seqs(&scratch).len(), acknowledged, "{outcomes:?}");
    // And the writer goes on.
    let next = acknowledged as u64 + 1;
    let outcomes = writer.write(&[commit(entries(&room("club"), next, next))]);
    assert!(outcomes[0].is_ok(), "{outcomes:?}");
    assert_eq!(seqs(&scratch), (1..=next).collect::<Vec<_>>());
}

#[test]
fn a_transaction_that_fails_fails_all_its_commits() {
    let scratch = super::inline();
    let path = files::create(&Native, &scratch.path()).unwrap();
    let lock = FileLock::take(&Native, &path).unwrap();
    let db = schema::open_writer(&path, None).unwrap();
    db.busy_timeout(std::time::Duration::ZERO).unwrap();
    let counters = Arc::new(Counters::default());
    let mut writer = Writer::new(db, lock, Arc::clone(&counters), Arc::new(Tail::new(0)));
    let other = scratch.raw();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let outcomes = writer.write(&[large(1, 1), large(2, 1), large(9, 1)]);
    assert!(
        outcomes.iter().all(|outcome| matches!(outcome, Err(StoreError::Failed(_)))),
        "{outcomes:?}"
    );
    assert_eq!(counters.read().transactions, 0);
    other.execute_batch("COMMIT").unwrap();
    let outcomes = writer.write(&[large(1, 1), large(2, 1), large(9, 1)]);
    assert_eq!(outcomes.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, false]);
    assert_eq!(counters.read().commits, 2);
    assert_eq!(seqs(&scratch), [1, 2]);
}

/// However many logs were written since, each goes on where it ended.
#[test]
fn more_logs_are_written_than_are_remembered() {
    let scratch = super::inline();
    let path = files::create(&Native, &scratch.path()).unwrap();
    let lock = FileLock::take(&Native, &path).unwrap();
    let db = schema::open_writer(&path, None).unwrap();
    let tail = Arc::new(Tail::new(0));
    let mut writer = Writer::new(db, lock, Arc::new(Counters::default()), tail);
    for count in [ENDS_MAX, ENDS_MAX + 1] {
        let rooms: Vec<_> = (0..count).map(|number| room(&format!("{count}-{number}"))).collect();
        for seq in 1..=2 {
            let work: Vec<_> = rooms.iter().map(|room| commit(entries(room, seq, seq))).collect();
            let outcomes = writer.write(&work);
            assert!(outcomes.iter().all(Result::is_ok), "{count} logs, entry {seq}");
        }
        let gap = writer.write(&[commit(entries(&rooms[0], 4, 4))]);
        assert!(matches!(gap[0], Err(StoreError::Conflict(_))), "{gap:?}");
    }
}
