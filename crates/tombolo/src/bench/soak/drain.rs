//! The end of a soak: everybody runs, nobody writes; what waits arrives, and what everybody shows is
//! compared.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tombolo_server::admin_api::AdminClient;

use super::super::progress::Progress;
use super::ledger::Findings;
use super::stage::Stage;
use super::words::What;

/// How long what waits may take to arrive. Providers and devices that could not reach each other try
/// again after pauses that grow.
const DRAINED_WITHIN: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Waits until everything has arrived and nothing waits any more; then looks once more, since what is
/// doubled may come late. What is found, and how many entries wait at providers.
pub(super) async fn until_whole(stage: &Stage, progress: &Progress) -> (Findings, u64) {
    let begun = Instant::now();
    loop {
        let waiting = waiting(stage).await;
        let findings = look(stage).await;
        if findings.is_whole() && waiting == Some(0) {
            tokio::time::sleep(LOOK_EVERY).await;
            let again = look(stage).await;
            if again.is_whole() {
                return (again, 0);
            }
        }
        if begun.elapsed() > DRAINED_WITHIN || stage.has_failed() {
            return (findings, waiting.unwrap_or(u64::MAX));
        }
        let wait = waiting.map_or("?".to_owned(), |waiting| waiting.to_string());
        progress.say(&format!("{} messages are not there yet, {wait} wait", findings.lost));
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// What everybody shows, compared. Who cannot be asked shows nothing.
async fn look(stage: &Stage) -> Findings {
    let mut findings = Findings::default();
    for place in &stage.places {
        let devices = stage.ledger().devices_of(&place.room);
        let mut shown = BTreeMap::new();
        for device in stage.devices() {
            if !devices.iter().any(|name| **name == *device.name) {
                continue;
            }
            let texts = match stage.shown(&device, &place.room, What::Everything).await {
                Ok(shown) => shown.texts,
                Err(why) => {
                    stage.note(format_args!("{} shows nothing: {why}", device.name));
                    Vec::new()
                }
            };
            shown.insert(device.name.to_string(), texts);
        }
        stage.ledger().compare(&place.room, &place.owner.name, &shown, &mut findings);
    }
    stage.ledger().told_twice(&mut findings);
    findings
}

/// Entries that wait at providers for each other; `None` if one does not say.
async fn waiting(stage: &Stage) -> Option<u64> {
    let mut waiting = 0;
    for site in &stage.sites {
        let site = site.lock().await;
        let admin = AdminClient::new(site.home.admin_listener, &site.home.data_directory()).ok()?;
        let peers = admin.peers().await.ok()?;
        waiting += peers.peers.iter().map(|peer| peer.waiting).sum::<u64>();
    }
    Some(waiting)
}
