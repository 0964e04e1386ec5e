//! Consent: decisions, requests, and what has arrived.

use mimi_provider::record::{Arrival, ConsentCounts, ConsentRecord, ConsentRequest, StoredArrival};
use mimi_wire::MimiUri;
use rusqlite::{Connection, Row, params};

use super::Failure;
use super::apply::run;
use super::columns::{Column, bits, decision_number, room_key, rows};
use super::read::{all, first};

pub(super) fn put_consent(db: &Connection, record: &ConsentRecord) -> Result<(), Failure> {
    run(
        db,
        "INSERT INTO consents (target, requester, room, granted, decided_ms)
         VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (target, requester, room) DO UPDATE SET
             granted = excluded.granted, decided_ms = excluded.decided_ms",
        params![
            record.target.as_str(),
            record.requester.as_str(),
            room_key(record.room.as_ref()),
            decision_number(record.granted),
            bits(record.decided_ms)
        ],
    )?;
    Ok(())
}

pub(super) fn put_consent_request(
    db: &Connection,
    request: &ConsentRequest,
) -> Result<(), Failure> {
    run(
        db,
        "INSERT INTO consent_requests (target, requester, room, requested_ms)
         VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (target, requester, room) DO UPDATE SET
             requested_ms = excluded.requested_ms",
        params![
            request.target.as_str(),
            request.requester.as_str(),
            room_key(request.room.as_ref()),
            bits(request.requested_ms)
        ],
    )?;
    Ok(())
}

pub(super) fn remove_consent_request(
    db: &Connection,
    request: &ConsentRequest,
) -> Result<(), Failure> {
    run(
        db,
        "DELETE FROM consent_requests WHERE target = ?1 AND requester = ?2 AND room = ?3",
        [request.target.as_str(), request.requester.as_str(), room_key(request.room.as_ref())],
    )?;
    Ok(())
}

pub(super) fn put_consent_asked(db: &Connection, asked: &ConsentRequest) -> Result<(), Failure> {
    run(
        db,
        "INSERT INTO consent_asked (requester, target, room, requested_ms)
         VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (requester, target, room) DO UPDATE SET
             requested_ms = excluded.requested_ms",
        params![
            asked.requester.as_str(),
            asked.target.as_str(),
            room_key(asked.room.as_ref()),
            bits(asked.requested_ms)
        ],
    )?;
    Ok(())
}

pub(super) fn remove_consent_asked(db: &Connection, asked: &ConsentRequest) -> Result<(), Failure> {
    run(
        db,
        "DELETE FROM consent_asked WHERE requester = ?1 AND target = ?2 AND room = ?3",
        [asked.requester.as_str(), asked.target.as_str(), room_key(asked.room.as_ref())],
    )?;
    Ok(())
}

pub(super) fn put_arrival(db: &Connection, arrival: &Arrival) -> Result<(), Failure> {
    run(
        db,
        "INSERT INTO arrivals (source, payload, arrived_ms) VALUES (?1, ?2, ?3)",
        params![arrival.from.as_str(), arrival.payload, bits(arrival.arrived_ms)],
    )?;
    Ok(())
}

pub(super) fn remove_arrival(db: &Connection, id: u64) -> Result<(), Failure> {
    run(db, "DELETE FROM arrivals WHERE id = ?1", [bits(id)])?;
    Ok(())
}

/// What a user has decided, asked and been asked, and what others have decided about it.
pub(super) fn remove_contacts(db: &Connection, user: &MimiUri) -> Result<(), Failure> {
    for sql in [
        "DELETE FROM consents WHERE target = ?1",
        "DELETE FROM consents WHERE requester = ?1",
        "DELETE FROM consent_requests WHERE target = ?1",
        "DELETE FROM consent_requests WHERE requester = ?1",
        "DELETE FROM consent_asked WHERE requester = ?1",
    ] {
        run(db, sql, [user.as_str()])?;
    }
    Ok(())
}

