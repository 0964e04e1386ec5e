//! Codecs of drafts that cannot be implemented as they are: no code points are assigned, and parts
//! are missing (AMB-MMR-1, AMB-SPM-1). Nothing here is claimed as conformance, nothing is ever on
//! between strangers, and all of it may change.

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::limits::{
    HANDSHAKE_BODY_OCTETS_MAX, HASH_OCTETS_MAX, KEY_OCTETS_MAX, LIST_ELEMENTS_MAX,
    OPAQUE_OCTETS_MAX, SIGNATURE_OCTETS_MAX,
};
use crate::mls::{Credential, HpkeCiphertext};
use crate::uri::{DOMAIN_OCTETS_MAX, Domain, MimiUri};

/// Credential type of [`PseudonymousCredential`], for private use (AMB-MMR-1).
pub const PSEUDONYMOUS_CREDENTIAL_TYPE: u16 = 0xf0a0;
/// Wire format of [`SemiPrivateMessage`], for private use; others may choose another (AMB-SPM-1).
pub const SEMI_PRIVATE_WIRE_FORMAT: u16 = 0xf0a1;
/// Label of the signature in [`IdentityLinkTbe`].
pub const PSEUDONYMOUS_CREDENTIAL_LABEL: &str = "PseudonymousCredentialTBS";
/// Label of the encryption to an external receiver.
pub const SEMI_PRIVATE_RECEIVER_LABEL: &str = "SemiPrivateMessageReceiver";

/// What the real credential's key signs (PROTO-MMR-3).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PseudonymousCredentialTbs {
    /// The client in this group.
    pub client_pseudonym: MimiUri,
    /// The user in this group: the same in all its clients and in the participant list
    /// (PROTO-MMR-2).
    pub user_pseudonym: MimiUri,
    /// Of the leaf; printed without a length (AMB-W-6).
    pub signature_public_key: Vec<u8>,
}

/// `PseudonymousCredential` (PROTO-MMR-1).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PseudonymousCredential {
    /// The signed part.
    pub tbs: PseudonymousCredentialTbs,
    /// [`IdentityLinkTbe`], encrypted in a way that is not specified yet.
    pub identity_link_ciphertext: Vec<u8>,
}

/// Who is behind a pseudonym.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IdentityLinkTbe {
    /// SignWithLabel over [`PseudonymousCredentialTbs`].
    pub pseudonymous_credential_signature: Vec<u8>,
    /// The real credential.
    pub client_credential: Credential,
}

/// `DomainList`, the content of the GroupContext extension `ratchet_tree_source_domains`, which has
/// no code point (AMB-RTO-5): where a tree may be fetched from (RTO-2).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DomainList(pub Vec<Domain>);

impl DomainList {
    /// Whether a tree may be fetched from there: an https URL whose host is in the list (RTO-2).
    pub fn permits(&self, url: &str) -> bool {
        let Some(rest) = url.strip_prefix("https://") else { return false };
        let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
        let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
        // What is no port may be a password, before the true host.
        port.bytes().all(|octet| octet.is_ascii_digit())
            && self.0.iter().any(|domain| domain.as_str() == host)
    }
}

impl Wire for DomainList {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let field = "DomainList.domains";
        let start = reader.clone();
        let domains = reader.vector(LIST_ELEMENTS_MAX, field, |reader| {
            let start = reader.clone();
            let name = reader.text(DOMAIN_OCTETS_MAX, field)?;
            Domain::new(&name).map_err(|fault| start.malformed(field, fault.to_string()))
        })?;
        if domains.is_empty() {
            return Err(start.malformed(field, "at least one domain"));
        }
        Ok(Self(domains))
    }

    fn write(&self, writer: &mut Writer) {
        writer.vector(&self.0, |writer, domain| writer.opaque(domain.as_str().as_bytes()));
    }
}

/// Who outside of the group may read its handshakes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ExternalReceiver {
    /// To encrypt to.
    pub external_receiver_public_key: Vec<u8>,
    /// Who it is.
    pub credential: Credential,
}

/// Component 0x0008 (AMB-SPM-2).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ExternalReceivers(pub Vec<ExternalReceiver>);

/// What an external receiver needs to decrypt one message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PerMessageKeyAndNonces {
    /// Key.
    pub key: Vec<u8>,
    /// Nonce, before the guard is applied (AMB-SPM-3).
    pub nonce: Vec<u8>,
    /// Guard.
    pub reuse_guard: [u8; 4],
    /// Who sent it.
    pub sender_leaf_index: u32,
}

