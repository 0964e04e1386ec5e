//! Hostile peers before real provider processes: what was really sent, sent again by others, cut
//! short, or a second time (PROTO-TR-4, -5, WIRE-6, PROTO-KM-10, PROTO-NTF-10, PROTO-SUB-2).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::programs::{Talking, path};
use mimi_wire::Wire;
use mimi_wire::protocol::key_material::{ClientMaterial, KeyMaterialResponse};
use mimi_wire::protocol::submit_message::SubmitMessageResponse;
use mimi_wire::protocol::update::{UpdateOutcome, UpdateResponse};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tombolo_server::dev_ca::DevCa;

/// A provider to be, with a certificate of the federation's authority or of none.
struct Peer {
    domain: String,
    http: reqwest::Client,
    directory: PathBuf,
}

/// What a peer was answered.
struct Answer {
    status: u16,
    body: Vec<u8>,
}

impl Peer {
    fn new(directory: &Path, domain: &str, certificate: Option<(&str, &str)>) -> Self {
        let mut roots = rustls::RootCertStore::empty();
        let root = CertificateDer::from_pem_file(directory.join("ca/ca.pem")).unwrap();
        roots.add(root).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match certificate {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let chain = CertificateDer::pem_slice_iter(chain.as_bytes()).map(Result::unwrap);
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain.collect(), key).unwrap()
            }
        };
        let mut http = reqwest::Client::builder().no_proxy().tls_backend_preconfigured(config);
        for target in ["a.example", "b.example", "c.example"] {
            http = http.resolve(target, ([127, 0, 0, 1], 0).into());
        }
        let (domain, directory) = (domain.to_owned(), directory.to_owned());
        Self { domain, http: http.build().unwrap(), directory }
    }

    /// A provider of the demo, with the certificate it has.
    fn of_demo(directory: &Path, domain: &str) -> Self {
        let home = directory.join(domain);
        let read = |ending: &str| {
            std::fs::read_to_string(home.join(format!("{domain}.{ending}"))).unwrap()
        };
        Self::new(directory, domain, Some((&read("pem"), &read("key"))))
    }

    /// A provider nobody has heard of, with a certificate of the same authority.
    fn stranger(directory: &Path, domain: &str) -> Self {
        let authority = DevCa::open_or_create(&directory.join("ca"), now_ms()).unwrap();
        let issued = authority.issue(&domain.parse().unwrap(), now_ms()).unwrap();
        let certificate = (issued.certificate_pem.as_str(), issued.key_pem.as_str());
        Self::new(directory, domain, Some(certificate))
    }

    async fn post(&self, target: &str, from: &str, path: &str, body: &[u8]) -> Option<Answer> {
        let port = federation_port(&self.directory, target);
        let url = format!("https://{target}:{port}/mimi/v1/{path}");
        let request = self.http.post(url).header("from", format!("mimi@{from}"));
        let answer = request.body(body.to_vec()).send().await.ok()?;
        let status = answer.status().as_u16();
        Some(Answer { status, body: answer.bytes().await.ok()?.to_vec() })
    }

    async fn says(&self, target: &str, path: &str, body: &[u8]) -> Answer {
        let answer = self.post(target, &self.domain, path, body).await;
        answer.unwrap_or_else(|| panic!("{target} does not answer {}", self.domain))
    }
}

fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap()
}

fn federation_port(directory: &Path, domain: &str) -> u16 {
    let text = std::fs::read_to_string(directory.join("peers.toml")).unwrap();
    let peers: toml::Table = text.parse().unwrap();
    let address = peers["peers"][domain]["address"].as_str().unwrap();
    address.rsplit_once(':').unwrap().1.parse().unwrap()
}

