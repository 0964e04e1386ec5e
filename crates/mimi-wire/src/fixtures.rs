//! MLS objects for tests, made by the MLS library, and the checks every structure must pass.

use std::fmt::Debug;
use std::sync::OnceLock;

use openmls::prelude::{
    BasicCredential, Capabilities, Ciphersuite, CredentialType, CredentialWithKey, ExtensionType,
    ExternalSender, KeyPackage, LeafNodeIndex, MIXED_PLAINTEXT_WIRE_FORMAT_POLICY, MlsGroup,
    MlsGroupCreateConfig, OpenMlsProvider, PURE_CIPHERTEXT_WIRE_FORMAT_POLICY, ProposalType,
    RequiredCapabilitiesExtension,
};
use openmls_basic_credential::SignatureKeyPair;
use openmls_rust_crypto::OpenMlsRustCrypto;
use tls_codec::Serialize;

use crate::Wire;
use crate::mls;

const SUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;

/// One object of each kind. Made once per test process: their octets differ from run to run.
pub(crate) struct Fixtures {
    pub(crate) application: mls::MlsMessage,
    pub(crate) proposal: mls::MlsMessage,
    pub(crate) commit: mls::MlsMessage,
    pub(crate) private_commit: mls::MlsMessage,
    pub(crate) framed_welcome: mls::MlsMessage,
    pub(crate) framed_group_info: mls::MlsMessage,
    pub(crate) welcome: mls::Welcome,
    pub(crate) group_info: mls::GroupInfo,
    pub(crate) group_info_with_tree: mls::GroupInfo,
    pub(crate) ratchet_tree: mls::RatchetTree,
    pub(crate) key_package: mls::KeyPackage,
    pub(crate) credential: mls::Credential,
    pub(crate) capabilities: mls::Capabilities,
    pub(crate) required_capabilities: mls::RequiredCapabilities,
    pub(crate) external_sender: mls::ExternalSender,
    pub(crate) hpke_ciphertext: mls::HpkeCiphertext,
}

pub(crate) fn fixtures() -> &'static Fixtures {
    static FIXTURES: OnceLock<Fixtures> = OnceLock::new();
    FIXTURES.get_or_init(make)
}

struct Client {
    provider: OpenMlsRustCrypto,
    signer: SignatureKeyPair,
    credential: CredentialWithKey,
}

impl Client {
    fn new(uri: &str) -> Self {
        let provider = OpenMlsRustCrypto::default();
        let signer = SignatureKeyPair::new(SUITE.signature_algorithm()).unwrap();
        signer.store(provider.storage()).unwrap();
        let credential = CredentialWithKey {
            credential: BasicCredential::new(uri.as_bytes().to_vec()).into(),
            signature_key: signer.public().into(),
        };
        Self { provider, signer, credential }
    }

    fn key_package(&self) -> KeyPackage {
        let credential = self.credential.clone();
        let builder = KeyPackage::builder();
        let bundle = builder.build(SUITE, &self.provider, &self.signer, credential).unwrap();
        bundle.key_package().clone()
    }

    fn group(&self, private: bool) -> MlsGroup {
        let policy = match private {
            true => PURE_CIPHERTEXT_WIRE_FORMAT_POLICY,
            false => MIXED_PLAINTEXT_WIRE_FORMAT_POLICY,
        };
        let config = MlsGroupCreateConfig::builder()
            .ciphersuite(SUITE)
            .wire_format_policy(policy)
            .use_ratchet_tree_extension(false)
            .build();
        let credential = self.credential.clone();
        MlsGroup::new(&self.provider, &self.signer, &config, credential).unwrap()
    }
}

fn serialized(object: &impl Serialize) -> Vec<u8> {
    object.tls_serialize_detached().unwrap()
}

fn wire<T: Wire>(octets: &[u8]) -> T {
    T::decode(octets).unwrap()
}

