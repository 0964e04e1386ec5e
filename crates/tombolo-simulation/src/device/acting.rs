//! What a person does, on the client.

use std::num::NonZeroU32;
use std::sync::Arc;

use mimi_policy::Judge;
use mimi_wire::MimiUri;
use mimi_wire::content::MessageId;
use tombolo_client::{Client, ClientError, NewJoinLink, RoomStatus};
use tombolo_testkit::simulation::ledger::Rule;
use tombolo_testkit::simulation::plan::Action;

use super::Device;

type Done = Result<String, String>;

fn said<T>(outcome: Result<T, ClientError>) -> Done {
    outcome.map(|_| "done".to_owned()).map_err(|error| error.to_string())
}

impl Device {
    pub(super) async fn act(self: Arc<Self>, client: Arc<Client>, action: Action) {
        self.book.note(|| format!("{} {action:?} …", self.host));
        let outcome = self.outcome(&client, &action).await;
        self.book.pages().outcomes[usize::from(outcome.is_err())] += 1;
        self.book.note(|| match outcome {
            Ok(what) => format!("{} {action:?}: {what}", self.host),
            Err(why) => format!("{} {action:?}: not done: {why}", self.host),
        });
    }

    fn person(&self, number: usize) -> &MimiUri {
        &self.people[number % self.people.len()]
    }

    async fn room(&self, client: &Client, number: usize) -> Result<MimiUri, String> {
        let rooms = client.rooms().await.map_err(|error| error.to_string())?;
        match rooms.is_empty() {
            true => Err("there is no room".to_owned()),
            false => Ok(rooms[number % rooms.len()].clone()),
        }
    }

    async fn message(
        &self,
        client: &Client,
        room: &MimiUri,
        number: usize,
    ) -> Result<MessageId, String> {
        let state = client.room(room).await.map_err(|error| error.to_string())?;
        let last = state.messages.iter().rev();
        let messages: Vec<_> = last.map(|message| message.id).collect();
        match messages.is_empty() {
            true => Err("there is no message".to_owned()),
            false => Ok(messages[number % messages.len()]),
        }
    }

    async fn outcome(&self, client: &Client, action: &Action) -> Done {
        match action {
            Action::CreateRoom { preset } => said(client.create_room("a room", *preset).await),
            Action::OpenDirect { user } => {
                self.lets_in(*user);
                said(client.open_direct(self.person(*user)).await)
            }
            Action::Accept { user } => {
                self.lets_in(*user);
                said(client.grant_consent(self.person(*user)).await)
            }
            Action::Ask { user } => said(client.request_consent(self.person(*user)).await),
            Action::TurnAway { user } => said(client.revoke_consent(self.person(*user)).await),
            Action::JoinByLink { link } => self.join_by_link(client, *link).await,
            Action::SignOutDevice { device } => self.sign_out(client, *device).await,
            Action::CreateSubroom { room }
            | Action::Add { room, .. }
            | Action::Remove { room, .. }
            | Action::Kick { room, .. }
            | Action::Ban { room, .. }
            | Action::Unban { room, .. }
            | Action::ChangeRole { room, .. }
            | Action::Leave { room }
            | Action::Join { room }
            | Action::CreateLink { room, .. }
            | Action::RemoveLink { room, .. }
            | Action::Rename { room }
            | Action::CommitPending { room } => {
                let room = self.room(client, *room).await?;
                self.change(client, &room, action).await
            }
            Action::Write { room }
            | Action::Reply { room, .. }
            | Action::Edit { room, .. }
            | Action::Delete { room, .. }
            | Action::React { room, .. }
            | Action::MarkRead { room } => {
                let room = self.room(client, *room).await?;
                self.say(client, &room, action).await
            }
            Action::AddDevice | Action::Forbidden { .. } | Action::Deed(_) => {
                Ok("not of this device".to_owned())
            }
        }
    }

    /// From now on this user may be reached by that one.
    fn lets_in(&self, user: usize) {
        let pair = (self.user.clone(), self.person(user).clone());
        self.book.pages().let_in.insert(pair);
    }

    /// Adds somebody, who has to want it unless it is there already.
    async fn add(&self, client: &Client, room: &MimiUri, user: &MimiUri) -> Done {
        let view = client.policy(room).await.map_err(|error| error.to_string())?;
        let is_there = view.participants.participants.iter().any(|pair| pair.user == *user);
        let added = client.add_user(room, user).await;
        let mut pages = self.book.pages();
        let wants = pages.let_in.contains(&(user.clone(), self.user.clone()));
        if added.is_ok() && !is_there && !wants && *user != self.user {
            let what = format!("{} is added to {room} by {} unasked", user, self.client);
            pages.ledger.broken(Rule::Write, what);
        }
        said(added)
    }

