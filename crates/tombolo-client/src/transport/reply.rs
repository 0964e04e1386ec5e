//! From the HTTP answers of the client API to [`Response`]s.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use mimi_wire::mls::ExternalSender;
use mimi_wire::{Domain, MimiUri, Wire};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::secret::SecretText;
use crate::session::request::{Request, Response, TransportError};
use crate::shown::DeviceEntry;

#[derive(Deserialize)]
struct RegisteredReply {
    user: MimiUri,
    client: MimiUri,
    token: String,
    certificate_chain: Vec<String>,
}

#[derive(Deserialize)]
struct ProviderReply {
    domain: Domain,
    hub_sender: String,
    /// Absent at providers that frank nothing.
    franking_agent: Option<String>,
    presets: Vec<String>,
}

#[derive(Deserialize)]
struct IssuersReply {
    domain: Domain,
    issuers: Vec<String>,
}

#[derive(Deserialize)]
struct StockReply {
    stock: u64,
    /// Of them, those that end soon.
    #[serde(default)]
    ending: u64,
}

#[derive(Deserialize)]
struct FoundedReply {
    room: MimiUri,
}

#[derive(Deserialize)]
struct DevicesReply {
    devices: Vec<DeviceEntry>,
}

#[derive(Deserialize)]
struct ErrorReply {
    error: ErrorBody,
}

#[derive(Deserialize)]
struct ErrorBody {
    code: String,
    message: String,
}

fn garbled(error: impl std::fmt::Display) -> TransportError {
    TransportError::Garbled(error.to_string())
}

fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, TransportError> {
    serde_json::from_slice(body).map_err(garbled)
}

fn wire<T: Wire>(body: &[u8]) -> Result<Box<T>, TransportError> {
    T::decode(body).map(Box::new).map_err(garbled)
}

fn octets(text: &str) -> Result<Vec<u8>, TransportError> {
    BASE64_STANDARD.decode(text).map_err(garbled)
}

/// Reads the body of a success.
pub(crate) fn read(request: &Request, body: &[u8]) -> Result<Response, TransportError> {
    Ok(match request {
        Request::Register { .. } => {
            let reply: RegisteredReply = json(body)?;
            let chain: Result<Vec<_>, _> =
                reply.certificate_chain.iter().map(|der| octets(der)).collect();
            Response::Registered {
                user: reply.user,
                client: reply.client,
                token: SecretText::new(reply.token),
                certificate_chain: chain?,
            }
        }
        Request::Provider => {
            let reply: ProviderReply = json(body)?;
            Response::Provider {
                domain: reply.domain,
                hub_sender: wire::<ExternalSender>(&octets(&reply.hub_sender)?)?,
                franking_agent: reply.franking_agent.map(|text| octets(&text)).transpose()?,
                presets: reply.presets,
            }
        }
        Request::Issuers(_) => {
            let reply: IssuersReply = json(body)?;
            Response::Issuers { domain: reply.domain, issuers: reply.issuers }
        }
        Request::KeyPackageStock | Request::UploadKeyPackages(_) => {
            let StockReply { stock, ending } = json(body)?;
            Response::Stock(stock.saturating_sub(ending))
        }
        Request::KeyMaterial { .. } => Response::KeyMaterial(wire(body)?),
        Request::FoundRoom { .. } | Request::DirectRoom(_) => {
            Response::Founded { room: json::<FoundedReply>(body)?.room }
        }
        Request::Update { .. } => Response::Update(wire(body)?),
        Request::SubmitMessage { .. } => Response::SubmitMessage(wire(body)?),
        Request::GroupInfo { .. } => Response::GroupInfo(wire(body)?),
        Request::IdentifierQuery { .. } => Response::IdentifierQuery(wire(body)?),
        Request::Profile => Response::Profile(Box::new(json(body)?)),
        Request::Consent(_) | Request::SetProfile(_) | Request::ReportAbuse { .. } => {
            Response::Done
        }
        Request::SignOutDevice(_) | Request::SignOutOthers | Request::DeleteAccount { .. } => {
            Response::Done
        }
        Request::Contacts => Response::Contacts(Box::new(json(body)?)),
        Request::Devices => {
            let reply: DevicesReply = json(body)?;
            Response::Devices(reply.devices)
        }
    })
}

/// Reads an error: whose fault it is and whether the same request may fare better later.
pub(crate) fn read_error(status: u16, retry_after: Option<&str>, body: &[u8]) -> TransportError {
    let told = serde_json::from_slice::<ErrorReply>(body).map(|reply| reply.error);
    let (code, message) = match told {
        Ok(error) => (error.code, error.message),
        Err(_) => (String::new(), format!("the provider answered with HTTP status {status}")),
    };
    if matches!(status, 429 | 500 | 502 | 503 | 504) || code == "unavailable" {
        let seconds = retry_after.and_then(|value| value.trim().parse::<u64>().ok());
        let retry_after_ms = seconds.map(|seconds| seconds.saturating_mul(1000));
        return TransportError::Busy { message, retry_after_ms };
    }
    TransportError::Refused { code, message }
}

#[cfg(test)]
mod tests;
