//! Builds all command lines that are offered for pasting into a shell.
//!
//! A [`CommandLine`] consists of fixed words, which are literals of this program, and of values, which are validated as
//! names of their kind (see [`valid`]). A line with a value that Kubernetes would reject is not offered:
//! [`Remedy::run`](super::remedy::Remedy::run) then keeps the advice and drops the lines.
//!
//! A valid name contains only letters, digits, `-`, `_`, `.` and `/`, and starts with a letter or a digit. bash, dash
//! and zsh pass it unchanged, and kubectl never parses it as an option. Only patches and selectors contain other
//! characters: they are quoted, and are the value of an option.

pub(crate) mod valid;

use std::fmt;

use serde_json::{Value, json};

use crate::change::Change;
use crate::program;

/// A command to paste: printable ASCII on one line. Only this module can create one.
#[derive(Clone, Debug)]
pub(crate) struct CommandLine {
    text: String,
    /// Whether all values are valid.
    offered: bool,
    /// What the command changes, if that is modeled.
    change: Option<Change>,
}

/// The kubectl commands that change nothing.
const READ_ONLY: [&str; 6] = ["get", "describe", "logs", "events", "explain", "wait"];

impl CommandLine {
    /// Starts with literal shell text, such as `kubectl get node`.
    pub(crate) fn new(words: &'static str) -> Self {
        Self { text: words.to_owned(), offered: true, change: None }
    }

    /// A command of this program: `kubectl ds why-not`. [`program`] validates the program's name.
    pub(crate) fn own_program(command: &'static str) -> Self {
        Self { text: format!("{} {command}", program::name()), offered: true, change: None }
    }

    /// `kubectl -n NAMESPACE`, followed by literal words.
    pub(crate) fn in_namespace(namespace: &str, words: &'static str) -> Self {
        Self::new("kubectl").namespace(namespace).words(words)
    }

    pub(crate) fn words(self, words: &'static str) -> Self {
        self.push(words, true)
    }

    /// `-n NAMESPACE`.
    pub(crate) fn namespace(self, namespace: &str) -> Self {
        let is_valid = valid::is_label_name(namespace);
        self.words("-n").push(namespace, is_valid)
    }

    /// The name of an object of any kind.
    pub(crate) fn name(self, name: &str) -> Self {
        self.name_within("", name, "")
    }

    /// The name of an object, with literal text on both sides of it: `daemonset/NAME`.
    pub(crate) fn name_within(self, before: &'static str, name: &str, after: &'static str) -> Self {
        self.push(&format!("{before}{name}{after}"), valid::is_object_name(name))
    }

    /// `-c CONTAINER`.
    pub(crate) fn container(self, container: &str) -> Self {
        self.words("-c").container_within("", container, "")
    }

    /// The name of a container, with literal text on both sides of it: `CONTAINER=IMAGE`.
    pub(crate) fn container_within(self, before: &'static str, container: &str, after: &'static str) -> Self {
        self.push(&format!("{before}{container}{after}"), valid::is_label_name(container))
    }

    /// `KEY=VALUE` for `kubectl label`.
    pub(crate) fn label(self, key: &str, value: &str) -> Self {
        let is_valid = valid::is_qualified_name(key) && valid::is_label_value(value);
        self.push(&format!("{key}={value}"), is_valid)
    }

    /// `KEY-`, with which `kubectl label` removes the label.
    pub(crate) fn without_label(self, key: &str) -> Self {
        self.push(&format!("{key}-"), valid::is_qualified_name(key))
    }

    /// `KEY:EFFECT-`, with which `kubectl taint` removes the taint.
    pub(crate) fn without_taint(self, key: &str, effect: &str) -> Self {
        let is_valid = valid::is_qualified_name(key) && valid::is_taint_effect(effect);
        self.push(&format!("{key}:{effect}-"), is_valid)
    }

