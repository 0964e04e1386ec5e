//! How much a provider takes on. The numbers are the operator's: decisions are handed them.
//!
//! What follows from a room's log alone (its join grants, the submissions it remembers) has fixed
//! bounds beside it instead: a log has to mean the same whatever the operator says today.

/// Limits of the decisions about rooms, accounts and reports.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Proposals of one epoch that a room keeps; a member could fill the queue for ever otherwise.
    pub pending_proposals_max: usize,
    /// Of them, of one sender. The hub's own are not counted, and find room in any case.
    pub pending_proposals_per_sender_max: usize,
    /// Join links that a room keeps.
    pub join_links_max: usize,
    /// Devices of one user.
    pub devices_per_user_max: usize,
    /// KeyPackages in stock per client.
    pub key_packages_per_device_max: u64,
    /// Messages in one report: the draft's "handful".
    pub reported_messages_max: usize,
    /// Open reports of one provider.
    pub open_reports_per_provider_max: usize,
    /// Octets of all of them.
    pub open_report_octets_per_provider_max: usize,
}

impl Limits {
    /// What holds where the operator says nothing.
    pub const DEFAULT: Self = Self {
        pending_proposals_max: 1_024,
        pending_proposals_per_sender_max: 256,
        join_links_max: 256,
        devices_per_user_max: 32,
        key_packages_per_device_max: 200,
        reported_messages_max: 64,
        open_reports_per_provider_max: 1_000,
        open_report_octets_per_provider_max: 64 * 1024 * 1024,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests;
