//! Users, their roles and how many clients they have, before and after a change.

use std::collections::BTreeMap;

use mimi_wire::MimiUri;

use crate::change::Actor;
use crate::index::RoomIndex;
use crate::view::{ClientView, LeafIndex, RoomView};

pub(super) use crate::index::{Population, Standing};

/// What a change does to a user.
#[derive(Clone, Copy, Debug)]
pub(super) struct Touched<'a> {
    /// Before.
    pub(super) before: Standing,
    /// After.
    pub(super) after: Standing,
    /// Who did it, or the first who did.
    pub(super) cause: &'a Actor,
}

/// Everybody who is listed or has a client, before and after.
#[derive(Clone, Debug)]
pub(super) struct Roster<'a> {
    view: &'a RoomView,
    index: &'a RoomIndex,
    touched: BTreeMap<&'a MimiUri, Touched<'a>>,
}

impl<'a> Roster<'a> {
    /// The room as it is.
    pub(super) fn of(view: &'a RoomView, index: &'a RoomIndex) -> Self {
        Self { view, index, touched: BTreeMap::new() }
    }

    /// How a user stood.
    pub(super) fn before(&self, user: &MimiUri) -> Standing {
        match self.touched.get(user) {
            Some(touched) => touched.before,
            None => self.index.standing(self.view, user),
        }
    }

    /// How a user will stand.
    pub(super) fn after(&self, user: &MimiUri) -> Standing {
        self.touched.get(user).map_or_else(|| self.before(user), |touched| touched.after)
    }

    /// The client at a leaf.
    pub(super) fn client_at(&self, leaf: LeafIndex) -> Option<&'a ClientView> {
        self.index.client_at(self.view, leaf)
    }

    /// The clients of this name.
    pub(super) fn clients_named(&self, client: &MimiUri) -> impl Iterator<Item = &'a ClientView> {
        self.index.clients_named(self.view, client)
    }

    /// Notes what somebody does to a user.
    pub(super) fn touch(&mut self, user: &'a MimiUri, cause: &'a Actor) -> &mut Standing {
        let before = self.before(user);
        let touched = self.touched.entry(user);
        &mut touched.or_insert(Touched { before, after: before, cause }).after
    }

    /// Those the change does something to.
    pub(super) fn touched(&self) -> impl Iterator<Item = (&'a MimiUri, &Touched<'a>)> {
        self.touched.iter().map(|(user, touched)| (*user, touched))
    }

    /// Everybody, as they will stand: as dear as the room is large, for what concerns everybody.
    pub(super) fn all_after(&self) -> Vec<(&'a MimiUri, Standing)> {
        let stay = self.index.everybody(self.view).into_iter();
        let mut all: Vec<(&MimiUri, Standing)> =
            stay.filter(|(user, _)| !self.touched.contains_key(*user)).collect();
        all.extend(self.touched.iter().map(|(user, touched)| (*user, touched.after)));
        all.sort_unstable_by_key(|(user, _)| *user);
        all
    }

    /// How many are in a role.
    pub(super) fn population(&self, role: u32) -> Population {
        self.index.population(role)
    }

    /// How many clients users win, and how many others lose.
    pub(super) fn growth(&self) -> (usize, usize) {
        self.touched.values().fold((0, 0), |(come, go), Touched { before, after, .. }| {
            let come = come + after.clients.saturating_sub(before.clients);
            (come, go + before.clients.saturating_sub(after.clients))
        })
    }

    /// How many participants come onto the list, and how many go, that are not in a certain role.
    pub(super) fn listing(&self, besides: Option<u32>) -> (usize, usize) {
        let counts = |standing: Standing| standing.role.is_some() && standing.role != besides;
        self.touched.values().fold((0, 0), |(come, go), Touched { before, after, .. }| {
            match (counts(*before), counts(*after)) {
                (false, true) => (come + 1, go),
                (true, false) => (come, go + 1),
                _ => (come, go),
            }
        })
    }
}
