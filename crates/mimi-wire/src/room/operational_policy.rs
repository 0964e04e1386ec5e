//! Component 0x0024, `mls_operational_policy` (room-policy-03 section 7). The update format is the
//! data format.

use serde::{Deserialize, Serialize};

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::component::ComponentId;
use crate::limits::LIST_ELEMENTS_MAX;
use crate::media::MediaType;

/// `ExtendedCapabilities`: numbers of the MLS registries, unknown ones kept.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct ExtendedCapabilities {
    /// Protocol versions.
    pub versions: Vec<u16>,
    /// Cipher suites.
    pub cipher_suites: Vec<u16>,
    /// Extension types.
    pub extensions: Vec<u16>,
    /// Proposal types.
    pub proposals: Vec<u16>,
    /// Credential types.
    pub credentials: Vec<u16>,
    /// Wire formats (AMB-POL-6).
    pub wire_formats: Vec<u16>,
    /// Components.
    pub component_ids: Vec<ComponentId>,
    /// Components of authenticated data.
    pub safe_aad_types: Vec<ComponentId>,
    /// Media types.
    pub media_types: Vec<MediaType>,
    /// Content types of MLS, one octet each.
    pub content_types: Vec<u8>,
}

/// When a client commits proposals that wait. The arm `extension` has no number and is never met
/// (AMB-POL-7).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub enum PendingProposalPolicy {
    /// `unspecified(0)`.
    #[default]
    Unspecified,
    /// `immediate_commit(1)`.
    ImmediateCommit,
    /// `random_delay(2)`.
    RandomDelay {
        /// At least.
        minimum_delay_ms: u64,
        /// At most.
        maximum_delay_ms: u64,
    },
}

/// `MinDefaultMaxTime`, in seconds (AMB-POL-6).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct MinDefaultMaxTime {
    /// At least.
    pub minimum_time: u64,
    /// Unless there is a reason.
    pub default_time: u64,
    /// At most.
    pub maximum_time: u64,
}

/// `AppMessagePolicy`.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct AppMessagePolicy {
    /// Epochs back that messages are still taken of.
    pub epoch_tolerance: u8,
    /// Octets to pad to.
    pub pad_to_size: u16,
    /// Generations that may be skipped.
    pub max_generations_skipahead: u32,
}

/// `OperationalParameters`. Times without `_ms` are in seconds (AMB-POL-6).
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct OperationalParameters {
    /// What each client must support.
    pub mandatory_capabilities: ExtendedCapabilities,
    /// What is used unless there is a reason.
    pub default_capabilities: ExtendedCapabilities,
    /// What must not be used.
    pub forbidden_capabilities: ExtendedCapabilities,
    /// Wire formats of handshakes: PublicMessage, SemiPrivateMessage (AMB-POL-6, AMB-UPD-1).
    pub handshake_formats: Vec<u16>,
    /// Whether outsiders may propose.
    pub external_proposal_allowed: bool,
    /// Whether outsiders may commit themselves in.
    pub external_commit_allowed: bool,
    /// When to commit what waits.
    pub pending_proposal_policy: PendingProposalPolicy,
    /// How often a leaf is renewed.
    pub leaf_node_update_time: MinDefaultMaxTime,
    /// Of application messages.
    pub app_message_policy: AppMessagePolicy,
    /// Of KeyPackages.
    pub max_kp_lifetime: u64,
    /// Of credentials.
    pub max_credential_lifetime: u64,
    /// Of PSKs for resumption.
    pub resumption_psk_lifetime: u64,
    /// For how long keys and nonces of a sender are kept.
    pub sender_nonce_keypair_lifetime: MinDefaultMaxTime,
    /// How many of them.
    pub max_keypairs: u32,
    /// For how long messages that came too early are kept.
    pub buffer_incoming_message_time: MinDefaultMaxTime,
    /// How many of them.
    pub max_buffered_messages: u32,
}

fn read_numbers(reader: &mut Reader<'_>, field: &'static str) -> Result<Vec<u16>, Malformed> {
    reader.vector(LIST_ELEMENTS_MAX, field, |reader| reader.u16(field))
}

