//! `/users`: accounts.

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use bytes::Bytes;
use mimi_provider::Reject;
use mimi_wire::MimiUri;
use serde::{Deserialize, Serialize};
use tombolo_store::Store;

use super::{AdminApi, BODY_OCTETS_MAX};
use crate::account::Password;
use crate::account::new_user::new_user;
use crate::http_error::HttpError;
use crate::provider::storage_failed;

/// An account to add.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AddUser {
    /// Local name.
    pub name: String,
    /// Made up if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Password>,
}

/// An account that has been added.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct AddedUser {
    /// The user.
    pub user: MimiUri,
    /// The password, if it was made up; shown this once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Password>,
}

/// All accounts.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct UserList {
    /// By URI.
    pub users: Vec<ListedUser>,
}

/// One account.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ListedUser {
    /// The user.
    pub user: MimiUri,
    /// Devices signed in.
    pub devices: usize,
    /// Milliseconds since the UNIX epoch.
    pub created_ms: u64,
}

/// `POST`.
pub(super) async fn add(
    State(api): State<AdminApi>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<AddedUser>, HttpError> {
    let body = body.map_err(|_| HttpError::TooLarge(BODY_OCTETS_MAX))?;
    let wish: AddUser =
        serde_json::from_slice(&body).map_err(|error| Reject::Malformed(error.to_string()))?;
    let provider = &api.provider;
    let (store, now_ms) = (&*provider.store, provider.now_ms());
    let made = new_user(store, &api.passwords, &provider.domain, &wish.name, wish.password, now_ms)
        .await?;
    tracing::info!(user = %made.user, "a user is added");
    Ok(Json(AddedUser { user: made.user, password: made.generated }))
}

/// `GET`.
pub(super) async fn list(State(api): State<AdminApi>) -> Result<Json<UserList>, HttpError> {
    Ok(Json(all(&*api.provider.store).await?))
}

/// Every account with its devices counted.
pub(super) async fn all(store: &dyn Store) -> Result<UserList, Reject> {
    let mut users = Vec::new();
    for account in store.accounts().await.map_err(storage_failed)? {
        let devices = store.devices(&account.user).await.map_err(storage_failed)?.len();
        let (user, created_ms) = (account.user, account.created_ms);
        users.push(ListedUser { user, devices, created_ms });
    }
    Ok(UserList { users })
}
