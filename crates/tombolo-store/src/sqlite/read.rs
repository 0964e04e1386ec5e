//! Reads, in SQL. Each sees every transaction that was committed before it began.

use mimi_provider::hub::member_set::MemberSet;
use mimi_provider::record::{
    Account, DeviceRecord, Era, EraId, FollowerCursor, LogHistory, RoomKind, Seq, StoredKeyPackage,
    StoredRoom, SuiteStock,
};
use mimi_wire::protocol::CipherSuite;
use mimi_wire::{Domain, MimiUri};
use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use super::Failure;
use super::columns::{Column, bound, room_kind_number, rows};
use super::intern::{self, last_seq};

const ACCOUNT: &str = "SELECT user, password_hash, created_ms, claims FROM accounts";
const DEVICE: &str = "SELECT clients.uri, user, name, token_sha256, signature_key, created_ms,
            last_seen_ms
     FROM devices JOIN clients ON clients.id = devices.client";

pub(super) fn account(db: &Connection, user: &MimiUri) -> Result<Option<Account>, Failure> {
    first(db, &format!("{ACCOUNT} WHERE user = ?1"), [user.as_str()], account_of)
}

pub(super) fn accounts(db: &Connection) -> Result<Vec<Account>, Failure> {
    all(db, &format!("{ACCOUNT} ORDER BY user"), [], account_of)
}

pub(super) fn device_by_token(
    db: &Connection,
    token_sha256: &[u8; 32],
) -> Result<Option<DeviceRecord>, Failure> {
    first(db, &format!("{DEVICE} WHERE token_sha256 = ?1"), [token_sha256], device_of)
}

pub(super) fn devices(db: &Connection, user: &MimiUri) -> Result<Vec<DeviceRecord>, Failure> {
    let mut devices = all(db, &format!("{DEVICE} WHERE user = ?1"), [user.as_str()], device_of)?;
    devices.sort_by(|left, right| {
        (left.created_ms, &left.client).cmp(&(right.created_ms, &right.client))
    });
    Ok(devices)
}

/// In stock and not expired (PROTO-KM-11). A negative time is one beyond 2^63: never.
const IN_STOCK: &str = "key_packages
     WHERE client = (SELECT id FROM clients WHERE uri = ?1) AND octets IS NOT NULL
         AND (not_after_ms > ?2 OR not_after_ms < 0)";

pub(super) fn key_packages(
    db: &Connection,
    client: &MimiUri,
    ciphersuite: CipherSuite,
    now_ms: u64,
    limit: usize,
) -> Result<Vec<StoredKeyPackage>, Failure> {
    let sql = format!(
        "SELECT reference, octets, capabilities, not_after_ms FROM {IN_STOCK}
             AND ciphersuite = ?3
         ORDER BY id LIMIT ?4"
    );
    let of_suite = params![client.as_str(), bound(now_ms), ciphersuite, rows(limit)];
    all(db, &sql, of_suite, |row| {
        Ok(StoredKeyPackage {
            reference: row.get(0)?,
            client: client.clone(),
            octets: row.get(1)?,
            ciphersuite,
            capabilities: row.get(2)?,
            not_after_ms: row.get::<_, Column<u64>>(3)?.0,
        })
    })
}

pub(super) fn key_package_stock(
    db: &Connection,
    client: &MimiUri,
    now_ms: u64,
) -> Result<Vec<SuiteStock>, Failure> {
    let sql = format!(
        "SELECT ciphersuite, count(*) FROM {IN_STOCK} GROUP BY ciphersuite ORDER BY ciphersuite"
    );
    all(db, &sql, params![client.as_str(), bound(now_ms)], |row| {
        Ok(SuiteStock { ciphersuite: row.get(0)?, count: row.get::<_, Column<u64>>(1)?.0 })
    })
}

pub(super) fn key_package_owner(
    db: &Connection,
    reference: &[u8],
) -> Result<Option<MimiUri>, Failure> {
    let sql = "SELECT clients.uri FROM key_packages JOIN clients ON clients.id = client
         WHERE reference = ?1";
    first(db, sql, [reference], uri_of)
}