impl Wire for ExtendedCapabilities {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let media_types = "ExtendedCapabilities.media_types";
        let content_types = "ExtendedCapabilities.content_types";
        Ok(Self {
            versions: read_numbers(reader, "ExtendedCapabilities.versions")?,
            cipher_suites: read_numbers(reader, "ExtendedCapabilities.cipher_suites")?,
            extensions: read_numbers(reader, "ExtendedCapabilities.extensions")?,
            proposals: read_numbers(reader, "ExtendedCapabilities.proposals")?,
            credentials: read_numbers(reader, "ExtendedCapabilities.credentials")?,
            wire_formats: read_numbers(reader, "ExtendedCapabilities.wire_formats")?,
            component_ids: read_numbers(reader, "ExtendedCapabilities.component_ids")?,
            safe_aad_types: read_numbers(reader, "ExtendedCapabilities.safe_aad_types")?,
            media_types: reader.vector(LIST_ELEMENTS_MAX, media_types, MediaType::read)?,
            content_types: reader
                .vector(LIST_ELEMENTS_MAX, content_types, |reader| reader.u8(content_types))?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        let numbers = [
            &self.versions,
            &self.cipher_suites,
            &self.extensions,
            &self.proposals,
            &self.credentials,
            &self.wire_formats,
            &self.component_ids,
            &self.safe_aad_types,
        ];
        for list in numbers {
            writer.vector(list, |writer, number| writer.u16(*number));
        }
        writer.vector(&self.media_types, |writer, media_type| media_type.write(writer));
        writer.opaque(&self.content_types);
    }
}

impl Wire for PendingProposalPolicy {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let field = "PendingProposalPolicy.pending_proposal_strategy";
        let start = reader.clone();
        match reader.u8(field)? {
            0 => Ok(Self::Unspecified),
            1 => Ok(Self::ImmediateCommit),
            2 => Ok(Self::RandomDelay {
                minimum_delay_ms: reader.u64("PendingProposalPolicy.minimum_delay_ms")?,
                maximum_delay_ms: reader.u64("PendingProposalPolicy.maximum_delay_ms")?,
            }),
            // The length of an unknown arm is unknowable (AMB-POL-7).
            other => Err(start.malformed(field, format!("unknown strategy {other}"))),
        }
    }

    fn write(&self, writer: &mut Writer) {
        match self {
            Self::Unspecified => writer.u8(0),
            Self::ImmediateCommit => writer.u8(1),
            Self::RandomDelay { minimum_delay_ms, maximum_delay_ms } => {
                writer.u8(2);
                writer.u64(*minimum_delay_ms);
                writer.u64(*maximum_delay_ms);
            }
        }
    }
}

impl Wire for MinDefaultMaxTime {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            minimum_time: reader.u64("MinDefaultMaxTime.minimum_time")?,
            default_time: reader.u64("MinDefaultMaxTime.default_time")?,
            maximum_time: reader.u64("MinDefaultMaxTime.maximum_time")?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.u64(self.minimum_time);
        writer.u64(self.default_time);
        writer.u64(self.maximum_time);
    }
}

impl Wire for AppMessagePolicy {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            epoch_tolerance: reader.u8("AppMessagePolicy.epoch_tolerance")?,
            pad_to_size: reader.u16("AppMessagePolicy.pad_to_size")?,
            max_generations_skipahead: reader.u32("AppMessagePolicy.max_generations_skipahead")?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.u8(self.epoch_tolerance);
        writer.u16(self.pad_to_size);
        writer.u32(self.max_generations_skipahead);
    }
}

impl Wire for OperationalParameters {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            mandatory_capabilities: ExtendedCapabilities::read(reader)?,
            default_capabilities: ExtendedCapabilities::read(reader)?,
            forbidden_capabilities: ExtendedCapabilities::read(reader)?,
            handshake_formats: read_numbers(reader, "OperationalParameters.handshake_formats")?,
            external_proposal_allowed: reader
                .boolean("OperationalParameters.external_proposal_allowed")?,
            external_commit_allowed: reader
                .boolean("OperationalParameters.external_commit_allowed")?,
            pending_proposal_policy: PendingProposalPolicy::read(reader)?,
            leaf_node_update_time: MinDefaultMaxTime::read(reader)?,
            app_message_policy: AppMessagePolicy::read(reader)?,
            max_kp_lifetime: reader.u64("OperationalParameters.max_kp_lifetime")?,
            max_credential_lifetime: reader.u64("OperationalParameters.max_credential_lifetime")?,
            resumption_psk_lifetime: reader.u64("OperationalParameters.resumption_psk_lifetime")?,
            sender_nonce_keypair_lifetime: MinDefaultMaxTime::read(reader)?,
            max_keypairs: reader.u32("OperationalParameters.max_keypairs")?,
            buffer_incoming_message_time: MinDefaultMaxTime::read(reader)?,
            max_buffered_messages: reader.u32("OperationalParameters.max_buffered_messages")?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        self.mandatory_capabilities.write(writer);
        self.default_capabilities.write(writer);
        self.forbidden_capabilities.write(writer);
        writer.vector(&self.handshake_formats, |writer, format| writer.u16(*format));
        writer.boolean(self.external_proposal_allowed);
        writer.boolean(self.external_commit_allowed);
        self.pending_proposal_policy.write(writer);
        self.leaf_node_update_time.write(writer);
        self.app_message_policy.write(writer);
        writer.u64(self.max_kp_lifetime);
        writer.u64(self.max_credential_lifetime);
        writer.u64(self.resumption_psk_lifetime);
        self.sender_nonce_keypair_lifetime.write(writer);
        writer.u32(self.max_keypairs);
        self.buffer_incoming_message_time.write(writer);
        writer.u32(self.max_buffered_messages);
    }
}
