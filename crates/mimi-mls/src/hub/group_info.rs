//! The GroupInfo that comes with a commit (PROTO-UPD-6..8).
//!
//! A hub holds no secret of the group and so cannot tell a wrong confirmation tag or a wrong
//! dictionary from a right one by itself. It compares what the committer signed with what it has
//! computed; a committer that lies about both is found out by every member.

use mimi_policy::LeafIndex;
use mimi_wire::Wire;
use mimi_wire::codec::{Reader, Writer};
use mimi_wire::limits::OPAQUE_OCTETS_MAX;
use mimi_wire::mls::GroupInfo;
use mimi_wire::protocol::ratchet_tree::{GroupInfoOption, PartialGroupInfo, RatchetTreePresence};
use openmls::group::GroupContext;
use openmls::messages::ConfirmationTag;
use tls_codec::Serialize as _;

use crate::error::StageError;
use crate::label::verify_with_label;

/// What the hub has computed of the epoch a commit leads to.
pub(super) struct NewEpoch<'a> {
    pub(super) context: &'a GroupContext,
    pub(super) confirmation_tag: &'a ConfirmationTag,
    pub(super) committer: LeafIndex,
    pub(super) committer_key: &'a [u8],
}

/// The fields of a GroupInfo, and the octets under its signature.
struct Fields<'a> {
    context: GroupContext,
    confirmation_tag: ConfirmationTag,
    signer: LeafIndex,
    signed: &'a [u8],
    signature: &'a [u8],
}

impl NewEpoch<'_> {
    /// The whole GroupInfo, if it is the committer's and of exactly this epoch (PROTO-UPD-7).
    pub(super) fn check(&self, option: &GroupInfoOption) -> Result<GroupInfo, StageError> {
        let group_info = match option {
            GroupInfoOption::Full(group_info) => group_info.clone(),
            GroupInfoOption::Partial(partial) => self.rebuild(partial)?,
        };
        check_extensions(&group_info)?;
        let fields = Fields::parse(&group_info)?;
        if fields.context != *self.context {
            return Err(StageError::invalid("the GroupInfo is not of the epoch of this commit"));
        }
        if fields.confirmation_tag != *self.confirmation_tag {
            return Err(StageError::invalid("the GroupInfo has another confirmation tag"));
        }
        if fields.signer != self.committer {
            return Err(StageError::invalid("the GroupInfo is not signed by the committer"));
        }
        let suite = self.context.ciphersuite().into();
        let Fields { signed, signature, .. } = fields;
        verify_with_label(suite, self.committer_key, "GroupInfoTBS", signed, signature)
            .map_err(|_| StageError::invalid("the GroupInfo's signature is not valid"))?;
        Ok(group_info)
    }

    /// PROTO-UPD-8, RTO-3: what a PartialGroupInfo leaves out is what we have computed.
    fn rebuild(&self, partial: &PartialGroupInfo) -> Result<GroupInfo, StageError> {
        // AMB-RTO-4.
        if partial.ratchet_tree_presence != RatchetTreePresence::NoRatchetTree {
            return Err(StageError::invalid("a GroupInfo must not embed the ratchet tree"));
        }
        let mut writer = Writer::default();
        writer.raw(&self.context.tls_serialize_detached().map_err(StageError::internal)?);
        writer.opaque(&partial.group_info_extensions);
        writer.raw(&self.confirmation_tag.tls_serialize_detached().map_err(StageError::internal)?);
        writer.u32(self.committer);
        writer.opaque(&partial.signature);
        Ok(GroupInfo::decode(&writer.into_octets())?)
    }
}

/// No embedded tree (PROTO-UPD-6, AMB-UPD-5), and the key that external joiners need
/// (PROTO-UPD-7).
pub(super) fn check_extensions(group_info: &GroupInfo) -> Result<(), StageError> {
    let extensions = group_info.parsed().extensions();
    if extensions.ratchet_tree().is_some() {
        return Err(StageError::invalid("a GroupInfo must not embed the ratchet tree"));
    }
    if extensions.external_pub().is_none() {
        return Err(StageError::invalid("the GroupInfo has no external_pub"));
    }
    Ok(())
}

impl<'a> Fields<'a> {
    fn parse(group_info: &'a GroupInfo) -> Result<Self, StageError> {
        let octets = group_info.octets();
        let mut reader = Reader::new(octets);
        let context = reader.mls("GroupInfo.group_context")?.1;
        reader.opaque(OPAQUE_OCTETS_MAX, "GroupInfo.extensions")?;
        let confirmation_tag = reader.mls("GroupInfo.confirmation_tag")?.1;
        let signer = reader.u32("GroupInfo.signer")?;
        let signed = &octets[..reader.offset()];
        let signature = reader.opaque(OPAQUE_OCTETS_MAX, "GroupInfo.signature")?;
        reader.finish()?;
        Ok(Self { context, confirmation_tag, signer, signed, signature })
    }
}
