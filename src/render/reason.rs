//! The sentences of reasons: short ones that group nodes with the same cause, and detailed ones for one node.

pub(crate) mod admission;
mod image;
mod node;
mod node_setup;
pub(crate) mod placement;
mod pod;
pub(crate) mod scheduling;

use jiff::Timestamp;
use serde_json::json;

use super::age::age;
use super::command_line::CommandLine;
use super::commands::merge_patch;
use super::name_list::{HANDFUL, ListLength};
use super::remedy::{Remedy, RemedyContext};
use super::text::{pluralize, sanitize};
use crate::explain::{Exit, ImageProblem, ReadyStatus, Reason};
use crate::snapshot::VirtualNode;

/// The cause without details that differ between nodes, so that equal causes have equal text. Safe text.
pub(crate) fn summary(reason: &Reason) -> String {
    let text = match reason {
        Reason::NotCreated => "no pod was created".into(),
        Reason::NotObserved { .. } => "the controller has not observed the latest spec yet".into(),
        Reason::Unschedulable { scheduler } => format!("unschedulable: {}", own_part(scheduler)),
        Reason::NoLongerUnschedulable { scheduler } => format!("was unschedulable: {}", own_part(scheduler)),
        Reason::SchedulingGated => "scheduling gate not removed".into(),
        Reason::SchedulerError { .. } => "the scheduler failed".into(),
        Reason::NotScheduled { .. } => "no scheduler has processed the pod".into(),
        Reason::NotKnown { missing } => missing.clone(),
        Reason::NodePressure { condition } => format!("node has {condition}"),
        Reason::TaintEviction { taint, .. } => format!("taint {taint} is tolerated only temporarily"),
        Reason::Rejected { rejection, .. } => format!("not created: {}", admission::summary(rejection)),
        Reason::FilterRejection(rejection) => scheduling::summary(rejection),
        Reason::PodFailed { reason, .. } => {
            if reason.is_empty() {
                "pod failed".into()
            } else {
                reason.clone()
            }
        }
        Reason::PodSucceeded => "all containers exited with 0".into(),
        Reason::Terminating { .. } => "Terminating".into(),
        Reason::DaemonSetDeleting { .. } => "the DaemonSet is being deleted".into(),
        Reason::ImageError { reason, .. } | Reason::ContainerError { reason, .. } | Reason::Warning { reason, .. } => {
            reason.clone()
        }
        Reason::CrashLoopBackOff { last_exit, .. } => match last_exit {
            Some(exit) => format!("CrashLoopBackOff ({})", exit_in_short(exit)),
            None => "CrashLoopBackOff".into(),
        },
        Reason::ContainerTerminated { last_exit, .. } => {
            format!("container terminated ({})", exit_in_short(last_exit))
        }
        Reason::Initializing { .. } => "init containers running".into(),
        Reason::ContainerCreating => "creating containers".into(),
        Reason::NotSeenByKubelet => "waiting for the kubelet".into(),
        Reason::ContainersNotReady { containers } if containers.is_empty() => "pod not ready".into(),
        Reason::ContainersNotReady { .. } => "containers not ready".into(),
        Reason::ReadinessGatesNotReady { .. } => "readiness gates not ready".into(),
        Reason::NodeNotReady { .. } => "node not ready".into(),
        Reason::NodeDeleting { .. } => "node is being deleted".into(),
        Reason::NodeMaintenance { condition, .. } => node::lifecycle(condition),
        Reason::VirtualNode { provider: VirtualNode::Fargate } => "Fargate node".into(),
        Reason::VirtualNode { provider: VirtualNode::VirtualKubelet } => "virtual node".into(),
        Reason::MinReadySeconds { min_ready_seconds, .. } => {
            format!("ready for less than minReadySeconds ({min_ready_seconds}s)")
        }
        Reason::StuckTerminating { .. } => "stuck Terminating".into(),
        Reason::SurgeHostPortConflict { port, protocol } => {
            format!("old and new pod need the same host port {port}/{protocol}")
        }
        Reason::SurgeAntiAffinityConflict => "the anti-affinity keeps the new pod off the node of the old one".into(),
        Reason::OldPodOnDeletedNode { .. } => "old pod left on a deleted node".into(),
        Reason::ExtraPods { .. } => "extra pods on the node".into(),
        Reason::NotEligible(failure) => placement::summary(failure),
    };
    sanitize(&text)
}

