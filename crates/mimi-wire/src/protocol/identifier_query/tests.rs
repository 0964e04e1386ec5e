use proptest::prelude::{prop_assert_eq, proptest};

use super::{
    FieldSource, IdentifierQueryCode, IdentifierRequest, IdentifierResponse, ProfileField,
    QueryElement, SearchIdentifier, UserProfile,
};
use crate::Wire;
use crate::fixtures::{assert_octets, octets, text, vector};
use crate::limits::{APPLICATION_BODY_OCTETS_MAX, LIST_ELEMENTS_MAX, TEXT_OCTETS_MAX};
use crate::protocol::AppDataDictionary;
use crate::uri::MimiUri;

const XAVIER: &str = "mimi://b.example/u/xavier";
const YOLANDA: &str = "mimi://b.example/u/yolanda";

fn uri(uri: &str) -> MimiUri {
    MimiUri::new(uri).unwrap()
}

fn element(identifier: SearchIdentifier, value: &str) -> QueryElement {
    QueryElement { identifier, search_value: value.to_owned() }
}

/// AMB-IDQ-2: the selected name comes between type and value.
#[test]
fn query_elements() {
    let arms = [
        (SearchIdentifier::Handle, "01"),
        (SearchIdentifier::Nick, "02"),
        (SearchIdentifier::Email, "03"),
        (SearchIdentifier::Phone, "04"),
        (SearchIdentifier::PartialName, "05"),
        (SearchIdentifier::WholeProfile, "06"),
        (SearchIdentifier::OidcStdClaim("given_name".to_owned()), "07 0a 676976656e5f6e616d65"),
        (SearchIdentifier::VcardField("FN".to_owned()), "08 02 464e"),
    ];
    for (identifier, start) in arms {
        assert_octets(&element(identifier, "al"), &octets!(start, "02 616c"));
    }
    for reserved in ["00 00", "09 00"] {
        let fault = QueryElement::decode(&octets!(reserved)).unwrap_err();
        assert_eq!((fault.offset, fault.field), (0, "QueryElement.searchType"));
    }
    assert!(QueryElement::decode(&octets!("01 01 ff")).is_err());
    let long = |length| element(SearchIdentifier::Nick, &"x".repeat(length)).encode();
    assert!(QueryElement::decode(&long(TEXT_OCTETS_MAX)).is_ok());
    assert!(QueryElement::decode(&long(TEXT_OCTETS_MAX + 1)).is_err());
}

#[test]
fn requests() {
    assert_octets(&IdentifierRequest::default(), &octets!("00 00"));
    let request = IdentifierRequest {
        query_elements: vec![
            element(SearchIdentifier::Phone, "+1"),
            element(SearchIdentifier::Nick, "x"),
        ],
        id_request_extensions: AppDataDictionary([(0xf001, vec![9])].into()),
    };
    assert_octets(&request, &octets!("07 04 02 2b31 02 01 78 04 f001 01 09"));
    let many = |count| IdentifierRequest {
        query_elements: vec![element(SearchIdentifier::Handle, ""); count],
        ..Default::default()
    };
    assert!(IdentifierRequest::decode(&many(LIST_ELEMENTS_MAX).encode()).is_ok());
    assert!(IdentifierRequest::decode(&many(LIST_ELEMENTS_MAX + 1).encode()).is_err());
    let too_large = vec![0; APPLICATION_BODY_OCTETS_MAX + 1];
    assert_eq!(IdentifierRequest::decode(&too_large).unwrap_err().field, "body");
}

fn response() -> IdentifierResponse {
    IdentifierResponse {
        response_code: IdentifierQueryCode::Success,
        uri: vec![uri(XAVIER)],
        found_profiles: vec![
            UserProfile {
                stable_uri: uri(XAVIER),
                fields: vec![ProfileField {
                    field_source: FieldSource::OidcStdClaim,
                    field_name: "name".to_owned(),
                    field_value: b"X".to_vec(),
                }],
            },
            UserProfile { stable_uri: uri(YOLANDA), fields: vec![] },
        ],
        id_response_extensions: AppDataDictionary::default(),
    }
}

/// PROTO-IDQ-5, AMB-IDQ-1: matches are the union of both lists.
#[test]
fn responses() {
    let fields = vector(&octets!("07", text("name"), "01 58"));
    let profiles = octets!(text(XAVIER), fields, text(YOLANDA), "00");
    let octets = octets!("00", vector(&text(XAVIER)), vector(&profiles), "00");
    assert_octets(&response(), &octets);
    assert!(response().matches().eq(&[uri(XAVIER), uri(YOLANDA)]));
    let codes = [
        (IdentifierQueryCode::NotFound, "01"),
        (IdentifierQueryCode::Ambiguous, "02"),
        (IdentifierQueryCode::Forbidden, "03"),
        (IdentifierQueryCode::UnsupportedField, "04"),
    ];
    for (response_code, octet) in codes {
        let (uri, found_profiles) = (vec![], vec![]);
        let empty = IdentifierResponse { response_code, uri, found_profiles, ..response() };
        assert_octets(&empty, &octets!(octet, "00 00 00"));
    }
    assert!(IdentifierResponse::decode(&octets!("05 00 00 00")).is_err());
    let vcard = octets!("08 01 4e 00");
    assert_eq!(ProfileField::decode(&vcard).unwrap().field_source, FieldSource::VcardField);
    // A source that is not known says nothing of what follows, so it is kept.
    let other = octets!("09 01 4e 00");
    let field = ProfileField::decode(&other).unwrap();
    assert_eq!(field.field_source, FieldSource::Other(9));
    assert_octets(&field, &other);
    assert!(ProfileField::decode(&octets!("00 00 00")).is_err());
    let many = |count| IdentifierResponse {
        uri: vec![uri("mimi://b.example/u/x"); count],
        found_profiles: vec![],
        ..response()
    };
    assert!(IdentifierResponse::decode(&many(LIST_ELEMENTS_MAX).encode()).is_ok());
    assert!(IdentifierResponse::decode(&many(LIST_ELEMENTS_MAX + 1).encode()).is_err());
}

proptest! {
    #[test]
    fn requests_round_trip(values: Vec<(Option<String>, String)>, extensions: Vec<u8>) {
        let element = |(name, value): (Option<String>, String)| QueryElement {
            identifier: name.map_or(SearchIdentifier::Email, SearchIdentifier::VcardField),
            search_value: value,
        };
        let request = IdentifierRequest {
            query_elements: values.into_iter().map(element).collect(),
            id_request_extensions: AppDataDictionary([(7, extensions)].into()),
        };
        prop_assert_eq!(IdentifierRequest::decode(&request.encode()), Ok(request));
    }
}
