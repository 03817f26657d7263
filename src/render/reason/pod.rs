//! Remedies for a pod that was not created, is not scheduled, or does not become ready.

use serde_json::json;

use crate::explain::{Exit, Reason};
use crate::render::command_line::CommandLine;
use crate::render::name_list::{HANDFUL, ListLength};
use crate::render::remedy::{Remedy, RemedyContext, edit_template};

/// The API server's default for `schedulerName`.
const DEFAULT_SCHEDULER: &str = "default-scheduler";

pub(super) fn remedies(reason: &Reason, target: &RemedyContext<'_>) -> Vec<Remedy> {
    let about_daemon_set = |words| CommandLine::in_namespace(target.namespace, words).name(target.daemon_set);
    let about_pod = target.about_pod("describe pod");
    match reason {
        Reason::NotCreated => vec![Remedy::run(
            "check the DaemonSet's events, and that kube-controller-manager is running: it creates the pods",
            [about_daemon_set("describe daemonset")],
        )],
        Reason::NotObserved { .. } => vec![Remedy::say(
            "wait a moment; if the number does not change, check that kube-controller-manager is running, and its logs",
        )],
        Reason::NoLongerUnschedulable { .. } => vec![Remedy::run(
            "wait: no filter rejects the pod now, and the scheduler retries within 5 minutes; or delete the pod for an \
             immediate retry",
            [target.about_pod("delete pod")],
        )],
        Reason::SchedulerError { .. } => vec![Remedy::say("check the logs of the scheduler")],
        Reason::NotScheduled { scheduler_name } => vec![not_scheduled(scheduler_name.as_deref(), target)],
        Reason::PodFailed { reason, .. } if reason == "Evicted" => vec![Remedy::run(
            "free the resource that the node is short of, or the new pod is evicted again; the controller recreates \
             the pod",
            [target.describe_node()],
        )],
        Reason::PodFailed { .. } => {
            vec![Remedy::run("find out why the pod failed; the controller recreates it", [about_pod])]
        }
        Reason::ImageError { container, .. } => vec![
            Remedy::run(
                format!("check the image name and tag of container {container}, and its pull secret"),
                [about_pod],
            ),
            Remedy::run(
                format!("fix the image ({})", target.rollout_note()),
                target.commands_reaching_existing_pod(
                    CommandLine::in_namespace(target.namespace, "set image")
                        .name_within("daemonset/", target.daemon_set, "")
                        .container_within("", container, "=IMAGE"),
                ),
            ),
        ],
        Reason::ContainerError { detail, .. } => vec![container_error(detail, target, about_pod)],
        Reason::CrashLoopBackOff { container, last_exit, .. } => crash(container, last_exit.as_ref(), target),
        Reason::ContainerTerminated { container, last_exit, .. } => crash(container, Some(last_exit), target),
        Reason::ContainersNotReady { containers } => {
            let log = |container: &String| target.about_pod("logs").container(container);
            let lines = containers.iter().take(HANDFUL).map(log).chain([about_pod]);
            vec![Remedy::run("check the readiness probe and the logs", lines)]
        }
        Reason::PodSucceeded => vec![Remedy::run(
            "find out why the command exits: the command of a daemon should run forever",
            [target.about_pod("logs").words("--all-containers")],
        )],
        Reason::DaemonSetDeleting { .. } => vec![Remedy::run(
            "find the controller that has not removed its finalizer, or recreate the DaemonSet once it is gone",
            [about_daemon_set("get daemonset").words("-o yaml")],
        )],
        Reason::NotSeenByKubelet
        | Reason::Warning { .. }
        | Reason::ContainerCreating
        | Reason::Initializing { .. }
        | Reason::ReadinessGatesNotReady { .. } => {
            vec![Remedy::run("check the events of the pod", [about_pod])]
        }
        Reason::NodeNotReady { .. } => vec![Remedy::run(
            "recover the kubelet on the node; the pod cannot become Ready until then",
            [target.describe_node()],
        )],
        Reason::NodePressure { condition } => vec![Remedy::run(
            format!("free the resource that the node is short of: pods are evicted until {condition} is gone"),
            [target.describe_node()],
        )],
        Reason::TaintEviction { .. } => vec![Remedy::run(
            "remove tolerationSeconds from the first toleration that matches the taint",
            [target.edit()],
        )],
        Reason::Terminating { .. } => vec![Remedy::say("wait: the controller creates a new pod once this one is gone")],
        Reason::StuckTerminating { finalizers, .. } => vec![stuck(finalizers, target)],
        _ => Vec::new(),
    }
}

fn not_scheduled(scheduler: Option<&str>, target: &RemedyContext<'_>) -> Remedy {
    match scheduler {
        Some(name) if !matches!(name, "" | DEFAULT_SCHEDULER) => Remedy::run(
            format!("start the scheduler {name}, or use the default scheduler ({})", target.rollout_note()),
            target.commands_reaching_existing_pod(edit_template(
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

/// The kubelet names the missing object: `configmap "x" not found`.
fn container_error(detail: &str, target: &RemedyContext<'_>, about_pod: CommandLine) -> Remedy {
    let missing = |kind: &str| {
        let (_, rest) = detail.split_once(&format!("{kind} \""))?;
        let (name, rest) = rest.split_once('"')?;
        rest.trim_start().starts_with("not found").then(|| name.rsplit('/').next().unwrap_or(name))
    };
    let create = |words, name: &str| {
        CommandLine::in_namespace(target.namespace, words).name(name).words("--from-literal=KEY=VALUE")
    };
    if let Some(name) = missing("configmap") {
        return Remedy::run(
            "create the missing ConfigMap with the keys that the container reads; the kubelet then continues by itself",
            [create("create configmap", name)],
        );
    }
    if let Some(name) = missing("secret") {
        return Remedy::run(
            "create the missing Secret with the keys that the container reads; the kubelet then continues by itself",
            [create("create secret generic", name)],
        );
    }
    Remedy::run("check the events of the pod", [about_pod])
}

fn crash(container: &str, last_exit: Option<&Exit>, target: &RemedyContext<'_>) -> Vec<Remedy> {
    let log = Remedy::run(
        format!("check the logs of the previous {container} container"),
        [target.about_pod("logs").container(container).words("--previous")],
    );
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

fn stuck(finalizers: &[String], target: &RemedyContext<'_>) -> Remedy {
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
            (r#"configmap "settings" not found"#, "kubectl -n ns create configmap settings --from-literal=KEY=VALUE"),
            (r#"secret "ns/key" not found"#, "kubectl -n ns create secret generic key --from-literal=KEY=VALUE"),
            (r#"couldn't find key x in ConfigMap ns/settings"#, "kubectl -n ns describe pod ds-x"),
            (r#"configmap "a" is forbidden"#, "kubectl -n ns describe pod ds-x"),
        ] {
            assert_eq!(container_error_of(detail), expected);
        }
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
}
