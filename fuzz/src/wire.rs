//! What every target of `mimi-wire` asks of its octets. Also run by
//! `cargo test -p mimi-wire --test replay` on the stable compiler.

use std::fmt::Debug;

use mimi_wire::component::{self, AppDataUpdate, AppEphemeral, ComponentId, ComponentsList};
use mimi_wire::content::derived::MessageDerivedValues;
use mimi_wire::content::parts::Preferences;
use mimi_wire::content::{ExtensionKey, ExtensionValue, MessageId, MimiContent};
use mimi_wire::experimental::{
    DomainList, ExternalReceivers, IdentityLinkTbe, PerMessageKeyAndNonces, PseudonymousCredential,
    SemiPrivateMessage, SemiPrivateMessageContext,
};
use mimi_wire::franking::{
    FrankAad, FrankingAgentData, FrankingIntegrityTbs, SafeAad, ServerFrankingContext,
};
use mimi_wire::inspect::{Claims, Kind, content_json, guess, inspect};
use mimi_wire::media::{ApplicationFraming, ContentType, MediaTypeList};
use mimi_wire::mls;
use mimi_wire::protocol::Extensions;
use mimi_wire::protocol::consent::{ConsentEntry, ConsentScope};
use mimi_wire::protocol::directory::Directory;
use mimi_wire::protocol::found_room::RoomFounding;
use mimi_wire::protocol::group_info::{
    GroupInfoRatchetTreeTbe, GroupInfoRequest, GroupInfoResponse,
};
use mimi_wire::protocol::identifier_query::{IdentifierRequest, IdentifierResponse};
use mimi_wire::protocol::key_material::{KeyMaterialRequest, KeyMaterialResponse, KeyPackageList};
use mimi_wire::protocol::notify::FanoutMessage;
use mimi_wire::protocol::ratchet_tree::{GroupInfoOption, PartialGroupInfo, RatchetTreeOption};
use mimi_wire::protocol::report_abuse::AbuseReport;
use mimi_wire::protocol::submit_message::{Frank, SubmitMessageRequest, SubmitMessageResponse};
use mimi_wire::protocol::update::{UpdateRequest, UpdateResponse};
use mimi_wire::registry::WireFormats;
use mimi_wire::room::asset_policy::AssetPolicy;
use mimi_wire::room::base_policy::BaseRoomPolicy;
use mimi_wire::room::bot_policy::BotPolicy;
use mimi_wire::room::chat_history_policy::HistoryPolicy;
use mimi_wire::room::join_links::{JoinLinkPolicy, JoinLinksData, JoinLinksUpdate};
use mimi_wire::room::link_preview_policy::LinkPreviewPolicy;
use mimi_wire::room::logging_policy::LoggingPolicy;
use mimi_wire::room::message_expiration_policy::MessageExpiration;
use mimi_wire::room::metadata::RoomMetadata;
use mimi_wire::room::operational_policy::OperationalParameters;
use mimi_wire::room::participant_list::{ParticipantListData, ParticipantListUpdate};
use mimi_wire::room::preauth::PreAuthData;
use mimi_wire::room::roles::RoleData;
use mimi_wire::room::status_notification_policy::StatusNotificationPolicy;
use mimi_wire::status::MessageStatusReport;
use mimi_wire::{Domain, MimiUri, Wire};

use crate::allocation::bounded;
use crate::built;

