//! An index that follows is the index that would be made.

use mimi_wire::MimiUri;
use mimi_wire::room::metadata::RoomMetadata;
use mimi_wire::room::participant_list::{ParticipantListData, UserRolePair};
use mimi_wire::room::preauth::PreAuthData;
use mimi_wire::room::roles::RoleData;
use proptest::prelude::*;

use super::RoomIndex;
use crate::view::{ClientView, RoomView};

fn user(number: u32) -> MimiUri {
    // Names whose order is not that of their numbers.
    MimiUri::new(&format!("mimi://a.example/u/{}", number.wrapping_mul(2_654_435_761))).unwrap()
}

fn client(leaf: u32, number: u32) -> ClientView {
    let name = number.wrapping_mul(40_503) % 1_000 + 1_000 * number;
    let client = format!("mimi://a.example/d/{number}/{name}");
    ClientView { leaf, user: user(number / 2), client: MimiUri::new(&client).unwrap() }
}

fn room(users: u32) -> RoomView {
    let pair = |number| UserRolePair { user: user(number), role_index: 1 + number % 4 };
    RoomView {
        epoch: 0,
        participants: ParticipantListData { participants: (0..users).map(pair).collect() },
        roles: RoleData::default(),
        metadata: RoomMetadata {
            room_uri: MimiUri::new("mimi://a.example/r/r").unwrap(),
            room_name: String::new(),
            room_descriptions: Vec::new(),
            room_avatar: String::new(),
            room_subject: String::new(),
            room_mood: String::new(),
        },
        preauth: PreAuthData::default(),
        base_policy: None,
        other_components: Default::default(),
        clients: (0..users).map(|number| client(number, number)).collect(),
    }
}

/// What may happen to a room between two epochs.
#[derive(Clone, Debug)]
enum Happening {
    Listed(u32),
    Unlisted(usize),
    Role(usize, u32),
    Came(u32),
    Went(usize),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        (100..200_u32).prop_map(Happening::Listed),
        any::<usize>().prop_map(Happening::Unlisted),
        (any::<usize>(), 1..5_u32).prop_map(|(at, role)| Happening::Role(at, role)),
        (100..300_u32).prop_map(Happening::Came),
        any::<usize>().prop_map(Happening::Went),
    ]
}

fn happen(room: &mut RoomView, happening: &Happening) {
    let list = &mut room.participants.participants;
    match *happening {
        Happening::Listed(number) if list.iter().all(|pair| pair.user != user(number)) => {
            list.push(UserRolePair { user: user(number), role_index: 2 });
        }
        Happening::Unlisted(at) if !list.is_empty() => drop(list.remove(at % list.len())),
        Happening::Role(at, role_index) if !list.is_empty() => {
            let at = at % list.len();
            list[at].role_index = role_index;
        }
        Happening::Came(number) => {
            let mut leaf = 0;
            while room.clients.get(leaf as usize).is_some_and(|it| it.leaf == leaf) {
                leaf += 1;
            }
            room.clients.insert(leaf as usize, client(leaf, number));
        }
        Happening::Went(at) if !room.clients.is_empty() => {
            drop(room.clients.remove(at % room.clients.len()));
        }
        _ => {}
    }
}

proptest! {
    #[test]
    fn follows(epochs in prop::collection::vec(prop::collection::vec(happening(), 0..6), 1..12)) {
        let mut before = room(60);
        let mut index = RoomIndex::of(&before);
        for epoch in epochs {
            let mut after = RoomView { epoch: before.epoch + 1, ..before.clone() };
            epoch.iter().for_each(|happening| happen(&mut after, happening));
            index.follow(&before, &after);
            prop_assert_eq!(&index, &RoomIndex::of(&after));
            before = after;
        }
    }
}

#[test]
fn one_of_another_room_is_made_anew() {
    let mut index = RoomIndex::of(&room(3));
    index.follow(&room(5), &room(7));
    assert_eq!(index, RoomIndex::of(&room(7)));
    // Even where so little happened that it would be followed.
    let mut index = RoomIndex::of(&room(3));
    index.follow(&room(50), &room(51));
    assert_eq!(index, RoomIndex::of(&room(51)));
}

#[test]
fn it_fits_the_room_it_was_made_of() {
    let view = room(5);
    let index = RoomIndex::of(&view);
    assert!(index.fits(&view));
    assert!(!index.fits(&RoomView { epoch: 1, ..view.clone() }));
    let mut other = view.clone();
    other.participants.participants.pop();
    assert!(!index.fits(&other));
    let mut other = view;
    other.clients.pop();
    assert!(!index.fits(&other));
}

#[test]
fn clients_are_found_by_name() {
    let view = room(5);
    let index = RoomIndex::of(&view);
    assert!(view.clients.iter().all(|it| index.has_client(&view, &it.client)));
    assert!(!index.has_client(&view, &client(9, 9).client));
    assert!(!index.has_client(&view, &view.clients[0].user));
}
