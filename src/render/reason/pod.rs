//! What to do about a pod that was not made, has no node, or does not get ready.

use serde_json::json;

use crate::explain::{Exit, Reason};
use crate::render::command_line::CommandLine;
use crate::render::name_list::{HANDFUL, ListLength};
use crate::render::remedy::{Remedy, RemedyContext, edit_template};

/// The scheduler that a pod gets that asks for none.
const DEFAULT_SCHEDULER: &str = "default-scheduler";

/// What to do about it.
pub(super) fn remedies(reason: &Reason, target: &RemedyContext<'_>) -> Vec<Remedy> {
    let about_daemon_set = |words| CommandLine::in_namespace(target.namespace, words).name(target.daemon_set);
    let about_pod = target.about_pod("describe pod");
    match reason {
        Reason::NotCreated => vec![Remedy::run(
            "look at the DaemonSet's events, and whether kube-controller-manager runs: it makes the pods",
            [about_daemon_set("describe daemonset")],
        )],
        Reason::NotObserved { .. } => vec![Remedy::say(
            "wait a moment; if the number stays behind, kube-controller-manager does not run or is busy: look at its log",
        )],
        Reason::NoLongerUnschedulable { .. } => vec![Remedy::run(
            "nothing found now stands in its way, so the scheduler's last word may be old; it tries again within \
             5 minutes, or at once when the pod is made anew",
            [target.about_pod("delete pod")],
        )],
        Reason::SchedulerError { .. } => vec![Remedy::say("look at the scheduler's log")],
        Reason::NotScheduled { scheduler_name } => vec![not_scheduled(scheduler_name.as_deref(), target)],
        Reason::PodFailed { reason, .. } if reason == "Evicted" => vec![Remedy::run(
            "the controller makes a new pod by itself; free what the node is short of, or it is evicted again",
            [target.describe_node()],
        )],
        Reason::PodFailed { .. } => {
            vec![Remedy::run("the controller makes a new pod by itself; see why it failed", [about_pod])]
        }
        Reason::ImageError { container, .. } => vec![
            Remedy::run(
                format!("check the image's name and tag, and the pull secret of container {container}"),
                [about_pod],
            ),
            Remedy::run(
                format!("set the right image; {}", target.rollout_note()),
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
            vec![Remedy::run("see what the readiness probe says, and the log", lines)]
        }
        Reason::PodSucceeded => vec![Remedy::run(
            "see why its command ends: a daemon's goes on for ever",
            [target.about_pod("logs").words("--all-containers")],
        )],
        Reason::DaemonSetDeleting { .. } => vec![Remedy::run(
            "see who does not finish with it, or make it again under the same name when it is gone",
            [about_daemon_set("get daemonset").words("-o yaml")],
        )],
        Reason::NotSeenByKubelet
        | Reason::Warning { .. }
        | Reason::ContainerCreating
        | Reason::Initializing { .. }
        | Reason::ReadinessGatesNotReady { .. } => {
            vec![Remedy::run("see the pod's events", [about_pod])]
        }
        Reason::NodeNotReady { .. } => vec![Remedy::run(
            "bring the node's kubelet back; the pod cannot get ready before",
            [target.describe_node()],
        )],
        Reason::NodePressure { condition } => vec![Remedy::run(
            format!("free what the node is short of: {condition} has to go before pods stay"),
            [target.describe_node()],
        )],
        Reason::TaintEviction { .. } => vec![Remedy::run(
            "take tolerationSeconds out of the toleration that stands first and covers the taint",
            [target.edit()],
        )],
        Reason::Terminating { .. } => vec![Remedy::say("wait: a new pod is made when this one is gone")],
        Reason::StuckTerminating { finalizers, .. } => vec![stuck(finalizers, target)],
        _ => Vec::new(),
    }
}

fn not_scheduled(scheduler: Option<&str>, target: &RemedyContext<'_>) -> Remedy {
    match scheduler {
        Some(name) if !matches!(name, "" | DEFAULT_SCHEDULER) => Remedy::run(
            format!("start the scheduler {name}, or let the default one do it; {}", target.rollout_note()),
            target.commands_reaching_existing_pod(edit_template(
                target,
                &json!([{ "op": "replace", "path": "/spec/template/spec/schedulerName", "value": DEFAULT_SCHEDULER }]),
            )),
        ),
        _ => Remedy::run(
            "see whether kube-scheduler runs",
            [CommandLine::new("kubectl -n kube-system get pods -l component=kube-scheduler -o wide")],
        ),
    }
}

/// The kubelet names what is missing: `configmap "x" not found`.
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
            "make the ConfigMap that is missing, with what the container reads from it; the kubelet goes on by itself",
            [create("create configmap", name)],
        );
    }
    if let Some(name) = missing("secret") {
        return Remedy::run(
            "make the Secret that is missing, with what the container reads from it; the kubelet goes on by itself",
            [create("create secret generic", name)],
        );
    }
    Remedy::run("see the pod's events", [about_pod])
}

fn crash(container: &str, last_exit: Option<&Exit>, target: &RemedyContext<'_>) -> Vec<Remedy> {
    let log = Remedy::run(
        format!("read what {container} wrote before it ended"),
        [target.about_pod("logs").container(container).words("--previous")],
    );
    let memory = last_exit.filter(|exit| exit.reason == "OOMKilled").map(|_| {
        Remedy::run(
            format!("{container} used more memory than its limit: raise it; {}", target.rollout_note()),
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
            "if the node is off for good, take the pod out of the API; while it runs there, a second one would run beside it",
            [target.about_pod("delete pod").words("--grace-period=0 --force")],
        );
    }
    Remedy::run(
        format!(
            "see why the owner of {} does not finish; only if it is gone for good, take them off",
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
    fn what_the_kubelet_misses_by_name_is_named_in_the_line_that_makes_it() {
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
    fn a_container_that_ran_out_of_memory_is_told_apart_from_one_that_crashed() {
        let exit = |reason: &str| Exit { exit_code: 137, signal: 0, reason: reason.into(), message: String::new() };
        let target = RemedyContext::named("n1", "ns", "ds", Some("ds-x"));
        assert_eq!(crash("main", Some(&exit("OOMKilled")), &target).len(), 2);
        assert_eq!(crash("main", Some(&exit("Error")), &target).len(), 1);
        assert_eq!(crash("main", None, &target)[0].lines(), ["kubectl -n ns logs ds-x -c main --previous"]);
    }

    #[test]
    fn a_scheduler_of_another_name_is_asked_for_by_that_name() {
        let unknown = Reason::NotScheduled { scheduler_name: Some("mine".into()) };
        assert!(first(&unknown).text.contains("mine"));
        let default = Reason::NotScheduled { scheduler_name: Some(DEFAULT_SCHEDULER.into()) };
        assert!(first(&default).text.contains("kube-scheduler"));
    }
}