    /// `--OPTION=RESOURCE=AMOUNT,…`. `option` includes the leading dashes.
    pub(crate) fn amounts<'v>(
        mut self,
        option: &'static str,
        amounts: impl IntoIterator<Item = (&'v str, &'v str)>,
    ) -> Self {
        let mut pairs = Vec::new();
        for (resource, amount) in amounts {
            self.offered &= valid::is_qualified_name(resource) && valid::is_amount(amount);
            pairs.push(format!("{resource}={amount}"));
        }
        let pairs = pairs.join(",");
        self.push(&format!("{option}={pairs}"), true)
    }

    /// `--OPTION=NUMBER`.
    pub(crate) fn number(self, option: &'static str, number: i32) -> Self {
        self.push(&format!("{option}={number}"), true)
    }

    /// `-l SELECTOR`.
    pub(crate) fn selector(self, selector: &str) -> Self {
        self.words("-l").push(&quoted(selector), valid::is_selector(selector))
    }

    /// `-p PATCH`. The strings in the patch are field values without a meaning for the shell or kubectl. The caller
    /// validates them with [`CommandLine::only_if`].
    pub(crate) fn patch(self, patch: &Value) -> Self {
        self.words("-p").push(&quoted(&ascii_json(patch)), true)
    }

    /// The eviction of a pod, as a request to the API server: kubectl has no command for it.
    pub(crate) fn eviction(namespace: &str, pod: &str) -> Self {
        let is_valid = valid::is_label_name(namespace) && valid::is_object_name(pod);
        let metadata = json!({ "name": pod, "namespace": namespace });
        let eviction = json!({ "apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata });
        Self::new("echo")
            .push(&quoted(&ascii_json(&eviction)), is_valid)
            .words("| kubectl create --raw")
            .push(&format!("/api/v1/namespaces/{namespace}/pods/{pod}/eviction"), is_valid)
            .words("-f -")
    }

    /// Says what the command changes.
    pub(crate) fn changing(mut self, change: Change) -> Self {
        self.change = Some(change);
        self
    }

    pub(crate) fn change(&self) -> Option<&Change> {
        self.change.as_ref()
    }

    /// Whether the command may change something in the cluster.
    pub(crate) fn is_change(&self) -> bool {
        let is_own = self.text.starts_with(program::name());
        let mut words = self.text.split(' ').skip(1);
        let first = match words.next() {
            Some("-n") => words.nth(1),
            first => first,
        };
        self.change.is_some() || !is_own && !first.is_some_and(|word| READ_ONLY.contains(&word))
    }

    /// Adds a condition for offering the line.
    pub(crate) fn only_if(mut self, is_valid: bool) -> Self {
        self.offered &= is_valid;
        self
    }

    /// The line, if all of its values are valid.
    pub(crate) fn offered(self) -> Option<String> {
        let is_own = self.text.starts_with(program::name());
        let source = if is_own { program::source() } else { "" };
        self.offered.then(|| format!("{}{source}", self.text))
    }

    fn push(mut self, text: &str, is_valid: bool) -> Self {
        self.offered &= is_valid;
        self.text.push(' ');
        self.text.push_str(text);
        self
    }
}

/// A line of a manifest: YAML, not a command.
#[derive(Clone, Debug)]
pub(crate) struct ManifestLine(String);

impl ManifestLine {
    pub(crate) fn new(line: &'static str) -> Self {
        Self(line.to_owned())
    }

    /// `FIELD: VALUE`, with the value as JSON, which is valid YAML.
    pub(crate) fn field(field: &'static str, value: &Value) -> Self {
        Self(format!("{field}: {}", ascii_json(value)))
    }
}

impl fmt::Display for ManifestLine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Quotes a value as one word of a shell. Within single quotes, all characters except the quote are literal in bash,
/// dash and zsh, also in an interactive shell.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    // `=` is plain only within a word: zsh expands a leading `=COMMAND`.
    let is_word =
        text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(|c| is_plain(c) || c == '=');
    match is_word {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// JSON in printable ASCII without single quotes. All other characters are escaped.
fn ascii_json(value: &Value) -> String {
    let mut text = String::new();
    for c in value.to_string().chars() {
        match c {
            // Outside of strings, JSON contains only printable ASCII, so this character is within a string.
            c if c.is_ascii_graphic() && c != '\'' || c == ' ' => text.push(c),
            c => text.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}"))),
        }
    }
    text
}

#[cfg(test)]
mod tests;
