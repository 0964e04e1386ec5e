//! `groupInfo` at the hub: who may learn the group and join it by external commit (PROTO-GI-1..5).

use mimi_policy::{ClientIdentity, RoomView};
use mimi_wire::mls::MlsMessage;
use mimi_wire::protocol::group_info::PendingProposal;
use mimi_wire::room::capability::Capability;
use mimi_wire::room::participant_list::RoleIndex;
use mimi_wire::{Domain, Wire};

use crate::hub::log::{Entry, LogWriter};
use crate::hub::restriction;
use crate::hub::state::{HubState, JOIN_GRANT_LIFETIME_MS, JoinGrant, Pending};
use crate::record::EventKind;
use crate::requester::Requester;
use crate::{Reject, Transition};

/// Index of the role of everyone who is not listed (POLICY-ROLE-1).
const NOT_LISTED: RoleIndex = 0;

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
    may_join(state, input)?;
    let authorized = Authorized { pending_proposals: pending_proposals(state)? };
    let expires_ms = input.now_ms + JOIN_GRANT_LIFETIME_MS;
    let grant = JoinGrant {
        user: identity.user.clone(),
        client: identity.client.clone(),
        signature_key: input.signature_key.to_vec(),
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

/// AMB-GI-8. Joining codes come with a later version: a code opens nothing that is closed without.
fn may_join(state: &HubState, input: &GroupInfoInput<'_>) -> Result<(), Reject> {
    let (view, user) = (input.view, &input.identity.user);
    let restrictions = restriction::of(state, view);
    let allowed = match view.role_index_of(user) {
        // A banned user's role holds no capability; one on the way out is gone (PROTO-UPD-4).
        Some(_) => restriction::holds(&restrictions, view, user, Capability::CAN_ADD_OWN_CLIENT),
        None => restriction::role_holds(view, NOT_LISTED, Capability::CAN_OPEN_JOIN),
    };
    if allowed { Ok(()) } else { Err(Reject::NotAllowed("not authorized to join".into())) }
}

/// Whether the same grant stands for at least half its time: then nothing needs to be written.
fn is_fresh(state: &HubState, grant: &JoinGrant) -> bool {
    state.grants.iter().any(|known| {
        let known_enough = known.expires_ms + JOIN_GRANT_LIFETIME_MS / 2 >= grant.expires_ms;
        let JoinGrant { user, client, signature_key, .. } = known;
        known_enough
            && (user, client, signature_key) == (&grant.user, &grant.client, &grant.signature_key)
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
