use super::{HUB_SEED_FILE, KeysError, open_or_create_hub_keys};

/// AMB-ST-1: rooms name the hub's key, so it must be the same after every start.
#[test]
fn the_key_stays_the_same_and_is_never_silently_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(HUB_SEED_FILE);
    let open = || open_or_create_hub_keys(directory.path(), &"a.example".parse().unwrap());
    open().unwrap();
    let seed = std::fs::read(&path).unwrap();
    open().unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), seed);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    std::fs::write(&path, &seed[..31]).unwrap();
    assert!(matches!(open(), Err(KeysError::Damaged { .. })));
}
