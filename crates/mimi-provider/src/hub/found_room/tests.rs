use super::*;
use crate::Effect;
use crate::fixture::{NOW, client, domain, ratchet_tree, room, room_uri, uri, user};
use crate::hub::fixture::{appended, part};

fn creator() -> DeviceIdentity {
    DeviceIdentity { user: user("a/alice"), client: client("a/alice/phone") }
}

fn found(
    view: &RoomView,
    room: &MimiUri,
    hub_sender: HubSender,
) -> Result<Transition<Founded>, Reject> {
    found_with(view, room, hub_sender, &Extras::default())
}

/// What a founding may come with.
#[derive(Default)]
struct Extras {
    welcomes: Vec<WelcomePart>,
    parent: Option<RoomView>,
    same_members: Option<MimiUri>,
}

fn found_with(
    view: &RoomView,
    room: &MimiUri,
    hub_sender: HubSender,
    extras: &Extras,
) -> Result<Transition<Founded>, Reject> {
    found_room(&FoundRoomInput {
        own: &domain("a.example"),
        creator: &creator(),
        room,
        view,
        envelope: &Envelope::default(),
        hub_sender,
        franking_agent: b"agent",
        parent: extras.parent.as_ref(),
        same_members: extras.same_members.as_ref(),
        welcomes: &extras.welcomes,
        ratchet_tree: &ratchet_tree(),
        group: b"group",
        now_ms: NOW,
    })
}

/// FLOW-1.
#[test]
fn a_room_is_founded() {
    let view = room(&["a/alice/phone"]);
    let transition = found(&view, &room_uri(), HubSender::Ours).unwrap();
    assert_eq!(transition.reply, Founded::New { accepted_timestamp: NOW });
    assert_eq!(transition.expect, [Expect::NoRoom(room_uri())]);
    let [Change::CreateRoom { room, kind, snapshot }, join, owed] = &transition.changes[..] else {
        panic!("{transition:?}")
    };
    assert_eq!((room, kind), (&room_uri(), &RoomKind::Hub));
    let snapshot = HubSnapshot::decode(snapshot).unwrap();
    assert_eq!(snapshot.group, b"group");
    assert_eq!(snapshot.state.next_timestamp(NOW), NOW + 1);
    let (client, stream) = (client("a/alice/phone"), room_uri());
    let if_gone = Change::OweRemovalIfGone { client: client.clone(), room: stream.clone() };
    assert_eq!(*owed, if_gone);
    assert!(transition.effects.contains(&Effect::WakeRemovals));
    assert_eq!(*join, Change::Join { client, stream, from_seq: 1 });
}

/// ID-URI-4, AMB-ID-3, AMB-ID-5, PROTO-ST-4.
#[test]
fn a_room_that_is_not_ours_to_host() {
    let view = room(&["a/alice/phone"]);
    let elsewhere = uri("mimi://b.example/r/1");
    let mut of_elsewhere = view.clone();
    of_elsewhere.metadata.room_uri = elsewhere.clone();
    assert!(found(&of_elsewhere, &elsewhere, HubSender::Ours).is_err());
    assert!(found(&view, &uri("mimi://a.example/r/2"), HubSender::Ours).is_err());
    assert!(found(&view, &uri("mimi://a.example/g/1"), HubSender::Ours).is_err());
    assert!(found(&view, &room_uri(), HubSender::Foreign).is_err());
}

fn direct(clients: &[&str]) -> RoomView {
    let mut view = room(clients);
    let preset = mimi_policy::preset::Preset::Direct;
    view.roles = preset.roles();
    view.preauth = Default::default();
    for pair in &mut view.participants.participants {
        pair.role_index = preset.ordinary_role();
    }
    view.base_policy = Some(preset.base_policy());
    view
}

/// AMB-NTF-13: first members come by Welcome, each provider's by its own part.
#[test]
fn a_room_begins_with_first_members() {
    let view = direct(&["a/alice/phone", "a/alice/laptop", "b/bob/phone"]);
    let welcomes =
        vec![part("a.example", &["a/alice/laptop"]), part("b.example", &["b/bob/phone"])];
    let extras = Extras { welcomes, ..Extras::default() };
    let transition = found_with(&view, &room_uri(), HubSender::Ours, &extras).unwrap();
    let members = MemberSet::fixed(&view).unwrap();
    assert_eq!(transition.expect, [Expect::NoRoom(room_uri()), Expect::MembersFree(members)]);
    let entries = appended(&transition);
    let readers: Vec<_> =
        entries.iter().map(|it| (it.seq, it.audience.clone(), it.targets.clone())).collect();
    let laptop = client("a/alice/laptop");
    assert_eq!(
        readers,
        [
            (1, Vec::new(), Some(vec![laptop.clone()])),
            (2, vec![domain("b.example")], Some(Vec::new())),
        ]
    );
    let joins = |seq, it: MimiUri| Change::Join { client: it, stream: room_uri(), from_seq: seq };
    assert!(transition.changes.contains(&joins(1, laptop)));
    assert!(transition.changes.contains(&joins(1, client("a/alice/phone"))));
    assert!(transition.changes.contains(&Change::Follow {
        stream: room_uri(),
        follower: domain("b.example"),
        after_seq: 1
    }));
}

