use super::*;
use crate::fixture::{client, domain, user};

/// AMB-TR-6: a peer speaks for all of its own, a client of ours for itself.
#[test]
fn who_speaks_for_whom() {
    let peer = Requester::Peer(domain("b.example"));
    assert!(peer.speaks_for(&user("b/bob")) && !peer.speaks_for(&user("a/alice")));
    assert!(peer.speaks_for_client(&user("b/bob"), &client("b/bob/phone")));
    assert!(!peer.speaks_for_client(&user("b/bob"), &client("a/alice/phone")));
    assert!(!peer.speaks_for_client(&user("a/alice"), &client("b/bob/phone")));
    let (alice, phone) = (user("a/alice"), client("a/alice/phone"));
    let local = Requester::Local(DeviceIdentity { user: alice.clone(), client: phone.clone() });
    assert!(local.speaks_for(&alice) && !local.speaks_for(&user("a/dora")));
    assert!(local.speaks_for_client(&alice, &phone));
    assert!(!local.speaks_for_client(&alice, &client("a/alice/laptop")));
    assert!(!local.speaks_for_client(&user("a/dora"), &phone));
}
