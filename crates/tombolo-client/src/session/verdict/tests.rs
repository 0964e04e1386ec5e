//! What each kind of message takes (POLICY-CAP-MSG-1, -2, POLICY-CAP-ASSET-1, AMB-CNT-13).

use mimi_policy::preset::Preset;
use mimi_policy::{ClientView, RoomView, Rule};
use mimi_wire::MimiUri;
use mimi_wire::content::{
    Disposition, ExternalPart, MessageId, MimiContent, NestedPart, Part, PartSemantics,
};
use mimi_wire::room::capability::Capability;
use mimi_wire::room::metadata::RoomMetadata;
use mimi_wire::room::participant_list::{ParticipantListData, UserRolePair};

use super::{Verdict, judge};
use crate::session::timeline::Timeline;
use crate::store::StoredMessage;

fn uri(text: &str) -> MimiUri {
    MimiUri::new(text).unwrap()
}

fn alice() -> MimiUri {
    uri("mimi://a.example/u/alice")
}

fn bob() -> MimiUri {
    uri("mimi://b.example/u/bob")
}

fn room() -> MimiUri {
    uri("mimi://a.example/r/room")
}

/// bob's role has exactly these capabilities; alice has none.
fn view(capabilities: &[Capability]) -> RoomView {
    let mut roles = Preset::Cooperative.roles();
    for role in &mut roles.roles {
        role.role_capabilities = match role.role_index {
            2 => capabilities.to_vec(),
            _ => Vec::new(),
        };
    }
    let pair = |user, role_index| UserRolePair { user, role_index };
    let client = |leaf, user: MimiUri| ClientView { leaf, client: user.clone(), user };
    RoomView {
        epoch: 1,
        participants: ParticipantListData { participants: vec![pair(alice(), 4), pair(bob(), 2)] },
        roles,
        metadata: RoomMetadata {
            room_uri: room(),
            room_name: String::new(),
            room_descriptions: Vec::new(),
            room_avatar: String::new(),
            room_subject: String::new(),
            room_mood: String::new(),
        },
        preauth: Default::default(),
        base_policy: None,
        other_components: Default::default(),
        clients: vec![client(0, alice()), client(1, bob())],
    }
}

/// A timeline with one message each of alice and bob, in a topic, and a reaction of each.
struct Room {
    timeline: Timeline,
    alices: MessageId,
    bobs: MessageId,
    alices_reaction: MessageId,
    bobs_reaction: MessageId,
}

const TOPIC: &[u8] = b"books";

impl Room {
    fn new() -> Self {
        let none = MessageId([0; 32]);
        let mut made = Self {
            timeline: Timeline::default(),
            alices: none,
            bobs: none,
            alices_reaction: none,
            bobs_reaction: none,
        };
        let text = |salt, by: &MimiUri| MimiContent {
            topic_id: TOPIC.to_vec(),
            ..MimiContent::text([salt; 16], by, &room(), "hello")
        };
        made.alices = made.put(&alice(), text(1, &alice()));
        made.bobs = made.put(&bob(), text(2, &bob()));
        let to = made.alices;
        let like = |salt, by: &MimiUri| MimiContent::reaction([salt; 16], by, &room(), to, "+1");
        made.alices_reaction = made.put(&alice(), like(3, &alice()));
        made.bobs_reaction = made.put(&bob(), like(4, &bob()));
        made
    }

    fn put(&mut self, sender: &MimiUri, content: MimiContent) -> MessageId {
        let role = self.timeline.role(&content).unwrap();
        let octets = content.encode().unwrap();
        let id = MessageId::compute(sender, &room(), &octets, &content.salt);
        let timestamp_ms = u64::from(content.salt[0]);
        let stored = StoredMessage { id, sender: sender.clone(), timestamp_ms, content: octets };
        self.timeline.insert(&stored, content, role, Verdict::Applied);
        id
    }

    /// What bob needs for a message: exactly these capabilities, and all of them.
    #[track_caller]
    fn needs(&self, content: &MimiContent, needed: &[Capability]) {
        let role = self.timeline.role(content).unwrap();
        let judged =
            |held: &[Capability]| judge(&view(held), &bob(), content, &role, &self.timeline);
        assert_eq!(judged(needed).unwrap(), Verdict::Applied);
        for left_out in needed {
            let held: Vec<_> = needed.iter().copied().filter(|it| it != left_out).collect();
            let denied = judged(&held).unwrap_err();
            let name = left_out.name().unwrap();
            assert!(denied.to_string().contains(name), "{denied} does not say {name}");
        }
    }

