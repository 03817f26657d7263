#![allow(clippy::unwrap_used)]
use serde_json::{Value, json};

use super::*;
use crate::placement::Requirement;
use crate::placement::TermMismatch;
use crate::scheduling::{MismatchedVolume, VolumeMismatch};
use crate::testing::volume_fixture::{
    VolumeFixture, bound_claim, claim, data_volume, in_zone, known, pod, unread, volume,
};

fn class(name: &str, provisioner: &str, mode: &str) -> Value {
    json!({"metadata": {"name": name}, "provisioner": provisioner, "volumeBindingMode": mode})
}

/// A claim `data` of 10Gi whose volume waits for the pod, and its class without provisioning.
fn waiting() -> VolumeFixture {
    let mut fixture = VolumeFixture::with_claims(json!([unbound_claim("data", "10Gi")]));
    fixture.cluster_objects.storage_classes = known(json!([class("local", "kubernetes.io/no-provisioner", WAITS)]));
    fixture
}

fn unbound_claim(name: &str, size: &str) -> Value {
    claim(
        name,
        json!({
            "storageClassName": "local", "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}},
        }),
    )
}

fn local(name: &str, size: &str, more: Value) -> Value {
    let mut spec =
        json!({"storageClassName": "local", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": size}});
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    volume(name, spec)
}

/// The mismatch of the zone on the node in zone `a`.
fn not_in_zone(zone: &str) -> Vec<TermMismatch> {
    let mismatches = Requirement {
        key: "topology.kubernetes.io/zone".into(),
        operator: "In".into(),
        values: vec![zone.into()],
        found: Some("a".into()),
    };
    vec![TermMismatch { invalid: None, mismatches: vec![mismatches] }]
}

#[test]
fn pod_without_claims_passes_without_objects() {
    let mut fixture = VolumeFixture::with_volumes(json!([{"name": "tmp", "emptyDir": {}}]));
    fixture.cluster_objects.claims = unread("claims");
    assert_eq!(fixture.check(filter), CheckResult::Pass);
    fixture.pod = pod("agent", "", json!([data_volume()]));
    assert_eq!(fixture.missing(filter), "cannot list claims");
}

#[test]
fn missing_claim_is_reported_by_volume_restrictions() {
    assert_eq!(VolumeFixture::with_claims(json!([])).check(filter), CheckResult::Pass);
}

#[test]
fn lost_claim_rejects_pod() {
    let mut lost = bound_claim("data", "pv");
    lost["status"]["phase"] = json!("Lost");
    let expected = VolumeRejection::VolumeClaimLost { claim: "data".into(), volume: "pv".into(), ephemeral: false };
    let scheduler = "persistentvolumeclaim \"data\" bound to non-existent persistentvolume \"pv\"";
    assert_eq!(VolumeFixture::with_claims(json!([lost])).pod_rejection(filter), (expected, scheduler.into()));
}

#[test]
fn claim_being_deleted_rejects_pod() {
    let mut leaving = bound_claim("data", "pv");
    leaving["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    let expected = VolumeRejection::VolumeClaimTerminating { claim: "data".into(), ephemeral: false };
    let scheduler = "persistentvolumeclaim \"data\" is being deleted";
    assert_eq!(VolumeFixture::with_claims(json!([leaving])).pod_rejection(filter), (expected, scheduler.into()));
}

#[test]
fn claim_of_ephemeral_volume_must_exist_and_be_owned() {
    let mut fixture =
        VolumeFixture::with_volumes(json!([{"name": "scratch", "ephemeral": {"volumeClaimTemplate": {"spec": {}}}}]));
    let (claim_name, volume_name) = (String::from("agent-scratch"), String::from("scratch"));
    let pending = VolumeRejection::VolumeClaimPending { claim: claim_name.clone(), volume: volume_name.clone() };
    let scheduler = "waiting for ephemeral volume controller to create the persistentvolumeclaim \"agent-scratch\"";
    assert_eq!(fixture.pod_rejection(filter), (pending, scheduler.into()));

    let mut owned = bound_claim("agent-scratch", "pv");
    fixture.cluster_objects.volumes = known(json!([volume("pv", json!({}))]));
    fixture.cluster_objects.claims = known(json!([owned]));
    let foreign = VolumeRejection::VolumeClaimNotOwned { claim: claim_name, volume: volume_name };
    let scheduler = "PVC ops/agent-scratch was not created for pod ops/agent (pod is not owner)";
    assert_eq!(fixture.pod_rejection(filter), (foreign, scheduler.into()));

    let owner = json!({"apiVersion": "v1", "kind": "Pod", "name": "agent", "uid": "uid-agent", "controller": true});
    owned["metadata"]["ownerReferences"] = json!([owner]);
    fixture.cluster_objects.claims = known(json!([owned]));
    assert_eq!(fixture.check(filter), CheckResult::Pass);
}

#[test]
fn unbound_immediate_claim_rejects_pod_with_class() {
    let classes = json!([class("fast", "disk.example.com", "Immediate"), class("local", "", WAITS)]);
    for (spec, storage_class, provisioner, volume) in [
        (json!({}), None, None, None),
        (json!({"storageClassName": "gone"}), Some("gone"), None, None),
        (json!({"storageClassName": "fast"}), Some("fast"), Some("disk.example.com"), None),
        // A claim that requests a volume by name must be bound before, whatever its class.
        (json!({"storageClassName": "local", "volumeName": "pv"}), Some("local"), Some(""), Some("pv")),
    ] {
        let mut fixture = VolumeFixture::with_claims(json!([claim("data", spec)]));
        fixture.cluster_objects.storage_classes = known(classes.clone());
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let expected = VolumeRejection::VolumeClaimUnbound {
            claim: "data".into(),
            storage_class: owned(storage_class),
            provisioner: owned(provisioner),
            volume: owned(volume),
        };
        assert_eq!(
            fixture.pod_rejection(filter),
            (expected, "pod has unbound immediate PersistentVolumeClaims".into())
        );
    }
    let mut fixture = VolumeFixture::with_claims(json!([claim("data", json!({"storageClassName": "fast"}))]));
    fixture.cluster_objects.storage_classes = unread("storageclasses");
    assert_eq!(fixture.missing(filter), "cannot list storageclasses");
}

#[test]
fn bound_volume_must_be_accessible_from_node() {
    let mut fixture = VolumeFixture::with_claims(json!([bound_claim("data", "pv")]));
    for (affinity, expected) in [(json!({}), None), (in_zone("a"), None), (in_zone("b"), Some(not_in_zone("b")))] {
        fixture.cluster_objects.volumes = known(json!([volume("pv", json!({"nodeAffinity": affinity}))]));
        let Some(terms) = expected else {
            assert_eq!(fixture.check(filter), CheckResult::Pass);
            continue;
        };
        let expected = VolumeRejection::VolumeNodeAffinity { claim: "data".into(), volume: "pv".into(), terms };
        let scheduler = "node(s) didn't match PersistentVolume's node affinity";
        assert_eq!(fixture.node_rejection(filter), (expected, scheduler.into()));
    }
    fixture.cluster_objects.volumes = unread("volumes");
    assert_eq!(fixture.missing(filter), "cannot list volumes");
}

#[test]
fn match_fields_in_volume_affinity_always_match() {
    let mut fixture = VolumeFixture::with_claims(json!([bound_claim("data", "pv")]));
    let field = json!([{"key": "metadata.name", "operator": "In", "values": ["n9"]}]);
    let with =
        |term: Value| json!([volume("pv", json!({"nodeAffinity": {"required": {"nodeSelectorTerms": [term]}}}))]);
    fixture.cluster_objects.volumes = known(with(json!({"matchFields": field})));
    assert_eq!(fixture.check(filter), CheckResult::Pass);
    for (zone, passes) in [("a", true), ("b", false)] {
        let zone = in_zone(zone)["required"]["nodeSelectorTerms"][0]["matchExpressions"].clone();
        fixture.cluster_objects.volumes = known(with(json!({"matchFields": field, "matchExpressions": zone})));
        assert_eq!(fixture.check(filter) == CheckResult::Pass, passes);
    }
}

#[test]
fn missing_volume_of_ephemeral_claim_is_rejected() {
    let mut fixture = VolumeFixture::with_volumes(json!([{"name": "scratch", "ephemeral": {}}]));
    let owner = json!({"apiVersion": "v1", "kind": "Pod", "name": "agent", "uid": "uid-agent", "controller": true});
    let mut owned = bound_claim("agent-scratch", "pv");
    owned["metadata"]["ownerReferences"] = json!([owner]);
    fixture.cluster_objects.claims = known(json!([owned]));
    let expected =
        VolumeRejection::VolumeMissing { claim: "agent-scratch".into(), volume: "pv".into(), ephemeral: true };
    let scheduler = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)";
    assert_eq!(fixture.node_rejection(filter), (expected, scheduler.into()));
    // For a claim that the pod references, VolumeZone reports it.
    assert_eq!(VolumeFixture::with_claims(json!([bound_claim("data", "pv")])).check(filter), CheckResult::Pass);
}

#[test]
fn waiting_claim_takes_matching_volume() {
    let mut fixture = waiting();
    fixture.cluster_objects.volumes = known(json!([local("pv", "10Gi", json!({"nodeAffinity": in_zone("a")}))]));
    assert_eq!(fixture.check(filter), CheckResult::Pass);
    fixture.cluster_objects.volumes = unread("volumes");
    assert_eq!(fixture.missing(filter), "cannot list volumes");
}

#[test]
fn waiting_claim_without_match_has_every_mismatch() {
    let mut fixture = waiting();
    let claim_ref = |name: &str| json!({"claimRef": {"namespace": "ops", "name": name}});
    let mut released = local("released", "10Gi", json!({}));
    released["status"]["phase"] = json!("Released");
    let mut leaving = local("leaving", "10Gi", json!({}));
    leaving["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    fixture.cluster_objects.volumes = known(json!([
        local("taken", "10Gi", claim_ref("other")),
        local("small", "1Gi", json!({})),
        local("block", "10Gi", json!({"volumeMode": "Block"})),
        local("gold", "10Gi", json!({"volumeAttributesClassName": "gold"})),
        leaving,
        released,
        local("far", "10Gi", json!({"nodeAffinity": in_zone("b")})),
        local("shared", "10Gi", json!({"accessModes": ["ReadOnlyMany"]})),
        volume("of-another-class", json!({"storageClassName": "fast", "capacity": {"storage": "10Gi"}})),
    ]));
    let mismatches = [
        ("taken", VolumeMismatch::ClaimedBy { claim: "ops/other".into() }),
        ("small", VolumeMismatch::TooSmall { capacity: "1Gi".parse().unwrap() }),
        ("block", VolumeMismatch::OtherMode { found: "Block".into() }),
        ("gold", VolumeMismatch::OtherAttributes { found: Some("gold".into()) }),
        ("leaving", VolumeMismatch::Terminating),
        ("released", VolumeMismatch::NotAvailable { phase: "Released".into() }),
        ("far", VolumeMismatch::OtherNodes { terms: not_in_zone("b") }),
        ("shared", VolumeMismatch::OtherAccess { found: vec!["ReadOnlyMany".into()] }),
    ];
    let mismatches =
        mismatches.into_iter().map(|(volume, cause)| MismatchedVolume { volume: volume.into(), cause }).collect();
    let requested = "10Gi".parse().unwrap();
    let expected =
        VolumeRejection::NoVolumeToBind { claim: "data".into(), storage_class: "local".into(), requested, mismatches };
    let scheduler = "node(s) didn't find available persistent volumes to bind";
    assert_eq!(fixture.node_rejection(filter), (expected, scheduler.into()));
}

