//! What waits for other providers.

use mimi_provider::Change;
use mimi_provider::record::{EventKind, FollowerCursor, Seq};
use mimi_wire::MimiUri;

use super::facts::{event, peer, room};
use super::{Subject, write};
use crate::Store;

fn follow(stream: &MimiUri, name: &str, after_seq: Seq) -> Change {
    Change::Follow { stream: stream.clone(), follower: peer(name), after_seq }
}

fn delivered(stream: &MimiUri, name: &str, seq: Seq) -> Change {
    Change::Delivered { stream: stream.clone(), follower: peer(name), seq }
}

fn at(stream: &MimiUri, name: &str, cursor: Seq) -> FollowerCursor {
    FollowerCursor { stream: stream.clone(), follower: peer(name), cursor, stale_since_ms: None }
}

/// An entry of a hundred octets that names peers.
fn entry(stream: &MimiUri, seq: Seq, audience: &[&str]) -> Change {
    let mut event = event(stream, seq);
    event.payload = vec![b'x'; 100];
    event.audience = audience.iter().map(|name| peer(name)).collect();
    Change::Append(event)
}

/// A cursor begins once, and only moves on.
pub async fn a_peer_follows_from_where_it_began(subject: &impl Subject) {
    let store = subject.open();
    let club = room("club");
    let cursor = |cursor| Some(at(&room("club"), "b.example", cursor));
    let now = || store.follower_cursor(&club, &peer("b.example"));
    // Without effect: it does not follow.
    write(&store, [delivered(&club, "b.example", 3)]).await.expect("written");
    assert_eq!(now().await, Ok(None));
    write(&store, [follow(&club, "b.example", 2)]).await.expect("written");
    assert_eq!(now().await, Ok(cursor(2)));
    write(&store, [follow(&club, "b.example", 0)]).await.expect("written");
    assert_eq!(now().await, Ok(cursor(2)));
    write(&store, [delivered(&club, "b.example", 5)]).await.expect("written");
    write(&store, [delivered(&club, "b.example", 4)]).await.expect("written");
    assert_eq!(now().await, Ok(cursor(5)));
    assert_eq!(store.follower_cursor(&club, &peer("c.example")).await, Ok(None));
}

/// A batch has the entries that name the peer, and skips the others for good.
pub async fn a_batch_has_what_names_the_peer(subject: &impl Subject) {
    let store = subject.open();
    let club = room("club");
    let mut note = event(&club, 5);
    note.kind = EventKind::HubNote;
    note.audience = vec![peer("b.example")];
    let changes = [
        entry(&club, 1, &["b.example", "c.example"]),
        entry(&club, 2, &["c.example"]),
        entry(&club, 3, &["sub.b.example"]),
        entry(&club, 4, &["a.example", "b.example", "c.example"]),
        Change::Append(note),
        entry(&club, 6, &[]),
    ];
    write(&store, changes).await.expect("written");
    for (name, after, seqs, next) in [
        ("b.example", 0, vec![1, 4], 6),
        ("b.example", 1, vec![4], 6),
        ("b.example", 4, vec![], 6),
        ("b.example", 6, vec![], 6),
        ("b.example", 9, vec![], 9),
        ("c.example", 0, vec![1, 2, 4], 6),
        ("sub.b.example", 0, vec![3], 6),
        ("example", 0, vec![], 6),
    ] {
        let batch = store.follower_batch(&club, &peer(name), after, 10_000).await.expect("read");
        let found: Vec<_> = batch.events.iter().map(|entry| entry.event.seq).collect();
        assert_eq!((found, batch.next_cursor), (seqs, next), "{name} after {after}");
    }
    let nowhere = store.follower_batch(&room("attic"), &peer("b.example"), 3, 10_000).await;
    assert_eq!(nowhere.map(|batch| (batch.events.len(), batch.next_cursor)), Ok((0, 3)));
}

