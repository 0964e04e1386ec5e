//! A room looked up by name: kept beside a [`RoomView`] it makes judging one change independent of
//! how many are in the room.
//!
//! It holds positions, never names: what it says it reads from the view it was made of.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use mimi_wire::MimiUri;
use mimi_wire::room::participant_list::RoleIndex;

use crate::change::{Actor, ProposedChange, StagedChange};
use crate::participant_list::ListDelta;
use crate::view::{ClientView, LeafIndex, RoomView};

/// Positions of a room's participants and clients, in the order of their names.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RoomIndex {
    epoch: u64,
    /// Of the participant list, by user.
    users: Vec<usize>,
    /// Of the clients, by user.
    by_user: Vec<usize>,
    /// Of the clients, by client.
    by_client: Vec<usize>,
    /// Of the clients, by leaf.
    by_leaf: Vec<usize>,
    roles: BTreeMap<RoleIndex, Population>,
}

/// How many are in a role.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Population {
    /// Participants.
    pub(crate) participants: usize,
    /// Those with a client in the group (PROTO-PL-6).
    pub(crate) active: usize,
}

/// How a user stands in the room.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Standing {
    /// `None`: not listed.
    pub(crate) role: Option<RoleIndex>,
    /// Leaves in the group.
    pub(crate) clients: usize,
}

impl RoomIndex {
    /// The index of a room in one epoch.
    pub fn of(view: &RoomView) -> Self {
        let list = &view.participants.participants;
        let clients = &view.clients;
        let mut index = Self {
            epoch: view.epoch,
            users: (0..list.len()).collect(),
            by_user: (0..clients.len()).collect(),
            by_client: (0..clients.len()).collect(),
            by_leaf: (0..clients.len()).collect(),
            roles: BTreeMap::new(),
        };
        index.users.sort_by(|one, other| list[*one].user.cmp(&list[*other].user));
        index.by_user.sort_by(|one, other| clients[*one].user.cmp(&clients[*other].user));
        index.by_client.sort_by(|one, other| clients[*one].client.cmp(&clients[*other].client));
        index.by_leaf.sort_by_key(|position| clients[*position].leaf);
        index.count(view);
        index
    }

    /// Makes it the index of the room that a commit leads to. It costs what the commit changes, and
    /// one pass over numbers where positions move; no name is compared but those that come and go.
    ///
    /// `delta` is what the judge said of `change`, `before` and `after` are the room's epochs around
    /// it. Whatever does not fit together is indexed anew.
    pub fn update(
        &mut self,
        before: &RoomView,
        after: &RoomView,
        change: &StagedChange,
        delta: &ListDelta,
    ) {
        let listed = before.participants.participants.len();
        let expected = listed - delta.removed.len().min(listed) + delta.added.len();
        if !self.fits(before) || after.participants.participants.len() != expected {
            *self = Self::of(after);
            return;
        }
        let clients = ClientsDelta::of(before, after, change);
        let users = touched(before, after, delta, &clients);
        for user in &users {
            let standing = self.standing(before, user);
            self.count_user(standing, |count| count.saturating_sub(1));
        }
        let removed: Vec<usize> = delta.removed.iter().copied().collect();
        let added = expected - delta.added.len()..expected;
        let list = &after.participants.participants;
        follow(&mut self.users, &removed, &[], added, |position| &list[position].user);
        let ClientsDelta { removed, added } = &clients;
        let position = |position: usize| &after.clients[position];
        let come = || added.iter().copied();
        follow(&mut self.by_user, removed, added, come(), |it| &position(it).user);
        follow(&mut self.by_client, removed, added, come(), |it| &position(it).client);
        follow(&mut self.by_leaf, removed, added, come(), |it| position(it).leaf);
        self.epoch = after.epoch;
        for user in users {
            let standing = self.standing(after, user);
            self.count_user(standing, |count| count + 1);
        }
        self.roles.retain(|_, population| *population != Population::default());
    }

    fn count_user(&mut self, standing: Standing, change: impl Fn(usize) -> usize) {
        let Some(role) = standing.role else { return };
        let population = self.roles.entry(role).or_default();
        population.participants = change(population.participants);
        if standing.clients > 0 {
            population.active = change(population.active);
        }
    }

    /// Both orders are the users', so one walk over both tells who is active.
    fn count(&mut self, view: &RoomView) {
        let list = &view.participants.participants;
        let mut owners = self.by_user.iter().map(|position| &view.clients[*position].user);
        let mut owner = owners.next();
        let mut users = self.users.iter().map(|position| &list[*position]).peekable();
        while let Some(pair) = users.next() {
            // A list that names a user twice counts it once, by its last entry.
            if users.peek().is_some_and(|next| next.user == pair.user) {
                continue;
            }
            while owner.is_some_and(|owner| *owner < pair.user) {
                owner = owners.next();
            }
            let population = self.roles.entry(pair.role_index).or_default();
            population.participants += 1;
            population.active += usize::from(owner == Some(&pair.user));
        }
    }

    /// Whether it is the index of this room's epoch, as far as sizes tell.
    pub(crate) fn fits(&self, view: &RoomView) -> bool {
        self.epoch == view.epoch
            && self.users.len() == view.participants.participants.len()
            && self.by_leaf.len() == view.clients.len()
    }