pub(super) fn room(db: &Connection, room: &MimiUri) -> Result<Option<StoredRoom>, Failure> {
    // One statement, so that snapshot and end of the log are of one moment.
    let sql = "SELECT kind, snapshot, snapshot_seq,
             (SELECT coalesce(max(seq), 0) FROM events WHERE events.stream = rooms.stream)
         FROM streams JOIN rooms ON rooms.stream = streams.id WHERE streams.uri = ?1";
    first(db, sql, [room.as_str()], |row| {
        Ok(StoredRoom {
            room: room.clone(),
            kind: row.get::<_, Column<_>>(0)?.0,
            snapshot: row.get(1)?,
            snapshot_seq: row.get::<_, Column<u64>>(2)?.0,
            last_seq: row.get::<_, Column<u64>>(3)?.0,
        })
    })
}

pub(super) fn room_count(db: &Connection) -> Result<u64, Failure> {
    let mut statement = db.prepare_cached("SELECT count(*) FROM rooms")?;
    Ok(statement.query_row([], |row| row.get::<_, Column<u64>>(0))?.0)
}

pub(super) fn hosted_rooms(db: &Connection) -> Result<Vec<MimiUri>, Failure> {
    let sql = "SELECT streams.uri FROM rooms JOIN streams ON streams.id = rooms.stream
         WHERE rooms.kind = ?1 ORDER BY streams.uri";
    all(db, sql, [room_kind_number(RoomKind::Hub)], uri_of)
}

pub(super) fn room_of_members(
    db: &Connection,
    members: MemberSet,
) -> Result<Option<MimiUri>, Failure> {
    first(db, "SELECT room FROM member_sets WHERE members = ?1", [members.0], uri_of)
}

pub(super) fn dependent_rooms(db: &Connection, parent: &MimiUri) -> Result<Vec<MimiUri>, Failure> {
    let sql = "SELECT room FROM room_parents WHERE parent = ?1 ORDER BY room";
    all(db, sql, [parent.as_str()], uri_of)
}

pub(super) fn parent_rooms(db: &Connection) -> Result<Vec<MimiUri>, Failure> {
    all(db, "SELECT DISTINCT parent FROM room_parents ORDER BY parent", [], uri_of)
}

pub(super) fn rooms_of(db: &Connection, client: &MimiUri) -> Result<Vec<MimiUri>, Failure> {
    let sql = "SELECT DISTINCT streams.uri FROM memberships
             JOIN rooms ON rooms.stream = memberships.stream
             JOIN streams ON streams.id = memberships.stream
         WHERE memberships.client IN (
             SELECT id FROM clients WHERE uri = ?1
             UNION SELECT client FROM devices WHERE user = ?1)
         ORDER BY streams.uri";
    all(db, sql, [client.as_str()], uri_of)
}

pub(super) fn end_of(db: &Connection, stream: &MimiUri) -> Result<Seq, Failure> {
    match intern::known_stream(db, stream)? {
        Some(stream) => last_seq(db, stream),
        None => Ok(0),
    }
}

pub(super) fn last_event_id(db: &Connection) -> Result<u64, Failure> {
    let sql = "SELECT coalesce(max(id), 0) FROM events";
    let last = first(db, sql, [], |row| Ok(row.get::<_, Column<u64>>(0)?.0))?;
    Ok(last.unwrap_or_default())
}

pub(super) fn client_cursor(db: &Connection, client: &MimiUri) -> Result<u64, Failure> {
    let sql = "SELECT acknowledged_id FROM clients WHERE uri = ?1";
    let cursor = first(db, sql, [client.as_str()], |row| Ok(row.get::<_, Column<u64>>(0)?.0))?;
    Ok(cursor.unwrap_or_default())
}

