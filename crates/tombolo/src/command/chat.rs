//! `tombolo chat`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use mimi_wire::MimiUri;

use crate::chat::Conversation;
use crate::chat::profile::{self, Profile};

/// Chat in the terminal, as a user of a provider
#[derive(Args, Debug)]
#[command(after_help = "\
The first start registers this device with the account's password (asked for, or taken from the
environment variable TOMBOLO_PASSWORD); later starts open it again, history included.

Examples:
  tombolo chat bob.toml
  tombolo chat --provider https://b.example:8444 --user bob --store bob.db")]
pub(crate) struct Chat {
    /// A profile with the values below, as `demo --keep` writes them
    profile: Option<PathBuf>,
    /// The provider's client API
    #[arg(long, value_name = "URL")]
    provider: Option<String>,
    /// Connect to this address instead of the one DNS gives
    #[arg(long, value_name = "ADDRESS")]
    connect: Option<SocketAddr>,
    /// PEM file of the root certificates to trust instead of the public ones
    #[arg(long, value_name = "FILE")]
    roots: Option<PathBuf>,
    /// The account
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Name of this device, needed at its first start only
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// File in which this device keeps its keys and history
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    /// The room to open, coming into it if this device is not there yet
    #[arg(long, value_name = "URI")]
    room: Option<MimiUri>,
}

impl Chat {
    pub(crate) async fn run(self) -> Result<(), String> {
        let device_given = self.device.is_some();
        let profile = self.profile()?;
        let (client, device) = profile.open().await?;
        profile.check(client.identity(), device_given)?;
        Conversation::open(client, device, profile.room).await?.run().await
    }

    /// The profile, with what the command line says instead.
    fn profile(self) -> Result<Profile, String> {
        let missing = || "give a profile, or --provider, --user and --store".to_owned();
        let mut profile = match &self.profile {
            Some(path) => Profile::read(path)?,
            None => Profile {
                provider: self.provider.clone().ok_or_else(missing)?,
                connect: None,
                roots: None,
                user: self.user.clone().ok_or_else(missing)?,
                password: None,
                device: profile::default_device(),
                store: self.store.clone().ok_or_else(missing)?,
                room: None,
            },
        };
        profile.provider = self.provider.unwrap_or(profile.provider);
        profile.connect = self.connect.or(profile.connect);
        profile.roots = self.roots.or(profile.roots);
        profile.user = self.user.unwrap_or(profile.user);
        profile.device = self.device.unwrap_or(profile.device);
        profile.store = self.store.unwrap_or(profile.store);
        profile.room = self.room.or(profile.room);
        Ok(profile)
    }
}
