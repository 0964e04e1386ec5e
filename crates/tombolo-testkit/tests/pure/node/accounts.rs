//! People, their devices, their contacts, and the events they are sent.

use mimi_mls::key_package::inspect;
use mimi_provider::account::{
    KeyPackageUsage, NewDeviceInput, OfferedKeyPackage, SignOut, new_account, new_device, sign_out,
    upload_key_packages,
};
use mimi_provider::consent::arrival::{
    ArrivalInput, PeerEntryInput, answer_stream, request_consent, take_in, update_consent, user_of,
};
use mimi_provider::consent::{
    ContactDefault, LocalConsentInput, local_consent, other_user, stream_of_local,
};
use mimi_provider::era::{ResumeInput, resume};
use mimi_provider::record::{DeviceRecord, EraId};
use mimi_provider::requester::DeviceIdentity;
use mimi_provider::{Change, Reject, Transition};
use mimi_wire::mls::KeyPackage;
use mimi_wire::protocol::consent::{ConsentEntry, ConsentOperation};
use mimi_wire::protocol::key_material::KeyPackageList;
use mimi_wire::{Domain, MimiUri, Wire as _};
use rand::RngCore as _;
use sha2::{Digest as _, Sha256};
use tombolo_client::secret::SecretText;
use tombolo_client::session::request::Response;
use tombolo_client::session::stream_event::LogPosition;
use tombolo_client::shown::DeviceEntry;
use tombolo_store::{Commit, Store as _};

use super::{Done, Feed, Node, Obstacle, Op, Said, Write, malformed};
use crate::pure::disk::now;

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn era(text: &str) -> Option<EraId> {
    let digit = |at: usize| u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok();
    let octets: Option<Vec<u8>> = (0..16).map(digit).collect();
    octets?.try_into().ok().map(EraId)
}

impl Node {
    /// An operator makes an account; it is there at once.
    pub(crate) fn add_account(&mut self, name: &str) {
        let made = new_account(self.domain(), name, None, Vec::new(), self.now_ms);
        let Transition { changes, expect, .. } = made.expect("a fresh name");
        self.written(Commit { expect, changes });
    }

    pub(crate) fn register(
        &mut self,
        user: &str,
        name: &str,
        signature_key: &[u8],
    ) -> Result<Done, Obstacle> {
        let user = mimi_provider::account::user_uri(self.domain(), user)?;
        let account = now(self.disk.store.account(&user));
        let account = account.ok_or_else(|| Reject::NotAllowed("unauthorized".to_owned()))?;
        let devices = now(self.disk.store.devices(&user));
        let mut token = [0; 16];
        self.rng.fill_bytes(&mut token);
        let token = hex(&token);
        let transition = new_device(&NewDeviceInput {
            account: &account,
            devices: &devices,
            name,
            token_sha256: Sha256::digest(token.as_bytes()).into(),
            signature_key,
            limits: &self.limits,
            now_ms: self.now_ms,
        })?;
        let issuer = &self.keys.issuer;
        let write = Write::of(transition, |device: DeviceIdentity| {
            let certificate_chain = issuer.issue(signature_key, &device.client, &device.user);
            let DeviceIdentity { user, client } = device;
            let token = SecretText::new(token);
            Said::Client(Response::Registered { user, client, token, certificate_chain })
        });
        Ok(Done::Write(Box::new(write)))
    }

    pub(crate) fn issuers_of(&self, domain: &Domain) -> Result<Done, Obstacle> {
        let pem = self.pems.get(domain).cloned();
        let pem = pem.ok_or_else(|| Reject::Unknown(domain.to_string()))?;
        let (domain, issuers) = (domain.clone(), vec![pem]);
        Ok(Done::Said(Said::Client(Response::Issuers { domain, issuers })))
    }

    pub(crate) fn provider_info(&self) -> Done {
        Done::Said(Said::Client(Response::Provider {
            domain: self.domain().clone(),
            hub_sender: Box::new(self.keys.hub.external_sender()),
            franking_agent: None,
            presets: vec!["cooperative".to_owned()],
        }))
    }

    pub(crate) fn stock(&self, client: &MimiUri) -> Said {
        let stock = now(self.disk.store.key_package_stock(client, self.now_ms));
        Said::Client(Response::Stock(stock.iter().map(|suite| suite.count).sum()))
    }

