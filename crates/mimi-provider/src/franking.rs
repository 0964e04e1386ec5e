//! Franking at the hub: what is signed for an accepted message (FRANK-4 to FRANK-6), and whether
//! what a report shows is what was signed (PROTO-ABU-2).
//!
//! The signature itself is a matter of [`FrankingAgent`]: which algorithms there are is for MLS.

use std::fmt;

use mimi_policy::{ProposedChange, RoomView, StagedChange};
use mimi_wire::component::{FRANKING_AGENT, SAFE_AAD};
use mimi_wire::content::{ExtensionKey, ExtensionValue, MimiContent};
use mimi_wire::franking::{FrankAad, FrankingIntegrityTbs, SafeAad, ServerFrankingContext};
use mimi_wire::media::ApplicationFraming;
use mimi_wire::protocol::CipherSuite;
use mimi_wire::protocol::report_abuse::AbusiveMessage;
use mimi_wire::protocol::submit_message::Frank;
use mimi_wire::{MimiUri, Wire};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::Reject;

/// How long before a hub_key's time the one before it is good for messages dated after it: rooms
/// whose clock was ahead when the key changed.
pub const HUB_KEY_OVERLAP_MS: u64 = 60_000;

/// Whoever holds the hub's franking key.
pub trait FrankingAgent: fmt::Debug + Send + Sync {
    /// The content of component 0x0021 in rooms of this hub.
    fn component(&self) -> Vec<u8>;
    /// Whether the key is of the signature scheme of a suite (FRANK-5).
    fn signs_for(&self, suite: CipherSuite) -> bool;
    /// `SignWithLabel` over an encoded `FrankingIntegrityTBS`.
    fn sign(&self, tbs: &[u8]) -> Vec<u8>;
    /// Whether a signature is ours, by the algorithm of a suite.
    fn verifies(&self, suite: CipherSuite, tbs: &[u8], signature: &[u8]) -> bool;
}

/// A `hub_key`, and the first moment it is for; wiped on drop.
#[derive(Clone)]
pub struct HubKey {
    /// In milliseconds since the epoch.
    pub from_ms: u64,
    /// The secret.
    pub secret: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for HubKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("HubKey").field("from_ms", &self.from_ms).finish_non_exhaustive()
    }
}

/// All hub_keys there ever were (FRANK-11, AMB-FRK-10).
#[derive(Clone, Debug, Default)]
pub struct HubKeyRing(Vec<HubKey>);

impl HubKeyRing {
    /// From keys in any order.
    pub fn new(mut keys: Vec<HubKey>) -> Self {
        keys.sort_by_key(|key| key.from_ms);
        Self(keys)
    }

    /// The keys, oldest first.
    pub fn keys(&self) -> &[HubKey] {
        &self.0
    }

    /// The key of a time.
    fn at(&self, timestamp_ms: u64) -> Option<&HubKey> {
        self.0.iter().rev().find(|key| key.from_ms <= timestamp_ms)
    }

    /// The keys that a message of a time may have been franked with, the likely one first.
    fn candidates(&self, timestamp_ms: u64) -> impl Iterator<Item = &HubKey> {
        let after = self.0.partition_point(|key| key.from_ms <= timestamp_ms);
        let mut earlier = self.0[..after].iter().rev();
        let current = earlier.next();
        let is_young = current.is_some_and(|key| timestamp_ms - key.from_ms < HUB_KEY_OVERLAP_MS);
        current.into_iter().chain(earlier.next().filter(|_| is_young))
    }
}

/// What a hub franks an application message with.
#[derive(Clone, Copy, Debug)]
pub struct Franking<'a> {
    /// Signs.
    pub agent: &'a dyn FrankingAgent,
    /// Commit.
    pub hub_keys: &'a HubKeyRing,
    /// The group's suite (FRANK-5).
    pub suite: CipherSuite,
    /// `authenticated_data` of the message.
    pub authenticated_data: &'a [u8],
}

