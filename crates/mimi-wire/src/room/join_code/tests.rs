use proptest::prelude::*;

use super::*;

const SECRET: [u8; 16] = *b"\x00\x10\x83\x10\x51\x87\x20\x92\x8b\x30\xd3\x8f\x41\x14\x93\xfb";

fn code(role: u32, uses: Option<u32>, expires_ms: Option<u64>) -> JoinCode {
    JoinCode { secret: SECRET, role, uses: uses.and_then(NonZeroU32::new), expires_ms }
}

fn room() -> MimiUri {
    MimiUri::new("mimi://a.example/r/clubhouse").unwrap()
}

/// The spelling is kept in rooms and on paper: it never changes.
#[test]
fn golden_spellings() {
    let golden = [
        ("1.ABCDEFGHIJKLMNOPQRST-w.2", code(2, None, None)),
        ("1.ABCDEFGHIJKLMNOPQRST-w.3.u1", code(3, Some(1), None)),
        ("1.ABCDEFGHIJKLMNOPQRST-w.2.e1790000000000", code(2, None, Some(1_790_000_000_000))),
        (
            "1.ABCDEFGHIJKLMNOPQRST-w.4294967295.u4294967295.e18446744073709551615",
            code(u32::MAX, Some(u32::MAX), Some(u64::MAX)),
        ),
    ];
    for (text, code) in golden {
        assert_eq!(code.to_string(), text);
        assert_eq!(text.parse(), Ok(code.clone()));
        let link = RoomLink::new(room(), &code);
        assert_eq!(link.to_string(), format!("mimi://a.example/r/clubhouse#{text}"));
        assert_eq!(link.to_string().parse(), Ok(link.clone()));
        assert_eq!(link.join_code(), Some(code));
        assert_eq!(RoomLink::of_room(&room(), &link.to_component()), Some(link));
    }
}

/// The longest code is as long as the limit says.
#[test]
fn the_longest_code() {
    let longest = code(u32::MAX, Some(u32::MAX), Some(u64::MAX)).to_string();
    assert_eq!(longest.len(), JOIN_CODE_OCTETS_MAX);
    let mut padded = longest;
    padded.push_str(&"0".repeat(JOIN_CODE_OCTETS_MAX + 1 - padded.len()));
    assert_eq!(padded.parse::<JoinCode>(), Err(NotAJoinCode));
}

/// One spelling per code: every other one is foreign.
#[test]
fn other_spellings_are_foreign() {
    for text in [
        "",
        "2.ABCDEFGHIJKLMNOPQRST-w.2",
        "1.ABCDEFGHIJKLMNOPQRST-w",
        "1.ABCDEFGHIJKLMNOPQRST-w.0",
        "1.ABCDEFGHIJKLMNOPQRST-w.02",
        "1.ABCDEFGHIJKLMNOPQRST-w.+2",
        "1.ABCDEFGHIJKLMNOPQRST-x.2",
        "1.ABCDEFGHIJKLMNOPQRST-w==.2",
        "1.ABCDEFGHIJKLMNOPQRST.2",
        "1.ABCDEFGHIJKLMNOPQRST-w.2.u0",
        "1.ABCDEFGHIJKLMNOPQRST-w.2.e1.u1",
        "1.ABCDEFGHIJKLMNOPQRST-w.2.u1.u1",
        "1.ABCDEFGHIJKLMNOPQRST-w.2.x",
        "1.ABCDEFGHIJKLMNOPQRST-w.2.",
    ] {
        assert_eq!(text.parse::<JoinCode>(), Err(NotAJoinCode), "{text}");
    }
}

/// Codes of other implementations are passed on as they are.
#[test]
fn foreign_codes_travel() {
    let link: RoomLink = "mimi://a.example/r/clubhouse#eyJhbGciOi.J9/x?y=z".parse().unwrap();
    assert_eq!((link.room.clone(), link.code.as_str()), (room(), "eyJhbGciOi.J9/x?y=z"));
    assert_eq!(link.join_code(), None);
}

#[test]
fn what_is_no_link() {
    for text in [
        "mimi://a.example/r/clubhouse",
        "mimi://a.example/r/clubhouse#",
        "mimi://a.example/r/clubhouse#a b",
        "mimi://a.example/r/clubhouse#a#b",
        "mimi://a.example/r/clubhouse#\u{e9}",
        "mimi://a.example/u/alice#code",
        "https://a.example/r/clubhouse#code",
    ] {
        assert!(text.parse::<RoomLink>().is_err(), "{text}");
    }
    let link = |length| format!("mimi://a.example/r/clubhouse#{}", "x".repeat(length));
    assert!(link(JOINING_CODE_OCTETS_MAX).parse::<RoomLink>().is_ok());
    assert!(link(JOINING_CODE_OCTETS_MAX + 1).parse::<RoomLink>().is_err());
    // A link into another room, or anything else at all, is not one of this room.
    let elsewhere = JoinLink(b"mimi://a.example/r/elsewhere#code".to_vec());
    assert_eq!(RoomLink::of_room(&room(), &elsewhere), None);
    assert_eq!(RoomLink::of_room(&room(), &JoinLink(vec![0xff])), None);
}

#[test]
fn secrets_stay_out_of_logs() {
    let shown = format!("{:?}", code(2, None, None));
    assert!(shown.contains("role: 2") && !shown.contains("ABCD") && !shown.contains("secret"));
}

#[test]
fn expiry() {
    assert!(!code(2, None, None).has_expired(u64::MAX));
    assert!(!code(2, None, Some(10)).has_expired(9));
    assert!(code(2, None, Some(10)).has_expired(10));
}

proptest! {
    #[test]
    fn every_code_survives_its_text(
        secret: [u8; 16],
        role in 1..=u32::MAX,
        uses: Option<u32>,
        expires_ms: Option<u64>,
    ) {
        let uses = uses.and_then(NonZeroU32::new);
        let code = JoinCode { secret, role, uses, expires_ms };
        prop_assert_eq!(code.to_string().parse(), Ok(code.clone()));
        prop_assert_eq!(JoinCode::from_octets(code.to_string().as_bytes()), Ok(code));
    }

    #[test]
    fn nothing_panics(text: String, octets: Vec<u8>) {
        let _ = (text.parse::<JoinCode>(), text.parse::<RoomLink>());
        let _ = JoinCode::from_octets(&octets);
    }
}