#[test]
fn reserved_volume_is_the_only_one_for_claim() {
    let mut fixture = waiting();
    let kept = |zone: &str| {
        let mut pv = local(
            "kept",
            "10Gi",
            json!({"nodeAffinity": in_zone(zone), "claimRef": {
                "namespace": "ops", "name": "data", "uid": "uid-data",
            }}),
        );
        pv["status"]["phase"] = json!("Bound");
        pv
    };
    fixture.cluster_objects.volumes = known(json!([local("free", "10Gi", json!({})), kept("b")]));
    let (rejection, _) = fixture.node_rejection(filter);
    assert!(
        matches!(&rejection, VolumeRejection::NoVolumeToBind { mismatches, .. } if mismatches[0].volume == "kept"),
        "{rejection:?}"
    );
    fixture.cluster_objects.volumes = known(json!([kept("a")]));
    assert_eq!(fixture.check(filter), CheckResult::Pass);
}

#[test]
fn selector_of_claim_selects_volumes() {
    let mut fixture = waiting();
    let mut claim = unbound_claim("data", "10Gi");
    claim["spec"]["selector"] = json!({"matchLabels": {"tier": "gold"}});
    fixture.cluster_objects.claims = known(json!([claim]));
    let mut pv = local("pv", "10Gi", json!({}));
    fixture.cluster_objects.volumes = known(json!([pv]));
    let (rejection, _) = fixture.node_rejection(filter);
    assert!(
        matches!(&rejection, VolumeRejection::NoVolumeToBind { mismatches, .. } if mismatches[0].cause == VolumeMismatch::OtherLabels)
    );
    pv["metadata"]["labels"] = json!({"tier": "gold"});
    fixture.cluster_objects.volumes = known(json!([pv]));
    assert_eq!(fixture.check(filter), CheckResult::Pass);
}

