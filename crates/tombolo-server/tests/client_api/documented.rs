//! The OpenAPI document against the provider: what it lists is served as it says, and nothing else.

use reqwest::{Method, StatusCode};
use serde_json::Value;
use tombolo_server::client_api::document;

use crate::harness::{JsonValue, Phone, Provider, error_code, segment};

/// An endpoint as the document has it.
pub(crate) struct Documented {
    pub(crate) method: Method,
    /// With its variables filled in.
    pub(crate) path: String,
    pub(crate) operation: Value,
}

impl Documented {
    /// Every endpoint there is.
    pub(crate) fn all() -> Vec<Self> {
        let document = document();
        let paths = document["paths"].as_object().unwrap();
        let of_path = |(path, operations): (&String, &Value)| {
            let operations: Vec<_> = operations.as_object().unwrap().clone().into_iter().collect();
            let path = path.clone();
            operations.into_iter().map(move |(method, operation)| Self {
                method: Method::from_bytes(method.to_ascii_uppercase().as_bytes()).unwrap(),
                path: filled(&path, &operation),
                operation,
            })
        };
        paths.iter().flat_map(of_path).collect()
    }

    pub(crate) fn needs_a_token(&self) -> bool {
        self.operation["security"].is_null()
    }

    pub(crate) fn media_type(&self) -> Option<&str> {
        let content = self.operation["requestBody"]["content"].as_object()?;
        content.keys().next().map(String::as_str)
    }

    /// Octets a body may have, where the document bounds them.
    fn octets_max(&self) -> Option<usize> {
        let said = self.operation["requestBody"]["description"].as_str()?;
        said.strip_prefix("At most ")?.strip_suffix(" octets.")?.parse().ok()
    }

    pub(crate) fn documents(&self, status: StatusCode) -> bool {
        !self.operation["responses"][status.as_str()].is_null()
    }

    fn request(&self, phone: &Phone) -> reqwest::RequestBuilder {
        phone.request(self.method.clone(), &self.path)
    }

    fn name(&self) -> &str {
        self.operation["operationId"].as_str().unwrap()
    }
}

/// A path with the document's examples in it.
fn filled(path: &str, operation: &Value) -> String {
    let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
    parameters.iter().filter(|it| it["in"] == "path").fold(path.to_owned(), |path, parameter| {
        let variable = format!("{{{}}}", parameter["name"].as_str().unwrap());
        path.replace(&variable, &segment(parameter["example"].as_str().unwrap()))
    })
}

#[tokio::test]
async fn the_document_is_served_to_everybody() {
    let provider = Provider::start(&[]).await;
    let answer = provider.http().request(Method::GET, "/openapi.json").send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.json_value().await, document());
}

/// Every path answers to the methods that are documented, and names them to who takes another.
#[tokio::test]
async fn what_is_documented_is_served_and_nothing_else() {
    let provider = Provider::start(&["alice"]).await;
    let phone = provider.phone("alice", "phone").await;
    let all = Documented::all();
    assert!(all.len() > 30);
    let mut by_path: std::collections::BTreeMap<&str, Vec<String>> = Default::default();
    for endpoint in &all {
        by_path.entry(&endpoint.path).or_default().push(endpoint.method.to_string());
    }
    for (path, documented) in by_path {
        let wrong =
            phone.request(Method::from_bytes(b"PURGE").unwrap(), path).send().await.unwrap();
        assert_eq!(wrong.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        let allow = wrong.headers()["allow"].to_str().unwrap().to_owned();
        let mut allowed: Vec<&str> = allow.split(", ").collect();
        let mut documented: Vec<&str> = documented.iter().map(String::as_str).collect();
        allowed.sort_unstable();
        documented.sort_unstable();
        assert_eq!(allowed, documented, "{path}");
    }
}

/// What every endpoint refuses alike, it refuses as documented: no token, another media type, a body
/// beyond its limit, a path that names nothing.
#[tokio::test]
async fn refusals_are_as_documented() {
    let provider = Provider::start(&["alice"]).await;
    let phone = provider.phone("alice", "phone").await;
    for endpoint in Documented::all() {
        let name = endpoint.name();
        if endpoint.needs_a_token() {
            let without = provider.http().request(endpoint.method.clone(), &endpoint.path);
            let refused = without.send().await.unwrap();
            assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{name}");
            assert!(endpoint.documents(StatusCode::UNAUTHORIZED), "{name}");
        }
        let upload = endpoint.path.starts_with("/assets/");
        let is_sealed = endpoint.path.starts_with("/ohttp-relay/");
        let Some(media_type) = endpoint.media_type() else { continue };
        let mut refusals = vec![(StatusCode::UNSUPPORTED_MEDIA_TYPE, "text/html", 1)];
        if let Some(most) = endpoint.octets_max() {
            refusals.push((StatusCode::PAYLOAD_TOO_LARGE, media_type, most + 1));
            // What is wrong with a sealed request is for its hub to say, which is not there.
            if !is_sealed {
                refusals.push((StatusCode::BAD_REQUEST, media_type, most));
            }
        }
        for (expected, media_type, octets) in refusals {
            let request = endpoint.request(&phone).header("content-type", media_type);
            let answer = request.body(vec![0xff; octets]).send().await.unwrap();
            assert_eq!(answer.status(), expected, "{name}, {octets} octets");
            assert!(endpoint.documents(expected), "{name}");
            assert!(!error_code(answer).await.is_empty());
        }
        if !upload && !is_sealed {
            let garbage = endpoint.request(&phone).body(vec![0xff; 7]).send().await.unwrap();
            assert_eq!(garbage.status(), StatusCode::BAD_REQUEST, "{name}");
        }
    }
}

/// The examples that the document gives are taken, as far as what they name is there.
#[tokio::test]
async fn examples_of_bodies_are_taken() {
    let provider = Provider::start(&["alice"]).await;
    let phone = provider.phone("alice", "phone").await;
    let mut tried = 0;
    for endpoint in Documented::all() {
        let content = &endpoint.operation["requestBody"]["content"]["application/json"];
        let Some(example) = content["example"].as_object().cloned() else { continue };
        // Those that end what others here need, and the device that is there already.
        if matches!(endpoint.name(), "replaceToken" | "replacePassword" | "deleteAccount") {
            continue;
        }
        let mut example = Value::Object(example);
        if endpoint.name() == "registerDevice" {
            example["device"] = "laptop".into();
        }
        let answer = endpoint.request(&phone).body(example.to_string()).send().await.unwrap();
        let status = answer.status();
        assert!(endpoint.documents(status), "{}: {status}", endpoint.name());
        let is_there = endpoint.name() != "renameDevice";
        assert_eq!(status.is_success(), is_there, "{}: {status}", endpoint.name());
        tried += 1;
    }
    assert!(tried >= 5);
}
