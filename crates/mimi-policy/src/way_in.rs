//! Ways in: whether somebody may come into a room by itself, and as what (AMB-GI-8).
//!
//! A hub asks before it gives out what it takes to join, a client to choose a role. The answer is
//! the judge's about the external commit that would follow, so that neither is told yes here and no
//! there.

use mimi_wire::room::participant_list::{ParticipantListUpdate, RoleIndex, UserRolePair};
use mimi_wire::room::preauth::Claim;

use crate::change::{Actor, ClientIdentity, ProposedChange, StagedChange, StagedProposal};
use crate::denied::Denied;
use crate::index::RoomIndex;
use crate::judge::Judge;
use crate::preauth::{Claims, first_match};
use crate::rule::Rule;
use crate::view::RoomView;

/// As what a client may come in by itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum WaysIn {
    /// As the participant its user is; `None` of its roles is to be chosen.
    AsParticipant,
    /// As a newcomer in one of these roles, in the order of their definition; at least one.
    AsNewcomer(Vec<RoleIndex>),
}

/// The ways in for a client, by what a judge of this room knows; else why there is none. `pending`
/// are the proposals of the epoch: its SelfRemoves come along with whoever joins (PROTO-GI-6).
pub fn ways_in(
    judge: &Judge<'_>,
    view: &RoomView,
    joiner: &ClientIdentity,
    pending: &[StagedProposal],
) -> Result<WaysIn, Denied> {
    let index = RoomIndex::of(view);
    let judge = judge.with_index(&index);
    let may_join = |role| judge.decide(&external_commit(view, joiner, role, pending)).map(drop);
    if view.role_index_of(&joiner.user).is_some() {
        return may_join(None).map(|()| WaysIn::AsParticipant);
    }
    let mut roles = Vec::new();
    let mut denied = None;
    for role in view.roles.roles.iter().map(|role| role.role_index).filter(|role| *role != 0) {
        match may_join(Some(role)) {
            Ok(()) => roles.push(role),
            Err(denial) => denied = Some(telling(denied, denial)),
        }
    }
    match denied {
        _ if !roles.is_empty() => Ok(WaysIn::AsNewcomer(roles)),
        Some(denied) => Err(denied),
        None => {
            let denied = Denied::new(Rule::OpenJoin, Some(&joiner.user), "the room has no roles");
            Err(denied.about("anything"))
        }
    }
}

/// The role that claims lead to (POLICY-PRE-2), to join as or to change to.
pub fn preauthorized_role(view: &RoomView, claims: &[Claim]) -> Option<RoleIndex> {
    first_match(view, Claims::Known(claims)).map(|role| role.role_index)
}

/// The external commit by which a client comes in: itself, its user's list entry in `role` where it
/// is a newcomer, its own old leaf, and whoever leaves by itself.
pub fn external_commit(
    view: &RoomView,
    joiner: &ClientIdentity,
    role: Option<RoleIndex>,
    pending: &[StagedProposal],
) -> StagedChange {
    let sender = Actor::Joiner(joiner.clone());
    let inline = |change| StagedProposal { sender: sender.clone(), reference: None, change };
    let leaving: Vec<StagedProposal> = pending
        .iter()
        .filter(|proposal| matches!(proposal.change, ProposedChange::SelfRemove))
        .cloned()
        .collect();
    let goes = |leaf| {
        leaving.iter().any(
            |proposal| matches!(&proposal.sender, Actor::Member { leaf: own, .. } if *own == leaf),
        )
    };
    let old = view.clients_of(&joiner.user).find(|client| client.client == joiner.client);
    let old = old.map(|client| client.leaf).filter(|leaf| !goes(*leaf));
    let entry = role.map(|role_index| {
        let pair = UserRolePair { user: joiner.user.clone(), role_index };
        ProposedChange::ParticipantList(ParticipantListUpdate {
            added_participants: vec![pair],
            ..ParticipantListUpdate::default()
        })
    });
    let own = [ProposedChange::ExternalJoin(joiner.clone())]
        .into_iter()
        .chain(old.map(ProposedChange::RemoveClient))
        .chain(entry)
        .map(inline);
    let proposals = own.chain(leaving.iter().cloned()).collect();
    StagedChange { epoch: view.epoch, committer: Some(sender.clone()), proposals }
}

/// Of several denials the one that says most: what stands in the way of a role that is open
/// otherwise, then what is wrong with a code, then that nothing is open.
fn telling(before: Option<Denied>, denial: Denied) -> Denied {
    let says = |denied: &Denied| match denied.rule {
        Rule::OpenJoin | Rule::PreauthorizedJoin => 0,
        Rule::JoinByCode => 1,
        _ => 2,
    };
    match before {
        Some(before) if says(&before) >= says(&denial) => before,
        _ => denial,
    }
}
