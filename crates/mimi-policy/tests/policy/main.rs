//! The judge, asked as hubs and clients ask it.
#![expect(clippy::unwrap_used, reason = "tests")]

mod components;
mod constraints;
mod envelope;
mod external;
mod fixed_membership;
mod golden;
mod knowledge;
mod leaving;
mod limits;
mod membership;
mod messages;
mod metadata;
mod policy_components;
mod policy_file;
mod presets;
mod properties;
mod restrictions;
mod roads;
mod roles;
mod room;
mod skipped;
mod ways_in;
mod what_if;
