//! How soon everything is listed again after a watch was lost for good.
//!
//! Upstream: client-go `tools/cache/reflector.go`, whose backoff begins with 800 ms, doubles up to 30 s, and begins again
//! after two minutes without a relist. Here the first relist of such a time does not wait: it is what a new DaemonSet, or
//! a restarted API server, leads to.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::request::Backoff;

/// The waits; there is no last try.
const WAITS: Backoff = Backoff { first: Duration::from_millis(800), longest: Duration::from_secs(30), tries: u32::MAX };
/// After so long without a relist, the next one does not wait.
const CALM: Duration = Duration::from_secs(120);
/// From this relist in a row on, the user is told.
const TOLD: u32 = 4;

/// Counts the relists of one watch, and spaces them out.
#[derive(Debug, Default)]
pub(crate) struct RelistPace {
    /// In a row, without a calm time between them.
    relists: u32,
    last: Option<Instant>,
}

impl RelistPace {
    /// Waits until everything may be listed again. It may be dropped while it waits.
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

    /// What the user is told, once in a row of relists.
    pub(crate) fn note(&self) -> Option<&'static str> {
        (self.relists == TOLD).then_some(
            "the API server ends each watch at once: everything is listed again after a pause, which grows up to 30s",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn relists_in_a_row_wait_longer_and_longer() {
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
            // The timer has a resolution of a millisecond.
            assert!(*wait >= longest / 2 && *wait <= longest + Duration::from_millis(1), "{waits:?}");
        }
        tokio::time::advance(CALM).await;
        let begun = Instant::now();
        pace.pause().await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn relists_in_a_row_are_told_once() {
        let mut pace = RelistPace::default();
        let mut told = 0;
        for _ in 0..20 {
            pace.pause().await;
            told += usize::from(pace.note().is_some());
        }
        assert_eq!(told, 1);
    }
}
