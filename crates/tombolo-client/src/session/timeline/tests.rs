use mimi_wire::MimiUri;
use mimi_wire::content::external::{Encryption, Upload, seal};
use mimi_wire::content::{Disposition, MessageId, MimiContent, NestedPart, Part};

use super::{Role, Timeline};
use crate::session::verdict::Verdict;
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

/// A timeline that is filled in the hub's order, one message each millisecond.
#[derive(Default)]
struct Filling {
    timeline: Timeline,
    salt: u8,
}

impl Filling {
    fn salt(&mut self) -> [u8; 16] {
        self.salt += 1;
        [self.salt; 16]
    }

    fn add(&mut self, sender: &MimiUri, content: MimiContent) -> Result<MessageId, &'static str> {
        let role = self.timeline.role(&content)?;
        let octets = content.encode().unwrap();
        let id = MessageId::compute(sender, &room(), &octets, &content.salt);
        let timestamp_ms = 1_000 + u64::from(self.salt);
        let stored = StoredMessage { id, sender: sender.clone(), timestamp_ms, content: octets };
        self.timeline.insert(&stored, content, role, Verdict::Applied);
        Ok(id)
    }

    fn text(&mut self, sender: &MimiUri, text: &str) -> MessageId {
        let content = MimiContent::text(self.salt(), sender, &room(), text);
        self.add(sender, content).unwrap()
    }

    fn edit(&mut self, sender: &MimiUri, of: MessageId, text: &str) -> MessageId {
        let content = MimiContent::edit(self.salt(), sender, &room(), of, text);
        self.add(sender, content).unwrap()
    }

    fn react(&mut self, sender: &MimiUri, to: MessageId, reaction: &str) -> MessageId {
        let content = MimiContent::reaction(self.salt(), sender, &room(), to, reaction);
        self.add(sender, content).unwrap()
    }

    fn texts(&self) -> Vec<Option<String>> {
        self.timeline.shown().into_iter().map(|message| message.text).collect()
    }
}

/// CONTENT-MSG-2, AMB-CNT-12: an edit of an edit is an edit of the first version.
#[test]
fn the_newest_edit_is_shown_and_points_at_the_first_version() {
    let mut filling = Filling::default();
    let first = filling.text(&alice(), "helo");
    filling.text(&bob(), "hi");
    let second = filling.edit(&alice(), first, "hello");
    assert_eq!(filling.timeline.newest_version(&first), second);
    let content = MimiContent::edit([99; 16], &alice(), &room(), second, "hello!");
    assert_eq!(filling.timeline.role(&content), Ok(Role::Edit { of: first }));
    let third = filling.edit(&alice(), second, "hello!");
    assert_eq!(filling.timeline.newest_version(&first), third);
    let shown = filling.timeline.shown();
    assert_eq!(filling.texts(), [Some("hello!".to_owned()), Some("hi".to_owned())]);
    assert!(shown[0].edited && !shown[1].edited);
    assert_eq!(shown[0].id, first);
}

/// CONTENT-MSG-3: a message without content takes back, for good.
#[test]
fn what_is_taken_back_stays_so() {
    let mut filling = Filling::default();
    let first = filling.text(&alice(), "secret");
    let deletion = MimiContent::delete(filling.salt(), &alice(), &room(), first);
    filling.add(&alice(), deletion).unwrap();
    filling.edit(&alice(), first, "again");
    let shown = filling.timeline.shown();
    assert!(shown[0].deleted);
    assert_eq!(shown[0].text, None);
}

