//! What to do about a reason: a sentence, and lines ready to paste. None that cannot work.

use k8s_openapi::api::core::v1::PodSpec;
use serde::Serialize;
use serde_json::Value;

use super::command_line::{CommandLine, ManifestLine};
use crate::snapshot::Taint;

/// Whom a remedy is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RemedyContext<'a> {
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

impl<'a> RemedyContext<'a> {
    /// A node and a DaemonSet of which no more is known than their names.
    #[cfg(test)]
    pub(crate) const fn named(node: &'a str, namespace: &'a str, daemon_set: &'a str, pod: Option<&'a str>) -> Self {
        Self { node, namespace, daemon_set, pod, template: None, on_delete: false, is_planned: false, untolerated: &[] }
    }

    /// What becomes of a change of the template, in a half sentence.
    pub(crate) fn rollout_note(&self) -> &'static str {
        match self.on_delete {
            true => "with OnDelete only pods get it that are made from now on",
            false => "it rolls out everywhere",
        }
    }

    /// The lines, and with OnDelete that which has the change reach the pod that is there.
    pub(crate) fn commands_reaching_existing_pod(&self, line: CommandLine) -> Vec<CommandLine> {
        let delete = self.pod.filter(|_| self.on_delete);
        let delete = delete.map(|pod| CommandLine::in_namespace(self.namespace, "delete pod").name(pod));
        [line].into_iter().chain(delete).collect()
    }

    /// Opens the DaemonSet in an editor.
    pub(crate) fn edit(&self) -> CommandLine {
        CommandLine::in_namespace(self.namespace, "edit daemonset").name(self.daemon_set)
    }

    /// A command about the daemon pod; not offered where there is none.
    pub(crate) fn about_pod(&self, words: &'static str) -> CommandLine {
        let line = CommandLine::in_namespace(self.namespace, words);
        match self.pod {
            Some(pod) => line.name(pod),
            None => line.only_if(false),
        }
    }

    /// Shows the node.
    pub(crate) fn describe_node(&self) -> CommandLine {
        CommandLine::new("kubectl describe node").name(self.node)
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
    /// Lines to paste into a shell or, where the text says so, into a manifest. Private, so that no other text gets in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lines: Vec<String>,
}

impl Remedy {
    /// Something to do for which there is no line to paste.
    pub(crate) fn say(text: impl AsRef<str>) -> Self {
        Self { text: super::text::sanitize(text.as_ref()), lines: Vec::new() }
    }

    /// Something to do, with the commands that do it. If one of them cannot be offered, none is: half of a sequence may
    /// do harm.
    pub(crate) fn run(text: impl AsRef<str>, commands: impl IntoIterator<Item = CommandLine>) -> Self {
        const NOT_OFFERED: &str = "(no command is shown: a value in it is missing or not valid)";
        let lines: Option<Vec<String>> = commands.into_iter().map(CommandLine::offered).collect();
        match lines {
            Some(lines) => Self { lines, ..Self::say(text) },
            None => Self::say(format!("{} {NOT_OFFERED}", text.as_ref())),
        }
    }

    /// Something to do, with lines for a manifest.
    pub(crate) fn manifest(text: impl AsRef<str>, lines: impl IntoIterator<Item = ManifestLine>) -> Self {
        Self { lines: lines.into_iter().map(|line| line.to_string()).collect(), ..Self::say(text) }
    }

    /// The lines to paste.
    pub(crate) fn lines(&self) -> &[String] {
        &self.lines
    }
}

/// The line that changes the template by a JSON patch.
pub(crate) fn edit_template(target: &RemedyContext<'_>, patch: &Value) -> CommandLine {
    CommandLine::in_namespace(target.namespace, "patch daemonset")
        .name(target.daemon_set)
        .words("--type=json")
        .patch(patch)
}

/// A key as a part of a JSON pointer.
pub(crate) fn pointer(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remedy_with_one_invalid_name_offers_no_command() {
        let node = |name: &str| CommandLine::new("kubectl cordon").name(name);
        assert_eq!(Remedy::run("x", [node("a"), node("b")]).lines(), ["kubectl cordon a", "kubectl cordon b"]);
        let advice = "x (no command is shown: a value in it is missing or not valid)";
        assert_eq!(Remedy::run("x", [node("a"), node("--all")]), Remedy::say(advice));
    }
}
