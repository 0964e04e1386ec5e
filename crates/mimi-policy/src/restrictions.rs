//! What accepted proposals forbid before they are committed: restrictions bite at once, grants wait
//! for the commit (AMB-ST-8, PROTO-ST-2, PROTO-UPD-4).

use std::collections::{BTreeMap, BTreeSet};

use mimi_wire::MimiUri;

use crate::change::{Actor, ProposedChange, StagedChange, StagedProposal};
use crate::denied::Denied;
use crate::judge::is_banned_role;
use crate::message::may_send_something;
use crate::participant_list::{ListChange, changes};
use crate::rule::Rule;
use crate::view::{LeafIndex, RoomView};

/// Users that pending proposals restrict.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Restrictions {
    users: BTreeMap<MimiUri, Restriction>,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Restriction {
    /// Loses the right to send and keeps its place.
    Silenced,
    /// Is removed, banned, leaving, or loses its last client.
    Gone,
}

/// The users that proposals, accepted and not yet committed, restrict. What a proposal grants is
/// not looked at.
pub fn restrictions<'a>(
    view: &RoomView,
    pending: impl IntoIterator<Item = &'a StagedProposal>,
) -> Restrictions {
    let mut restrictions = Restrictions::default();
    let mut leaves: BTreeSet<LeafIndex> = BTreeSet::new();
    for proposal in pending {
        match &proposal.change {
            ProposedChange::ParticipantList(update) => {
                // The judge accepted it, so it can be read; what cannot restricts nobody.
                for change in changes(&view.participants, update).unwrap_or_default() {
                    restrictions.take(view, change);
                }
            }
            ProposedChange::RemoveClient(leaf) => {
                leaves.insert(*leaf);
            }
            ProposedChange::SelfRemove => {
                if let Actor::Member { leaf, .. } = &proposal.sender {
                    leaves.insert(*leaf);
                }
            }
            _ => {}
        }
    }
    if !leaves.is_empty() {
        let stays = |leaf| !leaves.contains(&leaf);
        let staying: BTreeSet<&MimiUri> = view
            .clients
            .iter()
            .filter(|client| stays(client.leaf))
            .map(|client| &client.user)
            .collect();
        for client in view.clients.iter().filter(|client| !stays(client.leaf)) {
            if !staying.contains(&client.user) {
                restrictions.note(&client.user, Restriction::Gone);
            }
        }
    }
    restrictions
}

impl Restrictions {
    /// Whether nobody is restricted.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// Whether pending proposals leave a user free to send application messages. What the user's
    /// role says is [`may_submit`](crate::message::may_submit)'s question.
    pub fn may_send(&self, user: &MimiUri) -> bool {
        !self.users.contains_key(user)
    }

    /// Whether they leave it free to be sent application messages (PROTO-UPD-4).
    pub fn may_receive(&self, user: &MimiUri) -> bool {
        !self.may_only_remove_own(user)
    }

    /// Whether they leave a user free to commit.
    pub fn may_commit(&self, user: &MimiUri) -> bool {
        !self.may_only_remove_own(user)
    }

    /// Whether a user may propose nothing but the removal of its own clients.
    pub fn may_only_remove_own(&self, user: &MimiUri) -> bool {
        self.users.get(user) == Some(&Restriction::Gone)
    }

    /// Restricts a user like somebody who leaves: for a hub that remembers, across epochs, whose
    /// leave is not complete yet (AMB-UPD-9).
    pub fn mark_gone(&mut self, user: &MimiUri) {
        self.note(user, Restriction::Gone);
    }

    /// Judges a new commit or bundle by what is pending (PROTO-UPD-4): restricted users neither
    /// commit nor propose anything but the removal of their own clients. In a commit only the
    /// committer's own proposals are new; what it refers to has been accepted before.
    pub fn check(&self, view: &RoomView, change: &StagedChange) -> Result<(), Denied> {
        let needed =
            "they are being removed, and only their own clients are still theirs to remove";
        if let Some(user) = change.committer.as_ref().and_then(Actor::user)
            && !self.may_commit(user)
        {
            return Err(Denied::new(Rule::Restricted, Some(user), needed));
        }
        if change.committer.is_some() {
            return Ok(());
        }
        for proposal in &change.proposals {
            if let Some(user) = proposal.sender.user()
                && self.may_only_remove_own(user)
                && !removes_own(view, user, &proposal.change)
            {
                return Err(Denied::new(Rule::Restricted, Some(user), needed));
            }
        }
        Ok(())
    }

    fn take(&mut self, view: &RoomView, change: ListChange<'_>) {
        match change {
            ListChange::Removal { user, .. } => self.note(user, Restriction::Gone),
            ListChange::Role { user, from, to, .. } => {
                let sends = |index| view.role(index).is_some_and(may_send_something);
                let no_clients = view
                    .role(to)
                    .is_some_and(|role| role.maximum_active_participants_constraint == Some(0));
                if is_banned_role(&view.roles, to) || no_clients {
                    self.note(user, Restriction::Gone);
                } else if sends(from) && !sends(to) {
                    self.note(user, Restriction::Silenced);
                }
            }
            ListChange::Addition { .. } => {}
        }
    }

    fn note(&mut self, user: &MimiUri, restriction: Restriction) {
        let noted = self.users.entry(user.clone()).or_insert(restriction);
        *noted = restriction.max(*noted);
    }
}

fn removes_own(view: &RoomView, user: &MimiUri, change: &ProposedChange) -> bool {
    match change {
        ProposedChange::SelfRemove => true,
        ProposedChange::RemoveClient(leaf) => {
            view.client_at(*leaf).is_some_and(|client| client.user == *user)
        }
        _ => false,
    }
}