/// The cause with its evidence. Safe text.
pub(crate) fn detail(reason: &Reason, now: Timestamp, names: ListLength) -> String {
    let ago = |since: Option<Timestamp>| since.map(|since| age(since, now));
    let text = match reason {
        Reason::NotCreated => "no pod was created, and no recorded event explains why".into(),
        Reason::NotObserved { generation, observed } => {
            format!("the controller has observed generation {observed}; the spec has generation {generation}")
        }
        Reason::SchedulerError { scheduler } => format!("the scheduler failed: {scheduler}"),
        Reason::NotScheduled { scheduler_name: None } => {
            "no scheduler has processed the pod: check that the scheduler in schedulerName is running".into()
        }
        Reason::NotScheduled { scheduler_name: Some(name) } => {
            format!("no scheduler has processed the pod: check that scheduler {name} exists and is running")
        }
        Reason::NotKnown { .. } => summary(reason),
        Reason::NodePressure { condition } => {
            format!("node has {condition}: the kubelet evicts each new pod with a priority below 2000000000")
        }
        Reason::TaintEviction { taint, seconds } => {
            format!("toleration of taint {taint} expires after {seconds}s: the pod is evicted and recreated in a loop")
        }
        Reason::Rejected { rejection, count, last_seen } => {
            let times = count.map(|count| times(count, ago(*last_seen))).unwrap_or_default();
            format!("{}{times}", admission::detail(rejection, names))
        }
        Reason::FilterRejection(rejection) => scheduling::detail(rejection, names),
        Reason::PodFailed { detail, disruption, .. } => {
            let disruption = disruption.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
            with_detail(&format!("{}{disruption}", summary(reason)), detail)
        }
        Reason::ImageError { container, detail, .. } | Reason::ContainerError { container, detail, .. } => {
            with_detail(&format!("container {container}: {}", summary(reason)), detail)
        }
        Reason::CrashLoopBackOff { container, restarts, last_exit } => {
            let exit = last_exit.as_ref().map(|exit| format!("{}, ", exit_in_full(exit))).unwrap_or_default();
            format!("container {container}: CrashLoopBackOff ({exit}{})", pluralize(clamped(*restarts), "restart"))
        }
        Reason::ContainerTerminated { container, restarts, last_exit } => {
            format!(
                "container {container} terminated ({}, {})",
                exit_in_full(last_exit),
                pluralize(clamped(*restarts), "restart")
            )
        }
        Reason::Initializing { done, total, container } => {
            let running = container.as_ref().map(|name| format!("; {name} is running")).unwrap_or_default();
            format!("init containers: {done} of {total} completed{running}")
        }
        Reason::NotSeenByKubelet => "scheduled; waiting for the kubelet".into(),
        // The node lifecycle controller marks the pods of a node that is not ready
        // (`pkg/controller/util/node/controller_utils.go` `MarkPodsNotReady`).
        Reason::ContainersNotReady { containers } if containers.is_empty() => {
            "pod not ready, although all its containers are: the node was not ready, and its kubelet has not updated the \
             pod since"
                .into()
        }
        Reason::ContainersNotReady { containers } => {
            format!("containers not ready: {}", names.list(containers))
        }
        Reason::ReadinessGatesNotReady { detail } => with_detail("readiness gates not ready", detail),
        Reason::NodeNotReady { reason, detail, since, .. } => {
            let since = ago(*since).map(|since| format!(" for {since}")).unwrap_or_default();
            format!("node not ready{since} ({})", with_detail(reason, detail))
        }
        Reason::NodeMaintenance { condition, reason, detail, since } => {
            let since = ago(*since).map(|since| format!(" for {since}")).unwrap_or_default();
            let why = if reason.is_empty() { condition.clone() } else { format!("{condition}, {}", with_detail(reason, detail)) };
            format!("{}{since} ({why})", node::lifecycle(condition))
        }
        Reason::NodeDeleting { since, finalizers } => {
            let blocked_by = waiting_for_finalizers(finalizers, names);
            format!("the node is being deleted (started {} ago){blocked_by}", age(*since, now))
        }
        Reason::VirtualNode { provider } => {
            let machine = match provider {
                VirtualNode::Fargate => "the machine of the one pod for which it was created",
                VirtualNode::VirtualKubelet => "no machine, but a service that runs pods",
            };
            format!("{}: {machine}, so that no pod of a DaemonSet runs on it", summary(reason))
        }
        Reason::MinReadySeconds { min_ready_seconds, since } => match ago(*since) {
            Some(since) => format!("ready for {since} of {min_ready_seconds}s (minReadySeconds)"),
            None => summary(reason),
        },
        Reason::PodSucceeded => {
            "all containers exited with 0; a daemon should keep running, so the controller recreates the pod".into()
        }
        Reason::Terminating { deadline } => format!("Terminating ({} of grace period left)", age(now, *deadline)),
        Reason::DaemonSetDeleting { since, finalizers } => {
            let blocked_by = waiting_for_finalizers(finalizers, names);
            format!(
                "the DaemonSet is being deleted (started {} ago): no more pods are created{blocked_by}",
                age(*since, now)
            )
        }
        Reason::StuckTerminating { deadline, finalizers, .. } => {
            let blocked_by = waiting_for_finalizers(finalizers, names);
            format!("stuck Terminating: grace period expired {} ago{blocked_by}", age(*deadline, now))
        }
        Reason::Warning { reason, detail, count, last_seen } => {
            format!("{reason}: {detail}{}", times(*count, ago(*last_seen)))
        }
        Reason::SurgeHostPortConflict { port, protocol } => format!(
            "the new pod needs host port {port}/{protocol}, which the old pod on the same node uses; with maxSurge \
             the old pod stays until the new one is available"
        ),
        Reason::SurgeAntiAffinityConflict => {
            "the required anti-affinity of the DaemonSet lets no new pod start beside the old pod on the same node; with \
             maxSurge the old pod stays until the new one is available"
                .into()
        }
        Reason::OldPodOnDeletedNode { pod } => {
            format!("old pod {pod} is left on a deleted node; the controller does not continue until the pod is gone")
        }
        Reason::ExtraPods { pods } => {
            format!("{}: {}", pluralize(pods.len(), "extra pod"), names.join(pods, 3, ", ", String::clone))
        }
        Reason::NotEligible(failure) => placement::detail(failure, names),
        Reason::NoLongerUnschedulable { .. } => format!("{}; no filter rejects the pod anymore", summary(reason)),
        Reason::Unschedulable { .. } | Reason::SchedulingGated | Reason::ContainerCreating => summary(reason),
    };
    sanitize(&text)
}

