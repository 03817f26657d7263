//! The signals that end the program.

use crate::error::Error;

/// The exit code after SIGHUP: the terminal was closed.
pub(crate) const HANGUP: u8 = 129;

/// Cancels `work` on Ctrl-C, on a termination signal, and when the terminal is closed.
///
/// # Errors
/// [`Error::Interrupted`], or the error of `work`.
pub(crate) async fn interruptible<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let interrupted = async { Signals::listen().next().await };
    tokio::select! {
        // `work` is polled first: the signal handlers are not installed while it blocks on reading a file, so the
        // default action of the signal still ends the process.
        biased;
        result = work => result,
        code = interrupted => Err(Error::Interrupted { code }),
    }
}

#[cfg(unix)]
pub(crate) use self::unix::Signals;

#[cfg(unix)]
mod unix {
    use std::future::{pending, poll_fn};
    use std::task::Poll;

    use tokio::signal::unix::{Signal, SignalKind, signal};

    /// SIGINT, SIGTERM and SIGHUP, each with its exit code.
    pub(crate) struct Signals(Vec<(Signal, u8)>);

    impl Signals {
        /// Installs the handlers. A signal that arrives before the first call of [`Signals::next`] is not lost.
        pub(crate) fn listen() -> Self {
            let hangup = (!ignores_hangup()).then_some((SignalKind::hangup(), crate::interrupt::HANGUP));
            let kinds = [(SignalKind::interrupt(), 130), (SignalKind::terminate(), 143)];
            // Without a handler the default action of the system applies.
            let listened = kinds.into_iter().chain(hangup).filter_map(|(kind, code)| Some((signal(kind).ok()?, code)));
            Self(listened.collect())
        }

        /// Waits for the next signal and returns its exit code.
        pub(crate) async fn next(&mut self) -> u8 {
            if self.0.is_empty() {
                return pending().await;
            }
            poll_fn(|context| {
                let mut came = self.0.iter_mut().filter_map(|(signal, code)| {
                    // When none is ready, every signal has been polled, so each of them wakes this task.
                    signal.poll_recv(context).is_ready().then_some(*code)
                });
                came.next().map_or(Poll::Pending, Poll::Ready)
            })
            .await
        }
    }

    /// Whether SIGHUP was ignored when the program started, as under `nohup`. Only Linux reports this without unsafe
    /// code. Installing a handler removes the signal from the set, so the result is cached.
    fn ignores_hangup() -> bool {
        static IGNORED: std::sync::LazyLock<bool> =
            std::sync::LazyLock::new(|| has_hangup(&std::fs::read_to_string("/proc/self/status").unwrap_or_default()));
        *IGNORED
    }

    /// Whether SIGHUP is in the set of ignored signals of `/proc/PID/status` (proc_pid_status(5)).
    fn has_hangup(status: &str) -> bool {
        let set = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        // The lowest bit of the set is signal 1, SIGHUP.
        set.and_then(|set| u128::from_str_radix(set.trim(), 16).ok()).is_some_and(|set| set & 1 == 1)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn hangup_is_ignored_when_in_the_ignored_set() {
            for (status, expected) in [
                ("Name:\tx\nSigIgn:\t0000000000000001\n", true),
                ("SigIgn:\t0000000000001001\n", true),
                ("SigIgn:\t0000000000001000\nSigCgt:\t0000000000000001\n", false),
                ("SigIgn:\tnothing\n", false),
                ("", false),
            ] {
                assert_eq!(has_hangup(status), expected, "{status:?}");
            }
        }
    }
}

#[cfg(windows)]
pub(crate) struct Signals(Option<tokio::signal::windows::CtrlC>);

#[cfg(windows)]
impl Signals {
    /// Installs the handler.
    pub(crate) fn listen() -> Self {
        // Without a handler the default action of the system applies.
        Self(tokio::signal::windows::ctrl_c().ok())
    }

    /// Waits for the next signal and returns its exit code.
    pub(crate) async fn next(&mut self) -> u8 {
        match &mut self.0 {
            Some(signal) => signal.recv().await,
            None => std::future::pending().await,
        };
        130
    }
}
