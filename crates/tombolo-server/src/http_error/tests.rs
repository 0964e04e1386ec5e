use super::*;

/// AMB-TR-4: 400 malformed, 403 mismatch, 404 unknown, 413 too large, 503 with Retry-After.
#[test]
fn statuses() {
    let text = || "text".to_owned();
    let cases = [
        (HttpError::Reject(Reject::Malformed(text())), 400, "malformed"),
        (HttpError::Reject(Reject::PeerMisbehaved(text())), 403, "peer_misbehaved"),
        (HttpError::Reject(Reject::NotAllowed(text())), 403, "not_allowed"),
        (HttpError::Reject(Reject::Stale { current_epoch: 7 }), 409, "stale"),
        (HttpError::Reject(Reject::Unknown(text())), 404, "unknown"),
        (HttpError::Reject(Reject::Conflict(text())), 409, "conflict"),
        (HttpError::Reject(Reject::Unsupported(text())), 501, "unsupported"),
        (HttpError::Reject(Reject::Unavailable(text())), 503, "unavailable"),
        (HttpError::Reject(Reject::Internal(text())), 500, "internal"),
        (HttpError::Unauthorized(text()), 401, "unauthorized"),
        (HttpError::TooLarge(7), 413, "too_large"),
        (HttpError::TooMany(7), 429, "unavailable"),
        (HttpError::UnsupportedMediaType("application/json"), 415, "unsupported_media_type"),
        (HttpError::MethodNotAllowed("GET, PUT".into()), 405, "malformed"),
    ];
    for (error, status, code) in cases {
        let (given_status, given_code, _) = error.parts();
        assert_eq!((given_status.as_u16(), given_code), (status, code), "{error:?}");
    }
}

#[test]
fn who_may_try_again_is_told_when() {
    let unavailable = HttpError::Reject(Reject::Unavailable("b.example is down".to_owned()));
    assert_eq!(unavailable.into_response().headers()["retry-after"], "5");
    assert_eq!(HttpError::TooMany(7).into_response().headers()["retry-after"], "7");
    let unknown = HttpError::Reject(Reject::Unknown("nothing".to_owned()));
    assert!(!unknown.into_response().headers().contains_key("retry-after"));
}

/// RFC 9110 section 15.5.6.
#[test]
fn who_takes_a_wrong_method_is_told_the_right_ones() {
    let refused = HttpError::MethodNotAllowed("GET, PUT".into()).into_response();
    assert_eq!(refused.headers()["allow"], "GET, PUT");
}

/// What is our fault is for the log.
#[test]
fn internals_stay_inside() {
    let error = HttpError::Reject(Reject::Internal("/var/lib/secret.db is full".to_owned()));
    assert!(!error.parts().2.contains("secret"));
}

/// The code says the class; the message is for a person.
#[test]
fn messages_do_not_repeat_the_code() {
    let unavailable = HttpError::Reject(Reject::Unavailable("b.example is down".to_owned()));
    assert_eq!(unavailable.parts().2, "b.example is down");
    assert_eq!(
        HttpError::Reject(Reject::Stale { current_epoch: 7 }).parts().2,
        "stale: the room is in epoch 7"
    );
}
