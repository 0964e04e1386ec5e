//! Accounts and devices.

use mimi_provider::record::{Account, ConsentDecision, DeviceChange, DeviceRecord, RoomKind};
use mimi_provider::{Change, Expect};
use mimi_wire::MimiUri;

use super::facts::{
    account, client, decision, device, entries, event, hosted, join, key_package, leave,
    one_of_each, removal, request, room, user,
};
use super::{Subject, lost, write, write_if};
use crate::Store;

/// A second account of the same name is a lost race, and changes nothing.
pub async fn an_account_is_created_once(subject: &impl Subject) {
    let store = subject.open();
    let (alice, bob) = (account("alice"), Account { password_hash: None, ..account("bob") });
    assert_eq!(store.accounts().await, Ok(Vec::new()));
    assert_eq!(store.account(&alice.user).await, Ok(None));
    let new = |account: &Account| {
        write_if(
            &store,
            [Expect::NoAccount(account.user.clone())],
            [Change::CreateAccount(account.clone())],
        )
    };
    new(&bob).await.expect("created");
    new(&alice).await.expect("created");
    let second = Account { password_hash: None, ..alice.clone() };
    assert!(lost(&new(&second).await));
    assert!(lost(&write(&store, [Change::CreateAccount(second)]).await));
    assert_eq!(store.account(&alice.user).await, Ok(Some(alice.clone())));
    assert_eq!(store.accounts().await, Ok(vec![alice, bob]));
}

/// Claims are replaced as a whole; those of nobody are nothing.
pub async fn claims_of_an_account_are_set(subject: &impl Subject) {
    let store = subject.open();
    let alice = account("alice");
    write(&store, [Change::CreateAccount(alice.clone())]).await.expect("created");
    let set = |name: &str, claims: &[&str]| {
        let claims = claims.iter().map(|claim| claim.parse().expect("a claim")).collect();
        Change::SetClaims { user: user(name), claims }
    };
    write(&store, [set("alice", &["OU=Board", "1.2.3=a=b"]), set("nobody", &["O=x"])])
        .await
        .expect("set");
    let read = store.account(&alice.user).await.expect("read").expect("there");
    let claims: Vec<String> = read.claims.iter().map(ToString::to_string).collect();
    assert_eq!(claims, ["OU=Board", "1.2.3=a=b"]);
    assert_eq!(Account { claims: alice.claims.clone(), ..read }, alice);
    write(&store, [set("alice", &[])]).await.expect("set");
    let read = store.account(&alice.user).await.expect("read").expect("there");
    assert!(read.claims.is_empty());
    assert_eq!(store.account(&user("nobody")).await, Ok(None));
}

/// A device is found by its token, also by the one it was given last.
pub async fn a_device_is_found_by_its_token(subject: &impl Subject) {
    let store = subject.open();
    let (phone, desk) = (device("alice", "phone", 1, 20), device("alice", "desk", 2, 10));
    let other = device("bob", "phone", 3, 1);
    for device in [&phone, &desk, &other] {
        write(&store, [Change::PutDevice(device.clone())]).await.expect("put");
    }
    assert_eq!(store.device_by_token([1; 32]).await, Ok(Some(phone.clone())));
    assert_eq!(store.device_by_token([9; 32]).await, Ok(None));
    assert_eq!(store.devices(&phone.user).await, Ok(vec![desk.clone(), phone.clone()]));
    let renewed = device("alice", "phone", 4, 25);
    write(&store, [Change::PutDevice(renewed.clone())]).await.expect("replaced");
    assert_eq!(store.device_by_token([1; 32]).await, Ok(None));
    assert_eq!(store.device_by_token([4; 32]).await, Ok(Some(renewed.clone())));
    assert_eq!(store.devices(&phone.user).await, Ok(vec![desk, renewed]));
    let (no_phone, another) = (Expect::NoDevice(phone.client), device("alice", "phone", 5, 30));
    assert!(lost(&write_if(&store, [no_phone], [Change::PutDevice(another)]).await));
    // The token that was given up is free.
    write(&store, [Change::PutDevice(device("bob", "desk", 1, 2))]).await.expect("put");
}

