use std::path::Path;

use super::{FRANKING_SEED_FILE, FrankingKeys, HUB_KEYS_DIR};
use crate::keys::KeysError;

fn open(directory: &Path) -> Result<FrankingKeys, KeysError> {
    FrankingKeys::open_or_create(directory, &"a.example".parse().unwrap())
}

fn secrets(keys: &FrankingKeys) -> Vec<(u64, [u8; 32])> {
    keys.hub_keys().keys().iter().map(|key| (key.from_ms, *key.secret)).collect()
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
