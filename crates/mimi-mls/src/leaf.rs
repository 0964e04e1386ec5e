//! What our own leaves declare: capabilities, known components, receivable media types. Everywhere
//! a number that means nothing stands among the others, so that nobody comes to rely on knowing
//! them all (GREASE, MLSX-12).

use mimi_wire::Wire;
use mimi_wire::component::{
    APP_COMPONENTS, ASSET_POLICY, BASE_ROOM_POLICY, BOT_POLICY, CHAT_HISTORY_POLICY,
    CONTENT_MEDIA_TYPES, ComponentId, FRANK_AAD, FRANKING_AGENT, JOIN_LINK_POLICY, JOIN_LINKS,
    LINK_PREVIEW_POLICY, LOGGING_POLICY, MESSAGE_EXPIRATION_POLICY, MLS_OPERATIONAL_POLICY,
    PARTICIPANT_LIST, PREAUTH_LIST, ROLES_LIST, ROOM_METADATA, SAFE_AAD,
    STATUS_NOTIFICATION_POLICY,
};
use mimi_wire::media::{MIMI_CONTENT, MIMI_MESSAGE_STATUS, MediaType, MediaTypeList};
use mimi_wire::registry::extension_type::{REQUIRED_WIRE_FORMATS, SUPPORTED_WIRE_FORMATS};
use mimi_wire::registry::{WireFormats, wire_format};
use openmls::component::ComponentsList;
use openmls::extensions::{
    AppDataDictionary, AppDataDictionaryExtension, Extension, ExtensionType, Extensions,
    UnknownExtension,
};
use openmls::grease::random_grease_value;
use openmls::prelude::{
    Capabilities, Ciphersuite, CredentialType, LeafNode, ProposalType, ProtocolVersion,
};
use openmls_traits::random::OpenMlsRand;
use tls_codec::Serialize as _;

use crate::external_update::EXTERNAL_UPDATES;

/// The one suite we use (AMB-ST-7).
pub(crate) const SUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;

/// The components this implementation interprets, and what its clients say of themselves (MLSX-2).
const KNOWN_COMPONENTS: [ComponentId; 21] = [
    APP_COMPONENTS,
    SAFE_AAD,
    CONTENT_MEDIA_TYPES,
    FRANK_AAD,
    FRANKING_AGENT,
    PARTICIPANT_LIST,
    ROOM_METADATA,
    MLS_OPERATIONAL_POLICY,
    ROLES_LIST,
    PREAUTH_LIST,
    BASE_ROOM_POLICY,
    STATUS_NOTIFICATION_POLICY,
    JOIN_LINK_POLICY,
    JOIN_LINKS,
    LINK_PREVIEW_POLICY,
    ASSET_POLICY,
    LOGGING_POLICY,
    CHAT_HISTORY_POLICY,
    BOT_POLICY,
    MESSAGE_EXPIRATION_POLICY,
    EXTERNAL_UPDATES,
];

/// Octets of a component that means nothing.
const GREASE_OCTETS: usize = 4;

/// What a leaf of ours can do; AppEphemeral is not among it (MLSX-5).
pub(crate) fn capabilities(rand: &impl OpenMlsRand) -> Capabilities {
    let extensions = [
        ExtensionType::AppDataDictionary,
        ExtensionType::Unknown(SUPPORTED_WIRE_FORMATS),
        ExtensionType::Unknown(REQUIRED_WIRE_FORMATS),
    ];
    Capabilities::new(
        Some(&[ProtocolVersion::Mls10]),
        Some(&[SUITE]),
        Some(&extensions),
        Some(&[ProposalType::AppDataUpdate, ProposalType::SelfRemove]),
        Some(&[CredentialType::X509, CredentialType::Basic]),
    )
    .with_grease(rand)
}

/// What a leaf of ours says of itself.
pub(crate) fn extensions(rand: &impl OpenMlsRand) -> Extensions<LeafNode> {
    let greased = |ids: &[ComponentId]| {
        let mut ids = ids.to_vec();
        ids.push(random_grease_value(rand));
        ids.sort_unstable();
        component_list(&ids)
    };
    let mut dictionary = AppDataDictionary::new();
    dictionary.insert(APP_COMPONENTS, greased(&KNOWN_COMPONENTS));
    dictionary.insert(SAFE_AAD, greased(&[FRANK_AAD]));
    dictionary.insert(CONTENT_MEDIA_TYPES, receivable().encode());
    let meaningless = rand.random_vec(GREASE_OCTETS).unwrap_or_default();
    dictionary.insert(random_grease_value(rand), meaningless);
    // MLSX-11: those that everybody knows, said all the same.
    let formats = WireFormats(vec![wire_format::PUBLIC_MESSAGE, wire_format::PRIVATE_MESSAGE]);
    let formats = UnknownExtension(formats.encode());
    Extensions::from_vec(vec![
        Extension::AppDataDictionary(AppDataDictionaryExtension::new(dictionary)),
        Extension::Unknown(SUPPORTED_WIRE_FORMATS, formats),
    ])
    .expect("both are allowed in a leaf")
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
