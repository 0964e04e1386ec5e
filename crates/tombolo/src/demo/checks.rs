//! The table at the end: what every device shows must agree, and nothing may be readable outside.

use std::collections::{BTreeMap, BTreeSet};

use mimi_wire::content::MessageId;
use serde::Serialize;
use tombolo_client::{RoomState, RoomStatus};

use crate::demo::chronicle::Chronicle;
use crate::demo::narrator::{Holds, Narrator};
use crate::demo::search;
use crate::demo::story::Story;

/// One line of the table.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Check {
    pub(crate) name: String,
    pub(crate) ok: bool,
    pub(crate) detail: String,
}

/// What `--json` prints; the form is fixed, because others script it.
#[derive(Debug, Serialize)]
pub(crate) struct Verdict {
    pub(crate) ok: bool,
    pub(crate) seconds: f64,
    pub(crate) checks: Vec<Check>,
}

impl Check {
    pub(crate) fn new(name: &str, ok: bool, detail: impl Into<String>) -> Self {
        Self { name: name.to_owned(), ok, detail: detail.into() }
    }

    fn of_faults(name: &str, faults: &[String], holds: String) -> Self {
        match faults {
            [] => Self::new(name, true, holds),
            [fault] => Self::new(name, false, fault.clone()),
            [fault, rest @ ..] => {
                Self::new(name, false, format!("{fault} (and {} more)", rest.len()))
            }
        }
    }
}

/// Whether devices that are in the room now agree on everything about it.
pub(crate) fn agreement(name: &str, views: &[(String, RoomState)], chronicle: &Chronicle) -> Check {
    let Some((first_name, first)) = views.first() else {
        return Check::new(name, false, "no device is in the room");
    };
    let mut faults = Vec::new();
    for (other_name, other) in views {
        let mut differs = |what: &str, same: bool| {
            if !same {
                faults.push(format!("{first_name} and {other_name} differ in {what}"));
            }
        };
        differs("status", other.status == RoomStatus::Joined);
        differs("participants, roles or clients", first.participants == other.participants);
        differs("epoch", first.epoch == other.epoch);
        differs("tree hash", first.tree_hash == other.tree_hash);
        differs("name", first.name == other.name);
        let (seen_first, seen_other) =
            (chronicle.seen_by(first_name), chronicle.seen_by(other_name));
        let both: BTreeSet<MessageId> = seen_first.intersection(&seen_other).copied().collect();
        let order = |state: &RoomState| -> Vec<(MessageId, u64)> {
            let shown = state.messages.iter().filter(|message| both.contains(&message.id));
            shown.map(|message| (message.id, message.timestamp_ms)).collect()
        };
        differs("messages, their order or times", order(first) == order(other));
    }
    let holds = format!(
        "{} devices, {} participants, epoch {}, tree {}, {} messages",
        views.len(),
        first.participants.len(),
        first.epoch,
        short(&first.tree_hash),
        first.messages.len()
    );
    Check::of_faults(name, &faults, holds)
}

/// What is wrong with how a device shows several writers' flows.
pub(crate) fn flow_faults(
    device: &str,
    shown: &[MessageId],
    flows: &[Vec<MessageId>],
) -> Vec<String> {
    let mut faults = Vec::new();
    for flow in flows {
        let wanted: BTreeSet<&MessageId> = flow.iter().collect();
        let got: Vec<&MessageId> = shown.iter().filter(|id| wanted.contains(id)).collect();
        let distinct = got.iter().collect::<BTreeSet<_>>().len();
        if distinct < flow.len() {
            faults.push(format!("{device} lacks {} messages", flow.len() - distinct));
        }
        if got.len() > distinct {
            faults.push(format!("{device} shows {} messages twice", got.len() - distinct));
        }
        if distinct == flow.len() && got.len() == distinct && !got.iter().copied().eq(flow) {
            faults.push(format!("{device} shows a writer's messages in another order"));
        }
    }
    faults
}

/// The checks that need the whole story; those made on the way come first.
pub(crate) async fn all(story: &Story) -> Vec<Check> {
    let mut checks = story.checks.clone();
    let mut states = BTreeMap::new();
    let invited = story.devices.iter().filter(|(name, _)| !story.strangers.contains(*name));
    for (name, device) in invited {
        match device.client.room(&story.room()).await {
            Ok(state) => drop(states.insert(name.clone(), state)),
            Err(error) => checks.push(Check::new(
                "every device shows the room",
                false,
                format!("{name}: {error}"),
            )),
        }
    }
    checks.push(shown_exactly(&states, &story.chronicle));
    checks.push(statuses(&states));
    checks.extend(roads(story));
    checks.extend(nothing_readable(story));
    checks
}

