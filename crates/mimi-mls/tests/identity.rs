//! Who a client is: certificates that prove it, and certificates that do not (AMB-ID-1).
#![expect(clippy::unwrap_used, reason = "tests")]

use mimi_mls::device::Device;
use mimi_mls::error::StageError;
use mimi_mls::identity::{IdentityError, Issuers, claimed, claimed_domain, identify};
use mimi_mls::key_package::{inspect, satisfies};
use mimi_mls::member::CommitPlan;
use mimi_policy::ClientIdentity;
use mimi_wire::mls::{Credential, RequiredCapabilities};
use mimi_wire::room::claim_name::NamedClaim;
use mimi_wire::room::participant_list::{ParticipantListUpdate, UserRolePair};
use mimi_wire::room::preauth::Claim;
use mimi_wire::{Domain, MimiUri, Wire};
use rcgen::{BasicConstraints, CustomExtension, DnType, IsCa, KeyUsagePurpose};
use tombolo_testkit::{Federation, TestIssuer, TestMember, TestRoom, now_ms, rng};

const CLIENT: &str = "mimi://a.example/d/alice/phone";
const USER: &str = "mimi://a.example/u/alice";
/// 2001-01-01 and 2002-01-01, both long gone, and 2100.
const PAST: (i32, i32) = (2001, 2002);

fn trusting(issuers: &[&TestIssuer]) -> Issuers {
    let mut trusted = Issuers::default();
    for issuer in issuers {
        trusted.trust(issuer.domain().clone(), &[issuer.pem().to_owned()]).unwrap();
    }
    trusted
}

/// A chain as a credential, without the checks a device makes.
fn credential(chain: &[Vec<u8>]) -> Credential {
    let mut inner = mimi_wire::codec::Writer::default();
    for certificate in chain {
        inner.opaque(certificate);
    }
    typed(2, &inner.into_octets())
}

fn typed(credential_type: u16, content: &[u8]) -> Credential {
    let mut writer = mimi_wire::codec::Writer::default();
    writer.u16(credential_type);
    writer.opaque(content);
    Credential::decode(&writer.into_octets()).unwrap()
}

fn key(seed: u64) -> Vec<u8> {
    Device::generate(&mut rng(seed)).signature_key().to_vec()
}

