//! `/reports`: the moderators' queue, with what each reported message is worth; `/franking/hub-key`:
//! a fresh key for the franks to come.

use axum::Json;
use axum::extract::{Path, State};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use mimi_provider::Reject;
use mimi_provider::abuse::{OpenReport, ReportId};
use mimi_provider::franking::{Committed, Verdict};
use mimi_wire::protocol::report_abuse::AbusiveMessage;
use mimi_wire::{Domain, MimiUri};
use serde::{Deserialize, Serialize};

use super::AdminApi;
use crate::http_error::HttpError;
use crate::reports::KeptReport;

/// Open reports.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ReportList {
    /// Oldest first.
    pub reports: Vec<ListedReport>,
}

/// A report in short.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ListedReport {
    /// Its number.
    pub id: u64,
    /// The room.
    pub room: MimiUri,
    /// The provider it came from.
    pub from: Domain,
    /// Who is reported.
    pub alleged_abuser: MimiUri,
    /// When it came, in milliseconds since the epoch.
    pub received_ms: u64,
    /// Messages in it.
    pub messages: usize,
    /// Of them, proven ones.
    pub proven: usize,
}

/// A report.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ShownReport {
    /// In short.
    #[serde(flatten)]
    pub summary: ListedReport,
    /// Whether it is still open.
    pub is_open: bool,
    /// Who says to report it; nobody can prove that but a reporter of our own.
    pub reporting_user: Option<MimiUri>,
    /// Of a user of our own: who it was, signed in.
    pub local_user: Option<MimiUri>,
    /// As it came (AMB-ABU-1).
    pub reason_code: u8,
    /// What the reporter wrote.
    pub note: String,
    /// The messages, in the report's order.
    pub reported: Vec<ReportedMessage>,
    /// The report as received, in base64.
    pub evidence: String,
}

/// A reported message, and what it is worth.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ReportedMessage {
    /// Whether this hub accepted exactly this from exactly this sender at exactly this time.
    pub is_proven: bool,
    /// Why not; empty for what is proven.
    pub why_not: String,
    /// Who the content says sent it.
    pub sender: Option<MimiUri>,
    /// When the report says it was accepted, in milliseconds since the epoch.
    pub accepted_timestamp: u64,
    /// What it says, if it says something that can be shown as text.
    pub text: Option<String>,
}

/// A report that has been closed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ClosedReport {
    /// Its number.
    pub id: u64,
}

/// A hub_key that has been made.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct NewHubKey {
    /// Messages accepted from then on are franked with it, in milliseconds since the epoch.
    pub from_ms: u64,
}

/// `GET /reports`.
pub(super) async fn list(State(api): State<AdminApi>) -> Result<Json<ReportList>, HttpError> {
    let queue = api.provider.reports.queue(&api.provider).await?;
    let reports = queue.open().iter().map(|(id, open)| listed(*id, open)).collect();
    Ok(Json(ReportList { reports }))
}

/// `GET /reports/{id}`.
pub(super) async fn show(
    State(api): State<AdminApi>,
    Path(id): Path<ReportId>,
) -> Result<Json<ShownReport>, HttpError> {
    let kept = api.provider.reports.report(&api.provider, id).await?;
    Ok(Json(shown(id, kept)))
}

/// `POST /reports/{id}/close`.
pub(super) async fn close(
    State(api): State<AdminApi>,
    Path(id): Path<ReportId>,
) -> Result<Json<ClosedReport>, HttpError> {
    let provider = &api.provider;
    let now_ms = provider.now_ms();
    let closing =
        provider.reports.decide(provider, |queue| queue.close(&provider.domain, id, now_ms));
    closing.await?;
    tracing::info!(id, "a report is closed");
    Ok(Json(ClosedReport { id }))
}

/// `POST /franking/hub-key`.
pub(super) async fn rotate(State(api): State<AdminApi>) -> Result<Json<NewHubKey>, HttpError> {
    let (provider, now_ms) = (api.provider.clone(), api.provider.now_ms());
    let rotating = tokio::task::spawn_blocking(move || provider.franking.rotate(now_ms));
    let rotated = rotating.await.map_err(|error| Reject::Internal(error.to_string()))?;
    let from_ms = rotated.map_err(|error| Reject::Internal(error.to_string()))?;
    tracing::info!(from_ms, "messages are franked with a fresh hub_key; the old ones are kept");
    Ok(Json(NewHubKey { from_ms }))
}

fn listed(id: ReportId, open: &OpenReport) -> ListedReport {
    let verdicts = &open.note.verdicts;
    ListedReport {
        id,
        room: open.note.room.clone(),
        from: open.note.from.clone(),
        alleged_abuser: open.alleged_abuser.clone(),
        received_ms: open.received_ms,
        messages: verdicts.len(),
        proven: verdicts.iter().filter(|it| matches!(it, Verdict::Proven { .. })).count(),
    }
}

fn shown(id: ReportId, kept: KeptReport) -> ShownReport {
    let KeptReport { note, report, octets, received_ms, is_open } = kept;
    let judged = report.messages.iter().zip(&note.verdicts);
    let reported = judged.map(|(message, verdict)| reported(message, verdict)).collect();
    let local_user = note.local_user.clone();
    let alleged_abuser = report.alleged_abuser_uri;
    let open = OpenReport { note, alleged_abuser, received_ms, octets: octets.len() };
    ShownReport {
        summary: listed(id, &open),
        is_open,
        reporting_user: report.reporting_user,
        local_user,
        reason_code: report.reason_code.0,
        note: report.note,
        reported,
        evidence: BASE64_STANDARD.encode(octets),
    }
}

fn reported(message: &AbusiveMessage, verdict: &Verdict) -> ReportedMessage {
    let why_not = match verdict {
        Verdict::Proven { .. } => String::new(),
        Verdict::NotProven(fault) => fault.to_string(),
    };
    let committed = Committed::read(&message.message_content, true).ok();
    ReportedMessage {
        is_proven: why_not.is_empty(),
        why_not,
        text: committed.as_ref().and_then(|committed| committed.content.shown_text()),
        sender: committed.map(|committed| committed.sender),
        accepted_timestamp: message.accepted_timestamp,
    }
}
