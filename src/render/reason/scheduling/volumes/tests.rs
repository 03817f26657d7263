#![allow(clippy::unwrap_used)]
use super::*;
use crate::placement::{Requirement, TermMismatch};

const TARGET: RemedyContext<'_> = RemedyContext::named("n1", "ops", "agent", Some("agent-x"));

fn holder(name: &str) -> PodOnNode {
    PodOnNode { namespace: "ops".into(), name: name.into(), node: "n2".into() }
}

fn not_in_zone() -> Vec<TermMismatch> {
    let (key, operator) = ("zone".into(), "In".into());
    vec![TermMismatch {
        invalid: None,
        mismatches: vec![Requirement { key, operator, values: vec!["b".into()], found: None }],
    }]
}

/// One of each variant.
fn rejections() -> Vec<VolumeRejection> {
    let (claim, volume) = (|| String::from("data"), || String::from("pv"));
    let storage_class = || String::from("fast");
    let driver = || String::from("disk.example.com");
    vec![
        VolumeRejection::DiskInUse {
            volume: "v".into(),
            source: "iscsi",
            disk: "iqn".into(),
            used_by: vec![holder("a")],
        },
        VolumeRejection::VolumeClaimInUse { claim: claim(), used_by: ["a", "b", "c", "d"].map(holder).into() },
        VolumeRejection::VolumeClaimMissing { claim: claim() },
        VolumeRejection::VolumeClaimPending { claim: claim(), volume: "scratch".into() },
        VolumeRejection::VolumeClaimLost { claim: claim(), volume: volume(), ephemeral: false },
        VolumeRejection::VolumeClaimTerminating { claim: claim(), ephemeral: false },
        VolumeRejection::VolumeClaimNotOwned { claim: claim(), volume: "scratch".into() },
        VolumeRejection::VolumeClaimUnbound { claim: claim(), storage_class: None, provisioner: None, volume: None },
        VolumeRejection::VolumeClaimOnOtherNode { claim: claim(), selected_node: "n2".into() },
        VolumeRejection::VolumeMissing { claim: claim(), volume: volume(), ephemeral: false },
        VolumeRejection::VolumeNodeAffinity { claim: claim(), volume: volume(), terms: not_in_zone() },
        VolumeRejection::VolumeZone {
            claim: claim(),
            volume: volume(),
            key: "zone".into(),
            required: vec!["b".into(), "c".into()],
            found: Some("a".into()),
        },
        VolumeRejection::NoVolumeToBind {
            claim: claim(),
            storage_class: storage_class(),
            requested: "10Gi".parse().unwrap(),
            mismatches: vec![MismatchedVolume {
                volume: volume(),
                cause: VolumeMismatch::TooSmall { capacity: "1Gi".parse().unwrap() },
            }],
        },
        VolumeRejection::StorageTopology { claim: claim(), storage_class: storage_class(), terms: not_in_zone() },
        VolumeRejection::StorageCapacity {
            claim: claim(),
            storage_class: storage_class(),
            driver: driver(),
            requested: "10Gi".parse().unwrap(),
            largest: None,
        },
        VolumeRejection::VolumeLimit {
            driver: driver(),
            limit: 25,
            used: 25,
            requested: 1,
            used_by: vec![holder("a")],
        },
        VolumeRejection::CsiDriverMissing { driver: driver() },
    ]
}

#[test]
fn each_rejection_has_a_sentence() {
    let details: Vec<String> = rejections().iter().map(|rejection| detail(rejection, ListLength::Handful)).collect();
    let expected = [
        "volume v: iscsi iqn is in use by pod ops/a on n2",
        "claim data is ReadWriteOncePod (one pod in the whole cluster), and in use by pod ops/a on n2, pod ops/b on \
         n2, pod ops/c on n2 and 1 more",
        "PersistentVolumeClaim data does not exist",
        "PersistentVolumeClaim data of volume scratch is not created yet",
        "PersistentVolumeClaim data is Lost: its PersistentVolume pv no longer exists",
        "PersistentVolumeClaim data is Terminating",
        "volume scratch needs PersistentVolumeClaim data, which exists but is not owned by the pod",
        "PersistentVolumeClaim data is not bound: it has no storage class, and no PersistentVolume without one matches",
        "the volume of PersistentVolumeClaim data is being provisioned for node n2",
        "PersistentVolumeClaim data is bound to PersistentVolume pv, which does not exist",
        "PersistentVolume pv (claim data) is not accessible from this node: node affinity does not match: zone In [b] \
         (the node has no label zone)",
        "PersistentVolume pv (claim data) requires zone=b or c; the node has a",
        "no PersistentVolume for claim data (10Gi) on this node: storage class fast does not provision volumes; 1 \
         volume not suitable: pv has only 1Gi",
        "storage class fast cannot provision claim data for this node: allowedTopologies does not match: zone In [b] \
         (the node has no label zone)",
        "claim data requests 10Gi; disk.example.com reports no storage for this node",
        "disk.example.com attaches at most 25 volumes to this node: 25 in use, 1 more requested",
        "CSI driver disk.example.com is not registered on this node, which its volumes require",
    ];
    assert_eq!(details, expected);
}

