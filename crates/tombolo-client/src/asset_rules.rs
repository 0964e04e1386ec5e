//! What a room and this device allow of assets (FLOW-14, POLICY-AS-1..3, PROTO-DL-6, AMB-DL-6). Pure.

use mimi_policy::RoomView;
use mimi_policy::message::Asset;
use mimi_wire::component::ASSET_POLICY;
use mimi_wire::content::ExternalPart;
use mimi_wire::media::MediaType;
use mimi_wire::protocol::proxy_download::AssetUrl;
use mimi_wire::room::asset_policy::{AssetPolicy, DownloadPrivacyType};
use mimi_wire::{Domain, Wire};

use crate::error::ClientError;

/// The ways of downloading that a device takes unless its user says otherwise, the one it likes best
/// first. Never directly: the asset's host would learn who is online where (PROTO-DL-1).
pub const WAYS_DEFAULT: [DownloadPrivacyType; 2] =
    [DownloadPrivacyType::Ohttp, DownloadPrivacyType::HubProxy];

/// An asset that is about to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Outbound<'a> {
    /// What it is offered as.
    pub kind: Asset,
    /// Its media type.
    pub media_type: &'a str,
    /// Its octets, before they are encrypted.
    pub octets: u64,
}

/// The asset policy of a room; none where it has none.
///
/// # Errors
/// [`ClientError::Refused`] if it cannot be read: nothing is sent or fetched against rules unknown.
pub fn policy(view: &RoomView) -> Result<Option<AssetPolicy>, ClientError> {
    let octets = view.other_components.get(&ASSET_POLICY);
    let policy = octets.map(|octets| AssetPolicy::decode(octets)).transpose();
    policy.map_err(|error| {
        ClientError::Refused(format!("the room's rules about files cannot be read: {error}"))
    })
}

/// Whether an asset may be sent, as far as is known before it is uploaded
/// (POLICY-AS-2, POLICY-AS-3).
///
/// # Errors
/// [`ClientError::Refused`] says why not.
pub fn check_outbound(
    policy: Option<&AssetPolicy>,
    asset: Outbound<'_>,
) -> Result<(), ClientError> {
    let Some(policy) = policy else { return Ok(()) };
    check_type(policy, asset.media_type)?;
    let most = match asset.kind {
        Asset::Image => policy.max_image,
        Asset::Audio => policy.max_audio,
        Asset::Video => policy.max_video,
        Asset::Attachment => policy.max_attachment,
    };
    if asset.octets > most {
        let text = format!("files in this room have at most {most} octets");
        return Err(ClientError::Refused(text));
    }
    Ok(())
}

/// Whether it may be where it is (POLICY-AS-1).
///
/// # Errors
/// [`ClientError::Refused`] if the room wants it elsewhere.
pub fn check_host(
    policy: Option<&AssetPolicy>,
    host: &Domain,
    sender: &Domain,
    hub: &Domain,
) -> Result<(), ClientError> {
    match policy {
        Some(policy) if !policy.permits_host(host, sender, hub) => {
            Err(ClientError::Refused(format!("this room does not allow files at {host}")))
        }
        _ => Ok(()),
    }
}

/// Whether a received asset may be fetched, and from where (POLICY-AS-1, POLICY-AS-2).
///
/// # Errors
/// [`ClientError::Refused`] says why not.
pub fn check_inbound(
    policy: Option<&AssetPolicy>,
    part: &ExternalPart,
    sender: &Domain,
    hub: &Domain,
) -> Result<AssetUrl, ClientError> {
    let refused = |text: String| ClientError::Refused(text);
    let url = AssetUrl::new(&part.url).map_err(|fault| refused(fault.to_string()))?;
    check_host(policy, url.host(), sender, hub)?;
    if let Some(policy) = policy {
        check_type(policy, &part.content_type)?;
    }
    Ok(url)
}

fn check_type(policy: &AssetPolicy, media_type: &str) -> Result<(), ClientError> {
    if policy.permits(&MediaType::new(media_type)) {
        return Ok(());
    }
    Err(ClientError::Refused(format!("this room does not allow files of type {media_type}")))
}

/// How to download, the way to take first and then those to fall back on where a hub does not offer
/// it: what the room prefers where this device does so, then what this device prefers where the room
/// allows it (PROTO-DL-6).
///
/// # Errors
/// [`ClientError::Refused`] if no way is allowed by both.
pub fn ways(
    policy: Option<&AssetPolicy>,
    local: &[DownloadPrivacyType],
) -> Result<Vec<DownloadPrivacyType>, ClientError> {
    let privacy = policy.map(|policy| &policy.download_privacy);
    let preferred = privacy.map(|privacy| privacy.default_download_type);
    let mut ways = Vec::new();
    for way in preferred.into_iter().chain(local.iter().copied()) {
        let allowed = privacy.is_none_or(|privacy| privacy.allows(way));
        if allowed && local.contains(&way) && !ways.contains(&way) {
            ways.push(way);
        }
    }
    match ways.is_empty() {
        true => {
            let text = "this device and this room agree on no way of fetching files";
            Err(ClientError::Refused(text.to_owned()))
        }
        false => Ok(ways),
    }
}

#[cfg(test)]
mod tests;
