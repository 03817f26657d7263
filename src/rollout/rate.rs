//! How fast a rollout goes, and how long it will take.

use jiff::{SignedDuration, Timestamp};

/// How many of the last completions tell the speed.
const WINDOW: usize = 20;

/// Speed and time left.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rate {
    /// Nodes a minute.
    pub(crate) nodes_per_minute: f64,
    /// How long the remaining nodes will take at that speed.
    pub(crate) left: SignedDuration,
}

/// The pace by the instants at which nodes became done, in any order; none with fewer than two.
pub(crate) fn rate(completions: &[Timestamp], remaining: usize, now: Timestamp) -> Option<Rate> {
    let mut instants = completions.to_vec();
    instants.sort_unstable();
    let window = instants.get(instants.len().saturating_sub(WINDOW)..)?;
    let (first, last) = (window.first()?, window.last()?);
    let intervals = window.len().checked_sub(1).filter(|intervals| *intervals > 0)?;
    // Waiting for longer than a node takes slows the pace down, and does not leave it as it was.
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
    fn fewer_than_two_nodes_tell_no_pace() {
        assert_eq!(rate(&[], 5, at(0)), None);
        assert_eq!(rate(&every(30, 1), 5, at(0)), None);
        assert!(rate(&every(30, 2), 5, at(30)).is_some());
    }

    #[test]
    fn a_node_every_half_minute_is_two_a_minute_in_whatever_order_they_are_given() {
        let mut instants = every(30, 4);
        instants.reverse();
        let rate = rate(&instants, 5, at(90)).unwrap();
        assert!((rate.nodes_per_minute - 2.0).abs() < 1e-9, "{rate:?}");
        assert_eq!(rate.left, SignedDuration::from_secs(150));
    }

    #[test]
    fn only_the_last_nodes_count() {
        let slow = every(600, 5).into_iter();
        let fast = (0..20).map(|index| at(10_000 + index * 6));
        let rate = rate(&slow.chain(fast).collect::<Vec<_>>(), 1, at(10_114)).unwrap();
        assert!((rate.nodes_per_minute - 10.0).abs() < 1e-9, "{rate:?}");
    }

    #[test]
    fn waiting_longer_than_usual_slows_it_down() {
        let rate = rate(&every(10, 3), 1, at(20 + 100)).unwrap();
        assert_eq!(rate.left, SignedDuration::from_secs(40));
    }

    #[test]
    fn nodes_that_were_done_all_at_once_tell_no_pace() {
        assert_eq!(rate(&[at(5), at(5)], 5, at(5)), None);
    }
}
