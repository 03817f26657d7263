//! A webhook that denies every request. It uses the API server's own certificate, which is valid for loopback.

use libtest_mimic::Failed;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::harness::control_plane::ControlPlane;
use crate::harness::tls::acceptor;

/// Starts it; returns its URL, and its CA bundle as a manifest contains it.
pub(super) async fn start(plane: &ControlPlane) -> Result<(String, String), Failed> {
    let file = |name: &str| plane.dir().join("certificates").join(name);
    let acceptor = acceptor(plane)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let bundle = k8s_openapi::ByteString(std::fs::read(file("apiserver.crt"))?);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            // One failed connection does not affect the others.
            tokio::spawn(async move { respond(&acceptor, stream).await });
        }
    });
    let bundle = serde_json::to_value(bundle)?.as_str().unwrap_or_default().to_owned();
    Ok((format!("https://127.0.0.1:{port}/"), bundle))
}

/// Serves one request, and closes the connection.
async fn respond(acceptor: &TlsAcceptor, stream: TcpStream) -> std::io::Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    let review = read_body(&mut stream).await?;
    let verdict = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "response": {"uid": review["request"]["uid"], "allowed": false, "status": {"message": "no agents: never"}},
    })
    .to_string();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        verdict.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(verdict.as_bytes()).await?;
    stream.shutdown().await
}

/// The JSON body of a request, by its `Content-Length`.
async fn read_body(stream: &mut TlsStream<TcpStream>) -> std::io::Result<Value> {
    let mut bytes = Vec::new();
    loop {
        if let Some(head) = bytes.windows(4).position(|end| end == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
            if bytes.len() >= head + 4 + length.unwrap_or(0) {
                return Ok(serde_json::from_slice(&bytes[head + 4..])?);
            }
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
}
