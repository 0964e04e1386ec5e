use super::{ApplicationFraming, MIMI_CONTENT, MediaType, MediaTypeList};
use crate::Wire;
use crate::fixtures::{assert_octets, octets, text, vector};
use crate::limits::{APPLICATION_BODY_OCTETS_MAX, LIST_ELEMENTS_MAX, TEXT_OCTETS_MAX};

/// MLSX-8.
#[test]
fn media_types() {
    assert_octets(&MediaType::default(), &octets!("00 00"));
    assert_octets(&MediaType::new(MIMI_CONTENT), &octets!(text(MIMI_CONTENT), "00"));
    let parameters = vec![("charset".to_owned(), "utf-8".to_owned())];
    let plain = MediaType { parameters, ..MediaType::new("text/plain") };
    let parameter = octets!(text("charset"), text("utf-8"));
    assert_octets(&plain, &octets!(text("text/plain"), vector(&parameter)));
    let named = |length| MediaType::new(&"x".repeat(length)).encode();
    assert!(MediaType::decode(&named(TEXT_OCTETS_MAX)).is_ok());
    assert!(MediaType::decode(&named(TEXT_OCTETS_MAX + 1)).is_err());
}

#[test]
fn media_type_lists_are_never_empty() {
    let list = MediaTypeList(vec![MediaType::new("a/b"), MediaType::new("c/d")]);
    assert_octets(&list, &octets!("0a", text("a/b"), "00", text("c/d"), "00"));
    assert!(MediaTypeList::decode(&[0]).is_err());
    let many = |count| MediaTypeList(vec![MediaType::new("a/b"); count]).encode();
    assert!(MediaTypeList::decode(&many(LIST_ELEMENTS_MAX)).is_ok());
    assert!(MediaTypeList::decode(&many(LIST_ELEMENTS_MAX + 1)).is_err());
}

/// AMB-CNT-18: an empty type stands for the group's first.
#[test]
fn framing() {
    let framing = |media_type, length| ApplicationFraming {
        media_type,
        inner_application_content: vec![7; length],
    };
    assert_octets(&framing(MediaType::default(), 2), &octets!("00 00 02 0707"));
    let explicit = framing(MediaType::new(MIMI_CONTENT), 0);
    assert_octets(&explicit, &octets!(text(MIMI_CONTENT), "00 00"));
    let with = |length| framing(MediaType::default(), length).encode();
    assert!(ApplicationFraming::decode(&with(APPLICATION_BODY_OCTETS_MAX)).is_ok());
    assert!(ApplicationFraming::decode(&with(APPLICATION_BODY_OCTETS_MAX + 1)).is_err());
}