pub(super) fn stream_clients(db: &Connection, stream: &MimiUri) -> Result<Vec<MimiUri>, Failure> {
    let sql = "SELECT clients.uri FROM memberships JOIN clients ON clients.id = client
         WHERE stream = (SELECT id FROM streams WHERE uri = ?1) AND until_seq IS NULL
         ORDER BY clients.uri";
    all(db, sql, [stream.as_str()], uri_of)
}

/// Columns of a [`FollowerCursor`].
const CURSOR: &str = "SELECT streams.uri, follower, delivered_seq, stale_since_ms
     FROM followers JOIN streams ON streams.id = followers.stream";

pub(super) fn waiting_followers(db: &Connection) -> Result<Vec<FollowerCursor>, Failure> {
    let sql = format!(
        "{CURSOR} WHERE delivered_seq <
             (SELECT max(seq) FROM events WHERE events.stream = followers.stream)
         ORDER BY streams.uri, follower"
    );
    all(db, &sql, [], cursor_of)
}

pub(super) fn stale_followers(db: &Connection) -> Result<Vec<FollowerCursor>, Failure> {
    let sql = format!("{CURSOR} WHERE stale_since_ms IS NOT NULL ORDER BY streams.uri, follower");
    all(db, &sql, [], cursor_of)
}

pub(super) fn follower_cursor(
    db: &Connection,
    stream: &MimiUri,
    follower: &Domain,
) -> Result<Option<FollowerCursor>, Failure> {
    let sql = format!("{CURSOR} WHERE streams.uri = ?1 AND follower = ?2");
    first(db, &sql, [stream.as_str(), follower.as_str()], cursor_of)
}

fn cursor_of(row: &Row<'_>) -> rusqlite::Result<FollowerCursor> {
    Ok(FollowerCursor {
        stream: row.get::<_, Column<_>>(0)?.0,
        follower: row.get::<_, Column<_>>(1)?.0,
        cursor: row.get::<_, Column<u64>>(2)?.0,
        stale_since_ms: row.get::<_, Option<Column<u64>>>(3)?.map(|Column(since_ms)| since_ms),
    })
}

pub(super) fn history(db: &Connection) -> Result<LogHistory, Failure> {
    let eras = all(db, "SELECT id, after_id FROM eras ORDER BY number", [], |row| {
        Ok(Era { id: EraId(row.get(0)?), after_id: row.get::<_, Column<u64>>(1)?.0 })
    })?;
    let last = first(db, "SELECT coalesce(max(id), 0) FROM events", [], |row| {
        Ok(row.get::<_, Column<u64>>(0)?.0)
    })?;
    Ok(LogHistory { eras, last_id: last.unwrap_or_default() })
}

fn account_of(row: &Row<'_>) -> rusqlite::Result<Account> {
    Ok(Account {
        user: row.get::<_, Column<_>>(0)?.0,
        password_hash: row.get(1)?,
        created_ms: row.get::<_, Column<u64>>(2)?.0,
        claims: row.get::<_, Column<_>>(3)?.0,
    })
}

fn device_of(row: &Row<'_>) -> rusqlite::Result<DeviceRecord> {
    Ok(DeviceRecord {
        client: row.get::<_, Column<_>>(0)?.0,
        user: row.get::<_, Column<_>>(1)?.0,
        name: row.get(2)?,
        token_sha256: row.get(3)?,
        signature_key: row.get(4)?,
        created_ms: row.get::<_, Column<u64>>(5)?.0,
        last_seen_ms: row.get::<_, Column<u64>>(6)?.0,
    })
}

fn uri_of(row: &Row<'_>) -> rusqlite::Result<MimiUri> {
    Ok(row.get::<_, Column<_>>(0)?.0)
}

pub(super) fn first<T>(
    db: &Connection,
    sql: &str,
    parameters: impl Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Option<T>, Failure> {
    Ok(db.prepare_cached(sql)?.query_row(parameters, read).optional()?)
}

pub(super) fn all<T>(
    db: &Connection,
    sql: &str,
    parameters: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, Failure> {
    let mut statement = db.prepare_cached(sql)?;
    let found: rusqlite::Result<_> = statement.query_map(parameters, read)?.collect();
    Ok(found?)
}
