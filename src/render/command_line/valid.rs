//! Validates names by the rules of the API server.
//!
//! Upstream: `apimachinery/pkg/util/validation/validation.go` (`IsDNS1123Label`, `IsDNS1123Subdomain`,
//! `IsQualifiedName`, `IsValidLabelValue`).

/// The maximum length of a DNS-1123 label, a label value, and the name part of a qualified name.
const LONGEST_LABEL: usize = 63;
/// The maximum length of a DNS-1123 subdomain.
const LONGEST_SUBDOMAIN: usize = 253;
/// The placeholder for an amount that the user has to choose.
pub(crate) const AMOUNT: &str = "AMOUNT";

/// `IsDNS1123Label`: the names of namespaces and containers.
pub(crate) fn is_label_name(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.len() <= LONGEST_LABEL && is_word(text, is_inner)
}

/// `IsDNS1123Subdomain`: the names of all objects that appear in a command line.
pub(crate) fn is_object_name(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.len() <= LONGEST_SUBDOMAIN && text.split('.').all(|part| is_word(part, is_inner))
}

/// `IsQualifiedName`: the keys of labels, annotations and taints, and the names of resources.
pub(crate) fn is_qualified_name(text: &str) -> bool {
    let (is_prefix_valid, name) = match text.split_once('/') {
        Some((prefix, name)) => (is_object_name(prefix), name),
        None => (true, text),
    };
    is_prefix_valid && name.len() <= LONGEST_LABEL && is_word(name, is_label_byte)
}

/// `IsValidLabelValue`.
pub(crate) fn is_label_value(text: &str) -> bool {
    text.is_empty() || text.len() <= LONGEST_LABEL && is_word(text, is_label_byte)
}

/// The effect of a taint: `validateTaintEffect` of `pkg/apis/core/validation/validation.go`.
pub(crate) fn is_taint_effect(text: &str) -> bool {
    matches!(text, "NoSchedule" | "PreferNoSchedule" | "NoExecute")
}

/// An amount of a resource in this program's format, or [`AMOUNT`].
pub(crate) fn is_amount(text: &str) -> bool {
    text == AMOUNT || text.len() <= LONGEST_LABEL && text.parse::<crate::snapshot::quantity::Quantity>().is_ok()
}

/// A label selector: keys and values with operators between them. Checks only the characters, not the grammar: kubectl
/// parses it as the value of its option in any case.
pub(crate) fn is_selector(text: &str) -> bool {
    let is_selector_byte = |byte: u8| is_label_byte(byte) || b"/=!,() <>".contains(&byte);
    !text.starts_with('-') && !text.is_empty() && text.bytes().all(is_selector_byte)
}

fn is_label_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

/// Starts and ends with a letter or a digit, with only bytes that `is_inner` accepts.
fn is_word(text: &str, is_inner: impl Fn(u8) -> bool) -> bool {
    let is_end = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() && is_inner(*byte));
    let bytes = text.as_bytes();
    is_end(bytes.first()) && is_end(bytes.last()) && bytes.iter().all(|byte| is_inner(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_names_follow_the_rules_of_kubernetes() {
        for name in ["a", "a-b.c", "0", "x".repeat(253).as_str()] {
            assert!(is_object_name(name), "{name}");
        }
        for name in ["", "-a", "a-", "A", "a_b", "a..b", ".a", "a b", "a\n", "ä", "--kubeconfig=x", "$(x)", "а"] {
            assert!(!is_object_name(name), "{name}");
        }
        assert!(!is_object_name(&"x".repeat(254)));
        assert!(is_label_name("a-1") && !is_label_name("a.b") && !is_label_name(&"x".repeat(64)));
    }

    #[test]
    fn keys_values_and_amounts_follow_the_rules_of_kubernetes() {
        for key in ["zone", "topology.kubernetes.io/zone", "A_b.C", "requests.nvidia.com/gpu", "limits.cpu"] {
            assert!(is_qualified_name(key), "{key}");
        }
        for key in ["", "/a", "a/", "a/b/c", "A.io/x", "cpu$(touch x)", "-a", "a=b", "a b", "~a"] {
            assert!(!is_qualified_name(key), "{key}");
        }
        assert!(is_label_value("") && is_label_value("A.b_c-1") && !is_label_value("a b") && !is_label_value("-a"));
        assert!(is_amount("250m") && is_amount("1Gi") && is_amount(AMOUNT) && !is_amount("1;x") && !is_amount("-x"));
        assert!(is_selector("tier in (1,2),!a") && !is_selector("-x") && !is_selector("a';b") && !is_selector(""));
        assert!(is_taint_effect("NoExecute") && !is_taint_effect("noexecute"));
    }
}
