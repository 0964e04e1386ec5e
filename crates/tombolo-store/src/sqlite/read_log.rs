//! Reads of the log: a stream's entries, what waits for a peer, what a client may see.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use mimi_provider::record::{LoggedEvent, NewEvent, Seq};
use mimi_wire::{Domain, MimiUri};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::Failure;
use super::columns::{Column, HUB_NOTE, bits, bound, items, listed, rows};
use super::intern::{self, last_seq};
use super::tail::Sight;
use crate::{CLIENT_PAGE_OCTETS, FollowerBatch};

const ENTRY: &str = "SELECT id, seq, kind, timestamp_ms, audience, targets, payload, detail
     FROM events";
const INTERVALS: &str =
    "SELECT streams.id, streams.uri, from_seq, coalesce(until_seq, 9223372036854775807)
     FROM memberships JOIN streams ON streams.id = memberships.stream
     WHERE client = (SELECT id FROM clients WHERE uri = ?1)";
/// Where the columns of [`ENTRY`] are that are looked at before an entry is taken.
const KIND_COLUMN: usize = 2;
const TARGETS_COLUMN: usize = 5;
const PAYLOAD_COLUMN: usize = 6;

/// Entries of a stream after a position.
pub(super) fn log(
    db: &Connection,
    stream: &MimiUri,
    after: Seq,
    limit: usize,
) -> Result<Vec<LoggedEvent>, Failure> {
    let Some(number) = intern::known_stream(db, stream)? else { return Ok(Vec::new()) };
    let sql = format!("{ENTRY} WHERE stream = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3");
    let mut statement = db.prepare_cached(&sql)?;
    let mut found = statement.query(params![number, bound(after), rows(limit)])?;
    let mut entries = Vec::new();
    while let Some(row) = found.next()? {
        entries.push(entry_of(row, stream)?);
    }
    Ok(entries)
}

