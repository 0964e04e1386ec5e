//! Files: new ones, old ones, those of others.

use mimi_provider::record::EraId;
use rusqlite::Connection;

use crate::Store;
use crate::conformance::facts::{client, entries, everything, one_of_each, room, user};
use crate::conformance::{Subject, write};
use crate::sqlite::schema::MIGRATIONS;
use crate::sqlite::{OpenError, Options, SqliteStore};

fn pragma(db: &Connection, name: &str) -> i64 {
    db.pragma_query_value(None, name, |row| row.get(0)).unwrap()
}

/// The schema that this version writes.
fn current() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap()
}

#[test]
fn a_new_file_gets_the_current_schema() {
    let scratch = super::inline();
    // Also when it exists, empty.
    std::fs::write(scratch.path(), []).unwrap();
    drop(scratch.open());
    let db = scratch.raw();
    assert_eq!(pragma(&db, "user_version"), current());
    assert_eq!(pragma(&db, "page_size"), 4096);
    let mode: String = db.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
}

/// A file of the first version, with what it held.
#[tokio::test]
async fn an_older_file_is_brought_up_to_date() {
    let scratch = super::inline();
    std::fs::write(scratch.path(), []).unwrap();
    let db = scratch.raw();
    db.execute_batch(MIGRATIONS[0]).unwrap();
    db.pragma_update(None, "application_id", 0x544f_4d42).unwrap();
    db.pragma_update(None, "user_version", 1).unwrap();
    drop(db);
    let store = scratch.open();
    assert_eq!(pragma(&scratch.raw(), "user_version"), current());
    write(&store, one_of_each()).await.unwrap();
    let found = store.find_profiles(&[1], 9).await.unwrap();
    assert_eq!(found.len(), 1);
}

/// A file of the fourth version that has been used: what it held is there, and what came later begins.
#[tokio::test]
async fn a_used_file_of_the_fourth_version() {
    let scratch = super::inline();
    std::fs::write(scratch.path(), []).unwrap();
    let db = scratch.raw();
    for step in &MIGRATIONS[..4] {
        db.execute_batch(step).unwrap();
    }
    db.pragma_update(None, "application_id", 0x544f_4d42).unwrap();
    db.pragma_update(None, "user_version", 4).unwrap();
    let (alice, phone) = (user("alice"), client("alice", "phone"));
    db.execute_batch(&format!(
        "INSERT INTO accounts (user, created_ms) VALUES ('{alice}', 5);
         INSERT INTO clients (id, uri, acknowledged_id) VALUES (1, '{phone}', 1);
         INSERT INTO devices (client, user, name, token_sha256, signature_key, created_ms)
             VALUES (1, '{alice}', 'phone', zeroblob(32), zeroblob(32), 6);
         INSERT INTO streams (id, uri) VALUES (1, '{alice}');
         INSERT INTO events (stream, seq, kind, timestamp_ms, audience, payload, detail)
             VALUES (1, 1, 1, 7, ' b.example ', x'01', x'');
         INSERT INTO followers (stream, follower, delivered_seq) VALUES (1, 'b.example', 0);
         INSERT INTO consents (target, requester, room, granted, decided_ms)
             VALUES ('{alice}', 'mimi://b.example/u/bob', '', 1, 8);
         INSERT INTO consent_requests (target, requester, room, requested_ms)
             VALUES ('{alice}', 'mimi://b.example/u/cathy', '', 9);"
    ))
    .unwrap();
    drop(db);
    let store = scratch.open();
    let device = store.device_by_token([0; 32]).await.unwrap().unwrap();
    assert_eq!((device.client, device.created_ms, device.last_seen_ms), (phone.clone(), 6, 0));
    assert_eq!(store.client_cursor(&phone).await.unwrap(), 1);
    assert_eq!(store.consents_of(&alice).await.unwrap().len(), 1);
    assert_eq!(store.consent_requests(&alice).await.unwrap().len(), 1);
    assert_eq!(store.consent_asked(&alice).await.unwrap(), []);
    assert_eq!(store.arrivals(9).await.unwrap(), []);
    assert_eq!(store.owed_removals(0, 9).await.unwrap(), []);
    let waiting = store.waiting_followers().await.unwrap();
    assert_eq!((waiting.len(), waiting[0].stale_since_ms), (1, None));
    assert!(store.history().await.unwrap().eras.is_empty());
    write(&store, [mimi_provider::Change::BeginEra(EraId([1; 16]))]).await.unwrap();
    let history = store.history().await.unwrap();
    assert_eq!((history.last_id, history.eras.len(), history.eras[0].after_id), (1, 1, 1));
}

#[test]
fn the_writer_is_set_up_for_durability() {
    let scratch = super::inline();
    drop(scratch.open());
    let db = crate::sqlite::schema::open_writer(&scratch.path(), None).unwrap();
    assert_eq!(pragma(&db, "synchronous"), 2);
    assert_eq!(pragma(&db, "wal_autocheckpoint"), 4000);
    assert_eq!(pragma(&db, "journal_size_limit"), 32 << 20);
}

#[tokio::test]
async fn a_current_file_is_left_as_it_is() {
    let scratch = super::own();
    let store = scratch.open();
    write(&store, one_of_each()).await.unwrap();
    let before = everything(&store).await;
    drop(store);
    for _ in 0..3 {
        assert_eq!(everything(&scratch.open()).await, before);
    }
}

#[test]
fn a_newer_file_is_refused() {
    let scratch = super::inline();
    drop(scratch.open());
    let newer = current() + 1;
    scratch.raw().pragma_update(None, "user_version", newer).unwrap();
    let error = SqliteStore::open(scratch.path(), Options::default()).unwrap_err();
    assert!(
        matches!(error, OpenError::Newer { found, known } if found == newer && known == MIGRATIONS.len()),
        "{error}"
    );
    assert!(error.to_string().contains("upgrade"), "{error}");
    assert_eq!(pragma(&scratch.raw(), "user_version"), newer);
}

