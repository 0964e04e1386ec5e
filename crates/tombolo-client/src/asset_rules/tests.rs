use mimi_policy::message::Asset;
use mimi_wire::Domain;
use mimi_wire::content::external::{Encryption, Upload, seal};
use mimi_wire::media::MediaType;
use mimi_wire::room::asset_policy::{
    AssetPolicy, AssetUploadLocation, DownloadPrivacy, DownloadPrivacyType,
    ProviderAssetUploadDomains,
};

use super::{Outbound, WAYS_DEFAULT, check_inbound, check_outbound, ways};

use DownloadPrivacyType::{Direct, HubProxy, Ohttp};

fn domain(name: &str) -> Domain {
    Domain::new(name).unwrap()
}

fn policy() -> AssetPolicy {
    AssetPolicy {
        asset_upload_location: AssetUploadLocation::LocalProvider,
        upload_domains: vec![ProviderAssetUploadDomains {
            provider: domain("b.example"),
            asset_upload_destinations: vec![domain("files.b.example")],
        }],
        download_privacy: DownloadPrivacy {
            allowed_download_types: vec![HubProxy, Ohttp, Direct],
            forbidden_download_types: Vec::new(),
            default_download_type: HubProxy,
        },
        max_image: 10,
        max_audio: 20,
        max_video: 0,
        max_attachment: 1_000,
        forbidden_media_types: vec![MediaType::new("text/html")],
        permitted_media_types: None,
    }
}

/// POLICY-AS-2, POLICY-AS-3: at the limit of each kind and one octet above it.
#[test]
fn sizes_and_types() {
    let outbound = |kind, media_type, octets| {
        check_outbound(Some(&policy()), Outbound { kind, media_type, octets })
    };
    for (kind, most) in
        [(Asset::Image, 10), (Asset::Audio, 20), (Asset::Video, 0), (Asset::Attachment, 1_000)]
    {
        assert!(outbound(kind, "image/png", most).is_ok());
        assert!(outbound(kind, "image/png", most + 1).is_err());
    }
    for media_type in ["text/html", "Text/HTML; charset=utf-8"] {
        assert!(outbound(Asset::Attachment, media_type, 1).is_err(), "{media_type}");
    }
    let unlimited = Outbound { kind: Asset::Attachment, media_type: "x/y", octets: u64::MAX };
    assert!(check_outbound(None, unlimited).is_ok());
}

/// POLICY-AS-1: a foreign host is not asked for anything.
#[test]
fn hosts() {
    let inbound = |url: &str, sender: &str| {
        let upload = Upload { content_type: "image/png", url, filename: "a.png" };
        let (part, _) = seal(upload, b"x", &Encryption::None).unwrap();
        check_inbound(Some(&policy()), &part, &domain(sender), &domain("a.example"))
    };
    assert!(inbound("https://files.b.example/1", "b.example").is_ok());
    assert!(inbound("https://b.example/1", "b.example").is_err());
    assert!(inbound("https://files.b.example/1", "c.example").is_err());
    assert!(inbound("http://files.b.example/1", "b.example").is_err());
    assert!(inbound("https://files.b.example@c.example/1", "b.example").is_err());
}

/// PROTO-DL-6, PROTO-DL-1, AMB-DL-6: forbidden wins, and what is not listed is not allowed; nothing is
/// fetched directly that neither the room nor the user wants to be.
#[test]
fn ways_of_room_and_device() {
    let of = |policy: &AssetPolicy, local: &[_]| ways(Some(policy), local);
    assert_eq!(ways(None, &WAYS_DEFAULT).unwrap(), [Ohttp, HubProxy]);
    assert_eq!(of(&policy(), &WAYS_DEFAULT).unwrap(), [HubProxy, Ohttp]);
    assert_eq!(of(&policy(), &[Direct, Ohttp, HubProxy]).unwrap(), [HubProxy, Direct, Ohttp]);
    assert_eq!(of(&policy(), &[Ohttp]).unwrap(), [Ohttp]);
    let mut forbidding = policy();
    forbidding.download_privacy.forbidden_download_types = vec![HubProxy];
    assert_eq!(of(&forbidding, &WAYS_DEFAULT).unwrap(), [Ohttp]);
    assert!(of(&forbidding, &[HubProxy]).is_err());
    let mut direct = policy();
    direct.download_privacy.allowed_download_types = vec![Direct];
    direct.download_privacy.default_download_type = Direct;
    assert!(of(&direct, &WAYS_DEFAULT).is_err(), "PROTO-DL-1: never by itself");
    assert_eq!(of(&direct, &[Ohttp, Direct]).unwrap(), [Direct]);
    direct.download_privacy.forbidden_download_types = vec![Direct];
    assert!(of(&direct, &[Direct]).is_err());
    assert!(ways(None, &[]).is_err());
}
