//! `groupInfo` at the hub: who may learn the group and join it by external commit (PROTO-GI-1..5).

use mimi_policy::{
    ClientIdentity, CodeStanding, JoinCodes, Judge, RoomView, StagedProposal, ways_in,
};
use mimi_wire::mls::MlsMessage;
use mimi_wire::protocol::group_info::PendingProposal;
use mimi_wire::room::capability::Capability;
use mimi_wire::{Domain, Wire};

use crate::hub::log::{Entry, LogWriter};
use crate::hub::state::{HubState, JOIN_GRANT_LIFETIME_MS, JoinGrant, Pending};
use crate::hub::{join_links, restriction};
use crate::record::EventKind;
use crate::requester::Requester;
use crate::{Reject, Transition};

/// A request whose signature and credential have been verified.
#[derive(Clone, Copy, Debug)]
pub struct GroupInfoInput<'a> {
    /// This provider, the hub.
    pub own: &'a Domain,
    /// Who hands it in.
    pub requester: &'a Requester,
    /// The room.
    pub view: &'a RoomView,
    /// Who the request's credential proves.
    pub identity: &'a ClientIdentity,
    /// The signature key the request was verified with.
    pub signature_key: &'a [u8],
    /// The room this one depends on, if it depends on one (POLICY-BASE-3).
    pub parent: Option<&'a RoomView>,
    /// The joining code, if the request has one.
    pub joining_code: Option<&'a [u8]>,
    /// The time.
    pub now_ms: u64,
}

/// The requester may have GroupInfo and tree, with these proposals (PROTO-GI-3).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Authorized {
    /// All of the epoch, in order of acceptance (AMB-GI-6).
    pub pending_proposals: Vec<PendingProposal>,
}

/// Decides whether the requester may join by itself, and remembers that it may.
pub fn group_info(
    state: &HubState,
    input: &GroupInfoInput<'_>,
) -> Result<Transition<Authorized>, Reject> {
    let identity = input.identity;
    // AMB-TR-6.
    if !input.requester.speaks_for_client(&identity.user, &identity.client) {
        return Err(Reject::NotAllowed("the credential is not the requester's".into()));
    }
    let joining_code = way_in(state, input)?;
    let authorized = Authorized { pending_proposals: pending_proposals(state)? };
    let expires_ms = input.now_ms + JOIN_GRANT_LIFETIME_MS;
    let grant = JoinGrant {
        user: identity.user.clone(),
        client: identity.client.clone(),
        signature_key: input.signature_key.to_vec(),
        joining_code,
        expires_ms,
    };
    if is_fresh(state, &grant) {
        return Ok(Transition::unchanged(authorized));
    }
    let mut log = LogWriter::new(state, input.view.room());
    log.append(Entry {
        kind: EventKind::HubNote,
        timestamp_ms: state.next_timestamp(input.now_ms),
        payload: Vec::new(),
        audience: Vec::new(),
        targets: Some(Vec::new()),
        detail: HubState::note_join_grant(grant),
    });
    Ok(log.finish(authorized))
}

/// AMB-GI-8: whoever could commit itself in now may have what it takes. Gives the join code that
/// helps in that, to be remembered with the grant (AMB-UPD-13).
///
/// A code that is wrong, expired, used up or revoked leads to the same refusal as none at all
/// (PROTO-GI-2).
fn way_in(state: &HubState, input: &GroupInfoInput<'_>) -> Result<Option<Vec<u8>>, Reject> {
    let (view, identity) = (input.view, input.identity);
    let restrictions = restriction::of(state, view);
    let listed = view.role_index_of(&identity.user).is_some();
    let own = Capability::CAN_ADD_OWN_CLIENT;
    // A banned user's role holds no capability; one on the way out is gone (PROTO-UPD-4).
    if listed && !restriction::holds(&restrictions, view, &identity.user, own) {
        return Err(Reject::NotAllowed("not authorized to join".into()));
    }
    let code =
        input.joining_code.map(|code| join_links::presented(state, view, code, input.now_ms));
    let codes = code.map(|code| (identity.client.clone(), code)).into_iter().collect();
    let judge = Judge::of(view).with_join_codes(JoinCodes::Presented(&codes));
    let judge = match input.parent {
        Some(parent) => judge.with_parent(parent),
        None => judge,
    };
    let pending: Vec<StagedProposal> =
        state.pending.iter().map(|pending| pending.proposal.clone()).collect();
    ways_in(&judge, view, identity, &pending)?;
    let good = !listed && code.is_some_and(|code| code.standing == CodeStanding::Valid);
    Ok(input.joining_code.filter(|_| good).map(<[u8]>::to_vec))
}

/// Whether the same grant stands for at least half its time: then nothing needs to be written.
fn is_fresh(state: &HubState, grant: &JoinGrant) -> bool {
    state.grants.iter().any(|known| {
        let known_enough = known.expires_ms + JOIN_GRANT_LIFETIME_MS / 2 >= grant.expires_ms;
        known_enough && JoinGrant { expires_ms: grant.expires_ms, ..known.clone() } == *grant
    })
}

fn pending_proposals(state: &HubState) -> Result<Vec<PendingProposal>, Reject> {
    let read = |pending: &Pending| match MlsMessage::decode(&pending.message) {
        Ok(proposal) => Ok(PendingProposal { proposal, hub_accepted_time: pending.accepted_ms }),
        Err(malformed) => Err(Reject::Internal(format!("a pending proposal: {malformed}"))),
    };
    state.pending.iter().map(read).collect()
}

#[cfg(test)]
mod tests;
