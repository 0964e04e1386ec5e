//! A room as its group context and tree say it.

use std::collections::BTreeMap;

use mimi_policy::{ClientView, RoomView};
use mimi_wire::codec::{Malformed, Reader};
use mimi_wire::component::{
    APP_COMPONENTS, BASE_ROOM_POLICY, CONTENT_MEDIA_TYPES, ComponentId, PARTICIPANT_LIST,
    PREAUTH_LIST, ROLES_LIST, ROOM_METADATA, SAFE_AAD,
};
use mimi_wire::franking::SafeAad;
use mimi_wire::limits::OPAQUE_OCTETS_MAX;
use mimi_wire::media::MediaTypeList;
use mimi_wire::mls::ExternalSender;
use mimi_wire::registry::WireFormats;
use mimi_wire::registry::extension_type::{REQUIRED_WIRE_FORMATS, SUPPORTED_WIRE_FORMATS};
use mimi_wire::room::participant_list::ParticipantListData;
use mimi_wire::{Domain, MimiUri, UriKind, Wire};
use openmls::component::ComponentsList;
use openmls::extensions::AppDataDictionary;
use openmls::group::GroupContext;
use openmls::prelude::{CredentialType, ExtensionType, LeafNode, ProposalType};
use tls_codec::{Deserialize as _, Serialize as _};

use crate::error::StageError;

/// The room, given its members.
pub(crate) fn room_view(
    context: &GroupContext,
    clients: Vec<ClientView>,
) -> Result<RoomView, StageError> {
    let participants = required(dictionary(context)?, PARTICIPANT_LIST)?;
    room_view_with(context, participants, clients)
}

/// The room, given its members and its participant list too.
pub(crate) fn room_view_with(
    context: &GroupContext,
    participants: ParticipantListData,
    clients: Vec<ClientView>,
) -> Result<RoomView, StageError> {
    let dictionary = dictionary(context)?;
    let own = [PARTICIPANT_LIST, ROOM_METADATA, ROLES_LIST, PREAUTH_LIST, BASE_ROOM_POLICY];
    let others = dictionary.entries().filter(|entry| !own.contains(&entry.id()));
    let other_components: BTreeMap<ComponentId, Vec<u8>> =
        others.map(|entry| (entry.id(), entry.data().to_vec())).collect();
    Ok(RoomView {
        epoch: context.epoch().as_u64(),
        participants,
        roles: required(dictionary, ROLES_LIST)?,
        metadata: required(dictionary, ROOM_METADATA)?,
        preauth: optional(dictionary, PREAUTH_LIST)?.unwrap_or_default(),
        base_policy: optional(dictionary, BASE_ROOM_POLICY)?,
        other_components,
        clients,
    })
}

/// What MIMI asks of a group context beyond a readable room (PROTO-ST-4, PROTO-ST-6, AMB-ST-6).
pub(crate) fn check_requirements(
    context: &GroupContext,
    view: &RoomView,
) -> Result<(), StageError> {
    let required = context.required_capabilities().ok_or_else(|| {
        StageError::invalid("the group context has no required_capabilities (AMB-ST-6)")
    })?;
    let extension = required.extension_types().contains(&ExtensionType::AppDataDictionary);
    let proposals = [ProposalType::AppDataUpdate, ProposalType::SelfRemove];
    if !extension || !proposals.iter().all(|needed| required.proposal_types().contains(needed)) {
        let reason = "required_capabilities lack app_data_dictionary, AppDataUpdate or SelfRemove";
        return Err(StageError::invalid(reason));
    }
    let room = view.room();
    if room.kind() != UriKind::Room {
        return Err(StageError::invalid(format!("{room} is not a room URI")));
    }
    // The hub is the host of the room's URI, and nobody else (ARCH-1, AMB-ID-3, PROTO-GI-6).
    let hub = sender_domain(&hub_sender(context)?)?;
    if hub != room.domain() {
        let reason =
            format!("the first external sender is {hub}, the room is of {}", room.domain());
        return Err(StageError::invalid(reason));
    }
    Ok(())
}

/// First entry of `external_senders`: the hub (PROTO-ST-4, AMB-ST-1).
pub(crate) fn hub_sender(context: &GroupContext) -> Result<ExternalSender, StageError> {
    let senders = context.extensions().external_senders();
    let hub = senders.and_then(|senders| senders.first());
    let hub = hub.ok_or_else(|| StageError::invalid("the group has no external_senders"))?;
    wire_sender(hub)
}

/// The provider an external sender's credential names: `mimi://<domain>` (AMB-ST-1).
pub(crate) fn sender_domain(sender: &ExternalSender) -> Result<Domain, StageError> {
    let credential = sender_credential(sender)?;
    if credential.credential_type() != CredentialType::Basic {
        let given = u16::from(credential.credential_type());
        let reason = format!("an external sender with credential type {given} is not supported");
        return Err(StageError::invalid(reason));
    }
    let text = std::str::from_utf8(credential.serialized_content()).map_err(StageError::invalid)?;
    let provider = MimiUri::new(text).map_err(StageError::invalid)?;
    if provider.kind() != UriKind::Provider {
        return Err(StageError::invalid(format!("{provider} is not a provider URI")));
    }
    Ok(provider.domain())
}

fn sender_credential(sender: &ExternalSender) -> Result<openmls::prelude::Credential, StageError> {
    let mut reader = Reader::new(sender.octets());
    reader.nested("ExternalSender.signature_key")?;
    Ok(reader.mls("ExternalSender.credential")?.1)
}

