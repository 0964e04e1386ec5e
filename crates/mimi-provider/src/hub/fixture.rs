//! A hub for tests: decides, and follows what it decided, as the server does.

use std::collections::BTreeMap;

use mimi_policy::envelope::Envelope;
use mimi_policy::{
    Actor, ClientIdentity, JoinCodes, Judge, LeafIndex, ProposedChange, RoomIndex, RoomView,
    StagedChange, StagedProposal,
};
use mimi_wire::Wire;
use mimi_wire::mls::MlsMessage;
use mimi_wire::protocol::notify::FanoutMessage;
use mimi_wire::protocol::submit_message::{SubmitMessageRequest, SubmitMessageResponse};
use mimi_wire::protocol::update::UpdateRequest;
use mimi_wire::room::preauth::Claim;

use crate::fixture::{self, GROUP, NOW, domain};
use crate::franking::Franking;
use crate::hub::audience::Readership;
use crate::hub::group_info::{Authorized, GroupInfoInput, group_info};
use crate::hub::propose::{
    HubChange, HubProposalsInput, ListChanges, due, due_after, newly_evicted, propose,
};
use crate::hub::state::{Evicted, HubState, Observed};
use crate::hub::submit_message::{SubmitMessageInput, submit_message};
use crate::hub::update::{HubBundle, UpdateInput, UpdateKind, Updated, WelcomePart, update};
use crate::record::{EventKind, NewEvent};
use crate::requester::{DeviceIdentity, Requester};
use crate::{Change, Limits, Reject, Transition};

pub(crate) struct Hub {
    pub(crate) state: HubState,
    pub(crate) view: RoomView,
    pub(crate) envelope: Envelope,
    pub(crate) parent: Option<RoomView>,
    pub(crate) now_ms: u64,
    /// What members' credentials claim.
    pub(crate) claims: BTreeMap<LeafIndex, Vec<Claim>>,
}

/// What a commit comes with.
#[derive(Default)]
pub(crate) struct Extras<'a> {
    pub(crate) joiner_signature_key: Option<&'a [u8]>,
    pub(crate) welcomes: Vec<WelcomePart>,
    pub(crate) replay: Option<Vec<u8>>,
}

pub(crate) fn peer(name: &str) -> Requester {
    Requester::Peer(domain(name))
}

pub(crate) fn local(short: &str) -> Requester {
    let identity = fixture::identity(short);
    Requester::Local(DeviceIdentity { user: identity.user, client: identity.client })
}

pub(crate) fn part(name: &str, clients: &[&str]) -> WelcomePart {
    let clients: Vec<_> =
        clients.iter().map(|short| (fixture::client(short), short.as_bytes().to_vec())).collect();
    let message = fixture::welcome_message(&clients[0].1);
    WelcomePart { domain: domain(name), clients, message }
}

impl Hub {
    pub(crate) fn new(clients: &[&str]) -> Self {
        let (state, view) = (HubState::default(), fixture::room(clients));
        let (envelope, claims) = (Envelope::default(), BTreeMap::new());
        Self { state, view, envelope, parent: None, now_ms: NOW, claims }
    }

    pub(crate) fn submit(
        &mut self,
        requester: &Requester,
        sender: &str,
        epoch: u64,
        text: &[u8],
    ) -> Result<Transition<SubmitMessageResponse>, Reject> {
        self.submit_franked(requester, sender, epoch, text, None)
    }

    pub(crate) fn submit_franked(
        &mut self,
        requester: &Requester,
        sender: &str,
        epoch: u64,
        text: &[u8],
        franking: Option<Franking<'_>>,
    ) -> Result<Transition<SubmitMessageResponse>, Reject> {
        let request = SubmitMessageRequest {
            app_message: fixture::application(epoch, text),
            sending_uri: fixture::user(sender),
        };
        let transition = submit_message(
            &self.state,
            &SubmitMessageInput {
                own: &domain("a.example"),
                requester,
                view: &self.view,
                index: &RoomIndex::of(&self.view),
                readership: &Readership::of(&self.view, &domain("a.example")),
                group_id: GROUP,
                request: &request,
                frame_group_id: GROUP,
                frame_epoch: epoch,
                franking,
                now_ms: self.now_ms,
            },
        )?;
        self.state.apply(&transition.changes, Observed::Plain).unwrap();
        Ok(transition)
    }

    pub(crate) fn propose(
        &mut self,
        requester: &Requester,
        change: &StagedChange,
    ) -> Result<Transition<Updated>, Reject> {
        let references = fixture::references(change);
        let marker = references.concat();
        let request = fixture::proposal_request(change.epoch, &marker, references.len());
        let kind = UpdateKind::Proposals { references: &references };
        let transition = self.decide(requester, change, &request, kind)?;
        let observed = Observed::Proposals { change, view: &self.view };
        self.state.apply(&transition.changes, observed).unwrap();
        Ok(transition)
    }

