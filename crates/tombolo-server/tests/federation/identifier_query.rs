//! `identifierQuery` between providers, and what users say of themselves (PROTO-IDQ-1..5).

use bytes::Bytes;
use http::{Method, StatusCode};
use mimi_wire::Wire;
use mimi_wire::protocol::AppDataDictionary;
use mimi_wire::protocol::identifier_query::{
    FieldSource, IdentifierQueryCode, IdentifierRequest, IdentifierResponse, QueryElement,
    SearchIdentifier,
};
use serde_json::{Value, json};
use tombolo_server::clock::Clock;
use tombolo_server::running::Running;
use tombolo_store::memory::MemoryStore;

use crate::support::{Federation, LocalUser, Reply, SharedStore};

const PATH: &str = "/mimi/v1/identifierQuery/b.example";

fn query(elements: &[(SearchIdentifier, &str)]) -> Vec<u8> {
    let element = |(identifier, value): &(SearchIdentifier, &str)| QueryElement {
        identifier: identifier.clone(),
        search_value: (*value).to_owned(),
    };
    IdentifierRequest {
        query_elements: elements.iter().map(element).collect(),
        id_request_extensions: AppDataDictionary::default(),
    }
    .encode()
}

/// A call of the client API by `bob@b.example`'s only device.
async fn call(
    federation: &Federation,
    running: &Running,
    user: &str,
    (method, path): (Method, &str),
    body: impl Into<Bytes>,
) -> Reply {
    let (name, host) = user.split_once('@').unwrap();
    let caller = federation.anonymous();
    let mut connection = caller.connect(running.addresses().client, host).await.unwrap();
    let bearer = format!("Bearer token-of-{name}");
    let headers = [("host", host), ("authorization", &bearer)];
    connection.send(method, &format!("/client/v1{path}"), &headers, body).await.unwrap()
}

async fn set_profile(
    federation: &Federation,
    running: &Running,
    user: &str,
    findability: &str,
    fields: &[(&str, &str, &str, &str)],
) -> Reply {
    let field = |(name, value, searchability, visibility): &(&str, &str, &str, &str)| {
        let capitals = name.bytes().all(|octet| octet.is_ascii_uppercase());
        let source = if capitals { "vcardField" } else { "oidcStdClaim" };
        json!({
            "source": source, "name": name, "value": value,
            "searchability": searchability, "visibility": visibility,
        })
    };
    let fields: Vec<Value> = fields.iter().map(field).collect();
    let body = json!({ "findability": findability, "fields": fields }).to_string();
    call(federation, running, user, (Method::PUT, "/profile"), body).await
}

/// The draft's three users at `b.example`, and one who has said nothing; alice at `a.example`.
struct World {
    federation: Federation,
    a: Running,
    b: Running,
}

impl World {
    async fn new(b_config: &str) -> Self {
        let federation = Federation::new();
        let (a_store, b_store) = (MemoryStore::new(), MemoryStore::new());
        let a = federation.start_on("a.example", &a_store).await;
        let config = federation.config("b.example", b_config);
        let b = Running::start_with(config, b_store.shared(), Clock::system()).await.unwrap();
        let addresses =
            [("a.example", a.addresses().federation), ("b.example", b.addresses().federation)];
        federation.publish_addresses(&addresses).await;
        LocalUser::sign_up(&a_store, "a.example", "alice").await;
        for name in ["xavier", "yolanda", "zach", "silent"] {
            LocalUser::sign_up(&b_store, "b.example", name).await;
        }
        let world = Self { federation, a, b };
        let said = [
            world
                .says(
                    "xavier",
                    "findable",
                    &[
                        ("preferred_username", "im:xavier@b.example", "searchable", "shown"),
                        ("given_name", "Xavier", "searchable", "shown"),
                        ("family_name", "Matali", "searchable", "concealed"),
                        ("ORG", "Acme Sales", "searchable", "shown"),
                    ],
                )
                .await,
            world
                .says(
                    "yolanda",
                    "findable",
                    &[
                        ("preferred_username", "im:yolanda@b.example", "exact_only", "concealed"),
                        ("given_name", "Yolanda", "not_findable", "concealed"),
                    ],
                )
                .await,
            world
                .says(
                    "zach",
                    "hidden",
                    &[("preferred_username", "im:zach@b.example", "searchable", "shown")],
                )
                .await,
        ];
        assert!(said.iter().all(|reply| reply.status == StatusCode::NO_CONTENT), "{said:?}");
        world
    }

    async fn says(
        &self,
        name: &str,
        findability: &str,
        fields: &[(&str, &str, &str, &str)],
    ) -> Reply {
        let user = format!("{name}@b.example");
        set_profile(&self.federation, &self.b, &user, findability, fields).await
    }

