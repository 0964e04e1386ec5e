//! `update`: changes to a room, decided by its hub (protocol section 5.3; FLOW-5, FLOW-7, FLOW-8).

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::Response;
use mimi_mls::error::StageError;
use mimi_mls::hub::{HubProposals, StagedCommit, StagedUpdate, WelcomeSlice};
use mimi_mls::identity::Issuers;
use mimi_mls::roster::{Roster, external_joiner};
use mimi_policy::RoomView;
use mimi_provider::follower::external_join::{ExternalJoinInput, external_join};
use mimi_provider::franking::check_agent;
use mimi_provider::hub::propose::{due_after, has_lost};
use mimi_provider::hub::update::{
    HubBundle, SnapshotDue, UpdateInput, UpdateKind, Updated, WelcomePart, parent_after, parent_of,
    repeat, update,
};
use mimi_provider::requester::{DeviceIdentity, Requester};
use mimi_provider::{Reject, Transition, reply};
use mimi_wire::limits::APPLICATION_BODY_OCTETS_MAX;
use mimi_wire::protocol::directory::{Endpoint, identifier_from_path};
use mimi_wire::protocol::update::{UpdateRequest, UpdateResponse};
use mimi_wire::{MimiUri, Wire};
use tokio::time::Instant;

use super::outgoing::{Post, post};
use super::staging::{Obstacle, Retries, parent_among};
use super::strangers::{told, turn_away};
use super::{Call, malformed, octets};
use crate::http_error::HttpError;
use crate::provider::Provider;
use crate::rooms::{
    HubLock, HubRoom, Proposed, follow_parent, has_died, keep_inside_parent, list_changes,
    place_for_a_room,
};
use crate::surroundings::Toil;

/// Larger updates are verified apart: they hold many signatures.
const STAGED_AT_ONCE_OCTETS_MAX: usize = 4 * 1024;

pub(super) async fn handle(
    provider: &Arc<Provider>,
    call: Call,
) -> Result<Response<Body>, HttpError> {
    let room = identifier_from_path(&call.variable).map_err(malformed)?;
    let request = UpdateRequest::decode(&call.body).map_err(malformed)?;
    let requester = Requester::Peer(call.peer);
    let response = answer(provider, &requester, &room, &request, &call.body).await?;
    Ok(octets(response.encode()))
}

/// A local client's update, decided here or by the hub the room is at.
pub(crate) async fn from_client(
    provider: &Arc<Provider>,
    requester: &Requester,
    room: &MimiUri,
    body: Bytes,
) -> Result<UpdateResponse, Reject> {
    let request = UpdateRequest::decode(&body).map_err(malformed)?;
    if room.domain() == provider.domain {
        answer(provider, requester, room, &request, &body).await
    } else {
        if let (UpdateRequest::Commit(bundle), Requester::Local(device)) = (&request, requester)
            && let Some(joiner) = external_joiner(&bundle.commit)
        {
            expect_join(provider, device, room, &joiner, bundle.commit.octets()).await?;
        }
        forward(provider, room, body).await
    }
}

/// Remembers that a client of ours is about to join by this commit, before the hub can send it back.
async fn expect_join(
    provider: &Arc<Provider>,
    device: &DeviceIdentity,
    room: &MimiUri,
    joiner: &MimiUri,
    commit: &[u8],
) -> Result<(), Reject> {
    let mut retries = Retries::default();
    loop {
        let follower = provider.rooms.follower(provider, room).await?;
        let input = ExternalJoinInput {
            own: &provider.domain,
            room,
            device,
            joiner,
            commit,
            roster: &Roster::default().snapshot(),
            now_ms: provider.now_ms(),
        };
        let transition = external_join(follower.room().map(|known| &known.state), &input)?;
        if follower.room().is_none() && !transition.changes.is_empty() {
            let taken = provider.foundings.take(&device.user, provider.now_ms());
            taken.map_err(|after_s| Reject::TooMuch { after_s })?;
            place_for_a_room(provider).await?;
        }
        let written = if transition.changes.is_empty() {
            follower.barrier(provider).await
        } else {
            let roster = follower.roster();
            follower.record(provider, transition, Some(roster)).durable().await.map(drop)
        };
        match written {
            Ok(()) => return Ok(()),
            Err(error) => retries.overcome(provider, error.into()).await?,
        }
    }
}

