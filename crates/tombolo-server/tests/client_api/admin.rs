//! The operator: with a running provider, without one, and whoever is no operator.

use std::net::SocketAddr;

use mimi_wire::room::claim_name::NamedClaim;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tombolo_server::account::Password;
use tombolo_server::admin_api::operate::{self, OperateError};
use tombolo_server::admin_api::{ADMIN_TOKEN_FILE, AddUser, AdminError, SetClaims};
use tombolo_server::running::{ADMIN_ADDRESS_FILE, Running, StartError};

use crate::harness::{PASSWORD, Provider};

fn wish(name: &str) -> AddUser {
    AddUser { name: name.to_owned(), password: None, claims: Vec::new() }
}

#[tokio::test]
async fn users_are_added_while_it_runs_and_while_it_does_not() {
    let mut provider = Provider::stopped();
    let before = operate::add_user(&provider.config(), &wish("alice")).await.unwrap();
    let alice = before.password.unwrap();
    provider.run().await;
    let running = operate::add_user(&provider.config(), &wish("bob")).await.unwrap();
    let bob = running.password.unwrap();
    for (user, password) in [("alice", &alice), ("bob", &bob)] {
        let answer = provider.http().register(user, password.reveal(), "phone").await;
        assert!(answer.status().is_success(), "{user}");
    }
    provider.stop().await;
    let after = operate::add_user(&provider.config(), &wish("cathy")).await.unwrap();
    assert_eq!(after.user.as_str(), "mimi://a.example/u/cathy");

    let listed = operate::users(&provider.config()).await.unwrap().users;
    let names: Vec<_> = listed.iter().map(|user| (user.user.as_str(), user.devices)).collect();
    let expected = [
        ("mimi://a.example/u/alice", 1),
        ("mimi://a.example/u/bob", 1),
        ("mimi://a.example/u/cathy", 0),
    ];
    assert_eq!(names, expected);
    provider.run().await;
    assert_eq!(operate::users(&provider.config()).await.unwrap().users, listed);
}

/// AMB-POL-3: what an operator says of an account stands in the certificates of its devices that
/// register from then on.
#[tokio::test]
async fn claims_of_an_account_reach_its_certificates() {
    let mut provider = Provider::stopped();
    let password = Some(Password::new(PASSWORD.to_owned()));
    let claims = vec!["O=Tea Society".to_owned()];
    let alice = AddUser { password, claims, ..wish("alice") };
    operate::add_user(&provider.config(), &alice).await.unwrap();
    provider.run().await;
    let claimed = async |device: &str| {
        let phone = provider.phone("alice", device).await;
        let claims = &phone.mls.identity().unwrap().claims;
        let organization: NamedClaim = "O=Tea Society".parse().unwrap();
        let title: NamedClaim = "title=Chair".parse().unwrap();
        [organization, title].map(|claim| claims.contains(&claim.to_claim()))
    };
    assert_eq!(claimed("phone").await, [true, false]);
    let set = |name: &str, claims: &[&str]| SetClaims {
        name: name.to_owned(),
        claims: claims.iter().map(ToString::to_string).collect(),
    };
    let listed = operate::set_claims(&provider.config(), &set("alice", &["title=Chair"])).await;
    let listed = listed.unwrap();
    assert_eq!((listed.devices, listed.claims), (1, vec!["title=Chair".to_owned()]));
    assert_eq!(claimed("laptop").await, [false, true]);
    for wrong in [set("alice", &["colour=red"]), set("alice", &["O=a", "O=b"]), set("bob", &[])] {
        operate::set_claims(&provider.config(), &wrong).await.unwrap_err();
    }
    provider.stop().await;
    let listed = operate::set_claims(&provider.config(), &set("alice", &[])).await.unwrap();
    assert!(listed.claims.is_empty());
}

#[tokio::test]
async fn a_name_is_taken_once_and_must_be_possible() {
    let mut provider = Provider::stopped();
    for _ in 0..2 {
        let config = provider.config();
        let _ = operate::add_user(&config, &wish("alice")).await;
        let again = operate::add_user(&config, &wish("alice")).await.unwrap_err().to_string();
        assert!(again.contains("exists already"), "{again}");
        operate::add_user(&config, &wish("al/ice")).await.unwrap_err();
        let short = Some(Password::new("short".to_owned()));
        let short = AddUser { password: short, ..wish("bob") };
        let short = operate::add_user(&config, &short).await.unwrap_err().to_string();
        assert!(short.contains("8 to 1024 octets"), "{short}");
        if provider.http_is_up() {
            break;
        }
        provider.run().await;
    }
}

