//! What a hub knows of a room beside its MLS group: where the log ends, what is pending, who may
//! join. It is derived from the log; a snapshot only saves reading all of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use mimi_policy::{
    Actor, ClientView, LeafIndex, ProposedChange, RoomView, StagedChange, StagedProposal,
};
use mimi_wire::component::JOIN_LINKS;
use mimi_wire::mls::MlsMessage;
use mimi_wire::protocol::notify::{FanoutKind, FanoutMessage};
use mimi_wire::protocol::submit_message::Frank;
use mimi_wire::protocol::update::UpdateRequest;
use mimi_wire::{Domain, MimiUri, Wire};
use serde::{Deserialize, Serialize};

use crate::Change;
use crate::hub::join_links;
use crate::record::{EventKind, NewEvent, Seq};
use crate::saved::{StateError, read_versioned, sha256, versioned};

mod earlier;

/// Submissions and updates remembered to answer a repeat as the first time.
pub const RECENT_SUBMISSIONS_MAX: usize = 256;
/// Handshakes between two snapshots of a room.
pub const SNAPSHOT_EVERY: u32 = 32;
/// Join grants a room remembers; the oldest of the provider with the most go first, so that no
/// provider pushes out those of another.
pub const JOIN_GRANTS_MAX: usize = 1_024;
/// Join grants of one user; the oldest go first.
pub const JOIN_GRANTS_PER_USER_MAX: usize = 16;
/// How long a join grant lasts (AMB-UPD-13).
pub const JOIN_GRANT_LIFETIME_MS: u64 = 10 * 60 * 1_000;
/// How many epochs before the current one a message may come from (AMB-SUB-3).
pub const EPOCH_TOLERANCE: u64 = 1;

/// What the hub knows of a room.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct HubState {
    /// The last entry of the log.
    pub last_seq: Seq,
    /// The last accepted timestamp; the next one is greater (AMB-NTF-8).
    pub last_timestamp_ms: u64,
    /// Proposals of the epoch, in order of acceptance (PROTO-UPD-12).
    pub pending: Vec<Pending>,
    /// Users who asked to leave and are still listed; gone as far as we are concerned (AMB-UPD-9).
    pub leaving: BTreeSet<MimiUri>,
    /// Whom the hub wants out and proposes to remove, until they are (PROTO-NTF-4).
    pub evicting: BTreeSet<Evicted>,
    /// Every member is on its way out, so nobody is left to commit anything: the group is dead
    /// (AMB-PL-8).
    pub deserted: bool,
    /// Who may join by external commit (PROTO-GI-5).
    pub grants: Vec<JoinGrant>,
    /// How many have come in by each join code whose link stands, by SHA-256 of the code.
    pub code_uses: BTreeMap<[u8; 32], u32>,
    /// Recent submissions and updates by their octets.
    pub recent: VecDeque<Recent>,
    /// Peers that have a delivery cursor in this room.
    pub followers: BTreeSet<Domain>,
    /// Commits and proposal bundles since the last snapshot.
    pub handshakes_since_snapshot: u32,
}

/// Whom the hub wants out of a room.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Evicted {
    /// A user with everything it has in the room: its account was deleted, or it is no longer in
    /// the room this one depends on.
    User(MimiUri),
    /// A client: the device is lost.
    Client(MimiUri),
}

/// A proposal the next commit has to include.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Pending {
    /// Its `ProposalRef`.
    pub reference: Vec<u8>,
    /// What it asks and who sent it.
    pub proposal: StagedProposal,
    /// The log entry of its bundle (PROTO-UPD-11).
    pub bundle: Seq,
    /// The proposal, an `MLSMessage`.
    pub message: Vec<u8>,
    /// When it was accepted.
    pub accepted_ms: u64,
}

/// Leave to join by external commit, given with a `groupInfo` answer (AMB-UPD-13).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct JoinGrant {
    /// To this user.
    pub user: MimiUri,
    /// To this client.
    pub client: MimiUri,
    /// With this signature key (PROTO-GI-5).
    pub signature_key: Vec<u8>,
    /// By this join code, good when the grant was given; it is looked at again when it is used.
    pub joining_code: Option<Vec<u8>>,
    /// Milliseconds since the epoch.
    pub expires_ms: u64,
}

