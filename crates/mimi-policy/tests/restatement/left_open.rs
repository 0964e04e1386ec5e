//! Cases that neither the texts nor our readings of them decide, by name. The judge has an answer
//! to each; it is not compared.

use crate::form::{Case, Change, How};
use crate::room::Room;
use crate::rules::removes_nothing;

/// Why a case is not compared, if it is not.
pub(crate) fn left_open(case: &Case) -> Option<&'static str> {
    let change = &case.change;
    // A proposal that proposes nothing: there is no such message, and nobody is said to send it.
    let room = Room::read(&case.room).ok()?;
    if change.how == How::Proposal && asks_nothing(&room, change) {
        return Some("nothing-asked");
    }
    // An unlisted user proposes its client and no entry: a proposal of somebody new can be nothing
    // but an Add (RFC 9420), and yet no client comes in before its user (PROTO-UPD-2).
    let unlisted = change.by != "external_sender" && !room.list.contains_key(&change.by);
    let own_client = change.add_clients.iter().any(|addition| addition.user == change.by);
    if change.how == How::Proposal && unlisted && own_client && change.add.is_empty() {
        return Some("add-without-entry");
    }
    // A message that is not sent.
    if change.how == How::Message && change.send_message == Some(false) {
        return Some("message-not-sent");
    }
    // Two whole replacements of one component in a commit: mls-extensions allow several updates of
    // a component, the readings speak of metadata alone (AMB-RM-3).
    let mut names = change.components.clone();
    names.sort();
    names.dedup();
    if names.len() < change.components.len() {
        return Some("component-twice");
    }
    let updates = |component: &str| names.iter().any(|name| name == component);
    // The form does not say what a new base policy allows, nor what the new roles hold; whether
    // they are checked against what the room has already is open.
    if updates("base") && exceeds_its_base(&room) {
        return Some("base-over-its-limits");
    }
    let open_join_elsewhere = |(index, role): (&u32, &crate::room::Role)| {
        *index != crate::room::NO_ROLE && role.holds(crate::registry::CAN_OPEN_JOIN)
    };
    if updates("roles") && room.roles.iter().any(open_join_elsewhere) {
        return Some("roles-with-open-join-elsewhere");
    }
    None
}

fn asks_nothing(room: &Room, change: &Change) -> bool {
    let mut rest = change.clone();
    rest.add_clients.retain(|addition| addition.clients > 0);
    rest.remove_clients.retain(|removal| !removes_nothing(room, removal));
    !rest.asks_for_more_than_a_message()
}

/// More users or clients than the base policy allows, before any change.
fn exceeds_its_base(room: &Room) -> bool {
    let clients: u32 = room.list.values().map(|entry| entry.clients).sum();
    let users = room.list.values().filter(|entry| !room.is_banned_role(entry.role)).count();
    let several = room.list.values().any(|entry| entry.clients > 1);
    room.base.max_clients.is_some_and(|most| clients > most)
        || room.base.max_users.is_some_and(|most| users as u64 > u64::from(most))
        || (!room.base.multi_device && several)
}
