//! Whatever is written, both backends answer alike.

use mimi_provider::record::{ConsentDecision, DeviceChange, EventKind};
use mimi_provider::{Change, Expect};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::conformance::Subject;
use crate::conformance::facts::{
    DEVICES, PEERS, ROOMS, USERS, account, arrival, client, decision, device, ends_at, event,
    everything, hosted, join, key_package, leave, of_suite, peer, profile, removal, request, room,
    user,
};
use crate::memory::MemoryStore;
use crate::{Commit, Store, StoreError};

fn a_client() -> impl Strategy<Value = mimi_wire::MimiUri> {
    (select(&USERS), select(&DEVICES)).prop_map(|(user, device)| client(user, device))
}

fn a_stream() -> impl Strategy<Value = mimi_wire::MimiUri> {
    prop_oneof![
        3 => select(&ROOMS).prop_map(room),
        1 => select(&USERS).prop_map(user),
    ]
}

fn a_scope() -> impl Strategy<Value = Option<mimi_wire::MimiUri>> {
    proptest::option::of(select(&ROOMS).prop_map(room))
}

fn a_seq() -> impl Strategy<Value = u64> {
    0..6_u64
}

fn an_expectation() -> impl Strategy<Value = Expect> {
    prop_oneof![
        (a_stream(), a_seq()).prop_map(|(stream, seq)| ends_at(&stream, seq)),
        select(&ROOMS).prop_map(|name| Expect::NoRoom(room(name))),
        select(&USERS).prop_map(|name| Expect::NoAccount(user(name))),
        a_client().prop_map(Expect::NoDevice),
        (0..6_u8).prop_map(|reference| Expect::KeyPackageUnused(vec![reference; 32])),
    ]
}

fn an_entry() -> impl Strategy<Value = Change> {
    (
        a_stream(),
        1..6_u64,
        select(vec![EventKind::Application, EventKind::Welcome, EventKind::HubNote]),
        proptest::option::of(vec(a_client(), 0..3)),
        proptest::sample::subsequence(&PEERS[..], 0..=2),
    )
        .prop_map(|(stream, seq, kind, targets, audience)| {
            let mut event = event(&stream, seq);
            event.kind = kind;
            event.targets = targets;
            event.audience = audience.into_iter().map(peer).collect();
            Change::Append(event)
        })
}

fn a_device_change() -> impl Strategy<Value = DeviceChange> {
    prop_oneof![
        (0..3_u8).prop_map(|name| DeviceChange::Name(format!("my phone {name}"))),
        (0..6_u8).prop_map(|token| DeviceChange::Token([token; 32])),
        (0..3_u64).prop_map(DeviceChange::Seen),
    ]
}

fn a_change() -> impl Strategy<Value = Change> {
    let identity = prop_oneof![
        select(&USERS).prop_map(|name| Change::CreateAccount(account(name))),
        (select(&USERS), select(&DEVICES), 0..6_u8, 0..3_u64).prop_map(
            |(user, name, token, created_ms)| {
                Change::PutDevice(device(user, name, token, created_ms))
            }
        ),
        a_client().prop_map(Change::RemoveDevice),
        (a_client(), a_device_change())
            .prop_map(|(client, change)| Change::ChangeDevice { client, change }),
        select(&USERS).prop_map(|name| {
            Change::SetPassword { user: user(name), hash: "another".to_owned() }
        }),
        (a_client(), 0..6_u8, 4000..5000_u64, 1..3_u16).prop_map(
            |(client, reference, not_after_ms, suite)| {
                let package = key_package(&client, reference, not_after_ms);
                Change::AddKeyPackages(vec![of_suite(suite, package)])
            }
        ),
        (select(&USERS), a_scope(), any::<u64>()).prop_map(|(user, room, requested_ms)| {
            Change::PutConsentAsked(request(user, room, requested_ms))
        }),
        (select(&USERS), a_scope())
            .prop_map(|(user, room)| Change::RemoveConsentAsked(request(user, room, 0))),
        (select(&PEERS), any::<u8>())
            .prop_map(|(from, octet)| Change::PutArrival(arrival(from, octet))),
        (0..6_u64).prop_map(Change::RemoveArrival),
        (select(&USERS), a_scope())
            .prop_map(|(name, room)| Change::OweRemoval(removal(name, room))),
        (0..6_u64).prop_map(Change::RemovalDone),
        a_client().prop_map(Change::OweRemovals),
        (a_client(), select(&ROOMS))
            .prop_map(|(client, name)| Change::OweRemovalIfGone { client, room: room(name) }),
        select(&USERS).prop_map(|name| Change::RemoveAccount(user(name))),
        (0..6_u8).prop_map(|reference| Change::ReleaseKeyPackage(vec![reference; 32])),
        (a_scope(), any::<bool>(), any::<u64>()).prop_map(|(room, granted, decided_ms)| {
            let decisions = [ConsentDecision::Revoked, ConsentDecision::Granted];
            Change::PutConsent(decision(room, decisions[usize::from(granted)], decided_ms))
        }),
        (select(&USERS), a_scope(), any::<u64>()).prop_map(|(user, room, requested_ms)| {
            Change::PutConsentRequest(request(user, room, requested_ms))
        }),
        (select(&USERS), 0..3_u8, proptest::sample::subsequence(vec![0, 1, 2, 3], 0..=4)).prop_map(
            |(user, octet, terms)| Change::PutProfile { profile: profile(user, &[octet]), terms }
        ),
        (select(&USERS), a_scope())
            .prop_map(|(user, room)| Change::RemoveConsentRequest(request(user, room, 0))),
    ];
    let rooms = prop_oneof![
        select(&ROOMS).prop_map(hosted),
        (select(&ROOMS), a_seq()).prop_map(|(name, seq)| Change::PutSnapshot {
            room: room(name),
            seq,
            snapshot: vec![7; 9],
        }),
        (a_client(), a_stream(), a_seq())
            .prop_map(|(client, stream, seq)| join(&client, &stream, seq)),
        (a_client(), a_stream(), a_seq())
            .prop_map(|(client, stream, seq)| leave(&client, &stream, seq)),
        (a_stream(), select(&PEERS), a_seq()).prop_map(|(stream, name, after_seq)| {
            Change::Follow { stream, follower: peer(name), after_seq }
        }),
        (a_stream(), select(&PEERS), a_seq()).prop_map(|(stream, name, seq)| {
            Change::Delivered { stream, follower: peer(name), seq }
        }),
        (a_client(), 0..20_u64)
            .prop_map(|(client, event_id)| Change::Acknowledge { client, event_id }),
    ];
    prop_oneof![2 => an_entry(), 1 => identity, 1 => rooms]
}

