//! Act two: a moderated room. Who comes in by a link listens, who is promoted speaks, who breaks the
//! rules is told which; every refusal is the judge's own sentence.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::time::Instant;

use mimi_policy::preset::Preset;
use mimi_wire::MimiUri;
use mimi_wire::content::MessageId;
use mimi_wire::room::join_code::RoomLink;
use tombolo_client::{ClientError, NewJoinLink, RoomState, RoomStatus};

use crate::demo::checks::{Check, agreement};
use crate::demo::story::Story;

/// Roles of the moderated preset (room-policy, appendix A.3).
const ATTENDEE: u32 = 3;
const SPEAKER: u32 = 4;

impl Story {
    pub(super) async fn a_moderated_room(&mut self) -> Result<(), String> {
        self.narrator.act("Act two: a moderated room, with the judge's own words");
        let since = Instant::now();
        let phone = &self.device("alice's phone").client;
        let hall =
            done("alice cannot create", phone.create_room("Town hall", Preset::Moderated).await)?;
        self.told("alice's phone", since, &format!("creates {hall}, moderated"));
        let wish = NewJoinLink { role: Some(ATTENDEE), uses: None, lasts_ms: Some(3_600_000) };
        let link = done("alice cannot invite", phone.create_join_link(&hall, wish).await)?;
        self.narrator.did(&format!("she makes a link that lets attendees in for an hour: {link}"));
        let link: RoomLink = done("the link", link.parse())?;
        for name in ["bob's phone", "cathy's phone"] {
            let since = Instant::now();
            let joined = self.device(name).client.join_by_link(&link).await;
            done(&format!("{name} cannot join"), joined)?;
            self.told(name, since, "comes in by the link");
        }
        let present = ["alice's phone", "bob's phone", "cathy's phone"];
        let welcome =
            self.say(&hall, "alice's phone", "Welcome to the town hall", &present).await?;

        self.bob_is_promoted_and_muted(&hall, welcome, &present).await?;
        self.cathy_oversteps(&hall).await?;
        self.cathy_is_banned_and_forgiven(&hall, &link, &present).await?;
        self.the_hall_agrees(&hall, &present).await
    }

    async fn bob_is_promoted_and_muted(
        &mut self,
        hall: &MimiUri,
        welcome: MessageId,
        present: &[&str],
    ) -> Result<(), String> {
        let bob = self.user("bob");
        self.waits_for_role(hall, "bob's phone", ATTENDEE).await?;
        let early = self.device("bob's phone").client.send_text(hall, "May I speak?").await;
        self.refused("bob's phone tries to write", "who may only listen cannot write", early);
        let since = Instant::now();
        let reaction = self.device("bob's phone").client.react(hall, welcome, "\u{1f44b}").await;
        done("bob cannot react", reaction)?;
        self.told("bob's phone", since, "may react, and does");
        self.town_hall.message(welcome).reactions.push((bob.clone(), "\u{1f44b}".to_owned()));

        self.gives_role(hall, "bob", SPEAKER, "promotes bob to speaker").await?;
        self.say(hall, "bob's phone", "Thank you, I have a question", present).await?;
        self.gives_role(hall, "bob", ATTENDEE, "mutes bob by role: an attendee again").await?;
        let muted = self.device("bob's phone").client.send_text(hall, "But I was not done").await;
        self.refused("bob's phone tries to go on", "who was muted cannot write", muted);
        Ok(())
    }

    async fn cathy_oversteps(&mut self, hall: &MimiUri) -> Result<(), String> {
        let bob = self.user("bob");
        let cathy = &self.device("cathy's phone").client;
        let renamed = cathy.rename_room(hall, "Cathy's hall").await;
        let banned = cathy.ban_user(hall, &bob).await;
        self.refused("cathy's phone renames the hall", "an attendee cannot rename", renamed);
        self.refused("cathy's phone bans bob", "an attendee cannot ban", banned);
        Ok(())
    }

    async fn cathy_is_banned_and_forgiven(
        &mut self,
        hall: &MimiUri,
        link: &RoomLink,
        present: &[&str],
    ) -> Result<(), String> {
        let cathy = self.user("cathy");
        let since = Instant::now();
        let ban = self.device("alice's phone").client.ban_user(hall, &cathy).await;
        done("alice cannot ban", ban)?;
        self.told("alice's phone", since, "bans cathy");
        let phone = self.device("cathy's phone");
        phone.sees(hall, "the ban", |state| state.status == RoomStatus::Banned).await?;
        let by_link = phone.client.join_by_link(link).await;
        let by_room = phone.client.join_room(hall).await;
        self.refused("cathy's phone tries the link", "a ban closes the link", by_link);
        self.refused("cathy's phone tries the room", "a ban closes the room", by_room);
        self.say(hall, "alice's phone", "Cathy does not read this", &present[..2]).await?;

        let since = Instant::now();
        let unban = self.device("alice's phone").client.unban_user(hall, &cathy, Some(ATTENDEE));
        done("alice cannot lift the ban", unban.await)?;
        self.told("alice's phone", since, "lifts the ban");
        let since = Instant::now();
        let back = self.device("cathy's phone").client.join_room(hall).await;
        self.told("cathy's phone", since, "comes back by itself");
        self.checks.push(Check::new(
            "who was forgiven can come back",
            back.is_ok(),
            back.map_or_else(|error| error.to_string(), |()| "cathy is in again".to_owned()),
        ));
        self.say(hall, "alice's phone", "Good to have you back, cathy", present).await.map(drop)
    }

