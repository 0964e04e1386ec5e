use mimi_wire::MimiUri;
use mimi_wire::content::{Disposition, MessageId, NestedPart, Part, PartSemantics};
use mimi_wire::media::TextFormat;

use super::ShownPart;
use crate::shown::ShownMessage;

fn message(body: NestedPart) -> ShownMessage {
    ShownMessage {
        id: MessageId([1; 32]),
        sender: MimiUri::new("mimi://a.example/u/alice").unwrap(),
        timestamp_ms: 0,
        text: None,
        body: Some(body),
        in_reply_to: None,
        answers_expired: false,
        topic: Vec::new(),
        attachments: Vec::new(),
        edited: false,
        deleted: false,
        versions: Vec::new(),
        reactions: Vec::new(),
        statuses: Vec::new(),
        ends_ms: None,
        refused: None,
        unfrankable: None,
    }
}

fn multi(semantics: PartSemantics, parts: Vec<NestedPart>) -> NestedPart {
    NestedPart {
        disposition: Disposition::RENDER,
        language: String::new(),
        part: Part::Multi { semantics, parts },
    }
}

fn single(content_type: &str, language: &str, content: &str) -> NestedPart {
    let part = NestedPart::single(Disposition::RENDER, content_type, content.as_bytes());
    NestedPart { language: language.to_owned(), ..part }
}

fn told(body: NestedPart, languages: &[&str]) -> Vec<String> {
    let languages: Vec<String> = languages.iter().map(|tag| (*tag).to_owned()).collect();
    let parts = message(body).parts(&languages).into_iter();
    let told = parts.map(|part| match part {
        ShownPart::Text { text, .. } => text,
        ShownPart::External { part, .. } => format!("({})", part.filename),
        ShownPart::Other { content_type, octets, .. } => format!("({content_type}, {octets})"),
    });
    told.collect()
}

/// CONTENT-PART-1, CONTENT-PART-4: of alternatives the one in the reader's best language, and in the
/// richest format of that language.
#[test]
fn one_of_a_choice_by_language_and_format() {
    let choice = || {
        multi(
            PartSemantics::ChooseOne,
            vec![
                single("text/plain", "en", "plain hello"),
                single("text/html", "en-GB", "<p>hello</p>"),
                single("text/markdown;variant=GFM-MIMI", "fr", "**salut**"),
                single("image/png", "", "png"),
            ],
        )
    };
    assert_eq!(told(choice(), &["fr", "en"]), ["**salut**"]);
    assert_eq!(told(choice(), &["de", "en"]), ["<p>hello</p>"]);
    assert_eq!(told(choice(), &["EN"]), ["<p>hello</p>"]);
    assert_eq!(told(choice(), &[]), ["**salut**"], "in no language of the reader's");
    let neutral = multi(
        PartSemantics::ChooseOne,
        vec![single("text/plain", "fr", "salut"), single("text/plain", "", "👋")],
    );
    assert_eq!(told(neutral, &["en"]), ["👋"], "what is in no language suits everybody");
}

/// CONTENT-PART-1: everything that can be is shown, and what is no text as what it is.
#[test]
fn all_that_can_be_shown() {
    let all = multi(
        PartSemantics::ProcessAll,
        vec![
            single("text/markdown", "", "look"),
            single("image/png", "", "png"),
            NestedPart::null(Disposition::RENDER),
        ],
    );
    assert_eq!(told(all.clone(), &["en"]), ["look", "(image/png, 3)"]);
    let format = |part: &ShownPart| match part {
        ShownPart::Text { format, .. } => Some(*format),
        _ => None,
    };
    let parts = message(all).parts(&[]);
    assert_eq!(format(&parts[0]), Some(TextFormat::GfmMimi));
    let no_text = NestedPart::single(Disposition::RENDER, "text/plain", &[0xff, 0xfe]);
    assert_eq!(told(no_text, &[]), ["(text/plain, 2)"], "what is no UTF-8 is no text");
}
