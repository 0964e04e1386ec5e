//! `update` (protocol-06 section 5.3): commits and proposals on their way to the hub.

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::limits::{HASH_OCTETS_MAX, LIST_ELEMENTS_MAX, MORE_PROPOSALS_MAX, TEXT_OCTETS_MAX};
use crate::mls::{MessageKind, MlsMessage, Welcome};
use crate::protocol::ratchet_tree::{GroupInfoOption, RatchetTreeOption};

/// `HandshakeBundle`, which is also the whole `UpdateRequest` (AMB-W-10): one commit or one atomic
/// bundle of proposals (PROTO-UPD-11).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum UpdateRequest {
    /// A commit.
    Commit(CommitBundle),
    /// Standalone proposals.
    Proposals(ProposalBundle),
}

/// A commit with what the hub needs to serve joiners.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CommitBundle {
    /// The commit, a PublicMessage (PROTO-UPD-5).
    pub commit: MlsMessage,
    /// For the clients the commit adds (AMB-UPD-6).
    pub welcome: Option<Welcome>,
    /// The GroupInfo of the new epoch (PROTO-UPD-7).
    pub group_info: GroupInfoOption,
    /// The tree of the new epoch, `DistributionService` towards a hub that tracks it (AMB-UPD-17).
    pub ratchet_tree: RatchetTreeOption,
}

/// Proposals of one sender and one epoch that stand or fall together.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProposalBundle {
    /// The first.
    pub proposal: MlsMessage,
    /// The others, at most [`MORE_PROPOSALS_MAX`].
    pub more_proposals: Vec<MlsMessage>,
}

/// A `ProposalRef`: the hash of an authenticated proposal.
pub type ProposalRef = Vec<u8>;

/// What the hub answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum UpdateOutcome {
    /// `success(0)`.
    Success {
        /// Milliseconds since the UNIX epoch (PROTO-UPD-13).
        accepted_timestamp: u64,
    },
    /// `wrongEpoch(1)`.
    WrongEpoch {
        /// The hub's epoch.
        current_epoch: u64,
    },
    /// `notAllowed(2)`.
    NotAllowed,
    /// `invalidProposal(3)`.
    InvalidProposal {
        /// References of the proposals at fault, or that were omitted (AMB-UPD-8).
        invalid_proposals: Vec<ProposalRef>,
    },
}

/// `UpdateRoomResponse`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UpdateResponse {
    /// The outcome.
    pub outcome: UpdateOutcome,
    /// For a person; empty on success (AMB-UPD-2).
    pub error_description: String,
}

/// `success(0)`, `wrongEpoch(1)`, `notAllowed(2)`, `invalidProposal(3)`: `UpdateResponseCode`.
const SUCCESS: u8 = 0;
const WRONG_EPOCH: u8 = 1;
const NOT_ALLOWED: u8 = 2;
const INVALID_PROPOSAL: u8 = 3;

impl Wire for UpdateRequest {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let field = "HandshakeBundle.proposalOrCommit";
        let start = reader.clone();
        let message = MlsMessage::read(reader)?;
        // What follows depends on the content type of a handshake that can be read (AMB-UPD-4,
        // PROTO-UPD-5).
        match message.kind() {
            MessageKind::Commit => Ok(Self::Commit(CommitBundle {
                commit: message,
                welcome: reader.optional("HandshakeBundle.welcome", Welcome::read)?,
                group_info: GroupInfoOption::read(reader)?,
                ratchet_tree: RatchetTreeOption::read(reader)?,
            })),
            MessageKind::Proposal => Ok(Self::Proposals(ProposalBundle {
                proposal: message,
                more_proposals: read_more_proposals(reader, "HandshakeBundle.moreProposals")?,
            })),
            kind => {
                let reason = format!("must be a public proposal or commit, is {kind:?}");
                Err(start.malformed(field, reason))
            }
        }
    }

    fn write(&self, writer: &mut Writer) {
        match self {
            Self::Commit(bundle) => {
                bundle.commit.write(writer);
                writer.optional(bundle.welcome.as_ref(), |writer, welcome| welcome.write(writer));
                bundle.group_info.write(writer);
                bundle.ratchet_tree.write(writer);
            }
            Self::Proposals(bundle) => {
                bundle.proposal.write(writer);
                writer.vector(&bundle.more_proposals, |writer, proposal| proposal.write(writer));
            }
        }
    }
}

/// Standalone proposals beside the first one (AMB-UPD-12).
pub(crate) fn read_more_proposals(
    reader: &mut Reader<'_>,
    field: &'static str,
) -> Result<Vec<MlsMessage>, Malformed> {
    reader.vector(MORE_PROPOSALS_MAX, field, |reader| MlsMessage::read_proposal(reader, field))
}

impl Wire for UpdateResponse {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let field = "UpdateRoomResponse.responseCode";
        let start = reader.clone();
        let code = reader.u8(field)?;
        // Comes before the arm, also on success (AMB-UPD-2).
        let error_description =
            reader.text(TEXT_OCTETS_MAX, "UpdateRoomResponse.errorDescription")?;
        let outcome = match code {
            SUCCESS => UpdateOutcome::Success {
                accepted_timestamp: reader.u64("UpdateRoomResponse.accepted_timestamp")?,
            },
            WRONG_EPOCH => UpdateOutcome::WrongEpoch {
                current_epoch: reader.u64("UpdateRoomResponse.currentEpoch")?,
            },
            NOT_ALLOWED => UpdateOutcome::NotAllowed,
            INVALID_PROPOSAL => {
                let field = "UpdateRoomResponse.invalidProposals";
                let invalid_proposals = reader.vector(LIST_ELEMENTS_MAX, field, |reader| {
                    Ok(reader.opaque(HASH_OCTETS_MAX, field)?.to_vec())
                })?;
                UpdateOutcome::InvalidProposal { invalid_proposals }
            }
            other => return Err(start.malformed(field, format!("unknown code {other}"))),
        };
        Ok(Self { outcome, error_description })
    }

    fn write(&self, writer: &mut Writer) {
        writer.u8(match self.outcome {
            UpdateOutcome::Success { .. } => SUCCESS,
            UpdateOutcome::WrongEpoch { .. } => WRONG_EPOCH,
            UpdateOutcome::NotAllowed => NOT_ALLOWED,
            UpdateOutcome::InvalidProposal { .. } => INVALID_PROPOSAL,
        });
        writer.opaque(self.error_description.as_bytes());
        match &self.outcome {
            UpdateOutcome::Success { accepted_timestamp } => writer.u64(*accepted_timestamp),
            UpdateOutcome::WrongEpoch { current_epoch } => writer.u64(*current_epoch),
            UpdateOutcome::NotAllowed => {}
            UpdateOutcome::InvalidProposal { invalid_proposals } => {
                writer.vector(invalid_proposals, |writer, reference| writer.opaque(reference));
            }
        }
    }
}

#[cfg(test)]
mod tests;
