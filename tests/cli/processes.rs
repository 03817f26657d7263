//! Waiting for programs, and sending them signals.
#![cfg(unix)]

use std::process::Command;
use std::time::{Duration, Instant};

/// For what has to happen at some time on a machine under load.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Looks until there is a value.
pub(crate) fn wait_for<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Sends a signal, such as `-INT`.
pub(crate) fn send(signal: &str, pid: u32) {
    assert!(Command::new("kill").args([signal, &pid.to_string()]).status().unwrap().success());
}
