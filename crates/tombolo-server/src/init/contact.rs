//! What a new configuration file says about contact.

use mimi_provider::contact_budget::ContactRates;
use mimi_provider::identifier_query::QueryRates;

use crate::config::rate_text;

/// `[identifier_query]` and `[contact]`: everything that may be said, with what holds without it.
pub(super) fn text() -> String {
    let QueryRates { per_peer, per_user } = QueryRates::default();
    let rates = ContactRates::default();
    let [peer, user] = [per_peer, per_user].map(rate_text);
    let [consent, requester, pair, target, fetches, fetcher, releases, repeats] = [
        rates.consent_per_peer,
        rates.requests_per_requester,
        rates.requests_per_pair,
        rates.requests_per_peer_and_target,
        rates.key_material_per_peer,
        rates.key_material_per_requester,
        rates.releases_per_peer_and_target,
        rates.releases_per_request,
    ]
    .map(rate_text);
    format!(
        r#"[identifier_query]
# What other providers may ask about users who let themselves be found: "off", "exact" (whole values
# only) or "partial" (also parts of names).
# scope = "partial"
# In which fields: "all", or some, for example "preferred_username nickname email".
# fields = "all"
# How many queries: so many at once, and so many more in a time. One with a part costs ten.
# per_peer = "{peer}"
# per_user = "{user}"           # of our own users

[contact]
# What strangers may do: "ask" (users see requests and decide), "deny" (requests are not shown), or
# "allow" (everybody may add users to rooms, except those whom a user has turned away).
# default = "ask"
# Whether those without consent are told the same whatever the reason, so that nobody learns who
# has an account here.
# masked = true
# How often may be asked: so many at once, and so many more in a time. See docs/contact.md.
# consent_per_peer = "{consent}"
# requests_per_requester = "{requester}"
# requests_per_pair = "{pair}"
# requests_per_peer_and_target = "{target}"
# key_material_per_peer = "{fetches}"
# key_material_per_requester = "{fetcher}"
# releases_per_peer_and_target = "{releases}"
# releases_per_request = "{repeats}"
"#
    )
}
