//! The part of a kubelet that serves logs, for all nodes of a test: `/containerLogs/NAMESPACE/POD/CONTAINER`
//! (`pkg/kubelet/server/server.go` `getContainerLogs`, `pkg/kubelet/kuberuntime/logs/logs.go`). It runs in a thread of its
//! own, so that a test can wait for the program. It uses the certificate of the API server, which does not check it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use libtest_mimic::Failed;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::harness::client::failed;
use crate::harness::control_plane::ControlPlane;
use crate::harness::tls::acceptor;

/// The name under which a log is set for all pods that have none of their own.
pub(crate) const ANY_POD: &str = "*";
/// How long a stream is open at least.
const SHORTEST_STREAM: Duration = Duration::from_millis(40);

/// A running server.
pub(crate) struct LogKubelet {
    port: u16,
    store: Arc<Store>,
}

struct Store {
    logs: Mutex<HashMap<String, PodLog>>,
    /// The number of changes.
    changes: watch::Sender<u64>,
    open: AtomicUsize,
    most_open: AtomicUsize,
    requests: Mutex<Vec<String>>,
}

/// The log of a pod, the same for all its containers.
#[derive(Clone, Debug, Default)]
struct PodLog {
    lines: Vec<(Timestamp, Vec<u8>)>,
    previous: Vec<u8>,
    /// How often its streams were ended.
    cuts: u64,
    /// Whether the last streams were broken off, and not ended.
    is_broken: bool,
    /// Written after the lines, in many pieces and without a line break.
    endless: usize,
}

impl Store {
    fn logs(&self) -> MutexGuard<'_, HashMap<String, PodLog>> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LogKubelet {
    /// Starts the server.
    pub(crate) fn start(plane: &ControlPlane) -> Result<Self, Failed> {
        let acceptor = acceptor(plane)?;
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let store = Arc::new(Store {
            logs: Mutex::default(),
            changes: watch::channel(0).0,
            open: AtomicUsize::new(0),
            most_open: AtomicUsize::new(0),
            requests: Mutex::default(),
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let shared = Arc::clone(&store);
        std::thread::spawn(move || runtime.block_on(accept(listener, acceptor, shared)));
        Ok(Self { port, store })
    }

    /// `status` of a node whose kubelet is this server.
    pub(crate) fn node_status(&self) -> Value {
        node_status_of_port(self.port)
    }

    /// Adds a line to the log of a pod, with the current time.
    pub(crate) fn write(&self, pod: &str, line: impl Into<Vec<u8>>) {
        self.write_at(pod, Timestamp::now(), line);
    }

    /// The same with another time.
    pub(crate) fn write_at(&self, pod: &str, time: Timestamp, line: impl Into<Vec<u8>>) {
        self.change(pod, |log| log.lines.push((time, line.into())));
    }

    /// Sets the log of the previous run.
    pub(crate) fn set_previous(&self, pod: &str, text: &[u8]) {
        self.change(pod, |log| log.previous = text.to_vec());
    }

    /// Ends the streams of a pod, as after a rotation of the log.
    pub(crate) fn end_streams(&self, pod: &str) {
        self.change(pod, |log| (log.cuts, log.is_broken) = (log.cuts + 1, false));
    }

    /// Breaks the streams of a pod off, in the middle of a line.
    pub(crate) fn break_streams(&self, pod: &str) {
        self.change(pod, |log| (log.cuts, log.is_broken) = (log.cuts + 1, true));
    }

    /// Continues the log of a pod with a line of this many bytes, which has no end.
    pub(crate) fn set_endless(&self, pod: &str, bytes: usize) {
        self.change(pod, |log| log.endless = bytes);
    }

    fn change(&self, pod: &str, change: impl FnOnce(&mut PodLog)) {
        change(self.store.logs().entry(pod.to_owned()).or_default());
        self.store.changes.send_modify(|number| *number += 1);
    }

    /// The most streams that were open at the same time.
    pub(crate) fn most_open(&self) -> usize {
        self.store.most_open.load(Ordering::Relaxed)
    }

    /// The streams that are open.
    pub(crate) fn open(&self) -> usize {
        self.store.open.load(Ordering::Relaxed)
    }

    /// The paths and queries of all requests.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.store.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// `status` of a node whose kubelet listens on this port.
pub(crate) fn node_status_of_port(port: u16) -> Value {
    json!({
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
    })
}

async fn accept(listener: std::net::TcpListener, acceptor: TlsAcceptor, store: Arc<Store>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, store) = (acceptor.clone(), Arc::clone(&store));
        // One failed connection does not affect the others.
        tokio::spawn(async move { respond(&acceptor, stream, &store).await });
    }
}

/// Serves one request, and closes the connection.
async fn respond(acceptor: &TlsAcceptor, stream: TcpStream, store: &Store) -> Result<(), Failed> {
    let mut stream = acceptor.accept(stream).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
    store.requests.lock().unwrap_or_else(PoisonError::into_inner).push(target.clone());
    stream
        .write_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
        )
        .await?;
    let open = store.open.fetch_add(1, Ordering::Relaxed) + 1;
    store.most_open.fetch_max(open, Ordering::Relaxed);
    let served = serve(&mut stream, &LogRequest::parse(&target)?, store).await;
    store.open.fetch_sub(1, Ordering::Relaxed);
    if served? {
        stream.write_all(b"0\r\n\r\n").await?;
        stream.shutdown().await?;
    }
    Ok(())
}

