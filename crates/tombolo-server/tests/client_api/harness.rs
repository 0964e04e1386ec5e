//! A provider made by `init` and run in this process, and devices that speak to it over TLS.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures_util::StreamExt;
use mimi_mls::device::Device;
use mimi_policy::ClientIdentity;
use mimi_wire::protocol::Extensions;
use mimi_wire::protocol::consent::{ConsentEntry, ConsentOperation};
use mimi_wire::protocol::key_material::KeyPackageList;
use mimi_wire::{MimiUri, Wire};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rand::SeedableRng;
use rand::rngs::StdRng;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use tempfile::TempDir;
use tombolo_server::account::Password;
use tombolo_server::admin_api::{AddUser, operate};
use tombolo_server::config::Config;
use tombolo_server::init::{InitOptions, init};
use tombolo_server::running::Running;

pub(crate) const DOMAIN: &str = "a.example";
pub(crate) const PASSWORD: &str = "correct horse";

/// A provider's files, and the provider while it runs.
pub(crate) struct Provider {
    home: TempDir,
    config_file: PathBuf,
    running: Option<Running>,
    http: Option<Http>,
}

/// How to reach a running provider.
#[derive(Clone)]
pub(crate) struct Http {
    client: reqwest::Client,
    base: String,
}

/// A registered device.
pub(crate) struct Phone {
    pub(crate) http: Http,
    pub(crate) user: MimiUri,
    pub(crate) client: MimiUri,
    pub(crate) token: String,
    pub(crate) mls: Device,
}

/// One event of a stream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Event {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) data: Value,
}

/// An open event stream.
pub(crate) struct Events {
    response: Response,
    buffer: String,
    /// Why it ended, once it has said so.
    pub(crate) ended: Option<String>,
}

impl Provider {
    /// A new provider that runs, with these users.
    pub(crate) async fn start(users: &[&str]) -> Self {
        let mut provider = Self::stopped();
        provider.run().await;
        for user in users {
            provider.add_user(user).await;
        }
        provider
    }

    /// A new provider that does not run yet.
    pub(crate) fn stopped() -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut options = InitOptions::new(DOMAIN.parse().unwrap(), home.path().to_owned());
        for address in
            [&mut options.listen.federation, &mut options.listen.client, &mut options.listen.admin]
        {
            address.set_port(0);
        }
        let config_file = init(&options).unwrap().config;
        // Tests ask the same user more often than a person does.
        let text = std::fs::read_to_string(&config_file).unwrap();
        let plenty = text
            .replace("# requests_per_pair = ", "requests_per_pair = \"1000 + 1/s\" # ")
            .replace("# requests_per_requester = ", "requests_per_requester = \"1000 + 1/s\" # ");
        assert_ne!(plenty, text);
        std::fs::write(&config_file, plenty).unwrap();
        Self { home, config_file, running: None, http: None }
    }

    pub(crate) async fn run(&mut self) {
        let running = Running::start(self.config()).await.unwrap();
        let root = std::fs::read(self.home.path().join("dev-ca/ca.pem")).unwrap();
        let address = running.addresses().client;
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls(&root))
            .no_proxy()
            .resolve(DOMAIN, address)
            .build()
            .unwrap();
        let base = format!("https://{DOMAIN}:{}", address.port());
        self.http = Some(Http { client, base });
        self.running = Some(running);
    }

    pub(crate) fn config(&self) -> Config {
        Config::load(&self.config_file).unwrap()
    }

    pub(crate) fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    pub(crate) fn http_is_up(&self) -> bool {
        self.running.is_some()
    }

    pub(crate) fn take_running(&mut self) -> Running {
        self.running.take().unwrap()
    }

    pub(crate) async fn stop(&mut self) {
        self.take_running().shutdown().await;
    }

    pub(crate) fn http(&self) -> Http {
        self.http.clone().unwrap()
    }

    pub(crate) async fn add_user(&self, name: &str) {
        let password = Some(Password::new(PASSWORD.to_owned()));
        operate::add_user(
            &self.config(),
            &AddUser { name: name.to_owned(), password, claims: Vec::new() },
        )
        .await
        .unwrap();
    }

    pub(crate) async fn phone(&self, user: &str, device: &str) -> Phone {
        Phone::register(self.http(), user, device).await
    }
}

fn tls(root: &[u8]) -> rustls::ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(root).unwrap()).unwrap();
    let crypto = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    rustls::ClientConfig::builder_with_provider(crypto)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

impl Http {
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}/client/v1{path}", self.base));
        request.timeout(Duration::from_secs(30))
    }

    pub(crate) async fn register(&self, user: &str, password: &str, device: &str) -> Response {
        let key = Device::generate(&mut StdRng::from_os_rng()).signature_key().to_vec();
        self.register_key(user, password, device, &key).await
    }

    pub(crate) async fn register_key(
        &self,
        user: &str,
        password: &str,
        device: &str,
        signature_key: &[u8],
    ) -> Response {
        let body = json!({
            "user": user,
            "password": password,
            "device": device,
            "signature_key": BASE64_STANDARD.encode(signature_key),
        });
        let request = self.request(Method::POST, "/register").body(body.to_string());
        request.send().await.unwrap()
    }
}

