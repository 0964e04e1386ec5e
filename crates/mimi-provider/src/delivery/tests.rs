use super::*;
use crate::fixture::{NOW, domain, room_uri};

fn failed(retry_after_ms: Option<u64>) -> Attempt {
    Attempt::Failed { error: "503".into(), retry_after_ms, fault: Fault::Passing }
}

fn faulty(fault: Fault) -> Attempt {
    Attempt::Failed { error: "refused".into(), retry_after_ms: None, fault }
}

fn pause_after(failures: u32, jitter: u32, attempt: &Attempt) -> u64 {
    let mut delivery = Delivery::default();
    for _ in 0..failures {
        delivery.attempted(attempt.clone(), 1, jitter, NOW);
    }
    delivery.next_attempt_ms - NOW
}

/// AMB-NTF-10: doubling, within bounds, the upper half random.
#[test]
fn backoff() {
    let failed = &failed(None);
    assert_eq!(pause_after(1, u32::MAX, failed), BACKOFF_MS_MIN);
    assert_eq!(pause_after(1, 0, failed), BACKOFF_MS_MIN / 2);
    assert_eq!(pause_after(3, u32::MAX, failed), BACKOFF_MS_MIN * 4);
    let middle = pause_after(3, u32::MAX / 2, failed);
    assert!(middle > BACKOFF_MS_MIN * 2 && middle < BACKOFF_MS_MIN * 4);
    assert_eq!(pause_after(200, u32::MAX, failed), BACKOFF_MS_MAX);
    assert_eq!(pause_after(200, 0, failed), BACKOFF_MS_MAX / 2);
    // What takes an operator is tried less often.
    assert_eq!(pause_after(1, u32::MAX, &faulty(Fault::Distrust)), BACKOFF_MS_MIN);
    assert_eq!(pause_after(200, u32::MAX, &faulty(Fault::Distrust)), DISTRUST_MS_MAX);
}

/// PROTO-NTF-9, PROTO-TR-6: Retry-After counts, within bounds.
#[test]
fn retry_after() {
    assert_eq!(pause_after(9, u32::MAX, &failed(Some(7_000))), 7_000);
    assert_eq!(pause_after(1, 0, &failed(Some(0))), BACKOFF_MS_MIN);
    assert_eq!(pause_after(1, 0, &failed(Some(u64::MAX))), RETRY_AFTER_MS_MAX);
}

#[test]
fn a_delivery_waits_and_recovers() {
    let mut delivery = Delivery::default();
    let next = |delivery: &Delivery, now_ms| delivery.next(now_ms, KEEP_MS_DEFAULT);
    assert_eq!(next(&delivery, NOW), Next::Send);
    delivery.waiting(NOW - 10);
    delivery.attempted(failed(Some(1_000)), 1, 0, NOW);
    assert_eq!(next(&delivery, NOW + 999), Next::WaitUntil(NOW + 1_000));
    assert_eq!(next(&delivery, NOW + 1_000), Next::Send);
    assert_eq!((delivery.since_ms, delivery.attempts), (Some(NOW - 10), 1));
    assert_eq!(delivery.last_error.as_deref(), Some("503"));
    delivery.try_now();
    assert_eq!(next(&delivery, NOW), Next::Send);
    delivery.attempted(Attempt::Accepted, 1, 0, NOW + 1_000);
    assert_eq!(delivery, Delivery::default());
}

/// AMB-NTF-10: thirty days or what the operator says, and only who has been tried.
#[test]
fn a_peer_is_given_up() {
    for keep_ms in [KEEP_MS_DEFAULT, 1_000_000] {
        let mut delivery = Delivery::default();
        delivery.waiting(NOW);
        assert_eq!(delivery.next(NOW + keep_ms, keep_ms), Next::Send);
        delivery.attempted(failed(None), 1, 0, NOW);
        assert_eq!(delivery.next(NOW + keep_ms - 1, keep_ms), Next::Send);
        assert_eq!(delivery.next(NOW + keep_ms, keep_ms), Next::GiveUp);
    }
    let transition = give_up(&room_uri(), &domain("b.example"), 9, NOW);
    let (stream, follower) = (room_uri(), domain("b.example"));
    assert_eq!(transition.changes, [Change::GiveUp { stream, follower, seq: 9, now_ms: NOW }]);
}

