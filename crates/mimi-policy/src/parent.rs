//! Rooms that depend on a parent (POLICY-BASE-3): their participants are among the parent's, all of
//! them at most (AMB-POL-9), and go when they go there.

use std::collections::BTreeMap;

use mimi_wire::MimiUri;
use mimi_wire::room::metadata::RoomMetadata;
use mimi_wire::room::participant_list::ParticipantListData;
use mimi_wire::room::preauth::PreAuthData;
use mimi_wire::room::roles::RoleData;

use crate::denied::Denied;
use crate::judge::is_banned_role;
use crate::rule::Rule;
use crate::view::RoomView;

/// Whether a user takes part in a room: listed, and not as banned.
pub fn takes_part(room: &RoomView, user: &MimiUri) -> bool {
    room.role_index_of(user).is_some_and(|role| !is_banned_role(&room.roles, role))
}

/// A room that is no more, or never was: nobody takes part in it.
pub fn without_anybody(room: &MimiUri) -> RoomView {
    RoomView {
        epoch: 0,
        participants: ParticipantListData::default(),
        roles: RoleData::default(),
        metadata: RoomMetadata {
            room_uri: room.clone(),
            room_name: String::new(),
            room_descriptions: Vec::new(),
            room_avatar: String::new(),
            room_subject: String::new(),
            room_mood: String::new(),
        },
        preauth: PreAuthData::default(),
        base_policy: None,
        other_components: BTreeMap::new(),
        clients: Vec::new(),
    }
}

/// Whether a room depends on this one.
pub(crate) fn is_parent(parent: &RoomView, child: &RoomView) -> bool {
    let policy = child.base_policy.as_ref().filter(|policy| policy.parent_dependant);
    let named = policy.and_then(|policy| policy.parent_room.as_deref());
    named == Some(parent.room().as_str())
}

/// Whether a dependent room may be founded beside this parent: it is the one the room names, and all
/// its people take part there.
pub fn check_founding(child: &RoomView, parent: &RoomView) -> Result<(), Denied> {
    if !is_parent(parent, child) {
        let needed = "the room names another parent";
        return Err(Denied::new(Rule::ParentRoom, None, needed).about("this parent"));
    }
    match orphans(child, parent).first() {
        None => Ok(()),
        Some(user) => {
            let needed = "they take no part in the parent room";
            Err(Denied::new(Rule::InParent, None, needed).about(user))
        }
    }
}

/// Whom the hub removes from a dependent room because they take no part in its parent any more, in
/// the order of the list. The banned of the dependent room stay banned.
pub fn orphans<'a>(child: &'a RoomView, parent: &RoomView) -> Vec<&'a MimiUri> {
    if !is_parent(parent, child) {
        return Vec::new();
    }
    let pairs = child.participants.participants.iter();
    let users =
        pairs.filter(|pair| !is_banned_role(&child.roles, pair.role_index)).map(|pair| &pair.user);
    users.filter(|user| !takes_part(parent, user)).collect()
}
