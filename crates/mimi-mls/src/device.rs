//! A device's own keys: its signature key, its credential and the private halves of KeyPackages.

use std::collections::BTreeMap;

use mimi_policy::ClientIdentity;
use mimi_wire::Wire;
use mimi_wire::codec::Writer;
use mimi_wire::mls::{Credential, KeyPackage, MlsMessage};
use openmls::prelude::{
    CredentialType, CredentialWithKey, KeyPackageBundle, KeyPackageRef, Lifetime, MlsMessageBodyIn,
};
use openmls_rust_crypto::RustCrypto;
use rand::CryptoRng;
use serde::{Deserialize, Serialize};
use tls_codec::{Deserialize as _, Serialize as _};
use zeroize::{Zeroize as _, Zeroizing};

use crate::error::{SnapshotError, StageError};
use crate::identity::{chain_content, claim_of, claimed};
use crate::leaf;
use crate::pieces::{Piece, Pieces};
use crate::provider::{Provider, Seeded};
use crate::signature_key::SignatureKey;

/// How far before now a KeyPackage is valid, for peers whose clock is behind.
const SKEW_S: u64 = 60 * 60;
/// How long the private half of an expired KeyPackage is kept: a Welcome may have waited for a
/// device that was away.
const GRACE_S: u64 = 30 * 24 * 60 * 60;
const SNAPSHOT_VERSION: u8 = 1;

/// A device before and after its provider has certified it.
pub struct Device {
    key: SignatureKey,
    certified: Option<Certified>,
    /// When each KeyPackage in `pieces` expires, by its reference.
    not_after_s: BTreeMap<Vec<u8>, u64>,
    pieces: Pieces,
}

#[derive(Clone, Debug)]
struct Certified {
    credential: Credential,
    identity: ClientIdentity,
}

/// The saved form.
#[derive(Deserialize, Serialize)]
struct Saved {
    seed: [u8; 32],
    credential: Option<Vec<u8>>,
    not_after_s: BTreeMap<Vec<u8>, u64>,
    pieces: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Device {
    /// A fresh signature key, without a credential yet.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *seed);
        Self {
            key: SignatureKey::from_seed(&seed),
            certified: None,
            not_after_s: BTreeMap::new(),
            pieces: Pieces::default(),
        }
    }

    /// The public signature key (Ed25519, 32 octets).
    pub fn signature_key(&self) -> &[u8] {
        self.key.public()
    }

    /// Takes on the X.509 chain its provider issued, DER, leaf first.
    pub fn certify(
        &mut self,
        chain: &[Vec<u8>],
        identity: ClientIdentity,
    ) -> Result<(), StageError> {
        let content = chain_content(chain);
        let credential = openmls::prelude::Credential::new(CredentialType::X509, content);
        self.take_on(&credential, identity)
    }

    /// Takes on a `basic` credential, for rooms whose members accept them (AMB-ID-1).
    pub fn certify_basic(&mut self, identity: ClientIdentity) -> Result<(), StageError> {
        let content = identity.client.as_bytes().to_vec();
        let credential = openmls::prelude::Credential::new(CredentialType::Basic, content);
        self.take_on(&credential, identity)
    }

    /// Who the device is; `None` before it is certified.
    pub fn identity(&self) -> Option<&ClientIdentity> {
        self.certified.as_ref().map(|certified| &certified.identity)
    }

    /// The credential; `None` before it is certified.
    pub fn credential(&self) -> Option<Credential> {
        self.certified.as_ref().map(|certified| certified.credential.clone())
    }

    /// SignWithLabel with the device's signature key.
    pub fn sign_with_label(&self, label: &str, content: &[u8]) -> Vec<u8> {
        self.key.sign_with_label(label, content)
    }

