//! Messages encrypted ahead of their sending, for load generators: what a device can encrypt in a
//! second is then not what limits them.

use mimi_wire::MimiUri;
use mimi_wire::content::MimiContent;
use rand::CryptoRng;

use crate::error::ClientError;
use crate::session::Session;
use crate::session::request::{Outgoing, Request, RequestId};
use crate::session::send::{encrypt, submission};

/// A message that is encrypted and not sent.
#[derive(Clone, Debug)]
pub struct PreparedMessage {
    /// The request that submits it, complete; its answer is for whoever sends it, not for the session.
    pub outgoing: Outgoing,
    /// The MLS message, as it comes back in every receiver's event.
    pub message: Vec<u8>,
}

impl Session {
    /// Encrypts texts for a room in its present epoch, franking tags included, in their order, and
    /// sends none of them.
    ///
    /// Each is good for one sending, as long as the epoch lasts. They are neither stored nor shown
    /// nor sent again; the ratchet's steps are among the [changes](Self::take_changes), so that a
    /// device that stores them can go on afterwards. Fails if the device is not in the room, or others'
    /// proposals must be committed first.
    pub fn prepare_texts(
        &mut self,
        room: &MimiUri,
        texts: &[String],
        rng: &mut dyn CryptoRng,
    ) -> Result<Vec<PreparedMessage>, ClientError> {
        let token = self.token();
        let (known, means) = self.parts(room)?;
        known.member()?;
        let group = known.group.as_mut().ok_or_else(|| ClientError::NotInRoom(room.clone()))?;
        let own = &means.own.user;
        let mut prepared = Vec::with_capacity(texts.len());
        for text in texts {
            let mut salt = [0; 16];
            rng.fill_bytes(&mut salt);
            let content = MimiContent::text(salt, own, room, text).encode();
            let content = content.map_err(|error| ClientError::Other(error.to_string()))?;
            let message = encrypt(group, means.device, &content)
                .map_err(|error| ClientError::Other(error.to_string()))?;
            let message = message.octets().to_vec();
            let body = submission(&message, own).ok_or_else(|| {
                ClientError::Other("a message of our own is malformed".to_owned())
            })?;
            let request = Request::SubmitMessage { room: room.clone(), body };
            let id = RequestId(means.effects.number());
            let outgoing = Outgoing { id, token: token.clone(), request };
            prepared.push(PreparedMessage { outgoing, message });
        }
        means.effects.save_group(room, group);
        Ok(prepared)
    }
}
