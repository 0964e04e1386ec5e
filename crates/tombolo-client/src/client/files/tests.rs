use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use mimi_wire::Domain;
use mimi_wire::protocol::proxy_download::AssetUrl;

use super::{PIECE_OCTETS, media_type, send_pieces};
use crate::error::ClientError;
use crate::session::request::TransportError;
use crate::transport::assets::{AssetTransport, Upload};
use crate::transport::{Token, TransportFuture};

/// A provider whose answers get lost, or whose octets do.
struct Shaky {
    arrived: Mutex<Vec<u8>>,
    octets: usize,
    /// What becomes of the next appends, the last being next; nothing happens once it is empty.
    faults: Mutex<Vec<Fault>>,
}

#[derive(Clone, Copy)]
enum Fault {
    /// Half of it arrives, and no answer.
    Half,
    /// All of it arrives, and no answer.
    NoAnswer,
    Refused,
}

impl Shaky {
    fn new(octets: usize, faults: Vec<Fault>) -> Self {
        Self { arrived: Mutex::default(), octets, faults: Mutex::new(faults) }
    }

    fn upload(&self) -> Upload {
        let offset = self.arrived.lock().unwrap_or_else(PoisonError::into_inner).len();
        Upload {
            id: "1".to_owned(),
            url: "https://a.example/assets/v1/1".to_owned(),
            offset: offset as u64,
            complete: offset == self.octets,
            expires_s: 7,
        }
    }

    fn appended(&self, offset: u64, octets: &Bytes) -> Result<Upload, TransportError> {
        let lost = || Err(TransportError::Unreachable("lost".to_owned()));
        let fault = self.faults.lock().unwrap().pop();
        let keep = match fault {
            Some(Fault::Refused) => {
                let (code, message) = ("not_allowed".to_owned(), "no".to_owned());
                return Err(TransportError::Refused { code, message });
            }
            Some(Fault::Half) => octets.len() / 2,
            _ => octets.len(),
        };
        {
            let mut arrived = self.arrived.lock().unwrap();
            assert_eq!(arrived.len() as u64, offset, "only where the upload goes on");
            arrived.extend_from_slice(&octets[..keep]);
        }
        match fault {
            None => Ok(self.upload()),
            Some(_) => lost(),
        }
    }
}

impl AssetTransport for Shaky {
    fn begin(&self, _: Token, _: u64) -> TransportFuture<Upload> {
        let upload = self.upload();
        Box::pin(async { Ok(upload) })
    }

    fn status(&self, _: Token, _: &str) -> TransportFuture<Upload> {
        let upload = self.upload();
        Box::pin(async { Ok(upload) })
    }

    fn append(&self, _: Token, _: &str, offset: u64, octets: Bytes) -> TransportFuture<Upload> {
        let appended = self.appended(offset, &octets);
        Box::pin(async { appended })
    }

    fn fetch(&self, _: Token, _: &Domain, _: &AssetUrl, _: u64) -> TransportFuture<Vec<u8>> {
        Box::pin(async { Err(TransportError::Unreachable("never asked".to_owned())) })
    }

    fn ohttp_keys(&self, _: Token, _: &Domain) -> TransportFuture<Vec<u8>> {
        Box::pin(async { Err(TransportError::Unreachable("never asked".to_owned())) })
    }

    fn ohttp_relay(&self, _: Token, _: &Domain, _: Bytes) -> TransportFuture<Vec<u8>> {
        Box::pin(async { Err(TransportError::Unreachable("never asked".to_owned())) })
    }

    fn fetch_directly(
        &self,
        _: &AssetUrl,
        _: Option<SocketAddr>,
        _: u64,
    ) -> TransportFuture<Vec<u8>> {
        Box::pin(async { Err(TransportError::Unreachable("never asked".to_owned())) })
    }
}

async fn send(shaky: &Shaky, sealed: &Bytes) -> Result<Upload, ClientError> {
    let token = Token::new("token".to_owned());
    send_pieces(shaky, &token, shaky.upload(), sealed).await
}

#[tokio::test]
async fn an_upload_goes_on_after_every_kind_of_loss() {
    let count = 2 * PIECE_OCTETS + 5;
    let sealed: Bytes = (0..count).map(|index| u8::try_from(index % 253).unwrap()).collect();
    let shaky = Shaky::new(count, vec![Fault::NoAnswer, Fault::Half]);
    assert!(send(&shaky, &sealed).await.unwrap().complete);
    assert!(*shaky.arrived.lock().unwrap() == sealed);
}

#[tokio::test]
async fn a_refusal_ends_it() {
    let sealed = Bytes::from_static(b"octets");
    let shaky = Shaky::new(sealed.len(), vec![Fault::Half, Fault::Refused]);
    let refused = send(&shaky, &sealed).await;
    assert!(matches!(refused, Err(ClientError::Refused(_))), "{refused:?}");
    assert_eq!(shaky.faults.lock().unwrap().len(), 1);
}

#[test]
fn media_types_go_by_the_ending() {
    for (name, expected) in [
        ("a.PNG", "image/png"),
        ("archive.tar.zip", "application/zip"),
        ("png", "application/octet-stream"),
        ("a.", "application/octet-stream"),
    ] {
        assert_eq!(media_type(name), expected, "{name}");
    }
}
