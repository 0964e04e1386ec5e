//! Files: encrypted here, uploaded to our provider, fetched in the way that room and user want
//! ([`downloads`](super::downloads)), and verified before anybody sees them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mimi_policy::message::{Asset, MessageAction, may_apply, may_use};
use mimi_wire::MimiUri;
use mimi_wire::content::external::{self, Encryption, Upload as Sealing, seal_owned};
use mimi_wire::content::{ExternalPart, MessageId};
use mimi_wire::protocol::proxy_download::AssetUrl;
use mimi_wire::room::asset_policy::DownloadPrivacyType;
use rand::RngCore;
use tokio::io::AsyncReadExt;

use super::downloads::{Fetching, failed};
use super::driver::Input;
use crate::asset_rules::{Outbound, check_host, check_inbound, check_outbound, policy, ways};
use crate::client::Client;
use crate::error::ClientError;
use crate::session::command::Draft;
use crate::session::request::TransportError;
use crate::transport::Token;
use crate::transport::assets::{AssetTransport, Upload};

/// Octets of the largest file that is sent or fetched. It is in memory, once: an AEAD over the whole is
/// what the format has, and nobody sees an octet before all are verified.
pub const FILE_OCTETS_MAX: u64 = 100 * 1024 * 1024;
/// What encryption adds.
const TAG_OCTETS: u64 = external::TAG_OCTETS as u64;
/// Octets that are sent at once.
const PIECE_OCTETS: usize = 1024 * 1024;
/// How often in a row a piece may fail before the upload is given up.
pub(super) const TRIES_MAX: u32 = 6;
/// Pause after the first failure; each time twice as long.
pub(super) const PAUSE: Duration = Duration::from_millis(500);

/// A file as it was fetched: verified and decrypted.
#[derive(Clone, Eq, PartialEq)]
pub struct Download {
    /// What is in it.
    pub content: Vec<u8>,
    /// Its media type, as its sender says.
    pub content_type: String,
    /// A name that is safe as the name of a file; none if the sender suggests none.
    pub filename: Option<String>,
    /// Whether the sender vouches for every octet; if not, only the file's host does.
    pub is_authenticated: bool,
    /// The way it came.
    pub way: DownloadPrivacyType,
}

impl std::fmt::Debug for Download {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Download of {} octets of {}", self.content.len(), self.content_type)
    }
}

impl Client {
    /// Sends a file as an attachment: encrypted with a fresh key, uploaded to our provider, and
    /// named in a message.
    pub async fn send_file(&self, room: &MimiUri, path: &Path) -> Result<MessageId, ClientError> {
        let unreadable =
            |error: std::io::Error| ClientError::Other(format!("{}: {error}", path.display()));
        let metadata = tokio::fs::metadata(path).await.map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(ClientError::Other(format!("{} is not a file", path.display())));
        }
        check_size(metadata.len())?;
        let file = tokio::fs::File::open(path).await.map_err(unreadable)?;
        let mut content = with_room_for(metadata.len());
        // It may grow meanwhile, or not say how large it is.
        let mut file = file.take(FILE_OCTETS_MAX + 1);
        file.read_to_end(&mut content).await.map_err(unreadable)?;
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        self.send_owned(room, name, media_type(name), content).await
    }

    /// Sends a content as an attachment.
    pub async fn send_content(
        &self,
        room: &MimiUri,
        filename: &str,
        content_type: &str,
        content: &[u8],
    ) -> Result<MessageId, ClientError> {
        let octets = content.len() as u64;
        check_size(octets)?;
        let mut owned = with_room_for(octets);
        owned.extend_from_slice(content);
        self.send_owned(room, filename, content_type, owned).await
    }

    async fn send_owned(
        &self,
        room: &MimiUri,
        filename: &str,
        content_type: &str,
        content: Vec<u8>,
    ) -> Result<MessageId, ClientError> {
        check_size(content.len() as u64)?;
        let own = &self.identity().user;
        let view = self.policy(room).await?;
        let (sender, hub) = (own.domain(), room.domain());
        // Before anything is uploaded that nobody may see.
        may_apply(&view, own, MessageAction::Upload(Asset::Attachment))?;
        let policy = policy(&view)?;
        let octets = content.len() as u64;
        let outbound = Outbound { kind: Asset::Attachment, media_type: content_type, octets };
        check_outbound(policy.as_ref(), outbound)?;
        let (transport, token) = self.assets().await?;
        let upload = transport.begin(token.clone(), octets + TAG_OCTETS).await;
        let upload = upload.map_err(failed)?;
        let url = AssetUrl::new(&upload.url).map_err(|fault| {
            ClientError::Other(format!("the provider's URL for the file is none: {fault}"))
        })?;
        check_host(policy.as_ref(), url.host(), &sender, &hub)?;
        let (mut key, mut nonce) = ([0; 16], [0; 12]);
        let mut rng = self.surroundings.rng();
        rng.fill_bytes(&mut key);
        rng.fill_bytes(&mut nonce);
        let encryption = Encryption::Aes128Gcm { key, nonce };
        let sealing = Sealing { content_type, url: url.as_str(), filename };
        let (mut part, sealed) = seal_owned(sealing, content, &encryption)
            .map_err(|fault| ClientError::Other(fault.to_string()))?;
        let done = send_pieces(&*transport, &token, upload, &Bytes::from(sealed)).await?;
        part.expires = u32::try_from(done.expires_s).unwrap_or_default();
        self.send(room, Draft::File { part: Box::new(part) }).await
    }

    /// Fetches a file of a message, by its place among the message's
    /// [`attachments`](crate::ShownMessage::attachments).
    pub async fn download(
        &self,
        room: &MimiUri,
        message: MessageId,
        index: usize,
    ) -> Result<Download, ClientError> {
        let messages = self.room(room).await?.messages;
        let shown = messages.into_iter().find(|shown| shown.id == message);
        let shown =
            shown.ok_or_else(|| ClientError::Other("there is no such message".to_owned()))?;
        let part = shown.attachments.get(index);
        let part = part.ok_or_else(|| ClientError::Other("the message has no file".to_owned()))?;
        self.fetch(room, &shown.sender, part).await
    }

    async fn fetch(
        &self,
        room: &MimiUri,
        sender: &MimiUri,
        part: &ExternalPart,
    ) -> Result<Download, ClientError> {
        let unusable = |fault| ClientError::Refused(format!("the file cannot be used: {fault}"));
        let now_s = self.surroundings.now_ms() / 1_000;
        part.check_before_fetching(now_s).map_err(unusable)?;
        let view = self.policy(room).await?;
        may_use(&view, &self.identity().user, Asset::Attachment.download())?;
        let policy = policy(&view)?;
        let hub = room.domain();
        let url = check_inbound(policy.as_ref(), part, &sender.domain(), &hub)?;
        let octets_max = match part.size {
            0 => FILE_OCTETS_MAX + TAG_OCTETS,
            size if size > FILE_OCTETS_MAX + TAG_OCTETS => {
                return Err(ClientError::Refused("the file is too large".to_owned()));
            }
            size => size,
        };
        let settings = self.download_settings();
        let ways = ways(policy.as_ref(), &settings.ways)?;
        let (transport, token) = self.assets().await?;
        let address = settings.addresses.get(url.host().as_str()).copied();
        let fetching = Fetching { transport, token, hub, url, address, octets_max };
        let size = Some(part.size).filter(|size| *size > 0);
        let (served, way) = fetching.by_first_of(&ways, size).await?;
        Ok(Download {
            // CONTENT-XP-3: hash, size and tag before anybody sees an octet of it.
            content: part.open_owned(served, now_s).map_err(unusable)?,
            content_type: part.content_type.clone(),
            filename: part.safe_filename(),
            is_authenticated: part.is_authenticated(),
            way,
        })
    }

    async fn assets(&self) -> Result<(Arc<dyn AssetTransport>, Token), ClientError> {
        let (transport, token) = self.ask(Input::Assets).await?;
        let transport = transport.ok_or_else(|| {
            ClientError::Other("this device's transport carries no files".to_owned())
        })?;
        Ok((transport, token.ok_or(ClientError::NotRegistered)?))
    }
}

