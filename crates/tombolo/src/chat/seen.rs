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
    epoch: u64,
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
        Self { epoch: state.epoch, metadata, rules, roles, banned, devices: devices(state) }
    }

    /// What is different, in lines: the name, who is in, who has which role, with which devices; and
    /// whose doing it was, with the epoch that it led to, if that is known.
    pub(crate) fn since(
        &self,
        before: &Self,
        me: &MimiUri,
        by: Option<&(u64, MimiUri)>,
    ) -> Vec<String> {
        // More than one change may lie between: then nobody can say whose doing what was.
        let one_step = |epoch: u64| before.epoch + 1 == epoch && epoch == self.epoch;
        let by = by.filter(|(epoch, _)| one_step(*epoch)).map(|(_, by)| by).filter(|by| *by != me);
        let mut lines = Vec::new();
        // Once for each person is enough.
        let mut told = BTreeSet::new();
        let mut say = |whose: Option<&MimiUri>, line: String| {
            let by = by.filter(|by| Some(*by) != whose && told.insert(whose.cloned()));
            lines.push(by.map_or_else(|| line.clone(), |by| format!("{line} (by {})", short(by))));
        };
        for line in said_otherwise(&before.metadata, &self.metadata) {
            say(None, line);
        }
        if before.rules != self.rules {
            say(None, "-- who may do what has changed; /policy shows it".to_owned());
        }
        for (user, line) in people_said(before, self, me) {
            say(Some(user), line);
        }
        lines
    }
}

/// What is different of the people in a room and of their devices. We ourselves are "you".
fn people_said<'a>(before: &'a Seen, now: &'a Seen, me: &MimiUri) -> Vec<(&'a MimiUri, String)> {
    let mut lines = Vec::new();
    let mut say = |user: &'a MimiUri, does: &str, we_do: &str, what: &str| {
        lines.push(match user == me {
            true => (user, format!("-- you {we_do} {what}")),
            false => (user, format!("-- {} {does} {what}", short(user))),
        });
    };
    for (user, role) in &now.roles {
        let role = one_line(role);
        match before.roles.get(user) {
            None if now.banned.contains(user) => say(user, "is", "are", &format!("now {role}")),
            None => say(user, "is", "are", &format!("in the room, as {role}")),
            Some(old) if one_line(old) != role => say(user, "is", "are", &format!("now {role}")),
            Some(_) => {}
        }
    }
    for (user, client) in now.devices.difference(&before.devices) {
        say(user, "comes in", "come in", &format!("with {}", device(client)));
    }
    for (user, client) in before.devices.difference(&now.devices) {
        say(user, "goes", "go", &format!("with {}", device(client)));
    }
    let is_in = |seen: &Seen, user: &MimiUri| seen.devices.iter().any(|(of, _)| of == user);
    let stays = |user: &&MimiUri| *user != me && !now.banned.contains(*user);
    for user in now.roles.keys().filter(stays) {
        if is_in(before, user) && !is_in(now, user) {
            say(user, "has", "have", "no device here any more: nothing written here reaches them");
        }
    }
    for user in before.roles.keys().filter(|user| !now.roles.contains_key(*user)) {
        say(user, "is", "are", "no longer in the room");
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
            epoch: 4,
            metadata: metadata.clone(),
            rules: RoleData { roles: Vec::new() },
            roles: BTreeMap::from([(bob.clone(), "guest".to_owned())]),
            banned: BTreeSet::new(),
            devices: BTreeSet::from([phone]),
        };
        let now = Seen {
            epoch: 5,
            metadata: RoomMetadata { room_name: "Pub".to_owned(), ..metadata },
            rules: before.rules.clone(),
            roles: BTreeMap::from([
                (alice.clone(), "banned".to_owned()),
                (bob.clone(), "speaker".to_owned()),
            ]),
            banned: BTreeSet::from([alice.clone()]),
            devices: BTreeSet::new(),
        };
        let told = now.since(&before, &alice, None);
        let expected = [
            "-- the room is now called Pub",
            "-- you are now banned",
            "-- bob@b.example is now speaker",
            "-- bob@b.example goes with phone",
            "-- bob@b.example has no device here any more: nothing written here reaches them",
        ];
        assert_eq!(told, expected);
        let told = now.since(&before, &bob, None);
        assert!(told.contains(&"-- alice@a.example is now banned".to_owned()), "{told:?}");
        assert!(told.contains(&"-- you go with phone".to_owned()), "{told:?}");
        let told = before.since(&now, &bob, None);
        assert!(told.contains(&"-- alice@a.example is no longer in the room".to_owned()));
        // Whose doing it was, where that is sure and says anything.
        let cathy = uri("mimi://c.example/u/cathy");
        let told = now.since(&before, &alice, Some(&(5, cathy.clone())));
        assert_eq!(told[1], "-- you are now banned (by cathy@c.example)");
        let told = now.since(&before, &alice, Some(&(5, bob.clone())));
        assert_eq!(told[0], "-- the room is now called Pub (by bob@b.example)");
        assert_eq!(told[2], "-- bob@b.example is now speaker");
        for by in [(6, cathy), (5, alice.clone())] {
            assert_eq!(now.since(&before, &alice, Some(&by))[1], "-- you are now banned");
        }
    }
}
