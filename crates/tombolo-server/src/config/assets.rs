//! `[assets]`: how much people may store here, and how assets of others are fetched for them.

use mimi_wire::Domain;

use super::errors::Report;
use super::section::{self, Section};

/// Mebibytes of one asset unless the file says otherwise.
pub const ASSET_MIB_MAX_DEFAULT: u32 = 100;
/// Mebibytes of all assets of a user.
pub const USER_MIB_MAX_DEFAULT: u32 = 1_024;
/// Days an asset is kept.
pub const KEPT_DAYS_DEFAULT: u32 = 30;
/// Mebibytes of an asset that is fetched from elsewhere.
pub const PROXIED_MIB_MAX_DEFAULT: u32 = 100;

const MIB: u64 = 1024 * 1024;
const DAY_S: u64 = 24 * 60 * 60;

/// `[assets]`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AssetsConfig {
    /// Host of the URLs of assets stored here; the certificate must be for it as well.
    pub host: Domain,
    /// Octets of one asset.
    pub asset_octets_max: u64,
    /// Octets of all assets of a user.
    pub user_octets_max: u64,
    /// Seconds an asset is kept.
    pub kept_s: u64,
    /// Octets of an asset that is fetched from elsewhere.
    pub proxied_octets_max: u64,
    /// Hosts that assets are fetched from beside those that peers and rooms name (AMB-DL-2).
    pub peer_hosts: Vec<Domain>,
    /// Whether a `[peers]` address is also where that peer's assets are, even in a private network.
    pub use_peer_addresses: bool,
}

/// `None` after a fault; every fault is in the report.
pub(super) fn read(
    root: &mut Section<'_>,
    report: &mut Report<'_>,
    domain: Option<&Domain>,
) -> Option<AssetsConfig> {
    let mut section = root.section(report, "assets");
    let host =
        section.parsed_or(report, "host", |text| section::domain(text).map(Some), domain.cloned());
    let mut number = |key: &str, default: u32| {
        let number = section.optional_number(report, key)?;
        Some(u64::from(number.unwrap_or(default)))
    };
    let asset_mib_max = number("asset_mib_max", ASSET_MIB_MAX_DEFAULT);
    let user_mib_max = number("user_mib_max", USER_MIB_MAX_DEFAULT);
    let kept_days = number("kept_days", KEPT_DAYS_DEFAULT);
    let proxied_mib_max = number("proxied_mib_max", PROXIED_MIB_MAX_DEFAULT);
    let peer_hosts = section.list_or(report, "peer_hosts", section::domain, Vec::new());
    let use_peer_addresses = section.boolean_or(report, "use_peer_addresses", false);
    section.finish(report);
    Some(AssetsConfig {
        host: host??,
        asset_octets_max: asset_mib_max? * MIB,
        user_octets_max: user_mib_max? * MIB,
        kept_s: kept_days? * DAY_S,
        proxied_octets_max: proxied_mib_max? * MIB,
        peer_hosts: peer_hosts?,
        use_peer_addresses: use_peer_addresses?,
    })
}
