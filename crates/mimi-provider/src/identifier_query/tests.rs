use std::collections::BTreeSet;

use mimi_wire::protocol::AppDataDictionary;
use mimi_wire::protocol::identifier_query::{
    FieldSource, IdentifierQueryCode, IdentifierRequest, IdentifierResponse, QueryElement,
    SearchIdentifier,
};
use mimi_wire::{Domain, MimiUri, Wire};

use super::{
    Asker, CANDIDATES_MAX, Lookup, MATCHES_MAX, QUERIES_PER_PEER, QUERIES_PER_USER,
    QUERY_ELEMENTS_MAX, QueryBudgets, QueryPolicy, QueryRates, QueryScope, QueryableFields,
    SEARCH_VALUE_OCTETS_MAX, answer, cost, lookup, without_matches,
};
use crate::budget::Rate;
use crate::profile::{FieldName, Findability, Profile, ProfileEntry, Searchability, Visibility};
use IdentifierQueryCode::{Ambiguous, Forbidden, NotFound, Success, UnsupportedField};
use SearchIdentifier::{
    Email, Handle, Nick, OidcStdClaim, PartialName, Phone, VcardField, WholeProfile,
};
use Searchability::{ExactOnly, NotFindable, Searchable};

fn user(name: &str) -> MimiUri {
    MimiUri::new(&format!("mimi://xyz.example/u/{name}")).unwrap()
}

fn field(name: &str, value: &str, searchability: Searchability) -> ProfileEntry {
    let name = FieldName::of_either(name).unwrap();
    let visibility = Visibility::Concealed;
    ProfileEntry { name, value: value.to_owned(), searchability, visibility }
}

fn profile(name: &str, entries: Vec<ProfileEntry>) -> Profile {
    Profile { user: user(name), findability: Findability::Findable, entries }
}

/// The three users of the draft, and two more.
fn users() -> Vec<Profile> {
    let xavier = profile(
        "xavier",
        vec![
            field("preferred_username", "im:xavier@xyz.example", Searchable),
            field("given_name", "Xavier", Searchable),
            field("family_name", "Matali", Searchable),
            field("ORG", "Acme Sales", Searchable),
            field("email", "Sales.X@xyz.example", ExactOnly),
            field("birthdate", "1970-01-01", NotFindable),
        ],
    );
    let yolanda = profile(
        "yolanda",
        vec![
            field("preferred_username", "im:yolanda@xyz.example", ExactOnly),
            field("given_name", "Yolanda", NotFindable),
            field("nickname", "yo", NotFindable),
        ],
    );
    let zach = Profile {
        findability: Findability::Hidden,
        ..profile(
            "zach",
            vec![
                field("preferred_username", "im:zach@xyz.example", Searchable),
                field("given_name", "Zach", Searchable),
            ],
        )
    };
    let matthew = profile(
        "matthew",
        vec![
            field("given_name", "Matthew", Searchable),
            field("family_name", "Acme", Searchable),
            field("nickname", "xavier", ExactOnly),
            field("phone_number", "+1 212 555 1212", ExactOnly),
            field("TEL", "tel:+44-20-7946-0000", ExactOnly),
            field("EMAIL", "matt@mail.example", ExactOnly),
            field("NOTE", "plays chess", Searchable),
        ],
    );
    let silent = Profile::empty(user("silent"));
    vec![matthew, silent, xavier, yolanda, zach]
}

fn query(elements: &[(SearchIdentifier, &str)]) -> IdentifierRequest {
    let element = |(identifier, value): &(SearchIdentifier, &str)| QueryElement {
        identifier: identifier.clone(),
        search_value: (*value).to_owned(),
    };
    IdentifierRequest {
        query_elements: elements.iter().map(element).collect(),
        id_request_extensions: AppDataDictionary::default(),
    }
}

/// As a provider with these users and an index does it.
fn ask(policy: &QueryPolicy, all: &[Profile], request: &IdentifierRequest) -> IdentifierResponse {
    match lookup(policy, request) {
        Lookup::Answered(code) => without_matches(code),
        Lookup::Terms(terms) => {
            assert!(!terms.is_empty(), "an empty lookup would find everybody");
            let candidates: Vec<_> = all
                .iter()
                .filter(|profile| terms.is_subset(&profile.terms()))
                .take(CANDIDATES_MAX)
                .cloned()
                .collect();
            answer(policy, request, &candidates)
        }
    }
}

fn names(response: &IdentifierResponse) -> Vec<String> {
    response.uri.iter().map(|uri| uri.segments().concat()).collect()
}

