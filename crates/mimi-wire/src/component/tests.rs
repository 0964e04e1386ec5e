use super::{
    ALL, AppDataUpdate, AppDataUpdateOperation, AppEphemeral, ComponentsList,
    MESSAGE_EXPIRATION_POLICY, PARTICIPANT_LIST, PRIVATE_USE, name,
};
use crate::Wire;
use crate::fixtures::{assert_octets, octets};
use crate::limits::LIST_ELEMENTS_MAX;

/// Requirements section 31.
#[test]
fn the_registry_of_components() {
    assert!(ALL.is_sorted_by(|left, right| left < right));
    assert!(ALL.iter().all(|id| name(*id).is_some() && *id < PRIVATE_USE));
    assert_eq!(ALL.len(), 6 + 0x11);
    assert_eq!(name(MESSAGE_EXPIRATION_POLICY), Some("message_expiration_policy"));
    assert_eq!(name(0x0021), Some("franking_agent"));
    assert_eq!(name(0x0031), None);
}

/// MLSX-12: unknown ones are kept.
#[test]
fn lists_of_components() {
    assert_octets(&ComponentsList::default(), &[0]);
    assert_octets(&ComponentsList(vec![0x0022, 0x0a0a]), &octets!("04 0022 0a0a"));
    let many = |count| ComponentsList(vec![0; count]).encode();
    assert!(ComponentsList::decode(&many(LIST_ELEMENTS_MAX)).is_ok());
    assert!(ComponentsList::decode(&many(LIST_ELEMENTS_MAX + 1)).is_err());
}

/// MLSX-3, AMB-UPD-3.
#[test]
fn updates_of_components() {
    let of = |operation| AppDataUpdate { component_id: PARTICIPANT_LIST, operation };
    assert_octets(&of(AppDataUpdateOperation::Update(vec![7])), &octets!("0022 01 01 07"));
    assert_octets(&of(AppDataUpdateOperation::Remove), &octets!("0022 02"));
    for bad in ["0022 00", "0022 03", "0022 02 00", "0022 01"] {
        assert!(AppDataUpdate::decode(&octets!(bad)).is_err(), "{bad}");
    }
    // MLSX-5.
    let ephemeral = AppEphemeral { component_id: 0xf000, data: vec![1, 2] };
    assert_octets(&ephemeral, &octets!("f000 02 0102"));
}
