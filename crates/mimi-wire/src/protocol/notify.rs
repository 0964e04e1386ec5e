//! `notify` (protocol section 5.5): a concatenation of fanout messages of one room (AMB-NTF-4).

use crate::mls::MlsMessage;
use crate::protocol::ratchet_tree::RatchetTreeOption;
use crate::protocol::submit_message::Frank;

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
