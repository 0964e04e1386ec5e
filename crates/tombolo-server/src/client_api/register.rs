//! `POST /register`: a new device of a user who knows the account's password.

use axum::Json;
use axum::extract::{Extension, State};
use mimi_provider::account::{NewDeviceInput, new_device, user_uri};
use mimi_provider::record::Account;
use mimi_provider::{Reject, Transition};
use mimi_wire::MimiUri;
use serde::{Deserialize, Serialize};
use tombolo_store::StoreError;

use super::request::{JsonBody, from_base64, to_base64};
use super::{ClientAddress, ClientApi};
use crate::account::Password;
use crate::account::password::Verdict;
use crate::account::token;
use crate::http_error::HttpError;
use crate::issuer::AuthorityError;
use crate::provider::storage_failed;

/// How often a lost race is run again.
const TRIES_MAX: usize = 5;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RegisterRequest {
    user: String,
    password: Password,
    device: String,
    signature_key: String,
}

#[derive(Serialize)]
pub(super) struct RegisterResponse {
    user: MimiUri,
    client: MimiUri,
    token: String,
    certificate_chain: Vec<String>,
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
