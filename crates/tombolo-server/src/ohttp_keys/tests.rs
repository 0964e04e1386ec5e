use mimi_ohttp::{KeyConfig, seal_request};

use super::{OHTTP_KEYS_DIR, OLD_KEY_KEPT_MS, OhttpKeys};
use crate::keys::KeysError;

const NOW_MS: u64 = 1_700_000_000_000;

/// Requests sealed to an old key are answered for as long as is said, and not a moment longer; what
/// is published is always the newest alone (PROTO-DL-4).
#[test]
fn an_old_key_has_its_time() {
    let home = tempfile::tempdir().unwrap();
    let keys = OhttpKeys::open_or_create(home.path()).unwrap();
    let first = KeyConfig::choose(&keys.published()).unwrap();
    assert_eq!(first.key_id, 0);
    assert_eq!(keys.rotate(NOW_MS).unwrap(), (1, NOW_MS + OLD_KEY_KEPT_MS));
    let second = KeyConfig::choose(&keys.published()).unwrap();
    assert_eq!(second.key_id, 1);
    assert_ne!(first.public_key, second.public_key);
    let (sealed, _) = seal_request(&first, b"ask").unwrap();
    for keys in [&keys, &OhttpKeys::open_or_create(home.path()).unwrap()] {
        assert_eq!(KeyConfig::choose(&keys.published()).unwrap(), second);
        let old = keys.find(0, NOW_MS + OLD_KEY_KEPT_MS - 1).unwrap();
        assert_eq!(old.open_request(&sealed).unwrap().0, b"ask");
        assert!(keys.find(0, NOW_MS + OLD_KEY_KEPT_MS).is_none());
        assert!(keys.find(1, u64::MAX).is_some());
        assert!(keys.find(2, NOW_MS).is_none());
    }
    let files = || std::fs::read_dir(home.path().join(OHTTP_KEYS_DIR)).unwrap().count();
    keys.forget_old(NOW_MS + OLD_KEY_KEPT_MS - 1).unwrap();
    assert_eq!(files(), 2);
    keys.forget_old(NOW_MS + OLD_KEY_KEPT_MS).unwrap();
    assert_eq!(files(), 1);
    assert!(keys.find(0, NOW_MS).is_none());
    // Twice in a row: the oldest is gone at once, and identifiers begin anew after the last.
    for n in 2..=256_u64 {
        assert_eq!(u64::from(keys.rotate(NOW_MS).unwrap().0), n % 256);
        assert_eq!(files(), 2);
    }
    assert!(keys.find(255, NOW_MS).is_some() && keys.find(254, NOW_MS).is_none());
}

/// A key that is damaged is never replaced without a word, and is nobody else's to read.
#[test]
fn damage_stops_the_start() {
    let home = tempfile::tempdir().unwrap();
    OhttpKeys::open_or_create(home.path()).unwrap();
    let key = home.path().join(OHTTP_KEYS_DIR).join("0.key");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let octets = std::fs::read(&key).unwrap();
    for broken in [&octets[..32], &[octets.as_slice(), &[0]].concat(), &[]] {
        std::fs::write(&key, broken).unwrap();
        let opened = OhttpKeys::open_or_create(home.path());
        assert!(matches!(opened, Err(KeysError::Damaged { .. })));
    }
}
