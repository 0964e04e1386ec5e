use mimi_policy::ProposedChange::SelfRemove;

use super::*;
use crate::fixture::{NOW, client, commit, domain, member, proposals, room_uri, unlisted, user};
use crate::hub::fixture::{Extras, Hub, appended, peer};

fn note(seq: Seq, timestamp_ms: u64, grant: JoinGrant) -> NewEvent {
    NewEvent {
        stream: room_uri(),
        seq,
        kind: EventKind::HubNote,
        timestamp_ms,
        payload: Vec::new(),
        audience: Vec::new(),
        targets: Some(Vec::new()),
        detail: HubState::note_join_grant(grant),
    }
}

fn grant(number: u64) -> JoinGrant {
    grant_to(&format!("c/user{number}"), number)
}

fn grant_to(name: &str, number: u64) -> JoinGrant {
    JoinGrant {
        user: user(name),
        client: client("c/cathy/laptop"),
        signature_key: number.to_be_bytes().to_vec(),
        joining_code: None,
        expires_ms: NOW + 1_000,
    }
}

/// A hub that is restarted knows what it knew: the log alone gives the state that was live.
#[test]
fn the_log_gives_the_state_again() {
    let mut hub = Hub::new(&["a/alice/phone", "b/bob/phone", "c/cathy/phone"]);
    let founding = hub.view.clone();
    let mut log = Vec::new();
    let said = hub.submit(&peer("b.example"), "b/bob", 0, b"hello").unwrap();
    log.extend(appended(&said).into_iter().cloned());
    let cathy = member(&hub.view, "c/cathy/phone");
    let changes = vec![unlisted(&hub.view, &user("c/cathy")), SelfRemove];
    let leave = proposals(&hub.view, &cathy, 1, changes);
    let left = hub.propose(&peer("c.example"), &leave).unwrap();
    log.extend(appended(&left).into_iter().cloned());
    let asked = hub.group_info(&peer("b.example"), "b/bob/laptop", b"key").unwrap();
    log.extend(appended(&asked).into_iter().cloned());
    let before_commit = hub.state.clone();
    let mut change = commit(&hub.view, member(&hub.view, "b/bob/phone"), Vec::new());
    change.proposals = hub.state.pending.iter().map(|it| it.proposal.clone()).collect();
    let done = hub.commit(&peer("b.example"), &change, Extras::default()).unwrap();
    log.extend(appended(&done).into_iter().cloned());

    let mut read = HubState::default();
    for event in &log {
        let observed = match event.kind {
            EventKind::Proposal => Observed::Proposals { change: &leave, view: &founding },
            EventKind::Commit => {
                assert_eq!(read, before_commit);
                Observed::Commit { change: &change, after: &hub.view }
            }
            _ => Observed::Plain,
        };
        read.observe(event, observed).unwrap();
    }
    assert_eq!(read, hub.state);
    assert_eq!(read.recent.len(), 3, "a note is nobody's submission");
}

