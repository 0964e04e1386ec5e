//! What a store keeps when it is closed and opened again.

use super::facts::{entries, everything, one_of_each, room};
use super::{Subject, write};
use crate::Store;

/// Everything, and the numbers go on where they ended.
pub async fn everything_is_still_there(subject: &impl Subject) {
    let store = subject.open();
    let last = write(&store, one_of_each()).await.expect("written").event_ids;
    let before = everything(&store).await;
    drop(store);
    let store = subject.open();
    assert_eq!(everything(&store).await, before);
    let next = write(&store, entries(&room("club"), 4, 4)).await.expect("appended").event_ids;
    assert!(last.iter().max() < next.first());
    drop(store);
    assert_eq!(subject.open().last_seq(&room("club")).await, Ok(4));
}
