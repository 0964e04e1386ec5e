//! Decisions about contact, and requests for it.

use mimi_provider::Change;
use mimi_provider::record::ConsentDecision;

use super::facts::{decision, request, room, user};
use super::{Subject, write};
use crate::Store;

/// One decision per scope: any room, or one room (PROTO-CON-6, AMB-CON-5).
pub async fn the_latest_decision_of_a_scope_counts(subject: &impl Subject) {
    let store = subject.open();
    let (alice, bob) = (user("alice"), user("bob"));
    assert_eq!(store.consents(&alice, &bob).await, Ok(Vec::new()));
    let (granted, revoked) = (ConsentDecision::Granted, ConsentDecision::Revoked);
    let in_club = Some(room("club"));
    for record in [
        decision(in_club.clone(), granted, 1),
        decision(None, granted, 2),
        decision(Some(room("attic")), revoked, 3),
        decision(in_club.clone(), revoked, 4),
        decision(None, revoked, u64::MAX),
    ] {
        write(&store, [Change::PutConsent(record)]).await.expect("put");
    }
    let expected = vec![
        decision(None, revoked, u64::MAX),
        decision(Some(room("attic")), revoked, 3),
        decision(in_club, revoked, 4),
    ];
    assert_eq!(store.consents(&alice, &bob).await, Ok(expected));
    assert_eq!(store.consents(&bob, &alice).await, Ok(Vec::new()));
}

/// Requests are listed oldest first, replaced and removed by their scope (PROTO-CON-4).
pub async fn requests_are_open_until_removed(subject: &impl Subject) {
    let store = subject.open();
    let alice = user("alice");
    let in_club = Some(room("club"));
    for request in [
        request("bob", None, 30),
        request("bob", in_club.clone(), 20),
        request("carol", None, 20),
        request("dave", None, 10),
    ] {
        write(&store, [Change::PutConsentRequest(request)]).await.expect("put");
    }
    let open = store.consent_requests(&alice).await.expect("read");
    let expected = vec![
        request("dave", None, 10),
        request("bob", in_club.clone(), 20),
        request("carol", None, 20),
        request("bob", None, 30),
    ];
    assert_eq!(open, expected);
    write(&store, [Change::PutConsentRequest(request("dave", None, 40))]).await.expect("replaced");
    // Another scope, then the same one whatever its time.
    write(&store, [Change::RemoveConsentRequest(request("carol", in_club, 20))])
        .await
        .expect("nothing to do");
    write(&store, [Change::RemoveConsentRequest(request("bob", None, 0))]).await.expect("removed");
    let open = store.consent_requests(&alice).await.expect("read");
    let expected = vec![
        request("bob", Some(room("club")), 20),
        request("carol", None, 20),
        request("dave", None, 40),
    ];
    assert_eq!(open, expected);
    assert_eq!(store.consent_requests(&user("bob")).await, Ok(Vec::new()));
}
