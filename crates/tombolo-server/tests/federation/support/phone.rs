//! A device of a provider under test, with real MLS state, that speaks the client API.
//!
//! It signs up straight in its provider's store and reads its events from there: what is under test
//! is between the providers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use mimi_mls::device::Device;
use mimi_mls::identity::Issuers;
use mimi_mls::label::HpkeKeyPair;
use mimi_mls::member::{CommitPlan, Founding, MemberGroup, Received, founding_requirements};
use mimi_policy::preset::{Preset, hub_preauth};
use mimi_policy::{ClientIdentity, JoinCodes, Judge, LeafIndex};
use mimi_provider::Change;
use mimi_provider::record::{Account, DeviceRecord};
use mimi_wire::mls::KeyPackage;
use mimi_wire::protocol::Extensions;
use mimi_wire::protocol::consent::{ConsentEntry, ConsentOperation};
use mimi_wire::protocol::found_room::{FoundingWelcome, RoomFounding};
use mimi_wire::protocol::group_info::{
    GROUP_INFO_ENCRYPTION_LABEL, GROUP_INFO_REQUEST_LABEL, GroupInfoOutcome,
    GroupInfoRatchetTreeTbe, GroupInfoRequest, GroupInfoRequestTbs, GroupInfoResponse, JoiningCode,
};
use mimi_wire::protocol::key_material::{
    ClientMaterial, KEY_MATERIAL_REQUEST_LABEL, KeyMaterialRequest, KeyMaterialRequestTbs,
    KeyMaterialResponse, KeyPackageList,
};
use mimi_wire::protocol::notify::{FanoutKind, FanoutMessage};
use mimi_wire::protocol::submit_message::{SubmitMessageRequest, SubmitMessageResponse};
use mimi_wire::protocol::update::{CommitBundle, UpdateOutcome, UpdateRequest, UpdateResponse};
use mimi_wire::room::claim_name::NamedClaim;
use mimi_wire::room::metadata::RoomMetadata;
use mimi_wire::room::participant_list::{ParticipantListUpdate, RoleIndex, UserRolePair};
use mimi_wire::room::preauth::PreAuthData;
use mimi_wire::room::roles::RoleData;
use mimi_wire::{MimiUri, UriKind, Wire};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rand::SeedableRng;
use rand::rngs::StdRng;
use sha2::{Digest, Sha256};
use tombolo_server::issuer::ClientIssuer;
use tombolo_server::running::Running;
use tombolo_store::{Commit, Store};

use super::{Caller, Connection, Federation, Reply, SharedStore, domain, eventually, now_ms};

const SUITE: u16 = mimi_mls::CIPHERSUITE;
const DAY_S: u64 = 24 * 60 * 60;

pub(crate) struct Phone {
    pub(crate) user: MimiUri,
    pub(crate) client: MimiUri,
    pub(crate) device: Device,
    pub(crate) groups: BTreeMap<MimiUri, MemberGroup>,
    /// Messages read so far: who and what.
    pub(crate) read: Vec<(String, String)>,
    store: Arc<dyn Store>,
    directory: PathBuf,
    caller: Caller,
    address: SocketAddr,
    token: String,
    cursor: u64,
    rng: StdRng,
}

impl Phone {
    pub(crate) async fn sign_up(
        federation: &Federation,
        running: &Running,
        store: &impl SharedStore,
        name: &str,
    ) -> Self {
        Self::sign_up_claiming(federation, running, store, name, &[]).await
    }

