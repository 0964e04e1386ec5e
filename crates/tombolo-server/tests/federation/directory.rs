//! The directory we serve (PROTO-DIR-1, PROTO-DIR-2, AMB-TR-2).

use crate::support::Federation;
use http::Method;
use mimi_wire::protocol::directory::{DIRECTORY_PATH, Directory, Endpoint};

#[tokio::test]
async fn is_served_with_and_without_a_certificate() {
    let federation = Federation::new();
    let running = federation.start("a.example").await;
    let address = running.addresses().federation;
    for caller in [federation.anonymous(), federation.caller("b.example")] {
        let mut connection = caller.connect(address, "a.example").await.unwrap();
        let host = [("host", "a.example:8443")];
        let reply = connection.send(Method::GET, DIRECTORY_PATH, &host, "").await.unwrap();
        assert_eq!(reply.status.as_u16(), 200);
        assert_eq!(reply.headers["content-type"], "application/json");
        assert!(reply.headers["cache-control"].to_str().unwrap().contains("max-age="));
        let directory = Directory::from_json(&reply.body).unwrap();
        assert_eq!(directory.client_issuers.len(), 1);
        for endpoint in Endpoint::ALL {
            let template = &directory.templates[&endpoint];
            assert!(template.starts_with("https://a.example/mimi/v1/"), "{template}");
        }
    }
}

/// Somebody else's directory is not ours to give.
#[tokio::test]
async fn is_for_our_own_domain() {
    let federation = Federation::new();
    let running = federation.start("a.example").await;
    let caller = federation.anonymous();
    let mut connection = caller.connect(running.addresses().federation, "a.example").await.unwrap();
    let host = [("host", "b.example")];
    let reply = connection.send(Method::GET, DIRECTORY_PATH, &host, "").await.unwrap();
    assert_eq!(reply.status.as_u16(), 403);
}