#[test]
fn a_foreign_file_is_refused_and_left_as_it_is() {
    let scratch = super::inline();
    scratch.raw().execute_batch("CREATE TABLE recipes (name TEXT)").unwrap();
    let before = std::fs::read(scratch.path()).unwrap();
    let error = SqliteStore::open(scratch.path(), Options::default()).unwrap_err();
    assert!(matches!(error, OpenError::Foreign), "{error}");
    assert_eq!(std::fs::read(scratch.path()).unwrap(), before);

    std::fs::write(scratch.path(), "Dear diary, ".repeat(1000)).unwrap();
    let error = SqliteStore::open(scratch.path(), Options::default()).unwrap_err();
    assert!(matches!(error, OpenError::Sqlite(_)), "{error}");
}

#[test]
fn a_file_that_cannot_be_made_is_an_error() {
    let scratch = super::inline();
    let path = scratch.path().join("no").join("folder");
    let error = SqliteStore::open(path, Options::default()).unwrap_err();
    assert!(matches!(error, OpenError::Io(_)), "{error}");
}

#[test]
fn one_store_at_a_time() {
    let scratch = super::own();
    let store = scratch.open();
    let error = SqliteStore::open(scratch.path(), Options::default()).unwrap_err();
    assert!(matches!(error, OpenError::InUse(_)), "{error}");
    assert!(error.to_string().contains("in use"), "{error}");
    drop(store);
    drop(scratch.open());
}

#[cfg(unix)]
#[test]
fn one_store_at_a_time_by_any_name() {
    let scratch = super::own();
    let store = scratch.open();
    let alias = scratch.folder.path().join("alias.sqlite");
    std::os::unix::fs::symlink(scratch.path(), &alias).unwrap();
    let error = SqliteStore::open(alias, Options::default()).unwrap_err();
    assert!(matches!(error, OpenError::InUse(_)), "{error}");
    drop(store);
}

#[cfg(unix)]
#[tokio::test]
async fn files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = super::own();
    let store = scratch.open();
    write(&store, entries(&room("club"), 1, 1)).await.unwrap();
    let mut names = 0;
    for file in std::fs::read_dir(scratch.folder.path()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
        names += 1;
    }
    assert!(names >= 3, "the database, its log, the lock");
}

#[tokio::test]
async fn closing_leaves_one_tidy_file() {
    let scratch = super::own();
    let store = scratch.open();
    write(&store, one_of_each()).await.unwrap();
    everything(&store).await;
    drop(store);
    let wal = scratch.folder.path().join("store.sqlite-wal");
    assert!(!wal.exists(), "the log has been moved into the file");
}

/// Empty after delete, looked at past the store: no table has a row with the device's number.
#[tokio::test]
async fn a_removed_device_is_in_no_table() {
    let scratch = super::own();
    let store = scratch.open();
    write(&store, one_of_each()).await.unwrap();
    let phone = client("alice", "phone");
    let db = scratch.raw();
    let number: i64 = db
        .query_row("SELECT id FROM clients WHERE uri = ?1", [phone.as_str()], |row| row.get(0))
        .unwrap();
    let rows = || -> Vec<(String, i64)> {
        let count = |sql: &str| db.query_row(sql, [number], |row| row.get(0)).unwrap();
        [
            "SELECT count(*) FROM clients WHERE id = ?1",
            "SELECT count(*) FROM devices WHERE client = ?1",
            "SELECT count(*) FROM memberships WHERE client = ?1",
            "SELECT count(*) FROM key_packages WHERE client = ?1",
        ]
        .map(|sql| (sql.to_owned(), count(sql)))
        .into()
    };
    assert!(rows().iter().all(|(_, count)| *count > 0), "{:?}", rows());
    write(&store, [mimi_provider::Change::RemoveDevice(phone)]).await.unwrap();
    assert!(rows().iter().all(|(_, count)| *count == 0), "{:?}", rows());
}

/// A released KeyPackage is remembered by reference and owner only.
#[tokio::test]
async fn a_released_key_package_has_no_octets() {
    let scratch = super::own();
    let store = scratch.open();
    write(&store, one_of_each()).await.unwrap();
    let (octets, capabilities): (Option<Vec<u8>>, Option<Vec<u8>>) = scratch
        .raw()
        .query_row(
            "SELECT octets, capabilities FROM key_packages WHERE reference = ?1",
            [[1_u8; 32]],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    assert_eq!((octets, capabilities), (None, None));
}

#[tokio::test]
async fn what_cannot_be_read_is_an_error_without_contents() {
    let scratch = super::own();
    let store = scratch.open();
    write(&store, one_of_each()).await.unwrap();
    let club = room("club");
    for (column, value) in [("kind", "99"), ("audience", "' SECRET! '"), ("targets", "' SECRET! '")]
    {
        scratch.raw().execute(&format!("UPDATE events SET {column} = {value}"), []).unwrap();
        let error = store.log(&club, 0, 10).await.unwrap_err();
        assert!(!error.to_string().contains("SECRET"), "{error}");
        scratch
            .raw()
            .execute("UPDATE events SET kind = 1, audience = '', targets = NULL", [])
            .unwrap();
    }
    store.log(&club, 0, 10).await.unwrap();
    scratch.raw().execute("UPDATE accounts SET user = 'SECRET'", []).unwrap_err();
    scratch.raw().execute("UPDATE accounts SET user = user || 'SECRET !'", []).unwrap();
    let error = store.accounts().await.unwrap_err();
    assert!(!error.to_string().contains("SECRET"), "{error}");
}
