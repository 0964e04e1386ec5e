//! What an operator does from the command line. A running provider is asked; while none runs, the
//! database is opened directly, which is safe because only one process can have it open.

use std::io;
use std::time::Duration;

use mimi_provider::Reject;
use thiserror::Error;
use tokio::net::TcpStream;
use tombolo_store::sqlite::{OpenError, SqliteStore};

use super::client::in_words;
use super::users::{all, one};
use super::{
    ADMIN_TOKEN_FILE, AddUser, AddedUser, AdminClient, AdminError, ClosedReport, ListedUser,
    NewHubKey, NewOhttpKey, PeerActed, PeerList, Removed, ReportList, SetClaims, ShownReport,
    Status, UserList,
};
use crate::account::new_user::{self, new_user, read_claims};
use crate::account::password::Passwords;
use crate::clock::Clock;
use crate::config::Config;
use crate::private_file;
use crate::running::{self, AddressFileError, DATABASE_FILE};
use crate::surroundings::Toil;

/// How often a provider that starts or stops just now is waited for, and how long each time.
const TRIES_MAX: u32 = 15;
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// Why an operator's wish was not fulfilled.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OperateError {
    /// The running provider did not do it.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// Only a running provider can.
    #[error("the provider does not run: start it with `tombolo serve`")]
    NotRunning,
    /// The database cannot be opened while no provider answers.
    #[error("no provider answers, and its database {path} cannot be opened: {source}")]
    Database {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        source: OpenError,
    },
    /// Where the provider listens is not known.
    #[error(transparent)]
    Address(#[from] AddressFileError),
    /// It is not possible.
    #[error("{0}")]
    Refused(String),
}

/// Who can fulfil a wish.
enum Reached {
    Running(AdminClient),
    Database(SqliteStore),
}

/// Adds an account.
pub async fn add_user(config: &Config, wish: &AddUser) -> Result<AddedUser, OperateError> {
    let store = match reach(config).await? {
        Reached::Running(provider) => return Ok(provider.add_user(wish).await?),
        Reached::Database(store) => store,
    };
    let passwords = Passwords::new(Toil::Beside);
    let (name, password) = (&wish.name, wish.password.clone());
    let now_ms = Clock::system().now_ms();
    let claims = read_claims(&wish.claims).map_err(refused)?;
    let made = new_user(&store, &passwords, &config.domain, name, password, claims, now_ms).await;
    let made = made.map_err(refused)?;
    Ok(AddedUser { user: made.user, password: made.generated })
}

/// Changes what the certificates of an account's devices claim.
pub async fn set_claims(config: &Config, wish: &SetClaims) -> Result<ListedUser, OperateError> {
    let store = match reach(config).await? {
        Reached::Running(provider) => return Ok(provider.set_claims(wish).await?),
        Reached::Database(store) => store,
    };
    let claims = read_claims(&wish.claims).map_err(refused)?;
    let user = new_user::set_claims(&store, &config.domain, &wish.name, claims).await;
    one(&store, &user.map_err(refused)?).await.map_err(refused)
}

/// All accounts.
pub async fn users(config: &Config) -> Result<UserList, OperateError> {
    match reach(config).await? {
        Reached::Running(provider) => Ok(provider.users().await?),
        Reached::Database(store) => all(&store).await.map_err(refused),
    }
}

/// Open reports of abuse, of the running provider.
pub async fn reports(config: &Config) -> Result<ReportList, OperateError> {
    Ok(reached(config).await?.reports().await?)
}

/// A report, open or closed.
pub async fn report(config: &Config, id: u64) -> Result<ShownReport, OperateError> {
    Ok(reached(config).await?.report(id).await?)
}

/// Takes a report off the queue; it is kept.
pub async fn close_report(config: &Config, id: u64) -> Result<ClosedReport, OperateError> {
    Ok(reached(config).await?.close_report(id).await?)
}

/// Messages accepted from now on are franked with a fresh hub_key (FRANK-11).
pub async fn rotate_hub_key(config: &Config) -> Result<NewHubKey, OperateError> {
    Ok(reached(config).await?.rotate_hub_key().await?)
}

/// Downloads by Oblivious HTTP are sealed to a fresh key from now on (PROTO-DL-4).
pub async fn rotate_ohttp_key(config: &Config) -> Result<NewOhttpKey, OperateError> {
    Ok(reached(config).await?.rotate_ohttp_key().await?)
}

async fn reached(config: &Config) -> Result<AdminClient, OperateError> {
    running_provider(config).await?.ok_or(OperateError::NotRunning)
}

/// Removes an account with all its devices, from the rooms hosted there too.
pub async fn remove_user(config: &Config, name: &str) -> Result<Removed, OperateError> {
    match running_provider(config).await? {
        Some(provider) => Ok(provider.remove_user(name).await?),
        None => Err(OperateError::NotRunning),
    }
}

/// Removes a device, from the rooms hosted there too.
pub async fn remove_device(
    config: &Config,
    name: &str,
    device: &str,
) -> Result<Removed, OperateError> {
    match running_provider(config).await? {
        Some(provider) => Ok(provider.remove_device(name, device).await?),
        None => Err(OperateError::NotRunning),
    }
}

/// The peers that something waits for at the running provider.
pub async fn peers(config: &Config) -> Result<PeerList, OperateError> {
    Ok(reached(config).await?.peers().await?)
}

/// Tries now what waits for a peer.
pub async fn retry_peer(config: &Config, peer: &str) -> Result<PeerActed, OperateError> {
    Ok(reached(config).await?.retry_peer(peer).await?)
}

/// Gives up what waits for a peer; it is stale until it is back.
pub async fn drop_peer(config: &Config, peer: &str) -> Result<PeerActed, OperateError> {
    Ok(reached(config).await?.drop_peer(peer).await?)
}

/// How the running provider fares.
pub async fn status(config: &Config) -> Result<Status, OperateError> {
    match running_provider(config).await? {
        Some(provider) => Ok(provider.status().await?),
        None => Err(OperateError::NotRunning),
    }
}

fn refused(reject: Reject) -> OperateError {
    OperateError::Refused(in_words(reject.code(), &reject.to_string()))
}

/// The running provider, or its database while none runs; one that starts or stops just now is
/// waited for.
async fn reach(config: &Config) -> Result<Reached, OperateError> {
    let path = config.data_dir.join(DATABASE_FILE);
    if let Err(error) = private_file::create_directory(&config.data_dir) {
        return Err(OperateError::Database { path, source: OpenError::Io(error) });
    }
    let mut tries_left = TRIES_MAX;
    loop {
        if let Some(provider) = running_provider(config).await? {
            return Ok(Reached::Running(provider));
        }
        match running::open_database(config).await {
            Ok(store) => return Ok(Reached::Database(store)),
            Err(OpenError::InUse(_)) if tries_left > 0 => {
                tries_left -= 1;
                tokio::time::sleep(TRY_AGAIN_AFTER).await;
            }
            Err(source) => return Err(OperateError::Database { path, source }),
        }
    }
}

/// The provider with this configuration, if one listens.
async fn running_provider(config: &Config) -> Result<Option<AdminClient>, OperateError> {
    if !config.data_dir.join(ADMIN_TOKEN_FILE).exists() {
        return Ok(None);
    }
    let Some(address) = running::admin_address(config)? else { return Ok(None) };
    match TcpStream::connect(address).await {
        Ok(_) => Ok(Some(AdminClient::new(address, &config.data_dir)?)),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(None),
        Err(error) => {
            let reason = error.to_string();
            Err(OperateError::Admin(AdminError::BadAnswer { address, reason }))
        }
    }
}
