use ed25519_dalek::SigningKey;
use mimi_wire::room::claim_name::NamedClaim;
use mimi_wire::{Domain, MimiUri};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{
    AuthorityError, ClientIssuer, DEVICE_CERTIFICATE_DAYS, ISSUER_CERTIFICATE_DAYS,
    ISSUER_CERTIFICATE_FILE, ISSUER_KEY_FILE,
};

const NOW_MS: u64 = 1_790_000_000_000;
const DAY_MS: u64 = 24 * 3600 * 1000;

fn domain() -> Domain {
    "a.example".parse().unwrap()
}

fn uri(text: &str) -> MimiUri {
    text.parse().unwrap()
}

fn key() -> [u8; 32] {
    SigningKey::from_bytes(&[7; 32]).verifying_key().to_bytes()
}

fn issue(issuer: &ClientIssuer, now_ms: u64) -> Result<Vec<Vec<u8>>, AuthorityError> {
    let (user, client) = (uri("mimi://a.example/u/alice"), uri("mimi://a.example/d/alice/phone"));
    issuer.issue(&user, &client, &[], &key(), now_ms)
}

/// AMB-ID-1: exactly one client URI and one user URI, the device's own key, under the issuer.
#[test]
fn a_certificate_names_the_device_and_its_user() {
    let directory = tempfile::tempdir().unwrap();
    let issuer = ClientIssuer::open_or_create(directory.path(), &domain(), NOW_MS).unwrap();
    let chain = issue(&issuer, NOW_MS).unwrap();
    assert_eq!(chain.len(), 1);
    let (rest, leaf) = X509Certificate::from_der(&chain[0]).unwrap();
    assert!(rest.is_empty());
    let names = leaf.subject_alternative_name().unwrap().unwrap();
    let expected = [
        GeneralName::URI("mimi://a.example/d/alice/phone"),
        GeneralName::URI("mimi://a.example/u/alice"),
    ];
    assert_eq!(names.value.general_names, expected);
    assert_eq!(*leaf.public_key().subject_public_key.data, key());
    assert!(!leaf.is_ca());

    let pem = x509_parser::pem::parse_x509_pem(issuer.certificate_pem().as_bytes()).unwrap().1;
    let root = pem.parse_x509().unwrap();
    assert!(root.is_ca());
    leaf.verify_signature(Some(root.public_key())).unwrap();
    assert_eq!(leaf.issuer(), root.subject());
    let seconds = leaf.validity().not_after.timestamp() - i64::try_from(NOW_MS / 1000).unwrap();
    assert_eq!(seconds, DEVICE_CERTIFICATE_DAYS * 24 * 3600);
    let again = issue(&issuer, NOW_MS).unwrap();
    let (_, again) = X509Certificate::from_der(&again[0]).unwrap();
    assert_ne!(again.raw_serial(), leaf.raw_serial());
}

#[test]
fn a_certificate_never_outlives_its_issuer() {
    let directory = tempfile::tempdir().unwrap();
    let issuer = ClientIssuer::open_or_create(directory.path(), &domain(), NOW_MS).unwrap();
    let end_ms = NOW_MS + u64::try_from(ISSUER_CERTIFICATE_DAYS).unwrap() * DAY_MS;
    let chain = issue(&issuer, end_ms - 2 * DAY_MS).unwrap();
    let (_, leaf) = X509Certificate::from_der(&chain[0]).unwrap();
    let not_after = u64::try_from(leaf.validity().not_after.timestamp()).unwrap();
    assert_eq!(not_after, end_ms / 1000);
    assert!(matches!(issue(&issuer, end_ms), Err(AuthorityError::Expired)));
}

#[test]
fn only_our_own_people_and_sound_keys_are_certified() {
    let directory = tempfile::tempdir().unwrap();
    let issuer = ClientIssuer::open_or_create(directory.path(), &domain(), NOW_MS).unwrap();
    let (user, client) = (uri("mimi://a.example/u/alice"), uri("mimi://a.example/d/alice/phone"));
    let elsewhere = uri("mimi://b.example/d/alice/phone");
    for (user, client, key) in [
        (&user, &elsewhere, &key()[..]),
        (&client, &user, &key()[..]),
        (&user, &client, &key()[..31]),
        (&user, &client, &[0; 32]),
        (&user, &client, &[]),
    ] {
        let refused = issuer.issue(user, client, &[], key, NOW_MS);
        assert!(matches!(refused, Err(AuthorityError::Certify(_))));
    }
}

/// AMB-POL-3: an account's claims are attributes of the subject's name, as rooms ask for them.
#[test]
fn claims_stand_in_the_subject() {
    let directory = tempfile::tempdir().unwrap();
    let issuer = ClientIssuer::open_or_create(directory.path(), &domain(), NOW_MS).unwrap();
    let (user, client) = (uri("mimi://a.example/u/alice"), uri("mimi://a.example/d/alice/phone"));
    let claims = ["O=Tea Society", "OU=Board \u{e9}", "title=Chair", "1.3.6.1.4.1.99999.1=7"];
    let claims = claims.map(|claim| claim.parse::<NamedClaim>().unwrap());
    let chain = issuer.issue(&user, &client, &claims, &key(), NOW_MS).unwrap();
    let (_, leaf) = X509Certificate::from_der(&chain[0]).unwrap();
    for claim in claims {
        let wanted = claim.to_claim();
        let mut attributes = leaf.subject().iter_attributes();
        assert!(
            attributes.any(|it| {
                it.attr_type().as_bytes() == wanted.id && it.as_slice() == wanted.claim_value
            }),
            "{claim}"
        );
    }
}

#[test]
fn the_issuer_stays_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let first = ClientIssuer::open_or_create(directory.path(), &domain(), NOW_MS).unwrap();
    let again = ClientIssuer::open_or_create(directory.path(), &domain(), NOW_MS + 1).unwrap();
    assert_eq!(first.certificate_pem(), again.certificate_pem());
    assert!(!format!("{first:?}").contains("PRIVATE"));
}

#[cfg(unix)]
#[test]
fn the_key_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    ClientIssuer::open_or_create(directory.path(), &domain(), NOW_MS).unwrap();
    let key = std::fs::metadata(directory.path().join(ISSUER_KEY_FILE)).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_lost_key_is_not_replaced_and_a_lost_certificate_is() {
    let directory = tempfile::tempdir().unwrap();
    let open = || ClientIssuer::open_or_create(directory.path(), &domain(), NOW_MS);
    open().unwrap();
    std::fs::remove_file(directory.path().join(ISSUER_CERTIFICATE_FILE)).unwrap();
    open().unwrap();
    std::fs::remove_file(directory.path().join(ISSUER_KEY_FILE)).unwrap();
    assert!(matches!(open(), Err(AuthorityError::KeyLost { .. })));
}

#[test]
fn a_key_of_another_certificate_is_noticed() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for directory in [&one, &other] {
        ClientIssuer::open_or_create(directory.path(), &domain(), NOW_MS).unwrap();
    }
    let key = |directory: &tempfile::TempDir| directory.path().join(ISSUER_KEY_FILE);
    std::fs::copy(key(&other), key(&one)).unwrap();
    let opened = ClientIssuer::open_or_create(one.path(), &domain(), NOW_MS);
    assert!(matches!(opened, Err(AuthorityError::Content { .. })));
}
