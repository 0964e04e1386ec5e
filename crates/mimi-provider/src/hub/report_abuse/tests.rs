use mimi_wire::MimiUri;
use mimi_wire::Wire;
use mimi_wire::protocol::Extensions;
use mimi_wire::protocol::report_abuse::{AbuseType, AbusiveMessage};

use super::*;
use crate::abuse::{OpenReport, read_report};
use crate::fixture::{NOW, domain, room_uri, user};
use crate::franking::tests::{HashAgent, application_data, franked, hub_keys};
use crate::franking::{Fault, Verdict};
use crate::hub::fixture::{Hub, appended, local, peer};

const MEMBERS: &[&str] = &["a/alice/phone", "b/bob/phone", "c/cathy/phone"];

fn report(reporter: Option<&str>, messages: Vec<AbusiveMessage>) -> AbuseReport {
    AbuseReport {
        reporting_user: reporter.map(user),
        alleged_abuser_uri: user("b/bob"),
        reason_code: AbuseType(0),
        note: "rude".to_owned(),
        messages,
        abuse_extensions: Extensions::default(),
    }
}

fn message(text: &str) -> AbusiveMessage {
    let (bob, room) = (user("b/bob"), room_uri());
    let content = application_data(&bob, &room, text, true);
    franked(&hub_keys(&[(0, 1)]), &bob, &room, content, NOW)
}

fn received(
    queue: &mut ReportQueue,
    hub: &Hub,
    requester: &Requester,
    report: &AbuseReport,
) -> Result<Transition<ReportId>, Reject> {
    let octets = report.encode();
    let transition = report_abuse(
        queue,
        &ReportAbuseInput {
            own: &domain("a.example"),
            requester,
            view: &hub.view,
            state: &hub.state,
            was_member: false,
            report,
            octets: &octets,
            agent: &HashAgent,
            hub_keys: &hub_keys(&[(0, 1)]),
            limits: &Limits::DEFAULT,
            now_ms: NOW + 5,
        },
    )?;
    queue.apply(&transition.changes).unwrap();
    Ok(transition)
}

/// PROTO-ABU-1, PROTO-ABU-2: a report is kept as received, with what each message is worth; what is
/// not proven is received all the same. Closing it takes it off the queue and nothing else.
#[test]
fn a_report_waits_for_a_moderator() {
    let (mut queue, hub) = (ReportQueue::default(), Hub::new(MEMBERS));
    let mut edited = message("I like you");
    edited.message_content = application_data(&user("b/bob"), &room_uri(), "I hate you", true);
    let sent = report(Some("c/cathy"), vec![message("go away"), edited]);
    let transition = received(&mut queue, &hub, &peer("c.example"), &sent).unwrap();
    assert_eq!(transition.reply, 1);
    let [event] = appended(&transition)[..] else { panic!("one entry") };
    assert_eq!((&event.audience[..], &event.targets), (&[][..], &Some(Vec::new())));
    assert_eq!(event.payload, sent.encode());
    let (note, kept) = read_report(event).unwrap();
    assert_eq!(kept, sent);
    let proven = Verdict::Proven { sender: user("b/bob") };
    assert_eq!(note.verdicts, [proven, Verdict::NotProven(Fault::ForgedContent)]);
    assert_eq!((note.from, note.room, note.local_user), (domain("c.example"), room_uri(), None));
    assert_eq!(queue.last_seq(), 1);
    assert_eq!(queue.open()[&1].alleged_abuser, user("b/bob"));

    let closed = queue.close(&domain("a.example"), 1, NOW + 9).unwrap();
    queue.apply(&closed.changes).unwrap();
    assert!(queue.open().is_empty());
    assert!(matches!(queue.close(&domain("a.example"), 1, NOW), Err(Reject::Unknown(_))));
    let mut again = ReportQueue::default();
    again.apply(&transition.changes).unwrap();
    again.apply(&closed.changes).unwrap();
    assert_eq!(again, queue, "read from the stream it is the same");
    assert_eq!(received(&mut queue, &hub, &peer("c.example"), &sent).unwrap().reply, 3);
}

