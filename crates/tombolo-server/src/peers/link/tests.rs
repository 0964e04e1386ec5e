use super::*;

fn headers(name: http::HeaderName, values: &[&str]) -> HeaderMap {
    let values = values.iter().map(|value| (name.clone(), value.parse().unwrap()));
    values.collect()
}

/// PROTO-DIR-4, AMB-DIR-5: Cache-Control is honoured.
#[test]
fn cache_control() {
    let age = |values: &[&str]| max_age(&headers(CACHE_CONTROL, values)).map(|age| age.as_secs());
    assert_eq!(age(&[]), None);
    assert_eq!(age(&["public"]), None);
    assert_eq!(age(&["public, max-age=60"]), Some(60));
    assert_eq!(age(&["Max-Age=\"7\""]), Some(7));
    assert_eq!(age(&["max-age=60", "no-store"]), Some(0));
    assert_eq!(age(&["no-cache, max-age=60"]), Some(0));
    assert_eq!(age(&["max-age=soon"]), None);
    assert_eq!(age(&["max-age=99999999999999999999999"]), None);
}

/// PROTO-TR-6.
#[test]
fn retry_after_in_seconds() {
    let now = SystemTime::UNIX_EPOCH;
    let after = |value: &str| {
        retry_after(&headers(RETRY_AFTER, &[value]), now).map(|pause| pause.as_secs())
    };
    assert_eq!(after("7"), Some(7));
    assert_eq!(after(" 7 "), Some(7));
    assert_eq!(after("999999999"), Some(RETRY_AFTER_MAX_S));
    assert_eq!(after("-1"), None);
    assert_eq!(after("soon"), None);
}

/// PROTO-TR-6: a date counts from the answer's own, whatever our clock says.
#[test]
fn retry_after_as_a_date() {
    const AT: &str = "Wed, 21 Oct 2026 07:28:00 GMT";
    let now = httpdate::parse_http_date("Wed, 21 Oct 2026 07:27:00 GMT").unwrap();
    let after = |until: &str, date: Option<&str>| {
        let mut all = headers(RETRY_AFTER, &[until]);
        all.extend(date.map(|date| (Some(DATE), date.parse().unwrap())));
        retry_after(&all, now).map(|pause| pause.as_secs())
    };
    assert_eq!(after(AT, Some("Wed, 21 Oct 2026 07:27:50 GMT")), Some(10));
    assert_eq!(after(AT, None), Some(60));
    assert_eq!(after(AT, Some("soon")), Some(60));
    assert_eq!(after(AT, Some("Wed, 21 Oct 2026 07:29:00 GMT")), Some(0), "over already");
    assert_eq!(after("Wed, 21 Oct 2037 07:28:00 GMT", None), Some(RETRY_AFTER_MAX_S));
}
