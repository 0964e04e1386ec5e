//! A room on this device: where the device stands in it, its group, its messages and what is under
//! way.

use std::collections::{BTreeMap, VecDeque};

use mimi_mls::device::Device;
use mimi_mls::member::MemberGroup;
use mimi_policy::{ClientIdentity, RoomView};
use mimi_wire::content::MessageId;
use mimi_wire::{Domain, MimiUri};
use serde::{Deserialize, Serialize};

use crate::error::ClientError;
use crate::event::ClientEvent;
use crate::session::Session;
use crate::session::commit::Commits;
use crate::session::create_room::Founding;
use crate::session::effects::{Effects, Moment, Timer};
use crate::session::expiry::Expiry;
use crate::session::franking::KeptFrank;
use crate::session::issuers::IssuerBook;
use crate::session::join_links;
use crate::session::join_room::Joining;
use crate::session::leave_room::Leaving;
use crate::session::operational;
use crate::session::receipts::{ReceiptSetting, Receipts};
use crate::session::remove_user::is_ban;
use crate::session::saved::{Footing, LastView, room_value};
use crate::session::send::Sending;
use crate::session::stream_event::StreamEvent;
use crate::session::timeline::Timeline;
use crate::shown::{Evidence, Participant, RoomState, RoomStatus, ShownMessage};
use crate::store::StoreChange;

/// Earlier epochs whose view is kept: messages sent in them may still come.
pub(crate) const PAST_VIEWS: usize = 4;

/// Where this device stands in a room.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) enum Standing {
    /// It has sent events, and this device has never been in it.
    Unknown,
    /// It creates the room; the hub has not answered.
    Founding,
    /// It comes in by external commit; the hub has not accepted it.
    Joining,
    Joined,
    /// A member whose group cannot follow the hub's: it comes in again by external commit.
    Rejoining,
    /// Its user leaves or has left.
    Left,
    Removed,
    Banned,
    Frozen {
        reason: String,
    },
}

impl Standing {
    /// As an app sees it; `None` before the room is ours to show.
    pub(crate) fn status(&self) -> Option<RoomStatus> {
        match self {
            Self::Unknown | Self::Founding | Self::Joining => None,
            Self::Joined | Self::Rejoining => Some(RoomStatus::Joined),
            Self::Left => Some(RoomStatus::Left),
            Self::Removed => Some(RoomStatus::Removed),
            Self::Banned => Some(RoomStatus::Banned),
            Self::Frozen { reason } => Some(RoomStatus::Frozen { reason: reason.clone() }),
        }
    }
}

/// What a room needs of the rest of the session to do its work.
pub(crate) struct Means<'a> {
    pub(crate) device: &'a mut Device,
    pub(crate) own: &'a ClientIdentity,
    pub(crate) issuers: &'a mut IssuerBook,
    pub(crate) effects: &'a mut Effects,
    /// What the user tells of others' messages.
    pub(crate) receipts: ReceiptSetting,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) uri: MimiUri,
    pub(crate) standing: Standing,
    pub(crate) group: Option<MemberGroup>,
    /// What is left to show once there is no group.
    pub(crate) last_view: Option<LastView>,
    /// The id of that group, by which a device that comes in again knows it.
    pub(crate) last_group: Option<Vec<u8>>,
    pub(crate) past_views: BTreeMap<u64, RoomView>,
    pub(crate) timeline: Timeline,
    /// What is kept of messages' franks.
    pub(crate) franks: BTreeMap<MessageId, KeptFrank>,
    /// Events that cannot be processed yet, whole, by id.
    pub(crate) waiting: BTreeMap<u64, StreamEvent>,
    /// Nothing is processed before the issuers of this domain are known.
    pub(crate) blocked: Option<Domain>,
    /// Something changed that waiting events or proposals may have waited for.
    pub(crate) stirred: bool,
    pub(crate) commits: Commits,
    pub(crate) sends: VecDeque<Sending>,
    pub(crate) founding: Option<Founding>,
    pub(crate) joining: Option<Joining>,
    pub(crate) leaving: Option<Leaving>,
    /// A timer runs to commit what others have proposed.
    pub(crate) commit_pending_due: bool,
    /// Events that were not followed.
    pub(crate) evidence: Vec<Evidence>,
    /// Another direct room of the same people has taken this one's place.
    pub(crate) superseded_by: Option<MimiUri>,
    /// What has led to our epoch.
    pub(crate) footing: Footing,
    /// When this device last came in again because its hub was elsewhere, in milliseconds.
    pub(crate) astray_ms: Option<u64>,
    /// When a message that could not be read last made it look where the hub is, in milliseconds.
    pub(crate) doubted_ms: Option<u64>,
    /// What is known and to be told of messages at those who get them.
    pub(crate) receipts: Receipts,
    /// When messages end.
    pub(crate) expiry: Expiry,
    /// The hub's time of the event by which this device came in, or of the first one that it took:
    /// no message can be older (CONTENT-SEC-1).
    pub(crate) began_ms: Option<u64>,
}

