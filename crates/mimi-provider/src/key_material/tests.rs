use super::*;
use crate::fixture::{
    NOW, client, domain, identity, key_material_request, key_package, room, room_uri, uri, user,
};
use crate::hub;
use crate::hub::key_material::Route;
use crate::hub::state::HubState;
use crate::record::ConsentDecision;
use crate::requester::Requester;

/// Valid for as long as any.
const GOOD: u64 = NOW + KEY_PACKAGE_ENDING_MS + 1;

/// A KeyPackage in stock, named by the client and a number.
fn stored(short: &str, number: u8, suite: u16, not_after_ms: u64) -> StoredKeyPackage {
    let reference = [short.as_bytes(), &[number]].concat();
    StoredKeyPackage {
        client: client(short),
        octets: key_package(&reference).octets().to_vec(),
        reference,
        ciphersuite: suite,
        capabilities: vec![number],
        not_after_ms,
    }
}

fn stock(short: &str, packages: Vec<StoredKeyPackage>) -> ClientStock {
    let mut stock: Vec<SuiteStock> = Vec::new();
    for package in packages.iter().filter(|it| it.not_after_ms > NOW + KEY_PACKAGE_VALID_MS_MIN) {
        let ciphersuite = package.ciphersuite;
        match stock.iter_mut().find(|it| it.ciphersuite == ciphersuite) {
            Some(suite) => suite.count += 1,
            None => stock.push(SuiteStock { ciphersuite, count: 1 }),
        }
    }
    ClientStock { client: client(short), stock, packages }
}

fn decided(room: Option<MimiUri>, granted: ConsentDecision) -> ConsentRecord {
    ConsentRecord {
        target: user("c/cathy"),
        requester: user("b/bob"),
        room,
        granted,
        decided_ms: NOW,
    }
}

/// Cathy's provider is asked by Bob.
struct Target {
    asker: Asker,
    room: Option<MimiUri>,
    requester: &'static str,
    suites: Vec<u16>,
    clients: Option<Vec<ClientStock>>,
    consents: Vec<ConsentRecord>,
    default: ContactDefault,
    disclosure: Disclosure,
    satisfies: fn(&StoredKeyPackage) -> bool,
}

impl Target {
    /// Through the hub at a.example, consented, one package for each of two devices.
    fn new() -> Self {
        let clients = vec![
            stock("c/cathy/phone", vec![stored("c/cathy/phone", 1, 1, GOOD)]),
            stock("c/cathy/laptop", vec![stored("c/cathy/laptop", 1, 1, GOOD)]),
        ];
        Self {
            asker: Asker::Peer(domain("a.example")),
            room: Some(room_uri()),
            requester: "b/bob/phone",
            suites: vec![1],
            clients: Some(clients),
            consents: vec![decided(None, ConsentDecision::Granted)],
            default: ContactDefault::Ask,
            disclosure: Disclosure::Masked,
            satisfies: |_| true,
        }
    }

    fn ask(&self) -> Result<Transition<KeyMaterialResponse>, Reject> {
        let identity = identity(self.requester);
        let (requester, _) = self.requester.rsplit_once('/').unwrap();
        let request = key_material_request(requester, "c/cathy", self.room.clone(), &self.suites);
        key_material(&KeyMaterialInput {
            own: &domain("c.example"),
            asker: &self.asker,
            request: &request,
            identity: &identity,
            consent: consent(&request, &self.consents, self.default),
            disclosure: self.disclosure,
            clients: self.clients.as_deref(),
            satisfies: &self.satisfies,
            last_seq: 7,
            now_ms: NOW,
        })
    }

    fn code(&self) -> KeyMaterialUserCode {
        self.ask().unwrap().reply.user_status
    }
}

fn released(transition: &Transition<KeyMaterialResponse>) -> Vec<Vec<u8>> {
    let released = transition.changes.iter().filter_map(|change| match change {
        Change::ReleaseKeyPackage(reference) => Some(reference.clone()),
        _ => None,
    });
    released.collect()
}

