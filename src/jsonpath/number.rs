//! Decimal numbers as Go prints them.

/// As `fmt.Fprint`: with an exponent of at least two digits below 1e-4 and from 1e21 on. Upstream: Go's
/// `fmt/format.go` `fmtFloat`.
pub(crate) fn float_in_text(number: f64) -> String {
    let exponent = exponent_of(number);
    if (-4..21).contains(&exponent) { plain(number) } else { scientific(number, 2) }
}

/// As `json.Marshal`: with an exponent below 1e-6 and from 1e21 on. Upstream: Go's `encoding/json/encode.go`
/// `floatEncoder`.
pub(crate) fn float_in_json(number: f64) -> String {
    let size = number.abs();
    let is_plain = size == 0.0 || (1e-6..1e21).contains(&size);
    if is_plain { plain(number) } else { scientific(number, 1) }
}

/// The shortest digits that lead to the same number.
fn plain(number: f64) -> String {
    number.to_string()
}

fn exponent_of(number: f64) -> i32 {
    let text = format!("{number:e}");
    text.rsplit_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or_default()
}

fn scientific(number: f64, digits: usize) -> String {
    let text = format!("{number:e}");
    let (mantissa, _) = text.split_once('e').unwrap_or((&text, ""));
    let exponent = exponent_of(number);
    // A negative exponent has as many digits as asked for, a positive one two.
    let (sign, digits) = if exponent < 0 { ('-', digits) } else { ('+', 2) };
    format!("{mantissa}e{sign}{:0digits$}", exponent.unsigned_abs())
}