/// AMB-ABU-3: only who takes part, or has, is heard, and speaks for its own users.
#[test]
fn strangers_report_nothing() {
    let (mut queue, mut hub) = (ReportQueue::default(), Hub::new(MEMBERS));
    let anonymous = report(None, Vec::new());
    let stranger = received(&mut queue, &hub, &peer("x.example"), &anonymous);
    assert!(matches!(stranger, Err(Reject::Unknown(_))));
    hub.state.followers.insert(domain("x.example"));
    received(&mut queue, &hub, &peer("x.example"), &anonymous).unwrap();
    let of_others = report(Some("c/cathy"), Vec::new());
    let refused = received(&mut queue, &hub, &peer("b.example"), &of_others);
    assert!(matches!(refused, Err(Reject::PeerMisbehaved(_))));
    let outsider = received(&mut queue, &hub, &local("a/zoe/phone"), &anonymous);
    assert!(matches!(outsider, Err(Reject::Unknown(_))));
    let known = received(&mut queue, &hub, &local("a/alice/phone"), &anonymous).unwrap();
    let (note, _) = read_report(appended(&known)[0]).unwrap();
    assert_eq!(note.local_user, Some(user("a/alice")));
}

/// PROTO-ABU-3: a role without canReportAbuse reports nothing; who is out of the room still may.
#[test]
fn a_role_may_have_no_say() {
    let (mut queue, mut hub) = (ReportQueue::default(), Hub::new(MEMBERS));
    for role in &mut hub.view.roles.roles {
        role.role_capabilities.retain(|capability| *capability != Capability::CAN_REPORT_ABUSE);
    }
    let sent = report(Some("c/cathy"), Vec::new());
    let refused = received(&mut queue, &hub, &peer("c.example"), &sent);
    assert!(matches!(refused, Err(Reject::Denied(_))), "{refused:?}");
    let gone: MimiUri = user("c/gone");
    let sent = AbuseReport { reporting_user: Some(gone), ..sent };
    received(&mut queue, &hub, &peer("c.example"), &sent).unwrap();
}

#[test]
fn a_report_has_so_many_messages() {
    let (mut queue, hub) = (ReportQueue::default(), Hub::new(MEMBERS));
    let full = report(None, vec![message("x"); Limits::DEFAULT.reported_messages_max]);
    received(&mut queue, &hub, &peer("c.example"), &full).unwrap();
    let fuller = report(None, vec![message("x"); Limits::DEFAULT.reported_messages_max + 1]);
    let refused = received(&mut queue, &hub, &peer("c.example"), &fuller);
    assert!(matches!(refused, Err(Reject::NotAllowed(_))));
}

#[test]
fn one_provider_does_not_fill_the_queue() {
    let (mut queue, hub) = (ReportQueue::default(), Hub::new(MEMBERS));
    let empty = report(None, Vec::new());
    for _ in 0..Limits::DEFAULT.open_reports_per_provider_max {
        received(&mut queue, &hub, &peer("c.example"), &empty).unwrap();
    }
    let refused = received(&mut queue, &hub, &peer("c.example"), &empty);
    assert!(matches!(refused, Err(Reject::Unavailable(_))));
    received(&mut queue, &hub, &peer("b.example"), &empty).unwrap();
    let closed = queue.close(&domain("a.example"), 7, NOW).unwrap();
    queue.apply(&closed.changes).unwrap();
    received(&mut queue, &hub, &peer("c.example"), &empty).unwrap();
}

#[test]
fn nor_does_it_by_size() {
    let hub = Hub::new(MEMBERS);
    let empty = report(None, Vec::new());
    let octets = empty.encode().len();
    let holding = |octets: usize| {
        ReportQueue::holding(OpenReport {
            note: ReportNote {
                from: domain("c.example"),
                local_user: None,
                room: room_uri(),
                verdicts: Vec::new(),
            },
            alleged_abuser: user("b/bob"),
            received_ms: NOW,
            octets,
        })
    };
    let fits = Limits::DEFAULT.open_report_octets_per_provider_max - octets;
    received(&mut holding(fits), &hub, &peer("c.example"), &empty).unwrap();
    let refused = received(&mut holding(fits + 1), &hub, &peer("c.example"), &empty);
    assert!(matches!(refused, Err(Reject::Unavailable(_))));
    received(&mut holding(fits + 1), &hub, &peer("b.example"), &empty).unwrap();
}
