//! One stream's way to one follower.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use mimi_provider::delivery::{
    Attempt, BATCH_OCTETS_MAX, Delivery as Progress, Fault, Next, delivered, give_up,
};
use mimi_provider::record::{EventKind, NewEvent, Seq};
use mimi_provider::{Reject, Transition};
use mimi_wire::limits::APPLICATION_BODY_OCTETS_MAX;
use mimi_wire::protocol::consent::ConsentEntry;
use mimi_wire::protocol::directory::Endpoint;
use mimi_wire::{Domain, MimiUri, Wire};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tombolo_store::FollowerBatch;

use super::{Key, LastRequest};
use crate::federation::outgoing::{Post, post};
use crate::peers::{Answer, PeerError};
use crate::provider::{Enqueued, Provider, storage_failed};

/// Pause after a failure of our own storage.
const STORAGE_PAUSE: Duration = Duration::from_secs(1);
/// A peer that fails for long is told of in the log this often, in attempts: about twice a day.
const WARN_EVERY: u32 = 144;
/// How long what a follower of a room has taken is known in memory alone: a cursor that is written for
/// each message is as much work for the disk as the message. After a crash the follower sees so much
/// again, and knows it (PROTO-NTF-10).
const CURSOR_SAVED_EVERY: Duration = Duration::from_secs(1);
/// For a request in flight at shutdown.
const STOP_GRACE: Duration = Duration::from_secs(3);

/// What others may see and do of a lane that runs.
#[derive(Debug, Default)]
pub(super) struct Lane {
    hinted: AtomicBool,
    /// Woken by hints.
    more: Notify,
    /// The follower has everything up to here, which may not be stored yet.
    delivered_seq: AtomicU64,
    /// The operator has given up what waits: the cursor is to be read again.
    dropped: AtomicBool,
    heard_of: Notify,
    progress: Mutex<Progress>,
}

impl Lane {
    /// There may be more than at the last look.
    pub(super) fn hint(&self) {
        self.hinted.store(true, Ordering::Release);
        self.more.notify_one();
    }

    pub(super) fn take_hint(&self) -> bool {
        self.hinted.swap(false, Ordering::AcqRel)
    }

    /// The follower has everything up to here, as far as this lane has seen.
    pub(super) fn delivered_seq(&self) -> Seq {
        self.delivered_seq.load(Ordering::Acquire)
    }

    /// The follower has called us: a wait for the next attempt ends.
    pub(super) fn heard_of(&self, now_ms: u64) {
        self.update(|progress| progress.heard_of(now_ms));
        self.heard_of.notify_one();
    }

