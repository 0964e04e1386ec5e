use http::header::HeaderName;

use super::*;

fn request(url: &str, headers: &[(HeaderName, &str)]) -> Request<()> {
    let mut request = Request::builder().uri(url);
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    request.body(()).unwrap()
}

/// PROTO-TR-2: the port is ignored, the name is not.
#[test]
fn host_is_ours_on_any_port() {
    let own = Domain::new("a.example").unwrap();
    let is_ours = |url: &str, headers: &[(HeaderName, &str)]| host(&own, &request(url, headers));
    assert!(is_ours("/", &[(HOST, "a.example")]).is_ok());
    assert!(is_ours("/", &[(HOST, "a.example:8443")]).is_ok());
    assert!(is_ours("/", &[(HOST, "A.Example:")]).is_ok());
    assert!(is_ours("https://a.example:8443/", &[]).is_ok());
    assert!(is_ours("/", &[]).is_err());
    assert!(is_ours("/", &[(HOST, "b.example")]).is_err());
    assert!(is_ours("/", &[(HOST, "a.example.evil.example")]).is_err());
    assert!(is_ours("https://a.example/", &[(HOST, "b.example")]).is_err());
    assert!(is_ours("https://user@a.example/", &[]).is_err());
}

/// PROTO-TR-3: `addr-spec` form only, local part exactly `mimi`.
#[test]
fn from_is_one_plain_address() {
    let of = |values: &[&str]| {
        let headers: Vec<_> = values.iter().map(|value| (FROM, *value)).collect();
        from(&request("/", &headers)).ok().map(String::from)
    };
    assert_eq!(of(&["mimi@b.example"]).as_deref(), Some("b.example"));
    assert_eq!(of(&["mimi@B.example"]).as_deref(), Some("b.example"));
    for wrong in [
        "Mimi <mimi@b.example>",
        "bob@b.example",
        "MIMI@b.example",
        "mimi@b.example, mimi@c.example",
        "mimi@b.example:443",
        "b.example",
        "mimi@",
        "",
    ] {
        assert_eq!(of(&[wrong]), None, "{wrong}");
    }
    assert_eq!(of(&[]), None);
    assert_eq!(of(&["mimi@b.example", "mimi@b.example"]), None);
}
