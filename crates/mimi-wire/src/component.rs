//! Component identifiers of the `app_data_dictionary` (requirements section 31).

/// An `AppDataDictionary` component (mls-extensions section 4).
pub type ComponentId = u16;

/// `app_components`: the components a leaf or a group knows.
pub const APP_COMPONENTS: ComponentId = 0x0001;
/// `safe_aad`: the components that may appear in `authenticated_data`.
pub const SAFE_AAD: ComponentId = 0x0002;
/// `content_media_types`: turns application framing on.
pub const CONTENT_MEDIA_TYPES: ComponentId = 0x0003;
/// `last_resort_key_package`.
pub const LAST_RESORT_KEY_PACKAGE: ComponentId = 0x0004;
/// `frank_aad`, in the authenticated data of a message.
pub const FRANK_AAD: ComponentId = 0x0020;
/// `franking_agent`.
pub const FRANKING_AGENT: ComponentId = 0x0021;
/// `participant_list`.
pub const PARTICIPANT_LIST: ComponentId = 0x0022;
/// `room_metadata`.
pub const ROOM_METADATA: ComponentId = 0x0023;
/// `mls_operational_policy`.
pub const MLS_OPERATIONAL_POLICY: ComponentId = 0x0024;
/// `roles_list`.
pub const ROLES_LIST: ComponentId = 0x0025;
/// `preauth_list`.
pub const PREAUTH_LIST: ComponentId = 0x0026;
/// `base_room_policy`.
pub const BASE_ROOM_POLICY: ComponentId = 0x0027;
/// `join_link_policy`.
pub const JOIN_LINK_POLICY: ComponentId = 0x0029;
/// `join_links`.
pub const JOIN_LINKS: ComponentId = 0x002a;
