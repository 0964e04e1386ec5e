//! Franks and reports of abuse over the real stack: three providers, devices of the SDK, a moderator
//! at the hub (FRANK-*, PROTO-ABU-1..3, PROTO-SUB-5).

use mimi_policy::preset::Preset;
use mimi_wire::content::{MessageId, MimiContent};
use mimi_wire::media::{ApplicationFraming, MediaType};
use mimi_wire::protocol::notify::{FanoutKind, FanoutMessage};
use mimi_wire::protocol::report_abuse::AbuseReport;
use mimi_wire::{MimiUri, Wire};
use tombolo_server::admin_api::{AdminClient, ShownReport};

use crate::rooms::Trio;
use crate::rules::Person;
use crate::support::{Reply, captured};

/// alice hosts a room at a.example with bob of b.example and cathy of c.example.
async fn clubhouse(trio: &Trio) -> (Person, Person, Person, MimiUri) {
    let alice = Person::sign_up(trio, "a.example", "alice").await;
    let bob = Person::sign_up(trio, "b.example", "bob").await;
    let cathy = Person::sign_up(trio, "c.example", "cathy").await;
    for other in [&bob, &cathy] {
        other.client.grant_consent(&alice.user()).await.unwrap();
    }
    let room = alice.client.create_room("Clubhouse", Preset::Cooperative).await.unwrap();
    for other in [&bob, &cathy] {
        alice.client.add_user(&room, &other.user()).await.unwrap();
    }
    for member in [&alice, &bob, &cathy] {
        member.until(&room, |state| state.participants.len() == 3).await;
    }
    (alice, bob, cathy, room)
}

fn moderator(trio: &Trio) -> AdminClient {
    let data_dir = trio.federation.directory.path().join("a.example");
    AdminClient::new(trio.running[0].addresses().admin, &data_dir).unwrap()
}

async fn reads(person: &Person, room: &MimiUri, id: MessageId) {
    let state = person.until(room, |state| state.messages.iter().any(|it| it.id == id)).await;
    let message = state.messages.into_iter().find(|message| message.id == id).unwrap();
    assert_eq!(message.unfrankable, None);
}

/// A report as another provider hands it in.
async fn hand_in(trio: &Trio, from: &str, room: &MimiUri, report: &[u8]) -> Reply {
    let address = trio.running[0].addresses().federation;
    let room = room.as_str().replace(':', "%3A").replace('/', "%2F");
    let path = format!("/mimi/v1/reportAbuse/{room}");
    trio.federation.caller(from).post(address, from, &path, report.to_vec()).await.unwrap()
}

fn told(report: &ShownReport) -> Vec<(bool, &str, Option<&str>)> {
    let message = report.reported.iter();
    message.map(|it| (it.is_proven, it.why_not.as_str(), it.text.as_deref())).collect()
}

/// FLOW-13: a message is franked across providers, its hub_key is rotated, and it is reported from two
/// providers: proven each time. What is made of the report is never proven.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_reported_and_proven() {
    let trio = Trio::start().await;
    let (alice, bob, cathy, room) = clubhouse(&trio).await;
    let moderator = moderator(&trio);
    let rude = bob.client.send_text(&room, "go away").await.unwrap();
    for person in [&alice, &bob, &cathy] {
        reads(person, &room, rude).await;
    }
    // FRANK-6: the sender stands nowhere in what other providers get.
    let notified = captured(&trio.federation, "c.example", "in-a.example-notify-request");
    let fanout = notified.iter().flat_map(|body| FanoutMessage::decode_all(body).unwrap());
    let franked =
        |it: &FanoutMessage| matches!(it.kind, FanoutKind::Application { frank: Some(_) });
    let franked: Vec<_> = fanout.filter(franked).collect();
    assert!(!franked.is_empty());
    let name = bob.user();
    let is_name = |octets: &[u8]| octets == name.as_bytes();
    assert!(!franked.iter().any(|it| it.encode().windows(name.as_bytes().len()).any(is_name)));

    // FRANK-11.
    moderator.rotate_hub_key().await.unwrap();
    let ruder = bob.client.send_text(&room, "and stay there").await.unwrap();
    reads(&cathy, &room, ruder).await;
    cathy.client.report(&room, &[rude, ruder], "please look").await.unwrap();
    reads(&alice, &room, ruder).await;
    alice.client.report(&room, &[rude], "").await.unwrap();
    let listed = moderator.reports().await.unwrap().reports;
    let summary = |it: &tombolo_server::admin_api::ListedReport| {
        (it.id, it.from.to_string(), it.messages, it.proven)
    };
    let listed: Vec<_> = listed.iter().map(summary).collect();
    let (a, c) = ("a.example".to_owned(), "c.example".to_owned());
    assert_eq!(listed, [(1, c, 2, 2), (2, a, 1, 1)]);
    let shown = moderator.report(1).await.unwrap();
    let expected = [(true, "", Some("go away")), (true, "", Some("and stay there"))];
    assert_eq!(told(&shown), expected);
    assert_eq!(shown.summary.alleged_abuser, bob.user());
    assert_eq!((shown.reporting_user, shown.note), (Some(cathy.user()), "please look".to_owned()));
    assert_eq!(moderator.report(2).await.unwrap().local_user, Some(alice.user()));

    forged_reports_are_not_proven(&trio, &moderator, &bob, &room).await;

    moderator.close_report(1).await.unwrap();
    assert!(moderator.reports().await.unwrap().reports.iter().all(|report| report.id != 1));
    let closed = moderator.report(1).await.unwrap();
    assert!(!closed.is_open && closed.reported.len() == 2, "it is kept as received");
    moderator.close_report(1).await.unwrap_err();
    moderator.report(99).await.unwrap_err();
}