/// PROTO-KM-7, PROTO-KM-10: one package per client, released for good and only if nobody else got
/// it meanwhile.
#[test]
fn one_package_of_each_client() {
    let transition = Target::new().ask().unwrap();
    assert_eq!(transition.reply.user_status, KeyMaterialUserCode::Success);
    assert_eq!(transition.reply.user_uri, user("c/cathy"));
    let clients: Vec<_> = transition.reply.clients.iter().map(|it| &it.client_uri).collect();
    assert_eq!(clients, [&client("c/cathy/phone"), &client("c/cathy/laptop")]);
    let references = released(&transition);
    assert_eq!(references.len(), 2);
    for reference in references {
        let material = ClientMaterial::KeyPackage(key_package(&reference));
        assert!(transition.reply.clients.iter().any(|it| it.material == material));
        assert!(transition.expect.contains(&Expect::KeyPackageUnused(reference)));
    }
}

/// PROTO-KM-6, PROTO-CON-9, AMB-CON-5: the consent matrix.
#[test]
fn consent_decides() {
    use ConsentDecision::{Granted, Revoked};
    let other_room = || Some(uri("mimi://a.example/r/2"));
    let here = || Some(room_uri());
    let mut target = Target::new();
    target.disclosure = Disclosure::Plain;
    let mut with = |consents: Vec<ConsentRecord>| {
        target.consents = consents;
        let transition = target.ask().unwrap();
        let released = released(&transition);
        assert_eq!(released.is_empty(), transition.reply.clients.is_empty());
        transition.reply.user_status
    };
    assert_eq!(with(vec![]), KeyMaterialUserCode::NoConsent);
    assert_eq!(with(vec![decided(here(), Granted)]), KeyMaterialUserCode::Success);
    assert_eq!(with(vec![decided(None, Revoked)]), KeyMaterialUserCode::NoConsent);
    assert_eq!(
        with(vec![decided(other_room(), Granted)]),
        KeyMaterialUserCode::NoConsentForThisRoom
    );
    assert_eq!(
        with(vec![decided(None, Granted), decided(here(), Revoked)]),
        KeyMaterialUserCode::NoConsentForThisRoom
    );
    assert_eq!(
        with(vec![decided(None, Revoked), decided(here(), Granted)]),
        KeyMaterialUserCode::Success
    );
    let mut somebody_else = decided(None, Granted);
    somebody_else.requester = user("b/bella");
    assert_eq!(with(vec![somebody_else]), KeyMaterialUserCode::NoConsent);
}

/// PROTO-KM-3, AMB-KM-2: outside any room only consent for any room counts.
#[test]
fn outside_any_room() {
    let mut target = Target::new();
    target.room = None;
    target.asker = Asker::Peer(domain("b.example"));
    assert_eq!(target.code(), KeyMaterialUserCode::Success);
    target.consents = vec![decided(Some(room_uri()), ConsentDecision::Granted)];
    assert_eq!(target.code(), KeyMaterialUserCode::NoConsent);
    target.disclosure = Disclosure::Plain;
    assert_eq!(target.code(), KeyMaterialUserCode::NoConsentForThisRoom);
}

/// PROTO-KM-6: whether a user exists is nobody's business.
#[test]
fn unknown_users_look_like_no_consent() {
    let mut target = Target::new();
    target.clients = None;
    let with_consent = target.ask().unwrap();
    target.consents.clear();
    assert_eq!(target.ask().unwrap(), with_consent);
    target.clients = Target::new().clients;
    assert_eq!(target.ask().unwrap(), with_consent);
    let elsewhere = Some(uri("mimi://a.example/r/2"));
    for consents in [
        vec![decided(None, ConsentDecision::Revoked)],
        vec![decided(Some(room_uri()), ConsentDecision::Revoked)],
        vec![decided(elsewhere, ConsentDecision::Granted)],
    ] {
        target.consents = consents;
        let answer = target.ask().unwrap();
        assert_eq!(answer, with_consent);
        assert_eq!(answer.reply.encode(), with_consent.reply.encode());
    }
}

