//! What can stand in the way of deciding on a request, and what to do about it: issuers that have to
//! be looked up first, and races that were lost.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mimi_mls::error::StageError;
use mimi_mls::identity::IdentityError;
use mimi_policy::RoomView;
use mimi_provider::Reject;
use mimi_wire::{Domain, MimiUri};
use tombolo_store::StoreError;

use crate::provider::{Provider, storage_failed};
use crate::rooms::view_of;

/// How often one request is decided anew after a lost race.
const RACES_MAX: u32 = 5;
/// Providers whose issuers are looked up for one request.
const LOOKUPS_MAX: usize = 8;

/// Why an attempt came to no decision, or to a refusal.
#[derive(Clone, Debug)]
pub(super) enum Obstacle {
    /// The decision is no.
    Reject(Reject),
    /// The client issuers of a provider are needed. Nothing may be held while they are fetched.
    IssuerUnknown(Domain),
    /// The room that the one in question depends on is needed. Nothing may be held while it is
    /// looked at.
    ParentUnknown(MimiUri),
    /// Somebody else's commit came first.
    LostRace,
}

impl From<Reject> for Obstacle {
    fn from(reject: Reject) -> Self {
        Self::Reject(reject)
    }
}

impl From<StoreError> for Obstacle {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(_) => Self::LostRace,
            failed => Self::Reject(storage_failed(failed)),
        }
    }
}

impl From<IdentityError> for Obstacle {
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::IssuerUnknown(domain) => Self::IssuerUnknown(domain),
            error => Self::Reject(Reject::NotAllowed(error.to_string())),
        }
    }
}

impl From<StageError> for Obstacle {
    fn from(error: StageError) -> Self {
        let reject = match error {
            StageError::Identity(error) => return error.into(),
            StageError::WrongEpoch { current, .. } => Reject::Stale { current_epoch: current },
            StageError::InvalidProposal { references, reason } => {
                Reject::InvalidProposals { references, reason }
            }
            StageError::Denied(denied) => Reject::Denied(denied),
            StageError::Internal(reason) => Reject::Internal(reason),
            invalid => {
                Reject::InvalidProposals { references: Vec::new(), reason: invalid.to_string() }
            }
        };
        Self::Reject(reject)
    }
}

/// A room that another one depends on, of those that have been looked at.
pub(super) fn parent_among(
    parents: &BTreeMap<MimiUri, RoomView>,
    parent: Option<MimiUri>,
) -> Result<Option<&RoomView>, Obstacle> {
    let Some(parent) = parent else { return Ok(None) };
    match parents.get(&parent) {
        Some(view) => Ok(Some(view)),
        None => Err(Obstacle::ParentUnknown(parent)),
    }
}

/// What has been tried for one request.
#[derive(Debug, Default)]
pub(super) struct Retries {
    races: u32,
    looked_up: BTreeSet<Domain>,
    parents: BTreeMap<MimiUri, RoomView>,
}

impl Retries {
    /// Rooms that others depend on, as they were when they were needed.
    pub(super) fn parents(&self) -> &BTreeMap<MimiUri, RoomView> {
        &self.parents
    }

    /// Removes an obstacle so that the request can be decided anew, or says why that is no use.
    pub(super) async fn overcome(
        &mut self,
        provider: &Arc<Provider>,
        obstacle: Obstacle,
    ) -> Result<(), Reject> {
        match obstacle {
            Obstacle::Reject(reject) => Err(reject),
            Obstacle::ParentUnknown(parent) => {
                let view = view_of(provider, &parent).await?;
                self.parents.insert(parent, view);
                Ok(())
            }
            Obstacle::LostRace if self.races < RACES_MAX => {
                self.races += 1;
                Ok(())
            }
            Obstacle::LostRace => {
                Err(Reject::Unavailable("too many requests for the same at once".to_owned()))
            }
            Obstacle::IssuerUnknown(domain) => {
                if self.looked_up.len() >= LOOKUPS_MAX || !self.looked_up.insert(domain.clone()) {
                    let reason = format!("the client issuers of {domain} cannot be learned");
                    return Err(Reject::NotAllowed(reason));
                }
                let peers = &provider.peers;
                peers.learn_issuers(&domain).await.map_err(|error| error.into_reject(&domain))
            }
        }
    }
}
