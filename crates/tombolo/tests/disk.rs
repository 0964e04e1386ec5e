//! Disks that fill up or cannot be written, under real processes with real files: what is not on disk
//! is not acknowledged, nobody falls over, and once there is room again all goes on by itself.
//!
//! The disk is full in two ways: for everything a process writes, by a limit of the system on the size
//! of its files, which works everywhere; and, where the test may mount, as a small file system.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mimi_policy::preset::Preset;
use mimi_wire::MimiUri;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tombolo_client::{Client, ClientError, ProviderAddress, Registration};
use tombolo_server::account::Password;
use tombolo_server::admin_api::{AddUser, operate};
use tombolo_server::config::Config;

use made::PASSWORD;

mod made;
mod ports;

/// How long anything may take that must happen.
const PATIENCE: Duration = Duration::from_secs(90);
/// After which what is not accepted is taken not to be, for now.
const STUCK_AFTER: Duration = Duration::from_secs(3);
const TOMBOLO: &str = env!("CARGO_BIN_EXE_tombolo");

/// A provider of its own process; it is killed when dropped.
struct Provider {
    config_file: PathBuf,
    config: Config,
    address: ProviderAddress,
    child: Option<Child>,
}

impl Provider {
    async fn start(folder: &Path, name: &str, user: &str) -> Self {
        let (config_file, config, address) = made::provider(folder, name, user).await;
        let mut provider = Self { config_file, config, address, child: None };
        provider.child = Some(provider.serve());
        let since = Instant::now();
        while std::net::TcpStream::connect(provider.config.listen.client).is_err() {
            assert!(since.elapsed() < PATIENCE, "{name} does not answer");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        provider
    }

    fn serve(&self) -> Child {
        let config = self.config_file.to_str().unwrap();
        unlimited(&["serve", "--config", config, "--until-input-ends"], Stdio::null())
    }

    fn child(&mut self) -> &mut Child {
        self.child.as_mut().unwrap()
    }

    async fn device(&self, folder: &Path, user: &str) -> Client {
        let registration = Registration {
            provider: self.address.clone(),
            user: user.to_owned(),
            password: PASSWORD.to_owned(),
            device: "phone".to_owned(),
        };
        Client::register(&folder.join(format!("{user}.db")), registration).await.unwrap()
    }

    async fn storage_error(&self) -> Option<String> {
        operate::status(&self.config).await.unwrap().storage_error
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The program, for which a limit on files is an error to handle and no signal to die of.
fn unlimited(arguments: &[&str], output: Stdio) -> Child {
    let mut command = Command::new("sh");
    command.arg("-c").arg("trap '' XFSZ; exec \"$0\" \"$@\"").arg(TOMBOLO).args(arguments);
    command.stdin(Stdio::piped()).stdout(output).stderr(Stdio::null()).spawn().unwrap()
}

/// Where a disk is full, or not any more.
enum Disk {
    /// Nothing that this process writes goes to disk.
    Limit,
    /// A file system of its own, on which something else takes all the room.
    Mounted(PathBuf),
}

impl Disk {
    /// Takes the rest of the room.
    fn fill(&self, child: &Child) {
        match self {
            Self::Limit => limit(child, Some(1)),
            Self::Mounted(directory) => {
                let mut file = std::fs::File::create(directory.join("filler")).unwrap();
                while file.write_all(&[0; 4096]).is_ok() {}
            }
        }
    }

    fn free(&self, child: &Child) {
        match self {
            Self::Limit => limit(child, None),
            Self::Mounted(directory) => {
                std::fs::remove_file(directory.join("filler")).unwrap();
            }
        }
    }
}

fn limit(child: &Child, octets: Option<u64>) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    let limit = Rlimit { current: octets, maximum: None };
    prlimit(pid, Resource::Fsize, limit).unwrap();
}

/// A small file system, if this test may mount one; it goes when dropped.
struct Mount(PathBuf);

impl Mount {
    fn small(at: &Path) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=24m", "tombolo-test"])
            .arg(at)
            .stderr(Stdio::null())
            .status();
        mounted.is_ok_and(|status| status.success()).then(|| Self(at.to_owned()))
    }

    fn make_read_only(&self) {
        let remounted = Command::new("mount").args(["-o", "remount,ro"]).arg(&self.0).status();
        assert!(remounted.unwrap().success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

async fn texts(client: &Client, room: &MimiUri) -> Vec<String> {
    let Ok(state) = client.room(room).await else { return Vec::new() };
    state.messages.into_iter().filter_map(|message| message.text).collect()
}

/// Waits until a device shows exactly these, in this order.
async fn shows(client: &Client, room: &MimiUri, wanted: &[String]) {
    let since = Instant::now();
    loop {
        let shown = texts(client, room).await;
        if shown == wanted {
            return;
        }
        let who = &client.identity().user;
        let (shown, wanted) = (heads(&shown), heads(wanted));
        assert!(since.elapsed() < PATIENCE, "{who} shows {shown:?} instead of {wanted:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn heads(texts: &[String]) -> Vec<&str> {
    texts.iter().map(|text| text.split(' ').next().unwrap_or_default()).collect()
}

async fn room_of_both(alice: &Client, bob: &Client) -> MimiUri {
    bob.grant_consent(&alice.identity().user).await.unwrap();
    let room = alice.create_room("Club", Preset::Cooperative).await.unwrap();
    let since = Instant::now();
    while let Err(error) = alice.add_user(&room, &bob.identity().user).await {
        assert!(since.elapsed() < PATIENCE, "{error}");
    }
    alice.send_text(&room, "before").await.unwrap();
    shows(bob, &room, &["before".to_owned()]).await;
    room
}

/// The hub's disk is full, then the follower's: what is written meanwhile waits with its writer or at
/// the hub, and comes once there is room, once and in order.
async fn a_full_disk(folder: &Path, of_hub: Disk, of_follower: Disk) {
    let mut hub = Provider::start(folder, "a.example", "alice").await;
    let mut follower = Provider::start(folder, "b.example", "bob").await;
    let alice = hub.device(folder, "alice").await;
    let bob = follower.device(folder, "bob").await;
    let room = room_of_both(&alice, &bob).await;
    let mut wanted = vec!["before".to_owned()];

    // Large ones: what is free inside of the files is used up soon.
    let text = |number: usize| format!("{number} {}", "x".repeat(100_000));
    of_hub.fill(hub.child());
    let mut sending = None;
    for number in 0..60 {
        wanted.push(text(number));
        let message = text(number);
        let mut sent = Box::pin(alice.send_text(&room, &message));
        match tokio::time::timeout(STUCK_AFTER, &mut sent).await {
            Ok(accepted) => drop(accepted.unwrap()),
            Err(_) => {
                // It is not acknowledged, nobody has seen it, and the operator is told why.
                let shown = texts(&bob, &room).await;
                assert!(!shown.contains(wanted.last().unwrap()), "shown, and not stored");
                let error = hub.storage_error().await.expect("the status says so");
                assert!(error.contains("takes nothing now"), "{error}");
                assert!(hub.child().try_wait().unwrap().is_none(), "it stays up");
                of_hub.free(hub.child());
                sending = Some(sent.await);
                break;
            }
        }
    }
    sending.expect("the disk was full at some time").unwrap();
    shows(&bob, &room, &wanted).await;
    shows(&alice, &room, &wanted).await;
    assert_eq!(hub.storage_error().await, None);

    of_follower.fill(follower.child());
    let since = Instant::now();
    for number in 100.. {
        // The hub does not depend on it.
        wanted.push(text(number));
        alice.send_text(&room, &text(number)).await.unwrap();
        let waits = operate::peers(&hub.config).await.unwrap().peers;
        if waits.iter().any(|peer| peer.attempts > 0) {
            break;
        }
        assert!(since.elapsed() < PATIENCE, "the follower's disk never fills up");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(follower.storage_error().await.is_some());
    assert!(follower.child().try_wait().unwrap().is_none(), "it stays up");
    of_follower.free(follower.child());
    shows(&bob, &room, &wanted).await;
    wanted.push("after".to_owned());
    bob.send_text(&room, "after").await.unwrap();
    for client in [&alice, &bob] {
        shows(client, &room, &wanted).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_takes_nothing_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    a_full_disk(folder.path(), Disk::Limit, Disk::Limit).await;
}

/// The same with a file system that is really full. Where nothing may be mounted, the limit above is
/// all there is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_file_system_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let [hub, follower] = ["a.example", "b.example"].map(|name| folder.path().join(name));
    let mounted = (Mount::small(&hub), Mount::small(&follower));
    let (Some(_hub), Some(_follower)) = &mounted else { return };
    a_full_disk(folder.path(), Disk::Mounted(hub), Disk::Mounted(follower)).await;
}

/// A provider whose disk cannot be written does not start, and says why; once it can, it starts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_disk_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mount) = Mount::small(&folder.path().join("a.example")) else { return };
    let mut provider = Provider::start(folder.path(), "a.example", "alice").await;
    let mut running = provider.child.take().unwrap();
    drop(running.stdin.take());
    assert!(running.wait().unwrap().success());
    mount.make_read_only();
    let config = provider.config_file.to_str().unwrap();
    let refused = Command::new(TOMBOLO).args(["serve", "--config", config]).output().unwrap();
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success(), "{told}");
    let told = told.to_lowercase();
    assert!(told.contains("read-only") || told.contains("readonly"), "{told}");
}

/// A device whose disk is full stops with an error that says so. What it had is there when it is opened
/// again, what was sent to it meanwhile comes, and what it could not store was never sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_with_a_full_disk_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let Some(_mount) = Mount::small(&folder.path().join("device")) else { return };
    let provider = Provider::start(folder.path(), "a.example", "alice").await;
    let password = Some(Password::new(PASSWORD.to_owned()));
    let wish = AddUser { name: "bob".to_owned(), password, claims: Vec::new() };
    operate::add_user(&provider.config, &wish).await.unwrap();
    let alice = provider.device(folder.path(), "alice").await;
    let bob = provider.device(&folder.path().join("device"), "bob").await;
    let room = room_of_both(&alice, &bob).await;
    let disk = Disk::Mounted(folder.path().join("device"));
    disk.fill(provider.child.as_ref().unwrap());
    let mut wanted = vec!["before".to_owned()];
    let mut failed = None;
    for number in 0..60 {
        let message = format!("{number} {}", "x".repeat(100_000));
        match bob.send_text(&room, &message).await {
            Ok(_) => wanted.push(message),
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
    }
    let Some(ClientError::Storage(why)) = failed else { panic!("{failed:?}") };
    assert!(why.contains("full"), "{why}");
    // And whatever it is asked then.
    let asked = bob.rooms().await;
    assert!(matches!(asked, Err(ClientError::Storage(_))), "{asked:?}");
    drop(bob);
    wanted.push("meanwhile".to_owned());
    alice.send_text(&room, "meanwhile").await.unwrap();
    shows(&alice, &room, &wanted).await;
    disk.free(provider.child.as_ref().unwrap());
    let file = folder.path().join("device").join("bob.db");
    let since = Instant::now();
    let bob = loop {
        match Client::open(&file).await {
            Ok(bob) => break bob,
            // The thread of the one before may still hold the file.
            Err(error) => assert!(since.elapsed() < PATIENCE, "{error}"),
        }
    };
    shows(&bob, &room, &wanted).await;
    bob.send_text(&room, "after").await.unwrap();
    wanted.push("after".to_owned());
    for client in [&alice, &bob] {
        shows(client, &room, &wanted).await;
    }
}
