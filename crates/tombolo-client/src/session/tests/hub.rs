//! Every provider of the tests in one: accounts, KeyPackages, consent, and rooms with one log each.

use std::collections::{BTreeMap, BTreeSet};

use mimi_mls::CIPHERSUITE;
use mimi_mls::error::StageError;
use mimi_mls::franking::FrankingAgent;
use mimi_mls::hub::{HubGroup, HubProposals, StagedUpdate, application_frame};
use mimi_mls::hub_keys::HubKeys;
use mimi_mls::identity::{Issuers, identify};
use mimi_mls::label::{encrypt_with_label, verify_with_label};
use mimi_policy::message::may_submit;
use mimi_policy::{JoinCodes, Judge, ways_in};
use mimi_wire::component::{FRANKING_AGENT, JOIN_LINKS};
use mimi_wire::franking::{FrankingIntegrityTbs, SafeAad, ServerFrankingContext};
use mimi_wire::mls::KeyPackage;
use mimi_wire::protocol::consent::{ConsentEntry, ConsentOperation};
use mimi_wire::protocol::found_room::RoomFounding;
use mimi_wire::protocol::group_info::{
    GROUP_INFO_ENCRYPTION_LABEL, GROUP_INFO_REQUEST_LABEL, GROUP_INFO_RESPONSE_LABEL,
    GroupInfoOutcome, GroupInfoRatchetTreeTbe, GroupInfoRequest, GroupInfoResponse,
    GroupInfoSuccess, JoiningCode, PendingProposal,
};
use mimi_wire::protocol::key_material::{
    ClientKeyMaterial, ClientMaterial, KEY_MATERIAL_REQUEST_LABEL, KeyMaterialRequest,
    KeyMaterialResponse, KeyMaterialUserCode, KeyPackageList,
};
use mimi_wire::protocol::notify::{FanoutKind, FanoutMessage};
use mimi_wire::protocol::ratchet_tree::RatchetTreeOption;
use mimi_wire::protocol::report_abuse::AbuseReport;
use mimi_wire::protocol::submit_message::{Frank, SubmitMessageRequest, SubmitMessageResponse};
use mimi_wire::protocol::update::{UpdateOutcome, UpdateRequest, UpdateResponse};
use mimi_wire::room::join_code::RoomLink;
use mimi_wire::room::join_links::JoinLinksData;
use mimi_wire::room::participant_list::ParticipantListUpdate;
use mimi_wire::{Domain, MimiUri, UriKind, Wire};
use tombolo_testkit::{Federation, TestIssuer};

use crate::secret::SecretText;
use crate::session::request::{Request, Response, TransportError};
use crate::session::stream_event::{StreamEvent, StreamEventKind};
use crate::shown::DeviceEntry;

/// A room at its hub.
pub(crate) struct HubRoom {
    pub(crate) group: HubGroup,
    pending: Vec<PendingProposal>,
    /// Octets accepted, and when.
    accepted: BTreeMap<Vec<u8>, u64>,
    last_timestamp: u64,
}

/// A room as it was once, to be put back.
pub(crate) struct RoomBackup {
    group: Vec<u8>,
    pending: Vec<PendingProposal>,
    accepted: BTreeMap<Vec<u8>, u64>,
    last_timestamp: u64,
}

