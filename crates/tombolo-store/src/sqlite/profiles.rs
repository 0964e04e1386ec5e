//! Profiles and what they are found by, in SQL.

use std::fmt::Write;

use mimi_provider::profile::{StoredProfile, Term};
use mimi_wire::MimiUri;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::Failure;
use super::columns::{Column, rows};

pub(super) fn profile(db: &Connection, user: &MimiUri) -> Result<Option<StoredProfile>, Failure> {
    let mut statement = db.prepare_cached("SELECT user, octets FROM profiles WHERE user = ?1")?;
    Ok(statement.query_row([user.as_str()], profile_of).optional()?)
}

/// Those that have every term, in the order in which they first came. Reads no more of the index
/// than where these terms are.
pub(super) fn find_profiles(
    db: &Connection,
    terms: &[Term],
    limit: usize,
) -> Result<Vec<StoredProfile>, Failure> {
    if terms.is_empty() {
        return Ok(Vec::new());
    }
    let sql = "SELECT user, octets FROM profile_index
             JOIN profiles ON profiles.id = profile_index.rowid
         WHERE profile_index MATCH ?1 ORDER BY profile_index.rowid LIMIT ?2";
    let mut statement = db.prepare_cached(sql)?;
    let all_of = spelled(terms, " AND ");
    let found: rusqlite::Result<_> =
        statement.query_map(params![all_of, rows(limit)], profile_of)?.collect();
    Ok(found?)
}

pub(super) fn put_profile(
    db: &Connection,
    profile: &StoredProfile,
    terms: &[Term],
) -> Result<(), Failure> {
    let put = "INSERT INTO profiles (user, octets) VALUES (?1, ?2)
         ON CONFLICT (user) DO UPDATE SET octets = excluded.octets RETURNING id";
    let id: i64 = db
        .prepare_cached(put)?
        .query_row(params![profile.user.as_str(), profile.octets], |row| row.get(0))?;
    db.prepare_cached("DELETE FROM profile_index WHERE rowid = ?1")?.execute([id])?;
    if !terms.is_empty() {
        let index = "INSERT INTO profile_index (rowid, terms) VALUES (?1, ?2)";
        db.prepare_cached(index)?.execute(params![id, spelled(terms, " ")])?;
    }
    Ok(())
}

/// With what it was found by: an id that is given again finds nobody else by it.
pub(super) fn remove_profile(db: &Connection, user: &MimiUri) -> Result<(), Failure> {
    let remove = "DELETE FROM profiles WHERE user = ?1 RETURNING id";
    let id: Option<i64> =
        db.prepare_cached(remove)?.query_row([user.as_str()], |row| row.get(0)).optional()?;
    if let Some(id) = id {
        db.prepare_cached("DELETE FROM profile_index WHERE rowid = ?1")?.execute([id])?;
    }
    Ok(())
}

/// Terms as words of the index.
fn spelled(terms: &[Term], between: &str) -> String {
    let mut text = String::new();
    for term in terms {
        if !text.is_empty() {
            text.push_str(between);
        }
        write!(text, "{term:016x}").expect("a text grows");
    }
    text
}

fn profile_of(row: &Row<'_>) -> rusqlite::Result<StoredProfile> {
    Ok(StoredProfile { user: row.get::<_, Column<_>>(0)?.0, octets: row.get(1)? })
}
