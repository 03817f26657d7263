//! A loopback HTTP server between the program and the API server that lets requests and answers go astray: by chance,
//! but the same for the same seed and requests.

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

/// A removal that takes longer is told: what is judged when it arrives was decided long before.
const SLOW: Duration = Duration::from_secs(1);

/// A running proxy; it takes no more connections when it is dropped.
pub(crate) struct FaultProxy {
    port: u16,
    ended: Arc<AtomicBool>,
    faults: Arc<AtomicU64>,
}

/// What becomes of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It passes, and so does its answer.
    Passes,
    /// It never arrives: the connection is closed.
    Lost,
    /// It is answered with this code, and never arrives.
    Refused(u16),
    /// It arrives, and its answer breaks off after so many bytes.
    CutAfter(usize),
    /// A removal is answered as if it had been done, and never arrives; anything else passes.
    Pretended,
}

impl Fate {
    fn draw(rng: &mut Rng) -> Self {
        match rng.u8(..100) {
            0..4 => Self::Lost,
            4..7 => Self::Refused(*rng.choice(&[409, 429, 500, 503]).unwrap_or(&500)),
            7..13 => Self::CutAfter(rng.usize(..20_000)),
            _ => Self::Passes,
        }
    }
}

impl FaultProxy {
    /// Listens, and passes on to the server of `config` with its credentials, under the
    /// name that each request gives itself.
    pub(crate) fn start(config: Config, seed: u64) -> io::Result<Self> {
        let mut rng = Rng::with_seed(seed);
        Self::start_with(config, move || Fate::draw(&mut rng))
    }

    /// The same, and no removal arrives although each is accepted.
    pub(crate) fn pretending(config: Config) -> io::Result<Self> {
        Self::start_with(config, || Fate::Pretended)
    }

    fn start_with(mut config: Config, mut fate: impl FnMut() -> Fate + Send + 'static) -> io::Result<Self> {
        // What is tried again here would arrive later than the program sent it.
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
                let (fate, config, faults) = (fate(), config.clone(), Arc::clone(&faults));
                // Its client may go away at any time.
                std::thread::spawn(move || drop(serve(connection, config, fate, &faults)));
            }
        });
        Ok(proxy)
    }

    /// How many requests went astray.
    pub(crate) fn faults(&self) -> u64 {
        self.faults.load(Ordering::SeqCst)
    }

    /// Writes a kubeconfig that leads here.
    pub(crate) fn write_kubeconfig(&self, to: &Path) -> io::Result<()> {
        let server = format!("http://127.0.0.1:{}", self.port);
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: proxy\nclusters:\n- name: proxy\n  cluster: {{server: \"{server}\"}}\n\
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

/// One request on one connection.
fn serve(mut connection: TcpStream, config: Config, fate: Fate, faults: &AtomicU64) -> io::Result<()> {
    let mut reader = BufReader::new(connection.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut words = first.split_whitespace();
    let (Some(method), Some(path)) = (words.next(), words.next()) else { return Ok(()) };
    let (mut accept, mut agent, mut length) = (String::new(), String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            None => break,
            Some((name, value)) if name.eq_ignore_ascii_case("accept") => accept = value.trim().to_owned(),
            Some((name, value)) if name.eq_ignore_ascii_case("user-agent") => agent = value.trim().to_owned(),
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
            Some(_) => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let fate = if fate == Fate::Pretended && method != "DELETE" { Fate::Passes } else { fate };
    faults.fetch_add(u64::from(fate != Fate::Passes), Ordering::SeqCst);
    match fate {
        Fate::Lost => return Ok(()),
        Fate::Pretended => {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close";
            return write!(connection, "{head}\r\n\r\n{{}}");
        }
        Fate::Refused(code) => {
            let text = format!("{{\"kind\":\"Status\",\"code\":{code},\"message\":\"the proxy does not want to\"}}");
            return write!(
                connection,
                "HTTP/1.1 {code} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
                text.len()
            );
        }
        Fate::Passes | Fate::CutAfter(_) => {}
    }
    let mut left = if let Fate::CutAfter(bytes) = fate { bytes } else { usize::MAX };
    // A client belongs to the runtime that it was made on, so each thread makes its own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = Client::try_from(config).map_err(io::Error::other)?;
        let request = http::Request::builder().method(method).uri(path).header("accept", accept);
        let request = request.header("user-agent", agent);
        let request =
            request.header("content-type", "application/json").body(Body::from(body)).map_err(io::Error::other)?;
        let sent = Instant::now();
        let answer = client.send(request).await;
        if method == "DELETE" && sent.elapsed() > SLOW {
            eprintln!("a removal took {:.1} s: {path}", sent.elapsed().as_secs_f64());
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
