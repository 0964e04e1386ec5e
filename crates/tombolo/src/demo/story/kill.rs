//! A provider is killed hard while messages flow, and comes back.

use std::time::{Duration, Instant};

use mimi_wire::MimiUri;
use mimi_wire::content::MessageId;
use tombolo_client::Client;

use crate::demo::checks::{self, Check};
use crate::demo::story::Story;

/// Messages of each writer.
const EACH: usize = 15;
/// From the first message to the kill.
const BEFORE_KILL: Duration = Duration::from_millis(120);
/// How long the provider stays away.
const AWAY: Duration = Duration::from_millis(900);
/// Between two messages of one writer.
const PAUSE: Duration = Duration::from_millis(25);

impl Story {
    pub(super) async fn a_provider_is_killed(&mut self) -> Result<(), String> {
        self.narrator.act("c.example is killed while messages flow, and comes back");
        let room = self.room();
        let writers = ["alice's phone", "bob's laptop", "cathy's phone"];
        let since = Instant::now();
        let narrator = self.narrator.clone();
        let [alice, bob, cathy] = writers.map(|name| &self.devices[name].client);
        let federation = &mut self.federation;
        let (from_alice, from_bob, from_cathy, killed) = tokio::join!(
            writes(alice, &room, "alice"),
            writes(bob, &room, "bob"),
            writes(cathy, &room, "cathy"),
            async {
                tokio::time::sleep(BEFORE_KILL).await;
                federation.kill("c.example").await?;
                narrator.did("c.example is killed (SIGKILL); the others write on");
                tokio::time::sleep(AWAY).await;
                federation.start("c.example").await?;
                narrator.did("c.example is back on the same files");
                Ok::<(), String>(())
            }
        );
        killed?;
        let mut flows = Vec::new();
        for (name, flow) in writers.iter().zip([from_alice?, from_bob?, from_cathy?]) {
            let sender = self.device(name).user().clone();
            for (id, text) in &flow {
                self.chronicle.wrote(*id, &sender, text, &self.present);
            }
            flows.push(flow.into_iter().map(|(id, _)| id).collect::<Vec<_>>());
        }
        let count = flows.iter().map(Vec::len).sum::<usize>();
        self.told("alice, bob and cathy", since, &format!("have written {count} messages"));
        self.everyone_sees_everything().await?;
        self.told("every device", since, "shows them all");

        let mut faults = Vec::new();
        for name in &self.present {
            let shown = self.device(name).room(&room).await?.messages;
            let shown: Vec<MessageId> = shown.iter().map(|message| message.id).collect();
            faults.extend(checks::flow_faults(name, &shown, &flows));
        }
        let detail = match faults.first() {
            None => format!("{count} messages on {} devices", self.present.len()),
            Some(fault) => fault.clone(),
        };
        let name = "SIGKILL: nothing lost, nothing doubled, order kept";
        self.checks.push(Check::new(name, faults.is_empty(), detail));
        Ok(())
    }
}

/// One writer's messages, each sent when the one before is accepted.
async fn writes(
    client: &Client,
    room: &MimiUri,
    writer: &str,
) -> Result<Vec<(MessageId, String)>, String> {
    let mut flow = Vec::new();
    for number in 1..=EACH {
        let text = format!("Message {number} of {writer} while a provider falls and rises");
        let sent = client.send_text(room, &text).await;
        let id = sent.map_err(|error| format!("{writer} cannot write on: {error}"))?;
        flow.push((id, text));
        tokio::time::sleep(PAUSE).await;
    }
    Ok(flow)
}
