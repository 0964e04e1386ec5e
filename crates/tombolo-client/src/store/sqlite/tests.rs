use std::path::Path;

use mimi_wire::MimiUri;
use mimi_wire::content::MessageId;

use super::SqliteStore;
use crate::secret::Secret;
use crate::session::stream_event::{StreamEvent, StreamEventKind};
use crate::store::{ClientStore, MemoryStore, Saved, StoreChange, StoredMessage};

fn room() -> MimiUri {
    MimiUri::new("mimi://a.example/r/room").unwrap()
}

fn event(id: u64) -> StreamEvent {
    StreamEvent {
        id,
        kind: StreamEventKind::Unknown("new".to_owned()),
        stream: room(),
        seq: 3,
        timestamp_ms: u64::MAX,
        payload: vec![1, 2, 3],
    }
}

fn secret(octets: &[u8]) -> Secret {
    octets.to_vec().into()
}

/// Commits that use every kind of change.
fn commits() -> Vec<Vec<StoreChange>> {
    let name = |text: &str| text.to_owned();
    let message = |salt: u8| StoredMessage {
        id: MessageId([salt; 32]),
        sender: MimiUri::new("mimi://b.example/u/bob").unwrap(),
        timestamp_ms: u64::MAX - 1,
        content: vec![salt],
    };
    let put_group = |key: u8, value: u8| StoreChange::PutGroupState {
        room: room(),
        key: vec![key],
        value: secret(&[value]),
    };
    vec![
        vec![
            StoreChange::Put { name: name("device"), value: secret(b"1") },
            StoreChange::Put { name: name("device"), value: secret(b"2") },
            StoreChange::PutRoomValue { room: room(), name: name("a"), value: secret(b"x") },
            StoreChange::PutRoomValue { room: room(), name: name("b"), value: secret(b"y") },
            put_group(1, 1),
            put_group(2, 2),
        ],
        vec![
            StoreChange::RemoveRoomValue { room: room(), name: name("a") },
            StoreChange::RemoveGroupState { room: room(), key: vec![1] },
            StoreChange::PutMessage { room: room(), message: message(1) },
            StoreChange::PutMessage {
                room: room(),
                message: StoredMessage { content: vec![9], ..message(1) },
            },
            StoreChange::PutWaiting { room: room(), event: event(5) },
            StoreChange::PutWaiting { room: room(), event: event(u64::MAX) },
            StoreChange::PutEvidence { room: room(), event: event(4), reason: name("why") },
        ],
        vec![
            StoreChange::RemoveWaiting { room: room(), id: 5 },
            StoreChange::ClearGroup(room()),
            put_group(3, 3),
            StoreChange::PutMessage { room: room(), message: message(2) },
            StoreChange::PutMessage { room: room(), message: message(3) },
            StoreChange::RemoveMessage { room: room(), id: MessageId([3; 32]) },
            StoreChange::RemoveMessage { room: room(), id: MessageId([4; 32]) },
        ],
    ]
}

#[tokio::test]
async fn what_is_committed_is_there_after_the_file_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("device.db");
    let memory = MemoryStore::default();
    let mut store = SqliteStore::create(&path).await.unwrap();
    for changes in commits() {
        store.commit(changes.clone()).await.unwrap();
        memory.commit(changes).await.unwrap();
        assert_eq!(store.load().await.unwrap(), memory.saved());
        store.close().await.unwrap();
        store = SqliteStore::open(&path).await.unwrap();
        assert_eq!(store.load().await.unwrap(), memory.saved());
    }
    let saved = store.load().await.unwrap();
    assert_eq!(saved.rooms[&room()].messages[&MessageId([1; 32])].content, [1]);
    assert!(saved.rooms[&room()].waiting.contains_key(&u64::MAX));
}

#[tokio::test]
async fn a_file_has_one_user_at_a_time_and_is_private() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("device.db");
    let store = SqliteStore::create(&path).await.unwrap();
    assert!(SqliteStore::create(&path).await.is_err());
    let second = SqliteStore::open(&path).await.unwrap_err();
    assert!(second.0.contains("in use"), "{second}");
    #[cfg(unix)]
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &entry.unwrap().metadata().unwrap().permissions(),
        );
        assert_eq!(mode & 0o077, 0);
    }
    store.close().await.unwrap();
    assert!(store.load().await.is_err());
    SqliteStore::open(&path).await.unwrap();
}

#[tokio::test]
async fn files_that_are_not_there_or_not_ours_are_told() {
    let folder = tempfile::tempdir().unwrap();
    assert!(SqliteStore::open(Path::new("/nowhere/device.db")).await.is_err());
    let path = folder.path().join("text");
    std::fs::write(&path, "this is a text and no database, long enough to have a header").unwrap();
    assert!(SqliteStore::open(&path).await.is_err());
}

/// CONTENT-EXP-1: of a message that is removed no octet is left in the files.
#[tokio::test]
async fn what_is_removed_is_in_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::create(&folder.path().join("device.db")).await.unwrap();
    let message = |salt: u8, content: &str| StoredMessage {
        id: MessageId([salt; 32]),
        sender: MimiUri::new("mimi://b.example/u/bob").unwrap(),
        timestamp_ms: 1,
        content: content.repeat(100).into_bytes(),
    };
    let put = |message| vec![StoreChange::PutMessage { room: room(), message }];
    store.commit(put(message(1, "the password is fish"))).await.unwrap();
    store.commit(put(message(2, "good morning"))).await.unwrap();
    let is_there = |text: &str| {
        let files = std::fs::read_dir(folder.path()).unwrap();
        let mut contents = files.map(|file| std::fs::read(file.unwrap().path()).unwrap());
        contents.any(|octets| octets.windows(text.len()).any(|it| it == text.as_bytes()))
    };
    assert!(is_there("fish") && is_there("good morning"));
    let gone = StoreChange::RemoveMessage { room: room(), id: MessageId([1; 32]) };
    store.commit(vec![gone]).await.unwrap();
    assert!(!is_there("fish") && is_there("good morning"));
    // With the account everything goes.
    for changes in commits() {
        store.commit(changes).await.unwrap();
    }
    store.commit(vec![StoreChange::Clear]).await.unwrap();
    assert_eq!(store.load().await.unwrap(), Saved::default());
    assert!(!is_there("good morning"));
}
