//! Decisions about contact, and requests for it.

use mimi_provider::Change;
use mimi_provider::record::{ConsentCounts, ConsentDecision, ConsentRequest};

use super::facts::{account, arrival, decision, request, room, user};
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

/// What a user has asked is a list of its own, apart from what others are asked.
pub async fn what_was_asked_is_listed_until_removed(subject: &impl Subject) {
    let store = subject.open();
    let bob = user("bob");
    let in_club = Some(room("club"));
    for asked in [request("bob", None, 30), request("bob", in_club.clone(), 20)] {
        write(&store, [Change::PutConsentAsked(asked)]).await.expect("put");
    }
    let other = ConsentRequest { target: user("carol"), ..request("bob", None, 20) };
    write(&store, [Change::PutConsentAsked(other.clone())]).await.expect("put");
    write(&store, [Change::PutConsentAsked(request("dave", None, 1))]).await.expect("put");
    let expected =
        vec![request("bob", in_club.clone(), 20), other.clone(), request("bob", None, 30)];
    assert_eq!(store.consent_asked(&bob).await, Ok(expected));
    assert_eq!(store.consent_requests(&user("alice")).await, Ok(Vec::new()));
    write(&store, [Change::PutConsentAsked(request("bob", None, 10))]).await.expect("replaced");
    write(&store, [Change::RemoveConsentAsked(other)]).await.expect("removed");
    write(&store, [Change::RemoveConsentAsked(request("bob", Some(room("attic")), 0))])
        .await
        .expect("nothing to do");
    let expected = vec![request("bob", None, 10), request("bob", in_club, 20)];
    assert_eq!(store.consent_asked(&bob).await, Ok(expected));
}

/// All of a user's decisions, and how many there are of it and about it.
pub async fn decisions_are_listed_and_counted(subject: &impl Subject) {
    let store = subject.open();
    let (granted, revoked) = (ConsentDecision::Granted, ConsentDecision::Revoked);
    let mut about_carol = decision(None, revoked, 7);
    about_carol.requester = user("carol");
    let records =
        [decision(None, granted, 2), decision(Some(room("club")), revoked, 3), about_carol];
    for record in &records {
        write(&store, [Change::PutConsent(record.clone())]).await.expect("put");
    }
    assert_eq!(store.consents_of(&user("alice")).await, Ok(records.to_vec()));
    assert_eq!(store.consents_of(&user("bob")).await, Ok(Vec::new()));
    for (name, decided, about) in [("alice", 3, 0), ("bob", 0, 2), ("carol", 0, 1), ("dave", 0, 0)]
    {
        let counts = store.consent_counts(&user(name)).await;
        assert_eq!(counts, Ok(ConsentCounts { decided, about }), "{name}");
    }
}

/// Arrivals wait in their order until they are removed; a number is not used again.
pub async fn arrivals_wait_in_order(subject: &impl Subject) {
    let store = subject.open();
    assert_eq!(store.arrivals(10).await, Ok(Vec::new()));
    let (first, second) = (arrival("b.example", 1), arrival("c.example", 2));
    for arrival in [&first, &second] {
        write(&store, [Change::PutArrival(arrival.clone())]).await.expect("put");
    }
    let waiting = store.arrivals(10).await.expect("read");
    let arrived: Vec<_> = waiting.iter().map(|it| &it.arrival).collect();
    assert_eq!(arrived, [&first, &second]);
    assert!(waiting[0].id < waiting[1].id);
    assert_eq!(store.arrivals(1).await, Ok(waiting[..1].to_vec()));
    for stored in &waiting {
        write(&store, [Change::RemoveArrival(stored.id)]).await.expect("removed");
    }
    write(&store, [Change::RemoveArrival(waiting[0].id)]).await.expect("nothing to do");
    write(&store, [Change::PutArrival(first)]).await.expect("put");
    let next = store.arrivals(10).await.expect("read");
    assert_eq!(next.len(), 1);
    assert!(next[0].id > waiting[1].id);
}

/// Whoever gets a name next is a stranger to those who let in who had it before.
pub async fn a_name_that_is_given_again_is_a_strangers(subject: &impl Subject) {
    let store = subject.open();
    write(&store, [Change::CreateAccount(account("bob"))]).await.expect("created");
    let granted = decision(None, ConsentDecision::Granted, 1);
    write(&store, [Change::PutConsent(granted)]).await.expect("put");
    write(&store, [Change::PutConsentRequest(request("bob", None, 1))]).await.expect("put");
    write(&store, [Change::PutConsentAsked(request("bob", None, 1))]).await.expect("put");
    write(&store, [Change::RemoveAccount(user("bob"))]).await.expect("removed");
    assert_eq!(store.consents(&user("alice"), &user("bob")).await, Ok(Vec::new()));
    assert_eq!(store.consent_requests(&user("alice")).await, Ok(Vec::new()));
    assert_eq!(store.consent_asked(&user("bob")).await, Ok(Vec::new()));
}