/// A submission or update the hub has accepted.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Recent {
    /// SHA-256 of the message's or the request's octets.
    pub sha256: [u8; 32],
    /// What was answered.
    pub timestamp_ms: u64,
    /// The provider it came from: nobody else is told what became of it.
    pub by: Option<Domain>,
    /// The encoded `Frank` that was answered; empty without one.
    pub frank: Vec<u8>,
}

/// What an entry meant to the MLS group: as staged when it was accepted, or as staged again from
/// its `detail` after a restart.
#[derive(Clone, Copy, Debug)]
pub enum Observed<'a> {
    /// Nothing: messages, Welcomes and notes.
    Plain,
    /// A bundle of proposals.
    Proposals {
        /// What they ask.
        change: &'a StagedChange,
        /// The room they are for, which they leave as it is.
        view: &'a RoomView,
    },
    /// A commit.
    Commit {
        /// What it did.
        change: &'a StagedChange,
        /// The room it led to.
        after: &'a RoomView,
    },
}

/// The group's blob and the hub's state, saved together.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct HubSnapshot {
    /// Opaque here.
    pub group: Vec<u8>,
    /// The state.
    pub state: HubState,
}

/// What a hub writes into its log for itself.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
enum Note {
    /// Somebody may join.
    JoinGrant(JoinGrant),
    /// The external commit just before came in by the join code with this SHA-256.
    JoinCodeUsed([u8; 32]),
    /// Somebody has to go.
    Evict(Vec<Evicted>),
    /// What the group needs to follow the commit right behind this.
    Replay(Vec<u8>),
}

/// First octet of a saved state.
const SNAPSHOT_VERSION: u8 = 2;
/// First octet of a note.
const NOTE_VERSION: u8 = 2;

impl HubState {
    /// Follows one entry of the log, at the moment it is written or when the log is read again.
    /// `observed` matters for commits and proposals only.
    pub fn observe(&mut self, event: &NewEvent, observed: Observed<'_>) -> Result<(), StateError> {
        if event.seq != self.last_seq + 1 {
            let gap = format!("entry {} follows entry {}", event.seq, self.last_seq);
            return Err(StateError(gap));
        }
        match (event.kind, observed) {
            (EventKind::Application, _) => {
                let (message, frank) = application_message(&event.payload)?;
                let by = read_submitter(&event.detail)?;
                self.remember(sha256(message.octets()), event.timestamp_ms, Some(by));
                if let (Some(frank), Some(recent)) = (frank, self.recent.back_mut()) {
                    recent.frank = frank.encode();
                }
            }
            (EventKind::Welcome, _) => {}
            (EventKind::HubNote, _) => self.follow_note(&event.detail)?,
            (EventKind::Proposal, Observed::Proposals { change, view }) => {
                self.follow_proposals(event, change, view)?;
            }
            (EventKind::Commit, Observed::Commit { change, after }) => {
                self.follow_commit(event, change, after);
            }
            (kind, observed) => {
                return Err(StateError(format!("an entry {kind:?} observed as {observed:?}")));
            }
        }
        self.last_seq = event.seq;
        self.last_timestamp_ms = self.last_timestamp_ms.max(event.timestamp_ms);
        self.followers.extend(event.audience.iter().cloned());
        self.grants.retain(|grant| grant.expires_ms > event.timestamp_ms);
        Ok(())
    }

    /// Whether nobody is left to commit anything, or to be there: every member is on its way out or
    /// wanted out, whether or not the room lets its hub say so.
    pub(crate) fn is_deserted(&self, view: &RoomView) -> bool {
        let pending = || self.pending.iter().map(|pending| &pending.proposal);
        self.deserted || (!self.evicting.is_empty() && nobody_stays(pending, &self.evicting, view))
    }

    /// [`observe`](Self::observe) for every entry a decision appends.
    pub fn apply(&mut self, changes: &[Change], observed: Observed<'_>) -> Result<(), StateError> {
        for change in changes {
            if let Change::Append(event) = change {
                self.observe(event, observed)?;
            }
        }
        Ok(())
    }

    /// A snapshot as of [`last_seq`](Self::last_seq) is about to be written.
    pub fn snapshot_taken(&mut self) {
        self.handshakes_since_snapshot = 0;
    }

