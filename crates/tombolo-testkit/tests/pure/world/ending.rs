//! When a world is at rest, and what it is held to then.

use mimi_provider::hub::state::Evicted;
use mimi_wire::MimiUri;
use tombolo_store::Store as _;
use tombolo_testkit::simulation::ledger::{Ending, Room, Standing};

use super::{Event, World};
use crate::pure::device;
use crate::pure::disk::now;

/// After the last fault everything has so long to come to rest.
const REST_MS: u64 = 2 * 60 * 60 * 1_000;

impl World {
    /// Whether nothing that happens from some time on matters any more.
    pub(super) fn is_over(&self, due_ms: u64) -> bool {
        self.is_calm && due_ms > self.start_ms + self.plan.calm_ms + REST_MS
    }

    /// Looks at all streams and lanes, whatever the hints said.
    pub(super) fn look_everywhere(&mut self) {
        for node in 0..self.nodes.len() {
            let devices: Vec<usize> = self.nodes[node].feeds.keys().copied().collect();
            for device in devices {
                self.feed(node, device);
            }
        }
    }

    pub(super) fn end(&mut self) {
        let mut waiting = Vec::new();
        let mut hubs = Vec::new();
        for node in 0..self.nodes.len() {
            waiting.extend(self.nodes[node].waits());
            for room in now(self.nodes[node].disk.store.hosted_rooms()) {
                let Ok(hub) = self.nodes[node].hub(&room) else { continue };
                let view = hub.group.view();
                let participants = view.participants.participants.iter().map(|pair| {
                    let clients = view.clients_of(&pair.user).map(|it| it.client.as_str());
                    let clients = clients.collect::<Vec<_>>().join(" ");
                    format!("{} as {} with {clients}", pair.user, pair.role_index)
                });
                let mut facts = vec![
                    format!("in epoch {}", view.epoch),
                    format!("tree {:02x?}", &hub.group.tree_hash()[..8]),
                    format!("called {}", view.metadata.room_name),
                ];
                facts.extend(participants);
                hubs.push(Room { room: room.clone(), facts });
            }
        }
        let mut devices = Vec::new();
        for index in 0..self.devices.len() {
            let state = &self.devices[index];
            let Some(client) = state.client.clone().filter(|_| !state.is_signed_out) else {
                continue;
            };
            for doing in state.doing.values() {
                if doing.room().is_some_and(|room| self.is_of_crook(room)) {
                    continue;
                }
                let room = doing.room().map(|room| format!(" into {room}")).unwrap_or_default();
                waiting.push(format!("{}: {}{room} has not ended", state.name, doing.name()));
            }
            let rooms = state.session.rooms().into_iter().filter_map(|room| {
                let shown = state.session.room(&room).ok()?;
                let lines = shown.messages.iter().map(device::line).collect();
                let facts = device::facts(&shown);
                let standing = device::standing(&shown.status);
                Some((Room { room, facts }, standing, lines))
            });
            let rooms: Vec<_> = rooms.collect();
            devices.push(Ending { client, rooms });
        }
        for ending in &mut devices {
            for (room, standing, _) in &mut ending.rooms {
                if self.is_leaving(&room.room, &ending.client) {
                    *standing = Standing::Leaving;
                }
            }
        }
        self.ledger.end(&hubs, &devices, &waiting);
        self.end_watch();
        self.end_crook();
        for device in 0..self.devices.len() {
            self.audit(device);
        }
        let _ = Event::Calm;
    }

    /// Its user has asked to leave, or is to be removed, and nobody has committed that.
    fn is_leaving(&mut self, room: &MimiUri, client: &MimiUri) -> bool {
        let node = self.nodes.iter_mut().find(|node| *node.domain() == room.domain());
        let Some(Ok(hub)) = node.map(|node| node.hub(room)) else { return false };
        let user = hub.group.view().clients.iter().find(|it| it.client == *client);
        user.is_some_and(|it| {
            hub.state.leaving.contains(&it.user)
                || hub.state.evicting.contains(&Evicted::User(it.user.clone()))
                || hub.state.evicting.contains(&Evicted::Client(it.client.clone()))
        })
    }
}
