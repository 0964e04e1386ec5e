//! Facts to store, and a way to read everything back.

use mimi_provider::profile::StoredProfile;
use mimi_provider::record::{
    Account, Arrival, ConsentDecision, ConsentRecord, ConsentRequest, DeviceRecord, EraId,
    EventKind, NewEvent, OwedRemoval, RoomKind, Seq, StoredKeyPackage,
};
use mimi_provider::{Change, Expect};
use mimi_wire::protocol::CipherSuite;
use mimi_wire::{Domain, MimiUri};

use crate::Store;

/// Local users.
pub const USERS: [&str; 2] = ["alice", "bob"];
/// Their devices.
pub const DEVICES: [&str; 2] = ["phone", "desk"];
/// Rooms.
pub const ROOMS: [&str; 3] = ["club", "cellar", "attic"];
/// Other providers.
pub const PEERS: [&str; 2] = ["b.example", "c.example"];

/// A URI.
pub fn uri(text: &str) -> MimiUri {
    MimiUri::new(text).expect("a canonical URI")
}

/// A local user.
pub fn user(name: &str) -> MimiUri {
    uri(&format!("mimi://a.example/u/{name}"))
}

/// A local user's client.
pub fn client(user: &str, device: &str) -> MimiUri {
    uri(&format!("mimi://a.example/d/{user}/{device}"))
}

/// A room.
pub fn room(name: &str) -> MimiUri {
    uri(&format!("mimi://a.example/r/{name}"))
}

/// Another provider.
pub fn peer(name: &str) -> Domain {
    Domain::new(name).expect("a canonical domain")
}

/// A local user's account.
pub fn account(name: &str) -> Account {
    Account {
        user: user(name),
        password_hash: Some(format!("$hash${name}")),
        claims: vec!["O=Tea Society".parse().expect("a claim")],
        created_ms: 17,
    }
}

/// A device whose token is all one octet.
pub fn device(owner: &str, name: &str, token: u8, created_ms: u64) -> DeviceRecord {
    DeviceRecord {
        client: client(owner, name),
        user: user(owner),
        name: format!("{owner}'s {name}"),
        token_sha256: [token; 32],
        signature_key: vec![token, 1, 2, 3],
        created_ms,
        last_seen_ms: 0,
    }
}

/// A KeyPackage.
pub fn key_package(client: &MimiUri, reference: u8, not_after_ms: u64) -> StoredKeyPackage {
    StoredKeyPackage {
        reference: vec![reference; 32],
        client: client.clone(),
        octets: vec![reference; 300],
        ciphersuite: 1,
        capabilities: vec![reference, 0, 0xff],
        not_after_ms,
    }
}

/// What a local user says of itself.
pub fn profile(name: &str, octets: &[u8]) -> StoredProfile {
    StoredProfile { user: user(name), octets: octets.to_vec() }
}

/// A decision of alice about bob.
pub fn decision(room: Option<MimiUri>, granted: ConsentDecision, decided_ms: u64) -> ConsentRecord {
    ConsentRecord { target: user("alice"), requester: user("bob"), room, granted, decided_ms }
}

/// A request to alice.
pub fn request(requester: &str, room: Option<MimiUri>, requested_ms: u64) -> ConsentRequest {
    ConsentRequest { target: user("alice"), requester: user(requester), room, requested_ms }
}

/// Somebody who is gone and has to go from a room, or from all of them.
pub fn removal(name: &str, room: Option<MimiUri>) -> OwedRemoval {
    OwedRemoval { gone: user(name), room }
}

/// A consent entry that has arrived; its payload tells nothing.
pub fn arrival(from: &str, octet: u8) -> Arrival {
    Arrival { from: peer(from), payload: vec![octet; 9], arrived_ms: u64::from(octet) }
}

/// A KeyPackage of a suite.
pub fn of_suite(ciphersuite: CipherSuite, package: StoredKeyPackage) -> StoredKeyPackage {
    StoredKeyPackage { ciphersuite, ..package }
}

/// An entry for all that see the stream, and for no peer.
pub fn event(stream: &MimiUri, seq: Seq) -> NewEvent {
    NewEvent {
        stream: stream.clone(),
        seq,
        kind: EventKind::Application,
        timestamp_ms: seq.saturating_add(1000),
        payload: format!("payload {seq}").into_bytes(),
        audience: Vec::new(),
        targets: None,
        detail: Vec::new(),
    }
}

/// Entries `from..=to` of a stream.
pub fn entries(stream: &MimiUri, from: Seq, to: Seq) -> Vec<Change> {
    (from..=to).map(|seq| Change::Append(event(stream, seq))).collect()
}

/// A client sees a stream.
pub fn join(client: &MimiUri, stream: &MimiUri, from_seq: Seq) -> Change {
    Change::Join { client: client.clone(), stream: stream.clone(), from_seq }
}

/// A client sees a stream no longer.
pub fn leave(client: &MimiUri, stream: &MimiUri, until_seq: Seq) -> Change {
    Change::Leave { client: client.clone(), stream: stream.clone(), until_seq }
}

/// A room that we are the hub of.
pub fn hosted(name: &str) -> Change {
    Change::CreateRoom { room: room(name), kind: RoomKind::Hub, snapshot: b"first".to_vec() }
}

/// The stream ends where it is expected to.
pub fn ends_at(stream: &MimiUri, seq: Seq) -> Expect {
    Expect::StreamSeq { stream: stream.clone(), seq }
}

