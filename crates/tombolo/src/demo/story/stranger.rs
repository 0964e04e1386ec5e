//! Act three, third scene: a stranger is refused like somebody who asks for nobody, is heard once,
//! declined, and let in at last.

use std::time::Instant;

use mimi_policy::preset::Preset;
use mimi_wire::protocol::identifier_query::{QueryElement, SearchIdentifier};
use mimi_wire::{Domain, MimiUri};
use tombolo_client::{ClientError, ClientEvent, RoomStatus};

use super::town_hall::done;
use crate::demo::checks::Check;
use crate::demo::story::Story;

/// Nobody has this name, which is as long as alice's.
const NOBODY: &str = "nomad";

/// All that a stranger learns by trying: the SDK's words and the sizes and codes on the wire, without
/// the name that was asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Learned {
    added: String,
    found: String,
    /// Endpoint, octets there and back, status.
    wire: Vec<(String, u64, u64, u64)>,
}

impl Story {
    pub(super) async fn a_stranger_is_let_in(&mut self) -> Result<(), String> {
        self.narrator.act("A stranger: refused as if nobody were there, then heard, then let in");
        let address = self.federation.add_user("erin").await?;
        self.narrator.did(&format!("the operator adds {address}, of whom nobody has heard"));
        self.register("erin", "phone").await?;
        self.strangers.insert("erin's phone".to_owned());
        let created = self.device("erin's phone").client.create_room("Offers", Preset::Cooperative);
        let room = done("erin cannot create a room", created.await)?;
        self.device_mut("alice's phone").overheard();

        let nobody = self.learns(&room, NOBODY).await?;
        let alice = self.learns(&room, "alice").await?;
        self.alike("a stranger learns nothing, not even who exists", &alice, &nobody);
        self.alice_heard("before a stranger asks nothing is seen of it", 0).await?;

        let asked_nobody = self.asks(NOBODY).await?;
        let asked = self.asks("alice").await?;
        self.is_a_request().await?;
        let same = asked == asked_nobody;
        let detail = format!("requestConsent about alice and about nobody: {asked:?}");
        self.checks.push(Check::new("asking tells a stranger nothing", same, detail));

        let (erin, since) = (self.user("erin"), Instant::now());
        let declined = self.device("alice's phone").client.revoke_consent(&erin).await;
        done("alice cannot decline", declined)?;
        self.told("alice's phone", since, "declines; erin is not told");
        let declined = self.learns(&room, "alice").await?;
        self.alike("who was declined learns nothing either", &declined, &nobody);
        self.is_let_in(&room).await
    }

    /// Tries to add somebody and to find it.
    async fn learns(&self, room: &MimiUri, name: &str) -> Result<Learned, String> {
        let target = at_the_hub(name)?;
        let erin = &self.device("erin's phone").client;
        let began = self.federation.wires.count();
        let added = match erin.add_user(room, &target).await {
            Ok(()) => "added".to_owned(),
            Err(error @ ClientError::NoConsent(_)) => error.to_string(),
            Err(error) => format!("another error: {error}"),
        };
        self.narrator.did(&format!("erin's phone tries to add {target}: {added}"));
        let domain: Domain = done("the hub's name", "a.example".parse())?;
        let handle = QueryElement {
            identifier: SearchIdentifier::Handle,
            search_value: format!("im:{name}@{domain}"),
        };
        let found = match erin.find(&domain, vec![handle]).await {
            Ok(users) => format!("{} users", users.len()),
            Err(error) => error.to_string(),
        };
        self.narrator.did(&format!("erin's phone looks for im:{name}@{domain}: {found}"));
        let (c, a) = ("c.example", "a.example");
        self.crossed(began, &[("keyMaterial", c, a), ("identifierQuery", c, a)]).await?;
        let wire = ["keyMaterial", "identifierQuery"].iter().flat_map(|it| self.wire(began, it));
        let wire = wire.collect();
        Ok(Learned { added: without(&added, name), found: without(&found, name), wire })
    }

    /// Asks somebody for consent; the answer is what that tells.
    async fn asks(&self, name: &str) -> Result<Vec<(String, u64, u64, u64)>, String> {
        let target = at_the_hub(name)?;
        let began = self.federation.wires.count();
        let since = Instant::now();
        let asked = self.device("erin's phone").client.request_consent(&target).await;
        done(&format!("erin cannot ask {target}"), asked)?;
        self.told("erin's phone", since, &format!("asks {target} for consent"));
        let request = ("requestConsent", "c.example", "a.example");
        self.crossed(began, &[request]).await?;
        Ok(self.wire(began, request.0))
    }

