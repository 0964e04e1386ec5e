//! Ways into rooms, links above all: what a person types about them, and how they are told of.

use std::num::NonZeroU32;

use mimi_wire::MimiUri;
use mimi_wire::room::join_code::RoomLink;
use tombolo_client::{Client, ClientError, NewJoinLink, RoomStatus, ShownJoinLink};

use crate::chat::operation::Done;
use crate::chat::room_input::role_named;
use crate::plain::plain;

/// How a link is asked for.
pub(crate) const LINK_USAGE: &str =
    "write it as /link, or e.g. /link guest uses 5 for 7d (or 12h, 30m)";

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

/// What a new link is to be, as it was typed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct LinkWish {
    /// A role by its name or number.
    pub(crate) role: Option<String>,
    pub(crate) uses: Option<NonZeroU32>,
    pub(crate) lasts_ms: Option<u64>,
}

/// `[ROLE] [uses N] [for 7d]`.
pub(crate) fn parse_wish(rest: &str) -> Result<LinkWish, String> {
    let usage = || LINK_USAGE.to_owned();
    let mut wish = LinkWish::default();
    let mut words = rest.split_whitespace();
    while let Some(word) = words.next() {
        match word {
            "uses" => {
                let number = words.next().and_then(|word| word.parse().ok());
                wish.uses = Some(number.ok_or_else(usage)?);
            }
            "for" => {
                let time = words.next().and_then(parse_time);
                wish.lasts_ms = Some(time.ok_or_else(usage)?);
            }
            role if wish.role.is_none() => wish.role = Some(role.to_owned()),
            _ => return Err(usage()),
        }
    }
    Ok(wish)
}

/// `30m`, `12h`, `7d`.
fn parse_time(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit_ms = match unit {
        "m" => MINUTE_MS,
        "h" => HOUR_MS,
        "d" => DAY_MS,
        _ => return None,
    };
    number.parse::<u64>().ok().filter(|number| *number > 0)?.checked_mul(unit_ms)
}

/// A room or a link into one, and a role where one is named.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Way {
    Room { room: MimiUri, role: Option<String> },
    Link(RoomLink),
}

/// `ROOM [as ROLE]`, or a link.
pub(crate) fn parse_way(rest: &str) -> Result<Way, String> {
    let usage = "write it as /join mimi://c.example/r/lounge, or paste a whole link";
    if rest.contains('#') {
        return rest.parse().map(Way::Link).map_err(|_| usage.to_owned());
    }
    let (room, role) = match rest.split_once(" as ") {
        Some((room, role)) => (room.trim(), Some(role.trim().to_owned())),
        None => (rest, None),
    };
    let room = MimiUri::new(room).ok().filter(|uri| uri.kind() == mimi_wire::UriKind::Room);
    room.map(|room| Way::Room { room, role }).ok_or_else(|| usage.to_owned())
}

/// Makes a link.
pub(crate) async fn make(
    client: &Client,
    room: &MimiUri,
    wish: LinkWish,
) -> Result<Done, ClientError> {
    let role = match &wish.role {
        Some(name) => Some(role_named(&client.room(room).await?, name)?),
        None => None,
    };
    let wish = NewJoinLink { role, uses: wish.uses, lasts_ms: wish.lasts_ms };
    let link = client.create_join_link(room, wish).await?;
    let worth = client.room(room).await?.join_links;
    let worth = worth.iter().find(|known| known.link == link.as_bytes());
    let worth = worth.map(|known| format!(" ({})", worth_of(known, now_ms()))).unwrap_or_default();
    let hint = "Whoever has it can come in; everybody in the room can see it. /links lists links.";
    Ok(Done::Say(format!("-- {link}{worth}\n{hint}")))
}

/// Lists the room's links.
pub(crate) async fn list(client: &Client, room: &MimiUri) -> Result<Done, ClientError> {
    let links = client.room(room).await?.join_links;
    if links.is_empty() {
        return Ok(Done::Say("-- there are no links into this room; /link makes one".to_owned()));
    }
    let now_ms = now_ms();
    let line = |(at, link): (usize, &ShownJoinLink)| {
        let text = plain(&String::from_utf8_lossy(&link.link)).replace('\n', " ");
        format!("  {}. {text} ({})", at + 1, worth_of(link, now_ms))
    };
    Ok(Done::Say(links.iter().enumerate().map(line).collect::<Vec<_>>().join("\n")))
}

/// Takes back link N of the list.
pub(crate) async fn take_back(
    client: &Client,
    room: &MimiUri,
    number: usize,
) -> Result<Done, ClientError> {
    let links = client.room(room).await?.join_links;
    let link = number.checked_sub(1).and_then(|at| links.get(at));
    let none = || ClientError::Other(format!("there is no link {number}; /links lists them"));
    client.remove_join_link(room, &link.ok_or_else(none)?.link).await?;
    Ok(Done::Say("-- nobody comes in by that link any more".to_owned()))
}

