//! What a device keeps of changes that it refused to follow, for a person and for others.

use std::path::Path;

use mimi_wire::MimiUri;
use tombolo_client::{Client, ClientError, Evidence};

use crate::chat::operation::Done;
use crate::chat::room_input::write;
use crate::chat::words::clock;
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
        let hint = "/evidence FILE writes down all of it, for others to check";
        return Ok(Done::Say(format!("{}\n{hint}", told.join("\n"))));
    };
    let all: Vec<String> = evidence.iter().map(Evidence::to_json).collect();
    write(file, format!("[{}]\n", all.join(",\n"))).await?;
    Ok(Done::Say(format!("-- the evidence is in {}", file.display())))
}

/// The rule's id and the octets are for the file.
fn told(evidence: &Evidence) -> String {
    let at = clock(evidence.accepted_ms);
    format!("-- not followed, though the hub let it pass at {at}: {}", continued(&evidence.reason))
}

#[cfg(test)]
mod tests {
    use mimi_wire::MimiUri;
    use tombolo_client::Evidence;

    #[test]
    fn a_person_is_told_when_and_why() {
        let evidence = Evidence {
            room: MimiUri::new("mimi://a.example/r/club").unwrap(),
            reason: "bob may not ban alice: their role guest lacks canBan".to_owned(),
            rule: Some("ban (POLICY-CAP-ROLE-3)".to_owned()),
            judged_ms: 0,
            accepted_ms: 61 * 60_000,
            event_id: 1,
            room_seq: 1,
            event: vec![1, 2, 3],
            change: None,
            view: None,
        };
        let expected = "-- not followed, though the hub let it pass at 01:01: bob may not ban \
                        alice: their role guest lacks canBan";
        assert_eq!(super::told(&evidence), expected);
    }
}
