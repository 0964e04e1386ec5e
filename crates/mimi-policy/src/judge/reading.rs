//! Reads a change into sets by sender and into what it makes of the room. Nothing is judged here
//! but the form: that the change can be applied at all.

use std::collections::{BTreeMap, BTreeSet};

use mimi_wire::MimiUri;
use mimi_wire::component::PREAUTH_LIST;
use mimi_wire::room::base_policy::BaseRoomPolicy;
use mimi_wire::room::participant_list::ParticipantListUpdate;
use mimi_wire::room::preauth::PreAuthRoleEntry;
use mimi_wire::room::roles::RoleData;

use crate::change::{Actor, ClientIdentity, ProposedChange, StagedChange, StagedProposal};
use crate::denied::Denied;
use crate::index::RoomIndex;
use crate::judge::authority::Authority;
use crate::judge::roster::Roster;
use crate::known::Known;
use crate::participant_list::{ListChange, ListDelta, changes, merge};
use crate::rule::Rule;
use crate::view::{ClientView, LeafIndex, RoomView};

/// A change, read.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    /// The epoch's state.
    pub(super) view: &'a RoomView,
    /// What else is known.
    pub(super) known: Known<'a>,
    /// `None` for standalone proposals.
    pub(super) committer: Option<&'a Actor>,
    /// By sender, in order of first appearance.
    pub(super) sets: Vec<ProposalSet<'a>>,
    /// What becomes of the list.
    pub(super) delta: ListDelta,
    /// Users before and after.
    pub(super) roster: Roster<'a>,
    /// The definitions afterwards, and who changes them.
    pub(super) roles: &'a RoleData,
    /// Likewise.
    pub(super) preauth: &'a [PreAuthRoleEntry],
    /// Likewise.
    pub(super) base_policy: Option<&'a BaseRoomPolicy>,
}

/// What one sender asks, as one action (AMB-POL-21).
#[derive(Debug)]
pub(super) struct ProposalSet<'a> {
    /// The sender.
    pub(super) authority: Authority<'a>,
    /// Changes of the participant list.
    pub(super) list: Vec<ListChange<'a>>,
    /// Leaves that go.
    pub(super) removed: Vec<RemovedClient<'a>>,
    /// Clients that are added.
    pub(super) added: Vec<&'a ClientIdentity>,
    /// The own client that joins by external commit.
    pub(super) joins: Vec<&'a ClientIdentity>,
    /// Everything else.
    pub(super) others: Vec<&'a ProposedChange>,
}

/// A leaf that goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct RemovedClient<'a> {
    /// Whose.
    pub(super) client: &'a ClientView,
    /// By `SelfRemove`.
    pub(super) by_itself: bool,
}

/// Reads a change against its epoch.
pub(super) fn read<'a>(
    view: &'a RoomView,
    index: &'a RoomIndex,
    known: Known<'a>,
    change: &'a StagedChange,
) -> Result<Reading<'a>, Denied> {
    let committer = change.committer.as_ref();
    // PROTO-UPD-9
    if change.epoch != view.epoch {
        let needed = format!("it is in epoch {}, not {}", view.epoch, change.epoch);
        return Err(Denied::new(Rule::Stale, committer.and_then(Actor::user), needed));
    }
    let mut roster = Roster::of(view, index);
    let mut sets = sets(view, &roster, known, change)?;
    let is_listed = |user: &MimiUri| index.standing(view, user).role.is_some();
    let delta = merge(&view.participants, is_listed, list_updates(change))?;
    for (set, proposals) in &mut sets {
        for proposal in proposals.iter() {
            set.take(view, &mut roster, &proposal.sender, &proposal.change)?;
        }
    }
    let sets: Vec<ProposalSet<'_>> = sets.into_iter().map(|(set, _)| set).collect();
    clients_once(&roster, &sets)?;
    let mut reading = Reading {
        view,
        known,
        committer,
        sets,
        delta,
        roster,
        roles: &view.roles,
        preauth: &view.preauth.entries,
        base_policy: view.base_policy.as_ref(),
    };
    for proposal in &change.proposals {
        match &proposal.change {
            ProposedChange::Roles(roles) => reading.roles = roles,
            ProposedChange::Preauth(preauth) => reading.preauth = &preauth.entries,
            ProposedChange::RemoveComponent(PREAUTH_LIST) => reading.preauth = &[],
            ProposedChange::BasePolicy(policy) => reading.base_policy = Some(policy),
            _ => {}
        }
    }
    Ok(reading)
}

type Unread<'a> = (ProposalSet<'a>, Vec<&'a StagedProposal>);

/// Groups proposals by sender, and makes sure each sender may speak at all.
fn sets<'a>(
    view: &'a RoomView,
    roster: &Roster<'_>,
    known: Known<'a>,
    change: &'a StagedChange,
) -> Result<Vec<Unread<'a>>, Denied> {
    let mut sets: Vec<Unread<'a>> = Vec::new();
    for proposal in &change.proposals {
        let met = sets.iter_mut().find(|(set, _)| same_sender(set, &proposal.sender));
        if let Some((set, proposals)) = met {
            if set.authority.actor() != &proposal.sender {
                Authority::of(view, roster, known, &proposal.sender)?;
            }
            proposals.push(proposal);
            continue;
        }
        let authority = Authority::of(view, roster, known, &proposal.sender)?;
        sets.push((ProposalSet::of(authority), vec![proposal]));
    }
    Ok(sets)
}

