//! The other policy components of a policy file: one table each, by the registry's names, with the
//! drafts' fields. What the codec and the judge refuse is told by them.

use std::collections::BTreeMap;

use mimi_wire::component::{
    ASSET_POLICY, BOT_POLICY, CHAT_HISTORY_POLICY, ComponentId, JOIN_LINK_POLICY,
    LINK_PREVIEW_POLICY, LOGGING_POLICY, MESSAGE_EXPIRATION_POLICY, MLS_OPERATIONAL_POLICY,
    STATUS_NOTIFICATION_POLICY, name,
};
use mimi_wire::media::{ContentType, MediaType};
use mimi_wire::room::asset_policy::{
    AssetPolicy, AssetUploadLocation, DownloadPrivacy, DownloadPrivacyType, PermittedMediaTypes,
    ProviderAssetUploadDomains,
};
use mimi_wire::room::bot_policy::{Bot, BotPolicy};
use mimi_wire::room::chat_history_policy::{HistoryPolicy, HistorySharing};
use mimi_wire::room::join_links::JoinLinkPolicy;
use mimi_wire::room::link_preview_policy::LinkPreviewPolicy;
use mimi_wire::room::logging_policy::{Logging, LoggingPolicy};
use mimi_wire::room::message_expiration_policy::{ExpirationRange, MessageExpiration};
use mimi_wire::room::operational_policy::{
    ExtendedCapabilities, MinDefaultMaxTime, OperationalParameters, PendingProposalPolicy,
};
use mimi_wire::room::optionality::{Conditional, Optionality};
use mimi_wire::room::preauth::Claim;
use mimi_wire::room::status_notification_policy::StatusNotificationPolicy;
use mimi_wire::{Domain, Wire};
use toml::Value;

use super::roles::Names;
use super::section::{Section, number, text, word};

pub(super) const OPTIONALITIES: &[(&str, Optionality)] = &[
    ("optional", Optionality::Optional),
    ("required", Optionality::Required),
    ("forbidden", Optionality::Forbidden),
];
pub(super) const UPLOAD_LOCATIONS: &[(&str, AssetUploadLocation)] = &[
    ("unspecified", AssetUploadLocation::Unspecified),
    ("localProvider", AssetUploadLocation::LocalProvider),
    ("hub", AssetUploadLocation::Hub),
];
pub(super) const DOWNLOAD_TYPES: &[(&str, DownloadPrivacyType)] = &[
    ("direct", DownloadPrivacyType::Direct),
    ("hubProxy", DownloadPrivacyType::HubProxy),
    ("ohttp", DownloadPrivacyType::Ohttp),
];
pub(super) const CREDENTIAL_TYPES: &[(&str, u16)] = &[("basic", 1), ("x509", 2)];
/// What a size says that is none (AMB-POL-36).
pub(super) const UNLIMITED: &str = "unlimited";

/// The table of a component.
pub(super) fn key(id: ComponentId) -> &'static str {
    name(id).unwrap_or("components")
}

/// Every component the file has a table for.
pub(super) fn read(file: &mut Section<'_>, names: &Names) -> BTreeMap<ComponentId, Vec<u8>> {
    let mut components = BTreeMap::new();
    let mut take = |id: ComponentId, read: &dyn Fn(&mut Section<'_>) -> Vec<u8>| {
        if let Some(mut section) = file.table(key(id)) {
            components.insert(id, read(&mut section));
            section.finish();
        }
    };
    take(STATUS_NOTIFICATION_POLICY, &|section| status_notification(section).encode());
    take(JOIN_LINK_POLICY, &|section| join_link(section).encode());
    take(LINK_PREVIEW_POLICY, &|section| link_preview(section).encode());
    take(ASSET_POLICY, &|section| asset(section).encode());
    take(LOGGING_POLICY, &|section| logging(section).encode());
    take(CHAT_HISTORY_POLICY, &|section| chat_history(section, names).encode());
    take(MESSAGE_EXPIRATION_POLICY, &|section| message_expiration(section).encode());
    take(MLS_OPERATIONAL_POLICY, &|section| operational(section).encode());
    if let Some(bots) = file.tables(key(BOT_POLICY)) {
        let allowed_bots = bots.into_iter().map(|section| bot(section, names)).collect();
        components.insert(BOT_POLICY, BotPolicy { allowed_bots }.encode());
    }
    components
}

fn optionality(section: &mut Section<'_>, key: &'static str) -> Optionality {
    section.one_of(key, OPTIONALITIES).unwrap_or_default()
}

fn string(section: &mut Section<'_>, key: &'static str) -> String {
    section.text(key).unwrap_or_default().to_owned()
}

fn strings(section: &mut Section<'_>, key: &'static str) -> Vec<String> {
    section.list(key, |value| text(value).map(str::to_owned)).unwrap_or_default()
}