#[test]
fn smaller_claim_takes_smaller_volume() {
    let mut fixture = waiting();
    let large = json!({"name": "large", "persistentVolumeClaim": {"claimName": "large"}});
    fixture.pod = pod("agent", "", json!([large, data_volume()]));
    fixture.cluster_objects.claims = known(json!([unbound_claim("large", "20Gi"), unbound_claim("data", "5Gi")]));
    fixture.cluster_objects.volumes =
        known(json!([local("pv-20", "20Gi", json!({})), local("pv-5", "5Gi", json!({}))]));
    assert_eq!(fixture.check(filter), CheckResult::Pass);
    fixture.cluster_objects.volumes = known(json!([local("pv-20", "20Gi", json!({}))]));
    let (rejection, _) = fixture.node_rejection(filter);
    assert!(matches!(&rejection, VolumeRejection::NoVolumeToBind { claim, .. } if claim == "large"), "{rejection:?}");
}

#[test]
fn volume_provisioned_for_other_node_is_rejected() {
    let mut fixture = waiting();
    fixture.cluster_objects.storage_classes = known(json!([class("local", "disk.example.com", WAITS)]));
    for (node, passes) in [("n1", true), ("n2", false)] {
        let mut claim = unbound_claim("data", "10Gi");
        claim["metadata"]["annotations"] = json!({"volume.kubernetes.io/selected-node": node});
        fixture.cluster_objects.claims = known(json!([claim]));
        if passes {
            assert_eq!(fixture.check(filter), CheckResult::Pass);
            continue;
        }
        let expected = VolumeRejection::VolumeClaimOnOtherNode { claim: "data".into(), selected_node: "n2".into() };
        let scheduler = "node(s) didn't find available persistent volumes to bind";
        assert_eq!(fixture.node_rejection(filter), (expected, scheduler.into()));
    }
}

