//! What is known at the end of the log, and what is not.

use mimi_provider::Change;
use mimi_provider::record::{LoggedEvent, NewEvent};

use super::super::tail::{Sight, Tail};
use crate::conformance::facts::{client, device, entries, event, join, peer, room};
use crate::{Commit, Committed};

/// Hands over a commit whose entries get these ids.
fn written(tail: &Tail, changes: Vec<Change>, ids: &[u64]) {
    let commit = Commit { expect: Vec::new(), changes };
    let committed = Committed { event_ids: ids.to_vec() };
    tail.written([(&commit, &committed)].into_iter());
}

fn everything_in(name: &str) -> Vec<Sight> {
    vec![Sight { stream: room(name), from: 0, until: u64::MAX }]
}

fn ids(events: Option<Vec<LoggedEvent>>) -> Option<Vec<u64>> {
    events.map(|events| events.into_iter().map(|logged| logged.id).collect())
}

#[test]
fn what_is_too_old_is_read_from_the_file() {
    let phone = client("alice", "phone");
    let tail = Tail::bounded(5, 3, 1_000_000);
    tail.learn_sights(&phone, everything_in("club"), tail.generation());
    assert_eq!(ids(tail.client_events(&phone, 4, 9)), None, "written before the start");
    assert_eq!(ids(tail.client_events(&phone, 5, 9)), Some(vec![]));
    written(&tail, entries(&room("club"), 1, 3), &[6, 7, 8]);
    assert_eq!(ids(tail.client_events(&phone, 5, 9)), Some(vec![6, 7, 8]), "as many as fit");
    written(&tail, entries(&room("club"), 4, 4), &[9]);
    assert_eq!(ids(tail.client_events(&phone, 5, 9)), None, "one more");
    assert_eq!(ids(tail.client_events(&phone, 6, 9)), Some(vec![7, 8, 9]));
    assert_eq!(ids(tail.client_events(&phone, 6, 2)), Some(vec![7, 8]));
    let batch = |after| tail.follower_batch(&room("club"), &peer("b.example"), after, 1_000);
    assert!(batch(0).is_none() && batch(1).is_some_and(|batch| batch.next_cursor == 4));
    assert!(tail.follower_batch(&room("attic"), &peer("b.example"), 0, 1_000).is_none());
}

#[test]
fn octets_are_bounded() {
    let phone = client("alice", "phone");
    let large = |seq, octets| {
        Change::Append(NewEvent { payload: vec![7; octets], ..event(&room("club"), seq) })
    };
    let tail = Tail::bounded(0, 100, 1_000);
    tail.learn_sights(&phone, everything_in("club"), tail.generation());
    written(&tail, vec![large(1, 400), large(2, 600)], &[1, 2]);
    assert_eq!(ids(tail.client_events(&phone, 0, 9)), Some(vec![1, 2]));
    written(&tail, vec![large(3, 1)], &[3]);
    assert_eq!(ids(tail.client_events(&phone, 0, 9)), None);
    assert_eq!(ids(tail.client_events(&phone, 1, 9)), Some(vec![2, 3]));
    // What alone is too large is in the file alone.
    written(&tail, vec![large(4, 1_001)], &[4]);
    assert_eq!(ids(tail.client_events(&phone, 3, 9)), None);
    assert_eq!(ids(tail.client_events(&phone, 4, 9)), Some(vec![]));
}

#[test]
fn what_was_read_before_a_change_is_not_remembered_after_it() {
    let (phone, phones) = (client("alice", "phone"), device("alice", "phone", 1, 0));
    let tail = Tail::new(0);
    let read_at = tail.generation();
    tail.learn_device(&phones, read_at);
    tail.learn_sights(&phone, everything_in("club"), read_at);
    assert_eq!(tail.device(&phones.token_sha256), Some(phones.clone()));
    // Messages leave it as it is.
    written(&tail, entries(&room("club"), 1, 1), &[1]);
    assert_eq!(tail.device(&phones.token_sha256), Some(phones.clone()));
    assert_eq!(ids(tail.client_events(&phone, 0, 9)), Some(vec![1]));
    written(&tail, vec![join(&phone, &room("attic"), 1)], &[]);
    assert_eq!(ids(tail.client_events(&phone, 0, 9)), None);
    assert_eq!(tail.device(&phones.token_sha256), None);
    tail.learn_device(&phones, read_at);
    tail.learn_sights(&phone, everything_in("club"), read_at);
    assert_eq!(tail.device(&phones.token_sha256), None, "read before the change");
    assert_eq!(ids(tail.client_events(&phone, 0, 9)), None, "read before the change");
    written(&tail, vec![Change::RemoveDevice(phone.clone())], &[]);
    tail.learn_device(&phones, tail.generation());
    written(&tail, vec![Change::RemoveDevice(phone)], &[]);
    assert_eq!(tail.device(&phones.token_sha256), None, "signed out");
}
