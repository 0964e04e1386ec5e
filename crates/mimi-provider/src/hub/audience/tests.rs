use super::*;
use crate::fixture::{domain, room};

/// What is kept is of one epoch: whoever came since reads along, whoever went does not.
#[test]
fn readers_are_those_of_the_epoch() {
    let own = domain("a.example");
    let before = room(&["a/alice/phone", "b/bob/phone"]);
    let readership = Readership::of(&before, &own);
    let audience = |view: &RoomView| readership.now(view, &Restrictions::default(), &own).audience;
    assert_eq!(audience(&before), [domain("b.example")]);
    let after = RoomView { epoch: 1, ..room(&["a/alice/phone", "c/cathy/phone"]) };
    assert_eq!(audience(&after), [domain("c.example")]);
}