/// A name and what is run.
pub type Target = (&'static str, fn(&[u8]));

/// Every target of `mimi-wire`; each has a file of its name in `fuzz_targets/`.
pub const TARGETS: &[Target] = &[
    // CBOR.
    ("content", content),
    ("content_any_key_order", content_any_key_order),
    ("content_extensions", content_extensions),
    ("status", status),
    ("derived_values", derived_values),
    // Bodies.
    ("key_material_request", key_material_request),
    ("key_material_response", canonical::<KeyMaterialResponse>),
    ("key_package_list", canonical::<KeyPackageList>),
    ("update_request", canonical::<UpdateRequest>),
    ("update_response", canonical::<UpdateResponse>),
    ("submit_message_request", canonical::<SubmitMessageRequest>),
    ("submit_message_response", canonical::<SubmitMessageResponse>),
    ("fanout", fanout),
    ("group_info_request", canonical::<GroupInfoRequest>),
    ("group_info_response", canonical::<GroupInfoResponse>),
    ("group_info_ratchet_tree", canonical::<GroupInfoRatchetTreeTbe>),
    ("consent", consent),
    ("identifier_request", canonical::<IdentifierRequest>),
    ("identifier_response", identifier_response),
    ("abuse_report", canonical::<AbuseReport>),
    ("directory", directory),
    ("room_founding", canonical::<RoomFounding>),
    ("ratchet_tree_option", canonical::<RatchetTreeOption>),
    ("partial_group_info", partial_group_info),
    // Objects of MLS.
    ("mls_message", mls_message),
    ("welcome", canonical::<mls::Welcome>),
    ("key_package", canonical::<mls::KeyPackage>),
    ("group_info", canonical::<mls::GroupInfo>),
    ("ratchet_tree", canonical::<mls::RatchetTree>),
    ("credential", canonical::<mls::Credential>),
    ("mls_parts", mls_parts),
    // Components of a room.
    ("participant_list", canonical::<ParticipantListData>),
    ("participant_list_update", canonical::<ParticipantListUpdate>),
    ("room_metadata", canonical::<RoomMetadata>),
    ("mls_operational_policy", canonical::<OperationalParameters>),
    ("roles_list", canonical::<RoleData>),
    ("preauth_list", canonical::<PreAuthData>),
    ("base_room_policy", canonical::<BaseRoomPolicy>),
    ("status_notification_policy", canonical::<StatusNotificationPolicy>),
    ("join_link_policy", canonical::<JoinLinkPolicy>),
    ("join_links", canonical::<JoinLinksData>),
    ("join_links_update", canonical::<JoinLinksUpdate>),
    ("link_preview_policy", canonical::<LinkPreviewPolicy>),
    ("asset_policy", asset_policy),
    ("logging_policy", canonical::<LoggingPolicy>),
    ("chat_history_policy", canonical::<HistoryPolicy>),
    ("bot_policy", canonical::<BotPolicy>),
    ("message_expiration_policy", canonical::<MessageExpiration>),
    // Other components, and what travels in messages.
    ("components_list", canonical::<ComponentsList>),
    ("content_media_types", canonical::<MediaTypeList>),
    ("external_receivers", external_receivers),
    ("app_data_update", app_data_update),
    ("franking_agent", canonical::<FrankingAgentData>),
    ("frank", frank),
    ("safe_aad", canonical::<SafeAad>),
    ("application_framing", canonical::<ApplicationFraming>),
    ("app_data_dictionary", canonical::<Extensions>),
    ("pseudonymous_credential", pseudonymous_credential),
    ("semi_private_message", semi_private_message),
    // Texts.
    ("uri", uri),
    ("content_type", content_type),
    // Everything at once.
    ("inspect", inspect_any),
    // Valid things, made from the octets, and what is almost that.
    ("built_content", built::content),
    ("built_room", built::room),
    ("built_body", built::body),
];

/// The targets that read a vector's kind, whose octets are their seeds.
pub fn targets_of(kind: Kind) -> Vec<&'static str> {
    let own = match kind {
        Kind::Content => return vec!["content", "content_any_key_order", "content_extensions"],
        Kind::Component(id) | Kind::ComponentUpdate(id) => component_target(kind, id),
        Kind::FrankingContext | Kind::FrankingIntegrity => "frank",
        Kind::IdentityLink => "pseudonymous_credential",
        Kind::SemiPrivateContext | Kind::SemiPrivateKeys => "semi_private_message",
        Kind::ConsentScope => "consent",
        Kind::DomainList | Kind::WireFormats => "external_receivers",
        Kind::AppEphemeral => "app_data_update",
        named => {
            let name = named.name().unwrap_or_default().replace('-', "_");
            let found = TARGETS.iter().find(|(target, _)| *target == name);
            found.map_or("inspect", |(target, _)| target)
        }
    };
    vec![own]
}

fn component_target(kind: Kind, id: ComponentId) -> &'static str {
    match (kind, id) {
        (_, component::APP_COMPONENTS | component::SAFE_AAD) => "components_list",
        (_, component::FRANK_AAD) => "frank",
        (Kind::ComponentUpdate(_), component::PARTICIPANT_LIST) => "participant_list_update",
        (Kind::ComponentUpdate(_), component::JOIN_LINKS) => "join_links_update",
        _ => {
            let name = component::name(id).unwrap_or_default();
            let found = TARGETS.iter().find(|(target, _)| *target == name);
            found.map_or("inspect", |(target, _)| target)
        }
    }
}

