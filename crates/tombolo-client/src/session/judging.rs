//! The judge as clients ask it, the hub's own (ARCH-4, AMB-POL-19), over commits of others and of our own: what members' credentials
//! claim is known from the group, whether a join code was good is the hub's to know (AMB-POL-20).

use mimi_mls::member::MemberGroup;
use mimi_policy::{Denied, JoinCodes, Judge, StagedChange};

/// Judges a change against the group's present state.
pub(crate) fn judge(group: &MemberGroup, change: &StagedChange) -> Result<(), Denied> {
    let claims = group.claims_of_senders(&change.proposals);
    let judge = Judge::of(group.view()).with_index(group.index());
    let judge = judge.with_join_codes(JoinCodes::Unverifiable).with_claims(&claims);
    judge.decide(change).map(drop)
}
