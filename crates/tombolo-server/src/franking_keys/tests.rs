use std::collections::BTreeMap;
use std::path::Path;

use mimi_policy::RoomView;
use mimi_policy::preset::Preset;
use mimi_provider::franking::{Evidence, Franking, Verdict};
use mimi_wire::MimiUri;
use mimi_wire::Wire;
use mimi_wire::component::{FRANKING_AGENT, SAFE_AAD};
use mimi_wire::content::MimiContent;
use mimi_wire::franking::{FrankAad, SafeAad};
use mimi_wire::protocol::report_abuse::AbusiveMessage;
use mimi_wire::room::metadata::RoomMetadata;
use mimi_wire::room::participant_list::ParticipantListData;
use mimi_wire::room::preauth::PreAuthData;

use super::{FRANKING_SEED_FILE, FrankingKeys, HUB_KEYS_DIR};
use crate::keys::KeysError;

fn open(directory: &Path) -> Result<FrankingKeys, KeysError> {
    FrankingKeys::open_or_create(directory, &"a.example".parse().unwrap())
}

fn secrets(keys: &FrankingKeys) -> Vec<(u64, [u8; 32])> {
    keys.hub_keys().keys().iter().map(|key| (key.from_ms, *key.secret)).collect()
}

/// FRANK-5: however it is computed, the signature is the one that the MLS library's side makes and
/// checks.
#[test]
fn both_ways_to_sign_agree() {
    let home = tempfile::tempdir().unwrap();
    let keys = open(home.path()).unwrap();
    let signature = keys.agent().sign(b"tbs");
    assert_eq!(signature, keys.agent.key.sign(b"tbs"));
    assert!(keys.agent().verifies(mimi_mls::CIPHERSUITE, b"tbs", &signature));
    assert!(!keys.agent().verifies(mimi_mls::CIPHERSUITE, b"other", &signature));
}

/// FRANK-11: keys stay as they are from start to start, and a new one leaves the old ones there.
#[test]
fn keys_stay_and_are_only_added() {
    let home = tempfile::tempdir().unwrap();
    let keys = open(home.path()).unwrap();
    let first = secrets(&keys);
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].0, 0, "the first key is for all time before the second");
    assert_eq!(keys.rotate(1_700_000_000_000).unwrap(), 1_700_000_000_000);
    // Twice in a millisecond, or with the clock put back: always later than the last.
    assert_eq!(keys.rotate(5).unwrap(), 1_700_000_000_001);
    let rotated = secrets(&keys);
    assert_eq!((rotated.len(), rotated[0]), (3, first[0]));
    let again = open(home.path()).unwrap();
    assert_eq!(secrets(&again), rotated);
    assert_eq!(again.agent().component(), keys.agent().component());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&home.path().join(FRANKING_SEED_FILE)), 0o600);
        assert_eq!(mode(&home.path().join(HUB_KEYS_DIR)), 0o700);
        assert_eq!(mode(&home.path().join(HUB_KEYS_DIR).join("0.key")), 0o600);
    }
}

/// A key that is lost or damaged is never replaced without a word.
#[test]
fn damage_stops_the_start() {
    let home = tempfile::tempdir().unwrap();
    open(home.path()).unwrap();
    let key = home.path().join(HUB_KEYS_DIR).join("0.key");
    let octets = std::fs::read(&key).unwrap();
    std::fs::write(&key, &octets[..31]).unwrap();
    assert!(matches!(open(home.path()), Err(KeysError::Damaged { .. })));
    std::fs::remove_file(&key).unwrap();
    assert!(matches!(open(home.path()), Err(KeysError::Damaged { .. })));
    std::fs::write(&key, octets).unwrap();
    open(home.path()).unwrap();
    std::fs::write(home.path().join(HUB_KEYS_DIR).join("soon.key"), [0; 32]).unwrap();
    assert!(matches!(open(home.path()), Err(KeysError::Damaged { .. })));
}

fn uri(text: &str) -> MimiUri {
    MimiUri::new(text).unwrap()
}

/// A message as this hub franks it.
fn franked(keys: &FrankingKeys, sender: &MimiUri, room: &MimiUri) -> AbusiveMessage {
    let content = MimiContent::text([5; 16], sender, room, "go away").encode().unwrap();
    let tag = FrankAad::compute(&[5; 16], &content).franking_tag;
    let view = RoomView {
        epoch: 0,
        participants: ParticipantListData::default(),
        roles: Preset::Cooperative.roles(),
        metadata: RoomMetadata {
            room_uri: room.clone(),
            room_name: "Clubhouse".to_owned(),
            room_descriptions: Vec::new(),
            room_avatar: String::new(),
            room_subject: String::new(),
            room_mood: String::new(),
        },
        preauth: PreAuthData::default(),
        base_policy: None,
        other_components: BTreeMap::from([
            (SAFE_AAD, vec![2, 0, 0x20]),
            (FRANKING_AGENT, keys.agent().component()),
        ]),
        clients: Vec::new(),
    };
    let franking = Franking {
        agent: keys.agent(),
        hub_keys: &keys.hub_keys(),
        suite: mimi_mls::CIPHERSUITE,
        authenticated_data: &SafeAad::frank(tag).encode(),
    };
    let accepted_timestamp = 1_700_000_000_000;
    let frank = franking.frank(&view, sender, accepted_timestamp).unwrap().unwrap();
    AbusiveMessage { message_content: content, frank, accepted_timestamp }
}

/// PROTO-ABU-2: with real signatures, a franked message is proven, and with any one bit of it changed
/// it is not.
#[test]
fn no_bit_of_a_report_can_be_changed() {
    let home = tempfile::tempdir().unwrap();
    let keys = open(home.path()).unwrap();
    let (bob, room) = (uri("mimi://b.example/u/bob"), uri("mimi://a.example/r/1"));
    let message = franked(&keys, &bob, &room);
    let hub_keys = keys.hub_keys();
    let evidence = Evidence {
        agent: keys.agent(),
        hub_keys: &hub_keys,
        room: &room,
        is_framed: false,
        alleged_abuser: &bob,
    };
    assert_eq!(evidence.verdict(&message), Verdict::Proven { sender: bob.clone() });
    let octets = message.encode();
    let mut changed = 0;
    for bit in 0..octets.len() * 8 {
        let mut forged = octets.clone();
        forged[bit / 8] ^= 1 << (bit % 8);
        // A length that is changed may no longer be a message at all.
        let Ok(forged) = AbusiveMessage::decode(&forged) else { continue };
        assert!(matches!(evidence.verdict(&forged), Verdict::NotProven(_)), "bit {bit}");
        changed += 1;
    }
    assert!(changed > octets.len() * 7, "{changed} of {} octets' bits", octets.len());
    // Nor does another hub prove it.
    let elsewhere = tempfile::tempdir().unwrap();
    let other = open(elsewhere.path()).unwrap();
    let evidence = Evidence { agent: other.agent(), ..evidence };
    assert!(matches!(evidence.verdict(&message), Verdict::NotProven(_)));
}