/// At least one change of every kind, in an order that works on an empty store.
pub fn one_of_each() -> Vec<Change> {
    let (alice, phone, desk) = (user("alice"), client("alice", "phone"), client("alice", "desk"));
    let club = room("club");
    let mut noted = event(&club, 2);
    noted.kind = EventKind::HubNote;
    noted.detail = b"a note".to_vec();
    let mut targeted = event(&club, 3);
    targeted.targets = Some(vec![phone.clone(), client("bob", "phone")]);
    targeted.audience = vec![peer("b.example"), peer("c.example")];
    vec![
        Change::CreateAccount(account("alice")),
        Change::CreateAccount(account("bob")),
        Change::PutDevice(device("alice", "phone", 1, 20)),
        Change::PutDevice(device("alice", "desk", 2, 10)),
        Change::PutDevice(device("bob", "phone", 3, 30)),
        Change::RemoveDevice(desk.clone()),
        Change::AddKeyPackages(vec![
            key_package(&phone, 1, 5000),
            key_package(&phone, 2, u64::MAX),
            key_package(&phone, 3, 4000),
        ]),
        Change::ReleaseKeyPackage(vec![1; 32]),
        Change::PutConsent(decision(None, ConsentDecision::Granted, 1)),
        Change::PutConsent(decision(Some(club.clone()), ConsentDecision::Revoked, 2)),
        Change::PutConsentRequest(request("bob", None, 9)),
        Change::PutConsentRequest(request("bob", Some(club.clone()), 8)),
        Change::PutConsentRequest(request("carol", None, 7)),
        Change::RemoveConsentRequest(request("carol", None, 0)),
        Change::PutConsentAsked(request("bob", None, 6)),
        Change::PutConsentAsked(request("bob", Some(club.clone()), 5)),
        Change::RemoveConsentAsked(request("bob", Some(club.clone()), 0)),
        Change::PutArrival(arrival("b.example", 1)),
        Change::PutArrival(arrival("c.example", 2)),
        Change::RemoveArrival(1),
        Change::OweRemoval(removal("bob", None)),
        Change::OweRemoval(removal("carol", Some(club.clone()))),
        Change::RemovalDone(1),
        Change::PutProfile { profile: profile("alice", b"of alice"), terms: vec![1, 2] },
        hosted("club"),
        Change::Append(event(&club, 1)),
        Change::Append(noted),
        Change::Append(targeted),
        Change::Append(event(&alice, 1)),
        Change::PutSnapshot { room: club.clone(), seq: 2, snapshot: b"second".to_vec() },
        join(&phone, &club, 1),
        join(&client("bob", "phone"), &club, 1),
        leave(&client("bob", "phone"), &club, 2),
        Change::Follow { stream: club.clone(), follower: peer("b.example"), after_seq: 0 },
        Change::Follow { stream: club.clone(), follower: peer("c.example"), after_seq: 0 },
        Change::Delivered { stream: club, follower: peer("c.example"), seq: 3 },
        Change::GiveUp { stream: room("club"), follower: peer("b.example"), seq: 2, now_ms: 40 },
        Change::BeginEra(EraId([7; 16])),
        Change::Acknowledge { client: phone, event_id: 2 },
    ]
}

/// Everything these facts can name, as text: two stores with the same content give the same.
pub async fn everything(store: &impl Store) -> Vec<String> {
    let mut told = Vec::new();
    macro_rules! tell {
        ($($read:tt)*) => {
            told.push(format!("{}: {:?}", stringify!($($read)*), store.$($read)*.await));
        };
    }
    tell!(accounts());
    tell!(room_count());
    for name in USERS {
        tell!(account(&user(name)));
        tell!(devices(&user(name)));
        tell!(rooms_of(&user(name)));
        tell!(profile(&user(name)));
        tell!(consent_requests(&user(name)));
        tell!(consent_asked(&user(name)));
        tell!(consents_of(&user(name)));
        tell!(consent_counts(&user(name)));
        for other in USERS {
            tell!(consents(&user(name), &user(other)));
        }
        for device in DEVICES {
            let client = client(name, device);
            tell!(key_packages(&client, 1, 0, 100));
            tell!(key_packages(&client, 2, 0, 100));
            tell!(key_package_stock(&client, 4500));
            tell!(rooms_of(&client));
            tell!(client_events(&client, 0, 1000));
            tell!(client_events(&client, 3, 2));
            tell!(client_cursor(&client));
        }
    }
    for term in 0..4 {
        tell!(find_profiles(&[term], 9));
        tell!(find_profiles(&[0, term], 1));
    }
    for octet in 0..6 {
        tell!(device_by_token([octet; 32]));
        tell!(key_package_owner(&[octet; 32]));
    }
    let rooms = ROOMS.map(room);
    for stream in rooms.iter().chain(&USERS.map(user)) {
        tell!(room(stream));
        tell!(last_seq(stream));
        tell!(log(stream, 0, 1000));
        tell!(stream_clients(stream));
        for name in PEERS {
            tell!(follower_cursor(stream, &peer(name)));
            tell!(follower_batch(stream, &peer(name), 0, 20));
            tell!(follower_batch(stream, &peer(name), 1, 1000));
        }
    }
    tell!(waiting_followers());
    tell!(arrivals(2));
    tell!(arrivals(1000));
    tell!(owed_removals(0, 2));
    tell!(owed_removals(1, 1000));
    tell!(stale_followers());
    tell!(history());
    told
}
