//! What the other policy components must hold (room-policy sections 6 and 7): that each can be read
//! and does not contradict itself, the room's roles or the room's hub. Who may change one is the
//! judge's question; what it obliges a client to is the client's.

use std::collections::{BTreeMap, BTreeSet};

use mimi_wire::component::{
    ASSET_POLICY, BOT_POLICY, CHAT_HISTORY_POLICY, ComponentId, JOIN_LINK_POLICY, JOIN_LINKS,
    LINK_PREVIEW_POLICY, LOGGING_POLICY, MESSAGE_EXPIRATION_POLICY, MLS_OPERATIONAL_POLICY,
    STATUS_NOTIFICATION_POLICY,
};
use mimi_wire::room::asset_policy::{AssetPolicy, AssetUploadLocation};
use mimi_wire::room::bot_policy::BotPolicy;
use mimi_wire::room::chat_history_policy::HistoryPolicy;
use mimi_wire::room::join_links::{JoinLinkPolicy, JoinLinksData};
use mimi_wire::room::link_preview_policy::LinkPreviewPolicy;
use mimi_wire::room::logging_policy::LoggingPolicy;
use mimi_wire::room::message_expiration_policy::MessageExpiration;
use mimi_wire::room::operational_policy::{
    ExtendedCapabilities, MinDefaultMaxTime, OperationalParameters, PendingProposalPolicy,
};
use mimi_wire::room::participant_list::RoleIndex;
use mimi_wire::room::roles::RoleData;
use mimi_wire::room::status_notification_policy::StatusNotificationPolicy;
use mimi_wire::{Domain, Wire};

use crate::judge::{is_banned_role, role_name};
use crate::rule::Rule;

/// What is wrong with a component.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Fault {
    /// The draft's name of the field; empty where it is the whole.
    pub(crate) field: String,
    /// What stands in the way.
    pub(crate) needed: String,
}

/// What a component is judged beside.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beside<'a> {
    /// The room's roles.
    pub(crate) roles: &'a RoleData,
    /// The room's hub, where it is known.
    pub(crate) hub: Option<&'a Domain>,
}

/// The rule that a component breaks when something is wrong with it; `None` where nothing here
/// reads it.
pub(crate) fn rule(id: ComponentId) -> Option<Rule> {
    match id {
        MLS_OPERATIONAL_POLICY => Some(Rule::OperationalPolicy),
        STATUS_NOTIFICATION_POLICY => Some(Rule::StatusPolicy),
        JOIN_LINK_POLICY | JOIN_LINKS => Some(Rule::JoinLinkPolicy),
        LINK_PREVIEW_POLICY => Some(Rule::LinkPreviewPolicy),
        ASSET_POLICY => Some(Rule::AssetPolicy),
        LOGGING_POLICY => Some(Rule::LoggingPolicy),
        CHAT_HISTORY_POLICY => Some(Rule::HistoryPolicy),
        BOT_POLICY => Some(Rule::BotPolicy),
        MESSAGE_EXPIRATION_POLICY => Some(Rule::ExpirationPolicy),
        _ => None,
    }
}

/// Everything that is wrong with a component's content. What nothing here reads has no faults
/// (PROTO-ST-6: unknown components are carried).
pub(crate) fn faults(id: ComponentId, octets: &[u8], beside: Beside<'_>) -> Vec<Fault> {
    match id {
        MLS_OPERATIONAL_POLICY => read(octets, operational),
        STATUS_NOTIFICATION_POLICY => read(octets, |_: StatusNotificationPolicy, _| ()),
        JOIN_LINK_POLICY => read(octets, |_: JoinLinkPolicy, _| ()),
        JOIN_LINKS => read(octets, |_: JoinLinksData, _| ()),
        LINK_PREVIEW_POLICY => read(octets, link_preview),
        ASSET_POLICY => read(octets, |policy, faults| asset(&policy, beside.hub, faults)),
        LOGGING_POLICY => read(octets, logging),
        CHAT_HISTORY_POLICY => read(octets, |policy, faults| history(policy, beside.roles, faults)),
        BOT_POLICY => read(octets, |policy, faults| bots(policy, beside.roles, faults)),
        MESSAGE_EXPIRATION_POLICY => read(octets, expiration),
        _ => Vec::new(),
    }
}

