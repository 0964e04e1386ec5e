//! Act three, second scene: an abusive message is reported, and the moderator at the hub can tell a
//! true report from a forged one, without ever having read the room.

use std::time::Instant;

use mimi_wire::protocol::report_abuse::AbuseReport;
use mimi_wire::{MimiUri, Wire};
use tombolo_client::session::request::{Outgoing, Request};

use super::files::READERS;
use super::town_hall::done;
use crate::demo::checks::Check;
use crate::demo::search::position;
use crate::demo::story::Story;

/// What cathy says, and what bob would like her to have said: texts of one length, of which no
/// provider knows either before it is reported.
const ABUSE: &str = "Bob, you are a fool and nobody here likes you";
const WORSE: &str = "Bob, you are a pest and someone will hurt you";
const _: () = assert!(ABUSE.len() == WORSE.len());

impl Story {
    pub(super) async fn a_message_is_reported(&mut self, room: &MimiUri) -> Result<(), String> {
        self.narrator.act("Cathy is abusive; bob reports it, once as it was and once worse");
        let rude = self.says(room, "cathy's phone", ABUSE, &READERS).await?;
        let since = Instant::now();
        let phone = &self.device("bob's phone").client;
        let reported = phone.report(room, &[rude], "She says this in front of everybody").await;
        done("bob cannot report", reported)?;
        self.told("bob's phone", since, "reports it to the room's hub");
        let shown = self.moderator_reads().await?;
        let by_cathy = shown.contains(self.user("cathy").as_str()) && shown.contains(ABUSE);
        let proven = shown.lines().any(|line| line == "- proven");
        let detail = match proven && by_cathy {
            true => {
                "the hub recognises content, sender and time of what it could not read".to_owned()
            }
            false => shown,
        };
        self.checks.push(Check::new("a reported message is proven", proven && by_cathy, detail));

        let address = self.federation.address(self.federation.home_of("bob")?)?;
        let laptop = self.devices.remove("bob's laptop").ok_or("bob has no laptop")?;
        let laptop = laptop.tampered(&address, makes_it_worse).await?;
        self.devices.insert(laptop.name.clone(), laptop);
        self.narrator.did("bob's laptop gets another program, which makes the words worse");
        self.show(room, rude, &["bob's laptop"]).await?;
        let since = Instant::now();
        let reported = self.device("bob's laptop").client.report(room, &[rude], "And worse").await;
        done("bob's laptop cannot report", reported)?;
        self.told("bob's laptop", since, "reports what she never said");
        let shown = self.moderator_reads().await?;
        let verdict = shown.lines().find_map(|line| line.strip_prefix("- "));
        let verdict = verdict.unwrap_or("there is no verdict").to_owned();
        let ok = verdict.starts_with("not proven: ") && shown.contains(WORSE);
        self.checks.push(Check::new("an edited message is not proven", ok, verdict));
        Ok(())
    }

    /// What the moderator at the hub is shown of the newest report.
    async fn moderator_reads(&self) -> Result<String, String> {
        let hub = "a.example";
        let list = self.federation.operator(hub, &["reports", "list"]).await?;
        let newest = list.lines().last().unwrap_or_default();
        self.narrator.did(&format!("a.example's moderator lists the reports: {newest}"));
        let number = newest.split_whitespace().next().unwrap_or_default();
        let shown = self.federation.operator(hub, &["reports", "show", number]).await?;
        for line in shown.lines().skip(1) {
            self.narrator.did(&format!("    {line}"));
        }
        Ok(shown)
    }
}

/// Forges what is reported; everything else stays as it is.
fn makes_it_worse(mut outgoing: Outgoing) -> Outgoing {
    if let Request::ReportAbuse { body, .. } = &mut outgoing.request
        && let Ok(mut report) = AbuseReport::decode(body)
    {
        for message in &mut report.messages {
            let content = &mut message.message_content;
            if let Some(at) = position(content, ABUSE.as_bytes()) {
                content[at..at + ABUSE.len()].copy_from_slice(WORSE.as_bytes());
            }
        }
        *body = report.encode().into();
    }
    outgoing
}
