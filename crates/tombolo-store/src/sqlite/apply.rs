//! One commit, in SQL. Its conditions are checked before anything of it is written; if the writing
//! fails, the caller undoes what was written.

use mimi_provider::hub::member_set::MemberSet;
use mimi_provider::record::{
    Account, DeviceChange, DeviceRecord, ERAS_MAX, EraId, NewEvent, RoomKind, Seq, StoredKeyPackage,
};
use mimi_provider::{Change, Expect};
use mimi_wire::{Domain, MimiUri};
use rusqlite::{Connection, OptionalExtension, Params, params};

use super::Failure;
use super::columns::{bits, bound, kind_number, lines, list, room_kind_number};
use super::contact;
use super::ends::Ends;
use super::intern;
use super::profiles;
use super::removals;
use crate::conflict::Conflict;
use crate::{Commit, Committed};

/// Checks the conditions. Writes nothing.
pub(super) fn check_all(db: &Connection, ends: &mut Ends, commit: &Commit) -> Result<(), Failure> {
    commit.expect.iter().try_for_each(|expect| check(db, ends, expect))
}

/// Writes the changes, in order.
pub(super) fn write_all(
    db: &Connection,
    ends: &mut Ends,
    commit: &Commit,
) -> Result<Committed, Failure> {
    let mut committed = Committed::default();
    for one in &commit.changes {
        change(db, ends, one, &mut committed)?;
    }
    Ok(committed)
}

/// Forgets what has expired (PROTO-KM-12). A negative time is one beyond 2^63: not yet.
pub(super) fn forget_expired(db: &Connection, now_ms: u64) -> Result<(), Failure> {
    run(
        db,
        "DELETE FROM key_packages WHERE not_after_ms BETWEEN 0 AND ?1",
        params![bound(now_ms)],
    )?;
    Ok(())
}

fn check(db: &Connection, ends: &mut Ends, expect: &Expect) -> Result<(), Failure> {
    match expect {
        Expect::StreamSeq { stream, seq } => match end_of(db, ends, stream)? {
            found if found == *seq => Ok(()),
            found => {
                Err(Conflict::StreamSeq { stream: stream.clone(), expected: *seq, found }.into())
            }
        },
        Expect::NoRoom(room) => match room_stream(db, room)? {
            Some(_) => Err(Conflict::Exists(room.clone()).into()),
            None => Ok(()),
        },
        Expect::NoAccount(user) => {
            if exists(db, "SELECT 1 FROM accounts WHERE user = ?1", [user.as_str()])? {
                return Err(Conflict::Exists(user.clone()).into());
            }
            Ok(())
        }
        Expect::NoDevice(client) => {
            let known = intern::known_client(db, client)?;
            if exists(db, "SELECT 1 FROM devices WHERE client = ?1", params![known])? {
                return Err(Conflict::Exists(client.clone()).into());
            }
            Ok(())
        }
        Expect::MembersFree(members) => match room_of_members(db, members)? {
            Some(room) => Err(Conflict::MembersTaken(room).into()),
            None => Ok(()),
        },
        Expect::KeyPackageUnused(reference) => {
            let released = "SELECT 1 FROM key_packages WHERE reference = ?1 AND octets IS NULL";
            if exists(db, released, params![reference])? {
                return Err(Conflict::Released.into());
            }
            Ok(())
        }
    }
}

