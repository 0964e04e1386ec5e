//! Act three, first scene (FLOW-14): a file crosses providers by each way there is, and who saw what
//! of it.

use std::time::{Duration, Instant};

use mimi_policy::policy_file;
use mimi_wire::MimiUri;
use mimi_wire::content::MessageId;
use mimi_wire::room::asset_policy::DownloadPrivacyType::{self, Direct, HubProxy, Ohttp};
use rand::RngCore;
use tombolo_client::{DownloadSettings, RoomStatus};

use super::town_hall::done;
use crate::demo::cast::PATIENCE;
use crate::demo::checks::Check;
use crate::demo::search::contains;
use crate::demo::story::Story;
use crate::demo::wires::Exchange;

/// Octets of the file.
const FILE_OCTETS: usize = 300 * 1_024;
/// The file is noise with this on every page, so that it can be looked for.
const LINE: &str = "Minutes of the tombolo club, for members alone";
const PAGE_OCTETS: usize = 4_096;
const FILENAME: &str = "club-minutes.bin";
/// What AES-128-GCM adds.
const TAG_OCTETS: usize = 16;
/// Every room's file may come by every way; the file's host is the sender's provider.
const RULES: &str = r#"
preset = "cooperative"

[asset_policy]
asset_upload_location = "localProvider"
upload_domains = [
    { provider = "a.example", asset_upload_destinations = ["a.example"] },
    { provider = "b.example", asset_upload_destinations = ["b.example"] },
    { provider = "c.example", asset_upload_destinations = ["c.example"] },
]
allowed_download_types = ["ohttp", "hubProxy", "direct"]
default_download_type = "ohttp"
max_attachment = 1000000
"#;
/// The requests by which files come.
const FETCHES: [&str; 3] = ["ohttpGateway", "proxyDownload", "asset"];
/// Who is in the room and plays a part.
pub(super) const READERS: [&str; 4] =
    ["alice's phone", "bob's phone", "bob's laptop", "cathy's phone"];

