use std::collections::BTreeSet;

use serde_json::Value;

use super::super::route::{Body, Place};
use super::{REFUSALS, document, routes};

/// What lies in `docs/` for who reads without running.
const COMMITTED: &str = include_str!("../../../../../docs/openapi.json");

#[test]
fn the_committed_document_is_current() {
    let committed: Value = serde_json::from_str(COMMITTED).unwrap();
    assert!(committed == document(), "docs/openapi.json is old: cargo xtask openapi");
}

/// Who reads the document finds what an endpoint is for, and every value it takes.
#[test]
fn every_endpoint_is_documented_whole() {
    let mut ids = BTreeSet::new();
    for route in routes() {
        let operation = &route.operation;
        let id = operation.id;
        assert!(!id.is_empty(), "{} {}", route.method, route.path);
        assert!(ids.insert(id), "{id} is there twice");
        assert!(!operation.summary.is_empty() && operation.summary.len() < 60, "{id}");
        assert!(!operation.summary.ends_with('.') && operation.about.ends_with('.'), "{id}");
        assert!(!operation.answers.is_empty(), "{id} answers nothing");
        let in_path = operation.parameters.iter().filter(|it| it.place == Place::Path);
        let documented: BTreeSet<&str> = in_path.map(|parameter| parameter.name).collect();
        let segments = route.path.split('/');
        let served = segments.filter_map(|it| it.strip_prefix('{')?.strip_suffix('}')).collect();
        assert_eq!(documented, served, "{id}");
        for parameter in &operation.parameters {
            assert!(parameter.about.ends_with('.'), "{id} {}", parameter.name);
        }
        for answer in &operation.answers {
            assert!(!matches!(answer.body, Body::Octets { most: Some(_), .. }), "{id}");
        }
    }
}

/// A status that no endpoint has is not documented either.
#[test]
fn every_refusal_is_somebodys() {
    let routes = routes();
    for (status, name, _) in REFUSALS {
        assert!(routes.iter().any(|route| route.operation.refusals.contains(&status)), "{name}");
    }
}

/// What a gateway says of a key it does not know is the one refusal in another form, and documented in both.
#[test]
fn a_problem_is_documented() {
    let document = document();
    let of = |path: &str| document["paths"][path]["post"]["responses"]["400"].clone();
    let relay = of("/ohttp-relay/{hub}");
    let forms: Vec<&String> = relay["content"].as_object().unwrap().keys().collect();
    assert_eq!(forms, ["application/json", "application/problem+json"]);
    assert_eq!(of("/register")["$ref"], "#/components/responses/Malformed");
}
