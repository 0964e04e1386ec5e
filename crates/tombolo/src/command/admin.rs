//! `tombolo admin`.

use std::io::{self, BufRead, IsTerminal, Read};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use tombolo_server::account::Password;
use tombolo_server::admin_api::operate;
use tombolo_server::admin_api::{AddUser, ListedUser, Removed, SetClaims, Status, Waiting};
use tombolo_server::config::Config;

use super::admin_peers::PeersCommand;
use super::admin_reports::{ReportsCommand, rotate_hub_key, rotate_ohttp_key};
use super::{Failure, say};

/// Octets of standard input that are read for a password.
const INPUT_OCTETS_MAX: u64 = 4_096;

/// Operate a provider: accounts and state
#[derive(Args, Debug)]
#[command(after_help = "\
Accounts can be added and listed whether the provider runs or not; everything else needs it to run.

Examples:
  tombolo admin --config a.example/tombolo.toml user add alice
  tombolo admin --config a.example/tombolo.toml user list
  tombolo admin --config a.example/tombolo.toml status")]
pub(crate) struct Admin {
    /// The provider's configuration file
    #[arg(long, value_name = "FILE", default_value = "tombolo.toml", global = true)]
    config: PathBuf,
    #[command(subcommand)]
    command: AdminCommand,
}

#[derive(Debug, Subcommand)]
enum AdminCommand {
    /// Manage accounts
    User {
        #[command(subcommand)]
        command: UserCommand,
    },
    /// Manage devices
    Device {
        #[command(subcommand)]
        command: DeviceCommand,
    },
    /// Look through reports of abuse about rooms hosted here
    Reports {
        #[command(subcommand)]
        command: ReportsCommand,
    },
    /// Frank the messages to come with a fresh key; old messages are proven by the old ones
    RotateHubKey,
    /// Let oblivious downloads be sealed to a fresh key; the old one is deleted after two days
    RotateOhttpKey,
    /// Look at the deliveries to other providers, and act on them
    Peers {
        #[command(subcommand)]
        command: Option<PeersCommand>,
    },
    /// Show how the provider fares: users, rooms, and what waits for other providers and why
    Status {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// Add an account; its password is made up and shown once, unless it is given
    #[command(after_help = "\
Examples:
  tombolo admin user add alice
  tombolo admin user add alice --password-stdin < password.txt
  tombolo admin user add alice --claim 'O=Tea Society' --claim title=Chair

A claim stands in the certificates of the account's devices, and rooms that
preauthorize it let them in: O, OU, title, or an object identifier in dots.")]
    Add {
        /// Local name, e.g. alice for mimi://a.example/u/alice
        name: String,
        /// Read the password from standard input, up to the end of its first line
        #[arg(long)]
        password_stdin: bool,
        /// What the account's certificates claim, e.g. 'O=Tea Society'; may be repeated
        #[arg(long, value_name = "NAME=VALUE")]
        claim: Vec<String>,
    },
    /// Set what an account's certificates claim, for devices that register from now on
    #[command(after_help = "\
Examples:
  tombolo admin user claims alice 'O=Tea Society' title=Chair
  tombolo admin user claims alice")]
    Claims {
        /// Local name
        name: String,
        /// All claims; none takes all away
        #[arg(value_name = "NAME=VALUE")]
        claims: Vec<String>,
    },
    /// List accounts
    List,
    /// Delete an account: its devices are signed out at once, and the rooms hosted here are told to
    /// remove it
    Remove {
        /// Local name
        name: String,
    },
}

#[derive(Debug, Subcommand)]
enum DeviceCommand {
    /// Sign a lost device out at once; the rooms hosted here are told to remove it
    #[command(after_help = "\
Example:
  tombolo admin device remove alice phone")]
    Remove {
        /// Local name of its user
        user: String,
        /// Name of the device
        device: String,
    },
}

impl Admin {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let config = Config::load(&self.config).map_err(|errors| Failure::usage(&errors))?;
        match self.command {
            AdminCommand::User { command: UserCommand::Add { name, password_stdin, claim } } => {
                add_user(&config, name, password_stdin, claim).await
            }
            AdminCommand::User { command: UserCommand::Claims { name, claims } } => {
                set_claims(&config, name, claims).await
            }
            AdminCommand::User { command: UserCommand::List } => list_users(&config).await,
            AdminCommand::User { command: UserCommand::Remove { name } } => {
                let removed = operate::remove_user(&config, &name).await;
                tell_removed(&removed.map_err(|error| Failure::new(&error))?);
                Ok(())
            }
            AdminCommand::Device { command: DeviceCommand::Remove { user, device } } => {
                let removed = operate::remove_device(&config, &user, &device).await;
                tell_removed(&removed.map_err(|error| Failure::new(&error))?);
                Ok(())
            }
            AdminCommand::Reports { command } => command.run(&config).await,
            AdminCommand::Peers { command } => {
                command.unwrap_or(PeersCommand::List { json: false }).run(&config).await
            }
            AdminCommand::RotateHubKey => rotate_hub_key(&config).await,
            AdminCommand::RotateOhttpKey => rotate_ohttp_key(&config).await,
            AdminCommand::Status { json } => show_status(&config, json).await,
        }
    }
}