    /// alice asks her provider about users of another.
    async fn alice_asks(&self, domain: &str, body: Vec<u8>) -> Reply {
        let path = format!("/identifier-query/{domain}");
        let method = (Method::POST, path.as_str());
        call(&self.federation, &self.a, "alice@a.example", method, body).await
    }

    async fn alice_finds(&self, elements: &[(SearchIdentifier, &str)]) -> IdentifierResponse {
        let reply = self.alice_asks("b.example", query(elements)).await;
        assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
        IdentifierResponse::decode(&reply.body).unwrap()
    }
}

fn names(response: &IdentifierResponse) -> Vec<&str> {
    response.uri.iter().map(|uri| uri.as_str().rsplit('/').next().unwrap()).collect()
}

/// What is asked, and who is found.
type Case<'a> = (&'a [(SearchIdentifier, &'a str)], &'a [&'a str]);

/// PROTO-IDQ-1, PROTO-IDQ-4: straight from provider to provider; who is found is who wants to be.
#[tokio::test]
async fn users_are_found_across_providers() {
    use SearchIdentifier::{Handle, Nick, OidcStdClaim, PartialName, VcardField};
    let world = World::new("").await;
    let given_name = || OidcStdClaim("given_name".to_owned());
    let organisation = || VcardField("ORG".to_owned());
    let cases: [Case; 8] = [
        (&[(Handle, "im:xavier@b.example")], &["xavier"]),
        (&[(PartialName, "mat")], &["xavier"]),
        (&[(given_name(), "Xavier"), (organisation(), "Acme Sales")], &["xavier"]),
        (&[(given_name(), "Xavier"), (organisation(), "Other")], &[]),
        (&[(Handle, "im:yolanda@b.example")], &["yolanda"]),
        (&[(Nick, "yolanda")], &["yolanda"]),
        (&[(given_name(), "Yolanda")], &[]),
        (&[(Handle, "im:zach@b.example")], &[]),
    ];
    for (elements, expected) in cases {
        assert_eq!(names(&world.alice_finds(elements).await), expected, "{elements:?}");
    }
    let found = world.alice_finds(&[(Nick, "xavier")]).await;
    let [profile] = &found.found_profiles[..] else { panic!("{found:?}") };
    let shown: Vec<_> = profile
        .fields
        .iter()
        .map(|field| (field.field_source, field.field_name.as_str(), &field.field_value[..]))
        .collect();
    let expected = [
        (FieldSource::OidcStdClaim, "preferred_username", &b"im:xavier@b.example"[..]),
        (FieldSource::OidcStdClaim, "given_name", b"Xavier"),
        (FieldSource::VcardField, "ORG", b"Acme Sales"),
    ];
    assert_eq!(shown, expected);
    // At home it is the same.
    let at_home = (Method::POST, "/identifier-query/b.example");
    let body = query(&[(Nick, "xavier")]);
    let reply = call(&world.federation, &world.b, "yolanda@b.example", at_home, body).await;
    assert_eq!(IdentifierResponse::decode(&reply.body), Ok(found));
    let reply = world.alice_asks("c.example", query(&[(Nick, "xavier")])).await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
}

/// PROTO-IDQ-4, PROTO-IDQ-5: a user who cannot be found, one who has said nothing and one who does
/// not exist get the same answer, header by header.
#[tokio::test]
async fn who_is_not_found_might_as_well_not_exist() {
    let world = World::new("").await;
    let caller = world.federation.caller("a.example");
    let address = world.b.addresses().federation;
    let mut connection = caller.connect(address, "b.example").await.unwrap();
    let mut answers = Vec::new();
    for handle in ["im:zach@b.example", "mimi://b.example/u/silent", "im:nobody@b.example"] {
        let body = query(&[(SearchIdentifier::Handle, handle)]);
        let mut reply = connection.post("b.example", "a.example", PATH, body).await.unwrap();
        reply.headers.remove("date");
        answers.push((reply.status, reply.headers, reply.body));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    let response = IdentifierResponse::decode(&answers[0].2).unwrap();
    assert_eq!(response.response_code, IdentifierQueryCode::NotFound);
}

#[tokio::test]
async fn queries_for_others_and_hostile_bodies_are_refused() {
    let world = World::new("").await;
    let caller = world.federation.caller("a.example");
    let address = world.b.addresses().federation;
    let mut connection = caller.connect(address, "b.example").await.unwrap();
    let nick = query(&[(SearchIdentifier::Nick, "xavier")]);
    let cases = [
        ("/mimi/v1/identifierQuery/c.example", nick.clone(), 403, "peer_misbehaved"),
        ("/mimi/v1/identifierQuery/", nick.clone(), 400, "malformed"),
        ("/mimi/v1/identifierQuery/%FF", nick, 400, "malformed"),
        (PATH, Vec::new(), 400, "malformed"),
        (PATH, vec![0xff; 64], 400, "malformed"),
    ];
    for (path, body, status, code) in cases {
        let reply = connection.post("b.example", "a.example", path, body).await.unwrap();
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (status, code), "{path}");
    }
    // PROTO-TR-4: only who shows the certificate asks.
    let nick = query(&[(SearchIdentifier::Nick, "xavier")]);
    let reply = connection.post("b.example", "c.example", PATH, nick).await.unwrap();
    assert_eq!(reply.status, StatusCode::FORBIDDEN);
}

/// AMB-IDQ-4: a peer that asks too much waits; another does not.
#[tokio::test]
async fn a_peer_has_a_budget() {
    let world = World::new("").await;
    let address = world.b.addresses().federation;
    let caller = world.federation.caller("a.example");
    let mut connection = caller.connect(address, "b.example").await.unwrap();
    let partial = query(&[(SearchIdentifier::PartialName, "mat")]);
    let mut answered = 0_u64;
    let refused = loop {
        let reply = connection.post("b.example", "a.example", PATH, partial.clone()).await;
        match reply.unwrap() {
            reply if reply.status == StatusCode::OK => answered += 1,
            reply => break reply,
        }
        assert!(answered < 1_000, "there is no limit");
    };
    assert!(answered >= 60, "{answered}");
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers["retry-after"], "1");
    let other = world.federation.caller("c.example");
    let mut other = other.connect(address, "b.example").await.unwrap();
    let reply = other.post("b.example", "c.example", PATH, partial).await.unwrap();
    assert_eq!(reply.status, StatusCode::OK);
}

/// So that one user does not use up what its provider may ask.
#[tokio::test]
async fn a_local_user_has_a_budget() {
    let world = World::new("").await;
    let partial = query(&[(SearchIdentifier::PartialName, "mat")]);
    let mut answered = 0_u64;
    let refused = loop {
        let reply = world.alice_asks("a.example", partial.clone()).await;
        match reply.status {
            StatusCode::OK => answered += 1,
            _ => break reply,
        }
        assert!(answered < 100, "there is no limit");
    };
    assert!(answered >= 6, "{answered}");
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.headers.contains_key("retry-after"));
}

/// PROTO-IDQ-4, PROTO-IDQ-5: users allow, and the operator does.
#[tokio::test]
async fn the_operator_says_what_may_be_asked() {
    use SearchIdentifier::{Email, Nick, PartialName};
    let world =
        World::new("[identifier_query]\nscope = \"exact\"\nfields = \"nickname name\"").await;
    let code = async |elements: &[(SearchIdentifier, &str)]| {
        world.alice_finds(elements).await.response_code
    };
    assert_eq!(code(&[(PartialName, "mat")]).await, IdentifierQueryCode::Ambiguous);
    assert_eq!(code(&[(Email, "x@b.example")]).await, IdentifierQueryCode::UnsupportedField);
    // Xavier has no nickname, and handles are not searched.
    assert_eq!(code(&[(Nick, "xavier")]).await, IdentifierQueryCode::NotFound);
    assert_eq!(code(&[]).await, IdentifierQueryCode::Forbidden);
    let closed = World::new("[identifier_query]\nscope = \"off\"").await;
    let found = closed.alice_finds(&[(Nick, "xavier")]).await;
    assert_eq!(found.response_code, IdentifierQueryCode::Forbidden);
}

#[tokio::test]
async fn a_profile_is_shown_to_its_user_and_checked() {
    let world = World::new("").await;
    let get = (Method::GET, "/profile");
    let profile_of = async |name: &str| {
        let user = format!("{name}@b.example");
        let reply = call(&world.federation, &world.b, &user, get.clone(), "").await;
        assert_eq!(reply.status, StatusCode::OK);
        serde_json::from_slice::<Value>(&reply.body).unwrap()
    };
    assert_eq!(profile_of("silent").await, json!({ "findability": "hidden", "fields": [] }));
    let zach = profile_of("zach").await;
    assert_eq!(zach["findability"], "hidden");
    assert_eq!(zach["fields"][0]["source"], "oidcStdClaim");
    assert_eq!(zach["fields"][0]["value"], "im:zach@b.example");
    let refused = [
        (("preferred_username", "im:xavier@b.example", "searchable", "shown"), 403),
        (("email", "no address", "searchable", "shown"), 400),
        (("shoe_size", "46", "searchable", "shown"), 400),
        (("email", "z@b.example", "sometimes", "shown"), 400),
    ];
    for (field, status) in refused {
        let reply = world.says("zach", "findable", &[field]).await;
        assert_eq!(reply.status.as_u16(), status, "{field:?}: {reply:?}");
    }
    assert_eq!(profile_of("zach").await, zach, "what is refused changes nothing");
}