fn reason(result: Result<ClientIdentity, IdentityError>) -> String {
    match result.unwrap_err() {
        IdentityError::NotProven(reason) => reason,
        error @ IdentityError::IssuerNotAmong(_) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

/// IDENT-1.
#[test]
fn a_certificate_of_the_domain_s_issuer_proves_client_and_user() {
    let issuer = TestIssuer::new("a.example");
    let chain = vec![issuer.issue_with(&key(1), &["https://a.example/", CLIENT, USER], |_| {})];
    let identity = identify(&credential(&chain), &key(1), &trusting(&[&issuer]), now_ms()).unwrap();
    assert_eq!(identity.client.as_str(), CLIENT);
    assert_eq!(identity.user.as_str(), USER);
    assert_eq!(claimed_domain(&credential(&chain)).unwrap().as_str(), "a.example");
    // A pseudonym is a user too (AMB-MMR-2).
    let names = [CLIENT, "mimi://a.example/p/3f2a"];
    let chain = vec![issuer.issue_with(&key(1), &names, |_| {})];
    identify(&credential(&chain), &key(1), &trusting(&[&issuer]), now_ms()).unwrap();
}

/// IDENT-1, ARCH-2: neither less nor more, and a server is no member.
#[test]
fn names_must_be_one_client_and_one_user_of_one_domain() {
    let issuer = TestIssuer::new("a.example");
    let issuers = trusting(&[&issuer, &TestIssuer::new("b.example")]);
    let names: [&[&str]; 11] = [
        &[],
        &["mimi://a.example"],
        &["mimi://a.example", USER],
        &["mimi://a.example/r/club", USER],
        &[CLIENT],
        &[USER],
        &[CLIENT, USER, "mimi://a.example/u/bob"],
        &[CLIENT, USER, "mimi://a.example/p/3f2a"],
        &[CLIENT, USER, "mimi://a.example/d/alice/tablet"],
        &[CLIENT, "mimi://b.example/u/alice"],
        &[CLIENT, "MIMI://A.example/u/alice"],
    ];
    for names in names {
        let chain = vec![issuer.issue_with(&key(1), names, |_| {})];
        reason(identify(&credential(&chain), &key(1), &issuers, now_ms()));
    }
}

/// IDENT-2, the heart of AMB-ID-1: an issuer counts for URIs of its own domain only.
#[test]
fn another_domain_s_issuer_proves_nothing() {
    let (ours, theirs) = (TestIssuer::new("a.example"), TestIssuer::new("b.example"));
    let chain = vec![theirs.issue_with(&key(1), &[CLIENT, USER], |_| {})];
    let both = trusting(&[&ours, &theirs]);
    assert!(reason(identify(&credential(&chain), &key(1), &both, now_ms())).contains("vouches"));
    let theirs_only = trusting(&[&theirs]);
    let unknown = identify(&credential(&chain), &key(1), &theirs_only, now_ms());
    let domain = Domain::new("a.example").unwrap();
    assert_eq!(unknown, Err(IdentityError::IssuerUnknown(domain)));
    let impostor = TestIssuer::new("a.example");
    let chain = vec![impostor.issue_with(&key(1), &[CLIENT, USER], |_| {})];
    assert!(reason(identify(&credential(&chain), &key(1), &both, now_ms())).contains("vouches"));
}

#[test]
fn the_certificate_is_of_the_leaf_s_own_key() {
    let issuer = TestIssuer::new("a.example");
    let chain = issuer.issue(&key(1), &uri(CLIENT), &uri(USER));
    let other = identify(&credential(&chain), &key(2), &trusting(&[&issuer]), now_ms());
    assert!(reason(other).contains("another signature key"));
}

#[test]
fn validity_counts_for_leaf_and_issuer() {
    let issuer = TestIssuer::new("a.example");
    let issuers = trusting(&[&issuer]);
    let names = [CLIENT, USER];
    let expired = issuer.issue_with(&key(1), &names, |params| {
        params.not_before = rcgen::date_time_ymd(PAST.0, 1, 1);
        params.not_after = rcgen::date_time_ymd(PAST.1, 1, 1);
    });
    let early = issuer.issue_with(&key(1), &names, |params| {
        params.not_before = rcgen::date_time_ymd(2100, 1, 1);
    });
    for certificate in [expired, early] {
        reason(identify(&credential(&[certificate]), &key(1), &issuers, now_ms()));
    }
    let old = TestIssuer::with("a.example", |params| {
        params.not_after = rcgen::date_time_ymd(PAST.1, 1, 1);
    });
    let chain = old.issue(&key(1), &uri(CLIENT), &uri(USER));
    reason(identify(&credential(&chain), &key(1), &trusting(&[&old]), now_ms()));
}

#[test]
fn one_intermediate_is_enough() {
    let issuer = TestIssuer::new("a.example");
    let issuers = trusting(&[&issuer]);
    let prove = |chain: &[Vec<u8>]| identify(&credential(chain), &key(1), &issuers, now_ms());
    let between = issuer.intermediate(|_| {});
    let leaf = between.issue_with(&key(1), &[CLIENT, USER], |_| {});
    prove(&[leaf.clone(), between.der().to_vec()]).unwrap();
    prove(&[leaf.clone(), between.der().to_vec(), issuer.der().to_vec()]).unwrap();
    reason(prove(std::slice::from_ref(&leaf)));
    reason(prove(&[leaf.clone(), issuer.der().to_vec()]));
    let deeper = between.intermediate(|_| {});
    let deep = deeper.issue_with(&key(1), &[CLIENT, USER], |_| {});
    let chain = [deep, deeper.der().to_vec(), between.der().to_vec()];
    reason(prove(&chain));
    reason(prove(&[leaf.clone(), leaf.clone(), leaf.clone(), leaf]));
    reason(prove(&[]));
}

#[test]
fn only_authorities_vouch() {
    let issuer = TestIssuer::new("a.example");
    let issuers = trusting(&[&issuer]);
    let prove = |chain: &[Vec<u8>]| identify(&credential(chain), &key(1), &issuers, now_ms());
    let no_ca = issuer.intermediate(|params| params.is_ca = IsCa::ExplicitNoCa);
    let no_sign =
        issuer.intermediate(|params| params.key_usages = vec![KeyUsagePurpose::DigitalSignature]);
    for between in [no_ca, no_sign] {
        let leaf = between.issue_with(&key(1), &[CLIENT, USER], |_| {});
        reason(prove(&[leaf, between.der().to_vec()]));
    }
    // An authority that allows none below it.
    let strict = TestIssuer::with("a.example", |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    });
    let between = strict.intermediate(|_| {});
    let leaf = between.issue_with(&key(1), &[CLIENT, USER], |_| {});
    let chain = credential(&[leaf, between.der().to_vec()]);
    reason(identify(&chain, &key(1), &trusting(&[&strict]), now_ms()));
    let direct = strict.issue(&key(1), &uri(CLIENT), &uri(USER));
    identify(&credential(&direct), &key(1), &trusting(&[&strict]), now_ms()).unwrap();
    // A client's certificate is no authority's.
    let ca = issuer.issue_with(&key(1), &[CLIENT, USER], |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    });
    assert!(reason(prove(&[ca])).contains("must not be a CA"));
    let mute = issuer.issue_with(&key(1), &[CLIENT, USER], |params| {
        params.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
    });
    assert!(reason(prove(&[mute])).contains("not for signatures"));
}

