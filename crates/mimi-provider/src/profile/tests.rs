use super::{
    FIELDS_MAX, FieldName, Findability, Key, Profile, ProfileEntry, Searchability,
    VALUE_OCTETS_MAX, Visibility, folded, grams, set_profile,
};
use crate::{Change, Reject};
use mimi_wire::MimiUri;

fn bob() -> MimiUri {
    MimiUri::new("mimi://b.example/u/bob").unwrap()
}

fn entry(name: FieldName, value: &str) -> ProfileEntry {
    let (searchability, visibility) = (Searchability::ExactOnly, Visibility::Shown);
    ProfileEntry { name, value: value.to_owned(), searchability, visibility }
}

fn profile(entries: Vec<ProfileEntry>) -> Profile {
    Profile { user: bob(), findability: Findability::Findable, entries }
}

#[test]
fn a_profile_comes_back_as_it_was() {
    let mut given = profile(vec![
        entry(FieldName::HANDLE, "im:bob@b.example"),
        entry(FieldName::property("org").unwrap(), "Mather & Söhne"),
    ]);
    given.entries[1].searchability = Searchability::Searchable;
    given.entries[1].visibility = Visibility::Concealed;
    let changes = set_profile(&given).unwrap().changes;
    let [Change::PutProfile { profile: stored, terms }] = &changes[..] else { panic!() };
    assert_eq!(Profile::restore(stored), Ok(given.clone()));
    assert_eq!(*terms, given.terms().into_iter().collect::<Vec<_>>());
}

/// PROTO-IDQ-4: what cannot be found is not even in the index.
#[test]
fn nothing_is_indexed_of_who_cannot_be_found() {
    let mut given = profile(vec![entry(FieldName::EMAIL, "bob@b.example")]);
    assert_eq!(given.terms().len(), 2, "as an address and as a claim");
    given.entries[0].searchability = Searchability::Searchable;
    assert_eq!(given.terms().len(), 2 + grams("bob@b.example").len());
    given.entries[0].searchability = Searchability::NotFindable;
    assert!(given.terms().is_empty());
    given.entries[0].searchability = Searchability::Searchable;
    given.findability = Findability::Hidden;
    assert!(given.terms().is_empty());
    assert!(Profile::empty(bob()).terms().is_empty());
}

#[test]
fn values_are_checked() {
    let valid = [
        (FieldName::HANDLE, "im:bob@b.example"),
        (FieldName::HANDLE, "mimi://b.example/u/bob"),
        (FieldName::EMAIL, "b.o.b@elsewhere.example"),
        (FieldName::PHONE, "+1 (212) 555-1212"),
        (FieldName::NICK, "Bob"),
    ];
    for (name, value) in valid {
        assert!(set_profile(&profile(vec![entry(name, value)])).is_ok(), "{value}");
    }
    let others = [
        "im:alice@b.example",
        "im:bob@c.example",
        "mimi://b.example/u/alice",
        "bob",
        ":bob@b.example",
        "Im:bob@b.example",
    ];
    for handle in others {
        let refused = set_profile(&profile(vec![entry(FieldName::HANDLE, handle)]));
        assert!(matches!(refused, Err(Reject::NotAllowed(_))), "{handle}");
    }
    let malformed = [
        (FieldName::EMAIL, "bob"),
        (FieldName::EMAIL, "@b.example"),
        (FieldName::PHONE, "2125551212"),
        (FieldName::PHONE, "+12125551212x"),
        (FieldName::PHONE, "+123456"),
        (FieldName::NICK, ""),
        (FieldName::NICK, "two\nlines"),
    ];
    for (name, value) in malformed {
        let refused = set_profile(&profile(vec![entry(name, value)]));
        assert!(matches!(refused, Err(Reject::Malformed(_))), "{value}");
    }
}

#[test]
fn limits() {
    let value = |octets| profile(vec![entry(FieldName::NICK, &"n".repeat(octets))]);
    assert!(set_profile(&value(VALUE_OCTETS_MAX)).is_ok());
    assert!(set_profile(&value(VALUE_OCTETS_MAX + 1)).is_err());
    let fields = |count| profile(vec![entry(FieldName::NICK, "bob"); count]);
    assert!(set_profile(&fields(FIELDS_MAX)).is_ok());
    assert!(set_profile(&fields(FIELDS_MAX + 1)).is_err());
}

#[test]
fn names_are_claims_or_properties() {
    assert_eq!(FieldName::of_either("email"), Some(FieldName::EMAIL));
    assert_eq!(FieldName::of_either("EMAIL"), FieldName::property("email"));
    assert_eq!(FieldName::claim("ORG"), None);
    assert_eq!(FieldName::claim("email_verified"), None, "nobody vouches for it");
    assert_eq!(FieldName::property("X-SECRET"), None);
    assert_eq!(FieldName::of_source(9, "email"), None);
}

/// AMB-IDQ-6: simple folding, one character for one.
#[test]
fn folding_is_unicodes_simple_one() {
    let cases = [
        ("Matthew", "matthew"),
        ("ΣΊΣΥΦΟΣ", "σίσυφοσ"),
        ("ς", "σ"),
        ("ẞ", "ß"),
        ("Straße", "straße"),
        ("İ", "İ"),
        ("ДЖО", "джо"),
    ];
    for (text, expected) in cases {
        assert_eq!(folded(text), expected);
    }
}

#[test]
fn a_text_has_the_pieces_of_its_parts() {
    let whole = grams("Matthew Müller");
    for part in ["mat", "THEW", "w mü", "üller"] {
        assert!(grams(part).is_subset(&whole), "{part}");
    }
    assert!(!grams("mattea").is_subset(&whole));
    assert!(grams("ma").is_empty());
}

#[test]
fn keys_of_different_kinds_differ() {
    let value = "same".to_owned();
    let keys = [
        Key::Handle(value.clone()),
        Key::Nick(value.clone()),
        Key::Email(value.clone()),
        Key::Phone(value.clone()),
        Key::Field(FieldName::NICK, value.clone()),
        Key::Field(FieldName::property("NICKNAME").unwrap(), value),
    ];
    let terms: std::collections::BTreeSet<_> = keys.iter().map(Key::term).collect();
    assert_eq!(terms.len(), keys.len());
}

/// A nickname is one under either of its names.
#[test]
fn a_nickname_by_its_property() {
    let nickname = entry(FieldName::property("NICKNAME").unwrap(), "bobby");
    assert!(nickname.keys().contains(&Key::Nick("bobby".to_owned())));
}
