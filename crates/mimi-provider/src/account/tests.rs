use super::*;
use crate::fixture::{NOW, client, domain, user};

fn alice() -> Account {
    Account { user: user("a/alice"), password_hash: None, claims: Vec::new(), created_ms: NOW }
}

fn device(name: &str, key: u8) -> DeviceRecord {
    DeviceRecord {
        client: client(&format!("a/alice/{name}")),
        user: user("a/alice"),
        name: name.into(),
        token_sha256: [key; 32],
        signature_key: vec![key; SIGNATURE_KEY_OCTETS],
        created_ms: NOW,
        last_seen_ms: NOW - NOW % DAY_MS,
    }
}

fn sign_up(
    devices: &[DeviceRecord],
    name: &str,
    signature_key: &[u8],
) -> Result<Transition<DeviceIdentity>, Reject> {
    let (account, token_sha256) = (&alice(), [9; 32]);
    new_device(&NewDeviceInput {
        account,
        devices,
        name,
        token_sha256,
        signature_key,
        limits: &Limits::DEFAULT,
        now_ms: NOW,
    })
}

#[test]
fn an_account() {
    let transition =
        new_account(&domain("a.example"), "alice", Some("phc".into()), Vec::new(), NOW).unwrap();
    assert_eq!(transition.reply, user("a/alice"));
    assert_eq!(transition.expect, [Expect::NoAccount(user("a/alice"))]);
    let account = Account { password_hash: Some("phc".into()), ..alice() };
    assert_eq!(transition.changes, [Change::CreateAccount(account)]);
}

/// Names at their limits.
#[test]
fn names() {
    let named = |name: &str| {
        new_account(&domain("a.example"), name, None, Vec::new(), NOW).map(|it| it.reply)
    };
    let longest = "a".repeat(NAME_OCTETS_MAX);
    for name in ["a", "7", "al.ice_2-x", &longest] {
        assert_eq!(named(name), Ok(user(&format!("a/{name}"))));
    }
    let too_long = "a".repeat(NAME_OCTETS_MAX + 1);
    for name in
        ["", "Alice", ".alice", "-a", "al ice", "alice/phone", "al%2fice", "älice", &too_long]
    {
        assert!(matches!(named(name), Err(Reject::Malformed(_))), "{name}");
        assert!(matches!(sign_up(&[], name, &[1; 32]), Err(Reject::Malformed(_))), "{name}");
    }
}

#[test]
fn a_device() {
    let transition = sign_up(&[device("laptop", 2)], "phone", &[1; 32]).unwrap();
    let phone = client("a/alice/phone");
    let identity = DeviceIdentity { user: user("a/alice"), client: phone.clone() };
    assert_eq!(transition.reply, identity);
    assert_eq!(transition.expect, [Expect::NoDevice(phone)]);
    let stored = DeviceRecord { token_sha256: [9; 32], ..device("phone", 1) };
    assert_eq!(transition.changes, [Change::PutDevice(stored)]);
}

/// A lost answer is given again, with another token; but not for ever.
#[test]
fn a_device_that_asks_again() {
    let phone = device("phone", 1);
    let again = sign_up(std::slice::from_ref(&phone), "phone", &[1; 32]).unwrap();
    let change = DeviceChange::Token([9; 32]);
    let renewed = vec![Change::ChangeDevice { client: phone.client.clone(), change }];
    assert_eq!((again.changes, again.expect), (renewed, Vec::new()));
    let created_ms = NOW - REGISTRATION_REPEAT_MS;
    let older = DeviceRecord { created_ms, ..phone.clone() };
    sign_up(&[older], "phone", &[1; 32]).unwrap();
    let older = DeviceRecord { created_ms: created_ms - 1, ..phone };
    assert!(matches!(sign_up(&[older], "phone", &[1; 32]), Err(Reject::Conflict(_))));
}

