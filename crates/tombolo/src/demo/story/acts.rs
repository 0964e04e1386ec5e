//! The acts in which nobody is killed and nobody races.

use std::time::Instant;

use mimi_policy::preset::Preset;
use tombolo_client::{ClientError, ClientEvent, RoomStatus};

use crate::demo::checks::Check;
use crate::demo::story::Story;

impl Story {
    pub(super) async fn people_and_devices(&mut self) -> Result<(), String> {
        self.narrator.act("People and devices");
        for user in ["alice", "bob", "cathy"] {
            let address = self.federation.add_user(user).await?;
            self.narrator.did(&format!("the operator adds {address}"));
        }
        for (user, device) in
            [("alice", "phone"), ("alice", "laptop"), ("bob", "phone"), ("bob", "laptop")]
        {
            self.register(user, device).await?;
        }
        self.register("cathy", "phone").await
    }

    pub(super) async fn consent(&mut self) -> Result<(), String> {
        self.narrator.act("Consent: nobody is reached who has not agreed");
        let (alice, bob) = (self.user("alice"), self.user("bob"));
        let phone = self.device("alice's phone");
        let room = phone.client.create_room("Waiting room", Preset::Cooperative).await;
        let room = room.map_err(|error| format!("alice cannot create a room: {error}"))?;
        let early = phone.client.add_user(&room, &bob).await;
        let refused = matches!(early, Err(ClientError::NoConsent(_)));
        let detail = match early {
            Ok(()) => "bob could be added before he agreed",
            Err(ClientError::NoConsent(_)) => "alice adds bob too early and gets nothing",
            Err(error) => &format!("alice adding bob too early: {error}"),
        };
        self.narrator.did(detail);
        self.checks.push(Check::new("no KeyPackage before consent", refused, detail));
        self.connect("alice", "bob").await?;
        self.narrator.did(&format!("{bob} may be contacted by {alice}"));
        Ok(())
    }

    /// One asks, the other agrees.
    pub(in crate::demo) async fn connect(
        &mut self,
        requester: &str,
        target: &str,
    ) -> Result<(), String> {
        let (asking, asked) = (self.user(requester), self.user(target));
        let since = Instant::now();
        let phone = format!("{requester}'s phone");
        let request = self.device(&phone).client.request_consent(&asked).await;
        request.map_err(|error| format!("{requester} cannot ask: {error}"))?;
        self.told(&phone, since, &format!("asks {asked} for consent"));
        let phone = format!("{target}'s phone");
        let expected = asking.clone();
        self.device_mut(&phone)
            .hears("the consent request", |event| match event {
                ClientEvent::ConsentRequested { requester, .. } if requester == expected => {
                    Some(())
                }
                _ => None,
            })
            .await?;
        let since = Instant::now();
        let grant = self.device(&phone).client.grant_consent(&asking).await;
        grant.map_err(|error| format!("{target} cannot agree: {error}"))?;
        self.told(&phone, since, &format!("is shown the request and agrees to {asking}"));
        let phone = format!("{requester}'s phone");
        self.device_mut(&phone)
            .hears("the consent", |event| match event {
                ClientEvent::ConsentChanged { target, granted: true, .. } if target == asked => {
                    Some(())
                }
                _ => None,
            })
            .await
    }

    pub(super) async fn a_room_with_bob(&mut self) -> Result<(), String> {
        self.narrator.act("A room at a.example, and bob in it");
        let since = Instant::now();
        let created =
            self.device("alice's phone").client.create_room("Clubhouse", Preset::Cooperative);
        let room = created.await.map_err(|error| format!("alice cannot create: {error}"))?;
        self.room = Some(room.clone());
        self.present.insert("alice's phone".to_owned());
        self.told("alice's phone", since, &format!("creates {room}"));
        self.join("alice's laptop").await?;
        self.add("alice's phone", "bob", &["bob's phone", "bob's laptop"]).await
    }

    pub(super) async fn bob_adds_cathy(&mut self) -> Result<(), String> {
        self.narrator.act("Bob adds cathy, through the hub");
        self.connect("bob", "cathy").await?;
        self.add("bob's phone", "cathy", &["cathy's phone"]).await
    }

    async fn add(&mut self, name: &str, user: &str, devices: &[&str]) -> Result<(), String> {
        let (room, added) = (self.room(), self.user(user));
        let since = Instant::now();
        let adding = self.device(name).client.add_user(&room, &added).await;
        adding.map_err(|error| format!("{name} cannot add {added}: {error}"))?;
        self.told(name, since, &format!("adds {added}"));
        for device in devices {
            let here = self.device(device);
            let what = "its Welcome";
            here.sees(&room, what, |state| state.status == RoomStatus::Joined).await?;
            self.told(device, since, "is in the room");
            self.present.insert((*device).to_owned());
        }
        Ok(())
    }

    async fn join(&mut self, name: &str) -> Result<(), String> {
        let room = self.room();
        let since = Instant::now();
        let joined = self.device(name).client.join_room(&room).await;
        joined.map_err(|error| format!("{name} cannot join: {error}"))?;
        self.told(name, since, "joins by GroupInfo and external commit");
        self.present.insert(name.to_owned());
        Ok(())
    }