/// See the module.
pub(crate) struct Hub {
    pub(crate) federation: Federation,
    pub(crate) issuers: Issuers,
    pub(crate) rooms: BTreeMap<MimiUri, HubRoom>,
    pub(crate) keys: BTreeMap<Domain, HubKeys>,
    /// Each client's stream.
    pub(crate) streams: BTreeMap<MimiUri, Vec<StreamEvent>>,
    pub(crate) stock: BTreeMap<MimiUri, Vec<KeyPackage>>,
    pub(crate) consents: BTreeSet<(MimiUri, MimiUri)>,
    users: BTreeMap<MimiUri, Vec<MimiUri>>,
    /// Rooms of fixed membership, by hub and members.
    pub(crate) direct_rooms: BTreeMap<(Domain, BTreeSet<MimiUri>), MimiUri>,
    pub(crate) pems: BTreeMap<Domain, String>,
    /// Issuers that took the place of the federation's first ones.
    successors: BTreeMap<Domain, TestIssuer>,
    next_event: u64,
    /// By how much the numbers of clients' events are less than the others'.
    put_back_by: BTreeMap<MimiUri, u64>,
    /// Repeats of accepted commits are not recognised: the answer is `wrongEpoch`.
    pub(crate) forgets_commits: bool,
    /// Messages are franked where their room names the hub's agent.
    pub(crate) franks: bool,
    /// What a follower on the way makes of franks.
    pub(crate) spoil: Option<fn(&mut Option<Frank>)>,
    /// Reports of abuse, as received.
    pub(crate) reports: Vec<AbuseReport>,
    /// Devices that their providers do not know any more.
    pub(crate) lost_devices: BTreeSet<MimiUri>,
    /// Users whose accounts are deleted.
    pub(crate) deleted: BTreeSet<MimiUri>,
    /// A hub that answers no update.
    pub(crate) out_of_reach: Option<Domain>,
    /// Messages are refused, whoever sends them.
    pub(crate) lets_nobody_write: bool,
    /// Commits are taken without asking the judge.
    pub(crate) is_corrupt: bool,
    /// Stapled to the next commit, as the hub's own wish for the list.
    pub(crate) staple: Option<ParticipantListUpdate>,
    /// The organization that a user's certificates name.
    pub(crate) organizations: BTreeMap<MimiUri, String>,
    /// What was asked, by kind, for tests that count.
    pub(crate) asked: Vec<&'static str>,
}

impl Hub {
    pub(crate) fn new() -> Self {
        let domains = ["a.example", "b.example", "c.example"];
        let mut federation = Federation::new(&domains);
        let keys = domains
            .iter()
            .map(|domain| (Domain::new(domain).unwrap(), federation.hub_keys(domain)))
            .collect();
        let pem = |name: &&str| federation.issuer(name).pem().to_owned();
        let pems = domains.iter().map(|name| (Domain::new(name).unwrap(), pem(name)));
        Self {
            issuers: federation.issuers(),
            pems: pems.collect(),
            federation,
            rooms: BTreeMap::new(),
            keys,
            streams: BTreeMap::new(),
            stock: BTreeMap::new(),
            consents: BTreeSet::new(),
            users: BTreeMap::new(),
            direct_rooms: BTreeMap::new(),
            successors: BTreeMap::new(),
            next_event: 0,
            put_back_by: BTreeMap::new(),
            forgets_commits: false,
            franks: false,
            spoil: None,
            reports: Vec::new(),
            lost_devices: BTreeSet::new(),
            deleted: BTreeSet::new(),
            out_of_reach: None,
            lets_nobody_write: false,
            is_corrupt: false,
            staple: None,
            organizations: BTreeMap::new(),
            asked: Vec::new(),
        }
    }

    /// A provider certifies with a new issuer from now on; the old one stays valid.
    pub(crate) fn renew_issuer(&mut self, domain: &str) {
        let successor = TestIssuer::new(domain);
        let domain = successor.domain().clone();
        let pems = [self.pems[&domain].clone(), successor.pem().to_owned()];
        self.issuers.trust(domain.clone(), &pems).unwrap();
        self.successors.insert(domain, successor);
    }

    /// Everybody's issuers can be had again.
    pub(crate) fn restore_pems(&mut self) {
        for domain in self.keys.keys() {
            let pem = self.federation.issuer(domain.as_str()).pem().to_owned();
            self.pems.insert(domain.clone(), pem);
        }
    }

    pub(crate) fn back_up(&self, room: &MimiUri) -> RoomBackup {
        let HubRoom { group, pending, accepted, last_timestamp } = &self.rooms[room];
        let (group, last_timestamp) = (group.snapshot(), *last_timestamp);
        RoomBackup { group, pending: pending.clone(), accepted: accepted.clone(), last_timestamp }
    }

