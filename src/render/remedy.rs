//! Remedies: a sentence in the imperative, and lines to paste. A remedy that cannot work is not offered.

use super::command_line::{CommandLine, ManifestLine};
use crate::change::{Change, PodEdit};
use crate::placement::TaintOwner;
use crate::snapshot::{Labels, Taint};
use k8s_openapi::api::core::v1::PodSpec;
use serde::Serialize;

/// The objects that a remedy refers to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RemedyContext<'a> {
    pub(crate) node: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) daemon_set: &'a str,
    /// The DaemonSet's pod on the node, if it exists.
    pub(crate) pod: Option<&'a str>,
    /// Whether this pod has failed: it never starts, and the controller replaces it only after a delay.
    pub(crate) is_failed: bool,
    pub(crate) template: Option<&'a PodSpec>,
    /// Whether the update strategy is `OnDelete`.
    pub(crate) on_delete: bool,
    /// Whether the node does not exist yet: it cannot be changed.
    pub(crate) is_planned: bool,
    /// Whether the node is cordoned. What others cordoned is not uncordoned.
    pub(crate) is_cordoned: bool,
    /// Whether the kubelet of the node reports that the node has no network.
    pub(crate) lacks_network: bool,
    /// The node's taints that the pod does not tolerate.
    pub(crate) untolerated: &'a [Taint],
    /// The labels of the node, if they are known.
    pub(crate) node_labels: Option<&'a Labels>,
    /// The pods on the node of those who remove its taints.
    pub(crate) owner_pods: &'a [OwnerPodView<'a>],
}

/// The pod of a taint's owner on the node.
#[derive(Clone, Debug)]
pub(crate) struct OwnerPodView<'a> {
    pub(crate) owner: &'static TaintOwner,
    pub(crate) namespace: &'a str,
    pub(crate) pod: &'a str,
    pub(crate) daemon_set: Option<&'a str>,
    pub(crate) is_ready: bool,
    /// The state with its first reason: `NotReady (CrashLoopBackOff (exit 1))`. Safe text.
    pub(crate) state: String,
}

impl<'a> RemedyContext<'a> {
    #[cfg(test)]
    pub(crate) const fn named(node: &'a str, namespace: &'a str, daemon_set: &'a str, pod: Option<&'a str>) -> Self {
        Self {
            node,
            namespace,
            daemon_set,
            pod,
            is_failed: false,
            template: None,
            on_delete: false,
            is_planned: false,
            is_cordoned: false,
            lacks_network: false,
            untolerated: &[],
            node_labels: None,
            owner_pods: &[],
        }
    }

    /// The effect of a template change, for use in parentheses.
    pub(crate) fn rollout_note(&self) -> &'static str {
        match self.on_delete {
            true => "OnDelete: applies only to newly created pods",
            false => "starts a rollout",
        }
    }

    /// The line that changes the template. With `OnDelete`, also the one that deletes the existing pod, which would
    /// keep the old template.
    pub(crate) fn commands_reaching_existing_pod(&self, line: CommandLine) -> Vec<CommandLine> {
        let delete = (self.on_delete && self.pod.is_some()).then(|| self.delete_pod());
        [line].into_iter().chain(delete).collect()
    }

    pub(crate) fn edit(&self) -> CommandLine {
        CommandLine::in_namespace(self.namespace, "edit daemonset").name(self.daemon_set)
    }

    /// A command for the DaemonSet's pod; not offered if the pod does not exist.
    pub(crate) fn about_pod(&self, words: &'static str) -> CommandLine {
        let line = CommandLine::in_namespace(self.namespace, words);
        match self.pod {
            Some(pod) => line.name(pod),
            None => line.only_if(false),
        }
    }

    /// Deletes the DaemonSet's pod; not offered if the pod does not exist.
    pub(crate) fn delete_pod(&self) -> CommandLine {
        let line = self.about_pod("delete pod");
        match self.pod {
            Some(pod) => line.changing(Change::Pod {
                namespace: self.namespace.to_owned(),
                name: pod.to_owned(),
                edit: PodEdit::Delete,
            }),
            None => line,
        }
    }

    /// A change of the node. A node that does not exist yet can only be changed in the template of its pool.
    pub(crate) fn change_of_node(&self, text: &str, line: CommandLine) -> Remedy {
        match self.is_planned {
            true => Remedy::text_only(format!("{text} (in the template of the node pool)")),
            false => Remedy::run(text, [line]),
        }
    }

    /// Whether the DaemonSet brings the network of the nodes: its pods use the network of the host, and write the
    /// configuration of the container network, or it has the name of a well-known network plugin.
    pub(crate) fn is_network_plugin(&self) -> bool {
        const FOLDERS: [&str; 3] = ["/etc/cni", "/opt/cni", "/var/lib/cni"];
        const NAMES: [&str; 10] = [
            "antrea-agent",
            "aws-node",
            "calico-node",
            "canal",
            "cilium",
            "kindnet",
            "kube-flannel-ds",
            "kube-router",
            "ovnkube-node",
            "weave-net",
        ];
        let Some(template) = self.template.filter(|template| template.host_network == Some(true)) else { return false };
        let folders =
            template.volumes.iter().flatten().filter_map(|volume| Some(volume.host_path.as_ref()?.path.as_str()));
        let is_configuration = |folder: &str| FOLDERS.iter().any(|start| folder.starts_with(start));
        NAMES.contains(&self.daemon_set) || folders.into_iter().any(is_configuration)
    }

    pub(crate) fn describe_node(&self) -> CommandLine {
        CommandLine::new("kubectl describe node").name(self.node)
    }

    /// Whether the template has tolerations: a JSON patch either appends to the list or creates it.
    pub(crate) fn has_tolerations(&self) -> bool {
        let tolerations = self.template.and_then(|template| template.tolerations.as_ref());
        tolerations.is_some_and(|tolerations| !tolerations.is_empty())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Remedy {
    /// The advice.
    // Safe text.
    pub(crate) text: String,
    /// Lines to paste into a shell or, if the text says so, into a manifest.
    // Private, so that only this module fills them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lines: Vec<String>,
    /// Whether the result of the commands is known; none for commands that change nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) outcome: Option<RemedyOutcome>,
    #[serde(skip)]
    effect: Effect,
}

/// Whether it was computed that the commands remove the obstacle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum RemedyOutcome {
    /// The checks pass on the objects as they would be after the commands.
    Verified,
    /// The result depends on what is not known: it was not computed.
    NotVerified,
}

