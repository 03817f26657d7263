//! The signals that end the program.

/// Waits for Ctrl-C or a termination signal: the exit code that belongs to it. Each caller sees each signal.
pub(crate) async fn next() -> u8 {
    tokio::select! {
        () = ctrl_c() => 130,
        () = unix::terminated() => 143,
        () = unix::hung_up() => 129,
    }
}

async fn ctrl_c() {
    if tokio::signal::ctrl_c().await.is_err() {
        // Without a handler the default action of the system applies.
        std::future::pending::<()>().await;
    }
}

#[cfg(unix)]
mod unix {
    use tokio::signal::unix::{SignalKind, signal};

    pub(super) async fn terminated() {
        received(SignalKind::terminate()).await;
    }

    /// A program that `nohup` started ignores this signal.
    pub(super) async fn hung_up() {
        match ignores_hangup() {
            true => std::future::pending().await,
            false => received(SignalKind::hangup()).await,
        }
    }

    async fn received(kind: SignalKind) {
        match signal(kind) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    }

    /// Whether SIGHUP was ignored when the program started. Only Linux shows it without unsafe code. A handler, once
    /// it is there, takes the signal out of the set, so this is asked once.
    fn ignores_hangup() -> bool {
        static IGNORED: std::sync::LazyLock<bool> = std::sync::LazyLock::new(|| {
            let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
            let set = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
            // The first bit of the set is signal 1, SIGHUP.
            set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).is_some_and(|set| set & 1 == 1)
        });
        *IGNORED
    }
}

#[cfg(not(unix))]
mod unix {
    pub(super) async fn terminated() {
        std::future::pending().await
    }

    pub(super) async fn hung_up() {
        std::future::pending().await
    }
}