/// What fixes the cause; empty where nothing is known to help.
pub(crate) fn remedies(reason: &Reason, target: &RemedyContext<'_>) -> Vec<Remedy> {
    let about_daemon_set = |words| CommandLine::in_namespace(target.namespace, words).name(target.daemon_set);
    let about_pod = target.about_pod("describe pod");
    match reason {
        Reason::NotCreated => vec![Remedy::run(
            "check the DaemonSet's events, and that kube-controller-manager is running: it creates the pods",
            [about_daemon_set("describe daemonset")],
        )],
        Reason::NotObserved { .. } => vec![Remedy::text_only(
            "wait a moment; if the number does not change, check that kube-controller-manager is running, and its logs",
        )],
        Reason::NoLongerUnschedulable { .. } => vec![Remedy::run(
            "wait: no filter rejects the pod now, and the scheduler retries within 5 minutes; or delete the pod for an \
             immediate retry",
            [target.delete_pod()],
        )],
        Reason::SchedulerError { .. } => vec![Remedy::text_only("check the logs of the scheduler")],
        Reason::NotScheduled { scheduler_name } => vec![pod::not_scheduled(scheduler_name.as_deref(), target)],
        Reason::PodFailed { reason, .. } if reason == "Evicted" => vec![Remedy::run(
            "free the resource that the node is short of, or the new pod is evicted again; the controller recreates \
             the pod",
            [target.describe_node()],
        )],
        Reason::PodFailed { reason, .. } => pod::failed(reason, target, about_pod),
        Reason::ImageError { container, reason, detail, .. } => {
            image::remedies(container, ImageProblem::new(reason, detail), target)
        }
        Reason::ContainerError { detail, .. } => vec![pod::container_error(detail, target, about_pod)],
        Reason::CrashLoopBackOff { container, last_exit, .. } => pod::crash(container, last_exit.as_ref(), target),
        Reason::ContainerTerminated { container, last_exit, .. } => pod::crash(container, Some(last_exit), target),
        Reason::ContainersNotReady { containers } if containers.is_empty() => vec![Remedy::run(
            "wait a moment: the kubelet reports the pod as ready with its next update; if it does not, restart the \
             kubelet of the node",
            [about_pod],
        )],
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
        Reason::Initializing { container: Some(container), .. } => vec![Remedy::run(
            format!("check what init container {container} waits for: its logs"),
            [target.about_pod("logs").container(container)],
        )],
        Reason::Warning { .. } => vec![pod::warning(reason, target, about_pod)],
        Reason::NotSeenByKubelet
        | Reason::ContainerCreating
        | Reason::Initializing { .. }
        | Reason::ReadinessGatesNotReady { .. } => {
            vec![Remedy::run("check the events of the pod", [about_pod])]
        }
        Reason::NodeNotReady { status: ReadyStatus::Unknown, .. } => vec![Remedy::run(
            "recover the node or its kubelet, which does not report; the pod cannot become Ready until then",
            [target.describe_node()],
        )],
        reason if reason.is_without_network() && target.is_network_plugin() => {
            vec![Remedy::text_only("fix the pod of this network plugin first: the node becomes ready once it runs")]
        }
        Reason::NodeNotReady { status: ReadyStatus::False, detail, .. } => vec![Remedy::run(
            format!(
                "fix what the kubelet reports; the pod cannot become Ready until then{}",
                if detail.is_empty() { String::new() } else { format!(": {detail}") }
            ),
            [target.describe_node()],
        )],
        Reason::NodeMaintenance { .. } => vec![Remedy::run(
            "nothing to fix while the node is maintained: its pod returns afterwards. If the maintenance is over, remove the condition",
            [target.describe_node()],
        )],
        Reason::NodeDeleting { .. } => vec![Remedy::text_only(
            "nothing to fix if the node is to go: its pods end with it. If it stays, find out what deletes it, and what \
             its finalizers wait for",
        )],
        Reason::VirtualNode { provider } => vec![keep_off(*provider, target)],
        Reason::NodePressure { condition } => vec![Remedy::run(
            format!("free the resource that the node is short of: pods are evicted until {condition} is gone"),
            [target.describe_node()],
        )],
        Reason::TaintEviction { .. } => vec![Remedy::run(
            "remove tolerationSeconds from the first toleration that matches the taint",
            [target.edit()],
        )],
        Reason::Terminating { .. } => {
            vec![Remedy::text_only("wait: the controller creates a new pod once this one is gone")]
        }
        Reason::StuckTerminating { finalizers, kubelet_reports, .. } => {
            vec![pod::stuck(finalizers, *kubelet_reports, target)]
        }
        Reason::SurgeHostPortConflict { .. } | Reason::SurgeAntiAffinityConflict => vec![Remedy::run(
            "set maxSurge to 0, so that the old pod is deleted before the new one is created",
            [merge_patch(target, &scheduling::without_surge_patch())],
        )],
        Reason::OldPodOnDeletedNode { pod } => vec![Remedy::run(
            "force-delete the pod, or wait for the pod garbage collector to delete it",
            [force_delete(target, pod)],
        )],
        Reason::NotEligible(failure) => placement::remedies(failure, target),
        Reason::Rejected { rejection, .. } => admission::remedies(rejection, target),
        Reason::FilterRejection(rejection) => scheduling::remedies(rejection, target),
        // The filters explain an unschedulable pod, the gates have a check of their own, and time ends the last one.
        Reason::Unschedulable { .. }
        | Reason::SchedulingGated
        | Reason::NotKnown { .. }
        | Reason::ExtraPods { .. }
        | Reason::MinReadySeconds { .. } => Vec::new(),
    }
}

