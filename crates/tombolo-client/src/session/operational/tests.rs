use mimi_policy::RoomView;
use mimi_wire::Wire;
use mimi_wire::component::MLS_OPERATIONAL_POLICY;
use mimi_wire::room::operational_policy::{OperationalParameters, PendingProposalPolicy};

use super::{
    COMMIT_PENDING_DELAY_MS, commit_pending_delay_ms, takes_message_of, takes_our_handshakes,
};
use crate::session::tests::world::World;

/// A room's view in epoch 7.
fn view() -> RoomView {
    let (world, room) = World::with_room(1);
    RoomView { epoch: 7, ..world.actors[0].session.view(&room).unwrap() }
}

/// POLICY-OP-2: each of the parameters that a client can keep to, and none of them where the room
/// has none.
#[test]
fn operational_parameters_are_kept_to() {
    let bare = view();
    assert_eq!(commit_pending_delay_ms(&bare), COMMIT_PENDING_DELAY_MS);
    assert!(takes_message_of(&bare, 0) && takes_our_handshakes(&bare).is_ok());
    let mut parameters = OperationalParameters::default();
    let delays = [
        (PendingProposalPolicy::Unspecified, COMMIT_PENDING_DELAY_MS),
        (PendingProposalPolicy::ImmediateCommit, (0, 0)),
        (PendingProposalPolicy::RandomDelay { minimum_delay_ms: 5, maximum_delay_ms: 9 }, (5, 9)),
    ];
    let with = |parameters: &OperationalParameters| {
        let mut view = bare.clone();
        view.other_components.insert(MLS_OPERATIONAL_POLICY, parameters.encode());
        view
    };
    for (policy, delay) in delays {
        parameters.pending_proposal_policy = policy;
        assert_eq!(commit_pending_delay_ms(&with(&parameters)), delay);
    }
    parameters.app_message_policy.epoch_tolerance = 2;
    assert!(takes_message_of(&with(&parameters), 5));
    assert!(!takes_message_of(&with(&parameters), 4));
    assert!(takes_message_of(&with(&parameters), 8), "one that is to come waits elsewhere");
    for (formats, takes) in [(vec![], true), (vec![1], true), (vec![0xf001], false)] {
        parameters.handshake_formats = formats;
        assert_eq!(takes_our_handshakes(&with(&parameters)).is_ok(), takes);
    }
}