impl Session {
    /// Rooms known on this device, in the order in which it came into them: those that come stand last.
    pub fn rooms(&self) -> Vec<MimiUri> {
        let known = self.rooms.values().filter(|room| room.standing.status().is_some());
        let mut known: Vec<&Room> = known.collect();
        known.sort_by_key(|room| (room.began_ms.unwrap_or(u64::MAX), &room.uri));
        known.into_iter().map(|room| room.uri.clone()).collect()
    }
}

impl Room {
    pub(crate) fn new(uri: MimiUri, standing: Standing) -> Self {
        Self {
            uri,
            standing,
            group: None,
            last_view: None,
            last_group: None,
            past_views: BTreeMap::new(),
            timeline: Timeline::default(),
            franks: BTreeMap::new(),
            waiting: BTreeMap::new(),
            blocked: None,
            stirred: false,
            commits: Commits::default(),
            sends: VecDeque::new(),
            founding: None,
            joining: None,
            leaving: None,
            commit_pending_due: false,
            evidence: Vec::new(),
            superseded_by: None,
            footing: Footing::default(),
            astray_ms: None,
            doubted_ms: None,
            receipts: Receipts::default(),
            expiry: Expiry::default(),
            began_ms: None,
        }
    }

    /// Fails unless this device is a member in good standing.
    pub(crate) fn member(&self) -> Result<&MemberGroup, ClientError> {
        match (&self.standing, &self.group) {
            (Standing::Joined, Some(group)) => Ok(group),
            (Standing::Frozen { reason }, _) => {
                Err(ClientError::Frozen { room: self.uri.clone(), reason: reason.clone() })
            }
            (Standing::Rejoining, _) => {
                let text = "this device is coming into the room again; try again in a moment";
                Err(ClientError::Refused(text.to_owned()))
            }
            _ => Err(self.outside()),
        }
    }

    /// Why this device can do nothing here.
    pub(crate) fn outside(&self) -> ClientError {
        match self.standing {
            Standing::Banned => ClientError::Banned(self.uri.clone()),
            Standing::Removed => ClientError::Removed(self.uri.clone()),
            _ => ClientError::NotInRoom(self.uri.clone()),
        }
    }

    pub(crate) fn stand(&mut self, standing: Standing, effects: &mut Effects) {
        effects.put_room(&self.uri, room_value::STANDING, &standing);
        self.standing = standing;
        if self.standing != Standing::Rejoining && self.last_group.take().is_some() {
            effects.remove_room(&self.uri, room_value::LAST_GROUP);
        }
    }

    pub(crate) fn save_group(&mut self, effects: &mut Effects) {
        if let Some(group) = &mut self.group {
            effects.save_group(&self.uri, group);
        }
    }

    /// Keeps the view of the epoch that ends, to judge its late messages by.
    pub(crate) fn keep_view(&mut self, view: RoomView, effects: &mut Effects) {
        effects.put_room(&self.uri, view_name(view.epoch), &view);
        self.past_views.insert(view.epoch, view);
        while self.past_views.len() > PAST_VIEWS {
            if let Some((epoch, _)) = self.past_views.pop_first() {
                effects.remove_room(&self.uri, view_name(epoch));
            }
        }
    }

    /// The view of an epoch, or the one nearest to it that is known.
    pub(crate) fn view_of(&self, epoch: u64) -> Option<&RoomView> {
        let now = self.group.as_ref().map(MemberGroup::view);
        match now {
            Some(view) if view.epoch <= epoch => Some(view),
            _ => self.past_views.range(epoch..).next().map(|(_, view)| view).or(now),
        }
    }

    /// After anything happened: what waited may go on.
    pub(crate) fn settle(&mut self, means: &mut Means<'_>, at: &mut Moment<'_>) {
        if std::mem::take(&mut self.stirred) {
            self.retry_waiting(means, at);
            self.plan_commit_of_pending(means, at);
        }
        self.advance_leaving(means);
        self.advance_commits(means, at);
        self.advance_sends(means, at);
    }

    /// Proposals of others are committed by whoever is first, after a random delay.
    fn plan_commit_of_pending(&mut self, means: &mut Means<'_>, at: &mut Moment<'_>) {
        if self.commit_pending_due || !self.has_pending_proposals() {
            return;
        }
        self.commit_pending_due = true;
        let view = self.group.as_ref().map(MemberGroup::view);
        let Some((least_ms, most_ms)) = view.map(operational::commit_pending_delay_ms) else {
            return;
        };
        means.effects.timer(at.after(least_ms, most_ms), Timer::CommitPending(self.uri.clone()));
    }