#[test]
fn a_snapshot_is_read_back() {
    let mut hub = Hub::new(&["a/alice/phone", "b/bob/phone", "c/cathy/phone"]);
    let cathy = member(&hub.view, "c/cathy/phone");
    let changes = vec![unlisted(&hub.view, &user("c/cathy")), SelfRemove];
    hub.propose(&peer("c.example"), &proposals(&hub.view, &cathy, 1, changes)).unwrap();
    hub.group_info(&peer("b.example"), "b/bob/laptop", b"key").unwrap();
    hub.submit(&peer("b.example"), "b/bob", 0, b"hello").unwrap();
    hub.state.evicting.insert(Evicted::User(user("b/bob")));
    hub.state.deserted = true;
    let snapshot = HubSnapshot { group: b"group".to_vec(), state: hub.state };
    let octets = snapshot.encode();
    assert_eq!(HubSnapshot::decode(&octets), Ok(snapshot.clone()));
    // As saved before there were evictions and join codes.
    let HubState { pending, leaving, recent, followers, grants, .. } = snapshot.state.clone();
    let earlier_grant = |grant: &JoinGrant| earlier::Grant {
        user: grant.user.clone(),
        client: grant.client.clone(),
        signature_key: grant.signature_key.clone(),
        expires_ms: grant.expires_ms,
    };
    let accepted = |recent: &Recent| earlier::Accepted {
        sha256: recent.sha256,
        timestamp_ms: recent.timestamp_ms,
        by: recent.by.clone(),
    };
    let earlier = earlier::State {
        last_seq: snapshot.state.last_seq,
        last_timestamp_ms: snapshot.state.last_timestamp_ms,
        pending,
        leaving,
        grants: grants.iter().map(earlier_grant).collect(),
        recent: recent.iter().map(accepted).collect(),
        followers,
        handshakes_since_snapshot: snapshot.state.handshakes_since_snapshot,
    };
    let older = versioned(1, &(&snapshot.group, &earlier));
    let read = HubSnapshot::decode(&older).unwrap();
    let same = HubState { evicting: BTreeSet::new(), deserted: false, ..snapshot.state.clone() };
    assert_eq!(read.state, same);
    let note = versioned(1, &earlier::Note::JoinGrant(earlier_grant(&grants[0])));
    let mut state = HubState::default();
    state.follow_note(&note).unwrap();
    assert_eq!(state.grants, grants);

    assert!(HubSnapshot::decode(&[]).is_err());
    assert!(HubSnapshot::decode(&octets[..octets.len() - 1]).is_err());
    assert!(HubSnapshot::decode(&[&octets[..], &[0]].concat()).is_err());
    let newer = [&[5], &octets[1..]].concat();
    assert_eq!(HubSnapshot::decode(&newer), Err(StateError("version 5, not 2".into())));
}

#[test]
fn a_gap_in_the_log_is_noticed() {
    let mut state = HubState::default();
    state.observe(&note(1, NOW, grant(1)), Observed::Plain).unwrap();
    assert!(state.clone().observe(&note(1, NOW, grant(2)), Observed::Plain).is_err());
    assert!(state.clone().observe(&note(3, NOW, grant(2)), Observed::Plain).is_err());
    let mut commit = note(2, NOW, grant(2));
    commit.kind = EventKind::Commit;
    assert!(state.observe(&commit, Observed::Plain).is_err(), "needs what was staged");
}

/// The memory of repeats has an end.
#[test]
fn recent_submissions_have_a_limit() {
    let mut hub = Hub::new(&["a/alice/phone", "b/bob/phone"]);
    let bob = peer("b.example");
    let mut send = |number: usize| hub.submit(&bob, "b/bob", 0, &number.to_be_bytes()).unwrap();
    for number in 0..RECENT_SUBMISSIONS_MAX {
        send(number);
    }
    assert!(send(0).changes.is_empty(), "the first is remembered");
    send(RECENT_SUBMISSIONS_MAX);
    assert!(send(1).changes.is_empty(), "the second still is");
    assert!(!send(0).changes.is_empty(), "the first is forgotten");
}

#[test]
fn join_grants_have_a_limit_and_an_end() {
    let mut state = HubState::default();
    let mut seq = 0;
    let mut give = |state: &mut HubState, number: u64, now_ms: u64| {
        seq += 1;
        state.observe(&note(seq, now_ms, grant(number)), Observed::Plain).unwrap();
    };
    let max = JOIN_GRANTS_MAX as u64;
    for number in 0..max {
        give(&mut state, number, NOW);
    }
    assert_eq!(state.grants.len(), JOIN_GRANTS_MAX);
    assert_eq!(state.grants[0], grant(0));
    give(&mut state, 0, NOW);
    assert_eq!(state.grants.len(), JOIN_GRANTS_MAX, "given again, it takes no second place");
    give(&mut state, max, NOW);
    assert_eq!(state.grants.len(), JOIN_GRANTS_MAX);
    assert_eq!(state.grants[0], grant(2), "the oldest goes");
    give(&mut state, 1, NOW + 1_000);
    assert!(state.grants.is_empty(), "all have expired");
}