/// PROTO-ABU-1, PROTO-ABU-2: what cathy's provider really sent, forged by it.
async fn forged_reports_are_not_proven(
    trio: &Trio,
    moderator: &AdminClient,
    bob: &Person,
    room: &MimiUri,
) {
    let sent = captured(&trio.federation, "c.example", "out-a.example-reportAbuse-request");
    let sent = AbuseReport::decode(sent.last().unwrap()).unwrap();
    let forge = |forge: &dyn Fn(&mut AbuseReport)| {
        let mut forged = sent.clone();
        forge(&mut forged);
        forged
    };
    let edited = forge(&|report| {
        let content = MimiContent::text([9; 16], &bob.user(), room, "I hate you").encode().unwrap();
        let media_type = MediaType::default();
        let framing = ApplicationFraming { media_type, inner_application_content: content };
        report.messages[0].message_content = framing.encode();
    });
    let redated = forge(&|report| report.messages[0].accepted_timestamp += 1);
    let reattributed = forge(&|report| {
        report.alleged_abuser_uri = MimiUri::new("mimi://a.example/u/alice").unwrap();
    });
    let signed_otherwise =
        forge(&|report| report.messages[0].frank.franking_integrity_signature[0] ^= 1);
    let swapped = forge(&|report| {
        let frank = report.messages[1].frank.clone();
        report.messages[0].frank = frank;
    });
    let cases = [
        (edited, "the content is forged"),
        (redated, "this hub never accepted"),
        (reattributed, "the content says it is by"),
        (signed_otherwise, "the signature is not this hub's"),
        (swapped, "this hub never accepted"),
    ];
    let mut id = 2;
    for (forged, why_not) in cases {
        let reply = hand_in(trio, "c.example", room, &forged.encode()).await;
        assert_eq!((reply.status.as_u16(), reply.body.len()), (201, 0), "AMB-ABU-5");
        id += 1;
        let shown = moderator.report(id).await.unwrap();
        let first = &shown.reported[0];
        assert!(!first.is_proven && first.why_not.starts_with(why_not), "{first:?}");
    }
    // AMB-ABU-3: strangers are not heard, nor is a provider about users that are not its own.
    let anonymous = forge(&|report| report.reporting_user = None);
    let stranger = hand_in(trio, "x.example", room, &anonymous.encode()).await;
    assert_ne!(stranger.status.as_u16(), 201);
    let of_others = hand_in(trio, "b.example", room, &sent.encode()).await;
    assert_eq!(of_others.status.as_u16(), 403);
    let unknown = MimiUri::new("mimi://a.example/r/nowhere").unwrap();
    let unknown = hand_in(trio, "c.example", &unknown, &anonymous.encode()).await;
    assert_eq!(unknown.status.as_u16(), 404);
    assert_eq!(moderator.reports().await.unwrap().reports.len(), 7);
}

/// A hub that starts again has its queue, its keys and its franks.
#[tokio::test(flavor = "multi_thread")]
async fn reports_and_keys_outlive_a_restart() {
    let mut trio = Trio::start().await;
    let (_alice, bob, cathy, room) = clubhouse(&trio).await;
    let rude = bob.client.send_text(&room, "go away").await.unwrap();
    reads(&cathy, &room, rude).await;
    cathy.client.report(&room, &[rude], "once").await.unwrap();
    moderator(&trio).rotate_hub_key().await.unwrap();
    let stopped = trio.running.remove(0);
    stopped.shutdown().await;
    let again = trio.federation.start_on("a.example", &trio.stores[0]).await;
    trio.running.insert(0, again);
    trio.publish().await;
    cathy.client.report(&room, &[rude], "twice").await.unwrap();
    let reports = moderator(&trio).reports().await.unwrap().reports;
    let proven: Vec<_> = reports.iter().map(|it| (it.id, it.proven)).collect();
    assert_eq!(proven, [(1, 1), (2, 1)]);
}
