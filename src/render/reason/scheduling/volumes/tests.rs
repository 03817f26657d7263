#![allow(clippy::unwrap_used)]
use super::*;
use crate::placement::Requirement;

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

/// One of every kind.
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
            wanted: vec!["b".into(), "c".into()],
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
fn every_cause_has_its_sentence() {
    let told: Vec<String> = rejections().iter().map(|rejection| detail(rejection, ListLength::Handful)).collect();
    let expected = [
        "volume v: iscsi iqn is used by pod ops/a on n2",
        "claim data is for one pod of the whole cluster (ReadWriteOncePod), and in use by pod ops/a on n2, pod ops/b on \
         n2, pod ops/c on n2 and 1 more",
        "PersistentVolumeClaim data does not exist",
        "volume scratch waits for its PersistentVolumeClaim data to be made",
        "PersistentVolumeClaim data is lost: its PersistentVolume pv is gone",
        "PersistentVolumeClaim data is being deleted",
        "volume scratch needs PersistentVolumeClaim data, which was not made for this pod",
        "PersistentVolumeClaim data is not bound: it asks for no storage class, and no PersistentVolume without one was \
         found for it",
        "the volume of PersistentVolumeClaim data is being made for node n2",
        "PersistentVolumeClaim data is bound to PersistentVolume pv, which does not exist",
        "PersistentVolume pv (claim data) cannot be reached from this node: node affinity not met: zone In [b] (the \
         node has no label zone)",
        "PersistentVolume pv (claim data) is in b or c, the node in a (label zone)",
        "no PersistentVolume for claim data (10Gi) on this node: storage class fast makes none by itself, and of its 1 \
         volume: pv holds only 1Gi",
        "storage class fast makes no volume for claim data on this node: allowedTopologies not met: zone In [b] (the \
         node has no label zone)",
        "claim data asks for 10Gi, and disk.example.com reports no storage for this node",
        "disk.example.com attaches at most 25 volumes to this node: 25 in use, 1 more needed",
        "CSI driver disk.example.com is not on this node, and wants no pod with its volumes here before it is",
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_claim_that_is_not_bound_tells_what_its_class_would_do() {
    for (class, provisioner, volume, expected) in [
        (Some("gone"), None, None, "its storage class gone does not exist"),
        (
            Some("local"),
            Some("kubernetes.io/no-provisioner"),
            None,
            "its storage class local makes no volumes, and no PersistentVolume of it was found for it",
        ),
        (Some("fast"), Some("disk.example.com"), None, "disk.example.com has not made its volume yet"),
        (Some("fast"), None, Some("pv"), "it asks for PersistentVolume pv, and the two are not bound yet"),
    ] {
        assert_eq!(unbound(class, provisioner, volume), expected);
    }
}

#[test]
fn every_cause_has_a_short_form_and_something_to_do_that_begins_with_a_verb() {
    for rejection in rejections() {
        let short = summary(&rejection);
        assert!(!short.is_empty() && short.len() < 70, "{short}");
        let remedies = remedies(&rejection, &TARGET);
        assert!(!remedies.is_empty(), "{short}");
        for Remedy { text, .. } in remedies {
            let verb = text.split([' ', ',']).next().unwrap_or_default();
            let verbs = [
                "ask", "create", "delete", "find", "free", "get", "give", "keep", "look", "replace", "restore", "see",
                "use", "wait",
            ];
            assert!(verbs.contains(&verb), "{text}");
            assert!(!text.contains("add nodes"));
        }
    }
}

#[test]
fn a_missing_claim_comes_with_a_manifest_of_its_name() {
    let missing = |name: &str| remedies(&VolumeRejection::VolumeClaimMissing { claim: name.into() }, &TARGET);
    // A number in YAML, but for its quotes.
    for name in ["data", "1e3"] {
        // Indented as a report does it.
        let manifest: String = missing(name)[0].lines().iter().map(|line| format!("    {line}\n")).collect();
        let claim: serde_json::Value = serde_saphyr::from_str(&manifest).unwrap();
        assert_eq!(claim["kind"], "PersistentVolumeClaim");
        assert_eq!(claim["metadata"], serde_json::json!({"name": name, "namespace": "ops"}));
        assert_eq!(claim["spec"]["accessModes"], serde_json::json!(["ReadWriteMany"]));
    }
    // A template may name anything.
    assert!(missing("data\"}\nkind: Secret\n")[0].lines().is_empty());
}

#[test]
fn what_was_made_for_one_pod_comes_anew_with_the_next() {
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
fn an_unbound_claim_is_described() {
    let rejection = VolumeRejection::VolumeClaimUnbound {
        claim: "data".into(),
        storage_class: None,
        provisioner: None,
        volume: None,
    };
    assert_eq!(remedies(&rejection, &TARGET)[0].lines(), ["kubectl -n ops describe pvc data"]);
}

#[test]
fn a_pod_that_asks_for_more_volumes_than_the_driver_attaches_is_not_told_to_free_any() {
    let (driver, used_by) = (String::from("disk.example.com"), vec![holder("a")]);
    let rejection = VolumeRejection::VolumeLimit { driver, limit: 1, used: 1, requested: 2, used_by };
    let texts: Vec<String> = remedies(&rejection, &TARGET).into_iter().map(|remedy| remedy.text).collect();
    assert_eq!(texts, ["use no more volumes of disk.example.com in the pod than the node takes: 1"]);
}
