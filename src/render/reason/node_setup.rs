//! Remedies for messages of the kubelet and of the container runtime that report a node on which the pod cannot start.
//! The pod itself is right for the other nodes, so that its image and its command are not changed.

use crate::render::command_line::CommandLine;
use crate::render::remedy::{Remedy, RemedyContext};

const ARCH: &str = "kubernetes.io/arch";

/// What fixes the cause that the message reports, if it is one of the node. The messages are those of containerd
/// (`internal/cri/server/sandbox_run.go`, `internal/cri/opts/spec_linux_opts.go`), CRI-O (`failed to find runtime
/// handler`), the kubelet (`pkg/volume/hostpath/host_path.go` `checkTypeInternal`) and the attach/detach controller
/// (`pkg/controller/volume/attachdetach/reconciler/reconciler.go` `reportMultiAttachError`).
pub(super) fn remedy(message: &str, target: &RemedyContext<'_>) -> Option<Remedy> {
    let node = target.node;
    if message.contains("no runtime for \"") || message.contains("failed to find runtime handler") {
        return Some(Remedy::text_only(format!(
            "add the handler of the pod's RuntimeClass to the configuration of the container runtime on {node}, and \
             restart the runtime; a RuntimeClass alone does not install its handler"
        )));
    }
    if let Some((path, kind)) = failed_path_check(message) {
        return Some(Remedy::run(
            format!(
                "fix the hostPath volume in the pod template if this node has {path} elsewhere ({}), or provide {path} \
                 as {kind} on {node}",
                target.rollout_note()
            ),
            [target.edit()],
        ));
    }
    if message.contains("but it is not a shared mount") || message.contains("but it is not a shared or slave mount") {
        return Some(Remedy::text_only(format!(
            "make the mount that the message names shared on {node} (mount --make-rshared), also after a restart of the \
             node: the container uses mount propagation"
        )));
    }
    if message.starts_with("Multi-Attach error for volume") {
        return Some(Remedy::run(
            format!(
                "give each node a volume of its own: the claim can be attached to one node only, and a DaemonSet has a \
                 pod on every node. Use a generic ephemeral volume or a hostPath volume, or a claim with access mode \
                 ReadWriteMany ({})",
                target.rollout_note()
            ),
            [target.edit()],
        ));
    }
    if message.contains("failed to assign an IP address to container") {
        return Some(network_plugin("find out why the network plugin has no free IP address", target));
    }
    if message.contains("failed to setup network for sandbox") || message.contains("failed to set up sandbox container")
    {
        return Some(network_plugin("fix the network plugin", target));
    }
    None
}

fn network_plugin(advice: &str, target: &RemedyContext<'_>) -> Remedy {
    Remedy::run(
        format!("{advice} for {}, starting with its pod on the node; the kubelet then retries", target.node),
        [CommandLine::new("kubectl get pods -A -o wide").words("--field-selector").name_within(
            "spec.nodeName=",
            target.node,
            "",
        )],
    )
}

/// The path and the kind of `hostPath type check failed: PATH is not a directory`.
fn failed_path_check(message: &str) -> Option<(&str, &str)> {
    let (_, rest) = message.split_once("hostPath type check failed: ")?;
    rest.split_once(" is not ")
}

/// Linux reports `ENOEXEC` in these words.
pub(super) fn is_wrong_architecture(message: &str) -> bool {
    message.contains("exec format error")
}

/// A script without an interpreter line fails with the same words, so that the architecture is not certain.
pub(super) fn wrong_architecture(container: &str, target: &RemedyContext<'_>) -> Remedy {
    let arch = target.node_labels.and_then(|labels| labels.get(ARCH));
    let arch = arch.map(|arch| format!(" ({arch})")).unwrap_or_default();
    Remedy::run(
        format!(
            "check that the image of container {container} has a program for the architecture of {}{arch}: use an \
             image that has, or keep the DaemonSet off such nodes ({})",
            target.node,
            target.rollout_note()
        ),
        [target.edit()],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(message: &str) -> Option<String> {
        remedy(message, &RemedyContext::named("n1", "ns", "ds", Some("ds-x"))).map(|remedy| remedy.text)
    }

    #[test]
    fn messages_about_the_node_have_their_own_remedy() {
        for (message, expected) in [
            (r#"failed to get sandbox runtime: no runtime for "nvidia" is configured"#, "container runtime on n1"),
            ("failed to find runtime handler kata from runtime list", "container runtime on n1"),
            ("hostPath type check failed: /a b is not a socket file", "provide /a b as a socket file on n1"),
            (r#"path "/x" is mounted on "/" but it is not a shared mount"#, "--make-rshared"),
            (r#"Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) ds-y"#, "a volume of its own"),
            ("add cmd: failed to assign an IP address to container", "free IP address"),
            (
                r#"failed to setup network for sandbox "0": plugin type="calico" failed (add): x"#,
                "fix the network plugin",
            ),
        ] {
            assert!(text(message).is_some_and(|text| text.contains(expected)), "{message}: {:?}", text(message));
        }
    }

    #[test]
    fn other_messages_have_no_remedy_of_their_own() {
        assert_eq!(text(r#"configmap "settings" not found"#), None);
        assert_eq!(text("hostPath type check failed"), None);
    }

    #[test]
    fn exec_format_error_leads_to_the_architecture_and_not_to_logs() {
        assert!(is_wrong_architecture("exec /agent: exec format error\n"));
        assert!(!is_wrong_architecture("exec /agent: permission denied"));
        let remedy = wrong_architecture("main", &RemedyContext::named("n1", "ns", "ds", Some("ds-x")));
        assert!(remedy.text.contains("architecture of n1"), "{}", remedy.text);
    }
}