impl Franking<'_> {
    /// The frank of an acceptable message (FRANK-4, PROTO-SUB-5); none where the sender has put no
    /// tag into the message, or the room names no agent or another one than ours.
    ///
    /// Authenticated data that is no `SafeAAD`, in a room that has it, is malformed: no member
    /// would take the message (AMB-FRK-13).
    pub fn frank(
        &self,
        view: &RoomView,
        sender_uri: &MimiUri,
        accepted_timestamp: u64,
    ) -> Result<Option<Frank>, Reject> {
        if !view.other_components.contains_key(&SAFE_AAD) {
            return Ok(None);
        }
        let tag = SafeAad::decode(self.authenticated_data).and_then(|aad| aad.franking_tag());
        let tag = tag.map_err(|malformed| Reject::Malformed(malformed.to_string()))?;
        let names_us = |octets: &Vec<u8>| *octets == self.agent.component();
        let (Some(tag), Some(hub_key), true, true) = (
            tag,
            self.hub_keys.at(accepted_timestamp),
            view.other_components.get(&FRANKING_AGENT).is_some_and(names_us),
            self.agent.signs_for(self.suite),
        ) else {
            return Ok(None);
        };
        let (sender_uri, room_uri) = (sender_uri.clone(), view.room().clone());
        let context = ServerFrankingContext { sender_uri, room_uri, accepted_timestamp };
        let server_frank = context.server_frank(&*hub_key.secret, &tag);
        let franking_signature_ciphersuite = self.suite;
        let tbs = FrankingIntegrityTbs { server_frank, franking_signature_ciphersuite, context };
        let franking_integrity_signature = self.agent.sign(&tbs.encode());
        Ok(Some(Frank {
            server_frank,
            franking_signature_ciphersuite,
            franking_integrity_signature,
        }))
    }
}

/// Refuses a change that names another franking agent than this hub's: whoever has its key could
/// sign franks that members take for ours. Members cannot tell, a credential says what it likes
/// (FRANK-7). That there is none any more is for the room to say. So an agent comes where there is
/// none, and is never exchanged by an update (FRANK-10): that takes another group, which the MLS
/// library cannot make of this one.
pub fn check_agent(change: &StagedChange, own_component: &[u8]) -> Result<(), Reject> {
    let names_another = change.proposals.iter().any(|proposal| match &proposal.change {
        ProposedChange::OtherComponent(FRANKING_AGENT, octets) => octets != own_component,
        _ => false,
    });
    match names_another {
        true => Err(Reject::NotAllowed("the franking agent is not this hub's".to_owned())),
        false => Ok(()),
    }
}

/// What a reported message is worth.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Verdict {
    /// This hub has accepted exactly this content from exactly this sender, in this room, at this
    /// time.
    Proven {
        /// The sender, as franked.
        sender: MimiUri,
    },
    /// Nothing is proven.
    NotProven(Fault),
}

/// Why a reported message proves nothing.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Fault {
    /// There is no salt, sender and room to be found in the content (FRANK-1).
    Unreadable(String),
    /// The content names another room than the one reported about.
    OtherRoom,
    /// The content names another sender than the report does (AMB-ABU-4).
    OtherSender(MimiUri),
    /// There was no hub_key at that time.
    UnknownKey,
    /// Sender, room and time are what this hub once signed, the content is not.
    ForgedContent,
    /// The content is what this hub franked; the signature, or the suite it names, is not.
    BadSignature,
    /// This hub never franked this content from this sender at this time: one of them was changed,
    /// or all was made up.
    NeverFranked,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(why) => write!(formatter, "the content cannot be read: {why}"),
            Self::OtherRoom => formatter.write_str("the content says it is of another room"),
            Self::OtherSender(sender) => {
                write!(formatter, "the content says it is by {sender}, the report says otherwise")
            }
            Self::UnknownKey => formatter.write_str("this hub had no key at that time"),
            Self::ForgedContent => formatter.write_str(
                "the content is forged: at that time that sender sent something else here",
            ),
            Self::BadSignature => formatter.write_str("the signature is not this hub's"),
            Self::NeverFranked => formatter.write_str(
                "this hub never accepted this content from this sender at this time: content, \
                 sender or time was changed, or all was made up",
            ),
        }
    }
}

