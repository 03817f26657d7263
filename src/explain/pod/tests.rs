//! Every state of a pod, from its fields.

#![allow(clippy::unwrap_used)]

use k8s_openapi::api::core::v1::Event;
use serde_json::{Value, json};

use super::pod_state;
use crate::explain::{Exit, Reason, State};
use crate::snapshot::{Node, PodSummary};
use crate::testing::objects::{self, node, now};

/// State and reasons of a bound pod with this status.
fn with_status(status: Value) -> (State, Value) {
    state_of(json!({ "spec": { "nodeName": "n" }, "status": status }))
}

fn state_of(pod: Value) -> (State, Value) {
    on(pod, None, 0)
}

fn on(pod: Value, node: Option<&Node>, min_ready_seconds: i32) -> (State, Value) {
    let pod: PodSummary = serde_json::from_value(pod).unwrap();
    let (state, reasons) = pod_state(&pod, node, min_ready_seconds, now());
    (state, serde_json::to_value(reasons).unwrap())
}

fn waiting(reason: &str, message: &str) -> Value {
    json!({ "phase": "Pending", "containerStatuses": [{ "name": "c", "state": { "waiting": { "reason": reason, "message": message } } }] })
}

fn not_ready_node() -> Node {
    let ready = json!({ "type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown", "lastTransitionTime": "2026-01-02T11:46:00Z" });
    node("n", json!({ "status": { "conditions": [ready] } }))
}

#[test]
fn pod_in_grace_period_is_terminating_not_stuck() {
    let (state, reasons) = state_of(
        json!({ "metadata": { "deletionTimestamp": "2026-01-02T12:00:10Z" }, "status": { "phase": "Running" } }),
    );
    assert_eq!(state, State::Terminating);
    assert_eq!(reasons, json!([{ "code": "Terminating", "deadline": "2026-01-02T12:00:10Z" }]));
}

#[test]
fn pod_past_deadline_is_stuck_with_finalizers_and_node() {
    let pod = json!({ "metadata": { "deletionTimestamp": "2026-01-02T11:59:00Z", "finalizers": ["a/b"] }, "status": { "phase": "Running" } });
    let (state, reasons) = on(pod, Some(&not_ready_node()), 0);
    assert_eq!(state, State::Terminating);
    assert_eq!(
        reasons,
        json!([
            { "code": "StuckTerminating", "deadline": "2026-01-02T11:59:00Z", "finalizers": ["a/b"] },
            { "code": "NodeNotReady", "status": "Unknown", "reason": "NodeStatusUnknown", "since": "2026-01-02T11:46:00Z" },
        ])
    );
}

