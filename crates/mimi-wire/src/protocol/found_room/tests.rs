use super::{FoundingWelcome, RoomFounding};
use crate::fixtures::{assert_octets, fixtures, octets};
use crate::{MimiUri, Wire};

#[test]
fn a_founding_is_group_info_and_tree() {
    let fixtures = fixtures();
    let founding = RoomFounding {
        group_info: fixtures.group_info.clone(),
        ratchet_tree: fixtures.ratchet_tree.clone(),
        welcome: None,
    };
    let octets = octets!(fixtures.group_info.octets(), fixtures.ratchet_tree.octets(), "00");
    assert_octets(&founding, &octets);
    let embedded =
        octets!(fixtures.group_info_with_tree.octets(), fixtures.ratchet_tree.octets(), "00");
    assert!(RoomFounding::decode(&embedded).unwrap_err().reason.contains("AMB-UPD-5"));
}

#[test]
fn a_founding_with_first_members_says_whom_its_welcome_is_for() {
    let fixtures = fixtures();
    let client = MimiUri::new("mimi://b.example/d/bob/phone").unwrap();
    let welcome = FoundingWelcome {
        welcome: fixtures.welcome.clone(),
        welcomed: vec![(client.clone(), vec![7; 32])],
    };
    let founding = RoomFounding {
        group_info: fixtures.group_info.clone(),
        ratchet_tree: fixtures.ratchet_tree.clone(),
        welcome: Some(welcome),
    };
    let welcomed = octets!("3e 1c", client.as_bytes(), "20", vec![7; 32]);
    let octets = octets!(
        fixtures.group_info.octets(),
        fixtures.ratchet_tree.octets(),
        "01",
        fixtures.welcome.octets(),
        welcomed
    );
    assert_octets(&founding, &octets);
}
