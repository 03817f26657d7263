#![allow(clippy::unwrap_used)]
use serde_json::{Value, json};

use super::*;
use crate::check_result::CheckResult;
use crate::snapshot::Known;
use crate::testing::volume_fixture::{VolumeFixture, bound_claim, claim, data_volume, known, pod, unread, volume};

const DRIVER: &str = "disk.example.com";

fn csi_volume(name: &str) -> Value {
    volume(name, json!({"csi": {"driver": DRIVER, "volumeHandle": format!("handle-of-{name}")}}))
}

fn csi_node(count: Value) -> Value {
    json!([{"metadata": {"name": "n1"}, "spec": {"drivers": [
        {"name": DRIVER, "nodeID": "n1", "allocatable": {"count": count}},
    ]}}])
}

/// The pod needs `data`, another pod on the node has `other`, and the driver can attach `limit` volumes.
fn with_limit(limit: Value) -> VolumeFixture {
    let mut fixture = VolumeFixture::with_claims(json!([bound_claim("data", "pv"), bound_claim("other", "pv-2")]));
    fixture.cluster_objects.volumes = known(json!([csi_volume("pv"), csi_volume("pv-2")]));
    fixture.cluster_objects.csi_nodes = known(csi_node(limit));
    let other = json!([{"name": "v", "persistentVolumeClaim": {"claimName": "other"}}]);
    fixture.bound_pods = Known::Known(vec![pod("near", "n1", other)]);
    fixture
}

#[test]
fn one_volume_too_many_is_rejected_with_its_pods() {
    assert_eq!(with_limit(json!(2)).check(filter), CheckResult::Pass);
    let (rejection, scheduler) = with_limit(json!(1)).current_rejection(filter);
    let used_by = vec![PodOnNode { namespace: "ops".into(), name: "near".into(), node: "n1".into() }];
    let expected = VolumeRejection::VolumeLimit { driver: DRIVER.into(), limit: 1, used: 1, requested: 1, used_by };
    assert_eq!((rejection, scheduler.as_str()), (expected, "node(s) exceed max volume count"));
}

#[test]
fn node_without_limits_passes_without_other_objects() {
    let mut fixture = with_limit(Value::Null);
    fixture.cluster_objects.claims = unread("claims");
    assert_eq!(fixture.check(filter), CheckResult::Pass);
    fixture.cluster_objects.csi_nodes = known(json!([]));
    assert_eq!(fixture.check(filter), CheckResult::Pass);
    fixture.cluster_objects.csi_nodes = unread("csinodes");
    assert_eq!(fixture.missing(filter), "cannot list csinodes");
    fixture.pod = pod("agent", "", json!([]));
    assert_eq!(fixture.check(filter), CheckResult::Pass);
}

#[test]
fn volume_on_node_is_not_counted_again() {
    let mut fixture = with_limit(json!(1));
    fixture.bound_pods = Known::Known(vec![pod("near", "n1", json!([data_volume()]))]);
    assert_eq!(fixture.check(filter), CheckResult::Pass);
}

#[test]
fn attached_volume_counts_without_pod() {
    let mut fixture = with_limit(json!(2));
    let attachment = |node: &str, name: &str| {
        json!({"metadata": {"name": format!("{node}-{name}")}, "spec": {
            "attacher": DRIVER, "nodeName": node, "source": {"persistentVolumeName": name},
        }})
    };
    fixture.cluster_objects.volumes = known(json!([csi_volume("pv"), csi_volume("pv-2"), csi_volume("pv-3")]));
    // Used by a pod on the node, attached to another node, and of a volume that no longer exists.
    let others = json!([attachment("n1", "pv-2"), attachment("n2", "pv-3"), attachment("n1", "gone")]);
    fixture.cluster_objects.volume_attachments = known(others);
    assert_eq!(fixture.check(filter), CheckResult::Pass);
    fixture.cluster_objects.volume_attachments = known(json!([attachment("n1", "pv-3")]));
    let (rejection, _) = fixture.current_rejection(filter);
    assert!(matches!(rejection, VolumeRejection::VolumeLimit { used: 2, requested: 1, .. }), "{rejection:?}");
    fixture.cluster_objects.volume_attachments = unread("volumeattachments");
    assert_eq!(fixture.missing(filter), "cannot list volumeattachments");
}