fn change(
    db: &Connection,
    ends: &mut Ends,
    change: &Change,
    committed: &mut Committed,
) -> Result<(), Failure> {
    match change {
        Change::CreateAccount(account) => create_account(db, account),
        Change::SetClaims { user, claims } => {
            let sql = "UPDATE accounts SET claims = ?2 WHERE user = ?1";
            run(db, sql, params![user.as_str(), lines(claims)]).map(drop)
        }
        Change::SetPassword { user, hash } => {
            let sql = "UPDATE accounts SET password_hash = ?2 WHERE user = ?1";
            run(db, sql, params![user.as_str(), hash]).map(drop)
        }
        Change::ChangeDevice { client, change } => change_device(db, client, change),
        Change::PutDevice(device) => put_device(db, ends, device),
        Change::RemoveDevice(client) => remove_device(db, client),
        Change::RemoveAccount(user) => remove_account(db, user),
        Change::AddKeyPackages(packages) => {
            packages.iter().try_for_each(|package| add_key_package(db, package))
        }
        Change::ReleaseKeyPackage(reference) => release_key_package(db, reference),
        Change::PutConsent(record) => contact::put_consent(db, record),
        Change::PutConsentRequest(request) => contact::put_consent_request(db, request),
        Change::RemoveConsentRequest(request) => contact::remove_consent_request(db, request),
        Change::PutConsentAsked(asked) => contact::put_consent_asked(db, asked),
        Change::RemoveConsentAsked(asked) => contact::remove_consent_asked(db, asked),
        Change::PutArrival(arrival) => contact::put_arrival(db, arrival),
        Change::RemoveArrival(id) => contact::remove_arrival(db, *id),
        Change::OweRemoval(owed) => removals::owe_removal(db, owed),
        Change::OweRemovals(client) => removals::owe_removals(db, client),
        Change::OweRemovalIfGone { client, room } => {
            removals::owe_removal_if_gone(db, client, room)
        }
        Change::RemovalDone(id) => removals::removal_done(db, *id),
        Change::PutProfile { profile, terms } => profiles::put_profile(db, profile, terms),
        Change::CreateRoom { room, kind, snapshot } => create_room(db, room, *kind, snapshot),
        Change::TakeMembers { members, room } => take_members(db, members, room),
        Change::FreeMembers { members, room } => free_members(db, members, room),
        Change::PutParent { room, parent } => put_parent(db, room, parent.as_ref()),
        Change::PutSnapshot { room, seq, snapshot } => put_snapshot(db, room, *seq, snapshot),
        Change::Append(event) => {
            committed.event_ids.push(append(db, ends, event)?);
            Ok(())
        }
        Change::Join { client, stream, from_seq } => join(db, client, stream, *from_seq),
        Change::Leave { client, stream, until_seq } => leave(db, client, stream, *until_seq),
        Change::Follow { stream, follower, after_seq } => follow(db, stream, follower, *after_seq),
        Change::Delivered { stream, follower, seq } => delivered(db, ends, stream, follower, *seq),
        Change::GiveUp { stream, follower, seq, now_ms } => {
            give_up(db, stream, follower, *seq, *now_ms)
        }
        Change::BeginEra(id) => begin_era(db, *id),
        Change::Acknowledge { client, event_id } => acknowledge(db, client, *event_id),
    }
}

fn create_account(db: &Connection, account: &Account) -> Result<(), Failure> {
    let added = run(
        db,
        "INSERT INTO accounts (user, password_hash, created_ms, claims) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO NOTHING",
        params![
            account.user.as_str(),
            account.password_hash,
            bits(account.created_ms),
            lines(&account.claims)
        ],
    )?;
    if added == 0 {
        return Err(Conflict::Exists(account.user.clone()).into());
    }
    intern::stream(db, &account.user)?;
    Ok(())
}

