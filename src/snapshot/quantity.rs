//! `resource.Quantity`: an exact number with a suffix.
//!
//! Upstream: `apimachinery/pkg/api/resource/quantity.go` `ParseQuantity`, `CanonicalizeBytes`; `scale_int.go`. Existing
//! crates use floating point or reject some of the forms, so this is an implementation of its own.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// The unit is a billionth: this many make 1.
const PER_ONE: i128 = 1_000_000_000;
/// The binary suffixes with their powers of two, largest first.
const BINARY: [(&str, u32); 6] = [("Ei", 60), ("Pi", 50), ("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)];
/// The decimal suffixes with their powers of ten, largest first.
const DECIMAL: [(&str, i32); 10] =
    [("E", 18), ("P", 15), ("T", 12), ("G", 9), ("M", 6), ("k", 3), ("", 0), ("m", -3), ("u", -6), ("n", -9)];
/// The maximum of a quantity with a binary suffix. Upstream truncates there.
const BINARY_LIMIT: i128 = i64::MAX as i128 * PER_ONE;

/// An amount of a resource, in billionths. Finer amounts are rounded away from zero, as upstream does. Amounts beyond
/// about 10^29 saturate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Quantity(i128);

/// The text is not a quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a quantity, e.g. 100m, 1.5, 2Gi or 1e3")]
pub(crate) struct InvalidQuantity;

impl Quantity {
    pub(crate) const ZERO: Self = Self(0);

    /// This many units, such as cores, bytes or pods.
    pub(crate) const fn whole(count: i64) -> Self {
        Self(count as i128 * PER_ONE)
    }

    /// A thousandth, such as one millicore.
    pub(crate) const MILLI: Self = Self(PER_ONE / 1000);

    /// Rounded up to an integer.
    pub(crate) fn rounded_up(self) -> Self {
        self.rounded_up_to(PER_ONE)
    }

    /// Rounded up to thousandths, as the scheduler counts CPU.
    pub(crate) fn rounded_up_to_milli(self) -> Self {
        self.rounded_up_to(PER_ONE / 1000)
    }

    pub(crate) fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The difference, or zero if `other` is larger.
    pub(crate) fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0).max(0))
    }

    /// In thousandths, rounded up, as a floating-point number: upstream divides them so for ratios.
    #[expect(clippy::cast_precision_loss, reason = "upstream loses precision, too")]
    pub(crate) fn in_thousandths(self) -> f64 {
        (self.rounded_up_to_milli().0 / (PER_ONE / 1000)) as f64
    }

    fn rounded_up_to(self, unit: i128) -> Self {
        let up = i128::from(self.0.rem_euclid(unit) != 0);
        Self(self.0.div_euclid(unit).saturating_add(up).saturating_mul(unit).max(-i128::MAX))
    }

    /// Rounded down to a multiple of `step`; unchanged if `step` is not positive.
    pub(crate) fn rounded_down_to(self, step: Self) -> Self {
        match step.0 > 0 {
            true => Self(self.0.div_euclid(step.0).saturating_mul(step.0)),
            false => self,
        }
    }

    /// The text for a manifest: with a binary suffix if that is exact and not truncated when it is read, otherwise like
    /// any other amount.
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

    /// Bytes for people: the largest binary unit with at most two decimal places.
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

/// The direction in which a number is rounded to be readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rounding {
    /// For what is required or used.
    Up,
    /// For what is available.
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
    type Err = InvalidQuantity;

    fn from_str(text: &str) -> Result<Self, InvalidQuantity> {
        let (is_negative, unsigned) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        // A number without digits is zero: upstream accepts `.` and `Ki`, but not the empty text.
        if fraction.contains('.') || text.is_empty() {
            return Err(InvalidQuantity);
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

fn suffix_of(text: &str) -> Result<Suffix, InvalidQuantity> {
    if let Some((_, power)) = DECIMAL.iter().find(|(suffix, _)| *suffix == text) {
        return Ok(Suffix::Ten(*power));
    }
    if let Some((_, power)) = BINARY.iter().find(|(suffix, _)| *suffix == text) {
        return Ok(Suffix::Two(*power));
    }
    let exponent = text.strip_prefix(['e', 'E']).ok_or(InvalidQuantity)?;
    let exponent: i64 = exponent.parse().map_err(|_| InvalidQuantity)?;
    // Upstream keeps only the low 32 bits of the exponent.
    #[allow(clippy::cast_possible_truncation)]
    Ok(Suffix::Ten(exponent as i32))
}

/// Digits times a power of ten, in billionths, rounded up.
fn scaled(whole: &str, fraction: &str, power: i32) -> i128 {
    let digits = || whole.bytes().chain(fraction.bytes()).skip_while(|digit| *digit == b'0');
    // The position of the last digit, relative to billionths.
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

/// Digits times a power of two, in billionths, rounded up and truncated at the maximum.
fn binary(whole: &str, fraction: &str, power: u32) -> i128 {
    let whole = scaled(whole, "", 0).saturating_mul(1i128 << power);
    // Long division from the last digit of the fraction to the first: exact at any length.
    let mut rest = 0i128;
    let unit = PER_ONE << power.min(60);
    for digit in fraction.bytes().rev() {
        let tenths = i128::from(digit - b'0') * unit + rest;
        // The remainder only affects rounding up, so one digit for it is enough.
        rest = tenths / 10 + i128::from(tenths % 10 != 0);
    }
    whole.saturating_add(rest).min(BINARY_LIMIT)
}

impl fmt::Display for Quantity {
    /// Prints the largest decimal suffix that leaves no fraction, as the API server does.
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