/// A way, and what must cross the wires when cathy takes it; the hub keeps a copy of what it has
/// fetched.
type Way =
    (DownloadPrivacyType, &'static str, &'static [(&'static str, &'static str, &'static str)]);

const WAYS: [Way; 3] = [
    (
        Ohttp,
        "obliviously",
        &[("ohttpGateway", "c.example", "a.example"), ("asset", "a.example", "b.example")],
    ),
    (HubProxy, "through the hub", &[("proxyDownload", "c.example", "a.example")]),
    (Direct, "directly", &[]),
];

impl Story {
    /// The answer is the room in which it happens.
    pub(super) async fn a_file_by_every_way(&mut self) -> Result<MimiUri, String> {
        self.narrator.act("Act three: a file crosses providers, by every way there is");
        let room = self.a_reading_room().await?;
        let content = minutes();
        self.secrets.extend([LINE.to_owned(), FILENAME.to_owned()]);
        self.sees_in(&room, "bob's phone", &READERS).await?;
        let began = self.federation.wires.count();
        let logged = self.federation.home("b.example")?.log()?.len();
        let since = Instant::now();
        let bob = &self.device("bob's phone").client;
        let kind = "application/octet-stream";
        let sent =
            done("bob cannot send", bob.send_content(&room, FILENAME, kind, &content).await)?;
        self.told("bob's phone", since, &format!("sends a file of {FILE_OCTETS} octets"));
        self.show(&room, sent, &READERS).await?;
        for way in WAYS {
            self.comes_by(&room, sent, way, &content).await?;
        }
        self.is_thanked_for(&room).await?;
        let roads = self.federation.wires.since(began);
        let roads: Vec<Exchange> =
            roads.into_iter().filter(|it| FETCHES.contains(&it.endpoint.as_str())).collect();
        let host = self.host_hears_the_hub_alone(&roads, logged)?;
        let sealed = self.relay_and_hub_saw_it_sealed(&room, sent).await?;
        let kept = self.host_keeps_it_sealed()?;
        self.checks.extend([host, sealed, kept]);
        Ok(room)
    }

    /// alice's, with both of bob's devices and cathy, whom bob adds.
    async fn a_reading_room(&self) -> Result<MimiUri, String> {
        let rules = policy_file::parse(RULES);
        let rules = rules.map_err(|faults| format!("the rules are wrong: {faults:?}"))?;
        let since = Instant::now();
        let alice = &self.device("alice's phone").client;
        let room = alice.create_room_with("Reading room", rules).await;
        let room = done("alice cannot create", room)?;
        self.told("alice's phone", since, &format!("creates {room}, whose rules allow every way"));
        for (name, user, devices) in [
            ("alice's phone", "bob", &["bob's phone", "bob's laptop"][..]),
            ("bob's phone", "cathy", &["cathy's phone"]),
        ] {
            let since = Instant::now();
            let added = self.device(name).client.add_user(&room, &self.user(user)).await;
            done(&format!("{name} cannot add {user}"), added)?;
            self.told(name, since, &format!("adds {user}"));
            for device in devices {
                let here = self.device(device);
                here.sees(&room, "its Welcome", |it| it.status == RoomStatus::Joined).await?;
            }
        }
        Ok(room)
    }

    /// cathy of another provider and alice at the hub fetch it by one way.
    async fn comes_by(
        &mut self,
        room: &MimiUri,
        message: MessageId,
        (way, how, crossing): Way,
        content: &[u8],
    ) -> Result<(), String> {
        let host = self.federation.home("b.example")?;
        let addresses = [(host.domain.clone(), host.federation_listener)];
        let mut faults = Vec::new();
        for name in ["cathy's phone", "alice's phone"] {
            let began = self.federation.wires.count();
            let client = &self.device(name).client;
            let settings =
                DownloadSettings { ways: vec![way], addresses: addresses.clone().into() };
            let set = client.set_download_settings(settings).await;
            done(&format!("{name} cannot choose a way"), set)?;
            let since = Instant::now();
            let got = client.download(room, message, 0).await;
            let got = done(&format!("{name} cannot fetch {how}"), got)?;
            self.told(name, since, &format!("fetches it {how}, {} octets", got.content.len()));
            if got.content != content || !got.is_authenticated {
                faults.push(format!("{name} has other octets"));
            }
            if got.way != way {
                faults.push(format!("to {name} it came by {:?}", got.way));
            }
            if name == "cathy's phone" {
                self.crossed(began, crossing).await?;
            }
            let usual = client.set_download_settings(DownloadSettings::default()).await;
            done(&format!("{name} cannot go back to the usual ways"), usual)?;
        }
        let detail = match faults.first() {
            Some(fault) => fault.clone(),
            None => {
                format!(
                    "{} octets, the same for cathy at c.example and for alice at the hub",
                    content.len()
                )
            }
        };
        self.checks.push(Check::new(&format!("a file comes {how}"), faults.is_empty(), detail));
        Ok(())
    }

    /// Waits until exchanges are seen: the providers' logs come a little later than what they tell.
    pub(super) async fn crossed(
        &self,
        began: usize,
        wanted: &[(&str, &str, &str)],
    ) -> Result<(), String> {
        let since = Instant::now();
        loop {
            let seen = self.federation.wires.since(began);
            let missing = wanted.iter().find(|it| !seen.iter().any(|seen| seen.is(**it)));
            let Some(missing) = missing else { return Ok(()) };
            if since.elapsed() > PATIENCE {
                return Err(format!("{missing:?} never crosses a wire"));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// What is logged is in order: after these nothing of before is missing.
    async fn is_thanked_for(&mut self, room: &MimiUri) -> Result<(), String> {
        let began = self.federation.wires.count();
        for (name, text) in [
            ("cathy's phone", "Read them, every page, thank you"),
            ("bob's phone", "So somebody did read them"),
        ] {
            self.says(room, name, text, &READERS).await?;
            self.secrets.push(text.to_owned());
        }
        let (a, b, c) = ("a.example", "b.example", "c.example");
        let sent = [("submitMessage", c, a), ("submitMessage", b, a), ("notify", a, b)];
        self.crossed(began, &sent).await
    }

    /// PROTO-DL-1: the sender's provider hosts the file, and who fetches it is not its business.
    fn host_hears_the_hub_alone(&self, roads: &[Exchange], logged: usize) -> Result<Check, String> {
        let log = self.federation.home("b.example")?.log()?;
        let names_a_reader = |line: &&str| line.contains("cathy") || line.contains("alice");
        let named = log.get(logged..).unwrap_or(&log).lines().find(names_a_reader);
        let to_host: Vec<_> = roads.iter().filter(|it| it.to == "b.example").collect();
        let strange = to_host.iter().find(|it| !it.is(("asset", "a.example", "b.example")));
        let detail = match (strange, named) {
            (Some(strange), _) => strange.told(),
            (None, Some(line)) => format!("it logged: {line}"),
            (None, None) => {
                format!("asked by a.example, {} time; it logged no name", to_host.len())
            }
        };
        self.narrator.did(&format!("b.example, the file's host: {detail}"));
        let ok = strange.is_none() && named.is_none() && to_host.len() == 1;
        let name = "the file's host hears the hub alone, unless it is asked directly";
        Ok(Check::new(name, ok, detail))
    }

    /// PROTO-DL-5: who relays an oblivious download sees neither what it is nor where it is from, and
    /// the hub is not told for whom it fetches.
    async fn relay_and_hub_saw_it_sealed(
        &self,
        room: &MimiUri,
        sent: MessageId,
    ) -> Result<Check, String> {
        let state = self.device("cathy's phone").room(room).await?;
        let shown = state.messages.into_iter().find(|shown| shown.id == sent);
        let part = shown.and_then(|shown| shown.attachments.into_iter().next());
        let url = part.ok_or("cathy's phone does not show the file")?.url;
        let id = url.rsplit('/').next().unwrap_or(&url).to_owned();
        let needles = [url.as_str(), id.as_str(), "b.example", "cathy", LINE];
        let at_relay = self.federation.home("c.example")?.captured("ohttpGateway")?;
        let at_hub = self.federation.home("a.example")?.captured("-c.example-ohttpGateway")?;
        let readable = needles.iter().find(|needle| {
            let mut bodies = at_relay.iter().chain(&at_hub);
            bodies.any(|body| contains(body, needle.as_bytes()))
        });
        // The file did come this way.
        let through_relay = at_relay.iter().any(|body| body.len() > FILE_OCTETS);
        let detail = match readable {
            Some(needle) => format!("\"{needle}\" can be read"),
            None if !through_relay || at_hub.is_empty() => "no sealed file was captured".to_owned(),
            None => format!("no URL, host or name in {} bodies", at_relay.len() + at_hub.len()),
        };
        let ok = readable.is_none() && through_relay && !at_hub.is_empty();
        self.narrator.did(&format!("c.example, the relay, and a.example, the gateway: {detail}"));
        Ok(Check::new("an oblivious download is sealed on its way", ok, detail))
    }

    /// That the search at the end has something to find, were it not sealed.
    fn host_keeps_it_sealed(&self) -> Result<Check, String> {
        let mut folders = vec![self.federation.home("b.example")?.directory.join("data/assets")];
        let mut kept = 0;
        while let Some(folder) = folders.pop() {
            let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
            for entry in std::fs::read_dir(&folder).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let metadata = entry.metadata().map_err(failed)?;
                if metadata.is_dir() {
                    folders.push(entry.path());
                } else if metadata.len() == (FILE_OCTETS + TAG_OCTETS) as u64 {
                    kept += 1;
                }
            }
        }
        let detail =
            format!("{kept} sealed file of {} octets at b.example", FILE_OCTETS + TAG_OCTETS);
        Ok(Check::new("the file's host keeps what it cannot read", kept == 1, detail))
    }
}

/// Random octets with a line that can be looked for on every page.
fn minutes() -> Vec<u8> {
    let mut content = vec![0; FILE_OCTETS];
    rand::rng().fill_bytes(&mut content);
    for page in content.chunks_mut(PAGE_OCTETS) {
        page[..LINE.len()].copy_from_slice(LINE.as_bytes());
    }
    content
}
