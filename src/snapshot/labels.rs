//! The syntax of label keys and values.

/// The maximum length of the name part of a key, and of a value, in bytes.
const NAME_LIMIT: usize = 63;
/// The maximum length of the prefix of a key, a DNS subdomain, in bytes.
const PREFIX_LIMIT: usize = 253;

/// Upstream: `apimachinery/pkg/api/validate/content` `IsLabelKey` (`IsQualifiedName`).
pub(crate) fn is_label_key(key: &str) -> bool {
    match key.split_once('/') {
        None => is_name(key),
        Some((prefix, name)) => is_dns_subdomain(prefix) && is_name(name),
    }
}

/// Upstream: `apimachinery/pkg/api/validate/content` `IsLabelValue`.
pub(crate) fn is_label_value(value: &str) -> bool {
    value.is_empty() || is_name(value)
}

/// At most 63 letters, digits, `-`, `_` and `.`, with a letter or a digit at both ends.
fn is_name(name: &str) -> bool {
    name.len() <= NAME_LIMIT && has_form(name, |c| c.is_ascii_alphanumeric(), |c| matches!(c, b'-' | b'_' | b'.'))
}

fn is_dns_subdomain(prefix: &str) -> bool {
    let is_end = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    prefix.len() <= PREFIX_LIMIT && prefix.split('.').all(|label| has_form(label, is_end, |c| c == b'-'))
}

/// Not empty, `is_end` at both ends, `is_end` or `is_middle` between.
fn has_form(text: &str, is_end: impl Fn(u8) -> bool, is_middle: impl Fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    matches!((bytes.first(), bytes.last()), (Some(&first), Some(&last)) if is_end(first) && is_end(last))
        && bytes.iter().all(|&c| is_end(c) || is_middle(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_value_syntax_is_that_of_the_api() {
        for good in ["", "a", "0", "A.b_c-d", &"x".repeat(63)] {
            assert!(is_label_value(good), "{good}");
        }
        for bad in ["-5", "a-", "bad value!", "ä", "a/b", &"x".repeat(64)] {
            assert!(!is_label_value(bad), "{bad}");
        }
    }

    #[test]
    fn label_key_syntax_is_that_of_the_api() {
        for good in ["a", "a.b_C", "example.com/a", "topology.kubernetes.io/zone"] {
            assert!(is_label_key(good), "{good}");
        }
        for bad in ["", "/a", "a/", "a/b/c", "Example.com/a", "a..b/c", "-a", "a b"] {
            assert!(!is_label_key(bad), "{bad}");
        }
    }
}