    pub(super) async fn everyone_writes(&mut self) -> Result<(), String> {
        self.narrator.act("Everyone writes; a reply, a reaction, an edit, a deletion");
        let room = self.room();
        let hello = self.write("alice's phone", "Welcome to the clubhouse, both of you").await?;
        self.write("alice's laptop", "This is alice again, from the laptop").await?;
        self.write("bob's laptop", "Thank you for the keys, alice").await?;
        let typo = self.write("cathy's phone", "Glad to be heer at last").await?;
        let slip = self.write("bob's phone", "Wrong window, sorry about that").await?;
        self.everyone_sees_everything().await?;

        let since = Instant::now();
        let text = "Good to see you here, bob speaking";
        let reply = self.device("bob's phone").client.reply(&room, hello, text).await;
        let reply = reply.map_err(|error| format!("bob cannot reply: {error}"))?;
        self.told("bob's phone", since, &format!("replies \"{text}\" to alice's welcome"));
        let bob = self.user("bob");
        self.chronicle.wrote(reply, &bob, text, &self.present).in_reply_to = Some(hello);

        let since = Instant::now();
        let reaction = self.device("cathy's phone").client.react(&room, hello, "\u{2764}").await;
        reaction.map_err(|error| format!("cathy cannot react: {error}"))?;
        self.told("cathy's phone", since, "reacts with \u{2764} to alice's welcome");
        let cathy = self.user("cathy");
        self.chronicle.message(hello).reactions.push((cathy, "\u{2764}".to_owned()));

        let since = Instant::now();
        let text = "Glad to be here at last";
        let edit = self.device("cathy's phone").client.edit(&room, typo, text).await;
        edit.map_err(|error| format!("cathy cannot edit: {error}"))?;
        self.told("cathy's phone", since, &format!("edits to \"{text}\""));
        self.chronicle.message(typo).texts.push(text.to_owned());

        let since = Instant::now();
        let deletion = self.device("bob's phone").client.delete(&room, slip).await;
        deletion.map_err(|error| format!("bob cannot delete: {error}"))?;
        self.told("bob's phone", since, "takes \"Wrong window, …\" back");
        self.chronicle.message(slip).deleted = true;
        self.everyone_sees_everything().await
    }

    pub(super) async fn a_second_device_joins(&mut self) -> Result<(), String> {
        self.narrator.act("Cathy's second device joins and reads on");
        self.register("cathy", "tablet").await?;
        self.join("cathy's tablet").await?;
        self.write("cathy's tablet", "The same cathy, on a bigger screen").await?;
        self.write("alice's phone", "And the tablet can read this too").await?;
        self.everyone_sees_everything().await
    }

    pub(super) async fn bob_leaves(&mut self) -> Result<(), String> {
        self.narrator.act("Bob leaves: he proposes, somebody else commits");
        let (room, bob) = (self.room(), self.user("bob"));
        let since = Instant::now();
        let leaving = self.device("bob's phone").client.leave_room(&room).await;
        leaving.map_err(|error| format!("bob cannot leave: {error}"))?;
        self.told("bob's phone", since, "proposes to leave; the hub keeps the proposals");
        self.present.retain(|name| !name.starts_with("bob"));
        for name in &self.present {
            let device = self.device(name);
            let gone = device.sees(&room, "bob gone", |state| {
                state.participants.iter().all(|participant| participant.user != bob)
            });
            gone.await?;
        }
        self.narrator.did("another device has committed it; bob is out of every list");
        for name in ["bob's phone", "bob's laptop"] {
            let device = self.device(name);
            device.sees(&room, "that it is out", |state| state.status == RoomStatus::Left).await?;
            self.told(name, since, "knows that it has left");
        }
        self.write("alice's phone", "Bob has left us and must not read this").await?;
        self.everyone_sees_everything().await
    }

    pub(super) async fn cathy_is_banned(&mut self) -> Result<(), String> {
        self.narrator.act("Alice bans cathy");
        let (room, cathy) = (self.room(), self.user("cathy"));
        let since = Instant::now();
        let ban = self.device("alice's phone").client.ban_user(&room, &cathy).await;
        ban.map_err(|error| format!("alice cannot ban: {error}"))?;
        self.told("alice's phone", since, &format!("bans {cathy}"));
        let banned = ["cathy's phone", "cathy's tablet"];
        for name in banned {
            let device = self.device(name);
            device.sees(&room, "the ban", |state| state.status == RoomStatus::Banned).await?;
            self.told(name, since, "knows that it is banned");
            self.present.remove(name);
        }
        // Counted where it arrives: a body is captured there before any device learns of it, while
        // the hub's own line about the ban's delivery may come later than the ban.
        let cathys = self.federation.home("c.example")?.clone();
        let to_cathy = || cathys.captured("-in-a.example-notify-request").map(|all| all.len());
        let before = to_cathy()?;
        self.write("alice's laptop", "Cathy is banned and must not read this").await?;
        self.everyone_sees_everything().await?;
        let mut refusals = Vec::new();
        let mut sent = false;
        for name in banned {
            match self.device(name).client.send_text(&room, "Let me back in, please").await {
                Ok(_) => sent = true,
                Err(error) => {
                    self.narrator.did(&format!("{name} tries to write: {error}"));
                    refusals.push(name);
                }
            }
        }
        let detail = if sent {
            "a banned device could send".to_owned()
        } else {
            format!("{} are refused", refusals.join(" and "))
        };
        self.checks.push(Check::new("banned devices cannot send", !sent, detail));
        let after = to_cathy()?;
        let detail = format!("{} notifies to c.example after the ban", after - before);
        self.checks.push(Check::new(
            "nothing goes to the banned user's provider",
            after == before,
            detail,
        ));
        Ok(())
    }
}
