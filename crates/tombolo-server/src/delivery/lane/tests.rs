use super::*;

#[test]
fn what_is_final() {
    let refused = |status: u16| {
        let status = StatusCode::from_u16(status).unwrap();
        is_final(&PeerError::Refused { status, retry_after: None, message: String::new() })
    };
    assert!([400, 404, 409, 413, 422].into_iter().all(refused));
    assert!(![401, 403, 405, 408, 410, 429, 500, 501, 503].into_iter().any(refused));
    assert!(!is_final(&PeerError::NoAnswer("late".to_owned())));
}
