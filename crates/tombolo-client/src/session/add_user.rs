//! Adding a user: KeyPackages of all its clients by `keyMaterial`, then one commit with the list
//! change and the Adds (PROTO-UPD-2).

use std::collections::BTreeSet;

use bytes::Bytes;
use mimi_mls::CIPHERSUITE;
use mimi_mls::key_package;
use mimi_mls::member::CommitPlan;
use mimi_policy::preset::Preset;
use mimi_policy::{Actor, ProposedChange, RoomView, StagedChange, StagedProposal};
use mimi_wire::mls::{KeyPackage, RequiredCapabilities};
use mimi_wire::protocol::key_material::{
    ClientMaterial, KEY_MATERIAL_REQUEST_LABEL, KeyMaterialRequest, KeyMaterialRequestTbs,
    KeyMaterialResponse, KeyMaterialUserCode,
};
use mimi_wire::room::participant_list::{ParticipantListUpdate, RoleIndex, UserRolePair};
use mimi_wire::{Domain, MimiUri, Wire};

use crate::error::ClientError;
use crate::session::command::{OperationId, Outcome};
use crate::session::commit::{Intent, Step};
use crate::session::effects::{Answer, Moment, Purpose, refusal};
use crate::session::issuers::IssuerBook;
use crate::session::judging::judge;
use crate::session::remove_user::{BANNED, is_banned, is_touched};
use crate::session::request::{Request, Response};
use crate::session::{Session, not_registered, saved};

/// A user on its way in, until its KeyPackages are there.
#[derive(Debug)]
pub(crate) struct Adding {
    room: MimiUri,
    user: MimiUri,
    /// KeyPackages that wait for the issuers of a domain.
    verifying: Option<(Domain, Box<KeyMaterialResponse>)>,
}

impl Session {
    pub(crate) fn add_user(
        &mut self,
        operation: OperationId,
        room: MimiUri,
        user: MimiUri,
        at: &mut Moment<'_>,
    ) -> Result<(), ClientError> {
        let (known, means) = self.parts(&room)?;
        let group = known.member()?;
        let (view, own) = (group.view(), &means.own.user);
        if is_banned(view, &user) {
            return Err(ClientError::Refused(format!("{user} is banned from the room")));
        }
        if view.is_active(&user) && user != *own {
            means.effects.finish(Some(operation), Ok(Outcome::Done));
            return Ok(());
        }
        // A room that does not let us add the user must not cost its KeyPackages.
        if let Some(update) = list_addition(view, own, &user)? {
            judge(group, &alone(view, own, group.own_leaf(), update))?;
        }
        let operation_of = Adding { room: room.clone(), user: user.clone(), verifying: None };
        if let Some(response) = self.gifts.take(&user, &room) {
            // Used or not, they are gone before anything is sent (PROTO-KM-10).
            self.effects.put(saved::GIFTS, &self.gifts);
            self.adding.insert(operation, operation_of);
            match self.take_key_material(operation, Box::new(response), at) {
                Ok(()) => return Ok(()),
                Err(error) => {
                    tracing::info!(%error, %user, "KeyPackages of a grant are of no use");
                    self.adding.remove(&operation);
                }
            }
        }
        self.fetch_key_material(operation, room, user)
    }

    fn fetch_key_material(
        &mut self,
        operation: OperationId,
        room: MimiUri,
        user: MimiUri,
    ) -> Result<(), ClientError> {
        let (known, means) = self.parts(&room)?;
        let (group, own) = (known.member()?, &means.own.user);
        let tbs = KeyMaterialRequestTbs {
            requesting_user: own.clone(),
            target_user: user.clone(),
            room_id: Some(room.clone()),
            acceptable_ciphersuites: vec![CIPHERSUITE],
            required_capabilities: group.required_capabilities(),
            requester_signature_key: means.device.signature_key().to_vec(),
            requester_credential: means.device.credential().ok_or_else(not_registered)?,
        };
        let signature = means.device.sign_with_label(KEY_MATERIAL_REQUEST_LABEL, &tbs.encode());
        let body = Bytes::from(KeyMaterialRequest { tbs, signature }.encode());
        let request = Request::KeyMaterial { user: user.clone(), body };
        means.effects.request(Purpose::KeyMaterial(operation), request);
        self.adding.insert(operation, Adding { room, user, verifying: None });
        Ok(())
    }

