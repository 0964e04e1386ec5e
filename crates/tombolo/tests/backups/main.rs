//! Providers and devices whose data is put back from an old backup, over real sockets and files: the
//! groups find together again without anybody's help (AMB-NTF-10), and nothing is shown twice.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mimi_policy::preset::Preset;
use mimi_wire::MimiUri;
use tempfile::TempDir;
use tombolo_client::{Client, ProviderAddress, Registration, RoomState, RoomStatus};
use tombolo_server::config::Config;
use tombolo_server::running::Running;

use made::PASSWORD;

#[path = "../made/mod.rs"]
mod made;
#[path = "../ports/mod.rs"]
mod ports;

/// How long anything may take that must happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// Two providers in this process, each with its files.
struct World {
    folder: TempDir,
    a: Home,
    b: Home,
}

struct Home {
    config: Config,
    data: PathBuf,
    address: ProviderAddress,
    running: Option<Running>,
}

impl World {
    /// alice at a.example; bob at b.example.
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let a = Home::init(folder.path(), "a.example", "alice").await;
        let b = Home::init(folder.path(), "b.example", "bob").await;
        let mut world = Self { folder, a, b };
        world.a.run().await;
        world.b.run().await;
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn device(&self, home: &Home, user: &str, device: &str) -> Client {
        let registration = Registration {
            provider: home.address.clone(),
            user: user.to_owned(),
            password: PASSWORD.to_owned(),
            device: device.to_owned(),
        };
        let store = self.path(&format!("{user}-{device}.db"));
        Client::register(&store, registration).await.unwrap()
    }

    /// A room at a.example with both.
    async fn room(&self, alice: &Client, bob: &Client) -> MimiUri {
        bob.grant_consent(&alice.identity().user).await.unwrap();
        let room = alice.create_room("Club", Preset::Cooperative).await.unwrap();
        let bobs = &bob.identity().user;
        let since = Instant::now();
        while let Err(error) = alice.add_user(&room, bobs).await {
            assert!(since.elapsed() < PATIENCE, "{error}");
        }
        says(alice, &room, "before").await;
        sees_text(bob, &room, "before").await;
        room
    }
}

impl Home {
    async fn init(folder: &Path, name: &str, user: &str) -> Self {
        let (_, config, address) = made::provider(folder, name, user).await;
        Self { data: config.data_dir.clone(), config, address, running: None }
    }

    async fn run(&mut self) {
        self.running = Some(Running::start(self.config.clone()).await.unwrap());
    }

    async fn stop(&mut self) {
        self.running.take().unwrap().shutdown().await;
    }

    /// Copies the data directory.
    async fn back_up(&mut self, to: &Path) {
        self.stop().await;
        copy(&self.data, to);
        self.run().await;
    }