    pub(crate) fn put_back(&mut self, room: &MimiUri, backup: RoomBackup) {
        let RoomBackup { group, pending, accepted, last_timestamp } = backup;
        let group = HubGroup::restore(&group).unwrap();
        self.rooms.insert(room.clone(), HubRoom { group, pending, accepted, last_timestamp });
    }

    pub(crate) fn room(&self, room: &MimiUri) -> &HubRoom {
        &self.rooms[room]
    }

    /// Serves a request of a device.
    pub(crate) fn serve(
        &mut self,
        domain: &Domain,
        client: Option<&MimiUri>,
        request: &Request,
        now_ms: u64,
    ) -> Result<Response, TransportError> {
        let user = client.map(|client| self.user_of(client));
        let known = || user.clone().ok_or_else(|| refused("unauthorized"));
        self.asked.push(kind(request));
        if user.as_ref().is_some_and(|user| self.deleted.contains(user)) {
            return Err(refused("unauthorized"));
        }
        Ok(match request {
            Request::Register { user, device, signature_key, .. } => {
                self.register(domain, user, device, signature_key)?
            }
            Request::Provider => Response::Provider {
                domain: domain.clone(),
                hub_sender: Box::new(self.keys[domain].external_sender()),
                franking_agent: self.franks.then(|| agent(domain).data().encode()),
                presets: vec!["cooperative".to_owned()],
            },
            Request::Issuers(of) => {
                let first = self.pems.get(of).ok_or_else(|| refused("unknown"))?;
                let successor = self.successors.get(of).map(|issuer| issuer.pem().to_owned());
                let issuers = std::iter::once(first.clone()).chain(successor).collect();
                Response::Issuers { domain: of.clone(), issuers }
            }
            Request::Devices => {
                let devices = self.users[&known()?].iter();
                let devices = devices.filter(|client| !self.lost_devices.contains(client));
                let entry = |of: &MimiUri| DeviceEntry {
                    client: of.clone(),
                    name: of.as_str().to_owned(),
                    created_ms: 0,
                    last_seen_ms: 0,
                    current: client == Some(of),
                };
                Response::Devices(devices.map(entry).collect())
            }
            Request::KeyPackageStock => self.stock(client.unwrap()),
            Request::UploadKeyPackages(body) => {
                let list = KeyPackageList::decode(body).unwrap();
                self.stock.entry(client.unwrap().clone()).or_default().extend(list.0);
                self.stock(client.unwrap())
            }
            Request::KeyMaterial { user: target, body } => {
                let asker = client.ok_or_else(|| refused("unauthorized"))?;
                Response::KeyMaterial(Box::new(self.key_material(asker, &known()?, target, body)))
            }
            Request::FoundRoom { room, body } => self.found(room, body, now_ms)?,
            Request::DirectRoom(other) => {
                let members = BTreeSet::from([known()?, other.clone()]);
                let room = self.direct_rooms.get(&(domain.clone(), members));
                Response::Founded { room: room.ok_or_else(|| refused("unknown"))?.clone() }
            }
            Request::Update { room, .. } if self.out_of_reach == Some(room.domain()) => {
                let message = "the hub does not answer".to_owned();
                return Err(TransportError::Busy { message, retry_after_ms: None });
            }
            Request::Update { room, body } => {
                Response::Update(Box::new(self.update(room, body, now_ms)))
            }
            Request::SubmitMessage { room, body } => {
                Response::SubmitMessage(Box::new(self.submit(room, body, now_ms)))
            }
            Request::GroupInfo { room, body } => {
                Response::GroupInfo(Box::new(self.group_info(&known()?, room, body)))
            }
            Request::ReportAbuse { body, .. } => {
                self.reports.push(AbuseReport::decode(body).unwrap());
                Response::Done
            }
            Request::Consent(body) => self.consent(body, now_ms),
            Request::Contacts => Response::Contacts(Box::default()),
            Request::SignOutDevice(_) | Request::SignOutOthers => Response::Done,
            Request::DeleteAccount { password, .. } if password.reveal() != "p" => {
                return Err(refused("not_allowed"));
            }
            Request::DeleteAccount { check_only, .. } => {
                let gone = known()?;
                self.deleted.extend((!check_only).then_some(gone));
                Response::Done
            }
            // This hub knows nothing of what users say of themselves.
            Request::IdentifierQuery { .. } | Request::Profile | Request::SetProfile(_) => {
                return Err(refused("unsupported"));
            }
        })
    }

