//! `reportAbuse` at the hub: whose reports are taken in, and what each message in them is worth
//! (PROTO-ABU-1..3). The answer says only that a report was received.

use mimi_policy::RoomView;
use mimi_policy::message::may_use;
use mimi_wire::Domain;
use mimi_wire::component::CONTENT_MEDIA_TYPES;
use mimi_wire::protocol::report_abuse::AbuseReport;
use mimi_wire::room::capability::Capability;

use crate::abuse::{ReportId, ReportNote, ReportQueue};
use crate::franking::{Evidence, FrankingAgent, HubKeyRing};
use crate::hub::state::HubState;
use crate::requester::Requester;
use crate::{Limits, Reject, Transition};

/// A report, and what it is judged by.
#[derive(Clone, Copy, Debug)]
pub struct ReportAbuseInput<'a> {
    /// This provider, the hub.
    pub own: &'a Domain,
    /// Who hands it in.
    pub requester: &'a Requester,
    /// The room it is about.
    pub view: &'a RoomView,
    /// What the hub knows of the room.
    pub state: &'a HubState,
    /// Whether a local requester has ever been a member.
    pub was_member: bool,
    /// The report.
    pub report: &'a AbuseReport,
    /// The report as received: what is kept.
    pub octets: &'a [u8],
    /// This hub's franking agent.
    pub agent: &'a dyn FrankingAgent,
    /// This hub's keys.
    pub hub_keys: &'a HubKeyRing,
    /// What the operator allows.
    pub limits: &'a Limits,
    /// The time.
    pub now_ms: u64,
}

/// Takes a report into the queue.
pub fn report_abuse(
    queue: &ReportQueue,
    input: &ReportAbuseInput<'_>,
) -> Result<Transition<ReportId>, Reject> {
    let ReportAbuseInput { own, requester, view, report, .. } = *input;
    let from = requester.domain();
    // AMB-ABU-3. To everybody else there is no such room.
    if !is_concerned(input, &from) {
        return Err(Reject::Unknown("no such room".to_owned()));
    }
    if report.reporting_user.as_ref().is_some_and(|user| !requester.speaks_for(user)) {
        return Err(Reject::PeerMisbehaved("reportingUser is no user of the requester's".into()));
    }
    // PROTO-ABU-3: clients ask first; who no longer takes part keeps the right to say what was done.
    let local_user = match requester {
        Requester::Local(device) => Some(device.user.clone()),
        Requester::Peer(_) => None,
    };
    let reporter = report.reporting_user.as_ref().or(local_user.as_ref());
    if let Some(reporter) = reporter.filter(|user| view.is_active(user)) {
        may_use(view, reporter, Capability::CAN_REPORT_ABUSE)?;
    }
    let limits = input.limits;
    if report.messages.len() > limits.reported_messages_max {
        let most = limits.reported_messages_max;
        let reason = format!("a report has at most {most} messages");
        return Err(Reject::NotAllowed(reason));
    }
    let (open, octets) = queue.open_of(&from);
    if open >= limits.open_reports_per_provider_max
        || octets.saturating_add(input.octets.len()) > limits.open_report_octets_per_provider_max
    {
        let reason = "the moderators have too many open reports of this provider".to_owned();
        return Err(Reject::Unavailable(reason));
    }
    let evidence = Evidence {
        agent: input.agent,
        hub_keys: input.hub_keys,
        room: view.room(),
        is_framed: view.other_components.contains_key(&CONTENT_MEDIA_TYPES),
        alleged_abuser: &report.alleged_abuser_uri,
    };
    let verdicts = report.messages.iter().map(|message| evidence.verdict(message)).collect();
    let note = ReportNote { from, local_user, room: view.room().clone(), verdicts };
    Ok(queue.append(own, &note, input.octets, input.now_ms))
}

/// Whether the requester takes part in the room, or has.
fn is_concerned(input: &ReportAbuseInput<'_>, from: &Domain) -> bool {
    let listed = &input.view.participants.participants;
    match input.requester {
        Requester::Local(device) => {
            input.was_member || listed.iter().any(|pair| pair.user == device.user)
        }
        Requester::Peer(_) => {
            input.state.followers.contains(from)
                || listed.iter().any(|pair| pair.user.domain() == *from)
        }
    }
}

#[cfg(test)]
mod tests;