fn check_size(octets: u64) -> Result<(), ClientError> {
    match octets > FILE_OCTETS_MAX {
        true => Err(ClientError::Refused(format!("files have at most {FILE_OCTETS_MAX} octets"))),
        false => Ok(()),
    }
}

/// Memory for a content and the tag, neither of which moves then.
fn with_room_for(octets: u64) -> Vec<u8> {
    Vec::with_capacity(usize::try_from(octets + TAG_OCTETS).unwrap_or_default())
}

/// Sends everything from where the upload is; what fails is asked about and gone on with.
async fn send_pieces(
    transport: &dyn AssetTransport,
    token: &Token,
    mut upload: Upload,
    sealed: &Bytes,
) -> Result<Upload, ClientError> {
    let mut tries = 0;
    while !upload.complete {
        let start = usize::try_from(upload.offset).unwrap_or(usize::MAX).min(sealed.len());
        let piece = sealed.slice(start..sealed.len().min(start + PIECE_OCTETS));
        let sent = transport.append(token.clone(), &upload.id, upload.offset, piece).await;
        let error = match sent {
            Ok(next) if next.complete || next.offset > upload.offset => {
                (upload, tries) = (next, 0);
                continue;
            }
            Ok(_) => TransportError::Garbled("the upload does not go on".to_owned()),
            Err(error) => error,
        };
        tries += 1;
        // A conflict is an answer that was lost: the offset is another one by now.
        if tries >= TRIES_MAX || !(error.is_passing() || error.is_refusal("conflict")) {
            return Err(failed(error));
        }
        tokio::time::sleep(PAUSE * 2_u32.pow(tries - 1)).await;
        if let Ok(now) = transport.status(token.clone(), &upload.id).await {
            upload = now;
        }
    }
    Ok(upload)
}

/// By the ending of its name. Receivers decide for themselves what they do with it.
fn media_type(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    match ending.unwrap_or_default().as_str() {
        "avif" => "image/avif",
        "csv" => "text/csv",
        "gif" => "image/gif",
        "jpg" | "jpeg" => "image/jpeg",
        "json" => "application/json",
        "m4a" => "audio/mp4",
        "md" => "text/markdown",
        "mp3" => "audio/mpeg",
        "mp4" => "video/mp4",
        "ogg" | "opus" => "audio/ogg",
        "pdf" => "application/pdf",
        "png" => "image/png",
        "txt" => "text/plain",
        "wav" => "audio/wav",
        "webm" => "video/webm",
        "webp" => "image/webp",
        "zip" => "application/zip",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests;
