//! `tombolo admin reports`: the moderators' queue.

use clap::Subcommand;
use tombolo_server::admin_api::{ListedReport, ReportedMessage, ShownReport, operate};
use tombolo_server::config::Config;

use super::admin::counted;
use super::{Failure, say};
use crate::plain::{continued, one_line};

#[derive(Debug, Subcommand)]
#[command(after_help = "\
A reported message is proven when this hub itself has accepted exactly that
content from exactly that sender at exactly that time. What is not proven may
have been made up by whoever reports it; the reason is told.

Examples:
  tombolo admin reports list
  tombolo admin reports show 3
  tombolo admin reports close 3")]
pub(super) enum ReportsCommand {
    /// List open reports, oldest first
    List {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Show a report, open or closed, and which of its messages are proven
    Show {
        /// Its number
        id: u64,
        /// Print one JSON object, with the report as received
        #[arg(long)]
        json: bool,
    },
    /// Take a report off the list; it is kept
    Close {
        /// Its number
        id: u64,
    },
}

impl ReportsCommand {
    pub(super) async fn run(self, config: &Config) -> Result<(), Failure> {
        let failed = |error| Failure::new(&error);
        match self {
            Self::List { json } => {
                let list = operate::reports(config).await.map_err(failed)?;
                match json {
                    true => say(&serde_json::to_string(&list).expect("strings and numbers")),
                    false => list.reports.iter().for_each(|report| say(&in_short(report))),
                }
                if list.reports.is_empty() && !json {
                    say("There are no open reports.");
                }
            }
            Self::Show { id, json } => {
                let report = operate::report(config, id).await.map_err(failed)?;
                say(&match json {
                    true => serde_json::to_string(&report).expect("strings and numbers"),
                    false => told(&report),
                });
            }
            Self::Close { id } => {
                operate::close_report(config, id).await.map_err(failed)?;
                say(&format!("Report {id} is closed."));
            }
        }
        Ok(())
    }
}

/// Makes a fresh hub_key.
pub(super) async fn rotate_hub_key(config: &Config) -> Result<(), Failure> {
    let made = operate::rotate_hub_key(config).await.map_err(|error| Failure::new(&error))?;
    say(&format!(
        "Messages accepted from {} ms (UNIX time) on are franked with a fresh key.",
        made.from_ms
    ));
    say("The old keys stay in the data directory: they prove older messages.");
    Ok(())
}

/// Makes a fresh key for the Oblivious HTTP gateway.
pub(super) async fn rotate_ohttp_key(config: &Config) -> Result<(), Failure> {
    let made = operate::rotate_ohttp_key(config).await.map_err(|error| Failure::new(&error))?;
    say(&format!("Oblivious downloads are sealed to key {} from now on.", made.key_id));
    say(&format!(
        "The key before it is of use until {} ms (UNIX time), then it is deleted.",
        made.old_until_ms
    ));
    Ok(())
}

fn in_short(report: &ListedReport) -> String {
    let ListedReport { id, room, from, alleged_abuser, messages, proven, .. } = report;
    let messages = counted(*messages as u64, "message");
    format!("{id}  {alleged_abuser} in {room}, by {from}: {messages}, {proven} proven")
}

fn told(report: &ShownReport) -> String {
    let mut lines = vec![in_short(&report.summary)];
    if !report.is_open {
        lines.push("It is closed.".to_owned());
    }
    match (&report.local_user, &report.reporting_user) {
        (Some(user), _) => lines.push(format!("Reported by {user}.")),
        (None, Some(user)) => {
            lines.push(format!("Reported by {user}, as {} says.", report.summary.from));
        }
        (None, None) => {}
    }
    if !report.note.is_empty() {
        lines.push(format!("Note: {}", continued(&report.note)));
    }
    lines.extend(report.reported.iter().map(message));
    lines.join("\n")
}

fn message(message: &ReportedMessage) -> String {
    let verdict = match message.is_proven {
        true => "proven".to_owned(),
        false => format!("not proven: {}", one_line(&message.why_not)),
    };
    let sender = message.sender.as_ref().map_or("nobody", |sender| sender.as_str());
    let text = message.text.as_deref().unwrap_or("(nothing that can be shown as text)");
    let time = message.accepted_timestamp;
    format!("- {verdict}\n  {sender} at {time} ms: {}", continued(text))
}

#[cfg(test)]
mod tests {
    use tombolo_server::admin_api::{ListedReport, ReportedMessage, ShownReport};

    use super::told;

    /// PROTO-ABU-2: each message says whether it is proven and why not; no text of a stranger can
    /// look like a line of ours.
    #[test]
    fn a_report_as_a_moderator_reads_it() {
        let uri = |text: &str| mimi_wire::MimiUri::new(text).unwrap();
        let message = |text: &str, why_not: &str| ReportedMessage {
            is_proven: why_not.is_empty(),
            why_not: why_not.to_owned(),
            sender: Some(uri("mimi://b.example/u/bob")),
            accepted_timestamp: 7,
            text: Some(text.to_owned()),
        };
        let report = ShownReport {
            summary: ListedReport {
                id: 3,
                room: uri("mimi://a.example/r/1"),
                from: "c.example".parse().unwrap(),
                alleged_abuser: uri("mimi://b.example/u/bob"),
                received_ms: 9,
                messages: 2,
                proven: 1,
            },
            is_open: true,
            reporting_user: Some(uri("mimi://c.example/u/cathy")),
            local_user: None,
            reason_code: 0,
            note: "rude".to_owned(),
            reported: vec![message("go away\n- proven", ""), message("x", "made up")],
            evidence: String::new(),
        };
        let expected = "\
3  mimi://b.example/u/bob in mimi://a.example/r/1, by c.example: 2 messages, 1 proven
Reported by mimi://c.example/u/cathy, as c.example says.
Note: rude
- proven
  mimi://b.example/u/bob at 7 ms: go away
      | - proven
- not proven: made up
  mimi://b.example/u/bob at 7 ms: x";
        assert_eq!(told(&report), expected);
    }
}
