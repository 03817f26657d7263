//! Writes lines and notes in a thread of its own: a reader that pauses, such as `less`, must not keep Ctrl-C from ending
//! the program.

use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;

use tokio::sync::{mpsc, oneshot};

use crate::error::Error;
use crate::render::{progress, terminal};

/// How many pieces wait for the writer. A piece has at most the lines of one frame of a response.
const WAITING: usize = 32;

enum Piece {
    /// Lines for standard output.
    Lines(Vec<u8>),
    /// A note for standard error, in order with the lines.
    Note(String),
}

/// The sender of lines and notes. Cheap to clone.
#[derive(Clone)]
pub(super) struct Output {
    pieces: mpsc::Sender<Piece>,
}

/// The end of the writer.
pub(super) struct Written(oneshot::Receiver<io::Result<()>>);

impl Output {
    /// Starts the writer.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub(super) fn start() -> Result<(Self, Written), Error> {
        let (pieces, receiver) = mpsc::channel(WAITING);
        let (ended, written) = oneshot::channel();
        std::thread::Builder::new().spawn(move || {
            // No task waits for the result after a signal.
            let _ = ended.send(write(receiver));
        })?;
        Ok((Self { pieces }, Written(written)))
    }

    /// Writes lines. `Break`: the reader has closed the pipe.
    pub(super) async fn lines(&self, lines: Vec<u8>) -> ControlFlow<()> {
        if lines.is_empty() { ControlFlow::Continue(()) } else { self.send(Piece::Lines(lines)).await }
    }

    /// Writes a note after the lines before it.
    pub(super) async fn note(&self, text: String) -> ControlFlow<()> {
        self.send(Piece::Note(text)).await
    }

    /// As [`Self::note`], without waiting: the note is dropped if too many pieces wait.
    pub(super) fn note_now(&self, text: String) {
        let _ = self.pieces.try_send(Piece::Note(text));
    }

    async fn send(&self, piece: Piece) -> ControlFlow<()> {
        match self.pieces.send(piece).await {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }

    /// Waits until the reader closes the pipe.
    pub(super) async fn closed(&self) {
        self.pieces.closed().await;
    }
}

impl Written {
    /// Waits until everything is written, after the last [`Output`] was dropped. A closed pipe is not an error.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(super) async fn end(self) -> Result<(), Error> {
        match self.0.await {
            Ok(Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::Output(error)),
            _ => Ok(()),
        }
    }
}

fn write(mut pieces: mpsc::Receiver<Piece>) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(64 << 10, io::stdout().lock());
    let written = write_all(&mut pieces, &mut out);
    // Discards the buffer: after an error, dropping the writer would flush it again.
    let _ = out.into_parts();
    written
}

fn write_all(pieces: &mut mpsc::Receiver<Piece>, out: &mut impl Write) -> io::Result<()> {
    while let Some(piece) = pieces.blocking_recv() {
        match piece {
            Piece::Lines(lines) => {
                progress::clear();
                out.write_all(&lines)?;
            }
            Piece::Note(text) => {
                out.flush()?;
                terminal::note(&text);
            }
        }
        if pieces.is_empty() {
            out.flush()?;
        }
    }
    out.flush()
}
