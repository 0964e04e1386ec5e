use std::path::PathBuf;

use rand::SeedableRng;
use rand::rngs::StdRng;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{Disk, Trouble, VFS};

struct Place {
    disk: Disk,
    file: PathBuf,
}

impl Place {
    fn new(name: &str, seed: u64) -> Self {
        let folder = PathBuf::from(format!("/{name}/{seed}"));
        let disk = Disk::mounted(&folder, StdRng::seed_from_u64(seed));
        let file = folder.join("database");
        disk.create(&file).unwrap();
        disk.sync_folder().unwrap();
        Self { disk, file }
    }

    fn open(&self, synchronous: &str) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags_and_vfs(&self.file, flags, VFS)?;
        let mode: String = db.query_row("PRAGMA journal_mode = wal", [], |row| row.get(0))?;
        assert_eq!(mode, "wal");
        db.pragma_update(None, "synchronous", synchronous)?;
        db.execute_batch("CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY, b BLOB)")?;
        Ok(db)
    }
}

fn insert(db: &Connection) -> rusqlite::Result<usize> {
    db.execute("INSERT INTO t (b) VALUES (zeroblob(5000))", [])
}

fn count(db: &Connection) -> i64 {
    let check: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    db.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap()
}

/// Rows there are after ten commits and a crash.
fn left_after_a_crash(synchronous: &str, seed: u64) -> i64 {
    let place = Place::new(&format!("left-{synchronous}"), seed);
    let db = place.open(synchronous).unwrap();
    for _ in 0..10 {
        insert(&db).unwrap();
    }
    place.disk.power_off();
    assert_eq!(insert(&db).unwrap_err().sqlite_error_code(), Some(ErrorCode::SystemIoFailure));
    drop(db);
    place.disk.crash();
    count(&place.open(synchronous).unwrap())
}

#[test]
fn what_is_synced_survives_and_what_is_not_may_be_lost() {
    for seed in 0..40 {
        assert_eq!(left_after_a_crash("full", seed), 10, "seed {seed}");
    }
    let left: Vec<_> = (0..40).map(|seed| left_after_a_crash("normal", seed)).collect();
    for expected in [0..1, 1..10, 10..11] {
        assert!(left.iter().any(|rows| expected.contains(rows)), "{left:?}");
    }
}

#[test]
fn several_connections_share_a_log() {
    let place = Place::new("shared", 1);
    let writer = place.open("full").unwrap();
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let reader = || Connection::open_with_flags_and_vfs(&place.file, flags, VFS).unwrap();
    let (first, second) = (reader(), reader());
    first.execute_batch("BEGIN").unwrap();
    assert_eq!(count(&first), 0);
    insert(&writer).unwrap();
    assert_eq!((count(&first), count(&second)), (0, 1), "a reader stays where it began");
    let other = place.open("full").unwrap();
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    other.busy_timeout(std::time::Duration::ZERO).unwrap();
    assert_eq!(insert(&other).unwrap_err().sqlite_error_code(), Some(ErrorCode::DatabaseBusy));
    writer.execute_batch("COMMIT").unwrap();
    drop((first, second, other, writer));
    // The last one has moved the log into the file.
    let names: Vec<_> = place.disk.copy().0.into_keys().collect();
    assert_eq!(names, [place.file.to_str().unwrap()]);
    assert_eq!(count(&place.open("full").unwrap()), 1);
}

/// Wherever the power fails, the file opens again and holds what was said to be written, and at most
/// the one row more that was on its way.
#[test]
fn the_power_may_fail_in_any_change() {
    let mut failed = 0;
    for changes in 0..120 {
        let place = Place::new("anywhere", changes);
        place.disk.power_off_after(changes);
        let mut written = 0;
        if let Ok(db) = place.open("full") {
            for _ in 0..6 {
                written += i64::from(insert(&db).is_ok());
            }
        }
        failed += i64::from(!place.disk.is_on());
        place.disk.crash();
        let found = count(&place.open("full").unwrap());
        assert!((written..=written + 1).contains(&found), "{changes}: {found} of {written}");
    }
    assert!((20..120).contains(&failed), "{failed}");
}

/// A file of which no synced folder knows may be gone.
#[test]
fn a_name_is_durable_once_its_folder_is_synced() {
    let gone = (0..20).filter(|seed| {
        let place = Place::new("names", *seed);
        let other = place.file.with_file_name("other");
        place.disk.create(&other).unwrap();
        place.disk.crash();
        let names = place.disk.copy().0;
        assert!(names.contains_key(place.file.to_str().unwrap()));
        !names.contains_key(other.to_str().unwrap())
    });
    assert!((5..16).contains(&gone.count()));
}

#[test]
fn a_lock_has_one_holder() {
    let place = Place::new("lock", 1);
    let lock = place.disk.lock(&place.file).unwrap();
    assert!(place.disk.lock(&place.file).is_none());
    drop(lock);
    let _held = place.disk.lock(&place.file).unwrap();
    place.disk.crash();
    assert!(place.disk.lock(&place.file).is_some());
}

#[test]
fn a_full_disk_takes_no_more_until_there_is_room() {
    let place = Place::new("full", 1);
    let db = place.open("full").unwrap();
    insert(&db).unwrap();
    place.disk.set_trouble(Some(Trouble::Full));
    assert_eq!(insert(&db).unwrap_err().sqlite_error_code(), Some(ErrorCode::DiskFull));
    assert_eq!(count(&db), 1);
    place.disk.set_trouble(Some(Trouble::ReadOnly));
    assert_eq!(insert(&db).unwrap_err().sqlite_error_code(), Some(ErrorCode::SystemIoFailure));
    place.disk.set_trouble(None);
    insert(&db).unwrap();
    assert_eq!(count(&db), 2);
}

#[test]
fn a_disk_that_lies_loses_what_it_has_said_to_have() {
    let lost = (0..20).filter(|seed| {
        let place = Place::new("lying", *seed);
        let db = place.open("full").unwrap();
        place.disk.set_lying(true);
        insert(&db).unwrap();
        place.disk.crash();
        drop(db);
        count(&place.open("full").unwrap()) == 0
    });
    assert!((5..20).contains(&lost.count()));
}

#[test]
fn a_copy_is_put_back() {
    let place = Place::new("copied", 1);
    let db = place.open("full").unwrap();
    insert(&db).unwrap();
    let copy = place.disk.copy();
    insert(&db).unwrap();
    drop(db);
    place.disk.put_back(&copy);
    assert_eq!(count(&place.open("full").unwrap()), 1);
}

#[test]
fn a_change_waits_at_the_gate() {
    let place = Place::new("gate", 1);
    let db = place.open("full").unwrap();
    place.disk.hold();
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            let written = insert(&db);
            drop(db);
            written
        });
        assert!(place.disk.wait_until_held(std::time::Duration::from_secs(60)));
        assert!(!writing.is_finished());
        place.disk.release();
        assert_eq!(writing.join().unwrap(), Ok(1));
    });
}
