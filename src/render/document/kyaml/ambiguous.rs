//! Keys that have to be quoted.
//!
//! Upstream: `sigs.k8s.io/yaml/kyaml/kyaml.go` `needsQuotes`, `isTypeAmbiguous`.

use jiff::civil::Date;

/// Whether a key has a character that is not safe, or could be read as another type than a string.
pub(super) fn needs_quotes(key: &str) -> bool {
    let last = key.chars().count().saturating_sub(1);
    let is_safe = |(index, c): (usize, char)| {
        let is_inside = index > 0 && index < last;
        c == '_' || c.is_alphabetic() || c.is_numeric() || (is_inside && matches!(c, '-' | '.' | '/'))
    };
    key.is_empty() || !key.chars().enumerate().all(is_safe) || is_word(key) || is_number(key) || is_date(key)
}

/// `null`, or a boolean of YAML 1.1 or of Go's `strconv.ParseBool`.
fn is_word(key: &str) -> bool {
    const WORDS: [&str; 9] = ["null", "true", "y", "yes", "on", "false", "n", "no", "off"];
    WORDS.iter().any(|word| word.eq_ignore_ascii_case(key)) || matches!(key, "0" | "1" | "t" | "T" | "f" | "F")
}

/// A number of Go, which also has prefixes for other bases and underscores. Other characters than those of safe keys are
/// not considered.
fn is_number(key: &str) -> bool {
    let digits = key.replace('_', "");
    let lower = digits.to_ascii_lowercase();
    if let Some((prefix @ ("0x" | "0b" | "0o"), rest)) = lower.split_at_checked(2) {
        let radix = match prefix {
            "0x" => 16,
            "0b" => 2,
            _ => 8,
        };
        return i64::from_str_radix(rest, radix).is_ok() || (prefix == "0x" && is_hexadecimal_float(rest));
    }
    // A number that is too large is an error in Go.
    digits.parse::<f64>().is_ok_and(|number| number.is_finite() || !lower.starts_with(|c: char| c.is_ascii_digit()))
}

/// `1.8p3`, without its prefix.
fn is_hexadecimal_float(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.split_once('p') else { return false };
    let digits = mantissa.replacen('.', "", 1);
    !digits.is_empty() && digits.chars().all(|c| c.is_ascii_hexdigit()) && exponent.parse::<i16>().is_ok()
}

/// `2026-1-2`.
fn is_date(key: &str) -> bool {
    let parts: Vec<&str> = key.split('-').collect();
    let [year, month, day] = parts.as_slice() else { return false };
    let is_short = |text: &str| matches!(text.len(), 1 | 2);
    let are_digits = parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    if year.len() != 4 || !is_short(month) || !is_short(day) || !are_digits {
        return false;
    }
    match (year.parse(), month.parse(), day.parse()) {
        (Ok(year), Ok(month), Ok(day)) => Date::new(year, month, day).is_ok(),
        _ => false,
    }
}
