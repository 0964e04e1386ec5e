//! Files between devices of the SDK, over the real stack, by each way there is (protocol section
//! 5.10): what the room allows and the user wants, and nothing else.

use mimi_policy::policy_file;
use mimi_wire::MimiUri;
use mimi_wire::content::MessageId;
use mimi_wire::room::asset_policy::DownloadPrivacyType::{self, Direct, HubProxy, Ohttp};
use tombolo_client::{ClientError, Download, DownloadSettings};
use tombolo_server::clock::Clock;
use tombolo_server::running::Running;

use crate::assets::NEARBY;
use crate::rooms::{NAMES, Trio};
use crate::rules::Person;
use crate::support::{Federation, SharedStore, captured};

/// Larger than one oblivious response, and than the pieces of an upload.
const OCTETS: usize = 2_500_000;

/// A hub that reaches the assets of peers where it reaches the peers.
async fn trio() -> Trio {
    let federation = Federation::new();
    let stores = <[tombolo_store::memory::MemoryStore; 3]>::default();
    let mut running = Vec::new();
    for (name, store) in NAMES.iter().zip(&stores) {
        let config = federation.config_with(name, NEARBY);
        let started = Running::start_with(config, store.shared(), Clock::system()).await;
        running.push(started.unwrap());
    }
    let trio = Trio { federation, stores, running };
    trio.publish().await;
    trio
}

/// Rules of a room: those of a preset, and which ways files may come.
fn rules(allowed: &str, default: &str, max_attachment: usize) -> String {
    let hosts: Vec<_> = NAMES
        .iter()
        .map(|name| {
            format!("{{ provider = \"{name}\", asset_upload_destinations = [\"{name}\"] }}")
        })
        .collect();
    format!(
        "preset = \"cooperative\"\n\
         [asset_policy]\n\
         asset_upload_location = \"localProvider\"\n\
         upload_domains = [{}]\n\
         allowed_download_types = {allowed}\n\
         default_download_type = \"{default}\"\n\
         max_attachment = {max_attachment}\n",
        hosts.join(", ")
    )
}

/// A room of alice's at a.example by such rules, and others in it.
async fn room(alice: &Person, others: &[&Person], name: &str, rules: &str) -> MimiUri {
    let rules = policy_file::parse(rules).unwrap();
    let room = alice.client.create_room_with(name, rules).await.unwrap();
    for other in others {
        alice.client.add_user(&room, &other.user()).await.unwrap();
        other.until(&room, |state| !state.participants.is_empty()).await;
    }
    room
}

async fn download(
    person: &Person,
    room: &MimiUri,
    message: MessageId,
    ways: &[DownloadPrivacyType],
) -> Result<Download, ClientError> {
    let settings = DownloadSettings { ways: ways.to_vec(), ..person.client.download_settings() };
    person.client.set_download_settings(settings).await.unwrap();
    person.until(room, |state| state.messages.iter().any(|shown| shown.id == message)).await;
    person.client.download(room, message, 0).await
}

/// FLOW-14, PROTO-DL-1, PROTO-DL-5, PROTO-DL-6: cathy of C sends a file in a room of A, bob of B fetches it.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_comes_by_every_way() {
    let trio = trio().await;
    let alice = Person::sign_up(&trio, "a.example", "alice").await;
    let bob = Person::sign_up(&trio, "b.example", "bob").await;
    let cathy = Person::sign_up(&trio, "c.example", "cathy").await;
    for person in [&bob, &cathy] {
        person.client.grant_consent(&alice.user()).await.unwrap();
    }
    let every = rules(r#"["ohttp", "hubProxy", "direct"]"#, "hubProxy", OCTETS);
    let every = room(&alice, &[&bob, &cathy], "every", &every).await;
    let content: Vec<u8> = (0..OCTETS).map(|index| u8::try_from(index % 251).unwrap()).collect();
    let text = "text/plain";
    let larger = [content.as_slice(), &[0]].concat();
    let refused = cathy.client.send_content(&every, "larger.txt", text, &larger).await;
    assert!(matches!(refused, Err(ClientError::Refused(_))), "POLICY-AS-3: {refused:?}");
    let sent = cathy.client.send_content(&every, "plan.txt", text, &content).await.unwrap();

    // What the user wants, where the room lets it; what the room prefers first.
    for (ways, way) in [
        (vec![Ohttp], Ohttp),
        (vec![HubProxy], HubProxy),
        (vec![Ohttp, HubProxy], HubProxy),
        (bob.client.download_settings().ways, HubProxy),
    ] {
        let got = download(&bob, &every, sent, &ways).await.unwrap();
        assert!(got.content == content, "{way:?}");
        assert_eq!((got.way, got.is_authenticated), (way, true));
    }
    // Directly: never into a private network, unless the user says that the host is there.
    let refused = download(&bob, &every, sent, &[Direct]).await;
    assert!(matches!(refused, Err(ClientError::Unreachable(_))), "{refused:?}");
    let addresses = [("c.example".to_owned(), trio.running[2].addresses().federation)].into();
    let settings = DownloadSettings { ways: vec![Direct], addresses };
    bob.client.set_download_settings(settings).await.unwrap();
    let got = download(&bob, &every, sent, &[Direct]).await.unwrap();
    assert!(got.content == content && got.way == Direct);

    // What went past B by Oblivious HTTP tells neither host nor name of the file.
    let state = bob.client.room(&every).await.unwrap();
    let url = state.messages.last().unwrap().attachments[0].url.clone();
    let id = url.rsplit('/').next().unwrap().as_bytes().to_vec();
    let contains = |body: &[u8], text: &[u8]| body.windows(text.len()).any(|window| window == text);
    let past_b = captured(&trio.federation, "b.example", "ohttpGateway-");
    assert!(past_b.len() > 6, "keys, and three parts with their answers");
    assert!(past_b.iter().all(|body| !contains(body, b"c.example") && !contains(body, &id)));

    // A room that wants it obliviously or not at all.
    let strict = rules(r#"["ohttp"]"#, "ohttp", OCTETS);
    let strict = room(&alice, &[&bob], "strict", &strict).await;
    let sent = alice.client.send_content(&strict, "note.txt", text, b"note").await.unwrap();
    for ways in [vec![HubProxy, Direct], vec![Direct]] {
        let refused = download(&bob, &strict, sent, &ways).await;
        assert!(matches!(refused, Err(ClientError::Refused(_))), "{ways:?}: {refused:?}");
    }
    let got = download(&bob, &strict, sent, &[Direct, HubProxy, Ohttp]).await.unwrap();
    assert_eq!((got.content, got.way), (b"note".to_vec(), Ohttp));
    // And one that wants it directly, which nobody does by default.
    let open = rules(r#"["direct"]"#, "direct", OCTETS);
    let open = room(&alice, &[&bob], "open", &open).await;
    let sent = alice.client.send_content(&open, "note.txt", text, b"note").await.unwrap();
    let refused = download(&bob, &open, sent, &DownloadSettings::default().ways).await;
    assert!(matches!(refused, Err(ClientError::Refused(_))), "PROTO-DL-1: {refused:?}");
}
