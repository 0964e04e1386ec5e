//! Coming in again: when the own place in a room has been lost, or may have been.

use mimi_mls::member::MemberGroup;
use mimi_mls::roster::takes_a_place;
use mimi_wire::mls::MlsMessage;

use super::{ECHO_LATE_MS, Joining, Stage};
use crate::error::ClientError;
use crate::session::command::{OperationId, Outcome};
use crate::session::effects::{Effects, Moment, Timer};
use crate::session::room::{Means, Room, Standing};
use crate::session::way_in::Wish;

impl Joining {
    pub(crate) fn operation(&self) -> Option<OperationId> {
        self.operation
    }

    /// Whether the device was in the room before, and has not been put out.
    pub(crate) fn comes_in_again(&self) -> bool {
        matches!(self.before, Some(Standing::Joined | Standing::Rejoining))
    }

    /// Somebody had added this device before its own commit, which it has not seen: what was written
    /// in between it cannot read any more.
    pub(super) fn passes_over_welcome(&self) -> bool {
        matches!(&self.stage, Stage::Committed { commit, .. } if takes_a_place(commit))
    }
}

/// How often a Welcome that must be on its way is waited for; it may never come.
const WELCOME_WAITS_MAX: u32 = 2;

impl Room {
    /// Who wants to come in is in the group already: somebody has added it, and the Welcome shows more
    /// than a commit of its own would.
    pub(super) fn waits_for_welcome(
        &mut self,
        commit: &MlsMessage,
        effects: &mut Effects,
        at: &Moment<'_>,
    ) -> bool {
        let Some(joining) = &mut self.joining else { return false };
        // Without an operation it is the Welcome that has failed, or a group that was lost.
        let may_wait = joining.operation.is_some() && joining.attempts <= WELCOME_WAITS_MAX;
        let waits = may_wait && takes_a_place(commit);
        if waits {
            joining.stage = Stage::Pausing;
            effects.timer(at.later(ECHO_LATE_MS), Timer::JoinAgain(self.uri.clone()));
        }
        waits
    }

    /// The group cannot follow the hub's any more, for reasons that no hub can see: the way out is
    /// a new group. What is under way goes on there.
    pub(crate) fn rejoin(&mut self, means: &mut Means<'_>, at: &mut Moment<'_>) {
        self.stand(Standing::Rejoining, means.effects);
        self.take_back_commit(means.effects);
        self.leaving_overtaken(means.effects);
        self.resume_rejoining();
        self.join_again(means, at);
    }

    /// Takes up coming in again, before its commit is made.
    pub(crate) fn resume_rejoining(&mut self) {
        let before = Some(Standing::Rejoining);
        self.joining = Some(Joining {
            operation: None,
            wish: Wish::default(),
            attempts: 0,
            before,
            stage: Stage::Pausing,
            looks_only: false,
        });
    }

    /// Asks the hub for its GroupInfo only to see which epoch it is in.
    pub(crate) fn look_at_hub(&mut self, means: &mut Means<'_>, at: &mut Moment<'_>) {
        self.resume_rejoining();
        if let Some(joining) = &mut self.joining {
            joining.before = Some(self.standing.clone());
            joining.looks_only = true;
        }
        self.join_again(means, at);
    }

    /// Whether to come in by the commit that was made; its group is in the epoch after the hub's.
    pub(super) fn hub_is_elsewhere(&mut self, after: &MemberGroup, means: &mut Means<'_>) -> bool {
        let Some(joining) = &mut self.joining else { return false };
        if !joining.looks_only {
            return true;
        }
        let own = self.group.as_ref().map(|group| group.view().epoch);
        if own.is_none_or(|own| after.view().epoch > own) {
            let text = "the hub is in no earlier epoch".to_owned();
            self.joining_refused(ClientError::Refused(text), means.effects);
            return false;
        }
        joining.looks_only = false;
        joining.before = Some(Standing::Rejoining);
        tracing::warn!(room = %self.uri, "the hub is in an earlier epoch: coming in again");
        self.stand(Standing::Rejoining, means.effects);
        self.take_back_commit(means.effects);
        self.leaving_overtaken(means.effects);
        true
    }

    /// A Welcome that names this device cannot be followed: its KeyPackage was used twice, or its
    /// private half is gone. By then the device is a member, and comes in by itself.
    pub(crate) fn come_in_without_welcome(&mut self, means: &mut Means<'_>, at: &mut Moment<'_>) {
        if self.joining.is_some() {
            return;
        }
        let before = (self.standing != Standing::Unknown).then(|| self.standing.clone());
        self.resume_rejoining();
        if let Some(joining) = &mut self.joining {
            joining.before = before;
        }
        if self.standing != Standing::Rejoining {
            self.standing = Standing::Joining;
        }
        self.join_again(means, at);
    }

    /// Somebody else brings this device in by Welcome: that settles joining, unless our own commit
    /// is under way.
    pub(crate) fn joined_otherwise(&mut self, effects: &mut Effects) {
        if let Some(joining) = self.joining.take() {
            effects.finish(joining.operation, Ok(Outcome::Room(self.uri.clone())));
        }
    }

    pub(crate) fn is_committing_externally(&self) -> bool {
        let stage = self.joining.as_ref().map(|joining| &joining.stage);
        matches!(stage, Some(Stage::Committed { .. }))
    }
}