    /// Writes in the hall and notes who must show it.
    async fn say(
        &mut self,
        hall: &MimiUri,
        name: &str,
        text: &str,
        present: &[&str],
    ) -> Result<MessageId, String> {
        let id = self.says(hall, name, text, present).await?;
        let sender = self.device(name).user().clone();
        let present: BTreeSet<String> = present.iter().map(|&name| name.to_owned()).collect();
        self.town_hall.wrote(id, &sender, text, &present);
        Ok(id)
    }

    /// Writes in a room, and waits until everybody shows it.
    pub(super) async fn says(
        &self,
        room: &MimiUri,
        name: &str,
        text: &str,
        present: &[&str],
    ) -> Result<MessageId, String> {
        self.sees_in(room, name, present).await?;
        let since = Instant::now();
        let sent = self.device(name).client.send_text(room, text).await;
        let id = done(&format!("{name} cannot write"), sent)?;
        self.told(name, since, &format!("says \"{text}\""));
        self.show(room, id, present).await?;
        Ok(id)
    }

    /// Waits until everybody shows a message.
    pub(super) async fn show(
        &self,
        room: &MimiUri,
        id: MessageId,
        present: &[&str],
    ) -> Result<(), String> {
        for name in present {
            let shows = |state: &RoomState| state.messages.iter().any(|shown| shown.id == id);
            self.device(name).sees(room, "what was said", shows).await?;
        }
        Ok(())
    }

    /// Who writes before it has seen somebody come in writes in an epoch the newcomer cannot read.
    pub(super) async fn sees_in(
        &self,
        room: &MimiUri,
        name: &str,
        present: &[&str],
    ) -> Result<(), String> {
        let clients: Vec<_> =
            present.iter().map(|name| self.device(name).client.identity().client.clone()).collect();
        let all = |state: &RoomState| {
            let here = |client| state.participants.iter().any(|one| one.clients.contains(client));
            clients.iter().all(here)
        };
        self.device(name).sees(room, "everybody in the room", all).await.map(drop)
    }

    async fn gives_role(
        &self,
        hall: &MimiUri,
        user: &str,
        role: u32,
        what: &str,
    ) -> Result<(), String> {
        let (since, member) = (Instant::now(), self.user(user));
        let given = self.device("alice's phone").client.change_role(hall, &member, role);
        done("alice cannot give the role", given.await)?;
        self.told("alice's phone", since, what);
        self.waits_for_role(hall, &format!("{user}'s phone"), role).await
    }

    async fn waits_for_role(&self, hall: &MimiUri, name: &str, role: u32) -> Result<(), String> {
        let device = self.device(name);
        let user = device.user().clone();
        let has = |state: &RoomState| {
            let mut listed = state.participants.iter();
            listed.any(|one| one.user == user && one.role_index == role)
        };
        device.sees(hall, &format!("its role {role}"), has).await.map(drop)
    }

    /// What must be refused, and the sentence the person sees.
    fn refused<T>(&mut self, what: &str, name: &str, result: Result<T, ClientError>) {
        let (ok, detail) = match result {
            Ok(_) => (false, "it was not refused".to_owned()),
            Err(error) => (true, error.to_string()),
        };
        self.narrator.did(&format!("{what}: {detail}"));
        self.checks.push(Check::new(name, ok, detail));
    }

    /// Every device in the hall shows the same, and each message as it must.
    async fn the_hall_agrees(&mut self, hall: &MimiUri, present: &[&str]) -> Result<(), String> {
        let newest = self.device("alice's phone").room(hall).await?.epoch;
        let mut views = Vec::new();
        for &name in present {
            let due = |state: &RoomState| {
                let told = self.town_hall.told.iter().filter(|told| told.seen_by.contains(name));
                state.epoch >= newest
                    && told.clone().all(|told| {
                        let mut shown = state.messages.iter();
                        shown.any(|shown| shown.id == told.id && told.differs(shown).is_none())
                    })
            };
            views.push((name.to_owned(), self.device(name).sees(hall, "the hall", due).await?));
        }
        let check = agreement("the moderated room agrees", &views, &self.town_hall);
        self.narrator.did(&format!("compared: {}", check.detail));
        self.checks.push(check);
        Ok(())
    }
}

pub(super) fn done<T, E: Display>(what: &str, result: Result<T, E>) -> Result<T, String> {
    result.map_err(|error| format!("{what}: {error}"))
}
