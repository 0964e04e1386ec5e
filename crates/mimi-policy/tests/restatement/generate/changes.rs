//! A change of a room, aimed at what its sender may nearly do.

use serde_json::{Map, Value, json};

use super::{Dice, UNDEFINED_ROLE, USERS};
use crate::form::{
    AddClients, All, COMPONENTS, Change, Claim, How, HowMany, JoinCode, Participant, PreAuthEntry,
    RemoveClients, Room, SetRole,
};
use crate::room;

fn claim(dice: &mut Dice) -> Claim {
    let (id, value) = dice.pick(&[("department", "hr"), ("department", "it"), ("country", "nl")]);
    let credential_type = dice.pick(&[2, 2, 2, 3]);
    Claim { credential_type, id: id.to_owned(), value: value.to_owned() }
}

pub(super) fn some_claims(dice: &mut Dice) -> Vec<Claim> {
    (0..dice.pick(&[0, 1, 1, 2])).map(|_| claim(dice)).collect()
}

/// A change being made, and what is needed to aim it.
struct Draft<'a> {
    dice: &'a mut Dice,
    room: &'a Room,
    /// The room as the restatement reads it, if it can.
    read: Option<room::Room>,
    change: Change,
    /// Who was spoken of last; often it is the same user again.
    last: Option<String>,
}

pub(super) fn a_change(dice: &mut Dice, room: &Room) -> Change {
    let read = room::Room::read(room).ok();
    let by = match dice.below(20) {
        0..13 => {
            let active: Vec<&Participant> =
                room.participants.iter().filter(|participant| participant.clients > 0).collect();
            if active.is_empty() || dice.percent(15) {
                dice.pick(&room.participants).user
            } else {
                dice.pick(&active).user.clone()
            }
        }
        13..17 => dice.pick(&USERS[6..]).to_owned(),
        _ if room.preauth.is_empty() && dice.percent(70) => dice.pick(&room.participants).user,
        _ => "external_sender".to_owned(),
    };
    let mut draft =
        Draft { dice, room, read, change: Change { by, ..Change::default() }, last: None };
    draft.fill();
    draft.change
}

