//! `/key-packages`: a device's stock of KeyPackages.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use mimi_mls::key_package::{KeyPackageFacts, inspect};
use mimi_provider::Reject;
use mimi_provider::account::{KeyPackageUsage, OfferedKeyPackage, upload_key_packages};
use mimi_provider::key_material::KEY_PACKAGE_ENDING_MS;
use mimi_provider::record::SuiteStock;
use mimi_provider::requester::DeviceIdentity;
use mimi_wire::limits::APPLICATION_BODY_OCTETS_MAX;
use mimi_wire::mls::KeyPackage;
use mimi_wire::protocol::key_material::KeyPackageList;
use mimi_wire::{MimiUri, Wire};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use tombolo_store::StoreError;

use super::ClientApi;
use super::request::{Octets, SignedIn, decode};
use super::route::{Route, Tag};
use crate::http_error::HttpError;
use crate::provider::{Provider, storage_failed};

/// What a device has in stock.
#[derive(JsonSchema, Serialize)]
pub(super) struct Stock {
    /// KeyPackages that are good and not used yet.
    stock: u64,
    /// Of them, those that end within a day: they are given last.
    ending: u64,
    /// The stock of each suite that has one.
    suites: Vec<StockOfSuite>,
}

/// The stock of a suite.
#[derive(JsonSchema, Serialize)]
struct StockOfSuite {
    /// Its number in the registry of MLS.
    ciphersuite: u16,
    /// KeyPackages that are good and not used yet.
    stock: u64,
}

pub(super) fn routes() -> [Route; 2] {
    let example = json!({
        "stock": 50,
        "ending": 0,
        "suites": [{ "ciphersuite": 1, "stock": 50 }],
    });
    [
        Route::get("/key-packages", stock)
            .named(
                Tag::KeyPackages,
                "countKeyPackages",
                "How many KeyPackages are left",
                "The event `key_packages_low` says when to make new ones.",
            )
            .answers_json::<Stock>(StatusCode::OK, "The stock.", example.clone()),
        Route::post("/key-packages", upload)
            .named(
                Tag::KeyPackages,
                "uploadKeyPackages",
                "More KeyPackages",
                "All are taken or none: each must be the device's own, signed with its registered key, \
                 and not of last resort. Those that were sent before are not taken in twice.",
            )
            .takes_octets(
                APPLICATION_BODY_OCTETS_MAX,
                "`KeyPackage key_packages<V>`: KeyPackages of MLS behind their length.",
            )
            .answers_json::<Stock>(StatusCode::OK, "The stock with them.", example)
            .refuses(&[StatusCode::FORBIDDEN, StatusCode::CONFLICT]),
    ]
}

/// `GET`: how many are left.
pub(super) async fn stock(
    State(api): State<ClientApi>,
    SignedIn(device): SignedIn,
) -> Result<Json<Stock>, HttpError> {
    let now_ms = api.provider.now_ms();
    stock_of(&api, &device.client, now_ms).await
}

async fn stock_of(
    api: &ClientApi,
    client: &MimiUri,
    now_ms: u64,
) -> Result<Json<Stock>, HttpError> {
    let store = &api.provider.store;
    let suites = store.key_package_stock(client, now_ms).await.map_err(storage_failed)?;
    let lasting_ms = now_ms.saturating_add(KEY_PACKAGE_ENDING_MS);
    let lasting = store.key_package_stock(client, lasting_ms).await.map_err(storage_failed)?;
    let stock = total(&suites);
    let ending = stock.saturating_sub(total(&lasting));
    let of_suite =
        |suite: SuiteStock| StockOfSuite { ciphersuite: suite.ciphersuite, stock: suite.count };
    Ok(Json(Stock { stock, ending, suites: suites.into_iter().map(of_suite).collect() }))
}

fn total(stock: &[SuiteStock]) -> u64 {
    stock.iter().map(|suite| suite.count).sum()
}

/// `POST`: more of them.
pub(super) async fn upload(
    State(api): State<ClientApi>,
    SignedIn(device): SignedIn,
    Octets(octets): Octets<APPLICATION_BODY_OCTETS_MAX>,
) -> Result<Json<Stock>, HttpError> {
    let KeyPackageList(key_packages) = decode(&octets)?;
    let provider = &api.provider;
    let now_ms = provider.now_ms();
    let offered = inspected(provider, key_packages).await?;
    let stock = provider.store.key_package_stock(&device.client, now_ms).await;
    let stock = total(&stock.map_err(storage_failed)?);
    let transition = upload_key_packages(&device, offered, stock, &provider.limits, now_ms)?;
    match provider.apply(transition).await {
        // Counted again: those sent before are not taken in twice (PROTO-KM-10).
        Ok(_) => stock_of(&api, &device.client, now_ms).await,
        Err(StoreError::Conflict(what)) => Err(Reject::Conflict(what).into()),
        Err(error) => Err(storage_failed(error).into()),
    }
}

/// KeyPackages that a client hands in, verified.
pub(super) async fn inspected(
    provider: &Provider,
    key_packages: Vec<KeyPackage>,
) -> Result<Vec<OfferedKeyPackage>, HttpError> {
    let (issuers, now_ms) = (provider.peers.issuers(), provider.now_ms());
    // A hundred signatures take a while.
    let inspecting = provider.toil.run(move || {
        key_packages
            .iter()
            .map(|key_package| match inspect(key_package, &issuers, now_ms) {
                Ok(facts) => Ok(offered(key_package, facts)),
                Err(error) => Err(Reject::Malformed(error.to_string())),
            })
            .collect::<Result<Vec<_>, _>>()
    });
    Ok(inspecting.await.map_err(|error| Reject::Internal(error.to_string()))??)
}

fn offered(key_package: &KeyPackage, facts: KeyPackageFacts) -> OfferedKeyPackage {
    OfferedKeyPackage {
        reference: facts.reference,
        identity: DeviceIdentity { user: facts.identity.user, client: facts.identity.client },
        octets: key_package.octets().to_vec(),
        ciphersuite: facts.ciphersuite,
        capabilities: facts.capabilities.encode(),
        not_after_ms: facts.not_after_s.saturating_mul(1_000),
        usage: match facts.last_resort {
            true => KeyPackageUsage::LastResort,
            false => KeyPackageUsage::Once,
        },
    }
}
