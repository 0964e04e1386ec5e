//! What every fuzz target asks of its octets. Also run by `cargo test -p mimi-wire --test replay`
//! on the stable compiler, over the vectors and over `corpus/`.

use std::fmt::Debug;

use mimi_wire::Wire;
use mimi_wire::component::ComponentsList;
use mimi_wire::content::parts::Preferences;
use mimi_wire::content::{MessageId, MimiContent};
use mimi_wire::experimental::{PseudonymousCredential, SemiPrivateMessage};
use mimi_wire::franking::{FrankAad, FrankingAgentData, SafeAad};
use mimi_wire::inspect::{Claims, content_json, guess, inspect};
use mimi_wire::media::{ApplicationFraming, MediaTypeList};
use mimi_wire::protocol::Extensions;
use mimi_wire::protocol::consent::ConsentEntry;
use mimi_wire::protocol::directory::Directory;
use mimi_wire::protocol::found_room::RoomFounding;
use mimi_wire::protocol::group_info::{
    GroupInfoRatchetTreeTbe, GroupInfoRequest, GroupInfoResponse,
};
use mimi_wire::protocol::identifier_query::{IdentifierRequest, IdentifierResponse};
use mimi_wire::protocol::key_material::{KeyMaterialRequest, KeyMaterialResponse, KeyPackageList};
use mimi_wire::protocol::notify::FanoutMessage;
use mimi_wire::protocol::ratchet_tree::{PartialGroupInfo, RatchetTreeOption};
use mimi_wire::protocol::report_abuse::AbuseReport;
use mimi_wire::protocol::submit_message::{SubmitMessageRequest, SubmitMessageResponse};
use mimi_wire::protocol::update::{UpdateRequest, UpdateResponse};
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

/// A name and what is run.
pub type Target = (&'static str, fn(&[u8]));

/// Every target; each has a file of its name in `fuzz_targets/`.
pub const TARGETS: &[Target] = &[
    ("content", content),
    ("status", status),
    ("key_material", |octets| {
        canonical::<KeyMaterialRequest>(octets);
        canonical::<KeyMaterialResponse>(octets);
        canonical::<KeyPackageList>(octets);
        let _ = KeyMaterialRequest::incompatible_protocol(octets);
    }),
    ("update", |octets| {
        canonical::<UpdateRequest>(octets);
        canonical::<UpdateResponse>(octets);
    }),
    ("submit_message", |octets| {
        canonical::<SubmitMessageRequest>(octets);
        canonical::<SubmitMessageResponse>(octets);
    }),
    ("notify", notify),
    ("group_info", |octets| {
        canonical::<GroupInfoRequest>(octets);
        canonical::<GroupInfoResponse>(octets);
        canonical::<GroupInfoRatchetTreeTbe>(octets);
    }),
    ("consent", canonical::<ConsentEntry>),
    ("identifier_query", |octets| {
        canonical::<IdentifierRequest>(octets);
        canonical::<IdentifierResponse>(octets);
    }),
    ("report_abuse", canonical::<AbuseReport>),
    ("directory", |octets| {
        let _ = Directory::from_json(octets);
    }),
    ("found_room", canonical::<RoomFounding>),
    ("ratchet_tree", |octets| {
        canonical::<RatchetTreeOption>(octets);
        canonical::<PartialGroupInfo>(octets);
    }),
    ("room_state", |octets| {
        canonical::<ParticipantListData>(octets);
        canonical::<ParticipantListUpdate>(octets);
        canonical::<RoomMetadata>(octets);
        canonical::<RoleData>(octets);
        canonical::<PreAuthData>(octets);
        canonical::<BaseRoomPolicy>(octets);
    }),
    ("policies", |octets| {
        canonical::<OperationalParameters>(octets);
        canonical::<StatusNotificationPolicy>(octets);
        canonical::<JoinLinkPolicy>(octets);
        canonical::<JoinLinksData>(octets);
        canonical::<JoinLinksUpdate>(octets);
        canonical::<LinkPreviewPolicy>(octets);
        canonical::<AssetPolicy>(octets);
        canonical::<LoggingPolicy>(octets);
        canonical::<HistoryPolicy>(octets);
        canonical::<BotPolicy>(octets);
        canonical::<MessageExpiration>(octets);
    }),
    ("mls_extensions", |octets| {
        canonical::<Extensions>(octets);
        canonical::<SafeAad>(octets);
        canonical::<ApplicationFraming>(octets);
        canonical::<MediaTypeList>(octets);
        canonical::<ComponentsList>(octets);
        canonical::<FrankAad>(octets);
        canonical::<FrankingAgentData>(octets);
        canonical::<PseudonymousCredential>(octets);
        canonical::<SemiPrivateMessage>(octets);
    }),
    ("inspect", |octets| {
        for kind in guess(octets) {
            let inspection = inspect(kind, octets).expect("what was guessed decodes");
            let _ = (inspection.to_string(), inspection.to_json());
        }
    }),
];

/// Runs the target of that name.
pub fn run(name: &str, octets: &[u8]) {
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    let (_, target) = target.expect("the name of a target");
    target(octets);
}

/// What decodes has one encoding, and decodes to the same again.
fn canonical<T: Wire + PartialEq + Debug>(octets: &[u8]) {
    if let Ok(value) = T::decode(octets) {
        let encoded = value.encode();
        assert_eq!(encoded, octets, "{value:?}");
        assert_eq!(T::decode(&encoded).as_ref(), Ok(&value));
    }
}

fn notify(octets: &[u8]) {
    if let Ok(messages) = FanoutMessage::decode_all(octets) {
        let joined: Vec<u8> = messages.iter().flat_map(FanoutMessage::encode).collect();
        assert_eq!(joined, octets);
    }
}

fn content(octets: &[u8]) {
    let _ = MimiContent::decode_any_key_order(octets);
    let Ok(content) = MimiContent::decode(octets) else { return };
    // Key 0 is carried and never sent (AMB-CNT-11).
    if let Ok(encoded) = content.encode() {
        assert_eq!(encoded, octets);
    }
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

fn status(octets: &[u8]) {
    if let Ok(report) = MessageStatusReport::decode(octets) {
        assert_eq!(report.encode(), octets);
    }
}
