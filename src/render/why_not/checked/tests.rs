//! Remedies that do not work are not offered.

#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::*;
use crate::explain::diagnosis::{self, Diagnosis};
use crate::render::why_not::{all_remedies, owner_pods, target};
use crate::snapshot::cluster_objects::ClusterObjects;
use crate::snapshot::node_snapshot::NodeSnapshot;
use crate::snapshot::pod::Pod;
use crate::snapshot::{Known, UnsavedPods};
use crate::testing::objects::{self, daemon_pod, daemon_set, from_json, merge};

fn node(fields: Value) -> crate::snapshot::Node {
    let mut all = json!({ "status": { "allocatable": { "cpu": "1", "memory": "1Gi", "pods": "10" } } });
    merge(&mut all, fields);
    objects::node("n1", all)
}

/// A DaemonSet with an unscheduled pod that needs one cpu, on a node with these fields, beside the pod `web` with these
/// fields of its spec.
fn snapshot(daemon_set_fields: Value, node_fields: Value, web: Value) -> NodeSnapshot {
    let container = json!({ "name": "main", "resources": { "requests": { "cpu": "600m" } } });
    let mut fields = json!({ "spec": { "template": { "spec": { "containers": [container] } } } });
    merge(&mut fields, daemon_set_fields);
    let owner = daemon_set("ns", "agent", fields);
    let mut spec = serde_json::to_value(&owner.spec.template.spec).unwrap();
    merge(&mut spec, json!({ "affinity": objects::required_node_name("n1") }));
    let unschedulable = json!({ "type": "PodScheduled", "status": "False", "reason": "Unschedulable" });
    let pod: Pod = daemon_pod(
        &owner,
        "agent-x",
        json!({ "spec": spec, "status": { "phase": "Pending", "conditions": [unschedulable] } }),
    );
    let replica_set =
        json!([{ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "w", "controller": true }]);
    let mut web_fields = json!({
        "metadata": { "ownerReferences": replica_set },
        "spec": { "nodeName": "n1", "containers": [
            { "name": "web", "resources": { "requests": { "cpu": "500m" } } },
        ] },
    });
    merge(&mut web_fields, json!({ "spec": web }));
    NodeSnapshot {
        daemon_sets: vec![owner],
        node: node(node_fields),
        node_exists: true,
        bound: Known::Known(vec![objects::pod("shop", "web", web_fields)]),
        pinned: Known::Known(vec![pod]),
        nominated: Known::Known(Vec::new()),
        unsaved_pods: UnsavedPods::default(),
        revisions: Known::Known(Vec::new()),
        events: Known::Known(Vec::new()),
        openshift: Known::Known(None),
        cluster_objects: ClusterObjects {
            nodes: Known::Known(vec![objects::node("n1", json!({})), objects::node("n2", json!({}))]),
            priority_classes: Known::Known(Vec::new()),
            ..ClusterObjects::default()
        },
        as_of: objects::now(),
    }
}