/// At least one entry, and no more octets than asked for.
pub async fn a_batch_ends_before_it_is_too_large(subject: &impl Subject) {
    let store = subject.open();
    let club = room("club");
    let named = ["b.example"];
    let changes = [
        entry(&club, 1, &named),
        entry(&club, 2, &[]),
        entry(&club, 3, &named),
        entry(&club, 4, &[]),
        entry(&club, 5, &named),
        entry(&club, 6, &named),
    ];
    write(&store, changes).await.expect("written");
    for (after, max_octets, seqs, next) in [
        (0, 0, vec![1], 2),
        (0, 99, vec![1], 2),
        (0, 199, vec![1], 2),
        (0, 200, vec![1, 3], 4),
        (1, 100, vec![3], 4),
        (0, 399, vec![1, 3, 5], 5),
        (0, 400, vec![1, 3, 5, 6], 6),
        (0, usize::MAX, vec![1, 3, 5, 6], 6),
    ] {
        let batch = store.follower_batch(&club, &peer("b.example"), after, max_octets).await;
        let batch = batch.expect("read");
        let found: Vec<_> = batch.events.iter().map(|entry| entry.event.seq).collect();
        assert_eq!((found, batch.next_cursor), (seqs, next), "{max_octets} after {after}");
    }
}

/// Who is behind the end of a stream is found without knowing the stream.
pub async fn who_is_behind_is_waiting(subject: &impl Subject) {
    let store = subject.open();
    let (club, attic) = (room("club"), room("attic"));
    let changes = [
        follow(&club, "b.example", 0),
        follow(&club, "c.example", 0),
        follow(&attic, "b.example", 0),
        follow(&room("cellar"), "b.example", 0),
        entry(&club, 1, &["b.example"]),
        entry(&club, 2, &["c.example"]),
        entry(&attic, 1, &["b.example"]),
    ];
    write(&store, changes).await.expect("written");
    let behind = at;
    let all = vec![
        behind(&attic, "b.example", 0),
        behind(&club, "b.example", 0),
        behind(&club, "c.example", 0),
    ];
    assert_eq!(store.waiting_followers().await, Ok(all));
    let progress = [
        delivered(&club, "b.example", 1),
        delivered(&club, "c.example", 2),
        delivered(&attic, "b.example", 1),
    ];
    write(&store, progress).await.expect("written");
    let rest = vec![behind(&club, "b.example", 1)];
    assert_eq!(store.waiting_followers().await, Ok(rest));
}

/// AMB-NTF-10: who is given up is stale since then, and until it accepts something.
pub async fn a_stale_peer_is_remembered(subject: &impl Subject) {
    let store = subject.open();
    let club = room("club");
    let give_up = |seq, now_ms| Change::GiveUp {
        stream: room("club"),
        follower: peer("b.example"),
        seq,
        now_ms,
    };
    // Without effect: it does not follow.
    write(&store, [give_up(3, 10)]).await.expect("written");
    assert_eq!(store.stale_followers().await, Ok(Vec::new()));
    let changes = [
        follow(&club, "b.example", 0),
        follow(&club, "c.example", 0),
        entry(&club, 1, &["b.example"]),
    ];
    write(&store, changes).await.expect("written");
    write(&store, [give_up(1, 20)]).await.expect("written");
    let stale =
        |cursor| FollowerCursor { stale_since_ms: Some(20), ..at(&club, "b.example", cursor) };
    assert_eq!(store.stale_followers().await, Ok(vec![stale(1)]));
    assert_eq!(store.follower_cursor(&club, &peer("b.example")).await, Ok(Some(stale(1))));
    assert_eq!(store.waiting_followers().await, Ok(vec![at(&club, "c.example", 0)]));
    // The first time counts, and the cursor only moves on.
    write(&store, [give_up(0, 30)]).await.expect("written");
    assert_eq!(store.stale_followers().await, Ok(vec![stale(1)]));
    write(&store, [entry(&club, 2, &["b.example"]), delivered(&club, "b.example", 2)])
        .await
        .expect("written");
    assert_eq!(store.stale_followers().await, Ok(Vec::new()));
}
