use super::*;
use crate::record::Era;

const FIRST: EraId = EraId([1; 16]);
const SECOND: EraId = EraId([2; 16]);
const UNKNOWN: EraId = EraId([9; 16]);

/// A log of 90 entries whose second era began after 50.
fn history() -> LogHistory {
    let eras = vec![Era { id: FIRST, after_id: 0 }, Era { id: SECOND, after_id: 50 }];
    LogHistory { eras, last_id: 90 }
}

fn client() -> MimiUri {
    MimiUri::new("mimi://b.example/d/bob/phone").unwrap()
}

fn stock() -> Vec<StoredKeyPackage> {
    let package = |number: u8, client: &str| StoredKeyPackage {
        reference: vec![number; 32],
        client: MimiUri::new(client).unwrap(),
        octets: vec![1],
        ciphersuite: 2,
        capabilities: Vec::new(),
        not_after_ms: 9,
    };
    let other = "mimi://b.example/d/bob/laptop";
    vec![package(1, client().as_str()), package(2, other), package(3, client().as_str())]
}

fn resumed(era: Option<EraId>, after: u64, acknowledged: u64) -> (Resumed, Vec<Change>) {
    let (client, history, stock) = (client(), history(), stock());
    let (client, history, stock) = (&client, &history, &stock);
    let input = ResumeInput { client, history, era, after, acknowledged, stock };
    let Transition { changes, reply, .. } = resume(&input);
    (reply, changes)
}

fn goes_on(era: Option<EraId>, after: u64, acknowledged: u64) {
    let expected = (Resumed { after, put_back: None }, Vec::new());
    assert_eq!(resumed(era, after, acknowledged), expected, "{era:?} {after} {acknowledged}");
}

fn goes_back(era: Option<EraId>, after: u64, acknowledged: u64, to: u64) {
    let (reply, changes) = resumed(era, after, acknowledged);
    let put_back = Some(PutBack::Provider);
    assert_eq!(reply, Resumed { after: to, put_back }, "{era:?} {after} {acknowledged}");
    // PROTO-KM-10: its own stock is released, and nobody else's.
    let released: Vec<Change> =
        [1, 3].iter().map(|number| Change::ReleaseKeyPackage(vec![*number; 32])).collect();
    assert_eq!(changes, released);
}

#[test]
fn an_ordinary_client_goes_on_where_it_was() {
    goes_on(Some(SECOND), 90, 90);
    goes_on(Some(SECOND), 70, 60);
    goes_on(Some(FIRST), 50, 50);
    goes_on(Some(FIRST), 0, 0);
    goes_on(None, 90, 90);
    goes_on(None, 0, 0);
}

#[test]
fn what_a_backup_does_not_have_was_not_seen() {
    // The log of the first era went on beyond what the backup has.
    goes_back(Some(FIRST), 51, 40, 50);
    goes_back(Some(FIRST), 80, 50, 50);
    // Beyond the end.
    goes_back(Some(SECOND), 91, 90, 90);
    goes_back(None, 91, 90, 90);
}

/// An era that began and was lost between backup and putting back: what was acknowledged by the time
/// of the backup is certain.
#[test]
fn of_a_lost_era_nothing_counts() {
    goes_back(Some(UNKNOWN), 60, 45, 45);
    goes_on(Some(UNKNOWN), 45, 45);
}

#[test]
fn a_client_that_has_forgotten_what_it_acknowledged_was_put_back() {
    let (reply, changes) = resumed(Some(SECOND), 60, 61);
    assert_eq!(reply, Resumed { after: 60, put_back: Some(PutBack::Client) });
    assert_eq!(changes.len(), 2);
    // Who does not play by eras may read its history again.
    goes_on(None, 0, 90);
}
