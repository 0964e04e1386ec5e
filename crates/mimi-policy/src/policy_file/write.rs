//! Writes a policy as the file that is read as it.

use std::fmt::{Display, Write};

use mimi_wire::Wire;
use mimi_wire::component::{
    ASSET_POLICY, BOT_POLICY, CHAT_HISTORY_POLICY, ComponentId, JOIN_LINK_POLICY,
    LINK_PREVIEW_POLICY, LOGGING_POLICY, MESSAGE_EXPIRATION_POLICY, MLS_OPERATIONAL_POLICY,
    STATUS_NOTIFICATION_POLICY,
};
use mimi_wire::media::MediaType;
use mimi_wire::room::asset_policy::AssetPolicy;
use mimi_wire::room::base_policy::BaseRoomPolicy;
use mimi_wire::room::bot_policy::BotPolicy;
use mimi_wire::room::capability::Capability;
use mimi_wire::room::chat_history_policy::HistoryPolicy;
use mimi_wire::room::join_links::JoinLinkPolicy;
use mimi_wire::room::link_preview_policy::LinkPreviewPolicy;
use mimi_wire::room::logging_policy::LoggingPolicy;
use mimi_wire::room::message_expiration_policy::MessageExpiration;
use mimi_wire::room::operational_policy::{
    ExtendedCapabilities, MinDefaultMaxTime, OperationalParameters, PendingProposalPolicy,
};
use mimi_wire::room::participant_list::RoleIndex;
use mimi_wire::room::preauth::{Claim, PreAuthRoleEntry};
use mimi_wire::room::roles::{Role, RoleData};
use mimi_wire::room::status_notification_policy::StatusNotificationPolicy;

use super::RoomPolicy;
use super::components::{
    CREDENTIAL_TYPES, DOWNLOAD_TYPES, OPTIONALITIES, UNLIMITED, UPLOAD_LOCATIONS, key,
};
use super::roles::{NO_ROLE, Names};
use crate::judge::capability_name;

/// Columns of a line before a list is broken.
const COLUMNS: usize = 100;

/// Lines of a file.
struct Page(String);

impl Page {
    fn line(&mut self, line: impl Display) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{line}");
    }

    fn value(&mut self, key: &str, value: impl Display) {
        self.line(format_args!("{key} = {value}"));
    }

    fn text(&mut self, key: &str, text: &str) {
        self.value(key, quoted(text));
    }

    /// Left out where it says nothing.
    fn text_if(&mut self, key: &str, text: &str) {
        if !text.is_empty() {
            self.text(key, text);
        }
    }

    fn list(&mut self, key: &str, items: &[String]) {
        let line = format!("{key} = [{}]", items.join(", "));
        if line.chars().count() <= COLUMNS {
            return self.line(line);
        }
        self.line(format_args!("{key} = ["));
        let mut row = String::from(" ");
        for item in items {
            if row.chars().count() + item.chars().count() + 2 > COLUMNS && row.len() > 1 {
                self.line(&row);
                row = String::from(" ");
            }
            let _ = write!(row, " {item},");
        }
        self.line(row);
        self.line("]");
    }

    /// One item a line.
    fn rows(&mut self, key: &str, items: &[String]) {
        if items.is_empty() {
            return self.value(key, "[]");
        }
        self.line(format_args!("{key} = ["));
        for item in items {
            self.line(format_args!("  {item},"));
        }
        self.line("]");
    }
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

