//! Profiles, and finding them.

use mimi_provider::Change;
use mimi_provider::profile::{StoredProfile, Term};

use super::facts::{account, profile, user};
use super::{Subject, lost, write};
use crate::Store;

async fn found(store: &impl Store, terms: &[Term], limit: usize) -> Vec<StoredProfile> {
    store.find_profiles(terms, limit).await.expect("read")
}

/// A profile is found by all of its terms and by nothing else (PROTO-IDQ-2).
pub async fn a_profile_is_found_by_its_terms(subject: &impl Subject) {
    let store = subject.open();
    let (alice, bob) = (profile("alice", b"of alice"), profile("bob", b"of bob"));
    assert_eq!(store.profile(&user("alice")).await, Ok(None));
    assert_eq!(found(&store, &[1], 9).await, []);
    for (profile, terms) in [(&bob, vec![1, 2, Term::MAX]), (&alice, vec![1, 3])] {
        let profile = profile.clone();
        write(&store, [Change::PutProfile { profile, terms }]).await.expect("put");
    }
    assert_eq!(store.profile(&user("alice")).await, Ok(Some(alice.clone())));
    assert_eq!(found(&store, &[1], 9).await, [bob.clone(), alice.clone()], "as they came");
    assert_eq!(found(&store, &[1], 1).await, std::slice::from_ref(&bob));
    assert_eq!(found(&store, &[1, 3], 9).await, [alice]);
    assert_eq!(found(&store, &[Term::MAX], 9).await, [bob]);
    assert_eq!(found(&store, &[2, 3], 9).await, []);
    assert_eq!(found(&store, &[0x1_0000_0001], 9).await, [], "no part of a term");
    assert_eq!(found(&store, &[], 9).await, [], "no condition is no search");
}

/// What a profile was found by before it was replaced finds nobody (PROTO-IDQ-4).
pub async fn a_replaced_profile_leaves_nothing(subject: &impl Subject) {
    let store = subject.open();
    let put = |octets: &[u8], terms: &[Term]| Change::PutProfile {
        profile: profile("alice", octets),
        terms: terms.to_vec(),
    };
    write(&store, [put(b"first", &[1, 2])]).await.expect("put");
    write(&store, [put(b"second", &[2, 3])]).await.expect("put");
    assert_eq!(found(&store, &[1], 9).await, []);
    assert_eq!(found(&store, &[2, 3], 9).await, [profile("alice", b"second")]);
    write(&store, [put(b"hidden", &[])]).await.expect("put");
    assert_eq!(found(&store, &[2], 9).await, []);
    assert_eq!(store.profile(&user("alice")).await, Ok(Some(profile("alice", b"hidden"))));
    write(&store, [put(b"again", &[2])]).await.expect("put");
    assert_eq!(found(&store, &[2], 9).await, [profile("alice", b"again")]);
}

/// Nobody finds a user whose account is gone (PROTO-IDQ-4), nor another by what it said.
pub async fn a_profile_goes_with_its_account(subject: &impl Subject) {
    let store = subject.open();
    let put = |name: &str, terms: &[Term]| Change::PutProfile {
        profile: profile(name, name.as_bytes()),
        terms: terms.to_vec(),
    };
    write(&store, [Change::CreateAccount(account("alice")), Change::CreateAccount(account("bob"))])
        .await
        .expect("created");
    write(&store, [put("bob", &[1]), put("alice", &[1, 2])]).await.expect("put");
    write(&store, [Change::RemoveAccount(user("alice"))]).await.expect("removed");
    assert_eq!(store.profile(&user("alice")).await, Ok(None));
    assert_eq!(found(&store, &[1], 9).await, [profile("bob", b"bob")]);
    assert_eq!(found(&store, &[2], 9).await, []);
    write(&store, [put("carol", &[1, 3])]).await.expect("put");
    assert_eq!(found(&store, &[2], 9).await, []);
    assert_eq!(found(&store, &[1], 9).await, [profile("bob", b"bob"), profile("carol", b"carol")]);
    // The first of all, too: whoever comes later still comes after the others.
    write(&store, [Change::RemoveAccount(user("bob")), put("dora", &[1])]).await.expect("both");
    assert_eq!(
        found(&store, &[1], 9).await,
        [profile("carol", b"carol"), profile("dora", b"dora")]
    );
}

/// A profile of a commit that is not written is not found.
pub async fn a_profile_is_written_with_its_commit(subject: &impl Subject) {
    let store = subject.open();
    write(&store, [Change::CreateAccount(account("bob"))]).await.expect("created");
    let put = Change::PutProfile { profile: profile("alice", b"of alice"), terms: vec![7] };
    let taken = Change::CreateAccount(account("bob"));
    assert!(lost(&write(&store, [put.clone(), taken]).await));
    assert_eq!(store.profile(&user("alice")).await, Ok(None));
    assert_eq!(found(&store, &[7], 9).await, []);
    write(&store, [put]).await.expect("put");
    assert_eq!(found(&store, &[7], 9).await, [profile("alice", b"of alice")]);
    drop(store);
    let store = subject.open();
    assert_eq!(found(&store, &[7], 9).await, [profile("alice", b"of alice")]);
}
