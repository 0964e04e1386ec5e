//! The hub as author: it proposes, as external sender, to remove who has to go (PROTO-NTF-3,
//! PROTO-NTF-4, FLOW-15, AMB-ST-4, AMB-UPD-9). Its proposals are judged like anybody's, by the role
//! that the room preauthorizes it for, and any member commits them.
//!
//! Whom it wants out is remembered until they are: an external commit voids every proposal but
//! SelfRemoves, and then they are made anew for the epoch it leads to.

use std::collections::{BTreeMap, BTreeSet};

use mimi_policy::envelope::Envelope;
use mimi_policy::parent::orphans;
use mimi_policy::{
    Actor, Judge, LeafIndex, ProposedChange, RoomView, StagedChange, StagedProposal,
};
use mimi_wire::protocol::update::{ProposalBundle, ProposalRef};
use mimi_wire::room::participant_list::ParticipantListUpdate;
use mimi_wire::room::preauth::Claim;
use mimi_wire::{Domain, MimiUri};

use crate::hub::log::{Entry, LogWriter};
use crate::hub::member_set::MemberSet;
use crate::hub::pending::{Accepting, accept_proposals};
use crate::hub::state::{Evicted, HubState, Pending, leaf_removed, nobody_stays};
use crate::hub::update::{Updated, is_persistent, updated};
use crate::record::EventKind;
use crate::{Change, Limits, Reject, Transition};

/// Proposals of one bundle (AMB-UPD-12).
pub const BUNDLE_PROPOSALS_MAX: usize = 256;
/// MLS credential type of a hub's entry in `external_senders` (AMB-ST-1).
const BASIC_CREDENTIAL: u16 = 1;

/// What the hub is to propose.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct HubChange {
    /// Leaves to remove, ascending.
    pub remove: Vec<LeafIndex>,
    /// Positions in the participant list to clear, ascending.
    pub unlist: Vec<u32>,
}

/// Whether all members take list changes that a hub proposes. Some implementations refuse them, and
/// with them every commit that includes one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ListChanges {
    /// They do.
    Taken,
    /// Somebody may not.
    Refused,
}

/// A room at the moment the hub thinks about it.
#[derive(Clone, Copy, Debug)]
struct Now<'a> {
    judge: Judge<'a>,
    view: &'a RoomView,
    own: &'a Domain,
    pending: &'a [Pending],
    list_changes: ListChanges,
}

impl HubChange {
    /// The list change, if there is one.
    pub fn participants(&self) -> Option<ParticipantListUpdate> {
        let removed_indices = self.unlist.clone();
        (!self.unlist.is_empty())
            .then(|| ParticipantListUpdate { removed_indices, ..ParticipantListUpdate::default() })
    }

    fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.unlist.is_empty()
    }

    fn count(&self) -> usize {
        self.remove.len() + usize::from(!self.unlist.is_empty())
    }

    fn and(&self, other: &Self) -> Self {
        Self::all([self, other])
    }

    fn all<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Self {
        let (mut remove, mut unlist) = (BTreeSet::new(), BTreeSet::new());
        for part in parts {
            remove.extend(&part.remove);
            unlist.extend(&part.unlist);
        }
        Self { remove: remove.into_iter().collect(), unlist: unlist.into_iter().collect() }
    }

    fn proposals(&self, own: &Domain) -> Vec<StagedProposal> {
        let claim = Claim {
            credential_type: BASIC_CREDENTIAL,
            id: Vec::new(),
            claim_value: own.provider_uri().as_bytes().to_vec(),
        };
        let sender = Actor::ExternalSender { index: 0, claims: vec![claim] };
        let removes = self.remove.iter().map(|leaf| ProposedChange::RemoveClient(*leaf));
        let changes = removes.chain(self.participants().map(ProposedChange::ParticipantList));
        let proposal = |change| StagedProposal { sender: sender.clone(), reference: None, change };
        changes.map(proposal).collect()
    }
}

/// What is to be proposed now, beside what is pending: whom the hub wants out, `also` among them,
/// and leavers whose leave an external commit has cut short. `None`: nothing, or nothing that the
/// room lets its hub do.
pub fn due(
    state: &HubState,
    judge: Judge<'_>,
    own: &Domain,
    also: &[Evicted],
    list_changes: ListChanges,
) -> Option<HubChange> {
    let now = Now { judge, view: judge.view(), own, pending: &state.pending, list_changes };
    let evicting = state.evicting.iter().chain(also);
    now.due(&state.leaving, evicting)
}

