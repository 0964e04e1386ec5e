//! A caller of a federation endpoint that says and shows what a test wants.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tombolo_server::dev_ca::ServerCertificate;

use super::tls::client_tls;

pub(crate) struct Caller {
    tls: Arc<ClientConfig>,
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    /// `error.code` of an error's body.
    pub(crate) fn code(&self) -> String {
        let json: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        json.pointer("/error/code").and_then(|code| code.as_str()).unwrap_or_default().to_owned()
    }
}

type Body = BoxBody<Bytes, io::Error>;

/// One open connection.
pub(crate) struct Connection {
    sender: SendRequest<Body>,
}

impl Caller {
    pub(crate) fn new(root_pem: &str, certificate: Option<&ServerCertificate>) -> Self {
        Self { tls: client_tls(root_pem, certificate) }
    }

    /// Connects as if `host` were there.
    pub(crate) async fn connect(&self, address: SocketAddr, host: &str) -> io::Result<Connection> {
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from(host.to_owned()).unwrap();
        let stream = TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await?;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(io::Error::other)?;
        tokio::spawn(connection);
        Ok(Connection { sender })
    }

    /// Connects by HTTP/2, with so many octets of each answer that may come unread.
    pub(crate) async fn connect_http2(
        &self,
        address: SocketAddr,
        window: u32,
    ) -> io::Result<Http2> {
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from("a.example").unwrap();
        let stream = TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await?;
        let (sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(window)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        tokio::spawn(connection);
        Ok(Http2 { sender })
    }

    /// A connection on which a test writes frames of its own.
    pub(crate) async fn connect_raw(
        &self,
        address: SocketAddr,
    ) -> io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from("a.example").unwrap();
        TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await
    }

    /// One request on a connection of its own, to `a.example` as `from`.
    pub(crate) async fn post(
        &self,
        address: SocketAddr,
        from: &str,
        path: &str,
        body: impl Into<Bytes>,
    ) -> io::Result<Reply> {
        self.connect(address, "a.example").await?.post("a.example", from, path, body).await
    }
}

/// One open HTTP/2 connection to `a.example`.
#[derive(Clone)]
pub(crate) struct Http2 {
    sender: hyper::client::conn::http2::SendRequest<Body>,
}

impl Http2 {
    /// A peer's request whose body begins and does not end.
    pub(crate) async fn begin(&mut self, from: &str, path: &str, first: Bytes) -> io::Result<()> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("https://a.example{path}"))
            .header("from", format!("mimi@{from}"));
        let sent = self.sender.send_request(request.body(unending(first)).unwrap()).await;
        sent.map(drop).map_err(io::Error::other)
    }

    /// A request as a peer, or as nobody; a body of `None` does not end.
    pub(crate) async fn send(
        &mut self,
        method: Method,
        from: Option<&str>,
        path: &str,
        body: Option<Bytes>,
    ) -> io::Result<Reply> {
        self.send_with(method, from, path, body, "").await
    }

    /// A request whose answer is not read beyond its head: the status, and what holds the rest.
    pub(crate) async fn unread(&mut self, path: &str) -> io::Result<(u16, Incoming)> {
        let request = Request::builder().uri(format!("https://a.example{path}"));
        let body = Full::new(Bytes::new()).map_err(|never| match never {}).boxed();
        let sent = self.sender.send_request(request.body(body).unwrap()).await;
        let answer = sent.map_err(io::Error::other)?;
        Ok((answer.status().as_u16(), answer.into_body()))
    }

    /// Reads an answer octet by octet, with pauses; how many came before it ended. Of use where no more
    /// than an octet may come unread.
    pub(crate) async fn sip(&mut self, path: &str, pause: std::time::Duration) -> usize {
        let request = Request::builder().uri(format!("https://a.example{path}"));
        let body = Full::new(Bytes::new()).map_err(|never| match never {}).boxed();
        let Ok(answer) = self.sender.send_request(request.body(body).unwrap()).await else {
            return 0;
        };
        let mut body = answer.into_body();
        let mut octets = 0;
        while let Some(Ok(frame)) = body.frame().await {
            octets += frame.data_ref().map_or(0, Bytes::len);
            tokio::time::sleep(pause).await;
        }
        octets
    }

    /// The same with a header that means nothing.
    pub(crate) async fn send_with(
        &mut self,
        method: Method,
        from: Option<&str>,
        path: &str,
        body: Option<Bytes>,
        padding: &str,
    ) -> io::Result<Reply> {
        let mut request = Request::builder().method(method).uri(format!("https://a.example{path}"));
        if let Some(from) = from {
            request = request.header("from", format!("mimi@{from}"));
        }
        if !padding.is_empty() {
            request = request.header("x", padding);
        }
        let body = match body {
            Some(body) => Full::new(body).map_err(|never| match never {}).boxed(),
            None => unending(Bytes::new()),
        };
        self.sender.ready().await.map_err(io::Error::other)?;
        let sent = self.sender.send_request(request.body(body).unwrap()).await;
        let (head, body) = sent.map_err(io::Error::other)?.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        Ok(Reply { status: head.status, headers: head.headers, body })
    }
}

fn unending(first: Bytes) -> Body {
    let frames = futures_util::stream::iter([Ok(Frame::data(first))]);
    let frames = frames.chain(futures_util::stream::pending());
    BodyExt::boxed(StreamBody::new(frames))
}

impl Connection {
    pub(crate) async fn post(
        &mut self,
        host: &str,
        from: &str,
        path: &str,
        body: impl Into<Bytes>,
    ) -> io::Result<Reply> {
        let from = format!("mimi@{from}");
        self.send(Method::POST, path, &[("host", host), ("from", &from)], body).await
    }

    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> io::Result<Reply> {
        let body = Full::new(body.into()).map_err(|never| match never {}).boxed();
        self.send_body(method, path, headers, body).await
    }

    /// A body whose size is not announced.
    pub(crate) async fn stream(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
        chunk: Bytes,
        chunks: usize,
    ) -> io::Result<Reply> {
        let frames = (0..chunks).map(move |_| Ok(Frame::data(chunk.clone())));
        let body = BodyExt::boxed(StreamBody::new(futures_util::stream::iter(frames)));
        self.send_body(Method::POST, path, headers, body).await
    }

    /// A request whose body begins and does not end; the answer, if there is one all the same.
    pub(crate) async fn unending(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
        first: Bytes,
    ) -> io::Result<Reply> {
        self.send_body(Method::POST, path, headers, unending(first)).await
    }

    async fn send_body(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Body,
    ) -> io::Result<Reply> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.sender.ready().await.map_err(io::Error::other)?;
        let sent = self.sender.send_request(request.body(body).unwrap()).await;
        let (head, body) = sent.map_err(io::Error::other)?.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        Ok(Reply { status: head.status, headers: head.headers, body })
    }
}
