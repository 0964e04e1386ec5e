//! What a device keeps of changes that it refused to follow, for a person and for others.

use std::path::Path;

use mimi_wire::MimiUri;
use tombolo_client::{Client, ClientError, Evidence};

use crate::chat::operation::Done;
use crate::chat::room_input::write;
use crate::plain::continued;

/// Shows the evidence of a room, or writes it to a file.
pub(crate) async fn run(
    client: &Client,
    room: &MimiUri,
    file: Option<&Path>,
) -> Result<Done, ClientError> {
    let evidence = client.evidence(room).await?;
    if evidence.is_empty() {
        return Ok(Done::Say("-- nobody has broken the rules of this room".to_owned()));
    }
    let Some(file) = file else {
        let told: Vec<String> = evidence.iter().map(told).collect();
        let hint = "/evidence FILE writes it down for others";
        return Ok(Done::Say(format!("{}\n{hint}", told.join("\n"))));
    };
    let all: Vec<String> = evidence.iter().map(Evidence::to_json).collect();
    write(file, format!("[{}]\n", all.join(",\n"))).await?;
    Ok(Done::Say(format!("-- the evidence is in {}", file.display())))
}

fn told(evidence: &Evidence) -> String {
    let rule = evidence.rule.as_deref().unwrap_or("it could not be verified");
    let epoch = evidence.view.as_ref().map(|view| format!(" in epoch {}", view.epoch));
    format!(
        "-- refused{}: {}\n   rule: {rule}; accepted by the hub at {} ms, {} octets kept",
        epoch.unwrap_or_default(),
        continued(&evidence.reason),
        evidence.accepted_ms,
        evidence.event.len()
    )
}