/// The last body of an endpoint that one provider really sent another.
fn captured(directory: &Path, from: &str, to: &str, endpoint: &str) -> Vec<u8> {
    let ending = format!("-out-{to}-{endpoint}-request.bin");
    let entries = std::fs::read_dir(directory.join(from).join("capture")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut sent: Vec<String> = names.filter(|name| name.ends_with(&ending)).collect();
    // The number after the process tells the order.
    sent.sort_by_key(|name| name.split('-').nth(1).unwrap().to_owned());
    let last = sent.last().unwrap_or_else(|| panic!("{from} never sent {to} {endpoint}"));
    std::fs::read(directory.join(from).join("capture").join(last)).unwrap()
}

fn percent(uri: &str) -> String {
    uri.replace(':', "%3A").replace('/', "%2F")
}

/// What really crossed wires: sender, target, endpoint, path, body.
fn real_traffic(
    directory: &Path,
    room: &str,
) -> Vec<(&'static str, &'static str, String, Vec<u8>)> {
    let room = percent(room);
    let cathy = percent("mimi://c.example/u/cathy");
    let sent = [
        ("a.example", "c.example", "keyMaterial", format!("keyMaterial/{cathy}")),
        ("b.example", "a.example", "submitMessage", format!("submitMessage/{room}")),
        ("c.example", "a.example", "groupInfo", format!("groupInfo/{room}")),
        ("c.example", "a.example", "update", format!("update/{room}")),
        ("a.example", "b.example", "notify", format!("notify/{room}")),
        ("a.example", "c.example", "requestConsent", "requestConsent/c.example".to_owned()),
        ("c.example", "a.example", "updateConsent", "updateConsent/a.example".to_owned()),
    ];
    let with_body = |(from, to, endpoint, path)| {
        let body = captured(directory, from, to, endpoint);
        (from, to, path, body)
    };
    sent.into_iter().map(with_body).collect()
}

/// The demo's federation, with bob's terminal in the lounge and something written by everybody.
fn lively_lounge(directory: &Path) -> (Talking, Talking, String) {
    let mut demo = Talking::start(&["demo", "--keep", "--dir", path(directory)]);
    demo.says("Ctrl-C stops everything");
    let mut cathy = Talking::start(&["chat", path(&directory.join("cathy.toml"))]);
    cathy.says("== Lounge");
    let mut bob = Talking::start(&["chat", path(&directory.join("bob.toml"))]);
    let opened = bob.says("== Lounge");
    let room = opened.split_once('(').unwrap().1.trim_end_matches(')').to_owned();
    bob.types("A first word from bob");
    bob.says("I hear you: 21 characters");
    cathy.quits();
    (demo, bob, room)
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_peers_change_nothing_and_harm_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("federation");
    let (demo, mut bob, room) = lively_lounge(&directory);
    let traffic = real_traffic(&directory, &room);

    strangers_are_refused(&directory, &traffic).await;
    cut_short_is_malformed(&directory, &traffic).await;
    repeats_have_no_second_effect(&directory, &traffic).await;

    // The processes are unharmed and the room goes on; nothing came twice.
    bob.types("A last word from bob, after all that");
    bob.says("I hear you: 36 characters");
    assert_eq!(bob.said("I hear you: 21 characters"), 1);
    assert_eq!(bob.said("bob@b.example: A first word from bob"), 1);
    assert_eq!(bob.said("!!"), 0);
    bob.quits();
    demo.terminate();
}

/// Certificates of other domains, of none and of another authority: nobody else's words are taken.
async fn strangers_are_refused(
    directory: &Path,
    traffic: &[(&'static str, &'static str, String, Vec<u8>)],
) {
    let mallory = Peer::stranger(directory, "m.example");
    let anonymous = Peer::new(directory, "m.example", None);
    let elsewhere = tempfile::tempdir().unwrap();
    let foreign = DevCa::open_or_create(elsewhere.path(), now_ms()).unwrap();
    let forged = foreign.issue(&"b.example".parse().unwrap(), now_ms()).unwrap();
    let forged = (forged.certificate_pem.as_str(), forged.key_pem.as_str());
    let forger = Peer::new(directory, "b.example", Some(forged));
    for (from, to, path, body) in traffic {
        // As itself: known to the authority, but not who the body is from.
        let own = mallory.says(to, path, body).await;
        assert!(refused(path, &own), "{path} from a stranger: {}", own.status);
        // In another's name.
        let posing = mallory.post(to, from, path, body).await.unwrap();
        assert_eq!(posing.status, 403, "{path} with another's From");
        let nobody = anonymous.post(to, from, path, body).await;
        assert!(nobody.is_none_or(|answer| matches!(answer.status, 401 | 403)), "{path}");
        assert!(forger.post(to, from, path, body).await.is_none(), "{path}: a forged certificate");
    }
}

/// An answer that says no: by status, or by the code in the body.
fn refused(path: &str, answer: &Answer) -> bool {
    if answer.status != 200 {
        return (400..500).contains(&answer.status);
    }
    match path.split('/').next().unwrap() {
        "update" => {
            let response = UpdateResponse::decode(&answer.body).unwrap();
            !matches!(response.outcome, UpdateOutcome::Success { .. })
        }
        "submitMessage" => {
            let response = SubmitMessageResponse::decode(&answer.body).unwrap();
            !matches!(response, SubmitMessageResponse::Accepted { .. })
        }
        "keyMaterial" => KeyMaterialResponse::decode(&answer.body).unwrap().clients.is_empty(),
        // Protocol, room and a status that is not success.
        _ => !answer.body.is_empty() && answer.body.last() != Some(&1),
    }
}

async fn cut_short_is_malformed(
    directory: &Path,
    traffic: &[(&'static str, &'static str, String, Vec<u8>)],
) {
    for (from, to, path, body) in traffic {
        let peer = Peer::of_demo(directory, from);
        for length in [0, 1, body.len() / 3, body.len() / 2, body.len() - 1] {
            let answer = peer.says(to, path, &body[..length]).await;
            assert_eq!(answer.status, 400, "{path} cut to {length} octets");
            let text = String::from_utf8(answer.body).unwrap();
            assert!(text.contains("malformed"), "{path}: {text}");
        }
        let longer = [body.as_slice(), b"\0"].concat();
        assert_eq!(peer.says(to, path, &longer).await.status, 400, "{path} with one octet more");
    }
}

async fn repeats_have_no_second_effect(
    directory: &Path,
    traffic: &[(&'static str, &'static str, String, Vec<u8>)],
) {
    for (from, to, path, body) in traffic {
        let peer = Peer::of_demo(directory, from);
        let first = peer.says(to, path, body).await;
        let second = peer.says(to, path, body).await;
        assert_eq!(first.status, second.status, "{path}");
        match path.split('/').next().unwrap() {
            // PROTO-NTF-10, PROTO-CON-5: received, again.
            "notify" | "requestConsent" | "updateConsent" => assert_eq!(second.status, 201),
            // TOM-1: the same message gets the first answer; of a commit the same holds.
            "submitMessage" | "update" => assert_eq!(first.body, second.body, "{path}"),
            // PROTO-KM-10: never one KeyPackage twice.
            "keyMaterial" => {
                let (first, second) = (key_packages(&first), key_packages(&second));
                assert!(!first.is_empty() && first.is_disjoint(&second), "{path}");
            }
            _ => assert_eq!(second.status, 200),
        }
    }
}

fn key_packages(answer: &Answer) -> BTreeSet<Vec<u8>> {
    let response = KeyMaterialResponse::decode(&answer.body).unwrap();
    let packages = response.clients.into_iter().filter_map(|client| match client.material {
        ClientMaterial::KeyPackage(package) => Some(package.octets().to_vec()),
        _ => None,
    });
    packages.collect()
}
