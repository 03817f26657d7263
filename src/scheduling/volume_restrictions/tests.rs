#![allow(clippy::unwrap_used)]
use serde_json::{Value, json};

use super::*;
use crate::check_result::CheckResult;
use crate::snapshot::Known;
use crate::snapshot::cluster_objects::KubeMinor;
use crate::testing::volume_fixture::{VolumeFixture, claim, data_volume, known, pod, unread};

fn one_pod_claim() -> Value {
    json!([claim("data", json!({"accessModes": ["ReadWriteOncePod"]}))])
}

fn on(node: &str, name: &str) -> PodOnNode {
    PodOnNode { namespace: "ops".into(), name: name.into(), node: node.into() }
}

#[test]
fn pod_without_volumes_passes_without_objects() {
    let mut fixture = VolumeFixture::with_volumes(json!([{"name": "tmp", "emptyDir": {}}]));
    (fixture.cluster_objects.claims, fixture.cluster_objects.pods, fixture.bound_pods) =
        (unread("claims"), unread("pods"), unread("pods"));
    assert_eq!(fixture.check(filter), CheckResult::Pass);
}

#[test]
fn missing_claim_rejects_pod() {
    let fixture = VolumeFixture::with_claims(json!([{"metadata": {"name": "data", "namespace": "elsewhere"}}]));
    let expected = VolumeRejection::VolumeClaimMissing { claim: "data".into() };
    assert_eq!(fixture.pod_rejection(filter), (expected, "persistentvolumeclaim \"data\" not found".into()));
}

#[test]
fn shared_claim_passes_without_pods() {
    let mut fixture = VolumeFixture::with_claims(json!([claim("data", json!({"accessModes": ["ReadWriteMany"]}))]));
    fixture.cluster_objects.pods = unread("pods");
    assert_eq!(fixture.check(filter), CheckResult::Pass);
    fixture.cluster_objects.claims = unread("claims");
    assert_eq!(fixture.missing(filter), "cannot list claims");
}

/// Edge case 71 (docs/edge-cases.md).
#[test]
fn one_pod_claim_used_on_other_node_is_rejected() {
    let mut fixture = VolumeFixture::with_claims(one_pod_claim());
    fixture.cluster_objects.pods = Known::Known(vec![pod("agent-x", "n2", json!([data_volume()]))]);
    let (rejection, scheduler) = fixture.current_rejection(filter);
    assert_eq!(
        rejection,
        VolumeRejection::VolumeClaimInUse { claim: "data".into(), used_by: vec![on("n2", "agent-x")] }
    );
    assert_eq!(
        scheduler,
        "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another \
         pod"
    );
    fixture.cluster_objects.minor = Known::Known(KubeMinor(33));
    let (_, scheduler) = fixture.current_rejection(filter);
    assert_eq!(
        scheduler,
        "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode"
    );
}

/// Edge case 71 (docs/edge-cases.md).
#[test]
fn first_pod_of_a_read_write_once_pod_claim_passes() {
    let mut fixture = VolumeFixture::with_claims(one_pod_claim());
    // The pod itself, an unscheduled pod, a pod that has ended, and a pod in another namespace.
    let mut ended = pod("ended", "n2", json!([data_volume()]));
    ended.status.phase = "Succeeded".into();
    let mut foreign = pod("foreign", "n2", json!([data_volume()]));
    foreign.metadata.namespace = "elsewhere".into();
    let itself = pod("agent", "n1", json!([data_volume()]));
    fixture.cluster_objects.pods =
        Known::Known(vec![itself, pod("waiting", "", json!([data_volume()])), ended, foreign]);
    assert_eq!(fixture.check(filter), CheckResult::Pass);
}

#[test]
fn claim_used_on_node_is_rejected_without_all_pods() {
    let mut fixture = VolumeFixture::with_claims(one_pod_claim());
    fixture.cluster_objects.pods = unread("pods");
    assert_eq!(fixture.missing(filter), "cannot list pods");
    fixture.bound_pods = Known::Known(vec![pod("near", "n1", json!([data_volume()]))]);
    let (rejection, _) = fixture.current_rejection(filter);
    assert_eq!(rejection, VolumeRejection::VolumeClaimInUse { claim: "data".into(), used_by: vec![on("n1", "near")] });
}

