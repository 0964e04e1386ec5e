//! The policy components beyond roles, preauthorisation and the base policy.

use proptest::prelude::{any, prop_assert_eq, proptest};

use crate::Wire;
use crate::content::{Expiration, MessageId};
use crate::fixtures::{assert_octets, octets, text, vector};
use crate::limits::{LIST_ELEMENTS_MAX, TEXT_OCTETS_MAX, URI_OCTETS_MAX};
use crate::media::MediaType;
use crate::room::asset_policy::{
    AssetPolicy, AssetUploadLocation, DownloadPrivacy, DownloadPrivacyType, PermittedForm,
    PermittedMediaTypes, ProviderAssetUploadDomains,
};
use crate::room::bot_policy::{Bot, BotPolicy};
use crate::room::chat_history_policy::{HistoryPolicy, HistorySharing};
use crate::room::join_links::{JoinLink, JoinLinkPolicy, JoinLinksData, JoinLinksUpdate};
use crate::room::link_preview_policy::LinkPreviewPolicy;
use crate::room::logging_policy::{Logging, LoggingPolicy};
use crate::room::message_expiration_policy::{ExpirationRange, MessageExpiration};
use crate::room::operational_policy::{
    AppMessagePolicy, ExtendedCapabilities, MinDefaultMaxTime, OperationalParameters,
    PendingProposalPolicy,
};
use crate::room::optionality::{Conditional, Optionality};
use crate::room::status_notification_policy::StatusNotificationPolicy;
use crate::status::{MessageStatus, MessageStatusReport};
use crate::uri::Domain;

#[track_caller]
fn refused<T: Wire + std::fmt::Debug>(octets: &[u8], offset: usize, field: &str) {
    let fault = T::decode(octets).unwrap_err();
    assert_eq!((fault.offset, fault.field), (offset, field), "{fault}");
}

/// AMB-POL-1, AMB-W-7.
#[test]
fn optionality() {
    for (value, octet) in
        [(Optionality::Optional, 0), (Optionality::Required, 1), (Optionality::Forbidden, 2)]
    {
        assert_octets(&value, &[octet]);
    }
    assert!(Optionality::decode(&[3]).is_err());
}

/// POLICY-STAT-1, AMB-STA-3.
#[test]
fn status_notification_policies() {
    let policy = StatusNotificationPolicy {
        delivery_notifications: Optionality::Required,
        read_receipts: Optionality::Forbidden,
    };
    assert_octets(&policy, &[1, 2]);
    assert_eq!(policy.of(MessageStatus::DELIVERED), Optionality::Required);
    assert_eq!(policy.of(MessageStatus::READ), Optionality::Forbidden);
    assert_eq!(policy.of(MessageStatus::ERROR), Optionality::Forbidden);
    assert_octets(&StatusNotificationPolicy::default(), &[0, 0]);
    refused::<StatusNotificationPolicy>(&[0, 3], 1, "StatusNotificationPolicy.read_receipts");
}

/// STATUS-3, POLICY-STAT-1: each of the three settings for each kind of status.
#[test]
fn what_of_a_report_is_sent() {
    let all = [Optionality::Optional, Optionality::Required, Optionality::Forbidden];
    let sent = |own: Optionality, wished: bool| match own {
        Optionality::Required => true,
        Optionality::Optional => wished,
        Optionality::Forbidden => false,
    };
    for (delivery_notifications, read_receipts, wished) in all
        .into_iter()
        .flat_map(|delivery| all.map(|receipts| (delivery, receipts)))
        .flat_map(|(delivery, receipts)| [(delivery, receipts, true), (delivery, receipts, false)])
    {
        let policy = StatusNotificationPolicy { delivery_notifications, read_receipts };
        for status in 0..8 {
            let status = MessageStatus(status);
            let own = if status == MessageStatus::DELIVERED {
                delivery_notifications
            } else {
                read_receipts
            };
            let report = MessageStatusReport(vec![(MessageId([1; 32]), status)]);
            let permitted = policy.permitted(&report, |_| wished);
            assert_eq!(permitted, sent(own, wished).then_some(report), "{policy:?} {status:?}");
        }
    }
    let both = MessageStatusReport(vec![
        (MessageId([1; 32]), MessageStatus::DELIVERED),
        (MessageId([1; 32]), MessageStatus::READ),
    ]);
    let policy = StatusNotificationPolicy::default();
    let permitted = policy.permitted(&both, |status| status == MessageStatus::READ);
    assert_eq!(permitted.map(|report| report.0), Some(both.0[1..].to_vec()));
}