fn with_diagnosis<R>(snapshot: &NodeSnapshot, read: impl FnOnce(&Diagnosis<'_>) -> R) -> R {
    read(&diagnosis::all(snapshot, &[None])[0])
}

/// The first line of each remedy with commands, and what was found out about it.
fn commands(snapshot: &NodeSnapshot) -> Vec<(String, Option<RemedyOutcome>)> {
    with_diagnosis(snapshot, |diagnosis| {
        let remedies = all_remedies(diagnosis, "n1").into_iter();
        remedies.filter_map(|remedy| Some((remedy.lines().first()?.clone(), remedy.outcome))).collect()
    })
}

fn starts(commands: &[(String, Option<RemedyOutcome>)]) -> Vec<(String, Option<RemedyOutcome>)> {
    let start =
        |line: &str| line.split(' ').filter(|word| !word.starts_with('\'')).take(5).collect::<Vec<_>>().join(" ");
    commands.iter().map(|(line, outcome)| (start(line), *outcome)).collect()
}

const VERIFIED: Option<RemedyOutcome> = Some(RemedyOutcome::Verified);

#[test]
fn full_node_is_relieved_by_what_works() {
    let expected = [
        ("kubectl cordon n1".to_owned(), VERIFIED),
        ("kubectl -n ns set resources".to_owned(), VERIFIED),
        ("kubectl create priorityclass agent --value=1".to_owned(), VERIFIED),
    ];
    assert_eq!(starts(&commands(&snapshot(json!({}), json!({}), json!({})))), expected);
}

/// Moved off the node, the pod would come back, or run nowhere.
#[test]
fn pod_that_no_other_node_accepts_is_not_moved() {
    let elsewhere = snapshot(json!({}), json!({}), json!({ "nodeSelector": { "pool": "only-n1" } }));
    let lines = commands(&elsewhere);
    assert!(!lines.iter().any(|(line, _)| line.contains("cordon")), "{lines:?}");
}

#[test]
fn move_is_not_verified_if_the_other_nodes_are_unknown() {
    let mut unknown = snapshot(json!({}), json!({}), json!({}));
    unknown.cluster_objects.nodes = Known::failed("cannot list nodes");
    assert_eq!(commands(&unknown)[0], ("kubectl cordon n1".to_owned(), Some(RemedyOutcome::NotVerified)));
}

/// A sidecar that a webhook added is not in the template, so that kubectl rejects a change of it.
#[test]
fn container_of_admission_is_not_changed_in_the_template() {
    let mut injected = snapshot(json!({}), json!({}), json!({}));
    let Known::Known(pods) = &mut injected.pinned else { return };
    let sidecar = json!({ "name": "proxy", "resources": { "requests": { "cpu": "800m" } } });
    pods[0].spec.containers.push(from_json(sidecar));
    let lines = commands(&injected);
    assert!(!lines.iter().any(|(line, _)| line.contains("proxy")), "{lines:?}");
}

/// Preemption would only take the place of another daemon pod.
#[test]
fn priority_is_not_raised_against_daemon_pods() {
    let mut daemon = snapshot(json!({}), json!({}), json!({}));
    let Known::Known(pods) = &mut daemon.bound else { return };
    pods[0].metadata.owner_references[0].kind = "DaemonSet".into();
    let lines = commands(&daemon);
    assert!(!lines.iter().any(|(line, _)| line.contains("priority")), "{lines:?}");
    assert!(lines.iter().any(|(line, _)| line.contains("set resources")), "{lines:?}");
}

/// The taint of the cordon of another person is tolerated by daemon pods; a taint of another key is not.
#[test]
fn pod_on_a_tainted_node_is_deleted_or_tolerates_the_taint() {
    let taint = json!({ "key": "dedicated", "value": "db", "effect": "NoSchedule" });
    let tainted = snapshot(json!({}), json!({ "spec": { "taints": [taint] } }), json!({}));
    let found = with_diagnosis(&tainted, |diagnosis| {
        let views = owner_pods(diagnosis);
        let target = target(diagnosis, "n1", &views);
        let (check, reason) = diagnosis.failures().next().unwrap();
        let all = of_reason(check, reason, diagnosis, &target);
        all.iter().map(|remedy| (remedy.lines()[0].clone(), remedy.outcome)).collect::<Vec<_>>()
    });
    let expected = [
        ("kubectl -n ns delete pod".to_owned(), VERIFIED),
        ("kubectl -n ns patch daemonset".to_owned(), VERIFIED),
        ("kubectl taint node n1 dedicated:NoSchedule-".to_owned(), VERIFIED),
    ];
    assert_eq!(starts(&found), expected);
}

#[test]
fn result_of_a_change_of_the_image_is_not_verified() {
    let mut bound = snapshot(json!({}), json!({}), json!({}));
    let Known::Known(pinned) = &mut bound.pinned else { return };
    let mut pod = pinned.remove(0);
    pod.spec.node_name = "n1".into();
    pod.status = from_json(json!({ "phase": "Running", "containerStatuses": [{
        "name": "main", "restartCount": 7, "state": { "waiting": { "reason": "CrashLoopBackOff" } },
        "lastState": { "terminated": { "exitCode": 137, "reason": "OOMKilled" } },
    }] }));
    let Known::Known(pods) = &mut bound.bound else { return };
    pods.push(pod);
    let lines = commands(&bound);
    let set = lines.iter().find(|(line, _)| line.contains("set resources")).unwrap();
    assert_eq!(set.1, Some(RemedyOutcome::NotVerified));
    assert!(lines.iter().any(|(line, outcome)| line.contains("logs") && outcome.is_none()), "{lines:?}");
}
