//! Rules of rooms over the real stack: devices of the SDK, which judge, beside phones that do not;
//! hubs that judge, and one whose log says what no judge allowed (AMB-POL-19).

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, SaltString};
use mimi_mls::member::CommitPlan;
use mimi_policy::policy_file::RoomPolicy;
use mimi_policy::preset::Preset;
use mimi_provider::Change;
use mimi_provider::record::{Account, EventKind, NewEvent};
use mimi_wire::protocol::notify::{FanoutKind, FanoutMessage};
use mimi_wire::protocol::update::{UpdateOutcome, UpdateRequest};
use mimi_wire::room::participant_list::{ParticipantListUpdate, UserIndexRolePair, UserRolePair};
use mimi_wire::{MimiUri, UriKind, Wire};
use tombolo_client::store::MemoryStore as ClientMemory;
use tombolo_client::transport::HttpsTransport;
use tombolo_client::{
    Client, ClientError, MetadataChange, ProviderAddress, Registration, RoomState, RoomStatus,
};
use tombolo_server::running::Running;
use tombolo_store::{Commit, Store};

use crate::rooms::{NAMES, Trio};
use crate::support::{Phone, domain, eventually};

pub(crate) const PASSWORD: &str = "correct horse";
const ORDINARY: u32 = 2;
const ADMIN: u32 = 3;

/// Somebody with a device of the SDK, whose storage outlives it.
pub(crate) struct Person {
    pub(crate) client: Client,
    store: Arc<ClientMemory>,
}

fn address(trio: &Trio, running: &Running, provider: &str) -> ProviderAddress {
    let listener = running.addresses().client;
    ProviderAddress {
        url: format!("https://{provider}:{}", listener.port()),
        resolve: Some(listener),
        roots_pem: Some(trio.federation.ca.root_pem().to_owned()),
    }
}

impl Person {
    pub(crate) async fn sign_up(trio: &Trio, provider: &str, name: &str) -> Self {
        let index = NAMES.iter().position(|known| *known == provider).unwrap();
        let salt = SaltString::encode_b64(&[7; 16]).unwrap();
        let hash = Argon2::default().hash_password(PASSWORD.as_bytes(), &salt).unwrap();
        let user = MimiUri::build(&domain(provider), UriKind::User, &[name]).unwrap();
        let account = Account {
            user,
            password_hash: Some(hash.to_string()),
            created_ms: 1,
            claims: Vec::new(),
        };
        let changes = vec![Change::CreateAccount(account)];
        trio.stores[index].commit(Commit { expect: Vec::new(), changes }).await.unwrap();
        let address = address(trio, &trio.running[index], provider);
        let transport = Arc::new(HttpsTransport::new(&address).unwrap());
        let store = Arc::new(ClientMemory::default());
        let registration = Registration {
            provider: address,
            user: name.to_owned(),
            password: PASSWORD.to_owned(),
            device: "phone".to_owned(),
        };
        let client = Client::register_over(store.clone(), transport, registration).await.unwrap();
        Self { client, store }
    }

    /// Starts again from what is stored, wherever the provider is now.
    async fn start(self, trio: &Trio, running: &Running) -> Self {
        let provider = self.client.identity().user.domain();
        // A handle that is dropped closes, too.
        drop(self.client);
        let transport = HttpsTransport::new(&address(trio, running, provider.as_str())).unwrap();
        let client = Client::start(self.store.clone(), Arc::new(transport)).await.unwrap();
        Self { client, store: self.store }
    }

    pub(crate) fn user(&self) -> MimiUri {
        self.client.identity().user.clone()
    }

    pub(crate) async fn until(
        &self,
        room: &MimiUri,
        holds: impl Fn(&RoomState) -> bool,
    ) -> RoomState {
        eventually(async || {
            let state = self.client.room(room).await.ok()?;
            holds(&state).then_some(state)
        })
        .await
    }
}