#[test]
fn same_disk_conflicts_unless_both_only_read() {
    let gce = |name: &str, read_only: bool| json!({"gcePersistentDisk": {"pdName": name, "readOnly": read_only}});
    let aws = |id: &str| json!({"awsElasticBlockStore": {"volumeID": id, "readOnly": true}});
    let iscsi = |iqn: &str, read_only: bool| json!({"iscsi": {"iqn": iqn, "readOnly": read_only}});
    let rbd = |monitors: Value, image: &str, read_only: bool| json!({"rbd": {"monitors": monitors, "image": image, "pool": "p", "readOnly": read_only}});
    let named = |mut volume: Value| {
        volume["name"] = json!("disk");
        json!([volume])
    };
    for (requested, other, conflict) in [
        (gce("d", false), gce("d", true), Some(("gcePersistentDisk", "d"))),
        (gce("d", true), gce("d", true), None),
        (gce("d", false), gce("e", false), None),
        (gce("d", false), aws("d"), None),
        (aws("v"), aws("v"), Some(("awsElasticBlockStore", "v"))),
        (aws("v"), aws("w"), None),
        (iscsi("i", true), iscsi("i", false), Some(("iscsi", "i"))),
        (iscsi("i", true), iscsi("i", true), None),
        (rbd(json!(["a", "b"]), "x", true), rbd(json!(["b"]), "x", false), Some(("rbd", "p/x"))),
        (rbd(json!(["a"]), "x", false), rbd(json!(["b"]), "x", false), None),
        (rbd(json!(["a"]), "x", false), rbd(json!(["a"]), "y", false), None),
        (rbd(json!(["a"]), "x", true), rbd(json!(["a"]), "x", true), None),
    ] {
        let mut fixture = VolumeFixture::with_volumes(named(requested.clone()));
        fixture.bound_pods = Known::Known(vec![pod("near", "n1", named(other.clone()))]);
        let Some((source, disk)) = conflict else {
            assert_eq!(fixture.check(filter), CheckResult::Pass, "{requested} {other}");
            continue;
        };
        let (rejection, scheduler) = fixture.current_rejection(filter);
        let used_by = vec![on("n1", "near")];
        assert_eq!(rejection, VolumeRejection::DiskInUse { volume: "disk".into(), source, disk: disk.into(), used_by });
        assert_eq!(scheduler, "node(s) had no available disk");
    }
}

#[test]
fn nominated_pod_of_equal_priority_uses_its_disk() {
    let disk = || json!([{"name": "disk", "awsElasticBlockStore": {"volumeID": "v"}}]);
    let mut fixture = VolumeFixture::with_volumes(disk());
    let mut nominated = pod("first", "", disk());
    nominated.spec.priority = Some(-1);
    fixture.nominated = Known::Known(vec![nominated.clone()]);
    assert_eq!(fixture.check(filter), CheckResult::Pass);
    nominated.spec.priority = Some(0);
    fixture.nominated = Known::Known(vec![nominated]);
    fixture.current_rejection(filter);
    fixture.bound_pods = unread("pods of n1");
    assert_eq!(fixture.missing(filter), "cannot list pods of n1");
}

#[test]
fn every_cause_is_reported_pod_rejections_first() {
    let disk = json!({"name": "disk", "awsElasticBlockStore": {"volumeID": "v"}});
    let mut fixture = VolumeFixture::with_volumes(json!([disk, data_volume()]));
    fixture.bound_pods = Known::Known(vec![pod("near", "n1", json!([disk]))]);
    fixture.cluster_objects.claims = known(json!([]));
    let (phase, rejections) = fixture.rejections(filter);
    assert_eq!(phase, crate::scheduling::attempt::ExtensionPoint::PreFilter);
    let words: Vec<&str> = rejections.iter().map(|rejection| rejection.scheduler.as_str()).collect();
    assert_eq!(words, ["persistentvolumeclaim \"data\" not found", "node(s) had no available disk"]);
}
