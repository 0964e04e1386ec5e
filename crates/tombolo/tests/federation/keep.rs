//! People at terminals: `demo --keep`, `chat` from another terminal, and a fourth provider that
//! joins by configuration alone.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::ports::free_port;
use crate::programs::{PATIENCE, Talking, path, tombolo};

#[test]
fn people_chat_from_terminals_and_a_fourth_provider_joins() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("federation");
    let mut demo = Talking::start(&["demo", "--keep", "--dir", path(&directory)]);
    demo.says("Ctrl-C stops everything");

    // Two people at two terminals, and alice, who answers.
    let (bob_toml, cathy_toml) = (directory.join("bob.toml"), directory.join("cathy.toml"));
    let mut bob = Talking::start(&["chat", path(&bob_toml)]);
    bob.says("== Lounge");
    let mut cathy = Talking::start(&["chat", path(&cathy_toml)]);
    cathy.says("== Lounge");
    // What is written in an epoch before she came in, she cannot read.
    bob.says("cathy@c.example comes in with terminal");
    bob.types("Hello from a terminal");
    cathy.says("bob@b.example: Hello from a terminal");
    bob.says("I hear you: 21 characters");
    cathy.types("/reply 1 Good evening, bob");
    bob.says("cathy@c.example (to [1]): Good evening, bob");
    a_file_is_sent_and_saved(folder.path(), &mut bob, &mut cathy);
    bob.types("/nonsense");
    bob.says("/help lists them");
    bob.quits();

    // History is intact at the next start, and what was written meanwhile arrives.
    cathy.types("Written while bob was away");
    cathy.says("cathy@c.example: Written while bob was away");
    let mut bob = Talking::start(&["chat", path(&bob_toml)]);
    bob.says("bob@b.example: Hello from a terminal");
    bob.says("cathy@c.example: Written while bob was away");

    // A fourth provider, by configuration alone.
    let (mut dave, provider) = fourth_provider(&directory);
    dave.types("/ask bob@b.example");
    bob.says("dave@d.example asks to contact you");
    bob.types("/accept dave@d.example");
    dave.says("bob@b.example agrees");
    dave.types("/new Porch");
    dave.says("== Porch");
    dave.types("/add bob@b.example");
    dave.says("bob@b.example is in the room");
    bob.says("you are now in Porch");
    dave.types("Nice to meet you across the bay");
    bob.says("dave@d.example writes in Porch");
    an_account_is_deleted(dave);

    // Bob and cathy, at two providers, open a room for the two of them at the same time and end in
    // the same (POLICY-BASE-2, AMB-POL-8).
    bob.types("/accept cathy@c.example");
    bob.says("cathy@c.example may contact you now");
    cathy.says("bob@b.example agrees");
    cathy.types("/accept bob@b.example");
    cathy.says("bob@b.example may contact you now");
    bob.types("/dm cathy@c.example");
    cathy.types("/direct bob@b.example");
    bob.says("== cathy@c.example");
    cathy.says("== bob@b.example");
    bob.types("Only for your eyes");
    cathy.says("Only for your eyes");
    cathy.types("Nor for anybody else's");
    bob.says("Nor for anybody else's");
    bob.quits();
    cathy.quits();
    provider.terminate();
    demo.terminate();
}

/// Encrypted at B, stored at B, fetched by C through hub A (PROTO-DL-2, PROTO-DL-6, CONTENT-XP-2).
fn a_file_is_sent_and_saved(folder: &Path, bob: &mut Talking, cathy: &mut Talking) {
    let (sent, saved) = (folder.join("note.txt"), folder.join("saved.txt"));
    let content: Vec<u8> = (0..300_000_u32).flat_map(u32::to_be_bytes).collect();
    std::fs::write(&sent, &content).unwrap();
    bob.types(&format!("/file {}", path(&sent)));
    let offered = cathy.says("(file note.txt, text/plain, 1200016 octets; /save ");
    let number = offered.trim_end().trim_end_matches(')').rsplit(' ').next().unwrap();
    cathy.types(&format!("/save {number} {}", path(&saved)));
    cathy.says("-- 1200000 octets came obliviously and are in ");
    assert!(std::fs::read(&saved).unwrap() == content);
    cathy.types(&format!("/save {number} {}", path(&saved)));
    cathy.says("is there already");
    bob.types(&format!("/file {}", path(&folder.join("nothing.txt"))));
    bob.says("!! ");
}

/// By its password, which is asked for; a wrong one, or none, changes nothing.
fn an_account_is_deleted(mut dave: Talking) {
    dave.types("/delete-account");
    dave.says("Type the password of the account");
    dave.types("");
    dave.says("-- nothing is deleted");
    for (password, answer) in [
        ("not the password", "!! refused: the password is wrong"),
        ("a long enough password", "-- dave@d.example is deleted"),
    ] {
        dave.types("/delete-account");
        dave.says("Type the password of the account");
        dave.types(password);
        dave.says(answer);
    }
    dave.ends();
}

/// `init`, `serve`, `admin user add`, `chat`: what the demo prints, with ports that are free here.
fn fourth_provider(directory: &Path) -> (Talking, Talking) {
    let home = directory.join("d.example");
    let ports: Vec<String> = (0..3).map(|_| free_port().to_string()).collect();
    let ca = directory.join("ca");
    let init = tombolo(&["init", "d.example", "--dir", path(&home), "--dev-ca", path(&ca)])
        .args(["--peers-file", path(&directory.join("peers.toml"))])
        .args(["--federation-port", &ports[0], "--client-port", &ports[1]])
        .args(["--admin-port", &ports[2]])
        .output()
        .unwrap();
    assert!(init.status.success(), "{}", String::from_utf8_lossy(&init.stderr));
    let config = home.join("tombolo.toml");
    let serve = Talking::start(&["serve", "--config", path(&config)]);
    let client = format!("127.0.0.1:{}", ports[1]);
    let deadline = Instant::now() + PATIENCE;
    while std::net::TcpStream::connect(&client).is_err() {
        assert!(Instant::now() < deadline, "the fourth provider does not answer");
        std::thread::sleep(Duration::from_millis(50));
    }
    let mut add = tombolo(&["admin", "--config", path(&config), "user", "add", "dave"])
        .arg("--password-stdin")
        .spawn()
        .unwrap();
    add.stdin.take().unwrap().write_all(b"a long enough password\n").unwrap();
    let added = add.wait_with_output().unwrap();
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    let profile = directory.join("dave.toml");
    let text = format!(
        "provider = \"https://d.example:{}\"\nconnect = \"{client}\"\nroots = \"ca/ca.pem\"\n\
         user = \"dave\"\npassword = \"a long enough password\"\nstore = \"clients/dave.db\"\n",
        ports[1]
    );
    std::fs::write(&profile, text).unwrap();
    let mut dave = Talking::start(&["chat", path(&profile)]);
    dave.says("No rooms yet");
    (dave, serve)
}
