//! Label selectors: those of objects, and those that users write after `-l` and `--nodes`.

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::{Expression, Selector, SelectorExt};

use super::Labels;

/// In bytes. Some proxies reject longer URLs.
const LONGEST_SELECTOR: usize = 4096;

/// Whether the selector of an object matches these labels. An invalid selector matches nothing: with
/// `metav1.LabelSelectorAsSelector` the error stops the caller.
pub(crate) fn matches(selector: &Selector, labels: &Labels) -> bool {
    selector.matches(labels)
}

/// The selector of an object (`spec.selector`); none if it is invalid.
pub(crate) fn from_label_selector(selector: &LabelSelector) -> Option<Selector> {
    Selector::try_from(selector.clone()).ok()
}

/// The narrowest single selector that matches all pods of all the DaemonSets: the selector of the only one, or the
/// values of a label by which all of them select. None if only a list of all pods is complete.
pub(crate) fn covering(daemon_sets: &[DaemonSet]) -> Option<String> {
    if let [one] = daemon_sets {
        return from_label_selector(&one.spec.selector).map(|selector| selector.to_string());
    }
    let labels_of = |daemon_set: &'_ DaemonSet| daemon_set.spec.selector.match_labels.clone().unwrap_or_default();
    let all: Vec<Labels> = daemon_sets.iter().map(labels_of).collect();
    let key = all.first()?.keys().find(|key| all.iter().all(|labels| labels.contains_key(*key)))?;
    let values = all.iter().filter_map(|labels| labels.get(key).cloned()).collect();
    let selector = Expression::In(key.clone(), values).to_string();
    (selector.len() <= LONGEST_SELECTOR).then_some(selector)
}

/// Parses a selector as users write it: `a=b,c!=d,e in (f,g),h notin (i),j,!k`.
///
/// Upstream: `apimachinery/pkg/labels/selector.go` `Parse`. Only saved clusters need this: a live API server parses the
/// text itself.
///
/// # Errors
///
/// The part that is not a valid requirement.
pub(crate) fn parse(text: &str) -> Result<Selector, String> {
    split_requirements(text).into_iter().map(|part| requirement(part.trim())).collect()
}

/// Splits at the commas outside of parentheses.
fn split_requirements(text: &str) -> Vec<&str> {
    if text.trim().is_empty() {
        return Vec::new();
    }
    let mut depth = 0usize;
    text.split(|c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    })
    .collect()
}

fn requirement(part: &str) -> Result<Expression, String> {
    let broken = || format!("{part:?} is not a valid label requirement");
    if let Some(key) = part.strip_prefix('!') {
        return Ok(Expression::DoesNotExist(key_of(key).ok_or_else(broken)?));
    }
    if let Some(open) = part.find('(') {
        return set_requirement(part, open).ok_or_else(broken);
    }
    let (key, rest) = match part.find(['=', '!']) {
        Some(at) => part.split_at(at),
        None => return Ok(Expression::Exists(key_of(part).ok_or_else(broken)?)),
    };
    let key = key_of(key).ok_or_else(broken)?;
    let value = |value: &str| value_of(value).ok_or_else(broken);
    if let Some(rest) = rest.strip_prefix("!=") {
        Ok(Expression::NotEqual(key, value(rest)?))
    } else if let Some(rest) = rest.strip_prefix("==").or_else(|| rest.strip_prefix('=')) {
        Ok(Expression::Equal(key, value(rest)?))
    } else {
        Err(broken())
    }
}

fn set_requirement(part: &str, open: usize) -> Option<Expression> {
    let (head, values) = part.split_at(open);
    let values = values.strip_prefix('(')?.strip_suffix(')')?;
    let values = values.split(',').map(value_of).collect::<Option<_>>()?;
    let (key, operator) = head.trim().rsplit_once(char::is_whitespace)?;
    let key = key_of(key)?;
    match operator {
        "in" => Some(Expression::In(key, values)),
        "notin" => Some(Expression::NotIn(key, values)),
        _ => None,
    }
}

fn key_of(text: &str) -> Option<String> {
    let key = text.trim();
    super::labels::is_label_key(key).then(|| key.to_owned())
}

fn value_of(text: &str) -> Option<String> {
    let value = text.trim();
    super::labels::is_label_value(value).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    fn selecting(pairs: &[(&str, &str)]) -> DaemonSet {
        let mut daemon_set = DaemonSet::default();
        daemon_set.spec.selector.match_labels = Some(labels(pairs));
        daemon_set
    }

    #[test]
    fn covering_selector_is_narrowest_that_misses_no_pod() {
        let one = selecting(&[("app", "a"), ("tier", "x")]);
        let other = selecting(&[("app", "b")]);
        let foreign = selecting(&[("k8s-app", "c")]);
        assert_eq!(covering(std::slice::from_ref(&one)).as_deref(), Some("app=a,tier=x"));
        assert_eq!(covering(&[one.clone(), other.clone()]).as_deref(), Some("app in (a,b)"));
        assert_eq!(covering(&[one, other, foreign]), None);
        assert_eq!(covering(&[]), None);
        let many: Vec<DaemonSet> = (0..500).map(|i| selecting(&[("app", &format!("long-name-{i}"))])).collect();
        assert_eq!(covering(&many), None);
    }

    #[test]
    fn every_form_that_kubectl_accepts_is_parsed() {
        let node = labels(&[("zone", "a"), ("gpu", ""), ("example.com/pool", "blue")]);
        for (text, expected) in [
            ("", true),
            ("zone=a", true),
            ("zone==a", true),
            ("zone=b", false),
            ("zone!=b", true),
            ("other!=b", true),
            ("gpu", true),
            ("gpu=", true),
            ("!gpu", false),
            ("zone in (a, b)", true),
            ("zone in (b),gpu", false),
            ("zone notin (b,c),example.com/pool=blue", true),
            (" zone = a , gpu ", true),
        ] {
            assert_eq!(matches(&parse(text).unwrap(), &node), expected, "{text}");
        }
    }

    #[test]
    fn invalid_selector_names_invalid_part() {
        for text in ["a=b=c", "a in b", "a in (b", "=b", "a,,b", "a>1", "-a=b", "a=b c"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse("ok=1,a b").unwrap_err().contains("\"a b\""));
    }
}
