use super::*;

#[test]
fn everybody_has_a_share_and_no_more() {
    let shares = Shares::new(2);
    let held = [shares.take(&"b"), shares.take(&"b")];
    assert!(held.iter().all(Option::is_some));
    assert!(shares.take(&"b").is_none());
    assert!(shares.take(&"c").is_some(), "of another there is enough");
    drop(held);
    assert!(shares.take(&"b").is_some());
    assert!(locked(&shares.taken).is_empty(), "nobody is remembered");
}