#[test]
fn provisioning_is_limited_to_allowed_topologies() {
    let mut fixture = waiting();
    for (allowed, passes) in [
        (json!([]), true),
        (json!([{"matchLabelExpressions": [{"key": "topology.kubernetes.io/zone", "values": ["b", "a"]}]}]), true),
        (json!([{"matchLabelExpressions": [{"key": "topology.kubernetes.io/zone", "values": ["b"]}]}]), false),
        (json!([{}]), false),
        (json!([{"matchLabelExpressions": []}]), false),
    ] {
        let mut class = class("local", "disk.example.com", WAITS);
        class["allowedTopologies"] = allowed.clone();
        fixture.cluster_objects.storage_classes = known(json!([class]));
        if passes {
            assert_eq!(fixture.check(filter), CheckResult::Pass, "{allowed}");
            continue;
        }
        let (rejection, scheduler) = fixture.node_rejection(filter);
        let terms = if allowed.to_string().contains("values") { not_in_zone("b") } else { Vec::new() };
        let (claim, storage_class) = ("data".into(), "local".into());
        assert_eq!(rejection, VolumeRejection::StorageTopology { claim, storage_class, terms });
        assert_eq!(scheduler, "node(s) didn't find available persistent volumes to bind");
    }
}

#[test]
fn reported_capacity_must_be_enough_and_accessible() {
    let driver = "disk.example.com";
    let mut fixture = waiting();
    fixture.cluster_objects.storage_classes = known(json!([class("local", driver, WAITS)]));
    let drivers = |reports: bool| json!([{"metadata": {"name": driver}, "spec": {"storageCapacity": reports}}]);
    fixture.cluster_objects.csi_drivers = known(drivers(false));
    assert_eq!(fixture.check(filter), CheckResult::Pass);
    fixture.cluster_objects.csi_drivers = known(drivers(true));
    let capacity = |zone: &str, class: &str, amounts: Value| {
        let mut capacity = amounts;
        capacity["metadata"] = json!({"name": zone});
        capacity["storageClassName"] = json!(class);
        capacity["nodeTopology"] = json!({"matchLabels": {"topology.kubernetes.io/zone": zone}});
        capacity
    };
    for (capacities, largest) in [
        (json!([capacity("a", "local", json!({"capacity": "10Gi"}))]), Ok(())),
        (json!([capacity("a", "local", json!({"capacity": "9Gi"}))]), Err(Some("9Gi"))),
        (json!([capacity("a", "local", json!({"capacity": "90Gi", "maximumVolumeSize": "8Gi"}))]), Err(Some("8Gi"))),
        (json!([capacity("b", "local", json!({"capacity": "90Gi"}))]), Err(None)),
        (json!([capacity("a", "other", json!({"capacity": "90Gi"}))]), Err(None)),
        (json!([{"metadata": {"name": "x"}, "storageClassName": "local", "capacity": "90Gi"}]), Err(None)),
        (json!([]), Err(None)),
    ] {
        fixture.cluster_objects.storage_capacities = known(capacities.clone());
        let Err(largest) = largest else {
            assert_eq!(fixture.check(filter), CheckResult::Pass);
            continue;
        };
        let (rejection, scheduler) = fixture.node_rejection(filter);
        let expected = VolumeRejection::StorageCapacity {
            claim: "data".into(),
            storage_class: "local".into(),
            driver: driver.into(),
            requested: "10Gi".parse().unwrap(),
            largest: largest.map(|largest| largest.parse().unwrap()),
        };
        assert_eq!(rejection, expected, "{capacities}");
        assert_eq!(scheduler, "node(s) did not have enough free storage");
    }
    fixture.cluster_objects.storage_capacities = unread("csistoragecapacities");
    assert_eq!(fixture.missing(filter), "cannot list csistoragecapacities");
    fixture.cluster_objects.csi_drivers = unread("csidrivers");
    assert_eq!(fixture.missing(filter), "cannot list csidrivers");
}

