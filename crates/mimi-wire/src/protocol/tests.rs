use proptest::prelude::{Arbitrary, Strategy, any, prop_assert_eq, proptest};

use super::consent::ConsentEntry;
use super::directory::{Directory, identifier_from_path};
use super::found_room::RoomFounding;
use super::group_info::{GroupInfoRatchetTreeTbe, GroupInfoRequest, GroupInfoResponse};
use super::key_material::{KeyMaterialRequest, KeyMaterialResponse, KeyPackageList};
use super::notify::FanoutMessage;
use super::submit_message::{SubmitMessageRequest, SubmitMessageResponse};
use super::update::{UpdateRequest, UpdateResponse};
use super::{AppDataDictionary, Protocol};
use crate::Wire;
use crate::content::MimiContent;
use crate::fixtures::{assert_octets, octets};
use crate::limits::LIST_ELEMENTS_MAX;
use crate::media::{ApplicationFraming, MediaTypeList};
use crate::room::base_policy::BaseRoomPolicy;
use crate::room::metadata::RoomMetadata;
use crate::room::participant_list::{ParticipantListData, ParticipantListUpdate};
use crate::room::preauth::PreAuthData;
use crate::room::roles::RoleData;

/// WIRE-4.
#[test]
fn the_protocol_is_mls_1_0() {
    assert_octets(&Protocol::Mls10, &[1]);
    assert!(Protocol::decode(&[0]).is_err());
    assert!(Protocol::decode(&[2]).is_err());
}

/// WIRE-7.
#[test]
fn extensions_ascend_and_unknown_ones_are_kept() {
    assert_octets(&AppDataDictionary::default(), &[0]);
    let two = AppDataDictionary([(0x0003, vec![]), (0xf123, vec![0xaa])].into());
    assert_octets(&two, &octets!("07 0003 00 f123 01aa"));
    let unsorted = octets!("07 f123 01aa 0003 00");
    assert!(AppDataDictionary::decode(&unsorted).unwrap_err().reason.contains("WIRE-7"));
    let twice = octets!("06 0003 00 0003 00");
    assert!(AppDataDictionary::decode(&twice).unwrap_err().reason.contains("WIRE-7"));
}

#[test]
fn extensions_at_the_limit_and_beyond() {
    let many = |count: u16| AppDataDictionary((0..count).map(|id| (id, vec![])).collect());
    let limit = u16::try_from(LIST_ELEMENTS_MAX).unwrap();
    assert!(AppDataDictionary::decode(&many(limit).encode()).is_ok());
    assert!(AppDataDictionary::decode(&many(limit + 1).encode()).is_err());
}

/// What decodes encodes to the same octets: there is one encoding.
fn is_canonical<T: Wire>(octets: &[u8]) {
    if let Ok(value) = T::decode(octets) {
        assert_eq!(value.encode(), octets);
    }
}

fn decode_everything(octets: &[u8]) {
    is_canonical::<ConsentEntry>(octets);
    is_canonical::<RoomFounding>(octets);
    is_canonical::<GroupInfoRequest>(octets);
    is_canonical::<GroupInfoResponse>(octets);
    is_canonical::<GroupInfoRatchetTreeTbe>(octets);
    is_canonical::<KeyMaterialRequest>(octets);
    is_canonical::<KeyMaterialResponse>(octets);
    is_canonical::<KeyPackageList>(octets);
    is_canonical::<FanoutMessage>(octets);
    is_canonical::<SubmitMessageRequest>(octets);
    is_canonical::<SubmitMessageResponse>(octets);
    is_canonical::<UpdateRequest>(octets);
    is_canonical::<UpdateResponse>(octets);
    is_canonical::<MediaTypeList>(octets);
    is_canonical::<ApplicationFraming>(octets);
    is_canonical::<BaseRoomPolicy>(octets);
    is_canonical::<RoomMetadata>(octets);
    is_canonical::<ParticipantListData>(octets);
    is_canonical::<ParticipantListUpdate>(octets);
    is_canonical::<PreAuthData>(octets);
    is_canonical::<RoleData>(octets);
    let _ = FanoutMessage::decode_all(octets);
    let _ = KeyMaterialRequest::incompatible_protocol(octets);
    let _ = Directory::from_json(octets);
    let _ = identifier_from_path(&String::from_utf8_lossy(octets));
    if let Ok(content) = MimiContent::decode(octets) {
        assert_eq!(content.encode().ok().unwrap_or(octets.to_vec()), octets);
    }
}

/// Small numbers, since they are the lengths, codes and presence octets.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let octet = proptest::prop_oneof![0..8u8, u8::arbitrary()];
    proptest::collection::vec(octet, 0..200)
}

proptest! {
    #[test]
    fn noise_is_answered_without_panic(octets in noise()) {
        decode_everything(&octets);
    }

    #[test]
    fn extensions_round_trip(components in any::<std::collections::BTreeMap<u16, Vec<u8>>>()) {
        let extensions = AppDataDictionary(components);
        prop_assert_eq!(AppDataDictionary::decode(&extensions.encode()), Ok(extensions));
    }
}
