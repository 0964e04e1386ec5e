//! `/token`, `/password`, `/delete-account`: what opens an account, and its end.

use axum::Json;
use axum::extract::{Extension, State};
use http::StatusCode;
use mimi_provider::account::{SignOut, change_token, sign_out};
use mimi_provider::record::DeviceRecord;
use mimi_provider::{Change, Reject, Transition};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tombolo_store::StoreError;

use super::devices::SignedOut;
use super::request::{JsonBody, SignedIn, malformed};
use super::route::{Route, Tag};
use super::{ClientAddress, ClientApi};
use crate::account::password::{PASSWORD_OCTETS_MAX, PASSWORD_OCTETS_MIN, Verdict};
use crate::account::{Password, sign_out as carry_out, token};
use crate::http_error::HttpError;
use crate::provider::storage_failed;

/// Another token.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewToken {
    /// 32 fresh random octets in base64url without padding.
    #[schemars(with = "String", regex(pattern = "^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$"))]
    token: Password,
}

/// Another password.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPassword {
    /// The one until now.
    #[schemars(with = "String", length(max = PASSWORD_OCTETS_MAX))]
    password: Password,
    /// The one from now on; the length counts octets.
    #[schemars(with = "String", length(min = PASSWORD_OCTETS_MIN, max = PASSWORD_OCTETS_MAX))]
    new_password: Password,
    /// Whether to sign out all other devices as well, as one should when somebody else may have known
    /// the password.
    sign_out_others: bool,
}

/// The account is to go.
#[derive(Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Deletion {
    /// The account's password, so that nobody does it who has found a device.
    #[schemars(with = "String", length(max = PASSWORD_OCTETS_MAX))]
    password: Password,
    /// Only says whether the password is right, and changes nothing: for a device that leaves rooms
    /// elsewhere before the account goes.
    #[serde(default)]
    check_only: bool,
}

pub(super) fn routes() -> [Route; 3] {
    [
        Route::put("/token", replace_token)
            .named(
                Tag::Devices,
                "replaceToken",
                "Another access token for this device",
                "The device makes it up, stores it, and sends it; the one before is dead when this is \
                 answered, and streams opened by it end. A device that gets no answer tries both.",
            )
            .takes_json::<NewToken>(json!({ "token": "pDVVoY6jYBnVg2GkYt3OGMpkpNZxvKEFdqJqNTQ0hAU" }))
            .answers_nothing(StatusCode::NO_CONTENT, "The new one is good, and no other.")
            .refuses(&[StatusCode::CONFLICT]),
        Route::put("/password", replace_password)
            .named(
                Tag::Account,
                "replacePassword",
                "Another password",
                "403 when the one until now is wrong; attempts are limited as those of `registerDevice`. \
                 Devices stay signed in unless they are to be signed out.",
            )
            .takes_json::<NewPassword>(json!({
                "password": "correct horse",
                "new_password": "battery staple",
                "sign_out_others": true,
            }))
            .answers_json::<SignedOut>(
                StatusCode::OK,
                "The new one is good, and no other.",
                json!({ "signed_out": ["mimi://a.example/d/alice/laptop"] }),
            )
            .refuses(&[StatusCode::FORBIDDEN]),
        Route::post("/delete-account", delete)
            .named(
                Tag::Account,
                "deleteAccount",
                "The end of the account",
                "All devices are signed out, the profile and what the user has decided are forgotten, and \
                 the hub proposes the user's removal from the rooms hosted here. Rooms hosted elsewhere are to \
                 be left before: nobody can do so afterwards. There is no way back. 403 when the password is \
                 wrong.",
            )
            .takes_json::<Deletion>(json!({ "password": "correct horse" }))
            .answers_nothing(StatusCode::NO_CONTENT, "It is gone; with `check_only`, it would be.")
            .refuses(&[StatusCode::FORBIDDEN]),
    ]
}

/// `PUT /token`.
async fn replace_token(
    State(api): State<ClientApi>,
    SignedIn(device): SignedIn,
    JsonBody(NewToken { token: given }): JsonBody<NewToken>,
) -> Result<StatusCode, HttpError> {
    if !token::is_proper(given.reveal()) {
        return Err(malformed(&"a token is 32 octets in base64url without padding"));
    }
    let transition = change_token(&device, token::sha256(given.reveal()));
    match api.provider.apply(transition).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(StoreError::Conflict(_)) => {
            Err(Reject::Conflict("this token is another device's".to_owned()).into())
        }
        Err(error) => Err(storage_failed(error).into()),
    }
}

/// `PUT /password`.
async fn replace_password(
    State(api): State<ClientApi>,
    Extension(address): Extension<ClientAddress>,
    SignedIn(device): SignedIn,
    JsonBody(body): JsonBody<NewPassword>,
) -> Result<Json<SignedOut>, HttpError> {
    prove(&api, address, &device, body.password).await?;
    let provider = &api.provider;
    let hash = api.passwords.hash(body.new_password).await?;
    let mut decided = match body.sign_out_others {
        false => Transition::unchanged(Vec::new()),
        true => {
            let devices = provider.store.devices(&device.user).await.map_err(storage_failed)?;
            sign_out(&device, &devices, &SignOut::Others)?
        }
    };
    decided.changes.push(Change::SetPassword { user: device.user.clone(), hash });
    let signed_out = carry_out::sign_out(provider, decided).await?;
    Ok(Json(SignedOut { signed_out }))
}

/// `POST /delete-account`.
async fn delete(
    State(api): State<ClientApi>,
    Extension(address): Extension<ClientAddress>,
    SignedIn(device): SignedIn,
    JsonBody(Deletion { password, check_only }): JsonBody<Deletion>,
) -> Result<StatusCode, HttpError> {
    prove(&api, address, &device, password).await?;
    if !check_only {
        carry_out::remove_user(&api.provider, &device.user).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Whether whoever has the device also knows the password.
async fn prove(
    api: &ClientApi,
    ClientAddress(address): ClientAddress,
    device: &DeviceRecord,
    password: Password,
) -> Result<(), HttpError> {
    let user = &device.user;
    let attempt = api.login_limit.attempt(user, address.ip(), api.provider.now_ms());
    let attempt = attempt.map_err(|too_many| HttpError::TooMany(too_many.retry_after_s))?;
    let account = api.provider.store.account(user).await.map_err(storage_failed)?;
    let hash = account.as_ref().and_then(|account| account.password_hash.as_deref());
    match api.passwords.verify(password, hash).await? {
        Verdict::Right => {
            attempt.succeeded();
            Ok(())
        }
        // Not 401: the device is who it says.
        Verdict::Wrong => Err(Reject::NotAllowed("the password is wrong".to_owned()).into()),
    }
}
