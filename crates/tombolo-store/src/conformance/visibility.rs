//! What clients see of the whole log.

use mimi_provider::Change;
use mimi_provider::record::{EventKind, NewEvent, Seq};
use mimi_wire::MimiUri;

use super::facts::{client, entries, event, join, leave, peer, room};
use super::{Subject, write};
use crate::{CLIENT_PAGE_OCTETS, Store};

/// Stream and number of what a client sees after a position.
async fn seen(
    store: &impl Store,
    client: &MimiUri,
    after_id: u64,
    limit: usize,
) -> Vec<(MimiUri, Seq)> {
    let events = store.client_events(client, after_id, limit).await.expect("read");
    assert!(events.is_sorted_by(|left, right| left.id < right.id), "in order, each once");
    assert!(events.iter().all(|entry| entry.id > after_id) && events.len() <= limit);
    events.into_iter().map(|entry| (entry.event.stream, entry.event.seq)).collect()
}

async fn seqs(store: &impl Store, client: &MimiUri) -> Vec<Seq> {
    seen(store, client, 0, 1000).await.into_iter().map(|(_, seq)| seq).collect()
}

/// From joining to leaving, the removing commit included (PROTO-NTF-6), and again from rejoining.
pub async fn a_client_sees_its_intervals(subject: &impl Subject) {
    let store = subject.open();
    let (phone, desk, club) = (client("alice", "phone"), client("alice", "desk"), room("club"));
    write(&store, entries(&club, 1, 3)).await.expect("appended");
    assert_eq!(seqs(&store, &phone).await, Vec::<Seq>::new());
    // Joins from an entry to come, and from one in the past.
    write(&store, [join(&phone, &club, 5), join(&desk, &club, 2)]).await.expect("joined");
    write(&store, entries(&club, 4, 7)).await.expect("appended");
    assert_eq!(seqs(&store, &phone).await, [5, 6, 7]);
    assert_eq!(seqs(&store, &desk).await, [2, 3, 4, 5, 6, 7]);
    let mut leaving = entries(&club, 8, 8);
    leaving.push(leave(&phone, &club, 8));
    write(&store, leaving).await.expect("left");
    write(&store, entries(&club, 9, 10)).await.expect("appended");
    assert_eq!(seqs(&store, &phone).await, [5, 6, 7, 8]);
    assert_eq!(store.stream_clients(&club).await, Ok(vec![desk.clone()]));
    let mut rejoining = entries(&club, 11, 12);
    rejoining.push(join(&phone, &club, 12));
    write(&store, rejoining).await.expect("joined");
    assert_eq!(seqs(&store, &phone).await, [5, 6, 7, 8, 12]);
    assert_eq!(store.stream_clients(&club).await, Ok(vec![desk.clone(), phone.clone()]));
    // Removed and welcomed by one commit: the intervals share an entry, which is seen once.
    write(&store, entries(&club, 13, 14)).await.expect("appended");
    write(&store, [leave(&phone, &club, 13), join(&phone, &club, 13)]).await.expect("rejoined");
    assert_eq!(seqs(&store, &phone).await, [5, 6, 7, 8, 12, 13, 14]);
}

/// Entries for others, and the hub's own notes, are not delivered.
pub async fn a_client_sees_what_is_for_it(subject: &impl Subject) {
    let store = subject.open();
    let (phone, desk, club) = (client("alice", "phone"), client("alice", "desk"), room("club"));
    let lookalike = client("alice", "phone2");
    let for_clients = |seq, targets: &[&MimiUri]| {
        let targets = Some(targets.iter().map(|client| (*client).clone()).collect());
        let audience = vec![peer("b.example")];
        Change::Append(NewEvent {
            targets,
            audience,
            kind: EventKind::Welcome,
            ..event(&club, seq)
        })
    };
    let note = Change::Append(NewEvent { kind: EventKind::HubNote, ..event(&club, 5) });
    let changes = [
        join(&phone, &club, 0),
        join(&desk, &club, 1),
        for_clients(1, &[&phone]),
        for_clients(2, &[&desk, &lookalike]),
        for_clients(3, &[]),
        for_clients(4, &[&desk, &phone]),
        note,
        Change::Append(event(&club, 6)),
    ];
    write(&store, changes).await.expect("written");
    assert_eq!(seqs(&store, &phone).await, [1, 4, 6]);
    assert_eq!(seqs(&store, &desk).await, [2, 4, 6]);
    assert_eq!(seqs(&store, &lookalike).await, Vec::<Seq>::new());
    // What is not for a client does not count against the limit.
    assert_eq!(seen(&store, &phone, 1, 1).await, [(club.clone(), 4)]);
    assert_eq!(seen(&store, &phone, 4, 1).await, [(club, 6)]);
}

