//! `/users`: accounts.

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use bytes::Bytes;
use mimi_provider::Reject;
use mimi_provider::record::Account;
use mimi_wire::MimiUri;
use serde::{Deserialize, Serialize};
use tombolo_store::Store;

use super::{AdminApi, BODY_OCTETS_MAX};
use crate::account::Password;
use crate::account::new_user::{new_user, read_claims, set_claims};
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
    /// What its devices' certificates claim, e.g. `O=Tea Society`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<String>,
}

/// What the certificates of an account's devices claim from now on.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SetClaims {
    /// Local name.
    pub name: String,
    /// All of it, e.g. `O=Tea Society`; devices that are registered keep what they have.
    pub claims: Vec<String>,
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
    /// What their certificates claim, if they have been issued since it was set.
    #[serde(default)]
    pub claims: Vec<String>,
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
    let claims = read_claims(&wish.claims)?;
    let (own, name) = (&provider.domain, &wish.name);
    let made = new_user(store, &api.passwords, own, name, wish.password, claims, now_ms).await?;
    tracing::info!(user = %made.user, "a user is added");
    Ok(Json(AddedUser { user: made.user, password: made.generated }))
}

/// `PUT` of an account's claims.
pub(super) async fn claims(
    State(api): State<AdminApi>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<ListedUser>, HttpError> {
    let body = body.map_err(|_| HttpError::TooLarge(BODY_OCTETS_MAX))?;
    let wish: SetClaims =
        serde_json::from_slice(&body).map_err(|error| Reject::Malformed(error.to_string()))?;
    let provider = &api.provider;
    let claims = read_claims(&wish.claims)?;
    let user = set_claims(&*provider.store, &provider.domain, &wish.name, claims).await?;
    tracing::info!(%user, "the claims of a user are set");
    Ok(Json(one(&*provider.store, &user).await?))
}

/// One account.
pub(super) async fn one(store: &dyn Store, user: &MimiUri) -> Result<ListedUser, Reject> {
    let account = store.account(user).await.map_err(storage_failed)?;
    let account = account.ok_or_else(|| Reject::Unknown(format!("there is no user {user}")))?;
    listed(store, account).await
}

async fn listed(store: &dyn Store, account: Account) -> Result<ListedUser, Reject> {
    let devices = store.devices(&account.user).await.map_err(storage_failed)?.len();
    let claims = account.claims.iter().map(ToString::to_string).collect();
    let (user, created_ms) = (account.user, account.created_ms);
    Ok(ListedUser { user, devices, claims, created_ms })
}

/// `GET`.
pub(super) async fn list(State(api): State<AdminApi>) -> Result<Json<UserList>, HttpError> {
    Ok(Json(all(&*api.provider.store).await?))
}

/// Every account with its devices counted.
pub(super) async fn all(store: &dyn Store) -> Result<UserList, Reject> {
    let mut users = Vec::new();
    for account in store.accounts().await.map_err(storage_failed)? {
        users.push(listed(store, account).await?);
    }
    Ok(UserList { users })
}