    /// The timestamp of what is accepted now: the time, but always later than the last one
    /// (AMB-NTF-8).
    pub fn next_timestamp(&self, now_ms: u64) -> u64 {
        now_ms.max(self.last_timestamp_ms + 1)
    }

    /// When these octets were accepted from this provider, if lately.
    pub(crate) fn accepted_before(&self, sha256: &[u8; 32], from: &Domain) -> Option<u64> {
        let recent = self.recent.iter().rev().find(|recent| recent.sha256 == *sha256)?;
        (recent.by.as_ref() == Some(from)).then_some(recent.timestamp_ms)
    }

    /// The frank that the answer to these octets had; of another provider, nothing is told.
    pub(crate) fn frank_before(&self, sha256: &[u8; 32], from: &Domain) -> Option<Frank> {
        let recent = self.recent.iter().rev().find(|recent| recent.sha256 == *sha256)?;
        let is_told = recent.by.as_ref() == Some(from) && !recent.frank.is_empty();
        is_told.then(|| Frank::decode(&recent.frank).ok()).flatten()
    }

    /// What the log keeps of a join grant.
    pub(crate) fn note_join_grant(grant: JoinGrant) -> Vec<u8> {
        versioned(NOTE_VERSION, &Note::JoinGrant(grant))
    }

    /// What the log keeps of the use of a join code.
    pub(crate) fn note_code_used(code_sha256: [u8; 32]) -> Vec<u8> {
        versioned(NOTE_VERSION, &Note::JoinCodeUsed(code_sha256))
    }

    /// What the log keeps for the group, of the commit right behind it.
    pub(crate) fn note_replay(replay: Vec<u8>) -> Vec<u8> {
        versioned(NOTE_VERSION, &Note::Replay(replay))
    }

    /// What a note keeps for the group, of the commit right behind it.
    pub fn replay_in(note: &NewEvent) -> Option<Vec<u8>> {
        match read_versioned(NOTE_VERSION, &note.detail) {
            Ok(Note::Replay(replay)) if note.kind == EventKind::HubNote => Some(replay),
            _ => None,
        }
    }

    fn remember(&mut self, sha256: [u8; 32], timestamp_ms: u64, by: Option<Domain>) {
        if self.recent.len() == RECENT_SUBMISSIONS_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(Recent { sha256, timestamp_ms, by, frank: Vec::new() });
    }

    /// What the log keeps of whom the hub wants out.
    pub(crate) fn note_evictions(evicted: Vec<Evicted>) -> Vec<u8> {
        versioned(NOTE_VERSION, &Note::Evict(evicted))
    }

    /// Users who are still listed though they have left, once a commit is merged. An external
    /// commit can leave a leaver listed (AMB-UPD-10); it stays gone until the list says so too, or
    /// somebody entitled takes it in again (AMB-POL-39).
    pub(crate) fn leaving_after(
        &self,
        change: &StagedChange,
        after: &RoomView,
    ) -> BTreeSet<MimiUri> {
        let stays = |user: &&MimiUri| after.role_index_of(user).is_some() && !returns(change, user);
        self.leaving.iter().filter(stays).cloned().collect()
    }

    /// Whom the hub still wants out once a commit is merged.
    pub(crate) fn evicting_after(
        &self,
        change: &StagedChange,
        after: &RoomView,
    ) -> BTreeSet<Evicted> {
        let stays = |evicted: &&Evicted| evicted.is_in(after) && !evicted.returns(change);
        self.evicting.iter().filter(stays).cloned().collect()
    }

    fn follow_note(&mut self, detail: &[u8]) -> Result<(), StateError> {
        let note = match detail.first() {
            Some(&earlier::VERSION) => {
                read_versioned::<earlier::Note>(earlier::VERSION, detail)?.into()
            }
            _ => read_versioned(NOTE_VERSION, detail)?,
        };
        match note {
            Note::JoinGrant(grant) => self.follow_grant(grant),
            Note::JoinCodeUsed(code_sha256) => {
                let uses = self.code_uses.entry(code_sha256).or_default();
                *uses = uses.saturating_add(1);
            }
            Note::Evict(evicted) => self.evicting.extend(evicted),
            Note::Replay(_) => {}
        }
        Ok(())
    }