/// What changes about a device changes nothing else, and brings no device back.
pub async fn a_device_changes_while_it_is_there(subject: &impl Subject) {
    let store = subject.open();
    let (phone, desk) = (device("alice", "phone", 1, 20), device("alice", "desk", 2, 30));
    let change =
        |change: DeviceChange| Change::ChangeDevice { client: phone.client.clone(), change };
    write(&store, [change(DeviceChange::Seen(1))]).await.expect("nothing to do");
    assert_eq!(store.devices(&phone.user).await, Ok(Vec::new()));
    write(&store, [Change::PutDevice(phone.clone()), Change::PutDevice(desk.clone())])
        .await
        .expect("put");
    let name = change(DeviceChange::Name("pocket".to_owned()));
    let renewed =
        [name, change(DeviceChange::Token([7; 32])), change(DeviceChange::Seen(86_400_000))];
    write(&store, renewed).await.expect("changed");
    let expected = DeviceRecord {
        name: "pocket".to_owned(),
        token_sha256: [7; 32],
        last_seen_ms: 86_400_000,
        ..phone.clone()
    };
    assert_eq!(store.device_by_token([1; 32]).await, Ok(None));
    assert_eq!(store.device_by_token([7; 32]).await, Ok(Some(expected.clone())));
    assert_eq!(store.devices(&phone.user).await, Ok(vec![expected, desk]));
    assert!(lost(&write(&store, [change(DeviceChange::Token([2; 32]))]).await));
    write(&store, [Change::RemoveDevice(phone.client.clone())]).await.expect("removed");
    write(&store, [change(DeviceChange::Token([8; 32]))]).await.expect("nothing to do");
    assert_eq!(store.device_by_token([8; 32]).await, Ok(None));
}

/// A token opens one device.
pub async fn a_token_is_of_one_device(subject: &impl Subject) {
    let store = subject.open();
    let phone = device("alice", "phone", 1, 20);
    write(&store, [Change::PutDevice(phone.clone())]).await.expect("put");
    assert!(lost(&write(&store, [Change::PutDevice(device("bob", "phone", 1, 20))]).await));
    assert_eq!(store.device_by_token([1; 32]).await, Ok(Some(phone)));
    assert_eq!(store.devices(&user("bob")).await, Ok(Vec::new()));
}

/// A device sees its user's stream from its registration on.
pub async fn a_device_joins_its_users_stream(subject: &impl Subject) {
    let store = subject.open();
    let alice = user("alice");
    write(&store, entries(&alice, 1, 2)).await.expect("appended");
    write(&store, [Change::PutDevice(device("alice", "phone", 1, 20))]).await.expect("put");
    write(&store, entries(&alice, 3, 3)).await.expect("appended");
    // Replacing it does not make it miss anything.
    write(&store, [Change::PutDevice(device("alice", "phone", 2, 30))]).await.expect("put");
    write(&store, entries(&alice, 4, 4)).await.expect("appended");
    let phone = client("alice", "phone");
    assert_eq!(store.stream_clients(&alice).await, Ok(vec![phone.clone()]));
    let seen = store.client_events(&phone, 0, 10).await.expect("read");
    let seqs: Vec<_> = seen.iter().map(|entry| entry.event.seq).collect();
    assert_eq!(seqs, [3, 4]);
    assert_eq!(store.rooms_of(&phone).await, Ok(Vec::new()), "a user's stream is no room");
}

/// With an account go its user's decisions and the requests to it.
pub async fn a_removed_account_leaves_nothing(subject: &impl Subject) {
    let store = subject.open();
    write(&store, [Change::CreateAccount(account("alice")), Change::CreateAccount(account("bob"))])
        .await
        .expect("created");
    let granted = decision(None, ConsentDecision::Granted, 1);
    let asked = request("bob", None, 1);
    write(&store, [Change::PutConsent(granted), Change::PutConsentRequest(asked)])
        .await
        .expect("put");
    write(&store, [Change::RemoveAccount(user("alice"))]).await.expect("removed");
    write(&store, [Change::RemoveAccount(user("alice"))]).await.expect("nothing to do");
    assert_eq!(store.account(&user("alice")).await, Ok(None));
    assert_eq!(store.accounts().await, Ok(vec![account("bob")]));
    assert_eq!(store.consents(&user("alice"), &user("bob")).await, Ok(Vec::new()));
    assert_eq!(store.consent_requests(&user("alice")).await, Ok(Vec::new()));
}

