use super::RoomFounding;
use crate::Wire;
use crate::fixtures::{assert_octets, fixtures, octets};

#[test]
fn a_founding_is_group_info_and_tree() {
    let fixtures = fixtures();
    let founding = RoomFounding {
        group_info: fixtures.group_info.clone(),
        ratchet_tree: fixtures.ratchet_tree.clone(),
    };
    let octets = octets!(fixtures.group_info.octets(), fixtures.ratchet_tree.octets());
    assert_octets(&founding, &octets);
    let embedded = octets!(fixtures.group_info_with_tree.octets(), fixtures.ratchet_tree.octets());
    assert!(RoomFounding::decode(&embedded).unwrap_err().reason.contains("AMB-UPD-5"));
}
