//! `[identifier_query]`: what others may ask about our users.

use std::collections::BTreeSet;

use mimi_provider::identifier_query::{QueryPolicy, QueryRates, QueryScope, QueryableFields};
use mimi_provider::profile::FieldName;

use super::errors::Report;
use super::rate::rate;
use super::section::Section;

/// What may be asked, and how much.
pub(super) fn read(
    root: &mut Section<'_>,
    report: &mut Report<'_>,
) -> Option<(QueryPolicy, QueryRates)> {
    let mut section = root.section(report, "identifier_query");
    let default = QueryPolicy::default();
    let scope = section.parsed_or(report, "scope", scope, default.scope);
    let fields = section.parsed_or(report, "fields", fields, default.fields);
    let usual = QueryRates::default();
    let per_peer = section.parsed_or(report, "per_peer", rate, usual.per_peer);
    let per_user = section.parsed_or(report, "per_user", rate, usual.per_user);
    section.finish(report);
    let rates = QueryRates { per_peer: per_peer?, per_user: per_user? };
    Some((QueryPolicy { scope: scope?, fields: fields? }, rates))
}

fn scope(text: &str) -> Result<QueryScope, String> {
    match text {
        "off" => Ok(QueryScope::Off),
        "exact" => Ok(QueryScope::Exact),
        "partial" => Ok(QueryScope::Partial),
        _ => Err("must be \"off\", \"exact\" or \"partial\"".to_owned()),
    }
}

/// `all`, or names separated by spaces: claims in small letters, vCard properties in capitals.
fn fields(text: &str) -> Result<QueryableFields, String> {
    if text == "all" {
        return Ok(QueryableFields::All);
    }
    let named: Option<BTreeSet<_>> = text.split_whitespace().map(FieldName::of_either).collect();
    match named {
        Some(named) if !named.is_empty() => Ok(QueryableFields::Only(named)),
        _ => {
            let example = "preferred_username email ORG";
            Err(format!("must be \"all\" or names of fields, for example \"{example}\""))
        }
    }
}