    pub(crate) fn user_of(&self, client: &MimiUri) -> MimiUri {
        let found = self.users.iter().find(|(_, clients)| clients.contains(client));
        found.unwrap().0.clone()
    }

    fn register(
        &mut self,
        domain: &Domain,
        user: &str,
        device: &str,
        key: &[u8],
    ) -> Result<Response, TransportError> {
        let user_uri = MimiUri::build(domain, UriKind::User, &[user]).unwrap();
        let client = MimiUri::build(domain, UriKind::Client, &[user, device]).unwrap();
        if self.streams.contains_key(&client) {
            return Err(refused("conflict"));
        }
        self.streams.insert(client.clone(), Vec::new());
        self.users.entry(user_uri.clone()).or_default().push(client.clone());
        let first = self.federation.issuer(domain.as_str());
        let issuer = self.successors.get(domain).unwrap_or(first);
        let organization = self.organizations.get(&user_uri).cloned();
        let certificate_chain = issuer.issue_in(key, &client, &user_uri, organization.as_deref());
        let token = SecretText::new(client.as_str().to_owned());
        Ok(Response::Registered { user: user_uri, client, token, certificate_chain })
    }

    fn stock(&self, client: &MimiUri) -> Response {
        Response::Stock(self.stock.get(client).map_or(0, Vec::len) as u64)
    }

    fn key_material(
        &mut self,
        asker: &MimiUri,
        user: &MimiUri,
        target: &MimiUri,
        body: &[u8],
    ) -> KeyMaterialResponse {
        let request = KeyMaterialRequest::decode(body).unwrap();
        let tbs = &request.tbs;
        let label = KEY_MATERIAL_REQUEST_LABEL;
        let key = &tbs.requester_signature_key;
        verify_with_label(CIPHERSUITE, key, label, &tbs.encode(), &request.signature).unwrap();
        assert_eq!((&tbs.requesting_user, &tbs.target_user), (user, target));
        let answer = |user_status, clients| KeyMaterialResponse {
            user_status,
            user_uri: target.clone(),
            clients,
        };
        let Some(clients) = self.users.get(target) else {
            return answer(KeyMaterialUserCode::UserUnknown, Vec::new());
        };
        if user != target && !self.consents.contains(&(target.clone(), user.clone())) {
            return answer(KeyMaterialUserCode::NoConsent, Vec::new());
        }
        let clients = clients.iter().filter(|client| *client != asker).map(|client| {
            let stock = self.stock.entry(client.clone()).or_default();
            let material = match stock.is_empty() {
                true => ClientMaterial::Exhausted,
                false => ClientMaterial::KeyPackage(stock.remove(0)),
            };
            ClientKeyMaterial { client_uri: client.clone(), material }
        });
        let clients: Vec<_> = clients.collect();
        let has_any = |it: &ClientKeyMaterial| matches!(it.material, ClientMaterial::KeyPackage(_));
        match clients.iter().any(has_any) {
            true => answer(KeyMaterialUserCode::Success, clients),
            false => answer(KeyMaterialUserCode::NoCompatibleMaterial, clients),
        }
    }