    /// How a user stands.
    pub(crate) fn standing(&self, view: &RoomView, user: &MimiUri) -> Standing {
        let list = &view.participants.participants;
        let end = self.users.partition_point(|position| list[*position].user <= *user);
        let last = end.checked_sub(1).map(|place| &list[self.users[place]]);
        Standing {
            role: last.filter(|pair| pair.user == *user).map(|pair| pair.role_index),
            clients: self.clients_of(view, user).len(),
        }
    }

    /// Positions of a user's clients.
    fn clients_of(&self, view: &RoomView, user: &MimiUri) -> &[usize] {
        equal_range(&self.by_user, |position| view.clients[position].user.cmp(user))
    }

    /// The clients of this name; a sound room has one at most.
    pub(crate) fn clients_named<'a>(
        &self,
        view: &'a RoomView,
        client: &MimiUri,
    ) -> impl Iterator<Item = &'a ClientView> {
        let range =
            equal_range(&self.by_client, |position| view.clients[position].client.cmp(client));
        range.iter().map(|position| &view.clients[*position])
    }

    /// The client at a leaf.
    pub(crate) fn client_at<'a>(
        &self,
        view: &'a RoomView,
        leaf: LeafIndex,
    ) -> Option<&'a ClientView> {
        let range = equal_range(&self.by_leaf, |position| view.clients[position].leaf.cmp(&leaf));
        range.first().map(|position| &view.clients[*position])
    }

    /// How many are in a role.
    pub(crate) fn population(&self, role: RoleIndex) -> Population {
        self.roles.get(&role).copied().unwrap_or_default()
    }

    /// Everybody who is listed or has a client, in the order of their names, each once.
    pub(crate) fn everybody<'a>(&self, view: &'a RoomView) -> Vec<(&'a MimiUri, Standing)> {
        let listed = view.participants.participants.iter().map(|pair| &pair.user);
        let mut users: Vec<&MimiUri> =
            listed.chain(view.clients.iter().map(|client| &client.user)).collect();
        users.sort_unstable();
        users.dedup();
        users.into_iter().map(|user| (user, self.standing(view, user))).collect()
    }
}

/// Positions of clients that go, in the room before, and of those that come, in the room after.
struct ClientsDelta {
    removed: Vec<usize>,
    added: Vec<usize>,
}

impl ClientsDelta {
    /// Both rooms have their clients by ascending leaf; a leaf that goes may be taken at once.
    fn of(before: &RoomView, after: &RoomView, change: &StagedChange) -> Self {
        let mut gone: Vec<LeafIndex> = change
            .proposals
            .iter()
            .filter_map(|proposal| match (&proposal.change, &proposal.sender) {
                (ProposedChange::RemoveClient(leaf), _)
                | (ProposedChange::SelfRemove, Actor::Member { leaf, .. }) => Some(*leaf),
                _ => None,
            })
            .collect();
        gone.sort_unstable();
        let stays = |leaf: LeafIndex| gone.binary_search(&leaf).is_err();
        let mut delta = Self { removed: Vec::new(), added: Vec::new() };
        let mut old = before.clients.iter().enumerate().peekable();
        for (position, client) in after.clients.iter().enumerate() {
            while let Some((place, _)) = old.next_if(|(_, old)| old.leaf < client.leaf) {
                delta.removed.push(place);
            }
            match old.next_if(|(_, old)| old.leaf == client.leaf) {
                Some((_, old)) if stays(old.leaf) => {}
                met => {
                    delta.removed.extend(met.map(|(place, _)| place));
                    delta.added.push(position);
                }
            }
        }
        delta.removed.extend(old.map(|(place, _)| place));
        delta
    }
}

/// Everybody whose standing a commit may change.
fn touched<'a>(
    before: &'a RoomView,
    after: &'a RoomView,
    delta: &ListDelta,
    clients: &ClientsDelta,
) -> BTreeSet<&'a MimiUri> {
    let list = &before.participants.participants;
    let changed = delta.roles.keys().chain(&delta.removed);
    let listed = changed.filter_map(|position| Some(&list.get(*position)?.user));
    let start = after.participants.participants.len() - delta.added.len();
    let added = after.participants.participants[start..].iter().map(|pair| &pair.user);
    let gone = clients.removed.iter().map(|position| &before.clients[*position].user);
    let come = clients.added.iter().map(|position| &after.clients[*position].user);
    listed.chain(added).chain(gone).chain(come).collect()
}

/// Takes positions out of an order, moves those behind them, and sorts new ones in by their key.
/// Ties stand by position.
fn follow<K: Ord>(
    order: &mut Vec<usize>,
    removed: &[usize],
    inserted: &[usize],
    added: impl Iterator<Item = usize>,
    key: impl Fn(usize) -> K,
) {
    if !removed.is_empty() || !inserted.is_empty() {
        order.retain(|position| removed.binary_search(position).is_err());
        for position in order.iter_mut() {
            *position -= removed.partition_point(|gone| gone < position);
            // Where new ones stand among the old, the old make room one after another.
            for new in inserted {
                if *new > *position {
                    break;
                }
                *position += 1;
            }
        }
    }
    for position in added {
        let wanted = (key(position), position);
        let place = order.partition_point(|other| (key(*other), *other) < wanted);
        order.insert(place, position);
    }
}

/// The positions that compare equal, of positions in that order.
fn equal_range(positions: &[usize], compare: impl Fn(usize) -> Ordering) -> &[usize] {
    let start = positions.partition_point(|position| compare(*position) == Ordering::Less);
    let rest = &positions[start..];
    &rest[..rest.partition_point(|position| compare(*position) == Ordering::Equal)]
}
