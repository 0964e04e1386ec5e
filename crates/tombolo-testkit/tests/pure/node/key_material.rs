//! `keyMaterial`: as hub, and as the target's provider.

use mimi_mls::identity::{claimed, identify};
use mimi_mls::key_package::satisfies;
use mimi_mls::label::verify_with_label;
use mimi_policy::ClientIdentity;
use mimi_provider::consent::{Consent, ContactDefault, Disclosure};
use mimi_provider::hub::key_material::{Route, key_material as route};
use mimi_provider::key_material::{
    Asker, ClientStock, KEY_PACKAGE_ENDING_MS, KEY_PACKAGE_VALID_MS_MIN, KeyMaterialInput, consent,
    is_signed_in, key_material, well_addressed,
};
use mimi_provider::record::StoredKeyPackage;
use mimi_provider::requester::Requester;
use mimi_provider::{Change, Reject, reply};
use mimi_wire::mls::{Capabilities, RequiredCapabilities};
use mimi_wire::protocol::key_material::{KEY_MATERIAL_REQUEST_LABEL, KeyMaterialRequest};
use mimi_wire::{MimiUri, Wire as _};
use tombolo_store::Store as _;
use tombolo_testkit::simulation::ledger::Rule;

use super::{Done, Fact, Node, Obstacle, Op, Out, Said, Write, malformed};
use crate::pure::disk::now;

/// Of a client's KeyPackages so many are looked at.
const PACKAGES_MAX: usize = 8;

impl Node {
    pub(crate) fn key_material(
        &mut self,
        requester: &Requester,
        body: &bytes::Bytes,
    ) -> Result<Done, Obstacle> {
        let request = KeyMaterialRequest::decode(body).map_err(malformed)?;
        let (own, target) = (self.domain().clone(), &request.tbs.target_user);
        let is_local = matches!(requester, Requester::Local(_));
        if is_local && !requester.speaks_for(&request.tbs.requesting_user) {
            return Err(Reject::PeerMisbehaved("requestingUser is another user".to_owned()).into());
        }
        let forward = |to| {
            let op = Op::KeyMaterial(body.clone());
            Ok(Done::Forward { to, op })
        };
        match &request.tbs.room_id {
            Some(room) if room.domain() == own => {
                let routed = self
                    .hub(room)
                    .and_then(|hub| route(&hub.state, &own, requester, hub.group.view(), &request));
                match routed {
                    Ok(checked) if self.asks_unduly(requester, room, &request) => {
                        let what = format!("{room}: {checked:?} for who may not add anybody");
                        self.out.push(Out::Fact(Fact::Broken { rule: Rule::Read, what }));
                        Err(Reject::NotAllowed("unduly".to_owned()).into())
                    }
                    Ok(Route::Here(checked)) => self.at_target(&Asker::OurRoom(checked), &request),
                    Ok(Route::Forward(domain)) => forward(domain),
                    Err(reject) => {
                        let said = reply::key_material(target, &reject).map(Said::KeyMaterial);
                        said.map(Done::Said).ok_or(Obstacle::Reject(reject))
                    }
                }
            }
            // A peer asks for a room of ours or for a user of ours.
            Some(room) if matches!(requester, Requester::Local(_)) => forward(room.domain()),
            None if target.domain() != own => forward(target.domain()),
            _ => {
                let asker = match requester.clone() {
                    Requester::Peer(domain) => Asker::Peer(domain),
                    Requester::Local(device) => Asker::Local(device),
                };
                self.at_target(&asker, &request)
            }
        }
    }

    fn at_target(&mut self, asker: &Asker, request: &KeyMaterialRequest) -> Result<Done, Obstacle> {
        match self.try_at_target(asker, request) {
            Err(Obstacle::Reject(reject)) => {
                let target = &request.tbs.target_user;
                let said = reply::key_material(target, &reject).map(Said::KeyMaterial);
                said.map(Done::Said).ok_or(Obstacle::Reject(reject))
            }
            other => other,
        }
    }

