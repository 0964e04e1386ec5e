use mimi_provider::record::{EventKind, NewEvent};
use mimi_provider::requester::DeviceIdentity;

use super::*;

const MIB: usize = 1024 * 1024;

fn growth() -> Growth {
    let logs = LogLimits {
        peer_mib_max: 3,
        peer_mib_refill_ms: 1_024,
        device_mib_max: 2,
        device_mib_refill_ms: 2_048,
        room_mib_max: 2,
        room_mib_refill_ms: 4_096,
    };
    let rooms = RoomLimits {
        followings_per_peer_max: 2,
        following_refill_ms: 1_500,
        ..RoomLimits::default()
    };
    Growth::new(&logs, &rooms)
}

fn room(name: &str) -> MimiUri {
    MimiUri::new(&format!("mimi://a.example/r/{name}")).unwrap()
}

fn peer(name: &str) -> Requester {
    Requester::Peer(Domain::new(name).unwrap())
}

fn device(name: &str) -> Requester {
    let uri = |path: &str| MimiUri::new(&format!("mimi://a.example/{path}/{name}")).unwrap();
    Requester::Local(DeviceIdentity { user: uri("u"), client: uri("d") })
}

/// An entry of so many octets, half of them in its detail.
fn entry(octets: usize) -> Vec<Change> {
    let detail = vec![0; octets / 2];
    vec![Change::Append(NewEvent {
        stream: room("club"),
        seq: 1,
        kind: EventKind::Commit,
        timestamp_ms: 1,
        payload: vec![0; octets - octets / 2],
        audience: Vec::new(),
        targets: None,
        detail,
    })]
}

/// n and n + 1 for each share; others and other rooms go on; what was taken comes back.
#[test]
fn logs_grow_at_a_pace() {
    let growth = growth();
    let check = |who: &Requester, name: &str, now_ms| growth.check(who, &room(name), now_ms);
    let add = |who: &Requester, name: &str, octets| {
        growth.add(who, &room(name), &entry(octets), 10_000);
    };
    let b = peer("b.example");
    add(&b, "club", 2 * MIB - 1_024);
    assert_eq!(check(&b, "club", 10_000), Ok(()));
    add(&b, "club", 1_024);
    // One kibibyte of this room comes back in four milliseconds, which is told as a second.
    assert_eq!(check(&b, "club", 10_000), Err(Reject::TooMuch { after_s: 1 }));
    assert_eq!(check(&b, "club", 10_004), Ok(()));
    assert_eq!(check(&b, "den", 10_000), Ok(()));
    assert_eq!(check(&peer("c.example"), "club", 10_000), Ok(()));
    add(&b, "den", MIB);
    assert_eq!(check(&b, "den", 10_000), Err(Reject::TooMuch { after_s: 1 }));
    assert_eq!(check(&b, "den", 10_001), Ok(()));
    let alice = device("alice");
    add(&alice, "club", 2 * MIB - 1_024);
    assert_eq!(check(&alice, "den", 10_000), Ok(()));
    // More than is left is taken once, and then waited for.
    add(&alice, "club", MIB);
    assert_eq!(check(&alice, "den", 10_000), Err(Reject::TooMuch { after_s: 3 }));
    assert_eq!(check(&device("bob"), "club", 10_000), Ok(()));
}

/// n and n + 1 of one hub; others unaffected, and one more when time has passed.
#[test]
fn a_hub_makes_us_follow_so_many_rooms() {
    let growth = growth();
    let follow = |hub: &str, now_ms| growth.follow(&Domain::new(hub).unwrap(), now_ms);
    assert_eq!(follow("b.example", 10_000), Ok(()));
    assert_eq!(follow("b.example", 10_000), Ok(()));
    assert_eq!(follow("b.example", 10_000), Err(Reject::TooMuch { after_s: 2 }));
    assert_eq!(follow("c.example", 10_000), Ok(()));
    assert_eq!(follow("b.example", 11_500), Ok(()));
}
