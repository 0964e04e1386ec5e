//! A room looked up by name: kept beside a [`RoomView`] it makes judging one change independent of
//! how many are in the room.
//!
//! It holds positions, never names: what it says it reads from the view it was made of.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use mimi_wire::MimiUri;
use mimi_wire::room::participant_list::RoleIndex;

use crate::view::{ClientView, LeafIndex, RoomView};

/// An index is made anew where more than one in so many came or went.
const MOVES_OF: usize = 8;

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

    /// Follows the room into its next epoch. It comes to the same as [`of`](Self::of): what stayed
    /// keeps its order, and only what came, went or changed its role is looked up.
    pub fn follow(&mut self, before: &RoomView, after: &RoomView) {
        if !self.fits(before) {
            *self = Self::of(after);
            return;
        }
        let (old, new) = (&before.participants.participants, &after.participants.participants);
        let users = Moves::of(old, new, |one, other| one.user == other.user, |_, _| false);
        let same = |one: &ClientView, other: &ClientView| {
            (one.leaf, &one.client, &one.user) == (other.leaf, &other.client, &other.user)
        };
        // Clients stand by leaf: a new one may come anywhere.
        let comes = |one: &ClientView, other: &ClientView| one.leaf > other.leaf;
        let clients = Moves::of(&before.clients, &after.clients, same, comes);
        if users.are_many(new.len()) || clients.are_many(after.clients.len()) {
            *self = Self::of(after);
            return;
        }
        let mut touched: BTreeSet<&MimiUri> = BTreeSet::new();
        touched.extend(users.gone.iter().map(|position| &old[*position].user));
        touched.extend(users.come.iter().map(|position| &new[*position].user));
        touched.extend(clients.gone.iter().map(|position| &before.clients[*position].user));
        touched.extend(clients.come.iter().map(|position| &after.clients[*position].user));
        let stayed = users.stayed(old.len());
        let changed = stayed.filter(|(from, to)| old[*from].role_index != new[*to].role_index);
        touched.extend(changed.map(|(from, _)| &old[from].user));
        let stood: Vec<(&MimiUri, Standing)> =
            touched.into_iter().map(|user| (user, self.standing(before, user))).collect();
        users.apply(&mut self.users, |position| &new[position].user);
        clients.apply(&mut self.by_user, |position| &after.clients[position].user);
        clients.apply(&mut self.by_client, |position| &after.clients[position].client);
        clients.apply(&mut self.by_leaf, |position| &after.clients[position].leaf);
        self.epoch = after.epoch;
        for (user, stood) in stood {
            self.recount(stood, self.standing(after, user));
        }
    }

    /// One user stands otherwise than before.
    fn recount(&mut self, before: Standing, after: Standing) {
        if let Some(role) = before.role
            && let Some(population) = self.roles.get_mut(&role)
        {
            population.participants -= 1;
            population.active -= usize::from(before.clients > 0);
            if population.participants == 0 {
                self.roles.remove(&role);
            }
        }
        if let Some(role) = after.role {
            let population = self.roles.entry(role).or_default();
            population.participants += 1;
            population.active += usize::from(after.clients > 0);
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

    /// Whether a client is in the group.
    pub fn has_client(&self, view: &RoomView, client: &MimiUri) -> bool {
        self.clients_named(view, client).next().is_some()
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

/// What became of the positions of a list.
struct Moves {
    /// Positions that went, ascending.
    gone: Vec<usize>,
    /// New positions that came, ascending.
    come: Vec<usize>,
}

impl Moves {
    /// Walks both lists once. `comes` says that the other element is new here; without it, new ones
    /// stand at the end.
    fn of<T>(
        before: &[T],
        after: &[T],
        same: impl Fn(&T, &T) -> bool,
        comes: impl Fn(&T, &T) -> bool,
    ) -> Self {
        let (mut gone, mut come) = (Vec::new(), Vec::new());
        let mut next = 0;
        for (position, one) in before.iter().enumerate() {
            while after.get(next).is_some_and(|other| comes(one, other)) {
                come.push(next);
                next += 1;
            }
            match after.get(next) {
                Some(other) if same(one, other) => next += 1,
                _ => gone.push(position),
            }
        }
        come.extend(next..after.len());
        Self { gone, come }
    }

    /// Whether to sort anew is cheaper.
    fn are_many(&self, of: usize) -> bool {
        (self.gone.len() + self.come.len()) * MOVES_OF > of
    }

    /// Where the positions that stayed went.
    fn stayed(&self, before: usize) -> impl Iterator<Item = (usize, usize)> {
        let (mut gone, mut come) = (self.gone.iter().peekable(), self.come.iter().peekable());
        let mut next = 0;
        (0..before).filter_map(move |position| {
            if gone.next_if(|it| **it == position).is_some() {
                return None;
            }
            while come.next_if(|it| **it == next).is_some() {
                next += 1;
            }
            next += 1;
            Some((position, next - 1))
        })
    }

    /// Brings positions in the order of a key, ties in their own, up to date.
    fn apply<'a, K: Ord + ?Sized + 'a>(
        &self,
        positions: &mut Vec<usize>,
        key: impl Fn(usize) -> &'a K,
    ) {
        let mut moved: Vec<Option<usize>> = vec![None; positions.len()];
        for (from, to) in self.stayed(positions.len()) {
            moved[from] = Some(to);
        }
        positions.retain_mut(|position| match moved[*position] {
            Some(to) => {
                *position = to;
                true
            }
            None => false,
        });
        for come in &self.come {
            let place = positions
                .partition_point(|position| (key(*position), *position) < (key(*come), *come));
            positions.insert(place, *come);
        }
    }
}

/// The positions that compare equal, of positions in that order.
fn equal_range(positions: &[usize], compare: impl Fn(usize) -> Ordering) -> &[usize] {
    let start = positions.partition_point(|position| compare(*position) == Ordering::Less);
    let rest = &positions[start..];
    &rest[..rest.partition_point(|position| compare(*position) == Ordering::Equal)]
}

#[cfg(test)]
mod tests;
