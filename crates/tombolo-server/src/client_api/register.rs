//! `POST /register`: a new device of a user who knows the account's password.

use axum::Json;
use axum::extract::{Extension, State};
use http::StatusCode;
use mimi_provider::account::{NewDeviceInput, new_device, user_uri};
use mimi_provider::record::Account;
use mimi_provider::{Reject, Transition};
use mimi_wire::MimiUri;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tombolo_store::StoreError;

use super::request::{JsonBody, from_base64, to_base64};
use super::route::{Route, Tag};
use super::{ClientAddress, ClientApi, schema};
use crate::account::Password;
use crate::account::password::{PASSWORD_OCTETS_MAX, Verdict};
use crate::account::token;
use crate::http_error::HttpError;
use crate::issuer::AuthorityError;
use crate::provider::storage_failed;

/// How often a lost race is run again.
const TRIES_MAX: usize = 5;

/// A device that signs in.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RegisterRequest {
    /// The user's name, without the domain.
    #[schemars(with = "schema::Name")]
    user: String,
    /// The account's password.
    #[schemars(with = "String", length(max = PASSWORD_OCTETS_MAX))]
    password: Password,
    /// What the device is to be called; no other device of the user may have the name.
    #[schemars(with = "schema::Name")]
    device: String,
    /// The Ed25519 key (32 octets) that the device signs with in MLS.
    #[schemars(with = "schema::Base64", length(max = 64))]
    signature_key: String,
}

/// A device that is signed in.
#[derive(JsonSchema, Serialize)]
pub(super) struct RegisterResponse {
    /// Its user.
    #[schemars(with = "schema::MimiUri")]
    user: MimiUri,
    /// The device itself.
    #[schemars(with = "schema::MimiUri")]
    client: MimiUri,
    /// What it signs requests with. It is shown once, and good until the device is signed out.
    token: String,
    /// X.509 certificates in DER, the device's first: its MLS credential.
    #[schemars(with = "Vec<schema::Base64>")]
    certificate_chain: Vec<String>,
}

pub(super) fn route() -> Route {
    Route::post("/register", register)
        .named(
            Tag::Devices,
            "registerDevice",
            "Signs a device in",
            "Takes the account's password and the device's MLS signature key, and gives the device its \
             access token and the certificate that is its MLS credential. A device that never got the \
             answer may ask again with the same key for ten minutes. A wrong password and an account \
             that does not exist are told apart by nothing. Attempts are limited per user and per \
             address.",
        )
        .without_token()
        .takes_json::<RegisterRequest>(json!({
            "user": "alice",
            "password": "correct horse",
            "device": "phone",
            "signature_key": "PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=",
        }))
        .answers_json::<RegisterResponse>(
            StatusCode::OK,
            "The device is signed in.",
            json!({
                "user": "mimi://a.example/u/alice",
                "client": "mimi://a.example/d/alice/phone",
                "token": "pDVVoY6jYBnVg2GkYt3OGMpkpNZxvKEFdqJqNTQ0hAU",
                "certificate_chain": ["MIIB"],
            }),
        )
        .refuses(&[
            StatusCode::UNAUTHORIZED,
            StatusCode::FORBIDDEN,
            StatusCode::CONFLICT,
            StatusCode::SERVICE_UNAVAILABLE,
        ])
}

pub(super) async fn register(
    State(api): State<ClientApi>,
    Extension(ClientAddress(address)): Extension<ClientAddress>,
    JsonBody(request): JsonBody<RegisterRequest>,
) -> Result<Json<RegisterResponse>, HttpError> {
    let signature_key = from_base64(&request.signature_key, "signature_key")?;
    let user = user_uri(&api.provider.domain, &request.user)?;
    let attempt = api
        .login_limit
        .attempt(&user, address.ip(), api.provider.now_ms())
        .map_err(|too_many| HttpError::TooMany(too_many.retry_after_s))?;
    let account = api.provider.store.account(&user).await.map_err(storage_failed)?;
    let hash = account.as_ref().and_then(|account| account.password_hash.as_deref());
    let verdict = api.passwords.verify(request.password, hash).await?;
    let (Verdict::Right, Some(account)) = (verdict, account) else {
        let why = "the user or the password is wrong".to_owned();
        return Err(HttpError::Unauthorized(why));
    };
    attempt.succeeded();
    Ok(Json(sign_up(&api, &account, &request.device, &signature_key).await?))
}

/// Decides, certifies and stores; again from the start when another device was faster.
async fn sign_up(
    api: &ClientApi,
    account: &Account,
    name: &str,
    signature_key: &[u8],
) -> Result<RegisterResponse, Reject> {
    let provider = &api.provider;
    let token = token::generate();
    for _ in 0..TRIES_MAX {
        let now_ms = provider.now_ms();
        let devices = provider.store.devices(&account.user).await.map_err(storage_failed)?;
        let transition = new_device(&NewDeviceInput {
            account,
            devices: &devices,
            name,
            token_sha256: token::sha256(&token),
            signature_key,
            limits: &provider.limits,
            now_ms,
        })?;
        // Certified before it is stored: a device without a certificate could do nothing.
        let Transition { reply: device, .. } = &transition;
        let chain = provider
            .client_issuer
            .issue(&device.user, &device.client, &account.claims, signature_key, now_ms)
            .map_err(not_certified)?;
        match provider.apply(transition).await {
            Ok(device) => {
                let certificate_chain = chain.iter().map(|der| to_base64(der)).collect();
                let (user, client) = (device.user, device.client);
                let token = token.to_string();
                return Ok(RegisterResponse { user, client, token, certificate_chain });
            }
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(storage_failed(error)),
        }
    }
    Err(Reject::Unavailable("many devices register at once; try again".to_owned()))
}

fn not_certified(error: AuthorityError) -> Reject {
    match error {
        AuthorityError::Certify(reason) => Reject::Malformed(reason),
        error => Reject::Internal(error.to_string()),
    }
}
