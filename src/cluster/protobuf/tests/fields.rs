//! Compares the trimmed types with the complete ones: the protobuf of k8s-pb and the JSON of k8s-openapi.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fmt::Debug;

use k8s_pb::api::core::v1 as core;
use k8s_pb::apimachinery::pkg::api::resource::Quantity;
use k8s_pb::apimachinery::pkg::apis::meta::v1 as meta;
use prost::Message;
use serde::de::DeserializeOwned;

use crate::snapshot::pod::Pod;
use crate::snapshot::{Node, PodContainers, PodSummary};

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn time(second: i64) -> Option<meta::Time> {
    // 2026-01-01T00:00:00Z plus this many seconds.
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

fn amounts(text: &str) -> std::collections::BTreeMap<String, Quantity> {
    [("cpu".to_owned(), Quantity { string: Some(text.to_owned()) })].into()
}

fn resources(claim: &str) -> Option<core::ResourceRequirements> {
    let claims = vec![core::ResourceClaim { name: text(claim), request: text("request") }];
    Some(core::ResourceRequirements { limits: amounts("2"), requests: amounts("1"), claims })
}

const RESOURCES: &str =
    r#"{"limits": {"cpu": "2"}, "requests": {"cpu": "1"}, "claims": [{"name": "claim", "request": "request"}]}"#;

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
        allocated_resources: amounts("5"),
        resources: resources("claim"),
        ..Default::default()
    }
}

fn selector() -> Option<meta::LabelSelector> {
    Some(meta::LabelSelector {
        match_labels: [("app".into(), "web".into())].into(),
        match_expressions: vec![meta::LabelSelectorRequirement {
            key: text("tier"),
            operator: text("In"),
            values: vec!["x".into()],
        }],
    })
}

const SELECTOR: &str = r#"{"matchLabels": {"app": "web"},
    "matchExpressions": [{"key": "tier", "operator": "In", "values": ["x"]}]}"#;

fn affinity_term() -> core::PodAffinityTerm {
    core::PodAffinityTerm {
        label_selector: selector(),
        namespaces: vec!["namespace".into()],
        topology_key: text("zone"),
        namespace_selector: selector(),
        match_label_keys: vec!["match".into()],
        mismatch_label_keys: vec!["mismatch".into()],
    }
}

fn affinity_term_text() -> String {
    format!(
        r#"{{"requiredDuringSchedulingIgnoredDuringExecution": [{{"labelSelector": {SELECTOR},
        "namespaces": ["namespace"], "topologyKey": "zone", "namespaceSelector": {SELECTOR},
        "matchLabelKeys": ["match"], "mismatchLabelKeys": ["mismatch"]}}]}}"#
    )
}

/// Every volume source that is read, in one volume, which an API server would reject.
fn volumes() -> Vec<core::Volume> {
    let source = core::VolumeSource {
        gce_persistent_disk: Some(core::GcePersistentDiskVolumeSource {
            pd_name: text("disk"),
            read_only: Some(true),
            ..Default::default()
        }),
        aws_elastic_block_store: Some(core::AwsElasticBlockStoreVolumeSource {
            volume_id: text("volume"),
            ..Default::default()
        }),
        iscsi: Some(core::IscsiVolumeSource { iqn: text("iqn"), read_only: Some(true), ..Default::default() }),
        persistent_volume_claim: Some(core::PersistentVolumeClaimVolumeSource {
            claim_name: text("claim"),
            read_only: Some(true),
        }),
        rbd: Some(core::RbdVolumeSource {
            monitors: vec!["monitor".into()],
            image: text("image"),
            pool: text("pool"),
            read_only: Some(true),
            ..Default::default()
        }),
        csi: Some(core::CSIVolumeSource { driver: text("driver"), ..Default::default() }),
        ephemeral: Some(core::EphemeralVolumeSource {
            volume_claim_template: Some(core::PersistentVolumeClaimTemplate {
                spec: Some(core::PersistentVolumeClaimSpec {
                    access_modes: vec!["ReadWriteOnce".into()],
                    resources: Some(core::VolumeResourceRequirements { limits: amounts("2"), requests: amounts("1") }),
                    storage_class_name: text("class"),
                    ..Default::default()
                }),
                ..Default::default()
            }),
        }),
        ..Default::default()
    };
    vec![core::Volume { name: text("volume"), volume_source: Some(source) }]
}