/// Nothing piles up for a peer that is stale; it is tried now and then with what is new.
#[test]
fn a_stale_peer_is_tried_now_and_then() {
    let mut delivery = Delivery { stale_since_ms: Some(NOW - 1), ..Delivery::default() };
    delivery.waiting(NOW);
    assert_eq!(delivery.next(NOW, KEEP_MS_DEFAULT), Next::Send);
    delivery.attempted(failed(None), 1, 0, NOW);
    let next = |delivery: &Delivery, now_ms| delivery.next(now_ms, KEEP_MS_DEFAULT);
    let again_ms = NOW + STALE_KEEP_MS;
    assert_eq!(next(&delivery, again_ms - 1), Next::WaitUntil(again_ms));
    assert_eq!(next(&delivery, again_ms), Next::GiveUp);
    // A sign of life makes it worth a try at once.
    delivery.heard_of(NOW + 5);
    assert_eq!(next(&delivery, NOW + 5), Next::Send);
    delivery.attempted(Attempt::Accepted, 1, 0, NOW + 5);
    assert_eq!(delivery.stale_since_ms, None);
}

/// A body that the peer calls malformed is taken apart, and the entry at fault left out in the end.
#[test]
fn what_is_malformed_for_a_peer_is_left_out() {
    let mut delivery = Delivery::default();
    delivery.waiting(NOW);
    delivery.attempted(faulty(Fault::Malformed), 3, u32::MAX, NOW);
    assert!(delivery.one_by_one && delivery.refused_since_ms.is_none());
    // However often it failed: in smaller parts it is tried soon.
    delivery.attempted(faulty(Fault::Malformed), 3, u32::MAX, NOW);
    assert_eq!(delivery.next_attempt_ms, NOW + BACKOFF_MS_MIN);
    let next = |delivery: &Delivery, now_ms| delivery.next(now_ms, KEEP_MS_DEFAULT);
    assert_eq!(next(&delivery, NOW + BACKOFF_MS_MIN), Next::Send);
    delivery.attempted(Attempt::Accepted, 1, 0, NOW + 1_000);
    assert!(delivery.one_by_one, "the one at fault is still to come");
    let refused_ms = NOW + 2_000;
    delivery.waiting(NOW);
    for later_ms in [0, 1_000, REFUSED_KEEP_MS - 1] {
        assert_ne!(next(&delivery, refused_ms + later_ms), Next::LeaveOut);
        delivery.attempted(faulty(Fault::Malformed), 1, 0, refused_ms + later_ms);
    }
    assert_eq!(next(&delivery, refused_ms + REFUSED_KEEP_MS), Next::LeaveOut);
    // Another kind of failure meanwhile: then it is not sure to be the entry.
    delivery.attempted(failed(None), 1, 0, refused_ms + REFUSED_KEEP_MS);
    assert_ne!(next(&delivery, refused_ms + REFUSED_KEEP_MS), Next::LeaveOut);
}

/// PROTO-TR-6: a sign of life ends our own pause, not the one the peer asked for.
#[test]
fn a_sign_of_life() {
    let heard = |retry_after_ms| {
        let mut delivery = Delivery::default();
        delivery.attempted(failed(retry_after_ms), 1, u32::MAX, NOW);
        delivery.heard_of(NOW + 1);
        delivery.next_attempt_ms
    };
    assert_eq!(heard(None), NOW + 1);
    assert_eq!(heard(Some(7_000)), NOW + 7_000);
}