/// What is to be proposed for the epoch that a commit leads to.
pub fn due_after(
    state: &HubState,
    change: &StagedChange,
    after: &RoomView,
    own: &Domain,
    list_changes: impl FnOnce() -> ListChanges,
) -> Option<HubChange> {
    if state.leaving.is_empty() && state.evicting.is_empty() {
        return None;
    }
    let (leaving, evicting) =
        (state.leaving_after(change, after), state.evicting_after(change, after));
    if leaving.is_empty() && evicting.is_empty() {
        return None;
    }
    let judge = Judge::of(after);
    let now = Now { judge, view: after, own, pending: &[], list_changes: list_changes() };
    now.due(&leaving, evicting.iter())
}

impl Now<'_> {
    fn due<'a>(
        &self,
        leaving: &BTreeSet<MimiUri>,
        evicting: impl Iterator<Item = &'a Evicted>,
    ) -> Option<HubChange> {
        let mut users: BTreeSet<&MimiUri> = leaving.iter().collect();
        let mut clients: BTreeSet<&MimiUri> = BTreeSet::new();
        for evicted in evicting {
            match evicted {
                Evicted::User(user) => users.insert(user),
                Evicted::Client(client) => clients.insert(client),
            };
        }
        let on_their_way: BTreeSet<LeafIndex> =
            self.pending.iter().filter_map(|pending| leaf_removed(&pending.proposal)).collect();
        // One look at the room for all of them: it may be large, and so may be what is due.
        let positions = self.positions(&users);
        let mut leaves: BTreeMap<&MimiUri, Vec<LeafIndex>> = BTreeMap::new();
        let mut of_clients = Vec::new();
        for member in self.view.clients.iter().filter(|it| !on_their_way.contains(&it.leaf)) {
            if users.contains(&member.user) {
                leaves.entry(&member.user).or_default().push(member.leaf);
            }
            if clients.contains(&member.client) {
                of_clients.push(HubChange { remove: vec![member.leaf], unlist: Vec::new() });
            }
        }
        let of_users = users.iter().map(|user| HubChange {
            remove: leaves.remove(user).unwrap_or_default(),
            unlist: positions.get(user).copied().into_iter().collect(),
        });
        let parts: Vec<HubChange> =
            of_users.chain(of_clients).filter(|it| !it.is_empty()).collect();
        let mut due = HubChange::default();
        self.take_all(&mut due, &parts);
        (!due.is_empty()).then_some(due)
    }

    /// The places of users in the list, but for those whose removal is pending or cannot be
    /// proposed.
    fn positions<'u>(&'u self, users: &BTreeSet<&MimiUri>) -> BTreeMap<&'u MimiUri, u32> {
        if self.list_changes == ListChanges::Refused {
            return BTreeMap::new();
        }
        let pending = self.pending.iter().filter_map(|pending| match &pending.proposal.change {
            ProposedChange::ParticipantList(update) => Some(&update.removed_indices),
            _ => None,
        });
        let is_pending: BTreeSet<u32> = pending.flatten().copied().collect();
        let listed = (0..).zip(&self.view.participants.participants);
        let wanted =
            listed.filter(|(at, pair)| users.contains(&pair.user) && !is_pending.contains(at));
        wanted.map(|(position, pair)| (&pair.user, position)).collect()
    }

    /// Adds as many parts as may be. They are tried in halves: one after the other, each would be
    /// judged together with all before it, and the work grow with the square of their number.
    fn take_all(&self, due: &mut HubChange, parts: &[HubChange]) {
        if self.take(due, &HubChange::all(parts)) {
            return;
        }
        match parts {
            [] => {}
            // Where the list cannot be changed the clients go all the same (AMB-ST-4).
            [part] if !part.unlist.is_empty() => {
                let clients_alone = HubChange { unlist: Vec::new(), ..part.clone() };
                self.take(due, &clients_alone);
            }
            [_] => {}
            _ => {
                let (first, second) = parts.split_at(parts.len() / 2);
                self.take_all(due, first);
                self.take_all(due, second);
            }
        }
    }

    /// Adds a part, if there is something in it, the judge allows it together with all that is
    /// there already, and there is room.
    fn take(&self, due: &mut HubChange, part: &HubChange) -> bool {
        let both = due.and(part);
        if part.is_empty() || both.count() > BUNDLE_PROPOSALS_MAX {
            return false;
        }
        let pending = self.pending.iter().map(|pending| pending.proposal.clone());
        let proposals = pending.chain(both.proposals(self.own)).collect();
        let change = StagedChange { epoch: self.view.epoch, committer: None, proposals };
        // Members judge the bundle when it comes, by itself.
        let proposals = both.proposals(self.own);
        let alone = StagedChange { epoch: self.view.epoch, committer: None, proposals };
        let allowed = self.judge.decide(&change).is_ok()
            && (self.pending.is_empty() || self.judge.decide(&alone).is_ok());
        if allowed {
            *due = both;
        }
        allowed
    }
}

