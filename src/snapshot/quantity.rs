//! `resource.Quantity`: an exact number with a suffix.
//!
//! Upstream: `apimachinery/pkg/api/resource/quantity.go` `ParseQuantity`, `CanonicalizeBytes`; `scale_int.go`.
//! Libraries compute it in floating point or refuse some of its forms, so it is our own.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// How many of the unit that is counted in make one.
const PER_ONE: i128 = 1_000_000_000;
/// The binary suffixes with their powers of two, the greatest first.
const BINARY: [(&str, u32); 6] = [("Ei", 60), ("Pi", 50), ("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)];
/// The decimal suffixes with their powers of ten, the greatest first.
const DECIMAL: [(&str, i32); 10] =
    [("E", 18), ("P", 15), ("T", 12), ("G", 9), ("M", 6), ("k", 3), ("", 0), ("m", -3), ("u", -6), ("n", -9)];
/// The bytes of a binary quantity are cut here, as upstream cuts them.
const BINARY_LIMIT: i128 = i64::MAX as i128 * PER_ONE;

/// An amount of a resource, counted in billionths. What is finer is rounded away from zero, as upstream rounds it;
/// what is beyond some 10^29 stays there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Quantity(i128);

/// The text is no quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a quantity such as 100m, 1.5, 2Gi or 1e3")]
pub(crate) struct NoQuantity;

impl Quantity {
    /// None of it.
    pub(crate) const ZERO: Self = Self(0);

    /// So many whole ones.
    pub(crate) const fn whole(count: i64) -> Self {
        Self(count as i128 * PER_ONE)
    }

    /// A thousandth.
    pub(crate) const MILLI: Self = Self(PER_ONE / 1000);

    /// Rounded up to whole ones.
    pub(crate) fn rounded_up(self) -> Self {
        self.rounded_up_to(PER_ONE)
    }

    /// Rounded up to whole thousandths, as the scheduler counts CPU.
    pub(crate) fn rounded_up_to_milli(self) -> Self {
        self.rounded_up_to(PER_ONE / 1000)
    }

    /// Whether it is none at all.
    pub(crate) fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// What is left after `other` is taken away; less than none is none.
    pub(crate) fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0).max(0))
    }

    /// In thousandths, rounded up, for ratios: as a floating number, as upstream divides them.
    #[expect(clippy::cast_precision_loss, reason = "upstream loses it too")]
    pub(crate) fn in_thousandths(self) -> f64 {
        (self.rounded_up_to_milli().0 / (PER_ONE / 1000)) as f64
    }

    fn rounded_up_to(self, unit: i128) -> Self {
        let up = i128::from(self.0.rem_euclid(unit) != 0);
        Self(self.0.div_euclid(unit).saturating_add(up).saturating_mul(unit).max(-i128::MAX))
    }

    /// Rounded down to a multiple of `step`, of which there must be some.
    pub(crate) fn rounded_down_to(self, step: Self) -> Self {
        match step.0 > 0 {
            true => Self(self.0.div_euclid(step.0).saturating_mul(step.0)),
            false => self,
        }
    }

    /// As it is written in a manifest: bytes with binary suffixes where that is exact, else like any other amount. So
    /// many that a binary suffix would cut them have none.
    pub(crate) fn in_bytes(self) -> String {
        let whole = self.0 / PER_ONE;
        let binary = BINARY.iter().find(|(_, power)| {
            let unit = 1i128 << power;
            self.0 % PER_ONE == 0 && whole != 0 && whole % unit == 0 && self.0.abs() <= BINARY_LIMIT
        });
        match binary {
            Some((suffix, power)) => format!("{}{suffix}", whole >> power),
            None => self.to_string(),
        }
    }

    /// Bytes as a person reads them: the greatest binary unit with at most two places, rounded up or down as told.
    pub(crate) fn in_round_bytes(self, rounding: Rounding) -> String {
        let Some((suffix, power)) = BINARY.iter().find(|(_, power)| self.0 >= PER_ONE << power) else {
            return self.to_string();
        };
        let unit = PER_ONE << power;
        let scaled = self.0.saturating_mul(100);
        let up = i128::from(rounding == Rounding::Up && scaled % unit != 0);
        let hundredths = scaled / unit + up;
        let places = format!("{:02}", hundredths % 100);
        match places.trim_end_matches('0') {
            "" => format!("{}{suffix}", hundredths / 100),
            places => format!("{}.{places}{suffix}", hundredths / 100),
        }
    }
}