    /// Signs up with claims in the certificate, e.g. `O=Tea Society`.
    pub(crate) async fn sign_up_claiming(
        federation: &Federation,
        running: &Running,
        store: &impl SharedStore,
        name: &str,
        claims: &[&str],
    ) -> Self {
        let claims: Vec<NamedClaim> = claims.iter().map(|claim| claim.parse().unwrap()).collect();
        let store = store.shared();
        let (provider, name) = name.split_once('/').unwrap();
        let (user_name, device_name) = name.split_once('/').unwrap();
        let provider = domain(provider);
        let user = MimiUri::build(&provider, UriKind::User, &[user_name]).unwrap();
        let client = MimiUri::build(&provider, UriKind::Client, &[user_name, device_name]).unwrap();
        let data_dir = federation.directory.path().join(provider.as_str());
        let issuer = ClientIssuer::open_or_create(&data_dir, &provider, now_ms()).unwrap();
        let mut rng = StdRng::from_os_rng();
        let mut device = Device::generate(&mut rng);
        let chain = issuer.issue(&user, &client, &claims, device.signature_key(), now_ms());
        let chain = chain.unwrap();
        let identity =
            ClientIdentity { user: user.clone(), client: client.clone(), claims: Vec::new() };
        device.certify(&chain, identity).unwrap();
        let token = format!("{user_name}-{device_name}");
        let mut changes = Vec::new();
        if store.account(&user).await.unwrap().is_none() {
            let account = Account {
                user: user.clone(),
                password_hash: None,
                claims: Vec::new(),
                created_ms: 1,
            };
            changes.push(Change::CreateAccount(account));
        }
        changes.push(Change::PutDevice(DeviceRecord {
            client: client.clone(),
            user: user.clone(),
            name: device_name.to_owned(),
            token_sha256: Sha256::digest(token.as_bytes()).into(),
            signature_key: device.signature_key().to_vec(),
            created_ms: 1,
            last_seen_ms: 0,
        }));
        store.commit(Commit { expect: Vec::new(), changes }).await.unwrap();
        let mut phone = Self {
            user,
            client,
            device,
            groups: BTreeMap::new(),
            read: Vec::new(),
            store,
            directory: federation.directory.path().to_owned(),
            caller: federation.anonymous(),
            address: running.addresses().client,
            token,
            cursor: 0,
            rng,
        };
        phone.stock(10).await;
        phone
    }

    /// Its provider has been started again.
    pub(crate) fn reconnect(&mut self, running: &Running) {
        self.address = running.addresses().client;
    }

    /// Its provider is on another store now.
    pub(crate) fn move_to(&mut self, store: &impl SharedStore) {
        self.store = store.shared();
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: Vec<u8>) -> Reply {
        let host = self.user.domain();
        let mut connection = self.caller.connect(self.address, host.as_str()).await.unwrap();
        let bearer = format!("Bearer {}", self.token);
        let headers = [("host", host.as_str()), ("authorization", &bearer)];
        let path = format!("/client/v1{path}");
        connection.send(method, &path, &headers, Bytes::from(body)).await.unwrap()
    }