/// What the commands of a remedy change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing.
    Nothing,
    /// Something that is not modeled.
    NotModeled,
    Changes(Vec<Change>),
}

impl Remedy {
    /// Advice without lines to paste.
    pub(crate) fn text_only(text: impl AsRef<str>) -> Self {
        Self { text: super::text::sanitize(text.as_ref()), lines: Vec::new(), outcome: None, effect: Effect::Nothing }
    }

    /// Advice with commands. If one command cannot be offered, none is: part of a sequence can do harm.
    pub(crate) fn run(text: impl AsRef<str>, commands: impl IntoIterator<Item = CommandLine>) -> Self {
        const NOT_OFFERED: &str = "(no command shown: it would contain a missing or invalid value)";
        let commands: Vec<CommandLine> = commands.into_iter().collect();
        let effect = Effect::new(&commands);
        let lines: Option<Vec<String>> = commands.into_iter().map(CommandLine::offered).collect();
        match lines {
            Some(lines) => Self { lines, effect, ..Self::text_only(text) },
            None => Self::text_only(format!("{} {NOT_OFFERED}", text.as_ref())),
        }
    }

    /// Advice with lines for a manifest.
    pub(crate) fn manifest(text: impl AsRef<str>, lines: impl IntoIterator<Item = ManifestLine>) -> Self {
        Self { lines: lines.into_iter().map(|line| line.to_string()).collect(), ..Self::text_only(text) }
    }

    pub(crate) fn lines(&self) -> &[String] {
        &self.lines
    }

    /// The advice, with a note if the result of its commands is not known. Safe text.
    pub(crate) fn text_with_outcome(&self) -> String {
        match self.outcome {
            Some(RemedyOutcome::NotVerified) => format!("{} (not verified)", self.text),
            Some(RemedyOutcome::Verified) | None => self.text.clone(),
        }
    }

    /// The same remedy, where nothing computes what its commands do.
    pub(crate) fn not_verified(mut self) -> Self {
        if self.effect != Effect::Nothing {
            self.outcome = Some(RemedyOutcome::NotVerified);
        }
        self
    }

    pub(crate) fn effect(&self) -> &Effect {
        &self.effect
    }
}

impl Effect {
    fn new(commands: &[CommandLine]) -> Self {
        let changing: Vec<&CommandLine> = commands.iter().filter(|command| command.is_change()).collect();
        let changes: Option<Vec<Change>> = changing.iter().map(|command| command.change().cloned()).collect();
        match changes {
            Some(changes) if changes.is_empty() => Self::Nothing,
            Some(changes) => Self::Changes(changes),
            None => Self::NotModeled,
        }
    }
}

/// Escapes a key for a JSON pointer (RFC 6901).
pub(crate) fn pointer(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remedy_with_an_invalid_name_offers_no_command() {
        let node = |name: &str| CommandLine::new("kubectl cordon").name(name);
        assert_eq!(Remedy::run("x", [node("a"), node("b")]).lines(), ["kubectl cordon a", "kubectl cordon b"]);
        let advice = "x (no command shown: it would contain a missing or invalid value)";
        assert_eq!(Remedy::run("x", [node("a"), node("--all")]), Remedy::text_only(advice));
    }
}
