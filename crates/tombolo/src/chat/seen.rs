//! What a person knows of the open room, and what is different when it changes.

use std::collections::{BTreeMap, BTreeSet};

use mimi_wire::MimiUri;
use mimi_wire::room::metadata::RoomMetadata;
use mimi_wire::room::roles::RoleData;
use tombolo_client::{Participant, RoomState};

use crate::chat::words::{device, devices, said_otherwise, short};
use crate::plain::one_line;

/// What the person knows of the open room.
pub(crate) struct Seen {
    metadata: RoomMetadata,
    rules: RoleData,
    roles: BTreeMap<MimiUri, String>,
    banned: BTreeSet<MimiUri>,
    /// Devices with their users.
    devices: BTreeSet<(MimiUri, MimiUri)>,
}

impl Seen {
    /// What there is to know now.
    pub(crate) fn of(state: &RoomState) -> Self {
        let role = |one: &Participant| (one.user.clone(), one.role_name.clone());
        let roles = state.participants.iter().map(role).collect();
        let banned = state.participants.iter().filter(|one| one.is_banned);
        let banned = banned.map(|one| one.user.clone()).collect();
        let (metadata, rules) = (state.metadata.clone(), state.roles.clone());
        Self { metadata, rules, roles, banned, devices: devices(state) }
    }

    /// What is different, in lines: the name, who is in, who has which role, with which devices.
    pub(crate) fn since(&self, before: &Self, me: &MimiUri) -> Vec<String> {
        let mut lines = said_otherwise(&before.metadata, &self.metadata);
        if before.rules != self.rules {
            lines.push("-- who may do what has changed; /policy shows it".to_owned());
        }
        lines.extend(people_said(before, self, me));
        lines
    }
}

/// What is different of the people in a room and of their devices.
fn people_said(before: &Seen, now: &Seen, me: &MimiUri) -> Vec<String> {
    let mut lines = Vec::new();
    // Ourselves are "you".
    let who = |user: &MimiUri, does: &str, do_: &str| match user == me {
        true => format!("-- you {do_}"),
        false => format!("-- {} {does}", short(user)),
    };
    let is = |user: &MimiUri, what: &str| who(user, &format!("is {what}"), &format!("are {what}"));
    for (user, role) in &now.roles {
        let role = one_line(role);
        match before.roles.get(user) {
            None if now.banned.contains(user) => lines.push(is(user, &format!("now {role}"))),
            None => lines.push(is(user, &format!("in the room, as {role}"))),
            Some(old) if one_line(old) != role => lines.push(is(user, &format!("now {role}"))),
            Some(_) => {}
        }
    }
    for (user, client) in now.devices.difference(&before.devices) {
        let with = device(client);
        lines.push(who(user, &format!("comes in with {with}"), &format!("come in with {with}")));
    }
    for (user, client) in before.devices.difference(&now.devices) {
        let with = device(client);
        lines.push(who(user, &format!("goes with {with}"), &format!("go with {with}")));
    }
    for user in before.roles.keys().filter(|user| !now.roles.contains_key(*user)) {
        lines.push(is(user, "no longer in the room"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_told_of_others_and_of_themselves() {
        let uri = |text: &str| MimiUri::new(text).unwrap();
        let (alice, bob) = (uri("mimi://a.example/u/alice"), uri("mimi://b.example/u/bob"));
        let phone = (bob.clone(), uri("mimi://b.example/d/bob/phone"));
        let metadata = RoomMetadata {
            room_uri: uri("mimi://a.example/r/club"),
            room_name: "Club".to_owned(),
            room_descriptions: Vec::new(),
            room_avatar: String::new(),
            room_subject: String::new(),
            room_mood: String::new(),
        };
        let before = Seen {
            metadata: metadata.clone(),
            rules: RoleData { roles: Vec::new() },
            roles: BTreeMap::from([(bob.clone(), "guest".to_owned())]),
            banned: BTreeSet::new(),
            devices: BTreeSet::from([phone]),
        };
        let now = Seen {
            metadata: RoomMetadata { room_name: "Pub".to_owned(), ..metadata },
            rules: before.rules.clone(),
            roles: BTreeMap::from([
                (alice.clone(), "banned".to_owned()),
                (bob.clone(), "speaker".to_owned()),
            ]),
            banned: BTreeSet::from([alice.clone()]),
            devices: BTreeSet::new(),
        };
        let told = now.since(&before, &alice);
        let expected = [
            "-- the room is now called Pub",
            "-- you are now banned",
            "-- bob@b.example is now speaker",
            "-- bob@b.example goes with phone",
        ];
        assert_eq!(told, expected);
        let told = now.since(&before, &bob);
        assert!(told.contains(&"-- alice@a.example is now banned".to_owned()), "{told:?}");
        assert!(told.contains(&"-- you go with phone".to_owned()), "{told:?}");
        let told = before.since(&now, &bob);
        assert!(told.contains(&"-- alice@a.example is no longer in the room".to_owned()));
    }
}
