//! `notify` (protocol-06 section 5.5): what the hub hands to the other providers of a room.
//!
//! A body is one message after the other, and is accepted as a whole or not at all (AMB-NTF-4). There
//! is no protocol octet (AMB-NTF-1); what follows a message depends on what it is (AMB-NTF-2).
//!
//! ```
//! use mimi_wire::Wire;
//! use mimi_wire::protocol::notify::{FanoutKind, FanoutMessage};
//!
//! # let file = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/protocol.json"));
//! # let file: serde_json::Value = serde_json::from_str(file)?;
//! # let vectors = file["vectors"].as_array().ok_or("vectors")?;
//! # let vector = vectors.iter().find(|vector| vector["name"] == "notify: one after the other").ok_or("name")?;
//! # let body = hex::decode(vector["hex"].as_str().ok_or("hex")?)?;
//! // `body` is what a hub has posted.
//! let messages = FanoutMessage::decode_all(&body)?;
//! let franked = |message: &&FanoutMessage| {
//!     matches!(message.kind, FanoutKind::Application { frank: Some(_) })
//! };
//! assert_eq!(messages.iter().filter(franked).count(), 1);
//! assert_eq!(messages[0].timestamp, 1_700_000_000_000);
//! let again: Vec<u8> = messages.iter().flat_map(Wire::encode).collect();
//! assert_eq!(again, body);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

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
    /// The hub's frank of an application message, if it has one.
    pub fn frank(&self) -> Option<&Frank> {
        match &self.kind {
            FanoutKind::Application { frank } => frank.as_ref(),
            _ => None,
        }
    }

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
