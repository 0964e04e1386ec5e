//! The largest sizes this crate accepts or writes. Each is a wire-format bound against strangers;
//! operators set tighter ones where the server reads a body (AMB-TR-5).

/// Octets of one URI.
pub const URI_OCTETS_MAX: usize = 1_024;
/// Octets of one handshake body (`update`, `notify`, `groupInfo`).
pub const HANDSHAKE_BODY_OCTETS_MAX: usize = 16 * 1024 * 1024;
/// Octets of one application body (`submitMessage`, `keyMaterial`, consent).
pub const APPLICATION_BODY_OCTETS_MAX: usize = 1024 * 1024;
/// Standalone proposals in one bundle beside the first (AMB-UPD-12).
pub const MORE_PROPOSALS_MAX: usize = 255;
/// Clients in one key material answer.
pub const KEY_MATERIAL_CLIENTS_MAX: usize = 256;
/// KeyPackages in one consent grant.
pub const GRANT_KEY_PACKAGES_MAX: usize = 256;
/// Participants in one list.
pub const PARTICIPANTS_MAX: usize = 100_000;
/// Nodes of a ratchet tree: 131 072 leaves and their parents.
pub const TREE_NODES_MAX: usize = 262_143;
/// Extensions in one MLS object, those of all its leaves together.
pub const MLS_EXTENSIONS_MAX: usize = 262_144;
/// Messages in one `notify` body.
pub const FANOUT_MESSAGES_MAX: usize = 16_384;
/// Elements in any list without a limit of its own.
pub const LIST_ELEMENTS_MAX: usize = 4_096;
/// Octets of a short human-readable text (error descriptions, names).
pub const TEXT_OCTETS_MAX: usize = 4_096;
/// Octets of any other opaque value inside a structure.
pub const OPAQUE_OCTETS_MAX: usize = 1024 * 1024;
/// Octets of a public key.
pub const KEY_OCTETS_MAX: usize = 65_535;
/// Octets of a signature.
pub const SIGNATURE_OCTETS_MAX: usize = 65_535;
/// Octets of a hash, e.g. a `ProposalRef`.
pub const HASH_OCTETS_MAX: usize = 255;
/// Octets of a joining code.
pub const JOINING_CODE_OCTETS_MAX: usize = 16_384;
/// Octets of a directory document.
pub const DIRECTORY_OCTETS_MAX: usize = 1024 * 1024;
/// Parts of one message, nested ones included (CONTENT-SEC-1).
pub const CONTENT_PARTS_MAX: usize = 1_024;
/// Levels of nested parts, and of maps, arrays and tags of extensions (CONTENT-DEP-1).
pub const CONTENT_LEVELS_MAX: u32 = 4;
/// Octets of a `topicId` (CONTENT-SEC-1).
pub const TOPIC_ID_OCTETS_MAX: usize = 4_096;
/// Octets of a text key of a content extension (CONTENT-DM-1).
pub const EXTENSION_KEY_OCTETS_MAX: usize = 255;
/// Entries of one message status report.
pub const STATUS_REPORT_ENTRIES_MAX: u64 = 16_384;
/// Octets of a message's subject (CEXT-3).
pub const SUBJECT_OCTETS_MAX: usize = 4_096;
/// Messages that one message names as last seen (CEXT-4).
pub const LAST_SEEN_MAX: u64 = 65_535;
/// Seconds from acceptance to an expiry that makes sense, either way: 365 days (CONTENT-SEC-1).
pub const EXPIRY_SECONDS_MAX: u32 = 365 * 86_400;
/// Milliseconds that a hub's clock may be ahead: "a few minutes" (CONTENT-SEC-1, AMB-CNT-15).
pub const CLOCK_SKEW_MS_MAX: u64 = 5 * 60 * 1_000;
