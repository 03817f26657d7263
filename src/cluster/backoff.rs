//! Delays between attempts.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// How often a request is retried, and the delays in between.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    /// The delay before the second attempt; it doubles before each further one.
    pub(super) first: Duration,
    /// The maximum delay.
    pub(super) longest: Duration,
    /// The total number of attempts.
    pub(super) tries: u32,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_millis(200), longest: Duration::from_secs(30), tries: 3 }
    }
}

impl Backoff {
    /// The delay after this many consecutive failures: doubled each time, up to half of it random, so that many clients
    /// do not retry at the same time.
    pub(super) fn wait(&self, failures: u32) -> Duration {
        let full = self.first.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(self.longest);
        let chance = RandomState::new().hash_one(failures) % 1000;
        full / 2 + (full / 2).mul_f64(chance as f64 / 1000.0)
    }
}