const VOLUMES: &str = r#"[{"name": "volume", "gcePersistentDisk": {"pdName": "disk", "readOnly": true},
    "awsElasticBlockStore": {"volumeID": "volume"},
    "iscsi": {"targetPortal": "", "lun": 0, "iqn": "iqn", "readOnly": true},
    "persistentVolumeClaim": {"claimName": "claim", "readOnly": true},
    "rbd": {"monitors": ["monitor"], "image": "image", "pool": "pool", "readOnly": true},
    "csi": {"driver": "driver"},
    "ephemeral": {"volumeClaimTemplate": {"spec": {"storageClassName": "class", "accessModes": ["ReadWriteOnce"],
        "resources": {"limits": {"cpu": "2"}, "requests": {"cpu": "1"}}}}}}]"#;

fn pod() -> core::Pod {
    let container = |name: &str| core::Container {
        name: text(name),
        image: text("image"),
        restart_policy: text("Always"),
        ports: vec![core::ContainerPort {
            name: text("port"),
            host_port: Some(80),
            container_port: Some(8080),
            protocol: text("TCP"),
            host_ip: text("10.0.0.1"),
        }],
        resources: resources("claim"),
        restart_policy_rules: vec![core::ContainerRestartRule { action: text("Restart"), ..Default::default() }],
        ..Default::default()
    };
    core::Pod {
        metadata: metadata(),
        spec: Some(core::PodSpec {
            containers: vec![container("main")],
            init_containers: vec![container("sidecar")],
            restart_policy: text("Always"),
            volumes: volumes(),
            node_selector: [("disk".into(), "ssd".into())].into(),
            service_account_name: text("account"),
            node_name: text("node"),
            host_network: Some(true),
            host_users: Some(true),
            priority_class_name: text("high"),
            priority: Some(7),
            preemption_policy: text("Never"),
            runtime_class_name: text("runtime"),
            overhead: amounts("3"),
            tolerations: vec![core::Toleration {
                key: text("key"),
                operator: text("Equal"),
                value: text("value"),
                effect: text("NoExecute"),
                toleration_seconds: Some(30),
            }],
            topology_spread_constraints: vec![core::TopologySpreadConstraint {
                max_skew: Some(1),
                topology_key: text("zone"),
                when_unsatisfiable: text("DoNotSchedule"),
                label_selector: selector(),
                min_domains: Some(2),
                node_affinity_policy: text("Honor"),
                node_taints_policy: text("Ignore"),
                match_label_keys: vec!["match".into()],
            }],
            scheduling_gates: vec![core::PodSchedulingGate { name: text("gate") }],
            resource_claims: vec![core::PodResourceClaim {
                name: text("claim"),
                resource_claim_name: text("claim-object"),
                resource_claim_template_name: text("template"),
            }],
            resources: resources("claim"),
            scheduler_name: text("default-scheduler"),
            affinity: Some(core::Affinity {
                pod_affinity: Some(core::PodAffinity {
                    required_during_scheduling_ignored_during_execution: vec![affinity_term()],
                    ..Default::default()
                }),
                pod_anti_affinity: Some(core::PodAntiAffinity {
                    required_during_scheduling_ignored_during_execution: vec![affinity_term()],
                    ..Default::default()
                }),
                node_affinity: Some(core::NodeAffinity {
                    required_during_scheduling_ignored_during_execution: Some(core::NodeSelector {
                        node_selector_terms: vec![core::NodeSelectorTerm {
                            match_expressions: vec![requirement("expression")],
                            match_fields: vec![requirement("metadata.name")],
                        }],
                    }),
                    ..Default::default()
                }),
            }),
            ..Default::default()
        }),
        status: Some(core::PodStatus {
            nominated_node_name: text("nominated"),
            resource_claim_statuses: vec![core::PodResourceClaimStatus {
                name: text("claim"),
                resource_claim_name: text("made"),
            }],
            extended_resource_claim_status: Some(core::PodExtendedResourceClaimStatus {
                resource_claim_name: text("extended"),
                ..Default::default()
            }),
            allocated_resources: amounts("4"),
            resources: resources("claim"),
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
            "image": "image", "imageID": "image-id", "containerID": "id", "started": true,
            "allocatedResources": {{"cpu": "5"}}, "resources": {RESOURCES}}}]"#
        )
    };
    let term = affinity_term_text();
    let container = format!(
        r#""image": "image", "restartPolicy": "Always", "ports": [{{"name": "port", "hostPort": 80,
            "containerPort": 8080, "protocol": "TCP", "hostIP": "10.0.0.1"}}],
            "resources": {RESOURCES}, "restartPolicyRules": [{{"action": "Restart"}}]"#
    );
    let (main, sidecar, debug) = (status("main"), status("sidecar"), status("debug"));
    format!(
        r#"{{"metadata": {METADATA},
        "spec": {{"containers": [{{"name": "main", {container}}}], "initContainers": [{{"name": "sidecar", {container}}}],
            "volumes": {VOLUMES}, "nodeSelector": {{"disk": "ssd"}}, "serviceAccountName": "account",
            "hostNetwork": true, "hostUsers": true, "priorityClassName": "high", "priority": 7,
            "preemptionPolicy": "Never", "runtimeClassName": "runtime", "overhead": {{"cpu": "3"}},
            "tolerations": [{{"key": "key", "operator": "Equal", "value": "value", "effect": "NoExecute",
                "tolerationSeconds": 30}}],
            "topologySpreadConstraints": [{{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": {SELECTOR}, "minDomains": 2, "nodeAffinityPolicy": "Honor",
                "nodeTaintsPolicy": "Ignore", "matchLabelKeys": ["match"]}}],
            "schedulingGates": [{{"name": "gate"}}],
            "resourceClaims": [{{"name": "claim", "resourceClaimName": "claim-object",
                "resourceClaimTemplateName": "template"}}],
            "resources": {RESOURCES},
            "restartPolicy": "Always", "nodeName": "node", "schedulerName": "default-scheduler",
            "affinity": {{"podAffinity": {term}, "podAntiAffinity": {term}, "nodeAffinity": {{"requiredDuringSchedulingIgnoredDuringExecution": {{"nodeSelectorTerms": [
                {{"matchExpressions": [{expression}], "matchFields": [{field}]}}]}}}}}}}},
        "status": {{"phase": "Running", "message": "status message", "reason": "Evicted",
            "nominatedNodeName": "nominated", "startTime": "2026-01-01T00:00:05Z",
            "resourceClaimStatuses": [{{"name": "claim", "resourceClaimName": "made"}}],
            "extendedResourceClaimStatus": {{"resourceClaimName": "extended", "requestMappings": []}},
            "allocatedResources": {{"cpu": "4"}}, "resources": {RESOURCES},
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
            capacity: amounts("9"),
            allocatable: amounts("8"),
            declared_features: vec!["feature".into()],
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
        "status": {{"phase": "Running", "capacity": {{"cpu": "9"}}, "allocatable": {{"cpu": "8"}},
            "declaredFeatures": ["feature"], "conditions": [{{"type": "Ready", "status": "True",
            "lastHeartbeatTime": "2026-01-01T00:00:07Z", "lastTransitionTime": "2026-01-01T00:00:08Z",
            "reason": "KubeletReady", "message": "message"}}]}}}}"#
    )
}

