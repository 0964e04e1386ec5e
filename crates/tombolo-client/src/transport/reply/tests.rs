use super::{read, read_error};
use crate::secret::SecretText;
use crate::session::request::{Request, Response, TransportError};

#[test]
fn json_answers_are_read() {
    let body = br#"{"user":"mimi://a.example/u/alice","client":"mimi://a.example/d/alice/phone",
        "token":"secret","certificate_chain":["AAE=","Ag=="]}"#;
    let request = Request::Register {
        user: "alice".to_owned(),
        password: SecretText::new("p".to_owned()),
        device: "phone".to_owned(),
        signature_key: vec![1],
    };
    let Ok(Response::Registered { user, token, certificate_chain, .. }) = read(&request, body)
    else {
        panic!("not read");
    };
    assert_eq!(user.as_str(), "mimi://a.example/u/alice");
    assert_eq!(token.reveal(), "secret");
    assert_eq!(certificate_chain, [vec![0, 1], vec![2]]);

    let body = br#"{"requests":[{"requester":"mimi://b.example/u/bob","room":null,
        "requested_ms":5}]}"#;
    let Ok(Response::Contacts(contacts)) = read(&Request::Contacts, body) else {
        panic!("not read");
    };
    assert_eq!(contacts.requests[0].requested_ms, 5);
    assert!(contacts.asked.is_empty() && contacts.granted.is_empty());
    // What ends soon does not count as stock; older providers do not say.
    for (body, stock) in [(&b"{\"stock\":7,\"ending\":3}"[..], 4), (b"{\"stock\":7}", 7)] {
        let answer = read(&Request::KeyPackageStock, body);
        assert!(matches!(answer, Ok(Response::Stock(lasting)) if lasting == stock));
    }
}

#[test]
fn garbled_answers_are_told() {
    for body in [&b""[..], b"{}", b"{\"stock\":-1}", b"\xff"] {
        let answer = read(&Request::KeyPackageStock, body);
        assert!(matches!(answer, Err(TransportError::Garbled(_))));
    }
}

#[test]
fn errors_say_whether_to_try_again() {
    let body = br#"{"error":{"code":"conflict","message":"there is a phone already"}}"#;
    let refused = read_error(409, None, body);
    assert!(refused.is_refusal("conflict") && !refused.is_passing());
    assert_eq!(refused.to_string(), "there is a phone already");
    let busy = read_error(503, Some(" 2 "), b"<html>");
    let TransportError::Busy { retry_after_ms: Some(2000), .. } = busy else {
        panic!("{busy:?}");
    };
    assert!(read_error(500, Some("Wed, 21 Oct 2026 07:28:00 GMT"), b"").is_passing());
    assert!(!read_error(404, None, b"").is_passing());
}

#[test]
fn a_profile_is_read_as_it_is_written() {
    let body = br#"{"findability":"findable","fields":[{"source":"oidcStdClaim","name":"email",
        "value":"bob@b.example","searchability":"exact_only","visibility":"concealed"},
        {"source":"vcardField","name":"ORG","value":"Acme","searchability":"searchable",
        "visibility":"shown"}]}"#;
    let Ok(Response::Profile(profile)) = read(&Request::Profile, body) else {
        panic!("not read");
    };
    assert_eq!(profile.fields.len(), 2);
    let written = serde_json::to_value(&*profile).unwrap();
    assert_eq!(written, serde_json::from_slice::<serde_json::Value>(body).unwrap());
}
