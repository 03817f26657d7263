#![allow(clippy::unwrap_used)]
use serde_json::{Value, json};

use super::super::volume_world::{VolumeFixture, bound_claim, claim, known, unread, volume};
use super::*;

const ZONE: &str = "topology.kubernetes.io/zone";

fn with_labels(labels: Value) -> VolumeFixture {
    let mut world = VolumeFixture::with_claims(json!([bound_claim("data", "pv")]));
    let mut pv = volume("pv", json!({}));
    pv["metadata"]["labels"] = labels;
    world.cluster_objects.volumes = known(json!([pv]));
    world
}

#[test]
fn volume_in_zone_of_node_passes_other_is_rejected() {
    assert_eq!(with_labels(json!({ZONE: "a", "topology.kubernetes.io/region": "r"})).judge(filter), CheckResult::Pass);
    assert_eq!(with_labels(json!({"tier": "gold"})).judge(filter), CheckResult::Pass);
    let (rejection, scheduler) = with_labels(json!({ZONE: "b"})).node_rejection(filter);
    let expected = VolumeRejection::VolumeZone {
        claim: "data".into(),
        volume: "pv".into(),
        key: ZONE.into(),
        required: vec!["b".into()],
        found: Some("a".into()),
    };
    assert_eq!((rejection, scheduler.as_str()), (expected, "node(s) had no available volume zone"));
}

#[test]
fn volume_in_several_zones_matches_each() {
    assert_eq!(with_labels(json!({ZONE: "b__a"})).judge(filter), CheckResult::Pass);
    assert_eq!(with_labels(json!({ZONE: "b__c"})).rejections(filter).1.len(), 1);
    // A label with an empty zone is ignored.
    assert_eq!(with_labels(json!({ZONE: "b__"})).judge(filter), CheckResult::Pass);
}

#[test]
fn deprecated_label_of_volume_matches_current_of_node() {
    const BETA: &str = "failure-domain.beta.kubernetes.io/zone";
    assert_eq!(with_labels(json!({BETA: "a"})).judge(filter), CheckResult::Pass);
    with_labels(json!({BETA: "b"})).node_rejection(filter);
    // Both labels with the same zone are one cause.
    with_labels(json!({BETA: "b", ZONE: "b"})).node_rejection(filter);
    let mut world = with_labels(json!({BETA: "b"}));
    world.node.metadata.labels.insert(BETA.into(), "b".into());
    assert_eq!(world.judge(filter), CheckResult::Pass);
    // A current label of the volume is not compared with a deprecated label of the node.
    let mut world = with_labels(json!({ZONE: "a"}));
    world.node.metadata.labels.remove(ZONE);
    world.node.metadata.labels.insert(BETA.into(), "a".into());
    let (rejection, _) = world.node_rejection(filter);
    assert!(matches!(rejection, VolumeRejection::VolumeZone { found: None, .. }), "{rejection:?}");
}

#[test]
fn node_without_zone_labels_accepts_every_volume() {
    let mut world = with_labels(json!({ZONE: "b"}));
    world.node.metadata.labels.remove("topology.kubernetes.io/region");
    world.node_rejection(filter);
    world.node.metadata.labels.remove(ZONE);
    assert_eq!(world.judge(filter), CheckResult::Pass);
}

#[test]
fn missing_volume_rejects_pod() {
    let world = VolumeFixture::with_claims(json!([bound_claim("data", "pv")]));
    let expected = VolumeRejection::VolumeMissing { claim: "data".into(), volume: "pv".into(), ephemeral: false };
    assert_eq!(world.pod_rejection(filter), (expected, "persistentvolume \"pv\" not found".into()));
}

#[test]
fn causes_of_other_filters_pass_missing_data_is_unknown() {
    assert_eq!(VolumeFixture::with_claims(json!([])).judge(filter), CheckResult::Pass);
    let mut lost = bound_claim("data", "pv");
    lost["status"]["phase"] = json!("Lost");
    for claim in [lost, claim("data", json!({"volumeName": "pv"}))] {
        assert_eq!(VolumeFixture::with_claims(json!([claim])).judge(filter), CheckResult::Pass);
    }
    let mut world = VolumeFixture::with_claims(json!([claim("data", json!({}))]));
    world.cluster_objects.volumes = unread("volumes");
    assert_eq!(world.judge(filter), CheckResult::Pass);
    world.cluster_objects.claims = known(json!([bound_claim("data", "pv")]));
    assert_eq!(world.missing(filter), "cannot list volumes");
}
