//! Franks at a device: the tag of what it sends, what it makes of the hub's franks, and reports of
//! abuse (protocol-06 sections 5.4.1 and 5.9).
//!
//! A frank that is missing or wrong never keeps a message from being shown: a follower could censor
//! that way. The message is marked, and cannot be reported (AMB-FRK-8).

use bytes::Bytes;
use mimi_mls::franking::{agent_domain, verifies};
use mimi_policy::RoomView;
use mimi_policy::message::may_use;
use mimi_wire::component::{CONTENT_MEDIA_TYPES, FRANKING_AGENT, SAFE_AAD};
use mimi_wire::content::{ExtensionKey, ExtensionValue, MessageId, MimiContent};
use mimi_wire::franking::{
    FrankAad, FrankingAgentData, FrankingIntegrityTbs, ServerFrankingContext,
};
use mimi_wire::media::{ApplicationFraming, ContentType, MIMI_CONTENT, MediaType, MediaTypeList};
use mimi_wire::protocol::report_abuse::{AbuseReport, AbuseType, AbusiveMessage};
use mimi_wire::protocol::submit_message::Frank;
use mimi_wire::protocol::{CipherSuite, Extensions};
use mimi_wire::room::capability::Capability;
use mimi_wire::{MimiUri, Wire};
use serde::{Deserialize, Serialize};

use crate::error::ClientError;
use crate::session::Session;
use crate::session::command::{OperationId, Outcome};
use crate::session::effects::{Answer, Purpose, refusal};
use crate::session::request::{Request, Response};
use crate::session::room::Room;
use crate::store::StoredMessage;

/// Messages in one report, as many as our hubs take.
pub const REPORTED_MESSAGES_MAX: usize = 64;
/// Octets of a report's note (`AbuseReport.note`).
pub const NOTE_OCTETS_MAX: usize = mimi_wire::limits::TEXT_OCTETS_MAX;

/// What is kept of a frank beside its message, which has the rest of the context (FRANK-9).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct KeptFrank {
    /// What `application_data` had before the content: its framing.
    framing: Vec<u8>,
    /// The encoded `Frank` as received; empty if there was none.
    frank: Vec<u8>,
    /// Why the message cannot be reported.
    pub(crate) fault: Option<String>,
}

/// How a message came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Franked<'a> {
    /// The epoch it was sent in.
    pub(crate) epoch: u64,
    /// As decrypted.
    pub(crate) application_data: &'a [u8],
    /// In its authenticated data.
    pub(crate) tag: Option<[u8; 32]>,
    /// From the hub.
    pub(crate) frank: Option<&'a Frank>,
}

/// The content as the room's messages carry it (AMB-CNT-18).
pub(crate) fn application_data(view: &RoomView, content: &[u8]) -> Vec<u8> {
    // In rooms without the component the content stands alone.
    if !view.other_components.contains_key(&CONTENT_MEDIA_TYPES) {
        return content.to_vec();
    }
    let inner_application_content = content.to_vec();
    let mut framing =
        ApplicationFraming { media_type: MediaType::default(), inner_application_content };
    // No type is the group's first (MLSX-8); where that is another one, ours is named.
    if !is_content(view, &framing) {
        framing.media_type = MediaType::new(MIMI_CONTENT);
    }
    framing.encode()
}

/// Whether framed content is a MIMI message: by the type it names, or the group's first (MLSX-8).
pub(crate) fn is_content(view: &RoomView, framing: &ApplicationFraming) -> bool {
    let group = view.other_components.get(&CONTENT_MEDIA_TYPES);
    let group = group.and_then(|octets| MediaTypeList::decode(octets).ok()).unwrap_or_default();
    let named = group.type_of(framing);
    named.is_some_and(|named| ContentType::from(named).essence == MIMI_CONTENT)
}

/// The tag of a message of our own: over exactly what is encrypted, framing included (FRANK-2,
/// FRANK-3); none where no hub would frank it.
pub(crate) fn tag(view: &RoomView, content: &[u8], application_data: &[u8]) -> Option<[u8; 32]> {
    let components = &view.other_components;
    if !components.contains_key(&FRANKING_AGENT) || !components.contains_key(&SAFE_AAD) {
        return None;
    }
    let salt = MimiContent::decode(content).ok()?.salt;
    Some(FrankAad::compute(&salt, application_data).franking_tag)
}

