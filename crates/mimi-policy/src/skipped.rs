//! What a member can still ask after it has missed commits, and comes in again: could the room have
//! become what it is by anybody's right (AMB-POL-19)?
//!
//! Who did what is not known any more, so each question is the weakest that a forbidden change must
//! fail: whether any role of the room grants the right at all. Where role definitions can change, a
//! right may have come and gone meanwhile, and less is asked. Nothing that an honest hub accepted is
//! ever refused.

use std::collections::{BTreeMap, BTreeSet};

use mimi_wire::MimiUri;
use mimi_wire::component::{
    BASE_ROOM_POLICY, ComponentId, JOIN_LINKS, MLS_OPERATIONAL_POLICY, PREAUTH_LIST, ROLES_LIST,
};
use mimi_wire::room::capability::Capability;
use mimi_wire::room::participant_list::RoleIndex;
use mimi_wire::room::roles::RoleData;

use crate::denied::Denied;
use crate::judge::{capability_name, check_founding, holds, role_name};
use crate::rule::Rule;
use crate::view::RoomView;

/// Judges the room after commits that nobody here has judged, by what it was before them.
pub fn check_skipped(before: &RoomView, after: &RoomView) -> Result<(), Denied> {
    // A room that held together goes on doing so, whatever is committed.
    if check_founding(before).is_ok() {
        holds_together(after)?;
    }
    if after.room() != before.room() {
        let needed = format!("the room is {} and stays so", before.room());
        return Err(Denied::new(Rule::MetadataValue, None, needed).about("another room URI"));
    }
    let rights = Rights::of(before);
    rights.components(before, after)?;
    rights.metadata(before, after)?;
    rights.list(before, after)
}

/// Whether a room is sound. Pseudonyms that were there when a new base policy forbade them stay.
fn holds_together(after: &RoomView) -> Result<(), Denied> {
    let mut after = after.clone();
    if let Some(policy) = &mut after.base_policy {
        policy.pseudonyms_allowed = true;
    }
    check_founding(&after)
}

/// What anybody in the room may have had the right to.
struct Rights<'a> {
    before: &'a RoomView,
    /// Role definitions can have changed: any right can have come.
    any: bool,
}

impl<'a> Rights<'a> {
    fn of(before: &'a RoomView) -> Self {
        let rights = Self { before, any: false };
        // The group context's extensions, replaced as a whole, hold the definitions too.
        let any = rights.grants(Capability::CAN_CHANGE_ROLE_DEFINITIONS)
            || rights.grants(Capability::CAN_CHANGE_MLS_OPERATIONAL_POLICIES);
        Self { any, ..rights }
    }

    /// Whether some role has the right. That somebody holds the role is not asked: roles change.
    fn grants(&self, capability: Capability) -> bool {
        self.any || self.before.roles.roles.iter().any(|role| holds(role, capability))
    }

    fn require(
        &self,
        changed: bool,
        rule: Rule,
        what: &str,
        capabilities: &[Capability],
    ) -> Result<(), Denied> {
        let granted = capabilities.iter().any(|capability| self.grants(*capability));
        match (changed && !granted, capabilities) {
            (true, [capability, ..]) => {
                let needed = format!("no role of the room grants {}", capability_name(*capability));
                Err(Denied::new(rule, None, needed).about(what))
            }
            _ => Ok(()),
        }
    }

    fn components(&self, before: &RoomView, after: &RoomView) -> Result<(), Denied> {
        let all = before.other_components.keys().chain(after.other_components.keys());
        let others: BTreeSet<ComponentId> = all.copied().collect();
        let changed = |id: ComponentId| match id {
            ROLES_LIST => before.roles != after.roles,
            PREAUTH_LIST => before.preauth != after.preauth,
            BASE_ROOM_POLICY => before.base_policy != after.base_policy,
            other => before.other_components.get(&other) != after.other_components.get(&other),
        };
        for id in [ROLES_LIST, PREAUTH_LIST, BASE_ROOM_POLICY].into_iter().chain(others) {
            let (rule, what, capabilities) = who_changes(id);
            self.require(changed(id), rule, what, capabilities)?;
        }
        Ok(())
    }

    fn metadata(&self, before: &RoomView, after: &RoomView) -> Result<(), Denied> {
        let (old, new) = (&before.metadata, &after.metadata);
        let fields = [
            (old.room_name != new.room_name, "the room's name", Capability::CAN_CHANGE_ROOM_NAME),
            (
                old.room_descriptions != new.room_descriptions,
                "the room's description",
                Capability::CAN_CHANGE_ROOM_DESCRIPTION,
            ),
            (old.room_avatar != new.room_avatar, "the avatar", Capability::CAN_CHANGE_ROOM_AVATAR),
            (
                old.room_subject != new.room_subject,
                "the subject",
                Capability::CAN_CHANGE_ROOM_SUBJECT,
            ),
            (old.room_mood != new.room_mood, "the mood", Capability::CAN_CHANGE_ROOM_MOOD),
        ];
        for (changed, what, capability) in fields {
            self.require(changed, Rule::ChangeMetadata, what, &[capability])?;
        }
        Ok(())
    }