/// Whom of these the hub does not want out of a room yet, though there is something of them in it.
pub fn newly_evicted(state: &HubState, view: &RoomView, evicted: &[Evicted]) -> Vec<Evicted> {
    let new = |evicted: &&Evicted| !state.evicting.contains(evicted) && evicted.is_in(view);
    evicted.iter().filter(new).cloned().collect()
}

/// Whom the hub wants out of a dependent room because they are not in its parent (POLICY-BASE-3,
/// AMB-POL-9).
pub fn orphaned(child: &RoomView, parent: &RoomView) -> Vec<Evicted> {
    orphans(child, parent).into_iter().cloned().map(Evicted::User).collect()
}

/// Whether somebody who took part before does not any more: then dependent rooms are looked at.
pub fn has_lost(change: &StagedChange, before: &RoomView, after: &RoomView) -> bool {
    let touches = |proposal: &StagedProposal| {
        matches!(proposal.change, ProposedChange::ParticipantList(_) | ProposedChange::Roles(_))
    };
    if !change.proposals.iter().any(touches) {
        return false;
    }
    // Who stays keeps its place before the others (PROTO-PL-2). A new role may be that of the banned.
    let mut listed = before.participants.participants.iter();
    let mut stays = after.participants.participants.iter();
    listed.any(|pair| !stays.any(|stays| stays == pair))
}

/// The hub's own words, signed and staged.
#[derive(Clone, Copy, Debug)]
pub struct HubProposalsInput<'a> {
    /// The proposals.
    pub bundle: &'a ProposalBundle,
    /// The `UpdateRequest` that holds them.
    pub octets: &'a [u8],
    /// What they ask.
    pub change: &'a StagedChange,
    /// Their references, in order.
    pub references: &'a [ProposalRef],
    /// What the operator allows.
    pub limits: &'a Limits,
}

/// Writes down whom the hub wants out from now on, and what it proposes to that end, if it can.
pub fn propose(
    state: &HubState,
    judge: Judge<'_>,
    envelope: &Envelope,
    own: &Domain,
    evicted: Vec<Evicted>,
    proposals: Option<&HubProposalsInput<'_>>,
    now_ms: u64,
) -> Result<Transition<Updated>, Reject> {
    let view = judge.view();
    let mut log = LogWriter::new(state, view.room());
    let mut timestamp = state.next_timestamp(now_ms);
    if !evicted.is_empty() {
        free_members(state, view, &evicted, &mut log);
        log.append(Entry {
            kind: EventKind::HubNote,
            timestamp_ms: timestamp,
            payload: Vec::new(),
            audience: Vec::new(),
            targets: Some(Vec::new()),
            detail: HubState::note_evictions(evicted),
        });
        timestamp += 1;
    }
    let Some(input) = proposals else {
        let nothing = StagedChange { epoch: view.epoch, committer: None, proposals: Vec::new() };
        return Ok(log.finish(updated(state, &nothing, false, timestamp)));
    };
    let HubProposalsInput { bundle, octets, change, references, limits } = *input;
    if change
        .proposals
        .iter()
        .any(|it| !matches!(it.sender, Actor::ExternalSender { index: 0, .. }))
    {
        return Err(Reject::Internal("the hub speaks for itself alone".into()));
    }
    judge.decide(change)?;
    let accepting = Accepting { own, judge, envelope, limits, change, octets, now_ms };
    accept_proposals(state, log, &accepting, bundle, references, timestamp)
}

/// POLICY-BASE-2, TOM-127: who is listed for good in a room of fixed membership and may not come
/// back into it, does not keep the others from having another one with whoever has the name next; nor
/// does a room in which nobody is left.
fn free_members(state: &HubState, view: &RoomView, evicted: &[Evicted], log: &mut LogWriter<'_>) {
    let Some(members) = MemberSet::fixed(view) else { return };
    let all = state.evicting.iter().chain(evicted).cloned().collect();
    let pending = || state.pending.iter().map(|pending| &pending.proposal);
    let dies = !is_persistent(view) && nobody_stays(pending, &all, view);
    if dies || evicted.iter().any(|it| matches!(it, Evicted::User(_))) {
        log.change(Change::FreeMembers { members, room: view.room().clone() });
    }
}

#[cfg(test)]
mod tests;