    fn try_at_target(
        &mut self,
        asker: &Asker,
        request: &KeyMaterialRequest,
    ) -> Result<Done, Obstacle> {
        well_addressed(self.domain(), asker, request)?;
        let identity = self.proven(request)?;
        let (target, requester) = (&request.tbs.target_user, &request.tbs.requesting_user);
        let store = &self.disk.store;
        if requester.domain() == *self.domain() {
            let devices = now(store.devices(requester));
            is_signed_in(&devices, &identity.client, &request.tbs.requester_signature_key)?;
        }
        let consents = now(store.consents(target, requester));
        let consent = consent(request, &consents, ContactDefault::Ask);
        let clients = match consent {
            Consent::Granted => self.clients_of(request),
            _ => None,
        };
        let transition = key_material(&KeyMaterialInput {
            own: self.domain(),
            asker,
            request,
            identity: &identity,
            consent,
            disclosure: Disclosure::Masked,
            clients: clients.as_deref(),
            satisfies: &|package| covers(package, &request.tbs.required_capabilities),
            last_seq: now(store.last_seq(target)),
            now_ms: self.now_ms,
        })?;
        let mut write = Write::of(transition, Said::KeyMaterial);
        write.facts = write
            .changes
            .iter()
            .filter_map(|change| match change {
                Change::ReleaseKeyPackage(reference) => Some(Fact::KeyPackage(reference.clone())),
                _ => None,
            })
            .collect();
        if !write.facts.is_empty() {
            let (target, to) = (target.clone(), requester.clone());
            write.facts.push(Fact::KeysGiven { target, to });
            let hub = request.tbs.room_id.as_ref().map(MimiUri::domain);
            let is_asked_by = |domain: &mimi_wire::Domain| match &hub {
                Some(hub) => domain == hub,
                None => *domain == requester.domain(),
            };
            let duly = match asker {
                Asker::Peer(peer) => is_asked_by(peer),
                Asker::Local(device) => device.client == identity.client,
                Asker::OurRoom(_) => true,
            };
            if !duly || identity.user != *requester {
                let what = format!("KeyPackages of {} by {asker:?}", request.tbs.target_user);
                write.facts.push(Fact::Broken { rule: Rule::Read, what });
            }
        }
        Ok(Done::Write(Box::new(write)))
    }

    fn proven(&self, request: &KeyMaterialRequest) -> Result<ClientIdentity, Reject> {
        let misbehaved = |reason: String| Reject::PeerMisbehaved(reason);
        let tbs = &request.tbs;
        let key = &tbs.requester_signature_key;
        let (label, signed) = (KEY_MATERIAL_REQUEST_LABEL, tbs.encode());
        let is_signed = tbs.acceptable_ciphersuites.iter().any(|suite| {
            verify_with_label(*suite, key, label, &signed, &request.signature).is_ok()
        });
        if !is_signed {
            return Err(misbehaved("the signature is not the requester's".to_owned()));
        }
        let named = claimed(&tbs.requester_credential);
        if named.map_err(|error| misbehaved(error.to_string()))?.user != tbs.requesting_user {
            return Err(misbehaved("the credential is not the requesting user's".to_owned()));
        }
        identify(&tbs.requester_credential, key, &self.issuers, self.now_ms)
            .map_err(|error| misbehaved(error.to_string()))
    }

    fn clients_of(&self, request: &KeyMaterialRequest) -> Option<Vec<ClientStock>> {
        let (store, target) = (&self.disk.store, &request.tbs.target_user);
        now(store.account(target))?;
        let devices = now(store.devices(target)).into_iter();
        Some(devices.map(|device| self.stock_of(request, device.client)).collect())
    }

    fn stock_of(&self, request: &KeyMaterialRequest, client: MimiUri) -> ClientStock {
        let (store, now_ms) = (&self.disk.store, self.now_ms);
        let stock = now(store.key_package_stock(&client, now_ms + KEY_PACKAGE_VALID_MS_MIN));
        let mut packages = Vec::new();
        for suite in &stock {
            if request.tbs.acceptable_ciphersuites.contains(&suite.ciphersuite) {
                let (suite, until) = (suite.ciphersuite, now_ms + KEY_PACKAGE_ENDING_MS);
                packages.extend(now(store.key_packages(&client, suite, until, PACKAGES_MAX)));
            }
        }
        ClientStock { client, packages, stock }
    }
}

fn covers(package: &StoredKeyPackage, required: &RequiredCapabilities) -> bool {
    Capabilities::decode(&package.capabilities)
        .is_ok_and(|capabilities| satisfies(&capabilities, required))
}