    fn found(
        &mut self,
        room: &MimiUri,
        body: &[u8],
        now_ms: u64,
    ) -> Result<Response, TransportError> {
        if self.rooms.contains_key(room) {
            return Err(refused("conflict"));
        }
        let founding = RoomFounding::decode(body).unwrap();
        let (info, tree) = (&founding.group_info, &founding.ratchet_tree);
        let group = HubGroup::open(info, tree, &self.issuers, now_ms).unwrap();
        mimi_policy::check_founding(group.view()).unwrap();
        assert_eq!(group.view().room(), room);
        let fixed = group.view().base_policy.as_ref().is_some_and(|it| it.fixed_membership);
        let listed = group.view().participants.participants.iter();
        let members: BTreeSet<MimiUri> = listed.map(|pair| pair.user.clone()).collect();
        let key = (room.domain(), members);
        if let Some(existing) = self.direct_rooms.get(&key).filter(|_| fixed) {
            return Ok(Response::Founded { room: existing.clone() });
        }
        if fixed {
            self.direct_rooms.insert(key, room.clone());
        }
        let founding = founding.welcome.as_ref();
        let welcomed = founding.map_or(&[][..], |it| &it.welcomed);
        let welcomes = group.founding_welcomes(founding.map(|it| &it.welcome), welcomed).unwrap();
        let founded = HubRoom {
            group,
            pending: Vec::new(),
            accepted: BTreeMap::new(),
            last_timestamp: now_ms + 1,
        };
        let timestamp = now_ms + 1;
        let ratchet_tree = RatchetTreeOption::Full(tree.clone());
        for slice in welcomes {
            let kind = FanoutKind::Welcome { ratchet_tree: ratchet_tree.clone() };
            let octets = FanoutMessage { timestamp, message: slice.message, kind }.encode();
            let targets: Vec<_> = slice.clients.iter().map(|(client, _)| client.clone()).collect();
            self.log(room, StreamEventKind::Welcome, timestamp, &octets, targets.iter());
        }
        self.rooms.insert(room.clone(), founded);
        Ok(Response::Founded { room: room.clone() })
    }

    pub(crate) fn update(&mut self, room: &MimiUri, body: &[u8], now_ms: u64) -> UpdateResponse {
        let outcome = match self.try_update(room, body, now_ms) {
            Ok(outcome) => outcome,
            Err(error) => {
                let (outcome, text) = match error {
                    StageError::WrongEpoch { current, .. } => {
                        (UpdateOutcome::WrongEpoch { current_epoch: current }, String::new())
                    }
                    StageError::InvalidProposal { references, reason } => {
                        (UpdateOutcome::InvalidProposal { invalid_proposals: references }, reason)
                    }
                    other => (UpdateOutcome::NotAllowed, other.to_string()),
                };
                return UpdateResponse { outcome, error_description: text };
            }
        };
        UpdateResponse { outcome, error_description: String::new() }
    }

    /// The hub proposes a user's clients away, for good, and lets its people have another room.
    pub(crate) fn evict(&mut self, room: &MimiUri, user: &MimiUri, now_ms: u64) {
        let group = &self.rooms[room].group;
        let remove: Vec<_> = group.view().clients_of(user).map(|client| client.leaf).collect();
        let wanted = HubProposals { remove: &remove, participants: None };
        let bundle = group.propose(&self.keys[&room.domain()], wanted).unwrap();
        self.direct_rooms.retain(|_, other| other != room);
        let body = UpdateRequest::Proposals(bundle).encode();
        let response = self.update(room, &body, now_ms);
        assert!(matches!(response.outcome, UpdateOutcome::Success { .. }), "{response:?}");
    }

