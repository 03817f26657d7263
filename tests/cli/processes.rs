//! Helpers to wait for programs and to send signals.
#![cfg(unix)]

use std::process::Command;
use std::time::{Duration, Instant};

/// A time limit that is long enough for a machine under load.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Polls until there is a value.
pub(crate) fn wait_for<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(Instant::now() < deadline, "timed out waiting for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Sends a signal, such as `-INT`.
pub(crate) fn send(signal: &str, pid: u32) {
    assert!(Command::new("kill").args([signal, &pid.to_string()]).status().unwrap().success());
}