    fn inspected(&self, packages: &[KeyPackage]) -> Result<Vec<OfferedKeyPackage>, Obstacle> {
        let offered = packages.iter().map(|package| {
            let facts = inspect(package, &self.issuers, self.now_ms).map_err(malformed)?;
            Ok(OfferedKeyPackage {
                reference: facts.reference,
                identity: DeviceIdentity {
                    user: facts.identity.user,
                    client: facts.identity.client,
                },
                octets: package.octets().to_vec(),
                ciphersuite: facts.ciphersuite,
                capabilities: facts.capabilities.encode(),
                not_after_ms: facts.not_after_s.saturating_mul(1_000),
                usage: match facts.last_resort {
                    true => KeyPackageUsage::LastResort,
                    false => KeyPackageUsage::Once,
                },
            })
        });
        offered.collect()
    }

    pub(crate) fn upload(&mut self, device: &DeviceRecord, body: &[u8]) -> Result<Done, Obstacle> {
        let KeyPackageList(packages) = KeyPackageList::decode(body).map_err(malformed)?;
        let offered = self.inspected(&packages)?;
        let now_ms = self.now_ms;
        let stock = now(self.disk.store.key_package_stock(&device.client, now_ms));
        let stock: u64 = stock.iter().map(|suite| suite.count).sum();
        let more = u64::try_from(offered.len()).unwrap_or(u64::MAX);
        let transition = upload_key_packages(device, offered, stock, &self.limits, now_ms)?;
        let write = Write::of(transition, |_| Said::Client(Response::Stock(stock + more)));
        Ok(Done::Write(Box::new(write)))
    }

    pub(crate) fn contacts(&self) -> Done {
        Done::Said(Said::Client(Response::Contacts(Box::default())))
    }

    pub(crate) fn consent(
        &mut self,
        actor: &DeviceIdentity,
        body: &[u8],
    ) -> Result<Done, Obstacle> {
        let entry = ConsentEntry::decode(body).map_err(malformed)?;
        let packages = match &entry.operation {
            ConsentOperation::Grant { client_key_packages } => {
                self.inspected(client_key_packages)?
            }
            _ => Vec::new(),
        };
        let store = &self.disk.store;
        let (user, other) = (&actor.user, other_user(&actor.user, &entry));
        let asked = now(store.consent_asked(user));
        let open_requests = now(store.consent_requests(user));
        let consents = now(store.consents(user, other));
        let back = now(store.consents(other, user));
        let stream = stream_of_local(self.domain(), &entry);
        let others: Vec<MimiUri> = match packages.is_empty() {
            true => Vec::new(),
            false => now(store.devices(other)).into_iter().map(|device| device.client).collect(),
        };
        let transition = local_consent(&LocalConsentInput {
            own: self.domain(),
            actor,
            entry: &entry,
            key_packages: &packages,
            asked: &asked,
            open_requests: &open_requests,
            consents: &consents,
            back: &back,
            counts: now(store.consent_counts(user)),
            other_clients: &others,
            last_seq: now(store.last_seq(&stream)),
            now_ms: self.now_ms,
        })?;
        let write = Write::of(transition, |()| Said::Created);
        Ok(Done::Write(Box::new(write)))
    }

    pub(crate) fn peer_consent(
        &mut self,
        from: &Domain,
        body: &[u8],
        is_request: bool,
    ) -> Result<Done, Obstacle> {
        let entry = ConsentEntry::decode(body).map_err(malformed)?;
        let own = self.domain();
        let input = PeerEntryInput { own, from, entry: &entry, now_ms: self.now_ms };
        let transition =
            if is_request { request_consent(&input)? } else { update_consent(&input)? };
        Ok(Done::Write(Box::new(Write::of(transition, |()| Said::Created))))
    }

