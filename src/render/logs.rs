//! The lines of logs, and why there is no log.

use jiff::Timestamp;

use super::name_list::ListLength;
use super::reason;
use super::style::Style;
use super::text::{sanitize, sanitize_lines};
use crate::error::Error;
use crate::explain::Reason;
use crate::logs::NoLog;

/// The most columns by which names are aligned: one long name must not push all lines to the right.
const WIDEST_LABEL: usize = 40;
/// The most reasons for one missing log.
const REASONS: usize = 2;

/// What leads each line of one log. Empty if all lines come from one log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Label(String);

/// Makes the labels of logs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Labels {
    pub(crate) style: Style,
    /// Whether lines are led by their node.
    pub(crate) with_node: bool,
    /// Whether lines are led by their container.
    pub(crate) with_container: bool,
    /// The length of the longest name of a node.
    pub(crate) node_width: usize,
}

impl Labels {
    /// The label of a container on the node with this number.
    pub(crate) fn label(&self, node: &str, number: usize, container: &str) -> Label {
        let mut parts = Vec::new();
        if self.with_node {
            let width = self.node_width.min(WIDEST_LABEL);
            parts.push(format!("{:width$}", sanitize(node)));
        }
        if self.with_container {
            parts.push(sanitize(container));
        }
        match parts.is_empty() {
            true => Label::default(),
            false => Label(format!("{} ", self.style.paint_label(&format!("{} |", parts.join(" ")), number))),
        }
    }
}

/// Writes a line of a log, led by its label and, if given, its time. Its colors are removed, also in a pipe, and everything
/// else that a terminal would interpret is shown as an escape: a log is written by others.
pub(crate) fn line(out: &mut Vec<u8>, label: &Label, time: Option<&[u8]>, text: &[u8]) {
    out.extend_from_slice(label.0.as_bytes());
    if let Some(time) = time {
        safe(out, time);
        out.push(b' ');
    }
    safe(out, text);
    out.push(b'\n');
}

fn safe(out: &mut Vec<u8>, text: &[u8]) {
    let plain = without_colors(&String::from_utf8_lossy(text));
    out.extend_from_slice(sanitize_lines(&plain).as_bytes());
}

/// Removes the sequences that select colors: `ESC [ … m` (ECMA-48, SGR).
fn without_colors(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['\u{1b}', '\u{9b}']) {
        plain.push_str(&rest[..at]);
        let sequence = &rest[at..];
        match color_length(sequence) {
            Some(length) => rest = &sequence[length..],
            None => {
                let first = sequence.chars().next().map_or(0, char::len_utf8);
                plain.push_str(&sequence[..first]);
                rest = &sequence[first..];
            }
        }
    }
    plain.push_str(rest);
    plain
}

