//! How facts are spelled in columns.

use mimi_provider::record::{ConsentDecision, EventKind, RoomKind};
use mimi_wire::room::claim_name::NamedClaim;
use mimi_wire::{Domain, MimiUri};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use thiserror::Error;

use super::Failure;

/// What a column holds, as the type it stands for.
pub(super) struct Column<T>(pub(super) T);

/// A column holds what this crate never writes. Says what kind of thing, not its content.
#[derive(Debug, Error)]
#[error("the file holds an unknown {0}")]
pub(super) struct Unknown(&'static str);

impl Unknown {
    fn refuse<T>(what: &'static str) -> FromSqlResult<T> {
        Err(FromSqlError::Other(Box::new(Self(what))))
    }
}

/// An unsigned number, stored as the signed one of the same bits.
pub(super) fn bits(value: u64) -> i64 {
    value.cast_signed()
}

/// An unsigned number for comparisons: what is too large is as good as infinite.
pub(super) fn bound(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A number of rows.
pub(super) fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// A room as part of a key, where `None` must equal `None`.
pub(super) fn room_key(room: Option<&MimiUri>) -> &str {
    room.map_or("", MimiUri::as_str)
}

/// Identifiers, each with a space before it and one after the last. No identifier contains one.
pub(super) fn list<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for item in items {
        text.push(' ');
        text.push_str(item);
    }
    if !text.is_empty() {
        text.push(' ');
    }
    text
}

/// Claims, a line each; none of them contains a line's end.
pub(super) fn lines(claims: &[NamedClaim]) -> String {
    claims.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

impl FromSql for Column<Vec<NamedClaim>> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let claims: Result<_, _> = value.as_str()?.lines().map(str::parse).collect();
        claims.map(Self).or_else(|_| Unknown::refuse("claim"))
    }
}

/// What to look for in a [`list`] that may contain an item.
pub(super) fn listed(item: &str) -> String {
    format!(" {item} ")
}

/// The identifiers of a [`list`].
pub(super) fn items<T>(text: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, Failure> {
    let items: Option<_> = text.split_whitespace().map(parse).collect();
    items.ok_or(Failure::Corrupt("list of identifiers"))
}

pub(super) fn kind_number(kind: EventKind) -> i64 {
    match kind {
        EventKind::Application => 1,
        EventKind::Commit => 2,
        EventKind::Proposal => 3,
        EventKind::Welcome => 4,
        EventKind::HubNote => HUB_NOTE,
        EventKind::RequestConsent => 6,
        EventKind::UpdateConsent => 7,
        EventKind::KeyPackagesLow => 8,
        EventKind::ReportAbuse => 9,
        EventKind::ReportClosed => 10,
    }
}

/// Nobody is sent a `HubNote`.
pub(super) const HUB_NOTE: i64 = 5;

pub(super) fn room_kind_number(kind: RoomKind) -> i64 {
    match kind {
        RoomKind::Hub => 1,
        RoomKind::Follower => 2,
    }
}

pub(super) fn decision_number(decision: ConsentDecision) -> i64 {
    match decision {
        ConsentDecision::Revoked => 0,
        ConsentDecision::Granted => 1,
    }
}

impl FromSql for Column<u64> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Ok(Self(value.as_i64()?.cast_unsigned()))
    }
}

impl FromSql for Column<MimiUri> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        MimiUri::new(value.as_str()?).map(Self).or_else(|_| Unknown::refuse("URI"))
    }
}

impl FromSql for Column<Option<MimiUri>> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_str()? {
            "" => Ok(Self(None)),
            _ => Ok(Self(Some(Column::<MimiUri>::column_result(value)?.0))),
        }
    }
}

impl FromSql for Column<Domain> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Domain::new(value.as_str()?).map(Self).or_else(|_| Unknown::refuse("domain"))
    }
}

impl FromSql for Column<EventKind> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Ok(Self(match value.as_i64()? {
            1 => EventKind::Application,
            2 => EventKind::Commit,
            3 => EventKind::Proposal,
            4 => EventKind::Welcome,
            HUB_NOTE => EventKind::HubNote,
            6 => EventKind::RequestConsent,
            7 => EventKind::UpdateConsent,
            8 => EventKind::KeyPackagesLow,
            9 => EventKind::ReportAbuse,
            10 => EventKind::ReportClosed,
            _ => return Unknown::refuse("kind of entry"),
        }))
    }
}

impl FromSql for Column<RoomKind> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Ok(Self(match value.as_i64()? {
            1 => RoomKind::Hub,
            2 => RoomKind::Follower,
            _ => return Unknown::refuse("kind of room"),
        }))
    }
}

impl FromSql for Column<ConsentDecision> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Ok(Self(match value.as_i64()? {
            0 => ConsentDecision::Revoked,
            1 => ConsentDecision::Granted,
            _ => return Unknown::refuse("decision"),
        }))
    }
}