pub(super) fn a_commit() -> impl Strategy<Value = Commit> {
    (vec(an_expectation(), 0..2), vec(a_change(), 1..4))
        .prop_map(|(expect, changes)| Commit { expect, changes })
}

/// Entries that fit, wherever the random ones left the streams, so that histories grow.
pub(super) async fn grow(memory: &MemoryStore, commit: &mut Commit) {
    for change in &mut commit.changes {
        if let Change::Append(event) = change
            && event.seq > 1
        {
            event.seq = memory.last_seq(&event.stream).await.unwrap() + 1;
        }
    }
}

/// What is read again and again while the log grows.
pub(super) async fn followed(store: &impl Store) -> Vec<String> {
    let mut told = Vec::new();
    for (name, device) in USERS.into_iter().flat_map(|name| DEVICES.map(|device| (name, device))) {
        let client = client(name, device);
        for (after, limit) in [(0, 1000), (2, 1000), (4, 1), (7, 0)] {
            told.push(format!("{:?}", store.client_events(&client, after, limit).await));
        }
    }
    for token in 0..6 {
        told.push(format!("{:?}", store.device_by_token([token; 32]).await));
    }
    for stream in ROOMS.map(room).iter().chain(&USERS.map(user)) {
        for (after, octets) in [(0, 20), (1, 1000), (4, 0), (u64::MAX, 9)] {
            let batch = store.follower_batch(stream, &peer(PEERS[0]), after, octets).await;
            told.push(format!("{batch:?}"));
        }
    }
    told
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn backends_agree(commits in vec(a_commit(), 1..40)) {
        let scratch = super::inline();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (memory, sqlite) = (MemoryStore::new(), scratch.open());
            for mut commit in commits {
                grow(&memory, &mut commit).await;
                let expected = memory.commit(commit.clone()).await;
                let found = sqlite.commit(commit).await;
                prop_assert_eq!(&found, &expected);
                prop_assert!(!matches!(found, Err(StoreError::Failed(_) | StoreError::Unavailable(_))));
                // Twice: first from the file, then from what is remembered of it.
                let expected = followed(&memory).await;
                prop_assert_eq!(followed(&sqlite).await, expected.clone());
                prop_assert_eq!(followed(&sqlite).await, expected);
            }
            let expected = everything(&memory).await;
            prop_assert_eq!(everything(&sqlite).await, expected.clone());
            let forgetting = (memory.forget_expired(4500), sqlite.forget_expired(4500));
            prop_assert!(forgetting.0.await.is_ok() && forgetting.1.await.is_ok());
            drop(sqlite);
            prop_assert_eq!(everything(&scratch.open()).await, everything(&memory).await);
            Ok(())
        })?;
    }
}