/// POLICY-JL-1.
#[test]
fn join_link_policies() {
    let policy = JoinLinkPolicy {
        on_request: true,
        join_link: "https://a.example/j/1".to_owned(),
        multiuser: false,
        expiration: 86_400,
    };
    assert_octets(&policy, &octets!("01", text("https://a.example/j/1"), "00 00015180"));
    assert_octets(&JoinLinkPolicy::default(), &octets!("00 00 00 00000000"));
    refused::<JoinLinkPolicy>(&octets!("00 01 20 00 00000000"), 1, "JoinLinkPolicy.join_link");
    refused::<JoinLinkPolicy>(&octets!("00 00 02 00000000"), 2, "JoinLinkPolicy.multiuser");
    let linked = |length| JoinLinkPolicy { join_link: "x".repeat(length), ..policy.clone() };
    assert!(JoinLinkPolicy::decode(&linked(URI_OCTETS_MAX).encode()).is_ok());
    assert!(JoinLinkPolicy::decode(&linked(URI_OCTETS_MAX + 1).encode()).is_err());
}

fn links(links: &[&str]) -> Vec<JoinLink> {
    links.iter().map(|link| JoinLink(link.as_bytes().to_vec())).collect()
}

/// AMB-POL-12, AMB-W-6.
#[test]
fn join_links() {
    assert_octets(&JoinLinksData::default(), &[0]);
    let data = JoinLinksData { links: links(&["a", "b", "c"]) };
    assert_octets(&data, &octets!("06 01 61 01 62 01 63"));
    let update = JoinLinksUpdate { removed_indices: vec![2, 0], added_links: links(&["d"]) };
    assert_octets(&update, &octets!("08 00000002 00000000 02 01 64"));
    assert_eq!(data.updated(&update), Some(JoinLinksData { links: links(&["b", "d"]) }));
    let beyond = JoinLinksUpdate { removed_indices: vec![3], added_links: vec![] };
    assert_eq!(data.updated(&beyond), None);
    assert_octets(&JoinLinksUpdate::default(), &[0, 0]);
    let twice = octets!("08 00000001 00000001 00");
    refused::<JoinLinksUpdate>(&twice, 0, "JoinLinksUpdate.removedIndices");
    let many = |count| JoinLinksData { links: vec![JoinLink(vec![]); count] }.encode();
    assert!(JoinLinksData::decode(&many(LIST_ELEMENTS_MAX)).is_ok());
    assert!(JoinLinksData::decode(&many(LIST_ELEMENTS_MAX + 1)).is_err());
}

/// POLICY-LP-1, AMB-POL-4.
#[test]
fn link_preview_policies() {
    let proxy = "https://preview.a.example/";
    let policy = |link_preview_proxy| LinkPreviewPolicy {
        autodetect_hyperlinks_in_text: Optionality::Forbidden,
        send_link_previews: Optionality::Optional,
        automatic_link_previews: Optionality::Required,
        link_preview_proxy,
    };
    let named = vector(&text(proxy));
    assert_octets(&policy(Conditional::Forbidden), &octets!("02 00 01 02"));
    assert_octets(&policy(Conditional::Optional(None)), &octets!("02 00 01 00 00"));
    let optional = policy(Conditional::Optional(Some(proxy.to_owned())));
    assert_octets(&optional, &octets!("02 00 01 00", named.clone()));
    let required = policy(Conditional::Required(Some(proxy.to_owned())));
    assert_octets(&required, &octets!("02 00 01 01", named));
    let autodetect = "LinkPreviewPolicy.autodetect_hyperlinks_in_text";
    refused::<LinkPreviewPolicy>(&octets!("01 00 00 02"), 0, autodetect);
    let field = "LinkPreviewPolicy.link_preview_proxy";
    refused::<LinkPreviewPolicy>(&octets!("00 00 00 01 00"), 4, field);
    refused::<LinkPreviewPolicy>(&octets!("00 00 00 00 04 01 61 01 62"), 4, field);
}

