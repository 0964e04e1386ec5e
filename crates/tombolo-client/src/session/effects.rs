//! What the session's decisions lead to, collected until the driver takes it: writes, requests with
//! their resends, timers, notices.

use std::collections::{BTreeMap, VecDeque};

use mimi_mls::device::Device;
use mimi_mls::member::MemberGroup;
use mimi_wire::{Domain, MimiUri};
use rand::{CryptoRng, Rng};
use serde::Serialize;

use crate::error::ClientError;
use crate::event::ClientEvent;
use crate::session::command::{Notice, OperationId, Outcome};
use crate::session::request::{Request, RequestId, Response, TransportError};
use crate::session::saved;
use crate::store::StoreChange;

/// The first wait before a request is sent again.
const RESEND_FIRST_MS: u64 = 100;
/// The longest wait of the session's own choice.
const RESEND_MAX_MS: u64 = 3_000;
/// The longest wait it lets the provider ask for.
const RETRY_AFTER_MAX_MS: u64 = 60_000;
/// How often a request that nothing stored depends on is sent.
const ATTEMPTS_MAX: u32 = 8;
/// How often a registration is: a person waits for it.
const REGISTER_ATTEMPTS_MAX: u32 = 3;

/// The time, and randomness, of one call.
pub(crate) struct Moment<'a> {
    pub(crate) now_ms: u64,
    pub(crate) rng: &'a mut dyn CryptoRng,
}

impl Moment<'_> {
    /// A time from now.
    pub(crate) fn later(&self, wait_ms: u64) -> u64 {
        self.now_ms.saturating_add(wait_ms)
    }

    /// A time between two waits from now.
    pub(crate) fn after(&mut self, least_ms: u64, most_ms: u64) -> u64 {
        self.now_ms.saturating_add(self.rng.random_range(least_ms..=most_ms))
    }
}

/// What a request is for, and so who hears its answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Purpose {
    Register,
    Issuers(Domain),
    Stock,
    OwnDevices,
    UploadKeyPackages,
    Consent(OperationId),
    Contacts(OperationId),
    Devices(OperationId),
    SignOut(OperationId),
    DeleteAccount(OperationId),
    Find(OperationId, Domain),
    Profile(OperationId),
    SetProfile(OperationId),
    ReportAbuse(OperationId),
    HubOfNewRoom(OperationId),
    FoundRoom(MimiUri),
    DirectRoom(OperationId),
    HubOfDirect(OperationId),
    DirectKeyMaterial(OperationId),
    KeyMaterial(OperationId),
    Commit(MimiUri),
    Leave(MimiUri),
    GroupInfo(MimiUri),
    Join(MimiUri),
    Send(MimiUri),
}

impl Purpose {
    fn attempts_max(&self) -> u32 {
        match self {
            Self::Register => REGISTER_ATTEMPTS_MAX,
            stored if stored.is_stored() => u32::MAX,
            _ => ATTEMPTS_MAX,
        }
    }

    /// Whether the request is stored and so must come through sooner or later.
    fn is_stored(&self) -> bool {
        matches!(
            self,
            Self::FoundRoom(_) | Self::Commit(_) | Self::Leave(_) | Self::Join(_) | Self::Send(_)
        )
    }
}

/// Something to be done later. Each says what to look at; what is no longer due does nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Timer {
    /// A request is sent again.
    Resend(RequestId),
    /// Proposals of others wait for a committer.
    CommitPending(MimiUri),
    /// A commit is to be built again.
    CommitAgain(MimiUri),
    /// The stream has not brought the commit that won against ours.
    WinnerLate(MimiUri),
    /// The stream has not brought the epoch that a message is to be encrypted for.
    SendAgain(MimiUri),
    /// Leaving is to be proposed again.
    LeaveAgain(MimiUri),
    /// A room that another one has taken the place of is left.
    LeaveSuperseded(MimiUri),
    /// The account goes, whether or not all rooms at other hubs are left.
    DeleteAccount(OperationId),
    /// Joining starts over.
    JoinAgain(MimiUri),
    /// The stream has not brought the epoch that events wait for.
    GapLate(MimiUri),
    /// What has become of messages is to be told.
    Report(MimiUri),
    /// The time of messages may be over.
    Expire(MimiUri),
    /// Issuers a room waits for are asked for again.
    Issuers(Domain),
    /// Issuers that are known may have changed.
    RefreshIssuers,
}

