//! The rate of a rollout, and the remaining time.

use jiff::{SignedDuration, Timestamp};

/// How many of the last completions count.
const WINDOW: usize = 20;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rate {
    pub(crate) nodes_per_minute: f64,
    /// The time that the remaining nodes take at this rate.
    pub(crate) left: SignedDuration,
}

/// The rate from the times at which nodes became done, in any order; `None` with fewer than three, of which two must differ.
///
/// Example: completions at 0 s, 10 s and 20 s have a mean interval of 10 s. At 25 s, a node takes 10 s. At 120 s, the
/// idle time of 100 s counts as a third interval: a node takes (20 + 100) / 3 = 40 s.
pub(crate) fn rate(completions: &[Timestamp], remaining: usize, now: Timestamp) -> Option<Rate> {
    let mut instants = completions.to_vec();
    instants.sort_unstable();
    let window = instants.get(instants.len().saturating_sub(WINDOW)..)?;
    let (first, last) = (window.first()?, window.last()?);
    let intervals = window.len().checked_sub(1).filter(|intervals| *intervals > 1)?;
    // An idle time longer than the mean interval counts as an interval, so that a stalled rollout becomes slower.
    let so_far = last.duration_since(*first).as_secs_f64();
    let mean = so_far / intervals as f64;
    let idle = now.duration_since(*last).as_secs_f64();
    let seconds = if idle > mean { (so_far + idle) / (intervals as f64 + 1.0) } else { mean };
    if seconds <= 0.0 {
        return None;
    }
    Some(Rate {
        nodes_per_minute: 60.0 / seconds,
        left: SignedDuration::try_from_secs_f64(seconds * remaining as f64).unwrap_or(SignedDuration::MAX),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn every(seconds: i64, count: i64) -> Vec<Timestamp> {
        (0..count).map(|index| at(index * seconds)).collect()
    }

    #[test]
    fn rate_is_unknown_with_fewer_than_three_completions() {
        assert_eq!(rate(&[], 5, at(0)), None);
        assert_eq!(rate(&every(30, 1), 5, at(0)), None);
        assert_eq!(rate(&every(30, 2), 5, at(30)), None);
        assert!(rate(&every(30, 3), 5, at(60)).is_some());
    }

    #[test]
    fn rate_does_not_depend_on_the_order_of_completions() {
        let mut instants = every(30, 4);
        instants.reverse();
        let rate = rate(&instants, 5, at(90)).unwrap();
        assert!((rate.nodes_per_minute - 2.0).abs() < 1e-9, "{rate:?}");
        assert_eq!(rate.left, SignedDuration::from_secs(150));
    }

    #[test]
    fn rate_counts_only_the_last_completions() {
        let slow = every(600, 5).into_iter();
        let fast = (0..20).map(|index| at(10_000 + index * 6));
        let rate = rate(&slow.chain(fast).collect::<Vec<_>>(), 1, at(10_114)).unwrap();
        assert!((rate.nodes_per_minute - 10.0).abs() < 1e-9, "{rate:?}");
    }

    #[test]
    fn idle_time_reduces_the_rate() {
        let rate = rate(&every(10, 3), 1, at(20 + 100)).unwrap();
        assert_eq!(rate.left, SignedDuration::from_secs(40));
    }

    #[test]
    fn rate_is_unknown_if_all_nodes_completed_at_once() {
        assert_eq!(rate(&[at(5), at(5)], 5, at(5)), None);
    }
}