/// POLICY-LOG-1.
#[test]
fn logging_policies() {
    let client = "mimi://a.example/d/archive/1";
    let logging = Logging {
        logging_clients: vec![client.to_owned()],
        machine_readable_policy: String::new(),
        human_readable_policy: "https://a.example/log".to_owned(),
    };
    let value = octets!(vector(&text(client)), "00", text("https://a.example/log"));
    let required = LoggingPolicy { logging: Conditional::Required(logging) };
    assert_octets(&required, &octets!("01", value));
    assert!(required.is_active());
    let optional = LoggingPolicy { logging: Conditional::Optional(Logging::default()) };
    assert_octets(&optional, &octets!("00 00 00 00"));
    assert!(!optional.is_active());
    let forbidden = LoggingPolicy { logging: Conditional::Forbidden };
    assert_octets(&forbidden, &octets!("02"));
    assert!(!forbidden.is_active());
    refused::<LoggingPolicy>(&octets!("01 00 00 00"), 1, "LoggingPolicy.logging_clients");
    refused::<LoggingPolicy>(&octets!("02 00"), 1, "end");
    refused::<LoggingPolicy>(&octets!("03"), 0, "LoggingPolicy.logging");
}

/// POLICY-HIST-1.
#[test]
fn chat_history_policies() {
    let sharing = HistorySharing {
        roles_that_can_share: vec![3, 4],
        automatically_share: true,
        max_time_period: 3_600,
    };
    let octets = octets!("08 00000003 00000004 01 00000e10");
    let policy = HistoryPolicy { history_sharing: Conditional::Optional(sharing.clone()) };
    assert_octets(&policy, &octets!("00", octets.clone()));
    let policy = HistoryPolicy { history_sharing: Conditional::Required(sharing) };
    assert_octets(&policy, &octets!("01", octets));
    assert_octets(&HistoryPolicy { history_sharing: Conditional::Forbidden }, &[2]);
    for role in ["00000000", "00000001"] {
        let octets = octets!("00 04", role, "00 00000000");
        refused::<HistoryPolicy>(&octets, 1, "HistoryPolicy.roles_that_can_share");
    }
}

/// POLICY-BOT-1.
#[test]
fn bot_policies() {
    let bot = Bot {
        name: "echo".to_owned(),
        description: String::new(),
        homepage: "https://a.example/echo".to_owned(),
        local_client_bot: false,
        bot_role_index: 2,
        can_target_message_in_group: true,
        per_user_content: false,
    };
    let octets = octets!(text("echo"), "00", text("https://a.example/echo"), "00 00000002 01 00");
    assert_octets(&bot, &octets);
    assert_octets(&BotPolicy::default(), &[0]);
    let local = Bot { local_client_bot: true, ..Bot::default() };
    assert_octets(&local, &octets!("00 00 00 01 00000000 00 00"));
    let policy = BotPolicy { allowed_bots: vec![bot, local.clone()] };
    assert_octets(&policy, &vector(&octets!(octets, "00 00 00 01 00000000 00 00")));
    refused::<Bot>(&octets!("00 00 00 01 00000002 00 00"), 4, "Bot.bot_role_index");
    let many = |count| BotPolicy { allowed_bots: vec![local.clone(); count] }.encode();
    assert!(BotPolicy::decode(&many(LIST_ELEMENTS_MAX)).is_ok());
    assert!(BotPolicy::decode(&many(LIST_ELEMENTS_MAX + 1)).is_err());
    let named = |length| Bot { name: "x".repeat(length), ..local.clone() }.encode();
    assert!(Bot::decode(&named(TEXT_OCTETS_MAX)).is_ok());
    assert!(Bot::decode(&named(TEXT_OCTETS_MAX + 1)).is_err());
}