/// Every device shows exactly the messages of its time in the room, each as it must be.
fn shown_exactly(states: &BTreeMap<String, RoomState>, chronicle: &Chronicle) -> Check {
    let mut faults = Vec::new();
    let mut count = 0;
    for (name, state) in states {
        let due = chronicle.seen_by(name);
        let shown: Vec<MessageId> = state.messages.iter().map(|message| message.id).collect();
        count += shown.len();
        let distinct: BTreeSet<MessageId> = shown.iter().copied().collect();
        if distinct.len() < shown.len() {
            faults.push(format!("{name} shows a message twice"));
        }
        for id in due.difference(&distinct) {
            faults.push(format!("{name} does not show {}", short(&id.0)));
        }
        for id in distinct.difference(&due) {
            faults.push(format!("{name} shows {} and must not", short(&id.0)));
        }
        for told in chronicle.told.iter().filter(|told| due.contains(&told.id)) {
            let shown = state.messages.iter().find(|message| message.id == told.id);
            if let Some(wrong) = shown.and_then(|shown| told.differs(shown)) {
                faults.push(format!("{name} shows {} wrongly: {wrong}", short(&told.id.0)));
            }
        }
    }
    let holds =
        format!("{count} messages on {} devices, each of its time in the room", states.len());
    Check::of_faults("no device shows anything it must not", &faults, holds)
}

fn statuses(states: &BTreeMap<String, RoomState>) -> Check {
    let mut faults = Vec::new();
    for (name, state) in states {
        let due = match name.split('\'').next() {
            Some("bob") => RoomStatus::Left,
            Some("cathy") => RoomStatus::Banned,
            _ => RoomStatus::Joined,
        };
        if state.status != due {
            faults.push(format!("{name} is {:?}, not {due:?}", state.status));
        }
    }
    let holds = "alice is in, bob has left, cathy is banned, on every device".to_owned();
    Check::of_faults("every device knows where it stands", &faults, holds)
}

/// What took which way between the providers.
fn roads(story: &Story) -> Vec<Check> {
    let exchanges = story.federation.wires.all();
    let crossed = |endpoint: &str, from: &str, to: &str| {
        exchanges.iter().any(|e| e.endpoint == endpoint && e.from == from && e.to == to)
    };
    let (a, b, c) = ("a.example", "b.example", "c.example");
    let through_hub = crossed("keyMaterial", b, a) && crossed("keyMaterial", a, c);
    let past_hub = crossed("keyMaterial", b, c);
    let follower = |from: &str, to: &str| crossed("notify", from, to);
    let only_hub = follower(a, b) && follower(a, c) && !follower(b, c) && !follower(c, b);
    let direct = crossed("requestConsent", a, b) && crossed("updateConsent", b, a);
    let total: u64 = exchanges.iter().map(|e| e.request_octets + e.response_octets).sum();
    let detail = format!("{} exchanges, {total} B", exchanges.len());
    vec![
        Check::new(
            "KeyPackages are fetched through the hub",
            through_hub && !past_hub,
            "keyMaterial went b.example -> a.example -> c.example",
        ),
        Check::new("only the hub notifies", only_hub, detail),
        Check::new("consent goes directly", direct, "requestConsent a -> b, updateConsent b -> a"),
    ]
}

/// Searches databases, logs and captures for every text anybody wrote.
fn nothing_readable(story: &Story) -> Vec<Check> {
    let name = "no message and no file is readable at any provider";
    let mut checks = Vec::new();
    let (mut faults, mut files, mut octets, mut proof) = (Vec::new(), 0, 0, 0);
    // Known to be in the clear at providers: the search must be able to find it.
    let control = story.room().as_str().to_owned();
    let mut needles = story.chronicle.texts();
    needles.extend(story.town_hall.texts());
    needles.extend(story.secrets.iter().cloned());
    let texts = needles.len();
    needles.push(control.clone());
    for home in story.federation.homes() {
        match search::search(&home.directory, &needles) {
            Ok(found) => {
                files += found.files;
                octets += found.octets;
                for (path, needle) in found.hits {
                    if needle == control {
                        proof += 1;
                    } else {
                        faults.push(format!("{} holds \"{needle}\"", path.display()));
                    }
                }
            }
            Err(error) => faults.push(format!("{} cannot be searched: {error}", home.domain)),
        }
    }
    let holds = format!("{texts} texts searched in {files} files, {octets} B");
    checks.push(Check::of_faults(name, &faults, holds));
    let detail = format!("the room's URI, which providers know, was found in {proof} files");
    checks.push(Check::new("the search finds what is there", proof > 0, detail));
    checks
}

/// Prints the table.
pub(crate) fn print(narrator: &Narrator, checks: &[Check]) {
    narrator.act("Checks");
    let width = checks.iter().map(|check| check.name.chars().count()).max().unwrap_or_default();
    for Check { name, ok, detail } in checks {
        let mark = narrator.mark(Holds::from(*ok));
        narrator.line(&format!("  {mark}  {name:width$}  {detail}"));
    }
}

fn short(octets: &[u8]) -> String {
    octets.iter().take(4).map(|octet| format!("{octet:02x}")).collect()
}
