//! The times in which the log only grew.

use mimi_provider::Change;
use mimi_provider::record::{ERAS_MAX, Era, EraId, LogHistory};

use super::facts::{event, room};
use super::{Subject, write};
use crate::Store;

fn id(number: usize) -> EraId {
    let mut id = [0; 16];
    id[8..].copy_from_slice(&(number as u64).to_be_bytes());
    EraId(id)
}

/// An era begins after what there is, once.
pub async fn an_era_begins_at_the_logs_end(subject: &impl Subject) {
    let store = subject.open();
    let nothing = LogHistory { eras: Vec::new(), last_id: 0 };
    assert_eq!(store.history().await, Ok(nothing));
    write(&store, [Change::BeginEra(id(1))]).await.expect("written");
    let appended = write(&store, [Change::Append(event(&room("club"), 1))]).await;
    let last_id = appended.expect("written").event_ids[0];
    write(&store, [Change::BeginEra(id(2)), Change::BeginEra(id(1))]).await.expect("written");
    let eras = vec![Era { id: id(1), after_id: 0 }, Era { id: id(2), after_id: last_id }];
    assert_eq!(store.history().await, Ok(LogHistory { eras, last_id }));
}

/// A provider that is started often does not remember for ever.
pub async fn the_oldest_eras_are_forgotten(subject: &impl Subject) {
    let store = subject.open();
    for (count, first) in [(ERAS_MAX, 0), (ERAS_MAX + 1, 1)] {
        write(&store, (0..count).map(|number| Change::BeginEra(id(number))))
            .await
            .expect("written");
        let eras = store.history().await.expect("read").eras;
        assert_eq!((eras.len(), eras[0].id), (ERAS_MAX, id(first)));
    }
}