/// Excludes virtual nodes by their label. An existing node affinity is not overwritten.
fn keep_off(provider: VirtualNode, target: &RemedyContext<'_>) -> Remedy {
    let (key, value) = provider.label();
    let affinity = target.template.and_then(|template| template.affinity.as_ref());
    let has_affinity = affinity.is_some_and(|affinity| affinity.node_affinity.is_some());
    let term = json!({ "matchExpressions": [{ "key": key, "operator": "NotIn", "values": [value] }] });
    let terms = json!({ "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": [term] } });
    let merge = json!({ "spec": { "template": { "spec": { "affinity": { "nodeAffinity": terms } } } } });
    let line = match has_affinity {
        true => target.edit(),
        false => merge_patch(target, &merge),
    };
    Remedy::run(
        format!(
            "keep the DaemonSet off such nodes: required node affinity {key} NotIn [{value}] ({})",
            target.rollout_note()
        ),
        [line],
    )
}

/// Deletes a pod from the API without waiting for its kubelet.
pub(super) fn force_delete(target: &RemedyContext<'_>, pod: &str) -> CommandLine {
    CommandLine::in_namespace(target.namespace, "delete pod").name(pod).words("--force --grace-period=0")
}

fn waiting_for_finalizers(finalizers: &[String], names: ListLength) -> String {
    match finalizers {
        [] => String::new(),
        [one] => format!("; waiting for finalizer {one}"),
        several => format!("; waiting for finalizers {}", names.list(several)),
    }
}

