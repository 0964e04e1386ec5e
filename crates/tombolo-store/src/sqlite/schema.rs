//! The file: its settings and its schema, brought up to date by numbered steps that are only added.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::OpenError;

/// Step n (from 1) leads from schema n - 1 to schema n. A step that has shipped is never edited.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_first.sql"),
    include_str!("migrations/0002_account_claims.sql"),
    include_str!("migrations/0003_fixed_and_dependent_rooms.sql"),
    include_str!("migrations/0004_profiles.sql"),
    include_str!("migrations/0005_devices_last_seen.sql"),
    include_str!("migrations/0006_eras_and_stale_followers.sql"),
    include_str!("migrations/0007_contact.sql"),
    include_str!("migrations/0008_owed_removals.sql"),
];
/// Marks a file as ours, in its header: "TOMB".
const APPLICATION_ID: i64 = 0x544f_4d42;
/// How changes are written: to a log beside the file first.
pub const JOURNAL_MODE: &str = "wal";
/// When a transaction counts as written: once the log is synced.
pub const SYNCHRONOUS: &str = "full";
/// Pages in the log before they are moved to the file: fewer, longer pauses (p99 of a commit was
/// 1.3 ms, against 5.3 ms with SQLite's own 1000).
const CHECKPOINT_PAGES: i64 = 4000;
/// What a log that once grew (a long read held it) is cut back to. Above 4000 pages, so that the
/// usual log is overwritten in place.
const LOG_OCTETS_MAX: i64 = 32 << 20;
/// Octets of page cache, negated kibibytes in SQLite's reading.
const WRITER_CACHE: i64 = -(16 << 10);
/// Statements kept prepared per connection; more than this crate has.
const STATEMENTS_MAX: usize = 64;
/// SQLite makes others wait only while it recovers or closes a log.
const BUSY_MS_MAX: u64 = 5000;

/// The connection that writes, its schema current.
pub(super) fn open_writer(path: &Path, vfs: Option<&str>) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = connect(path, flags, vfs)?;
    prepare(&db)?;
    // Looked at before anything is written: a file that is not ours stays as it is.
    let version = version(&db)?;
    db.pragma_update(None, "page_size", 4096)?;
    db.pragma_update_and_check(None, "journal_mode", JOURNAL_MODE, |row| row.get::<_, String>(0))?;
    db.pragma_update(None, "synchronous", SYNCHRONOUS)?;
    db.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    db.pragma_update(None, "journal_size_limit", LOG_OCTETS_MAX)?;
    db.pragma_update(None, "cache_size", WRITER_CACHE)?;
    migrate(&mut db, version)?;
    Ok(db)
}

/// A connection that only reads, on a file whose schema is current.
pub(super) fn open_reader(path: &Path, vfs: Option<&str>) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = connect(path, flags, vfs)?;
    prepare(&db)?;
    Ok(db)
}

/// `vfs` is the name of what the file is on; `None` for SQLite's own.
fn connect(path: &Path, flags: OpenFlags, vfs: Option<&str>) -> rusqlite::Result<Connection> {
    match vfs {
        Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs),
        None => Connection::open_with_flags(path, flags),
    }
}

fn prepare(db: &Connection) -> rusqlite::Result<()> {
    db.busy_timeout(Duration::from_millis(BUSY_MS_MAX))?;
    db.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    // A plan that looks at the values (SQLite's does, at each LIMIT) is made anew for each use.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

/// Which step the file is at; 0 when it is new.
fn version(db: &Connection) -> Result<usize, OpenError> {
    let pragma = |name| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let version = pragma("user_version")?;
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    match (pragma("application_id")?, usize::try_from(version)) {
        (APPLICATION_ID, Ok(version)) if version <= MIGRATIONS.len() => Ok(version),
        (APPLICATION_ID, _) => Err(OpenError::Newer { found: version, known: MIGRATIONS.len() }),
        (0, Ok(0)) if tables == 0 => Ok(0),
        _ => Err(OpenError::Foreign),
    }
}

/// Each step is atomic together with the number it leads to.
fn migrate(db: &mut Connection, version: usize) -> Result<(), OpenError> {
    for (number, step) in (1_i64..).zip(MIGRATIONS).skip(version) {
        let transaction = db.transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", number)?;
        transaction.commit()?;
        tracing::info!(schema = number, "storage migrated");
    }
    Ok(())
}
