//! Two devices commit in the same epoch.

use std::time::Instant;

use tombolo_client::ClientEvent;

use crate::demo::checks::Check;
use crate::demo::story::Story;

/// A round in which nobody lost is no race and is played again.
const ROUNDS_MAX: usize = 5;

impl Story {
    pub(super) async fn two_commit_at_once(&mut self) -> Result<(), String> {
        self.narrator.act("Two devices commit at once: one wins, the other recovers by itself");
        let room = self.room();
        for round in 1..=ROUNDS_MAX {
            for name in ["alice's phone", "bob's phone"] {
                self.device_mut(name).overheard();
            }
            let epoch = self.device("alice's phone").room(&room).await?.epoch;
            let since = Instant::now();
            let names =
                [format!("Clubhouse, alice's {round}"), format!("Clubhouse, bob's {round}")];
            let (alice, bob) = (self.device("alice's phone"), self.device("bob's phone"));
            let (first, second) = tokio::join!(
                alice.client.rename_room(&room, &names[0]),
                bob.client.rename_room(&room, &names[1]),
            );
            first.map_err(|error| format!("alice cannot rename the room: {error}"))?;
            second.map_err(|error| format!("bob cannot rename the room: {error}"))?;
            self.told("alice's phone", since, "and bob's phone have both renamed the room");
            let mut losers = Vec::new();
            for name in ["alice's phone", "bob's phone"] {
                let heard = self.device_mut(name).overheard();
                let lost = |event: &ClientEvent| matches!(event, ClientEvent::Retrying { .. });
                if heard.iter().any(lost) {
                    losers.push(name);
                }
            }
            let after = self.device("alice's phone");
            let what = "both renames";
            let state = after.sees(&room, what, |state| state.epoch >= epoch + 2).await?;
            if losers.is_empty() {
                self.narrator.did("nobody lost: once more");
                continue;
            }
            let detail = format!(
                "{} got wrongEpoch in epoch {epoch} and succeeded in epoch {}; the room is \"{}\"",
                losers.join(" and "),
                state.epoch,
                state.name
            );
            self.narrator.did(&detail);
            let once = losers.len() == 1 && state.epoch == epoch + 2 && names.contains(&state.name);
            self.checks.push(Check::new("a lost race is recovered", once, detail));
            return Ok(());
        }
        Err(format!("no race in {ROUNDS_MAX} rounds: nothing is proven"))
    }
}
