#![allow(clippy::unwrap_used)]

use std::cmp::Ordering;

use proptest::prelude::*;

use super::*;

fn quantity(text: &str) -> Quantity {
    text.parse().unwrap()
}

#[test]
fn quantity_form_has_value_and_canonical_form() {
    // The values that ParseQuantity of apimachinery returns.
    for (text, canonical) in [
        ("0", "0"),
        ("1n", "1n"),
        ("1u", "1u"),
        ("1m", "1m"),
        ("1k", "1k"),
        ("1M", "1M"),
        ("1G", "1G"),
        ("1T", "1T"),
        ("1P", "1P"),
        ("1E", "1E"),
        ("1Ki", "1024"),
        ("1Mi", "1048576"),
        ("1Gi", "1073741824"),
        ("1Ti", "1099511627776"),
        ("1Pi", "1125899906842624"),
        ("1Ei", "1152921504606846976"),
        ("1e3", "1k"),
        ("1E3", "1k"),
        ("1e-3", "1m"),
        ("1e+2", "100"),
        ("1000m", "1"),
        ("0.5", "500m"),
        (".5", "500m"),
        ("1.", "1"),
        ("1.Ki", "1024"),
        ("+1", "1"),
        ("-.5Gi", "-536870912"),
        ("00012", "12"),
        ("0.1n", "1n"),
        ("-0.1n", "-1n"),
        ("1e-1000000", "1n"),
        ("0.0000000001Ki", "103n"),
        ("1.00000000000000000000001Ki", "1024000000001n"),
        ("9223372036854775807Ki", "9223372036854775807"),
        ("16Ei", "9223372036854775807"),
        ("-16Ei", "-9223372036854775807"),
        // Unexpected, but correct.
        (".", "0"),
        ("+", "0"),
        ("Ki", "0"),
        ("e3", "0"),
        ("1e4294967296", "1"),
    ] {
        assert_eq!(text.parse::<Quantity>().map(|quantity| quantity.to_string()), Ok(canonical.into()), "{text}");
    }
}

#[test]
fn invalid_quantity_is_rejected() {
    for text in [
        "",
        "a",
        "1 ",
        " 1",
        "1..2",
        "1.2.3",
        "--1",
        "+-1",
        "1+5",
        "1e-",
        "1e",
        "1i",
        "1mi",
        "1ee1",
        "1_0",
        "١",
        "-é",
        "1e12345678901234567890",
        "0x10",
        "NaN",
        "1K",
    ] {
        assert_eq!(text.parse::<Quantity>(), Err(InvalidQuantity), "{text}");
    }
}

#[test]
fn quantity_beyond_range_saturates() {
    let most = Quantity(i128::MAX);
    assert_eq!(quantity("1e1000000"), most);
    assert_eq!(quantity("-1e1000000"), Quantity(-i128::MAX));
    assert_eq!(quantity(&"9".repeat(100_000)), most);
    assert_eq!(quantity(&format!("{}e-99999", "9".repeat(100_000))), quantity("10"));
    assert_eq!(quantity(&format!("0.{}1", "0".repeat(100_000))), quantity("1n"));
    assert_eq!(quantity(&format!("0.{}1Ki", "0".repeat(100_000))), quantity("1n"));
    assert_eq!(quantity("0e1000000"), Quantity::ZERO);
    assert_eq!(quantity("-1e1000000") + quantity("-1e1000000"), Quantity(-i128::MAX));
    assert_eq!(most.rounded_up(), most);
}

#[test]
fn sum_and_difference_are_exact() {
    assert_eq!(quantity("0.5m") + quantity("0.5m"), quantity("1m"));
    assert_eq!((quantity("0.5m") + quantity("0.4m")).rounded_up_to_milli(), quantity("1m"));
    assert_eq!(quantity("1001").less(quantity("1")), quantity("1k"));
    assert_eq!(quantity("1").less(quantity("2")), Quantity::ZERO);
    assert_eq!(quantity("-1.5").rounded_up(), quantity("-1"));
    assert_eq!(quantity("1300Ki").rounded_down_to(quantity("1Mi")), quantity("1Mi"));
    assert_eq!(["1", "2", "3m"].into_iter().map(quantity).sum::<Quantity>(), quantity("3.003"));
}

#[test]
fn bytes_have_binary_suffix_and_two_decimal_places() {
    for (text, written, up, down) in [
        ("0", "0", "0", "0"),
        ("1000", "1k", "1k", "1k"),
        ("1024", "1Ki", "1Ki", "1Ki"),
        ("1536Mi", "1536Mi", "1.5Gi", "1.5Gi"),
        ("16273412Ki", "16273412Ki", "15.52Gi", "15.51Gi"),
        ("1073741825", "1073741825", "1.01Gi", "1Gi"),
        ("1.5", "1500m", "1500m", "1500m"),
        // 2^64: with a binary suffix it would be truncated when it is read.
        ("18446744073709551616", "18446744073709551616", "16Ei", "16Ei"),
    ] {
        let bytes = quantity(text);
        assert_eq!(bytes.in_bytes(), written);
        assert_eq!(bytes.in_round_bytes(Rounding::Up), up);
        assert_eq!(bytes.in_round_bytes(Rounding::Down), down);
    }
}

/// A number whose exact value is easy to compute: digits, of which the last `places` are the fraction, times the power
/// of ten of a suffix.
#[derive(Clone, Debug)]
struct Written {
    is_negative: bool,
    digits: String,
    places: usize,
    suffix: usize,
}

