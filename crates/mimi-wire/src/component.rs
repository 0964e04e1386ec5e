//! Components of the `app_data_dictionary` (mls-extensions-10 sections 4 and 7.6, protocol-06,
//! room-policy-03 section 10.1): their identifiers, and how their state changes.
//!
//! ```
//! use mimi_wire::component::{PARTICIPANT_LIST, name};
//!
//! assert_eq!(name(PARTICIPANT_LIST), Some("participant_list"));
//! assert_eq!(name(0xf000), None);
//! ```

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::limits::{HANDSHAKE_BODY_OCTETS_MAX, LIST_ELEMENTS_MAX};

/// An `AppDataDictionary` component (mls-extensions-10 section 4.1). Unknown ones are carried through.
pub type ComponentId = u16;

/// First of the identifiers for private use.
pub const PRIVATE_USE: ComponentId = 0x8000;

/// Defines the constants and, from the same lines, the table of their names.
macro_rules! components {
    ($($(#[$doc:meta])* $constant:ident = $id:literal, $name:literal;)*) => {
        $(
            #[doc = concat!("`", $name, "`: ")]
            $(#[$doc])*
            pub const $constant: ComponentId = $id;
        )*

        /// Every identifier that is assigned or suggested, ascending.
        pub const ALL: &[ComponentId] = &[$($id),*];

        /// The registry's name of a component.
        pub fn name(id: ComponentId) -> Option<&'static str> {
            match id {
                $($id => Some($name),)*
                _ => None,
            }
        }
    };
}

components! {
    /// the components a leaf or a group knows.
    APP_COMPONENTS = 0x0001, "app_components";
    /// the components that may appear in `authenticated_data`.
    SAFE_AAD = 0x0002, "safe_aad";
    /// turns application framing on.
    CONTENT_MEDIA_TYPES = 0x0003, "content_media_types";
    /// marks a KeyPackage that may be used again; never served here (AMB-KM-7).
    LAST_RESORT_KEY_PACKAGE = 0x0004, "last_resort_key_package";
    /// acknowledgements of application messages.
    APP_ACK = 0x0005, "app_ack";
    /// who may read SemiPrivateMessages (AMB-SPM-2).
    EXTERNAL_RECEIVERS = 0x0008, "external_receivers";
    /// the franking tag, in the authenticated data of a message.
    FRANK_AAD = 0x0020, "frank_aad";
    /// also called `franking_signature_key` (AMB-FRK-1).
    FRANKING_AGENT = 0x0021, "franking_agent";
    /// users and their roles.
    PARTICIPANT_LIST = 0x0022, "participant_list";
    /// name, subject and the like.
    ROOM_METADATA = 0x0023, "room_metadata";
    /// how MLS is used.
    MLS_OPERATIONAL_POLICY = 0x0024, "mls_operational_policy";
    /// the roles and what they may do.
    ROLES_LIST = 0x0025, "roles_list";
    /// who may join without being added.
    PREAUTH_LIST = 0x0026, "preauth_list";
    /// membership style and limits.
    BASE_ROOM_POLICY = 0x0027, "base_room_policy";
    /// delivery and read receipts.
    STATUS_NOTIFICATION_POLICY = 0x0028, "status_notification_policy";
    /// which join links there may be.
    JOIN_LINK_POLICY = 0x0029, "join_link_policy";
    /// the join links.
    JOIN_LINKS = 0x002a, "join_links";
    /// previews of links.
    LINK_PREVIEW_POLICY = 0x002b, "link_preview_policy";
    /// attachments.
    ASSET_POLICY = 0x002c, "asset_policy";
    /// who keeps a record.
    LOGGING_POLICY = 0x002d, "logging_policy";
    /// sharing what was said before.
    CHAT_HISTORY_POLICY = 0x002e, "chat_history_policy";
    /// the bots.
    BOT_POLICY = 0x002f, "bot_policy";
    /// expiring messages.
    MESSAGE_EXPIRATION_POLICY = 0x0030, "message_expiration_policy";
}

/// `AppDataUpdate` (mls-extensions-10 section 4.7), the content of a proposal of type 0x0008 (MLSX-3): the only way in which the
/// state of a room changes (AMB-UPD-3).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AppDataUpdate {
    /// Whose state changes.
    pub component_id: ComponentId,
    /// How.
    pub operation: AppDataUpdateOperation,
}

/// What an [`AppDataUpdate`] does; the draft's `invalid(0)` is malformed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AppDataUpdateOperation {
    /// `update(1)`: in the component's update format, which is its data format unless its own
    /// documentation says otherwise.
    Update(Vec<u8>),
    /// `remove(2)`.
    Remove,
}

/// `AppEphemeral` (mls-extensions-10 section 4.8), the content of a proposal of type 0x0009: data for a component that changes no
/// state (MLSX-5).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AppEphemeral {
    /// Whose data it is.
    pub component_id: ComponentId,
    /// The data.
    pub data: Vec<u8>,
}

impl Wire for AppDataUpdate {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let component_id = reader.u16("AppDataUpdate.component_id")?;
        let field = "AppDataUpdate.op";
        let start = reader.clone();
        let operation = match reader.u8(field)? {
            1 => AppDataUpdateOperation::Update(
                reader.opaque(HANDSHAKE_BODY_OCTETS_MAX, "AppDataUpdate.update")?.to_vec(),
            ),
            2 => AppDataUpdateOperation::Remove,
            other => return Err(start.malformed(field, format!("unknown operation {other}"))),
        };
        Ok(Self { component_id, operation })
    }

    fn write(&self, writer: &mut Writer) {
        writer.u16(self.component_id);
        match &self.operation {
            AppDataUpdateOperation::Update(update) => {
                writer.u8(1);
                writer.opaque(update);
            }
            AppDataUpdateOperation::Remove => writer.u8(2),
        }
    }
}

impl Wire for AppEphemeral {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let data = "AppEphemeral.data";
        Ok(Self {
            component_id: reader.u16("AppEphemeral.component_id")?,
            data: reader.opaque(HANDSHAKE_BODY_OCTETS_MAX, data)?.to_vec(),
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.u16(self.component_id);
        writer.opaque(&self.data);
    }
}

/// `ComponentsList`, the content of `app_components` and of `safe_aad` in leaf nodes and group
/// contexts (mls-extensions-10 section 5).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ComponentsList(pub Vec<ComponentId>);

impl Wire for ComponentsList {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let field = "ComponentsList.component_ids";
        Ok(Self(reader.vector(LIST_ELEMENTS_MAX, field, |reader| reader.u16(field))?))
    }

    fn write(&self, writer: &mut Writer) {
        writer.vector(&self.0, |writer, id| writer.u16(*id));
    }
}

#[cfg(test)]
mod tests;
