//! Streams and clients have short numbers in the file.

use mimi_provider::record::Seq;
use mimi_wire::MimiUri;
use rusqlite::{Connection, OptionalExtension};

use super::Failure;
use super::columns::Column;

/// The number of a stream, if anything is known of it.
pub(super) fn known_stream(db: &Connection, uri: &MimiUri) -> Result<Option<i64>, Failure> {
    lookup(db, "SELECT id FROM streams WHERE uri = ?1", uri)
}

/// The number of a stream.
pub(super) fn stream(db: &Connection, uri: &MimiUri) -> Result<i64, Failure> {
    match known_stream(db, uri)? {
        Some(id) => Ok(id),
        None => insert(db, "INSERT INTO streams (uri) VALUES (?1)", uri),
    }
}

/// The number of a client, if anything is known of it.
pub(super) fn known_client(db: &Connection, uri: &MimiUri) -> Result<Option<i64>, Failure> {
    lookup(db, "SELECT id FROM clients WHERE uri = ?1", uri)
}

/// The number of a client.
pub(super) fn client(db: &Connection, uri: &MimiUri) -> Result<i64, Failure> {
    match known_client(db, uri)? {
        Some(id) => Ok(id),
        None => insert(db, "INSERT INTO clients (uri) VALUES (?1)", uri),
    }
}

/// The last entry of a stream; 0 when it has none.
pub(super) fn last_seq(db: &Connection, stream: i64) -> Result<Seq, Failure> {
    let mut statement =
        db.prepare_cached("SELECT coalesce(max(seq), 0) FROM events WHERE stream = ?1")?;
    Ok(statement.query_row([stream], |row| row.get::<_, Column<u64>>(0))?.0)
}

fn lookup(db: &Connection, sql: &str, uri: &MimiUri) -> Result<Option<i64>, Failure> {
    Ok(db.prepare_cached(sql)?.query_row([uri.as_str()], |row| row.get(0)).optional()?)
}

fn insert(db: &Connection, sql: &str, uri: &MimiUri) -> Result<i64, Failure> {
    Ok(db.prepare_cached(sql)?.insert([uri.as_str()])?)
}