    /// Puts it back.
    async fn put_back(&mut self, from: &Path) {
        self.stop().await;
        std::fs::remove_dir_all(&self.data).unwrap();
        copy(from, &self.data);
        self.run().await;
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

async fn sees(client: &Client, room: &MimiUri, what: &str, holds: impl Fn(&RoomState) -> bool) {
    let since = Instant::now();
    loop {
        let state = client.room(room).await;
        if state.as_ref().is_ok_and(&holds) {
            return;
        }
        let who = &client.identity().client;
        assert!(since.elapsed() < PATIENCE, "{who} never sees {what}: {state:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn texts(state: &RoomState) -> Vec<&str> {
    state.messages.iter().filter_map(|message| message.text.as_deref()).collect()
}

async fn sees_text(client: &Client, room: &MimiUri, text: &str) {
    sees(client, room, text, |state| texts(state).contains(&text)).await;
}

/// Tried until it works: the provider may be just away, the device may be coming in again.
async fn says(client: &Client, room: &MimiUri, text: &str) {
    let since = Instant::now();
    while let Err(error) = client.send_text(room, text).await {
        assert!(since.elapsed() < PATIENCE, "{text}: {error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// All are in one group, and nobody shows anything twice or out of order.
async fn agree(clients: &[&Client], room: &MimiUri) {
    let since = Instant::now();
    loop {
        let mut states = Vec::new();
        for client in clients {
            states.push(client.room(room).await.unwrap());
        }
        let first = &states[0];
        let same = |state: &RoomState| {
            state.status == RoomStatus::Joined
                && (state.epoch, &state.tree_hash) == (first.epoch, &first.tree_hash)
        };
        if states.iter().all(same) {
            for state in &states {
                let mut once = texts(state);
                once.sort_unstable();
                once.dedup();
                assert_eq!(once.len(), texts(state).len(), "doubled: {:?}", texts(state));
                let times = state.messages.iter().map(|message| message.timestamp_ms);
                assert!(times.is_sorted(), "{:?}", texts(state));
            }
            return;
        }
        assert!(since.elapsed() < PATIENCE, "they never agree: {states:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The follower has forgotten what it had acknowledged to the hub, which sends none of it again. Its
/// devices have seen some of that; one came into the room in that time, and the provider does not
/// know that any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_is_put_back() {
    let mut world = World::start().await;
    let alice = world.device(&world.a, "alice", "phone").await;
    let bob = world.device(&world.b, "bob", "phone").await;
    let laptop = world.device(&world.b, "bob", "laptop").await;
    let room = world.room(&alice, &bob).await;
    let backup = world.path("backup-b");
    world.b.back_up(&backup).await;
    says(&alice, &room, "in between").await;
    laptop.join_room(&room).await.unwrap();
    alice.rename_room(&room, "Library").await.unwrap();
    for client in [&bob, &laptop] {
        sees(client, &room, "the name", |state| state.name == "Library").await;
    }
    sees_text(&bob, &room, "in between").await;
    world.b.put_back(&backup).await;
    // Both devices come in again, by themselves.
    let epoch = alice.room(&room).await.unwrap().epoch;
    sees(&alice, &room, "both", |state| state.epoch >= epoch + 2).await;
    says(&alice, &room, "after").await;
    for client in [&bob, &laptop] {
        sees_text(client, &room, "after").await;
    }
    says(&laptop, &room, "from the laptop").await;
    for client in [&alice, &bob] {
        sees_text(client, &room, "from the laptop").await;
    }
    agree(&[&alice, &bob, &laptop], &room).await;
    assert_eq!(
        texts(&bob.room(&room).await.unwrap()),
        ["before", "in between", "after", "from the laptop"]
    );
}

/// The hub is in an earlier epoch than everybody else. Its own device hears of it by the event
/// stream; the other provider's device when it writes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_is_put_back() {
    let mut world = World::start().await;
    let alice = world.device(&world.a, "alice", "phone").await;
    let bob = world.device(&world.b, "bob", "phone").await;
    let room = world.room(&alice, &bob).await;
    let backup = world.path("backup-a");
    world.a.back_up(&backup).await;
    for name in ["Library", "Gallery", "Cellar"] {
        alice.rename_room(&room, name).await.unwrap();
    }
    says(&bob, &room, "in between").await;
    sees_text(&alice, &room, "in between").await;
    sees(&bob, &room, "the name", |state| state.name == "Cellar").await;
    world.a.put_back(&backup).await;
    says(&bob, &room, "after").await;
    sees(&alice, &room, "the old name", |state| state.name == "Club").await;
    agree(&[&alice, &bob], &room).await;
    says(&alice, &room, "and on").await;
    sees_text(&bob, &room, "and on").await;
    says(&bob, &room, "as before").await;
    sees_text(&alice, &room, "as before").await;
    agree(&[&alice, &bob], &room).await;
    let bobs = bob.room(&room).await.unwrap();
    assert_eq!(texts(&bobs), ["before", "in between", "after", "and on", "as before"]);
    let alices = alice.room(&room).await.unwrap();
    assert_eq!(texts(&alices)[..2], ["before", "in between"]);
}

/// A device's own file is put back: it comes in again before it says anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_is_put_back() {
    let world = World::start().await;
    let alice = world.device(&world.a, "alice", "phone").await;
    let bob = world.device(&world.b, "bob", "phone").await;
    let room = world.room(&alice, &bob).await;
    let (file, backup) = (world.path("bob-phone.db"), world.path("bob-backup.db"));
    bob.close().await.unwrap();
    std::fs::copy(&file, &backup).unwrap();
    let bob = Client::open(&file).await.unwrap();
    says(&bob, &room, "in between").await;
    says(&alice, &room, "heard").await;
    sees_text(&bob, &room, "heard").await;
    let epoch = bob.room(&room).await.unwrap().epoch;
    // What it has acknowledged is with its provider.
    tokio::time::sleep(Duration::from_millis(300)).await;
    bob.close().await.unwrap();
    for suffix in ["-wal", "-shm"] {
        let mut beside = file.clone().into_os_string();
        beside.push(suffix);
        drop(std::fs::remove_file(beside));
    }
    std::fs::copy(&backup, &file).unwrap();
    let bob = Client::open(&file).await.unwrap();
    says(&bob, &room, "anew").await;
    sees_text(&alice, &room, "anew").await;
    assert!(bob.room(&room).await.unwrap().epoch > epoch);
    agree(&[&alice, &bob], &room).await;
    let state = alice.room(&room).await.unwrap();
    assert_eq!(texts(&state), ["before", "in between", "heard", "anew"]);
}