    /// Ends everything under way, because this device is out.
    pub(crate) fn abandon(&mut self, error: &ClientError, effects: &mut Effects) {
        self.abandon_commits(error, effects);
        self.abandon_sends(error, effects);
    }

    /// The group is gone for this device: keys are wiped, what can be shown is kept.
    pub(crate) fn give_up_group(&mut self, view: RoomView, effects: &mut Effects) {
        let Some(group) = self.group.take() else { return };
        let last = LastView { view, tree_hash: group.tree_hash() };
        effects.put_room(&self.uri, room_value::LAST_VIEW, &last);
        self.last_view = Some(last);
        if self.standing == Standing::Rejoining {
            let id = group.group_id().to_vec();
            effects.put_room(&self.uri, room_value::LAST_GROUP, &id);
            self.last_group = Some(id);
        }
        self.footing = Footing::default();
        effects.remove_room(&self.uri, room_value::FOOTING);
        self.forget_group(effects);
    }

    /// Removes what is stored of a group.
    pub(crate) fn forget_group(&mut self, effects: &mut Effects) {
        effects.store(StoreChange::ClearGroup(self.uri.clone()));
        for (epoch, _) in std::mem::take(&mut self.past_views) {
            effects.remove_room(&self.uri, view_name(epoch));
        }
    }

    /// This device is a member by a new group.
    pub(crate) fn enter(&mut self, group: MemberGroup, effects: &mut Effects) {
        self.forget_group(effects);
        self.encrypt_anew_from(group.view().epoch, effects);
        self.group = Some(group);
        self.save_group(effects);
        if self.last_view.take().is_some() {
            effects.remove_room(&self.uri, room_value::LAST_VIEW);
        }
        self.stand(Standing::Joined, effects);
        self.stirred = true;
        effects.event(ClientEvent::Joined(self.uri.clone()));
    }

    /// Where this device stands, as it is shown.
    pub(crate) fn status(&self) -> Option<RoomStatus> {
        match (&self.standing, &self.superseded_by) {
            (Standing::Joined | Standing::Rejoining | Standing::Left, Some(by)) => {
                Some(RoomStatus::Superseded { by: by.clone() })
            }
            (standing, _) => standing.status(),
        }
    }

    /// A message as it is shown, with what others tell of it.
    pub(crate) fn shown_message(&self, id: &MessageId) -> Option<ShownMessage> {
        let shown = self.timeline.show(id)?;
        Some(ShownMessage { statuses: self.receipts.of(id), ends_ms: self.ends_ms(id), ..shown })
    }

    fn is_unread(&self, id: &MessageId) -> bool {
        self.timeline.is_plain(id) && !self.receipts.is_read(id)
    }

    /// Hears when this device came in, by the hub's clock (CONTENT-SEC-1).
    pub(crate) fn begin(&mut self, timestamp_ms: u64, effects: &mut Effects) {
        effects.put_room(&self.uri, room_value::BEGAN, &timestamp_ms);
        self.began_ms = Some(timestamp_ms);
    }

    /// The room as it is shown.
    pub(crate) fn state(&self) -> Option<RoomState> {
        let status = self.status()?;
        let (view, tree_hash) = match (&self.group, &self.last_view) {
            // The group of its external commit is none before the hub has taken that.
            (_, Some(last)) if self.standing == Standing::Rejoining => {
                (&last.view, last.tree_hash.clone())
            }
            (Some(group), _) => (group.view(), group.tree_hash()),
            (None, Some(last)) => (&last.view, last.tree_hash.clone()),
            (None, None) => return None,
        };
        let mut clients: BTreeMap<&MimiUri, Vec<MimiUri>> = BTreeMap::new();
        for client in &view.clients {
            clients.entry(&client.user).or_default().push(client.client.clone());
        }
        let participants = view.participants.participants.iter().map(|pair| {
            let role = view.role(pair.role_index);
            let role_name = role.map_or_else(String::new, |role| role.role_name.clone());
            Participant {
                user: pair.user.clone(),
                role_index: pair.role_index,
                is_banned: is_ban(pair.role_index, &role_name),
                role_name,
                clients: clients.remove(&pair.user).unwrap_or_default(),
            }
        });
        Some(RoomState {
            room: self.uri.clone(),
            name: view.metadata.room_name.clone(),
            metadata: view.metadata.clone(),
            roles: view.roles.clone(),
            status,
            epoch: view.epoch,
            tree_hash,
            participants: participants.collect(),
            join_links: join_links::shown(view),
            offered_role: None,
            messages: self.timeline.ids().filter_map(|id| self.shown_message(id)).collect(),
            unread: self.timeline.ids().filter(|id| self.is_unread(id)).count(),
            lifetime_s: self.lifetime_now_s(view),
        })
    }
}

fn view_name(epoch: u64) -> String {
    format!("{}{epoch:016x}", room_value::VIEW)
}