impl Written {
    fn text(&self) -> String {
        let (suffix, _) = DECIMAL[self.suffix];
        self.with(suffix)
    }

    fn with_exponent(&self) -> String {
        let (_, power) = DECIMAL[self.suffix];
        self.with(&format!("e{power}"))
    }

    fn with(&self, suffix: &str) -> String {
        let (whole, fraction) = self.digits.split_at(self.digits.len() - self.places);
        let sign = if self.is_negative { "-" } else { "" };
        format!("{sign}{whole}.{fraction}{suffix}")
    }

    /// The exact value in units of 10^-30, which is finer than any of the suffixes.
    fn exact(&self) -> i128 {
        let (_, power) = DECIMAL[self.suffix];
        let places = u32::try_from(power + 20 - i32::try_from(self.places).unwrap()).unwrap();
        let magnitude = self.digits.parse::<i128>().unwrap() * 10i128.pow(places);
        if self.is_negative { -magnitude } else { magnitude }
    }
}

fn written() -> impl Strategy<Value = Written> {
    // Up to nine digits at nano and above: the exact value fits into 128 bits.
    (any::<bool>(), "[0-9]{1,9}", 0usize..=9, 4usize..DECIMAL.len()).prop_map(
        |(is_negative, digits, places, suffix)| {
            let places = places.min(digits.len());
            Written { is_negative, digits, places, suffix }
        },
    )
}

fn any_quantity() -> impl Strategy<Value = Quantity> {
    prop_oneof![
        any::<i64>().prop_map(|amount| Quantity(i128::from(amount))),
        (-i128::MAX..=i128::MAX).prop_map(Quantity),
        any::<i32>().prop_map(|count| Quantity::whole(count.into())),
    ]
}

fn sign(text: &str) -> i128 {
    if text.starts_with('-') { -1 } else { 1 }
}

proptest! {
    #[test]
    fn printed_quantity_parses_to_same_value(amount in any_quantity()) {
        prop_assert_eq!(quantity(&amount.to_string()), amount);
        prop_assert_eq!(quantity(&amount.rounded_up().in_bytes()), amount.rounded_up());
    }

    #[test]
    fn value_is_exact_rounded_away_from_zero(number in written()) {
        let nano = 10i128.pow(11);
        let exact = number.exact();
        let expected = (exact.abs() + nano - 1) / nano * sign(&number.text());
        prop_assert_eq!(quantity(&number.text()).0, expected);
    }

    #[test]
    fn order_is_that_of_exact_values(a in written(), b in written()) {
        let ordering = a.exact().cmp(&b.exact());
        let found = quantity(&a.text()).cmp(&quantity(&b.text()));
        // Below a billionth, different numbers become equal but never change their order.
        prop_assert!(found == ordering || found == Ordering::Equal);
        prop_assert!(found != Ordering::Equal || (a.exact() - b.exact()).abs() < 2 * 10i128.pow(11));
    }

    #[test]
    fn exponent_equals_suffix(number in written()) {
        prop_assert_eq!(quantity(&number.text()), quantity(&number.with_exponent()));
        prop_assert_eq!(quantity(&number.text()), quantity(&number.with_exponent().replace('e', "E")));
    }

    #[test]
    fn binary_suffix_is_power_of_two(count in 0i64..1 << 33, index in 0usize..BINARY.len()) {
        let (suffix, power) = BINARY[index];
        let expected = (i128::from(count) << power).min(i64::MAX.into()) * PER_ONE;
        prop_assert_eq!(quantity(&format!("{count}{suffix}")).0, expected);
        prop_assert_eq!(quantity(&format!("{count}.5{suffix}")).0, {
            let halves = ((i128::from(count) * 2 + 1) << (power - 1)).min(i64::MAX.into());
            halves * PER_ONE
        });
    }

    #[test]
    fn addition_is_commutative(a in any_quantity(), b in any_quantity()) {
        prop_assert_eq!(a + b, b + a);
        prop_assert_eq!(a + Quantity::ZERO, a);
    }

    #[test]
    fn addition_is_associative(a in any::<i64>(), b in any::<i64>(), c in any::<i64>()) {
        let [a, b, c] = [a, b, c].map(Quantity::whole);
        prop_assert_eq!((a + b) + c, a + (b + c));
        prop_assert_eq!((a + b).less(b), a.less(Quantity::ZERO));
    }

    #[test]
    fn rounding_up_adds_less_than_one(amount in any::<i128>().prop_map(|amount| Quantity(amount / 2))) {
        for (rounded, unit) in [(amount.rounded_up(), PER_ONE), (amount.rounded_up_to_milli(), PER_ONE / 1000)] {
            prop_assert!(rounded >= amount && rounded.0 - amount.0 < unit && rounded.0 % unit == 0);
        }
    }

    #[test]
    fn any_text_does_not_panic(text in ".*") {
        let _ = text.parse::<Quantity>();
    }

    #[test]
    fn quantity_like_text_does_not_panic(text in "[+-]?[0-9.]{0,50}[eEinumkKMGTP]{0,3}[+-]?[0-9]{0,25}") {
        if let Ok(amount) = text.parse::<Quantity>() {
            prop_assert_eq!(quantity(&amount.to_string()), amount);
            let _ = (amount.rounded_up(), amount.rounded_up_to_milli(), amount + amount, amount.less(amount));
            let _ = (amount.in_bytes(), amount.in_round_bytes(Rounding::Up), amount.in_round_bytes(Rounding::Down));
        }
    }
}
