use super::*;

#[test]
fn a_peer_is_heard_of_now_and_then() {
    let mut lanes = Lanes::default();
    let peer: Domain = "b.example".parse().unwrap();
    assert!(!lanes.hear(&peer, 10_000), "nothing of it fails");
    lanes.failing.entry(peer.clone()).or_default();
    assert!(lanes.hear(&peer, 10_000));
    assert!(!lanes.hear(&peer, 10_000 + HEARD_OF_EVERY_MS - 1));
    assert!(lanes.hear(&peer, 10_000 + HEARD_OF_EVERY_MS));
    assert!(lanes.hear(&peer, 1), "the clock was set back");
}

/// n and n + 1 to one peer; to others there is nothing to wait for.
#[test]
fn deliveries_to_one_peer() {
    let delivery = Delivery::new(2);
    let [slow, other] = ["slow.example", "other.example"].map(|name| name.parse().unwrap());
    let slots = delivery.slots_of(&slow);
    let _in_flight = [slots.try_acquire().unwrap(), slots.try_acquire().unwrap()];
    assert!(delivery.slots_of(&slow).try_acquire().is_err());
    assert!(delivery.slots_of(&other).try_acquire().is_ok());
}
