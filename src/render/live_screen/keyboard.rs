//! Reads single keys while a live screen is shown.

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::state::state;

/// The keys of the terminal, without echo and without waiting for the end of a line. The terminal's settings return when
/// it is dropped. Signals such as Ctrl-C work as usual.
pub(crate) struct Keyboard {
    typed: UnboundedReceiver<Vec<u8>>,
    #[cfg(unix)]
    before: rustix::termios::Termios,
}

impl Keyboard {
    /// `None` if standard input is not a terminal, or if the program runs in the background, where reading from the
    /// terminal would stop it; also on Windows, where only Ctrl-C works.
    #[cfg(unix)]
    pub(crate) fn open() -> Option<Self> {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcgetpgrp, tcsetattr};

        let stdin = std::io::stdin();
        let before = tcgetattr(&stdin).ok()?;
        if tcgetpgrp(&stdin).ok()? != rustix::process::getpgrp() {
            return None;
        }
        let mut keys = before.clone();
        keys.local_modes &= !(LocalModes::ICANON | LocalModes::ECHO);
        tcsetattr(&stdin, OptionalActions::Now, &keys).ok()?;
        let (sender, typed) = unbounded_channel();
        // The thread ends with the process, or with the first key after the receiver is gone.
        let thread = std::thread::Builder::new().spawn(move || {
            use std::io::Read;
            let mut bytes = [0; 64];
            while let Ok(length @ 1..) = std::io::stdin().read(&mut bytes) {
                if sender.send(bytes[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        let keyboard = Self { typed, before };
        thread.ok()?;
        state().has_keyboard = true;
        Some(keyboard)
    }

    #[cfg(not(unix))]
    pub(crate) fn open() -> Option<Self> {
        None
    }

    /// Waits for the next keys. Pending if the terminal was closed.
    pub(crate) async fn next(&mut self) -> Vec<u8> {
        match self.typed.recv().await {
            Some(bytes) => bytes,
            None => std::future::pending().await,
        }
    }
}

#[cfg(unix)]
impl Drop for Keyboard {
    fn drop(&mut self) {
        use rustix::termios::{OptionalActions, tcsetattr};
        // If the terminal is gone, it has no settings.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.before);
        state().has_keyboard = false;
    }
}