fn read<T: Wire>(octets: &[u8], check: impl FnOnce(T, &mut Faults)) -> Vec<Fault> {
    let mut faults = Faults(Vec::new());
    match T::decode(octets) {
        Ok(value) => check(value, &mut faults),
        Err(malformed) => {
            // Most fields are named with their struct.
            let field = malformed.field.rsplit('.').next().unwrap_or_default();
            faults.add(field, malformed.reason);
        }
    }
    faults.0
}

struct Faults(Vec<Fault>);

impl Faults {
    fn add(&mut self, field: impl Into<String>, needed: impl Into<String>) {
        self.0.push(Fault { field: field.into(), needed: needed.into() });
    }
}

/// POLICY-LP-1; that a required proxy is named and detection never required, the codec asks.
fn link_preview(policy: LinkPreviewPolicy, faults: &mut Faults) {
    if policy
        .link_preview_proxy
        .value()
        .is_some_and(|proxy| proxy.as_ref().is_none_or(String::is_empty))
    {
        faults.add("link_preview_proxy", "a proxy must be named unless its use is forbidden");
    }
}

/// POLICY-AS-1, AMB-DL-6.
fn asset(policy: &AssetPolicy, hub: Option<&Domain>, faults: &mut Faults) {
    let privacy = &policy.download_privacy;
    if !privacy.allows(privacy.default_download_type) {
        let needed = "the default way to download must be allowed and not forbidden";
        faults.add("default_download_type", needed);
    }
    if policy.asset_upload_location != AssetUploadLocation::Hub {
        return;
    }
    match policy.upload_domains.as_slice() {
        [only] if hub.is_none_or(|hub| only.provider == *hub) => {}
        [only] => {
            let needed = format!("assets go to the hub, which is not {}", only.provider);
            faults.add("upload_domains", needed);
        }
        _ => faults.add("upload_domains", "assets go to the hub, so exactly the hub is listed"),
    }
}

/// POLICY-LOG-1; that required logging has a client, the codec asks.
fn logging(policy: LoggingPolicy, faults: &mut Faults) {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for client in policy.logging.value().iter().flat_map(|logging| &logging.logging_clients) {
        let after = client.split_once("://").map_or(client.as_str(), |(_, rest)| rest);
        let provider = after.split(['/', '?', '#']).next().unwrap_or_default();
        if !seen.insert(provider.to_ascii_lowercase()) {
            let needed = format!("{provider} logs already, and a provider logs only once");
            faults.add("logging_clients", needed);
        }
    }
}

/// POLICY-HIST-1; that neither 0 nor 1 is among them, the codec asks.
fn history(policy: HistoryPolicy, roles: &RoleData, faults: &mut Faults) {
    let sharing = policy.history_sharing.value();
    for index in sharing.iter().flat_map(|sharing| &sharing.roles_that_can_share) {
        let role = roles.roles.iter().find(|role| role.role_index == *index);
        match role.map(|role| role.maximum_active_participants_constraint) {
            None => {
                faults.add("roles_that_can_share", format!("the room has no role {index}"));
            }
            Some(Some(0)) => {
                let name = role_name(roles, *index);
                let needed = format!("nobody in the role {name} may have a client");
                faults.add("roles_that_can_share", needed);
            }
            Some(_) => {}
        }
    }
}

/// POLICY-BOT-1; that a local bot has role 0, the codec asks. Role 0 of another bot says that it is
/// not in the room.
fn bots(policy: BotPolicy, roles: &RoleData, faults: &mut Faults) {
    let is_defined = |index: RoleIndex| roles.roles.iter().any(|role| role.role_index == index);
    for bot in policy.allowed_bots.iter().filter(|bot| bot.bot_role_index != 0) {
        let index = bot.bot_role_index;
        if !is_defined(index) {
            faults.add("bot_role_index", format!("the room has no role {index}"));
        } else if is_banned_role(roles, index) {
            faults.add("bot_role_index", "a bot that is allowed is not banned");
        }
    }
}