/// What a report's messages are judged by.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// This hub's agent.
    pub agent: &'a dyn FrankingAgent,
    /// This hub's keys, old ones included (FRANK-11).
    pub hub_keys: &'a HubKeyRing,
    /// The room the report is about.
    pub room: &'a MimiUri,
    /// Whether the room frames its content now; the other way is tried too (AMB-FRK-5).
    pub is_framed: bool,
    /// Who is reported.
    pub alleged_abuser: &'a MimiUri,
}

impl Evidence<'_> {
    /// Judges one message: salt, sender and room out of the content, from them and the time tag,
    /// context and server_frank anew, then the signature (PROTO-ABU-2).
    pub fn verdict(&self, message: &AbusiveMessage) -> Verdict {
        match self.proven_sender(message) {
            Ok(sender) => Verdict::Proven { sender },
            Err(fault) => Verdict::NotProven(fault),
        }
    }

    fn proven_sender(&self, message: &AbusiveMessage) -> Result<MimiUri, Fault> {
        let AbusiveMessage { message_content, frank, accepted_timestamp } = message;
        let committed = Committed::read(message_content, self.is_framed)?;
        if committed.room != *self.room {
            return Err(Fault::OtherRoom);
        }
        if committed.sender != *self.alleged_abuser {
            return Err(Fault::OtherSender(committed.sender));
        }
        let tag = FrankAad::compute(&committed.salt, message_content).franking_tag;
        let context = ServerFrankingContext {
            sender_uri: committed.sender.clone(),
            room_uri: committed.room,
            accepted_timestamp: *accepted_timestamp,
        };
        let mut candidates = self.hub_keys.candidates(*accepted_timestamp).peekable();
        candidates.peek().ok_or(Fault::UnknownKey)?;
        let is_franked = candidates
            .any(|key| same(&context.server_frank(&*key.secret, &tag), &frank.server_frank));
        let tbs = FrankingIntegrityTbs {
            server_frank: frank.server_frank,
            franking_signature_ciphersuite: frank.franking_signature_ciphersuite,
            context,
        };
        let suite = frank.franking_signature_ciphersuite;
        let signature = &frank.franking_integrity_signature;
        let is_signed = self.agent.verifies(suite, &tbs.encode(), signature);
        match (is_franked, is_signed) {
            (true, true) => Ok(committed.sender),
            (false, true) => Err(Fault::ForgedContent),
            (true, false) => Err(Fault::BadSignature),
            (false, false) => Err(Fault::NeverFranked),
        }
    }
}

/// Compares secrets' products without telling by the time where they differ.
fn same(left: &[u8; 32], right: &[u8; 32]) -> bool {
    left.iter().zip(right).fold(0, |all, (left, right)| all | (left ^ right)) == 0
}

/// What a content commits its sender to (FRANK-1).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Committed {
    /// The salt.
    pub salt: [u8; 16],
    /// Who says to have sent it.
    pub sender: MimiUri,
    /// Where.
    pub room: MimiUri,
    /// The content.
    pub content: MimiContent,
}

impl Committed {
    /// Reads `application_data`, framed or not: first as the room has it now, then the other way.
    pub fn read(application_data: &[u8], is_framed: bool) -> Result<Self, Fault> {
        let read = |framed| match framed {
            true => ApplicationFraming::decode(application_data)
                .map_err(|malformed| malformed.to_string())
                .and_then(|framing| Self::of(&framing.inner_application_content)),
            false => Self::of(application_data),
        };
        read(is_framed).or_else(|why| read(!is_framed).map_err(|_| Fault::Unreadable(why)))
    }

    fn of(octets: &[u8]) -> Result<Self, String> {
        let content = MimiContent::decode(octets).map_err(|malformed| malformed.to_string())?;
        let named = |key: &ExtensionKey, what: &str| match content.extensions.get(key) {
            Some(ExtensionValue::Text(text)) => {
                MimiUri::new(text).map_err(|error| error.to_string())
            }
            _ => Err(format!("it names no {what}")),
        };
        let sender = named(&ExtensionKey::SENDER_URI, "sender")?;
        let room = named(&ExtensionKey::ROOM_URI, "room")?;
        Ok(Self { salt: content.salt, sender, room, content })
    }
}

#[cfg(test)]
pub(crate) mod tests;