/// Decodes the object from both encodings. The results must be equal, with every declared field set.
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
    // The only empty string is the value of a label.
    assert_eq!(shown.matches("\"\"").count(), 1, "{shown}");
}

#[test]
fn pod_fields_are_equal_in_both_encodings() {
    same::<PodSummary, k8s_openapi::api::core::v1::Pod>(&pod(), &pod_text());
}

#[test]
fn full_pod_fields_are_equal_in_both_encodings() {
    same::<Pod, k8s_openapi::api::core::v1::Pod>(&pod(), &pod_text());
}

#[test]
fn full_pod_contains_every_field_of_a_trimmed_pod() {
    let bytes = pod().encode_to_vec();
    assert_eq!(Pod::decode(bytes.as_slice()).unwrap().summary(), PodSummary::decode(bytes.as_slice()).unwrap());
}

#[test]
fn node_fields_are_equal_in_both_encodings() {
    same::<Node, k8s_openapi::api::core::v1::Node>(&node(), &node_text());
}

#[test]
fn container_names_are_equal_in_both_encodings() {
    let container = |name: &str| core::Container { name: text(name), ..Default::default() };
    let common = core::EphemeralContainerCommon { name: text("debug"), ..Default::default() };
    let ephemeral = core::EphemeralContainer { ephemeral_container_common: Some(common), ..Default::default() };
    let spec = core::PodSpec {
        containers: vec![container("agent")],
        init_containers: vec![container("setup")],
        ephemeral_containers: vec![ephemeral],
        ..Default::default()
    };
    let pod = core::Pod { metadata: metadata(), spec: Some(spec), ..Default::default() };
    let json = format!(
        r#"{{"metadata": {METADATA}, "spec": {{"containers": [{{"name": "agent"}}], "initContainers": [{{"name": "setup"}}],
            "ephemeralContainers": [{{"name": "debug", "targetContainerName": "agent"}}]}}}}"#
    );
    let decoded = PodContainers::decode(pod.encode_to_vec().as_slice()).unwrap();
    assert_eq!(decoded, serde_json::from_str(&json).unwrap());
    assert_eq!(decoded.names().collect::<Vec<_>>(), ["setup", "agent", "debug"]);
    assert_eq!(decoded.metadata.annotations["annotation"], "value");
}
