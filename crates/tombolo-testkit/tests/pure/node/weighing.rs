//! What this provider has decided, held against [`rights`] before it is written: what is found is told once it
//! is durable.

use mimi_mls::hub::{ApplicationFrame, StagedUpdate};
use mimi_policy::{Actor, RoomView};
use mimi_provider::Change;
use mimi_provider::hub::state::{HubState, JOIN_GRANT_LIFETIME_MS};
use mimi_provider::record::EventKind;
use mimi_provider::requester::Requester;
use mimi_wire::protocol::key_material::KeyMaterialRequest;
use mimi_wire::{Domain, MimiUri};
use tombolo_testkit::simulation::ledger::Rule;

use super::{Fact, Node, rights};

fn broken(rule: Rule, room: &MimiUri, what: impl IntoIterator<Item = String>) -> Vec<Fact> {
    let fact = |what| Fact::Broken { rule, what: format!("{room}: {what}") };
    what.into_iter().map(fact).collect()
}

/// Whether a requester answers for a user, and for a client if one is named.
fn answers_for(requester: &Requester, user: &MimiUri, client: Option<&MimiUri>) -> bool {
    match requester {
        Requester::Peer(peer) => {
            user.domain() == *peer && client.is_none_or(|client| client.domain() == *peer)
        }
        Requester::Local(device) => {
            device.user == *user && client.is_none_or(|client| *client == device.client)
        }
    }
}

/// An application message that a hub takes.
pub(super) struct Taken<'a> {
    pub(super) own: &'a Domain,
    pub(super) room: &'a MimiUri,
    pub(super) view: &'a RoomView,
    pub(super) state: &'a HubState,
    pub(super) group_id: &'a [u8],
    pub(super) requester: &'a Requester,
    pub(super) sender: &'a MimiUri,
    pub(super) frame: &'a ApplicationFrame,
    pub(super) changes: &'a [Change],
}

impl Taken<'_> {
    pub(super) fn weigh(&self) -> Vec<Fact> {
        let mut found = Vec::new();
        let (sender, requester) = (self.sender, self.requester);
        if !answers_for(requester, sender, None) {
            found.push(format!("{} writes for {sender}", requester.domain()));
        }
        if rights::is_going(self.state, sender) {
            found.push(format!("{sender} writes and is on the way out"));
        }
        if self.frame.group_id != self.group_id {
            found.push("a message of another group is taken".to_owned());
        }
        if let Requester::Local(device) = requester
            && !self.view.clients.iter().any(|it| it.client == device.client)
        {
            found.push(format!("{} writes and is not in", device.client));
        }
        let mut facts = broken(Rule::Write, self.room, found);
        for change in self.changes {
            if let Change::Append(event) = change
                && event.kind == EventKind::Application
            {
                let missed = rights::misses(self.view, self.state, event, self.own);
                facts.extend(broken(Rule::Read, self.room, missed));
            }
        }
        facts
    }
}

impl Node {
    /// What an update that is about to be followed means.
    pub(super) fn weigh_update(
        &mut self,
        requester: &Requester,
        room: &MimiUri,
        staged: &StagedUpdate,
        changes: &[Change],
    ) -> Vec<Fact> {
        let own = self.domain().clone();
        let (codes, let_in) = (self.codes.clone(), self.let_in.clone());
        let now_ms = self.now_ms;
        let Ok(hub) = self.hub(room) else { return Vec::new() };
        let before = hub.group.view();
        let change = staged.change();
        let (mut found, mut facts) = (Vec::new(), Vec::new());
        for actor in change.committer.iter().chain(change.proposals.iter().map(|it| &it.sender)) {
            let client = match actor {
                Actor::Member { leaf, .. } => before.client_at(*leaf).map(|it| it.client.clone()),
                Actor::Joiner(joiner) => Some(joiner.client.clone()),
                Actor::ExternalSender { .. } => None,
            };
            let is_committer = change.committer.as_ref() == Some(actor);
            let own_doing = is_committer || change.committer.is_none();
            if let (Some(user), true) = (actor.user(), own_doing)
                && !answers_for(requester, user, client.as_ref())
            {
                found.push(format!("{} changes it for {user}", requester.domain()));
            }
        }
        let StagedUpdate::Commit(commit) = staged else {
            return broken(Rule::Write, room, found);
        };
        let after = commit.after();
        found.extend(rights::broken(before, change, after, &hub.state));
        if let Some(Actor::Joiner(joiner)) = &change.committer {
            let key = (room.clone(), joiner.client.clone());
            let leave = let_in.get(&key);
            let holds = leave.is_some_and(|(signature_key, until_ms)| {
                Some(signature_key.as_slice()) == commit.joiner_signature_key()
                    && *until_ms > now_ms
            });
            if !holds {
                found.push(format!("{} comes in and was not let", joiner.client));
            }
            let until_ms = leave.map_or(0, |(_, until_ms)| *until_ms);
            let (room, client) = (room.clone(), joiner.client.clone());
            facts.push(Fact::CameIn { room, client, until_ms });
        }
        if let Some((client, role)) = rights::came_by_code(before, change, after) {
            match codes.get(&(room.clone(), client.clone())) {
                None => found.push(format!("{client} comes in by no code at all")),
                Some(code) => {
                    found.extend(rights::spent(before, code, role, now_ms));
                    let (room, code) = (room.clone(), code.clone());
                    facts.push(Fact::CodeUsed { room, code });
                }
            }
        }
        if !found.is_empty() {
            facts.push(Fact::Forbidden { room: room.clone(), epoch: after.epoch });
        }
        facts.extend(broken(Rule::Write, room, found));
        let missed = rights::commit_misses(before, after, changes, &own);
        facts.extend(broken(Rule::Read, room, missed));
        facts
    }

    /// Whether KeyPackages are asked for through a room of ours by whoever has no right to that.
    pub(super) fn asks_unduly(
        &mut self,
        requester: &Requester,
        room: &MimiUri,
        request: &KeyMaterialRequest,
    ) -> bool {
        let (user, target) = (&request.tbs.requesting_user, &request.tbs.target_user);
        let Ok(hub) = self.hub(room) else { return true };
        let may = rights::may_add(hub.group.view(), &hub.state, user, target);
        !may || !answers_for(requester, user, None)
    }

    /// Somebody is told what it takes to come in.
    pub(super) fn weigh_group_info(
        &mut self,
        requester: &Requester,
        room: &MimiUri,
        (user, client, signature_key): (&MimiUri, &MimiUri, &[u8]),
        code: Option<&[u8]>,
    ) -> Vec<Fact> {
        // What is used up is no way in.
        let used = code.and_then(|code| self.used.get(&(room.clone(), code.to_vec())));
        let is_left = match (code.and_then(rights::uses), used) {
            (Some(most), Some(used)) => *used < most,
            _ => true,
        };
        if let Some(code) = code {
            self.codes.insert((room.clone(), client.clone()), code.to_vec());
        }
        let leave = (signature_key.to_vec(), self.now_ms + JOIN_GRANT_LIFETIME_MS);
        self.let_in.insert((room.clone(), client.clone()), leave);
        let (code, now_ms) = (code.filter(|_| is_left), self.now_ms);
        let Ok(hub) = self.hub(room) else { return Vec::new() };
        let mut found = rights::may_not_come_in(hub.group.view(), &hub.state, user, code, now_ms);
        if !answers_for(requester, user, Some(client)) {
            found = Some(format!("{} asks for {client}", requester.domain()));
        }
        broken(Rule::Read, room, found)
    }
}
