use mimi_policy::ProposedChange::SelfRemove;

use super::*;
use crate::fixture::{domain, key_material_request, member, proposals, room_uri, unlisted, user};
use crate::hub::fixture::{Hub, local, peer};

const MEMBERS: &[&str] = &["a/alice/phone", "b/bob/phone", "c/cathy/phone"];

fn route(hub: &Hub, from: &Requester, requester: &str, target: &str) -> Result<Route, Reject> {
    let request = key_material_request(requester, target, Some(room_uri()), &[1]);
    key_material(&hub.state, &domain("a.example"), from, &hub.view, &request)
}

/// AMB-KM-8, PROTO-KM-2: participants fetch through the hub, which answers or passes it on.
#[test]
fn a_participant_fetches() {
    let hub = Hub::new(MEMBERS);
    let to = |target| route(&hub, &peer("b.example"), "b/bob", target);
    assert_eq!(to("d/dan"), Ok(Route::Forward(domain("d.example"))));
    assert_eq!(to("b/bella"), Ok(Route::Forward(domain("b.example"))));
    assert!(matches!(to("a/dora"), Ok(Route::Here(_))));
    assert!(matches!(to("b/bob"), Ok(Route::Forward(_))), "its own devices");
    assert!(route(&hub, &local("a/alice/phone"), "a/alice", "d/dan").is_ok());
}

/// AMB-KM-8: outsiders drain nobody's stock through us; they learn no more than `noConsent`.
#[test]
fn outsiders_do_not_fetch() {
    let hub = Hub::new(MEMBERS);
    for (from, requester) in [
        (peer("d.example"), "d/dan"),
        (peer("d.example"), "b/bob"),
        (peer("b.example"), "b/bella"),
        (local("a/alice/phone"), "a/dora"),
    ] {
        let reject = route(&hub, &from, requester, "c/cathy").unwrap_err();
        let response = crate::reply::key_material(&user("c/cathy"), &reject).unwrap();
        let code = mimi_wire::protocol::key_material::KeyMaterialUserCode::NoConsent;
        assert_eq!(response.user_status, code);
        assert!(response.clients.is_empty());
    }
}

/// Without the capability, or on the way out, nobody fetches (PROTO-UPD-4).
#[test]
fn participants_who_may_not_add() {
    let mut hub = Hub::new(MEMBERS);
    for role in &mut hub.view.roles.roles {
        role.role_capabilities.retain(|held| *held != Capability::CAN_ADD_PARTICIPANT);
    }
    assert!(route(&hub, &peer("b.example"), "b/bob", "d/dan").is_err());
    assert!(route(&hub, &peer("b.example"), "b/bob", "b/bob").is_ok());

    let mut hub = Hub::new(MEMBERS);
    let bob = member(&hub.view, "b/bob/phone");
    let changes = vec![unlisted(&hub.view, &user("b/bob")), SelfRemove];
    let leave = proposals(&hub.view, &bob, 1, changes);
    hub.propose(&peer("b.example"), &leave).unwrap();
    assert!(route(&hub, &peer("b.example"), "b/bob", "d/dan").is_err());
}