/// The length of the color sequence at the beginning of the text; `None` if there is none.
fn color_length(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\u{1b}[").or_else(|| text.strip_prefix('\u{9b}'))?;
    let end = parameters.find(|c: char| !matches!(c, '0'..='9' | ';' | ':'))?;
    parameters[end..].starts_with('m').then(|| text.len() - parameters.len() + end + 1)
}

/// Why nodes have no log, in the words of `why-not`. Safe text.
pub(crate) fn no_log(nodes: &[String], why: &NoLog, now: Timestamp) -> String {
    format!("no log of {}: {}", ListLength::Handful.list(&sanitized(nodes)), why_no_log(why, now))
}

/// The causes without what changes all the time, such as ages: equal causes have equal text.
pub(crate) fn causes(reasons: &[Reason]) -> String {
    reasons.iter().map(reason::summary).collect::<Vec<_>>().join("; ")
}

/// Why no container of the DaemonSet runs on a node. Safe text.
pub(crate) fn no_pod(node: &str, why: &NoLog, now: Timestamp) -> String {
    format!("no container runs on {}: {}", sanitize(node), why_no_log(why, now))
}

/// The reason alone. Safe text.
pub(crate) fn why_no_log(why: &NoLog, now: Timestamp) -> String {
    let text = match why {
        NoLog::Reasons { container, reasons, excluded } => {
            let details = reasons.iter().take(REASONS).map(|reason| reason::detail(reason, now, ListLength::Handful));
            let details = details.collect::<Vec<_>>().join("; ");
            match (container, details.is_empty()) {
                (None, true) if *excluded => "no pod should run there".into(),
                (None, false) if *excluded => format!("no pod should run there: {details}"),
                (None, true) => "there is no pod".into(),
                (Some(container), true) => format!("container {container} has not started"),
                (_, false) => details,
            }
        }
        NoLog::NoPreviousRun { container } => format!("container {container} has no previous run"),
        NoLog::UnknownContainer(unknown) => {
            let names = ListLength::Handful.list(&unknown.names);
            format!("the pod has no container {}; its containers: {names}", unknown.container)
        }
    };
    sanitize(&text)
}

/// Why the log of a container on a node could not be opened. Safe text.
pub(crate) fn unreadable(node: &str, container: &str, error: &Error) -> String {
    let why = match error {
        Error::Api { message, code, .. } if *code >= 500 => match kubelet_failure(message) {
            Some(cause) => format!("the kubelet is not responding: {cause}"),
            None => message.clone(),
        },
        Error::Api { code: 404, .. } => "its pod was deleted".into(),
        Error::Api { message, .. } => message.clone(),
        other => other.to_string(),
    };
    sanitize(&format!("no log of {node} (container {container}): {why}"))
}

/// The cause in the message of an API server that could not reach a kubelet: `Get "https://NODE:10250/…": CAUSE`.
fn kubelet_failure(message: &str) -> Option<&str> {
    let (_, cause) = message.split_once("Get \"")?.1.split_once("\": ")?;
    Some(cause)
}

/// That a stream broke off before the end of the log. Safe text.
pub(crate) fn incomplete(node: &str, container: &str, error: &Error) -> String {
    sanitize(&format!("the log of {node} (container {container}) is incomplete: {error}"))
}

/// That the pod of a node was replaced, or that there is a first one. `revisions` are the old and the new one. Safe text.
pub(crate) fn new_pod(node: &str, pod: &str, revisions: [Option<&str>; 2]) -> String {
    let revision = match revisions {
        [Some(old), Some(new)] if old != new => format!(" (revision {new}, before: {old})"),
        [_, Some(new)] => format!(" (revision {new})"),
        [_, None] => String::new(),
    };
    sanitize(&format!("{node}: new pod {pod}{revision}"))
}

fn sanitized(names: &[String]) -> Vec<String> {
    names.iter().map(|name| sanitize(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::style::Palette;

    fn labels(palette: Palette) -> Labels {
        let style = Style { palette, width: None, height: None, names: ListLength::All };
        Labels { style, with_node: true, with_container: true, node_width: 5 }
    }

    fn written(label: &Label, time: Option<&[u8]>, text: &[u8]) -> String {
        let mut out = Vec::new();
        line(&mut out, label, time, text);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn line_is_led_by_its_node_and_container() {
        let label = labels(Palette::None).label("n1", 0, "agent");
        assert_eq!(written(&label, None, b"hello"), "n1    agent | hello\n");
        assert_eq!(written(&label, Some(b"2026-01-02T12:00:00Z"), b"x"), "n1    agent | 2026-01-02T12:00:00Z x\n");
        assert_eq!(written(&Label::default(), None, b"  hello "), "  hello \n");
        let [one, two] = [0, 1].map(|number| labels(Palette::Indexed).label("n1", number, "agent"));
        assert!(one != two && one.0.starts_with("\u{1b}["));
    }

    #[test]
    fn hostile_log_is_harmless() {
        for (text, shown) in [
            (&b"\x1b[1;31mred\x1b[0m"[..], "red"),
            (b"\x1b[38:2::1:2:3mred\x1b[m", "red"),
            ("\u{9b}31mred".as_bytes(), "red"),
            (b"\x1b[2J\x1b]0;title\x07", "\\u{1b}[2J\\u{1b}]0;title\\u{7}"),
            (b"\x1b\x1b[31m[2J", "\\u{1b}[2J"),
            (b"\x1b[31", "\\u{1b}[31"),
            ("a\u{202e}b\u{200b}".as_bytes(), "a\\u{202e}b\\u{200b}"),
            (b"one\rtwo\x08\ttab", "one\\u{d}two\\u{8}\ttab"),
            (b"\xff\xfe", "\u{fffd}\u{fffd}"),
        ] {
            assert_eq!(written(&Label::default(), None, text), format!("{shown}\n"));
        }
        let label = labels(Palette::None).label("n\u{1b}[2J", 0, "c\u{202e}");
        assert!(!written(&label, Some(b"\x1b[2J"), b"").contains(['\u{1b}', '\u{202e}']));
    }

    #[test]
    fn kubelet_that_does_not_respond_is_named() {
        let api = |code: u16, message: &str| Error::Api {
            verb: "get",
            resource: "pods/log".into(),
            message: message.into(),
            code,
        };
        let dead =
            "Get \"https://10.0.0.1:10250/containerLogs/n/p/c\": dial tcp 10.0.0.1:10250: connect: connection refused";
        for (error, shown) in [
            (api(500, dead), "the kubelet is not responding: dial tcp 10.0.0.1:10250: connect: connection refused"),
            (api(500, "other"), "other"),
            (api(404, "pods \"p\" not found"), "its pod was deleted"),
            (api(400, "container \"c\" is waiting to start"), "container \"c\" is waiting to start"),
        ] {
            assert_eq!(unreadable("n1", "c", &error), format!("no log of n1 (container c): {shown}"));
        }
    }

    #[test]
    fn new_pod_names_the_revisions_that_differ() {
        assert_eq!(new_pod("n1", "p", [Some("a"), Some("b")]), "n1: new pod p (revision b, before: a)");
        assert_eq!(new_pod("n1", "p", [Some("a"), Some("a")]), "n1: new pod p (revision a)");
        assert_eq!(new_pod("n1", "p", [None, None]), "n1: new pod p");
    }
}
