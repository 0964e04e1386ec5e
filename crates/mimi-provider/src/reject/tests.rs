use super::*;

/// What is our fault is told to nobody; everything else says what it is.
#[test]
fn what_a_refusal_says() {
    let said = |reject: Reject| reject.message();
    assert_eq!(said(Reject::NotAllowed("banned".into())).as_deref(), Some("banned"));
    assert_eq!(said(Reject::Malformed("octets".into())).as_deref(), Some("octets"));
    let stale = said(Reject::Stale { current_epoch: 7 });
    assert_eq!(stale.as_deref(), Some("stale: the room is in epoch 7"));
    assert_eq!(said(Reject::Internal("the disk is full".into())), None);
}
