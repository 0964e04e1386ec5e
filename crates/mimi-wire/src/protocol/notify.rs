//! `notify` (protocol section 5.5): a concatenation of fanout messages of one room (AMB-NTF-4).

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::limits::{FANOUT_MESSAGES_MAX, HANDSHAKE_BODY_OCTETS_MAX};
use crate::mls::{MessageKind, MlsMessage};
use crate::protocol::ratchet_tree::RatchetTreeOption;
use crate::protocol::submit_message::Frank;
use crate::protocol::update::read_more_proposals;

/// What beside the message a fanout message carries, by what the message is (AMB-NTF-2).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum FanoutKind {
    /// A PrivateMessage with application content.
    Application {
        /// Present when the hub franked it.
        frank: Option<Frank>,
    },
    /// A Welcome.
    Welcome {
        /// The tree of the epoch it opens.
        ratchet_tree: RatchetTreeOption,
    },
    /// A proposal, and the rest of its bundle (PROTO-NTF-5).
    Proposal {
        /// The rest, as in the update request.
        more_proposals: Vec<MlsMessage>,
    },
    /// A commit.
    Commit {
        /// Proposals of the hub for the new epoch, usually none (PROTO-NTF-4, AMB-NTF-3).
        external_proposals: Vec<MlsMessage>,
    },
}

/// One event of a room, as the hub hands it to every follower and every client.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FanoutMessage {
    /// When the hub accepted it, in milliseconds since the UNIX epoch.
    pub timestamp: u64,
    /// The message.
    pub message: MlsMessage,
    /// What comes with it.
    pub kind: FanoutKind,
}

impl FanoutMessage {
    /// Decodes a whole body: one message after the other up to its end, all or nothing
    /// (AMB-NTF-4).
    pub fn decode_all(body: &[u8]) -> Result<Vec<Self>, Malformed> {
        Self::decode_all_from(Reader::new(body))
    }

    /// As [`decode_all`](Self::decode_all), from a reader that stands at the start of the body.
    pub(crate) fn decode_all_from(mut reader: Reader<'_>) -> Result<Vec<Self>, Malformed> {
        let body = reader.rest();
        if body.len() > HANDSHAKE_BODY_OCTETS_MAX {
            let reason = format!("{} octets, at most {HANDSHAKE_BODY_OCTETS_MAX}", body.len());
            return Err(reader.malformed("body", reason));
        }
        let mut messages = vec![Self::read(&mut reader)?];
        while !reader.is_empty() {
            if messages.len() == FANOUT_MESSAGES_MAX {
                let reason = format!("more than {FANOUT_MESSAGES_MAX} messages");
                return Err(reader.malformed("body", reason));
            }
            messages.push(Self::read(&mut reader)?);
        }
        Ok(messages)
    }
}

/// There is no protocol octet (AMB-NTF-1).
impl Wire for FanoutMessage {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let timestamp = reader.u64("FanoutMessage.timestamp")?;
        let start = reader.clone();
        let message = MlsMessage::read(reader)?;
        let kind = match message.kind() {
            MessageKind::Application => FanoutKind::Application {
                frank: reader.optional("FanoutMessage.frank", Frank::read)?,
            },
            MessageKind::Welcome => {
                FanoutKind::Welcome { ratchet_tree: RatchetTreeOption::read(reader)? }
            }
            MessageKind::Proposal => FanoutKind::Proposal {
                more_proposals: read_more_proposals(reader, "FanoutMessage.moreProposals")?,
            },
            MessageKind::Commit => FanoutKind::Commit {
                external_proposals: read_more_proposals(reader, "FanoutMessage.externalProposals")?,
            },
            MessageKind::Other => {
                let reason = "neither a message, a Welcome, a proposal nor a commit (AMB-NTF-2)";
                return Err(start.malformed("FanoutMessage.message", reason));
            }
        };
        Ok(Self { timestamp, message, kind })
    }

    fn write(&self, writer: &mut Writer) {
        writer.u64(self.timestamp);
        self.message.write(writer);
        match &self.kind {
            FanoutKind::Application { frank } => {
                writer.optional(frank.as_ref(), |writer, frank| frank.write(writer));
            }
            FanoutKind::Welcome { ratchet_tree } => ratchet_tree.write(writer),
            FanoutKind::Proposal { more_proposals: proposals }
            | FanoutKind::Commit { external_proposals: proposals } => {
                writer.vector(proposals, |writer, proposal| proposal.write(writer));
            }
        }
    }
}

#[cfg(test)]
mod tests;
