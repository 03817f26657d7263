//! Remedies for a pod that was not created, is not scheduled, or does not become ready.

use serde_json::json;

use crate::explain::{Exit, Reason};
use crate::render::command_line::CommandLine;
use crate::render::commands::json_patch;
use crate::render::name_list::ListLength;
use crate::render::reason::node_setup;
use crate::render::remedy::{Remedy, RemedyContext};
use crate::snapshot::event::FAILED_DAEMON_POD;

/// The API server's default for `schedulerName`.
const DEFAULT_SCHEDULER: &str = "default-scheduler";

pub(super) fn not_scheduled(scheduler: Option<&str>, target: &RemedyContext<'_>) -> Remedy {
    match scheduler {
        Some(name) if !matches!(name, "" | DEFAULT_SCHEDULER) => Remedy::run(
            format!("start the scheduler {name}, or use the default scheduler ({})", target.rollout_note()),
            target.commands_reaching_existing_pod(json_patch(
                target,
                &json!([{ "op": "replace", "path": "/spec/template/spec/schedulerName", "value": DEFAULT_SCHEDULER }]),
            )),
        ),
        _ => Remedy::run(
            "check that kube-scheduler is running",
            [CommandLine::new("kubectl -n kube-system get pods -l component=kube-scheduler -o wide")],
        ),
    }
}

/// The controller replaces a failed pod, at once for the first time and then after a growing delay, which ends when the
/// pod is deleted (`pkg/controller/daemon/daemon_controller.go` `podsShouldBeOnNode`, `failedPodsBackoff`).
pub(super) fn failed(reason: &str, target: &RemedyContext<'_>, about_pod: CommandLine) -> Vec<Remedy> {
    let delete = |after: &str| {
        Remedy::run(
            format!(
                "{after}the controller replaces the failed pod, after up to 15 minutes if pods failed before; delete \
                 it for an immediate retry"
            ),
            [target.delete_pod()],
        )
    };
    match reason {
        // A graceful shutdown of the node: pods that the kubelet rejects meanwhile, and those that it ended.
        "NodeShutdown" | "Terminated" => vec![delete("wait until the node is up again; ")],
        // The kubelet could not allocate a device: its plugin is not registered, or reports no healthy device.
        "UnexpectedAdmissionError" => vec![
            Remedy::run(
                format!(
                    "check the device plugin on {}: the kubelet could not allocate what the pod requests",
                    target.node
                ),
                [CommandLine::new("kubectl get pods -A -o wide").words("--field-selector").name_within(
                    "spec.nodeName=",
                    target.node,
                    "",
                )],
            ),
            delete(""),
        ],
        // Only a node that matches gets a new pod.
        "NodeAffinity" => vec![Remedy::run(
            "the controller deletes the rejected pod, and creates a new one if the node matches the template; delete \
             the pod for an immediate retry",
            [target.delete_pod()],
        )],
        // The filters name what is in the way.
        reason if Reason::is_filter_rejection_of_kubelet(reason) => {
            vec![delete("once nothing is in the way: ")]
        }
        _ => vec![Remedy::run("find out why the pod failed", [about_pod]), delete("")],
    }
}

pub(super) fn warning(warning: &Reason, target: &RemedyContext<'_>, about_pod: CommandLine) -> Remedy {
    match warning {
        Reason::Warning { detail, .. } if warning.is_restarting_probe() => restarting_probe(detail, target),
        // For a volume, the kubelet names the missing object in the same words as for a variable.
        Reason::Warning { reason, detail, .. } if reason == "FailedMount" => container_error(detail, target, about_pod),
        Reason::Warning { reason, .. } if reason == FAILED_DAEMON_POD => Remedy::text_only(
            "the controller replaces the failed pods again and again, after up to 15 minutes: end what fails them, which \
             the status of each of them reports",
        ),
        Reason::Warning { detail, .. } => node_setup::remedy(detail, target).unwrap_or_else(|| check_events(about_pod)),
        _ => check_events(about_pod),
    }
}

fn check_events(about_pod: CommandLine) -> Remedy {
    Remedy::run("check the events of the pod", [about_pod])
}