    async fn change(&self, client: &Client, room: &MimiUri, action: &Action) -> Done {
        match action {
            Action::CreateSubroom { .. } => said(client.create_subroom(room, "a part").await),
            Action::Add { user, .. } => self.add(client, room, self.person(*user)).await,
            Action::Remove { user, .. } => said(client.remove_user(room, self.person(*user)).await),
            Action::Kick { user, .. } => said(client.kick_user(room, self.person(*user)).await),
            Action::Ban { user, .. } => said(client.ban_user(room, self.person(*user)).await),
            Action::Unban { user, .. } => {
                said(client.unban_user(room, self.person(*user), None).await)
            }
            Action::ChangeRole { user, role, .. } => {
                let state = client.room(room).await.map_err(|error| error.to_string())?;
                let roles = &state.roles.roles;
                let role = roles.get(role % roles.len().max(1)).ok_or("there is no role")?;
                said(client.change_role(room, self.person(*user), role.role_index).await)
            }
            Action::Leave { .. } => {
                self.book.pages().ledger.wants_to_go(room, &self.user);
                let left = client.leave_room(room).await;
                if matches!(left, Err(ClientError::Denied(_) | ClientError::Refused(_))) {
                    self.book.pages().ledger.stays(room, &self.user);
                }
                said(left)
            }
            Action::Join { .. } => said(client.join_room(room).await),
            Action::CreateLink { uses, .. } => {
                let uses = NonZeroU32::new(*uses);
                let wish = NewJoinLink { role: None, uses, lasts_ms: Some(600_000) };
                let link = client.create_join_link(room, wish).await;
                let link = link.map_err(|error| error.to_string())?;
                self.book.pages().links.push(link);
                Ok("a link".to_owned())
            }
            Action::RemoveLink { link, .. } => {
                let state = client.room(room).await.map_err(|error| error.to_string())?;
                let links = &state.join_links;
                let link = links.get(link % links.len().max(1)).ok_or("there is no link")?;
                said(client.remove_join_link(room, &link.link).await)
            }
            Action::Rename { .. } => {
                let name = self.book.text(&self.user, room);
                said(client.rename_room(room, &name).await)
            }
            _ => said(client.commit_pending(room).await),
        }
    }

    async fn say(&self, client: &Client, room: &MimiUri, action: &Action) -> Done {
        let text = || self.book.text(&self.user, room);
        let sent = match action {
            Action::Write { .. } => {
                let text = text();
                self.heard_of(&text, client.send_text(room, &text).await)
            }
            Action::Reply { message, .. } => {
                let message = self.message(client, room, *message).await?;
                let text = text();
                self.heard_of(&text, client.reply(room, message, &text).await)
            }
            Action::Edit { message, .. } => {
                let message = self.message(client, room, *message).await?;
                client.edit(room, message, &text()).await
            }
            Action::React { message, .. } => {
                let message = self.message(client, room, *message).await?;
                return said(client.react(room, message, "👍").await);
            }
            Action::Delete { message, .. } => {
                let message = self.message(client, room, *message).await?;
                return said(client.delete(room, message).await);
            }
            _ => {
                let state = client.room(room).await.map_err(|error| error.to_string())?;
                let ids: Vec<_> = state.messages.iter().map(|message| message.id).collect();
                return said(client.mark_read(room, &ids).await);
            }
        };
        let id = sent.map_err(|error| error.to_string())?;
        let mut pages = self.book.pages();
        // A device that was put back may be the only one that could show it, and does not have to.
        let is_excused = pages.ledger.is_excused(&self.client, room);
        if !matches!(action, Action::Edit { .. }) && !is_excused {
            pages.ledger.promised(&self.client, room, id);
        }
        Ok(format!("sent {id}"))
    }

    /// A person who hears that something was not sent writes it again. A client that stops, or cannot
    /// store, does not know.
    fn heard_of(
        &self,
        text: &str,
        sent: Result<MessageId, ClientError>,
    ) -> Result<MessageId, ClientError> {
        if sent.as_ref().is_err_and(|error| {
            use ClientError::{InDoubt, Other, Storage};
            !matches!(error, InDoubt(_) | Storage(_) | Other(_))
        }) {
            self.book.pages().ledger.unsent(&self.client, text);
        }
        sent
    }

    async fn join_by_link(&self, client: &Client, link: usize) -> Done {
        let links = self.book.pages().links.clone();
        let link = links.get(link % links.len().max(1)).ok_or("nobody has made a link")?;
        let link = link.parse().map_err(|_| "it is no link".to_owned())?;
        said(client.join_by_link(&link).await)
    }

    async fn sign_out(&self, client: &Client, device: usize) -> Done {
        let devices = client.devices().await.map_err(|error| error.to_string())?;
        let others: Vec<_> = devices.iter().filter(|device| !device.current).collect();
        let other = others.get(device % others.len().max(1)).ok_or("there is no other")?;
        said(client.sign_out(&other.client).await)
    }
}

impl Device {
    /// A word in every room it is in and may write in; why where that could not be.
    pub(super) async fn last_words(&self, client: &Client) -> Vec<String> {
        let mut failed = Vec::new();
        for room in client.rooms().await.unwrap_or_default() {
            if !self.may_write(client, &room).await {
                continue;
            }
            let text = self.book.text(&self.user, &room);
            match client.send_text(&room, &text).await {
                Ok(id) => self.book.pages().ledger.promised(&self.client, &room, id),
                // Not everybody who may send something may send a text.
                Err(ClientError::Denied(_)) => {}
                Err(error) => failed.push(format!("{} cannot write in {room}: {error}", self.host)),
            }
        }
        failed
    }

    async fn may_write(&self, client: &Client, room: &MimiUri) -> bool {
        let (Ok(state), Ok(view)) = (client.room(room).await, client.policy(room).await) else {
            return false;
        };
        let pages = self.book.pages();
        let is_excused = pages.crooked.contains(&room.domain())
            || pages.ledger.is_excused(&self.client, room)
            || pages.ledger.is_going(room, &self.client);
        matches!(state.status, RoomStatus::Joined)
            && !is_excused
            && Judge::of(&view).may_submit(&self.user).is_ok()
    }
}
