//! Room state carried as components of the `app_data_dictionary` of an MLS group, one module per
//! component (protocol-06 sections 7.5 and 7.6, room-policy-03 sections 5 to 8).
//!
//! The data of a component is the content of its entry in the GroupContext; an update is the content
//! of an [`AppDataUpdate`](crate::component::AppDataUpdate) proposal. Only the participant list and
//! the join links have an update format of their own: everywhere else an update is the whole data.
//!
//! ```
//! use mimi_wire::Wire;
//! use mimi_wire::room::optionality::Optionality;
//! use mimi_wire::room::status_notification_policy::StatusNotificationPolicy;
//!
//! let policy = StatusNotificationPolicy::decode(&[2, 1])?;
//! assert_eq!(policy.delivery_notifications, Optionality::Forbidden);
//! assert_eq!(policy.read_receipts, Optionality::Required);
//! # Ok::<(), mimi_wire::Malformed>(())
//! ```
//!
//! Most types also implement the traits of `serde`, for storing them; that form is Tombolo's own and
//! no interchange format.

pub mod asset_policy;
pub mod base_policy;
pub mod bot_policy;
pub mod capability;
pub mod chat_history_policy;
pub mod claim_name;
pub mod join_code;
pub mod join_links;
pub mod link_preview_policy;
pub mod logging_policy;
pub mod message_expiration_policy;
pub mod metadata;
pub mod operational_policy;
pub mod optionality;
pub mod participant_list;
pub mod preauth;
pub mod roles;
pub mod status_notification_policy;

#[cfg(test)]
mod tests;