/// Entries that name a peer after a position.
pub(super) fn follower_batch(
    db: &Connection,
    stream: &MimiUri,
    follower: &Domain,
    after: Seq,
    max_octets: usize,
) -> Result<FollowerBatch, Failure> {
    let mut batch = FollowerBatch { events: Vec::new(), next_cursor: after };
    let Some(number) = intern::known_stream(db, stream)? else { return Ok(batch) };
    // Read first: what is appended while we look is for the next batch.
    let end = last_seq(db, number)?;
    batch.next_cursor = after.max(end);
    let sql = format!(
        "{ENTRY} WHERE stream = ?1 AND seq > ?2 AND seq <= ?3
             AND instr(audience, ?4) > 0 AND kind <> {HUB_NOTE} ORDER BY seq"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let peer = listed(follower.as_str());
    let mut found = statement.query(params![number, bound(after), bits(end), peer])?;
    let mut octets = 0_usize;
    while let Some(row) = found.next()? {
        let payload = row.get_ref(PAYLOAD_COLUMN)?.as_blob().map_err(|_| UNREADABLE)?;
        octets = octets.saturating_add(payload.len());
        if octets > max_octets && !batch.events.is_empty() {
            let Column(seq) = row.get::<_, Column<Seq>>(1)?;
            batch.next_cursor = seq - 1;
            break;
        }
        batch.events.push(entry_of(row, stream)?);
    }
    Ok(batch)
}

/// What a client may see of the whole log after a position.
///
/// Driven from its memberships: what happens in other rooms costs nothing. Within a stream ids
/// ascend as positions do, so the first entry of interest is found by search, and the streams are
/// then merged by id.
pub(super) fn client_events(
    db: &Connection,
    client: &MimiUri,
    after_id: u64,
    limit: usize,
) -> Result<Vec<LoggedEvent>, Failure> {
    // One moment for all statements.
    let _moment = db.unchecked_transaction()?;
    let streams = unread(db, client, bound(after_id))?;
    let mut heads = BinaryHeap::new();
    for (place, part) in streams.iter().enumerate() {
        heads.push(Reverse((part.first_id, part.first, place)));
    }
    let for_client = listed(client.as_str());
    let mut entries: Vec<LoggedEvent> = Vec::new();
    let mut seen = None;
    let mut octets = 0;
    while entries.len() < limit && octets < CLIENT_PAGE_OCTETS {
        let Some(Reverse((id, seq, place))) = heads.pop() else { break };
        let part = &streams[place];
        // Intervals that overlap name an entry twice.
        if seen.replace(id) != Some(id) {
            let entry = visible(db, id, &part.stream, &for_client)?;
            octets += entry.as_ref().map_or(0, |entry| entry.event.payload.len());
            entries.extend(entry);
        }
        if seq < part.last {
            let next = id_at(db, part.number, seq + 1)?;
            heads.extend(next.map(|next| Reverse((next, seq + 1, place))));
        }
    }
    Ok(entries)
}

/// What a client sees, by stream and interval.
pub(super) fn sights(db: &Connection, client: &MimiUri) -> Result<Vec<Sight>, Failure> {
    let mut intervals = db.prepare_cached(INTERVALS)?;
    let mut found = intervals.query([client.as_str()])?;
    let mut sights = Vec::new();
    while let Some(row) = found.next()? {
        let (Column(stream), from, until): (_, i64, i64) = (row.get(1)?, row.get(2)?, row.get(3)?);
        // Bounds are stored capped: see `bound`.
        let until = if until == i64::MAX { Seq::MAX } else { until.cast_unsigned() };
        sights.push(Sight { stream, from: from.cast_unsigned(), until });
    }
    Ok(sights)
}

/// The part of an interval that lies after a position of the whole log. Numbers as stored.
struct Unread {
    stream: MimiUri,
    number: i64,
    first: i64,
    first_id: i64,
    last: i64,
}

fn unread(db: &Connection, client: &MimiUri, after_id: i64) -> Result<Vec<Unread>, Failure> {
    let mut intervals = db.prepare_cached(INTERVALS)?;
    let mut last_in = db.prepare_cached(
        "SELECT seq, id FROM events WHERE stream = ?1 AND seq BETWEEN ?2 AND ?3
         ORDER BY seq DESC LIMIT 1",
    )?;
    let mut found = intervals.query([client.as_str()])?;
    let mut parts = Vec::new();
    while let Some(row) = found.next()? {
        let (number, from, until): (i64, i64, i64) = (row.get(0)?, row.get(2)?, row.get(3)?);
        let last = last_in
            .query_row([number, from, until], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((last, last_id)) = last.filter(|(_, id)| *id > after_id) else { continue };
        let Column(stream) = row.get(1)?;
        let (first, first_id) = first_after(db, number, from, (last, last_id), after_id)?;
        parts.push(Unread { stream, number, first, first_id, last });
    }
    Ok(parts)
}

/// The first entry from `from` on whose id is above `after_id`, known that `newer` is such a one.
/// Looks back from there in steps that double, for what is new is mostly little, then halves.
fn first_after(
    db: &Connection,
    stream: i64,
    from: i64,
    mut newer: (i64, i64),
    after_id: i64,
) -> Result<(i64, i64), Failure> {
    let mut older = from - 1;
    let mut step = Some(1_i64);
    while newer.0 - older > 1 {
        let probe = match step {
            Some(step) => newer.0.saturating_sub(step).max(older + 1),
            None => older + (newer.0 - older) / 2,
        };
        match id_at(db, stream, probe)?.filter(|id| *id > after_id) {
            Some(id) => {
                newer = (probe, id);
                step = step.map(|step| step.saturating_mul(2));
            }
            None => {
                older = probe;
                step = None;
            }
        }
    }
    Ok(newer)
}

fn id_at(db: &Connection, stream: i64, seq: i64) -> Result<Option<i64>, Failure> {
    let mut statement =
        db.prepare_cached("SELECT id FROM events WHERE stream = ?1 AND seq = ?2")?;
    Ok(statement.query_row([stream, seq], |row| row.get(0)).optional()?)
}

/// An entry of a stream that a client sees, if it is for that client.
fn visible(
    db: &Connection,
    id: i64,
    stream: &MimiUri,
    for_client: &str,
) -> Result<Option<LoggedEvent>, Failure> {
    let mut statement = db.prepare_cached(&format!("{ENTRY} WHERE id = ?1"))?;
    let mut found = statement.query([id])?;
    let Some(row) = found.next()? else { return Ok(None) };
    let targets: Option<String> = row.get(TARGETS_COLUMN)?;
    let addressed = targets.is_none_or(|targets| targets.contains(for_client));
    if !addressed || row.get::<_, i64>(KIND_COLUMN)? == HUB_NOTE {
        return Ok(None);
    }
    entry_of(row, stream).map(Some)
}

fn entry_of(row: &Row<'_>, stream: &MimiUri) -> Result<LoggedEvent, Failure> {
    let audience: String = row.get(4)?;
    let targets: Option<String> = row.get(TARGETS_COLUMN)?;
    Ok(LoggedEvent {
        id: row.get::<_, Column<u64>>(0)?.0,
        event: NewEvent {
            stream: stream.clone(),
            seq: row.get::<_, Column<u64>>(1)?.0,
            kind: row.get::<_, Column<_>>(KIND_COLUMN)?.0,
            timestamp_ms: row.get::<_, Column<u64>>(3)?.0,
            payload: row.get(PAYLOAD_COLUMN)?,
            audience: items(&audience, |domain| Domain::new(domain).ok())?,
            targets: targets
                .map(|targets| items(&targets, |uri| MimiUri::new(uri).ok()))
                .transpose()?,
            detail: row.get(7)?,
        },
    })
}

const UNREADABLE: Failure = Failure::Corrupt("payload");