    fn wire(&self, began: usize, endpoint: &str) -> Vec<(String, u64, u64, u64)> {
        let seen = self.federation.wires.since(began).into_iter();
        let seen = seen.filter(|it| it.is((endpoint, "c.example", "a.example")));
        seen.map(|it| (it.endpoint, it.request_octets, it.response_octets, it.status)).collect()
    }

    fn alike(&mut self, name: &str, alice: &Learned, nobody: &Learned) {
        let refused = alice.added == without(&no_consent(), "alice");
        let detail = match alice == nobody && refused {
            true => format!("alice and nobody: \"{}\", {}", alice.added, alice.found),
            false => format!("alice: {alice:?}; nobody: {nobody:?}"),
        };
        self.checks.push(Check::new(name, alice == nobody && refused, detail));
    }

    /// Whether alice's phone lists as many requests of erin's as it was told of, tells no more and has
    /// no room of hers.
    async fn alice_heard(&mut self, name: &str, due: usize) -> Result<(), String> {
        let erin = self.user("erin");
        let heard = self.device_mut("alice's phone").overheard();
        let about = heard.iter().filter(|event| is_request_of(event, &erin)).count();
        let alice = &self.device("alice's phone").client;
        let listed = done("alice cannot list", alice.contacts().await)?.requests;
        let listed = listed.iter().filter(|request| request.requester == erin).count();
        let rooms = done("alice cannot list", alice.rooms().await)?;
        let rooms = rooms.iter().filter(|room| room.domain() == erin.domain()).count();
        let ok = (about, listed, rooms) == (0, due, 0);
        let told = due + about;
        let detail = format!("alice's phone: {told} told, {listed} listed, {rooms} rooms of hers");
        self.narrator.did(&detail);
        self.checks.push(Check::new(name, ok, detail));
        Ok(())
    }

    async fn is_a_request(&mut self) -> Result<(), String> {
        let erin = self.user("erin");
        let phone = self.device_mut("alice's phone");
        phone.hears("the request", |event| is_request_of(&event, &erin).then_some(())).await?;
        self.alice_heard("a request is shown once, as a request", 1).await
    }

    async fn is_let_in(&mut self, room: &MimiUri) -> Result<(), String> {
        let (alice, erin) = (self.user("alice"), self.user("erin"));
        let since = Instant::now();
        let granted = self.device("alice's phone").client.grant_consent(&erin).await;
        done("alice cannot agree", granted)?;
        self.told("alice's phone", since, "thinks better of it and agrees");
        let target = alice.clone();
        let phone = self.device_mut("erin's phone");
        phone
            .hears("the consent", |event| match event {
                ClientEvent::ConsentChanged { target: by, granted: true, .. } => {
                    (by == target).then_some(())
                }
                _ => None,
            })
            .await?;
        let since = Instant::now();
        let added = self.device("erin's phone").client.add_user(room, &alice).await;
        done("erin cannot add alice", added)?;
        self.told("erin's phone", since, "is told so, and adds alice");
        let phone = self.device("alice's phone");
        phone.sees(room, "its Welcome", |state| state.status == RoomStatus::Joined).await?;
        let text = "Thank you for hearing me, alice";
        self.says(room, "erin's phone", text, &["alice's phone", "erin's phone"]).await?;
        self.secrets.push(text.to_owned());
        let detail = "alice's phone is in erin's room and shows what she says";
        self.checks.push(Check::new("who was let in can add and write", true, detail));
        Ok(())
    }
}

fn is_request_of(event: &ClientEvent, user: &MimiUri) -> bool {
    matches!(event, ClientEvent::ConsentRequested { requester, .. } if requester == user)
}

fn at_the_hub(name: &str) -> Result<MimiUri, String> {
    done(name, MimiUri::new(&format!("mimi://a.example/u/{name}")))
}

/// What must be said of alice.
fn no_consent() -> String {
    let alice = at_the_hub("alice").map(ClientError::NoConsent);
    alice.map_or_else(|error| error, |error| error.to_string())
}

fn without(text: &str, name: &str) -> String {
    text.replace(name, "…")
}
