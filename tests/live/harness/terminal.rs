//! The program on a pseudo-terminal, and the screen that a user sees.

use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::process::Child;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use libtest_mimic::Failed;
use pty_process::Size;
use pty_process::blocking::{Command, Pty, open};
use vt100::{Parser, Screen};

use crate::harness::client::{failed, wait_until_within};
use crate::harness::control_plane::ControlPlane;

/// A running program on a terminal; it is killed when it is dropped.
pub(crate) struct Terminal {
    child: Child,
    pty: Arc<Pty>,
    screen: Arc<Mutex<Parser>>,
}

impl Terminal {
    /// Starts the program on a terminal of this size.
    pub(crate) fn start(
        plane: &ControlPlane,
        arguments: &[&str],
        (columns, lines): (u16, u16),
    ) -> Result<Self, Failed> {
        let (pty, pts) = open().map_err(failed)?;
        pty.resize(Size::new(lines, columns)).map_err(failed)?;
        let mut command = plane.ds_command(plane.kubeconfig(), arguments);
        command.env("TERM", "xterm-256color");
        let child = Command::from(command).spawn(pts).map_err(failed)?;
        let pty = Arc::new(pty);
        let screen = Arc::new(Mutex::new(Parser::new(non_zero(lines)?, non_zero(columns)?, 0)));
        let (from, to) = (Arc::clone(&pty), Arc::clone(&screen));
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = (&*from).read(&mut bytes) {
                to.lock().unwrap_or_else(PoisonError::into_inner).process(&bytes[..count]);
            }
        });
        Ok(Self { child, pty, screen })
    }

    /// The parser that draws the screen.
    pub(crate) fn parser(&self) -> MutexGuard<'_, Parser> {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn resize(&self, (columns, lines): (u16, u16)) -> Result<(), Failed> {
        // The screen first: it must not get a frame that is too large for it.
        self.parser().screen_mut().set_size(non_zero(lines)?, non_zero(columns)?);
        self.pty.resize(Size::new(lines, columns)).map_err(failed)
    }

    /// Types on the keyboard.
    pub(crate) fn input(&self, bytes: &[u8]) -> Result<(), Failed> {
        Ok((&*self.pty).write_all(bytes)?)
    }

    /// Waits for a screen that contains all these texts, and on which the terminal did not wrap a line.
    pub(crate) async fn wait_for(&self, description: &str, expected: &[&str]) -> Result<Vec<String>, Failed> {
        wait_until_within(description, Duration::from_secs(60), async || {
            let parser = self.parser();
            let lines = lines_of(parser.screen());
            let text = lines.join("\n");
            match expected.iter().find(|text_part| !text.contains(*text_part)) {
                Some(missing) => Err(format!("no {missing:?} in:\n{text}")),
                None if has_wrapped_line(parser.screen()) => Err(format!("the terminal wrapped a line of:\n{text}")),
                None => Ok(lines),
            }
        })
        .await
    }

    /// Waits until the program exits; returns its exit code.
    pub(crate) async fn wait_for_exit(&mut self, timeout: Duration) -> Result<Option<i32>, Failed> {
        wait_until_within("the program exits", timeout, async || {
            let status = self.child.try_wait().map_err(|error| error.to_string())?;
            status.map(|status| status.code()).ok_or_else(|| "it still runs".to_owned())
        })
        .await
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn non_zero(number: u16) -> Result<NonZeroU16, Failed> {
    NonZeroU16::new(number).ok_or_else(|| failed("a terminal has at least one line and one column"))
}

/// The lines of the screen, without trailing blanks.
pub(crate) fn lines_of(screen: &Screen) -> Vec<String> {
    let (_, columns) = screen.size();
    screen.rows(0, columns.get()).map(|line| line.trim_end().to_owned()).collect()
}

fn has_wrapped_line(screen: &Screen) -> bool {
    (0..screen.size().0.get()).any(|line| screen.row_wrapped(line))
}

/// The line with this prefix.
pub(crate) fn line<'l>(lines: &'l [String], prefix: &str) -> Result<&'l str, Failed> {
    let found = lines.iter().find(|line| line.starts_with(prefix));
    found.map(String::as_str).ok_or_else(|| failed(format!("no line {prefix:?} in:\n{}", lines.join("\n"))))
}