fn expiration(default_expiration_duration: Option<u32>) -> ExpirationRange {
    ExpirationRange {
        min_expiration_duration: 60,
        max_expiration_duration: 3_600,
        default_expiration_duration,
    }
}

/// POLICY-EXPR-1.
#[test]
fn message_expiration_policies() {
    let policy = |expiring_messages| MessageExpiration { expiring_messages };
    let optional = policy(Conditional::Optional(expiration(None)));
    assert_octets(&optional, &octets!("00 0000003c 00000e10 00"));
    let required = policy(Conditional::Required(expiration(Some(61))));
    assert_octets(&required, &octets!("01 0000003c 00000e10 01 0000003d"));
    let forbidden = policy(Conditional::Forbidden);
    assert_octets(&forbidden, &[2]);
    let field = "MessageExpiration.max_expiration_duration";
    refused::<MessageExpiration>(&octets!("00 00000002 00000001 00"), 5, field);

    let relative = |time| Some(Expiration { relative: true, time });
    let absolute = |time| Some(Expiration { relative: false, time });
    let accepted_at_ms = 1_000_000_999;
    for (expires, within) in [
        (relative(59), false),
        (relative(60), true),
        (relative(3_600), true),
        (relative(3_601), false),
        (absolute(1_000_059), false),
        (absolute(1_000_060), true),
        (absolute(1_003_600), true),
        (absolute(1_003_601), false),
        (absolute(999_999), false),
    ] {
        assert_eq!(optional.allows(expires, accepted_at_ms), within, "{expires:?}");
        assert_eq!(required.allows(expires, accepted_at_ms), within, "{expires:?}");
        assert!(!forbidden.allows(expires, accepted_at_ms));
    }
    assert!(optional.allows(None, 0) && forbidden.allows(None, 0));
    assert!(!required.allows(None, 0));
}

fn domain(name: &str) -> Domain {
    Domain::new(name).unwrap()
}

fn assets(permitted_media_types: Option<PermittedMediaTypes>) -> AssetPolicy {
    AssetPolicy {
        asset_upload_location: AssetUploadLocation::LocalProvider,
        upload_domains: vec![ProviderAssetUploadDomains {
            provider: domain("a.example"),
            asset_upload_destinations: vec![domain("cdn.a.example")],
        }],
        download_privacy: DownloadPrivacy {
            allowed_download_types: vec![DownloadPrivacyType::HubProxy, DownloadPrivacyType::Ohttp],
            forbidden_download_types: vec![DownloadPrivacyType::Ohttp],
            default_download_type: DownloadPrivacyType::HubProxy,
        },
        max_image: 1,
        max_audio: 0,
        max_video: 0x0102_0304_0506_0708,
        max_attachment: u64::MAX,
        forbidden_media_types: vec![MediaType::new("a/b")],
        permitted_media_types,
    }
}

fn asset_octets() -> Vec<u8> {
    octets!(
        "01",
        vector(&octets!(text("a.example"), vector(&text("cdn.a.example")))),
        "02 01 02 01 02 01",
        "0000000000000001 0000000000000000 0102030405060708 ffffffffffffffff",
        "05 03 612f62 00",
    )
}