#[derive(Debug)]
struct Pending {
    purpose: Purpose,
    request: Request,
    /// How often it was sent without an answer that settles it.
    lost: u32,
}

/// An answer, and what it is for.
pub(crate) struct Answer {
    pub(crate) purpose: Purpose,
    pub(crate) result: Result<Response, TransportError>,
    /// An earlier sending may have been carried out.
    pub(crate) uncertain: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    changes: Vec<StoreChange>,
    notices: Vec<Notice>,
    requests: BTreeMap<RequestId, Pending>,
    ready: VecDeque<RequestId>,
    /// Requests that carry what a group's keys have made do not leave.
    holds: bool,
    timers: BTreeMap<(u64, u64), Timer>,
    number: u64,
}

impl Effects {
    /// A number not used before in this run.
    pub(crate) fn number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    /// Numbers start above one that a stored row uses.
    pub(crate) fn number_above(&mut self, used: u64) {
        self.number = self.number.max(used);
    }

    pub(crate) fn store(&mut self, change: StoreChange) {
        self.changes.push(change);
    }

    pub(crate) fn put<T: Serialize>(&mut self, name: impl Into<String>, value: &T) {
        self.store(StoreChange::Put { name: name.into(), value: saved::pack(value) });
    }

    pub(crate) fn put_room<T: Serialize>(
        &mut self,
        room: &MimiUri,
        name: impl Into<String>,
        value: &T,
    ) {
        let (name, value) = (name.into(), saved::pack(value));
        self.store(StoreChange::PutRoomValue { room: room.clone(), name, value });
    }

    pub(crate) fn remove_room(&mut self, room: &MimiUri, name: impl Into<String>) {
        self.store(StoreChange::RemoveRoomValue { room: room.clone(), name: name.into() });
    }

    /// Stores the device's own keys.
    pub(crate) fn put_device(&mut self, device: &Device) {
        self.store(StoreChange::Put {
            name: saved::DEVICE.to_owned(),
            value: device.snapshot().into(),
        });
    }

    /// Stores what changed in a group since the last time.
    pub(crate) fn save_group(&mut self, room: &MimiUri, group: &mut MemberGroup) {
        for (key, value) in group.take_state_changes() {
            let room = room.clone();
            self.store(match value {
                Some(value) => StoreChange::PutGroupState { room, key, value: value.into() },
                None => StoreChange::RemoveGroupState { room, key },
            });
        }
    }

    pub(crate) fn take_changes(&mut self) -> Vec<StoreChange> {
        std::mem::take(&mut self.changes)
    }

    /// All that is stored goes, and nothing else is to be done any more.
    pub(crate) fn clear(&mut self) {
        *self = Self {
            changes: vec![StoreChange::Clear],
            notices: std::mem::take(&mut self.notices),
            number: self.number,
            ..Self::default()
        };
    }

    pub(crate) fn event(&mut self, event: ClientEvent) {
        self.notices.push(Notice::Event(event));
    }

    /// Ends an operation, if somebody waits for it.
    pub(crate) fn finish(
        &mut self,
        operation: Option<OperationId>,
        result: Result<Outcome, ClientError>,
    ) {
        match operation {
            Some(operation) => self.notices.push(Notice::Finished { operation, result }),
            None => {
                if let Err(error) = result {
                    tracing::warn!(%error, "an operation taken up after a restart failed");
                }
            }
        }
    }

    pub(crate) fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    pub(crate) fn request(&mut self, purpose: Purpose, request: Request) -> RequestId {
        let id = RequestId(self.number());
        self.requests.insert(id, Pending { purpose, request, lost: 0 });
        self.ready.push_back(id);
        id
    }

    /// A request whose earlier sending, before a restart, may have been carried out.
    pub(crate) fn request_again(&mut self, purpose: Purpose, request: Request) -> RequestId {
        let id = self.request(purpose, request);
        if let Some(pending) = self.requests.get_mut(&id) {
            pending.lost = 1;
        }
        id
    }

    /// Its answer is of no interest any more.
    pub(crate) fn cancel(&mut self, id: RequestId) {
        self.requests.remove(&id);
    }

    pub(crate) fn is_asking(&self, purpose: &Purpose) -> bool {
        self.requests.values().any(|pending| pending.purpose == *purpose)
    }