#[test]
fn reactions_come_go_and_change() {
    let mut filling = Filling::default();
    let first = filling.text(&alice(), "hello");
    let like = filling.react(&bob(), first, "👍");
    filling.react(&alice(), first, "👍");
    filling.react(&bob(), first, "👍");
    let reactions = |filling: &Filling| filling.timeline.shown()[0].reactions.clone();
    let thumb = |user: MimiUri| (user, "👍".to_owned());
    assert_eq!(reactions(&filling), [thumb(bob()), thumb(alice())]);
    let second = filling.react(&bob(), first, "❤");
    let unlike = MimiContent::unlike(filling.salt(), &bob(), &room(), second);
    filling.add(&bob(), unlike).unwrap();
    assert_eq!(reactions(&filling), [thumb(bob()), thumb(alice())]);
    let change = MimiContent::edit(filling.salt(), &bob(), &room(), like, "🎉");
    let role = filling.timeline.role(&change).unwrap();
    assert_eq!(role, Role::ReactionEdit { of: like, to: first });
    filling.add(&bob(), change).unwrap();
    assert_eq!(reactions(&filling)[0], (bob(), "🎉".to_owned()));
}

/// CONTENT-REP-2: a reply pins a version; shown, it points at the message.
#[test]
fn replies_to_a_version_are_shown_with_the_message() {
    let mut filling = Filling::default();
    let first = filling.text(&alice(), "helo");
    let second = filling.edit(&alice(), first, "hello");
    let reply = MimiContent::reply(filling.salt(), &bob(), &room(), second, "hi");
    filling.add(&bob(), reply).unwrap();
    assert_eq!(filling.timeline.shown()[1].in_reply_to, Some(first));
    let unknown = MessageId([1; 32]);
    let reply = MimiContent::reply(filling.salt(), &bob(), &room(), unknown, "what?");
    filling.add(&bob(), reply).unwrap();
    assert_eq!(filling.timeline.shown()[2].in_reply_to, Some(unknown));
}

/// CONTENT-EDIT-2, CONTENT-REP-1: an edit that would make a loop of replies changes the text alone.
#[test]
fn edits_change_nothing_but_the_text() {
    let mut filling = Filling::default();
    let first = filling.text(&alice(), "hello");
    let reply = MimiContent::reply(filling.salt(), &bob(), &room(), first, "hi");
    let reply = filling.add(&bob(), reply).unwrap();
    let mut looping = MimiContent::edit(filling.salt(), &alice(), &room(), first, "HELLO");
    looping.in_reply_to = Some(reply);
    looping.topic_id = b"elsewhere".to_vec();
    filling.add(&alice(), looping).unwrap();
    let shown = filling.timeline.shown();
    assert_eq!((shown[0].in_reply_to, shown[0].text.as_deref()), (None, Some("HELLO")));
    assert_eq!(shown[1].in_reply_to, Some(first));
    // What is sent repeats what must stay.
    let original = filling.timeline.content(&reply).unwrap().clone();
    let edit = MimiContent::edit([9; 16], &bob(), &room(), reply, "hi!").in_place_of(&original);
    assert_eq!(edit.in_reply_to, Some(first));
}

/// CONTENT-SEC-2, AMB-CNT-14, AMB-CNT-22.
#[test]
fn what_is_about_nothing_known_is_nothing() {
    let mut filling = Filling::default();
    let unknown = MessageId([1; 32]);
    let orphans = [
        MimiContent::edit([1; 16], &alice(), &room(), unknown, "x"),
        MimiContent::delete([1; 16], &alice(), &room(), unknown),
        MimiContent::reaction([1; 16], &alice(), &room(), unknown, "x"),
        MimiContent {
            in_reply_to: None,
            ..MimiContent::reaction([1; 16], &alice(), &room(), unknown, "x")
        },
        MimiContent { replaces: None, ..MimiContent::delete([1; 16], &alice(), &room(), unknown) },
    ];
    for orphan in orphans {
        assert!(filling.add(&alice(), orphan).is_err());
    }
    assert!(filling.timeline.shown().is_empty());
}