pub(super) fn to_toml(policy: &RoomPolicy) -> String {
    let mut page = Page(String::new());
    page.line("# A room policy. Check a changed one with: tombolo policy validate FILE");
    page.line("# Roles are called by name or by index; role 0 is not being in the room.\n");
    let role = |index| role_reference(&policy.roles, index);
    if let Some(octets) = policy.components.get(&BOT_POLICY)
        && decoded::<BotPolicy>(octets).is_some_and(|bots| bots.allowed_bots.is_empty())
    {
        page.value(key(BOT_POLICY), "[]");
    }
    page.line("# Of whoever creates a room, and of whoever is added without more words.");
    page.value("creator_role", role(policy.creator_role));
    page.value("ordinary_role", role(policy.ordinary_role));
    if let Some(index) = policy.hub_role {
        page.line("# By which the hub may act, such as to remove users that are gone.");
        page.value("hub_role", role(index));
    }
    if let Some(policy) = &policy.base {
        base(&mut page, policy);
    }
    for one in &policy.roles.roles {
        write_role(&mut page, one, &policy.roles);
    }
    for entry in &policy.preauth.entries {
        preauth(&mut page, entry, &policy.roles);
    }
    if policy.preauth.entries.is_empty() {
        page.line("\n# Whose certificate says this may come in as that:");
        page.line("# [[preauth]]");
        page.line(format_args!("# role = {}", role(policy.ordinary_role)));
        page.line("# claims = [\"O=Tea Society\"]");
    }
    for (id, octets) in &policy.components {
        component(&mut page, *id, octets, &policy.roles);
    }
    page.0
}

/// The name, where it will be read as this role.
fn role_reference(roles: &RoleData, index: RoleIndex) -> String {
    let own = roles.roles.iter().find(|role| role.role_index == index);
    let own = own.map(|role| role.role_name.as_str()).or((index == 0).then_some(NO_ROLE));
    let own = own.unwrap_or_default();
    match !own.is_empty() && Names::of(roles).find(&toml::Value::from(own)) == Ok(index) {
        true => quoted(own),
        false => index.to_string(),
    }
}

fn base(page: &mut Page, policy: &BaseRoomPolicy) {
    page.line("\n[base]");
    page.value("fixed_membership", policy.fixed_membership);
    page.value("parent_dependant", policy.parent_dependant);
    if let Some(parent) = &policy.parent_room {
        page.text("parent_room", parent);
    }
    page.value("multi_device", policy.multi_device);
    for (key, most) in [("max_clients", policy.max_clients), ("max_users", policy.max_users)] {
        match most {
            Some(most) => page.value(key, most),
            None => page.line(format_args!("# {key} = 100")),
        }
    }
    page.value("pseudonyms_allowed", policy.pseudonyms_allowed);
    page.value("persistent_room", policy.persistent_room);
    page.value("discoverable", policy.discoverable);
}

fn write_role(page: &mut Page, role: &Role, roles: &RoleData) {
    page.line("\n[[roles]]");
    page.value("role_index", role.role_index);
    page.text("role_name", &role.role_name);
    page.text_if("role_description", &role.role_description);
    let capabilities = role.role_capabilities.iter().copied().map(capability);
    page.list("capabilities", &capabilities.collect::<Vec<_>>());
    let limits = [
        ("minimum_participants", Some(role.minimum_participants_constraint).filter(|it| *it > 0)),
        ("maximum_participants", role.maximum_participants_constraint),
        (
            "minimum_active_participants",
            Some(role.minimum_active_participants_constraint).filter(|it| *it > 0),
        ),
        ("maximum_active_participants", role.maximum_active_participants_constraint),
    ];
    for (key, limit) in limits {
        if let Some(limit) = limit {
            page.value(key, limit);
        }
    }
    let entries = role.authorized_role_changes.iter().map(|entry| {
        let reference = |index: &RoleIndex| role_reference(roles, *index);
        let to: Vec<String> = entry.target_role_indexes.iter().map(reference).collect();
        format!("{{ from = {}, to = [{}] }}", reference(&entry.from_role_index), to.join(", "))
    });
    page.rows("authorized_role_changes", &entries.collect::<Vec<_>>());
}

fn capability(capability: Capability) -> String {
    match capability.name() {
        Some(_) => quoted(&capability_name(capability)),
        None => quoted(&format!("{:#06x}", capability.0)),
    }
}

