//! The subcommands. Each loads a snapshot ([`load`](crate::load)), computes its result in the pure modules, and renders it.

pub(crate) mod alerts;
pub(crate) mod args;
pub(crate) mod attention;
pub(crate) mod complete;
pub(crate) mod completion;
pub(crate) mod coverage;
pub(crate) mod cycle;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod exec;
mod lock;
pub(crate) mod logs;
mod output_mode;
pub(crate) mod plan;
mod prompt;
pub(crate) mod rollout;
mod sort_order;
pub(crate) mod version;
mod watch_loop;
pub(crate) mod why_not;

use std::io::{self, BufWriter, Write};

use crate::error::Error;
use crate::render::{live_screen, progress};

/// Draws the next frame of a live screen on standard output. Returns `false` if the reader has closed the pipe.
fn draw(render: impl FnOnce(&mut BufWriter<io::StdoutLock<'static>>) -> io::Result<()>) -> Result<bool, Error> {
    progress::clear();
    let mut out = BufWriter::with_capacity(64 * 1024, io::stdout().lock());
    match render(&mut out).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            // Discards the buffer: dropping the writer would flush it again.
            let _ = out.into_parts();
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// Runs a renderer on standard output, below the last frame of a live screen. Returns `false` if the reader has closed the pipe, as `head` does, which is not
/// an error.
fn print(render: impl FnOnce(&mut BufWriter<io::StdoutLock<'static>>) -> io::Result<()>) -> Result<bool, Error> {
    live_screen::leave();
    draw(render)
}
