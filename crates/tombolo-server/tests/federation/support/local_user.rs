//! A user of a provider under test, signed up straight in its store.

use bytes::Bytes;
use http::Method;
use mimi_provider::Change;
use mimi_provider::record::{Account, DeviceRecord};
use mimi_wire::protocol::Extensions;
use mimi_wire::protocol::consent::{ConsentEntry, ConsentOperation};
use mimi_wire::{MimiUri, UriKind, Wire};
use sha2::{Digest, Sha256};
use tombolo_server::running::Running;
use tombolo_store::memory::MemoryStore;
use tombolo_store::{Commit, Store};

use super::{Federation, Reply, domain};

/// A user with one device and its token.
pub(crate) struct LocalUser {
    pub(crate) user: MimiUri,
    token: String,
}

impl LocalUser {
    pub(crate) async fn sign_up(store: &MemoryStore, provider: &str, name: &str) -> Self {
        let user = MimiUri::build(&domain(provider), UriKind::User, &[name]).unwrap();
        let client = MimiUri::build(&domain(provider), UriKind::Client, &[name, "phone"]).unwrap();
        let token = format!("token of {name}").replace(' ', "-");
        let account =
            Account { user: user.clone(), password_hash: None, claims: Vec::new(), created_ms: 1 };
        let device = DeviceRecord {
            client,
            user: user.clone(),
            name: "phone".to_owned(),
            token_sha256: Sha256::digest(token.as_bytes()).into(),
            signature_key: vec![1; 32],
            created_ms: 1,
            last_seen_ms: 0,
        };
        let changes = vec![Change::CreateAccount(account), Change::PutDevice(device)];
        store.commit(Commit { expect: Vec::new(), changes }).await.unwrap();
        Self { user, token }
    }

    /// Asks, through its provider, to reach another user.
    pub(crate) async fn request_consent(
        &self,
        federation: &Federation,
        running: &Running,
        target: &str,
    ) -> Reply {
        let entry = ConsentEntry {
            operation: ConsentOperation::Request,
            requester_uri: self.user.clone(),
            target_uri: MimiUri::new(target).unwrap(),
            room_id: None,
            consent_extensions: Extensions::default(),
        };
        self.send(federation, running, Method::POST, "/consent", &[], entry.encode()).await
    }

    /// Asks its provider for something.
    pub(crate) async fn send(
        &self,
        federation: &Federation,
        running: &Running,
        method: Method,
        path: &str,
        more_headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Reply {
        let caller = federation.anonymous();
        let host = self.user.domain();
        let address = running.addresses().client;
        let mut connection = caller.connect(address, host.as_str()).await.unwrap();
        let bearer = format!("Bearer {}", self.token);
        let mut headers = vec![("host", host.as_str()), ("authorization", bearer.as_str())];
        headers.extend(more_headers);
        let path = format!("/client/v1{path}");
        connection.send(method, &path, &headers, body).await.unwrap()
    }
}