/// A user has few places, and a provider that fills the room's gives way itself.
#[test]
fn grants_of_others_stay() {
    let mut state = HubState::default();
    let mut seq = 0;
    let mut give = |state: &mut HubState, grant: JoinGrant| {
        seq += 1;
        state.observe(&note(seq, NOW, grant), Observed::Plain).unwrap();
        state.grants.len()
    };
    let of_one = JOIN_GRANTS_PER_USER_MAX as u64;
    for number in 0..of_one {
        assert_eq!(give(&mut state, grant_to("b/bob", number)) as u64, number + 1);
    }
    assert_eq!(give(&mut state, grant_to("b/bob", of_one)) as u64, of_one);
    assert_eq!(state.grants[0], grant_to("b/bob", 1));
    for number in 0..2 * JOIN_GRANTS_MAX as u64 {
        give(&mut state, grant(1_000 + number));
    }
    assert_eq!(state.grants.len(), JOIN_GRANTS_MAX);
    let bobs = state.grants.iter().filter(|grant| grant.user == user("b/bob"));
    assert_eq!(bobs.count() as u64, of_one);
    // Whatever the name of the provider that fills them.
    for number in 0..2 * JOIN_GRANTS_MAX as u64 {
        give(&mut state, grant_to(&format!("a/user{number}"), 9_000 + number));
    }
    let bobs = state.grants.iter().filter(|grant| grant.user == user("b/bob"));
    assert_eq!(bobs.count() as u64, of_one);
}

/// AMB-UPD-15: the frank of a repeated message is told to whom it was told.
#[test]
fn a_frank_is_told_to_its_provider_alone() {
    let mut hub = Hub::new(&["a/alice/phone", "b/bob/phone"]);
    let frank = Frank {
        server_frank: [1; 32],
        franking_signature_ciphersuite: 1,
        franking_integrity_signature: vec![2; 64],
    };
    let recent = |by: &str, frank: Vec<u8>| Recent {
        sha256: [7; 32],
        timestamp_ms: NOW,
        by: Some(domain(by)),
        frank,
    };
    hub.state.recent.push_back(recent("b.example", frank.encode()));
    assert_eq!(hub.state.frank_before(&[7; 32], &domain("b.example")), Some(frank));
    assert_eq!(hub.state.frank_before(&[7; 32], &domain("c.example")), None);
    assert_eq!(hub.state.frank_before(&[8; 32], &domain("b.example")), None);
}

/// Proposals are handshakes: a room in which little is committed is saved all the same.
#[test]
fn proposals_count_for_the_next_snapshot() {
    let mut hub = Hub::new(&["a/alice/phone", "b/bob/phone", "c/cathy/phone"]);
    for (number, short) in [(1, "b/bob/phone"), (2, "c/cathy/phone")] {
        let change = proposals(&hub.view, &member(&hub.view, short), number, vec![SelfRemove]);
        let from = if number == 1 { "b.example" } else { "c.example" };
        hub.propose(&peer(from), &change).unwrap();
        assert_eq!(hub.state.handshakes_since_snapshot, u32::from(number));
    }
}

/// What a commit's group is replayed from stands in a note, never in what somebody sent.
#[test]
fn only_a_note_keeps_a_replay() {
    let detail = HubState::note_replay(b"octets".to_vec());
    let kept = NewEvent { detail, ..note(1, NOW, grant(1)) };
    assert_eq!(HubState::replay_in(&kept), Some(b"octets".to_vec()));
    assert_eq!(HubState::replay_in(&note(1, NOW, grant(1))), None);
    let said = NewEvent { kind: EventKind::Application, ..kept };
    assert_eq!(HubState::replay_in(&said), None);
}