    fn follow_grant(&mut self, grant: JoinGrant) {
        self.grants.retain(|old| {
            (&old.client, &old.signature_key) != (&grant.client, &grant.signature_key)
        });
        let of_user = |old: &JoinGrant| old.user == grant.user;
        if self.grants.iter().filter(|old| of_user(old)).count() >= JOIN_GRANTS_PER_USER_MAX {
            self.forget_oldest_grant(of_user);
        }
        if self.grants.len() >= JOIN_GRANTS_MAX {
            let mut counts: BTreeMap<Domain, usize> = BTreeMap::new();
            for old in &self.grants {
                *counts.entry(old.user.domain()).or_default() += 1;
            }
            let most = counts.into_iter().max_by_key(|(_, count)| *count);
            let most = most.map(|(domain, _)| domain);
            self.forget_oldest_grant(|old| Some(old.user.domain()) == most);
        }
        self.grants.push(grant);
    }

    fn forget_oldest_grant(&mut self, of: impl Fn(&JoinGrant) -> bool) {
        if let Some(oldest) = self.grants.iter().position(of) {
            self.grants.remove(oldest);
        }
    }

    fn follow_proposals(
        &mut self,
        event: &NewEvent,
        change: &StagedChange,
        view: &RoomView,
    ) -> Result<(), StateError> {
        let UpdateRequest::Proposals(bundle) = UpdateRequest::decode(&event.detail)? else {
            return Err(StateError("a Proposal entry keeps a commit".into()));
        };
        let messages = std::iter::once(&bundle.proposal).chain(&bundle.more_proposals);
        for (proposal, message) in change.proposals.iter().zip(messages) {
            let Some(reference) = proposal.reference.clone() else {
                return Err(StateError("a standalone proposal has no reference".into()));
            };
            self.pending.push(Pending {
                reference,
                proposal: proposal.clone(),
                bundle: event.seq,
                message: message.octets().to_vec(),
                accepted_ms: event.timestamp_ms,
            });
            self.leaving.extend(leaver(proposal, view).cloned());
        }
        self.deserted = deserted(self.pending.iter().map(|pending| &pending.proposal), view);
        self.remember(sha256(&event.detail), event.timestamp_ms, provider_of(change));
        self.handshakes_since_snapshot += 1;
        Ok(())
    }

    fn follow_commit(&mut self, event: &NewEvent, change: &StagedChange, after: &RoomView) {
        self.pending.clear();
        // A grant serves one join (AMB-UPD-13).
        if let Some(Actor::Joiner(joiner)) = &change.committer {
            self.grants.retain(|grant| grant.client != joiner.client);
        }
        let changes_links = |proposal: &StagedProposal| {
            matches!(
                proposal.change,
                ProposedChange::JoinLinks(_) | ProposedChange::RemoveComponent(JOIN_LINKS)
            )
        };
        if change.proposals.iter().any(changes_links) {
            let standing = join_links::standing_codes(after);
            self.code_uses.retain(|code_sha256, _| standing.contains(code_sha256));
        }
        self.deserted = false;
        self.leaving = self.leaving_after(change, after);
        self.evicting = self.evicting_after(change, after);
        self.remember(sha256(&event.detail), event.timestamp_ms, provider_of(change));
        self.handshakes_since_snapshot += 1;
    }
}

impl Evicted {
    /// Whether there is still something of it in a room.
    pub(crate) fn is_in(&self, view: &RoomView) -> bool {
        match self {
            Self::User(user) => {
                view.role_index_of(user).is_some() || view.clients_of(user).next().is_some()
            }
            Self::Client(client) => view.clients.iter().any(|member| member.client == *client),
        }
    }

    /// Whether a member is this one, or of it.
    fn covers(&self, member: &ClientView) -> bool {
        match self {
            Self::User(user) => member.user == *user,
            Self::Client(client) => member.client == *client,
        }
    }

    /// Whether somebody entitled takes it in again.
    fn returns(&self, change: &StagedChange) -> bool {
        match self {
            Self::User(user) => returns(change, user),
            Self::Client(client) => change.proposals.iter().any(|proposal| {
                matches!(&proposal.change, ProposedChange::AddClient(it) if it.client == *client)
            }),
        }
    }
}