    fn try_update(
        &mut self,
        uri: &MimiUri,
        body: &[u8],
        now_ms: u64,
    ) -> Result<UpdateOutcome, StageError> {
        let room = self.rooms.get_mut(uri).unwrap();
        if let Some(accepted_timestamp) = room.accepted.get(body)
            && !self.forgets_commits
        {
            return Ok(UpdateOutcome::Success { accepted_timestamp: *accepted_timestamp });
        }
        let request = UpdateRequest::decode(body).unwrap();
        let staged = room.group.stage(&request, &self.issuers, now_ms)?;
        if !self.is_corrupt {
            // That a code is good was asked when the GroupInfo was given; how often it is used is
            // for the provider's own tests.
            let claims = room.group.claims_of_senders(&staged.change().proposals);
            Judge::of(room.group.view())
                .with_join_codes(JoinCodes::Unverifiable)
                .with_claims(&claims)
                .decide(staged.change())?;
        }
        let timestamp = now_ms.max(room.last_timestamp + 1);
        room.last_timestamp = timestamp;
        room.accepted.insert(body.to_vec(), timestamp);
        let before: BTreeSet<_> = clients(&room.group);
        let mut fanout = Vec::new();
        let mut welcomed = Vec::new();
        match (&request, &staged) {
            (UpdateRequest::Commit(bundle), StagedUpdate::Commit(commit)) => {
                room.pending.clear();
                let stapled = self.staple.take().map(|update| {
                    let keys = &self.keys[&uri.domain()];
                    let wanted = HubProposals { remove: &[], participants: Some(&update) };
                    room.group.propose_after(keys, commit, wanted).unwrap().proposal
                });
                let external_proposals = stapled.into_iter().collect();
                let kind = FanoutKind::Commit { external_proposals };
                fanout.push((StreamEventKind::Commit, bundle.commit.clone(), kind));
                for slice in commit.welcomes() {
                    let tree = commit.ratchet_tree().unwrap().clone();
                    welcomed.push((slice.clone(), RatchetTreeOption::Full(tree)));
                }
            }
            (UpdateRequest::Proposals(bundle), StagedUpdate::Proposals(_)) => {
                for proposal in std::iter::once(&bundle.proposal).chain(&bundle.more_proposals) {
                    let proposal = proposal.clone();
                    room.pending.push(PendingProposal { proposal, hub_accepted_time: timestamp });
                }
                let kind = FanoutKind::Proposal { more_proposals: bundle.more_proposals.clone() };
                fanout.push((StreamEventKind::Proposal, bundle.proposal.clone(), kind));
            }
            _ => unreachable!("staged as what it is"),
        }
        room.group.merge(staged).unwrap();
        let added: BTreeSet<_> = welcomed
            .iter()
            .flat_map(|(slice, _)| slice.clients.iter().map(|(client, _)| client.clone()))
            .collect();
        let mut audience = before;
        audience.extend(clients(&room.group).into_iter().filter(|it| !added.contains(it)));
        for (kind, message, fanout_kind) in fanout {
            let event = FanoutMessage { timestamp, message, kind: fanout_kind };
            self.log(uri, kind, timestamp, &event.encode(), audience.iter());
        }
        for (slice, ratchet_tree) in welcomed {
            let kind = FanoutKind::Welcome { ratchet_tree };
            let event = FanoutMessage { timestamp, message: slice.message, kind };
            let targets: Vec<_> = slice.clients.iter().map(|(client, _)| client.clone()).collect();
            let octets = event.encode();
            self.log(uri, StreamEventKind::Welcome, timestamp, &octets, targets.iter());
        }
        Ok(UpdateOutcome::Success { accepted_timestamp: timestamp })
    }

