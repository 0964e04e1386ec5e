//! One SQLite file per device, written by a thread of its own.
//!
//! The file is readable by its owner only and locked while open: two processes that use the same
//! ratchets would destroy each other's state.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use mimi_wire::MimiUri;
use mimi_wire::content::MessageId;
use rusqlite::{Connection, OpenFlags, Transaction, params};
use tokio::sync::oneshot;

use crate::secret::Secret;
use crate::session::stream_event::StreamEvent;
use crate::store::{ClientStore, Saved, StoreChange, StoreFailure, StoreFuture, StoredMessage};

/// The schema, as steps that are only ever added to; `user_version` counts those applied.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE device_values (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE room_values (room TEXT NOT NULL, name TEXT NOT NULL, value BLOB NOT NULL,
        PRIMARY KEY (room, name)) WITHOUT ROWID;
    CREATE TABLE group_state (room TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL,
        PRIMARY KEY (room, key)) WITHOUT ROWID;
    CREATE TABLE messages (room TEXT NOT NULL, id BLOB NOT NULL, sender TEXT NOT NULL,
        timestamp_ms INTEGER NOT NULL, content BLOB NOT NULL, UNIQUE (room, id));
    CREATE TABLE waiting (room TEXT NOT NULL, event_id INTEGER NOT NULL, event BLOB NOT NULL,
        PRIMARY KEY (room, event_id)) WITHOUT ROWID;
    CREATE TABLE evidence (room TEXT NOT NULL, event_id INTEGER NOT NULL, event BLOB NOT NULL,
        reason TEXT NOT NULL, PRIMARY KEY (room, event_id)) WITHOUT ROWID;
"];
/// Empties all tables.
const CLEAR: &str = "
    DELETE FROM device_values;
    DELETE FROM room_values;
    DELETE FROM group_state;
    DELETE FROM messages;
    DELETE FROM waiting;
    DELETE FROM evidence;
";
/// How long opening waits for an earlier user of the file to let go.
const BUSY_TIMEOUT: Duration = Duration::from_secs(3);

enum Job {
    Load(oneshot::Sender<Result<Saved, StoreFailure>>),
    Commit(Vec<StoreChange>, oneshot::Sender<Result<(), StoreFailure>>),
    Close(oneshot::Sender<Result<(), StoreFailure>>),
}

/// A device's state in a SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    jobs: mpsc::Sender<Job>,
}

impl SqliteStore {
    /// Creates the file; fails if it exists.
    pub async fn create(path: &Path) -> Result<Self, StoreFailure> {
        Self::start(path.to_owned(), Existing::Refused).await
    }

    /// Opens a file made before.
    pub async fn open(path: &Path) -> Result<Self, StoreFailure> {
        Self::start(path.to_owned(), Existing::Required).await
    }

    async fn start(path: PathBuf, existing: Existing) -> Result<Self, StoreFailure> {
        let (jobs, received) = mpsc::channel();
        let (opened, is_open) = oneshot::channel();
        let thread = std::thread::Builder::new().name("device store".to_owned());
        let spawned = thread.spawn(move || match connect(&path, existing) {
            Ok(connection) => {
                if opened.send(Ok(())).is_ok() {
                    work(connection, &received);
                }
            }
            Err(failure) => {
                // Nobody waits any more when the opener was dropped.
                let _ = opened.send(Err(failure));
            }
        });
        spawned.map_err(|error| StoreFailure(format!("no thread for the store: {error}")))?;
        is_open.await.map_err(|_| gone())??;
        Ok(Self { jobs })
    }

    fn ask<T: Send + 'static>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, StoreFailure>>) -> Job,
    ) -> StoreFuture<'_, T> {
        let (sender, answer) = oneshot::channel();
        let sent = self.jobs.send(job(sender));
        Box::pin(async move {
            sent.map_err(|_| gone())?;
            answer.await.map_err(|_| gone())?
        })
    }
}

impl ClientStore for SqliteStore {
    fn load(&self) -> StoreFuture<'_, Saved> {
        self.ask(Job::Load)
    }

    fn commit(&self, changes: Vec<StoreChange>) -> StoreFuture<'_, ()> {
        self.ask(|answer| Job::Commit(changes, answer))
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        self.ask(Job::Close)
    }
}

/// Whether the file must exist.
#[derive(Clone, Copy)]
enum Existing {
    Required,
    Refused,
}

