//! The log: entries, their numbers, their order.

use mimi_provider::Change;
use mimi_provider::record::{EventKind, LoggedEvent, NewEvent};

use super::facts::{client, ends_at, entries, event, peer, room, user};
use super::{Subject, lost, write, write_if};
use crate::Store;

/// Every kind, every shape, every octet.
pub async fn entries_come_back_as_they_were(subject: &impl Subject) {
    let store = subject.open();
    let club = room("club");
    let kinds = [
        EventKind::Application,
        EventKind::Commit,
        EventKind::Proposal,
        EventKind::Welcome,
        EventKind::HubNote,
        EventKind::RequestConsent,
        EventKind::UpdateConsent,
        EventKind::KeyPackagesLow,
        EventKind::ReportAbuse,
        EventKind::ReportClosed,
    ];
    let mut expected = Vec::new();
    for (seq, kind) in (1..).zip(kinds) {
        expected.push(NewEvent { kind, ..event(&club, seq) });
    }
    expected[0].payload = (0..=255).collect();
    expected[0].timestamp_ms = u64::MAX;
    expected[1].payload = vec![0xaa; 100_000];
    expected[1].detail = vec![0; 50_000];
    expected[2].payload = Vec::new();
    expected[2].timestamp_ms = 0;
    expected[3].audience = vec![peer("b.example"), peer("c.example")];
    expected[3].targets = Some(Vec::new());
    expected[4].targets = Some(vec![client("bob", "phone"), client("alice", "phone")]);
    let changes = expected.iter().cloned().map(Change::Append);
    let committed = write(&store, changes).await.expect("appended");
    let expected: Vec<_> = committed
        .event_ids
        .into_iter()
        .zip(expected)
        .map(|(id, event)| LoggedEvent { id, event })
        .collect();
    assert_eq!(expected.len(), kinds.len());
    assert_eq!(store.log(&club, 0, 100).await, Ok(expected));
}

/// Numbers follow each other from 1, whoever appends.
pub async fn a_stream_has_no_gaps(subject: &impl Subject) {
    let store = subject.open();
    let club = room("club");
    assert_eq!(store.last_seq(&club).await, Ok(0));
    for seq in [0, 2, u64::MAX] {
        assert!(lost(&write(&store, [Change::Append(event(&club, seq))]).await), "{seq}");
    }
    write(&store, entries(&club, 1, 3)).await.expect("appended");
    for seq in [0, 1, 3, 5] {
        assert!(lost(&write(&store, [Change::Append(event(&club, seq))]).await), "{seq}");
    }
    let twice = [Change::Append(event(&club, 4)), Change::Append(event(&club, 4))];
    assert!(lost(&write(&store, twice).await));
    assert_eq!(store.last_seq(&club).await, Ok(3));
}

/// A decision that was taken on another state is not written.
pub async fn an_expected_end_is_checked(subject: &impl Subject) {
    let store = subject.open();
    let (club, alice) = (room("club"), user("alice"));
    assert!(lost(&write_if(&store, [ends_at(&club, 1)], entries(&alice, 1, 1)).await));
    write_if(&store, [ends_at(&club, 0)], entries(&club, 1, 2)).await.expect("appended");
    assert!(lost(&write_if(&store, [ends_at(&club, 1)], entries(&alice, 1, 1)).await));
    let both = [ends_at(&club, 2), ends_at(&alice, 0)];
    write_if(&store, both, entries(&alice, 1, 1)).await.expect("appended");
    assert_eq!(store.last_seq(&alice).await, Ok(1));
}

/// Ids ascend in the order of the commits, over all streams, lost commits in between or not.
pub async fn ids_ascend_over_all_streams(subject: &impl Subject) {
    let store = subject.open();
    let (club, attic) = (room("club"), room("attic"));
    let mut ids = Vec::new();
    for seq in 1..=10 {
        let mut both = entries(&attic, seq, seq);
        both.extend(entries(&club, seq, seq));
        assert!(lost(&write(&store, entries(&club, seq + 1, seq + 1)).await));
        ids.extend(write(&store, both).await.expect("appended").event_ids);
    }
    assert!(ids.is_sorted_by(|left, right| left < right), "{ids:?}");
    let mut found = Vec::new();
    for stream in [&club, &attic] {
        found.extend(store.log(stream, 0, 100).await.expect("read"));
    }
    found.sort_by_key(|entry| entry.id);
    assert_eq!(found.iter().map(|entry| entry.id).collect::<Vec<_>>(), ids);
    assert!(found.chunks(2).all(|pair| pair[0].event.stream == attic));
}

/// A log is read from anywhere, as far as wanted.
pub async fn a_log_is_read_in_parts(subject: &impl Subject) {
    let store = subject.open();
    let club = room("club");
    write(&store, entries(&club, 1, 10)).await.expect("appended");
    write(&store, entries(&room("attic"), 1, 10)).await.expect("appended");
    for (after, limit, expected) in [
        (0, 3, vec![1, 2, 3]),
        (3, 3, vec![4, 5, 6]),
        (8, 100, vec![9, 10]),
        (10, 100, vec![]),
        (u64::MAX, 100, vec![]),
        (0, 0, vec![]),
    ] {
        let part = store.log(&club, after, limit).await.expect("read");
        let seqs: Vec<_> = part.iter().map(|entry| entry.event.seq).collect();
        assert_eq!(seqs, expected, "after {after}, at most {limit}");
    }
    assert_eq!(store.log(&room("cellar"), 0, 10).await, Ok(Vec::new()));
}
