//! What an operator does from the command line. A running provider is asked; while none runs, the
//! database is opened directly, which is safe because only one process can have it open.

use thiserror::Error;
use tombolo_store::sqlite::OpenError;

use super::users::all;
use super::{AddUser, AddedUser, AdminClient, AdminError, Status, UserList};
use crate::account::new_user::new_user;
use crate::account::password::Passwords;
use crate::clock::Clock;
use crate::config::Config;
use crate::private_file;
use crate::running::{self, AddressFileError, DATABASE_FILE};

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

/// Adds an account.
pub async fn add_user(config: &Config, wish: &AddUser) -> Result<AddedUser, OperateError> {
    if let Some(running) = running_provider(config)? {
        match running.add_user(wish).await {
            Err(AdminError::NotRunning(_)) => {}
            outcome => return Ok(outcome?),
        }
    }
    let store = open(config).await?;
    let refused = |reject: mimi_provider::Reject| OperateError::Refused(reject.to_string());
    let passwords = Passwords::new().await.map_err(refused)?;
    let (name, password) = (&wish.name, wish.password.clone());
    let now_ms = Clock::system().now_ms();
    let made = new_user(&store, &passwords, &config.domain, name, password, now_ms).await;
    let made = made.map_err(refused)?;
    Ok(AddedUser { user: made.user, password: made.generated })
}

/// All accounts.
pub async fn users(config: &Config) -> Result<UserList, OperateError> {
    if let Some(running) = running_provider(config)? {
        match running.users().await {
            Err(AdminError::NotRunning(_)) => {}
            outcome => return Ok(outcome?),
        }
    }
    let store = open(config).await?;
    all(&store).await.map_err(|reject| OperateError::Refused(reject.to_string()))
}

/// How the running provider fares.
pub async fn status(config: &Config) -> Result<Status, OperateError> {
    let running = running_provider(config)?.ok_or(OperateError::NotRunning)?;
    match running.status().await {
        Err(AdminError::NotRunning(_)) => Err(OperateError::NotRunning),
        outcome => Ok(outcome?),
    }
}

/// The provider with this configuration, if it has ever run.
fn running_provider(config: &Config) -> Result<Option<AdminClient>, OperateError> {
    if !config.data_dir.join(super::ADMIN_TOKEN_FILE).exists() {
        return Ok(None);
    }
    let Some(address) = running::admin_address(config)? else { return Ok(None) };
    Ok(Some(AdminClient::new(address, &config.data_dir)?))
}

async fn open(config: &Config) -> Result<tombolo_store::sqlite::SqliteStore, OperateError> {
    let path = config.data_dir.join(DATABASE_FILE);
    if let Err(error) = private_file::create_directory(&config.data_dir) {
        return Err(OperateError::Database { path, source: OpenError::Io(error) });
    }
    let opened = running::open_database(config).await;
    opened.map_err(|source| OperateError::Database { path, source })
}
