use proptest::prelude::{prop_assert_eq, proptest};

use super::{FrankAad, FrankingAgentData, FrankingIntegrityTbs, SafeAad, ServerFrankingContext};
use crate::Wire;
use crate::fixtures::{assert_octets, fixtures, octets, text};
use crate::limits::LIST_ELEMENTS_MAX;
use crate::uri::MimiUri;

const ALICE: &str = "mimi://a.example/u/alice";
const ROOM: &str = "mimi://a.example/r/clubhouse";
const TAG: [u8; 32] = [0x7a; 32];

fn context() -> ServerFrankingContext {
    ServerFrankingContext {
        sender_uri: MimiUri::new(ALICE).unwrap(),
        room_uri: MimiUri::new(ROOM).unwrap(),
        accepted_timestamp: 0x0000_0190_1234_5678,
    }
}

/// MLSX-7, FRANK-3, AMB-FRK-13: items ascend, unknown ones are kept, nothing is one octet.
#[test]
fn safe_authenticated_data() {
    assert_octets(&SafeAad::default(), &[0]);
    assert!(SafeAad::decode(&[]).is_err());
    let frank = SafeAad::frank(TAG);
    assert_octets(&frank, &octets!("23 0020 20", TAG.as_slice()));
    assert_eq!(frank.franking_tag(), Ok(Some(TAG)));
    assert_eq!(SafeAad::default().franking_tag(), Ok(None));
    let cut = SafeAad([(0x0020, vec![1; 31]), (0xf000, vec![])].into());
    assert_octets(&cut, &octets!("25 0020 1f", [1; 31].as_slice(), "f000 00"));
    assert_eq!(cut.franking_tag().unwrap_err().field, "FrankAAD.franking_tag");
    for disordered in ["06 0020 00 0020 00", "06 0021 00 0020 00"] {
        let fault = SafeAad::decode(&octets!(disordered)).unwrap_err();
        assert_eq!((fault.offset, fault.field), (4, "SafeAADItem.component_id"));
    }
    let many = |count: u16| SafeAad((0..count).map(|id| (id, vec![])).collect()).encode();
    let limit = u16::try_from(LIST_ELEMENTS_MAX).unwrap();
    assert!(SafeAad::decode(&many(limit)).is_ok());
    assert!(SafeAad::decode(&many(limit + 1)).is_err());
}

/// AMB-FRK-1, AMB-FRK-2, AMB-FRK-3, AMB-W-5.
#[test]
fn franking_structures() {
    assert_octets(&FrankAad { franking_tag: TAG }, &TAG);
    let credential = fixtures().credential.clone();
    let agent = octets!("02 a1a2", credential.octets());
    let franking_signature_key = vec![0xa1, 0xa2];
    assert_octets(&FrankingAgentData { franking_signature_key, credential }, &agent);
    let context_octets = octets!(text(ALICE), text(ROOM), "0000019012345678");
    assert_octets(&context(), &context_octets);
    let input = octets!(TAG.as_slice(), context_octets.clone());
    assert_eq!(context().server_frank_input(&TAG), input);
    let tbs = FrankingIntegrityTbs {
        server_frank: [0xf0; 32],
        franking_signature_ciphersuite: 2,
        context: context(),
    };
    assert_octets(&tbs, &octets!([0xf0; 32].as_slice(), "0002", context_octets));
}

proptest! {
    #[test]
    fn safe_authenticated_data_round_trips(items: std::collections::BTreeMap<u16, Vec<u8>>) {
        let aad = SafeAad(items);
        prop_assert_eq!(SafeAad::decode(&aad.encode()), Ok(aad));
    }
}

/// FRANK-2, AMB-FRK-3: HMAC-SHA256 by the values of another implementation (`vectors/check.py`).
#[test]
fn tags_and_franks() {
    let tag = FrankAad::compute(&[7; 16], b"application data").franking_tag;
    assert_eq!(
        hex::encode(tag),
        "baff40885c55324a8f9edf600961fd71cbe8f517a78bd51476f9969c44b63a8a"
    );
    let frank = context().server_frank(&[9; 32], &tag);
    assert_eq!(
        hex::encode(frank),
        "0f171e12aaeda97408095ef95ca566be90725cb948e84dd67515fd5230328e6b"
    );
    let input = context().server_frank_input(&tag);
    assert_eq!(input, octets!(tag.as_slice(), context().encode()));
}
