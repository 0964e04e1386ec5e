//! Consent to be contacted: asked for, given and taken back.

use bytes::Bytes;
use mimi_wire::protocol::Extensions;
use mimi_wire::protocol::consent::{ConsentEntry, ConsentOperation};
use mimi_wire::{MimiUri, Wire};

use crate::contacts::ContactWord;
use crate::error::ClientError;
use crate::event::ClientEvent;
use crate::session::command::{OperationId, Outcome};
use crate::session::effects::{Answer, Moment, Purpose, refusal};
use crate::session::key_packages::LIFETIME_S;
use crate::session::request::{Request, Response};
use crate::session::stream_event::StreamEvent;
use crate::session::{Session, not_registered, saved};

impl Session {
    /// Says something about consent between us and another user, for one room or any.
    pub(crate) fn say_contact(
        &mut self,
        operation: OperationId,
        word: ContactWord,
        other: MimiUri,
        room: Option<MimiUri>,
        at: &mut Moment<'_>,
    ) -> Result<(), ClientError> {
        let own = self.identity().ok_or_else(not_registered)?.user.clone();
        if !other.is_user() || other == own {
            return Err(ClientError::Other(format!("{other} is no other user")));
        }
        let (requester_uri, target_uri) = if word.asks() { (own, other) } else { (other, own) };
        let entry = ConsentEntry {
            operation: self.consent_operation(word, at)?,
            requester_uri,
            target_uri,
            room_id: room,
            consent_extensions: Extensions::default(),
        };
        let request = Request::Consent(Bytes::from(entry.encode()));
        self.effects.request(Purpose::Consent(operation), request);
        Ok(())
    }

    fn consent_operation(
        &mut self,
        word: ContactWord,
        at: &mut Moment<'_>,
    ) -> Result<ConsentOperation, ClientError> {
        let client_key_packages = match word {
            ContactWord::Ask => return Ok(ConsentOperation::Request),
            ContactWord::TakeBack => return Ok(ConsentOperation::Cancel),
            ContactWord::TurnAway => return Ok(ConsentOperation::Revoke),
            ContactWord::Accept => Vec::new(),
            ContactWord::AcceptWithKeyPackage => {
                let made = self.device.key_packages(1, LIFETIME_S, at.now_ms, &mut at.rng);
                let made = made.map_err(|error| {
                    ClientError::Other(format!("no KeyPackage could be made: {error}"))
                })?;
                // The private half is stored before anybody can use the public one.
                self.save_device();
                made
            }
        };
        Ok(ConsentOperation::Grant { client_key_packages })
    }

    pub(crate) fn consent_answered(&mut self, operation: OperationId, answer: Answer) {
        let result = match answer.result {
            Ok(Response::Done) => Ok(Outcome::Done),
            other => Err(refusal(other)),
        };
        self.effects.finish(Some(operation), result);
    }

    pub(crate) fn ask_contacts(&mut self, operation: OperationId) -> Result<(), ClientError> {
        self.identity().ok_or_else(not_registered)?;
        self.effects.request(Purpose::Contacts(operation), Request::Contacts);
        Ok(())
    }

    pub(crate) fn contacts_answered(&mut self, operation: OperationId, answer: Answer) {
        let result = match answer.result {
            Ok(Response::Contacts(contacts)) => Ok(Outcome::Contacts(contacts)),
            other => Err(refusal(other)),
        };
        self.effects.finish(Some(operation), result);
    }

    /// Another user asked, or answered.
    pub(crate) fn consent_event(&mut self, event: &StreamEvent) {
        let entry = match ConsentEntry::decode(&event.payload) {
            Ok(entry) => entry,
            Err(error) => {
                tracing::warn!(id = event.id, %error, "an event about consent is malformed");
                return;
            }
        };
        let room = entry.room_id;
        let (requester, target) = (entry.requester_uri, entry.target_uri);
        let asks = matches!(entry.operation, ConsentOperation::Request | ConsentOperation::Cancel);
        let ours = if asks { &target } else { &requester };
        if self.identity().is_none_or(|own| own.user != *ours) {
            tracing::warn!(id = event.id, "an event about consent is of other people");
            return;
        }
        match entry.operation {
            ConsentOperation::Request => {
                self.effects.event(ClientEvent::ConsentRequested { requester, room });
            }
            ConsentOperation::Cancel => {
                self.effects.event(ClientEvent::ConsentWithdrawn { requester, room });
            }
            ConsentOperation::Grant { client_key_packages } => {
                if !client_key_packages.is_empty() {
                    self.gifts.keep(&target, room.as_ref(), &client_key_packages);
                    self.effects.put(saved::GIFTS, &self.gifts);
                }
                self.effects.event(ClientEvent::ConsentChanged { target, room, granted: true });
            }
            ConsentOperation::Revoke => {
                self.gifts.forget(&target, room.as_ref());
                self.effects.put(saved::GIFTS, &self.gifts);
                self.effects.event(ClientEvent::ConsentChanged { target, room, granted: false });
            }
        }
    }
}