fn gone() -> StoreFailure {
    StoreFailure("the store is closed".to_owned())
}

fn failure(error: rusqlite::Error) -> StoreFailure {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
            StoreFailure("the file is in use by another process".to_owned())
        }
        _ => StoreFailure(error.to_string()),
    }
}

fn corrupt(what: &str) -> StoreFailure {
    StoreFailure(format!("the file holds {what} that cannot be read"))
}

fn connect(path: &Path, existing: Existing) -> Result<Connection, StoreFailure> {
    if let Existing::Refused = existing {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        // The side files of SQLite take the mode of the file itself.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let created = options.open(path);
        created.map_err(|error| StoreFailure(format!("{}: {error}", path.display())))?;
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = Connection::open_with_flags(path, flags);
    let mut connection =
        opened.map_err(|error| StoreFailure(format!("{}: {error}", path.display())))?;
    prepare(&mut connection).map_err(failure)?;
    Ok(connection)
}

fn prepare(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // What is removed, e.g. a used key, is overwritten.
    connection.pragma_update_and_check(None, "secure_delete", true, |_| Ok(()))?;
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Exclusive)?;
    let version: u32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for (step, number) in MIGRATIONS.iter().zip(1..) {
        if number > version {
            transaction.execute_batch(step)?;
            transaction.pragma_update(None, "user_version", number)?;
        }
    }
    transaction.commit()
}

/// Serves jobs until the store is dropped or closed. An answer nobody waits for any more is dropped.
fn work(mut connection: Connection, jobs: &mpsc::Receiver<Job>) {
    while let Ok(job) = jobs.recv() {
        match job {
            Job::Load(answer) => drop(answer.send(load(&connection))),
            Job::Commit(changes, answer) => {
                drop(answer.send(commit(&mut connection, changes).map_err(failure)));
            }
            Job::Close(answer) => {
                let closed = connection.close().map_err(|(_, error)| failure(error));
                drop(answer.send(closed));
                return;
            }
        }
    }
}

fn commit(connection: &mut Connection, changes: Vec<StoreChange>) -> rusqlite::Result<()> {
    let is_removal =
        |it: &StoreChange| matches!(it, StoreChange::RemoveMessage { .. } | StoreChange::Clear);
    let removes = changes.iter().any(is_removal);
    let transaction = connection.transaction()?;
    for change in changes {
        write(&transaction, change)?;
    }
    transaction.commit()?;
    if removes {
        // The log still has what was written; folding it in and cutting it off ends that, too.
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    }
    Ok(())
}

fn write(transaction: &Transaction<'_>, change: StoreChange) -> rusqlite::Result<()> {
    let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| {
        transaction.prepare_cached(sql)?.execute(values).map(drop)
    };
    match change {
        StoreChange::Put { name, value } => {
            run("INSERT OR REPLACE INTO device_values VALUES (?1, ?2)", &[&name, &value.octets()])
        }
        StoreChange::PutRoomValue { room, name, value } => run(
            "INSERT OR REPLACE INTO room_values VALUES (?1, ?2, ?3)",
            params![room.as_str(), name, value.octets()],
        ),
        StoreChange::RemoveRoomValue { room, name } => run(
            "DELETE FROM room_values WHERE room = ?1 AND name = ?2",
            params![room.as_str(), name],
        ),
        StoreChange::PutGroupState { room, key, value } => run(
            "INSERT OR REPLACE INTO group_state VALUES (?1, ?2, ?3)",
            params![room.as_str(), key, value.octets()],
        ),
        StoreChange::RemoveGroupState { room, key } => {
            run("DELETE FROM group_state WHERE room = ?1 AND key = ?2", params![room.as_str(), key])
        }
        StoreChange::ClearGroup(room) => {
            run("DELETE FROM group_state WHERE room = ?1", params![room.as_str()])
        }
        StoreChange::PutMessage { room, message } => run(
            "INSERT OR IGNORE INTO messages VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                room.as_str(),
                message.id.0,
                message.sender.as_str(),
                signed(message.timestamp_ms),
                message.content
            ],
        ),
        StoreChange::RemoveMessage { room, id } => {
            run("DELETE FROM messages WHERE room = ?1 AND id = ?2", params![room.as_str(), id.0])
        }
        StoreChange::PutWaiting { room, event } => run(
            "INSERT OR REPLACE INTO waiting VALUES (?1, ?2, ?3)",
            params![room.as_str(), signed(event.id), encode(&event)],
        ),
        StoreChange::RemoveWaiting { room, id } => run(
            "DELETE FROM waiting WHERE room = ?1 AND event_id = ?2",
            params![room.as_str(), signed(id)],
        ),
        StoreChange::PutEvidence { room, event, reason } => run(
            "INSERT OR REPLACE INTO evidence VALUES (?1, ?2, ?3, ?4)",
            params![room.as_str(), signed(event.id), encode(&event), reason],
        ),
        StoreChange::Clear => transaction.execute_batch(CLEAR),
    }
}

