//! Clients of the simulation, and what stands in for MLS: whoever makes a handshake writes down
//! here what it means, and hub and followers look it up by its octets.

use std::collections::BTreeMap;

use mimi_policy::{Actor, ClientView, ProposedChange, RoomView, StagedChange, StagedProposal};
use mimi_provider::follower::state::RosterChange;
use mimi_provider::hub::state::HubState;
use mimi_provider::hub::update::WelcomePart;
use mimi_provider::requester::{DeviceIdentity, Requester};
use mimi_wire::mls::MlsMessage;
use mimi_wire::protocol::update::{CommitBundle, UpdateRequest};
use mimi_wire::{Domain, MimiUri, Wire};

use crate::Chance;
use crate::fixture::{self, domain, identity, index, leaf, user};

pub(crate) const HUB: &str = "a.example";
const DEVICES: &[&str] = &[
    "a/alice/phone",
    "a/alice/laptop",
    "a/dora/phone",
    "b/bob/phone",
    "b/bob/laptop",
    "b/bella/phone",
    "c/cathy/phone",
    "c/cathy/laptop",
    "c/carl/phone",
];

/// What a client asks of the hub.
#[derive(Clone)]
pub(crate) enum Request {
    Submit { sender: MimiUri, epoch: u64, message: MlsMessage },
    Update { octets: Vec<u8> },
    GroupInfo { short: String, key: Vec<u8> },
}

/// What a handshake means.
pub(crate) struct Meaning {
    pub(crate) change: StagedChange,
    pub(crate) welcomes: Vec<WelcomePart>,
    pub(crate) key: Option<Vec<u8>>,
}

#[derive(Default)]
pub(crate) struct Mls {
    /// By the octets of an update request.
    pub(crate) meanings: BTreeMap<Vec<u8>, Meaning>,
    /// By the octets of a message in a fanout.
    pub(crate) rosters: BTreeMap<Vec<u8>, RosterChange>,
    made: u64,
}

/// `mimi://a.example/d/alice/phone` as `a/alice/phone`.
fn short(client: &MimiUri) -> String {
    let domain = client.domain();
    let (host, _) = domain.as_str().split_once('.').unwrap();
    format!("{host}/{}", client.segments().join("/"))
}

pub(crate) fn requester(client: &MimiUri) -> Requester {
    let identity = identity(&short(client));
    if client.domain() == domain(HUB) {
        Requester::Local(DeviceIdentity { user: identity.user, client: identity.client })
    } else {
        Requester::Peer(client.domain())
    }
}

/// A KeyPackageRef says whose it is, to whom it belongs.
pub(crate) fn owner(reference: &[u8], own: &Domain) -> Option<MimiUri> {
    let text = std::str::from_utf8(reference).unwrap();
    let client = fixture::client(text.split('#').next().unwrap());
    (client.domain() == *own).then_some(client)
}