#[test]
fn container_comes_before_node_if_the_kubelet_reports() {
    let codes = |status: &str| -> Vec<String> {
        let message = "container runtime network not ready: cni plugin not initialized.";
        let ready = json!({ "type": "Ready", "status": status, "reason": "KubeletNotReady", "message": message });
        let node: Node = node("n", json!({ "status": { "conditions": [ready] } }));
        let pod = json!({ "spec": { "nodeName": "n" }, "status": waiting("ImagePullBackOff", "429") });
        let (_, reasons) = on(pod, Some(&node), 0);
        let reasons = reasons.as_array().unwrap();
        reasons.iter().map(|reason| reason["code"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(codes("False"), ["ImageError", "NodeNotReady"]);
    assert_eq!(codes("Unknown"), ["NodeNotReady", "ImageError"]);
}

#[test]
fn failed_pod_has_kubelet_reason_and_disruption() {
    let (state, reasons) = with_status(json!({
        "phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory.",
        "conditions": [{ "type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet" }],
    }));
    assert_eq!(state, State::Failed);
    assert_eq!(
        reasons,
        json!([{ "code": "PodFailed", "reason": "Evicted", "detail": "The node was low on resource: memory.", "disruption": "TerminationByKubelet" }])
    );
}

#[test]
fn failed_pod_without_reason_has_container_exit() {
    let ended = json!({ "name": "c", "state": { "terminated": { "exitCode": 3, "reason": "Error" } } });
    let (_, reasons) = with_status(json!({ "phase": "Failed", "containerStatuses": [ended] }));
    assert_eq!(
        reasons,
        json!([{ "code": "PodFailed", "reason": "Error", "detail": "a container exited with code 3" }])
    );
}

#[test]
fn succeeded_pod_has_container_exits() {
    let ended = json!({ "name": "c", "state": { "terminated": { "exitCode": 0, "reason": "Completed" } } });
    let (state, reasons) = with_status(json!({ "phase": "Succeeded", "containerStatuses": [ended] }));
    assert_eq!(state, State::Succeeded);
    assert_eq!((&reasons[0]["code"], &reasons[1]["lastExit"]["exitCode"]), (&json!("PodSucceeded"), &json!(0)));
}

#[test]
fn pod_without_node_has_scheduler_message() {
    let unbound = |conditions: Value| state_of(json!({ "status": { "phase": "Pending", "conditions": conditions } }));
    let scheduled =
        |reason: &str| json!([{ "type": "PodScheduled", "status": "False", "reason": reason, "message": "m" }]);
    for (conditions, expected) in [
        (json!([]), json!([{ "code": "NotScheduled" }])),
        (scheduled("SchedulingGated"), json!([{ "code": "SchedulingGated" }])),
        (scheduled("SchedulerError"), json!([{ "code": "SchedulerError", "scheduler": "m" }])),
        (scheduled("Unschedulable"), json!([{ "code": "Unschedulable", "scheduler": "m" }])),
    ] {
        assert_eq!(unbound(conditions), (State::Pending, expected));
    }
}

#[test]
fn image_and_config_errors_have_container_and_message() {
    for reason in ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"] {
        let (state, reasons) = with_status(waiting(reason, "m"));
        assert_eq!(state, State::NotReady, "{reason}");
        assert_eq!(reasons, json!([{ "code": "ImageError", "container": "c", "reason": reason, "detail": "m" }]));
    }
    for reason in ["CreateContainerConfigError", "CreateContainerError", "RunContainerError", "PostStartHookError"] {
        let (state, reasons) = with_status(waiting(reason, "m"));
        assert_eq!(state, State::NotReady, "{reason}");
        assert_eq!(reasons[0]["code"], "ContainerError", "{reason}");
    }
}

#[test]
fn crash_loop_has_last_exit() {
    let status = json!({ "phase": "Running", "containerStatuses": [{
        "name": "c", "restartCount": 6,
        "state": { "waiting": { "reason": "CrashLoopBackOff" } },
        "lastState": { "terminated": { "exitCode": 137, "reason": "OOMKilled" } },
    }] });
    let (state, reasons) = with_status(status);
    assert_eq!(state, State::NotReady);
    let exit = json!({ "exitCode": 137, "reason": "OOMKilled" });
    assert_eq!(reasons, json!([{ "code": "CrashLoopBackOff", "container": "c", "restarts": 6, "lastExit": exit }]));
}

#[test]
fn failing_init_container_hides_waiting_containers() {
    let (state, reasons) = state_of(json!({
        "spec": { "nodeName": "n", "initContainers": [{ "name": "i" }] },
        "status": {
            "phase": "Pending",
            "initContainerStatuses": [{ "name": "i", "state": { "terminated": { "exitCode": 1, "reason": "Error" } } }],
            "containerStatuses": [{ "name": "c", "state": { "waiting": { "reason": "PodInitializing" } } }],
        },
    }));
    assert_eq!(state, State::NotReady);
    assert_eq!((&reasons[0]["code"], &reasons[0]["container"]), (&json!("ContainerTerminated"), &json!("i")));
}

#[test]
fn init_progress_counts_sidecars_once_started() {
    let done = json!({ "name": "i", "state": { "terminated": { "exitCode": 0 } } });
    let sidecar = json!({ "name": "s", "started": true, "state": { "running": {} } });
    let (state, reasons) = state_of(json!({
        "spec": { "nodeName": "n", "initContainers": [{ "name": "i" }, { "name": "s", "restartPolicy": "Always" }, { "name": "j" }] },
        "status": {
            "phase": "Pending",
            "initContainerStatuses": [done, sidecar, { "name": "j", "state": { "running": {} } }],
            "containerStatuses": [{ "name": "c", "state": { "waiting": { "reason": "PodInitializing" } } }],
        },
    }));
    let expected = json!([{ "code": "Initializing", "done": 2, "total": 3, "container": "j" }]);
    assert_eq!((state, reasons), (State::Starting, expected));
}

#[test]
fn bound_pod_without_problems_is_starting() {
    assert_eq!(
        with_status(waiting("ContainerCreating", "")),
        (State::Starting, json!([{ "code": "ContainerCreating" }]))
    );
    assert_eq!(with_status(json!({ "phase": "Pending" })), (State::Starting, json!([{ "code": "NotSeenByKubelet" }])));
}

#[test]
fn running_unready_pod_has_containers_or_gates() {
    let running = |name: &str, ready: bool| json!({ "name": name, "ready": ready, "state": { "running": {} } });
    let status = |reason: &str| {
        json!({ "phase": "Running",
            "conditions": [{ "type": "Ready", "status": "False", "reason": reason, "message": "m" }],
            "containerStatuses": [running("a", true), running("b", false)] })
    };
    let (state, reasons) = with_status(status("ContainersNotReady"));
    assert_eq!((state, reasons), (State::NotReady, json!([{ "code": "ContainersNotReady", "containers": ["b"] }])));
    let (_, reasons) = with_status(status("ReadinessGatesNotReady"));
    assert_eq!(reasons, json!([{ "code": "ReadinessGatesNotReady", "detail": "m" }]));
}

#[test]
fn pod_on_not_ready_node_has_node_reason_first() {
    let status = json!({ "phase": "Running", "conditions": [{ "type": "Ready", "status": "False" }], "containerStatuses": [{ "name": "c", "state": { "running": {} } }] });
    let (state, reasons) = on(json!({ "spec": { "nodeName": "n" }, "status": status }), Some(&not_ready_node()), 0);
    assert_eq!(state, State::NotReady);
    assert_eq!(reasons[0]["code"], "NodeNotReady");
}

#[test]
fn ready_pod_is_available_after_min_ready_seconds() {
    let status = json!({ "phase": "Running", "conditions": [{ "type": "Ready", "status": "True", "lastTransitionTime": "2026-01-02T11:59:00Z" }] });
    let pod = json!({ "spec": { "nodeName": "n" }, "status": status });
    assert_eq!(on(pod.clone(), None, 60), (State::Available, json!([])));
    let waits = json!([{ "code": "MinReadySeconds", "minReadySeconds": 61, "since": "2026-01-02T11:59:00Z" }]);
    assert_eq!(on(pod.clone(), None, 61), (State::Ready, waits));
    assert_eq!(on(pod, None, 0).0, State::Available);
    let timeless = json!({ "spec": { "nodeName": "n" }, "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] } });
    assert_eq!(on(timeless.clone(), None, 1).0, State::Ready);
    assert_eq!(on(timeless, None, 0).0, State::Available);
}

#[test]
fn newest_event_of_object_is_used() {
    let event = |uid: &str, event_type: &str, reason: &str, seen: &str| {
        let message = "(combined from similar events): Error creating: m";
        let fields = json!({ "type": event_type, "message": message, "count": 3, "lastTimestamp": seen });
        objects::event("Pod", uid, reason, fields)
    };
    let events = [
        event("u", "Warning", "FailedCreate", "2026-01-02T11:00:00Z"),
        event("u", "Warning", "FailedMount", "2026-01-02T11:30:00Z"),
        event("u", "Normal", "Pulled", "2026-01-02T11:40:00Z"),
        event("other", "Warning", "FailedMount", "2026-01-02T11:50:00Z"),
    ];
    let Some(Reason::Warning { reason, count, .. }) = crate::explain::events::newest_warning(&events, "u") else {
        unreachable!()
    };
    assert_eq!((reason.as_str(), count), ("FailedMount", 3));
    assert_eq!(crate::explain::events::failed_create(&events, "u").unwrap().text, "m");
    assert_eq!(crate::explain::events::failed_create(&events, "other"), None);
}

/// While the container is down, its readiness probe fails too, so that this event is often the newest.
#[test]
fn probe_that_restarts_comes_before_the_readiness_probe() {
    let event = |reason: &str, message: &str, seen: &str| {
        objects::event("Pod", "u", reason, json!({ "type": "Warning", "message": message, "lastTimestamp": seen }))
    };
    let newest = |events: &[Event]| match crate::explain::events::newest_warning(events, "u") {
        Some(Reason::Warning { detail, .. }) => detail,
        other => format!("{other:?}"),
    };
    let mut events = vec![
        event("Unhealthy", "Liveness probe failed: x", "2026-01-02T11:00:00Z"),
        event("Unhealthy", "Readiness probe failed: y", "2026-01-02T11:01:00Z"),
        event("BackOff", "Back-off restarting failed container", "2026-01-02T11:02:00Z"),
    ];
    assert_eq!(newest(&events), "Liveness probe failed: x");
    events.push(event("FailedMount", "z", "2026-01-02T11:03:00Z"));
    assert_eq!(newest(&events), "z");
    assert_eq!(newest(&events[1..2]), "Readiness probe failed: y");
}

#[test]
fn failed_pods_of_a_node_are_counted() {
    let event = |pod: &str, node: &str, count: i32, seen: &str| {
        let message = format!("Found failed daemon pod ns/{pod} on node {node}, will try to kill it");
        let fields = json!({ "type": "Warning", "message": message, "count": count, "lastTimestamp": seen });
        objects::event("DaemonSet", "ds", "FailedDaemonPod", fields)
    };
    let events = [
        event("a", "n1", 2, "2026-01-02T11:40:00Z"),
        event("b", "n1", 1, "2026-01-02T11:50:00Z"),
        event("c", "n11", 5, "2026-01-02T11:55:00Z"),
        event("d", "n2", 1, "2026-01-02T11:30:00Z"),
    ];
    let counted = |node: &str| match crate::explain::events::failed_pods(&events, "ds", node, now()) {
        Some(Reason::Warning { detail, count, .. }) => Some((detail, count)),
        _ => None,
    };
    let newest = "Found failed daemon pod ns/b on node n1, will try to kill it".to_owned();
    assert_eq!(counted("n1"), Some((newest, 3)));
    assert_eq!(counted("n2"), None, "it is older than the controller's longest wait");
}

#[test]
fn events_are_read_where_the_kubelet_may_have_ended_the_container() {
    let may_explain = |exit_code: i32, reason: &str| {
        let last_exit = Some(Exit { exit_code, signal: 0, reason: reason.into(), message: String::new() });
        let crash = Reason::CrashLoopBackOff { container: "c".into(), restarts: 3, last_exit };
        crate::explain::events::may_explain(State::NotReady, &[crash])
    };
    let codes = [(137, "Error"), (143, "Error"), (0, "Completed"), (137, "OOMKilled"), (1, "Error")];
    assert_eq!(codes.map(|(code, reason)| may_explain(code, reason)), [true, true, true, false, false]);
}

#[test]
fn container_that_exited_with_0_has_ended_unless_it_is_an_init_container() {
    let ended = json!([{ "name": "c", "restartCount": 7, "state": { "terminated": { "exitCode": 0 } } }]);
    let codes = |field: &str| {
        let pod = json!({ "spec": { "nodeName": "n" }, "status": { "phase": "Running", field: ended } });
        let (_, reasons) = on(pod, None, 0);
        reasons[0]["code"].clone()
    };
    assert_eq!(codes("containerStatuses"), "ContainerTerminated");
    assert_ne!(codes("initContainerStatuses"), "ContainerTerminated");
}

#[test]
fn most_advanced_lifecycle_condition_is_named_for_pods_that_are_not_healthy() {
    let condition = |type_: &str, status: &str| json!({ "type": type_, "status": status, "reason": "KernelUpdate", "message": "by hand.", "lastTransitionTime": "2026-01-02T11:00:00Z" });
    let conditions =
        [condition("MaintenancePlanned", "True"), condition("DrainInProgress", "True"), condition("Drained", "False")];
    let node = node("n", json!({ "status": { "conditions": conditions } }));
    let reasons: Vec<Reason> = super::on_leaving_node(&node, State::Pending).collect();
    assert_eq!(
        serde_json::to_value(reasons).unwrap(),
        json!([{
            "code": "NodeMaintenance", "condition": "DrainInProgress", "reason": "KernelUpdate", "detail": "by hand",
            "since": "2026-01-02T11:00:00Z",
        }])
    );
    assert_eq!(super::on_leaving_node(&node, State::Available).count(), 0);
}
