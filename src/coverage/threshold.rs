//! `--min`: how much of what is wanted must be available.

use std::str::FromStr;

use super::Counts;

/// A share of the desired pods, in percent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Threshold {
    percent: f64,
}

impl FromStr for Threshold {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.strip_suffix('%').unwrap_or(text);
        match number.parse::<f64>() {
            Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(Self { percent }),
            _ => Err("a percentage from 0% to 100% is wanted, such as 99%".into()),
        }
    }
}

impl std::fmt::Display for Threshold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}%", self.percent)
    }
}

impl Threshold {
    /// Whether the share of available pods reaches the threshold; none when the numbers are not known. A DaemonSet
    /// that wants no node at all is short, unless that is allowed.
    pub(crate) fn is_met(self, counts: &Counts, allow_empty: bool) -> Option<bool> {
        #[expect(clippy::cast_precision_loss, reason = "no cluster has 2^52 nodes")]
        match (counts.desired?, counts.available?) {
            (0, _) => Some(allow_empty),
            (desired, available) => Some(available as f64 * 100.0 >= self.percent * desired as f64),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn counts(desired: usize, available: usize) -> Counts {
        Counts { desired: Some(desired), available: Some(available), ..Counts::default() }
    }

    #[test]
    fn a_share_is_compared_without_rounding() {
        for (text, desired, available, expected) in [
            ("99%", 100, 99, true),
            ("99%", 1000, 989, false),
            ("99", 100, 99, true),
            ("99.9%", 1000, 999, true),
            ("99.9%", 1000, 998, false),
            ("100%", 3, 3, true),
            ("0%", 3, 0, true),
        ] {
            let threshold: Threshold = text.parse().unwrap();
            assert_eq!(threshold.is_met(&counts(desired, available), false), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_percentage_is_refused() {
        for text in ["", "%", "101%", "-1%", "nan", "inf", "half"] {
            assert!(text.parse::<Threshold>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_daemon_set_that_wants_no_node_is_short_unless_that_is_allowed() {
        let threshold: Threshold = "0%".parse().unwrap();
        assert_eq!(threshold.is_met(&counts(0, 0), false), Some(false));
        assert_eq!(threshold.is_met(&counts(0, 0), true), Some(true));
    }

    #[test]
    fn unknown_numbers_are_neither_met_nor_short() {
        let threshold: Threshold = "50%".parse().unwrap();
        assert_eq!(threshold.is_met(&Counts::default(), true), None);
    }
}