impl Phone {
    async fn register(http: Http, user: &str, device: &str) -> Self {
        let mut mls = Device::generate(&mut StdRng::from_os_rng());
        let answer = http.register_key(user, PASSWORD, device, mls.signature_key()).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let answer: Value = answer.json_value().await;
        let uri = |field: &str| answer[field].as_str().unwrap().parse::<MimiUri>().unwrap();
        let (user, client) = (uri("user"), uri("client"));
        let chain = answer["certificate_chain"].as_array().unwrap().iter();
        let chain: Vec<_> =
            chain.map(|der| BASE64_STANDARD.decode(der.as_str().unwrap()).unwrap()).collect();
        let identity =
            ClientIdentity { user: user.clone(), client: client.clone(), claims: Vec::new() };
        mls.certify(&chain, identity).unwrap();
        let token = answer["token"].as_str().unwrap().to_owned();
        Self { http, user, client, token, mls }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, path).bearer_auth(&self.token)
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let answer = self.request(Method::GET, path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.json_value().await
    }

    pub(crate) async fn post(&self, path: &str, body: Vec<u8>) -> Response {
        self.request(Method::POST, path).body(body).send().await.unwrap()
    }

    pub(crate) fn key_packages(&mut self, count: usize) -> Vec<u8> {
        let now_ms = tombolo_server::clock::Clock::system().now_ms();
        let mut rng = StdRng::from_os_rng();
        let made = self.mls.key_packages(count, 24 * 3600, now_ms, &mut rng).unwrap();
        KeyPackageList(made).encode()
    }

    /// Asks somebody for consent, or takes it back: one event for the other user either way.
    pub(crate) async fn consent(&self, operation: ConsentOperation, other: &MimiUri) -> StatusCode {
        let ours = matches!(operation, ConsentOperation::Request | ConsentOperation::Cancel);
        let (requester, target) = if ours { (&self.user, other) } else { (other, &self.user) };
        let entry = ConsentEntry {
            operation,
            requester_uri: requester.clone(),
            target_uri: target.clone(),
            room_id: None,
            consent_extensions: Extensions::default(),
        };
        self.post("/consent", entry.encode()).await.status()
    }

    pub(crate) async fn events(&self, after: Option<u64>) -> Events {
        let query = after.map(|after| format!("?after={after}")).unwrap_or_default();
        let response = self.request(Method::GET, &format!("/events{query}")).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        self.events_of(response)
    }

    pub(crate) fn events_of(&self, response: Response) -> Events {
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Events { response, buffer: String::new(), ended: None }
    }
}

impl Events {
    pub(crate) fn header(&self, name: &str) -> String {
        self.response.headers()[name].to_str().unwrap().to_owned()
    }

    /// The next event; `None` when the stream ends.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            while let Some((block, rest)) = self.buffer.split_once("\n\n") {
                let event = parse(block);
                if let Some((_, data)) = block.split_once("event: end\ndata: ") {
                    let data: Value = serde_json::from_str(data).unwrap();
                    self.ended = data["reason"].as_str().map(str::to_owned);
                }
                self.buffer = rest.to_owned();
                if event.is_some() {
                    return event;
                }
            }
            let chunk = tokio::time::timeout(Duration::from_secs(20), self.response.chunk()).await;
            match chunk.unwrap() {
                Ok(Some(chunk)) => self.buffer.push_str(std::str::from_utf8(&chunk).unwrap()),
                Ok(None) | Err(_) => return None,
            }
        }
    }

    pub(crate) async fn take(&mut self, count: usize) -> Vec<Event> {
        let mut taken = Vec::new();
        while taken.len() < count {
            taken.push(self.next().await.expect("the stream goes on"));
        }
        taken
    }
}

fn parse(block: &str) -> Option<Event> {
    let field = |name: &str| {
        let mut lines = block.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned))
    };
    let id = field("id")?.parse().unwrap();
    let data = serde_json::from_str(&field("data")?).unwrap();
    Some(Event { id, name: field("event")?, data })
}

/// JSON without a feature of the HTTP library.
pub(crate) trait JsonValue {
    async fn json_value(self) -> Value;
}

impl JsonValue for Response {
    async fn json_value(self) -> Value {
        serde_json::from_slice(&self.bytes().await.unwrap()).unwrap()
    }
}

/// The `error.code` of an answer.
pub(crate) async fn error_code(answer: Response) -> String {
    let body = answer.json_value().await;
    assert!(!body["error"]["message"].as_str().unwrap().is_empty());
    body["error"]["code"].as_str().unwrap().to_owned()
}

/// A URI as one segment of a path.
pub(crate) fn segment(uri: &str) -> String {
    utf8_percent_encode(uri, NON_ALPHANUMERIC).to_string()
}

/// A body that arrives in two parts, the second when told.
pub(crate) fn halting_body(
    first: Vec<u8>,
    second: tokio::sync::oneshot::Receiver<Vec<u8>>,
) -> reqwest::Body {
    let first = futures_util::stream::once(async move { Ok::<_, std::io::Error>(first) });
    let second = futures_util::stream::once(async move { Ok(second.await.unwrap()) });
    reqwest::Body::wrap_stream(first.chain(second))
}
