//! Room state carried as components of the `app_data_dictionary`, one file per component.

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
