//! `--min`: the percentage of the desired pods that must be available.

use std::str::FromStr;

use super::Counts;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Threshold {
    percent: f64,
}

impl FromStr for Threshold {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.strip_suffix('%').unwrap_or(text);
        match number.parse::<f64>() {
            // 0.95 is more often meant as a fraction, and as a percentage it would pass nearly always.
            Ok(share) if number == text && share > 0.0 && share <= 1.0 => {
                let (percent, whole) = (share, share * 100.0);
                Err(format!("is it {whole}% or {percent}%? write the percent sign"))
            }
            Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(Self { percent }),
            _ => Err("must be a percentage between 0% and 100%, e.g. 99%".into()),
        }
    }
}

impl std::fmt::Display for Threshold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}%", self.percent)
    }
}

impl Threshold {
    /// Whether enough pods are available; `None` if the counts are unknown. A DaemonSet with 0 desired pods fails
    /// unless `allow_empty` is true. The comparison does not round: 989 of 1000 is less than 99%.
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
    fn percentage_is_compared_without_rounding() {
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
    fn fraction_without_a_percent_sign_is_rejected() {
        assert_eq!("0.95".parse::<Threshold>().unwrap_err(), "is it 95% or 0.95%? write the percent sign");
        assert_eq!("1".parse::<Threshold>().unwrap_err(), "is it 100% or 1%? write the percent sign");
        for text in ["0.95%", "1%", "0", "2", "99.5"] {
            assert!(text.parse::<Threshold>().is_ok(), "{text}");
        }
    }

    #[test]
    fn invalid_percentages_are_rejected() {
        for text in ["", "%", "101%", "-1%", "nan", "inf", "half"] {
            assert!(text.parse::<Threshold>().is_err(), "{text}");
        }
    }

    #[test]
    fn daemon_set_without_desired_pods_fails_unless_allowed() {
        let threshold: Threshold = "0%".parse().unwrap();
        assert_eq!(threshold.is_met(&counts(0, 0), false), Some(false));
        assert_eq!(threshold.is_met(&counts(0, 0), true), Some(true));
    }

    #[test]
    fn unknown_counts_have_no_result() {
        let threshold: Threshold = "50%".parse().unwrap();
        assert_eq!(threshold.is_met(&Counts::default(), true), None);
    }
}
