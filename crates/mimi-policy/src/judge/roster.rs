//! Users, their roles and how many clients they have, before and after a change.

use std::collections::BTreeMap;

use mimi_wire::MimiUri;
use mimi_wire::room::participant_list::RoleIndex;

use crate::change::Actor;
use crate::view::RoomView;

/// How a user stands in the room.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Standing {
    /// `None`: not listed.
    pub(super) role: Option<RoleIndex>,
    /// Leaves in the group.
    pub(super) clients: usize,
}

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
    before: BTreeMap<&'a MimiUri, Standing>,
    touched: BTreeMap<&'a MimiUri, Touched<'a>>,
}

impl<'a> Roster<'a> {
    /// The room as it is.
    pub(super) fn of(view: &'a RoomView) -> Self {
        let mut before: BTreeMap<&MimiUri, Standing> = BTreeMap::new();
        for pair in &view.participants.participants {
            before.entry(&pair.user).or_default().role = Some(pair.role_index);
        }
        for client in &view.clients {
            before.entry(&client.user).or_default().clients += 1;
        }
        Self { before, touched: BTreeMap::new() }
    }

    /// How a user stood.
    pub(super) fn before(&self, user: &MimiUri) -> Standing {
        self.before.get(user).copied().unwrap_or_default()
    }

    /// How a user will stand.
    pub(super) fn after(&self, user: &MimiUri) -> Standing {
        self.touched.get(user).map_or_else(|| self.before(user), |touched| touched.after)
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

    /// Everybody, as they stood.
    pub(super) fn all_before(&self) -> impl Iterator<Item = (&'a MimiUri, Standing)> {
        self.before.iter().map(|(user, standing)| (*user, *standing))
    }

    /// Everybody, as they will stand.
    pub(super) fn all_after(&self) -> impl Iterator<Item = (&'a MimiUri, Standing)> {
        let stay = self.before.iter().map(|(user, before)| {
            (*user, self.touched.get(user).map_or(*before, |touched| touched.after))
        });
        let new = self.touched.iter().filter(|(user, _)| !self.before.contains_key(*user));
        stay.chain(new.map(|(user, touched)| (*user, touched.after)))
    }

    /// How many clients users win, and how many others lose.
    pub(super) fn growth(&self) -> (usize, usize) {
        self.touched.values().fold((0, 0), |(come, go), Touched { before, after, .. }| {
            let come = come + after.clients.saturating_sub(before.clients);
            (come, go + before.clients.saturating_sub(after.clients))
        })
    }
}