    fn submit(&mut self, uri: &MimiUri, body: &[u8], now_ms: u64) -> SubmitMessageResponse {
        let room = self.rooms.get_mut(uri).unwrap();
        let request = SubmitMessageRequest::decode(body).unwrap();
        let frame = application_frame(&request.app_message).unwrap();
        let franks =
            self.franks && room.group.view().other_components.contains_key(&FRANKING_AGENT);
        let frank_at = |timestamp| {
            let tag = SafeAad::decode(&frame.authenticated_data).unwrap().franking_tag().unwrap();
            tag.filter(|_| franks).map(|tag| frank(uri, &request.sending_uri, timestamp, &tag))
        };
        let accepted = |accepted_timestamp| SubmitMessageResponse::Accepted {
            accepted_timestamp,
            frank: frank_at(accepted_timestamp),
        };
        if let Some(timestamp) = room.accepted.get(body) {
            return accepted(*timestamp);
        }
        let current_epoch = room.group.view().epoch;
        if frame.epoch + 1 < current_epoch {
            return SubmitMessageResponse::EpochTooOld { current_epoch };
        }
        let may = may_submit(room.group.view(), &request.sending_uri);
        if self.lets_nobody_write || may.is_err() || frame.epoch > current_epoch {
            return SubmitMessageResponse::NotAllowed;
        }
        let timestamp = now_ms.max(room.last_timestamp + 1);
        room.last_timestamp = timestamp;
        room.accepted.insert(body.to_vec(), timestamp);
        let audience = clients(&room.group);
        let mut fanned_out = frank_at(timestamp);
        if let Some(spoil) = self.spoil {
            spoil(&mut fanned_out);
        }
        let kind = FanoutKind::Application { frank: fanned_out };
        let event = FanoutMessage { timestamp, message: request.app_message.clone(), kind };
        let octets = event.encode();
        self.log(uri, StreamEventKind::Application, timestamp, &octets, audience.iter());
        accepted(timestamp)
    }

    fn group_info(&self, user: &MimiUri, uri: &MimiUri, body: &[u8]) -> GroupInfoResponse {
        let answer = |outcome| GroupInfoResponse { room_id: uri.clone(), outcome };
        let Some(room) = self.rooms.get(uri) else {
            return answer(GroupInfoOutcome::NoSuchRoom);
        };
        let request = GroupInfoRequest::decode(body).unwrap();
        let tbs = &request.tbs;
        let key = &tbs.requesting_signature_key;
        let label = GROUP_INFO_REQUEST_LABEL;
        verify_with_label(CIPHERSUITE, key, label, &tbs.encode(), &request.signature).unwrap();
        let now_ms = tombolo_testkit::now_ms();
        let identity = identify(&tbs.requesting_credential, key, &self.issuers, now_ms).unwrap();
        assert_eq!(identity.user, *user);
        let view = room.group.view();
        let standing = |code: &JoiningCode| {
            let links = view.other_components.get(&JOIN_LINKS);
            let links = links.map(|octets| JoinLinksData::decode(octets).unwrap());
            let links = links.unwrap_or_default().links;
            let mut links = links.iter().filter_map(|link| RoomLink::of_room(uri, link));
            links.any(|link| link.code.as_bytes() == code.code)
        };
        let codes = match tbs.joining_code.as_ref().is_some_and(standing) {
            true => JoinCodes::Unverifiable,
            false => JoinCodes::None,
        };
        if ways_in(&Judge::of(view).with_join_codes(codes), view, &identity, &[]).is_err() {
            return answer(GroupInfoOutcome::NotAuthorized);
        }
        let material = GroupInfoRatchetTreeTbe {
            group_info: room.group.group_info().clone(),
            ratchet_tree: RatchetTreeOption::Full(room.group.ratchet_tree()),
            pending_proposals: room.pending.clone(),
        };
        let keys = &self.keys[&uri.domain()];
        let success = GroupInfoSuccess {
            cipher_suite: CIPHERSUITE,
            hub_sender: keys.external_sender(),
            encrypted_group_info_and_tree: encrypt_with_label(
                CIPHERSUITE,
                &tbs.group_info_public_key,
                GROUP_INFO_ENCRYPTION_LABEL,
                uri.as_bytes(),
                &material.encode(),
            )
            .unwrap(),
            signature: Vec::new(),
        };
        let mut response = answer(GroupInfoOutcome::Success(success));
        let signed = response.to_be_signed();
        if let GroupInfoOutcome::Success(success) = &mut response.outcome {
            success.signature = keys.sign_with_label(GROUP_INFO_RESPONSE_LABEL, &signed);
        }
        response
    }