#[test]
fn critical_extensions_must_be_understood() {
    let issuer = TestIssuer::new("a.example");
    let odd = issuer.issue_with(&key(1), &[CLIENT, USER], |params| {
        let mut extension = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
        extension.set_criticality(true);
        params.custom_extensions.push(extension);
    });
    let proven = identify(&credential(&[odd]), &key(1), &trusting(&[&issuer]), now_ms());
    assert!(reason(proven).contains("1.2.3.4"));
}

#[test]
fn issuers_are_authorities() {
    let mut issuers = Issuers::default();
    let domain = Domain::new("a.example").unwrap();
    let device = TestIssuer::with("a.example", |params| params.is_ca = IsCa::ExplicitNoCa);
    let mut trust = |pem: &str| issuers.trust(domain.clone(), &[pem.to_owned()]);
    trust(device.pem()).unwrap_err();
    trust("").unwrap_err();
    trust("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap_err();
    let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
    trust(&key).unwrap_err();
    assert!(!issuers.knows(&domain));
    issuers.trust(domain.clone(), &[TestIssuer::new("a.example").pem().to_owned()]).unwrap();
    assert!(issuers.knows(&domain));
}

/// A rotation does not come between those who look before it and those who look after it; what has
/// expired goes, and so does what is one too many.
#[test]
fn earlier_issuers_stay_for_a_while() {
    let domain = Domain::new("a.example").unwrap();
    let (old, new) = (TestIssuer::new("a.example"), TestIssuer::new("a.example"));
    let by = |issuer: &TestIssuer| issuer.issue(&key(1), &uri(CLIENT), &uri(USER));
    let mut issuers = trusting(&[&old]);
    let unknown = identify(&credential(&by(&new)), &key(1), &issuers, now_ms()).unwrap_err();
    assert_eq!(unknown, IdentityError::IssuerNotAmong(domain.clone()));
    assert_eq!(unknown.issuers_wanted(), Some(&domain), "there may be a new one");
    let published = [new.pem().to_owned()];
    let kept = issuers.trust_also(domain.clone(), &published, now_ms()).unwrap();
    assert_eq!(kept, [new.pem().trim(), old.pem().trim()]);
    let again = issuers.trust_also(domain.clone(), &published, now_ms()).unwrap();
    assert_eq!(again, kept, "each is kept once");
    let mut restarted = Issuers::default();
    restarted.trust(domain.clone(), &kept).unwrap();
    for issuers in [&issuers, &restarted] {
        for issuer in [&old, &new] {
            identify(&credential(&by(issuer)), &key(1), issuers, now_ms()).unwrap();
        }
    }
    let short = TestIssuer::with("a.example", |params| {
        params.not_after = rcgen::date_time_ymd(2090, 1, 1);
    });
    issuers.trust(domain.clone(), &[short.pem().to_owned()]).unwrap();
    let in_2095 = 3_944_678_400_000;
    let kept = issuers.trust_also(domain.clone(), &published, in_2095).unwrap();
    assert_eq!(kept, [new.pem().trim()], "the earlier one has expired");
    for _ in 0..10 {
        let next = [TestIssuer::new("a.example").pem().to_owned()];
        assert!(issuers.trust_also(domain.clone(), &next, now_ms()).unwrap().len() <= 8);
    }
    reason(identify(&credential(&by(&new)), &key(1), &issuers, now_ms()));
}

#[test]
fn garbage_is_no_credential() {
    let issuer = TestIssuer::new("a.example");
    let issuers = trusting(&[&issuer]);
    let certificate = issuer.issue_with(&key(1), &[CLIENT, USER], |_| {});
    for cut in (0..certificate.len()).step_by(11) {
        reason(identify(&credential(&[certificate[..cut].to_vec()]), &key(1), &issuers, now_ms()));
        let mut flipped = certificate.clone();
        flipped[cut] ^= 4;
        identify(&credential(&[flipped]), &key(1), &issuers, now_ms()).unwrap_err();
    }
    let trailing = [certificate, vec![0]].concat();
    reason(identify(&credential(&[trailing]), &key(1), &issuers, now_ms()));
    reason(identify(&typed(2, &[0x80]), &key(1), &issuers, now_ms()));
}

/// IDENT-3: of what else may say who somebody is nothing is taken: multi-credentials, what is for
/// private use, GREASE.
#[test]
fn other_credential_types_are_not_accepted() {
    let issuer = TestIssuer::new("a.example");
    let content = mimi_wire::codec::Writer::default().into_octets();
    for kind in [0, 3, 4, 0x0a0a, 0xf000, 0xffff] {
        for content in [content.as_slice(), CLIENT.as_bytes(), issuer.der()] {
            let other = identify(&typed(kind, content), &key(1), &trusting(&[&issuer]), now_ms());
            assert_eq!(other, Err(IdentityError::CredentialType(kind)));
        }
    }
}

/// IDENT-4: `local.invalid` is the host of whoever has no domain. It can be written, and nobody is
/// proven by it, whatever an operator trusts.
#[test]
fn nobody_is_proven_without_a_domain() {
    const CLIENT: &str = "mimi://local.invalid/d/alice/phone";
    let issuer = TestIssuer::new("local.invalid");
    let mut issuers = trusting(&[&issuer]);
    issuers.allow_basic(Domain::new("local.invalid").unwrap());
    let chain = [issuer.issue_with(&key(1), &[CLIENT, "mimi://local.invalid/u/alice"], |_| {})];
    for credential in [credential(&chain), typed(1, CLIENT.as_bytes())] {
        assert_eq!(claimed(&credential).unwrap().client.as_str(), CLIENT);
        let proven = identify(&credential, &key(1), &issuers, now_ms());
        assert!(reason(proven).contains("local.invalid"));
    }
}

/// AMB-ID-4: a `basic` credential names a client, where an operator accepts that.
#[test]
fn basic_credentials_count_where_they_are_allowed() {
    let mut issuers = Issuers::default();
    let prove = |identity: &str, issuers: &Issuers| {
        identify(&typed(1, identity.as_bytes()), &key(1), issuers, now_ms())
    };
    assert_eq!(prove(CLIENT, &issuers), Err(IdentityError::CredentialType(1)));
    issuers.allow_basic(Domain::new("a.example").unwrap());
    let identity = prove(CLIENT, &issuers).unwrap();
    assert_eq!(identity.user.as_str(), USER);
    assert_eq!(identity.claims[0].claim_value, CLIENT.as_bytes());
    assert_eq!((identity.claims[0].credential_type, identity.claims[0].id.len()), (1, 0));
    let elsewhere = prove("mimi://b.example/d/bob/phone", &issuers);
    assert_eq!(elsewhere, Err(IdentityError::CredentialType(1)));
    for odd in [USER, "mimi://a.example/d/alice", "mimi://a.example/d/a/b/c", "alice", "\u{0}"] {
        reason(prove(odd, &issuers));
    }
    reason(identify(&typed(1, &[0xff]), &key(1), &issuers, now_ms()));
}

/// A device takes on a certificate of its own name only.
#[test]
fn a_device_checks_what_it_is_given() {
    let issuer = TestIssuer::new("a.example");
    let mut device = Device::generate(&mut rng(1));
    assert!(device.identity().is_none() && device.credential().is_none());
    assert!(device.key_packages(1, 1_000, now_ms(), &mut rng(2)).is_err());
    let identity = ClientIdentity { user: uri(USER), client: uri(CLIENT), claims: Vec::new() };
    let other = issuer.issue(device.signature_key(), &uri("mimi://a.example/d/x/y"), &uri(USER));
    device.certify(&other, identity.clone()).unwrap_err();
    let chain = issuer.issue(device.signature_key(), &uri(CLIENT), &uri(USER));
    device.certify(&chain, identity.clone()).unwrap();
    // Claims are the certificate's.
    let certified = device.identity().unwrap();
    assert_eq!((&certified.user, &certified.client), (&identity.user, &identity.client));
    assert_eq!(claimed(&device.credential().unwrap()).unwrap(), *certified);
}

/// PROTO-KM-9, PROTO-KM-11: what a provider knows of a KeyPackage.
#[test]
fn a_key_package_is_inspected() {
    let mut federation = Federation::new(&["a.example"]);
    let issuers = federation.issuers();
    let mut device = federation.device("a.example", "alice", "phone");
    let package = federation.key_package(&mut device);
    let facts = inspect(&package, &issuers, now_ms()).unwrap();
    assert_eq!(facts.identity.client.as_str(), CLIENT);
    assert_eq!(facts.ciphersuite, mimi_mls::CIPHERSUITE);
    assert!(!facts.last_resort);
    assert_eq!(facts.reference.len(), 32);
    assert!(facts.not_before_s < now_ms() / 1_000 && now_ms() / 1_000 < facts.not_after_s);
    inspect(&package, &issuers, (facts.not_after_s + 1) * 1_000).unwrap_err();
    inspect(&package, &issuers, (facts.not_before_s - 1) * 1_000).unwrap_err();
    inspect(&package, &Issuers::default(), now_ms()).unwrap_err();
    let mut tampered = package.octets().to_vec();
    let last = tampered.len() - 1;
    tampered[last] ^= 1;
    let tampered = mimi_wire::mls::KeyPackage::decode(&tampered).unwrap();
    inspect(&tampered, &issuers, now_ms()).unwrap_err();
    let required = |octets: &[u8]| RequiredCapabilities::decode(octets).unwrap();
    let room = TestRoom::of_alice();
    let of_room = room.members["alice/phone"].group.required_capabilities();
    assert!(satisfies(&facts.capabilities, &of_room));
    // The basic extension 3 and proposal 1 are never listed and always known.
    assert!(satisfies(&facts.capabilities, &required(&[2, 0, 3, 2, 0, 1, 2, 0, 2])));
    assert!(!satisfies(&facts.capabilities, &required(&[2, 0, 9, 0, 0])));
    assert!(!satisfies(&facts.capabilities, &required(&[0, 2, 0, 9, 0])));
    assert!(!satisfies(&facts.capabilities, &required(&[0, 0, 2, 0, 3])));
}

/// RFC 9420 section 10.1: for how long a KeyPackage is valid has a limit.
#[test]
fn key_packages_have_a_longest_lifetime() {
    const LIFETIME_S_MAX: u64 = 93 * 24 * 60 * 60;
    let mut federation = Federation::new(&["a.example"]);
    let issuers = federation.issuers();
    let mut device = federation.device("a.example", "alice", "phone");
    let mut of = |lifetime_s| {
        let packages = device.key_packages(1, lifetime_s, now_ms(), &mut federation.rng);
        inspect(&packages.unwrap()[0], &issuers, now_ms())
    };
    of(LIFETIME_S_MAX).unwrap();
    let refused = of(LIFETIME_S_MAX + 1).unwrap_err();
    assert!(refused.to_string().contains("too long"), "{refused}");
}

/// Everybody proves everybody: the hub and the members an Add, the joiner all members.
#[test]
fn nobody_comes_in_unproven() {
    let mut room = TestRoom::of_alice();
    let impostors = Federation::new(&["b.example"]);
    let mut mallory = Device::generate(&mut room.federation.rng);
    let (client, user) = (uri("mimi://b.example/d/bob/x"), uri("mimi://b.example/u/bob"));
    let chain = impostors.issuer("b.example").issue(mallory.signature_key(), &client, &user);
    let identity = ClientIdentity { user: user.clone(), client, claims: Vec::new() };
    mallory.certify(&chain, identity).unwrap();
    let package = room.federation.key_package(&mut mallory);
    let entry = UserRolePair { user, role_index: TestRoom::MEMBER };
    let update = ParticipantListUpdate { added_participants: vec![entry], ..Default::default() };
    let plan = CommitPlan { add: vec![package], participants: Some(update), ..Default::default() };
    let bundle = room.build("alice/phone", &plan);
    let request = mimi_wire::protocol::update::UpdateRequest::Commit(bundle);
    let refused = room.submit(&request).unwrap_err();
    let StageError::Identity(error) = refused else { panic!("{refused}") };
    assert!(matches!(error, IdentityError::IssuerNotAmong(_)), "there may be a new one: {error}");
    assert_eq!(error.issuers_wanted().unwrap().as_str(), "b.example");
    room.issuers = Issuers::default();
    let refused = room.submit(&request).unwrap_err();
    let StageError::Identity(IdentityError::IssuerUnknown(domain)) = refused else {
        panic!("{refused}")
    };
    assert_eq!(domain.as_str(), "b.example", "to be fetched before the next try");
}

/// A member whose certificate has expired since stays, and locks nobody out.
#[test]
fn an_expired_member_does_not_lock_the_room() {
    let mut federation = Federation::new(&["a.example", "b.example"]);
    let alice = federation.device("a.example", "alice", "phone");
    let mut room = TestRoom::found(federation, alice);
    let mut bob = Device::generate(&mut room.federation.rng);
    let (client, user) = (uri("mimi://b.example/d/bob/phone"), uri("mimi://b.example/u/bob"));
    let names = [client.as_str(), user.as_str()];
    let issuer = room.federation.issuer("b.example");
    let chain = vec![issuer.issue_with(bob.signature_key(), &names, |params| {
        params.not_after = rcgen::date_time_ymd(2090, 1, 1);
    })];
    bob.certify(&chain, ClientIdentity { user, client, claims: Vec::new() }).unwrap();
    let plan = room.plan_to_add(vec![bob]);
    room.commit("alice/phone", &plan);
    let in_2095 = 3_944_678_400_000;
    let tablet = room.federation.device("a.example", "alice", "tablet");
    let material = room.join_material();
    mimi_mls::member::MemberGroup::join_by_external_commit(
        &tablet,
        &material,
        None,
        &room.issuers,
        &mut room.federation.rng,
        in_2095,
    )
    .unwrap();
    let TestMember { device, .. } = room.member("bob/phone");
    let credential = device.credential().unwrap();
    let key = device.signature_key().to_vec();
    let late = identify(&credential, &key, &room.issuers, in_2095);
    assert!(reason(late).contains("expired"));
}

/// AMB-POL-3, POLICY-PRE-2: what the certificate says of its subject, attributes of the name and
/// extensions alike; of what occurs twice, both.
#[test]
fn certificates_make_claims() {
    let issuer = TestIssuer::new("a.example");
    let organization: NamedClaim = "O=Tea Society".parse().unwrap();
    let level: NamedClaim = "1.3.6.1.4.1.99999.1=7".parse().unwrap();
    let certificate = issuer.issue_with(&key(1), &[CLIENT, USER], |params| {
        let name = &mut params.distinguished_name;
        name.push(DnType::OrganizationName, organization.value.as_str());
        name.push(DnType::CustomDnType(level.name.arcs().to_vec()), level.value.as_str());
        let content = vec![0x0c, 0x03, b't', b'e', b'a'];
        let extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, 2], content);
        params.custom_extensions.push(extension);
        let again = CustomExtension::from_oid_content(&[2, 5, 4, 10], b"Coffee".to_vec());
        params.custom_extensions.push(again);
    });
    let credential = credential(&[certificate]);
    let proven = identify(&credential, &key(1), &trusting(&[&issuer]), now_ms()).unwrap();
    let claims = &proven.claims;
    assert!(claims.contains(&organization.to_claim()));
    assert!(claims.contains(&level.to_claim()));
    // An extension's value is its DER.
    let extension: NamedClaim = "1.3.6.1.4.1.99999.2=x".parse().unwrap();
    let claim_value = vec![0x0c, 0x03, b't', b'e', b'a'];
    assert!(claims.contains(&Claim { claim_value, ..extension.to_claim() }));
    let coffee: NamedClaim = "O=Coffee".parse().unwrap();
    assert!(claims.contains(&coffee.to_claim()));
    assert!(claims.iter().all(|claim| claim.credential_type == 2));
    // The same without proof, so that what was proven once is read again alike.
    assert_eq!(claimed(&credential).unwrap(), proven);
}

fn uri(text: &str) -> MimiUri {
    MimiUri::new(text).unwrap()
}
