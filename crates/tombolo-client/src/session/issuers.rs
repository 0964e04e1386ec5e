//! Client issuers of other providers: fetched when first needed, kept, and looked at again every
//! day, so that a provider can introduce a new one before it uses it.

use std::collections::BTreeMap;

use mimi_mls::error::StageError;
use mimi_mls::identity::{IdentityError, Issuers};
use mimi_wire::Domain;
use serde::{Deserialize, Serialize};

use crate::error::ClientError;
use crate::secret::Secret;
use crate::session::Session;
use crate::session::effects::{Answer, Effects, Moment, Purpose, Timer, refusal};
use crate::session::request::{Request, Response};
use crate::session::saved;

/// How long a room waits before issuers that could not be had are asked for again.
const AGAIN_MS: u64 = 10_000;

/// Issuers older than this are fetched again when the occasion comes.
const FRESH_MS: u64 = 24 * 60 * 60 * 1_000;
/// Issuers fetched longer ago are fetched again before anything is held against a credential.
const RECENT_MS: u64 = 60_000;

/// The issuers known on this device.
#[derive(Debug, Default)]
pub(crate) struct IssuerBook {
    trusted: Issuers,
    /// When each domain's were fetched.
    fetched_ms: BTreeMap<Domain, u64>,
}

/// A domain's issuers, as stored.
#[derive(Deserialize, Serialize)]
struct SavedIssuers {
    fetched_ms: u64,
    pem: Vec<String>,
}

impl IssuerBook {
    /// As stored.
    pub(crate) fn restore(values: &BTreeMap<String, Secret>) -> Result<Self, ClientError> {
        let mut book = Self::default();
        for (name, value) in values {
            let Some(domain) = name.strip_prefix(saved::ISSUERS) else { continue };
            let unreadable = |why: String| ClientError::Storage(format!("{name}: {why}"));
            let domain = Domain::new(domain).map_err(|error| unreadable(error.to_string()))?;
            let SavedIssuers { fetched_ms, pem } = saved::unpack(value, name)?;
            let trusted = book.trusted.trust(domain.clone(), &pem);
            trusted.map_err(|error| unreadable(error.to_string()))?;
            book.fetched_ms.insert(domain, fetched_ms);
        }
        Ok(book)
    }

    pub(crate) fn trusted(&self) -> &Issuers {
        &self.trusted
    }

    /// Asks for the issuers of a domain, unless they are on their way.
    pub(crate) fn need(&self, domain: Domain, effects: &mut Effects) {
        let purpose = Purpose::Issuers(domain.clone());
        if !effects.is_asking(&purpose) {
            effects.request(purpose, Request::Issuers(domain));
        }
    }

    fn is_older(&self, domain: &Domain, age_ms: u64, now_ms: u64) -> bool {
        let fetched_ms = self.fetched_ms.get(domain).copied().unwrap_or_default();
        now_ms.saturating_sub(fetched_ms) > age_ms
    }

    /// The domain whose issuers are to be fetched before a credential counts as unproven: they are
    /// not known, or a new one may not be.
    pub(crate) fn wanted(&self, error: &IdentityError, now_ms: u64) -> Option<Domain> {
        let domain = error.issuers_wanted()?;
        self.is_older(domain, RECENT_MS, now_ms).then(|| domain.clone())
    }

    /// [`wanted`](Self::wanted) for what could not be staged.
    pub(crate) fn wanted_to_stage(&self, error: &StageError, now_ms: u64) -> Option<Domain> {
        match error {
            StageError::Identity(error) => self.wanted(error, now_ms),
            _ => None,
        }
    }

    /// Asks again for all that are no longer fresh.
    pub(crate) fn refresh(&self, now_ms: u64, effects: &mut Effects) {
        for domain in self.fetched_ms.keys() {
            if self.is_older(domain, FRESH_MS, now_ms) {
                self.need(domain.clone(), effects);
            }
        }
    }

    fn trust(
        &mut self,
        domain: &Domain,
        response: Response,
        now_ms: u64,
        effects: &mut Effects,
    ) -> Result<(), ClientError> {
        let Response::Issuers { domain: given, issuers } = response else {
            return Err(refusal(Ok(response)));
        };
        let unusable =
            |why: String| ClientError::Refused(format!("the client issuers of {domain}: {why}"));
        if given != *domain || issuers.is_empty() {
            return Err(unusable("the provider gave none".to_owned()));
        }
        let trusted = self.trusted.trust(domain.clone(), &issuers);
        trusted.map_err(|error| unusable(error.to_string()))?;
        let saved = SavedIssuers { fetched_ms: now_ms, pem: issuers };
        effects.put(format!("{}{domain}", saved::ISSUERS), &saved);
        self.fetched_ms.insert(domain.clone(), now_ms);
        Ok(())
    }
}

impl Session {
    /// Everything that waited for issuers goes on, or learns why it cannot.
    pub(crate) fn issuers_answered(
        &mut self,
        domain: &Domain,
        answer: Answer,
        at: &mut Moment<'_>,
    ) {
        let known = match answer.result {
            Ok(response) => self.issuers.trust(domain, response, at.now_ms, &mut self.effects),
            Err(error) => Err(refusal(Err(error))),
        };
        self.resume_registration(domain, known.clone(), at);
        self.resume_adding(domain, known.clone(), at);
        self.resume_opening(domain, known.clone(), at);
        let blocked: Vec<_> = self
            .rooms
            .values()
            .filter(|room| room.blocked.as_ref() == Some(domain))
            .map(|room| room.uri.clone())
            .collect();
        match &known {
            Ok(()) => {
                for room in blocked {
                    self.with_room(&room, at, |room, _, _| {
                        room.blocked = None;
                        room.stirred = true;
                    });
                }
            }
            Err(error) if !blocked.is_empty() => {
                tracing::warn!(%domain, %error, "a room waits for client issuers");
                self.effects.timer(at.later(AGAIN_MS), Timer::Issuers(domain.clone()));
            }
            Err(_) => {}
        }
        // Behind what waits: a Welcome that can be read now brings this device in without an external
        // commit, which would cut off what is written in the Welcome's epoch.
        self.resume_joining(domain, known, at);
    }

    /// Looks once a day whether known issuers have changed.
    pub(crate) fn refresh_issuers(&mut self, now_ms: u64) {
        self.issuers.refresh(now_ms, &mut self.effects);
        if !self.effects.is_due(&Timer::RefreshIssuers) {
            self.effects.timer(now_ms.saturating_add(FRESH_MS), Timer::RefreshIssuers);
        }
    }

    /// Asks again, if a room still waits.
    pub(crate) fn issuers_due(&mut self, domain: Domain) {
        if self.rooms.values().any(|room| room.blocked.as_ref() == Some(&domain)) {
            self.issuers.need(domain, &mut self.effects);
        }
    }
}
