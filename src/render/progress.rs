//! Shows on a terminal what a command is waiting for, after half a second of waiting.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

use super::name_list::ListLength;
use super::terminal_size::columns;
use super::text::{bounded, sanitize, truncate};
use crate::activity::{self, Activity, Status};

/// The line appears after this much waiting.
const DRAW_DELAY: Duration = Duration::from_millis(500);
/// The interval between two redraws.
const TICK: Duration = Duration::from_millis(100);

/// The line, if it is on the screen. Other output to the terminal removes it first.
static LINE: Mutex<Option<ProgressBar>> = Mutex::new(None);
/// Set when a live screen takes over the terminal.
static IS_OFF: AtomicBool = AtomicBool::new(false);

fn line() -> MutexGuard<'static, Option<ProgressBar>> {
    LINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts to show activities. Runs in a thread, because a task that reads files never yields to a timer. Does nothing
/// if standard error is not a terminal; on a terminal that cannot redraw a line, it only reports credential plugins.
pub(crate) fn start() {
    if !io::stderr().is_terminal() {
        return;
    }
    let redraws = std::env::var_os("TERM").is_some_and(|term| term != "dumb");
    // If the thread cannot be started, the command runs without progress.
    let _ = std::thread::Builder::new().spawn(move || {
        let mut noted = None;
        loop {
            std::thread::sleep(TICK);
            draw(&mut noted, redraws);
        }
    });
}

fn draw(noted: &mut Option<Activity>, redraws: bool) {
    // The lock is held until the line is drawn, so that no line appears after `clear`.
    let mut line = line();
    let current = activity::current().filter(|status| status.waited >= DRAW_DELAY);
    let Some(status) = current.filter(|_| !IS_OFF.load(Ordering::Relaxed)) else {
        remove(&mut line);
        return;
    };
    if matches!(status.activity, Activity::CredentialPlugin { .. }) {
        // The plugin may use the terminal to prompt: write one line, and redraw nothing.
        remove(&mut line);
        drop(line);
        if noted.as_ref() != Some(&status.activity) {
            // Written here: a note of `terminal` would remove the line once more.
            let note = sanitize(&status.activity.to_string());
            let _ = writeln!(io::stderr().lock(), "note: {}", bounded(&note, ListLength::Handful));
            *noted = Some(status.activity);
        }
        return;
    }
    if !redraws {
        return;
    }
    let bar = line.get_or_insert_with(|| {
        let target = ProgressDrawTarget::term_like(Box::new(SingleLine));
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            bar.set_style(style);
        }
        bar
    });
    // Leaves room for the spinner.
    bar.set_message(truncate(&text(&status), usize::from(SingleLine.width()).saturating_sub(2)));
    bar.tick();
}

/// One line of standard error. indicatif pads it with blanks to its width.
#[derive(Debug)]
struct SingleLine;

impl TermLike for SingleLine {
    /// Leaves room for the `^C` that a terminal appends: if it wrapped to a new line, the old line could no longer be
    /// removed.
    fn width(&self) -> u16 {
        u16::try_from(columns()).unwrap_or(u16::MAX).saturating_sub(4)
    }

    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        io::stderr().lock().write_all(text.as_bytes())
    }

    fn clear_line(&self) -> io::Result<()> {
        self.write_str("\r\u{1b}[2K")
    }

    fn flush(&self) -> io::Result<()> {
        io::stderr().lock().flush()
    }
}

/// `reading pods from https://…: 8,213 (3s)`.
fn text(status: &Status) -> String {
    let count = match status.count {
        0 => String::new(),
        count => format!(": {}", HumanCount(count)),
    };
    format!("{}{count} ({}s)", sanitize(&status.activity.to_string()), status.waited.as_secs())
}

/// Removes the line before other output to the terminal.
pub(crate) fn clear() {
    remove(&mut line());
}

/// Disables progress for the rest of the process.
pub(crate) fn turn_off() {
    IS_OFF.store(true, Ordering::Relaxed);
    clear();
}

fn remove(line: &mut Option<ProgressBar>) {
    if let Some(bar) = line.take() {
        bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_shows_the_activity_and_the_count() {
        let status = |count, server: &str| Status {
            activity: Activity::Objects { resource: "pods".into(), server: server.into() },
            count,
            waited: Duration::from_millis(3900),
        };
        assert_eq!(text(&status(8213, "https://k8s")), "reading pods from https://k8s: 8,213 (3s)");
        assert_eq!(text(&status(0, "https://a\u{1b}[2J")), "reading pods from https://a\\u{1b}[2J (3s)");
    }
}
