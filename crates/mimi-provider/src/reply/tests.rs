use mimi_policy::RoomView;

use super::*;
use crate::fixture::{commit, identity, member, room, room_uri, user};

fn denied(view: &RoomView) -> Reject {
    let change = mimi_policy::ProposedChange::AddClient(identity("c/eve/phone"));
    let change = commit(view, member(view, "b/bob/phone"), vec![change]);
    Reject::from(mimi_policy::check(view, &change).unwrap_err())
}

fn all() -> Vec<Reject> {
    let secret = || "secret of ours".to_owned();
    vec![
        Reject::Malformed("x".into()),
        Reject::PeerMisbehaved("x".into()),
        Reject::Stale { current_epoch: 7 },
        Reject::InvalidProposals { references: vec![vec![1]], reason: "x".into() },
        denied(&room(&["a/alice/phone", "b/bob/phone"])),
        Reject::NotAllowed("x".into()),
        Reject::Unknown(secret()),
        Reject::Conflict("x".into()),
        Reject::Unsupported("x".into()),
        Reject::Unavailable(secret()),
        Reject::Internal(secret()),
    ]
}

/// One table for all: what each refusal becomes in each body, `-` being an HTTP status.
#[test]
fn the_mapping() {
    let table: Vec<String> = all()
        .iter()
        .map(|reject| {
            let update = update(reject).map(|it| match it.outcome {
                UpdateOutcome::WrongEpoch { current_epoch } => {
                    format!("wrongEpoch {current_epoch}")
                }
                UpdateOutcome::NotAllowed => "notAllowed".into(),
                UpdateOutcome::InvalidProposal { invalid_proposals } => {
                    format!("invalidProposal {invalid_proposals:?}")
                }
                UpdateOutcome::Success { .. } => panic!("a refusal"),
            });
            let submit = submit_message(reject).map(|it| match it {
                SubmitMessageResponse::EpochTooOld { current_epoch } => {
                    format!("epochTooOld {current_epoch}")
                }
                SubmitMessageResponse::NotAllowed => "notAllowed".into(),
                SubmitMessageResponse::Accepted { .. } => panic!("a refusal"),
            });
            let material = key_material(&user("c/cathy"), reject).map(|it| {
                assert!(it.clients.is_empty(), "PROTO-KM-8");
                format!("{:?}", it.user_status)
            });
            let info = group_info(&room_uri(), reject).map(|it| format!("{:?}", it.outcome));
            let cells = [update, submit, material, info].map(|cell| cell.unwrap_or("-".into()));
            format!("{} | {}", reject.code(), cells.join(" | "))
        })
        .collect();
    // PROTO-UPD-10, PROTO-SUB-3, PROTO-KM-6, PROTO-GI-1, PROTO-GI-2, AMB-UPD-15.
    assert_eq!(
        table,
        [
            "malformed | - | - | - | -",
            "peer_misbehaved | - | - | - | NotAuthorized",
            "stale | wrongEpoch 7 | epochTooOld 7 | - | -",
            "invalid_proposals | invalidProposal [[1]] | - | - | -",
            "denied | notAllowed | notAllowed | NoConsent | NotAuthorized",
            "not_allowed | notAllowed | notAllowed | NoConsent | NotAuthorized",
            "unknown | - | - | NoConsent | NotAuthorized",
            "conflict | - | - | - | -",
            "unsupported | notAllowed | notAllowed | IncompatibleProtocol | NotAuthorized",
            "unavailable | - | - | - | -",
            "internal | - | - | - | -",
        ]
    );
}

#[test]
fn the_other_side_reads_nothing_of_ours() {
    for reject in all() {
        assert!(!reject.peer_message().contains("secret"), "{reject}");
    }
    let long = Reject::NotAllowed("ä".repeat(10_000));
    assert_eq!(long.peer_message().chars().count(), MESSAGE_CHARS_MAX);
    let response = update(&Reject::NotAllowed("the reason".into())).unwrap();
    assert!(response.error_description.contains("the reason"));
}
