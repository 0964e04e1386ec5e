//! The components of rooms: participants, metadata, roles and every policy, with their updates.

use mimi_wire::inspect::Kind;
use mimi_wire::media::MediaType;
use mimi_wire::room::asset_policy::{
    AssetPolicy, AssetUploadLocation, DownloadPrivacy, DownloadPrivacyType, PermittedForm,
    PermittedMediaTypes, ProviderAssetUploadDomains,
};
use mimi_wire::room::base_policy::BaseRoomPolicy;
use mimi_wire::room::bot_policy::{Bot, BotPolicy};
use mimi_wire::room::capability::Capability;
use mimi_wire::room::chat_history_policy::{HistoryPolicy, HistorySharing};
use mimi_wire::room::join_links::{JoinLink, JoinLinkPolicy, JoinLinksData, JoinLinksUpdate};
use mimi_wire::room::link_preview_policy::LinkPreviewPolicy;
use mimi_wire::room::logging_policy::{Logging, LoggingPolicy};
use mimi_wire::room::message_expiration_policy::{ExpirationRange, MessageExpiration};
use mimi_wire::room::metadata::{RichDescription, RoomMetadata};
use mimi_wire::room::operational_policy::{
    AppMessagePolicy, ExtendedCapabilities, MinDefaultMaxTime, OperationalParameters,
    PendingProposalPolicy,
};
use mimi_wire::room::optionality::{Conditional, Optionality};
use mimi_wire::room::participant_list::{
    ParticipantListData, ParticipantListUpdate, UserIndexRolePair, UserRolePair,
};
use mimi_wire::room::preauth::{Claim, PreAuthData, PreAuthRoleEntry};
use mimi_wire::room::roles::{Role, RoleData, SingleSourceRoleChangeTargets};
use mimi_wire::room::status_notification_policy::StatusNotificationPolicy;
use mimi_wire::{Domain, MimiUri, Wire};

use crate::{Document, list};

pub(crate) fn document() -> Document {
    let draft = "draft-ietf-mimi-room-policy-03 (0x0022 and 0x0023: draft-ietf-mimi-protocol-06)";
    let mut document = Document::new("room-policy.json", draft);
    participants(&mut document);
    metadata(&mut document);
    operational(&mut document);
    roles(&mut document);
    base(&mut document);
    status_and_links(&mut document);
    previews(&mut document);
    assets(&mut document);
    conditional(&mut document);
    bots(&mut document);
    document
}

fn user(name: &str, role_index: u32) -> UserRolePair {
    let user = MimiUri::new(&format!("mimi://a.example/u/{name}")).unwrap();
    UserRolePair { user, role_index }
}

fn participants(document: &mut Document) {
    let (kind, update) = (Kind::Component(0x0022), Kind::ComponentUpdate(0x0022));
    let list_of = |participants| ParticipantListData { participants };
    document.valid("participants: none", kind, &list_of(vec![]).encode());
    let two = list_of(vec![user("alice", 4), user("mallory", 1)]);
    document.valid("participants: two", kind, &two.encode());
    document.invalid("participants: role 0", kind, &list_of(vec![user("alice", 0)]).encode());
    let changes = ParticipantListUpdate {
        changed_role_participants: vec![UserIndexRolePair { user_index: 3, role_index: 2 }],
        removed_indices: vec![1, 4],
        added_participants: vec![user("bob", 2)],
    };
    document.valid("participants: update", update, &changes.encode());
    let nothing = ParticipantListUpdate::default();
    document.valid("participants: update of nothing", update, &nothing.encode());
    let twice = ParticipantListUpdate { removed_indices: vec![1, 1], ..changes };
    document.invalid("participants: an index twice", update, &twice.encode());
    let element = user("x", 2).encode();
    document.limit("participants", kind, |n| list(&[], &element, n, &[]), 100_000);
}