#[test]
fn ephemeral_volume_of_unstored_pod_uses_its_template() {
    let template = |class: Value| {
        json!([{"name": "scratch", "ephemeral": {"volumeClaimTemplate": {"spec": {
            "storageClassName": class, "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "10Gi"}},
        }}}}])
    };
    let mut fixture = VolumeFixture::with_volumes(json!([]));
    let mut default = class("zonal", "disk.example.com", WAITS);
    default["metadata"]["annotations"] = json!({IS_DEFAULT: "true"});
    default["allowedTopologies"] =
        json!([{"matchLabelExpressions": [{"key": "topology.kubernetes.io/zone", "values": ["b"]}]}]);
    fixture.cluster_objects.storage_classes = known(json!([class("fast", "disk.example.com", "Immediate"), default]));
    // A claim without a class gets the default class.
    for (name, passes) in [("fast", true), ("gone", true), ("zonal", false), ("", false)] {
        fixture.pod = pod("", "", template(json!(name)));
        if passes {
            assert_eq!(fixture.check(filter), CheckResult::Pass, "{name}");
        } else {
            let (rejection, _) = fixture.node_rejection(filter);
            assert!(
                matches!(&rejection, VolumeRejection::StorageTopology { claim, .. } if claim == "scratch"),
                "{rejection:?}"
            );
        }
    }
}

#[test]
fn migrated_volume_is_matched_by_label_of_driver() {
    let mut fixture = VolumeFixture::with_claims(json!([bound_claim("data", "pv")]));
    let disk = json!({"gcePersistentDisk": {"pdName": "d"}, "nodeAffinity": in_zone("b")});
    fixture.cluster_objects.volumes = known(json!([volume("pv", disk)]));
    fixture.node.metadata.labels.insert("topology.gke.io/zone".into(), "b".into());
    fixture.node_rejection(filter);
    fixture.cluster_objects.csi_nodes =
        known(json!([{"spec": {"drivers": []}, "metadata": {"name": "n1", "annotations": {
            "storage.alpha.kubernetes.io/migrated-plugins": "kubernetes.io/gce-pd",
        }}}]));
    assert_eq!(fixture.check(filter), CheckResult::Pass);
    fixture.cluster_objects.csi_nodes = unread("csinodes");
    assert_eq!(fixture.missing(filter), "cannot list csinodes");
}
