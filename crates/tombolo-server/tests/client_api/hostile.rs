//! Bodies that are not what an endpoint takes: a clear 4xx, and the provider goes on.

use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use reqwest::{Method, StatusCode};

use crate::documented::Documented;
use crate::harness::{Provider, error_code, segment};

#[tokio::test]
async fn garbage_is_refused_everywhere() {
    let provider = Provider::start(&["alice", "bob"]).await;
    let phone = provider.phone("alice", "phone").await;
    let mut rng = StdRng::seed_from_u64(7);
    let all = Documented::all().into_iter().filter(|endpoint| endpoint.media_type().is_some());
    // Bodies of uploads can be anything; what is wrong with a sealed request is for its hub to say, in
    // the words of RFC 9458 (`federation/oblivious.rs`).
    let others = ["/assets/", "/ohttp-relay/"];
    let all = all.filter(|it| !others.iter().any(|other| it.path.starts_with(other)));
    for Documented { method, path, .. } in all {
        let mut bodies = vec![Vec::new(), vec![0], vec![0xff; 100], b"{}".to_vec(), b"[1".to_vec()];
        for length in [1, 7, 300, 5_000] {
            let mut random = vec![0; length];
            rng.fill_bytes(&mut random);
            bodies.push(random);
        }
        for body in bodies {
            let request = phone.request(method.clone(), &path).body(body.clone());
            let answer = request.send().await.unwrap();
            let status = answer.status();
            // An empty list of KeyPackages is a body of one octet.
            if path == "/key-packages" && body == [0] {
                continue;
            }
            assert!(status.is_client_error(), "{method} {path} {body:?}: {status}");
            assert_eq!(error_code(answer).await, "malformed", "{method} {path}");
        }
    }
    assert_eq!(phone.get("/key-packages").await["stock"], 0);
}

#[tokio::test]
async fn odd_paths_are_refused() {
    let provider = Provider::start(&["alice"]).await;
    let phone = provider.phone("alice", "phone").await;
    for value in ["x", "%00", "%ff%fe", "mimi%3A%2F%2FA.example%2Fr%2Fclub", "%2e%2e", "%25"] {
        for path in [
            format!("/rooms/{value}/update"),
            format!("/key-material/{value}"),
            format!("/issuers/{value}"),
        ] {
            let answer = phone.request(Method::POST, &path).send().await.unwrap();
            assert!(answer.status().is_client_error(), "{path}: {}", answer.status());
        }
    }
    for value in ["%00", "%ff%fe", "A.example", "a.example%3A443", "%25", "..%2f..", "-"] {
        let answer = phone.request(Method::GET, &format!("/issuers/{value}")).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{value}");
    }
    for query in ["?after=x", "?after=-1", "?after=99999999999999999999", "?before=1"] {
        let answer = phone.request(Method::GET, &format!("/events{query}")).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{query}");
    }
}

#[tokio::test]
async fn a_room_nobody_hosts_is_unknown() {
    let provider = Provider::start(&["alice"]).await;
    let phone = provider.phone("alice", "phone").await;
    let room = segment("mimi://a.example/r/club");
    let path = format!("/rooms/{room}/submit-message");
    let answer = phone.post(&path, b"\x01".to_vec()).await;
    assert!(answer.status().is_client_error());
}