fn metadata(document: &mut Document) {
    let kind = Kind::Component(0x0023);
    let empty = RoomMetadata {
        room_uri: MimiUri::new("mimi://a.example/r/clubhouse").unwrap(),
        room_name: String::new(),
        room_descriptions: vec![],
        room_avatar: String::new(),
        room_subject: String::new(),
        room_mood: String::new(),
    };
    document.valid("metadata: only the room", kind, &empty.encode());
    let full = RoomMetadata {
        room_name: "Clubhouse".to_owned(),
        room_descriptions: vec![
            RichDescription::default(),
            RichDescription {
                media_type: "text/markdown".to_owned(),
                language_tag: "fr-CA".to_owned(),
                description_content: "d\u{e9}j\u{e0}".as_bytes().to_vec(),
            },
        ],
        room_avatar: "https://a.example/avatar.png".to_owned(),
        room_subject: "tea".to_owned(),
        room_mood: "\u{2615}".to_owned(),
        ..empty.clone()
    };
    document.valid("metadata: everything", kind, &full.encode());
    let http = RoomMetadata { room_avatar: "http://a.example/x".to_owned(), ..empty.clone() };
    let hostless = RoomMetadata { room_avatar: "https:///a.png".to_owned(), ..full.clone() };
    document.invalid("metadata: an avatar without a host", kind, &hostless.encode());
    document.invalid("metadata: an avatar that is not https", kind, &http.encode());
    let nul = RoomMetadata { room_name: "a\0b".to_owned(), ..empty.clone() };
    document.invalid("metadata: a NUL", kind, &nul.encode());
    let start = empty.room_uri.encode();
    let end = [0; 4];
    document.limit("metadata: name", kind, |n| list(&start, b"x", n, &end), 4_096);
}

fn operational(document: &mut Document) {
    let kind = Kind::Component(0x0024);
    document.valid("operational: zeros", kind, &OperationalParameters::default().encode());
    let capabilities = ExtendedCapabilities {
        versions: vec![1],
        cipher_suites: vec![1, 2],
        extensions: vec![6],
        proposals: vec![8, 10],
        credentials: vec![2],
        wire_formats: vec![1, 2],
        component_ids: vec![0x0022],
        safe_aad_types: vec![0x0020],
        media_types: vec![MediaType::new("application/mimi-content")],
        content_types: vec![1, 2, 3],
    };
    let times = MinDefaultMaxTime { minimum_time: 1, default_time: 2, maximum_time: 3 };
    let full = OperationalParameters {
        mandatory_capabilities: capabilities.clone(),
        default_capabilities: capabilities,
        handshake_formats: vec![1],
        external_proposal_allowed: true,
        external_commit_allowed: true,
        pending_proposal_policy: PendingProposalPolicy::RandomDelay {
            minimum_delay_ms: 100,
            maximum_delay_ms: 5_000,
        },
        leaf_node_update_time: times,
        app_message_policy: AppMessagePolicy {
            epoch_tolerance: 1,
            pad_to_size: 256,
            max_generations_skipahead: 1_000,
        },
        max_kp_lifetime: u64::MAX,
        max_credential_lifetime: 4,
        resumption_psk_lifetime: 5,
        sender_nonce_keypair_lifetime: times,
        max_keypairs: 6,
        buffer_incoming_message_time: times,
        max_buffered_messages: 7,
        ..Default::default()
    };
    document.valid("operational: everything", kind, &full.encode());
    let policy = PendingProposalPolicy::ImmediateCommit;
    let immediate = OperationalParameters { pending_proposal_policy: policy, ..full };
    document.valid("operational: immediate commit", kind, &immediate.encode());
    // After three empty capabilities, no formats and two booleans.
    let mut unknown = OperationalParameters::default().encode();
    unknown[33] = 3;
    document.invalid("operational: unknown strategy", kind, &unknown);
    let mut boolean = OperationalParameters::default().encode();
    boolean[31] = 2;
    document.invalid("operational: boolean 2", kind, &boolean);
}