/// Passes an update on to the room's hub.
async fn forward(
    provider: &Provider,
    room: &MimiUri,
    body: Bytes,
) -> Result<UpdateResponse, Reject> {
    let hub = room.domain();
    let request = Post {
        peer: &hub,
        endpoint: Endpoint::Update,
        identifier: room,
        body,
        answer_octets_max: APPLICATION_BODY_OCTETS_MAX,
    };
    let answer = post(provider, &request).await.and_then(crate::peers::Answer::success);
    let answer = answer.map_err(|error| error.into_reject(&hub))?;
    UpdateResponse::decode(&answer.body)
        .map_err(|error| Reject::Unavailable(format!("{hub}: an unusable answer: {error}")))
}

/// Answers as the hub, in the terms of the body where it has any (PROTO-UPD-10).
async fn answer(
    provider: &Arc<Provider>,
    requester: &Requester,
    room: &MimiUri,
    request: &UpdateRequest,
    octets: &[u8],
) -> Result<UpdateResponse, Reject> {
    let (begun, mut retries) = (Instant::now(), Retries::default());
    loop {
        let parents = retries.parents().clone();
        let attempted = attempt(provider, requester, room, request, octets, &parents).await;
        let obstacle = match attempted {
            Ok(response) => return Ok(response),
            Err(obstacle) => obstacle,
        };
        if let Err(reject) = retries.overcome(provider, obstacle).await {
            tracing::debug!(%room, %reject, "update refused");
            let reject = told(provider, requester, room, reject, begun).await;
            return reply::update(&reject).ok_or(reject);
        }
    }
}

async fn attempt(
    provider: &Arc<Provider>,
    requester: &Requester,
    room: &MimiUri,
    request: &UpdateRequest,
    octets: &[u8],
    parents: &BTreeMap<MimiUri, RoomView>,
) -> Result<UpdateResponse, Obstacle> {
    // Before the room is locked: whoever waits for a turn keeps nobody else waiting.
    let turn = match octets.len() > STAGED_AT_ONCE_OCTETS_MAX {
        true => provider.working.long_turn(requester).await,
        false => provider.working.turn(requester).await,
    };
    let mut hub = provider.rooms.hub(provider, room).await?;
    if matches!(request, UpdateRequest::Commit(_)) {
        turn_away(hub.room(), requester)?; // whoever may come in has asked for the GroupInfo
    }
    if let Some(first) = repeat(&hub.room().state, requester, octets) {
        // The first answer may still be on its way to the disk.
        hub.barrier(provider).await?;
        return Ok(first);
    }
    let now_ms = provider.now_ms();
    provider.growth.check(requester, room, now_ms)?;
    let issuers = provider.peers.issuers();
    let staged = if octets.len() > STAGED_AT_ONCE_OCTETS_MAX {
        let (same, staged) =
            stage_apart(hub, octets.to_vec(), issuers, now_ms, provider.toil).await?;
        hub = same;
        staged?
    } else {
        hub.room().group.stage(request, &issuers, now_ms)?
    };
    let parent = match after(&staged) {
        Some(after) => parent_of(after),
        None => parent_after(&hub.room().state, hub.room().group.view(), staged.change()),
    };
    let parent = parent_among(parents, parent)?;
    let facts = Facts { provider, requester, request, octets, parent, now_ms };
    let transition = facts.decide(&hub, &staged)?;
    provider.growth.add(requester, room, &transition.changes, now_ms);
    let lists =
        after(&staged).map(|after| has_lost(staged.change(), hub.room().group.view(), after));
    let (updated, recorded) = hub.record(provider, transition, Some(staged))?;
    if updated.snapshot == SnapshotDue::Now {
        hub.save_snapshot(provider);
    }
    let died = has_died(&hub);
    drop((hub, turn));
    recorded.durable().await?;
    // POLICY-BASE-3: whoever goes here goes from the rooms that depend on this one; and whoever
    // has come here may have gone from the parent since that was looked at.
    if lists == Some(true) || died {
        follow_parent(provider, room);
    }
    if lists.is_some() && parent.is_some() {
        keep_inside_parent(provider, room);
    }
    Ok(updated.response)
}

/// The room that a commit leads to.
fn after(staged: &StagedUpdate) -> Option<&RoomView> {
    match staged {
        StagedUpdate::Commit(commit) => Some(commit.after()),
        StagedUpdate::Proposals(_) => None,
    }
}

