//! One file a subcommand: load, decide, render.

pub(crate) mod complete;
pub(crate) mod completion;
pub(crate) mod coverage;
pub(crate) mod cycle;
pub(crate) mod rollout;
pub(crate) mod version;
mod watch_loop;
pub(crate) mod why_not;

use std::io::{self, BufWriter, Write};

use crate::error::Error;
use crate::render::progress;

/// Hands standard output to a renderer, and tells whether there is still a reader: one that has gone away, as `head`
/// does, is no error.
fn print(render: impl FnOnce(&mut BufWriter<io::StdoutLock<'static>>) -> io::Result<()>) -> Result<bool, Error> {
    progress::clear();
    let mut out = BufWriter::with_capacity(64 * 1024, io::stdout().lock());
    match render(&mut out).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            // What is still in the buffer has no reader either.
            let _ = out.into_parts();
            Ok(false)
        }
        Err(error) => Err(Error::Output(error)),
    }
}
