//! Room state carried as components of the `app_data_dictionary`, one file per component.

pub mod base_policy;
pub mod capability;
pub mod join_links;
pub mod metadata;
pub mod participant_list;
pub mod preauth;
pub mod roles;

#[cfg(test)]
mod tests;
