//! `groupInfo` (protocol-06 section 5.6): what a client needs to join by external commit.

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::limits::{
    JOINING_CODE_OCTETS_MAX, KEY_OCTETS_MAX, LIST_ELEMENTS_MAX, SIGNATURE_OCTETS_MAX,
};
use crate::mls::{Credential, ExternalSender, GroupInfo, HpkeCiphertext, MlsMessage};
use crate::protocol::ratchet_tree::RatchetTreeOption;
use crate::protocol::{CipherSuite, Protocol};
use crate::uri::MimiUri;

/// Label of the request's signature.
pub const GROUP_INFO_REQUEST_LABEL: &str = "GroupInfoRequestTBS";
/// Label of the response's signature.
pub const GROUP_INFO_RESPONSE_LABEL: &str = "GroupInfoResponseTBS";
/// Label of the encryption of the GroupInfo; its context is the room URI's octets (AMB-GI-3).
pub const GROUP_INFO_ENCRYPTION_LABEL: &str = "GroupInfo and ratchet_tree encryption";

/// How a joining code stands in a structure: the drafts print it both ways (AMB-GI-1).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum JoiningCodeForm {
    /// `optional<opaque<V>>`, the one we send.
    #[default]
    Optional,
    /// `opaque<V>`, understood when the other form does not parse.
    Plain,
}

/// Proof of permission to join, opaque to everyone but the hub (AMB-GI-9).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JoiningCode {
    /// The code; never empty in the plain form, which would mean none.
    pub code: Vec<u8>,
    /// How it was received or will be sent.
    pub form: JoiningCodeForm,
}

/// What a client signs to learn a room's GroupInfo.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GroupInfoRequestTbs {
    /// Of the signature and of the HPKE key (AMB-GI-2).
    pub cipher_suite: CipherSuite,
    /// The client's signature key.
    pub requesting_signature_key: Vec<u8>,
    /// The client's credential.
    pub requesting_credential: Credential,
    /// A fresh HPKE public key to encrypt the answer to.
    pub group_info_public_key: Vec<u8>,
    /// A joining code, if the client has one (AMB-GI-1).
    pub joining_code: Option<JoiningCode>,
}

/// A request for GroupInfo and tree.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GroupInfoRequest {
    /// The signed part.
    pub tbs: GroupInfoRequestTbs,
    /// SignWithLabel with [`GROUP_INFO_REQUEST_LABEL`].
    pub signature: Vec<u8>,
}

/// A proposal the hub holds for the epoch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PendingProposal {
    /// The proposal.
    pub proposal: MlsMessage,
    /// When the hub accepted it, in milliseconds since the UNIX epoch.
    pub hub_accepted_time: u64,
}

/// What the answer encrypts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GroupInfoRatchetTreeTbe {
    /// Without a `ratchet_tree` extension.
    pub group_info: GroupInfo,
    /// The tree.
    pub ratchet_tree: RatchetTreeOption,
    /// In order of acceptance (AMB-GI-6).
    pub pending_proposals: Vec<PendingProposal>,
}

/// The part of a successful answer that the hub signs, after protocol, room and status.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GroupInfoSuccess {
    /// Of the request (AMB-GI-2).
    pub cipher_suite: CipherSuite,
    /// The hub's entry in the group's `external_senders`.
    pub hub_sender: ExternalSender,
    /// [`GroupInfoRatchetTreeTbe`], encrypted.
    pub encrypted_group_info_and_tree: HpkeCiphertext,
    /// SignWithLabel with [`GROUP_INFO_RESPONSE_LABEL`] over
    /// [`GroupInfoResponse::to_be_signed`].
    pub signature: Vec<u8>,
}

/// What the hub answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum GroupInfoOutcome {
    /// `success(1)`.
    Success(GroupInfoSuccess),
    /// `notAuthorized(2)`; unsigned, advisory (AMB-GI-4).
    NotAuthorized,
    /// `noSuchRoom(3)`; unsigned, advisory.
    NoSuchRoom,
}

/// The answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GroupInfoResponse {
    /// The room asked about.
    pub room_id: MimiUri,
    /// The outcome.
    pub outcome: GroupInfoOutcome,
}

impl JoiningCode {
    /// A code in the form we send.
    pub fn new(code: Vec<u8>) -> Self {
        Self { code, form: JoiningCodeForm::default() }
    }
}

impl GroupInfoRequestTbs {
    fn read_up_to_code(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Protocol::read(reader)?;
        let signature_key = "GroupInfoRequest.requestingSignatureKey";
        let hpke_key = "GroupInfoRequest.groupInfoPublicKey";
        Ok(Self {
            cipher_suite: reader.u16("GroupInfoRequest.cipher_suite")?,
            requesting_signature_key: reader.opaque(KEY_OCTETS_MAX, signature_key)?.to_vec(),
            requesting_credential: Credential::read(reader)?,
            group_info_public_key: reader.opaque(KEY_OCTETS_MAX, hpke_key)?.to_vec(),
            joining_code: None,
        })
    }
}

/// The octets to be signed. A request carries the same, then the signature; on their own, only
/// those with an optional code can be told apart and read.
impl Wire for GroupInfoRequestTbs {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let tbs = Self::read_up_to_code(reader)?;
        let joining_code = read_code(reader, JoiningCodeForm::Optional)?;
        Ok(Self { joining_code, ..tbs })
    }

    fn write(&self, writer: &mut Writer) {
        Protocol::Mls10.write(writer);
        writer.u16(self.cipher_suite);
        writer.opaque(&self.requesting_signature_key);
        self.requesting_credential.write(writer);
        writer.opaque(&self.group_info_public_key);
        match &self.joining_code {
            Some(JoiningCode { code, form: JoiningCodeForm::Plain }) => writer.opaque(code),
            code => writer.optional(code.as_ref(), |writer, code| writer.opaque(&code.code)),
        }
    }
}