/// Many rooms are one stream of events, read in parts of any size.
pub async fn streams_are_merged_by_id(subject: &impl Subject) {
    let store = subject.open();
    let phone = client("alice", "phone");
    let rooms: Vec<_> = (0..12).map(|number| room(&format!("room-{number}"))).collect();
    let mut next = vec![1_u64; rooms.len()];
    let mut expected = Vec::new();
    let joins = (0..12).filter(|number| number % 3 != 0);
    write(&store, joins.map(|number| join(&phone, &rooms[number], 3))).await.expect("joined");
    for turn in 0..200_usize {
        // Some order that is neither round nor sorted.
        let number = turn * turn % 12 + usize::from(turn % 7 == 0);
        let number = number % 12;
        let seq = next[number];
        next[number] += 1;
        write(&store, entries(&rooms[number], seq, seq)).await.expect("appended");
        if number % 3 != 0 && seq >= 3 {
            expected.push((rooms[number].clone(), seq));
        }
    }
    assert!(expected.len() > 20);
    for limit in [1, 3, 1000] {
        let (mut found, mut after) = (Vec::new(), 0);
        loop {
            let part = store.client_events(&phone, after, limit).await.expect("read");
            let Some(last) = part.last() else { break };
            after = last.id;
            found.extend(part.into_iter().map(|entry| (entry.event.stream, entry.event.seq)));
        }
        assert_eq!(found, expected, "in parts of {limit}");
    }
    assert_eq!(seen(&store, &phone, 0, 0).await, []);
    assert_eq!(seen(&store, &phone, u64::MAX, 10).await, []);
}

/// From every position of a long stream the right entries follow.
pub async fn a_long_history_is_searched(subject: &impl Subject) {
    let store = subject.open();
    let (phone, club, attic) = (client("alice", "phone"), room("club"), room("attic"));
    let mut ids = Vec::new();
    for seq in 1..=60 {
        write(&store, entries(&attic, seq, seq)).await.expect("appended");
        ids.extend(write(&store, entries(&club, seq, seq)).await.expect("appended").event_ids);
    }
    write(&store, [join(&phone, &club, 7), leave(&phone, &club, 50)]).await.expect("joined");
    for after_id in 0..=ids[59] + 2 {
        let expected: Vec<_> =
            (7..=50).filter(|seq| ids[*seq - 1] > after_id).map(|seq| seq as u64).collect();
        let found = seen(&store, &phone, after_id, 1000).await;
        assert_eq!(found.into_iter().map(|(_, seq)| seq).collect::<Vec<_>>(), expected);
    }
}

/// An open interval stays as it is; leaving ends it once; one that ends before it began never was.
pub async fn joining_twice_is_joining_once(subject: &impl Subject) {
    let store = subject.open();
    let (phone, club) = (client("alice", "phone"), room("club"));
    write(&store, entries(&club, 1, 9)).await.expect("appended");
    write(&store, [join(&phone, &club, 4)]).await.expect("joined");
    write(&store, [join(&phone, &club, 6)]).await.expect("without effect");
    assert_eq!(store.stream_clients(&club).await, Ok(vec![phone.clone()]));
    assert_eq!(seqs(&store, &phone).await, [4, 5, 6, 7, 8, 9]);
    write(&store, [leave(&phone, &club, 5)]).await.expect("left");
    write(&store, [leave(&phone, &club, 8)]).await.expect("without effect");
    assert_eq!(seqs(&store, &phone).await, [4, 5]);
    write(&store, [join(&phone, &club, 8), leave(&phone, &club, 7)]).await.expect("written");
    assert_eq!(seqs(&store, &phone).await, [4, 5]);
    assert_eq!(store.stream_clients(&club).await, Ok(Vec::new()));
    write(&store, [leave(&client("bob", "phone"), &room("attic"), 7)]).await.expect("no effect");
}

/// A client's cursor never goes back, nor beyond what there is.
pub async fn a_cursor_only_moves_on(subject: &impl Subject) {
    let store = subject.open();
    let phone = client("alice", "phone");
    assert_eq!(store.client_cursor(&phone).await, Ok(0));
    write(&store, entries(&room("club"), 1, 5)).await.expect("appended");
    for (event_id, expected) in [(3, 3), (2, 3), (5, 5), (u64::MAX, 5)] {
        let change = Change::Acknowledge { client: phone.clone(), event_id };
        write(&store, [change]).await.expect("acknowledged");
        assert_eq!(store.client_cursor(&phone).await, Ok(expected));
    }
    assert_eq!(store.client_cursor(&client("alice", "desk")).await, Ok(0));
}

/// A page is full at so many octets, and has at least one entry.
pub async fn pages_hold_so_many_octets(subject: &impl Subject) {
    let store = subject.open();
    let (phone, club) = (client("alice", "phone"), room("club"));
    write(&store, [join(&phone, &club, 1)]).await.expect("joined");
    let sizes = [CLIENT_PAGE_OCTETS - 1, 1, 1, CLIENT_PAGE_OCTETS + 1, 1];
    for (seq, octets) in (1..).zip(sizes) {
        let entry = NewEvent { payload: vec![7; octets], ..event(&club, seq) };
        write(&store, [Change::Append(entry)]).await.expect("appended");
    }
    let mut pages = Vec::new();
    let mut after = 0;
    loop {
        let page = store.client_events(&phone, after, 16).await.expect("read");
        let Some(last) = page.last() else { break };
        after = last.id;
        pages.push(page.len());
    }
    assert_eq!(pages, [2, 2, 1]);
}

/// What lies behind it is not there yet.
pub async fn the_end_of_the_log_is_known(subject: &impl Subject) {
    let store = subject.open();
    assert_eq!(store.last_event_id().await, Ok(0));
    let appended = write(&store, [Change::Append(event(&room("club"), 1))]).await;
    let last = appended.expect("appended").event_ids[0];
    assert_eq!(store.last_event_id().await, Ok(last));
}
