use super::*;
use crate::fixture::{NOW, domain, room_uri};

fn failed(retry_after_ms: Option<u64>) -> Attempt {
    Attempt::Failed { error: "503".into(), retry_after_ms }
}

fn pause_after(failures: u32, jitter: u32, retry_after_ms: Option<u64>) -> u64 {
    let mut delivery = Delivery::default();
    for _ in 0..failures {
        delivery.attempted(failed(retry_after_ms), jitter, NOW);
    }
    delivery.next_attempt_ms - NOW
}

/// AMB-NTF-10: doubling, within bounds, the upper half random.
#[test]
fn backoff() {
    assert_eq!(pause_after(1, u32::MAX, None), BACKOFF_MS_MIN);
    assert_eq!(pause_after(1, 0, None), BACKOFF_MS_MIN / 2);
    assert_eq!(pause_after(3, u32::MAX, None), BACKOFF_MS_MIN * 4);
    let middle = pause_after(3, u32::MAX / 2, None);
    assert!(middle > BACKOFF_MS_MIN * 2 && middle < BACKOFF_MS_MIN * 4);
    assert_eq!(pause_after(200, u32::MAX, None), BACKOFF_MS_MAX);
    assert_eq!(pause_after(200, 0, None), BACKOFF_MS_MAX / 2);
}

/// PROTO-NTF-9, PROTO-TR-6: Retry-After counts, within bounds.
#[test]
fn retry_after() {
    assert_eq!(pause_after(9, u32::MAX, Some(7_000)), 7_000);
    assert_eq!(pause_after(1, 0, Some(0)), BACKOFF_MS_MIN);
    assert_eq!(pause_after(1, 0, Some(u64::MAX)), RETRY_AFTER_MS_MAX);
}

#[test]
fn a_delivery_waits_and_recovers() {
    let mut delivery = Delivery::default();
    assert_eq!(delivery.next(NOW), Next::Send);
    delivery.waiting(NOW - 10);
    delivery.attempted(failed(Some(1_000)), 0, NOW);
    assert_eq!(delivery.next(NOW + 999), Next::WaitUntil(NOW + 1_000));
    assert_eq!(delivery.next(NOW + 1_000), Next::Send);
    let report = delivery.report(room_uri(), domain("b.example"), 3, NOW);
    assert_eq!((report.waiting, report.since_ms, report.attempts), (3, NOW - 10, 1));
    assert_eq!(report.last_error.as_deref(), Some("503"));
    delivery.attempted(Attempt::Accepted, 0, NOW + 1_000);
    assert_eq!(delivery, Delivery::default());
}

/// AMB-NTF-10: thirty days, and only who has been tried.
#[test]
fn a_peer_is_given_up() {
    let mut delivery = Delivery::default();
    delivery.waiting(NOW);
    assert_eq!(delivery.next(NOW + GIVE_UP_AFTER_MS), Next::Send);
    delivery.attempted(failed(None), 0, NOW);
    assert_eq!(delivery.next(NOW + GIVE_UP_AFTER_MS - 1), Next::Send);
    assert_eq!(delivery.next(NOW + GIVE_UP_AFTER_MS), Next::GiveUp);
    let transition = give_up(&room_uri(), &domain("b.example"), 9);
    let (stream, follower) = (room_uri(), domain("b.example"));
    assert_eq!(transition.changes, [Change::Delivered { stream, follower, seq: 9 }]);
}

/// PROTO-TR-6: a sign of life ends our own pause, not the one the peer asked for.
#[test]
fn a_sign_of_life() {
    let heard = |retry_after_ms| {
        let mut delivery = Delivery::default();
        delivery.attempted(failed(retry_after_ms), u32::MAX, NOW);
        delivery.heard_of(NOW + 1);
        delivery.next_attempt_ms
    };
    assert_eq!(heard(None), NOW + 1);
    assert_eq!(heard(Some(7_000)), NOW + 7_000);
}
