use std::collections::{BTreeMap, BTreeSet};

use mimi_wire::MimiUri;
use mimi_wire::content::MessageId;

use super::{Accepted, Ending, Epoch, Ledger, Line, Room, Rule, Standing};

fn uri(text: &str) -> MimiUri {
    MimiUri::new(&format!("mimi://a.example/{text}")).unwrap()
}

fn epoch(seq: u64, names: &[&str]) -> Epoch {
    let member = |name: &&str| (uri(&format!("d/{name}/phone")), uri(&format!("u/{name}")));
    let members: BTreeMap<_, _> = names.iter().map(member).collect();
    let writers: BTreeSet<_> = members.values().cloned().collect();
    Epoch { seq, tree_hash: vec![u8::try_from(seq).unwrap()], members, writers }
}

fn accepted(seq: u64, epoch: u64, name: &str) -> Accepted {
    Accepted {
        seq,
        timestamp_ms: 1_000 + seq,
        epoch,
        sender: uri(&format!("u/{name}")),
        octets: seq.to_be_bytes().to_vec(),
    }
}

fn line(seq: u64, name: &str, text: &str) -> Line {
    Line {
        id: MessageId([u8::try_from(seq).unwrap(); 32]),
        sender: uri(&format!("u/{name}")),
        timestamp_ms: 1_000 + seq,
        text: Some(text.to_owned()),
        all: text.to_owned(),
        is_refused: false,
    }
}

/// alice and bob in epoch 0; alice has written "one", accepted as entry 2.
fn small() -> Ledger {
    let mut ledger = Ledger::new();
    ledger.epoch(&uri("r/club"), 0, epoch(1, &["alice", "bob"]));
    ledger.wrote(&uri("u/alice"), &uri("r/club"), "one");
    ledger.accepted(&uri("r/club"), accepted(2, 0, "alice"));
    ledger
}

fn ending(name: &str, lines: Vec<Line>) -> Ending {
    let room = Room { room: uri("r/club"), facts: vec!["as it is".to_owned()] };
    let client = uri(&format!("d/{name}/phone"));
    Ending { client, rooms: vec![(room, Standing::Inside, lines)] }
}

fn end(mut ledger: Ledger, devices: &[Ending]) -> Vec<Rule> {
    let hubs = [Room { room: uri("r/club"), facts: vec!["as it is".to_owned()] }];
    ledger.end(&hubs, devices, &[]);
    ledger.violations().iter().map(|violation| violation.rule).collect()
}

#[test]
fn what_is_right_is_no_violation() {
    let one = || vec![line(2, "alice", "one")];
    assert_eq!(end(small(), &[ending("alice", one()), ending("bob", one())]), []);
}

#[test]
fn a_message_that_somebody_lacks_is_lost() {
    let one = vec![line(2, "alice", "one")];
    let devices = [ending("alice", one), ending("bob", Vec::new())];
    assert_eq!(end(small(), &devices), [Rule::Lost]);
    let mut ledger = small();
    ledger.promised(&uri("u/alice"), &uri("r/club"), MessageId([9; 32]));
    let one = || vec![line(2, "alice", "one")];
    assert_eq!(end(ledger, &[ending("alice", one()), ending("bob", one())]), [Rule::Lost]);
}

#[test]
fn a_message_that_its_sender_believes_lost() {
    let both = || [ending("alice", Vec::new()), ending("bob", vec![line(2, "alice", "one")])];
    for (text, is_broken) in [("one", true), ("two", false)] {
        let mut ledger = small();
        ledger.unsent(&uri("d/alice/phone"), text);
        assert_eq!(end(ledger, &both()).contains(&Rule::Unsent), is_broken, "{text}");
    }
}

#[test]
fn a_message_that_is_shown_twice_or_told_twice() {
    let one = || line(2, "alice", "one");
    let devices = [ending("alice", vec![one(), one()]), ending("bob", vec![one()])];
    assert_eq!(end(small(), &devices), [Rule::Twice, Rule::Order]);
    let mut ledger = small();
    ledger.told(&uri("d/bob/phone"), one().id);
    ledger.told(&uri("d/bob/phone"), one().id);
    assert_eq!(ledger.violations()[0].rule, Rule::Twice);
    let mut ledger = small();
    let again = Accepted { seq: 3, timestamp_ms: 2_000, ..accepted(2, 0, "alice") };
    ledger.accepted(&uri("r/club"), again);
    assert_eq!(ledger.violations()[0].rule, Rule::Twice);
}

#[test]
fn another_order() {
    let mut ledger = small();
    ledger.wrote(&uri("u/bob"), &uri("r/club"), "two");
    ledger.accepted(&uri("r/club"), accepted(3, 0, "bob"));
    let lines = vec![line(3, "bob", "two"), line(2, "alice", "one")];
    ledger.shows(&uri("d/bob/phone"), &uri("r/club"), &lines);
    assert_eq!(ledger.violations()[0].rule, Rule::Order);
    let mut ledger = small();
    ledger.accepted(&uri("r/club"), Accepted { timestamp_ms: 5, ..accepted(3, 0, "alice") });
    assert_eq!(ledger.violations()[0].rule, Rule::Order);
}

#[test]
fn forks() {
    let mut ledger = small();
    ledger.epoch(&uri("r/club"), 0, epoch(1, &["alice"]));
    ledger.epoch(&uri("r/club"), 2, epoch(4, &["alice"]));
    ledger.in_epoch(&uri("d/bob/phone"), &uri("r/club"), 0, &[7]);
    ledger.in_epoch(&uri("d/bob/phone"), &uri("r/club"), 9, &[7]);
    let rules: Vec<_> = ledger.violations().iter().map(|violation| violation.rule).collect();
    assert_eq!(rules, [Rule::Fork; 4]);
}

