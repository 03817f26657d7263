//! The delay before everything is listed again after a watch has expired.
//!
//! Upstream: client-go `tools/cache/reflector.go`, whose backoff starts with 800 ms, doubles up to 30 s, and is reset
//! after two minutes without a relist. Here the first relist after a reset has no delay: it is caused by a new
//! DaemonSet or a restarted API server.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::backoff::Backoff;

/// The delays; the number of attempts is unlimited.
const WAITS: Backoff = Backoff { first: Duration::from_millis(800), longest: Duration::from_secs(30), tries: u32::MAX };
/// After this long without a relist, the delay is reset.
const CALM: Duration = Duration::from_secs(120);
/// The number of consecutive relists at which the user is notified.
const REPORTED_RELISTS: u32 = 4;

/// Counts the consecutive relists of one watch and delays them.
#[derive(Debug, Default)]
pub(crate) struct RelistPace {
    /// The number of relists since the last reset.
    relists: u32,
    last: Option<Instant>,
}

impl RelistPace {
    /// Waits until everything may be listed again. Cancel-safe.
    pub(crate) async fn pause(&mut self) {
        if self.last.is_some_and(|last| last.elapsed() >= CALM) {
            self.relists = 0;
        }
        let wait = match self.relists {
            0 => Duration::ZERO,
            relists => WAITS.wait(relists),
        };
        self.relists = self.relists.saturating_add(1);
        sleep(wait).await;
        self.last = Some(Instant::now());
    }

    /// The note to the user, once per series of relists.
    pub(crate) fn note(&self) -> Option<&'static str> {
        (self.relists == REPORTED_RELISTS)
            .then_some("the API server ends every watch immediately: listing again with a delay of up to 30s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn consecutive_relists_wait_longer() {
        let mut pace = RelistPace::default();
        let mut waits = Vec::new();
        for _ in 0..8 {
            let begun = Instant::now();
            pace.pause().await;
            waits.push(begun.elapsed());
        }
        assert_eq!(waits[0], Duration::ZERO);
        for (wait, longest) in waits[1..].iter().zip([800, 1600, 3200, 6400, 12800, 25600, 30000]) {
            let longest = Duration::from_millis(longest);
            // The timer has a resolution of one millisecond.
            assert!(*wait >= longest / 2 && *wait <= longest + Duration::from_millis(1), "{waits:?}");
        }
        tokio::time::advance(CALM).await;
        let begun = Instant::now();
        pace.pause().await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn consecutive_relists_are_reported_once() {
        let mut pace = RelistPace::default();
        let mut notes = 0;
        for _ in 0..20 {
            pace.pause().await;
            notes += usize::from(pace.note().is_some());
        }
        assert_eq!(notes, 1);
    }
}