/// The kubelet ends the container because of the probe: the container did not end by itself.
fn restarting_probe(detail: &str, target: &RemedyContext<'_>) -> Remedy {
    let probe = if detail.starts_with("Startup") { "startupProbe" } else { "livenessProbe" };
    Remedy::run(
        format!(
            "find out why the container does not answer its {probe}, which makes the kubelet restart it; or give the \
             probe more time: timeoutSeconds, failureThreshold ({})",
            target.rollout_note()
        ),
        [target.edit()],
    )
}

/// The kubelet names the missing object: `configmap "x" not found`.
pub(super) fn container_error(detail: &str, target: &RemedyContext<'_>, about_pod: CommandLine) -> Remedy {
    let missing = |kind: &str| {
        let (_, rest) = detail.split_once(&format!("{kind} \""))?;
        let (name, rest) = rest.split_once('"')?;
        rest.trim_start().starts_with("not found").then(|| name.rsplit('/').next().unwrap_or(name))
    };
    let create =
        |words, name: &str| CommandLine::in_namespace(target.namespace, words).name(name).words("--from-file=FILE");
    if let Some(name) = missing("configmap") {
        return Remedy::run(
            "create the missing ConfigMap with the keys that the container reads, from a FILE that has them; the kubelet then continues by itself",
            [create("create configmap", name)],
        );
    }
    if let Some(name) = missing("secret") {
        return Remedy::run(
            "create the missing Secret with the keys that the container reads, from a FILE that has them; the kubelet then continues by itself",
            [create("create secret generic", name)],
        );
    }
    node_setup::remedy(detail, target).unwrap_or_else(|| check_events(about_pod))
}

pub(super) fn crash(container: &str, last_exit: Option<&Exit>, target: &RemedyContext<'_>) -> Vec<Remedy> {
    let logs = || target.about_pod("logs").container(container).words("--previous");
    let log = match last_exit {
        Some(exit) if node_setup::is_wrong_architecture(&exit.message) => {
            node_setup::wrong_architecture(container, target)
        }
        // It never ran, so that it has no logs.
        Some(exit) if exit.reason == "StartError" => Remedy::run(
            format!(
                "fix the command of container {container} or its image: the command cannot be started ({})",
                target.rollout_note()
            ),
            [target.edit()],
        ),
        Some(exit) if exit.exit_code == 0 && exit.signal == 0 => Remedy::run(
            format!(
                "find out why the command of container {container} exits: the command of a daemon should run forever"
            ),
            [logs()],
        ),
        _ => Remedy::run(format!("check the logs of the previous {container} container"), [logs()]),
    };
    let memory = last_exit.filter(|exit| exit.reason == "OOMKilled").map(|_| {
        Remedy::run(
            format!("raise the memory limit of container {container}, which exceeded it ({})", target.rollout_note()),
            target.commands_reaching_existing_pod(
                CommandLine::in_namespace(target.namespace, "set resources")
                    .name_within("daemonset/", target.daemon_set, "")
                    .container(container)
                    .words("--limits=memory=AMOUNT"),
            ),
        )
    });
    [log].into_iter().chain(memory).collect()
}