impl Draft<'_> {
    fn fill(&mut self) {
        self.choose_how();
        if self.change.by == "external_sender" || self.dice.percent(70) {
            self.claims();
        }
        if self.change.how == How::Message && self.dice.percent(95) {
            self.change.send_message = self.dice.percent(90).then_some(true);
            return;
        }
        let outside = match self.entry(&self.change.by.clone()) {
            Some(entry) => entry.1 == 0 || self.change.how == How::ExternalCommit,
            None => self.change.by != "external_sender",
        };
        if outside && self.dice.percent(85) {
            self.come_from_outside();
            if self.dice.percent(85) {
                return;
            }
        }
        for _ in 0..self.dice.pick(&[0, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 3]) {
            self.act();
        }
        if self.dice.percent(4) {
            let component = self.dice.pick(&["roles", "preauth", "preauth", "base"]);
            self.change.components.push(component.to_owned());
        }
    }

    fn choose_how(&mut self) {
        let listed = self.entry(&self.change.by.clone());
        self.change.how = match listed {
            _ if self.change.by == "external_sender" => {
                let rest = [How::Proposal, How::Commit, How::ExternalCommit, How::Message];
                if self.dice.percent(85) { How::Proposal } else { self.dice.pick(&rest) }
            }
            Some((_, clients)) if clients > 0 => self.dice.pick(&[
                How::Commit,
                How::Commit,
                How::Commit,
                How::Commit,
                How::Proposal,
                How::Proposal,
                How::Proposal,
                How::ExternalCommit,
                How::Message,
            ]),
            Some(_) => self.dice.pick(&[
                How::Commit,
                How::Proposal,
                How::Proposal,
                How::ExternalCommit,
                How::ExternalCommit,
                How::Message,
            ]),
            None => self.dice.pick(&[
                How::ExternalCommit,
                How::ExternalCommit,
                How::ExternalCommit,
                How::Proposal,
                How::Proposal,
                How::Commit,
            ]),
        };
    }

    /// Mostly those of an entry, so that preauthorization matters.
    fn claims(&mut self) {
        if !self.room.preauth.is_empty() && self.dice.percent(75) {
            self.change.claims = self.dice.pick(&self.room.preauth).claims;
            if self.dice.percent(20) {
                self.change.claims.push(claim(self.dice));
            }
            if self.dice.percent(10) {
                self.change.claims.pop();
            }
        } else {
            self.change.claims = some_claims(self.dice);
        }
    }

    fn entry(&self, user: &str) -> Option<(u32, u32)> {
        let found = self.room.participants.iter().find(|participant| participant.user == user);
        found.map(|participant| (participant.role, participant.clients))
    }

    fn some_user(&mut self) -> String {
        let user = match (self.dice.below(20), &self.last) {
            (0..8, Some(last)) => last.clone(),
            (0, _) if self.change.by != "external_sender" => self.change.by.clone(),
            (1, _) => self.dice.pick(&USERS).to_owned(),
            _ => self.dice.pick(&self.room.participants).user,
        };
        self.last = Some(user.clone());
        user
    }

    fn unlisted_user(&mut self) -> String {
        let listed = self.room.participants.len();
        if self.dice.percent(5) {
            self.some_user()
        } else {
            let user = self.dice.pick(&USERS[listed..]).to_owned();
            self.last = Some(user.clone());
            user
        }
    }

    /// The role whose table the actor uses, if any.
    fn own_role(&self) -> Option<room::Role> {
        let read = self.read.as_ref()?;
        match self.entry(&self.change.by) {
            Some((role, _)) => Some(read.role(role)),
            None if self.change.by == "external_sender" => {
                self.preauthorized().map(|role| read.role(role))
            }
            None => Some(read.role(0)),
        }
    }

    fn preauthorized(&self) -> Option<u32> {
        let matches = |entry: &&PreAuthEntry| {
            entry.claims.iter().all(|claim| self.change.claims.contains(claim))
        };
        self.room.preauth.iter().find(matches).map(|entry| entry.role)
    }

    /// A role to go to: mostly one the actor's table allows.
    fn target(&mut self, from: u32) -> u32 {
        let allowed: Vec<u32> = self
            .own_role()
            .map(|role| {
                let entries = role.authorized_role_changes.iter();
                let of_from = entries.filter(|(entry_from, _)| *entry_from == from);
                of_from.flat_map(|(_, to)| to.iter().copied()).filter(|to| *to != 0).collect()
            })
            .unwrap_or_default();
        if !allowed.is_empty() && self.dice.percent(80) {
            return self.dice.pick(&allowed);
        }
        let mut any: Vec<u32> = match &self.read {
            Some(read) => read.roles.keys().copied().filter(|role| *role != 0).collect(),
            None => vec![1, 2, 3],
        };
        if any.len() > 1 && self.dice.percent(90) {
            any.retain(|role| *role != from);
        }
        if self.dice.percent(8) {
            any = vec![0, UNDEFINED_ROLE];
        }
        self.dice.pick(&any)
    }

    fn come_from_outside(&mut self) {
        let me = self.change.by.clone();
        let clients = self.dice.pick(&[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 2]);
        if self.entry(&me).is_some() {
            self.change.add_clients.push(AddClients { user: me.clone(), clients });
            if self.dice.percent(8) {
                let clients = self.some_number();
                self.change.remove_clients.push(RemoveClients { user: me, clients });
            }
            if self.dice.percent(10) {
                self.own_role_change();
            }
            return;
        }
        let mut role = self.target(0);
        if let Some(preauthorized) = self.preauthorized()
            && self.dice.percent(50)
        {
            role = preauthorized;
        }
        if self.dice.percent(55) {
            let named = if self.dice.percent(85) { role } else { self.target(0) };
            let valid = self.dice.percent(80);
            self.change.join_code = Some(JoinCode { role: named, valid });
        }
        self.change.add.push(Participant { user: me, role, clients });
    }

    fn some_number(&mut self) -> HowMany {
        match self.dice.below(4) {
            0 => HowMany::All(All::All),
            _ => HowMany::Number(self.dice.pick(&[1, 1, 1, 2, 2, 3, 0])),
        }
    }

    fn act(&mut self) {
        let own = [7, 8, 13, 14, 17, 19];
        let mut action = self.dice.below(24);
        // A server has neither an entry nor clients.
        while self.change.by == "external_sender" && own.contains(&action) && self.dice.percent(98)
        {
            action = self.dice.below(24);
        }
        match action {
            0..4 => self.add(),
            4..6 => self.remove(),
            6 | 18 => self.kick(),
            7 | 8 => self.leave(),
            9..13 => self.set_role(),
            13 => self.own_role_change(),
            14 => self.drop_own_clients(),
            15 | 16 => self.add_clients(),
            17 => self.add_own_clients(),
            19 => self.drop_own_clients(),
            20 | 21 => self.metadata(),
            22 => {
                let component = self.dice.pick(&COMPONENTS).to_owned();
                self.change.components.push(component);
            }
            _ => self.rarity(),
        }
    }

    fn add(&mut self) {
        let user = self.unlisted_user();
        let role = self.target(0);
        let clients = self.dice.pick(&[0, 0, 1, 1, 1, 2]);
        let clients = if role == 1 && self.dice.percent(85) { 0 } else { clients };
        self.change.add.push(Participant { user, role, clients });
    }

    fn remove(&mut self) {
        let user = self.some_user();
        self.change.remove.push(user.clone());
        self.clients_go(user);
    }

    /// Mostly all of a user's clients, written in one way or another.
    fn clients_go(&mut self, user: String) {
        let there = self.entry(&user).map_or(0, |entry| entry.1);
        let clients = match self.dice.below(10) {
            0 => return,
            1 => self.some_number(),
            2..5 => HowMany::Number(there),
            _ => HowMany::All(All::All),
        };
        if there > 0 || self.dice.percent(10) {
            self.change.remove_clients.push(RemoveClients { user, clients });
        }
    }

    fn leave(&mut self) {
        if self.dice.percent(85) && self.change.how == How::Commit {
            self.change.how = How::Proposal;
        }
        let me = self.change.by.clone();
        self.change.remove.push(me.clone());
        self.clients_go(me);
    }

    fn set_role(&mut self) {
        let user = self.some_user();
        let from = self.entry(&user).map_or(0, |entry| entry.0);
        let role = self.target(from);
        self.change.set_role.push(SetRole { user: user.clone(), role });
        if role == 1 || self.dice.percent(8) {
            self.clients_go(user);
        }
    }

    fn own_role_change(&mut self) {
        let user = self.change.by.clone();
        let role = match self.preauthorized() {
            Some(role) if self.dice.percent(85) => role,
            None if self.dice.percent(80) => return self.set_role(),
            _ => self.target(self.entry(&user).map_or(0, |entry| entry.0)),
        };
        self.change.set_role.push(SetRole { user, role });
    }

    fn add_clients(&mut self) {
        let user = self.some_user();
        let clients = self.dice.pick(&[1, 1, 1, 2]);
        self.change.add_clients.push(AddClients { user, clients });
    }

    fn add_own_clients(&mut self) {
        let user = self.change.by.clone();
        let clients = self.dice.pick(&[1, 1, 2]);
        self.change.add_clients.push(AddClients { user, clients });
    }

    fn kick(&mut self) {
        let user = self.some_user();
        let clients = self.some_number();
        self.change.remove_clients.push(RemoveClients { user, clients });
    }

    fn drop_own_clients(&mut self) {
        let user = self.change.by.clone();
        let clients = match self.change.how {
            How::Commit if self.dice.percent(60) => HowMany::Number(1),
            _ => self.some_number(),
        };
        self.change.remove_clients.push(RemoveClients { user, clients });
    }

    fn metadata(&mut self) {
        let mut fields = Map::new();
        for _ in 0..=self.dice.below(2) {
            let (field, value): (&str, Value) = match self.dice.below(12) {
                0..2 => ("room_name", json!("Tea")),
                2..4 => (
                    "room_descriptions",
                    json!([{"media_type": "", "language_tag": "en", "description_content": "Tea"}]),
                ),
                4 | 5 => ("room_avatar", json!("https://a.example/tea.png")),
                6 => ("room_avatar", json!(self.dice.pick(&["", "http://a.example/tea.png"]))),
                7 | 8 => ("room_subject", json!("Cups")),
                9 | 10 => ("room_mood", json!("calm")),
                _ => ("room_uri", json!("mimi://a.example/r/other")),
            };
            fields.insert(field.to_owned(), value);
        }
        self.change.metadata = Some(fields);
    }

    fn rarity(&mut self) {
        match self.dice.below(4) {
            0 => self.change.send_message = Some(self.dice.percent(50)),
            1 => self.change.join_code = Some(JoinCode { role: 2, valid: true }),
            2 => self.change.metadata = Some(Map::new()),
            _ => {
                let user = self.unlisted_user();
                let clients = self.dice.pick(&[1, 1, 0]);
                self.change.add_clients.push(AddClients { user, clients });
            }
        }
    }
}
