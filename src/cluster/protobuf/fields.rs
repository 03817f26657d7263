//! The trimmed types against the complete ones: Kubernetes' own protobuf numbers (k8s-pb), and its JSON
//! (k8s-openapi).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fmt::Debug;

use k8s_pb::api::core::v1 as core;
use k8s_pb::apimachinery::pkg::apis::meta::v1 as meta;
use prost::Message;
use serde::de::DeserializeOwned;

use crate::snapshot::{Node, Pod};

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn time(second: i64) -> Option<meta::Time> {
    // 2026-01-01T00:00:00Z and so many seconds.
    Some(meta::Time { seconds: Some(1_767_225_600 + second), nanos: Some(0) })
}

fn metadata() -> Option<meta::ObjectMeta> {
    Some(meta::ObjectMeta {
        name: text("name"),
        generate_name: text("generate"),
        namespace: text("namespace"),
        self_link: text("link"),
        uid: text("uid"),
        resource_version: text("7"),
        generation: Some(3),
        creation_timestamp: time(1),
        deletion_timestamp: time(2),
        deletion_grace_period_seconds: Some(30),
        labels: [("label".into(), "value".into()), ("empty".into(), String::new())].into(),
        annotations: [("annotation".into(), "value".into())].into(),
        owner_references: vec![meta::OwnerReference {
            api_version: text("apps/v1"),
            kind: text("DaemonSet"),
            name: text("owner"),
            uid: text("owner-uid"),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }],
        finalizers: vec!["finalizer".into()],
        managed_fields: vec![meta::ManagedFieldsEntry { manager: text("manager"), ..Default::default() }],
    })
}

const METADATA: &str = r#"{"name": "name", "generateName": "generate", "namespace": "namespace", "selfLink": "link",
    "uid": "uid", "resourceVersion": "7", "generation": 3, "creationTimestamp": "2026-01-01T00:00:01Z",
    "deletionTimestamp": "2026-01-01T00:00:02Z", "deletionGracePeriodSeconds": 30,
    "labels": {"label": "value", "empty": ""}, "annotations": {"annotation": "value"},
    "ownerReferences": [{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "owner", "uid": "owner-uid",
        "controller": true, "blockOwnerDeletion": true}],
    "finalizers": ["finalizer"], "managedFields": [{"manager": "manager"}]}"#;

fn requirement(key: &str) -> core::NodeSelectorRequirement {
    core::NodeSelectorRequirement { key: text(key), operator: text("In"), values: vec!["v".into(), "w".into()] }
}

fn container_status(name: &str) -> core::ContainerStatus {
    let state = |second| core::ContainerState {
        waiting: Some(core::ContainerStateWaiting { reason: text("waits"), message: text("for") }),
        running: Some(core::ContainerStateRunning { started_at: time(second) }),
        terminated: Some(core::ContainerStateTerminated {
            exit_code: Some(137),
            signal: Some(9),
            reason: text("OOMKilled"),
            message: text("why"),
            started_at: time(second + 1),
            finished_at: time(second + 2),
            container_id: text("id"),
        }),
    };
    core::ContainerStatus {
        name: text(name),
        state: Some(state(10)),
        last_state: Some(state(20)),
        ready: Some(true),
        restart_count: Some(5),
        image: text("image"),
        image_id: text("image-id"),
        container_id: text("id"),
        started: Some(true),
        ..Default::default()
    }
}

