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