    pub(crate) fn next_request(&mut self) -> Option<(RequestId, Request)> {
        let requests = &self.requests;
        self.ready.retain(|id| requests.contains_key(id));
        let leaves = |id: &RequestId| !self.holds || !requests[id].purpose.is_stored();
        let id = self.ready.remove(self.ready.iter().position(leaves)?)?;
        Some((id, self.requests.get(&id)?.request.clone()))
    }

    /// From now on nothing leaves that the keys of a group have made.
    pub(crate) fn hold(&mut self) {
        self.holds = true;
    }

    /// What was held leaves, as far as it is still wanted.
    pub(crate) fn release_held(&mut self) {
        self.holds = false;
    }

    /// Settles a request, or plans to send it again.
    pub(crate) fn answer(
        &mut self,
        id: RequestId,
        result: Result<Response, TransportError>,
        at: &mut Moment<'_>,
    ) -> Option<Answer> {
        let pending = self.requests.get_mut(&id)?;
        let uncertain = pending.lost > 0;
        let stored = pending.purpose.is_stored();
        if let Err(error) = &result
            // An answer that cannot be read leaves open what it answers.
            && (error.is_passing() || stored && matches!(error, TransportError::Garbled(_)))
        {
            pending.lost = pending.lost.saturating_add(1);
            // Nobody waits for hours: what nothing stored depends on is told to whoever wants it.
            let hopeless = !stored && wait_asked_ms(error) > RETRY_AFTER_MAX_MS;
            if pending.lost < pending.purpose.attempts_max() && !hopeless {
                let due = resend_at(error, pending.lost, at);
                tracing::debug!(%error, purpose = ?pending.purpose, "a request is sent again");
                self.timer(due, Timer::Resend(id));
                return None;
            }
        }
        let Pending { purpose, .. } = self.requests.remove(&id)?;
        Some(Answer { purpose, result, uncertain })
    }

    /// Sends what waits to be sent again at once: the provider is back.
    pub(crate) fn resend_now(&mut self) {
        let mut ready = Vec::new();
        self.timers.retain(|_, timer| match timer {
            Timer::Resend(id) => {
                ready.push(*id);
                false
            }
            _ => true,
        });
        self.ready.extend(ready);
    }

    pub(crate) fn resend(&mut self, id: RequestId) {
        self.ready.push_back(id);
    }

    pub(crate) fn timer(&mut self, due_ms: u64, timer: Timer) {
        let number = self.number();
        self.timers.insert((due_ms, number), timer);
    }

    /// Whether a timer like this runs.
    pub(crate) fn is_due(&self, timer: &Timer) -> bool {
        self.timers.values().any(|running| running == timer)
    }

    pub(crate) fn next_timer(&self) -> Option<u64> {
        self.timers.first_key_value().map(|((due_ms, _), _)| *due_ms)
    }

    pub(crate) fn due_timer(&mut self, now_ms: u64) -> Option<Timer> {
        let first = self.timers.first_entry()?;
        (first.key().0 <= now_ms).then(|| first.remove())
    }
}

fn resend_at(error: &TransportError, lost: u32, at: &mut Moment<'_>) -> u64 {
    let asked = wait_asked_ms(error);
    let full = RESEND_FIRST_MS.saturating_mul(1 << lost.min(16)).min(RESEND_MAX_MS);
    at.after(full / 2, full).max(at.now_ms.saturating_add(asked.min(RETRY_AFTER_MAX_MS)))
}

fn wait_asked_ms(error: &TransportError) -> u64 {
    match error {
        TransportError::Busy { retry_after_ms, .. } => retry_after_ms.unwrap_or_default(),
        _ => 0,
    }
}

/// What a refusal means to the person who wanted something.
pub(crate) fn refusal(result: Result<Response, TransportError>) -> ClientError {
    match result {
        Ok(_) => ClientError::Other("the provider answered something else".to_owned()),
        Err(TransportError::Refused { message, .. }) => ClientError::Refused(message),
        Err(TransportError::Busy { message, retry_after_ms: Some(wait_ms) })
            if wait_ms > RETRY_AFTER_MAX_MS =>
        {
            let minutes = wait_ms.div_ceil(60_000);
            ClientError::Refused(format!("{message}; try again in {minutes} minutes"))
        }
        Err(error @ TransportError::Garbled(_)) => ClientError::Other(error.to_string()),
        Err(error) => ClientError::Unreachable(error.to_string()),
    }
}