    /// Nothing lets bob do this.
    #[track_caller]
    fn never(&self, content: &MimiContent) {
        let role = self.timeline.role(content).unwrap();
        let view = view(Capability::ALL);
        let denied = judge(&view, &bob(), content, &role, &self.timeline).unwrap_err();
        assert_eq!(denied.rule, Rule::OthersMessage);
    }
}

fn said(text: &str) -> MimiContent {
    MimiContent::text([9; 16], &bob(), &room(), text)
}

fn with_body(body: NestedPart) -> MimiContent {
    MimiContent { body, ..said("") }
}

#[test]
fn plain_messages_replies_and_topics() {
    use Capability as C;
    let made = Room::new();
    made.needs(&said("hello"), &[C::CAN_SEND_MESSAGE]);
    let started = MimiContent { topic_id: b"films".to_vec(), ..said("hello") };
    made.needs(&started, &[C::CAN_SEND_MESSAGE, C::CAN_START_TOPIC]);
    let reply = MimiContent::reply([9; 16], &bob(), &room(), made.alices, "hi");
    made.needs(&reply, &[C::CAN_REPLY_TO_MESSAGE]);
    let same = MimiContent { topic_id: TOPIC.to_vec(), ..reply.clone() };
    made.needs(&same, &[C::CAN_REPLY_IN_TOPIC]);
    let other = MimiContent { topic_id: b"films".to_vec(), ..reply.clone() };
    made.needs(&other, &[C::CAN_REPLY_TO_MESSAGE, C::CAN_START_TOPIC]);
    // Of what was sent before this device could read, nobody knows the topic (CONTENT-SEC-2).
    let unknown = MimiContent { in_reply_to: Some(MessageId([1; 32])), ..same };
    made.needs(&unknown, &[C::CAN_REPLY_IN_TOPIC]);
}

#[test]
fn edits_deletions_and_reactions() {
    use Capability as C;
    let made = Room::new();
    let in_topic = |content: MimiContent| MimiContent { topic_id: TOPIC.to_vec(), ..content };
    let edit = |of| in_topic(MimiContent::edit([9; 16], &bob(), &room(), of, "hi"));
    made.needs(&edit(made.bobs), &[C::CAN_EDIT_OWN_MESSAGE]);
    made.never(&edit(made.alices));
    let delete = |of| MimiContent::delete([9; 16], &bob(), &room(), of);
    made.needs(&delete(made.bobs), &[C::CAN_DELETE_OWN_MESSAGE]);
    made.needs(&delete(made.alices), &[C::CAN_DELETE_OTHER_MESSAGE]);
    let react = MimiContent::reaction([9; 16], &bob(), &room(), made.alices, "+1");
    made.needs(&react, &[C::CAN_REACT_TO_MESSAGE]);
    let change = |of| MimiContent { replaces: Some(of), ..react.clone() };
    made.needs(&change(made.bobs_reaction), &[C::CAN_EDIT_REACTION]);
    made.never(&change(made.alices_reaction));
    let unlike = |of| MimiContent::unlike([9; 16], &bob(), &room(), of);
    made.needs(&unlike(made.bobs_reaction), &[C::CAN_DELETE_OWN_REACTION]);
    made.needs(&unlike(made.alices_reaction), &[C::CAN_DELETE_OTHER_REACTION]);
}

/// AMB-CNT-13: a topic alone may be changed; together with the text it is ignored where it may not.
#[test]
fn edits_of_topics() {
    use Capability as C;
    let made = Room::new();
    let moved = |of, text| MimiContent {
        topic_id: b"films".to_vec(),
        ..MimiContent::edit([9; 16], &bob(), &room(), of, text)
    };
    made.needs(&moved(made.bobs, "hello"), &[C::CAN_EDIT_OWN_TOPIC]);
    made.needs(&moved(made.alices, "hello"), &[C::CAN_EDIT_OTHER_TOPIC]);
    made.never(&moved(made.alices, "other words"));
    let both = moved(made.bobs, "other words");
    let role = made.timeline.role(&both).unwrap();
    let judged = |held: &[C]| judge(&view(held), &bob(), &both, &role, &made.timeline);
    assert_eq!(judged(&[C::CAN_EDIT_OWN_MESSAGE]).unwrap(), Verdict::KeepsTopic);
    let all = [C::CAN_EDIT_OWN_MESSAGE, C::CAN_EDIT_OWN_TOPIC];
    assert_eq!(judged(&all).unwrap(), Verdict::Applied);
    assert!(judged(&[C::CAN_EDIT_OWN_TOPIC]).is_err());
}

