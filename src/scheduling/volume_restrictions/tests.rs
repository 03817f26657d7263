#![allow(clippy::unwrap_used)]
use serde_json::{Value, json};

use super::super::volume_world::{VolumeFixture, claim, data_volume, known, pod, unread};
use super::*;
use crate::check_result::CheckResult;
use crate::snapshot::Known;
use crate::snapshot::cluster_objects::KubeMinor;

fn one_pod_claim() -> Value {
    json!([claim("data", json!({"accessModes": ["ReadWriteOncePod"]}))])
}

fn on(node: &str, name: &str) -> PodOnNode {
    PodOnNode { namespace: "ops".into(), name: name.into(), node: node.into() }
}

#[test]
fn a_pod_without_volumes_passes_though_nothing_is_known() {
    let mut world = VolumeFixture::with_volumes(json!([{"name": "tmp", "emptyDir": {}}]));
    (world.facts.claims, world.facts.pods, world.bound_pods) = (unread("claims"), unread("pods"), unread("pods"));
    assert_eq!(world.judge(filter), CheckResult::Pass);
}

#[test]
fn a_claim_that_is_not_there_refuses_the_pod_everywhere() {
    let world = VolumeFixture::with_claims(json!([{"metadata": {"name": "data", "namespace": "elsewhere"}}]));
    let expected = VolumeRejection::VolumeClaimMissing { claim: "data".into() };
    assert_eq!(world.refusal_of_pod(filter), (expected, "persistentvolumeclaim \"data\" not found".into()));
}

#[test]
fn a_claim_for_many_pods_passes_and_needs_no_pods() {
    let mut world = VolumeFixture::with_claims(json!([claim("data", json!({"accessModes": ["ReadWriteMany"]}))]));
    world.facts.pods = unread("pods");
    assert_eq!(world.judge(filter), CheckResult::Pass);
    world.facts.claims = unread("claims");
    assert_eq!(world.missing(filter), "cannot list claims");
}

/// Edge case 71 (docs/edge-cases.md).

#[test]

fn a_claim_for_one_pod_that_a_pod_of_another_node_uses_refuses_every_other_node() {
    let mut world = VolumeFixture::with_claims(one_pod_claim());
    world.facts.pods = Known::Known(vec![pod("agent-x", "n2", json!([data_volume()]))]);
    let (rejection, scheduler) = world.refusal_for_now(filter);
    assert_eq!(
        rejection,
        VolumeRejection::VolumeClaimInUse { claim: "data".into(), used_by: vec![on("n2", "agent-x")] }
    );
    assert_eq!(
        scheduler,
        "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another \
         pod"
    );
    world.facts.minor = Known::Known(KubeMinor(33));
    let (_, scheduler) = world.refusal_for_now(filter);
    assert_eq!(
        scheduler,
        "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode"
    );
}

/// Edge case 71 (docs/edge-cases.md).

#[test]

fn the_first_pod_of_a_claim_for_one_pod_passes() {
    let mut world = VolumeFixture::with_claims(one_pod_claim());
    // Itself, one that waits for a node, one that has ended, and one of another namespace.
    let mut ended = pod("ended", "n2", json!([data_volume()]));
    ended.status.phase = "Succeeded".into();
    let mut foreign = pod("foreign", "n2", json!([data_volume()]));
    foreign.metadata.namespace = "elsewhere".into();
    let itself = pod("agent", "n1", json!([data_volume()]));
    world.facts.pods = Known::Known(vec![itself, pod("waiting", "", json!([data_volume()])), ended, foreign]);
    assert_eq!(world.judge(filter), CheckResult::Pass);
}

#[test]
fn a_neighbour_with_the_claim_is_enough_without_all_pods() {
    let mut world = VolumeFixture::with_claims(one_pod_claim());
    world.facts.pods = unread("pods");
    assert_eq!(world.missing(filter), "cannot list pods");
    world.bound_pods = Known::Known(vec![pod("near", "n1", json!([data_volume()]))]);
    let (rejection, _) = world.refusal_for_now(filter);
    assert_eq!(rejection, VolumeRejection::VolumeClaimInUse { claim: "data".into(), used_by: vec![on("n1", "near")] });
}

#[test]
fn the_same_disk_conflicts_unless_both_only_read_it() {
    let gce = |name: &str, read_only: bool| json!({"gcePersistentDisk": {"pdName": name, "readOnly": read_only}});
    let aws = |id: &str| json!({"awsElasticBlockStore": {"volumeID": id, "readOnly": true}});
    let iscsi = |iqn: &str, read_only: bool| json!({"iscsi": {"iqn": iqn, "readOnly": read_only}});
    let rbd = |monitors: Value, image: &str, read_only: bool| json!({"rbd": {"monitors": monitors, "image": image, "pool": "p", "readOnly": read_only}});
    let named = |mut volume: Value| {
        volume["name"] = json!("disk");
        json!([volume])
    };
    for (wanted, other, conflict) in [
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
        let mut world = VolumeFixture::with_volumes(named(wanted.clone()));
        world.bound_pods = Known::Known(vec![pod("near", "n1", named(other.clone()))]);
        let Some((source, disk)) = conflict else {
            assert_eq!(world.judge(filter), CheckResult::Pass, "{wanted} {other}");
            continue;
        };
        let (rejection, scheduler) = world.refusal_for_now(filter);
        let used_by = vec![on("n1", "near")];
        assert_eq!(rejection, VolumeRejection::DiskInUse { volume: "disk".into(), source, disk: disk.into(), used_by });
        assert_eq!(scheduler, "node(s) had no available disk");
    }
}

#[test]
fn room_made_for_a_pod_of_no_less_priority_counts_as_taken() {
    let disk = || json!([{"name": "disk", "awsElasticBlockStore": {"volumeID": "v"}}]);
    let mut world = VolumeFixture::with_volumes(disk());
    let mut nominated = pod("first", "", disk());
    nominated.spec.priority = Some(-1);
    world.nominated = Known::Known(vec![nominated.clone()]);
    assert_eq!(world.judge(filter), CheckResult::Pass);
    nominated.spec.priority = Some(0);
    world.nominated = Known::Known(vec![nominated]);
    world.refusal_for_now(filter);
    world.bound_pods = unread("pods of n1");
    assert_eq!(world.missing(filter), "cannot list pods of n1");
}

#[test]
fn every_cause_is_told_and_what_refuses_the_pod_comes_first() {
    let disk = json!({"name": "disk", "awsElasticBlockStore": {"volumeID": "v"}});
    let mut world = VolumeFixture::with_volumes(json!([disk, data_volume()]));
    world.bound_pods = Known::Known(vec![pod("near", "n1", json!([disk]))]);
    world.facts.claims = known(json!([]));
    let (phase, rejections) = world.rejections(filter);
    assert_eq!(phase, crate::scheduling::attempt::ExtensionPoint::PreFilter);
    let words: Vec<&str> = rejections.iter().map(|rejection| rejection.scheduler.as_str()).collect();
    assert_eq!(words, ["persistentvolumeclaim \"data\" not found", "node(s) had no available disk"]);
}