fn role() -> Role {
    Role {
        role_index: 4,
        role_name: "admin".to_owned(),
        role_description: "runs the room".to_owned(),
        role_capabilities: vec![Capability::CAN_ADD_PARTICIPANT, Capability(0xf123)],
        minimum_participants_constraint: 1,
        maximum_participants_constraint: Some(9),
        minimum_active_participants_constraint: 0,
        maximum_active_participants_constraint: Some(0),
        authorized_role_changes: vec![SingleSourceRoleChangeTargets {
            from_role_index: 0,
            target_role_indexes: vec![1, 2],
        }],
    }
}

fn roles(document: &mut Document) {
    let kind = Kind::Component(0x0025);
    let empty = Role {
        role_capabilities: vec![],
        maximum_participants_constraint: None,
        maximum_active_participants_constraint: None,
        authorized_role_changes: vec![],
        ..role()
    };
    document.valid("roles: none", kind, &RoleData::default().encode());
    document.valid("roles: limits", kind, &RoleData { roles: vec![role()] }.encode());
    let two = RoleData { roles: vec![empty.clone(), role()] };
    document.valid("roles: without and with limits", kind, &two.encode());
    let all = Role { role_capabilities: Capability::ALL.to_vec(), ..empty.clone() };
    document.valid("roles: every capability", kind, &RoleData { roles: vec![all] }.encode());
    let element = empty.encode();
    document.limit("roles", kind, |n| list(&[], &element, n, &[]), 4_096);

    let kind = Kind::Component(0x0026);
    let claim = Claim { credential_type: 1, id: vec![], claim_value: b"mimi://a.example".to_vec() };
    let entry = |claimset| PreAuthRoleEntry { claimset, target_role: role() };
    let data = |entries| PreAuthData { entries }.encode();
    document.valid("preauth: nobody", kind, &data(vec![]));
    document.valid("preauth: everyone", kind, &data(vec![entry(vec![])]));
    document.valid("preauth: by claims", kind, &data(vec![entry(vec![claim.clone(), claim])]));
    document.invalid("preauth: an entry without a role", kind, &[1, 0]);
}

fn base(document: &mut Document) {
    let kind = Kind::Component(0x0027);
    let policy = BaseRoomPolicy {
        fixed_membership: false,
        parent_dependant: false,
        parent_room: None,
        multi_device: true,
        max_clients: None,
        max_users: None,
        pseudonyms_allowed: false,
        persistent_room: true,
        discoverable: false,
        policy_component_ids: vec![0x0025, 0x0026],
    };
    document.valid("base: no limits", kind, &policy.encode());
    let child = BaseRoomPolicy {
        parent_dependant: true,
        parent_room: Some("mimi://a.example/r/parent".to_owned()),
        max_clients: Some(100),
        max_users: Some(10),
        policy_component_ids: vec![],
        ..policy.clone()
    };
    document.valid("base: limits and a parent", kind, &child.encode());
    let mut boolean = policy.encode();
    boolean[0] = 2;
    document.invalid("base: boolean 2", kind, &boolean);
    let parents = [1, 1, 4, 1, 0x61, 1, 0x62, 1, 0, 0, 0, 1, 0, 0];
    document.invalid("base: two parents", kind, &parents);
    let odd = Some("mimi://a.example/r/par ent".to_owned());
    let odd = BaseRoomPolicy { parent_dependant: true, parent_room: odd, ..policy };
    document.invalid("base: a parent that is no URI", kind, &odd.encode());
}

