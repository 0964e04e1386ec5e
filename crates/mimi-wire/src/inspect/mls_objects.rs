//! The fields of MLS objects (RFC 9420), for display only: the MLS library has parsed them before.
//! What this module does not know stays octets.

use crate::codec::{Malformed, Reader};
use crate::inspect::tree::{self, Node};
use crate::limits::{HANDSHAKE_BODY_OCTETS_MAX, LIST_ELEMENTS_MAX};
use crate::trace::Trace;

const MAX: usize = HANDSHAKE_BODY_OCTETS_MAX;

type Read = Result<(), Malformed>;

/// The nodes of the object that a record named; none if its fields are not known.
pub(super) fn nodes(object: &str, octets: &[u8], start: usize, end: usize) -> Vec<Node> {
    let trace = Trace::default();
    let mut reader = Reader::traced(&octets[start..end], start, &trace);
    let read = match object {
        "MlsMessage" => message(&mut reader),
        "Welcome" => welcome(&mut reader),
        "GroupInfo" => group_info(&mut reader),
        "KeyPackage" => key_package(&mut reader),
        "Credential" => credential(&mut reader),
        "Capabilities" => capabilities(&mut reader),
        "RequiredCapabilities" => required_capabilities(&mut reader),
        "ExternalSender" => external_sender(&mut reader),
        "HpkeCiphertext" => hpke_ciphertext(&mut reader),
        _ => return Vec::new(),
    };
    match read.and_then(|()| reader.finish()) {
        Ok(()) => tree::build(octets, trace.into_records()),
        Err(_) => Vec::new(),
    }
}

fn message(reader: &mut Reader<'_>) -> Read {
    reader.u16("MLSMessage.version")?;
    match reader.u16("MLSMessage.wire_format")? {
        1 => public_message(reader),
        2 => private_message(reader),
        3 => welcome(reader),
        4 => group_info(reader),
        5 => key_package(reader),
        _ => rest(reader, "MLSMessage.message"),
    }
}

fn rest(reader: &mut Reader<'_>, field: &'static str) -> Read {
    let count = reader.rest().len();
    reader.octets(count, field).map(drop)
}

fn public_message(reader: &mut Reader<'_>) -> Read {
    const MEMBER: u8 = 1;
    const COMMIT: u8 = 3;

    reader.opaque(MAX, "FramedContent.group_id")?;
    reader.u64("FramedContent.epoch")?;
    let sender_type = reader.u8("Sender.sender_type")?;
    match sender_type {
        MEMBER => reader.u32("Sender.leaf_index").map(drop)?,
        2 => reader.u32("Sender.sender_index").map(drop)?,
        _ => {}
    }
    reader.opaque(MAX, "FramedContent.authenticated_data")?;
    let content_type = reader.u8("FramedContent.content_type")?;
    match content_type {
        1 => reader.opaque(MAX, "FramedContent.application_data").map(drop)?,
        2 => proposal(reader)?,
        COMMIT => commit(reader)?,
        _ => return rest(reader, "FramedContent.content"),
    }
    reader.opaque(MAX, "FramedContentAuthData.signature")?;
    if content_type == COMMIT {
        reader.opaque(MAX, "FramedContentAuthData.confirmation_tag")?;
    }
    if sender_type == MEMBER {
        reader.opaque(MAX, "PublicMessage.membership_tag")?;
    }
    Ok(())
}

fn proposal(reader: &mut Reader<'_>) -> Read {
    let start = reader.clone();
    match reader.u16("Proposal.proposal_type")? {
        1 => key_package(reader),
        2 => leaf_node(reader),
        3 => reader.u32("Remove.removed").map(drop),
        4 => pre_shared_key(reader),
        5 => {
            reader.opaque(MAX, "ReInit.group_id")?;
            reader.u16("ReInit.version")?;
            reader.u16("ReInit.cipher_suite")?;
            extensions(reader, "ReInit.extensions")
        }
        6 => reader.opaque(MAX, "ExternalInit.kem_output").map(drop),
        7 => extensions(reader, "GroupContextExtensions.extensions"),
        8 => {
            reader.u16("AppDataUpdate.component_id")?;
            match reader.u8("AppDataUpdate.op")? {
                1 => reader.opaque(MAX, "AppDataUpdate.update").map(drop),
                _ => Ok(()),
            }
        }
        9 => {
            reader.u16("AppEphemeral.component_id")?;
            reader.opaque(MAX, "AppEphemeral.data").map(drop)
        }
        10 => Ok(()),
        // Its extent is not known.
        other => Err(start.malformed("Proposal.proposal_type", format!("{other} is not known"))),
    }
}

fn pre_shared_key(reader: &mut Reader<'_>) -> Read {
    match reader.u8("PreSharedKeyID.psktype")? {
        2 => {
            reader.u8("PreSharedKeyID.usage")?;
            reader.opaque(MAX, "PreSharedKeyID.psk_group_id")?;
            reader.u64("PreSharedKeyID.psk_epoch")?;
        }
        3 => {
            reader.u16("PreSharedKeyID.component_id")?;
            reader.opaque(MAX, "PreSharedKeyID.psk_id")?;
        }
        _ => drop(reader.opaque(MAX, "PreSharedKeyID.psk_id")?),
    }
    reader.opaque(MAX, "PreSharedKeyID.psk_nonce").map(drop)
}