/// The parameters of a request.
struct LogRequest {
    pod: String,
    follow: bool,
    previous: bool,
    timestamps: bool,
    tail: Option<usize>,
    since: Option<Timestamp>,
}

impl LogRequest {
    fn parse(target: &str) -> Result<Self, Failed> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let pod = path.split('/').nth(3).unwrap_or_default().to_owned();
        let value = |name: &str| {
            let pair = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
            pair.map(|value| value.replace("%3A", ":").replace("%2B", "+"))
        };
        Ok(Self {
            pod,
            follow: value("follow").is_some(),
            previous: value("previous").is_some(),
            timestamps: value("timestamps").is_some(),
            tail: value("tailLines").map(|tail| tail.parse()).transpose().map_err(failed)?,
            since: value("sinceTime").map(|time| time.parse()).transpose().map_err(failed)?,
        })
    }
}

/// Writes the log. `false`: the connection is to be broken off.
async fn serve(stream: &mut TlsStream<TcpStream>, request: &LogRequest, store: &Store) -> Result<bool, Failed> {
    let mut changes = store.changes.subscribe();
    let log = |store: &Store| {
        let logs = store.logs();
        logs.get(&request.pod).or_else(|| logs.get(ANY_POD)).cloned().unwrap_or_default()
    };
    let first = log(store);
    if request.previous {
        chunk(stream, &first.previous).await?;
        return Ok(true);
    }
    let mut next = request.tail.map_or(0, |tail| first.lines.len().saturating_sub(tail));
    let mut endless = 0;
    loop {
        changes.mark_unchanged();
        let now = log(store);
        for (time, line) in now.lines.iter().skip(next) {
            if request.since.is_none_or(|since| *time >= since) {
                let time = if request.timestamps { format!("{time:.9} ") } else { String::new() };
                chunk(stream, &[time.as_bytes(), line, b"\n"].concat()).await?;
            }
        }
        next = next.max(now.lines.len());
        while endless < now.endless {
            if endless == 0 && request.timestamps {
                chunk(stream, format!("{:.9} ", Timestamp::now()).as_bytes()).await?;
            }
            chunk(stream, &[b'x'; 1 << 16]).await?;
            endless += 1 << 16;
        }
        if now.cuts > first.cuts {
            if now.is_broken {
                let partial = format!("{:.9} broken li", Timestamp::now());
                chunk(stream, partial.as_bytes()).await?;
            }
            return Ok(!now.is_broken);
        }
        if !request.follow {
            // Long enough for streams that are open at the same time to be seen together.
            tokio::time::sleep(SHORTEST_STREAM).await;
            return Ok(true);
        }
        // A client that is gone is noticed by the next write, or here.
        tokio::select! {
            changed = changes.changed() => changed?,
            read = stream.read_u8() => if read.is_err() { return Ok(false) },
            () = tokio::time::sleep(Duration::from_secs(60)) => {}
        }
    }
}

async fn chunk(stream: &mut TlsStream<TcpStream>, bytes: &[u8]) -> std::io::Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    stream.write_all(format!("{:x}\r\n", bytes.len()).as_bytes()).await?;
    stream.write_all(bytes).await?;
    stream.write_all(b"\r\n").await?;
    stream.flush().await
}