fn preauth(page: &mut Page, entry: &PreAuthRoleEntry, roles: &RoleData) {
    page.line("\n[[preauth]]");
    page.value("role", role_reference(roles, entry.target_role.role_index));
    let claims = entry.claimset.iter().map(|claim| {
        let Claim { credential_type, id, claim_value } = claim;
        let known = CREDENTIAL_TYPES.iter().find(|(_, number)| number == credential_type);
        let kind = known.map_or(credential_type.to_string(), |(word, _)| quoted(word));
        let id = octets("id", id).map(|id| format!("{id}, ")).unwrap_or_default();
        let value = octets("value", claim_value).unwrap_or_else(|| "value = \"\"".to_owned());
        format!("{{ credential_type = {kind}, {id}{value} }}")
    });
    page.rows("claims", &claims.collect::<Vec<_>>());
}

/// As text where it is text that can be seen.
fn octets(key: &str, octets: &[u8]) -> Option<String> {
    if octets.is_empty() {
        return None;
    }
    let seen = std::str::from_utf8(octets).ok().filter(|it| !it.chars().any(char::is_control));
    Some(match seen {
        Some(text) => format!("{key} = {}", quoted(text)),
        None => {
            let digits: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
            format!("{key}_hex = \"{digits}\"")
        }
    })
}