    /// Every participant must have come to its role on some way through the tables.
    fn list(&self, before: &'a RoomView, after: &'a RoomView) -> Result<(), Denied> {
        if self.any {
            return Ok(());
        }
        let is_fixed = |view: &RoomView| {
            view.base_policy.as_ref().is_some_and(|policy| policy.fixed_membership)
        };
        let stays_fixed = is_fixed(before) && !self.grants(STYLE);
        let ways = Ways::of(before, self.grants(Capability::CAN_CHANGE_PREAUTHORIZED_USER_LIST));
        let roles = |view: &'a RoomView| -> BTreeMap<&'a MimiUri, RoleIndex> {
            let pairs = view.participants.participants.iter();
            pairs.map(|pair| (&pair.user, pair.role_index)).collect()
        };
        let (old, new) = (roles(before), roles(after));
        let users: BTreeSet<&MimiUri> = old.keys().chain(new.keys()).copied().collect();
        for user in users {
            let from = old.get(user).copied().unwrap_or(0);
            let to = new.get(user).copied().unwrap_or(0);
            if stays_fixed && (from == 0) != (to == 0) {
                let needed = "the room's participants are fixed";
                return Err(Denied::new(Rule::FixedMembership, None, needed).about(user));
            }
            if from != to && !ways.lead(from, to) {
                let names = (role_name(&before.roles, from), role_name(&before.roles, to));
                let needed = format!("no role of the room leads from {} to {}", names.0, names.1);
                return Err(Denied::new(Rule::ChangeUserRole, None, needed).about(user));
            }
        }
        Ok(())
    }
}

/// Changing the base policy.
const STYLE: Capability = Capability::CAN_CHANGE_ROOM_MEMBERSHIP_STYLE;

fn who_changes(id: ComponentId) -> (Rule, &'static str, &'static [Capability]) {
    match id {
        ROLES_LIST => (
            Rule::ChangeRoleDefinitions,
            "the role definitions",
            &[Capability::CAN_CHANGE_ROLE_DEFINITIONS],
        ),
        PREAUTH_LIST => (
            Rule::ChangePreauth,
            "the preauthorization list",
            &[Capability::CAN_CHANGE_PREAUTHORIZED_USER_LIST],
        ),
        BASE_ROOM_POLICY => (Rule::ChangeBasePolicy, "the base policy", &[STYLE]),
        JOIN_LINKS => (
            Rule::ChangeJoinLinks,
            "the join links",
            &[Capability::CAN_CREATE_JOIN_CODE, Capability::CAN_DELETE_JOIN_CODE],
        ),
        MLS_OPERATIONAL_POLICY => (
            Rule::ChangeOperationalPolicy,
            "the operational policy",
            &[Capability::CAN_CHANGE_MLS_OPERATIONAL_POLICIES],
        ),
        // Also where the group context's extensions are replaced as a whole.
        _ => (
            Rule::ChangeOtherPolicy,
            "another policy",
            &[
                Capability::CAN_CHANGE_OTHER_POLICY_ATTRIBUTE,
                Capability::CAN_CHANGE_MLS_OPERATIONAL_POLICIES,
            ],
        ),
    }
}

/// Which role leads to which, by anybody's right, in any number of steps.
struct Ways<'a> {
    roles: &'a RoleData,
    steps: BTreeSet<(RoleIndex, RoleIndex)>,
    /// Reached by a credential, from wherever.
    preauthorized: BTreeSet<RoleIndex>,
    any_preauthorized: bool,
}

impl<'a> Ways<'a> {
    fn of(view: &'a RoomView, any_preauthorized: bool) -> Self {
        let tables = view.roles.roles.iter().flat_map(|role| &role.authorized_role_changes);
        let steps = tables.flat_map(|entry| {
            entry.target_role_indexes.iter().map(|to| (entry.from_role_index, *to))
        });
        let entries = view.preauth.entries.iter();
        let preauthorized = entries.map(|entry| entry.target_role.role_index);
        Self {
            roles: &view.roles,
            steps: steps.collect(),
            preauthorized: preauthorized.collect(),
            any_preauthorized,
        }
    }

    fn lead(&self, from: RoleIndex, to: RoleIndex) -> bool {
        let mut reached = BTreeSet::from([from]);
        let mut next = vec![from];
        while let Some(here) = next.pop() {
            if here == to {
                return true;
            }
            for role in &self.roles.roles {
                let there = role.role_index;
                let by_credential = self.any_preauthorized || self.preauthorized.contains(&there);
                let leads = by_credential || self.steps.contains(&(here, there));
                if leads && reached.insert(there) {
                    next.push(there);
                }
            }
            // To go is a step to role 0, which a room need not define.
            if self.steps.contains(&(here, 0)) && reached.insert(0) {
                next.push(0);
            }
        }
        false
    }
}
