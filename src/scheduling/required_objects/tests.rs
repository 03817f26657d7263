#![allow(clippy::unwrap_used)]
use serde_json::{Value, json};

use super::*;
use crate::testing::objects;

fn required_for(spec: Value) -> Vec<ObjectKind> {
    needs(&pod(spec), &Node::default()).into_iter().collect()
}

fn pod(spec: Value) -> Pod {
    objects::pod("ops", "agent", json!({"spec": spec}))
}

#[test]
fn scheduler_message_about_anti_affinity_needs_all_pods() {
    let said = |message: &str| {
        let mut pod = pod(json!({}));
        pod.status =
            serde_json::from_value(json!({ "conditions": [{ "type": "PodScheduled", "message": message }] })).unwrap();
        needs(&pod, &Node::default()).into_iter().collect::<Vec<_>>()
    };
    let all = [ObjectKind::Pods, ObjectKind::Nodes, ObjectKind::Namespaces];
    assert_eq!(said("0/2 nodes are available: 1 node(s) didn't satisfy existing pods anti-affinity rules."), all);
    assert_eq!(said("0/2 nodes are available: 1 Insufficient cpu."), []);
}

#[test]
fn plain_pod_needs_nothing() {
    let volumes = json!([{"name": "a", "emptyDir": {}}, {"name": "b", "hostPath": {"path": "/"}}]);
    let containers = json!([{"name": "main", "resources": {"requests": {"cpu": "1", "kubernetes.io/x": "1"}}}]);
    let pinned = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}});
    assert_eq!(required_for(json!({"volumes": volumes, "containers": containers, "affinity": pinned})), []);
}

#[test]
fn claims_need_all_storage_kinds() {
    let kinds = [
        ObjectKind::Claims,
        ObjectKind::Volumes,
        ObjectKind::StorageClasses,
        ObjectKind::CsiNodes,
        ObjectKind::CsiDrivers,
        ObjectKind::StorageCapacities,
        ObjectKind::VolumeAttachments,
    ];
    assert_eq!(
        required_for(json!({"volumes": [{"name": "a", "persistentVolumeClaim": {"claimName": "data"}}]})),
        kinds
    );
    assert_eq!(required_for(json!({"volumes": [{"name": "a", "ephemeral": {}}]})), kinds);
}

#[test]
fn disk_of_migrated_plugin_needs_volume_limit_kinds() {
    let needs = required_for(json!({"volumes": [{"name": "a", "gcePersistentDisk": {"pdName": "d"}}]}));
    assert!(needs.contains(&ObjectKind::CsiNodes) && !needs.contains(&ObjectKind::StorageCapacities), "{needs:?}");
    assert_eq!(required_for(json!({"volumes": [{"name": "a", "iscsi": {"iqn": "i"}}]})), []);
}

#[test]
fn affinity_terms_need_all_pods_and_nodes() {
    let term = |more: Value| {
        let mut term = json!({"topologyKey": "topology.kubernetes.io/zone"});
        for (key, value) in more.as_object().unwrap() {
            term[key] = value.clone();
        }
        json!({"requiredDuringSchedulingIgnoredDuringExecution": [term]})
    };
    let both = [ObjectKind::Pods, ObjectKind::Nodes];
    assert_eq!(required_for(json!({"affinity": {"podAffinity": term(json!({}))}})), both);
    assert_eq!(required_for(json!({"affinity": {"podAntiAffinity": term(json!({"namespaces": ["x"]}))}})), both);
    let by_labels = term(json!({"namespaceSelector": {}}));
    assert_eq!(
        required_for(json!({"affinity": {"podAntiAffinity": by_labels}})),
        [both[0], both[1], ObjectKind::Namespaces]
    );
}

#[test]
fn spread_over_hostnames_needs_no_other_pods() {
    let spread = |key: &str, when: &str, policy: &str| {
        required_for(json!({"topologySpreadConstraints": [
            {"topologyKey": key, "whenUnsatisfiable": when, "nodeAffinityPolicy": policy},
        ]}))
    };
    let both = [ObjectKind::Pods, ObjectKind::Nodes];
    assert_eq!(spread("kubernetes.io/hostname", "DoNotSchedule", ""), []);
    assert_eq!(spread("topology.kubernetes.io/zone", "ScheduleAnyway", ""), []);
    assert_eq!(spread("topology.kubernetes.io/zone", "DoNotSchedule", "Honor"), both);
    assert_eq!(spread("kubernetes.io/hostname", "DoNotSchedule", "Ignore"), both);
}

#[test]
fn resource_claims_need_device_kinds() {
    let claimed = required_for(json!({"resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "gpu"}]}));
    let kinds = [
        ObjectKind::ResourceClaims,
        ObjectKind::ResourceClaimTemplates,
        ObjectKind::ResourceSlices,
        ObjectKind::DeviceClasses,
    ];
    assert_eq!(claimed, kinds);
    let extended = json!({"containers": [{"name": "main", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]});
    assert_eq!(
        required_for(extended),
        [ObjectKind::ResourceClaims, ObjectKind::ResourceSlices, ObjectKind::DeviceClasses]
    );
}

#[test]
fn only_read_write_once_pod_claim_needs_all_pods() {
    let with_claim = pod(json!({"volumes": [{"name": "a", "persistentVolumeClaim": {"claimName": "data"}}]}));
    let claims = |namespace: &str, mode: &str| {
        let claim = json!([{"metadata": {"name": "data", "namespace": namespace}, "spec": {"accessModes": [mode]}}]);
        Known::Known(serde_json::from_value(claim).unwrap())
    };
    let after = |claims: &Known<Vec<PersistentVolumeClaim>>| {
        required_by_pvcs(&with_claim, claims).into_iter().collect::<Vec<_>>()
    };
    assert_eq!(after(&claims("ops", "ReadWriteOncePod")), [ObjectKind::Pods]);
    assert_eq!(after(&claims("ops", "ReadWriteOnce")), []);
    assert_eq!(after(&claims("elsewhere", "ReadWriteOncePod")), []);
    assert_eq!(after(&Known::failed("cannot list")), []);
    // The claim of an ephemeral volume belongs to the pod.
    let ephemeral = pod(json!({"volumes": [{"name": "a", "ephemeral": {}}]}));
    let own =
        json!([{"metadata": {"name": "agent-a", "namespace": "ops"}, "spec": {"accessModes": ["ReadWriteOncePod"]}}]);
    let own = Known::Known(serde_json::from_value(own).unwrap());
    assert_eq!(required_by_pvcs(&ephemeral, &own), BTreeSet::new());
}

#[test]
fn namespace_selector_of_other_pod_needs_namespaces() {
    let needs_namespaces = |kind: &str, selector: Value| {
        let term = json!({"topologyKey": "kubernetes.io/hostname", "namespaceSelector": selector});
        let affinity = json!({kind: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}});
        required_by_node_pods([&pod(json!({})), &pod(json!({"affinity": affinity}))], [])
            .contains(&ObjectKind::Namespaces)
    };
    assert!(needs_namespaces("podAntiAffinity", json!({"matchLabels": {"team": "a"}})));
    assert!(needs_namespaces("podAntiAffinity", json!({"matchExpressions": [{"key": "team", "operator": "Exists"}]})));
    assert!(!needs_namespaces("podAntiAffinity", json!({})));
    assert!(!needs_namespaces("podAntiAffinity", Value::Null));
    assert!(!needs_namespaces("podAffinity", json!({"matchLabels": {"team": "a"}})));
}