async fn add_user(
    config: &Config,
    name: String,
    password_stdin: bool,
    claims: Vec<String>,
) -> Result<(), Failure> {
    let password = if password_stdin { Some(read_password()?) } else { None };
    let added = operate::add_user(config, &AddUser { name, password, claims }).await;
    let added = added.map_err(|error| Failure::new(&error))?;
    say(&format!("Added {}", added.user));
    if let Some(password) = added.password {
        say(&format!("Password: {}", password.reveal()));
        say("It is not shown again.");
    }
    Ok(())
}

async fn set_claims(config: &Config, name: String, claims: Vec<String>) -> Result<(), Failure> {
    let listed = operate::set_claims(config, &SetClaims { name, claims }).await;
    let listed = listed.map_err(|error| Failure::new(&error))?;
    say(&told_of(&listed));
    if listed.devices > 0 {
        say("Devices that are registered keep the certificates they have.");
    }
    Ok(())
}

/// A user, with its devices and what their certificates claim.
fn told_of(user: &ListedUser) -> String {
    let devices = counted(user.devices as u64, "device");
    let claims = user.claims.iter().map(|claim| format!(", {claim}")).collect::<String>();
    format!("{}  {devices}{claims}", user.user)
}

fn tell_removed(removed: &Removed) {
    let Removed { removed, devices, rooms } = removed;
    let rooms = counted(*rooms as u64, "room");
    // It may be done again, for rooms, but it may also be a slip of the pen.
    say(&match devices {
        0 => format!(
            "{removed} is gone; it had no device signed in here; {rooms} hosted here to look through."
        ),
        devices => {
            let devices = counted(*devices as u64, "device");
            format!("Removed {removed}: {devices} signed out, {rooms} hosted here to look through.")
        }
    });
    say("Rooms at other providers keep it until somebody there removes it.");
}

async fn list_users(config: &Config) -> Result<(), Failure> {
    let users = operate::users(config).await.map_err(|error| Failure::new(&error))?.users;
    for user in &users {
        say(&told_of(user));
    }
    if users.is_empty() {
        say("There are no users; add one with `tombolo admin user add NAME`.");
    }
    Ok(())
}

async fn show_status(config: &Config, json: bool) -> Result<(), Failure> {
    let status = operate::status(config).await.map_err(|error| Failure::new(&error))?;
    if json {
        let object = serde_json::to_string(&status).expect("strings and numbers");
        say(&object);
        return Ok(());
    }
    let Status { domain, users, rooms, storage_error, waiting } = status;
    say(&format!("{domain} runs: {}, {}", counted(users, "user"), counted(rooms, "room")));
    if let Some(error) = storage_error {
        say(&format!("NOTHING CAN BE STORED: {error}"));
    }
    if waiting.is_empty() {
        say("Nothing waits for other providers.");
    }
    for line in waiting.iter().map(told) {
        say(&line);
    }
    Ok(())
}

/// A number of things.
pub(super) fn counted(count: u64, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}

fn told(waiting: &Waiting) -> String {
    let Waiting { stream, follower, waiting: count, attempts, last_error, .. } = waiting;
    let why = match last_error {
        Some(error) => format!(", failed {attempts} times, last: {error}"),
        None => String::new(),
    };
    format!("{count} of {stream} wait for {follower}{why}")
}

/// The first line of standard input.
fn read_password() -> Result<Password, Failure> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return Err(Failure::usage(
            &"--password-stdin reads the password from a file or a pipe: use `< password.txt`, or \
              leave it out to have a password made up",
        ));
    }
    let mut line = String::new();
    let read = stdin.lock().take(INPUT_OCTETS_MAX).read_line(&mut line);
    read.map_err(|error| Failure::new(&format!("the password cannot be read: {error}")))?;
    line.truncate(line.trim_end_matches(['\r', '\n']).len());
    if line.is_empty() {
        return Err(Failure::usage(&"standard input holds no password"));
    }
    Ok(Password::new(line))
}