/// Nobody is in without a Welcome, nor welcomed without being in, nor listed for nothing unless the
/// list is for good.
#[test]
fn first_members_and_welcomes_agree() {
    let view = direct(&["a/alice/phone", "b/bob/phone"]);
    let with = |view: &RoomView, clients: &[&str]| {
        let welcomes = vec![part("b.example", clients)];
        let extras = Extras { welcomes, ..Extras::default() };
        found_with(view, &room_uri(), HubSender::Ours, &extras)
    };
    assert!(with(&view, &["b/bob/phone"]).is_ok());
    assert!(with(&view, &["b/bob/phone", "b/bob/laptop"]).is_err());
    assert!(with(&view, &["b/bob/laptop"]).is_err());
    assert!(found(&view, &room_uri(), HubSender::Ours).is_err());
    let listed_only = |mut view: RoomView| {
        view.clients.truncate(1);
        found(&view, &room_uri(), HubSender::Ours)
    };
    assert!(listed_only(view).is_ok(), "bob has no device yet");
    assert!(listed_only(room(&["a/alice/phone", "b/bob/phone"])).is_err());
}

/// POLICY-BASE-2: the same people have one room.
#[test]
fn the_same_people_are_given_the_room_they_have() {
    let view = direct(&["a/alice/phone"]);
    let existing = uri("mimi://a.example/r/first");
    let extras = Extras { same_members: Some(existing.clone()), ..Extras::default() };
    let transition = found_with(&view, &room_uri(), HubSender::Ours, &extras).unwrap();
    assert_eq!(transition, Transition::unchanged(Founded::Existing(existing)));
}

/// POLICY-BASE-3: a parent is hosted here, and everybody takes part in it.
#[test]
fn a_dependent_room_begins_inside_its_parent() {
    let mut view = room(&["a/alice/phone"]);
    let mut parent = view.clone();
    parent.metadata.room_uri = uri("mimi://a.example/r/parent");
    let mut policy = mimi_policy::preset::base_policy();
    policy.parent_dependant = true;
    policy.parent_room = Some("mimi://a.example/r/parent".to_owned());
    view.base_policy = Some(policy);
    let under = |parent: Option<RoomView>| {
        let extras = Extras { parent, ..Extras::default() };
        found_with(&view, &room_uri(), HubSender::Ours, &extras)
    };
    let transition = under(Some(parent.clone())).unwrap();
    let named = Some(uri("mimi://a.example/r/parent"));
    let put = Change::PutParent { room: room_uri(), parent: named };
    assert!(transition.changes.contains(&put));
    assert!(under(None).is_err());
    assert!(under(Some(view.clone())).is_err(), "that is another room");
    // Who is not in the parent hears the same as if there were none.
    let none = under(None).unwrap_err();
    assert_eq!(under(Some(view.clone())).unwrap_err(), none);
    parent.participants.participants.clear();
    assert_eq!(under(Some(parent)).unwrap_err(), none);
}

#[test]
fn a_room_begins_with_its_creator_alone() {
    let refused = |view: &RoomView| found(view, &room_uri(), HubSender::Ours).is_err();
    assert!(refused(&room(&["a/alice/phone", "b/bob/phone"])));
    assert!(refused(&room(&["a/alice/phone", "a/alice/laptop"])));
    assert!(refused(&room(&["b/bob/phone"])));
    // Another client of the creator's, and the creator's client under another name.
    let mut renamed = room(&["b/bob/phone"]);
    renamed.clients[0].client = client("a/alice/phone");
    for view in [room(&["a/alice/laptop"]), renamed] {
        let reject = found(&view, &room_uri(), HubSender::Ours).unwrap_err();
        let reason = "the asking client is no member of its new room";
        assert_eq!(reject, Reject::NotAllowed(reason.to_owned()));
    }
    assert!(refused(&room(&[])));
    let mut unlisted = room(&["a/alice/phone"]);
    unlisted.participants.participants.clear();
    assert!(refused(&unlisted));
    let mut no_such_role = room(&["a/alice/phone"]);
    no_such_role.participants.participants[0].role_index = 77;
    assert!(refused(&no_such_role));
}

/// ARCH-3, AMB-POL-16: the operator's envelope binds what is founded and what a room becomes.
#[test]
fn a_room_that_the_operator_does_not_host() {
    let view = room(&["a/alice/phone"]);
    let envelope = Envelope { custom_policies: false, presets: Vec::new(), ..Envelope::default() };
    let (own, creator, room_uri) = (domain("a.example"), creator(), room_uri());
    let input = FoundRoomInput {
        own: &own,
        creator: &creator,
        room: &room_uri,
        view: &view,
        envelope: &envelope,
        hub_sender: HubSender::Ours,
        franking_agent: b"agent",
        parent: None,
        same_members: None,
        welcomes: &[],
        ratchet_tree: &ratchet_tree(),
        group: b"group",
        now_ms: NOW,
    };
    let refused = found_room(&input).unwrap_err();
    assert!(matches!(&refused, Reject::Denied(_)), "{refused:?}");
    assert!(refused.peer_message().contains("this provider"), "{}", refused.peer_message());
    let envelope = Envelope::default();
    assert!(found_room(&FoundRoomInput { envelope: &envelope, ..input }).is_ok());
}

/// FRANK-7: the room's franking agent is ours, or there is none.
#[test]
fn a_room_with_the_franking_agent_of_another_hub() {
    let mut view = room(&["a/alice/phone"]);
    view.other_components.insert(FRANKING_AGENT, b"agent".to_vec());
    assert!(found(&view, &room_uri(), HubSender::Ours).is_ok());
    view.other_components.insert(FRANKING_AGENT, b"another".to_vec());
    assert!(found(&view, &room_uri(), HubSender::Ours).is_err());
}