/// Whether a hub can later prove a message by its frank (FRANK-7, FRANK-8); why not, if not.
pub(super) fn check(
    view: &RoomView,
    suite: CipherSuite,
    message: &StoredMessage,
    franked: &Franked<'_>,
) -> Result<(), &'static str> {
    let tag = franked.tag.ok_or("its sender has not committed to it")?;
    let frank = franked.frank.ok_or("the hub's frank is missing")?;
    // AMB-FRK-6: the group's suite never changes.
    if frank.franking_signature_ciphersuite != suite {
        return Err("its frank is of another cipher suite");
    }
    let agent = view.other_components.get(&FRANKING_AGENT);
    let agent = agent.and_then(|octets| FrankingAgentData::decode(octets).ok());
    let agent = agent.ok_or("the room's franking agent cannot be read")?;
    // AMB-FRK-7.
    if agent_domain(&agent) != Some(view.room().domain()) {
        return Err("the room's franking agent is not its hub's");
    }
    let context = ServerFrankingContext {
        sender_uri: message.sender.clone(),
        room_uri: view.room().clone(),
        accepted_timestamp: message.timestamp_ms,
    };
    let tbs = FrankingIntegrityTbs {
        server_frank: frank.server_frank,
        franking_signature_ciphersuite: suite,
        context,
    };
    let key = &agent.franking_signature_key;
    if !verifies(key, suite, &tbs.encode(), &frank.franking_integrity_signature) {
        return Err("its frank is not signed by the hub for this sender and time");
    }
    let content = MimiContent::decode(&message.content).map_err(|_| "it cannot be read")?;
    if FrankAad::compute(&content.salt, franked.application_data).franking_tag != tag {
        return Err("its sender has committed to something else");
    }
    // The sender is the one of the leaf's credential, the room the one whose event this is.
    let names = |key, proven: &MimiUri| match content.extensions.get(key) {
        Some(ExtensionValue::Text(text)) => text == proven.as_str(),
        _ => false,
    };
    if !names(&ExtensionKey::SENDER_URI, &message.sender)
        || !names(&ExtensionKey::ROOM_URI, view.room())
    {
        return Err("it does not name its sender and its room");
    }
    Ok(())
}

impl Room {
    /// What is to be kept of a message's frank; nothing in rooms without franks.
    pub(crate) fn kept_frank(
        &self,
        message: &StoredMessage,
        franked: &Franked<'_>,
    ) -> Option<KeptFrank> {
        let view = self.view_of(franked.epoch)?;
        view.other_components.get(&FRANKING_AGENT)?;
        let suite = self.group.as_ref()?.suite();
        let fault = check(view, suite, message, franked).err();
        if let Some(reason) = fault {
            tracing::warn!(room = %self.uri, id = %message.id, reason, "cannot be reported");
        }
        let framing = franked.application_data.strip_suffix(&*message.content);
        Some(KeptFrank {
            framing: framing.unwrap_or_default().to_vec(),
            frank: franked.frank.map(Wire::encode).unwrap_or_default(),
            fault: fault.map(str::to_owned),
        })
    }

    /// A message as evidence: the exact `application_data` (AMB-FRK-5), frank and time.
    fn evidence_of(&self, id: &MessageId) -> Result<(MimiUri, AbusiveMessage), ClientError> {
        let cannot = |why: &str| ClientError::Refused(format!("it cannot be reported: {why}"));
        let sender = self.timeline.sender(id).ok_or_else(|| cannot("it is not known here"))?;
        let kept = self.franks.get(id).ok_or_else(|| cannot("the hub has not franked it"))?;
        if let Some(fault) = &kept.fault {
            return Err(cannot(fault));
        }
        let frank = Frank::decode(&kept.frank).map_err(|_| cannot("its frank is damaged"))?;
        let content = self.timeline.content(id).and_then(|content| content.encode().ok());
        let content = content.ok_or_else(|| cannot("its content is damaged"))?;
        let message_content = [kept.framing.clone(), content].concat();
        let accepted_timestamp = self.timeline.timestamp_ms(id).unwrap_or_default();
        Ok((sender.clone(), AbusiveMessage { message_content, frank, accepted_timestamp }))
    }

    /// A report of messages of one sender, with all their versions (PROTO-ABU-2).
    fn abuse_report(
        &self,
        messages: &[MessageId],
        note: String,
        own: &MimiUri,
    ) -> Result<AbuseReport, ClientError> {
        let refused = |text: &str| Err(ClientError::Refused(text.to_owned()));
        // PROTO-ABU-3; who is out of the room may still say what was done there.
        if let Ok(group) = self.member() {
            may_use(group.view(), own, Capability::CAN_REPORT_ABUSE)?;
        }
        let mut evidence = Vec::new();
        let mut sender: Option<MimiUri> = None;
        for message in messages {
            for id in self.timeline.versions(message) {
                let (by, abusive) = self.evidence_of(&id)?;
                if sender.as_ref().is_some_and(|sender| *sender != by) {
                    return refused("a report is about one person's messages");
                }
                sender = Some(by);
                evidence.push(abusive);
            }
        }
        let Some(alleged_abuser_uri) = sender else {
            return refused("a report needs a message");
        };
        if evidence.len() > REPORTED_MESSAGES_MAX || note.len() > NOTE_OCTETS_MAX {
            return refused("the report is too long");
        }
        Ok(AbuseReport {
            reporting_user: Some(own.clone()),
            alleged_abuser_uri,
            reason_code: AbuseType::default(), // AMB-ABU-1
            note,
            messages: evidence,
            abuse_extensions: Extensions::default(),
        })
    }
}

impl Session {
    /// Reports messages to the moderators of the room's hub.
    pub(crate) fn report_abuse(
        &mut self,
        operation: OperationId,
        room: &MimiUri,
        messages: &[MessageId],
        note: String,
    ) -> Result<(), ClientError> {
        let (known, means) = self.parts(room)?;
        let report = known.abuse_report(messages, note, &means.own.user)?;
        let body = Bytes::from(report.encode());
        let request = Request::ReportAbuse { room: room.clone(), body };
        means.effects.request(Purpose::ReportAbuse(operation), request);
        Ok(())
    }

    pub(crate) fn report_answered(&mut self, operation: OperationId, answer: Answer) {
        let result = match answer.result {
            Ok(Response::Done) => Ok(Outcome::Done),
            other => Err(refusal(other)),
        };
        self.effects.finish(Some(operation), result);
    }
}