/// PROTO-KM-6: an operator may choose to say more.
#[test]
fn a_plain_answer() {
    let mut target = Target::new();
    target.disclosure = Disclosure::Plain;
    target.clients = None;
    for consents in [vec![], vec![decided(None, ConsentDecision::Granted)]] {
        target.consents = consents;
        assert_eq!(target.code(), KeyMaterialUserCode::UserUnknown);
    }
    target.clients = Target::new().clients;
    target.consents.clear();
    assert_eq!(target.code(), KeyMaterialUserCode::NoConsent);
}

/// The provider's default counts where nobody has decided, and only there.
#[test]
fn the_default() {
    let mut target = Target::new();
    target.consents.clear();
    for (default, code) in [
        (ContactDefault::Ask, KeyMaterialUserCode::NoConsent),
        (ContactDefault::Deny, KeyMaterialUserCode::NoConsent),
        (ContactDefault::Allow, KeyMaterialUserCode::Success),
    ] {
        target.default = default;
        assert_eq!(target.code(), code);
    }
    target.consents = vec![decided(None, ConsentDecision::Revoked)];
    assert_eq!(target.code(), KeyMaterialUserCode::NoConsent);
}

/// PROTO-KM-2, AMB-TR-6: the way a request came must be the right one.
#[test]
fn the_way_of_a_request() {
    let refused = |change: fn(&mut Target)| {
        let mut target = Target::new();
        change(&mut target);
        let reject = target.ask().unwrap_err();
        assert!(matches!(reject, Reject::PeerMisbehaved(_)), "{reject}");
    };
    refused(|it| it.asker = Asker::Peer(domain("b.example")));
    refused(|it| it.asker = Asker::Peer(domain("d.example")));
    refused(|it| it.room = None);
    let local = || {
        let identity = identity("c/carl/phone");
        Asker::Local(DeviceIdentity { user: identity.user, client: identity.client })
    };
    let ours = |it: &mut Target| {
        it.requester = "c/carl/phone";
        let requester = user("c/carl");
        it.consents[0].requester = requester;
    };
    let mut target = Target::new();
    ours(&mut target);
    target.asker = local();
    assert!(target.ask().is_err(), "in a room, through its hub");
    target.room = None;
    assert_eq!(target.code(), KeyMaterialUserCode::Success);
    target.requester = "c/carl/laptop";
    assert!(target.ask().is_err(), "another client than the one that is signed in");
}

/// A room hosted by the target's own provider: the hub's check lets the request through.
#[test]
fn through_our_own_room() {
    let own = domain("c.example");
    let mut view = room(&["b/bob/phone"]);
    view.metadata.room_uri = uri("mimi://c.example/r/1");
    let request = key_material_request("b/bob", "c/cathy", Some(view.room().clone()), &[1]);
    let from = Requester::Peer(domain("b.example"));
    let route = hub::key_material::key_material(&HubState::default(), &own, &from, &view, &request);
    let Ok(Route::Here(checked)) = route else { panic!("{route:?}") };
    let mut target = Target::new();
    target.asker = Asker::OurRoom(checked);
    target.room = Some(view.room().clone());
    assert_eq!(target.code(), KeyMaterialUserCode::Success);
    target.room = Some(room_uri());
    assert!(target.ask().is_err(), "the check was for another room");
}

