//! What a provider needs to know of a KeyPackage it keeps or releases (PROTO-KM-9..12).

use mimi_policy::ClientIdentity;
use mimi_wire::Wire;
use mimi_wire::mls::{Capabilities, KeyPackage, RequiredCapabilities};
use mimi_wire::protocol::CipherSuite;
use openmls::prelude::{CredentialType, ExtensionType, ProposalType, ProtocolVersion};
use openmls_rust_crypto::RustCrypto;
use tls_codec::Serialize as _;

use crate::error::StageError;
use crate::identity::{IdentityError, Issuers, Validity, claim_of, has_expired, prove};

/// Longest lifetime of a KeyPackage: three months and a day (RFC 9420 section 10.1 asks for a
/// limit).
const LIFETIME_S_MAX: u64 = 93 * 24 * 60 * 60;

/// A committer leaves out pending Adds that expire within this time.
const COMMITTER_MARGIN_S: u64 = 5 * 60;
/// The hub lets commits leave out Adds that expire within this time: longer than the committers'
/// by what their clocks may be ahead.
const HUB_MARGIN_S: u64 = 15 * 60;

/// Verified facts of a KeyPackage.
#[derive(Clone, Debug)]
pub struct KeyPackageFacts {
    /// `KeyPackageRef`.
    pub reference: Vec<u8>,
    /// Whose it is.
    pub identity: ClientIdentity,
    /// Its suite.
    pub ciphersuite: CipherSuite,
    /// Seconds since the epoch.
    pub not_before_s: u64,
    /// Seconds since the epoch.
    pub not_after_s: u64,
    /// Of its leaf.
    pub capabilities: Capabilities,
    /// Carries the last-resort component (never served, AMB-KM-7).
    pub last_resort: bool,
}

/// Verifies signature, lifetime and identity.
pub fn inspect(
    key_package: &KeyPackage,
    issuers: &Issuers,
    now_ms: u64,
) -> Result<KeyPackageFacts, StageError> {
    let verified = verify(key_package, now_ms)?;
    let crypto = RustCrypto::default();
    let leaf = verified.leaf_node();
    let signature_key = leaf.signature_key().as_slice();
    let identity = prove(leaf.credential(), signature_key, issuers, Validity::At(now_ms))?;
    let reference = verified.hash_ref(&crypto).map_err(StageError::internal)?;
    let capabilities =
        leaf.capabilities().tls_serialize_detached().map_err(StageError::internal)?;
    Ok(KeyPackageFacts {
        reference: reference.as_slice().to_vec(),
        identity,
        ciphersuite: verified.ciphersuite().into(),
        not_before_s: verified.life_time().not_before(),
        not_after_s: verified.life_time().not_after(),
        capabilities: Capabilities::decode(&capabilities)?,
        last_resort: is_last_resort(&verified),
    })
}

/// Whose a KeyPackage claims to be; nothing is verified.
pub fn claimed(key_package: &KeyPackage) -> Result<ClientIdentity, IdentityError> {
    claim_of(&key_package.parsed().unverified_credential().credential)
}

/// Whether capabilities cover what a room requires (PROTO-KM-9).
pub fn satisfies(capabilities: &Capabilities, required: &RequiredCapabilities) -> bool {
    covers(capabilities.parsed(), required.parsed())
}

/// [`satisfies`] for the library's own types.
pub(crate) fn covers(
    has: &openmls::prelude::Capabilities,
    needs: &openmls::prelude::RequiredCapabilitiesExtension,
) -> bool {
    let extension =
        |needed: &ExtensionType| is_basic_extension(*needed) || has.extensions().contains(needed);
    let proposal =
        |needed: &ProposalType| is_basic_proposal(*needed) || has.proposals().contains(needed);
    let credential = |needed: &CredentialType| has.credentials().contains(needed);
    needs.extension_types().iter().all(extension)
        && needs.proposal_types().iter().all(proposal)
        && needs.credential_types().iter().all(credential)
}

/// Verifies everything but the identity. The library compares the lifetime with the system's
/// clock; `now_ms` must be within it too.
pub(crate) fn verify(
    key_package: &KeyPackage,
    now_ms: u64,
) -> Result<openmls::prelude::KeyPackage, StageError> {
    let crypto = RustCrypto::default();
    let verified = key_package.parsed().clone().validate(&crypto, ProtocolVersion::Mls10);
    let verified = verified.map_err(StageError::invalid)?;
    let lifetime = verified.life_time();
    let now_s = now_ms / 1_000;
    // PROTO-KM-11.
    if now_s < lifetime.not_before() || now_s >= lifetime.not_after() {
        return Err(StageError::invalid("the KeyPackage is expired or not yet valid"));
    }
    if lifetime.not_after().saturating_sub(lifetime.not_before()) > LIFETIME_S_MAX {
        return Err(StageError::invalid("the KeyPackage claims to be valid for too long"));
    }
    Ok(verified)
}

/// Whether a committer leaves a pending Add out: nobody can commit it once its lifetime is over,
/// and clocks differ.
pub(crate) fn is_left_out(key_package: &openmls::prelude::KeyPackage, now_ms: u64) -> bool {
    ends_within(key_package, COMMITTER_MARGIN_S, now_ms)
}

/// Whether the hub lets a commit leave an Add out: when a committer's clock, or its library, may
/// take the KeyPackage or a certificate for expired.
pub(crate) fn may_be_left_out(key_package: &openmls::prelude::KeyPackage, now_ms: u64) -> bool {
    ends_within(key_package, HUB_MARGIN_S, now_ms)
        || has_expired(
            key_package.leaf_node().credential(),
            now_ms.saturating_add(HUB_MARGIN_S * 1_000),
        )
}

fn ends_within(key_package: &openmls::prelude::KeyPackage, margin_s: u64, now_ms: u64) -> bool {
    key_package.life_time().not_after() <= now_ms / 1_000 + margin_s
}

/// As an extension of RFC 9420's registry, or as the component of mls-extensions (MLSX-9).
fn is_last_resort(key_package: &openmls::prelude::KeyPackage) -> bool {
    let component = mimi_wire::component::LAST_RESORT_KEY_PACKAGE;
    let dictionary = key_package.extensions().app_data_dictionary();
    key_package.last_resort()
        || dictionary.is_some_and(|extension| extension.dictionary().contains(&component))
}

/// RFC 9420 section 7.2: what every implementation knows is never listed.
fn is_basic_extension(extension: ExtensionType) -> bool {
    (1..=5).contains(&u16::from(extension))
}

fn is_basic_proposal(proposal: ProposalType) -> bool {
    (1..=7).contains(&u16::from(proposal))
}