fn clamped(restarts: i32) -> usize {
    usize::try_from(restarts).unwrap_or_default()
}

fn with_detail(head: &str, detail: &str) -> String {
    match detail {
        "" => head.to_owned(),
        detail => format!("{head}: {detail}"),
    }
}

/// ` (5 times, last 3m ago)`.
fn times(count: i32, ago: Option<String>) -> String {
    match (count, ago) {
        (1, Some(ago)) => format!(" ({ago} ago)"),
        (count, Some(ago)) => format!(" ({count} times, last {ago} ago)"),
        (1, None) => String::new(),
        (count, None) => format!(" ({count} times)"),
    }
}

pub(super) fn exit_in_short(exit: &Exit) -> String {
    match (exit.reason.as_str(), exit.signal) {
        ("OOMKilled", _) => "OOMKilled".into(),
        (_, 0) => format!("exit {}", exit.exit_code),
        (_, signal) => format!("signal {signal}"),
    }
}

fn exit_in_full(exit: &Exit) -> String {
    match exit.message.as_str() {
        "" => exit_in_short(exit),
        message => format!("{}: {message}", exit_in_short(exit)),
    }
}

/// The part of the scheduler's message about the pod's own node. A daemon pod is pinned to one node: the other nodes
/// are rejected by node affinity, and are noise here.
fn own_part(message: &str) -> String {
    let parts = message.split_once("nodes are available: ").map_or(message, |(_, parts)| parts);
    // The reasons of the filters end before the part about preemption.
    let parts = parts.split(". ").next().unwrap_or(parts).trim_end_matches('.');
    let is_noise = |part: &str| {
        part.contains("didn't satisfy plugin") || part.contains("didn't match Pod's node affinity/selector")
    };
    let own: Vec<&str> = parts.split(", ").map(without_count).filter(|part| !is_noise(part)).collect();
    match own.is_empty() {
        true => parts.to_owned(),
        false => own.join(", "),
    }
}