#[test]
fn who_is_out_does_not_write_or_read() {
    let mut ledger = small();
    ledger.accepted(&uri("r/club"), accepted(3, 0, "mallory"));
    ledger.epoch(&uri("r/club"), 1, epoch(4, &["alice"]));
    ledger.wrote(&uri("u/alice"), &uri("r/club"), "two");
    ledger.accepted(&uri("r/club"), accepted(5, 1, "alice"));
    ledger.shows(&uri("d/bob/phone"), &uri("r/club"), &[line(5, "alice", "two")]);
    ledger.in_epoch(&uri("d/bob/phone"), &uri("r/club"), 1, &[4]);
    let rules: Vec<_> = ledger.violations().iter().map(|violation| violation.rule).collect();
    assert_eq!(rules, [Rule::Write, Rule::Read, Rule::Read]);
}

#[test]
fn words_that_nobody_wrote() {
    let mut ledger = small();
    ledger.shows(&uri("d/bob/phone"), &uri("r/club"), &[line(2, "alice", "other")]);
    ledger.shows(&uri("d/bob/phone"), &uri("r/club"), &[line(2, "bob", "one")]);
    let rules: Vec<_> = ledger.violations().iter().map(|violation| violation.rule).collect();
    assert_eq!(rules, [Rule::Write; 3]);
}

/// What is written in a direct room that has given way goes to the one that stays (TOM-67).
#[test]
fn words_that_another_room_takes() {
    let mut ledger = small();
    ledger.wrote(&uri("u/alice"), &uri("r/before"), "elsewhere");
    let lines = [line(2, "alice", "elsewhere")];
    ledger.gives_way(&uri("r/before"), &uri("r/club"));
    ledger.shows(&uri("d/bob/phone"), &uri("r/club"), &lines);
    assert_eq!(ledger.violations(), []);
    ledger.gives_way(&uri("r/club"), &uri("r/after"));
    ledger.wrote(&uri("u/alice"), &uri("r/after"), "back");
    ledger.shows(&uri("d/bob/phone"), &uri("r/club"), &[line(2, "alice", "back")]);
    assert_eq!(ledger.violations()[0].rule, Rule::Write);
}

#[test]
fn a_key_package_is_given_once() {
    let mut ledger = Ledger::new();
    ledger.key_package(&[1]);
    ledger.key_package(&[2]);
    assert_eq!(ledger.violations(), []);
    ledger.key_package(&[1]);
    assert_eq!(ledger.violations()[0].rule, Rule::KeyPackage);
}

#[test]
fn what_devices_and_hub_disagree_on() {
    let one = || vec![line(2, "alice", "one")];
    let mut other = ending("bob", one());
    other.rooms[0].0.facts = vec!["otherwise".to_owned()];
    assert_eq!(end(small(), &[ending("alice", one()), other]), [Rule::Agreement]);
    let mut edited = one();
    edited[0].all = "one, edited".to_owned();
    let devices = [ending("alice", one()), ending("bob", edited)];
    assert_eq!(end(small(), &devices), [Rule::Agreement]);
    let mut frozen = ending("bob", one());
    frozen.rooms[0].1 = Standing::Frozen;
    assert_eq!(end(small(), &[ending("alice", one()), frozen]), [Rule::Frozen, Rule::Agreement]);
    let nowhere = Ending { client: uri("d/bob/phone"), rooms: Vec::new() };
    let devices = [ending("alice", one()), nowhere];
    assert_eq!(end(small(), &devices), [Rule::Agreement, Rule::Lost]);
}

#[test]
fn what_waits_in_the_end() {
    let mut ledger = Ledger::new();
    ledger.end(&[], &[], &["a queue".to_owned()]);
    assert_eq!(ledger.violations()[0].rule, Rule::Drain);
}

#[test]
fn a_room_that_was_put_back_goes_on_from_there() {
    let mut ledger = small();
    ledger.epoch(&uri("r/club"), 1, epoch(3, &["alice"]));
    ledger.put_back(&uri("r/club"), 1);
    ledger.accepted(&uri("r/club"), accepted(2, 0, "alice"));
    ledger.epoch(&uri("r/club"), 1, epoch(4, &["alice", "bob"]));
    assert_eq!(ledger.violations(), []);
}

#[test]
fn who_is_on_its_way_out_may_lack_what_comes_behind() {
    let mut ledger = small();
    ledger.leaving(&uri("r/club"), 3, BTreeSet::from([uri("d/bob/phone")]));
    ledger.wrote(&uri("u/alice"), &uri("r/club"), "two");
    ledger.accepted(&uri("r/club"), accepted(4, 0, "alice"));
    let both = vec![line(2, "alice", "one"), line(4, "alice", "two")];
    let bob = ending("bob", vec![line(2, "alice", "one")]);
    assert_eq!(end(ledger, &[ending("alice", both.clone()), bob]), []);
    assert_eq!(end(small(), &[ending("alice", both), ending("bob", Vec::new())])[0], Rule::Write);
}

#[test]
fn a_message_of_an_epoch_long_gone() {
    for (epochs, rules) in [(2, vec![]), (3, vec![Rule::Write])] {
        let mut ledger = Ledger::new();
        for number in 0..epochs {
            ledger.epoch(&uri("r/club"), number, epoch(number + 1, &["alice", "bob"]));
        }
        ledger.accepted(&uri("r/club"), accepted(10, 0, "alice"));
        let broken: Vec<_> = ledger.violations().iter().map(|it| it.rule).collect();
        assert_eq!(broken, rules);
    }
}
