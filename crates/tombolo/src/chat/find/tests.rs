use mimi_wire::MimiUri;
use mimi_wire::protocol::identifier_query::SearchIdentifier;
use tombolo_client::profile::{FieldSource, Findability, Profile, Searchability, Visibility};

use super::{ProfileInput, change, described, parse_find, parse_profile};

/// What is asked, in order.
fn asked(line: &str) -> Vec<Vec<(SearchIdentifier, String)>> {
    let find = parse_find(line).unwrap();
    assert_eq!(find.domain.as_str(), "b.example");
    let queries = find.queries.into_iter();
    let pairs = queries.map(|query| {
        query.into_iter().map(|element| (element.identifier, element.search_value)).collect()
    });
    pairs.collect()
}

#[test]
fn find_is_understood() {
    use SearchIdentifier::{Handle, OidcStdClaim, PartialName, VcardField};
    let one = |identifier, value: &str| vec![(identifier, value.to_owned())];
    assert_eq!(
        asked("bob@b.example"),
        [one(Handle, "mimi://b.example/u/bob"), one(Handle, "im:bob@b.example")]
    );
    assert_eq!(asked("name bob m at b.example"), [one(PartialName, "bob m")]);
    assert_eq!(asked("handle im:bob@c.example at b.example"), [one(Handle, "im:bob@c.example")]);
    let both = [
        (OidcStdClaim("given_name".to_owned()), "Xavier".to_owned()),
        (VcardField("ORG".to_owned()), "Acme Sales".to_owned()),
    ];
    assert_eq!(asked("given Xavier and ORG Acme Sales at b.example"), [both]);
    for wrong in ["", "bob", "name at b.example", "name bob at B", "bob@"] {
        assert!(parse_find(wrong).unwrap_err().contains("/find"), "{wrong}");
    }
}

#[test]
fn a_profile_is_changed_and_described() {
    let own = MimiUri::new("mimi://b.example/u/bob").unwrap();
    let mut profile = Profile::default();
    assert!(described(&profile).contains("Nobody can find you"));
    for line in ["handle exact", "email bob@b.example exact shown", "org Acme Sales search", "on"] {
        change(&mut profile, &own, parse_profile(line).unwrap()).unwrap();
    }
    assert_eq!(profile.findability, Findability::Findable);
    let [handle, email, organisation] = &profile.fields[..] else { panic!("{profile:?}") };
    assert_eq!((handle.name.as_str(), &*handle.value), ("preferred_username", own.as_str()));
    assert_eq!(email.searchability, Searchability::ExactOnly);
    assert_eq!(email.visibility, Visibility::Shown);
    assert_eq!(
        (organisation.source, &*organisation.value),
        (FieldSource::VcardField, "Acme Sales")
    );
    assert!(described(&profile).contains("email bob@b.example: who knows all of it finds you"));
    change(&mut profile, &own, parse_profile("email bob@b.example").unwrap()).unwrap();
    assert_eq!(profile.fields[1].searchability, Searchability::NotFindable);
    change(&mut profile, &own, parse_profile("remove org").unwrap()).unwrap();
    assert_eq!(profile.fields.len(), 2);
    assert!(change(&mut profile, &own, parse_profile("remove org").unwrap()).is_err());
    assert_eq!(parse_profile(""), Ok(ProfileInput::Show));
    for wrong in ["email", "email exact", "nick shown"] {
        assert!(parse_profile(wrong).unwrap_err().contains("/profile"), "{wrong}");
    }
}
