#![allow(clippy::unwrap_used)]
use serde_json::{Value, json};

use super::*;

fn volume(labels: Value, affinity: Value) -> PersistentVolume {
    serde_json::from_value(json!({
        "metadata": {"name": "pv", "labels": labels},
        "spec": {"gcePersistentDisk": {"pdName": "d"}, "nodeAffinity": affinity},
    }))
    .unwrap()
}

fn csi_node(migrated: &str) -> CSINode {
    serde_json::from_value(json!({
        "metadata": {"name": "n1", "annotations": {MIGRATED: migrated}}, "spec": {"drivers": []},
    }))
    .unwrap()
}

fn requires(key: &str, zones: &[&str]) -> Value {
    json!({"nodeSelectorTerms": [{"matchExpressions": [{"key": key, "operator": "In", "values": zones}]}]})
}

fn required(volume: &PersistentVolume, csi_node: Option<&CSINode>) -> Value {
    serde_json::to_value(required_nodes(volume, csi_node)).unwrap()
}

#[test]
fn volume_is_unchanged_if_kubelet_has_not_migrated() {
    let volume = volume(json!({}), json!({"required": requires(ZONE, &["a"])}));
    for csi_node in [None, Some(csi_node("")), Some(csi_node("kubernetes.io/aws-ebs"))] {
        assert_eq!(required(&volume, csi_node.as_ref()), requires(ZONE, &["a"]));
    }
}

#[test]
fn zones_of_migrated_volume_use_label_of_driver() {
    let node = csi_node("kubernetes.io/aws-ebs,kubernetes.io/gce-pd");
    let key = "topology.gke.io/zone";
    for from in [ZONE, BETA_ZONE] {
        let by_affinity = volume(json!({}), json!({"required": requires(from, &["a"])}));
        assert_eq!(required(&by_affinity, Some(&node)), requires(key, &["a"]));
        let by_label = volume(json!({from: "b__a"}), json!({}));
        assert_eq!(required(&by_label, Some(&node)), requires(key, &["a", "b"]));
    }
    assert_eq!(required(&volume(json!({}), json!({})), Some(&node)), Value::Null);
    let old_region = volume(json!({BETA_ZONE: "a"}), json!({"required": requires(BETA_REGION, &["r"])}));
    let terms = required(&old_region, Some(&node));
    assert_eq!(terms["nodeSelectorTerms"][0]["matchExpressions"][0]["key"], REGION);
    assert_eq!(terms["nodeSelectorTerms"][0]["matchExpressions"][1]["key"], key);
}
