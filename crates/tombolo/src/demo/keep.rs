//! `demo --keep`: the federation stays up, with a room that anybody at a terminal can enter.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use mimi_policy::preset::Preset;
use mimi_wire::MimiUri;
use tombolo_client::{ClientEvent, RoomStatus};

use crate::chat::profile::Profile;
use crate::demo::federation::Federation;
use crate::demo::interrupt::Interrupt;
use crate::demo::story::Story;
use crate::plain::plain;
use crate::provider_home;

/// The users a terminal may join as.
const GUESTS: [&str; 2] = ["bob", "cathy"];

/// Opens the lounge, prints how to join it and answers there until the person stops the demo.
pub(crate) async fn keep(story: &mut Story, interrupt: &mut Interrupt) -> Result<(), String> {
    story.narrator.act("The federation stays up");
    let room = lounge(story).await?;
    for user in GUESTS {
        write_profile(&story.federation, user, &room)?;
    }
    invite(story, &room);
    let alice = &story.device("alice's phone").client;
    let mut events = alice.subscribe();
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            () = interrupt.received() => return Ok(()),
        };
        let Ok(ClientEvent::Message { room: written_in, message }) = event else { continue };
        let me = &alice.identity().user;
        if written_in != room || message.sender == *me || message.edited || message.deleted {
            continue;
        }
        let fresh = message.reactions.is_empty();
        if let (true, Some(text)) = (fresh, &message.text) {
            story.narrator.did(&format!("{} writes \"{}\"", message.sender, plain(text)));
            let answer = format!("I hear you: {} characters, end to end", text.chars().count());
            if let Err(error) = alice.reply(&room, message.id, &answer).await {
                story.narrator.did(&format!("alice cannot answer: {error}"));
            }
        }
    }
}

/// A room with alice, bob and cathy; the story has seen to consent but between alice and cathy.
async fn lounge(story: &mut Story) -> Result<MimiUri, String> {
    story.connect("alice", "cathy").await?;
    let alice = story.device("alice's phone");
    let created = alice.client.create_room("Lounge", Preset::Cooperative).await;
    let room = created.map_err(|error| format!("alice cannot create the lounge: {error}"))?;
    for user in GUESTS {
        let added = alice.client.add_user(&room, &story.user(user)).await;
        added.map_err(|error| format!("alice cannot add {user}: {error}"))?;
        let phone = story.device(&format!("{user}'s phone"));
        phone.sees(&room, "its Welcome", |state| state.status == RoomStatus::Joined).await?;
    }
    let hello = alice.client.send_text(&room, "Come in, the door is open").await;
    hello.map_err(|error| format!("alice cannot write: {error}"))?;
    Ok(room)
}

/// What `tombolo chat` needs to come in as a user, in one file.
fn write_profile(federation: &Federation, user: &str, room: &MimiUri) -> Result<(), String> {
    let home = federation.home_of(user)?;
    let profile = Profile {
        provider: home.url(),
        connect: Some(home.client_listener),
        roots: Some(federation.root()),
        user: user.to_owned(),
        password: Some(federation.password_of(user)?),
        device: "terminal".to_owned(),
        store: format!("clients/{user}-terminal.db").into(),
        room: Some(room.clone()),
    };
    let file = federation.directory.join(format!("{user}.toml"));
    let text = toml::to_string(&profile).map_err(|error| error.to_string())?;
    // It holds a password.
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&file)
        .and_then(|mut opened| opened.write_all(text.as_bytes()));
    written.map_err(|error| format!("{}: {error}", file.display()))
}

/// Says what to type in other terminals.
fn invite(story: &Story, room: &MimiUri) {
    let directory = story.federation.directory.display();
    let program = std::env::current_exe().map(|path| path.display().to_string());
    let program = program.unwrap_or_else(|_| "tombolo".to_owned());
    let say = |text: &str| story.narrator.line(text);
    say(&format!("  {room} is open; alice answers whoever writes. In other terminals:"));
    say("");
    for user in GUESTS {
        say(&format!("    {program} chat {directory}/{user}.toml"));
    }
    say("");
    say("  A provider of your own joins by configuration alone:");
    say("");
    say(&format!(
        "    {program} init d.example --dir {directory}/d.example --dev-ca {} --peers-file {}",
        provider_home::authority(&story.federation.directory).display(),
        provider_home::peers_file(&story.federation.directory).display()
    ));
    say(&format!("    {program} serve --config {directory}/d.example/tombolo.toml"));
    say(&format!("    {program} admin --config {directory}/d.example/tombolo.toml user add dave"));
    say(&format!(
        "    {program} chat --provider https://d.example:8444 --connect 127.0.0.1:8444 \\\n      \
         --roots {} --user dave --store {directory}/clients/dave.db",
        story.federation.root().display()
    ));
    say("");
    say("  To meet there: dave types /ask bob@b.example, bob /accept dave@d.example, then dave");
    say("  /new Porch and /add bob@b.example.");
    say("");
    say("  Ctrl-C stops everything.");
}
