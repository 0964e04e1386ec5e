//! Finding users, and being found: identifier queries and the own profile.

use bytes::Bytes;
use mimi_wire::protocol::AppDataDictionary;
use mimi_wire::protocol::identifier_query::{
    IdentifierQueryCode, IdentifierRequest, IdentifierResponse, QueryElement,
};
use mimi_wire::{Domain, Wire};

use crate::error::ClientError;
use crate::profile::{FoundUser, Profile};
use crate::session::command::{OperationId, Outcome};
use crate::session::effects::{Answer, Purpose, refusal};
use crate::session::request::{Request, Response};
use crate::session::{Session, not_registered};

impl Session {
    /// Asks for users of a provider that match all elements (PROTO-IDQ-1, PROTO-IDQ-2).
    pub(crate) fn find(
        &mut self,
        operation: OperationId,
        domain: Domain,
        query_elements: Vec<QueryElement>,
    ) -> Result<(), ClientError> {
        self.identity().ok_or_else(not_registered)?;
        let id_request_extensions = AppDataDictionary::default();
        let query = IdentifierRequest { query_elements, id_request_extensions };
        let body = Bytes::from(query.encode());
        let request = Request::IdentifierQuery { domain: domain.clone(), body };
        self.effects.request(Purpose::Find(operation, domain), request);
        Ok(())
    }

    pub(crate) fn find_answered(
        &mut self,
        operation: OperationId,
        domain: &Domain,
        answer: Answer,
    ) {
        let result = match answer.result {
            Ok(Response::IdentifierQuery(response)) => {
                found_users(domain, &response).map(Outcome::Found)
            }
            other => Err(refusal(other)),
        };
        self.effects.finish(Some(operation), result);
    }

    pub(crate) fn ask_profile(&mut self, operation: OperationId) -> Result<(), ClientError> {
        self.identity().ok_or_else(not_registered)?;
        self.effects.request(Purpose::Profile(operation), Request::Profile);
        Ok(())
    }

    pub(crate) fn profile_answered(&mut self, operation: OperationId, answer: Answer) {
        let result = match answer.result {
            Ok(Response::Profile(profile)) => Ok(Outcome::Profile(*profile)),
            other => Err(refusal(other)),
        };
        self.effects.finish(Some(operation), result);
    }

    pub(crate) fn set_profile(
        &mut self,
        operation: OperationId,
        profile: &Profile,
    ) -> Result<(), ClientError> {
        self.identity().ok_or_else(not_registered)?;
        let body = serde_json::to_vec(profile);
        let body = body.map_err(|error| ClientError::Other(error.to_string()))?;
        self.effects.request(Purpose::SetProfile(operation), Request::SetProfile(body.into()));
        Ok(())
    }

    pub(crate) fn profile_set(&mut self, operation: OperationId, answer: Answer) {
        let result = match answer.result {
            Ok(Response::Done) => Ok(Outcome::Done),
            other => Err(refusal(other)),
        };
        self.effects.finish(Some(operation), result);
    }
}

/// What an answer says to a person (PROTO-IDQ-5, AMB-IDQ-1).
fn found_users(
    domain: &Domain,
    response: &IdentifierResponse,
) -> Result<Vec<FoundUser>, ClientError> {
    let refused = |text: String| Err(ClientError::Refused(text));
    match response.response_code {
        IdentifierQueryCode::Success => {}
        IdentifierQueryCode::NotFound => return Ok(Vec::new()),
        IdentifierQueryCode::Ambiguous => {
            return refused(format!(
                "{domain} wants to know more exactly whom you look for: a longer part of the \
                 name, or a whole handle, address or number"
            ));
        }
        IdentifierQueryCode::Forbidden => {
            return refused(format!("{domain} does not answer such questions"));
        }
        IdentifierQueryCode::UnsupportedField => {
            return refused(format!("{domain} cannot look for users by that"));
        }
    }
    // A provider speaks for its own users.
    let own = response.matches().filter(|user| user.is_user() && user.domain() == *domain);
    let found = own.map(|user| {
        let shown = response.found_profiles.iter().filter(|profile| profile.stable_uri == *user);
        let fields = shown.flat_map(|profile| &profile.fields).map(|field| {
            let value = String::from_utf8_lossy(&field.field_value).into_owned();
            (field.field_name.clone(), value)
        });
        FoundUser { user: user.clone(), fields: fields.collect() }
    });
    Ok(found.collect())
}

#[cfg(test)]
mod tests;