    pub(crate) fn key_material_answered(
        &mut self,
        operation: OperationId,
        answer: Answer,
        at: &mut Moment<'_>,
    ) {
        let taken = match answer.result {
            Ok(Response::KeyMaterial(response)) => self.take_key_material(operation, response, at),
            other => Err(refusal(other)),
        };
        if let Err(error) = taken {
            self.adding.remove(&operation);
            self.effects.finish(Some(operation), Err(error));
        }
    }

    fn take_key_material(
        &mut self,
        operation: OperationId,
        response: Box<KeyMaterialResponse>,
        at: &mut Moment<'_>,
    ) -> Result<(), ClientError> {
        let Some(adding) = self.adding.get_mut(&operation) else { return Ok(()) };
        if response.user_uri != adding.user {
            let text = format!("KeyPackages of {} were given instead", response.user_uri);
            return Err(ClientError::Refused(text));
        }
        status(&response, &adding.user)?;
        let required = match self.rooms.get(&adding.room) {
            Some(room) => room.member()?.required_capabilities(),
            None => return Err(ClientError::NotInRoom(adding.room.clone())),
        };
        let key_packages = match inspect(&response, &required, &self.issuers, at.now_ms) {
            Ok(key_packages) => key_packages,
            Err(Unusable::For(error)) => return Err(error),
            Err(Unusable::Until(domain)) => {
                adding.verifying = Some((domain.clone(), response));
                self.issuers.need(domain, &mut self.effects);
                return Ok(());
            }
        };
        if key_packages.is_empty() {
            let text = format!("no device of {} can be added now", adding.user);
            return Err(ClientError::Refused(text));
        }
        let key_packages = key_packages.into_iter().map(|it| (it.client, it.octets)).collect();
        let intent = Intent::AddUser { user: adding.user.clone(), key_packages };
        if let Some(Adding { room, .. }) = self.adding.remove(&operation) {
            self.with_room(&room, at, |room, _, _| room.want_commit(Some(operation), intent));
        }
        Ok(())
    }

    /// Issuers have come, or will not: KeyPackages that waited for them go on.
    pub(crate) fn resume_adding(
        &mut self,
        domain: &Domain,
        known: Result<(), ClientError>,
        at: &mut Moment<'_>,
    ) {
        let waiting: Vec<_> = self
            .adding
            .iter()
            .filter(|(_, adding)| {
                adding.verifying.as_ref().is_some_and(|(waited_for, _)| waited_for == domain)
            })
            .map(|(operation, _)| *operation)
            .collect();
        for operation in waiting {
            let response =
                self.adding.get_mut(&operation).and_then(|adding| adding.verifying.take());
            let taken = match (response, known.clone()) {
                (Some((_, response)), Ok(())) => self.take_key_material(operation, response, at),
                (_, Err(error)) => Err(error),
                (None, Ok(())) => Ok(()),
            };
            if let Err(error) = taken {
                self.adding.remove(&operation);
                self.effects.finish(Some(operation), Err(error));
            }
        }
    }
}

/// Why KeyPackages cannot be used.
pub(crate) enum Unusable {
    /// They are at fault.
    For(ClientError),
    /// The issuers of this domain are not known yet.
    Until(Domain),
}

/// A verified KeyPackage.
#[derive(Debug)]
pub(crate) struct UsablePackage {
    pub(crate) client: MimiUri,
    pub(crate) octets: Vec<u8>,
    /// Its KeyPackageRef.
    pub(crate) reference: Vec<u8>,
}

/// The KeyPackages of an answer; all are usable, or none.
pub(crate) fn inspect(
    response: &KeyMaterialResponse,
    required: &RequiredCapabilities,
    issuers: &IssuerBook,
    now_ms: u64,
) -> Result<Vec<UsablePackage>, Unusable> {
    let user = &response.user_uri;
    let unusable = |why: &str| Err(Unusable::For(not_theirs(user, why)));
    let mut key_packages = Vec::new();
    for client in &response.clients {
        let ClientMaterial::KeyPackage(package) = &client.material else {
            tracing::info!(client = %client.client_uri, "no KeyPackage for this client");
            continue;
        };
        let facts = match key_package::inspect(package, issuers.trusted(), now_ms) {
            Ok(facts) => facts,
            Err(error) => match issuers.wanted_to_stage(&error, now_ms) {
                Some(domain) => return Err(Unusable::Until(domain)),
                None => return unusable(&error.to_string()),
            },
        };
        let theirs = facts.identity.user == *user && facts.identity.client == client.client_uri;
        if !theirs || facts.ciphersuite != CIPHERSUITE {
            return unusable("it names somebody else, or another suite");
        }
        if !key_package::satisfies(&facts.capabilities, required) {
            return unusable("it lacks what the room requires");
        }
        key_packages.push(UsablePackage {
            client: client.client_uri.clone(),
            octets: package.octets().to_vec(),
            reference: facts.reference,
        });
    }
    Ok(key_packages)
}

