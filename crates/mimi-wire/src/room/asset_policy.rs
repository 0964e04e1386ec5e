//! Component 0x002C, `asset_policy` (room-policy-03 section 6.4). The update format is the data
//! format.

use serde::{Deserialize, Serialize};

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::limits::LIST_ELEMENTS_MAX;
use crate::media::MediaType;
use crate::uri::Domain;

/// Where attachments are uploaded to (POLICY-AS-1).
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[repr(u8)]
pub enum AssetUploadLocation {
    /// Anywhere.
    Unspecified = 0,
    /// To a domain of the sender's own provider.
    LocalProvider = 1,
    /// To a domain of the hub.
    Hub = 2,
}

/// `ProviderAssetUploadDomains`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ProviderAssetUploadDomains {
    /// A provider.
    pub provider: Domain,
    /// Hosts of its assets.
    pub asset_upload_destinations: Vec<Domain>,
}

/// `DownloadPrivacyType`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[repr(u8)]
pub enum DownloadPrivacyType {
    /// From the asset's host.
    Direct = 0,
    /// Through the hub.
    HubProxy = 1,
    /// By Oblivious HTTP.
    Ohttp = 2,
}

/// `DownloadPrivacy`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct DownloadPrivacy {
    /// Nothing is allowed that is not here (AMB-DL-6).
    pub allowed_download_types: Vec<DownloadPrivacyType>,
    /// Wins over the above.
    pub forbidden_download_types: Vec<DownloadPrivacyType>,
    /// What to use where the user has no wish.
    pub default_download_type: DownloadPrivacyType,
}

/// How the permitted types stand on the wire: the draft's prose and its struct differ
/// (AMB-POL-11).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub enum PermittedForm {
    /// `optional<MediaType x<V>>`, the one we send.
    #[default]
    OptionalVector,
    /// `optional<MediaType> x<V>`, understood when the other form does not parse.
    VectorOfOptionals,
}

/// The media types that are permitted, all others being refused.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PermittedMediaTypes {
    /// The types.
    pub media_types: Vec<MediaType>,
    /// How they were received or will be sent.
    pub form: PermittedForm,
}

/// `AssetPolicy`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct AssetPolicy {
    /// Where to.
    pub asset_upload_location: AssetUploadLocation,
    /// The hosts of each provider's assets.
    pub upload_domains: Vec<ProviderAssetUploadDomains>,
    /// How assets may be fetched.
    pub download_privacy: DownloadPrivacy,
    /// Octets; 0 allows none, 2^64 - 1 any (AMB-POL-36).
    pub max_image: u64,
    /// As above.
    pub max_audio: u64,
    /// As above.
    pub max_video: u64,
    /// As above.
    pub max_attachment: u64,
    /// Never these.
    pub forbidden_media_types: Vec<MediaType>,
    /// Only these, where there is a list.
    pub permitted_media_types: Option<PermittedMediaTypes>,
}

impl DownloadPrivacy {
    /// Whether assets may be fetched so: listed and not forbidden (AMB-DL-6).
    pub fn allows(&self, download: DownloadPrivacyType) -> bool {
        self.allowed_download_types.contains(&download)
            && !self.forbidden_download_types.contains(&download)
    }
}

impl PermittedMediaTypes {
    /// A list in the form we send.
    pub fn new(media_types: Vec<MediaType>) -> Self {
        Self { media_types, form: PermittedForm::default() }
    }
}

impl AssetPolicy {
    /// Whether assets of this type may be sent: in the list if there is one, and not forbidden. An
    /// entry without parameters stands for all parameters (POLICY-AS-2).
    pub fn permits(&self, media_type: &MediaType) -> bool {
        let covered = |entries: &[MediaType]| entries.iter().any(|entry| entry.covers(media_type));
        let permitted = self.permitted_media_types.as_ref();
        permitted.is_none_or(|permitted| covered(&permitted.media_types))
            && !covered(&self.forbidden_media_types)
    }

    /// Whether a host may hold an asset of a sender of this provider (POLICY-AS-1, AMB-POL-35).
    pub fn permits_host(&self, host: &Domain, sender: &Domain, hub: &Domain) -> bool {
        let provider = match self.asset_upload_location {
            AssetUploadLocation::Unspecified => return true,
            AssetUploadLocation::LocalProvider => sender,
            AssetUploadLocation::Hub => hub,
        };
        self.upload_domains.iter().any(|domains| {
            domains.provider == *provider && domains.asset_upload_destinations.contains(host)
        })
    }
}

fn read_domain(reader: &mut Reader<'_>, field: &'static str) -> Result<Domain, Malformed> {
    const DOMAIN_OCTETS_MAX: usize = 253;

    let start = reader.clone();
    let name = reader.text(DOMAIN_OCTETS_MAX, field)?;
    Domain::new(&name).map_err(|error| start.malformed(field, error.to_string()))
}