/// What decodes has one encoding, and decodes to the same again; and decoding takes no more memory
/// than is fair.
pub fn canonical<T: Wire + PartialEq + Debug>(octets: &[u8]) {
    if let Ok(value) = bounded(octets, || T::decode(octets)) {
        let encoded = value.encode();
        assert_eq!(encoded, octets, "{value:?}");
        assert_eq!(T::decode(&encoded).as_ref(), Ok(&value));
    }
}

fn key_material_request(octets: &[u8]) {
    canonical::<KeyMaterialRequest>(octets);
    let of_another_protocol = KeyMaterialRequest::incompatible_protocol(octets);
    assert!(of_another_protocol.is_none() || KeyMaterialRequest::decode(octets).is_err());
}

fn fanout(octets: &[u8]) {
    if let Ok(messages) = bounded(octets, || FanoutMessage::decode_all(octets)) {
        messages.iter().for_each(|message| drop(message.message.parsed().clone()));
        let joined: Vec<u8> = messages.iter().flat_map(FanoutMessage::encode).collect();
        assert_eq!(joined, octets);
    }
    canonical::<FanoutMessage>(octets);
}

fn identifier_response(octets: &[u8]) {
    canonical::<IdentifierResponse>(octets);
    if let Ok(response) = IdentifierResponse::decode(octets) {
        let most = response.uri.len() + response.found_profiles.len();
        assert!(response.matches().count() <= most);
    }
}

fn directory(octets: &[u8]) {
    if let Ok(directory) = bounded(octets, || Directory::from_json(octets)) {
        let json = directory.to_json();
        assert_eq!(Directory::from_json(json.as_bytes()).as_ref(), Ok(&directory));
    }
}

fn partial_group_info(octets: &[u8]) {
    canonical::<PartialGroupInfo>(octets);
    canonical::<GroupInfoOption>(octets);
}

fn mls_message(octets: &[u8]) {
    canonical::<mls::MlsMessage>(octets);
    if let Ok(message) = mls::MlsMessage::decode(octets) {
        // What is parsed only when someone asks is sound.
        let _ = (message.kind(), message.parsed());
    }
}

fn mls_parts(octets: &[u8]) {
    canonical::<mls::Capabilities>(octets);
    canonical::<mls::RequiredCapabilities>(octets);
    canonical::<mls::ExternalSender>(octets);
    canonical::<mls::HpkeCiphertext>(octets);
}

fn asset_policy(octets: &[u8]) {
    canonical::<AssetPolicy>(octets);
    let Ok(policy) = AssetPolicy::decode(octets) else { return };
    for media_type in &policy.forbidden_media_types {
        assert!(!policy.permits(media_type), "{media_type:?}");
    }
}

fn consent(octets: &[u8]) {
    canonical::<ConsentEntry>(octets);
    canonical::<ConsentScope>(octets);
}

fn external_receivers(octets: &[u8]) {
    canonical::<ExternalReceivers>(octets);
    canonical::<DomainList>(octets);
    canonical::<WireFormats>(octets);
}

fn app_data_update(octets: &[u8]) {
    canonical::<AppDataUpdate>(octets);
    canonical::<AppEphemeral>(octets);
}

fn derived_values(octets: &[u8]) {
    if let Ok(values) = bounded(octets, || MessageDerivedValues::decode(octets)) {
        assert_eq!(values.encode().as_deref(), Ok(octets));
    }
}

fn frank(octets: &[u8]) {
    canonical::<Frank>(octets);
    canonical::<FrankAad>(octets);
    canonical::<ServerFrankingContext>(octets);
    canonical::<FrankingIntegrityTbs>(octets);
}

fn pseudonymous_credential(octets: &[u8]) {
    canonical::<PseudonymousCredential>(octets);
    canonical::<IdentityLinkTbe>(octets);
}

fn semi_private_message(octets: &[u8]) {
    canonical::<SemiPrivateMessage>(octets);
    canonical::<SemiPrivateMessageContext>(octets);
    canonical::<PerMessageKeyAndNonces>(octets);
}