/// alice hosts a room at a.example; cathy of c.example is in it, and bob of b.example with a phone
/// whose own checks are switched off.
async fn room_with_a_hostile_phone(trio: &Trio) -> (Person, Phone, Person, MimiUri) {
    let alice = Person::sign_up(trio, "a.example", "alice").await;
    let cathy = Person::sign_up(trio, "c.example", "cathy").await;
    let mut bob = trio.phone("b.example/bob/phone").await;
    cathy.client.grant_consent(&alice.user()).await.unwrap();
    bob.grant(&alice.user()).await;
    // Administrators may come and go.
    let mut policy = RoomPolicy::of_preset(Preset::Cooperative);
    for role in &mut policy.roles.roles {
        role.minimum_participants_constraint = 0;
    }
    let room = alice.client.create_room_with("Clubhouse", policy).await.unwrap();
    alice.client.add_user(&room, &bob.user).await.unwrap();
    alice.client.add_user(&room, &cathy.user()).await.unwrap();
    cathy.until(&room, |state| state.participants.len() == 3).await;
    bob.until_epoch(&room, 2).await;
    (alice, bob, cathy, room)
}

fn role_change(user_index: u32, role_index: u32) -> CommitPlan {
    let pair = UserIndexRolePair { user_index, role_index };
    let update =
        ParticipantListUpdate { changed_role_participants: vec![pair], ..Default::default() };
    CommitPlan { participants: Some(update), ..CommitPlan::default() }
}

/// Whatever a client without checks of its own asks, the hub refuses with its reasons, and nobody
/// sees anything of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_whose_own_checks_are_off() {
    let trio = Trio::start().await;
    let (alice, mut bob, cathy, room) = room_with_a_hostile_phone(&trio).await;
    let before = alice.client.room(&room).await.unwrap();
    let mut metadata = bob.group(&room).view().metadata.clone();
    metadata.room_descriptions = vec![Default::default()];
    let mut roles = bob.group(&room).view().roles.clone();
    roles.roles[2].role_capabilities = mimi_wire::room::capability::Capability::ALL.to_vec();
    let mut base_policy = bob.group(&room).view().base_policy.clone();
    base_policy.as_mut().unwrap().max_users = Some(1);
    let cathys = bob.leaves(&room, &cathy.user());
    let enforcer =
        UserRolePair { user: MimiUri::new("mimi://b.example/u/bella").unwrap(), role_index: 5 };
    let sneaked = ParticipantListUpdate {
        added_participants: vec![enforcer],
        ..ParticipantListUpdate::default()
    };
    let banned = CommitPlan { remove: cathys.clone(), ..role_change(2, 1) };
    let attempts = [
        ("change their own role", role_change(1, 4)),
        ("change the role of alice", role_change(0, ORDINARY)),
        ("ban cathy", banned),
        ("remove client", CommitPlan { remove: cathys, ..CommitPlan::default() }),
        ("add bella", CommitPlan { participants: Some(sneaked), ..CommitPlan::default() }),
        ("description", CommitPlan { metadata: Some(metadata), ..CommitPlan::default() }),
        ("role definitions", CommitPlan { roles: Some(roles), ..CommitPlan::default() }),
        ("base policy", CommitPlan { base_policy, ..CommitPlan::default() }),
    ];
    for (told, plan) in attempts {
        let request = UpdateRequest::Commit(bob.build(&room, &plan));
        let response = bob.update(&room, &request).await;
        assert_eq!(response.outcome, UpdateOutcome::NotAllowed, "{told}");
        let said = &response.error_description;
        assert!(said.contains("bob may not") && said.contains(told), "{told}: {said}");
        bob.group(&room).drop_pending().unwrap();
    }
    // Nothing came of it, and the room goes on.
    alice.client.send_text(&room, "still here").await.unwrap();
    let state = cathy.until(&room, |state| state.messages.len() == 1).await;
    assert_eq!((state.epoch, &state.participants), (before.epoch, &before.participants));
    assert_eq!(state.metadata, before.metadata);
    // The SDK says the same before anything is sent.
    let description = MetadataChange::Description("ours".to_owned());
    let refused = cathy.client.change_metadata(&room, description).await.unwrap_err();
    let ClientError::Denied(denied) = &refused else { panic!("{refused:?}") };
    assert!(denied.to_string().starts_with("cathy may not change the room's description"));
}

