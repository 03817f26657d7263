//! What to do about a reason: a sentence, and lines ready to paste. None that cannot work.

use k8s_openapi::api::core::v1::PodSpec;
use serde::Serialize;
use serde_json::Value;

use crate::snapshot::Taint;

/// Whom a remedy is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    /// The node's name.
    pub(crate) node: &'a str,
    /// The DaemonSet's namespace.
    pub(crate) namespace: &'a str,
    /// The DaemonSet's name.
    pub(crate) daemon_set: &'a str,
    /// The daemon pod's name, if there is one.
    pub(crate) pod: Option<&'a str>,
    /// What the DaemonSet's template says.
    pub(crate) template: Option<&'a PodSpec>,
    /// Whether pods are replaced only when somebody deletes them.
    pub(crate) on_delete: bool,
    /// Whether the node is only planned: nothing can be done to it yet.
    pub(crate) is_planned: bool,
    /// The taints of the node that the pod does not tolerate.
    pub(crate) untolerated: &'a [Taint],
}

impl<'a> Target<'a> {
    /// A node and a DaemonSet of which no more is known than their names.
    #[cfg(test)]
    pub(crate) const fn named(node: &'a str, namespace: &'a str, daemon_set: &'a str, pod: Option<&'a str>) -> Self {
        Self { node, namespace, daemon_set, pod, template: None, on_delete: false, is_planned: false, untolerated: &[] }
    }

    /// What becomes of a change of the template, in a half sentence.
    pub(crate) fn effect(&self) -> &'static str {
        match self.on_delete {
            true => "with OnDelete only pods get it that are made from now on",
            false => "it rolls out everywhere",
        }
    }

    /// The lines, and with OnDelete that which has the change reach the pod that is there.
    pub(crate) fn reaching(&self, line: String) -> Vec<String> {
        let delete = self.pod.filter(|_| self.on_delete);
        let delete = delete.map(|pod| format!("kubectl -n {} delete pod {}", word(self.namespace), word(pod)));
        [line].into_iter().chain(delete).collect()
    }

    /// Whether the template has tolerations: a patch appends to them or makes the first.
    pub(crate) fn has_tolerations(&self) -> bool {
        let tolerations = self.template.and_then(|template| template.tolerations.as_ref());
        tolerations.is_some_and(|tolerations| !tolerations.is_empty())
    }
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Remedy {
    /// What, in a sentence. Safe text.
    pub(crate) text: String,
    /// Lines to paste into a shell or, where the text says so, into a manifest. Safe text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) lines: Vec<String>,
}

impl Remedy {
    /// Something to do for which there is no line to paste.
    pub(crate) fn say(text: impl AsRef<str>) -> Self {
        Self { text: super::text::safe(text.as_ref()), lines: Vec::new() }
    }

    /// Something to do with the lines that do it.
    pub(crate) fn paste<L: AsRef<str>>(text: impl AsRef<str>, lines: impl IntoIterator<Item = L>) -> Self {
        let lines = lines.into_iter().map(|line| super::text::safe(line.as_ref())).collect();
        Self { lines, ..Self::say(text) }
    }
}

/// A word for a shell: quoted where a shell would make something else of it.
pub(crate) fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// The line that changes the template by a JSON patch.
pub(crate) fn edit_template(target: &Target<'_>, patch: &Value) -> String {
    let (namespace, name) = (word(target.namespace), word(target.daemon_set));
    format!("kubectl -n {namespace} patch daemonset {name} --type=json -p {}", word(&patch.to_string()))
}

/// A key as a part of a JSON pointer.
pub(crate) fn pointer(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_a_word_as_it_was_meant() {
        for (text, expected) in
            [("a=b:NoSchedule", "a=b:NoSchedule"), ("", "''"), ("a b", "'a b'"), ("it's", r"'it'\''s'"), ("$x", "'$x'")]
        {
            assert_eq!(word(text), expected);
        }
    }
}
