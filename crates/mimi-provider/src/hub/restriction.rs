//! Who is restricted by what is accepted but not yet committed: restrictions take effect at once,
//! grants on commit (PROTO-ST-2, PROTO-UPD-4, PROTO-UPD-12, AMB-ST-8, AMB-UPD-9).

use std::collections::{BTreeMap, BTreeSet};

use mimi_policy::{ProposedChange, RoomView};
use mimi_wire::MimiUri;
use mimi_wire::room::capability::Capability;
use mimi_wire::room::participant_list::RoleIndex;

use crate::Reject;
use crate::hub::state::HubState;

/// Index of the role of banned users (POLICY-CAP-ROLE-3).
const BANNED: RoleIndex = 1;

/// What waits for some users of a room.
pub(super) struct Restrictions<'a> {
    view: &'a RoomView,
    pending: BTreeMap<&'a MimiUri, Fate>,
}

/// What a pending change makes of a user.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    /// Removed, banned, or on the way out by its own wish.
    Gone,
    /// Given another role; until then it may do what both roles may.
    Role(RoleIndex),
}

impl<'a> Restrictions<'a> {
    /// As of now.
    pub(super) fn of(state: &'a HubState, view: &'a RoomView) -> Self {
        let mut pending = BTreeMap::new();
        let listed = &view.participants.participants;
        for proposal in &state.pending {
            let ProposedChange::ParticipantList(update) = &proposal.proposal.change else {
                continue;
            };
            for change in &update.changed_role_participants {
                if let Some(pair) = at(listed, change.user_index) {
                    pending.insert(&pair.user, Fate::of_role(view, change.role_index));
                }
            }
            for index in &update.removed_indices {
                if let Some(pair) = at(listed, *index) {
                    pending.insert(&pair.user, Fate::Gone);
                }
            }
        }
        for user in &state.leaving {
            pending.insert(user, Fate::Gone);
        }
        Self { view, pending }
    }

    /// Whether a user is removed, banned or leaving as far as the hub has accepted it.
    pub(super) fn is_gone(&self, user: &MimiUri) -> bool {
        self.pending.get(user) == Some(&Fate::Gone)
    }

    /// Whether a user holds a capability now and still will.
    pub(super) fn holds(&self, user: &MimiUri, capability: Capability) -> bool {
        let Some(role) = self.view.role_index_of(user) else { return false };
        let holds_in = |role| holds(self.view, role, capability);
        match self.pending.get(user) {
            None => holds_in(role),
            Some(Fate::Gone) => false,
            Some(Fate::Role(next)) => holds_in(role) && holds_in(*next),
        }
    }

    /// Whether a user may send application messages (PROTO-SUB-2).
    pub(super) fn may_submit(&self, user: &MimiUri) -> Result<(), Reject> {
        if !self.view.is_active(user) {
            return Err(Reject::NotAllowed("the sender is no active participant".into()));
        }
        mimi_policy::message::may_submit(self.view, user)?;
        match self.pending.get(user) {
            None => Ok(()),
            Some(Fate::Gone) => {
                Err(Reject::NotAllowed("the sender is being removed from the room".into()))
            }
            Some(Fate::Role(next)) => {
                let mut after = self.view.clone();
                let listed = &mut after.participants.participants;
                for pair in listed.iter_mut().filter(|pair| pair.user == *user) {
                    pair.role_index = *next;
                }
                Ok(mimi_policy::message::may_submit(&after, user)?)
            }
        }
    }

    /// Whether any participant may not read application messages, which is rare.
    pub(super) fn limit_reading(&self) -> bool {
        let deaf: BTreeSet<RoleIndex> = self.deaf_roles();
        let listed = &self.view.participants.participants;
        !self.pending.is_empty() || listed.iter().any(|pair| deaf.contains(&pair.role_index))
    }

    /// Users who may read application messages (AMB-POL-29).
    pub(super) fn readers(&self) -> BTreeSet<&MimiUri> {
        let deaf = self.deaf_roles();
        let listed = self.view.participants.participants.iter();
        let may_read = |user, role: &RoleIndex| match self.pending.get(user) {
            None => !deaf.contains(role),
            Some(Fate::Gone) => false,
            Some(Fate::Role(next)) => !deaf.contains(role) && !deaf.contains(next),
        };
        listed
            .filter(|pair| may_read(&pair.user, &pair.role_index))
            .map(|pair| &pair.user)
            .collect()
    }

    fn deaf_roles(&self) -> BTreeSet<RoleIndex> {
        let roles = self.view.roles.roles.iter();
        roles
            .filter(|role| !role.role_capabilities.contains(&Capability::CAN_RECEIVE_MESSAGE))
            .map(|role| role.role_index)
            .collect()
    }
}

impl Fate {
    fn of_role(view: &RoomView, role: RoleIndex) -> Self {
        // A role 1 of another name is an ordinary role (AMB-POL-41).
        let banned = role == BANNED && view.role(role).is_some_and(|it| it.role_name == "banned");
        if banned { Self::Gone } else { Self::Role(role) }
    }
}

/// Whether holders of a role have a capability.
pub(super) fn holds(view: &RoomView, role: RoleIndex, capability: Capability) -> bool {
    view.role(role).is_some_and(|role| role.role_capabilities.contains(&capability))
}

fn at<T>(list: &[T], index: u32) -> Option<&T> {
    usize::try_from(index).ok().and_then(|index| list.get(index))
}