type Staged = Result<StagedUpdate, StageError>;

/// Verifies a large update on a thread where it holds up nobody but its room. The request is decoded
/// there again, which is cheap beside the signatures.
async fn stage_apart(
    hub: HubLock,
    octets: Vec<u8>,
    issuers: Arc<Issuers>,
    now_ms: u64,
    toil: Toil,
) -> Result<(HubLock, Staged), Reject> {
    let staging = toil.run(move || {
        let staged = UpdateRequest::decode(&octets)
            .map_err(StageError::from)
            .and_then(|request| hub.room().group.stage(&request, &issuers, now_ms));
        (hub, staged)
    });
    staging.await.map_err(|error| Reject::Internal(error.to_string()))
}

/// One request as the decision sees it.
struct Facts<'a> {
    provider: &'a Provider,
    requester: &'a Requester,
    request: &'a UpdateRequest,
    octets: &'a [u8],
    parent: Option<&'a RoomView>,
    now_ms: u64,
}

impl Facts<'_> {
    fn decide(&self, hub: &HubLock, staged: &StagedUpdate) -> Result<Transition<Updated>, Reject> {
        match staged {
            StagedUpdate::Commit(commit) => {
                let welcomes: Vec<_> = commit.welcomes().iter().map(welcome_part).collect();
                let proposed = self.proposed(hub, commit)?;
                let proposed = proposed.as_ref();
                let replay = commit.saved().map_err(|error| Reject::Internal(error.to_string()))?;
                let kind = commit_kind(commit, &welcomes, replay.as_deref(), proposed);
                self.decide_on(hub, staged, kind)
            }
            StagedUpdate::Proposals(proposals) => {
                let kind = UpdateKind::Proposals { references: proposals.references() };
                self.decide_on(hub, staged, kind)
            }
        }
    }

    /// What the hub proposes for the epoch that a commit leads to (PROTO-NTF-4).
    fn proposed(&self, hub: &HubLock, commit: &StagedCommit) -> Result<Option<Proposed>, Reject> {
        let group = &hub.room().group;
        let taken = || list_changes(group.takes_list_changes_after(commit));
        let (state, own) = (&hub.room().state, &self.provider.domain);
        let Some(due) = due_after(state, commit.change(), commit.after(), own, taken) else {
            return Ok(None);
        };
        let participants = due.participants();
        let wanted = HubProposals { remove: &due.remove, participants: participants.as_ref() };
        let bundle = group.propose_after(&self.provider.hub_keys, commit, wanted);
        let bundle = bundle.map_err(|error| Reject::Internal(error.to_string()))?;
        Ok(Some(Proposed::new(bundle)))
    }

    fn decide_on(
        &self,
        hub: &HubLock,
        staged: &StagedUpdate,
        kind: UpdateKind<'_>,
    ) -> Result<Transition<Updated>, Reject> {
        check_agent(staged.change(), &self.provider.franking.agent().component())?;
        let HubRoom { group, state, .. } = hub.room();
        let pending = state.pending.iter().map(|pending| &pending.proposal);
        let claims = group.claims_of_senders(staged.change().proposals.iter().chain(pending));
        let input = UpdateInput {
            own: &self.provider.domain,
            requester: self.requester,
            view: group.view(),
            index: group.index(),
            envelope: &self.provider.config.policy,
            limits: &self.provider.limits,
            request: self.request,
            octets: self.octets,
            change: staged.change(),
            claims: &claims,
            kind,
            parent: self.parent,
            now_ms: self.now_ms,
        };
        update(state, &input)
    }
}

fn commit_kind<'a>(
    commit: &'a StagedCommit,
    welcomes: &'a [WelcomePart],
    replay: Option<&'a [u8]>,
    proposed: Option<&'a Proposed>,
) -> UpdateKind<'a> {
    UpdateKind::Commit {
        after: commit.after(),
        joiner_signature_key: commit.joiner_signature_key(),
        welcomes,
        ratchet_tree: commit.ratchet_tree(),
        replay,
        proposed: proposed.map(|it| HubBundle { bundle: &it.bundle, octets: &it.octets }),
    }
}

pub(crate) fn welcome_part(slice: &WelcomeSlice) -> WelcomePart {
    WelcomePart {
        domain: slice.domain.clone(),
        clients: slice.clients.clone(),
        message: slice.message.clone(),
    }
}