pub(super) fn stuck(finalizers: &[String], kubelet_reports: bool, target: &RemedyContext<'_>) -> Remedy {
    if finalizers.is_empty() && kubelet_reports {
        return Remedy::run(
            "find out why the kubelet, which still reports, does not end the pod: a container that does not stop, a \
             volume that cannot be unmounted (its log on the node has more; a forced deletion would let two instances \
             run)",
            [target.about_pod("describe pod")],
        );
    }
    if finalizers.is_empty() {
        return Remedy::run(
            "if the node is permanently gone, force-delete the pod (if it is still running, two instances will run)",
            [target.about_pod("delete pod").words("--grace-period=0 --force")],
        );
    }
    Remedy::run(
        format!(
            "find the controller that has not removed its finalizer ({}); remove finalizers manually only if it is \
             permanently gone",
            ListLength::Handful.list(finalizers)
        ),
        [target
            .about_pod("patch pod")
            .words("--type=json")
            .patch(&json!([{ "op": "remove", "path": "/metadata/finalizers" }]))],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::FailedBy;
    use crate::render::reason::remedies;

    fn first(reason: &Reason) -> Remedy {
        let target = RemedyContext::named("n1", "ns", "ds", Some("ds-x"));
        remedies(reason, &target).swap_remove(0)
    }

    fn container_error_of(detail: &str) -> String {
        let reason = Reason::ContainerError {
            container: "main".into(),
            reason: "CreateContainerConfigError".into(),
            detail: detail.into(),
        };
        first(&reason).lines()[0].clone()
    }

    #[test]
    fn missing_configmap_or_secret_is_created_by_name() {
        for (detail, expected) in [
            (r#"configmap "settings" not found"#, "kubectl -n ns create configmap settings --from-file=FILE"),
            (r#"secret "ns/key" not found"#, "kubectl -n ns create secret generic key --from-file=FILE"),
            (r#"couldn't find key x in ConfigMap ns/settings"#, "kubectl -n ns describe pod ds-x"),
            (r#"configmap "a" is forbidden"#, "kubectl -n ns describe pod ds-x"),
        ] {
            assert_eq!(container_error_of(detail), expected);
        }
    }

    #[test]
    fn probe_that_restarts_the_container_is_the_cause() {
        let words = |reason: &str, detail: &str| {
            let (reason, detail) = (reason.into(), detail.into());
            first(&Reason::Warning { reason, detail, count: 72, last_seen: None }).text
        };
        assert!(
            words("Unhealthy", "Liveness probe failed: Get \"http://10.0.0.1:5555/live\"").contains("livenessProbe")
        );
        assert!(words("Unhealthy", "Startup probe failed: x").contains("startupProbe"));
        assert_eq!(words("Unhealthy", "Readiness probe failed: x"), "check the events of the pod");
        let volume = r#"MountVolume.SetUp failed for volume "config" : configmap "settings" not found"#;
        assert!(words("FailedMount", volume).starts_with("create the missing ConfigMap"));
        assert_eq!(words("Other", volume), "check the events of the pod");
    }

    #[test]
    fn rejected_device_leads_to_its_plugin() {
        let target = RemedyContext::named("n1", "ns", "ds", Some("ds-x"));
        let remedies = failed("UnexpectedAdmissionError", &target, target.about_pod("describe pod"));
        assert!(remedies[0].text.starts_with("check the device plugin on n1"), "{}", remedies[0].text);
        assert_eq!(remedies[1].lines(), ["kubectl -n ns delete pod ds-x"]);
    }

    #[test]
    fn oom_killed_container_gets_a_memory_remedy() {
        let exit = |reason: &str| Exit { exit_code: 137, signal: 0, reason: reason.into(), message: String::new() };
        let target = RemedyContext::named("n1", "ns", "ds", Some("ds-x"));
        assert_eq!(crash("main", Some(&exit("OOMKilled")), &target).len(), 2);
        assert_eq!(crash("main", Some(&exit("Error")), &target).len(), 1);
        assert_eq!(crash("main", None, &target)[0].lines(), ["kubectl -n ns logs ds-x -c main --previous"]);
    }

    #[test]
    fn custom_scheduler_is_named_in_the_remedy() {
        let unknown = Reason::NotScheduled { scheduler_name: Some("mine".into()) };
        assert!(first(&unknown).text.contains("mine"));
        let default = Reason::NotScheduled { scheduler_name: Some(DEFAULT_SCHEDULER.into()) };
        assert!(first(&default).text.contains("kube-scheduler"));
    }

    #[test]
    fn rejected_pod_is_described_only_if_its_message_is_not_enough() {
        for (reason, expected) in [
            ("OutOfcpu", "kubectl -n ns delete pod ds-x"),
            ("NodePorts", "kubectl -n ns delete pod ds-x"),
            ("NodeAffinity", "kubectl -n ns delete pod ds-x"),
            ("UnknownReason", "kubectl -n ns describe pod ds-x"),
        ] {
            let failed = Reason::PodFailed {
                reason: reason.into(),
                detail: String::new(),
                by: FailedBy::Kubelet,
                disruption: None,
            };
            assert_eq!(first(&failed).lines(), [expected], "{reason}");
        }
    }
}