/// POLICY-EXPR-1; that the minimum is not over the maximum, the codec asks.
fn expiration(policy: MessageExpiration, faults: &mut Faults) {
    let Some(range) = policy.expiring_messages.value() else { return };
    let within = range.min_expiration_duration..=range.max_expiration_duration;
    if range.default_expiration_duration.is_some_and(|default| !within.contains(&default)) {
        let needed = "what is suggested must lie between the minimum and the maximum";
        faults.add("default_expiration_duration", needed);
    }
}

/// POLICY-OP-1, POLICY-OP-2, AMB-POL-7.
fn operational(policy: OperationalParameters, faults: &mut Faults) {
    let times = [
        ("LeafNode_update_time", policy.leaf_node_update_time),
        ("sender_nonce_keypair_lifetime", policy.sender_nonce_keypair_lifetime),
        ("buffer_incoming_message_time", policy.buffer_incoming_message_time),
    ];
    for (field, MinDefaultMaxTime { minimum_time, default_time, maximum_time }) in times {
        if minimum_time > default_time || default_time > maximum_time {
            faults.add(field, "minimum, default and maximum must ascend");
        }
    }
    if let PendingProposalPolicy::RandomDelay { minimum_delay_ms, maximum_delay_ms } =
        policy.pending_proposal_policy
        && minimum_delay_ms > maximum_delay_ms
    {
        faults.add("pending_proposal_policy", "the minimum delay is over the maximum");
    }
    let handshake = |format: &&u16| NO_HANDSHAKES.contains(format);
    if let Some(format) = policy.handshake_formats.iter().find(handshake) {
        let needed = format!("handshakes are public or semi-private messages, not {format:#06x}");
        faults.add("handshake_formats", needed);
    }
    let forbidden = numbers(&policy.forbidden_capabilities);
    for (field, capabilities) in [
        ("mandatory_capabilities", &policy.mandatory_capabilities),
        ("default_capabilities", &policy.default_capabilities),
    ] {
        let wanted = numbers(capabilities);
        let both = wanted.iter().find_map(|(kind, numbers)| {
            let forbidden = forbidden.get(kind)?;
            numbers.intersection(forbidden).next().map(|number| (kind, number))
        });
        if let Some((kind, number)) = both {
            faults.add(field, format!("{number} of {kind} is forbidden as well"));
        }
        let wanted = &capabilities.media_types;
        let covered = |wanted| {
            policy.forbidden_capabilities.media_types.iter().any(|entry| entry.covers(wanted))
        };
        if let Some(both) = wanted.iter().find(|wanted| covered(wanted)) {
            faults.add(field, format!("{} is forbidden as well", both.media_type));
        }
    }
}

/// Wire formats of RFC 9420 that no handshake of a room has: PrivateMessage, Welcome, GroupInfo,
/// KeyPackage.
const NO_HANDSHAKES: [u16; 4] = [2, 3, 4, 5];

fn numbers(capabilities: &ExtendedCapabilities) -> BTreeMap<&'static str, BTreeSet<u16>> {
    let set = |list: &[u16]| list.iter().copied().collect();
    BTreeMap::from([
        ("versions", set(&capabilities.versions)),
        ("cipher_suites", set(&capabilities.cipher_suites)),
        ("extensions", set(&capabilities.extensions)),
        ("proposals", set(&capabilities.proposals)),
        ("credentials", set(&capabilities.credentials)),
        ("wire_formats", set(&capabilities.wire_formats)),
        ("component_ids", set(&capabilities.component_ids)),
        ("safe_aad_types", set(&capabilities.safe_aad_types)),
        ("content_types", capabilities.content_types.iter().copied().map(u16::from).collect()),
    ])
}
