use mimi_wire::MimiUri;

use super::MemberSet;

fn user(name: &str) -> MimiUri {
    MimiUri::new(&format!("mimi://a.example/u/{name}")).unwrap()
}

/// POLICY-BASE-2: the set counts, not its order.
#[test]
fn a_set_is_its_people() {
    let [alice, bob, cathy] = ["alice", "bob", "cathy"].map(user);
    let set = |users: &[&MimiUri]| MemberSet::of(users.iter().copied());
    assert_eq!(set(&[&alice, &bob]), set(&[&bob, &alice]));
    assert_eq!(set(&[&alice, &bob]), set(&[&bob, &alice, &bob]));
    for other in [&[&alice][..], &[&alice, &cathy], &[&alice, &bob, &cathy], &[]] {
        assert_ne!(set(&[&alice, &bob]), set(other));
    }
}
