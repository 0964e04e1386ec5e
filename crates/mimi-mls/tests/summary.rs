//! What certificates say, to be looked at.

use mimi_mls::identity::{pem_to_der, summaries};
use mimi_wire::{MimiUri, UriKind};
use rcgen::{ExtendedKeyUsagePurpose, SanType};
use tombolo_testkit::TestIssuer;

const CLIENT: &str = "mimi://a.example/d/alice/phone";
const USER: &str = "mimi://a.example/u/alice";

/// AMB-ID-1: which name is the client's and which the user's.
#[test]
fn a_devices_certificate_is_read() {
    let issuer = TestIssuer::new("a.example");
    let der = issuer.issue_with(&[7; 32], &[CLIENT, USER, "https://a.example/"], |params| {
        params.subject_alt_names.push(SanType::DnsName("a.example".try_into().unwrap()));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.not_before = rcgen::date_time_ymd(2026, 1, 2);
        params.not_after = rcgen::date_time_ymd(2051, 1, 1);
    });
    let [summary] = &summaries(&der).unwrap()[..] else { panic!("one certificate") };
    assert_eq!((summary.offset, summary.length), (0, der.len()));
    assert_eq!(summary.subject, "CN=device");
    assert_eq!(summary.issuer, "CN=a.example client issuer");
    assert_eq!(summary.not_before, "2026-01-02T00:00:00Z");
    assert_eq!(summary.not_after, "2051-01-01T00:00:00Z");
    assert_eq!((summary.key_type.as_str(), &summary.public_key[..]), ("Ed25519", &[7; 32][..]));
    assert_eq!(summary.dns_names, ["a.example"]);
    let uris = [
        (CLIENT.to_owned(), Some(UriKind::Client)),
        (USER.to_owned(), Some(UriKind::User)),
        ("https://a.example/".to_owned(), None),
    ];
    assert_eq!(summary.uris, uris);
    assert!(!summary.is_ca);
    assert_eq!(summary.key_usage, Some(vec!["digitalSignature"]));
    assert_eq!(summary.extended_key_usage, Some(vec!["clientAuth".to_owned()]));
    let identity = summary.identity.as_ref().unwrap();
    assert_eq!(identity.client, MimiUri::new(CLIENT).unwrap());
    assert_eq!(identity.user, MimiUri::new(USER).unwrap());
}

#[test]
fn a_chain_is_read_from_pem_and_from_der() {
    let issuer = TestIssuer::new("a.example");
    let der = [issuer.issue_with(&[7; 32], &[], |_| {}), issuer.der().to_vec()].concat();
    let chain = summaries(&der).unwrap();
    assert_eq!(chain.len(), 2);
    assert!(chain[0].identity.is_err());
    assert!(chain[1].is_ca && chain[1].extended_key_usage.is_none());
    assert_eq!(chain[1].offset, chain[0].length);
    let pem = format!("# two\n{0}\n{0}", issuer.pem());
    assert_eq!(pem_to_der(&pem).unwrap(), issuer.der().repeat(2));
    let key = issuer.pem().replace("CERTIFICATE", "PUBLIC KEY");
    assert_eq!(pem_to_der(&key).unwrap_err().field, "PEM");
    assert!(pem_to_der("nothing").is_err());
}

/// No cut and no changed octet is read past or panics, and faults lie within the input.
#[test]
fn faults_name_field_and_offset() {
    let der = TestIssuer::new("a.example").issue_with(&[7; 32], &[CLIENT, USER], |_| {});
    for end in 0..der.len() {
        let fault = summaries(&der[..end]).unwrap_err();
        assert!(fault.offset <= end, "{fault}");
    }
    for place in 0..der.len() {
        for bit in 0..8 {
            let mut changed = der.clone();
            changed[place] ^= 1 << bit;
            if let Err(fault) = summaries(&changed) {
                assert!(fault.offset <= der.len(), "{place}: {fault}");
            }
        }
    }
    let summary = summaries(&der).unwrap().remove(0);
    let mut dates = der.clone();
    let validity = summary.offsets["validity"];
    dates[validity + 4] = b'x';
    let fault = summaries(&dates).unwrap_err();
    assert_eq!((fault.field, fault.offset), ("validity", validity));
    let continued = summaries(&[&der[..], &[0]].concat()).unwrap_err();
    assert_eq!((continued.field, continued.offset), ("Certificate", der.len()));
    assert!(summaries(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]).is_err());
    assert!(summaries(&der.repeat(64)).is_ok());
    assert!(summaries(&der.repeat(65)).is_err());
}
