use super::{ApplicationFraming, ContentType, MIMI_CONTENT, MediaType, MediaTypeList, TextFormat};
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

/// AMB-CNT-19: case does not matter, nor the order of parameters, nor quotes.
#[test]
fn content_types_compare() {
    let same = [
        "text/markdown;variant=GFM-MIMI;charset=utf-8",
        "Text/Markdown ; CHARSET=\"utf-8\"; variant=\"GFM-\\MIMI\"",
    ];
    assert_eq!(ContentType::parse(same[0]), ContentType::parse(same[1]));
    let odd = ContentType::parse("a/b; x=\"1;\\\"2\"; ;y");
    assert_eq!(odd.essence, "a/b");
    assert_eq!(odd.parameters["x"], "1;\"2");
    assert_eq!(odd.parameters["y"], "");
    assert_eq!(odd.parameters.len(), 2);
    assert_eq!(ContentType::parse("").top_level(), "");
    assert_eq!(ContentType::parse("IMAGE/png").top_level(), "image");
}

/// CONTENT-MT-1, AMB-CNT-19.
#[test]
fn text_formats() {
    let format = |content_type| ContentType::parse(content_type).text_format();
    assert_eq!(format("text/plain"), Some(TextFormat::Plain));
    assert_eq!(format("text/plain;charset=US-ASCII"), Some(TextFormat::Plain));
    assert_eq!(format("text/plain;charset=latin1"), None);
    assert_eq!(format("text/markdown"), Some(TextFormat::GfmMimi));
    assert_eq!(format("text/markdown;variant=gfm-mimi"), Some(TextFormat::GfmMimi));
    assert_eq!(format("text/markdown;variant=CommonMark"), Some(TextFormat::CommonMark));
    assert_eq!(format("text/markdown;variant=pandoc"), None);
    assert_eq!(format("text/html"), Some(TextFormat::Html));
    assert_eq!(format("image/png"), None);
}

/// POLICY-AS-2.
#[test]
fn media_types_cover() {
    let utf_8 = MediaType {
        parameters: vec![("Charset".to_owned(), "utf-8".to_owned())],
        ..MediaType::new("text/plain")
    };
    let inline = MediaType::new("TEXT/plain;charset=utf-8");
    assert!(MediaType::new("text/plain").covers(&utf_8));
    assert!(utf_8.covers(&inline) && inline.covers(&utf_8));
    assert!(!MediaType::new("text/html").covers(&utf_8));
    let latin = MediaType::new("text/plain;charset=ISO-8859-1");
    assert!(!utf_8.covers(&latin) && !latin.covers(&utf_8));
    assert!(latin.covers(&MediaType::new("Text/plain; Charset=iso-8859-1")));
}

/// AMB-CNT-19: what goes without saying may be said.
#[test]
fn parameters_that_go_without_saying() {
    let covers = |own, other| MediaType::new(own).covers(&MediaType::new(other));
    assert!(covers("text/plain;charset=UTF-8", "text/plain"));
    assert!(covers("text/markdown;variant=GFM-MIMI", "text/markdown"));
    assert!(covers("text/markdown;variant=gfm-mimi", "text/markdown;charset=utf-8"));
    assert!(!covers("text/markdown;variant=CommonMark", "text/markdown"));
    assert!(!covers("image/svg+xml;charset=utf-8", "image/svg+xml"));
}

/// MLSX-8, AMB-CNT-18: who may be added to a group, and what framed content is.
#[test]
fn content_advertisement() {
    let list = |types: &[&str]| {
        MediaTypeList(types.iter().map(|media_type| MediaType::new(media_type)).collect())
    };
    let own = list(&[MIMI_CONTENT, "text/markdown;variant=GFM-MIMI", "image/png"]);
    let missing = |required: &[&str]| own.missing(&list(required)).len();
    assert_eq!(missing(&["Application/MIMI-content", "text/markdown"]), 0);
    assert_eq!(missing(&["image/png", "image/jpeg", "text/markdown;variant=CommonMark"]), 2);
    let framing = |media_type: &str| ApplicationFraming {
        media_type: MediaType::new(media_type),
        inner_application_content: vec![],
    };
    assert_eq!(own.type_of(&framing("")), Some(&MediaType::new(MIMI_CONTENT)));
    assert_eq!(own.type_of(&framing("a/b")), Some(&MediaType::new("a/b")));
}
