use super::*;
use crate::hub::{state, update};
use crate::{account, delivery, key_material};

/// Times and sizes as people say them. Whoever changes one changes what peers and users were told.
#[test]
fn times_and_sizes_are_what_was_said() {
    let minutes = |ms: u64| (ms / 60_000, ms % 60_000);
    assert_eq!(minutes(account::REGISTRATION_REPEAT_MS), (10, 0));
    assert_eq!(minutes(account::DAY_MS), (1_440, 0));
    assert_eq!(minutes(delivery::BACKOFF_MS_MAX), (5, 0));
    assert_eq!(minutes(delivery::RETRY_AFTER_MS_MAX), (60, 0));
    assert_eq!(minutes(delivery::DISTRUST_MS_MAX), (60, 0));
    assert_eq!(minutes(delivery::KEEP_MS_DEFAULT), (43_200, 0));
    assert_eq!(minutes(state::JOIN_GRANT_LIFETIME_MS), (10, 0));
    assert_eq!(minutes(key_material::KEY_PACKAGE_VALID_MS_MIN), (15, 0));
    assert_eq!(minutes(key_material::KEY_PACKAGE_ENDING_MS), (1_440, 0));
    assert_eq!(delivery::BATCH_OCTETS_MAX, 1_048_576);
    assert_eq!(update::FANOUT_OCTETS_MAX + 65_536, mimi_wire::limits::HANDSHAKE_BODY_OCTETS_MAX);
    assert_eq!(Limits::default().open_report_octets_per_provider_max, 67_108_864);
}