fn status_and_links(document: &mut Document) {
    let kind = Kind::Component(0x0028);
    let all = [Optionality::Optional, Optionality::Required, Optionality::Forbidden];
    for delivery_notifications in all {
        for read_receipts in all {
            let policy = StatusNotificationPolicy { delivery_notifications, read_receipts };
            let name = format!("status: {delivery_notifications:?}, {read_receipts:?}");
            document.valid(&name, kind, &policy.encode());
        }
    }
    document.invalid("status: unknown optionality", kind, &[0, 3]);

    let kind = Kind::Component(0x0029);
    let policy = JoinLinkPolicy {
        on_request: true,
        join_link: "https://a.example/join/1".to_owned(),
        multiuser: true,
        expiration: 86_400,
    };
    document.valid("join link policy", kind, &policy.encode());
    document.valid("join link policy: none", kind, &JoinLinkPolicy::default().encode());
    document.invalid("join link policy: boolean 2", kind, &[2, 0, 0, 0, 0, 0, 0]);
    document.invalid("join link policy: no URI", kind, &[0, 1, 0x20, 0, 0, 0, 0, 0]);
    let limit = |n| list(&[0], b"x", n, &[0, 0, 0, 0, 0]);
    document.limit("join link policy: link", kind, limit, 1_024);

    let (kind, update) = (Kind::Component(0x002a), Kind::ComponentUpdate(0x002a));
    let links = |links: &[&str]| -> Vec<JoinLink> {
        links.iter().map(|link| JoinLink(link.as_bytes().to_vec())).collect()
    };
    document.valid("join links: none", kind, &JoinLinksData::default().encode());
    let two = JoinLinksData { links: links(&["https://a.example/1", "https://a.example/2"]) };
    document.valid("join links: two", kind, &two.encode());
    let changes = JoinLinksUpdate { removed_indices: vec![0], added_links: links(&["x"]) };
    document.valid("join links: update", update, &changes.encode());
    document.valid("join links: no change", update, &JoinLinksUpdate::default().encode());
    let twice = JoinLinksUpdate { removed_indices: vec![2, 2], ..changes };
    document.invalid("join links: an index twice", update, &twice.encode());
    document.limit("join links", kind, |n| list(&[], &[0], n, &[]), 4_096);
}

fn previews(document: &mut Document) {
    let kind = Kind::Component(0x002b);
    let proxy = || Some("https://preview.a.example/".to_owned());
    for (name, link_preview_proxy) in [
        ("optional proxy", Conditional::Optional(proxy())),
        ("optional proxy, none", Conditional::Optional(None)),
        ("required proxy", Conditional::Required(proxy())),
        ("forbidden proxy", Conditional::Forbidden),
    ] {
        let policy = LinkPreviewPolicy {
            autodetect_hyperlinks_in_text: Optionality::Forbidden,
            send_link_previews: Optionality::Optional,
            automatic_link_previews: Optionality::Required,
            link_preview_proxy,
        };
        document.valid(&format!("previews: {name}"), kind, &policy.encode());
    }
    document.invalid("previews: required autodetection", kind, &[1, 0, 0, 2]);
    document.invalid("previews: a required proxy that is not named", kind, &[0, 0, 0, 1, 0]);
    let two = [0, 0, 0, 0, 4, 1, 0x61, 1, 0x62];
    document.invalid("previews: two proxies", kind, &two);
}

fn assets(document: &mut Document) {
    let kind = Kind::Component(0x002c);
    let domain = |name| Domain::new(name).unwrap();
    let policy = AssetPolicy {
        asset_upload_location: AssetUploadLocation::LocalProvider,
        upload_domains: vec![ProviderAssetUploadDomains {
            provider: domain("a.example"),
            asset_upload_destinations: vec![domain("cdn.a.example")],
        }],
        download_privacy: DownloadPrivacy {
            allowed_download_types: vec![DownloadPrivacyType::HubProxy, DownloadPrivacyType::Ohttp],
            forbidden_download_types: vec![DownloadPrivacyType::Direct],
            default_download_type: DownloadPrivacyType::HubProxy,
        },
        max_image: 10_000_000,
        max_audio: 0,
        max_video: 100_000_000,
        max_attachment: u64::MAX,
        forbidden_media_types: vec![MediaType::new("application/x-msdownload")],
        permitted_media_types: None,
    };
    document.valid("assets: any type", kind, &policy.encode());
    for location in [AssetUploadLocation::Unspecified, AssetUploadLocation::Hub] {
        let policy = AssetPolicy { asset_upload_location: location, ..policy.clone() };
        document.valid(&format!("assets: {location:?}"), kind, &policy.encode());
    }
    let types = vec![MediaType::new("image/png"), MediaType::new("image/jpeg")];
    for (name, form) in [
        ("an optional list", PermittedForm::OptionalVector),
        ("a list of optionals", PermittedForm::VectorOfOptionals),
    ] {
        let permitted = PermittedMediaTypes { media_types: types.clone(), form };
        let policy = AssetPolicy { permitted_media_types: Some(permitted), ..policy.clone() };
        document.valid(&format!("assets: permitted types as {name}"), kind, &policy.encode());
    }
    let nothing = Some(PermittedMediaTypes::new(vec![]));
    let nothing = AssetPolicy { permitted_media_types: nothing, ..policy.clone() };
    document.valid("assets: no type", kind, &nothing.encode());
    let mut location = policy.encode();
    location[0] = 3;
    document.invalid("assets: unknown location", kind, &location);
    let mut upper = policy.encode();
    upper[3] = b'A';
    document.invalid("assets: a domain in upper case", kind, &upper);
}

