//! What the hub itself proposes, as the first external sender (PROTO-NTF-3).
//!
//! The library's own builder leaves the authenticated data empty, which is malformed in a group
//! with `safe_aad` (AMB-FRK-13), so the message is put together here.

use mimi_policy::LeafIndex;
use mimi_wire::Wire;
use mimi_wire::codec::Writer;
use mimi_wire::mls::MlsMessage;

use super::HubGroup;
use crate::error::StageError;
use crate::framing::PUBLIC_MESSAGE_HEADER;
use crate::hub_keys::HubKeys;

const SENDER_TYPE_EXTERNAL: u8 = 2;
/// The hub is the first of the `external_senders` (AMB-ST-1).
const HUB_SENDER_INDEX: u32 = 0;
const CONTENT_TYPE_PROPOSAL: u8 = 2;
const PROPOSAL_TYPE_REMOVE: u16 = 3;

impl HubGroup {
    /// A proposal to remove a leaf, for the current epoch; to be staged like anybody else's.
    pub fn propose_remove(
        &self,
        keys: &HubKeys,
        leaf: LeafIndex,
    ) -> Result<MlsMessage, StageError> {
        if self.view.client_at(leaf).is_none() {
            return Err(StageError::invalid(format!("nobody is at leaf {leaf}")));
        }
        let mut proposal = Writer::default();
        proposal.u16(PROPOSAL_TYPE_REMOVE);
        proposal.u32(leaf);
        self.propose(keys, &proposal.into_octets())
    }

    fn propose(&self, keys: &HubKeys, proposal: &[u8]) -> Result<MlsMessage, StageError> {
        let mut message = Writer::default();
        message.raw(&PUBLIC_MESSAGE_HEADER);
        message.opaque(self.group_id());
        message.u64(self.view.epoch);
        message.u8(SENDER_TYPE_EXTERNAL);
        message.u32(HUB_SENDER_INDEX);
        // An empty SafeAAD is an empty vector, not nothing.
        message.opaque(if self.context().safe_aad_required() { &[0] } else { &[] });
        message.u8(CONTENT_TYPE_PROPOSAL);
        message.raw(proposal);
        let signed = message.into_octets();
        let signature = keys.sign_with_label("FramedContentTBS", &signed);
        let mut whole = Writer::default();
        whole.raw(&signed);
        whole.opaque(&signature);
        MlsMessage::decode(&whole.into_octets()).map_err(StageError::internal)
    }
}