fn pod() -> core::Pod {
    let container = |name: &str| core::Container {
        name: text(name),
        image: text("image"),
        restart_policy: text("Always"),
        ..Default::default()
    };
    core::Pod {
        metadata: metadata(),
        spec: Some(core::PodSpec {
            containers: vec![container("main")],
            init_containers: vec![container("sidecar")],
            restart_policy: text("Always"),
            node_name: text("node"),
            scheduler_name: text("default-scheduler"),
            affinity: Some(core::Affinity {
                node_affinity: Some(core::NodeAffinity {
                    required_during_scheduling_ignored_during_execution: Some(core::NodeSelector {
                        node_selector_terms: vec![core::NodeSelectorTerm {
                            match_expressions: vec![requirement("expression")],
                            match_fields: vec![requirement("metadata.name")],
                        }],
                    }),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            ..Default::default()
        }),
        status: Some(core::PodStatus {
            phase: text("Running"),
            conditions: vec![core::PodCondition {
                r#type: text("Ready"),
                status: text("True"),
                last_probe_time: time(3),
                last_transition_time: time(4),
                reason: text("reason"),
                message: text("message"),
                observed_generation: Some(3),
            }],
            message: text("status message"),
            reason: text("Evicted"),
            host_ip: text("10.0.0.1"),
            pod_ip: text("10.1.0.1"),
            start_time: time(5),
            container_statuses: vec![container_status("main")],
            init_container_statuses: vec![container_status("sidecar")],
            ephemeral_container_statuses: vec![container_status("debug")],
            ..Default::default()
        }),
    }
}

fn pod_text() -> String {
    let requirement = |key: &str| format!(r#"{{"key": "{key}", "operator": "In", "values": ["v", "w"]}}"#);
    let (expression, field) = (requirement("expression"), requirement("metadata.name"));
    let state = |second: u8| {
        let at = |more: u8| format!("2026-01-01T00:00:{}Z", second + more);
        let (started, begun, finished) = (at(0), at(1), at(2));
        format!(
            r#"{{"waiting": {{"reason": "waits", "message": "for"}}, "running": {{"startedAt": "{started}"}},
            "terminated": {{"exitCode": 137, "signal": 9, "reason": "OOMKilled", "message": "why",
                "startedAt": "{begun}", "finishedAt": "{finished}", "containerID": "id"}}}}"#
        )
    };
    let status = |name: &str| {
        let (state, last) = (state(10), state(20));
        format!(
            r#"[{{"name": "{name}", "state": {state}, "lastState": {last}, "ready": true, "restartCount": 5,
            "image": "image", "imageID": "image-id", "containerID": "id", "started": true}}]"#
        )
    };
    let (main, sidecar, debug) = (status("main"), status("sidecar"), status("debug"));
    format!(
        r#"{{"metadata": {METADATA},
        "spec": {{"containers": [{{"name": "main", "image": "image", "restartPolicy": "Always"}}],
            "initContainers": [{{"name": "sidecar", "image": "image", "restartPolicy": "Always"}}],
            "restartPolicy": "Always", "nodeName": "node", "schedulerName": "default-scheduler",
            "affinity": {{"nodeAffinity": {{"requiredDuringSchedulingIgnoredDuringExecution": {{"nodeSelectorTerms": [
                {{"matchExpressions": [{expression}], "matchFields": [{field}]}}]}}}}}}}},
        "status": {{"phase": "Running", "message": "status message", "reason": "Evicted",
            "conditions": [{{"type": "Ready", "status": "True", "lastProbeTime": "2026-01-01T00:00:03Z",
                "lastTransitionTime": "2026-01-01T00:00:04Z", "reason": "reason", "message": "message"}}],
            "containerStatuses": {main}, "initContainerStatuses": {sidecar}, "ephemeralContainerStatuses": {debug}}}}}"#
    )
}

fn node() -> core::Node {
    core::Node {
        metadata: metadata(),
        spec: Some(core::NodeSpec {
            pod_cidr: text("10.1.0.0/24"),
            provider_id: text("provider"),
            unschedulable: Some(true),
            taints: vec![core::Taint {
                key: text("key"),
                value: text("value"),
                effect: text("NoSchedule"),
                time_added: time(6),
            }],
            ..Default::default()
        }),
        status: Some(core::NodeStatus {
            phase: text("Running"),
            conditions: vec![core::NodeCondition {
                r#type: text("Ready"),
                status: text("True"),
                last_heartbeat_time: time(7),
                last_transition_time: time(8),
                reason: text("KubeletReady"),
                message: text("message"),
            }],
            ..Default::default()
        }),
    }
}

fn node_text() -> String {
    format!(
        r#"{{"metadata": {METADATA},
        "spec": {{"podCIDR": "10.1.0.0/24", "providerID": "provider", "unschedulable": true, "taints": [
            {{"key": "key", "value": "value", "effect": "NoSchedule", "timeAdded": "2026-01-01T00:00:06Z"}}]}},
        "status": {{"phase": "Running", "conditions": [{{"type": "Ready", "status": "True",
            "lastHeartbeatTime": "2026-01-01T00:00:07Z", "lastTransitionTime": "2026-01-01T00:00:08Z",
            "reason": "KubeletReady", "message": "message"}}]}}}}"#
    )
}

/// Reads the object in both encodings: the same, and no declared field is left unset, so that each one is held.
fn same<T, Complete>(protobuf: &impl Message, text: &str)
where
    T: Message + Default + Debug + PartialEq + DeserializeOwned,
    Complete: DeserializeOwned + serde::Serialize,
{
    let from_protobuf = T::decode(protobuf.encode_to_vec().as_slice()).unwrap();
    let complete: Complete = serde_json::from_str(text).unwrap();
    let from_json: T = serde_json::from_str(&serde_json::to_string(&complete).unwrap()).unwrap();
    assert_eq!(from_protobuf, from_json);
    let shown = format!("{from_json:?}");
    for unset in ["None", "[]", "{}", ": 0,", ": false"] {
        assert!(!shown.contains(unset), "{unset} in {shown}");
    }
    // The one empty text is the value of a label.
    assert_eq!(shown.matches("\"\"").count(), 1, "{shown}");
}

#[test]
fn every_field_of_a_pod_is_read_alike_from_both_encodings() {
    same::<Pod, k8s_openapi::api::core::v1::Pod>(&pod(), &pod_text());
}

#[test]
fn every_field_of_a_node_is_read_alike_from_both_encodings() {
    same::<Node, k8s_openapi::api::core::v1::Node>(&node(), &node_text());
}
