//! Objects of MLS inside MIMI bodies: parsed by the MLS library, kept with their exact octets.
//!
//! Signatures, references and message identities are computed over received octets, never over a
//! re-encoding, so the octets are the value: two objects are equal when their octets are.

mod bounds;

use std::sync::OnceLock;

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::limits::HANDSHAKE_BODY_OCTETS_MAX;

/// Reads one MLS object whose extent only its own structure tells.
macro_rules! mls_object {
    ($(#[$doc:meta])* $name:ident, $parsed:ty, $bounds:path) => {
        mls_object!($(#[$doc])* $name, $parsed, $bounds, bounds::nothing);
    };
    ($(#[$doc:meta])* $name:ident, $parsed:ty, $bounds:path, $whole:path) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name {
            octets: Vec<u8>,
            /// What was taken whole is parsed when someone asks.
            parsed: OnceLock<Box<$parsed>>,
        }

        impl $name {
            /// The octets as received or as handed in.
            pub fn octets(&self) -> &[u8] {
                &self.octets
            }

            /// The MLS library's view of them: well formed, nothing verified.
            pub fn parsed(&self) -> &$parsed {
                self.parsed.get_or_init(|| {
                    let (_, parsed) = Reader::new(&self.octets)
                        .mls::<$parsed>(stringify!($name))
                        .expect("what is taken whole is sound");
                    Box::new(parsed)
                })
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.octets == other.octets
            }
        }

        impl Eq for $name {}

        impl Wire for $name {
            fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
                if let Some(octets) = $whole(reader, stringify!($name))? {
                    return Ok(Self { octets: octets.to_vec(), parsed: OnceLock::new() });
                }
                $bounds(reader.untraced())?;
                let (octets, parsed) = reader.mls::<$parsed>(stringify!($name))?;
                Ok(Self { octets: octets.to_vec(), parsed: Box::new(parsed).into() })
            }

            fn write(&self, writer: &mut Writer) {
                writer.raw(&self.octets);
            }
        }
    };
}

mls_object!(
    /// An `MLSMessage`: version, wire format and one of the formats.
    MlsMessage,
    openmls::prelude::MlsMessageIn,
    bounds::message,
    bounds::private_message
);
mls_object!(
    /// A `Welcome` without the `MLSMessage` frame (AMB-UPD-6).
    Welcome,
    openmls::prelude::Welcome,
    bounds::welcome
);
mls_object!(
    /// A `GroupInfo` without the `MLSMessage` frame.
    GroupInfo,
    openmls::messages::group_info::VerifiableGroupInfo,
    bounds::group_info
);
mls_object!(
    /// A `KeyPackage` without the `MLSMessage` frame.
    KeyPackage,
    openmls::prelude::KeyPackageIn,
    bounds::key_package
);
mls_object!(
    /// A `Credential`.
    Credential,
    openmls::prelude::Credential,
    bounds::unbounded
);
mls_object!(
    /// `Capabilities` of a leaf node.
    Capabilities,
    openmls::prelude::Capabilities,
    bounds::unbounded
);
mls_object!(
    /// The content of a `required_capabilities` extension.
    RequiredCapabilities,
    openmls::prelude::RequiredCapabilitiesExtension,
    bounds::unbounded
);
mls_object!(
    /// One entry of the `external_senders` extension.
    ExternalSender,
    openmls::prelude::ExternalSender,
    bounds::unbounded
);
mls_object!(
    /// The content of a `ratchet_tree` extension: `optional<Node> ratchet_tree<V>` (AMB-RTO-2).
    RatchetTree,
    openmls::prelude::RatchetTreeIn,
    bounds::ratchet_tree
);
mls_object!(
    /// An `HPKECiphertext`.
    HpkeCiphertext,
    openmls::prelude::HpkeCiphertext,
    bounds::unbounded
);

/// What an [`MlsMessage`] is to MIMI (AMB-NTF-2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MessageKind {
    /// A PrivateMessage with content type application.
    Application,
    /// A PublicMessage that holds a proposal.
    Proposal,
    /// A PublicMessage that holds a commit.
    Commit,
    /// A Welcome.
    Welcome,
    /// Anything else; MIMI has no place for it: handshakes in a PrivateMessage (PROTO-UPD-5),
    /// application data in a PublicMessage, a GroupInfo or KeyPackage in a frame.
    Other,
}

impl MlsMessage {
    /// What the message is, by its wire format, then by its content type.
    pub fn kind(&self) -> MessageKind {
        // The library has parsed these octets, so reading their start again cannot fail.
        self.peek_kind().unwrap_or(MessageKind::Other)
    }

    /// Reads the framing alone: the library shows a PublicMessage's only to who owns the message.
    fn peek_kind(&self) -> Result<MessageKind, Malformed> {
        const MEMBER: u8 = 1;
        const EXTERNAL: u8 = 2;

        let mut reader = Reader::new(&self.octets);
        reader.u16("MLSMessage.version")?;
        let wire_format = reader.u16("MLSMessage.wire_format")?;
        if wire_format == 3 {
            return Ok(MessageKind::Welcome);
        }
        if !matches!(wire_format, 1 | 2) {
            return Ok(MessageKind::Other);
        }
        reader.opaque(HANDSHAKE_BODY_OCTETS_MAX, "group_id")?;
        reader.u64("epoch")?;
        if wire_format == 1 {
            if matches!(reader.u8("sender_type")?, MEMBER | EXTERNAL) {
                reader.u32("sender")?;
            }
            reader.opaque(HANDSHAKE_BODY_OCTETS_MAX, "authenticated_data")?;
        }
        Ok(match (wire_format, reader.u8("content_type")?) {
            (2, 1) => MessageKind::Application,
            (1, 2) => MessageKind::Proposal,
            (1, 3) => MessageKind::Commit,
            _ => MessageKind::Other,
        })
    }

    /// Reads a message that must be a proposal, naming the field in a fault.
    pub(crate) fn read_proposal(
        reader: &mut Reader<'_>,
        field: &'static str,
    ) -> Result<Self, Malformed> {
        let start = reader.clone();
        let message = Self::read(reader)?;
        match message.kind() {
            MessageKind::Proposal => Ok(message),
            kind => Err(start.malformed(field, format!("must be a proposal, is {kind:?}"))),
        }
    }
}

impl RatchetTree {
    /// A tree of nodes that the MLS library has just written: `optional<Node>`, one behind the other.
    ///
    /// They are parsed when someone asks, and have to be sound.
    pub fn of_nodes(nodes: &[u8]) -> Self {
        let mut writer = Writer::default();
        writer.opaque(nodes);
        Self { octets: writer.into_octets(), parsed: OnceLock::new() }
    }
}

impl GroupInfo {
    /// Whether the tree is embedded; in MIMI it travels beside the GroupInfo (PROTO-UPD-6).
    pub fn embeds_ratchet_tree(&self) -> bool {
        self.parsed().extensions().ratchet_tree().is_some()
    }

    /// Reads a GroupInfo and refuses an embedded tree (AMB-UPD-5): taking it out would break the
    /// signature.
    pub(crate) fn read_without_tree(
        reader: &mut Reader<'_>,
        field: &'static str,
    ) -> Result<Self, Malformed> {
        let start = reader.clone();
        let group_info = Self::read(reader)?;
        if group_info.embeds_ratchet_tree() {
            return Err(start.malformed(field, "embeds a ratchet_tree extension (AMB-UPD-5)"));
        }
        Ok(group_info)
    }
}

#[cfg(test)]
mod tests;
