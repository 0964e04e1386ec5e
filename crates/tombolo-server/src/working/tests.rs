use futures_util::FutureExt;
use mimi_provider::requester::DeviceIdentity;

use super::*;

fn peer(name: &str) -> Requester {
    Requester::Peer(Domain::new(name).unwrap())
}

fn device(name: &str) -> Requester {
    let user = "mimi://a.example/u/alice".parse().unwrap();
    let client = format!("mimi://a.example/d/alice/{name}").parse().unwrap();
    Requester::Local(DeviceIdentity { user, client })
}

/// n have a turn, the next one waits for the end of one of them, others do not wait.
#[tokio::test]
async fn turns_are_shared() {
    let limits = RequestLimits {
        working_per_peer_max: 2,
        working_per_device_max: 1,
        verifying_max: 1,
        ..RequestLimits::default()
    };
    let working = Working::new(&limits);
    let b = peer("b.example");
    let first = working.turn(&peer("b.example")).await;
    let second = working.turn(&peer("b.example")).await;
    let mut third = Box::pin(working.turn(&b));
    assert!(third.as_mut().now_or_never().is_none());
    assert!(working.turn(&peer("c.example")).now_or_never().is_some());
    let phone = working.turn(&device("phone")).now_or_never();
    assert!(phone.is_some());
    assert!(working.turn(&device("phone")).now_or_never().is_none());
    assert!(working.turn(&device("tablet")).now_or_never().is_some());
    drop(first);
    let third = third.as_mut().now_or_never();
    assert!(third.is_some());

    let long = working.long_turn(&peer("b.example")).await;
    assert!(working.long_turn(&peer("b.example")).now_or_never().is_none());
    assert!(working.long_turn(&peer("c.example")).now_or_never().is_some());
    drop((long, third, second, phone));
    // Nobody is remembered who does nothing.
    for gate in [&working.peers, &working.devices, &working.verifying] {
        assert!(locked(&gate.places).is_empty());
    }
}
