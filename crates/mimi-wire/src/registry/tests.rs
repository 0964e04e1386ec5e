use super::{
    WireFormats, cipher_suite, credential_type, extension_type, proposal_type, wire_format,
};
use crate::Wire;
use crate::fixtures::{assert_octets, octets};
use crate::limits::LIST_ELEMENTS_MAX;

/// Requirements section 31 (WIRE-3).
#[test]
fn code_points() {
    type Name = fn(u16) -> Option<&'static str>;
    let registries: [(&[u16], Name); 5] = [
        (extension_type::ALL, extension_type::name),
        (proposal_type::ALL, proposal_type::name),
        (credential_type::ALL, credential_type::name),
        (wire_format::ALL, wire_format::name),
        (cipher_suite::ALL, cipher_suite::name),
    ];
    for (all, name) in registries {
        assert!(all.iter().copied().eq((1..).take(all.len())), "from 1 without a gap");
        assert!(all.iter().all(|code| name(*code).is_some()));
        assert_eq!(name(0x0a0a), None);
    }
    assert_eq!(extension_type::name(6), Some("app_data_dictionary"));
    assert_eq!(extension_type::name(8), Some("required_wire_formats"));
    assert_eq!(proposal_type::name(8), Some("app_data_update"));
    assert_eq!(proposal_type::name(10), Some("self_remove"));
    assert_eq!(credential_type::name(2), Some("x509"));
    assert_eq!(wire_format::name(5), Some("mls_key_package"));
}

/// MLSX-11, MLSX-12: unknown formats are kept.
#[test]
fn lists_of_wire_formats() {
    assert_octets(&WireFormats::default(), &[0]);
    let supported = WireFormats(vec![0x0a0a, 0xf0a1]);
    assert_octets(&supported, &octets!("04 0a0a f0a1"));
    let required = WireFormats(vec![1, 2, 0xf0a1, 0xf0a2]);
    assert_eq!(supported.missing(&required), [0xf0a2]);
    let many = |count| WireFormats(vec![7; count]).encode();
    assert!(WireFormats::decode(&many(LIST_ELEMENTS_MAX)).is_ok());
    assert!(WireFormats::decode(&many(LIST_ELEMENTS_MAX + 1)).is_err());
}
