//! A loopback HTTP server that forwards every request to the API server, and requests JSON whatever the client accepts.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use http_body_util::BodyExt;
use kube::client::Body;
use kube::{Client, Config};

/// A request that was forwarded.
#[derive(Clone, Debug)]
pub(crate) struct ForwardedRequest {
    /// Path and query.
    pub(crate) path: String,
    /// `Accept` of the client.
    pub(crate) accept: String,
    /// `Content-Type` of the API server's response.
    pub(crate) content_type: String,
}

/// A running proxy; it ends when it is dropped.
pub(crate) struct JsonProxy {
    port: u16,
    ended: Arc<AtomicBool>,
    requests: Arc<Mutex<Vec<ForwardedRequest>>>,
    accepting: Option<JoinHandle<()>>,
}

impl JsonProxy {
    /// Listens, and forwards to the server of `config` with its credentials.
    pub(crate) fn start(config: Config) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let ended = Arc::new(AtomicBool::new(false));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let accepting = std::thread::spawn({
            let (ended, requests) = (Arc::clone(&ended), Arc::clone(&requests));
            move || {
                for connection in listener.incoming().flatten() {
                    if ended.load(Ordering::SeqCst) {
                        return;
                    }
                    let (config, requests) = (config.clone(), Arc::clone(&requests));
                    std::thread::spawn(move || {
                        if let Err(error) = serve(connection, config, &requests) {
                            eprintln!("a connection of the JSON proxy failed: {error}");
                        }
                    });
                }
            }
        });
        Ok(Self { port, ended, requests, accepting: Some(accepting) })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<ForwardedRequest> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for JsonProxy {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

/// Serves one request on one connection, which is enough for lists.
fn serve(mut connection: TcpStream, config: Config, requests: &Mutex<Vec<ForwardedRequest>>) -> io::Result<()> {
    let mut lines = BufReader::new(connection.try_clone()?).lines();
    let Some(first) = lines.next().transpose()? else {
        return Ok(());
    };
    let [method, path, _] = *first.split(' ').collect::<Vec<_>>() else {
        return Err(io::Error::other(format!("not a request: {first}")));
    };
    let mut accept = String::new();
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("accept")
        {
            accept = value.trim().to_owned();
        }
    }
    // A client belongs to the runtime that created it, so each thread creates its own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (status, content_type, body) = runtime.block_on(async {
        let client = Client::try_from(config).map_err(io::Error::other)?;
        let request = http::Request::builder().method(method).uri(path).header("accept", "application/json");
        let request = request.body(Body::empty()).map_err(io::Error::other)?;
        let (head, body) = client.send(request).await.map_err(io::Error::other)?.into_parts();
        let content_type = head.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        Ok::<_, io::Error>((head.status, content_type.to_owned(), body))
    })?;
    let entry = ForwardedRequest { path: path.to_owned(), accept, content_type: content_type.clone() };
    requests.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    write!(
        connection,
        "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    )?;
    connection.write_all(&body)
}
