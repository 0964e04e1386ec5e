use std::collections::BTreeMap;

use mimi_wire::MimiUri;

use super::{Findings, Ledger};

fn room() -> MimiUri {
    MimiUri::new("mimi://a.example/r/one").unwrap()
}

/// Three messages that were accepted one after the other; `phone` was there from the beginning,
/// `laptop` came after the first.
fn ledger() -> Ledger {
    let mut ledger = Ledger::default();
    ledger.comes("phone", &room());
    for text in ["1", "2", "3"] {
        if text == "2" {
            ledger.comes("laptop", &room());
        }
        ledger.write(&room(), "phone", text);
        ledger.accept(text);
    }
    ledger
}

fn compare(ledger: &Ledger, phone: &[&str], laptop: &[&str]) -> Findings {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let shown = [("phone", phone), ("laptop", laptop)];
    let shown: BTreeMap<String, Vec<String>> =
        shown.iter().map(|(device, shown)| ((*device).to_owned(), texts(shown))).collect();
    let mut findings = Findings::default();
    ledger.compare(&room(), "phone", &shown, &mut findings);
    findings
}

#[test]
fn what_is_whole_is_found_to_be() {
    let ledger = ledger();
    for laptop in [&["2", "3"][..], &["1", "2", "3"]] {
        let findings = compare(&ledger, &["1", "2", "3"], laptop);
        assert!(findings.is_whole(), "{findings:?}");
        assert_eq!(findings.delivered, 5);
    }
}

#[test]
fn what_is_wrong_is_found() {
    let ledger = ledger();
    assert_eq!(compare(&ledger, &["1", "3"], &["3"]).lost, 2, "each lacks one");
    assert_eq!(compare(&ledger, &["1", "2", "3"], &["2"]).lost, 1);
    assert_eq!(compare(&ledger, &["1", "2", "3", "3"], &["2", "3"]).duplicated, 1);
    assert!(compare(&ledger, &["1", "2", "3"], &["3", "2"]).reordered > 0);
    assert!(compare(&ledger, &["1", "3", "2"], &["3", "2"]).reordered > 0, "by one writer");
    assert_eq!(compare(&ledger, &["1", "2", "3", "x"], &["2", "3", "x"]).invented, 1);
}

#[test]
fn nobody_is_due_what_was_said_while_out() {
    let mut ledger = ledger();
    ledger.goes("laptop", &room());
    ledger.write(&room(), "phone", "4");
    ledger.accept("4");
    ledger.comes("laptop", &room());
    ledger.write(&room(), "phone", "5");
    ledger.accept("5");
    let all = ["1", "2", "3", "4", "5"];
    assert!(compare(&ledger, &all, &["2", "3", "5"]).is_whole());
    assert!(compare(&ledger, &all, &["2", "3", "4", "5"]).is_whole());
    assert_eq!(compare(&ledger, &all, &["2", "5"]).lost, 1);
    assert_eq!(compare(&ledger, &all, &["1", "3", "5"]).lost, 1);
}

#[test]
fn a_writer_that_did_not_hear_may_have_been_heard() {
    let mut ledger = ledger();
    ledger.write(&room(), "phone", "4");
    let came = compare(&ledger, &["1", "2", "3", "4"], &["2", "3", "4"]);
    assert!(came.is_whole());
    assert_eq!((came.unknown_came, came.unknown_never), (1, 0));
    let never = compare(&ledger, &["1", "2", "3"], &["2", "3"]);
    assert!(never.is_whole());
    assert_eq!((never.unknown_came, never.unknown_never), (0, 1));
    let by_one = compare(&ledger, &["1", "2", "3"], &["2", "3", "4"]);
    assert_eq!(by_one.lost, 1, "by one device alone");
    let not_by_last = compare(&ledger, &["1", "2", "3", "4"], &["2", "3"]);
    assert_eq!(not_by_last.lost, 1, "what came to one comes to all");
    ledger.refuse("4", "no");
    assert_eq!(compare(&ledger, &["1", "2", "3", "4"], &["2", "3", "4"]).invented, 1);
}

#[test]
fn what_is_told_twice_is_found() {
    let mut ledger = ledger();
    let mut findings = Findings::default();
    ledger.tells("phone", "1");
    ledger.tells("laptop", "1");
    ledger.told_twice(&mut findings);
    assert_eq!(findings.duplicated, 0);
    ledger.tells("phone", "1");
    ledger.told_twice(&mut findings);
    assert_eq!(findings.duplicated, 1);
}
