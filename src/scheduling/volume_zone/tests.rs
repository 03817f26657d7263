#![allow(clippy::unwrap_used)]
use serde_json::{Value, json};

use super::*;
use crate::testing::volume_fixture::{VolumeFixture, bound_claim, claim, known, unread, volume};

const ZONE: &str = "topology.kubernetes.io/zone";

fn with_labels(labels: Value) -> VolumeFixture {
    let mut fixture = VolumeFixture::with_claims(json!([bound_claim("data", "pv")]));
    let mut pv = volume("pv", json!({}));
    pv["metadata"]["labels"] = labels;
    fixture.cluster_objects.volumes = known(json!([pv]));
    fixture
}

#[test]
fn volume_in_zone_of_node_passes_other_is_rejected() {
    assert_eq!(with_labels(json!({ZONE: "a", "topology.kubernetes.io/region": "r"})).check(filter), CheckResult::Pass);
    assert_eq!(with_labels(json!({"tier": "gold"})).check(filter), CheckResult::Pass);
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
    assert_eq!(with_labels(json!({ZONE: "b__a"})).check(filter), CheckResult::Pass);
    assert_eq!(with_labels(json!({ZONE: "b__c"})).rejections(filter).1.len(), 1);
    // A label with an empty zone is ignored.
    assert_eq!(with_labels(json!({ZONE: "b__"})).check(filter), CheckResult::Pass);
}

#[test]
fn deprecated_label_of_volume_matches_current_of_node() {
    const BETA: &str = "failure-domain.beta.kubernetes.io/zone";
    assert_eq!(with_labels(json!({BETA: "a"})).check(filter), CheckResult::Pass);
    with_labels(json!({BETA: "b"})).node_rejection(filter);
    // Both labels with the same zone are one cause.
    with_labels(json!({BETA: "b", ZONE: "b"})).node_rejection(filter);
    let mut fixture = with_labels(json!({BETA: "b"}));
    fixture.node.metadata.labels.insert(BETA.into(), "b".into());
    assert_eq!(fixture.check(filter), CheckResult::Pass);
    // A current label of the volume is not compared with a deprecated label of the node.
    let mut fixture = with_labels(json!({ZONE: "a"}));
    fixture.node.metadata.labels.remove(ZONE);
    fixture.node.metadata.labels.insert(BETA.into(), "a".into());
    let (rejection, _) = fixture.node_rejection(filter);
    assert!(matches!(rejection, VolumeRejection::VolumeZone { found: None, .. }), "{rejection:?}");
}

#[test]
fn node_without_zone_labels_accepts_every_volume() {
    let mut fixture = with_labels(json!({ZONE: "b"}));
    fixture.node.metadata.labels.remove("topology.kubernetes.io/region");
    fixture.node_rejection(filter);
    fixture.node.metadata.labels.remove(ZONE);
    assert_eq!(fixture.check(filter), CheckResult::Pass);
}

#[test]
fn missing_volume_rejects_pod() {
    let fixture = VolumeFixture::with_claims(json!([bound_claim("data", "pv")]));
    let expected = VolumeRejection::VolumeMissing { claim: "data".into(), volume: "pv".into(), ephemeral: false };
    assert_eq!(fixture.pod_rejection(filter), (expected, "persistentvolume \"pv\" not found".into()));
}

#[test]
fn causes_of_other_filters_pass_missing_data_is_unknown() {
    assert_eq!(VolumeFixture::with_claims(json!([])).check(filter), CheckResult::Pass);
    let mut lost = bound_claim("data", "pv");
    lost["status"]["phase"] = json!("Lost");
    for claim in [lost, claim("data", json!({"volumeName": "pv"}))] {
        assert_eq!(VolumeFixture::with_claims(json!([claim])).check(filter), CheckResult::Pass);
    }
    let mut fixture = VolumeFixture::with_claims(json!([claim("data", json!({}))]));
    fixture.cluster_objects.volumes = unread("volumes");
    assert_eq!(fixture.check(filter), CheckResult::Pass);
    fixture.cluster_objects.claims = known(json!([bound_claim("data", "pv")]));
    assert_eq!(fixture.missing(filter), "cannot list volumes");
}
