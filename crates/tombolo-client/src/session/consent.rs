//! Consent to be contacted: asked for, given and taken back.

use bytes::Bytes;
use mimi_wire::protocol::Extensions;
use mimi_wire::protocol::consent::{ConsentEntry, ConsentOperation};
use mimi_wire::{MimiUri, Wire};

use crate::error::ClientError;
use crate::event::ClientEvent;
use crate::session::command::{OperationId, Outcome};
use crate::session::effects::{Answer, Purpose, refusal};
use crate::session::request::{Request, Response};
use crate::session::stream_event::StreamEvent;
use crate::session::{Session, not_registered};

impl Session {
    /// Says something about consent between us and another user, for any room.
    pub(crate) fn say_consent(
        &mut self,
        operation: OperationId,
        consent: ConsentOperation,
        other: MimiUri,
    ) -> Result<(), ClientError> {
        let own = self.identity().ok_or_else(not_registered)?.user.clone();
        if !other.is_user() || other == own {
            return Err(ClientError::Other(format!("{other} is no other user")));
        }
        let asks = matches!(consent, ConsentOperation::Request | ConsentOperation::Cancel);
        let (requester_uri, target_uri) = if asks { (own, other) } else { (other, own) };
        let entry = ConsentEntry {
            operation: consent,
            requester_uri,
            target_uri,
            room_id: None,
            consent_extensions: Extensions::default(),
        };
        let request = Request::Consent(Bytes::from(entry.encode()));
        self.effects.request(Purpose::Consent(operation), request);
        Ok(())
    }

    pub(crate) fn consent_answered(&mut self, operation: OperationId, answer: Answer) {
        let result = match answer.result {
            Ok(Response::Done) => Ok(Outcome::Done),
            other => Err(refusal(other)),
        };
        self.effects.finish(Some(operation), result);
    }

    pub(crate) fn ask_consent_requests(
        &mut self,
        operation: OperationId,
    ) -> Result<(), ClientError> {
        self.identity().ok_or_else(not_registered)?;
        self.effects.request(Purpose::ConsentRequests(operation), Request::ConsentRequests);
        Ok(())
    }

    pub(crate) fn consent_requests_answered(&mut self, operation: OperationId, answer: Answer) {
        let result = match answer.result {
            Ok(Response::ConsentRequests(requesters)) => {
                let mut users: Vec<MimiUri> = Vec::new();
                for requester in requesters {
                    if !users.contains(&requester) {
                        users.push(requester);
                    }
                }
                Ok(Outcome::Users(users))
            }
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
        match entry.operation {
            ConsentOperation::Request => {
                let requester = entry.requester_uri;
                self.effects.event(ClientEvent::ConsentRequested { requester, room });
            }
            ConsentOperation::Grant { .. } => {
                let target = entry.target_uri;
                self.effects.event(ClientEvent::ConsentChanged { target, room, granted: true });
            }
            ConsentOperation::Revoke => {
                let target = entry.target_uri;
                self.effects.event(ClientEvent::ConsentChanged { target, room, granted: false });
            }
            // Nobody need act on a question that is no longer asked.
            ConsentOperation::Cancel => {}
        }
    }
}