/// ARCH-4: a hub that accepts what it must not: each client that sees it freezes the room, says why, keeps
/// the evidence and does nothing there any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_accepts_what_it_must_not() {
    let mut trio = Trio::start().await;
    let (alice, mut bob, cathy, room) = room_with_a_hostile_phone(&trio).await;
    alice.client.send_text(&room, "before").await.unwrap();
    cathy.until(&room, |state| state.messages.len() == 1).await;
    let epoch = bob.group(&room).view().epoch;

    // bob makes himself an administrator; the hub's log says that it was accepted.
    let request = UpdateRequest::Commit(bob.build(&room, &role_change(1, 4)));
    trio.running.remove(0).shutdown().await;
    accept_unjudged(&trio, &room, &request).await;
    let running = trio.federation.start_on("a.example", &trio.stores[0]).await;
    trio.running.insert(0, running);
    trio.publish().await;
    let alice = alice.start(&trio, &trio.running[0]).await;

    for person in [&alice, &cathy] {
        let frozen = |state: &RoomState| matches!(state.status, RoomStatus::Frozen { .. });
        let state = person.until(&room, frozen).await;
        let RoomStatus::Frozen { reason } = &state.status else { unreachable!("just seen") };
        assert!(reason.contains("bob may not change their own role"), "{reason}");
        assert_eq!((state.epoch, state.participants[1].role_index), (epoch, ORDINARY));
        let evidence = person.client.evidence(&room).await.unwrap();
        let [evidence] = &evidence[..] else { panic!("{evidence:?}") };
        let kept = FanoutMessage::decode(&evidence.event).unwrap();
        let UpdateRequest::Commit(bundle) = &request else { unreachable!("a commit") };
        assert_eq!(kept.message.octets(), bundle.commit.octets());
        assert_eq!(evidence.view.as_ref().map(|view| view.epoch), Some(epoch));
        assert!(evidence.rule.as_ref().unwrap().contains("POLICY-CAP-ROLE-2"));
        let sent = person.client.send_text(&room, "hello?").await;
        assert!(matches!(sent, Err(ClientError::Frozen { .. })), "{sent:?}");
        let renamed = person.client.rename_room(&room, "Mine").await;
        assert!(matches!(renamed, Err(ClientError::Frozen { .. })), "{renamed:?}");
    }
}

/// Writes an update into the hub's log as if it had been accepted.
async fn accept_unjudged(trio: &Trio, room: &MimiUri, request: &UpdateRequest) {
    let UpdateRequest::Commit(bundle) = request else { panic!("no commit") };
    let log = trio.stores[0].log(room, 0, 1_000).await.unwrap();
    let last = &log.last().unwrap().event;
    let timestamp = last.timestamp_ms + 1;
    let fanout = FanoutMessage {
        timestamp,
        message: bundle.commit.clone(),
        kind: FanoutKind::Commit { external_proposals: Vec::new() },
    };
    let event = NewEvent {
        stream: room.clone(),
        seq: last.seq + 1,
        kind: EventKind::Commit,
        timestamp_ms: timestamp,
        payload: fanout.encode(),
        audience: vec![domain("b.example"), domain("c.example")],
        targets: None,
        detail: request.encode(),
    };
    let commit = Commit { expect: Vec::new(), changes: vec![Change::Append(event)] };
    trio.stores[0].commit(commit).await.unwrap();
}

/// FLOW-8: a ban reaches a device that was away; it is told so and can do nothing there any more. Her
/// provider is told of the ban, and of nothing that comes after it.
#[tokio::test(flavor = "multi_thread")]
async fn ban_while_offline() {
    let trio = Trio::start().await;
    let (alice, _bob, cathy, room) = room_with_a_hostile_phone(&trio).await;
    cathy.client.send_text(&room, "bye for now").await.unwrap();
    let Person { client, store } = cathy;
    let user = client.identity().user.clone();
    client.close().await.unwrap();
    alice.client.ban_user(&room, &user).await.unwrap();
    alice.client.send_text(&room, "without her").await.unwrap();
    let transport = HttpsTransport::new(&address(&trio, &trio.running[2], "c.example")).unwrap();
    let client = Client::start(store.clone(), Arc::new(transport)).await.unwrap();
    let cathy = Person { client, store };
    let state = cathy.until(&room, |state| state.status == RoomStatus::Banned).await;
    let texts: Vec<_> = state.messages.iter().filter_map(|it| it.text.as_deref()).collect();
    assert_eq!(texts, ["bye for now"]);
    let last = trio.told("c.example").pop().unwrap();
    assert!(matches!(last.kind, FanoutKind::Commit { .. }), "{last:?}");
    let told = cathy.client.send_text(&room, "hello?").await.unwrap_err();
    assert_eq!(told.to_string(), format!("you are banned from {room}"));
    let told = cathy.client.join_room(&room).await.unwrap_err();
    assert_eq!(told.to_string(), format!("you are banned from {room}"));
    // The ban is lifted, and she comes in by herself.
    alice.client.unban_user(&room, &user, None).await.unwrap();
    cathy.client.join_room(&room).await.unwrap();
    cathy.client.send_text(&room, "back").await.unwrap();
    alice.until(&room, |state| state.messages.len() == 3).await;
}

