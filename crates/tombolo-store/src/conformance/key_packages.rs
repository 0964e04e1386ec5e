//! The stock of KeyPackages.

use mimi_provider::record::SuiteStock;
use mimi_provider::{Change, Expect};

use super::facts::{client, key_package, of_suite};
use super::{Subject, lost, write, write_if};
use crate::Store;

fn release(reference: u8) -> ([Expect; 1], [Change; 1]) {
    let reference = vec![reference; 32];
    ([Expect::KeyPackageUnused(reference.clone())], [Change::ReleaseKeyPackage(reference)])
}

/// A stock of the suite that facts have unless they say another.
fn stock_of(count: u64) -> Vec<SuiteStock> {
    let stock = SuiteStock { ciphersuite: 1, count };
    Some(stock).into_iter().filter(|stock| stock.count > 0).collect()
}

/// PROTO-KM-9: each suite is a stock of its own.
pub async fn suites_are_counted_apart(subject: &impl Subject) {
    let store = subject.open();
    let phone = client("alice", "phone");
    let (first, second) =
        (of_suite(2, key_package(&phone, 1, 5000)), of_suite(2, key_package(&phone, 2, 4000)));
    let other = of_suite(9, key_package(&phone, 3, 5000));
    let added = vec![other.clone(), first.clone(), key_package(&phone, 4, 5000), second.clone()];
    write(&store, [Change::AddKeyPackages(added)]).await.expect("added");
    let stock = |counts: &[(u16, u64)]| -> Vec<SuiteStock> {
        let one = |(ciphersuite, count): &(u16, u64)| SuiteStock {
            ciphersuite: *ciphersuite,
            count: *count,
        };
        counts.iter().map(one).collect()
    };
    assert_eq!(store.key_package_stock(&phone, 0).await, Ok(stock(&[(1, 1), (2, 2), (9, 1)])));
    assert_eq!(store.key_package_stock(&phone, 4000).await, Ok(stock(&[(1, 1), (2, 1), (9, 1)])));
    assert_eq!(store.key_packages(&phone, 2, 0, 10).await, Ok(vec![first.clone(), second]));
    assert_eq!(store.key_packages(&phone, 2, 0, 1).await, Ok(vec![first]));
    assert_eq!(store.key_packages(&phone, 9, 0, 10).await, Ok(vec![other]));
    assert_eq!(store.key_packages(&phone, 7, 0, 10).await, Ok(Vec::new()));
}

/// PROTO-KM-11: what has expired is not in stock. The rest comes oldest first.
pub async fn stock_is_oldest_first_and_unexpired(subject: &impl Subject) {
    let store = subject.open();
    let (phone, other) = (client("alice", "phone"), client("bob", "phone"));
    assert_eq!(store.key_package_stock(&phone, 0).await, Ok(stock_of(0)));
    let first = key_package(&phone, 9, 5000);
    let second = key_package(&phone, 1, u64::MAX);
    let third = key_package(&phone, 5, 4000);
    let added = vec![first.clone(), key_package(&other, 7, 9000), second.clone()];
    write(&store, [Change::AddKeyPackages(added)]).await.expect("added");
    write(&store, [Change::AddKeyPackages(vec![third.clone()])]).await.expect("added");
    for (now_ms, limit, expected) in [
        (0, 10, vec![first.clone(), second.clone(), third.clone()]),
        (0, 2, vec![first.clone(), second.clone()]),
        (0, 0, vec![]),
        (3999, 10, vec![first.clone(), second.clone(), third]),
        (4000, 10, vec![first, second.clone()]),
        (1 << 62, 10, vec![second]),
    ] {
        let found = store.key_packages(&phone, 1, now_ms, limit).await;
        assert_eq!(found, Ok(expected), "at {now_ms}, at most {limit}");
    }
    assert_eq!(store.key_package_stock(&phone, 3999).await, Ok(stock_of(3)));
    assert_eq!(store.key_package_stock(&phone, 4000).await, Ok(stock_of(2)));
    assert_eq!(store.key_package_stock(&other, 0).await, Ok(stock_of(1)));
}

