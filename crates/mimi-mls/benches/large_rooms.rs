//! Commits in large rooms: what the MLS library takes by itself, what the hub's view of the group makes
//! of it, and what the steps beside cost. `cargo bench -p mimi-mls -- MEMBERS`, 10,000 by default.
//!
//! Each row is the least of some runs, taken by turns: on a shared machine what is above that is
//! waiting.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a measurement, with a clock, for a terminal"
)]

use std::time::{Duration, Instant};

use mimi_mls::hub::{HubGroup, StagedUpdate};
use mimi_mls::member::CommitPlan;
use mimi_wire::Wire;
use mimi_wire::component::PARTICIPANT_LIST;
use mimi_wire::mls::MlsMessage;
use mimi_wire::protocol::update::UpdateRequest;
use mimi_wire::room::participant_list::{ParticipantListUpdate, UserRolePair};
use openmls::component::ComponentData;
use openmls::group::{AppDataDictionaryUpdater, ProposalStore, PublicGroup};
use openmls::prelude::{MlsMessageBodyIn, ProcessedMessageContent, ProtocolMessage};
use openmls_memory_storage::MemoryStorage;
use openmls_rust_crypto::RustCrypto;
use tombolo_testkit::{TestRoom, now_ms};

const RUNS: usize = 7;
const ADDED_AT_ONCE: usize = 1_000;

/// The least time of each row.
#[derive(Default)]
struct Rows(Vec<(&'static str, Duration)>);

impl Rows {
    fn time<T>(&mut self, name: &'static str, act: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let result = std::hint::black_box(act());
        let taken = begun.elapsed();
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, least)) => *least = taken.min(*least),
            None => self.0.push((name, taken)),
        }
        result
    }
}

fn main() {
    let asked = std::env::args().skip(1).find_map(|argument| argument.parse().ok());
    let members: usize = asked.unwrap_or(10_000);
    let mut room = room_of(members);
    let tree = room.hub.ratchet_tree();
    println!("{members} members, a tree of {} octets", tree.octets().len());
    let crypto = RustCrypto::default();
    let (library, _) = PublicGroup::from_external(
        &crypto,
        &MemoryStorage::default(),
        tree.parsed().clone(),
        room.hub.group_info().parsed().clone(),
        ProposalStore::new(),
    )
    .unwrap();
    let mut rows = Rows::default();
    for run in 0..RUNS {
        let add = plan_of(&mut room, &format!("late{run}"), 1);
        let list = list_after(&room.hub, add.participants.as_ref().unwrap());
        measure(&mut rows, "add", &mut room, &library, &add, Some(list));
        let renew = CommitPlan::default();
        measure(&mut rows, "path", &mut room, &library, &renew, None);
        rows.time("snapshot", || room.hub.snapshot());
        rows.time("tree in octets", || room.hub.ratchet_tree());
    }
    for (name, least) in rows.0 {
        println!("{name:40} {:9.2} ms", least.as_secs_f64() * 1_000.0);
    }
}

/// One commit, made and dropped: the room stays as it is.
fn measure(
    rows: &mut Rows,
    kind: &str,
    room: &mut TestRoom,
    library: &PublicGroup,
    plan: &CommitPlan,
    list: Option<Vec<u8>>,
) {
    let name = |what: &str| -> &'static str { format!("{kind}: {what}").leak() };
    let bundle = rows.time(name("made by a member"), || room.build("alice/phone", plan));
    room.member("alice/phone").group.drop_pending().unwrap();
    let (commit, request) = (bundle.commit.clone(), UpdateRequest::Commit(bundle));
    rows.time(name("library"), || process(library, &commit, list));
    let octets = request.encode();
    let request = rows.time(name("decoded"), || UpdateRequest::decode(&octets).unwrap());
    let staged =
        rows.time(name("staged"), || room.hub.stage(&request, &room.issuers, now_ms()).unwrap());
    let StagedUpdate::Commit(commit) = &staged else { panic!("a commit") };
    let saved = rows.time(name("saved"), || commit.saved().unwrap());
    if let Some(saved) = saved {
        println!("{kind}: a commit of {} octets, {} saved", octets.len(), saved.len());
        rows.time(name("staged again"), || room.hub.stage_saved(&request, &saved).unwrap());
    }
    let mut group = HubGroup::restore(&room.hub.snapshot()).unwrap();
    rows.time(name("merged"), || group.merge(staged).unwrap());
}

/// What the library has to do in any case.
fn process(library: &PublicGroup, commit: &MlsMessage, list: Option<Vec<u8>>) {
    let MlsMessageBodyIn::PublicMessage(message) = commit.parsed().clone().extract() else {
        panic!("a PublicMessage")
    };
    let crypto = RustCrypto::default();
    let processed = library.process_message(&crypto, ProtocolMessage::from(message)).unwrap();
    if let ProcessedMessageContent::UnresolvedAppDataCommit(unresolved) = processed.into_content() {
        let mut updater = AppDataDictionaryUpdater::new(None);
        updater.set(ComponentData::from_parts(PARTICIPANT_LIST, list.unwrap().into()));
        let changes = updater.changes();
        std::hint::black_box(library.stage_app_data_commit(&crypto, *unresolved, changes).unwrap());
    }
}

fn list_after(hub: &HubGroup, update: &ParticipantListUpdate) -> Vec<u8> {
    let updates = [update.clone()];
    mimi_policy::participant_list::apply(&hub.view().participants, &updates).unwrap().encode()
}

/// Alice and others with one device each.
fn room_of(members: usize) -> TestRoom {
    let mut room = TestRoom::of_alice();
    let mut there = 1;
    while there < members {
        let some = ADDED_AT_ONCE.min(members - there);
        let plan = plan_of(&mut room, &format!("member{there}x"), some);
        let bundle = room.build("alice/phone", &plan);
        let staged = room.hub.stage(&UpdateRequest::Commit(bundle), &room.issuers, now_ms());
        room.hub.merge(staged.unwrap()).unwrap();
        room.member("alice/phone").group.accept_pending().unwrap();
        there += some;
    }
    room
}

fn plan_of(room: &mut TestRoom, name: &str, users: usize) -> CommitPlan {
    let mut update = ParticipantListUpdate::default();
    let mut plan = CommitPlan::default();
    for number in 0..users {
        let mut device = room.federation.device("b.example", &format!("{name}{number}"), "phone");
        let user = device.identity().unwrap().user.clone();
        update.added_participants.push(UserRolePair { user, role_index: TestRoom::MEMBER });
        plan.add.push(room.federation.key_package(&mut device));
    }
    plan.participants = Some(update);
    plan
}
