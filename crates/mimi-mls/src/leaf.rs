//! What our own leaves declare: capabilities, known components, receivable media types.

use mimi_wire::Wire;
use mimi_wire::component::{
    APP_COMPONENTS, BASE_ROOM_POLICY, CONTENT_MEDIA_TYPES, ComponentId, FRANK_AAD, FRANKING_AGENT,
    JOIN_LINK_POLICY, JOIN_LINKS, PARTICIPANT_LIST, PREAUTH_LIST, ROLES_LIST, ROOM_METADATA,
    SAFE_AAD,
};
use mimi_wire::media::{MIMI_CONTENT, MIMI_MESSAGE_STATUS, MediaType, MediaTypeList};
use openmls::component::ComponentsList;
use openmls::extensions::{
    AppDataDictionary, AppDataDictionaryExtension, Extension, ExtensionType, Extensions,
};
use openmls::prelude::{
    Capabilities, Ciphersuite, CredentialType, LeafNode, ProposalType, ProtocolVersion,
};
use tls_codec::Serialize as _;

use crate::external_update::EXTERNAL_UPDATES;

/// The one suite we use (AMB-ST-7).
pub(crate) const SUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;

/// The components this implementation interprets, and what its clients say of themselves.
const KNOWN_COMPONENTS: [ComponentId; 12] = [
    SAFE_AAD,
    CONTENT_MEDIA_TYPES,
    FRANK_AAD,
    FRANKING_AGENT,
    PARTICIPANT_LIST,
    ROOM_METADATA,
    ROLES_LIST,
    PREAUTH_LIST,
    BASE_ROOM_POLICY,
    JOIN_LINK_POLICY,
    JOIN_LINKS,
    EXTERNAL_UPDATES,
];

pub(crate) fn capabilities() -> Capabilities {
    Capabilities::new(
        Some(&[ProtocolVersion::Mls10]),
        Some(&[SUITE]),
        Some(&[ExtensionType::AppDataDictionary]),
        Some(&[ProposalType::AppDataUpdate, ProposalType::SelfRemove]),
        Some(&[CredentialType::X509, CredentialType::Basic]),
    )
}

pub(crate) fn extensions() -> Extensions<LeafNode> {
    let mut dictionary = AppDataDictionary::new();
    dictionary.insert(APP_COMPONENTS, component_list(&KNOWN_COMPONENTS));
    dictionary.insert(SAFE_AAD, component_list(&[FRANK_AAD]));
    dictionary.insert(CONTENT_MEDIA_TYPES, receivable().encode());
    let extension = AppDataDictionaryExtension::new(dictionary);
    Extensions::single(Extension::AppDataDictionary(extension))
        .expect("a dictionary is allowed in a leaf")
}

pub(crate) fn component_list(ids: &[ComponentId]) -> Vec<u8> {
    let list = ComponentsList::new(ids.to_vec());
    list.tls_serialize_detached().expect("a short list of numbers")
}

/// Every type a client takes (CONTENT-MT-1, AMB-CNT-18).
fn receivable() -> MediaTypeList {
    let media_type = |media_type: &str, parameters: &[(&str, &str)]| MediaType {
        media_type: media_type.to_owned(),
        parameters: parameters.iter().map(|&(name, value)| (name.into(), value.into())).collect(),
    };
    MediaTypeList(vec![
        media_type(MIMI_CONTENT, &[]),
        media_type(MIMI_MESSAGE_STATUS, &[]),
        media_type("text/plain", &[("charset", "utf-8")]),
        media_type("text/markdown", &[("variant", "GFM-MIMI")]),
    ])
}