/// The signature key and the credential of an external sender, by its position.
pub(crate) fn external_sender(
    context: &GroupContext,
    index: u32,
) -> Result<(Vec<u8>, openmls::prelude::Credential), StageError> {
    let senders = context.extensions().external_senders();
    let position = usize::try_from(index).unwrap_or(usize::MAX);
    let sender = senders.and_then(|senders| senders.get(position));
    let sender =
        wire_sender(sender.ok_or_else(|| StageError::invalid("no such external sender"))?)?;
    let mut reader = Reader::new(sender.octets());
    let key = reader.opaque(OPAQUE_OCTETS_MAX, "ExternalSender.signature_key")?.to_vec();
    Ok((key, sender_credential(&sender)?))
}

fn wire_sender(sender: &openmls::prelude::ExternalSender) -> Result<ExternalSender, StageError> {
    let octets = sender.tls_serialize_detached().map_err(StageError::internal)?;
    Ok(ExternalSender::decode(&octets)?)
}

/// A new leaf must know the components the group requires (MLSX-2), take its media types (MLSX-8)
/// and its wire formats (MLSX-11); the library does not look. What it lists beyond that is of no
/// concern (MLSX-12).
pub(crate) fn check_leaf(leaf: &LeafNode, context: &GroupContext) -> Result<(), StageError> {
    let group = dictionary(context)?;
    let known = leaf.extensions().app_data_dictionary().map(|extension| extension.dictionary());
    for list in [APP_COMPONENTS, SAFE_AAD] {
        let needed = component_list(Some(group), list)?;
        let known = component_list(known, list)?;
        if let Some(missing) = needed.iter().find(|id| !known.contains(id)) {
            let reason = format!("a leaf does not know component {missing:#06x} (list {list})");
            return Err(StageError::proposal(None, reason));
        }
    }
    check_media_types(known, group)?;
    check_wire_formats(leaf, context)
}

fn check_media_types(
    known: Option<&AppDataDictionary>,
    group: &AppDataDictionary,
) -> Result<(), StageError> {
    let Some(required) = optional::<MediaTypeList>(group, CONTENT_MEDIA_TYPES)? else {
        return Ok(());
    };
    let own = known.map(|known| optional::<MediaTypeList>(known, CONTENT_MEDIA_TYPES));
    // Leaves should say what they take, and need not: whoever adds one may know it otherwise
    // (mls-extensions, "Expected Behavior").
    let Some(own) = own.transpose()?.flatten() else { return Ok(()) };
    match own.missing(&required).first() {
        None => Ok(()),
        Some(missing) => {
            let reason = format!("a leaf does not take {:?}", missing.media_type);
            Err(StageError::proposal(None, reason))
        }
    }
}

pub(crate) fn check_wire_formats(
    leaf: &LeafNode,
    context: &GroupContext,
) -> Result<(), StageError> {
    let Some(required) = context.extensions().unknown(REQUIRED_WIRE_FORMATS) else {
        return Ok(());
    };
    let required = WireFormats::decode(&required.0)?;
    let own = leaf.extensions().unknown(SUPPORTED_WIRE_FORMATS);
    let own = own.map(|own| WireFormats::decode(&own.0)).transpose()?.unwrap_or_default();
    match own.missing(&required).first() {
        None => Ok(()),
        Some(missing) => {
            let reason = format!("a leaf does not support wire format {missing:#06x}");
            Err(StageError::proposal(None, reason))
        }
    }
}

/// MLSX-7, AMB-FRK-13: with `safe_aad` in the group, all authenticated data is one SafeAAD. The
/// library would take anything behind it.
pub(crate) fn check_authenticated_data(
    authenticated_data: &[u8],
    context: &GroupContext,
) -> Result<(), StageError> {
    if context.safe_aad_required() {
        SafeAad::decode(authenticated_data)?;
    }
    Ok(())
}

/// The dictionary; one that is not in order the library does not even parse (MLSX-1).
pub(crate) fn dictionary(context: &GroupContext) -> Result<&AppDataDictionary, StageError> {
    let extension = context.extensions().app_data_dictionary();
    let missing = || StageError::invalid("the group context has no app_data_dictionary");
    Ok(extension.ok_or_else(missing)?.dictionary())
}

/// The components that a list in a dictionary names; none where there is no list.
pub(crate) fn component_list(
    dictionary: Option<&AppDataDictionary>,
    list: ComponentId,
) -> Result<Vec<ComponentId>, StageError> {
    let Some(octets) = dictionary.and_then(|dictionary| dictionary.get(&list)) else {
        return Ok(Vec::new());
    };
    let parsed = ComponentsList::tls_deserialize_exact(octets);
    Ok(parsed.map_err(StageError::invalid)?.into_ids())
}

fn required<T: Wire>(dictionary: &AppDataDictionary, id: ComponentId) -> Result<T, StageError> {
    let missing = || StageError::invalid(format!("component {id:#06x} is missing"));
    optional(dictionary, id)?.ok_or_else(missing)
}

fn optional<T: Wire>(
    dictionary: &AppDataDictionary,
    id: ComponentId,
) -> Result<Option<T>, StageError> {
    let octets = dictionary.get(&id);
    octets
        .map(T::decode)
        .transpose()
        .map_err(|fault: Malformed| StageError::invalid(format!("component {id:#06x}: {fault}")))
}
