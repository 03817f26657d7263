//! A loopback HTTP server between the program and the API server that loses, rejects and truncates requests and
//! responses at random: the same for the same seed and requests.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use http_body_util::BodyExt;
use kube::client::Body;
use kube::{Client, Config};

/// A deletion that takes longer is logged: the invariant watcher checks it on arrival, long after it was decided.
const SLOW_DELETION: Duration = Duration::from_secs(1);

/// A running proxy; it accepts no more connections once it is dropped.
pub(crate) struct FaultProxy {
    port: u16,
    ended: Arc<AtomicBool>,
    faults: Arc<AtomicU64>,
}

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// The request and its response are forwarded.
    None,
    /// The connection is closed, and the request is not forwarded.
    Lost,
    /// The response is this status code, and the request is not forwarded.
    Rejected(u16),
    /// The request is forwarded, and its response is truncated after this many bytes.
    TruncatedAfter(usize),
    /// A DELETE gets a successful response and is not forwarded; other requests are.
    FakeDeletion,
}

impl Fault {
    fn random(rng: &mut Rng) -> Self {
        match rng.u8(..100) {
            0..4 => Self::Lost,
            4..7 => Self::Rejected(*rng.choice(&[409, 429, 500, 503]).unwrap_or(&500)),
            7..13 => Self::TruncatedAfter(rng.usize(..20_000)),
            _ => Self::None,
        }
    }
}

impl FaultProxy {
    /// Listens, and forwards to the server of `config` with its credentials and the client's User-Agent.
    pub(crate) fn start(config: Config, seed: u64) -> io::Result<Self> {
        let mut rng = Rng::with_seed(seed);
        Self::start_with(config, move || Fault::random(&mut rng))
    }

    /// The same without random faults: every deletion is accepted, and none is forwarded.
    pub(crate) fn faking_deletions(config: Config) -> io::Result<Self> {
        Self::start_with(config, || Fault::FakeDeletion)
    }

    fn start_with(mut config: Config, mut fault: impl FnMut() -> Fault + Send + 'static) -> io::Result<Self> {
        // A retry here would reach the API server later than the program sent the request.
        config.default_retry = false;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let (ended, faults) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let proxy = Self { port, ended: Arc::clone(&ended), faults: Arc::clone(&faults) };
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let (fault, config, faults) = (fault(), config.clone(), Arc::clone(&faults));
                // The client may close the connection at any time.
                std::thread::spawn(move || drop(serve(connection, config, fault, &faults)));
            }
        });
        Ok(proxy)
    }

    /// How many requests had a fault.
    pub(crate) fn faults(&self) -> u64 {
        self.faults.load(Ordering::SeqCst)
    }

    /// Writes a kubeconfig for this proxy.
    pub(crate) fn write_kubeconfig(&self, to: &Path) -> io::Result<()> {
        let server = format!("http://127.0.0.1:{}", self.port);
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: proxy\n\
             clusters:\n- name: proxy\n  cluster: {{server: \"{server}\"}}\n\
             contexts:\n- name: proxy\n  context: {{cluster: proxy, user: \"\"}}\n"
        );
        std::fs::write(to, text)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
    }
}

/// Serves one request on one connection.
fn serve(mut connection: TcpStream, config: Config, fault: Fault, faults: &AtomicU64) -> io::Result<()> {
    let mut reader = BufReader::new(connection.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut words = first.split_whitespace();
    let (Some(method), Some(path)) = (words.next(), words.next()) else { return Ok(()) };
    let (mut accept, mut agent, mut length) = (String::new(), String::new(), 0);
    // A patch has another type.
    let mut media_type = "application/json".to_owned();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            None => break,
            Some((name, value)) if name.eq_ignore_ascii_case("accept") => accept = value.trim().to_owned(),
            Some((name, value)) if name.eq_ignore_ascii_case("user-agent") => agent = value.trim().to_owned(),
            Some((name, value)) if name.eq_ignore_ascii_case("content-type") => {
                value.trim().clone_into(&mut media_type)
            }
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
            Some(_) => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let fault = if fault == Fault::FakeDeletion && method != "DELETE" { Fault::None } else { fault };
    faults.fetch_add(u64::from(fault != Fault::None), Ordering::SeqCst);
    match fault {
        Fault::Lost => return Ok(()),
        Fault::FakeDeletion => {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close";
            return write!(connection, "{head}\r\n\r\n{{}}");
        }
        Fault::Rejected(code) => {
            let text = format!("{{\"kind\":\"Status\",\"code\":{code},\"message\":\"rejected by the fault proxy\"}}");
            return write!(
                connection,
                "HTTP/1.1 {code} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
                 connection: close\r\n\r\n{text}",
                text.len()
            );
        }
        Fault::None | Fault::TruncatedAfter(_) => {}
    }
    let mut left = if let Fault::TruncatedAfter(bytes) = fault { bytes } else { usize::MAX };
    // A client belongs to the runtime that created it, so each thread creates its own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = Client::try_from(config).map_err(io::Error::other)?;
        let request = http::Request::builder().method(method).uri(path).header("accept", accept);
        let request = request.header("user-agent", agent);
        let request = request.header("content-type", media_type).body(Body::from(body)).map_err(io::Error::other)?;
        let sent = Instant::now();
        let answer = client.send(request).await;
        if method == "DELETE" && sent.elapsed() > SLOW_DELETION {
            eprintln!("a deletion took {:.1} s: {path}", sent.elapsed().as_secs_f64());
        }
        let (head, mut body) = answer.map_err(io::Error::other)?.into_parts();
        let kind = head.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
        write!(
            connection,
            "HTTP/1.1 {}\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n",
            head.status
        )?;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(io::Error::other)?;
            let Some(bytes) = frame.data_ref() else { continue };
            let shown = &bytes[..bytes.len().min(left)];
            write!(connection, "{:x}\r\n", bytes.len())?;
            connection.write_all(shown)?;
            left -= shown.len();
            if shown.len() < bytes.len() {
                return Ok(());
            }
            connection.write_all(b"\r\n")?;
        }
        connection.write_all(b"0\r\n\r\n")
    })
}