/// The word of a value; every value of these enumerations has one.
fn word<T: Copy + PartialEq>(words: &[(&'static str, T)], value: T) -> String {
    let found = words.iter().find(|(_, other)| *other == value);
    quoted(found.map_or("", |(word, _)| word))
}

fn component(page: &mut Page, id: ComponentId, octets: &[u8], roles: &RoleData) {
    let reads = match id {
        STATUS_NOTIFICATION_POLICY => decoded(octets).map(|it| status_notification(page, it)),
        JOIN_LINK_POLICY => decoded(octets).map(|it| join_link(page, &it)),
        LINK_PREVIEW_POLICY => decoded(octets).map(|it| link_preview(page, &it)),
        ASSET_POLICY => decoded(octets).map(|it| asset(page, &it)),
        LOGGING_POLICY => decoded(octets).map(|it| logging(page, &it)),
        CHAT_HISTORY_POLICY => decoded(octets).map(|it| chat_history(page, &it, roles)),
        BOT_POLICY => decoded(octets).map(|it| bots(page, &it, roles)),
        MESSAGE_EXPIRATION_POLICY => decoded(octets).map(|it| message_expiration(page, &it)),
        MLS_OPERATIONAL_POLICY => decoded(octets).map(|it| operational(page, &it)),
        _ => None,
    };
    if reads.is_none() {
        page.line(format_args!("\n# Component {id:#06x} has no form here."));
    }
}

fn decoded<T: Wire>(octets: &[u8]) -> Option<T> {
    T::decode(octets).ok()
}

fn title(page: &mut Page, id: ComponentId) {
    page.line(format_args!("\n[{}]", key(id)));
}

fn status_notification(page: &mut Page, policy: StatusNotificationPolicy) {
    title(page, STATUS_NOTIFICATION_POLICY);
    page.value("delivery_notifications", word(OPTIONALITIES, policy.delivery_notifications));
    page.value("read_receipts", word(OPTIONALITIES, policy.read_receipts));
}

fn join_link(page: &mut Page, policy: &JoinLinkPolicy) {
    title(page, JOIN_LINK_POLICY);
    page.value("on_request", policy.on_request);
    page.text_if("join_link", &policy.join_link);
    page.value("multiuser", policy.multiuser);
    page.value("expiration", policy.expiration);
}

fn link_preview(page: &mut Page, policy: &LinkPreviewPolicy) {
    title(page, LINK_PREVIEW_POLICY);
    let settings = [
        ("autodetect_hyperlinks_in_text", policy.autodetect_hyperlinks_in_text),
        ("send_link_previews", policy.send_link_previews),
        ("automatic_link_previews", policy.automatic_link_previews),
        ("link_preview_proxy_use", policy.link_preview_proxy.optionality()),
    ];
    for (key, setting) in settings {
        page.value(key, word(OPTIONALITIES, setting));
    }
    if let Some(Some(proxy)) = policy.link_preview_proxy.value() {
        page.text("link_preview_proxy", proxy);
    }
}

fn asset(page: &mut Page, policy: &AssetPolicy) {
    title(page, ASSET_POLICY);
    page.value("asset_upload_location", word(UPLOAD_LOCATIONS, policy.asset_upload_location));
    let domains = policy.upload_domains.iter().map(|domains| {
        let destinations = domains.asset_upload_destinations.iter();
        let destinations: Vec<String> = destinations.map(|it| quoted(it.as_str())).collect();
        format!(
            "{{ provider = {}, asset_upload_destinations = [{}] }}",
            quoted(domains.provider.as_str()),
            destinations.join(", ")
        )
    });
    page.rows("upload_domains", &domains.collect::<Vec<_>>());
    let privacy = &policy.download_privacy;
    for (key, list) in [
        ("allowed_download_types", &privacy.allowed_download_types),
        ("forbidden_download_types", &privacy.forbidden_download_types),
    ] {
        let words = list.iter().map(|download| word(DOWNLOAD_TYPES, *download));
        page.list(key, &words.collect::<Vec<_>>());
    }
    page.value("default_download_type", word(DOWNLOAD_TYPES, privacy.default_download_type));
    for (key, size) in [
        ("max_image", policy.max_image),
        ("max_audio", policy.max_audio),
        ("max_video", policy.max_video),
        ("max_attachment", policy.max_attachment),
    ] {
        match (size, i64::try_from(size)) {
            (u64::MAX, _) => page.text(key, UNLIMITED),
            (_, Ok(size)) => page.value(key, size),
            (_, Err(_)) => page.text(key, &size.to_string()),
        }
    }
    page.list("forbidden_media_types", &media_types(&policy.forbidden_media_types));
    if let Some(permitted) = &policy.permitted_media_types {
        page.list("permitted_media_types", &media_types(&permitted.media_types));
    }
}

fn media_types(types: &[MediaType]) -> Vec<String> {
    let text = |media_type: &MediaType| {
        let parameters = media_type.parameters.iter();
        let parameters = parameters.map(|(name, value)| format!(";{name}=\"{value}\""));
        quoted(&format!("{}{}", media_type.media_type, parameters.collect::<String>()))
    };
    types.iter().map(text).collect()
}

fn logging(page: &mut Page, policy: &LoggingPolicy) {
    title(page, LOGGING_POLICY);
    page.value("logging", word(OPTIONALITIES, policy.logging.optionality()));
    if let Some(logging) = policy.logging.value() {
        let clients: Vec<String> = logging.logging_clients.iter().map(|it| quoted(it)).collect();
        page.list("logging_clients", &clients);
        page.text_if("machine_readable_policy", &logging.machine_readable_policy);
        page.text_if("human_readable_policy", &logging.human_readable_policy);
    }
}

fn chat_history(page: &mut Page, policy: &HistoryPolicy, roles: &RoleData) {
    title(page, CHAT_HISTORY_POLICY);
    page.value("history_sharing", word(OPTIONALITIES, policy.history_sharing.optionality()));
    if let Some(sharing) = policy.history_sharing.value() {
        let sharers = sharing.roles_that_can_share.iter();
        let sharers: Vec<String> = sharers.map(|index| role_reference(roles, *index)).collect();
        page.list("roles_that_can_share", &sharers);
        page.value("automatically_share", sharing.automatically_share);
        page.value("max_time_period", sharing.max_time_period);
    }
}

/// That there are none stands at the head of the file: here it would fall into the table above.
fn bots(page: &mut Page, policy: &BotPolicy, roles: &RoleData) {
    for bot in &policy.allowed_bots {
        page.line(format_args!("\n[[{}]]", key(BOT_POLICY)));
        page.text("name", &bot.name);
        page.text_if("description", &bot.description);
        page.text_if("homepage", &bot.homepage);
        page.value("local_client_bot", bot.local_client_bot);
        page.value("bot_role_index", role_reference(roles, bot.bot_role_index));
        page.value("can_target_message_in_group", bot.can_target_message_in_group);
        page.value("per_user_content", bot.per_user_content);
    }
}

fn message_expiration(page: &mut Page, policy: &MessageExpiration) {
    title(page, MESSAGE_EXPIRATION_POLICY);
    page.value("expiring_messages", word(OPTIONALITIES, policy.expiring_messages.optionality()));
    if let Some(range) = policy.expiring_messages.value() {
        page.value("min_expiration_duration", range.min_expiration_duration);
        page.value("max_expiration_duration", range.max_expiration_duration);
        if let Some(default) = range.default_expiration_duration {
            page.value("default_expiration_duration", default);
        }
    }
}

fn operational(page: &mut Page, policy: &OperationalParameters) {
    title(page, MLS_OPERATIONAL_POLICY);
    let formats: Vec<String> = policy.handshake_formats.iter().map(u16::to_string).collect();
    page.list("handshake_formats", &formats);
    page.value("external_proposal_allowed", policy.external_proposal_allowed);
    page.value("external_commit_allowed", policy.external_commit_allowed);
    page.value("max_kp_lifetime", policy.max_kp_lifetime);
    page.value("max_credential_lifetime", policy.max_credential_lifetime);
    page.value("resumption_psk_lifetime", policy.resumption_psk_lifetime);
    page.value("max_keypairs", policy.max_keypairs);
    page.value("max_buffered_messages", policy.max_buffered_messages);
    let strategy = match policy.pending_proposal_policy {
        PendingProposalPolicy::Unspecified => quoted("unspecified"),
        PendingProposalPolicy::ImmediateCommit => quoted("immediate_commit"),
        PendingProposalPolicy::RandomDelay { minimum_delay_ms, maximum_delay_ms } => format!(
            "\"random_delay\", minimum_delay_ms = {minimum_delay_ms}, \
             maximum_delay_ms = {maximum_delay_ms}"
        ),
    };
    page.value(
        "pending_proposal_policy",
        format_args!("{{ pending_proposal_strategy = {strategy} }}"),
    );
    let messages = policy.app_message_policy;
    page.value(
        "app_message_policy",
        format_args!(
            "{{ epoch_tolerance = {}, pad_to_size = {}, max_generations_skipahead = {} }}",
            messages.epoch_tolerance, messages.pad_to_size, messages.max_generations_skipahead
        ),
    );
    for (key, times) in [
        ("LeafNode_update_time", policy.leaf_node_update_time),
        ("sender_nonce_keypair_lifetime", policy.sender_nonce_keypair_lifetime),
        ("buffer_incoming_message_time", policy.buffer_incoming_message_time),
    ] {
        let MinDefaultMaxTime { minimum_time, default_time, maximum_time } = times;
        page.value(
            key,
            format_args!(
                "{{ minimum_time = {minimum_time}, default_time = {default_time}, \
                 maximum_time = {maximum_time} }}"
            ),
        );
    }
    for (key, set) in [
        ("mandatory_capabilities", &policy.mandatory_capabilities),
        ("default_capabilities", &policy.default_capabilities),
        ("forbidden_capabilities", &policy.forbidden_capabilities),
    ] {
        capabilities(page, key, set);
    }
}

fn capabilities(page: &mut Page, key_in_table: &str, set: &ExtendedCapabilities) {
    if *set == ExtendedCapabilities::default() {
        return;
    }
    page.line(format_args!("\n[{}.{key_in_table}]", key(MLS_OPERATIONAL_POLICY)));
    let numbers = [
        ("versions", &set.versions),
        ("cipher_suites", &set.cipher_suites),
        ("extensions", &set.extensions),
        ("proposals", &set.proposals),
        ("credentials", &set.credentials),
        ("wire_formats", &set.wire_formats),
        ("component_ids", &set.component_ids),
        ("safe_aad_types", &set.safe_aad_types),
    ];
    for (key, list) in numbers.iter().filter(|(_, list)| !list.is_empty()) {
        page.list(key, &list.iter().map(u16::to_string).collect::<Vec<_>>());
    }
    if !set.media_types.is_empty() {
        page.list("media_types", &media_types(&set.media_types));
    }
    if !set.content_types.is_empty() {
        let types: Vec<String> = set.content_types.iter().map(u8::to_string).collect();
        page.list("content_types", &types);
    }
}