#[test]
fn claim_without_volume_counts_for_driver_of_class() {
    let mut fixture = with_limit(json!(1));
    fixture.cluster_objects.claims =
        known(json!([claim("data", json!({"storageClassName": "fast"})), bound_claim("other", "pv-2")]));
    assert_eq!(fixture.check(filter), CheckResult::Pass);
    fixture.cluster_objects.storage_classes = known(json!([{"metadata": {"name": "fast"}, "provisioner": DRIVER}]));
    fixture.current_rejection(filter);
    fixture.cluster_objects.storage_classes = unread("storageclasses");
    assert_eq!(fixture.missing(filter), "cannot list storageclasses");
}

#[test]
fn ephemeral_volume_of_unstored_pod_counts() {
    let mut fixture = with_limit(json!(1));
    fixture.pod = pod(
        "",
        "",
        json!([{"name": "v", "ephemeral": {"volumeClaimTemplate": {"spec": {
            "storageClassName": "fast",
        }}}}]),
    );
    fixture.cluster_objects.storage_classes = known(json!([{"metadata": {"name": "fast"}, "provisioner": DRIVER}]));
    fixture.current_rejection(filter);
}

#[test]
fn missing_claim_counts_nothing() {
    let mut fixture = with_limit(json!(1));
    fixture.cluster_objects.claims = known(json!([bound_claim("other", "pv-2")]));
    assert_eq!(fixture.check(filter), CheckResult::Pass);
}

#[test]
fn disk_of_migrated_plugin_counts_for_driver() {
    let disk = |name: &str| json!([{"name": "v", "awsElasticBlockStore": {"volumeID": name}}]);
    let mut fixture = VolumeFixture::with_volumes(disk("one"));
    fixture.cluster_objects.csi_nodes = known(json!([{"metadata": {"name": "n1"}, "spec": {"drivers": [
        {"name": "ebs.csi.aws.com", "nodeID": "n1", "allocatable": {"count": 1}},
    ]}}]));
    assert_eq!(fixture.check(filter), CheckResult::Pass);
    fixture.bound_pods = Known::Known(vec![pod("near", "n1", disk("two"))]);
    let (rejection, _) = fixture.current_rejection(filter);
    assert!(
        matches!(&rejection, VolumeRejection::VolumeLimit { driver, .. } if driver == "ebs.csi.aws.com"),
        "{rejection:?}"
    );
}

#[test]
fn missing_driver_that_prevents_scheduling_is_rejected() {
    let mut fixture = with_limit(Value::Null);
    fixture.cluster_objects.csi_nodes = known(json!([{"metadata": {"name": "n1"}, "spec": {"drivers": []}}]));
    let driver =
        |prevents: Value| json!([{"metadata": {"name": DRIVER}, "spec": {"preventPodSchedulingIfMissing": prevents}}]);
    fixture.cluster_objects.csi_drivers = known(driver(json!(false)));
    assert_eq!(fixture.check(filter), CheckResult::Pass);
    fixture.cluster_objects.csi_drivers = known(driver(json!(true)));
    let (rejection, scheduler) = fixture.current_rejection(filter);
    assert_eq!(rejection, VolumeRejection::CsiDriverMissing { driver: DRIVER.into() });
    assert_eq!(scheduler, "disk.example.com CSI driver is not installed on the node");
    fixture.cluster_objects.minor = Known::Known(KubeMinor(34));
    assert_eq!(fixture.check(filter), CheckResult::Pass);
    fixture.cluster_objects.minor = Known::Known(KubeMinor(36));
    fixture.cluster_objects.csi_nodes = known(csi_node(Value::Null));
    assert_eq!(fixture.check(filter), CheckResult::Pass);
}