/// A setting whose other keys make no sense where it is forbidden.
fn conditional<T>(
    section: &mut Section<'_>,
    key: &'static str,
    others: &[&'static str],
    value: T,
) -> Conditional<T> {
    match optionality(section, key) {
        Optionality::Optional => Conditional::Optional(value),
        Optionality::Required => Conditional::Required(value),
        Optionality::Forbidden => {
            for other in others.iter().filter(|other| section.has(other)) {
                section.wrong(other, format!("must be absent where {key} is forbidden"));
            }
            Conditional::Forbidden
        }
    }
}

fn status_notification(section: &mut Section<'_>) -> StatusNotificationPolicy {
    StatusNotificationPolicy {
        delivery_notifications: optionality(section, "delivery_notifications"),
        read_receipts: optionality(section, "read_receipts"),
    }
}

fn join_link(section: &mut Section<'_>) -> JoinLinkPolicy {
    if !section.has("expiration") {
        section.wrong("expiration", "is missing: for how many seconds is a new link valid?");
    }
    JoinLinkPolicy {
        on_request: section.flag("on_request").unwrap_or_default(),
        join_link: string(section, "join_link"),
        multiuser: section.flag("multiuser").unwrap_or_default(),
        expiration: section.number("expiration").unwrap_or_default(),
    }
}

fn link_preview(section: &mut Section<'_>) -> LinkPreviewPolicy {
    let proxy = section.text("link_preview_proxy").map(str::to_owned);
    LinkPreviewPolicy {
        autodetect_hyperlinks_in_text: optionality(section, "autodetect_hyperlinks_in_text"),
        send_link_previews: optionality(section, "send_link_previews"),
        automatic_link_previews: optionality(section, "automatic_link_previews"),
        link_preview_proxy: conditional(
            section,
            "link_preview_proxy_use",
            &["link_preview_proxy"],
            proxy,
        ),
    }
}

fn asset(section: &mut Section<'_>) -> AssetPolicy {
    let domain = |value| text(value)?.parse::<Domain>().map_err(|error| error.to_string());
    let mut upload_domains = Vec::new();
    for mut entry in section.tables("upload_domains").unwrap_or_default() {
        let provider = entry.read("provider", domain);
        if !entry.has("provider") {
            entry.missing("provider");
        }
        let destinations = entry.list("asset_upload_destinations", domain);
        entry.finish();
        upload_domains.extend(provider.map(|provider| ProviderAssetUploadDomains {
            provider,
            asset_upload_destinations: destinations.unwrap_or_default(),
        }));
    }
    let downloads = |value| word(value, DOWNLOAD_TYPES);
    let allowed = section.list("allowed_download_types", downloads);
    let media_type = |value| text(value).map(to_media_type);
    let permitted = section.list("permitted_media_types", media_type);
    let location = section.one_of("asset_upload_location", UPLOAD_LOCATIONS);
    AssetPolicy {
        asset_upload_location: location.unwrap_or(AssetUploadLocation::Unspecified),
        upload_domains,
        download_privacy: DownloadPrivacy {
            allowed_download_types: allowed
                .unwrap_or_else(|| DOWNLOAD_TYPES.iter().map(|(_, download)| *download).collect()),
            forbidden_download_types: section
                .list("forbidden_download_types", downloads)
                .unwrap_or_default(),
            default_download_type: section
                .one_of("default_download_type", DOWNLOAD_TYPES)
                .unwrap_or(DownloadPrivacyType::Direct),
        },
        max_image: size(section, "max_image"),
        max_audio: size(section, "max_audio"),
        max_video: size(section, "max_video"),
        max_attachment: size(section, "max_attachment"),
        forbidden_media_types: section
            .list("forbidden_media_types", media_type)
            .unwrap_or_default(),
        permitted_media_types: permitted.map(PermittedMediaTypes::new),
    }
}

/// Octets, or "unlimited" (AMB-POL-36). What no TOML number can say stands in quotes.
fn size(section: &mut Section<'_>, key: &'static str) -> u64 {
    let read = section.read(key, |value| match value.as_str() {
        Some(UNLIMITED) => Ok(u64::MAX),
        Some(digits) => digits.parse().map_err(|_| "must be a number or \"unlimited\"".to_owned()),
        None => number(value),
    });
    read.unwrap_or(u64::MAX)
}

fn to_media_type(text: &str) -> MediaType {
    let ContentType { essence, parameters } = ContentType::parse(text);
    MediaType { media_type: essence, parameters: parameters.into_iter().collect() }
}

fn logging(section: &mut Section<'_>) -> LoggingPolicy {
    let logging = Logging {
        logging_clients: strings(section, "logging_clients"),
        machine_readable_policy: string(section, "machine_readable_policy"),
        human_readable_policy: string(section, "human_readable_policy"),
    };
    let others = ["logging_clients", "machine_readable_policy", "human_readable_policy"];
    LoggingPolicy { logging: conditional(section, "logging", &others, logging) }
}

fn chat_history(section: &mut Section<'_>, names: &Names) -> HistoryPolicy {
    let sharing = HistorySharing {
        roles_that_can_share: section
            .list("roles_that_can_share", |value| names.find(value))
            .unwrap_or_default(),
        automatically_share: section.flag("automatically_share").unwrap_or_default(),
        max_time_period: section.number("max_time_period").unwrap_or_default(),
    };
    let others = ["roles_that_can_share", "automatically_share", "max_time_period"];
    HistoryPolicy { history_sharing: conditional(section, "history_sharing", &others, sharing) }
}

fn bot(mut section: Section<'_>, names: &Names) -> Bot {
    let bot = Bot {
        name: string(&mut section, "name"),
        description: string(&mut section, "description"),
        homepage: string(&mut section, "homepage"),
        local_client_bot: section.flag("local_client_bot").unwrap_or_default(),
        bot_role_index: section
            .read("bot_role_index", |value| names.find(value))
            .unwrap_or_default(),
        can_target_message_in_group: section
            .flag("can_target_message_in_group")
            .unwrap_or_default(),
        per_user_content: section.flag("per_user_content").unwrap_or_default(),
    };
    section.finish();
    bot
}

fn message_expiration(section: &mut Section<'_>) -> MessageExpiration {
    let range = ExpirationRange {
        min_expiration_duration: section.number("min_expiration_duration").unwrap_or_default(),
        max_expiration_duration: section.number("max_expiration_duration").unwrap_or(u32::MAX),
        default_expiration_duration: section.number("default_expiration_duration"),
    };
    let others =
        ["min_expiration_duration", "max_expiration_duration", "default_expiration_duration"];
    let expiring_messages = conditional(section, "expiring_messages", &others, range);
    MessageExpiration { expiring_messages }
}

fn operational(section: &mut Section<'_>) -> OperationalParameters {
    let numbers = |section: &mut Section<'_>, key| section.list(key, number).unwrap_or_default();
    OperationalParameters {
        mandatory_capabilities: capabilities(section, "mandatory_capabilities"),
        default_capabilities: capabilities(section, "default_capabilities"),
        forbidden_capabilities: capabilities(section, "forbidden_capabilities"),
        handshake_formats: numbers(section, "handshake_formats"),
        // What is not spoken of goes on as in a room without such a policy.
        external_proposal_allowed: section.flag("external_proposal_allowed").unwrap_or(true),
        external_commit_allowed: section.flag("external_commit_allowed").unwrap_or(true),
        pending_proposal_policy: pending_proposals(section),
        leaf_node_update_time: times(section, "LeafNode_update_time"),
        app_message_policy: app_messages(section),
        max_kp_lifetime: section.number("max_kp_lifetime").unwrap_or_default(),
        max_credential_lifetime: section.number("max_credential_lifetime").unwrap_or_default(),
        resumption_psk_lifetime: section.number("resumption_psk_lifetime").unwrap_or_default(),
        sender_nonce_keypair_lifetime: times(section, "sender_nonce_keypair_lifetime"),
        max_keypairs: section.number("max_keypairs").unwrap_or_default(),
        buffer_incoming_message_time: times(section, "buffer_incoming_message_time"),
        max_buffered_messages: section.number("max_buffered_messages").unwrap_or_default(),
    }
}

fn capabilities(section: &mut Section<'_>, key: &'static str) -> ExtendedCapabilities {
    let Some(mut section) = section.table(key) else { return ExtendedCapabilities::default() };
    let mut numbers = |key| section.list(key, number).unwrap_or_default();
    let capabilities = ExtendedCapabilities {
        versions: numbers("versions"),
        cipher_suites: numbers("cipher_suites"),
        extensions: numbers("extensions"),
        proposals: numbers("proposals"),
        credentials: numbers("credentials"),
        wire_formats: numbers("wire_formats"),
        component_ids: numbers("component_ids"),
        safe_aad_types: numbers("safe_aad_types"),
        media_types: section
            .list("media_types", |value| text(value).map(to_media_type))
            .unwrap_or_default(),
        content_types: section.list("content_types", number).unwrap_or_default(),
    };
    section.finish();
    capabilities
}

fn pending_proposals(section: &mut Section<'_>) -> PendingProposalPolicy {
    let Some(mut section) = section.table("pending_proposal_policy") else {
        return PendingProposalPolicy::Unspecified;
    };
    let minimum_delay_ms = section.number("minimum_delay_ms");
    let maximum_delay_ms = section.number("maximum_delay_ms");
    let delayed = PendingProposalPolicy::RandomDelay {
        minimum_delay_ms: minimum_delay_ms.unwrap_or_default(),
        maximum_delay_ms: maximum_delay_ms.unwrap_or_default(),
    };
    let strategies = [
        ("unspecified", PendingProposalPolicy::Unspecified),
        ("immediate_commit", PendingProposalPolicy::ImmediateCommit),
        ("random_delay", delayed),
    ];
    let policy = section.one_of("pending_proposal_strategy", &strategies).unwrap_or_default();
    if policy != delayed {
        for key in ["minimum_delay_ms", "maximum_delay_ms"] {
            if section.has(key) {
                section.wrong(key, "is for the strategy random_delay");
            }
        }
    }
    section.finish();
    policy
}

fn times(section: &mut Section<'_>, key: &'static str) -> MinDefaultMaxTime {
    let Some(mut section) = section.table(key) else { return MinDefaultMaxTime::default() };
    for key in ["minimum_time", "default_time", "maximum_time"] {
        if !section.has(key) {
            section.missing(key);
        }
    }
    let times = MinDefaultMaxTime {
        minimum_time: section.number("minimum_time").unwrap_or_default(),
        default_time: section.number("default_time").unwrap_or_default(),
        maximum_time: section.number("maximum_time").unwrap_or_default(),
    };
    section.finish();
    times
}

fn app_messages(
    section: &mut Section<'_>,
) -> mimi_wire::room::operational_policy::AppMessagePolicy {
    let mut policy = mimi_wire::room::operational_policy::AppMessagePolicy::default();
    let Some(mut section) = section.table("app_message_policy") else { return policy };
    policy.epoch_tolerance = section.number("epoch_tolerance").unwrap_or_default();
    policy.pad_to_size = section.number("pad_to_size").unwrap_or_default();
    policy.max_generations_skipahead =
        section.number("max_generations_skipahead").unwrap_or_default();
    section.finish();
    policy
}

/// `{ credential_type = "x509", oid = "2.5.4.10", value = "Example Inc" }`: the id as text, as an
/// object identifier or in hexadecimal, the value as text or in hexadecimal (AMB-POL-3).
pub(super) fn claim(mut section: Section<'_>) -> Option<Claim> {
    let credential_type = section.read("credential_type", |value| {
        let word = word(value, CREDENTIAL_TYPES);
        if value.is_str() { word } else { number(value) }
    });
    let as_text = |value| text(value).map(|text| text.as_bytes().to_vec());
    let ids = [
        section.read("id", as_text),
        section.read("id_hex", hexadecimal),
        section.read("oid", |value| object_identifier(text(value)?)),
    ];
    let values = [section.read("value", as_text), section.read("value_hex", hexadecimal)];
    if !section.has("credential_type") {
        section.missing("credential_type");
    }
    let given = |keys: &[&'static str]| keys.iter().filter(|key| section.has(key)).count();
    if given(&["id", "id_hex", "oid"]) > 1 {
        section.wrong("id", "is given more than once: id, id_hex or oid");
    }
    if given(&["value", "value_hex"]) != 1 {
        section.wrong("value", "must be given once: value or value_hex");
    }
    section.finish();
    Some(Claim {
        credential_type: credential_type?,
        id: ids.into_iter().flatten().next().unwrap_or_default(),
        claim_value: values.into_iter().flatten().next()?,
    })
}

fn hexadecimal(value: &Value) -> Result<Vec<u8>, String> {
    let wrong = || "must be pairs of hexadecimal digits".to_owned();
    let digits = text(value)?;
    let digits: Vec<u8> = digits
        .chars()
        .filter(|it| !it.is_ascii_whitespace())
        .map_while(|it| it.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let all = text(value)?.chars().filter(|it| !it.is_ascii_whitespace()).count();
    if digits.len() != all || all % 2 != 0 {
        return Err(wrong());
    }
    Ok(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

/// The DER content of an object identifier (X.690 section 8.19).
fn object_identifier(dotted: &str) -> Result<Vec<u8>, String> {
    let wrong = || "must be an object identifier such as \"2.5.4.10\"".to_owned();
    let arcs = dotted.split('.').map(|arc| arc.parse::<u64>());
    let arcs = arcs.collect::<Result<Vec<u64>, _>>().map_err(|_| wrong())?;
    let [first, second, rest @ ..] = arcs.as_slice() else { return Err(wrong()) };
    if *first > 2 || (*first < 2 && *second > 39) {
        return Err(wrong());
    }
    let start = second.checked_add(first * 40).ok_or_else(wrong)?;
    let mut octets = Vec::new();
    for arc in [start].iter().chain(rest) {
        let from = octets.len();
        let mut left = *arc;
        while {
            let more = if octets.len() == from { 0 } else { 0x80 };
            octets.push(u8::try_from(left & 0x7f).unwrap_or_default() | more);
            left >>= 7;
            left > 0
        } {}
        octets[from..].reverse();
    }
    Ok(octets)
}
