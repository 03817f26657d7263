//! Resolves a plain YAML scalar to text, a number, a boolean or null.
//!
//! The rules are those of kubectl's YAML library, so that text that it writes without quotes is text here too.
//! Upstream: `sigs.k8s.io/yaml`, `go.yaml.in/yaml/v2` `resolve.go` `resolve`. Two differences: a float with an integral
//! value becomes an integer (Go programs write `2.000001e+09` for a priority that was in a `map[string]interface{}`),
//! and an infinity, which JSON does not support, is text.

use serde_json::{Number, Value};

/// Resolves a plain scalar.
pub(super) fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return Value::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Value::Bool(false);
        }
        _ => {}
    }
    let number = match text.as_bytes().first() {
        Some(b'.') => float(text),
        Some(b'0'..=b'9' | b'+' | b'-') if !is_date(text) => {
            let plain = text.replace('_', "");
            integer(&plain).or_else(|| float(&plain))
        }
        _ => None,
    };
    number.map_or_else(|| Value::String(text.to_owned()), Value::Number)
}

/// Whether the text begins like a date. The rest is not checked, because no number begins like that.
fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() > 4 && bytes[..4].iter().all(u8::is_ascii_digit) && bytes[4] == b'-'
}

/// `strconv.ParseInt` and `ParseUint` with base 0, for a text without underscores.
fn integer(text: &str) -> Option<Number> {
    let (is_negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let is_unsigned = digits.len() == text.len();
    let prefix = digits.get(..2).unwrap_or_default();
    let (radix, digits) = match prefix {
        "0x" | "0X" => (16, &digits[2..]),
        "0o" | "0O" => (8, &digits[2..]),
        "0b" | "0B" => (2, &digits[2..]),
        _ if digits.len() > 1 && digits.starts_with('0') => (8, &digits[1..]),
        _ => (10, digits),
    };
    if !digits.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        return None;
    }
    let size = u64::from_str_radix(digits, radix).ok()?;
    match (is_negative, i64::try_from(size)) {
        (false, Ok(small)) => Some(small.into()),
        (false, Err(_)) => is_unsigned.then(|| size.into()),
        (true, Ok(small)) => Some((-small).into()),
        (true, Err(_)) => (size == 1 << 63).then(|| i64::MIN.into()),
    }
}

/// A float of the form `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, unless it overflows.
fn float(text: &str) -> Option<Number> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let is_all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_mantissa = match mantissa.split_once('.') {
        Some((whole, part)) => is_all_digits(whole) && is_all_digits(part) && mantissa.len() > 1,
        None => is_all_digits(mantissa) && !mantissa.is_empty(),
    };
    if !is_mantissa || exponent.is_some_and(|exponent| exponent.is_empty() || !is_all_digits(exponent)) {
        return None;
    }
    let value: f64 = text.parse().ok()?;
    whole(value).or_else(|| Number::from_f64(value))
}

/// Converts a float with an integral value to an integer.
pub(super) fn whole(value: f64) -> Option<Number> {
    /// Above this value a float cannot represent every integer.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    // In this range the conversion is exact.
    #[allow(clippy::cast_possible_truncation)]
    (value.fract() == 0.0 && value.abs() <= EXACT).then(|| (value as i64).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn scalars_resolve_as_in_go() {
        for (text, expected) in [
            ("894e2526", json!("894e2526")),
            ("15779e0484", json!("15779e0484")),
            ("1e-5000", json!(0)),
            ("2.000001e+09", json!(2_000_001_000)),
            ("1.00078e+09", json!(1_000_780_000)),
            ("1.5", json!(1.5)),
            ("12", json!(12)),
            ("+12", json!(12)),
            ("-12", json!(-12)),
            ("0777", json!(511)),
            ("08", json!(8)),
            ("0x1F", json!(31)),
            ("-0b11", json!(-3)),
            ("1_000", json!(1000)),
            ("18446744073709551615", json!(u64::MAX)),
            ("-9223372036854775808", json!(i64::MIN)),
            ("12:30:45", json!("12:30:45")),
            ("2026-01-01", json!("2026-01-01")),
            ("2026-01-01T00:00:00Z", json!("2026-01-01T00:00:00Z")),
            (".5", json!(0.5)),
            (".", json!(".")),
            ("-", json!("-")),
            ("+", json!("+")),
            ("0x", json!("0x")),
            ("1e", json!("1e")),
            ("1.2.3", json!("1.2.3")),
            ("--1", json!("--1")),
            ("+-1", json!("+-1")),
            (".inf", json!(".inf")),
            ("yes", json!(true)),
            ("off", json!(false)),
            ("~", json!(null)),
            ("", json!(null)),
            ("nULL", json!("nULL")),
        ] {
            assert_eq!(resolve(text), expected, "{text}");
        }
    }
}