/// SQLite's integers are signed; the octets of the value are kept.
fn signed(value: u64) -> i64 {
    value.cast_signed()
}

fn encode(event: &StreamEvent) -> Vec<u8> {
    postcard::to_allocvec(event).expect("an event has no type that postcard refuses")
}

fn decode(octets: &[u8]) -> Result<StreamEvent, StoreFailure> {
    postcard::from_bytes(octets).map_err(|_| corrupt("an event"))
}

fn uri(text: &str) -> Result<MimiUri, StoreFailure> {
    MimiUri::new(text).map_err(|_| corrupt("a URI"))
}

fn load(connection: &Connection) -> Result<Saved, StoreFailure> {
    let mut saved = Saved::default();
    each(connection, "SELECT name, value FROM device_values", |row| {
        let value = secret(row, 1)?;
        saved.values.insert(row.get(0).map_err(failure)?, value);
        Ok(())
    })?;
    each(connection, "SELECT room, name, value FROM room_values", |row| {
        let room = saved.rooms.entry(room_of(row)?).or_default();
        let value = secret(row, 2)?;
        room.values.insert(row.get(1).map_err(failure)?, value);
        Ok(())
    })?;
    each(connection, "SELECT room, key, value FROM group_state", |row| {
        let room = saved.rooms.entry(room_of(row)?).or_default();
        let value = secret(row, 2)?;
        room.group.insert(row.get(1).map_err(failure)?, value);
        Ok(())
    })?;
    each(connection, "SELECT room, id, sender, timestamp_ms, content FROM messages", |row| {
        let room = saved.rooms.entry(room_of(row)?).or_default();
        let message = message(row)?;
        room.messages.insert(message.id, message);
        Ok(())
    })?;
    each(connection, "SELECT room, event FROM waiting", |row| {
        let room = saved.rooms.entry(room_of(row)?).or_default();
        let event = decode(row.get_ref(1).map_err(failure)?.as_blob().unwrap_or_default())?;
        room.waiting.insert(event.id, event);
        Ok(())
    })?;
    each(connection, "SELECT room, event, reason FROM evidence", |row| {
        let room = saved.rooms.entry(room_of(row)?).or_default();
        let event = decode(row.get_ref(1).map_err(failure)?.as_blob().unwrap_or_default())?;
        room.evidence.insert(event.id, (event, row.get(2).map_err(failure)?));
        Ok(())
    })?;
    Ok(saved)
}

fn each(
    connection: &Connection,
    sql: &str,
    mut take: impl FnMut(&rusqlite::Row<'_>) -> Result<(), StoreFailure>,
) -> Result<(), StoreFailure> {
    let mut statement = connection.prepare(sql).map_err(failure)?;
    let mut rows = statement.query([]).map_err(failure)?;
    while let Some(row) = rows.next().map_err(failure)? {
        take(row)?;
    }
    Ok(())
}

fn room_of(row: &rusqlite::Row<'_>) -> Result<MimiUri, StoreFailure> {
    uri(&row.get::<_, String>(0).map_err(failure)?)
}

fn secret(row: &rusqlite::Row<'_>, column: usize) -> Result<Secret, StoreFailure> {
    row.get::<_, Vec<u8>>(column).map(Secret::from).map_err(failure)
}

fn message(row: &rusqlite::Row<'_>) -> Result<StoredMessage, StoreFailure> {
    Ok(StoredMessage {
        id: MessageId(row.get(1).map_err(failure)?),
        sender: uri(&row.get::<_, String>(2).map_err(failure)?)?,
        timestamp_ms: row.get::<_, i64>(3).map_err(failure)?.cast_unsigned(),
        content: row.get(4).map_err(failure)?,
    })
}

#[cfg(test)]
mod tests;