/// PROTO-KM-4, PROTO-KM-5.
#[test]
fn requests_no_honest_peer_sends() {
    let mut target = Target::new();
    target.suites.clear();
    assert!(matches!(target.ask(), Err(Reject::Malformed(_))));
    let target = Target::new();
    let input = KeyMaterialInput {
        own: &domain("c.example"),
        asker: &target.asker,
        request: &key_material_request("b/bob", "c/cathy", target.room.clone(), &[1]),
        identity: &identity("b/bella/phone"),
        consent: Consent::Granted,
        disclosure: Disclosure::Masked,
        clients: target.clients.as_deref(),
        satisfies: &|_| true,
        last_seq: 0,
        now_ms: NOW,
    };
    assert!(matches!(key_material(&input), Err(Reject::PeerMisbehaved(_))));
    let elsewhere = KeyMaterialInput { own: &domain("d.example"), ..input };
    assert!(matches!(key_material(&elsewhere), Err(Reject::Unknown(_))));
}

/// PROTO-KM-9, PROTO-KM-11: expiry, then the first acceptable suite, then capabilities, then age.
#[test]
fn the_fitting_package() {
    let mut target = Target::new();
    let phone = |number, suite, not_after_ms| stored("c/cathy/phone", number, suite, not_after_ms);
    target.clients = Some(vec![stock(
        "c/cathy/phone",
        vec![phone(1, 2, NOW), phone(2, 1, GOOD), phone(3, 2, GOOD), phone(4, 2, GOOD)],
    )]);
    let mut choose = |suites: &[u16], satisfies: fn(&StoredKeyPackage) -> bool| {
        target.suites = suites.to_vec();
        target.satisfies = satisfies;
        let transition = target.ask().unwrap();
        let chosen = released(&transition).first().and_then(|it| it.last().copied());
        (transition.reply.user_status, chosen)
    };
    assert_eq!(choose(&[2, 1], |_| true), (KeyMaterialUserCode::Success, Some(3)));
    assert_eq!(choose(&[1, 2], |_| true), (KeyMaterialUserCode::Success, Some(2)));
    let not_three: fn(&StoredKeyPackage) -> bool = |it| it.capabilities != [3];
    assert_eq!(choose(&[2], not_three), (KeyMaterialUserCode::Success, Some(4)));
    assert_eq!(choose(&[9], |_| true), (KeyMaterialUserCode::NoCompatibleMaterial, None));
    assert_eq!(choose(&[1, 2], |_| false), (KeyMaterialUserCode::NoCompatibleMaterial, None));
}

/// PROTO-KM-11: what ends soon comes last, what ends at once not at all.
#[test]
fn what_ends_soon() {
    let mut target = Target::new();
    let valid = |number, valid_ms| stored("c/cathy/phone", number, 1, NOW + valid_ms);
    let mut given = |packages: Vec<StoredKeyPackage>| {
        target.clients = Some(vec![stock("c/cathy/phone", packages)]);
        let transition = target.ask().unwrap();
        let number = released(&transition).first().and_then(|it| it.last().copied());
        (number, transition.reply.clients[0].material.clone())
    };
    let (soon, good) = (KEY_PACKAGE_ENDING_MS, KEY_PACKAGE_ENDING_MS + 1);
    assert_eq!(given(vec![valid(1, soon), valid(2, good)]).0, Some(2));
    assert_eq!(given(vec![valid(1, soon)]).0, Some(1));
    assert_eq!(given(vec![valid(1, KEY_PACKAGE_VALID_MS_MIN + 1)]).0, Some(1));
    let none = given(vec![valid(1, KEY_PACKAGE_VALID_MS_MIN)]);
    assert_eq!(none, (None, ClientMaterial::Exhausted));
}