/// Which way a number is rounded that is too long to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rounding {
    /// What is needed, or taken.
    Up,
    /// What there is.
    Down,
}

impl std::ops::Add for Quantity {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0).max(-i128::MAX))
    }
}

impl std::ops::AddAssign for Quantity {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl std::iter::Sum for Quantity {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, |sum, amount| sum + amount)
    }
}

impl FromStr for Quantity {
    type Err = NoQuantity;

    fn from_str(text: &str) -> Result<Self, NoQuantity> {
        let (is_negative, unsigned) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        // A number without digits is zero: upstream takes `.` and `Ki` for it, but not the empty text.
        if fraction.contains('.') || text.is_empty() {
            return Err(NoQuantity);
        }
        let magnitude = match suffix_of(suffix)? {
            Suffix::Ten(power) => scaled(whole, fraction, power),
            Suffix::Two(power) => binary(whole, fraction, power),
        };
        Ok(Self(if is_negative { -magnitude } else { magnitude }))
    }
}

enum Suffix {
    Ten(i32),
    Two(u32),
}

fn suffix_of(text: &str) -> Result<Suffix, NoQuantity> {
    if let Some((_, power)) = DECIMAL.iter().find(|(suffix, _)| *suffix == text) {
        return Ok(Suffix::Ten(*power));
    }
    if let Some((_, power)) = BINARY.iter().find(|(suffix, _)| *suffix == text) {
        return Ok(Suffix::Two(*power));
    }
    let exponent = text.strip_prefix(['e', 'E']).ok_or(NoQuantity)?;
    let exponent: i64 = exponent.parse().map_err(|_| NoQuantity)?;
    // Upstream keeps the low half of a great exponent.
    #[allow(clippy::cast_possible_truncation)]
    Ok(Suffix::Ten(exponent as i32))
}

/// Digits times a power of ten, in billionths, rounded up.
fn scaled(whole: &str, fraction: &str, power: i32) -> i128 {
    let digits = || whole.bytes().chain(fraction.bytes()).skip_while(|digit| *digit == b'0');
    // The place of the last digit, counted from billionths.
    let shift = i64::from(power) + 9 - i64::try_from(fraction.len()).unwrap_or(i64::MAX);
    let count = i64::try_from(digits().count()).unwrap_or(i64::MAX);
    if count == 0 {
        return 0;
    }
    let kept = usize::try_from(count.saturating_add(shift.min(0)).max(0)).unwrap_or(usize::MAX);
    let value = |digits: &mut dyn Iterator<Item = u8>| {
        digits.fold(0i128, |value, digit| value.saturating_mul(10).saturating_add(i128::from(digit - b'0')))
    };
    let head = value(&mut digits().take(kept));
    let rest = digits().skip(kept).any(|digit| digit != b'0');
    let zeros = u32::try_from(shift.max(0)).unwrap_or(u32::MAX);
    head.saturating_mul(10i128.checked_pow(zeros).unwrap_or(i128::MAX)).saturating_add(i128::from(rest))
}

/// Digits times a power of two, in billionths, rounded up and cut at the greatest number of bytes.
fn binary(whole: &str, fraction: &str, power: u32) -> i128 {
    let whole = scaled(whole, "", 0).saturating_mul(1i128 << power);
    // Each digit of the fraction in turn, and what is left over of each handed on to the next: exact at any length.
    let mut rest = 0i128;
    let unit = PER_ONE << power.min(60);
    for digit in fraction.bytes().rev() {
        let tenths = i128::from(digit - b'0') * unit + rest;
        // A remainder only ever rounds up, so the digit of it is enough.
        rest = tenths / 10 + i128::from(tenths % 10 != 0);
    }
    whole.saturating_add(rest).min(BINARY_LIMIT)
}

impl fmt::Display for Quantity {
    /// With the greatest decimal suffix that leaves no fraction, as the API server writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (suffix, power) in DECIMAL {
            let unit = 10i128.pow(u32::try_from(power + 9).unwrap_or_default());
            if self.0 != 0 && self.0 % unit == 0 {
                return write!(f, "{}{suffix}", self.0 / unit);
            }
        }
        f.write_str("0")
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests;