fn uri(octets: &[u8]) {
    canonical::<MimiUri>(octets);
    let Ok(text) = str::from_utf8(octets) else { return };
    if let Ok(domain) = Domain::new(text) {
        assert_eq!(domain.provider_uri().domain(), domain);
    }
    let Ok(uri) = MimiUri::new(text) else { return };
    assert_eq!(uri.as_str(), text);
    // Taken apart and built again it is the same, so there is no second spelling.
    let segments = uri.segments();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    if let Ok(built) = MimiUri::build(&uri.domain(), uri.kind(), &segments) {
        assert_eq!(built, uri);
    }
}

fn content_type(octets: &[u8]) {
    let Ok(text) = str::from_utf8(octets) else { return };
    let parsed = bounded(octets, || ContentType::parse(text));
    let _ = (parsed.top_level(), parsed.text_format());
    assert_eq!(ContentType::parse(&parsed.essence).essence, parsed.essence);
}

fn inspect_any(octets: &[u8]) {
    for kind in guess(octets) {
        let inspection = inspect(kind, octets).expect("what was guessed decodes");
        let _ = (inspection.to_string(), inspection.to_json());
    }
}

/// Everything that is asked of a message. Public for [`built`].
pub fn content(octets: &[u8]) {
    let Ok(content) = bounded(octets, || MimiContent::decode(octets)) else { return };
    // Key 0 is carried and never sent (AMB-CNT-11).
    if let Ok(encoded) = content.encode() {
        assert_eq!(encoded, octets);
    }
    one_by_another_library(octets);
    let _ = content.check_values();
    let _ = content.check_expiry(1_700_000_000_000);
    let _ = (content.shown_text(), content.is_void());
    let receiver = Preferences {
        media_types: vec!["text/markdown".to_owned(), "text/plain".to_owned()],
        languages: vec!["en".to_owned()],
    };
    assert!(content.chosen_parts(&receiver).len() <= content.parts().len());
    if let (Some(sender), Some(room)) = (content.sender_uri(), content.room_uri()) {
        let id = MessageId::compute(&sender, &room, octets, &content.salt);
        let claims = Claims { sender: Some(&sender), room: Some(&room), ..Claims::default() };
        if let Ok(json) = content_json(octets, claims) {
            assert_eq!(json["message_id"], id.to_string());
        }
    }
}

/// What is accepted is CBOR to another library, which writes the same octets.
fn one_by_another_library(octets: &[u8]) {
    // It knows neither `undefined` nor most simple values, which are f7, e0 to f3 and f8.
    if octets.iter().any(|octet| matches!(octet, 0xe0..=0xf3 | 0xf7 | 0xf8)) {
        return;
    }
    let value: ciborium::Value = ciborium::from_reader(octets).expect("CBOR to everyone");
    let mut encoded = Vec::new();
    ciborium::into_writer(&value, &mut encoded).expect("a vector takes every octet");
    assert_eq!(encoded, octets);
}

fn content_any_key_order(octets: &[u8]) {
    let strict = MimiContent::decode(octets);
    let Ok(content) = bounded(octets, || MimiContent::decode_any_key_order(octets)) else {
        assert!(strict.is_err());
        return;
    };
    // Only the order differs, so sorted it is as long.
    if let Ok(encoded) = content.encode() {
        assert_eq!(encoded.len(), octets.len());
        assert_eq!(strict.is_ok(), encoded == octets);
    }
}

/// The typed extensions, read and written again.
fn content_extensions(octets: &[u8]) {
    let Ok(content) = MimiContent::decode_any_key_order(octets) else { return };
    // In other orders of keys than the one that is written they are the same, not equal.
    let is_sorted = MimiContent::decode(octets).is_ok();
    let written_again = |key: &ExtensionKey, value: ExtensionValue| {
        assert!(!is_sorted || content.extensions.get(key) == Some(&value), "{value:?}");
    };
    if let Ok(Some(timestamp)) = content.sender_timestamp() {
        written_again(&ExtensionKey::SENDER_TIMESTAMP, timestamp.into());
    }
    if let Ok(Some(id)) = content.external_message_id() {
        written_again(&ExtensionKey::EXTERNAL_MESSAGE_ID, (&id).into());
    }
    if let Ok(Some(subject)) = content.subject() {
        assert!(!subject.is_empty());
    }
    if let Ok(Some(last_seen)) = bounded(octets, || content.last_seen()) {
        written_again(&ExtensionKey::LAST_SEEN, (&last_seen).into());
    }
}

fn status(octets: &[u8]) {
    if let Ok(report) = bounded(octets, || MessageStatusReport::decode(octets)) {
        assert_eq!(report.encode(), octets);
    }
}
