//! A yes/no prompt.

use std::io::{self, IsTerminal};

use tokio::sync::oneshot;

use crate::error::Error;
use crate::interrupt::Signals;
use crate::render::terminal;

/// Whether a prompt is possible: standard input and standard error are terminals.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks a question. Any answer except `y` or `yes` means no.
///
/// # Errors
/// [`Error::Interrupted`].
pub(crate) async fn ask(question: &str, signals: &mut Signals) -> Result<bool, Error> {
    terminal::ask(question);
    let (sender, answer) = oneshot::channel();
    // A read from a terminal cannot be canceled: the thread may outlive the prompt, and ends with the process.
    std::thread::spawn(move || {
        let mut line = String::new();
        let _ = io::stdin().read_line(&mut line);
        let _ = sender.send(line);
    });
    tokio::select! {
        code = signals.next() => Err(Error::Interrupted { code }),
        line = answer => Ok(line.is_ok_and(|line| matches!(line.trim().to_lowercase().as_str(), "y" | "yes"))),
    }
}
