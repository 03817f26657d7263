//! Removes the logs from the single stream of `kubectl cluster-info dump`.
//!
//! Upstream: `k8s.io/kubectl/pkg/cmd/clusterinfo/clusterinfo_dump.go` `printContainer` writes a START line, the
//! unchanged log, and an END line with the same text; if a log does not end with a newline, the END line follows on its
//! last line. A log can contain any text. Its END line is the last one with the text of its START line, so that a log
//! cannot end itself early and inject objects.

use std::collections::HashMap;

const START: &str = "==== START logs for container ";
const END: &str = "==== END logs for container ";

/// The parts of the text between the logs.
pub(super) fn without_logs(text: &str) -> Vec<&str> {
    if !text.contains(START) {
        return vec![text];
    }
    let mut ends: HashMap<&str, usize> = HashMap::new();
    for (at, _) in text.match_indices(END) {
        ends.insert(first_line(&text[at + END.len()..]), at);
    }
    let mut parts = Vec::new();
    let mut from = 0;
    while let Some(start) = next_start(text, from) {
        parts.push(&text[from..start]);
        let words = first_line(&text[start + START.len()..]);
        match ends.get(words).filter(|end| **end > start) {
            Some(end) => from = end + END.len() + words.len(),
            // The stream ends within the log.
            None => return parts,
        }
    }
    parts.push(&text[from..]);
    parts
}

/// The next START marker at the beginning of a line.
fn next_start(text: &str, from: usize) -> Option<usize> {
    let starts = text[from..].match_indices(START).map(|(at, _)| from + at);
    starts.into_iter().find(|at| *at == 0 || text.as_bytes()[at - 1] == b'\n')
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_with_braces_and_false_ends_are_removed() {
        let words = "a of pod n/p ====";
        let text = format!(
            "{{1}}\n{START}{words}\n{{\"kind\":\"Node\"}}\n{END}{words}\n{{\"kind\":\"Pod\"}}\n{END}b of pod n/p ====\nx{END}{words}\n\
             {START}b of pod n/q ====\n{END}b of pod n/q ====\n{{2}}\n"
        );
        let rest: String = without_logs(&text).concat();
        assert_eq!(rest.split_whitespace().collect::<Vec<_>>(), ["{1}", "{2}"]);
    }

    #[test]
    fn log_without_end_hides_the_rest() {
        assert_eq!(without_logs(&format!("{{1}}\n{START}a of pod n/p ====\n{{2}}")), ["{1}\n"]);
        assert_eq!(without_logs("{1}"), ["{1}"]);
    }
}
