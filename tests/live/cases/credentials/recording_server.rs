//! A loopback server that answers every request with a version, and records its credentials.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Name of the server, `Authorization` and `Impersonate-User` of a request.
type Request = (&'static str, Option<String>, Option<String>);

/// A running server; it ends when it is dropped.
pub(super) struct RecordingServer {
    port: u16,
    ended: Arc<AtomicBool>,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl RecordingServer {
    /// Starts it, with TLS if there is a configuration.
    pub(super) fn start(name: &'static str, tls: Option<Arc<ServerConfig>>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let (ended, requests) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        std::thread::spawn({
            let (ended, requests) = (Arc::clone(&ended), Arc::clone(&requests));
            move || {
                for connection in listener.incoming().flatten() {
                    if ended.load(Ordering::SeqCst) {
                        return;
                    }
                    let (requests, tls) = (Arc::clone(&requests), tls.clone());
                    std::thread::spawn(move || {
                        // Some cases speak the wrong protocol or close the connection.
                        let _ = match tls {
                            None => serve(connection, name, &requests),
                            Some(config) => {
                                secured(connection, config).and_then(|connection| serve(connection, name, &requests))
                            }
                        };
                    });
                }
            }
        });
        Ok(Self { port, ended, requests })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// The requests since the last call.
    pub(super) fn take(&self) -> Vec<Request> {
        std::mem::take(&mut *self.requests.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for RecordingServer {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
    }
}

/// TLS with the certificate of `tests/fixtures/tls`.
pub(super) fn tls_config() -> io::Result<Arc<ServerConfig>> {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("../../../fixtures/tls/server.crt"));
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../../../fixtures/tls/server.key"));
    let builder = ServerConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    let certificate = certificate.map_err(io::Error::other)?;
    let config = builder.with_no_client_auth().with_single_cert(vec![certificate], key.map_err(io::Error::other)?);
    config.map(Arc::new).map_err(io::Error::other)
}

fn secured(connection: TcpStream, config: Arc<ServerConfig>) -> io::Result<StreamOwned<ServerConnection, TcpStream>> {
    connection.set_read_timeout(Some(Duration::from_secs(30)))?;
    Ok(StreamOwned::new(ServerConnection::new(config).map_err(io::Error::other)?, connection))
}

/// Serves one request without a body on one connection.
fn serve(connection: impl Read + Write, name: &'static str, requests: &Mutex<Vec<Request>>) -> io::Result<()> {
    let mut connection = BufReader::new(connection);
    let mut line = String::new();
    if connection.read_line(&mut line)? == 0 {
        return Ok(());
    }
    let (mut authorization, mut impersonated) = (None, None);
    loop {
        line.clear();
        connection.read_line(&mut line)?;
        let Some((header, value)) = line.trim().split_once(':') else {
            break;
        };
        match header.to_lowercase().as_str() {
            "authorization" => authorization = Some(value.trim().to_owned()),
            "impersonate-user" => impersonated = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    requests.lock().unwrap_or_else(PoisonError::into_inner).push((name, authorization, impersonated));
    let body = r#"{"major":"1","minor":"36","gitVersion":"v1.36.0"}"#;
    let stream = connection.get_mut();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )?;
    stream.flush()
}
