//! The canonical form of quantities, in which the API server stores them.
//!
//! Upstream: `apimachinery/pkg/api/resource/quantity.go` `ParseQuantity`, `CanonicalizeBytes`;
//! `pkg/apis/core/v1/defaults.go` `SetDefaults_ResourceList`.

use serde_json::Value;

use crate::snapshot::quantity::Quantity;

/// The finest amount that is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Precision {
    /// Requests and limits are rounded up to thousandths.
    Milli,
    /// As it is.
    Exact,
}

/// Replaces a quantity by its canonical form. A number is a quantity, too. Other values are left to the conversion to the
/// type of the object, which rejects them.
pub(super) fn canonicalize(value: &mut Value, precision: Precision) {
    let text = match &*value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return,
    };
    if let Some(canonical) = canonical(&text, precision) {
        *value = canonical.into();
    }
}

fn canonical(text: &str, precision: Precision) -> Option<String> {
    let quantity: Quantity = text.parse().ok()?;
    let quantity = match precision {
        Precision::Milli => quantity.rounded_up_to_milli(),
        Precision::Exact => quantity,
    };
    let is_small = Quantity::whole(-1024) < quantity && quantity < Quantity::whole(1024);
    let decimal = quantity.to_string();
    Some(if text.ends_with('i') && !is_small {
        quantity.in_bytes()
    } else if is_exponential(text) {
        exponential(&decimal)
    } else {
        decimal
    })
}

/// Whether the text has an exponent: `1e3`, but not `1E`, which is a suffix.
fn is_exponential(text: &str) -> bool {
    text.find(['e', 'E']).is_some_and(|at| at + 1 < text.len()) && !text.ends_with('i')
}

/// A number with an exponent in place of the suffix.
fn exponential(decimal: &str) -> String {
    const SUFFIXES: [(&str, &str); 9] = [
        ("E", "e18"),
        ("P", "e15"),
        ("T", "e12"),
        ("G", "e9"),
        ("M", "e6"),
        ("k", "e3"),
        ("m", "e-3"),
        ("u", "e-6"),
        ("n", "e-9"),
    ];
    let exponent = SUFFIXES.iter().find_map(|(suffix, exponent)| Some((decimal.strip_suffix(suffix)?, exponent)));
    exponent.map_or_else(|| decimal.to_owned(), |(number, exponent)| format!("{number}{exponent}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn quantities_are_canonical() {
        for (given, expected) in [
            (json!("1000m"), "1"),
            (json!("0.5"), "500m"),
            (json!(0.25), "250m"),
            (json!(2), "2"),
            (json!("1024Mi"), "1Gi"),
            (json!("1.5Gi"), "1536Mi"),
            (json!("512Mi"), "512Mi"),
            (json!("0.5Ki"), "512"),
            (json!("1000k"), "1M"),
            (json!("1500"), "1500"),
            (json!("1e3"), "1e3"),
            (json!("12E6"), "12e6"),
            (json!("1500e-3"), "1500e-3"),
            (json!("1E"), "1E"),
            (json!("100u"), "1m"),
            (json!("0"), "0"),
            (json!("0Gi"), "0"),
            (json!("lots"), "lots"),
        ] {
            let mut value = given.clone();
            canonicalize(&mut value, Precision::Milli);
            assert_eq!(value, expected, "{given}");
        }
        let mut value = json!("100u");
        canonicalize(&mut value, Precision::Exact);
        assert_eq!(value, "100u");
    }
}