/// `1 Insufficient cpu` without its count.
fn without_count(part: &str) -> &str {
    match part.split_once(' ') {
        Some((number, rest)) if number.bytes().all(|c| c.is_ascii_digit()) => rest,
        _ => part,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_unschedulable_keeps_only_the_pods_own_node() {
        for (message, expected) in [
            (
                "0/5 nodes are available: 1 Insufficient cpu, 4 node(s) didn't satisfy plugin(s) [NodeAffinity]. no new \
                 claims to deallocate, preemption: 0/5 nodes are available: 1 No preemption victims found for incoming pod.",
                "unschedulable: Insufficient cpu",
            ),
            (
                "0/9 nodes are available: 1 Insufficient cpu, 1 Too many pods, 8 node(s) didn't match Pod's node \
                 affinity/selector. preemption: not eligible.",
                "unschedulable: Insufficient cpu, Too many pods",
            ),
            (
                "0/5 nodes are available: 5 node(s) didn't satisfy plugin(s) [NodeAffinity].",
                "unschedulable: 5 node(s) didn't satisfy plugin(s) [NodeAffinity]",
            ),
            ("no nodes available to schedule pods", "unschedulable: no nodes available to schedule pods"),
            ("", "unschedulable: "),
        ] {
            let reason = Reason::Unschedulable { scheduler: message.into() };
            assert_eq!(summary(&reason), sanitize(expected));
        }
    }

    #[test]
    fn pod_that_is_not_ready_although_its_containers_are_says_why() {
        let reason = Reason::ContainersNotReady { containers: Vec::new() };
        let text = detail(&reason, Timestamp::UNIX_EPOCH, ListLength::Handful);
        assert!(text.contains("although all its containers are: the node was not ready"), "{text}");
        let named = Reason::ContainersNotReady { containers: vec!["main".into()] };
        assert_eq!(detail(&named, Timestamp::UNIX_EPOCH, ListLength::Handful), "containers not ready: main");
    }

    #[test]
    fn hostile_text_of_an_event_is_escaped() {
        let reason = Reason::Warning {
            reason: "Failed\u{1b}[2J".into(),
            detail: "a\u{202e}b".into(),
            count: 1,
            last_seen: None,
        };
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(detail(&reason, now, ListLength::Handful), "Failed\\u{1b}[2J: a\\u{202e}b");
        assert_eq!(summary(&reason), "Failed\\u{1b}[2J");
    }

    #[test]
    fn virtual_node_is_excluded_without_losing_another_affinity() {
        let fargate = Reason::VirtualNode { provider: VirtualNode::Fargate };
        let lines = |template: Option<&k8s_openapi::api::core::v1::PodSpec>| {
            let target = RemedyContext { template, ..RemedyContext::named("n", "ns", "ds", Some("ds-x")) };
            let all = remedies(&fargate, &target);
            all.into_iter().flat_map(|remedy| remedy.lines().to_vec()).collect::<Vec<_>>()
        };
        assert!(
            lines(None)[0]
                .contains(r#""key":"eks.amazonaws.com/compute-type","operator":"NotIn","values":["fargate"]"#)
        );
        let affinity = json!({ "nodeAffinity": {} });
        let template = crate::testing::objects::from_json(json!({ "containers": [], "affinity": affinity }));
        assert_eq!(lines(Some(&template)), ["kubectl -n ns edit daemonset ds"]);
    }
}
