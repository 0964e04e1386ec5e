//! Changes of the room that an external sender proposes: AppDataUpdate outside the group.
//!
//! mls-extensions lets external senders propose them; the library verifies what external senders
//! send for a few kinds of proposals only and refuses this one. So the message is verified here, and
//! the library is handed the proposal as it would have kept it itself. From there on commits that
//! include it by reference work as with any other.
//!
//! This is the one place that leans on how the library keeps a proposal; `tests/room.rs` breaks if
//! that changes. Members that use the library as it is refuse such a proposal, and then every commit
//! that includes it, so a hub makes them only where every leaf says that it takes them
//! ([`takes_list_changes`]).

use mimi_wire::component::{APP_COMPONENTS, ComponentId};
use mimi_wire::mls::MlsMessage;
use openmls::ciphersuite::hash_ref::make_proposal_ref;
use openmls::group::{PublicGroup, QueuedProposal};
use openmls::messages::proposals::{Proposal, ProposalOrRefType};
use openmls::prelude::{LeafNode, ProposalIn, Sender, SenderExtensionIndex};
use openmls_rust_crypto::RustCrypto;
use serde::Serialize;

use crate::context::{component_list, external_sender};
use crate::error::StageError;
use crate::framing::{FrameBody, FrameSender, PublicFrame};
use crate::label::verify_with_label;

/// Private use (mls-extensions section 7.5): listed among a leaf's `app_components` by clients that
/// take what this file is about.
pub(crate) const EXTERNAL_UPDATES: ComponentId = 0xf001;
/// An empty SafeAAD (AMB-FRK-13).
pub(crate) const EMPTY_SAFE_AAD: &[u8] = &[0];

/// As the library keeps a proposal of the current epoch.
#[derive(Serialize)]
struct Kept<'a> {
    proposal: Proposal,
    proposal_reference: openmls::ciphersuite::hash_ref::ProposalRef,
    sender: &'a Sender,
    proposal_or_ref_type: ProposalOrRefType,
}

/// The proposal, verified, if the message is one of these; `None` is for the library to process.
pub(crate) fn read(
    message: &MlsMessage,
    group: &PublicGroup,
) -> Result<Option<QueuedProposal>, StageError> {
    let frame = PublicFrame::parse(message)?;
    let (FrameSender::External(index), FrameBody::Proposal(proposal)) = (frame.sender, &frame.body)
    else {
        return Ok(None);
    };
    let ProposalIn::AppDataUpdate(update) = proposal.as_ref() else { return Ok(None) };
    let context = group.group_context();
    let of_this_epoch =
        frame.group_id == context.group_id().as_slice() && frame.epoch == context.epoch().as_u64();
    if !of_this_epoch {
        return Err(StageError::invalid("of another group or epoch"));
    }
    if context.safe_aad_required() && frame.authenticated_data != EMPTY_SAFE_AAD {
        return Err(StageError::invalid("the authenticated data is no empty SafeAAD"));
    }
    let (key, _) = external_sender(context, index)?;
    let suite = group.ciphersuite();
    verify_with_label(suite.into(), &key, "FramedContentTBS", frame.signed, frame.signature)
        .map_err(|_| StageError::invalid("the signature is not the external sender's"))?;
    let reference = make_proposal_ref(frame.authenticated, suite, &RustCrypto::default());
    let kept = Kept {
        proposal: Proposal::AppDataUpdate(update.clone()),
        proposal_reference: reference.map_err(StageError::internal)?,
        sender: &Sender::External(SenderExtensionIndex::new(index)),
        proposal_or_ref_type: ProposalOrRefType::Reference,
    };
    let octets = postcard::to_allocvec(&kept).map_err(StageError::internal)?;
    postcard::from_bytes(&octets).map(Some).map_err(StageError::internal)
}

/// Whether the client of a leaf takes list changes that its hub proposes.
pub(crate) fn takes_list_changes(leaf: &LeafNode) -> bool {
    let known = leaf.extensions().app_data_dictionary().map(|extension| extension.dictionary());
    component_list(known, APP_COMPONENTS).is_ok_and(|known| known.contains(&EXTERNAL_UPDATES))
}