fn conditional(document: &mut Document) {
    let kind = Kind::Component(0x002d);
    let logging = Logging {
        logging_clients: vec!["mimi://a.example/d/archive/1".to_owned()],
        machine_readable_policy: "https://a.example/log.json".to_owned(),
        human_readable_policy: "https://a.example/log.html".to_owned(),
    };
    for (name, logging) in [
        ("optional", Conditional::Optional(logging.clone())),
        ("optional, nobody", Conditional::Optional(Logging::default())),
        ("required", Conditional::Required(logging)),
        ("forbidden", Conditional::Forbidden),
    ] {
        document.valid(&format!("logging: {name}"), kind, &LoggingPolicy { logging }.encode());
    }
    document.invalid("logging: required, nobody", kind, &[1, 0, 0, 0]);
    document.invalid("logging: forbidden, and more", kind, &[2, 0, 0, 0]);

    let kind = Kind::Component(0x002e);
    let sharing = HistorySharing {
        roles_that_can_share: vec![3, 4],
        automatically_share: true,
        max_time_period: 604_800,
    };
    for (name, history_sharing) in [
        ("optional", Conditional::Optional(sharing.clone())),
        ("required", Conditional::Required(sharing)),
        ("forbidden", Conditional::Forbidden),
    ] {
        let policy = HistoryPolicy { history_sharing };
        document.valid(&format!("history: {name}"), kind, &policy.encode());
    }
    document.invalid("history: role 1", kind, &[0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0]);

    let kind = Kind::Component(0x0030);
    let range = |default_expiration_duration| ExpirationRange {
        min_expiration_duration: 60,
        max_expiration_duration: 86_400,
        default_expiration_duration,
    };
    for (name, expiring_messages) in [
        ("optional", Conditional::Optional(range(None))),
        ("required, with a default", Conditional::Required(range(Some(3_600)))),
        ("forbidden", Conditional::Forbidden),
    ] {
        let policy = MessageExpiration { expiring_messages };
        document.valid(&format!("expiration: {name}"), kind, &policy.encode());
    }
    let inverted = [0, 0, 0, 0, 2, 0, 0, 0, 1, 0];
    document.invalid("expiration: a maximum below the minimum", kind, &inverted);
    document.invalid("expiration: unknown optionality", kind, &[3]);
}

fn bots(document: &mut Document) {
    let kind = Kind::Component(0x002f);
    document.valid("bots: none", kind, &BotPolicy::default().encode());
    let remote = Bot {
        name: "echo".to_owned(),
        description: "says it again".to_owned(),
        homepage: "https://a.example/echo".to_owned(),
        local_client_bot: false,
        bot_role_index: 2,
        can_target_message_in_group: true,
        per_user_content: true,
    };
    let local = Bot { local_client_bot: true, bot_role_index: 0, ..remote.clone() };
    let both = BotPolicy { allowed_bots: vec![remote, local.clone()] };
    document.valid("bots: remote and local", kind, &both.encode());
    let odd = BotPolicy { allowed_bots: vec![Bot { bot_role_index: 2, ..local }] };
    document.invalid("bots: a local one with a role", kind, &odd.encode());
    let element = Bot::default().encode();
    document.limit("bots", kind, |n| list(&[], &element, n, &[]), 4_096);
}
