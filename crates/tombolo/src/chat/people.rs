//! The people of the open room: who they are, and what may go wrong when they are called by name.

use mimi_wire::MimiUri;
use tombolo_client::{Client, ClientError, Participant};

use crate::chat::operation::Done;
use crate::chat::rules;
use crate::chat::words::{counted, short};
use crate::plain::one_line;

/// Takes the role that the certificate offers, or says what one is.
pub(crate) async fn own_role(client: &Client, room: MimiUri) -> Result<Done, ClientError> {
    let state = client.room(&room).await?;
    if state.offered_role.is_some() {
        return client.take_own_role(&room).await.map(|()| Done::Changed(room));
    }
    let me = &client.identity().user;
    let Some(mine) = state.participants.iter().find(|one| one.user == *me) else {
        return Ok(Done::Say("-- you have no role here".to_owned()));
    };
    Ok(Done::Say(rules::of_role(&client.policy(&room).await?, mine.role_index)))
}

/// How somebody is listed in a room.
async fn listed(
    client: &Client,
    room: &MimiUri,
    user: &MimiUri,
) -> Result<Option<Participant>, ClientError> {
    let participants = client.room(room).await?.participants;
    Ok(participants.into_iter().find(|one| one.user == *user))
}

/// Whoever writes where all others are without a device is told that nobody reads it.
pub(crate) async fn heard(client: &Client, room: &MimiUri) -> Result<Done, ClientError> {
    let me = &client.identity().user;
    let participants = client.room(room).await?.participants;
    let mut others = participants.iter().filter(|one| one.user != *me && !one.is_banned).peekable();
    if others.peek().is_none() || others.any(|one| !one.clients.is_empty()) {
        return Ok(Done::Quietly);
    }
    Ok(Done::Say("-- nobody else has a device in this room now, so nobody reads this".to_owned()))
}

/// Who is listed without a device is brought back.
pub(crate) async fn add(
    client: &Client,
    room: MimiUri,
    user: &MimiUri,
) -> Result<Done, ClientError> {
    let who = short(user);
    match listed(client, &room, user).await? {
        Some(one) if one.is_banned => {
            Ok(Done::Say(format!("-- {who} is banned; /unban {who} lifts that")))
        }
        Some(one) if !one.clients.is_empty() => {
            Ok(Done::Say(format!("-- {who} is in the room already")))
        }
        _ => client.add_user(&room, user).await.map(|()| Done::Changed(room)),
    }
}

/// A ban is not lifted by the way.
pub(crate) async fn remove(
    client: &Client,
    room: MimiUri,
    user: &MimiUri,
) -> Result<Done, ClientError> {
    let who = short(user);
    match listed(client, &room, user).await? {
        None => Ok(Done::Say(format!("-- {who} is not in the room"))),
        Some(one) if one.is_banned => {
            Ok(Done::Say(format!("-- {who} is banned already; /unban {who} lifts that")))
        }
        Some(_) => client.remove_user(&room, user).await.map(|()| Done::Changed(room)),
    }
}

/// Everybody, with role and devices.
pub(crate) async fn who(client: &Client, room: &MimiUri) -> Result<Done, ClientError> {
    let line = |one: Participant| {
        let devices = match one.clients.len() {
            0 if one.is_banned => String::new(),
            0 => ", inactive: no device in the room".to_owned(),
            devices => format!(", {}", counted(devices, "device")),
        };
        format!("  {}, {}{devices}", short(&one.user), one_line(&one.role_name))
    };
    let participants = client.room(room).await?.participants;
    Ok(Done::Say(participants.into_iter().map(line).collect::<Vec<_>>().join("\n")))
}
