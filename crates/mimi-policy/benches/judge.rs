//! What judging one change costs in a large room: 10,000 participants, 20 roles.
#![expect(clippy::unwrap_used, reason = "a bench")]
#![expect(missing_docs, reason = "criterion writes an entry point of its own")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use mimi_policy::preset::{Preset, base_policy};
use mimi_policy::what_if::answer_line;
use mimi_policy::{
    Actor, ClientIdentity, ClientView, Judge, ProposedChange, RoomIndex, RoomView, StagedChange,
    StagedProposal, check,
};
use mimi_wire::MimiUri;
use mimi_wire::room::capability::Capability;
use mimi_wire::room::metadata::RoomMetadata;
use mimi_wire::room::participant_list::{
    ParticipantListData, ParticipantListUpdate, UserIndexRolePair, UserRolePair,
};
use mimi_wire::room::preauth::PreAuthData;

const PARTICIPANTS: u32 = 10_000;
const ROLES: u32 = 20;

fn user(number: u32) -> MimiUri {
    MimiUri::new(&format!("mimi://p{}.example/u/user{number:06}", number % 7)).unwrap()
}

fn client(number: u32, device: u32) -> MimiUri {
    let uri = format!("mimi://p{}.example/d/user{number:06}/{device}", number % 7);
    MimiUri::new(&uri).unwrap()
}

/// User 0 administers; everybody has a client.
fn room() -> RoomView {
    let mut roles = Preset::Cooperative.roles();
    for index in 6..ROLES {
        let mut role = roles.roles[2].clone();
        role.role_index = index;
        role.role_name = format!("role{index}");
        roles.roles.push(role);
    }
    let numbers = 0..PARTICIPANTS;
    let role_index = |number| if number == 0 { 4 } else { 2 };
    RoomView {
        epoch: 1,
        participants: ParticipantListData {
            participants: numbers
                .clone()
                .map(|number| UserRolePair { user: user(number), role_index: role_index(number) })
                .collect(),
        },
        roles,
        metadata: RoomMetadata {
            room_uri: MimiUri::new("mimi://p0.example/r/plaza").unwrap(),
            room_name: String::new(),
            room_descriptions: Vec::new(),
            room_avatar: String::new(),
            room_subject: String::new(),
            room_mood: String::new(),
        },
        preauth: PreAuthData::default(),
        base_policy: Some(base_policy()),
        other_components: Default::default(),
        clients: numbers
            .map(|leaf| ClientView { leaf, user: user(leaf), client: client(leaf, 1) })
            .collect(),
    }
}

fn commit(changes: Vec<ProposedChange>) -> StagedChange {
    let committer = Actor::Member { leaf: 0, user: user(0) };
    let inline = |change| StagedProposal { sender: committer.clone(), reference: None, change };
    let proposals = changes.into_iter().map(inline).collect();
    StagedChange { epoch: 1, committer: Some(committer.clone()), proposals }
}

fn changes() -> Vec<(&'static str, StagedChange)> {
    let list = ProposedChange::ParticipantList;
    let role = |user_index, role_index| ParticipantListUpdate {
        changed_role_participants: vec![UserIndexRolePair { user_index, role_index }],
        ..ParticipantListUpdate::default()
    };
    let newcomer = PARTICIPANTS + 1;
    let addition = ParticipantListUpdate {
        added_participants: vec![UserRolePair { user: user(newcomer), role_index: 2 }],
        ..ParticipantListUpdate::default()
    };
    let removal =
        ParticipantListUpdate { removed_indices: vec![5000], ..ParticipantListUpdate::default() };
    let identity =
        ClientIdentity { user: user(newcomer), client: client(newcomer, 1), claims: Vec::new() };
    vec![
        ("add", commit(vec![list(addition), ProposedChange::AddClient(identity)])),
        ("remove", commit(vec![list(removal), ProposedChange::RemoveClient(5000)])),
        ("change role", commit(vec![list(role(5000, 3))])),
        ("ban", commit(vec![list(role(5000, 1)), ProposedChange::RemoveClient(5000)])),
        ("kick", commit(vec![ProposedChange::RemoveClient(5000)])),
    ]
}

/// What it takes to go on to the next epoch.
fn following(criterion: &mut Criterion, view: &RoomView, index: &RoomIndex) {
    let judge = Judge::of(view).with_index(index);
    for (name, change) in changes() {
        let delta = judge.decide(&change).unwrap();
        criterion.bench_function(&format!("{name}, applied to the list"), |bencher| {
            bencher.iter_batched_ref(
                || view.participants.clone(),
                |list| delta.apply_to(list),
                BatchSize::LargeInput,
            );
        });
    }
}

fn bench(criterion: &mut Criterion) {
    let view = room();
    assert!(view.role(4).unwrap().role_capabilities.contains(&Capability::CAN_KICK));
    let index = RoomIndex::of(&view);
    for (name, change) in changes() {
        check(&view, &change).unwrap();
        criterion.bench_function(&format!("{name}, indexed"), |bencher| {
            let judge = Judge::of(&view).with_index(&index);
            bencher.iter(|| judge.decide(black_box(&change)).unwrap());
        });
    }
    let (_, addition) = changes().swap_remove(0);
    criterion.bench_function("add, without an index", |bencher| {
        bencher.iter(|| check(&view, black_box(&addition)).unwrap());
    });
    following(criterion, &view, &index);
    criterion.bench_function("the index of the room", |bencher| {
        bencher.iter(|| RoomIndex::of(black_box(&view)));
    });
    let mut after = view.clone();
    after.epoch += 1;
    after.participants.participants.push(UserRolePair { user: user(PARTICIPANTS), role_index: 2 });
    let removed = 5_000;
    after.participants.participants.remove(removed);
    after.clients.remove(removed);
    let mut followed = index.clone();
    followed.follow(&view, &after);
    assert_eq!(followed, RoomIndex::of(&after));
    criterion.bench_function(
        "the index follows a commit that adds one and removes one",
        |bencher| {
            let start = || index.clone();
            let follow = |mut index: RoomIndex| {
                index.follow(black_box(&view), black_box(&after));
                index
            };
            bencher.iter_batched(start, follow, BatchSize::LargeInput);
        },
    );
    criterion.bench_function("a copy of the room", |bencher| {
        bencher.iter(|| black_box(&view).clone());
    });
    let line = r#"{"room":{"roles":"moderated","participants":[
        {"user":"mimi://a.example/u/alice","role":5,"clients":1},
        {"user":"mimi://b.example/u/bob","role":3,"clients":2},
        {"user":"mimi://c.example/u/carol","role":2,"clients":1}]},
        "change":{"by":"mimi://a.example/u/alice","how":"commit",
        "set_role":[{"user":"mimi://b.example/u/bob","role":4}]}}"#;
    criterion.bench_function("a line of policy check --batch", |bencher| {
        bencher.iter(|| answer_line(black_box(line)).unwrap());
    });
}

criterion_group!(benches, bench);
criterion_main!(benches);