#[test]
fn devices_that_are_refused() {
    let devices = [device("phone", 1)];
    assert!(matches!(sign_up(&devices, "phone", &[2; 32]), Err(Reject::Conflict(_))));
    assert!(matches!(sign_up(&devices, "laptop", &[1; 32]), Err(Reject::Conflict(_))));
    assert!(matches!(sign_up(&devices, "laptop", &[2; 31]), Err(Reject::Malformed(_))));
    let numbered = |number: usize| device(&format!("d{number}"), u8::try_from(number).unwrap());
    let mut devices: Vec<_> = (1..Limits::DEFAULT.devices_per_user_max).map(numbered).collect();
    sign_up(&devices, "phone", &[200; 32]).unwrap();
    devices.push(numbered(Limits::DEFAULT.devices_per_user_max));
    assert!(matches!(sign_up(&devices, "phone", &[200; 32]), Err(Reject::NotAllowed(_))));
}

fn offered(number: u8) -> OfferedKeyPackage {
    OfferedKeyPackage {
        reference: vec![number],
        identity: DeviceIdentity { user: user("a/alice"), client: client("a/alice/phone") },
        octets: vec![number; 3],
        ciphersuite: 1,
        capabilities: vec![7],
        not_after_ms: NOW + 1,
        usage: KeyPackageUsage::Once,
    }
}

fn upload(offered: Vec<OfferedKeyPackage>, stock: u64) -> Result<Transition<u64>, Reject> {
    upload_key_packages(&device("phone", 1), offered, stock, &Limits::DEFAULT, NOW)
}

/// PROTO-ST-9.
#[test]
fn key_packages_are_stored() {
    let transition = upload(vec![offered(1), offered(2)], 5).unwrap();
    assert_eq!(transition.reply, 7);
    let [Change::AddKeyPackages(packages)] = &transition.changes[..] else { panic!("packages") };
    assert_eq!(packages.len(), 2);
    assert_eq!(
        (&packages[1].client, &packages[1].reference[..]),
        (&client("a/alice/phone"), &[2][..])
    );
    assert_eq!(upload(Vec::new(), 5).unwrap(), Transition::unchanged(5));
}

/// PROTO-KM-11, AMB-KM-7: all or none, and none of these.
#[test]
fn key_packages_that_are_refused() {
    let mut of_another = offered(2);
    of_another.identity.client = client("a/alice/laptop");
    let last_resort = OfferedKeyPackage { usage: KeyPackageUsage::LastResort, ..offered(2) };
    let expired = OfferedKeyPackage { not_after_ms: NOW, ..offered(2) };
    for bad in [of_another, last_resort, expired, offered(1)] {
        assert!(upload(vec![offered(1), bad], 0).is_err());
    }
    upload(vec![offered(1)], Limits::DEFAULT.key_packages_per_device_max - 1).unwrap();
    let full = upload(vec![offered(1)], Limits::DEFAULT.key_packages_per_device_max);
    assert!(matches!(full, Err(Reject::NotAllowed(_))));
}

/// n and n + 1 claims, and none twice.
#[test]
fn claims_of_an_account() {
    let claim = |number: usize| format!("1.2.{number}=x").parse().unwrap();
    let claims = |count: usize| (0..count).map(claim).collect::<Vec<NamedClaim>>();
    let transition = set_claims(&alice(), claims(CLAIMS_MAX)).unwrap();
    let (user, all) = (alice().user, claims(CLAIMS_MAX));
    assert_eq!(transition.changes, [Change::SetClaims { user, claims: all }]);
    assert!(set_claims(&alice(), claims(CLAIMS_MAX + 1)).is_err());
    let twice = vec!["O=Tea".parse().unwrap(), "2.5.4.10=Coffee".parse().unwrap()];
    let reject = set_claims(&alice(), twice.clone()).unwrap_err();
    assert_eq!(reject.to_string(), "malformed: O is given twice");
    assert!(new_account(&domain("a.example"), "bob", None, twice, NOW).is_err());
}

