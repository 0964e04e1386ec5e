use mimi_wire::protocol::AppDataDictionary;
use mimi_wire::protocol::identifier_query::{
    FieldSource, IdentifierQueryCode, IdentifierResponse, ProfileField, UserProfile,
};
use mimi_wire::{Domain, MimiUri};

use super::found_users;
use crate::error::ClientError;
use crate::profile::FoundUser;

fn uri(text: &str) -> MimiUri {
    MimiUri::new(text).unwrap()
}

fn response(response_code: IdentifierQueryCode) -> IdentifierResponse {
    let profile = |user, value: &[u8]| UserProfile {
        stable_uri: uri(user),
        fields: vec![ProfileField {
            field_source: FieldSource::OidcStdClaim,
            field_name: "given_name".to_owned(),
            field_value: value.to_vec(),
        }],
    };
    IdentifierResponse {
        response_code,
        uri: vec![uri("mimi://b.example/u/bob"), uri("mimi://c.example/u/cathy")],
        found_profiles: vec![
            profile("mimi://b.example/u/bea", b"Bea"),
            profile("mimi://b.example/u/bob", b"B\xffb"),
        ],
        id_response_extensions: AppDataDictionary::default(),
    }
}

/// AMB-IDQ-1: whoever is in either list, of the provider that was asked.
#[test]
fn who_is_found() {
    let found =
        found_users(&Domain::new("b.example").unwrap(), &response(IdentifierQueryCode::Success));
    let user = |name: &str, given: &str| FoundUser {
        user: uri(&format!("mimi://b.example/u/{name}")),
        fields: vec![("given_name".to_owned(), given.to_owned())],
    };
    assert_eq!(found.unwrap(), [user("bob", "B\u{fffd}b"), user("bea", "Bea")]);
}

/// PROTO-IDQ-5: nobody is no error; what may not be asked is, in words.
#[test]
fn what_is_said_when_nobody_is() {
    let b = Domain::new("b.example").unwrap();
    assert_eq!(found_users(&b, &response(IdentifierQueryCode::NotFound)).unwrap(), []);
    for (code, words) in [
        (IdentifierQueryCode::Ambiguous, "more exactly"),
        (IdentifierQueryCode::Forbidden, "does not answer"),
        (IdentifierQueryCode::UnsupportedField, "cannot look for"),
    ] {
        let Err(ClientError::Refused(text)) = found_users(&b, &response(code)) else { panic!() };
        assert!(text.contains(words) && text.contains("b.example"), "{text}");
    }
}