fn make() -> Fixtures {
    let alice = Client::new("mimi://a.example/d/alice/phone");
    let bob = Client::new("mimi://b.example/d/bob/phone");
    let mut group = alice.group(false);
    let bundle = bob.key_package();
    let (commit, framed_welcome, _) =
        group.add_members(&alice.provider, &alice.signer, std::slice::from_ref(&bundle)).unwrap();
    group.merge_pending_commit(&alice.provider).unwrap();
    let export = |with_tree| {
        let crypto = alice.provider.crypto();
        serialized(&group.export_group_info(crypto, &alice.signer, with_tree).unwrap())
    };
    // Version and wire format are the frame that MIMI leaves out.
    let group_info = export(false);
    let group_info_with_tree = export(true);
    let ratchet_tree = serialized(&group.export_ratchet_tree());
    let application = group.create_message(&alice.provider, &alice.signer, b"hello").unwrap();
    let (proposal, _) =
        group.propose_remove_member(&alice.provider, &alice.signer, LeafNodeIndex::new(1)).unwrap();
    let mut private = alice.group(true);
    let (private_commit, _, _) =
        private.add_members(&alice.provider, &alice.signer, &[bob.key_package()]).unwrap();
    let capabilities = Capabilities::new(None, None, None, None, None);
    let required = RequiredCapabilitiesExtension::new(
        &[ExtensionType::AppDataDictionary],
        &[ProposalType::AppDataUpdate, ProposalType::SelfRemove],
        &[CredentialType::X509],
    );
    let CredentialWithKey { credential, signature_key } = alice.credential.clone();
    Fixtures {
        application: wire(&serialized(&application)),
        proposal: wire(&serialized(&proposal)),
        commit: wire(&serialized(&commit)),
        private_commit: wire(&serialized(&private_commit)),
        welcome: wire(&serialized(&framed_welcome)[4..]),
        framed_welcome: wire(&serialized(&framed_welcome)),
        framed_group_info: wire(&group_info),
        group_info: wire(&group_info[4..]),
        group_info_with_tree: wire(&group_info_with_tree[4..]),
        ratchet_tree: wire(&ratchet_tree),
        key_package: wire(&serialized(&bundle)),
        credential: wire(&serialized(&credential)),
        capabilities: wire(&serialized(&capabilities)),
        required_capabilities: wire(&serialized(&required)),
        external_sender: wire(&serialized(&ExternalSender::new(signature_key, credential))),
        hpke_ciphertext: wire(&[2, 0xaa, 0xbb, 3, 1, 2, 3]),
    }
}

/// The value has exactly these octets, both ways; cut anywhere or continued they are malformed
/// (WIRE-6).
#[track_caller]
pub(crate) fn assert_octets<T: Wire + PartialEq + Debug>(value: &T, octets: &[u8]) {
    assert_eq!(hex::encode(value.encode()), hex::encode(octets));
    assert_eq!(T::decode(octets).as_ref(), Ok(value));
    for end in 0..octets.len() {
        let fault = T::decode(&octets[..end]).expect_err("a truncated value");
        assert!(fault.offset <= end, "{fault} in {end} octets");
    }
    let fault = T::decode(&[octets, &[0]].concat()).expect_err("a continued value");
    assert!(fault.offset <= octets.len() + 1);
}

/// Joins literal hex, without regard to spaces, and octets.
macro_rules! octets {
    ($($piece:expr),* $(,)?) => {{
        let mut octets: Vec<u8> = Vec::new();
        $(octets.extend($crate::fixtures::Piece::octets(&$piece));)*
        octets
    }};
}
pub(crate) use octets;

/// What [`octets!`] joins: text is hex, octets are themselves.
pub(crate) trait Piece {
    fn octets(&self) -> Vec<u8>;
}

impl Piece for &str {
    fn octets(&self) -> Vec<u8> {
        hex::decode(self.replace([' ', '\n'], "")).unwrap()
    }
}

impl Piece for &[u8] {
    fn octets(&self) -> Vec<u8> {
        self.to_vec()
    }
}

impl Piece for Vec<u8> {
    fn octets(&self) -> Vec<u8> {
        self.clone()
    }
}

/// A vector of these octets.
pub(crate) fn vector(octets: &[u8]) -> Vec<u8> {
    let mut writer = crate::codec::Writer::default();
    writer.opaque(octets);
    writer.into_octets()
}

/// `opaque<V>` of a text.
pub(crate) fn text(text: &str) -> Vec<u8> {
    vector(text.as_bytes())
}

/// The vectors need MLS objects that stay the same. `cargo test -p mimi-wire -- --ignored --exact
/// fixtures::write_mls_objects` makes new ones.
#[test]
#[ignore = "writes vectors/mls-objects.json anew"]
#[expect(clippy::disallowed_methods, reason = "what the tests read must be written somehow")]
fn write_mls_objects() {
    let fixtures = fixtures();
    let objects = serde_json::json!({
        "application": hex::encode(fixtures.application.octets()),
        "proposal": hex::encode(fixtures.proposal.octets()),
        "commit": hex::encode(fixtures.commit.octets()),
        "private_commit": hex::encode(fixtures.private_commit.octets()),
        "framed_welcome": hex::encode(fixtures.framed_welcome.octets()),
        "welcome": hex::encode(fixtures.welcome.octets()),
        "group_info": hex::encode(fixtures.group_info.octets()),
        "group_info_with_tree": hex::encode(fixtures.group_info_with_tree.octets()),
        "ratchet_tree": hex::encode(fixtures.ratchet_tree.octets()),
        "key_package": hex::encode(fixtures.key_package.octets()),
        "credential": hex::encode(fixtures.credential.octets()),
        "capabilities": hex::encode(fixtures.capabilities.octets()),
        "required_capabilities": hex::encode(fixtures.required_capabilities.octets()),
        "external_sender": hex::encode(fixtures.external_sender.octets()),
        "hpke_ciphertext": hex::encode(fixtures.hpke_ciphertext.octets()),
    });
    let text = serde_json::to_string_pretty(&objects).unwrap() + "\n";
    std::fs::write("../../vectors/mls-objects.json", text).unwrap();
}
