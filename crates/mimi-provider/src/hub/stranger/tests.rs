use super::*;
use crate::fixture::{NOW, client, domain, room, user};
use crate::hub::state::JoinGrant;

/// AMB-UPD-15, AMB-UPD-13: by a participant, by what was sent, by leave to come in; else a stranger.
#[test]
fn who_has_to_do_with_a_room() {
    let view = room(&["a/alice/phone", "b/bob/phone"]);
    let acquainted = |state: &HubState| is_acquainted(state, &view, &domain("c.example"));
    let nobody = HubState::default();
    assert!(is_acquainted(&nobody, &view, &domain("b.example")));
    assert!(!acquainted(&nobody));
    let mut follows = HubState::default();
    follows.followers.insert(domain("c.example"));
    assert!(acquainted(&follows));
    let grant = JoinGrant {
        user: user("c/cathy"),
        client: client("c/cathy/phone"),
        signature_key: b"key".to_vec(),
        joining_code: None,
        expires_ms: NOW,
    };
    let granted = HubState { grants: vec![grant], ..HubState::default() };
    assert!(acquainted(&granted));
    assert!(!is_acquainted(&granted, &view, &domain("d.example")));
}

/// AMB-UPD-15: what a refusal says of the room, a stranger does not hear.
#[test]
fn a_stranger_hears_one_answer() {
    for told in [Reject::Malformed("octets".into()), Reject::Internal("disk".into())] {
        assert_eq!(to_stranger(told.clone()), told);
    }
    for untold in [
        Reject::Stale { current_epoch: 7 },
        Reject::Unknown("room".into()),
        Reject::NotAllowed("banned".into()),
        Reject::InvalidProposals { references: Vec::new(), reason: "omitted".into() },
    ] {
        assert_eq!(to_stranger(untold), refusal());
    }
}
