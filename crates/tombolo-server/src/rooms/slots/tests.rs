use super::*;

struct Room;

impl HotRoom for Room {
    fn snapshot(&mut self, _: &MimiUri) -> Option<Snapshot> {
        None
    }
}

fn uri(name: &str) -> MimiUri {
    MimiUri::new(&format!("mimi://a.example/r/{name}")).unwrap()
}

fn places<R>(slots: &Slots<R>) -> usize {
    slots.places.lock().unwrap().len()
}

async fn lock(slots: &Slots<Room>, room: &str) -> Locked<Room> {
    let slot = slots.place(&uri(room), |_| panic!("there is room enough"));
    slots.locked(slot).await
}

#[tokio::test]
async fn a_room_stays_and_an_empty_place_goes() {
    let slots = Slots::new(8);
    let mut locked = lock(&slots, "club").await;
    assert!(locked.is_empty());
    locked.put(Room);
    drop(locked);
    assert!(!lock(&slots, "club").await.is_empty());
    drop(lock(&slots, "nowhere").await);
    assert_eq!(places(&slots), 1);
}

/// Somebody else waits for the place: it is theirs to fill.
#[tokio::test]
async fn an_empty_place_with_a_queue_stays() {
    let slots = Slots::new(8);
    let first = lock(&slots, "club").await;
    let second = lock(&slots, "club");
    let mut second = Box::pin(second);
    assert!(futures_util::poll!(&mut second).is_pending());
    drop(first);
    second.await.put(Room);
    assert_eq!(places(&slots), 1);
    assert!(!lock(&slots, "club").await.is_empty());
}

#[tokio::test]
async fn a_forgotten_room_is_loaded_anew() {
    let slots = Slots::new(8);
    let mut locked = lock(&slots, "club").await;
    locked.put(Room);
    let slot = locked.slot();
    drop(locked);
    slot.forget().await;
    assert!(lock(&slots, "club").await.is_empty());
}

/// The longest unused go; who is in use stays, whatever its turn.
#[tokio::test]
async fn too_many_rooms() {
    let slots = Slots::new(3);
    let mut in_use = lock(&slots, "0").await;
    in_use.put(Room);
    for name in ["1", "2"] {
        lock(&slots, name).await.put(Room);
    }
    let mut evicted = Vec::new();
    let slot = slots.place(&uri("3"), |places| {
        evicted = slots.longest_unused(places, 1);
    });
    slots.locked(slot).await.put(Room);
    assert_eq!(evicted, [uri("1")]);
}
