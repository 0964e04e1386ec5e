//! One Welcome per provider (AMB-NTF-13): a Welcome is not signed, so it can be cut, and no
//! provider needs to learn whom the others' KeyPackageRefs belong to.

use std::collections::BTreeMap;

use mimi_policy::{ClientIdentity, ClientView};
use mimi_wire::codec::{Malformed, Reader, Writer};
use mimi_wire::limits::{LIST_ELEMENTS_MAX, OPAQUE_OCTETS_MAX};
use mimi_wire::mls::{MlsMessage, Welcome};
use mimi_wire::protocol::CipherSuite;
use mimi_wire::{Domain, MimiUri, Wire};

use super::{HubGroup, WelcomeSlice};
use crate::error::StageError;
use crate::framing::WELCOME_HEADER;

/// Octets of a Welcome's encrypted GroupInfo: it holds the GroupContext with the whole list of
/// participants, and is sent to every provider beside the tree.
const ENCRYPTED_GROUP_INFO_OCTETS_MAX: usize = 8 * 1024 * 1024;

/// A Welcome, its secrets by KeyPackageRef.
struct Parts<'a> {
    suite: CipherSuite,
    secrets: BTreeMap<&'a [u8], &'a [u8]>,
    encrypted_group_info: &'a [u8],
}

/// Cuts the Welcome of a commit, which has secrets for exactly the clients the commit adds.
pub(super) fn slices(
    welcome: Option<&Welcome>,
    added: &[(ClientIdentity, Vec<u8>)],
    suite: CipherSuite,
) -> Result<Vec<WelcomeSlice>, StageError> {
    let welcome = match (welcome, added.is_empty()) {
        (None, true) => return Ok(Vec::new()),
        (None, false) => return Err(StageError::invalid("clients are added without a Welcome")),
        (Some(_), true) => return Err(StageError::invalid("a Welcome, but nobody is added")),
        (Some(welcome), false) => welcome,
    };
    let parts = Parts::parse(welcome)?;
    if parts.suite != suite {
        return Err(StageError::invalid("the Welcome is of another cipher suite"));
    }
    let all_welcomed = added.iter().all(|(_, it)| parts.secrets.contains_key(it.as_slice()));
    if parts.secrets.len() != added.len() || !all_welcomed {
        return Err(StageError::invalid("the Welcome is not for exactly the clients added"));
    }
    let mut by_domain: BTreeMap<Domain, Vec<&(ClientIdentity, Vec<u8>)>> = BTreeMap::new();
    for client in added {
        by_domain.entry(client.0.client.domain()).or_default().push(client);
    }
    let slice = |(domain, clients): (Domain, Vec<&(ClientIdentity, Vec<u8>)>)| {
        let message = parts.only(clients.iter().map(|(_, reference)| reference.as_slice()))?;
        let clients =
            clients.into_iter().map(|(it, reference)| (it.client.clone(), reference.clone()));
        Ok(WelcomeSlice { domain, clients: clients.collect(), message })
    };
    by_domain.into_iter().map(slice).collect()
}

impl HubGroup {
    /// Cuts the Welcome of a founding. Who is welcomed, each with its KeyPackageRef, is the
    /// founder's word: the hub has seen neither the KeyPackages nor the commit that adds them.
    pub fn founding_welcomes(
        &self,
        welcome: Option<&Welcome>,
        welcomed: &[(MimiUri, Vec<u8>)],
    ) -> Result<Vec<WelcomeSlice>, StageError> {
        let mut added = Vec::new();
        for (client, reference) in welcomed {
            let member = self.view().clients.iter().find(|member| member.client == *client);
            let member =
                member.ok_or_else(|| StageError::invalid(format!("{client} is no member")))?;
            let ClientView { user, client, .. } = member.clone();
            added.push((ClientIdentity { user, client, claims: Vec::new() }, reference.clone()));
        }
        slices(welcome, &added, self.ciphersuite())
    }
}

impl<'a> Parts<'a> {
    fn parse(welcome: &'a Welcome) -> Result<Self, StageError> {
        let mut reader = Reader::new(welcome.octets());
        let suite = reader.u16("Welcome.cipher_suite")?;
        let secrets = reader.vector(LIST_ELEMENTS_MAX, "Welcome.secrets", read_secrets)?;
        let count = secrets.len();
        let secrets: BTreeMap<&[u8], &[u8]> = secrets.into_iter().collect();
        if secrets.len() != count {
            return Err(StageError::invalid("the Welcome names a KeyPackage twice"));
        }
        let encrypted_group_info =
            reader.opaque(ENCRYPTED_GROUP_INFO_OCTETS_MAX, "Welcome.encrypted_group_info")?;
        reader.finish()?;
        Ok(Self { suite, secrets, encrypted_group_info })
    }

    /// An MLSMessage with the secrets of these KeyPackages only.
    fn only<'b>(
        &self,
        references: impl Iterator<Item = &'b [u8]>,
    ) -> Result<MlsMessage, StageError> {
        let secrets = references.filter_map(|reference| self.secrets.get(reference));
        let secrets: Vec<u8> = secrets.flat_map(|octets| octets.iter().copied()).collect();
        let mut writer = Writer::default();
        writer.raw(&WELCOME_HEADER);
        writer.u16(self.suite);
        writer.opaque(&secrets);
        writer.opaque(self.encrypted_group_info);
        MlsMessage::decode(&writer.into_octets()).map_err(StageError::internal)
    }
}

/// One `EncryptedGroupSecrets`: its KeyPackageRef and its own octets.
fn read_secrets<'a>(reader: &mut Reader<'a>) -> Result<(&'a [u8], &'a [u8]), Malformed> {
    let start = reader.rest();
    let new_member = reader.opaque(OPAQUE_OCTETS_MAX, "EncryptedGroupSecrets.new_member")?;
    reader.opaque(OPAQUE_OCTETS_MAX, "HPKECiphertext.kem_output")?;
    reader.opaque(OPAQUE_OCTETS_MAX, "HPKECiphertext.ciphertext")?;
    Ok((new_member, &start[..start.len() - reader.rest().len()]))
}