fn claim(name: &str) -> SearchIdentifier {
    OidcStdClaim(name.to_owned())
}

fn property(name: &str) -> SearchIdentifier {
    VcardField(name.to_owned())
}

/// What is asked, and who is found.
type Case = (Vec<(SearchIdentifier, &'static str)>, &'static [&'static str]);

/// PROTO-IDQ-2, PROTO-IDQ-3, PROTO-IDQ-4: Xavier is found by name and handle, Yolanda by her exact
/// handle, Zach by nothing.
#[test]
fn who_is_found_by_what() {
    let cases: Vec<Case> = vec![
        // handle: the whole URI, as it is written.
        (vec![(Handle, "im:xavier@xyz.example")], &["xavier"]),
        (vec![(Handle, "im:yolanda@xyz.example")], &["yolanda"]),
        (vec![(Handle, "im:Yolanda@xyz.example")], &[]),
        (vec![(Handle, "yolanda@xyz.example")], &[]),
        (vec![(Handle, "im:zach@xyz.example")], &[]),
        (vec![(Handle, "mimi://xyz.example/u/silent")], &[]),
        // nick: nickname or user part; many may have it.
        (vec![(Nick, "xavier")], &["matthew", "xavier"]),
        (vec![(Nick, "yolanda")], &["yolanda"]),
        (vec![(Nick, "yo")], &[]),
        (vec![(Nick, "zach")], &[]),
        // email: addr-spec; the local part as it is, the domain in any case.
        (vec![(Email, "Sales.X@XYZ.example")], &["xavier"]),
        (vec![(Email, "sales.x@xyz.example")], &[]),
        (vec![(Email, "matt@mail.example")], &["matthew"]),
        (vec![(Email, "nonsense")], &[]),
        // phone: international, from claim or property.
        (vec![(Phone, "+12125551212")], &["matthew"]),
        (vec![(Phone, "+442079460000")], &["matthew"]),
        (vec![(Phone, "2125551212")], &[]),
        // partialName: any part of any name, in any case; no other field.
        (vec![(PartialName, "mat")], &["matthew", "xavier"]),
        (vec![(PartialName, "TTHE")], &["matthew"]),
        (vec![(PartialName, "acme")], &["matthew"]),
        (vec![(PartialName, "yolanda")], &[]),
        (vec![(PartialName, "zach")], &[]),
        // wholeProfile: any searchable field.
        (vec![(WholeProfile, "acme")], &["matthew", "xavier"]),
        (vec![(WholeProfile, "xavier@xyz")], &["xavier"]),
        (vec![(WholeProfile, "chess")], &["matthew"]),
        (vec![(WholeProfile, "1970")], &[]),
        (vec![(WholeProfile, "matt@mail")], &[]),
        // Claims and properties: the whole value.
        (vec![(claim("given_name"), "Xavier")], &["xavier"]),
        (vec![(claim("given_name"), "xavier")], &[]),
        (vec![(claim("email"), "Sales.X@xyz.example")], &["xavier"]),
        (vec![(claim("birthdate"), "1970-01-01")], &[]),
        (vec![(property("ORG"), "Acme Sales")], &["xavier"]),
        (vec![(property("org"), "Acme Sales")], &["xavier"]),
        (vec![(property("ORG"), "Acme")], &[]),
        // PROTO-IDQ-2: all of it.
        (vec![(claim("given_name"), "Xavier"), (claim("family_name"), "Matali")], &["xavier"]),
        (vec![(claim("given_name"), "Xavier"), (claim("family_name"), "Mather")], &[]),
        (vec![(claim("given_name"), "Xavier"), (property("ORG"), "Acme Sales")], &["xavier"]),
        (vec![(PartialName, "mat"), (Nick, "xavier"), (PartialName, "hew")], &["matthew"]),
        (vec![(Handle, "im:yolanda@xyz.example"), (claim("given_name"), "Yolanda")], &[]),
    ];
    for (elements, expected) in cases {
        let response = ask(&QueryPolicy::default(), &users(), &query(&elements));
        assert_eq!(names(&response), expected, "{elements:?}");
        let code = if expected.is_empty() { NotFound } else { Success };
        assert_eq!(response.response_code, code, "{elements:?}");
    }
}

/// PROTO-IDQ-4: who cannot be found and who does not exist get the same octets, and the same is
/// looked up.
#[test]
fn hidden_and_absent_users_look_alike() {
    let queries = [
        vec![(Handle, "im:zach@xyz.example")],
        vec![(Nick, "zach")],
        vec![(claim("given_name"), "Zach")],
        vec![(PartialName, "zach")],
        vec![(WholeProfile, "zach@xyz.example")],
    ];
    let without_zach: Vec<_> =
        users().into_iter().filter(|profile| profile.user != user("zach")).collect();
    let policy = QueryPolicy::default();
    for elements in queries {
        let request = query(&elements);
        let hidden = ask(&policy, &users(), &request).encode();
        assert_eq!(hidden, ask(&policy, &without_zach, &request).encode());
        assert_eq!(hidden, without_matches(NotFound).encode());
    }
}

/// PROTO-IDQ-5: what is answered without looking.
#[test]
fn queries_that_are_not_answered() {
    let exact = QueryPolicy { scope: QueryScope::Exact, ..QueryPolicy::default() };
    let off = QueryPolicy { scope: QueryScope::Off, ..QueryPolicy::default() };
    let only: BTreeSet<_> = [FieldName::HANDLE, FieldName::FULL_NAME].into_iter().collect();
    let only = QueryPolicy { fields: QueryableFields::Only(only), ..QueryPolicy::default() };
    let all = QueryPolicy::default();
    let cases = [
        (&all, vec![], Forbidden), // AMB-IDQ-6
        (&all, vec![(Nick, "")], Forbidden),
        (&all, vec![(claim("shoe_size"), "46")], UnsupportedField),
        (&all, vec![(claim("email_verified"), "true")], UnsupportedField),
        (&all, vec![(property("X-SHOES"), "46")], UnsupportedField),
        (&all, vec![(Nick, "xavier"), (claim("shoe_size"), "46")], UnsupportedField),
        (&all, vec![(PartialName, "ma")], Ambiguous),
        (&exact, vec![(PartialName, "mat")], Ambiguous),
        (&exact, vec![(WholeProfile, "acme")], Ambiguous),
        (&exact, vec![(Nick, "xavier")], Success),
        (&off, vec![(Nick, "xavier")], Forbidden),
        (&only, vec![(Email, "Sales.X@xyz.example")], UnsupportedField),
        (&only, vec![(Phone, "+12125551212")], UnsupportedField),
        (&only, vec![(property("ORG"), "Acme Sales")], UnsupportedField),
        (&only, vec![(Handle, "im:xavier@xyz.example")], Success),
        (&only, vec![(PartialName, "mat")], NotFound),
        (&only, vec![(WholeProfile, "acme")], NotFound),
    ];
    for (policy, elements, code) in cases {
        let response = ask(policy, &users(), &query(&elements));
        assert_eq!(response.response_code, code, "{policy:?} {elements:?}");
    }
    let nick = query(&[(Nick, "xavier")]);
    assert_eq!(names(&ask(&only, &users(), &nick)), ["xavier"], "by the handle, not the nickname");
}

/// AMB-IDQ-1, AMB-IDQ-5: every match by its URI, and fields of those who show some.
#[test]
fn only_what_is_shown_is_shown() {
    let mut users = users();
    for entry in &mut users[0].entries[..3] {
        entry.visibility = Visibility::Shown;
    }
    let response = ask(&QueryPolicy::default(), &users, &query(&[(PartialName, "mat")]));
    assert_eq!(names(&response), ["matthew", "xavier"]);
    let [found] = &response.found_profiles[..] else { panic!("{response:?}") };
    assert_eq!(found.stable_uri, user("matthew"));
    let shown: Vec<_> = found.fields.iter().map(|field| field.field_name.as_str()).collect();
    assert_eq!(shown, ["given_name", "family_name", "nickname"]);
    assert!(found.fields.iter().all(|field| field.field_source == FieldSource::OidcStdClaim));
    assert_eq!(IdentifierResponse::decode(&response.encode()), Ok(response));
}

#[test]
fn limits_of_queries() {
    let policy = QueryPolicy::default();
    let elements = |count| query(&vec![(Nick, "xavier"); count]);
    assert!(matches!(lookup(&policy, &elements(QUERY_ELEMENTS_MAX)), Lookup::Terms(_)));
    let one_more = lookup(&policy, &elements(QUERY_ELEMENTS_MAX + 1));
    assert_eq!(one_more, Lookup::Answered(Forbidden));
    let value = |octets| lookup(&policy, &query(&[(Nick, "n".repeat(octets).as_str())]));
    assert!(matches!(value(SEARCH_VALUE_OCTETS_MAX), Lookup::Terms(_)));
    assert_eq!(value(SEARCH_VALUE_OCTETS_MAX + 1), Lookup::Answered(Forbidden));
    let text: String = ('a'..='z').collect();
    let Lookup::Terms(terms) = lookup(&policy, &query(&[(WholeProfile, &text)])) else { panic!() };
    assert_eq!(terms.len(), super::GRAMS_MAX);
}

/// Who asks for too many has to ask more exactly, and learns nobody (PROTO-IDQ-5).
#[test]
fn limits_of_answers() {
    let many = |count| -> Vec<Profile> {
        let one = |number| profile(&format!("u{number}"), vec![field("name", "Mat", Searchable)]);
        (0..count).map(one).collect()
    };
    let (policy, request) = (QueryPolicy::default(), query(&[(PartialName, "mat")]));
    assert_eq!(ask(&policy, &many(MATCHES_MAX), &request).uri.len(), MATCHES_MAX);
    let one_more = ask(&policy, &many(MATCHES_MAX + 1), &request);
    assert_eq!(one_more, without_matches(Ambiguous));
    // Candidates that turn out not to match: fewer than the limit are all there are.
    let mut candidates = many(1);
    candidates.extend((1..CANDIDATES_MAX).map(|number| profile(&format!("x{number}"), vec![])));
    assert_eq!(answer(&policy, &request, &candidates).response_code, Ambiguous);
    candidates.pop();
    assert_eq!(answer(&policy, &request, &candidates).response_code, Success);
}

/// AMB-IDQ-4: a peer has one budget for all its users.
#[test]
fn a_budget_runs_out_and_comes_back() {
    let (mut budgets, rates) = (QueryBudgets::default(), QueryRates::default());
    let b = Asker::Peer(Domain::new("b.example").unwrap());
    let c = Asker::Peer(Domain::new("c.example").unwrap());
    let local = Asker::Local(user("xavier"));
    let mut take = |asker, cost, now_ms| budgets.take(&rates, asker, cost, now_ms);
    for _ in 0..QUERIES_PER_PEER.most {
        assert_eq!(take(&b, 1, 5_000), Ok(()));
    }
    let refill_ms = QUERIES_PER_PEER.refill_ms;
    assert_eq!(take(&b, 1, 5_000), Err(refill_ms));
    assert_eq!(take(&c, 1, 5_000), Ok(()), "another's is another's");
    assert_eq!(take(&b, 1, 5_000 + refill_ms), Ok(()));
    assert_eq!(take(&local, QUERIES_PER_USER.most, 5_000), Ok(()));
    assert_eq!(take(&local, 1, 5_000), Err(QUERIES_PER_USER.refill_ms));
    assert_eq!(cost(&query(&[(Nick, "x")])), 1);
    assert!(cost(&query(&[(Nick, "x"), (PartialName, "mat")])) > 1);
    let little = QueryRates { per_user: Rate::new(1, 60_000), ..rates };
    let other = Asker::Local(user("yolanda"));
    assert_eq!(budgets.take(&little, &other, 10, 5_000), Ok(()), "a costly one fits, too");
    assert_eq!(budgets.take(&little, &other, 1, 5_000), Err(60_000));
}

/// PROTO-IDQ-2: what the index finds is looked at once more, for it knows hashes only: nobody is named
/// who matches but one of two elements.
#[test]
fn candidates_are_compared() {
    let both = query(&[(claim("given_name"), "Xavier"), (claim("family_name"), "Mather")]);
    let response = answer(&QueryPolicy::default(), &both, &users());
    assert_eq!(response.encode(), without_matches(NotFound).encode());
    let parts = query(&[(PartialName, "xav"), (PartialName, "hew")]);
    let response = answer(&QueryPolicy::default(), &parts, &users());
    assert_eq!(response.response_code, NotFound);
}

/// POLICY-BASE-8: rooms are not found by search, discoverable or not: not by their URI, not by a name
/// that a user could have.
#[test]
fn rooms_are_not_found() {
    let everything = QueryPolicy::default();
    for (source, value) in [
        (Handle, "mimi://xyz.example/r/clubhouse"),
        (Nick, "Clubhouse"),
        (PartialName, "Clubhouse"),
        (WholeProfile, "Clubhouse"),
        (WholeProfile, "mimi://xyz.example/r/clubhouse"),
    ] {
        let response = ask(&everything, &users(), &query(&[(source, value)]));
        assert_eq!(response.response_code, NotFound, "{value}");
        assert!(names(&response).is_empty());
    }
}