/// AMB-POL-11, AMB-POL-36.
#[test]
fn asset_policies() {
    assert_octets(&assets(None), &octets!(asset_octets(), "00"));
    let types = vec![MediaType::new("c/d"), MediaType::new("a/b")];
    let permitted = assets(Some(PermittedMediaTypes::new(types.clone())));
    let listed = octets!("03 632f64 00", "03 612f62 00");
    assert_octets(&permitted, &octets!(asset_octets(), "01", vector(&listed)));
    let nothing = assets(Some(PermittedMediaTypes::new(vec![])));
    assert_octets(&nothing, &octets!(asset_octets(), "01 00"));
    let form = PermittedForm::VectorOfOptionals;
    let printed = assets(Some(PermittedMediaTypes { media_types: types, form }));
    let octets = octets!(asset_octets(), "0c 01 03 632f64 00 01 03 612f62 00");
    assert_eq!(printed.encode(), octets);
    assert_eq!(AssetPolicy::decode(&octets), Ok(printed));
    for cut in asset_octets().len()..octets.len() {
        assert!(AssetPolicy::decode(&octets[..cut]).is_err(), "{cut}");
    }
    for (offset, octet) in [(0, 3), (27, 3), (32, 3)] {
        let mut octets = octets!(asset_octets(), "00");
        octets[offset] = octet;
        assert!(AssetPolicy::decode(&octets).is_err(), "octet {offset}");
    }
    let upper = octets!("01", vector(&octets!(text("A.example"), "00")));
    refused::<AssetPolicy>(&upper, 2, "ProviderAssetUploadDomains.provider");
}

/// POLICY-AS-1, POLICY-AS-2, AMB-DL-6, AMB-POL-35.
#[test]
fn asset_policies_decide() {
    let permitted = PermittedMediaTypes::new(vec![MediaType::new("a/b"), MediaType::new("c/d")]);
    let policy = assets(Some(permitted));
    assert!(policy.permits(&MediaType::new("c/d;x=1")));
    assert!(!policy.permits(&MediaType::new("a/b")), "forbidden wins");
    assert!(!policy.permits(&MediaType::new("e/f")));
    assert!(assets(None).permits(&MediaType::new("e/f")));
    assert!(!policy.download_privacy.allows(DownloadPrivacyType::Direct));
    assert!(policy.download_privacy.allows(DownloadPrivacyType::HubProxy));
    assert!(!policy.download_privacy.allows(DownloadPrivacyType::Ohttp));
    let (a, b, cdn) = (domain("a.example"), domain("b.example"), domain("cdn.a.example"));
    assert!(policy.permits_host(&cdn, &a, &b));
    assert!(!policy.permits_host(&a, &a, &b), "no subdomains, no parents");
    assert!(!policy.permits_host(&cdn, &b, &a));
    let hub = AssetPolicy { asset_upload_location: AssetUploadLocation::Hub, ..policy.clone() };
    assert!(hub.permits_host(&cdn, &b, &a));
    let any = AssetPolicy { asset_upload_location: AssetUploadLocation::Unspecified, ..policy };
    assert!(any.permits_host(&b, &b, &a));
}

fn capabilities() -> ExtendedCapabilities {
    ExtendedCapabilities {
        versions: vec![1],
        cipher_suites: vec![2],
        extensions: vec![3],
        proposals: vec![4],
        credentials: vec![5],
        wire_formats: vec![6],
        component_ids: vec![7],
        safe_aad_types: vec![8, 0xf00d],
        media_types: vec![MediaType::new("a/b")],
        content_types: vec![1, 2],
    }
}