impl Mls {
    fn number(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    /// Some client asks for something. What it knows of the room is true when it asks, and may be
    /// old when it is heard.
    pub(crate) fn some_request(
        &mut self,
        chance: &mut Chance,
        state: &HubState,
        view: &RoomView,
    ) -> Option<(Requester, Request)> {
        let maker = chance.pick(&view.clients)?.clone();
        let request = match chance.below(16) {
            0..3 => self.add(chance, state, view, &maker)?,
            3 => self.remove(chance, state, view, &maker)?,
            4 => self.commit(state, view, &maker, Vec::new(), Vec::new()),
            5..8 => self.leave(view, &maker)?,
            8 => return self.ask_to_join(chance, view),
            _ => self.say(chance, view, &maker),
        };
        Some((requester(&maker.client), request))
    }

    fn say(&mut self, chance: &mut Chance, view: &RoomView, maker: &ClientView) -> Request {
        let epoch = match chance.below(8) {
            0 => view.epoch.saturating_sub(1),
            1 => view.epoch.saturating_sub(3),
            _ => view.epoch,
        };
        let message = fixture::application(epoch, &self.number().to_be_bytes());
        Request::Submit { sender: maker.user.clone(), epoch, message }
    }

    /// Adds the devices of a user who has none in the room, and the user if it is not listed.
    fn add(
        &mut self,
        chance: &mut Chance,
        state: &HubState,
        view: &RoomView,
        maker: &ClientView,
    ) -> Option<Request> {
        let absent: Vec<_> = DEVICES
            .iter()
            .map(|short| identity(short))
            .filter(|identity| view.clients_of(&identity.user).next().is_none())
            .collect();
        let new = chance.pick(&absent)?.user.clone();
        let devices: Vec<_> = absent.into_iter().filter(|identity| identity.user == new).collect();
        let mut changes = Vec::new();
        if view.role_index_of(&new).is_none() {
            changes.push(fixture::listed(new.clone()));
        }
        changes.extend(devices.iter().cloned().map(ProposedChange::AddClient));
        let references = devices.iter().map(|identity| {
            let number = self.number();
            (identity.client.clone(), format!("{}#{number}", short(&identity.client)).into_bytes())
        });
        let clients: Vec<_> = references.collect();
        let message = fixture::welcome_message(&clients[0].1);
        let roster = RosterChange {
            welcomed: clients.iter().map(|(_, reference)| reference.clone()).collect(),
            ..RosterChange::default()
        };
        self.rosters.insert(message.octets().to_vec(), roster);
        let part = WelcomePart { domain: new.domain(), clients, message };
        Some(self.commit(state, view, maker, changes, vec![part]))
    }

    fn remove(
        &mut self,
        chance: &mut Chance,
        state: &HubState,
        view: &RoomView,
        maker: &ClientView,
    ) -> Option<Request> {
        let others: Vec<_> =
            view.clients.iter().map(|it| &it.user).filter(|it| **it != maker.user).collect();
        let gone = (*chance.pick(&others)?).clone();
        let mut changes = vec![fixture::unlisted(view, &gone)];
        changes.extend(view.clients_of(&gone).map(|it| ProposedChange::RemoveClient(it.leaf)));
        Some(self.commit(state, view, maker, changes, Vec::new()))
    }

    /// A commit of changes and of everything that is pending.
    fn commit(
        &mut self,
        state: &HubState,
        view: &RoomView,
        maker: &ClientView,
        changes: Vec<ProposedChange>,
        welcomes: Vec<WelcomePart>,
    ) -> Request {
        let committer = fixture::member(view, &short(&maker.client));
        let mut change = fixture::commit(view, committer, changes);
        change.proposals.extend(state.pending.iter().map(|it| it.proposal.clone()));
        self.committed(view, change, welcomes, None)
    }

    fn committed(
        &mut self,
        view: &RoomView,
        change: StagedChange,
        welcomes: Vec<WelcomePart>,
        key: Option<Vec<u8>>,
    ) -> Request {
        let request = fixture::commit_request(view.epoch, &self.number().to_be_bytes());
        let UpdateRequest::Commit(CommitBundle { commit, .. }) = &request else {
            unreachable!("a commit")
        };
        let joined = match &change.committer {
            Some(Actor::Joiner(joiner)) => vec![joiner.client.clone()],
            _ => Vec::new(),
        };
        let left = change.proposals.iter().filter_map(|proposal| gone(view, proposal)).collect();
        let roster = RosterChange { joined, left, welcomed: Vec::new() };
        self.rosters.insert(commit.octets().to_vec(), roster);
        let octets = request.encode();
        self.meanings.insert(octets.clone(), Meaning { change, welcomes, key });
        Request::Update { octets }
    }

    /// A user other than the administrator leaves with all its devices (AMB-UPD-9).
    fn leave(&mut self, view: &RoomView, maker: &ClientView) -> Option<Request> {
        if index(view, &maker.user) == 0 {
            return None;
        }
        let mut changes = vec![fixture::unlisted(view, &maker.user)];
        let others = view.clients_of(&maker.user).filter(|it| it.client != maker.client);
        changes.extend(others.map(|it| ProposedChange::RemoveClient(it.leaf)));
        changes.push(ProposedChange::SelfRemove);
        let sender = fixture::member(view, &short(&maker.client));
        let mut change = fixture::proposals(view, &sender, 0, changes);
        let number = self.number();
        for (position, proposal) in (0u64..).zip(&mut change.proposals) {
            proposal.reference = Some([number.to_be_bytes(), position.to_be_bytes()].concat());
        }
        let marker = number.to_be_bytes();
        let request = fixture::proposal_request(view.epoch, &marker, change.proposals.len());
        let octets = request.encode();
        let meaning = Meaning { change, welcomes: Vec::new(), key: None };
        self.meanings.insert(octets.clone(), meaning);
        Some(Request::Update { octets })
    }

    /// A device of an active user that is not in the room asks for the GroupInfo.
    fn ask_to_join(
        &mut self,
        chance: &mut Chance,
        view: &RoomView,
    ) -> Option<(Requester, Request)> {
        let outside: Vec<_> = DEVICES
            .iter()
            .map(|short| identity(short))
            .filter(|it| view.is_active(&it.user))
            .filter(|it| view.clients.iter().all(|known| known.client != it.client))
            .collect();
        let client = &chance.pick(&outside)?.client;
        let key = self.number().to_be_bytes().to_vec();
        Some((requester(client), Request::GroupInfo { short: short(client), key }))
    }

    /// The external commit that follows, with the leavers' SelfRemoves (PROTO-GI-6).
    pub(crate) fn join(
        &mut self,
        state: &HubState,
        view: &RoomView,
        short: &str,
        key: &[u8],
    ) -> Request {
        let joiner = identity(short);
        let change = ProposedChange::ExternalJoin(joiner.clone());
        let mut change = fixture::commit(view, Actor::Joiner(joiner), vec![change]);
        let pending = state.pending.iter().map(|pending| pending.proposal.clone());
        change.proposals.extend(pending.filter(|it| it.change == ProposedChange::SelfRemove));
        self.committed(view, change, Vec::new(), Some(key.to_vec()))
    }
}

/// The client a proposal takes away.
fn gone(view: &RoomView, proposal: &StagedProposal) -> Option<MimiUri> {
    let leaf = match (&proposal.change, &proposal.sender) {
        (ProposedChange::RemoveClient(leaf), _) => *leaf,
        (ProposedChange::SelfRemove, Actor::Member { leaf, .. }) => *leaf,
        _ => return None,
    };
    view.client_at(leaf).map(|client| client.client.clone())
}

/// The room begins with alice's phone.
pub(crate) fn founding() -> RoomView {
    let view = fixture::room(&["a/alice/phone"]);
    assert_eq!(leaf(&view, "a/alice/phone"), 0);
    assert_eq!(index(&view, &user("a/alice")), 0);
    view
}