pub(crate) fn status(response: &KeyMaterialResponse, user: &MimiUri) -> Result<(), ClientError> {
    let refused = |text: String| Err(ClientError::Refused(text));
    match response.user_status {
        KeyMaterialUserCode::Success | KeyMaterialUserCode::PartialSuccess => Ok(()),
        KeyMaterialUserCode::NoConsent | KeyMaterialUserCode::NoConsentForThisRoom => {
            Err(ClientError::NoConsent(user.clone()))
        }
        KeyMaterialUserCode::IncompatibleProtocol => {
            refused(format!("the provider of {user} does not speak this protocol"))
        }
        KeyMaterialUserCode::NoCompatibleMaterial => {
            refused(format!("no device of {user} can be added now"))
        }
        KeyMaterialUserCode::UserUnknown => refused(format!("there is no user {user}")),
        KeyMaterialUserCode::UserDeleted => refused(format!("{user} is gone")),
    }
}

fn not_theirs(user: &MimiUri, why: &str) -> ClientError {
    ClientError::Refused(format!("a KeyPackage given for {user} cannot be used: {why}"))
}

/// What is to be done so that a user with these clients is in.
pub(crate) fn step(
    view: &RoomView,
    pending: &StagedChange,
    own: &MimiUri,
    user: &MimiUri,
    key_packages: &[(MimiUri, Vec<u8>)],
) -> Step {
    let missing = key_packages
        .iter()
        .filter(|(client, _)| view.clients.iter().all(|member| member.client != *client));
    let add: Result<Vec<_>, _> = missing.map(|(_, octets)| KeyPackage::decode(octets)).collect();
    let Ok(add) = add else {
        return Step::Refused(not_theirs(user, "it cannot be read"));
    };
    let participants = match list_addition(view, own, user) {
        Ok(participants) => participants,
        Err(error) => return Step::Refused(error),
    };
    if participants.is_none() && add.is_empty() {
        return Step::Fulfilled;
    }
    if is_touched(view, pending, user) {
        return Step::pending_first();
    }
    Step::commit(CommitPlan { add, participants, ..CommitPlan::default() })
}

/// The list change that brings a user in; `None` where it is listed already (AMB-POL-39).
fn list_addition(
    view: &RoomView,
    own: &MimiUri,
    user: &MimiUri,
) -> Result<Option<ParticipantListUpdate>, ClientError> {
    match view.role_index_of(user) {
        Some(_) if is_banned(view, user) => {
            Err(ClientError::Refused(format!("{user} is banned from the room")))
        }
        Some(_) => Ok(None),
        None => {
            let role_index = ordinary_role(view, own);
            let added = UserRolePair { user: user.clone(), role_index };
            Ok(Some(ParticipantListUpdate {
                added_participants: vec![added],
                ..ParticipantListUpdate::default()
            }))
        }
    }
}

/// The preset's ordinary role where we may give it; else the lowest one that we may give, and else
/// one that the judge will refuse with its reasons.
pub(crate) fn ordinary_role(view: &RoomView, own: &MimiUri) -> RoleIndex {
    let ordinary = Preset::of_roles(&view.roles).map(Preset::ordinary_role);
    let role = view.role(view.role_index_of(own).unwrap_or(0));
    let entries = role.map(|role| role.authorized_role_changes.as_slice()).unwrap_or_default();
    let from_none = entries.iter().filter(|entry| entry.from_role_index == 0);
    let targets = from_none.flat_map(|entry| entry.target_role_indexes.iter().copied());
    let given: BTreeSet<RoleIndex> = targets.filter(|index| *index > BANNED).collect();
    let ordinary = ordinary.filter(|index| given.is_empty() || given.contains(index));
    let lowest = given.first().copied().unwrap_or(BANNED + 1);
    ordinary.unwrap_or(lowest)
}

/// The list change by itself, to ask the judge before anything is spent.
fn alone(view: &RoomView, own: &MimiUri, leaf: u32, update: ParticipantListUpdate) -> StagedChange {
    let sender = Actor::Member { leaf, user: own.clone() };
    let change = ProposedChange::ParticipantList(update);
    let proposal = StagedProposal { sender: sender.clone(), reference: None, change };
    StagedChange { epoch: view.epoch, committer: Some(sender), proposals: vec![proposal] }
}