/// POLICY-OP-2, AMB-POL-6, AMB-POL-7.
#[test]
fn operational_policies() {
    let capabilities_octets = octets!(
        "02 0001 02 0002 02 0003 02 0004 02 0005 02 0006 02 0007 04 0008 f00d",
        "05 03 612f62 00",
        "02 01 02",
    );
    assert_octets(&capabilities(), &capabilities_octets);
    assert_octets(&ExtendedCapabilities::default(), &[0; 10]);
    let times = |base| MinDefaultMaxTime {
        minimum_time: base,
        default_time: base + 1,
        maximum_time: base + 2,
    };
    let delay = PendingProposalPolicy::RandomDelay { minimum_delay_ms: 1, maximum_delay_ms: 2 };
    assert_octets(&PendingProposalPolicy::Unspecified, &[0]);
    assert_octets(&PendingProposalPolicy::ImmediateCommit, &[1]);
    assert_octets(&delay, &octets!("02 0000000000000001 0000000000000002"));
    for unknown in ["03", "ff"] {
        let field = "PendingProposalPolicy.pending_proposal_strategy";
        refused::<PendingProposalPolicy>(&octets!(unknown, "0024"), 0, field);
    }
    let parameters = OperationalParameters {
        mandatory_capabilities: capabilities(),
        default_capabilities: ExtendedCapabilities::default(),
        forbidden_capabilities: ExtendedCapabilities::default(),
        handshake_formats: vec![1, 0xf0aa],
        external_proposal_allowed: true,
        external_commit_allowed: false,
        pending_proposal_policy: PendingProposalPolicy::ImmediateCommit,
        leaf_node_update_time: times(0x10),
        app_message_policy: AppMessagePolicy {
            epoch_tolerance: 3,
            pad_to_size: 0x0400,
            max_generations_skipahead: 0x0102_0304,
        },
        max_kp_lifetime: 5,
        max_credential_lifetime: 6,
        resumption_psk_lifetime: 7,
        sender_nonce_keypair_lifetime: times(0x20),
        max_keypairs: 8,
        buffer_incoming_message_time: times(0x30),
        max_buffered_messages: 9,
    };
    let octets = octets!(
        capabilities_octets,
        [0; 20].as_slice(),
        "04 0001 f0aa 01 00 01",
        "0000000000000010 0000000000000011 0000000000000012",
        "03 0400 01020304",
        "0000000000000005 0000000000000006 0000000000000007",
        "0000000000000020 0000000000000021 0000000000000022",
        "00000008",
        "0000000000000030 0000000000000031 0000000000000032",
        "00000009",
    );
    assert_octets(&parameters, &octets);
}

proptest! {
    #[test]
    fn join_links_round_trip(links: Vec<Vec<u8>>, removed in any::<std::collections::BTreeSet<u32>>()) {
        let links: Vec<JoinLink> = links.into_iter().map(JoinLink).collect();
        let data = JoinLinksData { links: links.clone() };
        prop_assert_eq!(JoinLinksData::decode(&data.encode()), Ok(data));
        let removed_indices = removed.into_iter().collect();
        let update = JoinLinksUpdate { removed_indices, added_links: links };
        prop_assert_eq!(JoinLinksUpdate::decode(&update.encode()), Ok(update));
    }

    #[test]
    fn expirations_round_trip(min: u32, more: u32, default: Option<u32>) {
        let range = ExpirationRange {
            min_expiration_duration: min,
            max_expiration_duration: min.saturating_add(more),
            default_expiration_duration: default,
        };
        let policy = MessageExpiration { expiring_messages: Conditional::Required(range) };
        prop_assert_eq!(MessageExpiration::decode(&policy.encode()), Ok(policy));
    }

    #[test]
    fn capabilities_round_trip(numbers: Vec<u16>, content_types: Vec<u8>, types: Vec<String>) {
        let media_types = types.iter().map(|media_type| MediaType::new(media_type)).collect();
        let capabilities = ExtendedCapabilities {
            versions: numbers.clone(),
            component_ids: numbers,
            media_types,
            content_types,
            ..Default::default()
        };
        prop_assert_eq!(ExtendedCapabilities::decode(&capabilities.encode()), Ok(capabilities));
    }

    #[test]
    fn asset_policies_round_trip(types: Option<Vec<String>>, limit: u64) {
        let types = types.map(|types| types.iter().map(|name| MediaType::new(name)).collect());
        let policy = AssetPolicy {
            max_image: limit,
            ..assets(types.map(PermittedMediaTypes::new))
        };
        prop_assert_eq!(AssetPolicy::decode(&policy.encode()), Ok(policy));
    }
}
