//! Ctrl-C and the termination signal, which do not end this command at once.

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::error::Error;

/// The signals that come in, one after the other.
pub(super) struct Signals {
    codes: UnboundedReceiver<u8>,
}

impl Signals {
    /// Takes the signals over from here on.
    ///
    /// # Errors
    /// The system does not let them be handled.
    pub(super) fn start() -> Result<Self, Error> {
        let (sender, codes) = unbounded_channel();
        let interrupts = sender.clone();
        tokio::spawn(async move { while tokio::signal::ctrl_c().await.is_ok() && interrupts.send(130).is_ok() {} });
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let mut terminations = signal(SignalKind::terminate()).map_err(Error::Output)?;
            tokio::spawn(async move { while terminations.recv().await.is_some() && sender.send(143).is_ok() {} });
        }
        Ok(Self { codes })
    }

    /// Waits for the next signal: the exit code that goes with it.
    pub(super) async fn next(&mut self) -> u8 {
        match self.codes.recv().await {
            Some(code) => code,
            None => std::future::pending().await,
        }
    }
}