/// FLOW-8, POLICY-CAP-REM-4, POLICY-CAP-ADD-2: kicked, and back by the right to add own clients.
#[tokio::test(flavor = "multi_thread")]
async fn kick_and_return() {
    let trio = Trio::start().await;
    let (alice, _bob, cathy, room) = room_with_a_hostile_phone(&trio).await;
    alice.client.kick_user(&room, &cathy.user()).await.unwrap();
    cathy.until(&room, |state| state.status == RoomStatus::Removed).await;
    let told = cathy.client.send_text(&room, "hm").await.unwrap_err();
    assert!(matches!(told, ClientError::Removed(_)), "{told}");
    let inactive = alice.client.room(&room).await.unwrap().participants;
    assert!(inactive[2].clients.is_empty() && inactive[2].role_index == ORDINARY);
    cathy.client.join_room(&room).await.unwrap();
    cathy.client.send_text(&room, "back").await.unwrap();
    alice.until(&room, |state| state.messages.len() == 1).await;
}

/// FLOW-8: two administrators at once, cathy is demoted while she bans bob. Whoever is first, everybody sees
/// the same, and a ban that comes too late ends with the judge's sentence.
#[tokio::test(flavor = "multi_thread")]
async fn demotion_during_a_race() {
    let trio = Trio::start().await;
    let (alice, bob, cathy, room) = room_with_a_hostile_phone(&trio).await;
    alice.client.change_role(&room, &cathy.user(), ADMIN).await.unwrap();
    cathy.until(&room, |state| state.participants[2].role_index == ADMIN).await;
    let user = cathy.user();
    let (demoted, banned) = tokio::join!(
        alice.client.change_role(&room, &user, ORDINARY),
        cathy.client.ban_user(&room, &bob.user),
    );
    demoted.unwrap();
    let seen = cathy.until(&room, |state| state.participants[2].role_index == ORDINARY).await;
    match banned {
        Ok(()) => assert!(seen.participants[1].is_banned),
        Err(ClientError::Denied(denied)) => {
            let told = denied.to_string();
            assert!(told.starts_with("cathy may not ban bob: their role ordinary_user"), "{told}");
            assert!(!seen.participants[1].is_banned);
        }
        Err(error) => panic!("{error}"),
    }
    alice.until(&room, |state| state.tree_hash == seen.tree_hash).await;
}

/// ARCH-3, AMB-POL-16: what the operator does not host is refused with a sentence.
#[tokio::test(flavor = "multi_thread")]
async fn rooms_the_operator_does_not_host() {
    let trio = Trio::start().await;
    let (alice, _bob, cathy, _room) = room_with_a_hostile_phone(&trio).await;
    let config = |rules: &str| trio.federation.config_with("a.example", rules);
    let config =
        config("[policy]\npresets = [\"moderated\"]\ncustom_policies = false\nmax_users = 1");
    let store = crate::support::SharedStore::shared(&trio.stores[0]);
    let clock = tombolo_server::clock::Clock::system();
    let strict = Running::start_with(config, store, clock).await.unwrap();
    let alice = alice.start(&trio, &strict).await;
    let refused = alice.client.create_room("Free for all", Preset::Cooperative).await.unwrap_err();
    assert!(refused.to_string().contains("this provider offers moderated"), "{refused}");
    let room = alice.client.create_room("Lectures", Preset::Moderated).await.unwrap();
    let refused = alice.client.add_user(&room, &cathy.user()).await.unwrap_err();
    assert!(refused.to_string().contains("at most 1"), "{refused}");
    assert_eq!(alice.client.room(&room).await.unwrap().participants.len(), 1);
    strict.shutdown().await;
}
