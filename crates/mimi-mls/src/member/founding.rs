//! Creating a room's group.

use mimi_wire::Wire;
use mimi_wire::component::{
    APP_COMPONENTS, BASE_ROOM_POLICY, CONTENT_MEDIA_TYPES, FRANK_AAD, PARTICIPANT_LIST,
    PREAUTH_LIST, ROLES_LIST, ROOM_METADATA, SAFE_AAD,
};
use mimi_wire::media::{MIMI_CONTENT, MediaType, MediaTypeList};
use mimi_wire::mls::{GroupInfo, KeyPackage, RatchetTree, RequiredCapabilities, Welcome};
use mimi_wire::protocol::ratchet_tree::GroupInfoOption;
use mimi_wire::room::participant_list::{ParticipantListData, UserRolePair};
use openmls::extensions::{
    AppDataDictionary, AppDataDictionaryExtension, Extension, ExtensionType, Extensions,
    RequiredCapabilitiesExtension,
};
use openmls::group::{
    GroupContext, GroupId, MlsGroup, MlsGroupCreateConfig, PURE_PLAINTEXT_WIRE_FORMAT_POLICY,
};
use openmls::prelude::{CredentialType, Lifetime, ProposalType};
use openmls_rust_crypto::RustCrypto;
use rand::CryptoRng;
use tls_codec::Serialize as _;

use super::{
    CommitPlan, Founding, MemberGroup, PADDING_OCTETS, PAST_EPOCHS_MAX, ratchet_configuration, wire,
};
use crate::changes::{already_proven, clients};
use crate::context::room_view;
use crate::device::Device;
use crate::error::StageError;
use crate::leaf;
use crate::pieces::Pieces;
use crate::provider::{Provider, Seeded};

/// How long the creator's leaf counts as fresh for the hub that opens the room.
const LEAF_LIFETIME_S: u64 = 90 * 24 * 60 * 60;
const SKEW_S: u64 = 60 * 60;
/// Version and wire format, which an MLSMessage has before the GroupInfo itself.
const MESSAGE_HEADER_OCTETS: usize = 4;

impl MemberGroup {
    /// Creates a room's group; GroupInfo and tree go to the hub.
    pub fn create(
        device: &Device,
        founding: &Founding,
        rng: &mut impl CryptoRng,
        now_ms: u64,
    ) -> Result<(Self, GroupInfo, RatchetTree), StageError> {
        let credential = device.credential_with_key()?;
        let credential_type = credential.credential.credential_type();
        let extensions = group_context_extensions(device, founding, credential_type)?;
        let not_before_s = (now_ms / 1_000).saturating_sub(SKEW_S);
        let lifetime = Lifetime::init(not_before_s, not_before_s.saturating_add(LEAF_LIFETIME_S));
        let rand = Seeded::from_rng(rng);
        let config = MlsGroupCreateConfig::builder()
            .ciphersuite(leaf::SUITE)
            .lifetime(lifetime)
            .capabilities(leaf::capabilities(&rand))
            .with_leaf_node_extensions(leaf::extensions(&rand))
            .map_err(StageError::internal)?
            .wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
            .padding_size(PADDING_OCTETS)
            .max_past_epochs(PAST_EPOCHS_MAX)
            .sender_ratchet_configuration(ratchet_configuration())
            .use_ratchet_tree_extension(false)
            .with_group_context_extensions(extensions)
            .build();
        let crypto = RustCrypto::default();
        let pieces = Pieces::default();
        let provider = Provider { crypto: &crypto, rand: &rand, pieces: &pieces };
        let group_id = GroupId::from_slice(&founding.group_id);
        let signer = device.signer();
        let group = MlsGroup::new_with_group_id(&provider, signer, &config, group_id, credential)
            .map_err(StageError::invalid)?;
        let group_info = group.export_group_info(&crypto, signer, false);
        let message = group_info.map_err(StageError::internal)?.tls_serialize_detached();
        let message = message.map_err(StageError::internal)?;
        let group_info = message.get(MESSAGE_HEADER_OCTETS..).unwrap_or_default();
        let group_info = GroupInfo::decode(group_info).map_err(StageError::internal)?;
        let tree = wire(&group.export_ratchet_tree())?;
        let clients = clients(group.public_group(), &already_proven)?;
        let view = room_view(group.public_group().group_context(), clients)?;
        Ok((Self::new(group, pieces, view)?, group_info, tree))
    }

