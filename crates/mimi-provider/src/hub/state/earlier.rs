//! States and notes as they were saved before hubs evicted anybody, before there were join codes and
//! before hubs franked: version 1 of both.

use std::collections::{BTreeSet, VecDeque};

use mimi_wire::{Domain, MimiUri};
use serde::Deserialize;

use super::{HubState, JoinGrant, Pending, Recent};
use crate::record::Seq;

/// First octet of a state and of a note of this form.
pub(super) const VERSION: u8 = 1;

#[derive(Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
pub(super) struct State {
    pub(super) last_seq: Seq,
    pub(super) last_timestamp_ms: u64,
    pub(super) pending: Vec<Pending>,
    pub(super) leaving: BTreeSet<MimiUri>,
    pub(super) grants: Vec<Grant>,
    pub(super) recent: VecDeque<Accepted>,
    pub(super) followers: BTreeSet<Domain>,
    pub(super) handshakes_since_snapshot: u32,
}

/// A [`Recent`] from before hubs franked.
#[derive(Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
pub(super) struct Accepted {
    pub(super) sha256: [u8; 32],
    pub(super) timestamp_ms: u64,
    pub(super) by: Option<Domain>,
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
pub(super) struct Grant {
    pub(super) user: MimiUri,
    pub(super) client: MimiUri,
    pub(super) signature_key: Vec<u8>,
    pub(super) expires_ms: u64,
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
pub(super) enum Note {
    JoinGrant(Grant),
}

impl From<State> for HubState {
    fn from(state: State) -> Self {
        Self {
            last_seq: state.last_seq,
            last_timestamp_ms: state.last_timestamp_ms,
            pending: state.pending,
            leaving: state.leaving,
            grants: state.grants.into_iter().map(JoinGrant::from).collect(),
            recent: state.recent.into_iter().map(Recent::from).collect(),
            followers: state.followers,
            handshakes_since_snapshot: state.handshakes_since_snapshot,
            ..Self::default()
        }
    }
}

impl From<Accepted> for Recent {
    fn from(accepted: Accepted) -> Self {
        let Accepted { sha256, timestamp_ms, by } = accepted;
        Self { sha256, timestamp_ms, by, frank: Vec::new() }
    }
}

impl From<Grant> for JoinGrant {
    fn from(grant: Grant) -> Self {
        let Grant { user, client, signature_key, expires_ms } = grant;
        Self { user, client, signature_key, joining_code: None, expires_ms }
    }
}

impl From<Note> for super::Note {
    fn from(note: Note) -> Self {
        match note {
            Note::JoinGrant(grant) => Self::JoinGrant(grant.into()),
        }
    }
}
