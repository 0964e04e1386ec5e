use super::*;
use crate::fixture::{NOW, domain, user};

/// Small, so that every limit is reached soon.
fn rates() -> ContactRates {
    let few = |most| Rate::new(most, 1_000);
    ContactRates {
        consent_per_peer: few(9),
        requests_per_requester: few(5),
        requests_per_pair: few(2),
        requests_per_peer_and_target: few(4),
        key_material_per_peer: few(6),
        key_material_per_requester: few(3),
        releases_per_peer_and_target: few(5),
        releases_per_request: few(2),
    }
}

/// One user to one other, at the limit and beyond; a third party notices nothing.
#[test]
fn a_pair_runs_out_alone() {
    let (mut budgets, rates) = (ContactBudgets::default(), rates());
    let (a, b) = (domain("a.example"), domain("c.example"));
    let mut ask = |peer: &Domain, requester: &str, target: &str| {
        budgets.request_of_peer(&rates, peer, &user(requester), &user(target), NOW)
    };
    assert_eq!(ask(&a, "a/eve", "b/bob"), Ok(()));
    assert_eq!(ask(&a, "a/eve", "b/bob"), Ok(()));
    assert_eq!(ask(&a, "a/eve", "b/bob"), Err(1_000));
    assert_eq!(ask(&a, "a/eve", "b/nobody"), Ok(()));
    assert_eq!(ask(&a, "a/alice", "b/bob"), Ok(()), "another requester of the same provider");
    assert_eq!(ask(&a, "a/adam", "b/bob"), Ok(()));
    assert_eq!(ask(&a, "a/abel", "b/bob"), Err(1_000), "the provider's share of bob is used up");
    assert_eq!(ask(&b, "c/cathy", "b/bob"), Ok(()), "others' is not");
}

/// One user to everybody, whoever of them exists.
#[test]
fn a_requester_runs_out() {
    let (mut budgets, rates) = (ContactBudgets::default(), rates());
    for number in 0..5 {
        let target = user(&format!("b/user{number}"));
        assert_eq!(budgets.request_of_ours(&rates, &user("b/eve"), &target, NOW), Ok(()));
    }
    let one_more = budgets.request_of_ours(&rates, &user("b/eve"), &user("b/bob"), NOW);
    assert_eq!(one_more, Err(1_000));
    assert_eq!(budgets.request_of_ours(&rates, &user("b/ann"), &user("b/bob"), NOW), Ok(()));
}

/// All entries of a peer together.
#[test]
fn a_peer_runs_out() {
    let (mut budgets, rates) = (ContactBudgets::default(), rates());
    let (a, c) = (domain("a.example"), domain("c.example"));
    for _ in 0..9 {
        assert_eq!(budgets.entry_of_peer(&rates, &a, NOW), Ok(()));
    }
    assert_eq!(budgets.entry_of_peer(&rates, &a, NOW), Err(1_000));
    assert_eq!(budgets.entry_of_peer(&rates, &c, NOW), Ok(()));
}

/// A hub that names others' users spends what is its own.
#[test]
fn key_material_is_counted_by_its_way() {
    let (mut budgets, rates) = (ContactBudgets::default(), rates());
    let (a, c) = (domain("a.example"), domain("c.example"));
    let alice = user("a/alice");
    let mut ask = |peer: Option<&Domain>, requester: &MimiUri| {
        budgets.key_material(&rates, peer, requester, NOW)
    };
    for _ in 0..3 {
        assert_eq!(ask(Some(&c), &alice), Ok(()));
    }
    assert_eq!(ask(Some(&c), &alice), Err(1_000));
    assert_eq!(ask(Some(&a), &alice), Ok(()), "by her own provider she still may");
    for number in 0..3 {
        assert_eq!(ask(Some(&c), &user(&format!("c/user{number}"))), Ok(()));
    }
    assert_eq!(ask(Some(&c), &user("c/cathy")), Err(1_000), "c has asked six times");
    for number in 0..7 {
        assert_eq!(ask(None, &user(&format!("b/user{number}"))), Ok(()), "ours share nothing");
    }
}

/// AMB-KM-9, PROTO-KM-10: a repeat is served, with other KeyPackages, until its budget is spent; a
/// hub that plays requests again does not keep others from the same user.
#[test]
fn a_replay_runs_out() {
    let (mut budgets, rates) = (ContactBudgets::default(), rates());
    let (a, c) = (domain("a.example"), domain("c.example"));
    let bob = user("b/bob");
    let mut release = |peer: Option<&Domain>, request: u8, now_ms| {
        budgets.release(&rates, peer, &bob, [request; 32], now_ms)
    };
    assert_eq!(release(Some(&a), 1, NOW), Ok(()));
    assert_eq!(release(Some(&a), 1, NOW), Ok(()));
    assert_eq!(release(Some(&a), 1, NOW), Err(1_000));
    assert_eq!(release(Some(&a), 1, NOW + 1_000), Ok(()), "it comes back");
    assert_eq!(release(Some(&c), 1, NOW), Ok(()), "through another hub it is another matter");
    assert_eq!(release(Some(&a), 2, NOW), Ok(()));
    assert_eq!(release(Some(&a), 3, NOW), Ok(()));
    assert_eq!(release(Some(&a), 4, NOW), Err(1_000), "a's share of bob is used up");
    assert_eq!(release(Some(&c), 4, NOW), Ok(()));
    for request in 0..20 {
        assert_eq!(release(None, 100 + request, NOW), Ok(()), "our own hub has no such share");
    }
}
