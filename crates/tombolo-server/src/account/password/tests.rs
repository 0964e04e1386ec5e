use std::collections::BTreeSet;

use mimi_provider::Reject;

use super::{
    DECOY, PASSWORD_OCTETS_MAX, PASSWORD_OCTETS_MIN, Password, Passwords, Verdict, generate,
};
use crate::surroundings::Toil;

fn password(text: &str) -> Password {
    Password::new(text.to_owned())
}

#[tokio::test]
async fn only_the_right_password_of_an_account_is_right() {
    let passwords = Passwords::new(Toil::Beside);
    let hash = passwords.hash(password("correct horse")).await.unwrap();
    assert!(hash.starts_with("$argon2id$") && !hash.contains("horse"));
    let verify = async |text, hash| passwords.verify(password(text), hash).await.unwrap();
    assert_eq!(verify("correct horse", Some(&*hash)).await, Verdict::Right);
    assert_eq!(verify("battery staple", Some(&*hash)).await, Verdict::Wrong);
    assert_eq!(verify("", Some(&*hash)).await, Verdict::Wrong);
    assert_eq!(verify("correct horse", None).await, Verdict::Wrong);
    let long = "x".repeat(PASSWORD_OCTETS_MAX + 1);
    assert_eq!(verify(&long, Some(&*hash)).await, Verdict::Wrong);
    assert_ne!(passwords.hash(password("correct horse")).await.unwrap(), hash, "salted");
}

#[tokio::test]
async fn lengths_are_limited() {
    let passwords = Passwords::new(Toil::Beside);
    for (length, allowed) in [
        (PASSWORD_OCTETS_MIN - 1, false),
        (PASSWORD_OCTETS_MIN, true),
        (PASSWORD_OCTETS_MAX, true),
        (PASSWORD_OCTETS_MAX + 1, false),
    ] {
        let outcome = passwords.hash(password(&"x".repeat(length))).await;
        assert_eq!(outcome.is_ok(), allowed, "{length}");
        assert!(allowed || matches!(outcome, Err(Reject::Malformed(_))));
    }
}

#[test]
fn a_password_is_never_shown_by_accident() {
    assert_eq!(format!("{:?}", password("correct horse")), "Password(..)");
}

#[test]
fn generated_passwords_differ_and_can_be_read_aloud() {
    let made: BTreeSet<String> = (0..100).map(|_| generate().reveal().to_owned()).collect();
    assert_eq!(made.len(), 100);
    assert!(made.iter().all(|password| password.split('-').all(|group| group.len() == 5)));
}

/// Who does not exist takes as long as who does.
#[tokio::test]
async fn the_decoy_is_made_like_every_other_hash() {
    let made = Passwords::new(Toil::Beside).hash(password("correct horse")).await.unwrap();
    let parameters = |hash: &str| hash.rsplitn(3, '$').last().map(str::to_owned);
    assert_eq!(parameters(DECOY), parameters(&made));
    assert_eq!(DECOY.len(), made.len());
    assert!(argon2::PasswordHash::new(DECOY).is_ok());
}
