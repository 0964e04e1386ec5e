//! `[contact]`: who reaches the users here, and how often strangers may try.

use mimi_provider::budget::Rate;
use mimi_provider::consent::{ContactDefault, Disclosure};
use mimi_provider::contact_budget::ContactRates;

use super::errors::Report;
use super::rate::rate;
use super::section::Section;

/// `[contact]`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ContactConfig {
    /// What holds where a user has not decided.
    pub default: ContactDefault,
    /// What those without consent are told.
    pub disclosure: Disclosure,
    /// How often others may ask.
    pub rates: ContactRates,
}

/// `None` after a fault; every fault is in the report.
pub(super) fn read(root: &mut Section<'_>, report: &mut Report<'_>) -> Option<ContactConfig> {
    let mut section = root.section(report, "contact");
    let default = section.parsed_or(report, "default", default, ContactDefault::default());
    let masked = section.boolean_or(report, "masked", true);
    let usual = ContactRates::default();
    let mut budget = |key: &str, usual: Rate| section.parsed_or(report, key, rate, usual);
    let consent_per_peer = budget("consent_per_peer", usual.consent_per_peer);
    let requests_per_requester = budget("requests_per_requester", usual.requests_per_requester);
    let requests_per_pair = budget("requests_per_pair", usual.requests_per_pair);
    let requests_per_peer_and_target =
        budget("requests_per_peer_and_target", usual.requests_per_peer_and_target);
    let key_material_per_peer = budget("key_material_per_peer", usual.key_material_per_peer);
    let key_material_per_requester =
        budget("key_material_per_requester", usual.key_material_per_requester);
    let releases_per_peer_and_target =
        budget("releases_per_peer_and_target", usual.releases_per_peer_and_target);
    let releases_per_request = budget("releases_per_request", usual.releases_per_request);
    section.finish(report);
    let rates = ContactRates {
        consent_per_peer: consent_per_peer?,
        requests_per_requester: requests_per_requester?,
        requests_per_pair: requests_per_pair?,
        requests_per_peer_and_target: requests_per_peer_and_target?,
        key_material_per_peer: key_material_per_peer?,
        key_material_per_requester: key_material_per_requester?,
        releases_per_peer_and_target: releases_per_peer_and_target?,
        releases_per_request: releases_per_request?,
    };
    let disclosure = if masked? { Disclosure::Masked } else { Disclosure::Plain };
    Some(ContactConfig { default: default?, disclosure, rates })
}

fn default(text: &str) -> Result<ContactDefault, String> {
    match text {
        "ask" => Ok(ContactDefault::Ask),
        "deny" => Ok(ContactDefault::Deny),
        "allow" => Ok(ContactDefault::Allow),
        _ => Err("must be \"ask\", \"deny\" or \"allow\"".to_owned()),
    }
}
