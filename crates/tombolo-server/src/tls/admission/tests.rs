use futures_util::FutureExt;

use super::*;

fn address(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

fn peer(name: &str) -> Holder {
    Holder::Peer(Domain::new(name).unwrap())
}

fn device() -> Holder {
    Holder::Device("mimi://a.example/d/alice/phone".parse().unwrap())
}

fn is_evicted(standing: &Standing) -> bool {
    standing.evicted().now_or_never().is_some()
}

/// n and n + 1 of one network; a place that is given up is free again.
#[test]
fn a_network_has_a_share_of_the_unproven() {
    let limits = ConnectionLimits { unproven_per_network_max: 2, ..ConnectionLimits::default() };
    let admission = Admission::new(limits, &RequestLimits::default());
    let first = admission.enter(address(1)).unwrap();
    let _second = admission.enter(address(1)).unwrap();
    assert!(admission.enter(address(1)).is_err());
    assert!(admission.enter(address(2)).is_ok());
    drop(first);
    assert!(admission.enter(address(1)).is_ok());
}

/// A /64 is one network.
#[test]
fn ipv6_addresses_of_one_network_count_together() {
    let limits = ConnectionLimits { unproven_per_network_max: 1, ..ConnectionLimits::default() };
    let admission = Admission::new(limits, &RequestLimits::default());
    let _first = admission.enter("2001:db8:0:1::1".parse().unwrap()).unwrap();
    assert!(admission.enter("2001:db8:0:1:ffff::2".parse().unwrap()).is_err());
    assert!(admission.enter("2001:db8:0:2::1".parse().unwrap()).is_ok());
    assert_eq!(network("::ffff:192.0.2.1".parse().unwrap()), address(1));
}

/// At the limit of all, whoever has the most makes way; nobody makes way for one of its own size.
#[test]
fn the_network_with_the_most_makes_way() {
    let limits = ConnectionLimits {
        unproven_max: 3,
        unproven_per_network_max: 3,
        ..ConnectionLimits::default()
    };
    let admission = Admission::new(limits, &RequestLimits::default());
    let oldest = admission.enter(address(1)).unwrap();
    let second = admission.enter(address(1)).unwrap();
    let other = admission.enter(address(2)).unwrap();
    let newcomer = admission.enter(address(3)).unwrap();
    assert!(is_evicted(&oldest));
    for stays in [&second, &other, &newcomer] {
        assert!(!is_evicted(stays));
    }
    // The evicted one's end changes nothing more.
    drop(oldest);
    assert_eq!(admission.unproven().count, 3);
    assert!(admission.enter(address(2)).is_err(), "all have one");
    let _fourth = admission.enter(address(4)).unwrap();
    assert_eq!(admission.unproven().count, 3);
}

/// Proof frees the place for others, and counts for who has proven itself: n and n + 1.
#[test]
fn the_proven_are_counted_by_who_they_are() {
    let limits = ConnectionLimits {
        unproven_max: 1,
        unproven_per_network_max: 1,
        per_peer_max: 2,
        per_device_max: 1,
        ..ConnectionLimits::default()
    };
    let admission = Admission::new(limits, &RequestLimits::default());
    let proven: Vec<_> = ["b.example", "b.example", "c.example"]
        .iter()
        .map(|name| {
            let standing = admission.enter(address(1)).unwrap();
            assert!(!standing.is_proven());
            assert!(standing.prove(peer(name)));
            assert!(standing.is_proven());
            standing
        })
        .collect();
    let third = admission.enter(address(1)).unwrap();
    assert!(!third.prove(peer("b.example")));
    assert!(!third.is_proven());
    assert!(admission.enter(address(1)).is_err(), "it still counts among the unproven");
    // Proven once is proven: later names on the same connection change nothing.
    assert!(proven[2].prove(peer("b.example")));
    drop(proven);
    assert!(third.prove(peer("b.example")));

    let phone = admission.enter(address(1)).unwrap();
    assert!(phone.prove(device()));
    let second = admission.enter(address(1)).unwrap();
    assert!(!second.prove(device()));
}

/// n and n + 1 in a row, whether or not they stay open; others are not affected.
#[test]
fn a_network_opens_so_many_connections() {
    let limits = ConnectionLimits {
        openings_per_network_max: 3,
        opening_refill_ms: 3_600_000,
        ..ConnectionLimits::default()
    };
    let admission = Admission::new(limits, &RequestLimits::default());
    for _ in 0..3 {
        assert!(admission.enter(address(1)).is_ok());
    }
    assert!(admission.enter(address(1)).is_err());
    assert!(admission.enter(address(2)).is_ok());
}

/// n and n + 1 requests in a row; a body counts by its size, whoever is proven by who it is.
#[test]
fn requests_come_at_a_pace() {
    let requests = RequestLimits {
        peer_burst_max: 4,
        peer_refill_us: 1_000_000_000,
        device_burst_max: 1,
        device_refill_us: 1_000_000_000,
        unproven_burst_max: 2,
        unproven_refill_us: 1_000_000_000,
        ..RequestLimits::default()
    };
    let admission = Admission::new(ConnectionLimits::default(), &requests);
    let enter = |last| admission.enter(address(last)).unwrap();
    let (one, other) = (enter(1), enter(1));
    assert_eq!((one.pace(), other.pace()), (Ok(()), Ok(())));
    assert_eq!(other.pace(), Err(1_000));
    assert_eq!(enter(2).pace(), Ok(()));

    assert!(one.prove(peer("b.example")) && other.prove(peer("b.example")));
    assert_eq!(one.pace(), Ok(()));
    one.carried(2 * OCTETS_OF_A_REQUEST);
    assert_eq!(other.pace(), Ok(()));
    assert!(one.pace().is_err() && other.pace().is_err());
    let third = enter(2);
    assert!(third.prove(peer("c.example")));
    assert_eq!(third.pace(), Ok(()));

    let phone = enter(3);
    assert!(phone.prove(device()));
    assert_eq!(phone.pace(), Ok(()));
    assert!(phone.pace().is_err());
}