fn commit(reader: &mut Reader<'_>) -> Read {
    reader.vector(LIST_ELEMENTS_MAX, "Commit.proposals", |reader| {
        match reader.u8("ProposalOrRef.type")? {
            1 => proposal(reader),
            _ => reader.opaque(MAX, "ProposalOrRef.reference").map(drop),
        }
    })?;
    reader.optional("Commit.path", |reader| {
        leaf_node(reader)?;
        let nodes = reader.vector(LIST_ELEMENTS_MAX, "UpdatePath.nodes", |reader| {
            reader.opaque(MAX, "UpdatePathNode.encryption_key")?;
            let secrets = "UpdatePathNode.encrypted_path_secret";
            reader.vector(MAX, secrets, hpke_ciphertext).map(drop)
        });
        nodes.map(drop)
    })?;
    Ok(())
}

fn private_message(reader: &mut Reader<'_>) -> Read {
    reader.opaque(MAX, "PrivateMessage.group_id")?;
    reader.u64("PrivateMessage.epoch")?;
    reader.u8("PrivateMessage.content_type")?;
    reader.opaque(MAX, "PrivateMessage.authenticated_data")?;
    reader.opaque(MAX, "PrivateMessage.encrypted_sender_data")?;
    reader.opaque(MAX, "PrivateMessage.ciphertext").map(drop)
}

fn welcome(reader: &mut Reader<'_>) -> Read {
    reader.u16("Welcome.cipher_suite")?;
    reader.vector(MAX, "Welcome.secrets", |reader| {
        reader.opaque(MAX, "EncryptedGroupSecrets.new_member")?;
        hpke_ciphertext(reader)
    })?;
    reader.opaque(MAX, "Welcome.encrypted_group_info").map(drop)
}

fn hpke_ciphertext(reader: &mut Reader<'_>) -> Read {
    reader.opaque(MAX, "HPKECiphertext.kem_output")?;
    reader.opaque(MAX, "HPKECiphertext.ciphertext").map(drop)
}

fn group_info(reader: &mut Reader<'_>) -> Read {
    reader.u16("GroupContext.version")?;
    reader.u16("GroupContext.cipher_suite")?;
    reader.opaque(MAX, "GroupContext.group_id")?;
    reader.u64("GroupContext.epoch")?;
    reader.opaque(MAX, "GroupContext.tree_hash")?;
    reader.opaque(MAX, "GroupContext.confirmed_transcript_hash")?;
    extensions(reader, "GroupContext.extensions")?;
    extensions(reader, "GroupInfo.extensions")?;
    reader.opaque(MAX, "GroupInfo.confirmation_tag")?;
    reader.u32("GroupInfo.signer")?;
    reader.opaque(MAX, "GroupInfo.signature").map(drop)
}

fn key_package(reader: &mut Reader<'_>) -> Read {
    reader.u16("KeyPackage.version")?;
    reader.u16("KeyPackage.cipher_suite")?;
    reader.opaque(MAX, "KeyPackage.init_key")?;
    leaf_node(reader)?;
    extensions(reader, "KeyPackage.extensions")?;
    reader.opaque(MAX, "KeyPackage.signature").map(drop)
}

fn leaf_node(reader: &mut Reader<'_>) -> Read {
    reader.opaque(MAX, "LeafNode.encryption_key")?;
    reader.opaque(MAX, "LeafNode.signature_key")?;
    credential(reader)?;
    capabilities(reader)?;
    match reader.u8("LeafNode.leaf_node_source")? {
        1 => {
            reader.u64("Lifetime.not_before")?;
            reader.u64("Lifetime.not_after")?;
        }
        3 => drop(reader.opaque(MAX, "LeafNode.parent_hash")?),
        _ => {}
    }
    extensions(reader, "LeafNode.extensions")?;
    reader.opaque(MAX, "LeafNode.signature").map(drop)
}

fn credential(reader: &mut Reader<'_>) -> Read {
    match reader.u16("Credential.credential_type")? {
        1 => reader.opaque(MAX, "Credential.identity").map(drop),
        2 => {
            let field = "Credential.certificates";
            reader
                .vector(LIST_ELEMENTS_MAX, field, |reader| {
                    reader.opaque(MAX, "Certificate.cert_data").map(drop)
                })
                .map(drop)
        }
        _ => reader.opaque(MAX, "Credential.data").map(drop),
    }
}

fn numbers(reader: &mut Reader<'_>, field: &'static str) -> Read {
    reader.vector(LIST_ELEMENTS_MAX, field, |reader| reader.u16(field)).map(drop)
}

fn capabilities(reader: &mut Reader<'_>) -> Read {
    numbers(reader, "Capabilities.versions")?;
    numbers(reader, "Capabilities.cipher_suites")?;
    numbers(reader, "Capabilities.extensions")?;
    numbers(reader, "Capabilities.proposals")?;
    numbers(reader, "Capabilities.credentials")
}

fn required_capabilities(reader: &mut Reader<'_>) -> Read {
    numbers(reader, "RequiredCapabilities.extension_types")?;
    numbers(reader, "RequiredCapabilities.proposal_types")?;
    numbers(reader, "RequiredCapabilities.credential_types")
}

fn external_sender(reader: &mut Reader<'_>) -> Read {
    reader.opaque(MAX, "ExternalSender.signature_key")?;
    credential(reader)
}

fn extensions(reader: &mut Reader<'_>, field: &'static str) -> Read {
    let elements = reader.vector(LIST_ELEMENTS_MAX, field, |reader| {
        reader.u16("Extension.extension_type")?;
        reader.opaque(MAX, "Extension.extension_data").map(drop)
    });
    elements.map(drop)
}
