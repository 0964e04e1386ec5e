//! Messages encrypted ahead of their sending, and large rooms filled at once, for load generators: what
//! a device can do in a second is then not what limits them.

use std::collections::BTreeSet;

use bytes::Bytes;
use mimi_mls::member::CommitPlan;
use mimi_wire::content::MimiContent;
use mimi_wire::mls::KeyPackage;
use mimi_wire::protocol::update::UpdateRequest;
use mimi_wire::room::participant_list::{ParticipantListUpdate, UserRolePair};
use mimi_wire::{MimiUri, Wire};
use rand::{CryptoRng, SeedableRng};

use crate::error::ClientError;
use crate::session::Session;
use crate::session::add_user::ordinary_role;
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

    /// A commit that adds clients of these users by KeyPackages that the caller has made sure of, and
    /// lists the users who are not listed yet; at most a few thousand, as a commit can hold.
    ///
    /// Its answer is for whoever sends it, who then says so
    /// ([`addition_accepted`](Self::addition_accepted)) or gives the device up. The session must be at
    /// rest, with nothing under way in the room.
    pub fn prepare_addition(
        &mut self,
        room: &MimiUri,
        clients: &[(MimiUri, KeyPackage)],
        rng: &mut dyn CryptoRng,
        now_ms: u64,
    ) -> Result<Outgoing, ClientError> {
        let fault = |error: mimi_mls::error::StageError| ClientError::Other(error.to_string());
        let token = self.token();
        let (known, means) = self.parts(room)?;
        known.member()?;
        let group = known.group.as_mut().ok_or_else(|| ClientError::NotInRoom(room.clone()))?;
        let view = group.view();
        let role_index = ordinary_role(view, &means.own.user);
        let listed: BTreeSet<&MimiUri> =
            view.participants.participants.iter().map(|listed| &listed.user).collect();
        let users: BTreeSet<&MimiUri> = clients.iter().map(|(user, _)| user).collect();
        let pair = |user: &&MimiUri| UserRolePair { user: (*user).clone(), role_index };
        let added_participants: Vec<_> = users.difference(&listed).map(pair).collect();
        let update = ParticipantListUpdate { added_participants, ..Default::default() };
        let plan = CommitPlan {
            add: clients.iter().map(|(_, key_package)| key_package.clone()).collect(),
            participants: Some(update).filter(|update| !update.added_participants.is_empty()),
            ..CommitPlan::default()
        };
        let mut seed = [0; 32];
        rng.fill_bytes(&mut seed);
        let mut rng = rand::rngs::StdRng::from_seed(seed);
        let (bundle, _) = group.commit(means.device, &plan, &mut rng, now_ms).map_err(fault)?;
        let body = Bytes::from(UpdateRequest::Commit(bundle).encode());
        let id = RequestId(means.effects.number());
        Ok(Outgoing { id, token, request: Request::Update { room: room.clone(), body } })
    }

    /// The hub has accepted the prepared commit at this time.
    pub fn addition_accepted(
        &mut self,
        room: &MimiUri,
        accepted_ms: u64,
    ) -> Result<(), ClientError> {
        let (known, means) = self.parts(room)?;
        let group = known.group.as_mut().ok_or_else(|| ClientError::NotInRoom(room.clone()))?;
        group.accept_pending().map_err(|error| ClientError::Other(error.to_string()))?;
        known.save_group(means.effects);
        known.epoch_began(accepted_ms, means.effects);
        Ok(())
    }
}