#[test]
fn unbound_claim_is_explained_by_its_storage_class() {
    for (class, provisioner, volume, expected) in [
        (Some("gone"), None, None, "its storage class gone does not exist"),
        (
            Some("local"),
            Some("kubernetes.io/no-provisioner"),
            None,
            "its storage class local does not provision volumes, and no PersistentVolume matches",
        ),
        (Some("fast"), Some("disk.example.com"), None, "disk.example.com has not provisioned its volume yet"),
        (Some("fast"), None, Some("pv"), "it requests PersistentVolume pv, and they are not bound yet"),
    ] {
        assert_eq!(unbound(class, provisioner, volume), expected);
    }
}

#[test]
fn each_rejection_has_a_remedy_that_starts_with_a_verb() {
    for rejection in rejections() {
        let short = summary(&rejection);
        assert!(!short.is_empty() && short.len() < 70, "{short}");
        let remedies = remedies(&rejection, &TARGET);
        assert!(!remedies.is_empty(), "{short}");
        for Remedy { text, .. } in remedies {
            let verb = text.split([' ', ',']).next().unwrap_or_default();
            let verbs = [
                "create", "delete", "find", "fix", "free", "replace", "request", "restore", "restrict", "recreate",
                "see", "use", "wait",
            ];
            assert!(verbs.contains(&verb), "{text}");
            assert!(!text.contains("add nodes"));
        }
    }
}

#[test]
fn missing_claim_has_a_manifest_with_its_name() {
    let missing = |name: &str| remedies(&VolumeRejection::VolumeClaimMissing { claim: name.into() }, &TARGET);
    // Without quotes, `1e3` would be a number in YAML.
    for name in ["data", "1e3"] {
        // Indented as in a report.
        let manifest: String = missing(name)[0].lines().iter().map(|line| format!("    {line}\n")).collect();
        let claim: serde_json::Value = serde_saphyr::from_str(&manifest).unwrap();
        assert_eq!(claim["kind"], "PersistentVolumeClaim");
        assert_eq!(claim["metadata"], serde_json::json!({"name": name, "namespace": "ops"}));
        assert_eq!(claim["spec"]["accessModes"], serde_json::json!(["ReadWriteMany"]));
    }
    // A template may contain an invalid name.
    assert!(missing("data\"}\nkind: Secret\n")[0].lines().is_empty());
}

#[test]
fn ephemeral_claim_is_recreated_with_its_pod() {
    let claim = || String::from("agent-x-scratch");
    let volume = || String::from("pv");
    for rejection in [
        VolumeRejection::VolumeClaimLost { claim: claim(), volume: volume(), ephemeral: true },
        VolumeRejection::VolumeClaimTerminating { claim: claim(), ephemeral: true },
        VolumeRejection::VolumeMissing { claim: claim(), volume: volume(), ephemeral: true },
    ] {
        let remedies = remedies(&rejection, &TARGET);
        assert_eq!(remedies.len(), 1);
        assert_eq!(remedies[0].lines(), ["kubectl -n ops delete pod agent-x"]);
    }
}

#[test]
fn unbound_claim_is_described() {
    let rejection = VolumeRejection::VolumeClaimUnbound {
        claim: "data".into(),
        storage_class: None,
        provisioner: None,
        volume: None,
    };
    assert_eq!(remedies(&rejection, &TARGET)[0].lines(), ["kubectl -n ops describe pvc data"]);
}

#[test]
fn pod_with_more_volumes_than_the_limit_has_to_use_fewer() {
    let (driver, used_by) = (String::from("disk.example.com"), vec![holder("a")]);
    let rejection = VolumeRejection::VolumeLimit { driver, limit: 1, used: 1, requested: 2, used_by };
    let texts: Vec<String> = remedies(&rejection, &TARGET).into_iter().map(|remedy| remedy.text).collect();
    assert_eq!(texts, ["use at most 1 volume of disk.example.com in the pod: the node allows no more"]);
}
