//! Devices of this user that the provider does not know any more: lost and signed out. A hub proposes
//! their removal only in rooms that it hosts for their provider; everywhere else the user's other
//! devices see to it, in every room they are in (AMB-ST-3).

use std::collections::BTreeSet;

use mimi_mls::member::CommitPlan;
use mimi_policy::{RoomView, StagedChange};
use mimi_wire::MimiUri;

use crate::event::ClientEvent;
use crate::session::Session;
use crate::session::commit::{Intent, Step};
use crate::session::effects::{Answer, Moment, Purpose, refusal};
use crate::session::remove_user::is_touched;
use crate::session::request::{Request, Response};

impl Session {
    /// Asks the provider for the user's devices, if a room has another one.
    ///
    /// Those in rooms are noted before: one that registers and comes into a room while the provider
    /// answers is not taken for one that is gone.
    pub(crate) fn check_own_devices(&mut self) {
        let Some(own) = self.account.as_ref().map(|account| &account.identity) else { return };
        let mut others = BTreeSet::new();
        for room in self.rooms.values() {
            let Ok(group) = room.member() else { continue };
            let clients = group.view().clients_of(&own.user).map(|client| &client.client);
            others.extend(clients.filter(|client| **client != own.client).cloned());
        }
        if !others.is_empty() && !self.effects.is_asking(&Purpose::OwnDevices) {
            self.devices_in_rooms = others;
            self.effects.request(Purpose::OwnDevices, Request::Devices);
        }
    }

    pub(crate) fn own_devices_answered(&mut self, answer: Answer, at: &mut Moment<'_>) {
        let noted = std::mem::take(&mut self.devices_in_rooms);
        let known: BTreeSet<MimiUri> = match answer.result {
            Ok(Response::Devices(devices)) => {
                devices.into_iter().map(|device| device.client).collect()
            }
            other => {
                tracing::info!(error = %refusal(other), "the user's devices are unknown");
                return;
            }
        };
        // A list without the very device that asks is none to throw devices out by.
        if !self.identity().is_some_and(|own| known.contains(&own.client)) {
            tracing::warn!("the provider's list of devices lacks this one, and is not believed");
            return;
        }
        let gone: Vec<MimiUri> = noted.difference(&known).cloned().collect();
        if gone.is_empty() {
            return;
        }
        tracing::warn!(?gone, "the provider does not know devices of this user any more");
        self.effects.event(ClientEvent::DevicesLost(gone.clone()));
        for room in self.rooms.keys().cloned().collect::<Vec<_>>() {
            self.with_room(&room, at, |room, _, _| {
                let holds = |client: &MimiUri| {
                    let view = room.member().map(|group| group.view());
                    view.is_ok_and(|view| view.clients.iter().any(|it| it.client == *client))
                };
                if gone.iter().any(holds) && !room.is_committing() {
                    room.want_commit(None, Intent::RemoveOwnDevices(gone.clone()));
                }
            });
        }
    }
}

/// What is to be done so that these devices of ours are out.
pub(crate) fn step(
    view: &RoomView,
    pending: &StagedChange,
    own: &MimiUri,
    gone: &[MimiUri],
) -> Step {
    let clients = view.clients_of(own).filter(|client| gone.contains(&client.client));
    let remove: Vec<_> = clients.map(|client| client.leaf).collect();
    if remove.is_empty() {
        return Step::Fulfilled;
    }
    if is_touched(view, pending, own) {
        return Step::pending_first();
    }
    Step::commit(CommitPlan { remove, ..CommitPlan::default() })
}