fn read_download_type(
    reader: &mut Reader<'_>,
    field: &'static str,
) -> Result<DownloadPrivacyType, Malformed> {
    let start = reader.clone();
    match reader.u8(field)? {
        0 => Ok(DownloadPrivacyType::Direct),
        1 => Ok(DownloadPrivacyType::HubProxy),
        2 => Ok(DownloadPrivacyType::Ohttp),
        other => Err(start.malformed(field, format!("unknown type {other}"))),
    }
}

impl Wire for ProviderAssetUploadDomains {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let field = "ProviderAssetUploadDomains.asset_upload_destinations";
        Ok(Self {
            provider: read_domain(reader, "ProviderAssetUploadDomains.provider")?,
            asset_upload_destinations: reader
                .vector(LIST_ELEMENTS_MAX, field, |reader| read_domain(reader, field))?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.opaque(self.provider.as_str().as_bytes());
        writer.vector(&self.asset_upload_destinations, |writer, domain| {
            writer.opaque(domain.as_str().as_bytes());
        });
    }
}

impl Wire for DownloadPrivacy {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut list = |field| {
            reader.vector(LIST_ELEMENTS_MAX, field, |reader| read_download_type(reader, field))
        };
        Ok(Self {
            allowed_download_types: list("DownloadPrivacy.allowed_download_types")?,
            forbidden_download_types: list("DownloadPrivacy.forbidden_download_types")?,
            default_download_type: read_download_type(
                reader,
                "DownloadPrivacy.default_download_type",
            )?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        for list in [&self.allowed_download_types, &self.forbidden_download_types] {
            writer.vector(list, |writer, download| writer.u8(*download as u8));
        }
        writer.u8(self.default_download_type as u8);
    }
}

impl Wire for AssetPolicy {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let forbidden = "AssetPolicy.forbidden_media_types";
        let domains = "AssetPolicy.upload_domains";
        Ok(Self {
            asset_upload_location: read_location(reader)?,
            upload_domains: reader.vector(
                LIST_ELEMENTS_MAX,
                domains,
                ProviderAssetUploadDomains::read,
            )?,
            download_privacy: DownloadPrivacy::read(reader)?,
            max_image: reader.u64("AssetPolicy.max_image")?,
            max_audio: reader.u64("AssetPolicy.max_audio")?,
            max_video: reader.u64("AssetPolicy.max_video")?,
            max_attachment: reader.u64("AssetPolicy.max_attachment")?,
            forbidden_media_types: reader.vector(LIST_ELEMENTS_MAX, forbidden, MediaType::read)?,
            permitted_media_types: read_permitted(reader)?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.u8(self.asset_upload_location as u8);
        writer.vector(&self.upload_domains, |writer, domains| domains.write(writer));
        self.download_privacy.write(writer);
        for limit in [self.max_image, self.max_audio, self.max_video, self.max_attachment] {
            writer.u64(limit);
        }
        writer.vector(&self.forbidden_media_types, |writer, media_type| media_type.write(writer));
        match &self.permitted_media_types {
            None => writer.u8(0),
            Some(PermittedMediaTypes { media_types, form: PermittedForm::OptionalVector }) => {
                writer.u8(1);
                writer.vector(media_types, |writer, media_type| media_type.write(writer));
            }
            Some(PermittedMediaTypes { media_types, .. }) => {
                writer.vector(media_types, |writer, media_type| {
                    writer.optional(Some(media_type), |writer, value| value.write(writer));
                });
            }
        }
    }
}

fn read_location(reader: &mut Reader<'_>) -> Result<AssetUploadLocation, Malformed> {
    let field = "AssetPolicy.asset_upload_location";
    let start = reader.clone();
    match reader.u8(field)? {
        0 => Ok(AssetUploadLocation::Unspecified),
        1 => Ok(AssetUploadLocation::LocalProvider),
        2 => Ok(AssetUploadLocation::Hub),
        other => Err(start.malformed(field, format!("unknown location {other}"))),
    }
}

/// The last field, so the form is the one that reaches the end; absent is the same octet in both
/// (AMB-POL-11).
fn read_permitted(reader: &mut Reader<'_>) -> Result<Option<PermittedMediaTypes>, Malformed> {
    let field = "AssetPolicy.permitted_media_types";
    let mut as_sent = reader.clone();
    let read =
        as_sent.optional(field, |reader| reader.vector(LIST_ELEMENTS_MAX, field, MediaType::read));
    let fault = match read {
        Ok(types) if as_sent.is_empty() => {
            *reader = as_sent;
            return Ok(types.map(PermittedMediaTypes::new));
        }
        Ok(_) => as_sent.malformed("end", "octets after the end"),
        Err(fault) => fault,
    };
    let mut as_printed = reader.clone();
    let types = as_printed.vector(LIST_ELEMENTS_MAX, field, |reader| {
        let start = reader.clone();
        let present = reader.optional(field, MediaType::read)?;
        present.ok_or_else(|| start.malformed(field, "an absent media type in the list"))
    });
    match types {
        Ok(media_types) if as_printed.is_empty() => {
            *reader = as_printed;
            let form = PermittedForm::VectorOfOptionals;
            Ok(Some(PermittedMediaTypes { media_types, form }))
        }
        _ => Err(fault),
    }
}