/// CONTENT-MSG-4, CONTENT-TS-1: by the hub's time, ties by lowest id, whatever the order of arrival.
#[test]
fn messages_are_ordered_by_the_hubs_time() {
    let mut timeline = Timeline::default();
    let mut expected = Vec::new();
    for (salt, timestamp_ms) in [(3, 9), (1, 5), (2, 5), (4, 1)] {
        let content = MimiContent::text([salt; 16], &alice(), &room(), "x");
        let octets = content.encode().unwrap();
        let id = MessageId::compute(&alice(), &room(), &octets, &content.salt);
        expected.push((timestamp_ms, id));
        let role = timeline.role(&content).unwrap();
        let stored = StoredMessage { id, sender: alice(), timestamp_ms, content: octets };
        timeline.insert(&stored, content, role, Verdict::Applied);
    }
    expected.sort();
    let shown: Vec<_> =
        timeline.shown().iter().map(|message| (message.timestamp_ms, message.id)).collect();
    assert_eq!(shown, expected);
}

/// Files are those of the newest version, and gone with the message.
#[test]
fn files_are_shown_with_their_message() {
    let upload =
        Upload { content_type: "image/png", url: "https://a.example/1", filename: "1.png" };
    let (part, _) = seal(upload, b"x", &Encryption::None).unwrap();
    let mut filling = Filling::default();
    let body = NestedPart {
        disposition: Disposition::ATTACHMENT,
        language: String::new(),
        part: Part::External(Box::new(part.clone())),
    };
    let text = MimiContent::text(filling.salt(), &alice(), &room(), "");
    let first = filling.add(&alice(), MimiContent { body, ..text }).unwrap();
    let shown = filling.timeline.show(&first).unwrap();
    assert_eq!((shown.text, shown.attachments), (None, vec![part]));
    filling.edit(&alice(), first, "no file after all");
    assert!(filling.timeline.show(&first).unwrap().attachments.is_empty());
    let deletion = MimiContent::delete(filling.salt(), &alice(), &room(), first);
    filling.add(&alice(), deletion).unwrap();
    assert!(filling.timeline.show(&first).unwrap().attachments.is_empty());
}

/// CONTENT-EDIT-3: every version of an edited message is there with its time, and who has reacted
/// to which; of one that is taken back none is.
#[test]
fn versions_and_reactions_to_them() {
    let mut filling = Filling::default();
    let first = filling.text(&alice(), "helo");
    filling.react(&bob(), first, "👍");
    assert!(filling.timeline.shown()[0].versions.is_empty());
    let second = filling.edit(&alice(), first, "hello");
    filling.react(&alice(), second, "❤");
    let versions = filling.timeline.shown().remove(0).versions;
    let told: Vec<_> = versions.iter().map(|it| (it.id, it.text.as_deref())).collect();
    assert_eq!(told, [(first, Some("helo")), (second, Some("hello"))]);
    assert_eq!(versions[0].reacted, [bob()]);
    assert_eq!(versions[1].reacted, [alice()]);
    assert!(versions[0].timestamp_ms < versions[1].timestamp_ms);
    let deletion = MimiContent::delete(filling.salt(), &alice(), &room(), first);
    filling.add(&alice(), deletion).unwrap();
    let shown = filling.timeline.shown().remove(0);
    assert!(shown.deleted && shown.versions.is_empty() && shown.body.is_none());
}

/// What is about a message goes with it, and another's reactions stay.
#[test]
fn what_is_removed_leaves_nothing_of_itself() {
    let mut filling = Filling::default();
    let first = filling.text(&alice(), "one");
    let second = filling.text(&alice(), "two");
    let like = filling.react(&bob(), first, "👍");
    filling.react(&bob(), second, "👎");
    let edit = filling.edit(&alice(), first, "uno");
    let mut gone = filling.timeline.remove(&first);
    gone.sort();
    let mut expected = [first, like, edit];
    expected.sort();
    assert_eq!(gone, expected);
    assert_eq!(filling.texts(), [Some("two".to_owned())]);
    assert_eq!(filling.timeline.shown()[0].reactions.len(), 1);
    // One that ends by itself.
    let like = filling.react(&alice(), second, "👍");
    assert_eq!(filling.timeline.remove(&like), [like]);
    assert_eq!(filling.timeline.shown()[0].reactions.len(), 1);
}