    /// A connection to its provider, and what it says there about itself.
    pub(crate) async fn connect(&self) -> (Connection, [(&'static str, String); 2]) {
        let host = self.user.domain();
        let connection = self.caller.connect(self.address, host.as_str()).await.unwrap();
        let headers = [
            ("host", host.as_str().to_owned()),
            ("authorization", format!("Bearer {}", self.token)),
        ];
        (connection, headers)
    }

    async fn post<T: Wire>(&self, path: &str, body: Vec<u8>) -> T {
        let reply = self.call(Method::POST, path, body).await;
        assert_eq!(reply.status.as_u16(), 200, "{path}: {:?}", reply.body);
        T::decode(&reply.body).unwrap()
    }

    /// Signs a device of the same user out.
    pub(crate) async fn sign_out(&self, client: &MimiUri) {
        let path = format!("/devices/{}", encoded(client));
        let reply = self.call(Method::DELETE, &path, Vec::new()).await;
        assert_eq!(reply.status.as_u16(), 204, "{:?}", reply.body);
    }

    /// Uploads KeyPackages.
    pub(crate) async fn stock(&mut self, count: usize) {
        let packages = self.device.key_packages(count, 30 * DAY_S, now_ms(), &mut self.rng);
        let body = KeyPackageList(packages.unwrap()).encode();
        let reply = self.call(Method::POST, "/key-packages", body).await;
        assert_eq!(reply.status.as_u16(), 200, "{:?}", reply.body);
    }

    /// The issuers of every provider that has been started.
    pub(crate) fn issuers(&self) -> Issuers {
        let mut issuers = Issuers::default();
        for name in ["a.example", "b.example", "c.example"] {
            if let Ok(pem) =
                std::fs::read_to_string(self.directory.join(name).join("client-issuer.pem"))
            {
                issuers.trust(domain(name), &[pem]).unwrap();
            }
        }
        issuers
    }

    /// Lets another user fetch its KeyPackages, and waits until nothing is on its way.
    pub(crate) async fn grant(&self, requester: &MimiUri) {
        let entry = ConsentEntry {
            operation: ConsentOperation::Grant { client_key_packages: Vec::new() },
            requester_uri: requester.clone(),
            target_uri: self.user.clone(),
            room_id: None,
            consent_extensions: Extensions::default(),
        };
        let reply = self.call(Method::POST, "/consent", entry.encode()).await;
        assert_eq!(reply.status.as_u16(), 201, "{:?}", reply.body);
    }

    /// Founds a room at its own provider.
    pub(crate) async fn found(&mut self, name: &str) -> MimiUri {
        let founding = self.founding(name, Preset::Cooperative).await;
        let (reply, room) = self.found_with(founding, Vec::new()).await;
        assert_eq!(reply.status.as_u16(), 201, "{:?}", reply.body);
        room
    }

    /// Founds a room with any roles and preauthorizations.
    pub(crate) async fn found_by(
        &mut self,
        name: &str,
        roles: RoleData,
        creator_role: RoleIndex,
        preauth: PreAuthData,
    ) -> MimiUri {
        let usual = self.founding(name, Preset::Cooperative).await;
        let founding = Founding { roles, creator_role, preauth, ..usual };
        let (reply, room) = self.found_with(founding, Vec::new()).await;
        assert_eq!(reply.status.as_u16(), 201, "{:?}", reply.body);
        room
    }

    /// Founds a room that depends on another one.
    pub(crate) async fn found_inside(&mut self, name: &str, parent: &MimiUri) -> (Reply, MimiUri) {
        let mut founding = self.founding(name, Preset::Cooperative).await;
        founding.base_policy.parent_dependant = true;
        founding.base_policy.parent_room = Some(parent.as_str().to_owned());
        self.found_with(founding, Vec::new()).await
    }

    /// Opens a direct room with a user, as a device that knows of none.
    pub(crate) async fn open_direct(&mut self, name: &str, user: &MimiUri) -> (Reply, MimiUri) {
        let preset = Preset::Direct;
        let mut founding = self.founding(name, preset).await;
        founding.others =
            vec![UserRolePair { user: user.clone(), role_index: preset.ordinary_role() }];
        let body = self.key_material_outside(user).encode();
        let material: KeyMaterialResponse =
            self.post(&format!("/key-material/{}", encoded(user)), body).await;
        let packages = material.clients.into_iter().filter_map(|client| match client.material {
            ClientMaterial::KeyPackage(package) => Some((client.client_uri, package)),
            _ => None,
        });
        self.found_with(founding, packages.collect()).await
    }

    /// Hands a new room to its own provider; without a 201 the device does not keep it.
    pub(crate) async fn found_with(
        &mut self,
        founding: Founding,
        first: Vec<(MimiUri, KeyPackage)>,
    ) -> (Reply, MimiUri) {
        let room = founding.metadata.room_uri.clone();
        let issuers = self.issuers();
        let welcomed = first.iter().map(|(client, package)| {
            let facts = mimi_mls::key_package::inspect(package, &issuers, now_ms()).unwrap();
            (client.clone(), facts.reference)
        });
        let welcomed = welcomed.collect();
        let packages = first.into_iter().map(|(_, package)| package).collect();
        let created =
            MemberGroup::create_with(&self.device, &founding, packages, &mut self.rng, now_ms());
        let (group, group_info, ratchet_tree, welcome) = created.unwrap();
        let welcome = welcome.map(|welcome| FoundingWelcome { welcome, welcomed });
        let body = RoomFounding { group_info, ratchet_tree, welcome }.encode();
        let reply = self.call(Method::PUT, &room_path(&room, ""), body).await;
        if reply.status.as_u16() == 201 {
            self.groups.insert(room.clone(), group);
        }
        (reply, room)
    }

    async fn founding(&self, name: &str, preset: Preset) -> Founding {
        let hub = self.user.domain();
        let room = MimiUri::build(&hub, UriKind::Room, &[name]).unwrap();
        let group = MimiUri::build(&hub, UriKind::Group, &[name]).unwrap();
        let reply = self.call(Method::GET, "/provider", Vec::new()).await;
        let provider: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        let sender = base64(provider["hub_sender"].as_str().unwrap());
        Founding {
            group_id: group.as_bytes().to_vec(),
            metadata: RoomMetadata {
                room_uri: room.clone(),
                room_name: name.to_owned(),
                room_descriptions: Vec::new(),
                room_avatar: String::new(),
                room_subject: String::new(),
                room_mood: String::new(),
            },
            roles: preset.roles(),
            creator_role: preset.creator_role(),
            others: Vec::new(),
            preauth: hub_preauth(&hub, preset),
            base_policy: preset.base_policy(),
            components: BTreeMap::new(),
            hub_sender: mimi_wire::mls::ExternalSender::decode(&sender).unwrap(),
        }
    }

    pub(crate) fn group(&mut self, room: &MimiUri) -> &mut MemberGroup {
        self.groups.get_mut(room).unwrap()
    }

    /// A signed request for a user's KeyPackages.
    pub(crate) fn key_material_request(
        &mut self,
        target: &MimiUri,
        room: &MimiUri,
    ) -> KeyMaterialRequest {
        let tbs = KeyMaterialRequestTbs {
            requesting_user: self.user.clone(),
            target_user: target.clone(),
            room_id: Some(room.clone()),
            acceptable_ciphersuites: vec![SUITE],
            required_capabilities: self.group(room).required_capabilities(),
            requester_signature_key: self.device.signature_key().to_vec(),
            requester_credential: self.device.credential().unwrap(),
        };
        let signature = self.device.sign_with_label(KEY_MATERIAL_REQUEST_LABEL, &tbs.encode());
        KeyMaterialRequest { tbs, signature }
    }

    /// A request for key material outside any room.
    pub(crate) fn key_material_outside(&self, target: &MimiUri) -> KeyMaterialRequest {
        self.key_material_for(target, None)
    }

    /// A request for key material, for a room that need not exist.
    pub(crate) fn key_material_for(
        &self,
        target: &MimiUri,
        room_id: Option<MimiUri>,
    ) -> KeyMaterialRequest {
        let tbs = KeyMaterialRequestTbs {
            requesting_user: self.user.clone(),
            target_user: target.clone(),
            room_id,
            acceptable_ciphersuites: vec![SUITE],
            required_capabilities: founding_requirements(&self.device).unwrap(),
            requester_signature_key: self.device.signature_key().to_vec(),
            requester_credential: self.device.credential().unwrap(),
        };
        let signature = self.device.sign_with_label(KEY_MATERIAL_REQUEST_LABEL, &tbs.encode());
        KeyMaterialRequest { tbs, signature }
    }

    /// Says something about consent to its provider.
    pub(crate) async fn says(
        &self,
        operation: ConsentOperation,
        requester: &MimiUri,
        target: &MimiUri,
    ) -> Reply {
        let entry = ConsentEntry {
            operation,
            requester_uri: requester.clone(),
            target_uri: target.clone(),
            room_id: None,
            consent_extensions: Extensions::default(),
        };
        self.call(Method::POST, "/consent", entry.encode()).await
    }

    pub(crate) async fn fetch(&mut self, target: &MimiUri, room: &MimiUri) -> KeyMaterialResponse {
        let request = self.key_material_request(target, room);
        self.post(&format!("/key-material/{}", encoded(target)), request.encode()).await
    }

    /// A plan that adds a user with all clients that have KeyPackages.
    pub(crate) async fn plan_to_add(&mut self, target: &MimiUri, room: &MimiUri) -> CommitPlan {
        let material = self.fetch(target, room).await;
        let add = material.clients.into_iter().filter_map(|client| match client.material {
            ClientMaterial::KeyPackage(package) => Some(package),
            _ => None,
        });
        let add: Vec<_> = add.collect();
        assert!(!add.is_empty(), "{target}: {:?}", material.user_status);
        let role_index = Preset::Cooperative.ordinary_role();
        let entry = UserRolePair { user: target.clone(), role_index };
        let participants =
            ParticipantListUpdate { added_participants: vec![entry], ..Default::default() };
        CommitPlan { add, participants: Some(participants), ..CommitPlan::default() }
    }

    /// A commit that stays pending here.
    pub(crate) fn build(&mut self, room: &MimiUri, plan: &CommitPlan) -> CommitBundle {
        let group = self.groups.get_mut(room).unwrap();
        group.commit(&self.device, plan, &mut self.rng, now_ms()).unwrap().0
    }

    pub(crate) async fn update(&self, room: &MimiUri, request: &UpdateRequest) -> UpdateResponse {
        self.post(&room_path(room, "/update"), request.encode()).await
    }

    /// Commits a plan, which the hub takes.
    pub(crate) async fn commit(&mut self, room: &MimiUri, plan: &CommitPlan) -> u64 {
        let bundle = self.build(room, plan);
        let response = self.update(room, &UpdateRequest::Commit(bundle)).await;
        let UpdateOutcome::Success { accepted_timestamp } = response.outcome else {
            panic!("{response:?}");
        };
        self.group(room).accept_pending().unwrap();
        accepted_timestamp
    }

    pub(crate) async fn add(&mut self, target: &MimiUri, room: &MimiUri) {
        let plan = self.plan_to_add(target, room).await;
        self.commit(room, &plan).await;
    }

    pub(crate) fn message(&mut self, room: &MimiUri, text: &str) -> SubmitMessageRequest {
        let group = self.groups.get_mut(room).unwrap();
        let app_message = group.encrypt(&self.device, text.as_bytes()).unwrap();
        SubmitMessageRequest { app_message, sending_uri: self.user.clone() }
    }

    pub(crate) async fn submit(
        &self,
        room: &MimiUri,
        request: &SubmitMessageRequest,
    ) -> SubmitMessageResponse {
        self.post(&room_path(room, "/submit-message"), request.encode()).await
    }

    pub(crate) async fn send(&mut self, room: &MimiUri, text: &str) {
        let request = self.message(room, text);
        let response = self.submit(room, &request).await;
        assert!(matches!(response, SubmitMessageResponse::Accepted { .. }), "{response:?}");
    }

    /// Asks the hub for what it takes to join by itself.
    pub(crate) async fn group_info(
        &mut self,
        room: &MimiUri,
    ) -> (GroupInfoResponse, Option<GroupInfoRatchetTreeTbe>) {
        self.group_info_by(room, None).await
    }

    /// Likewise, with a join code.
    pub(crate) async fn group_info_by(
        &mut self,
        room: &MimiUri,
        code: Option<&str>,
    ) -> (GroupInfoResponse, Option<GroupInfoRatchetTreeTbe>) {
        let (keys, request) = self.group_info_request(code);
        let body = request.encode();
        let response: GroupInfoResponse = self.post(&room_path(room, "/group-info"), body).await;
        let material = match &response.outcome {
            GroupInfoOutcome::Success(success) => {
                let opened = keys.decrypt_with_label(
                    SUITE,
                    GROUP_INFO_ENCRYPTION_LABEL,
                    room.as_bytes(),
                    &success.encrypted_group_info_and_tree,
                );
                Some(GroupInfoRatchetTreeTbe::decode(&opened.unwrap()).unwrap())
            }
            _ => None,
        };
        (response, material)
    }

    /// A signed request for a room's GroupInfo, and the key that it is to be encrypted to.
    pub(crate) fn group_info_request(&self, code: Option<&str>) -> (HpkeKeyPair, GroupInfoRequest) {
        let keys = HpkeKeyPair::derive(SUITE, &rand::random()).unwrap();
        let tbs = GroupInfoRequestTbs {
            cipher_suite: SUITE,
            requesting_signature_key: self.device.signature_key().to_vec(),
            requesting_credential: self.device.credential().unwrap(),
            group_info_public_key: keys.public.clone(),
            joining_code: code.map(|code| JoiningCode::new(code.as_bytes().to_vec())),
        };
        let signature = self.device.sign_with_label(GROUP_INFO_REQUEST_LABEL, &tbs.encode());
        (keys, GroupInfoRequest { tbs, signature })
    }

    /// Joins a room by itself.
    pub(crate) async fn join(&mut self, room: &MimiUri) {
        let material = self.group_info(room).await.1.expect("group info");
        let response = self.come_in(room, &material, None).await;
        assert!(matches!(response.outcome, UpdateOutcome::Success { .. }), "{response:?}");
    }

    /// Joins with what the hub has given, listed in a role if it was not listed before.
    pub(crate) async fn come_in(
        &mut self,
        room: &MimiUri,
        material: &GroupInfoRatchetTreeTbe,
        role: Option<RoleIndex>,
    ) -> UpdateResponse {
        let entry = role.map(|role_index| ParticipantListUpdate {
            added_participants: vec![UserRolePair { user: self.user.clone(), role_index }],
            ..Default::default()
        });
        let issuers = self.issuers();
        let joined = MemberGroup::join_by_external_commit(
            &self.device,
            material,
            entry,
            &issuers,
            &mut self.rng,
            now_ms(),
        );
        let (group, bundle) = joined.unwrap();
        let response = self.update(room, &UpdateRequest::Commit(bundle)).await;
        if matches!(response.outcome, UpdateOutcome::Success { .. }) {
            self.groups.insert(room.clone(), group);
        }
        response
    }

    /// The leaves of a user.
    pub(crate) fn leaves(&mut self, room: &MimiUri, user: &MimiUri) -> Vec<LeafIndex> {
        self.group(room).view().clients_of(user).map(|client| client.leaf).collect()
    }

    /// Reads everything new that its provider has for it.
    pub(crate) async fn catch_up(&mut self) {
        loop {
            let events = self.store.client_events(&self.client, self.cursor, 100).await.unwrap();
            let Some(last) = events.last() else { return };
            self.cursor = last.id;
            for logged in events {
                if let Ok(message) = FanoutMessage::decode(&logged.event.payload) {
                    self.take(&logged.event.stream, &message);
                }
            }
        }
    }

    fn take(&mut self, room: &MimiUri, message: &FanoutMessage) {
        let issuers = self.issuers();
        if matches!(message.kind, FanoutKind::Welcome { .. }) {
            if self.device.is_welcomed_by(&message.message) {
                let joined =
                    MemberGroup::join_by_event(&mut self.device, message, &issuers, now_ms());
                self.groups.insert(room.clone(), joined.unwrap());
            }
            return;
        }
        let Some(group) = self.groups.get_mut(room).filter(|group| group.is_active()) else {
            return;
        };
        match group.receive(message, &issuers, now_ms()).unwrap() {
            Received::Commit(staged) => {
                // Hub and clients judge alike (AMB-POL-19).
                let claims = group.claims_of_senders(&staged.change().proposals);
                let judge = Judge::of(group.view()).with_join_codes(JoinCodes::Unverifiable);
                judge.with_claims(&claims).decide(staged.change()).unwrap();
                group.merge(*staged).unwrap();
            }
            Received::Application { user, application_data, .. } => {
                let text = String::from_utf8(application_data).unwrap();
                self.read.push((user.segments()[0].clone(), text));
            }
            Received::Future { epoch } => panic!("{}: an event of epoch {epoch}", self.client),
            _ => {}
        }
    }

    /// Reads until its state of a room is in an epoch.
    pub(crate) async fn until_epoch(&mut self, room: &MimiUri, epoch: u64) {
        eventually(async || {
            self.catch_up().await;
            let group = self.groups.get(room)?;
            (group.view().epoch >= epoch).then_some(())
        })
        .await;
    }

    /// Reads until so many messages have come.
    pub(crate) async fn until_read(&mut self, count: usize) {
        eventually(async || {
            self.catch_up().await;
            (self.read.len() >= count).then_some(())
        })
        .await;
    }
}

fn base64(text: &str) -> Vec<u8> {
    use base64::Engine;
    base64::prelude::BASE64_STANDARD.decode(text).unwrap()
}

fn encoded(uri: &MimiUri) -> String {
    utf8_percent_encode(uri.as_str(), NON_ALPHANUMERIC).to_string()
}

fn room_path(room: &MimiUri, rest: &str) -> String {
    format!("/rooms/{}{rest}", encoded(room))
}