impl GroupInfoRequest {
    /// The octets that the signature may cover. Of a request with a plain code the draft prints
    /// the signed structure with an optional one, so both readings are possible (AMB-GI-1); the
    /// signature counts if it is right for any of them.
    pub fn signed_octets(&self) -> Vec<Vec<u8>> {
        let mut readings = vec![self.tbs.encode()];
        if let Some(JoiningCode { code, form: JoiningCodeForm::Plain }) = &self.tbs.joining_code {
            let joining_code = Some(JoiningCode::new(code.clone()));
            readings.push(GroupInfoRequestTbs { joining_code, ..self.tbs.clone() }.encode());
        }
        readings
    }
}

impl Wire for GroupInfoRequest {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let tbs = GroupInfoRequestTbs::read_up_to_code(reader)?;
        let (joining_code, signature) = read_code_and_signature(reader)?;
        Ok(Self { tbs: GroupInfoRequestTbs { joining_code, ..tbs }, signature })
    }

    fn write(&self, writer: &mut Writer) {
        self.tbs.write(writer);
        writer.opaque(&self.signature);
    }
}

fn read_code(
    reader: &mut Reader<'_>,
    form: JoiningCodeForm,
) -> Result<Option<JoiningCode>, Malformed> {
    let field = "GroupInfoRequest.joiningCode";
    let opaque =
        |reader: &mut Reader<'_>| Ok(reader.opaque(JOINING_CODE_OCTETS_MAX, field)?.to_vec());
    let code = match form {
        JoiningCodeForm::Optional => reader.optional(field, opaque)?,
        JoiningCodeForm::Plain => Some(opaque(reader)?),
    };
    Ok(code.map(|code| JoiningCode { code, form }))
}

/// Reads a joining code and the signature up to the end, with the optional form or, if that does
/// not come out even, with the plain one (AMB-GI-1).
fn read_code_and_signature(
    reader: &mut Reader<'_>,
) -> Result<(Option<JoiningCode>, Vec<u8>), Malformed> {
    let attempt = |form| {
        let mut reader = reader.clone();
        let code = read_code(&mut reader, form)?;
        let signature = reader.opaque(SIGNATURE_OCTETS_MAX, "GroupInfoRequest.signature")?.to_vec();
        reader.finish()?;
        Ok((reader, (code, signature)))
    };
    let read = attempt(JoiningCodeForm::Optional)
        .or_else(|fault| attempt(JoiningCodeForm::Plain).map_err(|_: Malformed| fault));
    let (end, value) = read?;
    *reader = end;
    Ok(value)
}

impl Wire for PendingProposal {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            proposal: MlsMessage::read_proposal(reader, "PendingProposal.proposal")?,
            hub_accepted_time: reader.u64("PendingProposal.hub_accepted_time")?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        self.proposal.write(writer);
        writer.u64(self.hub_accepted_time);
    }
}

impl Wire for GroupInfoRatchetTreeTbe {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let group_info = "GroupInfoRatchetTreeTBE.groupInfo";
        let pending = "GroupInfoRatchetTreeTBE.pending_proposals";
        Ok(Self {
            group_info: GroupInfo::read_without_tree(reader, group_info)?,
            ratchet_tree: RatchetTreeOption::read(reader)?,
            pending_proposals: reader.vector(LIST_ELEMENTS_MAX, pending, PendingProposal::read)?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        self.group_info.write(writer);
        self.ratchet_tree.write(writer);
        writer.vector(&self.pending_proposals, |writer, pending| pending.write(writer));
    }
}

impl GroupInfoResponse {
    /// The octets that a successful answer's signature covers: all fields but the signature. Of
    /// another answer, which is not signed (AMB-GI-4), the whole.
    pub fn to_be_signed(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        self.write_unsigned(&mut writer);
        writer.into_octets()
    }

    fn write_unsigned(&self, writer: &mut Writer) {
        Protocol::Mls10.write(writer);
        self.room_id.write(writer);
        match &self.outcome {
            GroupInfoOutcome::Success(success) => {
                writer.u8(1);
                writer.u16(success.cipher_suite);
                success.hub_sender.write(writer);
                success.encrypted_group_info_and_tree.write(writer);
            }
            GroupInfoOutcome::NotAuthorized => writer.u8(2),
            GroupInfoOutcome::NoSuchRoom => writer.u8(3),
        }
    }
}

impl Wire for GroupInfoResponse {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Protocol::read(reader)?;
        let room_id = MimiUri::read_field(reader, "GroupInfoResponse.room_id")?;
        let field = "GroupInfoResponse.status";
        let start = reader.clone();
        let outcome = match reader.u8(field)? {
            1 => GroupInfoOutcome::Success(GroupInfoSuccess {
                cipher_suite: reader.u16("GroupInfoResponse.cipher_suite")?,
                hub_sender: ExternalSender::read(reader)?,
                encrypted_group_info_and_tree: HpkeCiphertext::read(reader)?,
                signature: reader
                    .opaque(SIGNATURE_OCTETS_MAX, "GroupInfoResponse.signature")?
                    .to_vec(),
            }),
            2 => GroupInfoOutcome::NotAuthorized,
            3 => GroupInfoOutcome::NoSuchRoom,
            other => return Err(start.malformed(field, format!("unknown code {other}"))),
        };
        Ok(Self { room_id, outcome })
    }

    fn write(&self, writer: &mut Writer) {
        self.write_unsigned(writer);
        if let GroupInfoOutcome::Success(success) = &self.outcome {
            writer.opaque(&success.signature);
        }
    }
}

#[cfg(test)]
mod tests;
