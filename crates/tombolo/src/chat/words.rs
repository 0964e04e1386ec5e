//! Users, devices, rooms and times as a person reads them.

use std::collections::BTreeSet;

use mimi_wire::MimiUri;
use mimi_wire::room::metadata::RoomMetadata;
use tombolo_client::{Participant, RoomState, RoomStatus};

use crate::plain::one_line;

/// `1 device`, `2 devices`.
pub(crate) fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// How many are in, and as what we are; else why we are not.
pub(crate) fn standing(state: &RoomState, me: &MimiUri) -> String {
    if state.status != RoomStatus::Joined {
        return standing_of(&state.status);
    }
    let number = counted(state.participants.len(), "participant");
    let mine = state.participants.iter().find(|one| one.user == *me);
    let role = mine.map(|one| format!("; you are {}", one_line(&one.role_name)));
    let others = || state.participants.iter().filter(|one| one.user != *me && !one.is_banned);
    let nobody_reads = others().count() > 0 && others().all(|one| one.clients.is_empty());
    let warning = "; nobody else has a device here: nothing written here reaches anybody";
    number + &role.unwrap_or_default() + if nobody_reads { warning } else { "" }
}

/// Where we stand in a room.
pub(crate) fn standing_of(status: &RoomStatus) -> String {
    match status {
        RoomStatus::Joined => "you are in".to_owned(),
        RoomStatus::Left => "you have left".to_owned(),
        RoomStatus::Removed => "this device was removed".to_owned(),
        RoomStatus::Superseded { by } => format!("another room has taken its place: {by}"),
        RoomStatus::Banned => "you are banned".to_owned(),
        RoomStatus::Frozen { reason } => format!("frozen, because its rules were broken: {reason}"),
        _ => "this client does not know this state".to_owned(),
    }
}

/// What a room says of itself that it did not say before.
pub(crate) fn said_otherwise(before: &RoomMetadata, now: &RoomMetadata) -> Vec<String> {
    let description = |metadata: &RoomMetadata| {
        let first = metadata.room_descriptions.first();
        first.map_or_else(String::new, |it| {
            String::from_utf8_lossy(&it.description_content).into_owned()
        })
    };
    let fields = [
        ("is now called", before.room_name.clone(), now.room_name.clone()),
        ("is now about", before.room_subject.clone(), now.room_subject.clone()),
        ("is now in the mood", before.room_mood.clone(), now.room_mood.clone()),
        ("is now described as", description(before), description(now)),
        ("now has the avatar", before.room_avatar.clone(), now.room_avatar.clone()),
    ];
    let changed = fields.into_iter().filter(|(_, before, now)| before != now);
    changed
        .map(|(what, _, now)| {
            let now = if now.is_empty() { "(nothing)".to_owned() } else { one_line(&now) };
            format!("-- the room {what} {now}")
        })
        .collect()
}

/// Users and devices in a room.
pub(crate) fn devices(state: &RoomState) -> BTreeSet<(MimiUri, MimiUri)> {
    let of = |participant: &Participant| {
        let user = participant.user.clone();
        participant.clients.clone().into_iter().map(move |client| (user.clone(), client))
    };
    state.participants.iter().flat_map(of).collect()
}

/// `phone` for `mimi://b.example/d/bob/phone`.
pub(crate) fn device(client: &MimiUri) -> String {
    client.as_str().rsplit('/').next().unwrap_or_default().to_owned()
}

/// What the person is told of own devices that the provider does not know any more.
pub(crate) fn devices_lost(devices: &[MimiUri]) -> String {
    let devices: Vec<String> = devices.iter().map(device).collect();
    let devices = devices.join(", ");
    format!(
        "-- your provider says that these devices of yours are gone, and they are removed from your \
         rooms: {devices}; if they are not gone, it is not to be trusted"
    )
}

/// `bob@b.example` for `mimi://b.example/u/bob`.
pub(crate) fn short(user: &MimiUri) -> String {
    // Not decoded: a name may hold anything, escaped.
    let name = user.as_str().rsplit('/').next().unwrap_or_default();
    format!("{name}@{}", user.domain())
}

/// The room's name; where it has none, who is in it beside us.
pub(crate) fn title(state: &RoomState, me: &MimiUri) -> String {
    if !state.name.is_empty() {
        return one_line(&state.name);
    }
    let others = state.participants.iter().map(|it| &it.user).filter(|user| *user != me);
    others.map(short).collect::<Vec<_>>().join(", ")
}

/// `45s`, `30m`, `12h`, `7d`: rounded up where it is not even.
pub(crate) fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds.div_ceil(60)),
        3_600..172_800 => format!("{}h", seconds.div_ceil(3_600)),
        _ => format!("{}d", seconds.div_ceil(86_400)),
    }
}

/// `14:05`, in UTC.
pub(crate) fn clock(timestamp_ms: u64) -> String {
    let minutes = timestamp_ms / 60_000 % (24 * 60);
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}
