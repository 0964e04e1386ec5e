//! Links into a room: made, listed, used, taken back.

use std::num::NonZeroU32;

use mimi_policy::preset::Preset;
use mimi_wire::MimiUri;
use mimi_wire::room::join_code::RoomLink;

use super::world::World;
use crate::error::ClientError;
use crate::session::command::{Command, NewJoinLink, Outcome};
use crate::shown::RoomStatus;

/// A moderated room of alice's phone, and cathy's phone outside.
fn moderated() -> (World, usize, usize, MimiUri) {
    let mut world = World::new(1);
    let alice = world.device("a.example", "alice", "phone");
    let cathy = world.device("c.example", "cathy", "phone");
    let room = world.create_room_by(alice, Preset::Moderated);
    (world, alice, cathy, room)
}

fn make(world: &mut World, actor: usize, room: &MimiUri, wish: NewJoinLink) -> String {
    match world.done(actor, Command::CreateJoinLink { room: room.clone(), wish }) {
        Outcome::Link(link) => link,
        other => panic!("{other:?}"),
    }
}

fn by(link: &str) -> Command {
    Command::JoinByLink(link.parse().unwrap())
}

fn role(world: &World, actor: usize, room: &MimiUri, of: usize) -> u32 {
    let of = world.user(of);
    let state = world.state(actor, room);
    state.participants.iter().find(|one| one.user == of).unwrap().role_index
}

/// POLICY-CAP-ADD-5, AMB-UPD-16: the link's code goes with the request, the joiner lists itself in
/// the link's role, and every member follows (AMB-POL-20).
#[test]
fn a_link_leads_in() {
    let (mut world, alice, cathy, room) = moderated();
    let three = NonZeroU32::new(3);
    let wish = NewJoinLink { role: Some(2), uses: three, lasts_ms: Some(60_000) };
    let link = make(&mut world, alice, &room, wish);
    let parsed: RoomLink = link.parse().unwrap();
    assert_eq!(parsed.room, room);
    let code = parsed.join_code().unwrap();
    assert_eq!((code.role, code.uses), (2, three));
    let shown = world.state(alice, &room).join_links;
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0].link, link.as_bytes());
    assert_eq!(shown[0].role, Some((2, "guest".to_owned())));
    assert_eq!((shown[0].uses, shown[0].expires_ms), (Some(3), code.expires_ms));
    // Without it there is no way in.
    assert!(world.outcome(cathy, Command::JoinRoom(room.clone())).is_err());
    world.done(cathy, by(&link));
    world.agree(&room);
    assert_eq!(role(&world, alice, &room, cathy), 2);
    assert_eq!(world.state(cathy, &room).status, RoomStatus::Joined);
}

/// The ordinary role where nothing is said; a role that no code may lead to is named as such.
#[test]
fn the_role_of_a_link() {
    let (mut world, alice, cathy, room) = moderated();
    let link = make(&mut world, alice, &room, NewJoinLink::default());
    world.done(cathy, by(&link));
    assert_eq!(role(&world, alice, &room, cathy), 3);
    // A further device of a participant needs no link.
    let laptop = world.device("c.example", "cathy", "laptop");
    world.done(laptop, Command::JoinRoom(room.clone()));
    world.agree(&room);
    let wish = NewJoinLink { role: Some(5), ..NewJoinLink::default() };
    let refused = world.outcome(alice, Command::CreateJoinLink { room: room.clone(), wish });
    let text = refused.unwrap_err().to_string();
    assert!(text.contains("can lead to guest or attendee"), "{text}");
    // A participant without the right is told what it lacks.
    let wish = NewJoinLink::default();
    let refused = world.outcome(cathy, Command::CreateJoinLink { room: room.clone(), wish });
    let text = refused.unwrap_err().to_string();
    assert!(text.contains("canCreateJoinCode"), "{text}");
    // In a room whose roles take no codes, none is made.
    let closed = world.create_room(alice);
    let refused = world.outcome(alice, Command::CreateJoinLink { room: closed, wish });
    assert!(matches!(refused, Err(ClientError::Refused(_))), "{refused:?}");
}

/// A link that was taken back, or that never was, gives one sentence that a person understands.
#[test]
fn a_link_that_is_no_longer_good() {
    let (mut world, alice, cathy, room) = moderated();
    let link = make(&mut world, alice, &room, NewJoinLink::default());
    let removal = Command::RemoveJoinLink { room: room.clone(), link: link.clone().into_bytes() };
    world.done(alice, removal.clone());
    assert!(world.state(alice, &room).join_links.is_empty());
    let refused = world.outcome(cathy, by(&link)).unwrap_err().to_string();
    assert_eq!(refused, "refused: this link is no longer good: ask for a new one");
    let foreign = format!("{room}#anything");
    assert_eq!(world.outcome(cathy, by(&foreign)).unwrap_err().to_string(), refused);
    assert!(world.actors[cathy].session.rooms().is_empty());
    // To take it back again is nothing.
    world.done(alice, removal);
}

/// A crash at any step of the way in forgets neither the room nor by which link one came.
#[test]
fn a_crash_on_the_way_in_loses_nothing() {
    for steps in 0..12 {
        let (mut world, alice, cathy, room) = moderated();
        let link = make(&mut world, alice, &room, NewJoinLink::default());
        world.start(cathy, by(&link));
        for _ in 0..steps {
            world.step();
        }
        world.crash(cathy);
        world.run();
        // Before its commit is made, nothing is lost by forgetting it.
        if !world.actors[cathy].session.rooms().contains(&room) {
            world.done(cathy, by(&link));
        }
        world.agree(&room);
        assert_eq!(role(&world, alice, &room, cathy), 3);
    }
}
