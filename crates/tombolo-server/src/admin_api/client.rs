//! The operator's side of the admin API.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use super::token::{self, TokenError};
use super::{
    AddUser, AddedUser, BASE_PATH, ClosedReport, ListedUser, NewHubKey, NewOhttpKey, PeerActed,
    PeerList, Removed, ReportList, SetClaims, ShownReport, Status, UserList,
};

/// How long a request may take; hashing a password is the longest.
const TIME_MAX: Duration = Duration::from_secs(30);
/// Octets of an answer.
const ANSWER_OCTETS_MAX: usize = 64 * 1024 * 1024;

/// Why the running provider did not do as asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AdminError {
    /// Nobody listens.
    #[error("no provider runs: nothing listens at {0}")]
    NotRunning(SocketAddr),
    /// The token cannot be read.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Somebody else listens.
    #[error(
        "whoever listens at {0} does not know this provider's token: it is another provider, or \
         another data directory"
    )]
    AnotherProvider(SocketAddr),
    /// The provider said no.
    #[error("{0}")]
    Refused(String),
    /// No answer, or none that can be understood.
    #[error("the provider at {address} does not answer as it should: {reason}")]
    BadAnswer {
        /// Where.
        address: SocketAddr,
        /// What is wrong.
        reason: String,
    },
}

#[derive(Deserialize)]
struct ErrorBody {
    error: ErrorDetail,
}

#[derive(Deserialize)]
struct ErrorDetail {
    code: String,
    message: String,
}

/// A refusal for a person, without its class.
pub(super) fn in_words(code: &str, message: &str) -> String {
    let class = format!("{}: ", code.replace('_', " "));
    message.strip_prefix(&class).unwrap_or(message).to_owned()
}

/// Names are plain (see `mimi_provider::account`); others are refused by the provider, as they are.
fn segment(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// Speaks to a running provider.
#[derive(Debug)]
pub struct AdminClient {
    address: SocketAddr,
    token: Zeroizing<String>,
}

impl AdminClient {
    /// For the provider with this data directory.
    pub fn new(address: SocketAddr, data_dir: &Path) -> Result<Self, AdminError> {
        Ok(Self { address, token: token::read(data_dir)? })
    }

    /// Adds an account.
    pub async fn add_user(&self, wish: &AddUser) -> Result<AddedUser, AdminError> {
        let body = serde_json::to_vec(wish).expect("strings always serialise");
        self.call(Method::POST, "/users", body).await
    }

    /// Changes what the certificates of an account's devices claim.
    pub async fn set_claims(&self, wish: &SetClaims) -> Result<ListedUser, AdminError> {
        let body = serde_json::to_vec(wish).expect("strings always serialise");
        self.call(Method::PUT, "/users/claims", body).await
    }

    /// All accounts.
    pub async fn users(&self) -> Result<UserList, AdminError> {
        self.call(Method::GET, "/users", Vec::new()).await
    }

    /// Open reports of abuse.
    pub async fn reports(&self) -> Result<ReportList, AdminError> {
        self.call(Method::GET, "/reports", Vec::new()).await
    }

    /// A report, open or closed.
    pub async fn report(&self, id: u64) -> Result<ShownReport, AdminError> {
        self.call(Method::GET, &format!("/reports/{id}"), Vec::new()).await
    }

    /// Takes a report off the queue.
    pub async fn close_report(&self, id: u64) -> Result<ClosedReport, AdminError> {
        self.call(Method::POST, &format!("/reports/{id}/close"), Vec::new()).await
    }

    /// Makes a fresh hub_key.
    pub async fn rotate_hub_key(&self) -> Result<NewHubKey, AdminError> {
        self.call(Method::POST, "/franking/hub-key", Vec::new()).await
    }

    /// Makes a fresh key for the Oblivious HTTP gateway.
    pub async fn rotate_ohttp_key(&self) -> Result<NewOhttpKey, AdminError> {
        self.call(Method::POST, "/ohttp-key", Vec::new()).await
    }

    /// Removes an account with all its devices.
    pub async fn remove_user(&self, name: &str) -> Result<Removed, AdminError> {
        self.call(Method::DELETE, &format!("/users/{}", segment(name)), Vec::new()).await
    }

    /// Removes a device.
    pub async fn remove_device(&self, name: &str, device: &str) -> Result<Removed, AdminError> {
        let path = format!("/users/{}/devices/{}", segment(name), segment(device));
        self.call(Method::DELETE, &path, Vec::new()).await
    }

    /// The peers that something waits for.
    pub async fn peers(&self) -> Result<PeerList, AdminError> {
        self.call(Method::GET, "/peers", Vec::new()).await
    }

    /// Tries now what waits for a peer.
    pub async fn retry_peer(&self, peer: &str) -> Result<PeerActed, AdminError> {
        self.call(Method::POST, &format!("/peers/{}/retry", segment(peer)), Vec::new()).await
    }

    /// Gives up what waits for a peer.
    pub async fn drop_peer(&self, peer: &str) -> Result<PeerActed, AdminError> {
        self.call(Method::POST, &format!("/peers/{}/drop", segment(peer)), Vec::new()).await
    }

    /// How the provider fares.
    pub async fn status(&self) -> Result<Status, AdminError> {
        self.call(Method::GET, "/status", Vec::new()).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<T, AdminError> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{BASE_PATH}{path}"))
            .header(HOST, self.address.to_string())
            .header(AUTHORIZATION, format!("Bearer {}", *self.token))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| self.bad_answer(&error))?;
        let exchange = tokio::time::timeout(TIME_MAX, self.exchange(request)).await;
        let (status, answer) = exchange.map_err(|_| self.bad_answer(&"it takes too long"))??;
        if status.is_success() {
            return serde_json::from_slice(&answer).map_err(|error| self.bad_answer(&error));
        }
        if status == StatusCode::UNAUTHORIZED {
            return Err(AdminError::AnotherProvider(self.address));
        }
        match serde_json::from_slice::<ErrorBody>(&answer) {
            Ok(ErrorBody { error }) => {
                Err(AdminError::Refused(in_words(&error.code, &error.message)))
            }
            Err(_) => Err(self.bad_answer(&format!("HTTP status {status}"))),
        }
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, Bytes), AdminError> {
        let stream =
            TcpStream::connect(self.address).await.map_err(|error| match error.kind() {
                io::ErrorKind::ConnectionRefused => AdminError::NotRunning(self.address),
                _ => self.bad_answer(&error),
            })?;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| self.bad_answer(&error))?;
        let connection = tokio::spawn(connection);
        let answer = sender.send_request(request).await;
        let answer = answer.map_err(|error| self.bad_answer(&error))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_OCTETS_MAX).collect().await;
        let body = body.map_err(|error| self.bad_answer(&error))?.to_bytes();
        connection.abort();
        Ok((status, body))
    }

    fn bad_answer(&self, reason: &dyn std::fmt::Display) -> AdminError {
        AdminError::BadAnswer { address: self.address, reason: reason.to_string() }
    }
}
