//! All of a commit or nothing, in the order of calls, and each for itself.

use mimi_provider::record::ConsentDecision;
use mimi_provider::{Change, Expect};

use super::facts::{
    account, client, decision, device, ends_at, entries, event, everything, hosted, join,
    key_package, leave, one_of_each, peer, request, room, user,
};
use super::{Subject, lost, write, write_if};
use crate::Store;

/// Whatever comes before a change that fails is undone, on an empty store and on a full one.
pub async fn a_failing_change_leaves_nothing(subject: &impl Subject) {
    let store = subject.open();
    let failing = |taken| {
        [
            Change::CreateAccount(account("alice")),
            hosted("club"),
            Change::Append(event(&room("club"), 9)),
            Change::PutSnapshot { room: room("attic"), seq: 1, snapshot: Vec::new() },
            Change::ReleaseKeyPackage(vec![77; 32]),
            Change::PutDevice(device("bob", "desk", taken, 1)),
        ]
    };
    let empty = everything(&store).await;
    for last in failing(1) {
        let mut changes = one_of_each();
        changes.push(last.clone());
        assert!(lost(&write(&store, changes).await), "{last:?}");
        assert_eq!(everything(&store).await, empty, "{last:?}");
    }
    write(&store, one_of_each()).await.expect("written");
    let full = everything(&store).await;
    for last in failing(4) {
        let mut changes = more_of_each();
        changes.push(last.clone());
        assert!(lost(&write(&store, changes).await), "{last:?}");
        assert_eq!(everything(&store).await, full, "{last:?}");
    }
    let unexpected = [
        Expect::NoAccount(user("alice")),
        Expect::NoDevice(client("alice", "phone")),
        Expect::NoRoom(room("club")),
        Expect::KeyPackageUnused(vec![1; 32]),
        ends_at(&room("club"), 2),
        ends_at(&room("attic"), 1),
    ];
    for expect in unexpected {
        let outcome = write_if(&store, [ends_at(&room("club"), 3), expect], more_of_each()).await;
        assert!(lost(&outcome));
        assert_eq!(everything(&store).await, full);
    }
    let fulfilled = [
        Expect::NoAccount(user("carol")),
        Expect::NoDevice(client("alice", "desk")),
        Expect::NoRoom(room("attic")),
        Expect::KeyPackageUnused(vec![2; 32]),
        ends_at(&room("club"), 3),
        ends_at(&room("attic"), 0),
    ];
    write_if(&store, fulfilled, more_of_each()).await.expect("written");
    assert_ne!(everything(&store).await, full);
}

/// What changes what [`one_of_each`] wrote.
fn more_of_each() -> Vec<Change> {
    let (phone, club) = (client("alice", "phone"), room("club"));
    vec![
        Change::PutDevice(device("alice", "phone", 4, 99)),
        Change::PutDevice(device("alice", "desk", 5, 99)),
        Change::RemoveDevice(client("bob", "phone")),
        Change::ReleaseKeyPackage(vec![2; 32]),
        Change::AddKeyPackages(vec![key_package(&phone, 4, 6000)]),
        Change::PutConsent(decision(None, ConsentDecision::Revoked, 5)),
        Change::PutConsentRequest(request("bob", None, 10)),
        Change::RemoveConsentRequest(request("bob", Some(club.clone()), 8)),
        Change::PutSnapshot { room: club.clone(), seq: 3, snapshot: b"third".to_vec() },
        Change::Append(event(&club, 4)),
        leave(&phone, &club, 3),
        join(&phone, &club, 4),
        Change::Delivered { stream: club.clone(), follower: peer("b.example"), seq: 2 },
        Change::Follow { stream: user("alice"), follower: peer("b.example"), after_seq: 0 },
        Change::Acknowledge { client: phone, event_id: 4 },
        hosted("cellar"),
    ]
}

/// Commits that wait together do not share their fate.
pub async fn a_failing_commit_leaves_the_others(subject: &impl Subject) {
    let store = subject.open();
    let club = room("club");
    let mut waiting = Vec::new();
    for seq in 1..=20 {
        waiting.push((true, write_if(&store, [ends_at(&club, seq - 1)], entries(&club, seq, seq))));
        // Loses, though what it writes first would work.
        let doomed = [Change::Append(event(&room("attic"), 1)), Change::Append(event(&club, seq))];
        waiting.push((false, write(&store, doomed)));
        waiting.push((false, write_if(&store, [ends_at(&club, seq - 1)], [])));
    }
    for (works, commit) in waiting {
        let outcome = commit.await;
        assert_eq!(outcome.is_ok(), works);
        assert_eq!(lost(&outcome), !works);
    }
    assert_eq!(store.last_seq(&club).await, Ok(20));
    assert_eq!(store.last_seq(&room("attic")).await, Ok(0));
}

/// The order of the calls counts, not that of the waiting.
pub async fn commits_take_effect_in_the_order_of_calls(subject: &impl Subject) {
    let store = subject.open();
    let club = room("club");
    let mut waiting: Vec<_> =
        (1..=100).map(|seq| write(&store, entries(&club, seq, seq))).collect();
    let mut ids = Vec::new();
    while let Some(commit) = waiting.pop() {
        ids.extend(commit.await.expect("appended").event_ids);
    }
    assert_eq!(ids, (1..=100).rev().collect::<Vec<_>>());
    assert_eq!(store.last_seq(&club).await, Ok(100));
}

/// Asking is enough.
pub async fn a_commit_nobody_awaits_is_written(subject: &impl Subject) {
    let store = subject.open();
    drop(write(&store, entries(&room("club"), 1, 1)));
    write(&store, entries(&room("club"), 2, 2)).await.expect("follows the first");
    assert_eq!(store.last_seq(&room("club")).await, Ok(2));
}

/// Of many that decided on the same state one wins.
pub async fn one_of_many_appends_an_entry(subject: &impl Subject) {
    let store = subject.open();
    let club = room("club");
    for seq in 1..=5 {
        let waiting: Vec<_> = (0..16)
            .map(|_| {
                let commit = write_if(&store, [ends_at(&club, seq - 1)], entries(&club, seq, seq));
                tokio::spawn(commit)
            })
            .collect();
        let mut won = 0;
        for task in waiting {
            let outcome = task.await.expect("the task ends");
            won += usize::from(outcome.is_ok());
            assert!(outcome.is_ok() || lost(&outcome));
        }
        assert_eq!(won, 1);
    }
    assert_eq!(store.log(&club, 0, 100).await.map(|log| log.len()), Ok(5));
}
