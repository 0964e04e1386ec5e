//! The room's name, descriptions, avatar, subject and mood: a capability for each (PROTO-RM-1).

use mimi_wire::room::capability::Capability;
use mimi_wire::room::metadata::RoomMetadata;

use crate::denied::Denied;
use crate::judge::authority::Authority;
use crate::rule::Rule;

/// Judges a replacement of the whole value by the fields that differ (POLICY-CAP-META-1).
pub(super) fn check(
    old: &RoomMetadata,
    new: &RoomMetadata,
    by: &Authority<'_>,
) -> Result<(), Denied> {
    // AMB-RM-1
    if new.room_uri != old.room_uri {
        let needed = format!("the room is {} and stays so", old.room_uri);
        return Err(by.deny(Rule::MetadataValue, needed).about("another room URI"));
    }
    let fields = [
        (new.room_name != old.room_name, "the room's name", Capability::CAN_CHANGE_ROOM_NAME),
        (
            new.room_descriptions != old.room_descriptions,
            "the room's description",
            Capability::CAN_CHANGE_ROOM_DESCRIPTION,
        ),
        (new.room_avatar != old.room_avatar, "the avatar", Capability::CAN_CHANGE_ROOM_AVATAR),
        (new.room_subject != old.room_subject, "the subject", Capability::CAN_CHANGE_ROOM_SUBJECT),
        (new.room_mood != old.room_mood, "the mood", Capability::CAN_CHANGE_ROOM_MOOD),
    ];
    for (changed, field, capability) in fields {
        if changed {
            by.require(Rule::ChangeMetadata, field, capability)?;
        }
    }
    let texts = [&new.room_name, &new.room_subject, &new.room_mood];
    if texts.iter().any(|text| text.contains('\0')) {
        let denied = by.deny(Rule::MetadataValue, "a UTF8String holds no NUL");
        return Err(denied.about("such a text"));
    }
    if new.room_avatar != old.room_avatar && !is_avatar(&new.room_avatar) {
        let denied = by.deny(Rule::MetadataValue, "an avatar is an https URI or empty");
        return Err(denied.about("this avatar"));
    }
    Ok(())
}

/// PROTO-RM-2
pub(super) fn is_avatar(uri: &str) -> bool {
    uri.is_empty()
        || uri.strip_prefix("https://").is_some_and(|rest| {
            !rest.is_empty() && !rest.contains(|c: char| c.is_control() || c.is_whitespace())
        })
}
