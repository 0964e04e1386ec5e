use super::{GroupInfoOption, PartialGroupInfo, RatchetTreeOption, RatchetTreePresence};
use crate::Wire;
use crate::fixtures::{assert_octets, fixtures, octets, text, vector};
use crate::limits::SIGNATURE_OCTETS_MAX;

/// RTO-1, AMB-RTO-1, AMB-RTO-2.
#[test]
fn every_way_of_the_tree() {
    let tree = &fixtures().ratchet_tree;
    assert_octets(&RatchetTreeOption::Full(tree.clone()), &octets!("01", tree.octets()));
    let url = "https://a.example/tree";
    let https = RatchetTreeOption::HttpsUri { url: url.to_owned(), tree_signature: vec![9, 8] };
    assert_octets(&https, &octets!("02", text(url), "02 0908"));
    let out_of_band = RatchetTreeOption::OutOfBand { tree_signature: vec![] };
    assert_octets(&out_of_band, &octets!("03 00"));
    assert_octets(&RatchetTreeOption::DistributionService, &octets!("04"));
    for unknown in ["00", "05", "ff"] {
        assert!(RatchetTreeOption::decode(&octets!(unknown)).is_err());
    }
    // The tree is a vector of optional nodes: one blank node, and a node of an unknown type.
    assert!(RatchetTreeOption::decode(&octets!("01 01 00")).is_ok());
    assert!(RatchetTreeOption::decode(&octets!("01 02 01 03")).is_err());
    assert!(RatchetTreeOption::decode(&octets!("01 01 02")).is_err());
}

#[test]
fn signatures_at_the_limit_and_beyond() {
    let with = |length| RatchetTreeOption::OutOfBand { tree_signature: vec![1; length] }.encode();
    assert!(RatchetTreeOption::decode(&with(SIGNATURE_OCTETS_MAX)).is_ok());
    assert!(RatchetTreeOption::decode(&with(SIGNATURE_OCTETS_MAX + 1)).is_err());
}

fn partial(extensions: &[u8]) -> PartialGroupInfo {
    PartialGroupInfo {
        ratchet_tree_presence: RatchetTreePresence::NoRatchetTree,
        group_info_extensions: extensions.to_vec(),
        signature: vec![0xaa, 0xbb],
    }
}

#[test]
fn partial_group_infos() {
    assert_octets(&partial(&[]), &octets!("00 00 02 aabb"));
    let extensions = octets!("0004 0301 02 03 f00d 00");
    assert_octets(&partial(&extensions), &octets!("00", vector(&extensions), "02 aabb"));
    let octets = |extensions: &str| octets!("00", vector(&octets!(extensions)), "02 aabb");
    // Not cut, not twice, and not the tree.
    assert!(PartialGroupInfo::decode(&octets("0004 03 0102")).is_err());
    assert!(PartialGroupInfo::decode(&octets("00")).is_err());
    assert!(PartialGroupInfo::decode(&octets("0004 00 0004 00")).is_err());
    assert!(PartialGroupInfo::decode(&octets("0002 01 00")).is_err());
}

#[test]
fn presence_is_one_of_four() {
    assert_octets(&RatchetTreePresence::NoRatchetTree, &[0]);
    assert_octets(&RatchetTreePresence::Present, &[1]);
    assert_octets(&RatchetTreePresence::Removed, &[2]);
    assert_octets(&RatchetTreePresence::Added, &[3]);
    assert!(RatchetTreePresence::decode(&[4]).is_err());
}

/// AMB-UPD-5, AMB-UPD-18, AMB-RTO-4, PROTO-UPD-6.
#[test]
fn group_infos_come_whole_or_in_part_and_never_with_a_tree() {
    let group_info = &fixtures().group_info;
    let full = GroupInfoOption::Full(group_info.clone());
    assert_octets(&full, &octets!("01", group_info.octets()));
    assert_octets(&GroupInfoOption::Partial(partial(&[])), &octets!("02 00 00 02 aabb"));
    assert!(GroupInfoOption::decode(&octets!("00")).is_err());
    assert!(GroupInfoOption::decode(&octets!("03")).is_err());
    let with_tree = octets!("01", fixtures().group_info_with_tree.octets());
    assert!(GroupInfoOption::decode(&with_tree).unwrap_err().reason.contains("AMB-UPD-5"));
    for presence in ["01", "02", "03"] {
        let octets = octets!("02", presence, "00 02 aabb");
        assert!(GroupInfoOption::decode(&octets).unwrap_err().reason.contains("AMB-RTO-4"));
    }
}
