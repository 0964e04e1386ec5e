//! `[policy]`: which rooms the operator lets the provider host (AMB-POL-16). Without it, all.

use mimi_policy::envelope::Envelope;
use mimi_policy::preset::Preset;

use super::errors::Report;
use super::section::Section;

/// `None` after a fault; every fault is in the report.
pub(super) fn read(root: &mut Section<'_>, report: &mut Report<'_>) -> Option<Envelope> {
    let all = Envelope::default();
    let mut section = root.section(report, "policy");
    let presets = section.list_or(report, "presets", preset, all.presets);
    let custom_policies = section.boolean_or(report, "custom_policies", all.custom_policies);
    let max_users = section.optional_number(report, "max_users");
    let max_clients = section.optional_number(report, "max_clients");
    let persistent_rooms = section.boolean_or(report, "persistent_rooms", all.persistent_rooms);
    let discoverable_rooms =
        section.boolean_or(report, "discoverable_rooms", all.discoverable_rooms);
    let pseudonyms = section.boolean_or(report, "pseudonyms", all.pseudonyms);
    let open_join = section.boolean_or(report, "open_join", all.open_join);
    let join_codes = section.boolean_or(report, "join_codes", all.join_codes);
    let preauthorized_join =
        section.boolean_or(report, "preauthorized_join", all.preauthorized_join);
    let lifetime = section.optional_number(report, "join_link_lifetime_seconds_max");
    let nothing = presets.as_ref().is_some_and(Vec::is_empty) && custom_policies == Some(false);
    if nothing {
        let valid = "must not be empty where custom_policies is false: no room could be founded";
        section.refuse(report, "presets", valid);
    }
    section.finish(report);
    Some(Envelope {
        presets: presets?,
        custom_policies: custom_policies?,
        max_users: max_users?,
        max_clients: max_clients?,
        persistent_rooms: persistent_rooms?,
        discoverable_rooms: discoverable_rooms?,
        pseudonyms: pseudonyms?,
        open_join: open_join?,
        join_codes: join_codes?,
        preauthorized_join: preauthorized_join?,
        join_link_lifetime_seconds_max: lifetime?,
    })
}

fn preset(name: &str) -> Result<Preset, String> {
    Preset::by_name(name).ok_or_else(|| {
        let names: Vec<String> =
            Preset::ALL.iter().map(|preset| format!("{:?}", preset.name())).collect();
        format!("must be a list of presets out of {}", names.join(", "))
    })
}
