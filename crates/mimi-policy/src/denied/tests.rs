use mimi_wire::MimiUri;

use super::{Denied, Rule};

fn uri(text: &str) -> MimiUri {
    MimiUri::new(text).unwrap()
}

#[test]
fn a_denial_is_a_sentence() {
    let carol = uri("mimi://c.example/u/carol");
    let denied =
        Denied::new(Rule::RemoveParticipant, Some(&carol), "their role guest lacks canKick")
            .about("mimi://b.example/u/bob");
    assert_eq!(denied.to_string(), "carol may not remove bob: their role guest lacks canKick");
    assert_eq!(denied.rule.id(), "POLICY-CAP-REM-1");
}

#[test]
fn namesakes_are_told_apart() {
    let one = uri("mimi://a.example/u/alice");
    let denied = Denied::new(Rule::Ban, Some(&one), "no").about("mimi://b.example/u/alice");
    assert_eq!(denied.to_string(), "alice of a.example may not ban alice of b.example: no");
}

#[test]
fn a_server_has_no_name_here() {
    let denied =
        Denied::new(Rule::ChangeMetadata, None, "no entry matches").about("the room's name");
    assert_eq!(denied.to_string(), "not allowed to change the room's name: no entry matches");
}

/// Whoever asked is spoken to; whoever else reads it is told.
#[test]
fn who_asked_is_spoken_to() {
    let (carol, bob) = (uri("mimi://c.example/u/carol"), uri("mimi://b.example/u/bob"));
    let needed = "their role guest lacks canKick";
    let denied = Denied::new(Rule::RemoveParticipant, Some(&carol), needed).about(&bob);
    let told = "you may not remove bob: your role guest lacks canKick";
    assert_eq!(denied.told_to(&carol).to_string(), told);
    assert_eq!(denied.told_to(&bob).to_string(), denied.to_string());
    let own = Denied::new(Rule::ChangeOwnRole, Some(&carol), needed).about("to host");
    let told = "you may not change your own role to host: your role guest lacks canKick";
    assert_eq!(own.told_to(&carol).to_string(), told);
    let own = Denied::new(Rule::Ban, Some(&carol), "no").about(&carol);
    assert_eq!(own.told_to(&carol).to_string(), "you may not ban yourself: no");
}

/// A client is its user's own, where name and provider are the same.
#[test]
fn ones_own_clients_are_ones_own() {
    let alice = uri("mimi://a.example/u/alice");
    let told = |about: &str| {
        Denied::new(Rule::RemoveParticipant, Some(&alice), "no").about(about).to_string()
    };
    let own = told("mimi://a.example/d/alice/phone");
    assert_eq!(own, "alice may not remove their own client phone: no");
    let bobs = told("mimi://a.example/d/bob/phone");
    assert_eq!(bobs, "alice may not remove client phone of bob: no");
    assert!(!told("mimi://b.example/d/alice/phone").contains("own"));
    assert!(!told("mimi://a.example/p/alice").contains("own"));
}