fn single(disposition: Disposition, content_type: &str) -> NestedPart {
    NestedPart::single(disposition, content_type, b"x")
}

fn external(disposition: Disposition, content_type: &str) -> NestedPart {
    let external = ExternalPart {
        content_type: content_type.to_owned(),
        url: "https://a.example/x".to_owned(),
        expires: 0,
        size: 1,
        enc_alg: 0,
        key: Vec::new(),
        nonce: Vec::new(),
        aad: Vec::new(),
        hash_alg: 0,
        content_hash: Vec::new(),
        description: String::new(),
        filename: String::new(),
    };
    NestedPart { part: Part::External(Box::new(external)), ..NestedPart::null(disposition) }
}

fn all_of(disposition: Disposition, parts: Vec<NestedPart>) -> NestedPart {
    let part = Part::Multi { semantics: PartSemantics::ProcessAll, parts };
    NestedPart { part, ..NestedPart::null(disposition) }
}

/// POLICY-CAP-ASSET-1, whatever part it is in.
#[test]
fn assets_of_every_part() {
    use Capability as C;
    let made = Room::new();
    let send = C::CAN_SEND_MESSAGE;
    for (content_type, upload) in [
        ("image/png", C::CAN_UPLOAD_IMAGE),
        ("Audio/ogg;codecs=opus", C::CAN_UPLOAD_AUDIO),
        ("video/mp4", C::CAN_UPLOAD_VIDEO),
    ] {
        for shown in [Disposition::RENDER, Disposition::INLINE, Disposition(200)] {
            made.needs(&with_body(single(shown, content_type)), &[send, upload]);
            made.needs(&with_body(external(shown, content_type)), &[send, upload]);
        }
        let attached = Disposition::ATTACHMENT;
        let attachment = [send, C::CAN_UPLOAD_ATTACHMENT];
        made.needs(&with_body(external(attached, content_type)), &attachment);
        let within = all_of(
            attached,
            vec![
                single(Disposition::RENDER, content_type),
                single(Disposition::RENDER, "text/plain"),
            ],
        );
        made.needs(&with_body(within), &attachment);
    }
    let mixed = all_of(
        Disposition::RENDER,
        vec![
            single(Disposition::RENDER, "text/plain"),
            all_of(
                Disposition::RENDER,
                vec![
                    external(Disposition::RENDER, "image/png"),
                    external(Disposition::ATTACHMENT, "application/pdf"),
                ],
            ),
        ],
    );
    made.needs(&with_body(mixed), &[send, C::CAN_UPLOAD_IMAGE, C::CAN_UPLOAD_ATTACHMENT]);
    made.needs(&with_body(single(Disposition::RENDER, "text/plain")), &[send]);
    // An edit cannot bring in what a message may not have.
    let edit = MimiContent {
        replaces: Some(made.bobs),
        topic_id: TOPIC.to_vec(),
        ..with_body(external(Disposition::RENDER, "image/png"))
    };
    made.needs(&edit, &[C::CAN_EDIT_OWN_MESSAGE, C::CAN_UPLOAD_IMAGE]);
}

/// POLICY-CAP-MSG-2: links in any text, previews of them; mentions are none.
#[test]
fn links_and_previews() {
    use Capability as C;
    let made = Room::new();
    let linked = [C::CAN_SEND_MESSAGE, C::CAN_SEND_LINK];
    made.needs(&said("see [this](https://a.example/)"), &linked);
    made.needs(&said("see ![this](https://a.example/x.png)"), &linked);
    made.needs(&said("come [in](mimi://a.example/r/other)"), &linked);
    made.needs(&said("[hm](javascript:alert)"), &linked);
    let html = with_body(NestedPart::single(
        Disposition::RENDER,
        "text/html",
        b"<a href='https://a.example/'>this</a>",
    ));
    made.needs(&html, &linked);
    let plain = [C::CAN_SEND_MESSAGE];
    made.needs(&said("hello [alice](mimi://a.example/u/alice)"), &plain);
    made.needs(&said("see [below](cid:1@local.invalid)"), &plain);
    made.needs(&said("no link"), &plain);
    let preview = all_of(
        Disposition::RENDER,
        vec![
            single(Disposition::RENDER, "text/markdown"),
            external(Disposition::PREVIEW, "image/png"),
        ],
    );
    let previewed = [C::CAN_SEND_MESSAGE, C::CAN_SEND_LINK, C::CAN_SEND_LINK_PREVIEW];
    made.needs(&with_body(preview), &previewed);
}