    /// How the lane fares.
    pub(super) fn progress(&self) -> Progress {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The operator has given up what waits.
    pub(super) fn give_up(&self) {
        self.dropped.store(true, Ordering::Release);
        self.update(|progress| *progress = Progress::default());
        self.heard_of.notify_one();
    }

    /// The operator wants it tried now.
    pub(super) fn try_now(&self) {
        self.update(Progress::try_now);
        self.heard_of.notify_one();
    }

    fn update<T>(&self, change: impl FnOnce(&mut Progress) -> T) -> T {
        change(&mut self.progress.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Runs a lane until nothing waits or everything stops.
pub(super) async fn run(
    provider: Arc<Provider>,
    key: Key,
    lane: Arc<Lane>,
    mut stop: watch::Receiver<bool>,
) {
    let mut runner = Runner {
        provider: &provider,
        key: &key,
        lane: &lane,
        cursor: None,
        unsaved_since: None,
        recorded: None,
    };
    loop {
        lane.take_hint();
        let step = tokio::select! {
            biased;
            step = runner.step() => step,
            () = stopped(stop.clone()) => return runner.save(),
        };
        if *stop.borrow() {
            return runner.save();
        }
        match step {
            Ok(Step::More) => {}
            Ok(Step::Linger(until)) => runner.linger(until, &mut stop).await,
            Ok(Step::Nothing) if provider.delivery.retire(&key, &lane) => return,
            Ok(Step::Nothing) => {}
            Ok(Step::Wait(pause)) => runner.wait(pause, &mut stop).await,
            Err(error) => {
                tracing::error!(stream = %key.0, follower = %key.1, %error, "delivery fails here");
                runner.wait(STORAGE_PAUSE, &mut stop).await;
            }
        }
    }
}

/// Resolves some time after everything stops. A request in flight may finish until then: its answer
/// moves the cursor, without it the follower sees a repeat.
async fn stopped(mut stop: watch::Receiver<bool>) {
    let _ = stop.wait_for(|stopped| *stopped).await;
    tokio::time::sleep(STOP_GRACE).await;
}

/// What a lane does next.
enum Step {
    /// Look again at once.
    More,
    /// Nothing waits.
    Nothing,
    /// Nothing waits, and the cursor is to be saved at this time.
    Linger(Instant),
    /// Not before this has passed.
    Wait(Duration),
}

struct Runner<'a> {
    provider: &'a Arc<Provider>,
    key: &'a Key,
    lane: &'a Lane,
    /// Known once it was read; then ours to move.
    cursor: Option<Seq>,
    /// Since when it is ahead of what is stored.
    unsaved_since: Option<Instant>,
    /// The latest move of the cursor, on its way to the disk.
    recorded: Option<Enqueued>,
}

impl Runner<'_> {
    async fn step(&mut self) -> Result<Step, Reject> {
        let (stream, follower) = self.key;
        let store = &self.provider.store;
        // Before anything is read: what waits for a slow peer waits in the store, not in memory.
        let slots = self.provider.delivery.slots_of(follower);
        let _slot = slots.acquire().await.expect("the semaphore is never closed");
        if self.lane.dropped.swap(false, Ordering::AcqRel) {
            (self.cursor, self.unsaved_since) = (None, None);
        }
        let after = match self.cursor {
            Some(after) => after,
            None => {
                let stored = store.follower_cursor(stream, follower).await;
                let Some(stored) = stored.map_err(storage_failed)? else {
                    return Ok(Step::Nothing);
                };
                self.lane.update(|progress| progress.stale_since_ms = stored.stale_since_ms);
                stored.cursor
            }
        };
        self.cursor = Some(after);
        let one_by_one = self.is_own_stream() || self.lane.progress().one_by_one;
        let octets_max = if one_by_one { 1 } else { BATCH_OCTETS_MAX };
        let batch = store.follower_batch(stream, follower, after, octets_max).await;
        let batch = batch.map_err(storage_failed)?;
        if batch.events.is_empty() {
            if batch.next_cursor > after {
                return Ok(self.advance(batch.next_cursor));
            }
            return self.settle().await;
        }
        let oldest_ms = batch.events[0].event.timestamp_ms;
        self.lane.update(|progress| progress.waiting(oldest_ms));
        let keep_ms = self.provider.config.federation.keep_ms;
        match self.lane.update(|progress| progress.next(self.provider.now_ms(), keep_ms)) {
            Next::Send => self.send(&batch).await,
            Next::WaitUntil(at_ms) => {
                let pause_ms = at_ms.saturating_sub(self.provider.now_ms());
                Ok(Step::Wait(Duration::from_millis(pause_ms)))
            }
            Next::GiveUp => self.give_up().await,
            Next::LeaveOut => Ok(self.leave_out(&batch)),
        }
    }

    async fn send(&mut self, batch: &FollowerBatch) -> Result<Step, Reject> {
        let (stream, follower) = self.key;
        let first = &batch.events[0].event;
        let (outcome, accepted_to) = if self.is_own_stream() {
            (send_entry(self.provider, follower, first).await, first.seq)
        } else {
            (notify(self.provider, stream, follower, batch).await, batch.next_cursor)
        };
        if let Err(error) = outcome {
            if self.is_own_stream() && is_final(&error) {
                // The entry is between two users; what waits behind it is others' business.
                tracing::warn!(%follower, kind = ?first.kind, %error, "refused, and not sent again");
                self.attempted(Attempt::Accepted, 1);
                let step = self.advance(accepted_to);
                self.save();
                return Ok(step);
            }
            self.failed(&error, batch.events.len());
            return Ok(Step::More);
        }
        let was_stale = self.lane.progress().stale_since_ms.is_some();
        if was_stale {
            tracing::warn!(%stream, %follower, "a stale follower is back");
        }
        self.attempted(Attempt::Accepted, batch.events.len());
        let step = self.advance(accepted_to);
        if was_stale || self.is_own_stream() {
            self.save();
        }
        Ok(step)
    }

    /// What the provider owes others outside rooms goes out entry by entry.
    fn is_own_stream(&self) -> bool {
        self.key.0 == self.provider.domain.provider_uri()
    }

    fn failed(&self, error: &PeerError, entries: usize) {
        let (stream, follower) = self.key;
        let retry_after = error.retry_after();
        let retry_after_ms =
            retry_after.map(|pause| u64::try_from(pause.as_millis()).unwrap_or(u64::MAX));
        let (error, fault) = (error.to_string(), fault(error));
        let attempt = Attempt::Failed { error: error.clone(), retry_after_ms, fault };
        self.attempted(attempt, entries);
        let progress = self.lane.progress();
        let (attempts, next_attempt_ms) = (progress.attempts, progress.next_attempt_ms);
        // The first failures may be a restart; a peer that is away for days is told of less often.
        if attempts <= 1 || attempts.is_power_of_two() || attempts.is_multiple_of(WARN_EVERY) {
            let since_ms = progress.since_ms;
            tracing::warn!(
                %stream, %follower, error, attempts, since_ms, next_attempt_ms, "not delivered yet"
            );
        }
    }

    fn attempted(&self, attempt: Attempt, entries: usize) {
        let now_ms = self.provider.now_ms();
        let outcome = match attempt {
            Attempt::Accepted => LastRequest::Accepted,
            Attempt::Failed { .. } => LastRequest::Failed,
        };
        let failed_before = self.lane.update(|progress| {
            let failed_before = progress.attempts > 0;
            progress.attempted(attempt, entries, self.provider.chance.next(), now_ms);
            failed_before
        });
        if failed_before || matches!(outcome, LastRequest::Failed) {
            self.provider.delivery.note(self.key, outcome);
        }
    }

    /// The follower has everything up to `seq`. Stored soon, and not waited for: should the cursor be
    /// lost, the follower sees a repeat (PROTO-NTF-10).
    fn advance(&mut self, seq: Seq) -> Step {
        self.cursor = Some(seq);
        self.lane.delivered_seq.store(seq, Ordering::Release);
        let since = *self.unsaved_since.get_or_insert_with(Instant::now);
        if since.elapsed() >= CURSOR_SAVED_EVERY {
            self.save();
        }
        Step::More
    }

    /// Stores the cursor if that is behind.
    fn save(&mut self) {
        if let (Some(_), Some(seq)) = (self.unsaved_since.take(), self.cursor) {
            let (stream, follower) = self.key;
            self.record(delivered(stream, follower, seq));
        }
    }

    /// Nothing waits. Before the lane ends the cursor must be readable for the next one.
    async fn settle(&mut self) -> Result<Step, Reject> {
        if let Some(since) = self.unsaved_since {
            return Ok(Step::Linger(since + CURSOR_SAVED_EVERY));
        }
        match self.recorded.take() {
            None => {
                self.lane.update(|progress| progress.one_by_one = false);
                Ok(Step::Nothing)
            }
            Some(recorded) => match recorded.durable().await {
                Ok(_) => Ok(Step::More),
                Err(failed) => {
                    // The stored cursor is behind: what the follower has, it gets once more, so that
                    // nothing waits for it for ever.
                    self.cursor = None;
                    Err(storage_failed(failed))
                }
            },
        }
    }

    /// Waits for more, at most until the cursor is to be saved.
    async fn linger(&mut self, until: Instant, stop: &mut watch::Receiver<bool>) {
        tokio::select! {
            biased;
            () = self.lane.more.notified() => {}
            () = tokio::time::sleep_until(until) => self.save(),
            _ = stop.wait_for(|stopped| *stopped) => {}
        }
    }

    /// AMB-NTF-10.
    async fn give_up(&mut self) -> Result<Step, Reject> {
        let (stream, follower) = self.key;
        let last_seq = self.provider.store.last_seq(stream).await.map_err(storage_failed)?;
        let now_ms = self.provider.now_ms();
        if self.lane.progress().stale_since_ms.is_none() {
            tracing::error!(%stream, %follower, last_seq, "given up: the follower is stale");
        }
        self.unsaved_since = None;
        self.record(give_up(stream, follower, last_seq, now_ms));
        self.attempted(Attempt::Accepted, 0);
        self.lane.update(|progress| progress.stale_since_ms = Some(now_ms));
        self.cursor = Some(last_seq);
        Ok(Step::More)
    }

    /// Only the first entry is left out; whether it was the only one at fault will be seen.
    fn leave_out(&mut self, batch: &FollowerBatch) -> Step {
        let (stream, follower) = self.key;
        let left_out = &batch.events[0].event;
        let error = self.lane.progress().last_error;
        let (seq, kind) = (left_out.seq, left_out.kind);
        tracing::error!(%stream, %follower, seq, ?kind, error, "left out: called malformed for a day");
        self.provider.delivery.note_left_out(follower);
        self.attempted(Attempt::Accepted, 1);
        let step = self.advance(seq);
        self.save();
        step
    }

    fn record(&mut self, transition: Transition<()>) {
        let Transition { changes, expect, effects, reply: () } = transition;
        self.recorded = Some(self.provider.enqueue(changes, expect, effects, None));
    }

    /// Waits, unless the follower is heard of or everything stops. More entries do not end the wait.
    async fn wait(&self, pause: Duration, stop: &mut watch::Receiver<bool>) {
        tokio::select! {
            biased;
            () = tokio::time::sleep(pause) => {}
            () = self.lane.heard_of.notified() => {}
            _ = stop.wait_for(|stopped| *stopped) => {}
        }
    }
}

/// What a failure tells about the next attempt. A status of our own endpoint table that says
/// nothing about the body (404, 405, 410) is one of a peer that has moved or is being set up.
fn fault(error: &PeerError) -> Fault {
    let malformed = [
        StatusCode::BAD_REQUEST,
        StatusCode::LENGTH_REQUIRED,
        StatusCode::PAYLOAD_TOO_LARGE,
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        StatusCode::UNPROCESSABLE_ENTITY,
    ];
    match error {
        PeerError::Blocked(_) | PeerError::Own => Fault::Distrust,
        PeerError::Refused { status, .. } => match *status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Fault::Distrust,
            status if malformed.contains(&status) => Fault::Malformed,
            _ => Fault::Passing,
        },
        _ => Fault::Passing,
    }
}

/// Whether the peer will not take this entry at any other time either: it says that the entry is
/// malformed, or that there is no such user (protocol section 5.7). Whoever does not trust us, or is
/// being set up, may take it later (TOM-131). In a room's stream nothing is final: an entry left
/// out would leave the follower's clients behind for good.
fn is_final(error: &PeerError) -> bool {
    match error {
        PeerError::Refused { status, .. } => {
            *status == StatusCode::NOT_FOUND
                || *status == StatusCode::CONFLICT
                || fault(error) == Fault::Malformed
        }
        _ => false,
    }
}

/// Everything that waits of a room, concatenated (AMB-NTF-4).
async fn notify(
    provider: &Provider,
    room: &MimiUri,
    follower: &Domain,
    batch: &FollowerBatch,
) -> Result<(), PeerError> {
    let mut body = Vec::new();
    for logged in &batch.events {
        body.extend_from_slice(&logged.event.payload);
    }
    deliver(provider, follower, Endpoint::Notify, room, body.into()).await
}

/// One entry of the provider's own stream: consent, directly to the other provider (PROTO-CON-2).
async fn send_entry(
    provider: &Provider,
    follower: &Domain,
    event: &NewEvent,
) -> Result<(), PeerError> {
    let unusable = |reason: &str| Err(PeerError::Setup(reason.to_owned()));
    let Ok(entry) = ConsentEntry::decode(&event.payload) else {
        return unusable("the entry is not consent");
    };
    let (endpoint, user) = match event.kind {
        EventKind::RequestConsent => (Endpoint::RequestConsent, &entry.target_uri),
        EventKind::UpdateConsent => (Endpoint::UpdateConsent, &entry.requester_uri),
        _ => return unusable("the entry is not for peers"),
    };
    deliver(provider, follower, endpoint, user, event.payload.clone().into()).await
}

/// Any 2xx is acceptance (AMB-TR-4), anything else is not (PROTO-NTF-8, PROTO-NTF-9).
async fn deliver(
    provider: &Provider,
    follower: &Domain,
    endpoint: Endpoint,
    identifier: &MimiUri,
    body: Bytes,
) -> Result<(), PeerError> {
    let answer_octets_max = APPLICATION_BODY_OCTETS_MAX;
    let request = Post { peer: follower, endpoint, identifier, body, answer_octets_max };
    post(provider, &request).await.and_then(Answer::success).map(drop)
}

#[cfg(test)]
mod tests;