#[tokio::test]
async fn the_status_tells_what_there_is() {
    let mut provider = Provider::stopped();
    let idle = operate::status(&provider.config()).await.unwrap_err();
    assert!(matches!(idle, OperateError::NotRunning));
    provider.run().await;
    provider.add_user("alice").await;
    let status = operate::status(&provider.config()).await.unwrap();
    assert_eq!((status.domain.as_str(), status.users, status.rooms), ("a.example", 1, 0));
    assert!(status.waiting.is_empty());
    provider.stop().await;
    let stopped = operate::status(&provider.config()).await.unwrap_err();
    assert!(matches!(stopped, OperateError::NotRunning));
}

#[tokio::test]
async fn nothing_is_answered_without_the_token() {
    let provider = Provider::start(&[]).await;
    let address = provider.running().addresses().admin;
    for path in ["/admin/v1/users", "/admin/v1/status", "/", "/admin/v1/nowhere"] {
        for header in ["", "Authorization: Bearer wrong\r\n", "Authorization: Basic YTpi\r\n"] {
            let answer = exchange(address, &format!("GET {path} HTTP/1.1\r\n{header}")).await;
            assert!(answer.starts_with("HTTP/1.1 401 "), "{path}: {answer}");
        }
    }
}

#[tokio::test]
async fn bodies_an_operator_would_not_send_are_refused() {
    let provider = Provider::start(&[]).await;
    let address = provider.running().addresses().admin;
    let token = std::fs::read_to_string(provider.config().data_dir.join(ADMIN_TOKEN_FILE)).unwrap();
    let post = async |body: &str| {
        let request = format!(
            "POST /admin/v1/users HTTP/1.1\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n",
            token.trim(),
            body.len()
        );
        exchange_with_body(address, &request, body).await
    };
    for body in ["", "{", "[]", "{\"name\":1}", "{\"name\":\"alice\",\"admin\":true}", "\u{0}"] {
        let answer = post(body).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{body}: {answer}");
    }
    let large = format!("{{\"name\":\"{}\"}}", "x".repeat(20_000));
    assert!(post(&large).await.starts_with("HTTP/1.1 413 "));
    assert!(operate::users(&provider.config()).await.unwrap().users.is_empty());
}

#[tokio::test]
async fn another_provider_at_the_same_address_is_noticed() {
    let one = Provider::start(&[]).await;
    let mut other = Provider::start(&[]).await;
    other.stop().await;
    let mut config = other.config();
    config.listen.admin = one.running().addresses().admin;
    let asked = operate::users(&config).await.unwrap_err();
    assert!(matches!(asked, OperateError::Admin(AdminError::AnotherProvider(_))), "{asked}");
}

#[tokio::test]
async fn the_database_has_one_user_at_a_time() {
    let provider = Provider::start(&["alice"]).await;
    let second = Running::start(provider.config()).await.unwrap_err();
    assert!(matches!(second, StartError::Database { .. }), "{second}");

    // A provider that runs and cannot be found is not gone around.
    std::fs::remove_file(provider.config().data_dir.join(ADMIN_ADDRESS_FILE)).unwrap();
    let asked = operate::add_user(&provider.config(), &wish("bob")).await.unwrap_err();
    assert!(matches!(asked, OperateError::Database { .. }), "{asked}");
    provider.http().register("alice", PASSWORD, "phone").await;
}

#[cfg(unix)]
#[tokio::test]
async fn secrets_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let provider = Provider::start(&["alice"]).await;
    let data_dir = provider.config().data_dir;
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data_dir), 0o700);
    for file in ["admin.token", "client-issuer.key", "hub-sender.key", "tombolo.db"] {
        assert_eq!(mode(&data_dir.join(file)), 0o600, "{file}");
    }
}

async fn exchange(address: SocketAddr, head: &str) -> String {
    exchange_with_body(address, head, "").await
}

async fn exchange_with_body(address: SocketAddr, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{head}Host: {address}\r\nConnection: close\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A refused body may end the connection before it is read.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}