/// The context of that encryption.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SemiPrivateMessageContext {
    /// Group.
    pub group_id: Vec<u8>,
    /// Epoch.
    pub epoch: u64,
    /// See [`PerMessageKeyAndNonces::partial_context_hash_input`].
    pub partial_context_hash: Vec<u8>,
}

/// One receiver's key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyForExternalReceiver {
    /// Hash of the [`ExternalReceiver`] (AMB-SPM-4).
    pub external_receiver_ref: Vec<u8>,
    /// [`PerMessageKeyAndNonces`], encrypted.
    pub encrypted_keys_and_nonces: HpkeCiphertext,
}

/// What a SemiPrivateMessage authenticates beside its content: `SemiPrivateContentAAD`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SemiPrivateContentAad {
    /// Group.
    pub group_id: Vec<u8>,
    /// Epoch.
    pub epoch: u64,
    /// `proposal(2)` or `commit(3)` (SPM-1).
    pub content_type: u8,
    /// SafeAAD, as everywhere.
    pub authenticated_data: Vec<u8>,
    /// As in [`SemiPrivateMessageContext`].
    pub partial_context_hash: Vec<u8>,
    /// At least one (SPM-1).
    pub keys_for_external_receivers: Vec<KeyForExternalReceiver>,
    /// Hash of the FramedContentTBS.
    pub framed_content_tbs_hash: Vec<u8>,
}

/// `SemiPrivateMessage` without the `MLSMessage` frame.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SemiPrivateMessage {
    /// The first seven fields.
    pub aad: SemiPrivateContentAad,
    /// As in a PrivateMessage.
    pub encrypted_sender_data: Vec<u8>,
    /// Proposal or commit, its authentication and zeros.
    pub ciphertext: Vec<u8>,
}

impl PerMessageKeyAndNonces {
    /// What `partial_context_hash` is the hash of: the leaf index, then the nonce as it is
    /// (AMB-SPM-3).
    pub fn partial_context_hash_input(&self) -> Vec<u8> {
        [self.sender_leaf_index.to_be_bytes().as_slice(), self.nonce.as_slice()].concat()
    }
}

impl Wire for PseudonymousCredentialTbs {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let key = "PseudonymousCredential.signature_public_key";
        Ok(Self {
            client_pseudonym: MimiUri::read_field(
                reader,
                "PseudonymousCredential.client_pseudonym",
            )?,
            user_pseudonym: MimiUri::read_field(reader, "PseudonymousCredential.user_pseudonym")?,
            signature_public_key: reader.opaque(KEY_OCTETS_MAX, key)?.to_vec(),
        })
    }

    fn write(&self, writer: &mut Writer) {
        self.client_pseudonym.write(writer);
        self.user_pseudonym.write(writer);
        writer.opaque(&self.signature_public_key);
    }
}

impl Wire for PseudonymousCredential {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let link = "PseudonymousCredential.identity_link_ciphertext";
        Ok(Self {
            tbs: PseudonymousCredentialTbs::read(reader)?,
            identity_link_ciphertext: reader.opaque(OPAQUE_OCTETS_MAX, link)?.to_vec(),
        })
    }

    fn write(&self, writer: &mut Writer) {
        self.tbs.write(writer);
        writer.opaque(&self.identity_link_ciphertext);
    }
}

impl Wire for IdentityLinkTbe {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let signature = "IdentityLinkTBE.pseudonymous_credential_signature";
        Ok(Self {
            pseudonymous_credential_signature: reader
                .opaque(SIGNATURE_OCTETS_MAX, signature)?
                .to_vec(),
            client_credential: Credential::read(reader)?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.opaque(&self.pseudonymous_credential_signature);
        self.client_credential.write(writer);
    }
}

impl Wire for ExternalReceiver {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let key = "ExternalReceiver.external_receiver_public_key";
        Ok(Self {
            external_receiver_public_key: reader.opaque(KEY_OCTETS_MAX, key)?.to_vec(),
            credential: Credential::read(reader)?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.opaque(&self.external_receiver_public_key);
        self.credential.write(writer);
    }
}

impl Wire for ExternalReceivers {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let field = "external_receivers";
        Ok(Self(reader.vector(LIST_ELEMENTS_MAX, field, ExternalReceiver::read)?))
    }