/// Empty after delete; and a device that comes again begins anew.
pub async fn a_removed_device_leaves_nothing(subject: &impl Subject) {
    let store = subject.open();
    write(&store, one_of_each()).await.expect("written");
    let (phone, other) = (client("alice", "phone"), client("bob", "phone"));
    write(&store, [Change::AddKeyPackages(vec![key_package(&other, 5, 9000)])])
        .await
        .expect("added");
    write(&store, [Change::RemoveDevice(phone.clone())]).await.expect("removed");
    write(&store, [Change::RemoveDevice(phone.clone())]).await.expect("nothing to do");

    assert_eq!(store.devices(&user("alice")).await, Ok(Vec::new()));
    assert_eq!(store.device_by_token([1; 32]).await, Ok(None));
    assert_eq!(store.key_packages(&phone, 1, 0, 10).await, Ok(Vec::new()));
    for reference in 1..=3 {
        assert_eq!(store.key_package_owner(&[reference; 32]).await, Ok(None));
    }
    assert_eq!(store.rooms_of(&phone).await, Ok(Vec::new()));
    assert_eq!(store.rooms_of(&user("alice")).await, Ok(Vec::new()));
    assert_eq!(store.stream_clients(&room("club")).await, Ok(Vec::new()));
    assert_eq!(store.client_cursor(&phone).await, Ok(0));
    assert_eq!(store.client_events(&phone, 0, 10).await, Ok(Vec::new()));

    assert_eq!(store.devices(&user("bob")).await.map(|devices| devices.len()), Ok(1));
    let stock = store.key_package_stock(&other, 0).await;
    assert_eq!(stock.map(|stock| stock.len()), Ok(1));
    assert_eq!(store.rooms_of(&other).await, Ok(vec![room("club")]));

    write(
        &store,
        [Change::PutDevice(device("alice", "phone", 1, 50)), join(&phone, &room("club"), 4)],
    )
    .await
    .expect("put again");
    write(&store, [Change::Append(event(&room("club"), 4))]).await.expect("appended");
    let seen = store.client_events(&phone, 0, 10).await.expect("read");
    assert_eq!(seen.len(), 1);
}

/// A device that is signed out goes from the hosted rooms that it sees or has seen; one that comes into a
/// room when it is signed out already, from that one.
pub async fn who_is_signed_out_is_owed_its_removals(subject: &impl Subject) {
    let store = subject.open();
    let (phone, desk) = (client("alice", "phone"), client("alice", "desk"));
    let followed =
        Change::CreateRoom { room: room("attic"), kind: RoomKind::Follower, snapshot: Vec::new() };
    let rooms = [hosted("club"), hosted("lane"), followed];
    write(&store, rooms).await.expect("created");
    write(&store, [Change::PutDevice(device("alice", "phone", 1, 50))]).await.expect("put");
    let joins = ["club", "lane", "attic"].map(|name| join(&phone, &room(name), 1));
    write(&store, joins).await.expect("joined");
    write(&store, [leave(&phone, &room("lane"), 1)]).await.expect("left");
    let if_gone =
        |client: &MimiUri| Change::OweRemovalIfGone { client: client.clone(), room: room("club") };
    write(&store, [if_gone(&phone)]).await.expect("signed in");
    assert_eq!(store.owed_removals(0, 10).await, Ok(Vec::new()));
    let signing_out = [Change::OweRemovals(phone.clone()), Change::RemoveDevice(phone.clone())];
    write(&store, signing_out).await.expect("signed out");
    write(&store, [Change::OweRemovals(phone.clone())]).await.expect("nothing to do");
    write(&store, [if_gone(&phone), if_gone(&desk)]).await.expect("owed");
    let owed = store.owed_removals(0, 10).await.expect("read");
    let owed = owed.into_iter().map(|it| (it.owed.gone, it.owed.room));
    let expected = [(&phone, "club"), (&phone, "lane"), (&phone, "club"), (&desk, "club")];
    let expected = expected.map(|(client, name)| (client.clone(), Some(room(name))));
    assert_eq!(owed.collect::<Vec<_>>(), expected);
}

/// Whoever is gone is owed its removal in the order in which they went, until it is done; a number is
/// not used again.
pub async fn removals_are_owed_until_they_are_done(subject: &impl Subject) {
    let store = subject.open();
    assert_eq!(store.owed_removals(0, 10).await, Ok(Vec::new()));
    let (first, second) = (removal("bob", None), removal("bob", Some(room("club"))));
    let both = [&first, &second].map(|owed| Change::OweRemoval(owed.clone()));
    write(&store, both).await.expect("owed");
    let owed = store.owed_removals(0, 10).await.expect("read");
    let removals: Vec<_> = owed.iter().map(|it| &it.owed).collect();
    assert_eq!(removals, [&first, &second]);
    assert_eq!(store.owed_removals(0, 1).await, Ok(owed[..1].to_vec()));
    assert_eq!(store.owed_removals(owed[0].id, 10).await, Ok(owed[1..].to_vec()));
    for done in &owed {
        write(&store, [Change::RemovalDone(done.id)]).await.expect("done");
    }
    write(&store, [Change::RemovalDone(owed[0].id)]).await.expect("nothing to do");
    write(&store, [Change::OweRemoval(first)]).await.expect("owed");
    let next = store.owed_removals(0, 10).await.expect("read");
    assert!(next[0].id > owed[1].id);
    assert_eq!(store.owed_removals(u64::MAX, 10).await, Ok(Vec::new()));
}