/// PROTO-KM-7, PROTO-KM-8, PROTO-KM-15, AMB-KM-10: what is said of clients without a package.
#[test]
fn some_and_none() {
    let mut target = Target::new();
    let phone = stock("c/cathy/phone", vec![stored("c/cathy/phone", 1, 1, GOOD)]);
    let expired = stock("c/cathy/laptop", vec![stored("c/cathy/laptop", 1, 1, NOW)]);
    let other_suite = stock("c/cathy/tablet", vec![stored("c/cathy/tablet", 1, 3, GOOD)]);
    target.clients = Some(vec![phone, expired.clone(), other_suite.clone()]);
    let reply = target.ask().unwrap().reply;
    assert_eq!(reply.user_status, KeyMaterialUserCode::PartialSuccess);
    assert_eq!(reply.clients[1].material, ClientMaterial::Exhausted);
    assert_eq!(reply.clients[2].material, ClientMaterial::NothingCompatible(None));
    target.clients = Some(vec![expired, other_suite]);
    let reply = target.ask().unwrap().reply;
    assert_eq!(reply.user_status, KeyMaterialUserCode::NoCompatibleMaterial);
    assert_eq!(reply.clients.len(), 2);
    target.clients = Some(Vec::new());
    let reply = target.ask().unwrap().reply;
    assert_eq!(reply.user_status, KeyMaterialUserCode::NoCompatibleMaterial);
    assert!(reply.clients.is_empty());
}

/// A user's own devices need no consent, and the one that asks does not get its own package.
#[test]
fn own_devices() {
    let mut target = Target::new();
    target.requester = "c/cathy/phone";
    target.consents.clear();
    let transition = target.ask().unwrap();
    assert_eq!(transition.reply.user_status, KeyMaterialUserCode::Success);
    let [only] = &transition.reply.clients[..] else { panic!("one client") };
    assert_eq!(only.client_uri, client("c/cathy/laptop"));
}

/// The client whose stock runs low is told, and only it.
#[test]
fn a_low_stock_is_told() {
    let mut target = Target::new();
    let mut told = |left: u64| {
        let clients = target.clients.as_mut().unwrap();
        // Of another suite there are plenty, which is no help.
        clients[0].stock = vec![
            SuiteStock { ciphersuite: 2, count: 100 },
            SuiteStock { ciphersuite: 1, count: left + 1 },
        ];
        clients[1].stock[0].count = KEY_PACKAGE_STOCK_LOW + 1;
        let transition = target.ask().unwrap();
        let events: Vec<_> = transition
            .changes
            .iter()
            .filter_map(|change| match change {
                Change::Append(event) => Some(event.clone()),
                _ => None,
            })
            .collect();
        let guard = Expect::StreamSeq { stream: user("c/cathy"), seq: 7 };
        assert_eq!(transition.expect.contains(&guard), !events.is_empty());
        events
    };
    assert!(told(KEY_PACKAGE_STOCK_LOW).is_empty());
    assert!(told(KEY_PACKAGE_STOCK_LOW - 2).is_empty());
    for left in [KEY_PACKAGE_STOCK_LOW - 1, KEY_PACKAGE_STOCK_LOW / 2, 0] {
        let [event] = &told(left)[..] else { panic!("{left} left") };
        assert_eq!(event.kind, EventKind::KeyPackagesLow);
        assert_eq!((&event.stream, event.seq), (&user("c/cathy"), 8));
        assert_eq!(event.targets, Some(vec![client("c/cathy/phone")]));
    }
}

/// PROTO-KM-5: a device's own name with another's key is not the device.
#[test]
fn devices_are_known_by_name_and_key() {
    let device = DeviceRecord {
        client: uri("mimi://b.example/d/bob/phone"),
        user: uri("mimi://b.example/u/bob"),
        name: "phone".to_owned(),
        token_sha256: [1; 32],
        signature_key: vec![7; 32],
        created_ms: 0,
        last_seen_ms: 0,
    };
    let devices = std::slice::from_ref(&device);
    assert!(is_signed_in(devices, &device.client, &[7; 32]).is_ok());
    for (devices, client, key) in [
        (devices, &device.client, [8; 32]),
        (devices, &device.user, [7; 32]),
        (&[][..], &device.client, [7; 32]),
    ] {
        let refused = is_signed_in(devices, client, &key);
        assert!(matches!(refused, Err(Reject::PeerMisbehaved(_))), "{refused:?}");
    }
}