    fn write(&self, writer: &mut Writer) {
        writer.vector(&self.0, |writer, receiver| receiver.write(writer));
    }
}

impl Wire for PerMessageKeyAndNonces {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (key, nonce) = ("PerMessageKeyAndNonces.key", "PerMessageKeyAndNonces.nonce");
        Ok(Self {
            key: reader.opaque(KEY_OCTETS_MAX, key)?.to_vec(),
            nonce: reader.opaque(HASH_OCTETS_MAX, nonce)?.to_vec(),
            reuse_guard: reader.array("PerMessageKeyAndNonces.reuse_guard")?,
            sender_leaf_index: reader.u32("PerMessageKeyAndNonces.sender_leaf_index")?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.opaque(&self.key);
        writer.opaque(&self.nonce);
        writer.raw(&self.reuse_guard);
        writer.u32(self.sender_leaf_index);
    }
}

impl Wire for SemiPrivateMessageContext {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let group = "SemiPrivateMessageContext.group_id";
        let hash = "SemiPrivateMessageContext.partial_context_hash";
        Ok(Self {
            group_id: reader.opaque(OPAQUE_OCTETS_MAX, group)?.to_vec(),
            epoch: reader.u64("SemiPrivateMessageContext.epoch")?,
            partial_context_hash: reader.opaque(HASH_OCTETS_MAX, hash)?.to_vec(),
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.opaque(&self.group_id);
        writer.u64(self.epoch);
        writer.opaque(&self.partial_context_hash);
    }
}

impl Wire for KeyForExternalReceiver {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let reference = "KeyForExternalReceiver.external_receiver_ref";
        Ok(Self {
            external_receiver_ref: reader.opaque(HASH_OCTETS_MAX, reference)?.to_vec(),
            encrypted_keys_and_nonces: HpkeCiphertext::read(reader)?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.opaque(&self.external_receiver_ref);
        self.encrypted_keys_and_nonces.write(writer);
    }
}

impl Wire for SemiPrivateContentAad {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let group_id = reader.opaque(OPAQUE_OCTETS_MAX, "SemiPrivateMessage.group_id")?.to_vec();
        let epoch = reader.u64("SemiPrivateMessage.epoch")?;
        let field = "SemiPrivateMessage.content_type";
        let start = reader.clone();
        let content_type = reader.u8(field)?;
        if !matches!(content_type, 2 | 3) {
            return Err(start.malformed(field, "only proposals and commits (SPM-1)"));
        }
        let data = "SemiPrivateMessage.authenticated_data";
        let authenticated_data = reader.opaque(OPAQUE_OCTETS_MAX, data)?.to_vec();
        let hash = "SemiPrivateMessage.partial_context_hash";
        let partial_context_hash = reader.opaque(HASH_OCTETS_MAX, hash)?.to_vec();
        let field = "SemiPrivateMessage.keys_for_external_receivers";
        let start = reader.clone();
        let keys = reader.vector(LIST_ELEMENTS_MAX, field, KeyForExternalReceiver::read)?;
        if keys.is_empty() {
            return Err(start.malformed(field, "at least one external receiver (SPM-1)"));
        }
        let hash = "SemiPrivateMessage.framed_content_tbs_hash";
        Ok(Self {
            group_id,
            epoch,
            content_type,
            authenticated_data,
            partial_context_hash,
            keys_for_external_receivers: keys,
            framed_content_tbs_hash: reader.opaque(HASH_OCTETS_MAX, hash)?.to_vec(),
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.opaque(&self.group_id);
        writer.u64(self.epoch);
        writer.u8(self.content_type);
        writer.opaque(&self.authenticated_data);
        writer.opaque(&self.partial_context_hash);
        writer.vector(&self.keys_for_external_receivers, |writer, key| key.write(writer));
        writer.opaque(&self.framed_content_tbs_hash);
    }
}

impl Wire for SemiPrivateMessage {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let sender = "SemiPrivateMessage.encrypted_sender_data";
        let ciphertext = "SemiPrivateMessage.ciphertext";
        Ok(Self {
            aad: SemiPrivateContentAad::read(reader)?,
            encrypted_sender_data: reader.opaque(OPAQUE_OCTETS_MAX, sender)?.to_vec(),
            ciphertext: reader.opaque(HANDSHAKE_BODY_OCTETS_MAX, ciphertext)?.to_vec(),
        })
    }

    fn write(&self, writer: &mut Writer) {
        self.aad.write(writer);
        writer.opaque(&self.encrypted_sender_data);
        writer.opaque(&self.ciphertext);
    }
}

#[cfg(test)]
mod tests;
