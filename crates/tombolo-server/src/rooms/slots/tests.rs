use super::*;

struct Room(usize);

impl HotRoom for Room {
    fn snapshot(&mut self, _: &MimiUri) -> Option<Snapshot> {
        None
    }

    fn octets(&self) -> usize {
        self.0
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
    let slots = Slots::new(8, 100);
    let mut locked = lock(&slots, "club").await;
    assert!(locked.is_empty());
    locked.put(Room(1));
    drop(locked);
    assert!(!lock(&slots, "club").await.is_empty());
    drop(lock(&slots, "nowhere").await);
    assert_eq!(places(&slots), 1);
}

/// Somebody else waits for the place: it is theirs to fill.
#[tokio::test]
async fn an_empty_place_with_a_queue_stays() {
    let slots = Slots::new(8, 100);
    let first = lock(&slots, "club").await;
    let second = lock(&slots, "club");
    let mut second = Box::pin(second);
    assert!(futures_util::poll!(&mut second).is_pending());
    drop(first);
    second.await.put(Room(1));
    assert_eq!(places(&slots), 1);
    assert!(!lock(&slots, "club").await.is_empty());
}

#[tokio::test]
async fn a_forgotten_room_is_loaded_anew() {
    let slots = Slots::new(8, 100);
    let mut locked = lock(&slots, "club").await;
    locked.put(Room(1));
    let slot = locked.slot();
    drop(locked);
    slot.forget().await;
    assert!(lock(&slots, "club").await.is_empty());
}

/// The longest unused go; who is in use stays, whatever its turn.
#[tokio::test]
async fn too_many_rooms() {
    let slots = Slots::new(3, 100);
    let mut in_use = lock(&slots, "0").await;
    in_use.put(Room(1));
    for name in ["1", "2"] {
        lock(&slots, name).await.put(Room(1));
    }
    let mut evicted = Vec::new();
    let slot = slots.place(&uri("3"), |places| {
        evicted = slots.longest_unused(places, 1);
    });
    slots.locked(slot).await.put(Room(1));
    assert_eq!(evicted, [uri("1")]);
}

/// With one octet less there is place for a further room; at the limit the longest unused make way until there is room again.
#[tokio::test]
async fn too_many_octets_of_rooms() {
    let slots = Slots::new(100, 10);
    for (name, octets) in [("0", 3), ("1", 3), ("2", 3)] {
        lock(&slots, name).await.put(Room(octets));
    }
    lock(&slots, "3").await.put(Room(1));
    let mut evicted = Vec::new();
    let slot = slots.place(&uri("4"), |places| {
        evicted = slots.longest_unused(places, 0);
        evicted.iter().for_each(|uri| drop(places.remove(uri)));
    });
    assert_eq!(evicted, [uri("0")]);
    // Thirteen, and what is used last is the largest: two have to go.
    slots.locked(slot).await.put(Room(6));
    let mut evicted = Vec::new();
    slots.place(&uri("5"), |places| evicted = slots.longest_unused(places, 0));
    assert_eq!(evicted, [uri("1"), uri("2")]);
}
