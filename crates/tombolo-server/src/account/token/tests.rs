use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::{TOKEN_CHARS_MAX, bearer, generate, sha256};

#[test]
fn tokens_are_long_random_and_fit_a_header() {
    let token = generate();
    assert_eq!(token.len(), 43);
    assert_ne!(*token, *generate());
    assert_ne!(sha256(&token), sha256(&generate()));
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, format!("Bearer {}", *token).parse().unwrap());
    assert_eq!(bearer(&headers), Some(&**token));
}

#[test]
fn only_bearer_tokens_are_tokens() {
    let given = |value: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, value.parse().unwrap());
        bearer(&headers).map(str::to_owned)
    };
    assert_eq!(given("bearer abc").as_deref(), Some("abc"));
    for value in ["", "abc", "Bearer", "Bearer ", "Basic abc", "Bearerabc"] {
        assert_eq!(given(value), None, "{value:?}");
    }
    assert_eq!(given(&format!("Bearer {}", "x".repeat(TOKEN_CHARS_MAX + 1))), None);
    assert_eq!(bearer(&HeaderMap::new()), None);
}