    /// Creates a room's group with its first members already in it: the commit that adds them is
    /// nobody else's business, so the hub gets what it led to, and the Welcome.
    ///
    /// No judge is asked here: how a room begins is its creator's affair (AMB-POL-17), and one of
    /// fixed membership can begin in no other way (POLICY-BASE-1).
    pub fn create_with(
        device: &Device,
        founding: &Founding,
        key_packages: Vec<KeyPackage>,
        rng: &mut impl CryptoRng,
        now_ms: u64,
    ) -> Result<(Self, GroupInfo, RatchetTree, Option<Welcome>), StageError> {
        let (mut group, group_info, tree) = Self::create(device, founding, rng, now_ms)?;
        if key_packages.is_empty() {
            return Ok((group, group_info, tree, None));
        }
        let plan = CommitPlan { add: key_packages, ..CommitPlan::default() };
        let (bundle, _) = group.commit(device, &plan, rng, now_ms)?;
        group.accept_pending()?;
        let GroupInfoOption::Full(group_info) = bundle.group_info else {
            return Err(StageError::internal("our own GroupInfo is not whole"));
        };
        let tree = wire(&group.group.export_ratchet_tree())?;
        Ok((group, group_info, tree, bundle.welcome))
    }
}

/// What the rooms we create require of their members (AMB-ST-6), for key material that is fetched
/// before there is a group.
pub fn founding_requirements(device: &Device) -> Result<RequiredCapabilities, StageError> {
    let credential = device.credential_with_key()?.credential;
    let octets = required(credential.credential_type()).tls_serialize_detached();
    RequiredCapabilities::decode(&octets.map_err(StageError::internal)?)
        .map_err(StageError::internal)
}

fn required(credential_type: CredentialType) -> RequiredCapabilitiesExtension {
    RequiredCapabilitiesExtension::new(
        &[ExtensionType::AppDataDictionary],
        &[ProposalType::AppDataUpdate, ProposalType::SelfRemove],
        &[credential_type],
    )
}

/// What every room we create has in its group context (AMB-ST-4, AMB-ST-6, AMB-CNT-18).
fn group_context_extensions(
    device: &Device,
    founding: &Founding,
    credential_type: CredentialType,
) -> Result<Extensions<GroupContext>, StageError> {
    let identity = device.identity().ok_or_else(|| StageError::internal("not certified yet"))?;
    let creator = UserRolePair { user: identity.user.clone(), role_index: founding.creator_role };
    let participants = std::iter::once(creator).chain(founding.others.iter().cloned()).collect();
    let participants = ParticipantListData { participants };
    let mimi_content = MediaType { media_type: MIMI_CONTENT.to_owned(), parameters: Vec::new() };
    let media_types = MediaTypeList(vec![mimi_content]);
    let components = [
        (CONTENT_MEDIA_TYPES, media_types.encode()),
        (PARTICIPANT_LIST, participants.encode()),
        (ROOM_METADATA, founding.metadata.encode()),
        (ROLES_LIST, founding.roles.encode()),
        (PREAUTH_LIST, founding.preauth.encode()),
        (BASE_ROOM_POLICY, founding.base_policy.encode()),
    ];
    let others = founding.components.keys().copied();
    let mut present: Vec<_> = components.iter().map(|(id, _)| *id).chain(others).collect();
    present.push(SAFE_AAD);
    present.sort_unstable();
    let mut dictionary = AppDataDictionary::new();
    dictionary.insert(APP_COMPONENTS, leaf::component_list(&present));
    dictionary.insert(SAFE_AAD, leaf::component_list(&[FRANK_AAD]));
    let others = founding.components.iter().map(|(id, value)| (*id, value.clone()));
    for (id, value) in components.into_iter().chain(others) {
        dictionary.insert(id, value);
    }
    let extensions = vec![
        Extension::RequiredCapabilities(required(credential_type)),
        Extension::ExternalSenders(vec![founding.hub_sender.parsed().clone()]),
        Extension::AppDataDictionary(AppDataDictionaryExtension::new(dictionary)),
    ];
    Extensions::from_vec(extensions).map_err(StageError::internal)
}