    fn consent(&mut self, body: &[u8], now_ms: u64) -> Response {
        let entry = ConsentEntry::decode(body).unwrap();
        let (target, requester) = (entry.target_uri.clone(), entry.requester_uri.clone());
        let (hears, kind) = match entry.operation {
            ConsentOperation::Request | ConsentOperation::Cancel => {
                (target, StreamEventKind::RequestConsent)
            }
            ConsentOperation::Grant { .. } => {
                self.consents.insert((target, requester.clone()));
                (requester, StreamEventKind::UpdateConsent)
            }
            ConsentOperation::Revoke => {
                self.consents.remove(&(target, requester.clone()));
                (requester, StreamEventKind::UpdateConsent)
            }
        };
        let clients = self.users.get(&hears).cloned().unwrap_or_default();
        self.log(&hears, kind, now_ms, body, clients.iter());
        Response::Done
    }

    /// A client's provider is put back: its stream ends after an entry, and goes on from there.
    pub(crate) fn put_back_provider_of(&mut self, client: &MimiUri, after: u64) {
        self.streams.get_mut(client).unwrap().retain(|event| event.id <= after);
        self.put_back_by.insert(client.clone(), self.next_event - after);
    }

    /// Puts an entry into the streams of some clients.
    pub(crate) fn log<'a>(
        &mut self,
        stream: &MimiUri,
        kind: StreamEventKind,
        timestamp_ms: u64,
        payload: &[u8],
        audience: impl Iterator<Item = &'a MimiUri>,
    ) {
        self.next_event += 1;
        let event = StreamEvent {
            id: self.next_event,
            kind,
            stream: stream.clone(),
            seq: self.next_event,
            timestamp_ms,
            payload: payload.to_vec(),
        };
        for client in audience {
            let mut event = event.clone();
            event.id -= self.put_back_by.get(client).copied().unwrap_or_default();
            self.streams.get_mut(client).unwrap().push(event);
        }
    }
}

fn clients(group: &HubGroup) -> BTreeSet<MimiUri> {
    group.view().clients.iter().map(|client| client.client.clone()).collect()
}

fn refused(code: &str) -> TransportError {
    TransportError::Refused { code: code.to_owned(), message: code.to_owned() }
}

fn kind(request: &Request) -> &'static str {
    match request {
        Request::Register { .. } => "register",
        Request::Provider => "provider",
        Request::Issuers(_) => "issuers",
        Request::KeyPackageStock => "stock",
        Request::UploadKeyPackages(_) => "upload",
        Request::KeyMaterial { .. } => "key material",
        Request::FoundRoom { .. } => "found",
        Request::DirectRoom(_) => "direct",
        Request::Update { .. } => "update",
        Request::SubmitMessage { .. } => "submit",
        Request::GroupInfo { .. } => "group info",
        Request::ReportAbuse { .. } => "report",
        Request::Consent(_) => "consent",
        Request::Contacts => "contacts",
        Request::Devices => "devices",
        Request::SignOutDevice(_) | Request::SignOutOthers => "sign out",
        Request::DeleteAccount { check_only: true, .. } => "check password",
        Request::DeleteAccount { .. } => "delete account",
        Request::IdentifierQuery { .. } => "identifier query",
        Request::Profile => "profile",
        Request::SetProfile(_) => "set profile",
    }
}

/// The franking agent of a hub.
pub(crate) fn agent(domain: &Domain) -> FrankingAgent {
    FrankingAgent::from_seed(domain.clone(), [5; 32])
}

/// The frank of a message.
pub(crate) fn frank(room: &MimiUri, sender: &MimiUri, timestamp: u64, tag: &[u8; 32]) -> Frank {
    let context = ServerFrankingContext {
        sender_uri: sender.clone(),
        room_uri: room.clone(),
        accepted_timestamp: timestamp,
    };
    let server_frank = context.server_frank(b"a hub's secret", tag);
    let franking_signature_ciphersuite = CIPHERSUITE;
    let tbs = FrankingIntegrityTbs { server_frank, franking_signature_ciphersuite, context };
    let franking_integrity_signature = agent(&room.domain()).sign(&tbs.encode());
    Frank { server_frank, franking_signature_ciphersuite, franking_integrity_signature }
}