    /// Looks at the oldest arrival, and at the next one behind it.
    pub(crate) fn take_in(&mut self) -> Result<Done, Obstacle> {
        let store = &self.disk.store;
        let Some(first) = now(store.arrivals(1)).into_iter().next() else {
            return Ok(Done::Said(Said::Created));
        };
        let mut transition = match ConsentEntry::decode(&first.arrival.payload) {
            Ok(entry) => {
                let user = user_of(&entry);
                let (requester, target) = (&entry.requester_uri, &entry.target_uri);
                let devices = now(store.devices(user));
                let clients: Vec<_> = devices.into_iter().map(|device| device.client).collect();
                take_in(&ArrivalInput {
                    own: self.domain(),
                    entry: &entry,
                    default: ContactDefault::Ask,
                    user_exists: now(store.account(user)).is_some(),
                    clients: &clients,
                    open_requests: &now(store.consent_requests(target)),
                    asked: &now(store.consent_asked(requester)),
                    consents: &now(store.consents(target, requester)),
                    back: &now(store.consents(requester, target)),
                    about: now(store.consent_counts(user)).about,
                    user_seq: now(store.last_seq(user)),
                    answer_seq: now(store.last_seq(&answer_stream(self.domain(), &entry))),
                    now_ms: self.now_ms,
                })
            }
            Err(_) => Transition::unchanged(()),
        };
        transition.changes.push(Change::RemoveArrival(first.id));
        let mut write = Write::of(transition, |()| Said::Created);
        write.then.push(Op::TakeIn);
        Ok(Done::Write(Box::new(write)))
    }

    pub(crate) fn devices(&self, asking: &DeviceRecord) -> Done {
        let devices = now(self.disk.store.devices(&asking.user)).into_iter();
        let entry = |device: DeviceRecord| DeviceEntry {
            current: device.client == asking.client,
            client: device.client,
            name: device.name,
            created_ms: device.created_ms,
            last_seen_ms: device.last_seen_ms,
        };
        Done::Said(Said::Client(Response::Devices(devices.map(entry).collect())))
    }

    pub(crate) fn sign_out(
        &mut self,
        asking: &DeviceRecord,
        client: &MimiUri,
    ) -> Result<Done, Obstacle> {
        let devices = now(self.disk.store.devices(&asking.user));
        let decided = sign_out(asking, &devices, &SignOut::One(client.clone()))?;
        let write = Write::of(decided, |_| Said::Client(Response::Done));
        Ok(Done::Write(Box::new(write)))
    }

    pub(crate) fn stream_asks(&mut self, token: Option<&str>, op: &Op) -> Result<Done, Obstacle> {
        let device = self.signed_in(token)?;
        match op {
            Op::OpenStream { after, era } => self.open(&device, *after, era.as_deref()),
            Op::Acknowledge(event_id) => {
                let change =
                    Change::Acknowledge { client: device.client.clone(), event_id: *event_id };
                let changes = vec![change];
                let transition = Transition { changes, ..Transition::unchanged(()) };
                Ok(Done::Write(Box::new(Write::of(transition, |()| Said::Created))))
            }
            _ => Err(Reject::Unknown("no endpoint of ours".to_owned()).into()),
        }
    }

    fn open(
        &mut self,
        device: &DeviceRecord,
        after: u64,
        named: Option<&str>,
    ) -> Result<Done, Obstacle> {
        let store = &self.disk.store;
        let history = now(store.history());
        if named.is_none() && after > history.last_id {
            return Err(Reject::Conflict("the log ends before".to_owned()).into());
        }
        let acknowledged = now(store.client_cursor(&device.client));
        let era = named.and_then(era);
        let client = &device.client;
        let input = ResumeInput { client, history: &history, era, after, acknowledged, stock: &[] };
        let mut transition = resume(&input);
        if transition.reply.put_back.is_some() {
            let mut stock = Vec::new();
            for suite in now(store.key_package_stock(client, self.now_ms)) {
                let (suite, now_ms) = (suite.ciphersuite, self.now_ms);
                stock.extend(now(store.key_packages(client, suite, now_ms, usize::MAX)));
            }
            transition = resume(&ResumeInput { stock: &stock, ..input });
        }
        let era = history.eras.last().map(|era| hex(&era.id.0)).unwrap_or_default();
        let write = Write::of(transition, |resumed| {
            Said::Position(LogPosition { era, after: resumed.after, acknowledged })
        });
        Ok(Done::Write(Box::new(write)))
    }

    /// The stream of a device begins.
    pub(crate) fn begin_feed(&mut self, device: usize, conn: u64, token: &str, cursor: u64) {
        let token_sha256 = Sha256::digest(token.as_bytes()).into();
        let Some(record) = now(self.disk.store.device_by_token(token_sha256)) else { return };
        self.feeds.insert(device, Feed { conn, cursor, client: record.client, token_sha256 });
    }
}