/// PROTO-KM-10: once and for all. PROTO-KM-12: whose it was stays known.
pub async fn a_key_package_is_released_once(subject: &impl Subject) {
    let store = subject.open();
    let phone = client("alice", "phone");
    let stock = vec![key_package(&phone, 1, 5000), key_package(&phone, 2, 5000)];
    write(&store, [Change::AddKeyPackages(stock.clone())]).await.expect("added");
    assert_eq!(store.key_package_owner(&[1; 32]).await, Ok(Some(phone.clone())));
    assert_eq!(store.key_package_owner(&[3; 32]).await, Ok(None));
    let (expect, changes) = release(1);
    write_if(&store, expect, changes).await.expect("released");
    let (expect, changes) = release(1);
    assert!(lost(&write_if(&store, expect, changes.clone()).await));
    assert!(lost(&write(&store, changes).await), "also when nobody looks");
    assert!(lost(&write(&store, release(3).1).await), "it never was in stock");
    // Neither a released one nor one in stock can be replaced under its reference.
    let again = stock.iter().cloned().map(|mut package| {
        package.octets = b"another".to_vec();
        package.client = client("bob", "phone");
        package
    });
    write(&store, [Change::AddKeyPackages(again.collect())]).await.expect("without effect");
    assert_eq!(store.key_packages(&phone, 1, 0, 10).await, Ok(stock[1..].to_vec()));
    assert_eq!(store.key_package_stock(&client("bob", "phone"), 0).await, Ok(stock_of(0)));
    assert_eq!(store.key_package_owner(&[1; 32]).await, Ok(Some(phone)));
}

/// PROTO-KM-10: concurrent fetches are disjoint.
pub async fn one_of_many_gets_a_key_package(subject: &impl Subject) {
    let store = subject.open();
    let phone = client("alice", "phone");
    let stock = (0..4).map(|reference| key_package(&phone, reference, 5000)).collect();
    write(&store, [Change::AddKeyPackages(stock)]).await.expect("added");
    let waiting: Vec<_> = (0..64)
        .map(|number| {
            let (expect, changes) = release(number % 4);
            tokio::spawn(write_if(&store, expect, changes))
        })
        .collect();
    let mut won = 0;
    for task in waiting {
        let outcome = task.await.expect("the task ends");
        won += usize::from(outcome.is_ok());
        assert!(outcome.is_ok() || lost(&outcome));
    }
    assert_eq!(won, 4);
    assert_eq!(store.key_package_stock(&phone, 0).await, Ok(stock_of(0)));
}

/// PROTO-KM-12: references are remembered until they expire.
pub async fn what_is_expired_is_forgotten(subject: &impl Subject) {
    let store = subject.open();
    let phone = client("alice", "phone");
    let stock = vec![
        key_package(&phone, 1, 5000),
        key_package(&phone, 2, 5000),
        key_package(&phone, 3, 5001),
        key_package(&phone, 4, u64::MAX),
    ];
    write(&store, [Change::AddKeyPackages(stock)]).await.expect("added");
    write(&store, release(1).1).await.expect("released");
    write(&store, release(3).1).await.expect("released");
    store.forget_expired(4999).await.expect("nothing to do");
    assert_eq!(store.key_package_owner(&[1; 32]).await, Ok(Some(phone.clone())));
    store.forget_expired(5000).await.expect("forgotten");
    for (reference, owner) in [(1, None), (2, None), (3, Some(&phone)), (4, Some(&phone))] {
        assert_eq!(store.key_package_owner(&[reference; 32]).await, Ok(owner.cloned()));
    }
    assert_eq!(store.key_package_stock(&phone, 0).await, Ok(stock_of(1)));
}