/// One device or all others; never somebody else's.
#[test]
fn signing_out() {
    let devices = [device("phone", 1), device("laptop", 2), device("desk", 3)];
    let gone = |which: &SignOut| sign_out(&devices[0], &devices, which);
    let one = SignOut::One(devices[1].client.clone());
    let laptop = gone(&one).unwrap();
    assert_eq!(laptop.reply, [devices[1].client.clone()]);
    let client_gone = devices[1].client.clone();
    let expected = [Change::OweRemovals(client_gone.clone()), Change::RemoveDevice(client_gone)];
    assert_eq!(laptop.changes, expected);
    let woken = [Effect::WakeStream(devices[0].user.clone()), Effect::WakeRemovals];
    assert_eq!(laptop.effects, woken);
    let itself = SignOut::One(devices[0].client.clone());
    assert_eq!(gone(&itself).unwrap().reply, [devices[0].client.clone()]);
    let others = gone(&SignOut::Others).unwrap();
    assert_eq!(others.reply, [devices[1].client.clone(), devices[2].client.clone()]);
    let stranger = SignOut::One(client("a/bob/phone"));
    assert!(matches!(gone(&stranger), Err(Reject::Unknown(_))));
    assert_eq!(sign_out(&devices[0], &devices[..1], &SignOut::Others).unwrap().reply, []);
}

/// In one write with what goes, the removal from rooms is owed: of an account and of a device that the
/// operator removes from all of them, of one that is signed out from those hosted here that it is in.
#[test]
fn what_is_owed_of_whoever_goes() {
    let devices = [device("phone", 1), device("laptop", 2)];
    let (user, phone) = (devices[0].user.clone(), devices[0].client.clone());
    let owed = |gone: &MimiUri, room: Option<&MimiUri>| {
        Change::OweRemoval(OwedRemoval { gone: gone.clone(), room: room.cloned() })
    };
    let deleted = remove_account(&user, &devices);
    let expected = [
        Change::RemoveDevice(phone.clone()),
        Change::RemoveDevice(devices[1].client.clone()),
        Change::RemoveAccount(user.clone()),
        owed(&user, None),
    ];
    assert_eq!(deleted.changes, expected);
    let lost = remove_device(&user, &phone);
    assert_eq!(lost.changes, [Change::RemoveDevice(phone.clone()), owed(&phone, None)]);
    for effects in [deleted.effects, lost.effects] {
        assert_eq!(effects, [Effect::WakeStream(user.clone()), Effect::WakeRemovals]);
    }
}

#[test]
fn what_a_person_calls_a_device() {
    let devices = [device("phone", 1)];
    let called = |name: &str| rename_device(&devices, &devices[0].client, name);
    for name in ["Zoë's phone", "x", &"a".repeat(LABEL_OCTETS_MAX)] {
        let change = DeviceChange::Name(name.to_owned());
        let changes = vec![Change::ChangeDevice { client: devices[0].client.clone(), change }];
        assert_eq!(called(name).unwrap().changes, changes);
    }
    for name in ["", " x", "x ", "a\nb", "\u{0}", &"a".repeat(LABEL_OCTETS_MAX + 1)] {
        assert!(matches!(called(name), Err(Reject::Malformed(_))), "{name:?}");
    }
    let unknown = rename_device(&devices, &client("a/alice/laptop"), "x");
    assert!(matches!(unknown, Err(Reject::Unknown(_))));
}

/// No more than the day is ever known.
#[test]
fn when_a_device_was_here() {
    let phone = device("phone", 1);
    let day = phone.last_seen_ms;
    assert_eq!(seen(&phone, day), None);
    assert_eq!(seen(&phone, day + DAY_MS - 1), None);
    let change = DeviceChange::Seen(day + DAY_MS);
    let tomorrow = seen(&phone, day + DAY_MS).unwrap();
    assert_eq!(tomorrow.changes, [Change::ChangeDevice { client: phone.client, change }]);
}