    /// Fresh KeyPackages, valid from an hour ago for `lifetime_s`; private halves stay inside.
    pub fn key_packages(
        &mut self,
        count: usize,
        lifetime_s: u64,
        now_ms: u64,
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<KeyPackage>, StageError> {
        let now_s = now_ms / 1_000;
        self.forget_expired(now_s)?;
        let crypto = RustCrypto::default();
        let rand = Seeded::from_rng(rng);
        let not_before_s = now_s.saturating_sub(SKEW_S);
        let lifetime = Lifetime::init(not_before_s, not_before_s.saturating_add(lifetime_s));
        let mut fresh = Vec::new();
        for _ in 0..count {
            let provider = Provider { crypto: &crypto, rand: &rand, pieces: &self.pieces };
            let bundle = openmls::prelude::KeyPackage::builder()
                .key_package_lifetime(lifetime)
                .leaf_node_capabilities(leaf::capabilities(&rand))
                .leaf_node_extensions(leaf::extensions(&rand))
                .build(leaf::SUITE, &provider, &self.key, self.credential_with_key()?)
                .map_err(StageError::internal)?;
            let key_package = bundle.key_package();
            let reference = key_package.hash_ref(&crypto).map_err(StageError::internal)?;
            self.not_after_s.insert(reference.as_slice().to_vec(), lifetime.not_after());
            let octets = key_package.tls_serialize_detached().map_err(StageError::internal)?;
            fresh.push(KeyPackage::decode(&octets)?);
        }
        Ok(fresh)
    }

    /// Whether a Welcome is for one of this device's KeyPackages.
    pub fn is_welcomed_by(&self, welcome: &MlsMessage) -> bool {
        let MlsMessageBodyIn::Welcome(welcome) = welcome.parsed().clone().extract() else {
            return false;
        };
        self.welcomed_key_package(&welcome).is_some()
    }

    /// The whole device as one versioned blob. Holds secrets.
    pub fn snapshot(&self) -> Zeroizing<Vec<u8>> {
        let credential = self.certified.as_ref().map(|it| it.credential.octets().to_vec());
        let pieces = self.pieces.all().into_iter().map(|(key, value)| (key, value.to_vec()));
        let mut saved = Saved {
            seed: *self.key.seed(),
            credential,
            not_after_s: self.not_after_s.clone(),
            pieces: pieces.collect(),
        };
        let octets = postcard::to_extend(&saved, vec![SNAPSHOT_VERSION]);
        saved.seed.zeroize();
        saved.pieces.iter_mut().for_each(|(_, value)| value.zeroize());
        Zeroizing::new(octets.expect("plain data in memory has a postcard form"))
    }

    /// Restores a [`snapshot`](Self::snapshot).
    pub fn restore(snapshot: &[u8]) -> Result<Self, SnapshotError> {
        let saved = match snapshot.split_first() {
            Some((&SNAPSHOT_VERSION, octets)) => postcard::from_bytes::<Saved>(octets),
            Some((version, _)) => return Err(SnapshotError(format!("unknown version {version}"))),
            None => return Err(SnapshotError("it is empty".to_owned())),
        };
        let saved = saved.map_err(|error| SnapshotError(error.to_string()))?;
        let seed = Zeroizing::new(saved.seed);
        let certified = saved.credential.as_deref().map(restore_credential).transpose()?;
        let pieces = saved.pieces.into_iter().map(|(key, value)| (key, Zeroizing::new(value)));
        Ok(Self {
            key: SignatureKey::from_seed(&seed),
            certified,
            not_after_s: saved.not_after_s,
            pieces: Pieces::restored(pieces),
        })
    }

    pub(crate) fn signer(&self) -> &SignatureKey {
        &self.key
    }

    pub(crate) fn credential_with_key(&self) -> Result<CredentialWithKey, StageError> {
        let certified = self.certified.as_ref();
        let certified = certified.ok_or_else(|| StageError::internal("not certified yet"))?;
        Ok(CredentialWithKey {
            credential: certified.credential.parsed().clone(),
            signature_key: self.key.public().to_vec().into(),
        })
    }

    /// The stored half of the KeyPackage a Welcome is for, and its reference.
    pub(crate) fn welcomed_key_package(
        &self,
        welcome: &openmls::prelude::Welcome,
    ) -> Option<KeyPackageRef> {
        let references = welcome.secrets().iter().map(|secrets| secrets.new_member());
        references.into_iter().find(|it| self.not_after_s.contains_key(it.as_slice()))
    }

    /// A copy of one KeyPackage's private half, for a new group's state.
    pub(crate) fn lend_key_package(&self, reference: &KeyPackageRef) -> Result<Pieces, StageError> {
        let bundle = self.pieces.get::<KeyPackageBundle>(Piece::KeyPackage, reference);
        let bundle = bundle.map_err(StageError::internal)?;
        let bundle = bundle.ok_or_else(|| StageError::internal("a KeyPackage is missing"))?;
        let lent = Pieces::default();
        lent.put(Piece::KeyPackage, reference, &bundle).map_err(StageError::internal)?;
        Ok(lent)
    }

    /// A KeyPackage is used once.
    pub(crate) fn forget_key_package(
        &mut self,
        reference: &KeyPackageRef,
    ) -> Result<(), StageError> {
        self.not_after_s.remove(reference.as_slice());
        self.pieces.delete(Piece::KeyPackage, reference).map_err(StageError::internal)
    }

    fn forget_expired(&mut self, now_s: u64) -> Result<(), StageError> {
        let expired = |not_after: u64| not_after.saturating_add(GRACE_S) < now_s;
        let gone = self.not_after_s.iter().filter(|(_, not_after)| expired(**not_after));
        let gone: Vec<Vec<u8>> = gone.map(|(reference, _)| reference.clone()).collect();
        for reference in gone {
            self.forget_key_package(&library_reference(&reference)?)?;
        }
        Ok(())
    }

    fn take_on(
        &mut self,
        credential: &openmls::prelude::Credential,
        identity: ClientIdentity,
    ) -> Result<(), StageError> {
        let named = claim_of(credential)?;
        if named.user != identity.user || named.client != identity.client {
            let reason =
                format!("the credential is of {}, not of {}", named.client, identity.client);
            return Err(StageError::invalid(reason));
        }
        let octets = credential.tls_serialize_detached().map_err(StageError::internal)?;
        let credential = Credential::decode(&octets)?;
        self.certified = Some(Certified { credential, identity: named });
        Ok(())
    }
}

impl std::fmt::Debug for Device {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let client = self.identity().map(|identity| &identity.client);
        let key_packages = self.not_after_s.len();
        formatter
            .debug_struct("Device")
            .field("client", &client)
            .field("key_packages", &key_packages)
            .finish_non_exhaustive()
    }
}

fn restore_credential(octets: &[u8]) -> Result<Certified, SnapshotError> {
    let credential =
        Credential::decode(octets).map_err(|error| SnapshotError(error.to_string()))?;
    let identity = claimed(&credential).map_err(|error| SnapshotError(error.to_string()))?;
    Ok(Certified { credential, identity })
}

/// A reference in the library's own type.
fn library_reference(reference: &[u8]) -> Result<KeyPackageRef, StageError> {
    let mut writer = Writer::default();
    writer.opaque(reference);
    KeyPackageRef::tls_deserialize_exact(writer.into_octets()).map_err(StageError::internal)
}