/// Whether a change adds a client of a user.
fn returns(change: &StagedChange, user: &MimiUri) -> bool {
    change.proposals.iter().any(|proposal| {
        matches!(&proposal.change, ProposedChange::AddClient(added) if added.user == *user)
    })
}

/// Whether proposals take every member away: then nobody is left to commit them.
pub(crate) fn deserted<'a>(
    proposals: impl Iterator<Item = &'a StagedProposal>,
    view: &RoomView,
) -> bool {
    let gone: BTreeSet<LeafIndex> = proposals.filter_map(leaf_removed).collect();
    view.clients.iter().all(|client| gone.contains(&client.leaf))
}

/// Whether every member goes by a proposal or is wanted out. Nobody else is looked at once one stays.
pub(crate) fn nobody_stays<'a, P: Iterator<Item = &'a StagedProposal>>(
    proposals: impl Fn() -> P,
    evicting: &BTreeSet<Evicted>,
    view: &RoomView,
) -> bool {
    view.clients.iter().all(|member| {
        evicting.iter().any(|evicted| evicted.covers(member))
            || proposals().filter_map(leaf_removed).any(|leaf| leaf == member.leaf)
    })
}

/// The leaf a proposal takes away.
pub(crate) fn leaf_removed(proposal: &StagedProposal) -> Option<LeafIndex> {
    match (&proposal.change, &proposal.sender) {
        (ProposedChange::RemoveClient(leaf), _) => Some(*leaf),
        (ProposedChange::SelfRemove, Actor::Member { leaf, .. }) => Some(*leaf),
        _ => None,
    }
}

/// The user who takes itself off the list by this proposal (AMB-UPD-9).
fn leaver<'a>(proposal: &'a StagedProposal, view: &RoomView) -> Option<&'a MimiUri> {
    let (Actor::Member { user, .. }, ProposedChange::ParticipantList(update)) =
        (&proposal.sender, &proposal.change)
    else {
        return None;
    };
    let listed = &view.participants.participants;
    let removed = update.removed_indices.iter().filter_map(|index| {
        let index = usize::try_from(*index).ok()?;
        listed.get(index)
    });
    removed.map(|pair| &pair.user).any(|removed| removed == user).then_some(user)
}

/// The provider of whoever stands behind an update.
fn provider_of(change: &StagedChange) -> Option<Domain> {
    let senders = change.proposals.iter().map(|proposal| &proposal.sender);
    let mut actors = change.committer.iter().chain(senders);
    actors.next().and_then(Actor::user).map(MimiUri::domain)
}

/// What the log keeps of a message beside the message: the provider it came from.
pub(crate) fn note_submitter(provider: &Domain) -> Vec<u8> {
    provider.as_str().as_bytes().to_vec()
}

fn read_submitter(detail: &[u8]) -> Result<Domain, StateError> {
    let name = std::str::from_utf8(detail).map_err(|error| StateError(error.to_string()))?;
    Domain::new(name).map_err(|error| StateError(error.to_string()))
}

fn application_message(payload: &[u8]) -> Result<(MlsMessage, Option<Frank>), StateError> {
    let fanout = FanoutMessage::decode_all(payload)?;
    match <[FanoutMessage; 1]>::try_from(fanout) {
        Ok([FanoutMessage { message, kind: FanoutKind::Application { frank }, .. }]) => {
            Ok((message, frank))
        }
        Ok([_]) => Err(StateError("an Application entry holds something else".into())),
        Err(several) => Err(StateError(format!("{} messages in one entry", several.len()))),
    }
}

impl HubSnapshot {
    /// As one versioned blob.
    pub fn encode(&self) -> Vec<u8> {
        versioned(SNAPSHOT_VERSION, &(&self.group, &self.state))
    }

    /// Reads [`encode`](Self::encode).
    pub fn decode(octets: &[u8]) -> Result<Self, StateError> {
        if octets.first() == Some(&earlier::VERSION) {
            let (group, state): (_, earlier::State) = read_versioned(earlier::VERSION, octets)?;
            return Ok(Self { group, state: state.into() });
        }
        let (group, state) = read_versioned(SNAPSHOT_VERSION, octets)?;
        Ok(Self { group, state })
    }
}

#[cfg(test)]
mod tests;
