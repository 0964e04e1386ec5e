//! The moderators' queue, kept hot: what is open, derived from its stream at the first use.

use std::sync::Arc;

use mimi_provider::abuse::{ReportId, ReportNote, ReportQueue, read_report, stream_of};
use mimi_provider::{Reject, Transition};
use mimi_wire::protocol::report_abuse::AbuseReport;
use tokio::sync::Mutex;
use tombolo_store::StoreError;

use crate::provider::{Provider, storage_failed};

/// Entries read at once: each may hold a report of several megabytes.
const PAGE: usize = 16;

/// See the module. Decisions about reports are taken one after another.
#[derive(Debug, Default)]
pub(crate) struct Reports(Mutex<Option<ReportQueue>>);

/// A report with what is kept beside it.
#[derive(Clone, Debug)]
pub(crate) struct KeptReport {
    pub(crate) note: ReportNote,
    pub(crate) report: AbuseReport,
    pub(crate) octets: Vec<u8>,
    pub(crate) received_ms: u64,
    pub(crate) is_open: bool,
}

impl Reports {
    /// Takes a decision on the queue and makes it durable.
    pub(crate) async fn decide(
        &self,
        provider: &Arc<Provider>,
        decision: impl FnOnce(&ReportQueue) -> Result<Transition<ReportId>, Reject>,
    ) -> Result<ReportId, Reject> {
        let mut queue = self.0.lock().await;
        let known = loaded(provider, &mut queue).await?;
        let transition = decision(known)?;
        let changes = transition.changes.clone();
        let written = provider.apply(transition).await;
        let followed = written.and_then(|id| {
            let followed = known.apply(&changes);
            followed.map(|()| id).map_err(|error| StoreError::Failed(error.to_string()))
        });
        followed.map_err(|error| {
            // What is known may be less than what is stored.
            *queue = None;
            storage_failed(error)
        })
    }

    /// What is open.
    pub(crate) async fn queue(&self, provider: &Provider) -> Result<ReportQueue, Reject> {
        let mut queue = self.0.lock().await;
        loaded(provider, &mut queue).await.cloned()
    }

    /// A report, open or closed.
    pub(crate) async fn report(
        &self,
        provider: &Provider,
        id: ReportId,
    ) -> Result<KeptReport, Reject> {
        let unknown = || Reject::Unknown(format!("there is no report {id}"));
        let stream = stream_of(&provider.domain);
        let before = id.checked_sub(1).ok_or_else(unknown)?;
        let page = provider.store.log(&stream, before, 1).await.map_err(storage_failed)?;
        let event = page.into_iter().next().ok_or_else(unknown)?.event;
        let (note, report) = read_report(&event).map_err(|_| unknown())?;
        let is_open = self.queue(provider).await?.open().contains_key(&id);
        let (received_ms, octets) = (event.timestamp_ms, event.payload);
        Ok(KeptReport { note, report, octets, received_ms, is_open })
    }
}

async fn loaded<'a>(
    provider: &Provider,
    queue: &'a mut Option<ReportQueue>,
) -> Result<&'a mut ReportQueue, Reject> {
    if queue.is_none() {
        let stream = stream_of(&provider.domain);
        let mut read = ReportQueue::default();
        loop {
            let page = provider.store.log(&stream, read.last_seq(), PAGE).await;
            let page = page.map_err(storage_failed)?;
            if page.is_empty() {
                break;
            }
            for logged in &page {
                read.observe(&logged.event).map_err(|it| Reject::Internal(it.to_string()))?;
            }
        }
        *queue = Some(read);
    }
    queue.as_mut().ok_or_else(|| Reject::Internal("the queue is gone".to_owned()))
}
