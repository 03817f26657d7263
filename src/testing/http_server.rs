//! A server for tests: HTTP/1.1 by hand, so that a test can truncate a response anywhere.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::{Arc, Mutex};

use prost::Message;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A request that the server received.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    /// All values of a header, in order.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(seen, _)| seen == name).map(|(_, value)| value.as_str()).collect()
    }

    /// The only value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "{name} twice: {all:?}");
        all.first().copied()
    }
}

/// The response to a request.
pub(crate) enum Answer {
    /// Sends a complete response, in chunks.
    Whole(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// Sends these bytes of a chunked 200 and closes the connection.
    Cut(&'static str, Vec<u8>),
    /// Closes the connection without a response.
    HangUp,
    /// Sends the head and these bytes, and then nothing.
    Stall(&'static str, Vec<u8>),
    /// Receives the request and never responds.
    Mute,
}

pub(crate) const JSON: &str = "application/json";
pub(crate) const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

impl Answer {
    pub(crate) fn ok(content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::Whole(200, vec![("content-type", content_type.to_owned())], body.into())
    }

    pub(crate) fn rejection(code: u16, message: &str) -> Self {
        let body = serde_json::json!({"kind": "Status", "message": message, "code": code}).to_string();
        Self::Whole(code, vec![("content-type", JSON.to_owned())], body.into_bytes())
    }

    pub(crate) fn with(self, name: &'static str, value: &str) -> Self {
        match self {
            Self::Whole(code, mut headers, body) => {
                headers.push((name, value.to_owned()));
                Self::Whole(code, headers, body)
            }
            other => other,
        }
    }
}

type Script = dyn Fn(usize, &Seen) -> Answer + Send + Sync;

/// The server. It ends with the runtime of the test.
pub(crate) struct TestServer {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl TestServer {
    /// Starts a server. `script` gets the number of the request, from 0, and the request. CONNECT succeeds, and the
    /// requests through the tunnel are handled here too.
    pub(crate) async fn start(script: impl Fn(usize, &Seen) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_with(None, script).await
    }

    /// The same with TLS, which is required for credentials. Its certificate is not signed by an authority.
    pub(crate) async fn start_tls(script: impl Fn(usize, &Seen) -> Answer + Send + Sync + 'static) -> Self {
        let certificate = CertificateDer::from_pem_slice(include_bytes!("../../tests/fixtures/tls/server.crt"));
        let key = PrivateKeyDer::from_pem_slice(include_bytes!("../../tests/fixtures/tls/server.key"));
        let config = ServerConfig::builder_with_provider(ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.unwrap()], key.unwrap())
            .unwrap();
        Self::start_with(Some(Arc::new(config).into()), script).await
    }

    async fn start_with(
        tls: Option<TlsAcceptor>,
        script: impl Fn(usize, &Seen) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (script, shared): (Arc<Script>, _) = (Arc::new(script), Arc::clone(&seen));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (script, shared, tls) = (Arc::clone(&script), Arc::clone(&shared), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, script, shared).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, script, shared).await;
                            }
                        }
                    }
                });
            }
        });
        Self { url, seen }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, script: Arc<Script>, seen: Arc<Mutex<Vec<Seen>>>) {
    while let Some(request) = read(&mut stream).await {
        let number = {
            let mut seen = seen.lock().unwrap();
            seen.push(request.clone());
            seen.iter().filter(|seen| seen.method != "CONNECT").count()
        };
        if request.method == "CONNECT" {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            continue;
        }
        match script(number - 1, &request) {
            Answer::Whole(code, headers, body) => {
                let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
                let head = format!("HTTP/1.1 {code} X\r\n{headers}connection: close\r\n");
                let _ = send(&mut stream, &head, &body, b"0\r\n\r\n").await;
            }
            Answer::Cut(kind, body) => {
                let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n");
                let _ = send(&mut stream, &head, &body, b"").await;
            }
            Answer::HangUp => {}
            Answer::Mute => std::future::pending::<()>().await,
            Answer::Stall(kind, body) => {
                let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n");
                let _ = send(&mut stream, &head, &body, b"").await;
                std::future::pending::<()>().await;
            }
        }
        let _ = stream.shutdown().await;
        return;
    }
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), head: &str, body: &[u8], end: &[u8]) -> std::io::Result<()> {
    stream.write_all(format!("{head}transfer-encoding: chunked\r\n\r\n").as_bytes()).await?;
    for chunk in body.chunks(1000) {
        stream.write_all(format!("{:x}\r\n", chunk.len()).as_bytes()).await?;
        stream.write_all(chunk).await?;
        stream.write_all(b"\r\n").await?;
    }
    stream.write_all(end).await?;
    stream.flush().await
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Seen> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let mut words = lines.next()?.split(' ').map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_lowercase(), value.trim().to_owned()))
    };
    let headers: Vec<(String, String)> = lines.filter_map(header).collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length.map_or(0, |(_, length)| length.parse().unwrap())];
    stream.read_exact(&mut body).await.ok()?;
    Some(Seen { method, target, headers, body })
}

/// Encodes an envelope with a list, as an API server does.
pub(crate) fn protobuf_list(kind: &str, items: &[Vec<u8>], resource_version: &str, continue_: &str) -> Vec<u8> {
    let mut list = Vec::new();
    let mut meta = Vec::new();
    field(&mut meta, 1, b"");
    field(&mut meta, 2, resource_version.as_bytes());
    field(&mut meta, 3, continue_.as_bytes());
    field(&mut list, 1, &meta);
    for item in items {
        field(&mut list, 2, item);
    }
    protobuf_answer(kind, &list)
}

pub(crate) fn protobuf_answer(kind: &str, raw: &[u8]) -> Vec<u8> {
    let mut type_meta = Vec::new();
    field(&mut type_meta, 1, b"v1");
    field(&mut type_meta, 2, kind.as_bytes());
    let mut answer = b"k8s\0".to_vec();
    field(&mut answer, 1, &type_meta);
    field(&mut answer, 2, raw);
    field(&mut answer, 3, b"");
    field(&mut answer, 4, b"");
    answer
}

/// Appends a length-delimited field.
pub(crate) fn field(to: &mut Vec<u8>, number: u8, value: &[u8]) {
    to.push(number << 3 | 2);
    prost::encoding::encode_varint(value.len() as u64, to);
    to.extend_from_slice(value);
}

/// Encodes a pod with this name.
pub(crate) fn pod(name: &str) -> Vec<u8> {
    let mut pod = crate::snapshot::PodSummary::default();
    pod.metadata.name = name.to_owned();
    pod.encode_to_vec()
}