    pub(crate) fn commit(
        &mut self,
        requester: &Requester,
        change: &StagedChange,
        extras: Extras<'_>,
    ) -> Result<Transition<Updated>, Reject> {
        let marker = format!("{change:?}");
        let request = fixture::commit_request(change.epoch, marker.as_bytes());
        // What the judge denies has no room after it; the decision must not look at it then.
        let judge = Judge::of(&self.view).with_claims(&self.claims);
        let after = match judge.with_join_codes(JoinCodes::Unverifiable).check(change) {
            Ok(allowed) => fixture::after(&self.view, change, &allowed),
            Err(_) => self.view.clone(),
        };
        let tree = fixture::ratchet_tree();
        // As the server does: what is due is signed for the epoch the commit leads to.
        let own = domain("a.example");
        let due = due_after(&self.state, change, &after, &own, || ListChanges::Taken);
        let due = due.map(|due| hub_proposals(&after, &due));
        let proposed = due.as_ref().map(|(request, _)| match request {
            UpdateRequest::Proposals(bundle) => (bundle.clone(), request.encode()),
            UpdateRequest::Commit(_) => panic!("proposals"),
        });
        let kind = UpdateKind::Commit {
            after: &after,
            joiner_signature_key: extras.joiner_signature_key,
            welcomes: &extras.welcomes,
            ratchet_tree: Some(&tree),
            replay: extras.replay.as_deref(),
            proposed: proposed.as_ref().map(|(bundle, octets)| HubBundle { bundle, octets }),
        };
        let transition = self.decide(requester, change, &request, kind)?;
        let observed = Observed::Commit { change, after: &after };
        for event in appended(&transition) {
            let observed = match (event.kind, &due) {
                (EventKind::Proposal, Some((_, change))) => {
                    Observed::Proposals { change, view: &after }
                }
                _ => observed,
            };
            self.state.observe(event, observed).unwrap();
        }
        self.view = after;
        Ok(transition)
    }

    /// The hub wants somebody out.
    pub(crate) fn evict(&mut self, evicted: &[Evicted]) -> Result<Transition<Updated>, Reject> {
        let own = domain("a.example");
        let evicted = newly_evicted(&self.state, &self.view, evicted);
        let due = due(&self.state, Judge::of(&self.view), &own, &evicted, ListChanges::Taken);
        let due = due.map(|due| hub_proposals(&self.view, &due));
        let (view, now_ms) = (self.view.clone(), self.now_ms);
        let transition = match &due {
            None => {
                propose(&self.state, Judge::of(&view), &self.envelope, &own, evicted, None, now_ms)?
            }
            Some((request, change)) => {
                let UpdateRequest::Proposals(bundle) = request else { panic!("proposals") };
                let references = fixture::references(change);
                let octets = request.encode();
                let input = HubProposalsInput {
                    bundle,
                    octets: &octets,
                    change,
                    references: &references,
                    limits: &Limits::DEFAULT,
                };
                propose(
                    &self.state,
                    Judge::of(&view),
                    &self.envelope,
                    &own,
                    evicted,
                    Some(&input),
                    now_ms,
                )?
            }
        };
        let nothing = StagedChange { epoch: view.epoch, committer: None, proposals: Vec::new() };
        let change = due.as_ref().map_or(&nothing, |(_, change)| change);
        let observed = Observed::Proposals { change, view: &view };
        self.state.apply(&transition.changes, observed).unwrap();
        Ok(transition)
    }

    fn decide(
        &self,
        requester: &Requester,
        change: &StagedChange,
        request: &UpdateRequest,
        kind: UpdateKind<'_>,
    ) -> Result<Transition<Updated>, Reject> {
        let input = UpdateInput {
            own: &domain("a.example"),
            requester,
            view: &self.view,
            index: &RoomIndex::of(&self.view),
            envelope: &self.envelope,
            limits: &Limits::DEFAULT,
            request,
            octets: &request.encode(),
            change,
            claims: &self.claims,
            kind,
            parent: self.parent.as_ref(),
            now_ms: self.now_ms,
        };
        update(&self.state, &input)
    }

    pub(crate) fn group_info(
        &mut self,
        requester: &Requester,
        short: &str,
        signature_key: &[u8],
    ) -> Result<Transition<Authorized>, Reject> {
        self.group_info_with(requester, &fixture::identity(short), signature_key, None)
    }

    pub(crate) fn group_info_with(
        &mut self,
        requester: &Requester,
        identity: &ClientIdentity,
        signature_key: &[u8],
        joining_code: Option<&[u8]>,
    ) -> Result<Transition<Authorized>, Reject> {
        let transition = group_info(
            &self.state,
            &GroupInfoInput {
                own: &domain("a.example"),
                requester,
                view: &self.view,
                identity,
                signature_key,
                parent: self.parent.as_ref(),
                joining_code,
                now_ms: self.now_ms,
            },
        )?;
        self.state.apply(&transition.changes, Observed::Plain).unwrap();
        Ok(transition)
    }
}

/// What the hub would sign, with references as its group would compute them.
pub(crate) fn hub_proposals(view: &RoomView, due: &HubChange) -> (UpdateRequest, StagedChange) {
    let claim =
        Claim { credential_type: 1, id: Vec::new(), claim_value: b"mimi://a.example".to_vec() };
    let sender = Actor::ExternalSender { index: 0, claims: vec![claim] };
    let removes = due.remove.iter().map(|leaf| ProposedChange::RemoveClient(*leaf));
    let changes = removes.chain(due.participants().map(ProposedChange::ParticipantList));
    let proposals: Vec<_> = changes
        .enumerate()
        .map(|(number, change)| StagedProposal {
            sender: sender.clone(),
            reference: Some(format!("hub {} {number}", view.epoch).into_bytes()),
            change,
        })
        .collect();
    let change = StagedChange { epoch: view.epoch, committer: None, proposals };
    let marker = fixture::references(&change).concat();
    (fixture::proposal_request(view.epoch, &marker, change.proposals.len()), change)
}

pub(crate) fn appended<R>(transition: &Transition<R>) -> Vec<&NewEvent> {
    let appended = transition.changes.iter().filter_map(|change| match change {
        Change::Append(event) => Some(event),
        _ => None,
    });
    appended.collect()
}

pub(crate) fn fanout(event: &NewEvent) -> FanoutMessage {
    FanoutMessage::decode(&event.payload).unwrap()
}

pub(crate) fn message_of(event: &NewEvent) -> MlsMessage {
    fanout(event).message
}