/// The clients of one user speak as one: authority is the user's.
fn same_sender(set: &ProposalSet<'_>, sender: &Actor) -> bool {
    match (set.authority.actor(), sender) {
        (Actor::Member { user: one, .. }, Actor::Member { user: other, .. }) => one == other,
        (Actor::Joiner(one), Actor::Joiner(other)) => {
            one.user == other.user && one.client == other.client
        }
        (Actor::ExternalSender { index: one, .. }, Actor::ExternalSender { index: other, .. }) => {
            one == other
        }
        _ => false,
    }
}

fn list_updates(
    change: &StagedChange,
) -> impl Iterator<Item = (Option<&MimiUri>, &ParticipantListUpdate)> {
    change.proposals.iter().filter_map(|proposal| match &proposal.change {
        ProposedChange::ParticipantList(update) => Some((proposal.sender.user(), update)),
        _ => None,
    })
}

/// RFC 9420 12.2 for leaves; for clients by name, because membership is told by name elsewhere.
fn clients_once(roster: &Roster<'_>, sets: &[ProposalSet<'_>]) -> Result<(), Denied> {
    let mut removed: BTreeSet<LeafIndex> = BTreeSet::new();
    let mut coming: BTreeMap<&MimiUri, &Authority<'_>> = BTreeMap::new();
    for set in sets {
        for RemovedClient { client, .. } in &set.removed {
            if !removed.insert(client.leaf) {
                let needed = "a commit removes a client only once";
                return Err(set.authority.deny(Rule::RemovedLeaf, needed).about(&client.client));
            }
        }
        for identity in set.added.iter().chain(&set.joins) {
            if coming.insert(&identity.client, &set.authority).is_some() {
                let needed = "a client comes in only once";
                return Err(set.authority.deny(Rule::ClientOnce, needed).about(&identity.client));
            }
        }
    }
    for (client, authority) in coming {
        if roster.clients_named(client).any(|known| !removed.contains(&known.leaf)) {
            let needed = "it is in the group already; its old leaf must go in the same commit";
            return Err(authority.deny(Rule::ClientOnce, needed).about(client));
        }
    }
    Ok(())
}

impl<'a> ProposalSet<'a> {
    fn of(authority: Authority<'a>) -> Self {
        Self {
            authority,
            list: Vec::new(),
            removed: Vec::new(),
            added: Vec::new(),
            joins: Vec::new(),
            others: Vec::new(),
        }
    }

    /// Takes one proposal in and notes what it does to whom.
    fn take(
        &mut self,
        view: &'a RoomView,
        roster: &mut Roster<'a>,
        sender: &'a Actor,
        change: &'a ProposedChange,
    ) -> Result<(), Denied> {
        match change {
            ProposedChange::ParticipantList(update) => {
                let list = changes(&view.participants, update)?;
                for change in &list {
                    roster.touch(change.user(), sender).role = match change {
                        ListChange::Role { to, .. } | ListChange::Addition { to, .. } => Some(*to),
                        ListChange::Removal { .. } => None,
                    };
                }
                self.list.extend(list);
            }
            ProposedChange::AddClient(identity) => {
                roster.touch(&identity.user, sender).clients += 1;
                self.added.push(identity);
            }
            ProposedChange::ExternalJoin(identity) => {
                roster.touch(&identity.user, sender).clients += 1;
                self.joins.push(identity);
            }
            ProposedChange::RemoveClient(leaf) => self.remove(roster, sender, *leaf, false)?,
            ProposedChange::SelfRemove => {
                let Actor::Member { leaf, .. } = sender else {
                    let needed = "only members remove themselves";
                    return Err(self
                        .authority
                        .deny(Rule::UnknownProposal, needed)
                        .about("their own removal"));
                };
                self.remove(roster, sender, *leaf, true)?;
            }
            other => self.others.push(other),
        }
        Ok(())
    }

    fn remove(
        &mut self,
        roster: &mut Roster<'a>,
        sender: &'a Actor,
        leaf: LeafIndex,
        by_itself: bool,
    ) -> Result<(), Denied> {
        let Some(client) = roster.client_at(leaf) else {
            let denied = self.authority.deny(Rule::RemovedLeaf, "there is no such client");
            return Err(denied.about(format!("leaf {leaf}")));
        };
        let standing = roster.touch(&client.user, sender);
        standing.clients = standing.clients.saturating_sub(1);
        self.removed.push(RemovedClient { client, by_itself });
        Ok(())
    }

    /// How many clients of a user the set removes.
    pub(super) fn removed_of(&self, user: &MimiUri) -> usize {
        self.removed.iter().filter(|removed| removed.client.user == *user).count()
    }
}

impl Reading<'_> {
    /// How many clients of a user are left over by a set that should remove them all. What goes by
    /// itself in the same commit is gone too (MLSX-6 forbids removing it a second time).
    pub(super) fn left_behind(&self, set: &ProposalSet<'_>, user: &MimiUri) -> usize {
        let elsewhere = self
            .sets
            .iter()
            .filter(|other| other.authority.is(user) && !set.authority.is(user))
            .flat_map(|other| &other.removed)
            .filter(|removed| removed.by_itself)
            .count();
        let clients = self.roster.before(user).clients;
        clients.saturating_sub(set.removed_of(user)).saturating_sub(elsewhere)
    }

    /// Whether the room's list is fixed, before or after (POLICY-BASE-1).
    pub(super) fn fixed_membership(&self) -> bool {
        let before = self.view.base_policy.as_ref();
        [before, self.base_policy].into_iter().flatten().any(|policy| policy.fixed_membership)
    }

    /// Whether a client commits itself into the group.
    pub(super) fn is_external_commit(&self) -> bool {
        matches!(self.committer, Some(Actor::Joiner(_)))
    }
}
