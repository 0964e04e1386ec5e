//! Removals that are owed, in SQL.

use mimi_provider::record::{OwedRemoval, RoomKind, StoredRemoval};
use mimi_wire::MimiUri;
use rusqlite::{Connection, params};

use super::Failure;
use super::apply::run;
use super::columns::{Column, bits, bound, room_key, room_kind_number, rows};
use super::read::all;

pub(super) fn owe_removal(db: &Connection, owed: &OwedRemoval) -> Result<(), Failure> {
    let sql = "INSERT INTO owed_removals (gone, room) VALUES (?1, ?2)";
    run(db, sql, params![owed.gone.as_str(), room_key(owed.room.as_ref())]).map(drop)
}

pub(super) fn owe_removals(db: &Connection, client: &MimiUri) -> Result<(), Failure> {
    let sql = "INSERT INTO owed_removals (gone, room)
         SELECT DISTINCT ?1, streams.uri FROM memberships
             JOIN rooms ON rooms.stream = memberships.stream
             JOIN streams ON streams.id = memberships.stream
         WHERE rooms.kind = ?2
             AND memberships.client = (SELECT id FROM clients WHERE uri = ?1)
         ORDER BY streams.uri";
    run(db, sql, params![client.as_str(), room_kind_number(RoomKind::Hub)]).map(drop)
}

pub(super) fn owe_removal_if_gone(
    db: &Connection,
    client: &MimiUri,
    room: &MimiUri,
) -> Result<(), Failure> {
    let sql = "INSERT INTO owed_removals (gone, room)
         SELECT ?1, ?2 WHERE NOT EXISTS (
             SELECT 1 FROM devices WHERE client = (SELECT id FROM clients WHERE uri = ?1))";
    run(db, sql, params![client.as_str(), room_key(Some(room))]).map(drop)
}

pub(super) fn removal_done(db: &Connection, id: u64) -> Result<(), Failure> {
    run(db, "DELETE FROM owed_removals WHERE id = ?1", [bits(id)]).map(drop)
}

pub(super) fn owed_removals(
    db: &Connection,
    after_id: u64,
    limit: usize,
) -> Result<Vec<StoredRemoval>, Failure> {
    let sql = "SELECT id, gone, room FROM owed_removals WHERE id > ?1 ORDER BY id LIMIT ?2";
    all(db, sql, [bound(after_id), rows(limit)], |row| {
        let owed = OwedRemoval {
            gone: row.get::<_, Column<_>>(1)?.0,
            room: row.get::<_, Column<_>>(2)?.0,
        };
        Ok(StoredRemoval { id: row.get::<_, Column<u64>>(0)?.0, owed })
    })
}
