use super::*;

fn uri(text: &str) -> MimiUri {
    MimiUri::new(text).unwrap()
}

fn bob() -> MimiUri {
    uri("mimi://b.example/u/bob")
}

fn club() -> MimiUri {
    uri("mimi://a.example/r/club")
}

fn scopes(gifts: &Gifts) -> Vec<Option<MimiUri>> {
    gifts.0.iter().map(|gift| gift.room.clone()).collect()
}

/// What is for a room is taken for it first, what is for any room after it; each once.
#[test]
fn each_is_taken_once() {
    let mut gifts = Gifts::default();
    gifts.keep(&bob(), None, &[]);
    gifts.keep(&bob(), Some(&club()), &[]);
    gifts.keep(&bob(), Some(&club()), &[]);
    assert_eq!(scopes(&gifts), [None, Some(club())], "a newer one replaces an older");
    let other = uri("mimi://a.example/r/other");
    assert_eq!(gifts.take(&uri("mimi://b.example/u/bella"), &club()), None);
    assert_eq!(gifts.0.len(), 2);
    // None of these brought anything that can be read, and they are gone all the same.
    assert_eq!(gifts.take(&bob(), &club()), None);
    assert_eq!(scopes(&gifts), [None]);
    assert_eq!(gifts.take(&bob(), &other), None);
    assert!(gifts.0.is_empty());
}

/// Who no longer lets us in has taken back what came with it.
#[test]
fn a_revocation_takes_them_back() {
    let mut gifts = Gifts::default();
    gifts.keep(&bob(), None, &[]);
    gifts.keep(&bob(), Some(&club()), &[]);
    gifts.keep(&uri("mimi://b.example/u/bella"), None, &[]);
    gifts.forget(&bob(), Some(&club()));
    assert_eq!(scopes(&gifts), [None, None]);
    gifts.forget(&bob(), None);
    assert_eq!(gifts.0.len(), 1);
}

#[test]
fn they_are_bounded() {
    let mut gifts = Gifts::default();
    for number in 0..=GIFTS_MAX {
        gifts.keep(&uri(&format!("mimi://b.example/u/user{number}")), None, &[]);
    }
    assert_eq!(gifts.0.len(), GIFTS_MAX);
    assert!(gifts.0[0].from.as_str().ends_with("user1"), "the oldest has gone");
}