pub(super) fn consents(
    db: &Connection,
    target: &MimiUri,
    requester: &MimiUri,
) -> Result<Vec<ConsentRecord>, Failure> {
    let sql = "SELECT requester, room, granted, decided_ms FROM consents
         WHERE target = ?1 AND requester = ?2 ORDER BY room";
    all(db, sql, [target.as_str(), requester.as_str()], |row| consent(target, row))
}

pub(super) fn consent_requests(
    db: &Connection,
    target: &MimiUri,
) -> Result<Vec<ConsentRequest>, Failure> {
    let sql = "SELECT requester, room, requested_ms FROM consent_requests
         WHERE target = ?1 ORDER BY requester, room";
    let mut requests = all(db, sql, [target.as_str()], |row| {
        Ok(ConsentRequest {
            target: target.clone(),
            requester: row.get::<_, Column<_>>(0)?.0,
            room: row.get::<_, Column<_>>(1)?.0,
            requested_ms: row.get::<_, Column<u64>>(2)?.0,
        })
    })?;
    // Stable: requests of one moment stay in the order of requester and room.
    requests.sort_by_key(|request| request.requested_ms);
    Ok(requests)
}

pub(super) fn consents_of(
    db: &Connection,
    target: &MimiUri,
) -> Result<Vec<ConsentRecord>, Failure> {
    let sql = "SELECT requester, room, granted, decided_ms FROM consents
         WHERE target = ?1 ORDER BY requester, room";
    all(db, sql, [target.as_str()], |row| consent(target, row))
}

fn consent(target: &MimiUri, row: &Row<'_>) -> rusqlite::Result<ConsentRecord> {
    Ok(ConsentRecord {
        target: target.clone(),
        requester: row.get::<_, Column<_>>(0)?.0,
        room: row.get::<_, Column<_>>(1)?.0,
        granted: row.get::<_, Column<_>>(2)?.0,
        decided_ms: row.get::<_, Column<u64>>(3)?.0,
    })
}

pub(super) fn consent_counts(db: &Connection, user: &MimiUri) -> Result<ConsentCounts, Failure> {
    let sql = "SELECT (SELECT count(*) FROM consents WHERE target = ?1),
             (SELECT count(*) FROM consents WHERE requester = ?1)";
    let counts = first(db, sql, [user.as_str()], |row| {
        let (decided, about) = (row.get::<_, Column<u64>>(0)?.0, row.get::<_, Column<u64>>(1)?.0);
        Ok(ConsentCounts { decided, about })
    })?;
    Ok(counts.unwrap_or_default())
}

pub(super) fn consent_asked(
    db: &Connection,
    requester: &MimiUri,
) -> Result<Vec<ConsentRequest>, Failure> {
    let sql = "SELECT target, room, requested_ms FROM consent_asked
         WHERE requester = ?1 ORDER BY target, room";
    let mut asked = all(db, sql, [requester.as_str()], |row| {
        Ok(ConsentRequest {
            requester: requester.clone(),
            target: row.get::<_, Column<_>>(0)?.0,
            room: row.get::<_, Column<_>>(1)?.0,
            requested_ms: row.get::<_, Column<u64>>(2)?.0,
        })
    })?;
    // Stable, as above.
    asked.sort_by_key(|asked| asked.requested_ms);
    Ok(asked)
}

pub(super) fn arrivals(db: &Connection, limit: usize) -> Result<Vec<StoredArrival>, Failure> {
    let sql = "SELECT id, source, payload, arrived_ms FROM arrivals ORDER BY id LIMIT ?1";
    all(db, sql, [rows(limit)], |row| {
        let arrival = Arrival {
            from: row.get::<_, Column<_>>(1)?.0,
            payload: row.get(2)?,
            arrived_ms: row.get::<_, Column<u64>>(3)?.0,
        };
        Ok(StoredArrival { id: row.get::<_, Column<u64>>(0)?.0, arrival })
    })
}
