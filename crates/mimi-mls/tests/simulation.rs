//! Many members do anything at any time, each seeing the hub's events late and in order. Whatever
//! happens, nobody panics, nobody forks, and in the end all agree.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use mimi_mls::device::Device;
use mimi_mls::error::StageError;
use mimi_mls::hub::HubProposals;
use mimi_mls::member::{CommitPlan, MemberGroup, ReceiveError, Received};
use mimi_wire::protocol::notify::FanoutMessage;
use mimi_wire::protocol::update::UpdateRequest;
use mimi_wire::room::participant_list::{ParticipantListUpdate, UserRolePair};
use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use tombolo_testkit::{TestRoom, now_ms, rng};

const STEPS: usize = 60;
const MEMBERS_MAX: usize = 10;

/// A device, what it has stored, and the events it has not seen yet.
struct Client {
    device: Device,
    group: MemberGroup,
    stored: BTreeMap<Vec<u8>, Vec<u8>>,
    inbox: VecDeque<FanoutMessage>,
    read: Vec<Vec<u8>>,
}

struct World {
    /// Only its hub and federation are used; members live here.
    room: TestRoom,
    clients: BTreeMap<String, Client>,
    waiting: BTreeMap<String, Device>,
    rng: StdRng,
    named: usize,
    /// Texts of messages, and who could read them when they were sent.
    sent: BTreeMap<Vec<u8>, BTreeSet<String>>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut room = TestRoom::of_alice();
        let founder = room.members.remove("alice/phone").unwrap();
        let mut world = Self {
            room,
            clients: BTreeMap::new(),
            waiting: BTreeMap::new(),
            rng: rng(seed),
            named: 0,
            sent: BTreeMap::new(),
        };
        world.take_in("alice/phone", founder.device, founder.group);
        world
    }

    fn take_in(&mut self, name: &str, device: Device, group: MemberGroup) {
        let client = Client {
            device,
            group,
            stored: BTreeMap::new(),
            inbox: VecDeque::new(),
            read: Vec::new(),
        };
        self.clients.insert(name.to_owned(), client);
    }

    fn somebody(&mut self) -> Option<String> {
        let active = self.clients.iter().filter(|(_, client)| client.group.is_active());
        let names: Vec<&String> = active.map(|(name, _)| name).collect();
        names.choose(&mut self.rng).map(|name| (*name).clone())
    }

    fn new_device(&mut self) -> (String, Device) {
        self.named += 1;
        let domain = *["a.example", "b.example", "c.example"].choose(&mut self.rng).unwrap();
        let user = format!("user{}", self.rng.random_range(0..4) * 3 + domain.len() % 3);
        let name = format!("{user}/{}", self.named);
        (name, self.room.federation.device(domain, &user, &self.named.to_string()))
    }

    fn step(&mut self) {
        match self.rng.random_range(0..20) {
            0..8 => self.deliver(4),
            8..10 => self.commit(false),
            10..12 => self.commit(true),
            12 => self.remove(),
            13 => self.leave(),
            14 => self.hub_removes(),
            15 => self.join(),
            16..18 => self.write(),
            _ => self.restart(),
        }
    }

    /// Everybody gets what the hub has accepted; who waits gets its Welcome.
    fn fan_out(&mut self, events: &[FanoutMessage]) {
        for event in events {
            for client in self.clients.values_mut() {
                client.inbox.push_back(event.clone());
            }
            let welcomed = |(_, device): &(&String, &Device)| device.is_welcomed_by(&event.message);
            let names: Vec<String> =
                self.waiting.iter().filter(welcomed).map(|(name, _)| name.clone()).collect();
            for name in names {
                let mut device = self.waiting.remove(&name).unwrap();
                let issuers = &self.room.issuers;
                let group = MemberGroup::join_by_event(&mut device, event, issuers, now_ms());
                self.take_in(&name, device, group.unwrap());
            }
        }
    }

    fn submit(&mut self, name: &str, request: &UpdateRequest) -> bool {
        match self.room.submit(request) {
            Ok(events) => {
                self.fan_out(&events);
                true
            }
            Err(StageError::WrongEpoch { .. } | StageError::InvalidProposal { .. }) => false,
            Err(StageError::Denied(_)) => false,
            Err(other) => panic!("{name}: {other}"),
        }
    }

    fn commit(&mut self, adds: bool) {
        let Some(name) = self.somebody() else { return };
        let mut plan = CommitPlan::default();
        if adds && self.clients.len() + self.waiting.len() < MEMBERS_MAX {
            let (added, mut device) = self.new_device();
            plan.add.push(self.room.federation.key_package(&mut device));
            let user = device.identity().unwrap().user.clone();
            if self.clients[&name].group.view().role_index_of(&user).is_none() {
                let pair = UserRolePair { user, role_index: TestRoom::MEMBER };
                let added_participants = vec![pair];
                plan.participants =
                    Some(ParticipantListUpdate { added_participants, ..Default::default() });
            }
            self.waiting.insert(added, device);
        }
        if self.rng.random_bool(0.2) {
            let mut metadata = self.clients[&name].group.view().metadata.clone();
            metadata.room_subject = format!("{}", self.named);
            plan.metadata = Some(metadata);
        }
        self.commit_plan(&name, &plan);
    }

    fn remove(&mut self) {
        let Some(name) = self.somebody() else { return };
        let leaves = self.clients[&name].group.view().clients.iter().map(|client| client.leaf);
        let own = self.clients[&name].group.own_leaf();
        let others: Vec<u32> = leaves.filter(|leaf| *leaf != own).collect();
        let remove = others.choose(&mut self.rng).copied().into_iter().collect();
        self.commit_plan(&name, &CommitPlan { remove, ..CommitPlan::default() });
    }

    fn commit_plan(&mut self, name: &str, plan: &CommitPlan) {
        let Client { device, group, .. } = self.clients.get_mut(name).unwrap();
        if group.has_pending() {
            return;
        }
        let built = group.commit(device, plan, &mut self.room.federation.rng, now_ms());
        let bundle = match built {
            Ok((bundle, _)) => bundle,
            Err(StageError::InvalidProposal { .. } | StageError::Denied(_)) => return,
            Err(other) => panic!("{name}: {other}"),
        };
        let accepted = self.submit(name, &UpdateRequest::Commit(bundle));
        // Who runs ahead of its stream by several epochs can no longer read what it left behind.
        let client = self.clients.get_mut(name).unwrap();
        let heard = self.rng.random_bool(0.7) && client.inbox.len() <= 1;
        let group = &mut client.group;
        match (accepted, heard) {
            (true, true) => group.accept_pending().unwrap(),
            (false, true) => group.drop_pending().unwrap(),
            // The answer is lost: the stream will tell.
            (_, false) => {}
        }
        if !accepted && group.has_pending() && self.clients[name].inbox.is_empty() {
            self.clients.get_mut(name).unwrap().group.drop_pending().unwrap();
        }
    }

    fn leave(&mut self) {
        let Some(name) = self.somebody() else { return };
        let Client { device, group, .. } = self.clients.get_mut(&name).unwrap();
        if self.rng.random_bool(0.5) || group.has_pending() || group.view().clients.len() < 3 {
            return;
        }
        let Ok(bundle) = group.leave(device) else { return };
        self.submit(&name, &UpdateRequest::Proposals(bundle));
    }

    fn hub_removes(&mut self) {
        let clients = &self.room.hub.view().clients;
        if clients.len() < 4 {
            return;
        }
        let leaf = clients.choose(&mut self.rng).unwrap().leaf;
        let wanted = HubProposals { remove: &[leaf], participants: None };
        let bundle = self.room.hub.propose(&self.room.hub_keys, wanted).unwrap();
        self.submit("the hub", &UpdateRequest::Proposals(bundle));
    }

    /// A new device, or one that was evicted, joins by itself.
    fn join(&mut self) {
        let evicted = self.clients.iter().find(|(_, client)| !client.group.is_active());
        let evicted = evicted.map(|(name, _)| name.clone());
        let (name, device) = match evicted {
            Some(name) => {
                let client = self.clients.remove(&name).unwrap();
                self.forget_reader(&name);
                (name, client.device)
            }
            None if self.clients.len() + self.waiting.len() < MEMBERS_MAX => self.new_device(),
            None => return,
        };
        let material = self.room.join_material();
        let rng = &mut self.room.federation.rng;
        let issuers = &self.room.issuers;
        let (group, bundle) =
            MemberGroup::join_by_external_commit(&device, &material, None, issuers, rng, now_ms())
                .unwrap();
        let events = self.room.submit(&UpdateRequest::Commit(bundle)).unwrap();
        self.fan_out(&events);
        self.take_in(&name, device, group);
    }

    fn write(&mut self) {
        let Some(name) = self.somebody() else { return };
        let Client { device, group, .. } = self.clients.get_mut(&name).unwrap();
        let hub = self.room.hub.view();
        // A hub takes no message of a past epoch in this test, nor from who waits to write.
        if group.view().epoch != hub.epoch || !group.pending_change().proposals.is_empty() {
            return;
        }
        let text = format!("message {} of {name}", self.sent.len()).into_bytes();
        let message = group.encrypt(device, &text).unwrap();
        let kind = mimi_wire::protocol::notify::FanoutKind::Application { frank: None };
        let event = FanoutMessage { timestamp: 0, message, kind };
        let members: BTreeSet<_> =
            hub.clients.iter().map(|it| it.client.segments().join("/")).collect();
        let readers = self.clients.keys().filter(|it| **it != name && members.contains(*it));
        self.sent.insert(text, readers.cloned().collect());
        self.fan_out(&[event]);
    }

    fn restart(&mut self) {
        let Some(name) = self.somebody() else { return };
        let client = self.clients.get_mut(&name).unwrap();
        for (key, value) in client.group.take_state_changes() {
            match value {
                Some(value) => client.stored.insert(key, value.to_vec()),
                None => client.stored.remove(&key),
            };
        }
        client.group = MemberGroup::restore(client.stored.clone().into_iter().collect()).unwrap();
        let snapshot = self.room.hub.snapshot();
        self.room.hub = mimi_mls::hub::HubGroup::restore(&snapshot).unwrap();
    }

    fn deliver(&mut self, most: usize) {
        let Some(name) = self.somebody() else { return };
        for _ in 0..self.rng.random_range(1..=most) {
            self.deliver_one(&name);
        }
    }

    fn deliver_one(&mut self, name: &str) {
        let client = self.clients.get_mut(name).unwrap();
        let Some(event) = client.inbox.pop_front() else { return };
        match client.group.receive(&event, &self.room.issuers, now_ms()) {
            Ok(Received::Application { application_data, .. }) => {
                client.read.push(application_data);
            }
            Ok(Received::Commit(commit)) => client.group.merge(*commit).unwrap(),
            Ok(Received::Future { epoch }) => panic!("{name}: an event for epoch {epoch}"),
            Ok(Received::OwnCommit | Received::Proposals(_) | Received::Repeat) => {}
            Err(ReceiveError::Unreadable(reason)) => {
                assert!(!client.group.is_active(), "{name}: {reason}");
            }
            Err(other) => panic!("{name}: {other}"),
        }
    }

    /// Who joins anew starts from there.
    fn forget_reader(&mut self, name: &str) {
        for readers in self.sent.values_mut() {
            readers.remove(name);
        }
    }

    fn drain(&mut self) {
        for name in self.clients.keys().cloned().collect::<Vec<_>>() {
            while !self.clients[&name].inbox.is_empty() {
                self.deliver_one(&name);
            }
            let group = &mut self.clients.get_mut(&name).unwrap().group;
            if group.has_pending() {
                group.drop_pending().unwrap();
            }
        }
    }

    fn finish(&mut self) {
        self.drain();
        // Who may commit does, until nothing is pending.
        for name in self.clients.keys().cloned().collect::<Vec<_>>() {
            let pending = self.room.hub.cached_references().count() > 0;
            if pending && self.clients[&name].group.is_active() {
                self.commit_plan(&name, &CommitPlan::default());
                self.drain();
            }
        }
        for (name, client) in &self.clients {
            if client.group.is_active() {
                assert_eq!(client.group.view(), self.room.hub.view(), "{name}");
                assert_eq!(client.group.tree_hash(), self.room.hub.tree_hash(), "{name}");
            }
            for (text, readers) in &self.sent {
                let times = client.read.iter().filter(|read| *read == text).count();
                let text = String::from_utf8_lossy(text);
                assert!(times <= 1, "{name} read {text:?} {times} times");
                if readers.contains(name) && client.group.is_active() {
                    assert_eq!(times, 1, "{name} never read {text:?}");
                }
            }
        }
        self.room.assert_agreement();
    }
}

#[test]
#[expect(clippy::print_stderr, reason = "the last line before a failure names its seed")]
fn anything_goes_and_all_agree() {
    for seed in 0..seeds() {
        eprintln!("seed {seed}");
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            world.step();
        }
        world.finish();
    }
}

/// A few by default; `SEEDS=500` to look harder.
#[expect(clippy::disallowed_methods, reason = "a knob of this test")]
fn seeds() -> u64 {
    std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(6)
}