/// What a link is worth, in words.
fn worth_of(link: &ShownJoinLink, now_ms: u64) -> String {
    let Some((_, role)) = &link.role else { return "of another kind".to_owned() };
    let role = plain(role).replace('\n', " ");
    let uses = match link.uses {
        Some(1) => ", once".to_owned(),
        Some(uses) => format!(", {uses} times"),
        None => String::new(),
    };
    let time = match link.expires_ms {
        Some(expires_ms) if expires_ms <= now_ms => ", expired".to_owned(),
        Some(expires_ms) => format!(", for another {}", duration(expires_ms - now_ms)),
        None => String::new(),
    };
    format!("as {role}{uses}{time}")
}

/// `7 days`, `3 hours`, `20 minutes`.
fn duration(ms: u64) -> String {
    let (number, unit) = match ms {
        ms if ms >= 2 * DAY_MS => ((ms + DAY_MS / 2) / DAY_MS, "day"),
        ms if ms >= 2 * HOUR_MS => ((ms + HOUR_MS / 2) / HOUR_MS, "hour"),
        ms => (ms.div_ceil(MINUTE_MS), "minute"),
    };
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

/// A role of a room one is not in: its number.
pub(crate) fn role_number(name: &str) -> Result<u32, ClientError> {
    name.parse().map_err(|_| {
        let text = "before one is in, a room's roles have numbers only: /join ROOM as 2";
        ClientError::Other(text.to_owned())
    })
}

fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Comes into a room if this device is not there yet.
pub(crate) async fn join(client: &Client, way: Way) -> Result<Done, ClientError> {
    let room = match &way {
        Way::Room { room, .. } => room.clone(),
        Way::Link(link) => link.room.clone(),
    };
    let here = client.room(&room).await;
    if here.is_ok_and(|state| state.status == RoomStatus::Joined) {
        return Ok(Done::Show(room));
    }
    let joined = match &way {
        Way::Room { room, role: None } => client.join_room(room).await,
        Way::Room { room, role: Some(role) } => client.join_room_as(room, role_number(role)?).await,
        Way::Link(link) => client.join_by_link(link).await,
    };
    joined.map(|_| Done::Show(room))
}

/// The room to start with: one that this device was in before is shown as it is.
pub(crate) async fn enter(client: &Client, room: MimiUri) -> Result<Done, ClientError> {
    match join(client, Way::Room { room: room.clone(), role: None }).await {
        Err(error) if client.room(&room).await.is_err() => Err(error),
        _ => Ok(Done::Show(room)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_are_read() {
        let wish = parse_wish("guest uses 5 for 7d").unwrap();
        let uses = NonZeroU32::new(5);
        let expected = LinkWish { role: Some("guest".into()), uses, lasts_ms: Some(7 * DAY_MS) };
        assert_eq!(wish, expected);
        assert_eq!(parse_wish(""), Ok(LinkWish::default()));
        assert_eq!(parse_wish("for 30m").unwrap().lasts_ms, Some(30 * MINUTE_MS));
        for text in ["uses", "uses 0", "uses x", "for", "for 7", "for 0h", "for 7w", "a b", "for é"]
        {
            assert_eq!(parse_wish(text).unwrap_err(), LINK_USAGE, "{text}");
        }
    }

    #[test]
    fn ways_in_are_read() {
        let room = MimiUri::new("mimi://c.example/r/lounge").unwrap();
        let plain = Way::Room { room: room.clone(), role: None };
        assert_eq!(parse_way("mimi://c.example/r/lounge"), Ok(plain));
        let chosen = Way::Room { room: room.clone(), role: Some("2".into()) };
        assert_eq!(parse_way("mimi://c.example/r/lounge as 2"), Ok(chosen));
        let link = RoomLink { room, code: "abc".into() };
        assert_eq!(parse_way("mimi://c.example/r/lounge#abc"), Ok(Way::Link(link)));
        for text in ["", "lounge", "mimi://c.example/u/bob", "mimi://c.example/r/lounge#"] {
            assert!(parse_way(text).unwrap_err().contains("/join mimi://"), "{text}");
        }
    }

    #[test]
    fn what_a_link_is_worth() {
        let link = |uses, expires_ms| ShownJoinLink {
            link: Vec::new(),
            role: Some((2, "guest".into())),
            uses,
            expires_ms,
        };
        assert_eq!(worth_of(&link(None, None), 0), "as guest");
        assert_eq!(worth_of(&link(Some(1), Some(5)), 5), "as guest, once, expired");
        let week = worth_of(&link(Some(3), Some(7 * DAY_MS)), 1_000);
        assert_eq!(week, "as guest, 3 times, for another 7 days");
        assert_eq!(duration(1), "1 minute");
        assert_eq!(duration(3 * HOUR_MS), "3 hours");
        let foreign = ShownJoinLink { role: None, ..link(None, None) };
        assert_eq!(worth_of(&foreign, 0), "of another kind");
    }
}
