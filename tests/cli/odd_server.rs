//! A small HTTP server with incorrect responses.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The response to one request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// A complete response: status, content type, body.
    Whole(u16, &'static str, String),
    /// A redirect to this URL.
    Redirect(String),
    /// No response; the connection stays open.
    Nothing,
    /// The beginning of a JSON body, then nothing; the connection stays open.
    Stalled(String),
    /// The beginning of a JSON body, then the connection is closed.
    Cut(String),
    /// The beginning of a JSON body, then this text repeated forever.
    Endless(String, String),
    /// Lines of a watch, one chunk each, sent once the flag is set. Then the watch stays open.
    Watch(Vec<String>, Arc<AtomicBool>),
}

impl Answer {
    /// Events of a watch that are sent immediately.
    pub(crate) fn watch(events: Vec<String>) -> Self {
        Self::Watch(events, Arc::new(true.into()))
    }

    /// A JSON body with the status 200.
    pub(crate) fn json(body: impl Into<String>) -> Self {
        Self::Whole(200, "application/json", body.into())
    }
}

/// The server. Its threads end with the test process.
pub(crate) struct OddServer {
    /// `http://127.0.0.1:PORT`.
    pub(crate) url: String,
    targets: Arc<Mutex<Vec<String>>>,
}

impl OddServer {
    /// Starts a server that responds by the request's target: path and query.
    pub(crate) fn start(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let targets = Arc::default();
        let (answer, seen) = (Arc::new(answer), Arc::clone(&targets));
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (answer, seen) = (Arc::clone(&answer), Arc::clone(&seen));
                // Most tests expect the client to disconnect.
                std::thread::spawn(move || serve(connection, &*answer, &seen).unwrap_or_default());
            }
        });
        Self { url, targets }
    }

    pub(crate) fn targets(&self) -> Vec<String> {
        self.targets.lock().unwrap().clone()
    }
}

fn serve(
    mut connection: TcpStream,
    answer: &(impl Fn(&str) -> Answer + ?Sized),
    seen: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(connection.try_clone()?);
    loop {
        let mut first = String::new();
        if lines.read_line(&mut first)? == 0 {
            return Ok(());
        }
        let mut length = 0;
        loop {
            let mut line = String::new();
            lines.read_line(&mut line)?;
            if line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        std::io::copy(&mut std::io::Read::take(&mut lines, length), &mut std::io::sink())?;
        let target = first.split(' ').nth(1).unwrap_or_default().to_owned();
        seen.lock().unwrap().push(target.clone());
        match answer(&target) {
            Answer::Whole(status, kind, body) => {
                let length = body.len();
                write!(
                    connection,
                    "HTTP/1.1 {status} x\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}"
                )?;
            }
            Answer::Redirect(place) => {
                write!(connection, "HTTP/1.1 302 x\r\nlocation: {place}\r\ncontent-length: 0\r\n\r\n")?;
            }
            Answer::Nothing => return park(&mut lines),
            Answer::Stalled(start) => {
                begin(&mut connection)?;
                chunk(&mut connection, &start)?;
                return park(&mut lines);
            }
            Answer::Cut(start) => {
                begin(&mut connection)?;
                return chunk(&mut connection, &start);
            }
            Answer::Endless(start, again) => {
                begin(&mut connection)?;
                chunk(&mut connection, &start)?;
                loop {
                    chunk(&mut connection, &again)?;
                }
            }
            Answer::Watch(events, is_due) => {
                begin(&mut connection)?;
                while !is_due.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(2));
                }
                for event in events {
                    chunk(&mut connection, &format!("{event}\n"))?;
                }
                return park(&mut lines);
            }
        }
    }
}

fn begin(connection: &mut TcpStream) -> std::io::Result<()> {
    connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")
}

fn chunk(connection: &mut TcpStream, text: &str) -> std::io::Result<()> {
    write!(connection, "{:x}\r\n{text}\r\n", text.len())
}

/// Waits until the client disconnects.
fn park(lines: &mut BufReader<TcpStream>) -> std::io::Result<()> {
    let mut rest = String::new();
    while lines.read_line(&mut rest)? > 0 {
        rest.clear();
    }
    Ok(())
}