fn put_device(db: &Connection, ends: &mut Ends, device: &DeviceRecord) -> Result<(), Failure> {
    let client = intern::client(db, &device.client)?;
    let taken = "SELECT 1 FROM devices WHERE token_sha256 = ?1 AND client <> ?2";
    if exists(db, taken, params![device.token_sha256, client])? {
        return Err(Conflict::TokenTaken(device.client.clone()).into());
    }
    run(
        db,
        "INSERT INTO devices
             (client, user, name, token_sha256, signature_key, created_ms, last_seen_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (client) DO UPDATE SET
             user = excluded.user, name = excluded.name, token_sha256 = excluded.token_sha256,
             signature_key = excluded.signature_key, created_ms = excluded.created_ms,
             last_seen_ms = excluded.last_seen_ms",
        params![
            client,
            device.user.as_str(),
            device.name,
            device.token_sha256,
            device.signature_key,
            bits(device.created_ms),
            bits(device.last_seen_ms)
        ],
    )?;
    let next = end_of(db, ends, &device.user)? + 1;
    join(db, &device.client, &device.user, next)
}

fn change_device(db: &Connection, uri: &MimiUri, change: &DeviceChange) -> Result<(), Failure> {
    let Some(client) = intern::known_client(db, uri)? else { return Ok(()) };
    let set = |column: &str| format!("UPDATE devices SET {column} = ?2 WHERE client = ?1");
    match change {
        DeviceChange::Name(name) => run(db, &set("name"), params![client, name]).map(drop),
        DeviceChange::Seen(day) => {
            run(db, &set("last_seen_ms"), params![client, bits(*day)]).map(drop)
        }
        DeviceChange::Token(token) => {
            let known = exists(db, "SELECT 1 FROM devices WHERE client = ?1", [client])?;
            let taken = "SELECT 1 FROM devices WHERE token_sha256 = ?1 AND client <> ?2";
            if known && exists(db, taken, params![token, client])? {
                return Err(Conflict::TokenTaken(uri.clone()).into());
            }
            run(db, &set("token_sha256"), params![client, token]).map(drop)
        }
    }
}

fn remove_device(db: &Connection, client: &MimiUri) -> Result<(), Failure> {
    let Some(client) = intern::known_client(db, client)? else { return Ok(()) };
    for sql in [
        "DELETE FROM devices WHERE client = ?1",
        "DELETE FROM key_packages WHERE client = ?1 AND octets IS NOT NULL",
        "DELETE FROM key_packages WHERE client = ?1 AND octets IS NULL",
        "DELETE FROM memberships WHERE client = ?1",
        "DELETE FROM clients WHERE id = ?1",
    ] {
        run(db, sql, [client])?;
    }
    Ok(())
}

fn remove_account(db: &Connection, user: &MimiUri) -> Result<(), Failure> {
    run(db, "DELETE FROM accounts WHERE user = ?1", [user.as_str()])?;
    contact::remove_contacts(db, user)?;
    profiles::remove_profile(db, user)
}

/// PROTO-KM-10: what is or was known under a reference stays as it is.
fn add_key_package(db: &Connection, package: &StoredKeyPackage) -> Result<(), Failure> {
    let client = intern::client(db, &package.client)?;
    run(
        db,
        "INSERT INTO key_packages
             (reference, client, not_after_ms, ciphersuite, capabilities, octets)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (reference) DO NOTHING",
        params![
            package.reference,
            client,
            bits(package.not_after_ms),
            package.ciphersuite,
            package.capabilities,
            package.octets
        ],
    )?;
    Ok(())
}

fn release_key_package(db: &Connection, reference: &[u8]) -> Result<(), Failure> {
    let released = run(
        db,
        "UPDATE key_packages SET octets = NULL, capabilities = NULL
         WHERE reference = ?1 AND octets IS NOT NULL",
        params![reference],
    )?;
    if released == 0 {
        return Err(Conflict::NotInStock.into());
    }
    Ok(())
}

fn create_room(
    db: &Connection,
    room: &MimiUri,
    kind: RoomKind,
    snapshot: &[u8],
) -> Result<(), Failure> {
    let stream = intern::stream(db, room)?;
    let added = run(
        db,
        "INSERT INTO rooms (stream, kind, snapshot_seq, snapshot) VALUES (?1, ?2, 0, ?3)
         ON CONFLICT DO NOTHING",
        params![stream, room_kind_number(kind), snapshot],
    )?;
    if added == 0 {
        return Err(Conflict::Exists(room.clone()).into());
    }
    Ok(())
}

fn room_of_members(db: &Connection, members: &MemberSet) -> Result<Option<MimiUri>, Failure> {
    super::read::room_of_members(db, *members)
}

fn take_members(db: &Connection, members: &MemberSet, room: &MimiUri) -> Result<(), Failure> {
    run(
        db,
        "INSERT INTO member_sets (members, room) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
        params![members.0, room.as_str()],
    )?;
    match room_of_members(db, members)? {
        Some(taken) if taken != *room => Err(Conflict::MembersTaken(taken).into()),
        _ => Ok(()),
    }
}

fn free_members(db: &Connection, members: &MemberSet, room: &MimiUri) -> Result<(), Failure> {
    let sql = "DELETE FROM member_sets WHERE members = ?1 AND room = ?2";
    run(db, sql, params![members.0, room.as_str()])?;
    Ok(())
}

fn put_parent(db: &Connection, room: &MimiUri, parent: Option<&MimiUri>) -> Result<(), Failure> {
    match parent {
        Some(parent) => run(
            db,
            "INSERT INTO room_parents (room, parent) VALUES (?1, ?2)
             ON CONFLICT (room) DO UPDATE SET parent = excluded.parent",
            [room.as_str(), parent.as_str()],
        )?,
        None => run(db, "DELETE FROM room_parents WHERE room = ?1", [room.as_str()])?,
    };
    Ok(())
}

/// A snapshot that is older than the one there is changes nothing.
fn put_snapshot(db: &Connection, room: &MimiUri, seq: Seq, snapshot: &[u8]) -> Result<(), Failure> {
    let Some(stream) = room_stream(db, room)? else {
        return Err(Conflict::NoRoom(room.clone()).into());
    };
    run(
        db,
        "UPDATE rooms SET snapshot = ?3, snapshot_seq = ?2 WHERE stream = ?1 AND snapshot_seq <= ?2",
        params![stream, bound(seq), snapshot],
    )?;
    Ok(())
}

fn append(db: &Connection, ends: &mut Ends, event: &NewEvent) -> Result<u64, Failure> {
    let end = ends.of_any(db, &event.stream)?;
    let (stream, last) = (end.stream, end.last_seq);
    if event.seq != last + 1 {
        return Err(Conflict::NotNext { stream: event.stream.clone(), seq: event.seq, last }.into());
    }
    let audience = list(event.audience.iter().map(Domain::as_str));
    let targets = event.targets.as_ref().map(|targets| list(targets.iter().map(MimiUri::as_str)));
    let id = db
        .prepare_cached(
            "INSERT INTO events
                 (stream, seq, kind, timestamp_ms, audience, targets, payload, detail)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .insert(params![
            stream,
            bits(event.seq),
            kind_number(event.kind),
            bits(event.timestamp_ms),
            audience,
            targets,
            event.payload,
            event.detail
        ])?;
    ends.moved(&event.stream, event.seq);
    Ok(id.cast_unsigned())
}

/// The open interval of a client that sees the stream already stays as it is.
fn join(db: &Connection, client: &MimiUri, stream: &MimiUri, from: Seq) -> Result<(), Failure> {
    let (client, stream) = (intern::client(db, client)?, intern::stream(db, stream)?);
    run(
        db,
        "INSERT INTO memberships (client, stream, from_seq) VALUES (?1, ?2, ?3)
         ON CONFLICT (stream, client) WHERE until_seq IS NULL DO NOTHING",
        params![client, stream, bound(from)],
    )?;
    Ok(())
}

fn leave(db: &Connection, client: &MimiUri, stream: &MimiUri, until: Seq) -> Result<(), Failure> {
    let client = intern::known_client(db, client)?;
    let stream = intern::known_stream(db, stream)?;
    let Some((client, stream)) = client.zip(stream) else { return Ok(()) };
    let open = params![client, stream, bound(until)];
    // An interval that ends before it began never was.
    run(
        db,
        "DELETE FROM memberships
         WHERE client = ?1 AND stream = ?2 AND until_seq IS NULL AND from_seq > ?3",
        open,
    )?;
    run(
        db,
        "UPDATE memberships SET until_seq = ?3
         WHERE client = ?1 AND stream = ?2 AND until_seq IS NULL",
        open,
    )?;
    Ok(())
}

fn follow(db: &Connection, stream: &MimiUri, follower: &Domain, after: Seq) -> Result<(), Failure> {
    let stream = intern::stream(db, stream)?;
    run(
        db,
        "INSERT INTO followers (stream, follower, delivered_seq) VALUES (?1, ?2, ?3)
         ON CONFLICT DO NOTHING",
        params![stream, follower.as_str(), bound(after)],
    )?;
    Ok(())
}

/// A cursor only moves on.
fn delivered(
    db: &Connection,
    ends: &mut Ends,
    stream: &MimiUri,
    follower: &Domain,
    seq: Seq,
) -> Result<(), Failure> {
    let Some(stream) = ends.of(db, stream)?.map(|end| end.stream) else { return Ok(()) };
    run(
        db,
        "UPDATE followers SET delivered_seq = ?3, stale_since_ms = NULL
         WHERE stream = ?1 AND follower = ?2 AND delivered_seq < ?3",
        params![stream, follower.as_str(), bound(seq)],
    )?;
    Ok(())
}

/// Who is stale already stays so since then.
fn give_up(
    db: &Connection,
    stream: &MimiUri,
    follower: &Domain,
    seq: Seq,
    now_ms: u64,
) -> Result<(), Failure> {
    let Some(stream) = intern::known_stream(db, stream)? else { return Ok(()) };
    run(
        db,
        "UPDATE followers SET delivered_seq = max(delivered_seq, ?3),
             stale_since_ms = coalesce(stale_since_ms, ?4)
         WHERE stream = ?1 AND follower = ?2",
        params![stream, follower.as_str(), bound(seq), bound(now_ms)],
    )?;
    Ok(())
}

fn begin_era(db: &Connection, EraId(id): EraId) -> Result<(), Failure> {
    run(
        db,
        "INSERT INTO eras (id, after_id) VALUES (?1, coalesce((SELECT max(id) FROM events), 0))
         ON CONFLICT DO NOTHING",
        params![id],
    )?;
    let oldest = "DELETE FROM eras WHERE number <= (SELECT max(number) FROM eras) - ?1";
    run(db, oldest, params![i64::try_from(ERAS_MAX).unwrap_or(i64::MAX)])?;
    Ok(())
}

/// A cursor only moves on, and not beyond what there is.
fn acknowledge(db: &Connection, client: &MimiUri, event_id: u64) -> Result<(), Failure> {
    let client = intern::client(db, client)?;
    run(
        db,
        "UPDATE clients SET acknowledged_id =
             max(acknowledged_id, min(?2, coalesce((SELECT max(id) FROM events), 0)))
         WHERE id = ?1",
        params![client, bound(event_id)],
    )?;
    Ok(())
}

/// The last entry of a stream that may not exist.
fn end_of(db: &Connection, ends: &mut Ends, stream: &MimiUri) -> Result<Seq, Failure> {
    Ok(ends.of(db, stream)?.map_or(0, |end| end.last_seq))
}

/// The stream of a room that exists.
fn room_stream(db: &Connection, room: &MimiUri) -> Result<Option<i64>, Failure> {
    let mut statement = db.prepare_cached(
        "SELECT rooms.stream FROM streams JOIN rooms ON rooms.stream = streams.id
         WHERE streams.uri = ?1",
    )?;
    Ok(statement.query_row([room.as_str()], |row| row.get(0)).optional()?)
}

fn exists(db: &Connection, sql: &str, parameters: impl Params) -> Result<bool, Failure> {
    Ok(db.prepare_cached(sql)?.exists(parameters)?)
}

pub(super) fn run(db: &Connection, sql: &str, parameters: impl Params) -> Result<usize, Failure> {
    Ok(db.prepare_cached(sql)?.execute(parameters)?)
}
